//! A client of `reqwest` whose every request has a span: `cargo run -p examples --bin reqwest_middleware`
//!
//! `TracingMiddleware` is all it takes; the rest of the program asks a small site of its own.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use examples::arguments::{AGENT, Flags};
use examples::jobs_site::{JobsSite, read_jobs};
use examples::{program, say};
use http::Extensions;
use opentracing_api::{InSpan, Inject, StartSpanOptions, Tracer, tags};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};

/// Puts a span around each request, and its context into the headers.
///
/// It is a child of the span that is active where the request is sent.
struct TracingMiddleware {
    tracer: Tracer,
}

#[async_trait]
impl Middleware for TracingMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let options = StartSpanOptions::new()
            .tag(tags::SPAN_KIND, tags::SPAN_KIND_CLIENT)
            .tag(tags::COMPONENT, "reqwest")
            .tag(tags::HTTP_METHOD, request.method().as_str())
            .tag(tags::HTTP_URL, request.url().as_str());
        let mut span = self.tracer.start_span_with(request.method().as_str(), options);
        span.set_tag(tags::PEER_HOSTNAME, request.url().host_str());
        span.set_tag(tags::PEER_PORT, request.url().port_or_known_default());
        if let Err(error) = self.tracer.inject(&span, Inject::HttpHeaders(request.headers_mut())) {
            // The request itself goes well without.
            span.log_kv([("event", "inject failed".to_owned()), ("message", error.to_string())]);
        }
        let span = span.into_shared();
        // The span is active in the middlewares further in, and an error of theirs is recorded.
        let response = next.run(request, extensions).try_in_span(&span).await?;
        span.set_tag(tags::HTTP_STATUS_CODE, response.status().as_u16());
        if response.status().is_server_error() {
            span.set_tag(tags::ERROR, true);
        }
        Ok(response)
    } // The last owner of the span is gone, and so it finishes.
}

/// Asks for a list of jobs, and for the page of each company in it.
async fn visit(
    tracer: &Tracer,
    client: &ClientWithMiddleware,
    positions_url: &str,
) -> Result<(), Box<dyn Error>> {
    let span = tracer.start_span("get-python-jobs").into_shared();
    let visit = async {
        let jobs = read_jobs(&client.get(positions_url).send().await?.text().await?)?;
        span.set_tag("jobs-count", jobs.len());
        for job in &jobs {
            let page = client.get(&job.company_url).send().await?;
            say!("{}: {}", job.company, page.status());
        }
        Ok(())
    };
    visit.in_span(&span).await
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[AGENT]);
    program::run("reqwest_middleware", HELP, flags, run)
}

fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let agent = flags.agent()?.unwrap_or_default();
    let tracer = program::tracer_of(SERVICE, &agent)?;
    let client = reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
    let middleware = TracingMiddleware { tracer: tracer.clone() };
    let client = ClientBuilder::new(client).with(middleware).build();
    let site = JobsSite::start()?;
    let outcome = program::runtime()?.block_on(visit(&tracer, &client, &site.positions_url()));
    program::close(SERVICE, &tracer, &agent)?;
    outcome
}

const SERVICE: &str = "reqwest-client";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const HELP: &str = "\
A client of reqwest whose every request has a span, by a middleware. It asks a small site of its own.

Usage: reqwest_middleware [--agent HOST:PORT]

  --agent HOST:PORT  sends spans there, as localhost:6831 or [::1]:6831; localhost:6831 by default
  --help             shows this";
