//! The Lightstep guide, "setting attributes": a request of an HTTP client. `cargo run -p examples --bin attributes`

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::Flags;
use examples::program;
use otel_core::exporter::{ConsoleExporter, ConsoleFormat};
use otel_core::{BatchProcessor, SpanKind, Tracer, TracerProvider};

fn list_projects(tracer: &Tracer) {
    // Samplers see the attributes that a span starts with.
    let mut span = tracer
        .span_builder("/project/:project-id/list")
        .kind(SpanKind::Client)
        .attributes(&[
            ("http.method", "GET".into()),
            ("http.flavor", "1.1".into()),
            ("http.url", "https://example.com:8080/project/123/list/?page=2".into()),
            ("net.peer.ip", "192.0.2.5".into()),
            ("http.status_code", 200.into()),
            ("http.status_text", "OK".into()),
        ])
        .start();

    // Others can be added until the span ends. Dots keep the keys of different parts of a program apart.
    span.set_attribute("list.page_number", 2);
    span.set_attribute("project.id", 2);
    span.set_attribute("project.tags", &["internal", "beta"]);
    span.end();
}

fn run(_: &Flags) -> Result<(), Box<dyn Error>> {
    let exporter = ConsoleExporter::new().format(ConsoleFormat::Launcher);
    let provider = TracerProvider::builder().processor(BatchProcessor::new(exporter)).build();
    list_projects(&provider.tracer("attributes"));
    provider.close(CLOSE_TIMEOUT)?;
    Ok(())
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[]);
    program::run("attributes", HELP, flags, run)
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const HELP: &str = "\
A span of an HTTP client with attributes, printed as JSON.

Usage: attributes

  --help  shows this";
