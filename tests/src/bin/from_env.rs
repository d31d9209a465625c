//! Sets a provider up by its environment, twice: the program that the tests in `environment` start, since a test's own
//! process has an environment that all tests share.
//!
//! Prints the configuration and the propagators' headers to standard output, and whatever the library has to say to standard
//! error.

use std::io::{self, Write};
use std::time::Duration;

use jaeger_udp::JaegerExporter;
use otel_core::env::Environment;
use otel_core::propagation::{self, Propagator};
use otel_core::{TracerProvider, diagnostics};

fn main() -> io::Result<()> {
    for _ in 0..2 {
        let environment =
            Environment::of_process().exporter("jaeger", JaegerExporter::from_environment);
        let provider = TracerProvider::from_environment(environment).build();
        // A span would go to whatever listens at the agent's usual port.
        if std::env::args().all(|argument| argument != "--no-span") {
            let span = provider.tracer("from_env").start("work");
            diagnostics::info(format_args!("recording: {}", span.is_recording()));
            span.end();
        }
        provider.close(Duration::from_secs(60)).map_err(io::Error::other)?;
        let mut out = io::stdout().lock();
        write!(out, "{}", provider.configuration())?;
        writeln!(out, "headers: {:?}", propagation::from_env().fields())?;
    }
    Ok(())
}
