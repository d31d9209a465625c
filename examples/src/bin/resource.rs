//! The Lightstep guide, "resources": what all spans of a program are about. `cargo run -p examples --bin resource`

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::Flags;
use examples::program;
use otel_core::exporter::{ConsoleExporter, ConsoleFormat};
use otel_core::{BatchProcessor, KeyValue, Resource, TracerProvider};

fn run(_: &Flags) -> Result<(), Box<dyn Error>> {
    // Names, language and version of the engine are there already; a key that comes twice has the last value.
    let resource = Resource::new("service-123").with([
        KeyValue::new("service.version", "1.2.3"),
        KeyValue::new("host.hostname", host_name()),
        KeyValue::new("container.name", "my-container-name"),
        KeyValue::new("cloud.region", "us-central1"),
    ]);

    let exporter = ConsoleExporter::new().format(ConsoleFormat::Launcher);
    let provider = TracerProvider::builder()
        .resource(resource)
        .processor(BatchProcessor::new(exporter))
        .build();
    provider.tracer("resource").start("work").end();
    provider.close(CLOSE_TIMEOUT)?;
    Ok(())
}

/// Returns the host's name, as the kernel or the environment tells it.
fn host_name() -> String {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_environment =
        || ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name = from_kernel.or_else(from_environment).unwrap_or_default();
    name.trim().to_owned()
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[]);
    program::run("resource", HELP, flags, run)
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const HELP: &str = "\
A span of a service that says its version, its host and where it runs.

Usage: resource

  --help  shows this";
