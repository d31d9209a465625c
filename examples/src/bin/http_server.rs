//! OpenTelemetry's Flask application, with axum and reqwest: `cargo run -p examples --bin http_server`
//!
//! Each request to `/` has a span of the framework's, one of the program's, and one for the request that it sends itself.
//! Visit it with a browser, or with the example `http_client`, whose span is then the parent of them all.

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::extract::{MatchedPath, State};
use axum::http::StatusCode;
use axum::routing::get;
use examples::arguments::{AGENT, Flags, PORT};
use examples::program;
use examples::server::Server;
use opentracing_api::tower::{RequestHead, TraceLayer};
use opentracing_api::{InSpan, Tracer};
use tower::Layer;
use tower::{ServiceExt, service_fn};

/// The site, with its tracer and the page that it asks for.
#[derive(Clone)]
struct Site {
    tracer: Tracer,
    client: reqwest::Client,
    upstream: String,
}

impl Site {
    /// Puts a span around every request that comes in.
    fn router(self) -> Router {
        let server =
            TraceLayer::server(self.tracer.clone()).component("axum").operation_name(route);
        Router::new()
            .route("/", get(hello))
            .route("/example", get(async || "an example\n"))
            .layer(server)
            .with_state(self)
    }

    /// Puts a span around a request that goes out, and its context into the headers.
    async fn get(&self, url: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
        let send = async |request: http::Request<String>| {
            self.client.execute(request.try_into()?).await.map(http::Response::from)
        };
        let request = http::Request::get(url).body(String::new())?;
        let client = TraceLayer::client(self.tracer.clone()).component("reqwest");
        let response = client.layer(service_fn(send)).oneshot(request).await?;
        Ok(reqwest::Response::from(response).error_for_status()?.text().await?)
    }
}

/// The page of the guide. Its span begins as a child of the request's, which is active here.
async fn hello(State(site): State<Site>) -> Result<&'static str, (StatusCode, String)> {
    let span = site.tracer.start_span("example-request");
    match site.get(&site.upstream).try_in_span(span).await {
        Ok(_) => Ok("hello"),
        Err(error) => Err((StatusCode::BAD_GATEWAY, error.to_string())),
    }
}

/// Names a span by the route, of which there are few, and not by the path, of which there may be many.
fn route(request: &RequestHead<'_>) -> String {
    match request.extensions().get::<MatchedPath>() {
        Some(path) => format!("{} {}", request.method(), path.as_str()),
        None => request.method().to_string(),
    }
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[PORT, AGENT, UPSTREAM]);
    program::run("http_server", HELP, flags, serve)
}

fn serve(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let port = flags.port()?.unwrap_or(5000);
    let agent = flags.agent()?.unwrap_or_default();
    let tracer = program::tracer_of(SERVICE, &agent)?;
    program::runtime()?.block_on(async {
        let server = Server::bind(port).await?;
        let upstream = flags.value(UPSTREAM).map(str::to_owned);
        let site = Site {
            tracer: tracer.clone(),
            client: reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?,
            upstream: upstream.unwrap_or_else(|| format!("{}/example", server.url())),
        };
        server.run("http_server", site.router()).await?;
        Ok::<(), Box<dyn Error>>(())
    })?;
    program::close(SERVICE, &tracer, &agent)
}

const SERVICE: &str = "http-server";
const UPSTREAM: &str = "--upstream";
const REQUEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
const HELP: &str = "\
OpenTelemetry's Flask application: a page that sends a request itself, each with its span.

Usage: http_server [--port PORT] [--upstream URL] [--agent HOST:PORT]

  --port PORT        listens there, on this machine alone; 5000 by default, 0 for any free port
  --upstream URL     asks for that page, http only; by default for a second page of its own
  --agent HOST:PORT  sends spans there, as localhost:6831 or [::1]:6831; localhost:6831 by default
  --help             shows this";
