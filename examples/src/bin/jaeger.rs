//! OpenTelemetry's getting started, "configure exporters to emit spans elsewhere": `cargo run -p examples --bin jaeger`
//!
//! Where no agent listens on this machine, the program is the agent itself, and draws the spans that it receives.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::{AGENT, Flags};
use examples::destination::Destination;
use examples::{program, say};
use jaeger_udp::JaegerExporter;
use otel_core::{BatchProcessor, Resource, TracerProvider, global_tracer, set_global_provider};

fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let destination = Destination::choose(SERVICE, flags.agent()?)?;
    let agent = destination.agent();

    let provider = TracerProvider::builder().resource(Resource::new(SERVICE)).build();
    let exporter = JaegerExporter::builder()
        .agent_host(agent.host()) // localhost
        .agent_port(agent.port()) // 6831
        .build();
    provider.add_processor(BatchProcessor::new(exporter));
    set_global_provider(provider.clone());

    let tracer = global_tracer("jaeger");
    tracer.in_span("foo", |_| {
        tracer.in_span("bar", |_| {
            tracer.in_span("baz", |_| say!("Hello world from OpenTelemetry Rust!"));
        });
    });

    let closed = provider.close(CLOSE_TIMEOUT)?;
    destination.close(closed.exported_spans, closed.lost_spans)?;
    Ok(())
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[AGENT]);
    program::run("jaeger", HELP, flags, run)
}

const SERVICE: &str = "my-helloworld-service";
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const HELP: &str = "\
OpenTelemetry's getting started: foo, bar and baz, sent to a Jaeger agent.

Usage: jaeger [--agent HOST:PORT]

  --agent HOST:PORT  sends spans there, as localhost:6831 or [::1]:6831, and is no agent itself
  --help             shows this

Where nobody listens on port 6831 of this machine, spans are received and drawn by the program itself.";
