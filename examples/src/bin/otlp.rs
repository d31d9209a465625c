//! OpenTelemetry's getting started, the step to a Collector: `cargo run -p examples --bin otlp`
//!
//! Sends foo, bar and baz by OTLP over HTTP to a Collector on this machine, or to a Jaeger all-in-one, which listens on the same
//! port; `--endpoint URL` and the variables `OTEL_EXPORTER_OTLP_*` say where else.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::Flags;
use examples::{program, say};
use otel_core::exporter::otlp::{OtlpExporterBuilder, OtlpStats};
use otel_core::{BatchProcessor, Resource, Tracer, TracerProvider};

/// Three spans, each within the one before.
fn hello(tracer: &Tracer) {
    let _foo = tracer.start_as_current("foo");
    let _bar = tracer.start_as_current("bar");
    let _baz = tracer.start_as_current("baz");
    say!("Hello world from OpenTelemetry Rust!");
}

fn to_collector(flags: &Flags) -> Result<(), Box<dyn Error>> {
    // A program that is over in a moment does not wait for a Collector that is not there yet. One that runs for long
    // leaves this setting alone: its spans are then kept, and sent once more for a minute.
    let exporter = OtlpExporterBuilder::from_env().max_retry_time(Duration::ZERO);
    let exporter = match flags.value(ENDPOINT) {
        Some(url) => exporter.endpoint(url).build()?,
        None => exporter.build()?,
    };
    let url = exporter.endpoint();
    let stats = exporter.stats();
    let provider = TracerProvider::builder()
        .resource(Resource::new("my-helloworld-service"))
        .processor(BatchProcessor::new(exporter))
        .build();
    hello(&provider.tracer("otlp"));
    let closed = provider.close(CLOSE_TIMEOUT)?;
    say!("{} spans sent to {url}, {} lost.", closed.exported_spans, closed.lost_spans);
    match stats.snapshot() {
        OtlpStats { expired_spans: 1.., .. } => {
            say!(
                "Nobody took them there in time: start a Collector or a Jaeger all-in-one, and run this again."
            )
        }
        OtlpStats { refused_spans: 1.., .. } | OtlpStats { rejected_spans: 1.., .. } => {
            say!("What answers there does not take them: is that the port of OTLP over HTTP?")
        }
        _ => say!("Look for the service my-helloworld-service where the Collector sends it on."),
    }
    Ok(())
}

fn main() -> ExitCode {
    program::run("otlp", HELP, Flags::parse(std::env::args_os().skip(1), &[ENDPOINT]), to_collector)
}

const ENDPOINT: &str = "--endpoint";
const CLOSE_TIMEOUT: Duration = Duration::from_secs(15);
const HELP: &str = "\
OpenTelemetry's getting started, the step to a Collector: foo, bar and baz by OTLP over HTTP.

Usage: otlp [--endpoint URL]

  --endpoint URL  sends spans to this Collector, at its path /v1/traces; http://localhost:4318 by default, or what
                  OTEL_EXPORTER_OTLP_ENDPOINT says
  --help          shows this";
