//! Jaeger's wire for `otel-core`: spans as Thrift datagrams to an agent's UDP port, exact packets, counted losses.
//!
//! ```
//! use jaeger_udp::JaegerExporter;
//!
//! let exporter = JaegerExporter::builder().agent_host("localhost").build();
//! let stats = exporter.stats();
//! // The exporter moves into a processor; the handle stays.
//! assert_eq!(stats.snapshot().sent_spans, 0);
//! ```
//!
//! # Map
//!
//! A span goes from top to bottom.
//!
//! | module | holds |
//! | --- | --- |
//! | `exporter` | [`JaegerExporter`]: takes batches, accounts for every span |
//! | `env` | `OTEL_EXPORTER_JAEGER_…`: see [`JaegerExporterBuilder::from_env`] |
//! | `convert`, `trim`, `json` | the border from a record of `otel-core` to Jaeger's structs, in two [dialects](Dialect) |
//! | `codec` | Thrift's compact and binary protocol, and `jaeger.thrift` |
//! | `packer` | the open datagram: sizes, borders, what comes in front and behind |
//! | `transport` | [`Transport`]: UDP to an agent, or memory for tests |
//! | `stats`, `error` | what was counted, and why |
//! | `agent`, `model` | feature `agent`: the receiving side, for tests and local viewers |
//!
//! # Features
//!
//! `agent` receives and decodes what clients send; it brings the `thrift` crate. Off by default.

#![forbid(unsafe_code)]

mod exporter;
mod env;

mod convert;
mod json;
mod trim;

mod codec;
mod packer;
mod transport;

mod error;
mod stats;

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "agent")]
pub mod model;

#[cfg(all(test, feature = "agent"))]
mod testing;

pub use convert::Dialect;
#[cfg(feature = "agent")]
pub use error::DecodeError;
pub use error::{ReportError, SendError};
pub use exporter::{JaegerExporter, JaegerExporterBuilder};
pub use packer::Protocol;
pub use stats::{ClientStats, Stats, StatsHandle};
pub use transport::{Datagrams, InMemoryTransport, Resolve, SystemResolver, Transport};
