//! The Lightstep guide, "adding events" and "recording exceptions": `cargo run -p examples --bin events`

use std::collections::VecDeque;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::Flags;
use examples::program;
use otel_core::exporter::{ConsoleExporter, ConsoleFormat};
use otel_core::{
    BatchProcessor, SharedSpan, StatusCode, TracerProvider, global_tracer, set_global_provider,
};

/// Adding events: what happened, at a moment of the current span.
fn enqueue(queue: &mut VecDeque<i64>, item: i64) {
    queue.push_back(item);
    SharedSpan::current().add_event(
        "enqueued item",
        &[
            ("item.id", item.into()),
            ("queue.id", "kitchen".into()),
            ("queue.length", (queue.len() as i64).into()),
        ],
    );
}

/// Recording exceptions: an event with the error's type, message and causes. The status is another thing: an error that was
/// dealt with leaves it alone.
fn sell(price: &str) -> Option<f64> {
    match price.parse::<f64>() {
        Ok(price) => Some(price),
        Err(error) => {
            let span = SharedSpan::current();
            span.record_error(&error);
            span.set_status(StatusCode::Error, "error happened");
            None
        }
    }
}

fn run(_: &Flags) -> Result<(), Box<dyn Error>> {
    let exporter = ConsoleExporter::new().format(ConsoleFormat::Launcher);
    let provider = TracerProvider::builder().processor(BatchProcessor::new(exporter)).build();
    set_global_provider(provider.clone());
    let tracer = global_tracer("events");
    tracer.in_span("take an order", |_| enqueue(&mut VecDeque::from([7]), 8));
    tracer.in_span("sell a cake", |_| sell("much"));
    provider.close(CLOSE_TIMEOUT)?;
    Ok(())
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[]);
    program::run("events", HELP, flags, run)
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const HELP: &str = "\
A span with an event, and one with an error, printed as JSON.

Usage: events

  --help  shows this";
