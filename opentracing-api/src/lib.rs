//! The OpenTracing API for Rust: what programs call and what libraries are instrumented with.
//!
//! A library takes a [`Tracer`] (or uses [`global_tracer`]) and needs nothing else; the program
//! decides which implementation is behind it, or none. Nothing here blocks, panics or fails because
//! of tracing.
//!
//! ```
//! use opentracing_api::{child_of, fields, Tracer};
//!
//! fn place_order(tracer: &Tracer, cents: u64) {
//!     let mut order = tracer.start_span("place-order");
//!     let mut payment = tracer.start_span_with("charge", child_of(&order).tag("cents", cents));
//!     payment.log_kv(fields! { "event" => "card accepted", "attempt" => 1 });
//!     payment.finish();
//!     order.set_tag("paid", true);
//! } // Dropping `order` finishes it.
//!
//! place_order(&Tracer::noop(), 1999);
//! ```
//!
//! | to | use |
//! | --- | --- |
//! | time a piece of work | [`Tracer::start_span`], [`Tracer::start_span_with`] with [`child_of`], [`follows_from`] |
//! | say more about it | [`Span::set_tag`], [`Span::log_kv`] with [`fields!`], [`Span::log_error`]; names in [`tags`], [`log`] |
//! | make it the parent of what is called | [`Tracer::in_span`], [`Tracer::try_in_span`], [`Tracer::activate`] |
//! | take it along to futures, threads, callbacks | [`InSpan`], [`Tracer::in_current_span`], [`Span::wrap`], [`SharedSpan::wrap_callback`] |
//! | use it from several threads | [`Span::into_shared`] |
//! | cross a process border | [`Tracer::inject`], [`Tracer::extract`] |
//! | choose a tracer for the process | [`set_global_tracer`] |
//! | implement a tracer | [`backend`] |
//!
//! | feature | adds | crates |
//! | --- | --- | --- |
//! | none | all of the above | none |
//! | `mock` | `mock::MockTracer`: keeps spans, for the tests of what is instrumented | none |
//! | `http` | `http::HeaderMap` as carrier | `http` and the two that it needs |
//! | `tower` | `tower::TraceLayer`: spans around the requests of servers and clients; implies `http` | `tower-layer`, `tower-service`, `pin-project-lite` |
//!
//! Some mistakes that the compiler cannot see:
//! - `let _ = tracer.start_span("x");` finishes the span at once; clippy's
//!   `let_underscore_must_use` finds it. The same goes for a [`Scope`] and a [`TracerGuard`].
//! - `tracer.in_span("x", |_| async { … }).await` times the making of the future, not its work: use
//!   `future.in_span(span)`.
//! - Setters return the span: end a closure or an arm with `;`, as in
//!   `|span| { span.set_tag("k", 1); }`.

#![forbid(unsafe_code)]

mod tracer;

mod reference;
mod start_span;

mod shared_span;
mod span;
mod span_context;

pub mod log;
pub mod tags;
mod value;

mod future;
mod scope;
#[cfg(feature = "stream")]
mod stream;
mod wrap;

mod propagation;

mod global;
mod guard;
mod noop;

mod error;
mod failure;

pub mod backend;

#[cfg(feature = "tower")]
pub mod tower;

#[cfg(any(test, feature = "mock"))]
pub mod mock;

pub use error::{ExtractError, FlushError, InjectError};
pub use future::InSpan;
pub use global::{
    global_tracer, is_global_tracer_registered, set_global_tracer, set_global_tracer_if_absent,
};
pub use guard::{Flushed, TracerGuard};
pub use propagation::{Extract, Inject, TextMapReader, TextMapWriter};
pub use reference::{HasContext, Reference, ReferenceType};
pub use scope::{Activation, Scope};
pub use shared_span::SharedSpan;
pub use span::Span;
pub use span_context::SpanContext;
pub use start_span::{StartSpanOptions, child_of, follows_from};
#[cfg(feature = "stream")]
pub use stream::{StreamInSpan, TracedStream};
pub use tracer::Tracer;
pub use value::{OwnedValue, Value};
