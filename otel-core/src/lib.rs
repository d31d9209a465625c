//! An OpenTelemetry-model tracing engine.
//!
//! A span is turned into bytes as it is recorded, waits as bytes in a queue, and is read in place by exporters: nothing
//! in between is a tree of strings. The engine opens no socket, unless its feature
//! `otlp` is asked for; `jaeger-udp` delivers to Jaeger, `opentracing-shim` puts the OpenTracing API in front.
//!
//! ```
//! use std::time::Duration;
//!
//! use otel_core::exporter::ConsoleExporter;
//! use otel_core::{BatchProcessor, Resource, TracerProvider};
//!
//! let provider = TracerProvider::builder()
//!     .resource(Resource::new("my-helloworld-service"))
//!     .processor(BatchProcessor::new(ConsoleExporter::new()))
//!     .build();
//! let tracer = provider.tracer("hello");
//! {
//!     let _foo = tracer.start_as_current("foo");
//!     let bar = tracer.start_as_current("bar");
//!     bar.set_attribute("answer", 42);
//! }
//! let flushed = provider.close(Duration::from_secs(2))?;
//! assert_eq!((flushed.exported_spans, flushed.lost_spans), (2, 0));
//! # Ok::<(), otel_core::FlushError>(())
//! ```
//!
//! # Map
//!
//! | part | holds |
//! | --- | --- |
//! | [`TracerProvider`], [`Tracer`], [`Span`] | what a program holds: set-up, start, live span |
//! | [`global_tracer`], [`set_global_provider`], [`global_propagator`] | the same for code that is not handed them |
//! | [`Context`], [`Baggage`], [`SpanContext`] | what surrounds work, and what crosses processes |
//! | [`sampler`] | who decides which traces are kept |
//! | [`propagation`] | span contexts and baggage in headers: W3C's, Jaeger's, B3's and OpenTracing's |
//! | [`record`] | a span as bytes: written by setters, read by exporters |
//! | [`BatchProcessor`], [`SimpleProcessor`] | from the end of a span to an exporter |
//! | [`exporter`] | where spans go: console, as JSON or as trees, memory, a Collector (feature `otlp`), and the trait for others |
//! | [`mod@env`] | settings from environment variables, and what they came to be |
//! | [`diagnostics`] | what the library says about itself |
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | adds |
//! | --- | --- |
//! | `otlp` | `exporter::otlp`: spans go to an OpenTelemetry Collector, as protobuf over HTTP |
//! | `otlp-tls` | the same over HTTPS |
//!
//! # Environment
//!
//! [`TracerProvider::from_env`] and [`propagation::from_env`] read OpenTelemetry's `OTEL_*` variables, all of which stand in the
//! table of [`mod@env`] with meaning, unit, default and what is allowed. Code wins over them, and they over the defaults.
//! [`TracerProvider::configuration`] shows what each setting came to be, and who said so.
//!
//! # Fork
//!
//! A program may `fork` at any time, also while other threads record. The parent goes on as before. The child begins anew with
//! its first span: other ids, an empty queue, a worker of its own, an exporter made by
//! [`SpanExporter::fork_recipe`](exporter::SpanExporter::fork_recipe), and counts from zero. What was queued in the parent is
//! delivered by the parent alone. So is a span that was alive at the fork: where it ends in the child, the child counts it
//! in [`SpanCounts::inherited_spans`] and exports nothing, while its context can still be a parent there. A provider that was
//! closed stays closed.
//!
//! Some things remain the program's own: a [`SharedSpan`] that another thread was writing to at the moment of the fork stays
//! locked in the child, as any lock would, and an [`IdGenerator`] or a [`SpanProcessor`] of the program's has to know for
//! itself. A process made by the bare system call, past the C library's `fork`, is not noticed. Nor can the engine help the
//! standard library: where a thread of the parent was starting or ending at the fork, a thread of the child's own may never
//! start, and the child leaves by `_exit` rather than by `std::process::exit`.

#![deny(unsafe_code)]

mod provider;
mod global;
mod tracer;
mod span;
mod context;
pub mod sampler;
pub mod propagation;
pub mod record;
mod processor;
pub mod exporter;
mod account;
pub mod diagnostics;
pub mod env;
mod attribute;
mod baggage;
mod clock;
mod sync;
mod foreign;
mod raw;
mod id;
mod id_generator;
mod instrumentation_scope;
mod resource;
mod span_context;
mod trace_state;

pub use account::{FlushError, Flushed, SpanCounts};
pub use attribute::{AttributeSource, KeyValue, OwnedValue, Value};
pub use baggage::{Baggage, BaggageItem};
pub use clock::{Clock, ManualClock, SystemClock};
pub use context::{Context, ContextGuard, FutureContext};
pub use global::{
    GlobalPropagator, global_propagator, global_provider, global_scoped_tracer, global_tracer,
    set_global_propagator, set_global_provider, set_global_provider_if_absent,
    take_global_provider,
};
pub use id::{SpanId, TraceId};
pub use id_generator::{IdGenerator, RandomIdGenerator};
pub use instrumentation_scope::InstrumentationScope;
pub use processor::{
    BatchProcessor, BatchProcessorBuilder, Pipeline, SimpleProcessor, SpanProcessor,
};
pub use provider::{TracerProvider, TracerProviderBuilder};
pub use resource::Resource;
pub use span::{
    CurrentSpan, ForeignSpan, Link, RecordingSpan, SharedSpan, Span, SpanBuilder, SpanKind,
    SpanLimits, StatusCode, WeakSpan,
};
pub use span_context::{SpanContext, TraceFlags};
pub use trace_state::TraceState;
pub use tracer::{SpanRequest, StartDecision, Tracer};
