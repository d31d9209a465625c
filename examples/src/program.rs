//! What programs have in common that report to an agent: reading flags, and telling what became of their spans.

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use opentracing_api::Flushed;
use opentracing_shim::jaeger::{Config, ConfigError, JaegerTracer};
use tokio::runtime::{Builder, Runtime};

use crate::arguments::{AgentAddress, Flags, USAGE_EXIT_CODE, UsageError};
use crate::{complain, say};

/// Runs a program: 0 for success, 1 where it failed, 2 for arguments that make no sense.
pub fn run(
    name: &str,
    help: &str,
    flags: Result<Option<Flags>, UsageError>,
    program: impl FnOnce(&Flags) -> Result<(), Box<dyn Error>>,
) -> ExitCode {
    let outcome = match flags {
        Ok(Some(flags)) => program(&flags),
        Ok(None) => {
            say!("{help}");
            return ExitCode::SUCCESS;
        }
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("{name}: {error}");
            let is_usage = error.is::<UsageError>();
            ExitCode::from(if is_usage { USAGE_EXIT_CODE } else { 1 })
        }
    }
}

/// Makes a tracer that keeps every trace and reports to an agent.
///
/// # Errors
///
/// Where the service has no name.
pub fn tracer_of(service_name: &str, agent: &AgentAddress) -> Result<JaegerTracer, ConfigError> {
    Config::new(service_name).agent_host(agent.host()).agent_port(agent.port()).build()
}

/// Closes a tracer, and says what became of its spans and where to look for them.
///
/// # Errors
///
/// Where the spans are not sent within two seconds.
pub fn close(
    service_name: &str,
    tracer: &JaegerTracer,
    agent: &AgentAddress,
) -> Result<(), Box<dyn Error>> {
    let Flushed { reported_spans, lost_spans, .. } = tracer.close(CLOSE_TIMEOUT)?;
    say!("{service_name}: spans sent to {agent}: {reported_spans}, lost: {lost_spans}.");
    match lost_spans {
        0 => say!("Look for the service {service_name} at {}", agent.ui_url()),
        _ => say!("{agent} cannot be reached, or nobody listens there."),
    }
    Ok(())
}

/// Makes a runtime for programs that serve, or ask servers.
///
/// # Errors
///
/// Where the system has no threads left, or no files.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
