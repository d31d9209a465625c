//! The Jaeger clients' configuration: a service name is enough to see spans in Jaeger.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use opentracing_api::child_of;
//! use opentracing_shim::jaeger::{Config, Sampler};
//!
//! let tracer = Config::new("first-service").sampler(Sampler::Const(true)).log_spans(true).init_tracer()?;
//! let mut order = tracer.start_span("place_order");
//! let payment = tracer.start_span_with("charge", child_of(&order).tag("cents", 1999));
//! payment.finish();
//! order.set_tag("paid", true);
//! order.finish();
//! tracer.close(Duration::from_secs(2))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Environment
//!
//! [`Config::from_env`] reads these; an empty variable counts as none, and a setter called afterwards wins.
//!
//! | variable | default | setting |
//! | --- | --- | --- |
//! | `JAEGER_SERVICE_NAME`, else `OTEL_SERVICE_NAME` | none: required | the service's name |
//! | `JAEGER_AGENT_HOST`, else `OTEL_EXPORTER_JAEGER_AGENT_HOST` | `localhost` | [`Config::agent_host`] |
//! | `JAEGER_AGENT_PORT`, else `OTEL_EXPORTER_JAEGER_AGENT_PORT` | 6831 | [`Config::agent_port`] |
//! | `JAEGER_SAMPLER_TYPE`, `JAEGER_SAMPLER_PARAM` | `const`, 1 | [`Config::sampler`] |
//! | `JAEGER_REPORTER_LOG_SPANS` | false | [`Config::log_spans`] |
//! | `JAEGER_REPORTER_FLUSH_INTERVAL` | 1 s | [`Config::flush_interval`] |
//! | `JAEGER_REPORTER_MAX_QUEUE_SIZE` | none: the queue is limited in bytes | [`Config::max_queue_spans`] |
//! | `JAEGER_TAGS` | none | [`Config::tag`], `key=value` pairs with commas between them |
//! | `JAEGER_PROPAGATION` | `jaeger`, and W3C's `traceparent` is read where its headers are absent | [`Config::propagation`], `jaeger`, `b3`, `w3c` with commas between them |
//! | `JAEGER_TRACEID_128BIT` | true | [`Config::trace_id_bits`] |
//! | `JAEGER_DISABLED` | false | [`Config::disabled`] |

mod config;
mod env;
mod error;
mod process;
mod propagation;

pub use config::{Config, JaegerTracer, Sampler};
pub use error::{ConfigError, ConfigProblem};
pub use propagation::Propagation;
