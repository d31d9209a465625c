//! The OpenTracing API on an OpenTelemetry-model core: the front door.
//!
//! Programs and libraries speak [`opentracing_api`]; this crate puts it on [`otel_core`], and with the feature `jaeger`
//! (on by default) sends spans to a Jaeger agent, configured as the Jaeger clients were.
//!
//! ```
//! use std::time::Duration;
//!
//! use opentracing_api::child_of;
//! use opentracing_shim::jaeger::Config;
//!
//! let tracer = Config::new("first-service").init_tracer()?; // also the global tracer
//! let mut fourth = tracer.start_span("fourth-span");
//! fourth.set_tag("fourth-tag", "60");
//! let mut fifth = tracer.start_span_with("fifth-span", child_of(&fourth));
//! fifth.set_tag("fifth-tag", "80");
//! fifth.finish();
//! drop(fourth); // dropping finishes too
//! let flushed = tracer.close(Duration::from_secs(2))?;
//! assert_eq!(flushed.reported_spans + flushed.lost_spans, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Who knows another tracing library finds its calls in [`coming_from`].
//!
//! # Features
//!
//! | feature | default | what |
//! | --- | --- | --- |
//! | `jaeger` | on | [`jaeger::Config`]: the Jaeger clients' configuration, and spans sent to an agent |

#![forbid(unsafe_code)]

#[cfg(feature = "jaeger")]
pub mod jaeger;
mod tracer;
mod span;
mod scope;
mod propagation;
mod convert;
#[cfg(feature = "jaeger")]
pub mod coming_from;

pub use convert::Semantics;
pub use propagation::{CustomFormat, Formats};
pub use tracer::TracerShim;

/// The programs of the README, compiled and run with the documentation's other examples.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
