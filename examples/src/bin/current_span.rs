//! The Lightstep guide, "spans and the tracer API": who bakes the cake? `cargo run -p examples --bin current_span`

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::Flags;
use examples::program;
use otel_core::exporter::{ConsoleExporter, ConsoleFormat};
use otel_core::{
    BatchProcessor, Resource, SharedSpan, Tracer, TracerProvider, global_tracer,
    set_global_provider,
};

/// Named after the part of the program that it is for, and kept for all of its spans.
static TRACER: Tracer = global_tracer("kitchen");

/// Knows nothing of the span that it works in: it asks for the current one.
fn bake_cake() {
    let span = SharedSpan::current();
    span.add_event("into the oven", &[("oven.celsius", 180.into())]);
}

/// A span that is not the current one: what happens in the oven is told of its parent.
fn naive() {
    let cake_span = TRACER.start("bake-cake, naively");
    bake_cake();
    cake_span.end();
}

/// A span that is the current one for as long as the closure runs.
fn better() {
    TRACER.in_span("bake-cake", |_| bake_cake());
}

/// The same without a closure: the span is current until it is dropped.
fn without_closure() {
    let _cake_span = TRACER.start_as_current("bake-cake, without a closure");
    bake_cake();
}

fn run(_: &Flags) -> Result<(), Box<dyn Error>> {
    let exporter = ConsoleExporter::new().format(ConsoleFormat::Tree);
    let provider = TracerProvider::builder()
        .resource(Resource::new("robot-kitchen"))
        .processor(BatchProcessor::new(exporter))
        .build();
    set_global_provider(provider.clone());
    TRACER.in_span("birthday", |_| {
        naive();
        better();
        without_closure();
    });
    provider.close(CLOSE_TIMEOUT)?;
    Ok(())
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[]);
    program::run("current_span", HELP, flags, run)
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const HELP: &str = "\
A span with and without being the current one, drawn as a tree.

Usage: current_span

  --help  shows this";
