//! A request to the example `http_server`, with one trace over both: `cargo run -p examples --bin http_client`

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::{AGENT, Flags};
use examples::{program, say};
use opentracing_api::Tracer;
use opentracing_api::tower::TraceLayer;
use tower::{Layer, ServiceExt, service_fn};

/// Asks once. The span begins with the request, and its context goes along in the headers.
async fn ask(tracer: Tracer, url: &str) -> Result<String, Box<dyn Error>> {
    let client = reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
    let send = async |request: http::Request<String>| {
        client.execute(request.try_into()?).await.map(http::Response::from)
    };
    let client = TraceLayer::client(tracer).component("reqwest").layer(service_fn(send));
    let response = client.oneshot(http::Request::get(url).body(String::new())?).await?;
    Ok(reqwest::Response::from(response).error_for_status()?.text().await?)
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[URL, AGENT]);
    program::run("http_client", HELP, flags, run)
}

fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let url = flags.value(URL).unwrap_or("http://127.0.0.1:5000/");
    let agent = flags.agent()?.unwrap_or_default();
    let tracer = program::tracer_of(SERVICE, &agent)?;
    let answer = program::runtime()?.block_on(ask(tracer.clone(), url));
    // A request that failed has a span as well.
    program::close(SERVICE, &tracer, &agent)?;
    say!("{url} says: {}", answer?.trim_end());
    Ok(())
}

const SERVICE: &str = "http-client";
const URL: &str = "--url";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const HELP: &str = "\
A request to the example http_server, with one trace over both.

Usage: http_client [--url URL] [--agent HOST:PORT]

  --url URL          asks for that page, http only; http://127.0.0.1:5000/ by default
  --agent HOST:PORT  sends spans there, as localhost:6831 or [::1]:6831; localhost:6831 by default
  --help             shows this";
