//! OpenTelemetry's getting started, "configure your HTTP propagator": `cargo run -p examples --bin b3`
//!
//! A client asks a server, both in this program. One line swaps W3C's headers for B3 and baggage, and neither knows of it.

use std::error::Error;
use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use examples::arguments::Flags;
use examples::json_server::{self, Request};
use examples::{program, say};
use otel_core::exporter::{ConsoleExporter, ConsoleFormat};
use otel_core::propagation::{B3Propagator, BaggagePropagator, CompositePropagator, IgnoreCase};
use otel_core::propagation::{extract_context, inject_context};
use otel_core::{
    Baggage, BatchProcessor, Context, SpanKind, Tracer, TracerProvider, global_propagator,
    global_tracer, set_global_propagator, set_global_provider,
};

static TRACER: Tracer = global_tracer("b3");

/// Sends a request with the headers of whatever propagator is the global one.
fn ask(url: &str) -> Result<String, ureq::Error> {
    let span = TRACER.span_builder("GET /").kind(SpanKind::Client).start();
    let context = Context::current().with_span(span);
    let mut headers = Vec::new();
    inject_context(&global_propagator(), &context, &mut headers);
    let mut request = http_client().get(url);
    for (name, value) in headers {
        say!("The client sends {name}: {value}");
        request = request.header(name, value);
    }
    request.call()?.body_mut().read_to_string()
}

/// Answers a request in a span that continues the trace of whoever sent it.
fn answer(request: &Request) -> serde_json::Value {
    let caller =
        extract_context(&global_propagator(), &Context::new(), &IgnoreCase(&request.headers));
    let span = TRACER.span_builder("GET /").kind(SpanKind::Server).parent(&caller).start();
    let tenant = caller.baggage().get("tenant").unwrap_or("nobody");
    say!("The server continues trace {} for {tenant}", span.context().trace_id());
    format!("hello {tenant}").into()
}

fn run(_: &Flags) -> Result<(), Box<dyn Error>> {
    set_global_propagator(
        CompositePropagator::new()
            .propagator(B3Propagator::single())
            .propagator(BaggagePropagator::new()),
    );

    let exporter = ConsoleExporter::new().format(ConsoleFormat::Tree);
    let provider = TracerProvider::builder().processor(BatchProcessor::new(exporter)).build();
    set_global_provider(provider.clone());

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    thread::spawn(move || json_server::serve(&listener, answer));
    let context = Context::new().with_baggage(Baggage::new().with("tenant", "Ann"));
    let _attached = context.attach();
    say!("The server says {}", ask(&url)?);

    provider.close(CLOSE_TIMEOUT)?;
    Ok(())
}

fn http_client() -> ureq::Agent {
    // The server is on this machine, where no proxy is of use.
    let config = ureq::Agent::config_builder().proxy(None).timeout_global(Some(REQUEST_TIMEOUT));
    config.build().into()
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[]);
    program::run("b3", HELP, flags, run)
}

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const HELP: &str = "\
A client and a server whose trace goes along in Zipkin's B3 header.

Usage: b3

  --help  shows this";
