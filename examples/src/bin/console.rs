//! OpenTelemetry's getting started, "emit a trace to your console": `cargo run -p examples --bin console`

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::{Flags, UsageError};
use examples::{program, say};
use otel_core::exporter::{ConsoleExporter, ConsoleFormat};
use otel_core::{BatchProcessor, TracerProvider, global_tracer, set_global_provider};

fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let provider = TracerProvider::builder().build();
    let exporter = ConsoleExporter::new().format(format_of(flags)?);
    provider.add_processor(BatchProcessor::new(exporter));
    set_global_provider(provider.clone());

    let tracer = global_tracer("console");
    tracer.in_span("foo", |_| {
        tracer.in_span("bar", |_| {
            tracer.in_span("baz", |_| say!("Hello world from OpenTelemetry Rust!"));
        });
    });

    // Spans are printed in the background: a program waits for them before it ends.
    provider.close(CLOSE_TIMEOUT)?;
    Ok(())
}

/// Reads in which shape spans are printed: each of the guides shows another one.
fn format_of(flags: &Flags) -> Result<ConsoleFormat, UsageError> {
    let Some(asked) = flags.value(FORMAT) else { return Ok(ConsoleFormat::default()) };
    let found = FORMATS.into_iter().find(|(name, _)| *name == asked);
    found.map(|(_, format)| format).ok_or_else(|| UsageError::InvalidValue {
        flag: FORMAT,
        value: asked.to_owned(),
        allowed: FORMATS.map(|(name, _)| name).join(", "),
    })
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[FORMAT]);
    program::run("console", HELP, flags, run)
}

const FORMAT: &str = "--format";
const FORMATS: [(&str, ConsoleFormat); 5] = [
    ("current", ConsoleFormat::Current),
    ("python2020", ConsoleFormat::Python2020),
    ("python2021", ConsoleFormat::Python2021),
    ("launcher", ConsoleFormat::Launcher),
    ("tree", ConsoleFormat::Tree),
];
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const HELP: &str = "\
OpenTelemetry's getting started: foo, bar and baz, printed to the console.

Usage: console [--format NAME]

  --format NAME  prints spans as current, python2020, python2021 or launcher JSON, or as a tree; current by default
  --help         shows this";
