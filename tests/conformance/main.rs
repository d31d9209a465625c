//! What other languages' OpenTracing libraries are held to, asked of every tracer of this project.
//!
//! Each module says which checks of the original it has, and how many. The checks run against the no-op tracer, the mock,
//! the shim under OpenTelemetry's rules (with scopes of its own, and with scopes that share the core's context) and the shim that `jaeger::Config` makes; what a tracer is not there for, as the
//! no-op tracer to keep baggage, is not asked of it ([`subject::Subject::records`]).

#[macro_use]
mod executor;
#[macro_use]
mod subject;

mod bad_input;
mod go_harness;
mod interoperability;
mod java_shim;
mod python_harness;
mod random_programs;
mod scopes;
mod testbed;
