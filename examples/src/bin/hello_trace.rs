//! OpenTelemetry's getting started, foo, bar and baz: `cargo run -p examples --bin hello_trace`
//!
//! First to the console, then to a Jaeger agent on this machine, or where `--agent HOST:PORT` says.

use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::{AGENT, AgentAddress, Flags, USAGE_EXIT_CODE};
use examples::{complain, say};
use jaeger_udp::JaegerExporter;
use otel_core::exporter::ConsoleExporter;
use otel_core::{BatchProcessor, FlushError, Resource, Tracer, TracerProvider};

/// Three spans, each within the one before.
fn hello(tracer: &Tracer) {
    let _foo = tracer.start_as_current("foo");
    let _bar = tracer.start_as_current("bar");
    let _baz = tracer.start_as_current("baz");
    say!("Hello world from OpenTelemetry Rust!");
} // They are dropped, and so end, from the last to the first: baz, bar, foo.

/// Hello world: emit a trace to your console.
fn to_console() -> Result<(), FlushError> {
    let provider =
        TracerProvider::builder().processor(BatchProcessor::new(ConsoleExporter::new())).build();
    hello(&provider.tracer("hello_trace"));
    provider.close(CLOSE_TIMEOUT)?;
    Ok(())
}

/// Configure exporters to emit spans elsewhere.
fn to_jaeger(agent: &AgentAddress) -> Result<(), FlushError> {
    let exporter =
        JaegerExporter::builder().agent_host(agent.host()).agent_port(agent.port()).build();
    let stats = exporter.stats();
    let provider = TracerProvider::builder()
        .resource(Resource::new("my-helloworld-service"))
        .processor(BatchProcessor::new(exporter))
        .build();
    hello(&provider.tracer("hello_trace"));
    let closed = provider.close(CLOSE_TIMEOUT)?;
    say!("{} spans sent to {agent}, {} lost.", closed.exported_spans, closed.lost_spans);
    let stats = stats.snapshot();
    if stats.refused_spans > 0 {
        say!(
            "Nobody listens there: {} spans were refused. Start a Jaeger all-in-one and run this again.",
            stats.refused_spans
        );
    } else if stats.unresolved_spans > 0 {
        say!("There is no such host: {} spans had nowhere to go.", stats.unresolved_spans);
    } else if closed.lost_spans == 0 {
        say!("Look for the service my-helloworld-service at {}", agent.ui_url());
    }
    Ok(())
}

fn main() -> ExitCode {
    let asked = Flags::parse(std::env::args_os().skip(1), &[AGENT])
        .and_then(|flags| flags.map(|flags| flags.agent()).transpose());
    let agent = match asked {
        Ok(Some(agent)) => agent.unwrap_or_default(),
        Ok(None) => {
            say!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            complain!("hello_trace: {error}");
            return ExitCode::from(USAGE_EXIT_CODE);
        }
    };
    match to_console().and_then(|()| to_jaeger(&agent)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("hello_trace: {error}");
            ExitCode::FAILURE
        }
    }
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const HELP: &str = "\
OpenTelemetry's getting started: foo, bar and baz, first to the console and then to a Jaeger agent.

Usage: hello_trace [--agent HOST:PORT]

  --agent HOST:PORT  sends spans there, as localhost:6831 or [::1]:6831; localhost:6831 by default
  --help             shows this";
