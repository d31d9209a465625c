//! For those who know another tracing library: what its calls are called here. These modules hold no code.
//!
//! | from | page |
//! | --- | --- |
//! | `opentracing` and `jaeger_client` for Python | [`python`] |
//! | `opentracing-go` and `jaeger-client-go` | [`go`] |
//! | `io.opentracing` and `jaeger-client-java` | [`java`] |
//! | the crates `rustracing` and `rustracing_jaeger` | [`rustracing`] |
//! | the crates `opentelemetry` and `opentelemetry_sdk` | [`opentelemetry`] |
//!
//! What is the same for all of them:
//!
//! - A span is owned. Setters take `&mut`, [`finish`](opentracing_api::Span::finish) takes the span itself, so nothing can be
//!   done to a finished span; dropping it finishes it too. What several owners need is asked for with
//!   [`into_shared`](opentracing_api::Span::into_shared).
//! - Who owns a span says who finishes it: a scope or a future that is given a [`Span`](opentracing_api::Span) finishes it, one
//!   that is given a [`SharedSpan`](opentracing_api::SharedSpan) only makes it active.
//! - No call on a span fails or waits. What was lost on the way is in the answer of
//!   [`close`](opentracing_api::TracerGuard::close).

pub mod go;
pub mod java;
pub mod opentelemetry;
pub mod python;
pub mod rustracing;
