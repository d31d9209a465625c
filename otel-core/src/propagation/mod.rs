//! Crossing a process border: span contexts and baggage as headers of a request.
//!
//! ```
//! use std::collections::HashMap;
//!
//! use otel_core::propagation::{CompositePropagator, JaegerPropagator, TraceContextPropagator};
//! use otel_core::propagation::{extract_context, inject_context};
//! use otel_core::{Baggage, Context, SpanContext, SpanId, TraceFlags, TraceId};
//!
//! // Speaks Jaeger, and understands W3C besides.
//! let propagator = CompositePropagator::first_found()
//!     .propagator(JaegerPropagator::new())
//!     .fallback(TraceContextPropagator::new());
//!
//! let call = SpanContext::new(TraceId::from_parts(0, 1), SpanId::new(2), TraceFlags::SAMPLED);
//! let context = Context::new().with_span_context(call).with_baggage(Baggage::new().with("tenant", "a b"));
//!
//! let mut headers: HashMap<String, String> = HashMap::new();
//! inject_context(&propagator, &context, &mut headers);
//! assert_eq!(headers["uber-trace-id"], "0000000000000001:0000000000000002:0:1");
//! assert_eq!(headers["uberctx-tenant"], "a%20b");
//!
//! let caller = extract_context(&propagator, &Context::new(), &headers);
//! assert!(caller.span_context().unwrap().is_remote());
//! assert_eq!(caller.baggage().get("tenant"), Some("a b"));
//! ```
//!
//! | propagator | headers |
//! | --- | --- |
//! | [`JaegerPropagator`] | `uber-trace-id`, `uberctx-…`; read only: `jaeger-debug-id`, `jaeger-baggage` |
//! | [`JaegerBinaryPropagator`] | none: Jaeger's form for carriers that are bytes |
//! | [`TraceContextPropagator`] | W3C's `traceparent` and `tracestate` |
//! | [`BaggagePropagator`] | W3C's `baggage` |
//! | [`B3Propagator`] | Zipkin's `b3`, or `x-b3-…` |
//! | [`OtPropagator`] | `ot-tracer-…` and `ot-baggage-…` of OpenTracing's basic tracers |
//! | [`CompositePropagator`] | those of several others |
//!
//! [`from_env`] makes those that `OTEL_PROPAGATORS` names. Carriers are maps, lists of pairs, and, for a child process,
//! the [`EnvironmentCarrier`].
//!
//! # Limits
//!
//! What comes in is hostile until read: no propagator panics, none does more work or takes more memory than a small
//! multiple of what the carrier holds, and what is kept is limited. What is over a limit is left out whole, with a warning
//! where it was ours to send.
//!
//! | what | limit |
//! | --- | --- |
//! | trace state | 32 members read, otherwise none; keys and values of 256 characters; 513 characters written |
//! | W3C baggage | 180 members, 8192 bytes |
//! | Jaeger's and OpenTracing's baggage headers | 64 entries, 8192 bytes of names and values |
//! | baggage in Jaeger's binary form | 180 items of 4096 bytes each |
//! | `jaeger-debug-id` | 256 bytes, the rest is cut off |
//!
//! # Errors
//!
//! Reading never fails. A header that names a span and cannot be read counts in [`Extracted::malformed_headers`], and the
//! request begins a new trace, unless another format has something to say. Bytes alone, which hold nothing else, are an
//! error: [`BinaryError`].

mod carrier;
mod environment;
mod composite;
mod named;
mod jaeger;
mod jaeger_binary;
mod trace_context;
mod baggage;
mod b3;
mod ot;
mod hex;
mod text;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::baggage::Baggage;
use crate::context::Context;
use crate::span_context::{SpanContext, TraceFlags};

pub use b3::B3Propagator;
pub use baggage::BaggagePropagator;
pub use carrier::{Extractor, IgnoreCase, Injector};
pub use composite::CompositePropagator;
pub use environment::EnvironmentCarrier;
pub use jaeger::{JaegerMode, JaegerPropagator};
pub use jaeger_binary::{BinaryError, JaegerBinaryPropagator};
pub use named::{from_env, from_environment, from_names};
pub use ot::OtPropagator;
pub(crate) use text::{Plus, percent_decoded};
pub use trace_context::TraceContextPropagator;

/// Writes what identifies a span into a carrier, and reads it back: one format, or several together.
///
/// A format of one's own is an implementation of this, and goes wherever those here go:
///
/// ```
/// use otel_core::propagation::{Extracted, Extractor, Injector, Propagator};
/// use otel_core::{Baggage, SpanContext, SpanId, TraceFlags, TraceId};
///
/// /// One header with both ids as plain numbers: `x-call: 1.2`.
/// #[derive(Debug)]
/// struct Calls;
///
/// impl Propagator for Calls {
///     fn inject(&self, span_context: &SpanContext, _: &Baggage, carrier: &mut dyn Injector) {
///         if span_context.is_valid() {
///             let (trace, span) = (span_context.trace_id().low(), span_context.span_id().as_u64());
///             carrier.set("x-call", &format!("{trace}.{span}"));
///         }
///     }
///
///     fn extract(&self, carrier: &dyn Extractor) -> Extracted {
///         let mut extracted = Extracted::default();
///         if let Some(value) = carrier.get("x-call") {
///             let ids = value.split_once('.').and_then(|(trace, span)| {
///                 Some((trace.parse().ok()?, SpanId::new(span.parse().ok()?)))
///             });
///             let context = ids.map(|(trace, span)| {
///                 SpanContext::new(TraceId::from_parts(0, trace), span, TraceFlags::SAMPLED)
///             });
///             extracted.span_context =
///                 context.filter(SpanContext::is_valid).map(|context| context.with_remote(true));
///             extracted.malformed_headers = u32::from(extracted.span_context.is_none());
///         }
///         extracted
///     }
///
///     fn fields(&self) -> Vec<&str> {
///         vec!["x-call"]
///     }
/// }
///
/// let caller = Calls.extract(&vec![("x-call", "7.9")]).span_context.unwrap();
/// assert_eq!(caller.span_id(), SpanId::new(9));
/// assert_eq!(Calls.extract(&vec![("x-call", "7")]).malformed_headers, 1);
/// ```
///
/// Source: `open-telemetry/opentelemetry-specification:specification/context/api-propagators.md`.
pub trait Propagator: fmt::Debug + Send + Sync + 'static {
    /// Writes into the carrier. Nothing is written of an invalid span context or of an empty baggage: of each on its
    /// own.
    fn inject(&self, span_context: &SpanContext, baggage: &Baggage, carrier: &mut dyn Injector);

    /// Reads from the carrier. Never fails: what cannot be read is not there, and is counted.
    fn extract(&self, carrier: &dyn Extractor) -> Extracted;

    /// Lists the headers that [`inject`](Self::inject) may write, to be cleared from a carrier that is used again.
    /// Headers that a prefix makes (`uberctx-…`) are not among them.
    fn fields(&self) -> Vec<&str>;
}

impl<P: Propagator + ?Sized> Propagator for Arc<P> {
    fn inject(&self, span_context: &SpanContext, baggage: &Baggage, carrier: &mut dyn Injector) {
        (**self).inject(span_context, baggage, carrier);
    }

    fn extract(&self, carrier: &dyn Extractor) -> Extracted {
        (**self).extract(carrier)
    }

    fn fields(&self) -> Vec<&str> {
        (**self).fields()
    }
}

impl<P: Propagator + ?Sized> Propagator for Box<P> {
    fn inject(&self, span_context: &SpanContext, baggage: &Baggage, carrier: &mut dyn Injector) {
        (**self).inject(span_context, baggage, carrier);
    }

    fn extract(&self, carrier: &dyn Extractor) -> Extracted {
        (**self).extract(carrier)
    }

    fn fields(&self) -> Vec<&str> {
        (**self).fields()
    }
}

/// What was found in a carrier.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Extracted {
    /// The caller's span: always valid and remote.
    pub span_context: Option<SpanContext>,
    /// The caller's baggage; it may come without a span.
    pub baggage: Baggage,
    /// Jaeger's `jaeger-debug-id`: somebody wants this request traced, and will look for it by this text. Means
    /// something only where there is no [`span_context`](Self::span_context).
    pub debug_id: Option<String>,
    /// What the caller decided about the trace without naming a span (B3's sampling state alone): none of the flags, or
    /// sampled, or sampled and debug. Means something only where there is no [`span_context`](Self::span_context).
    pub decision: Option<TraceFlags>,
    /// How many headers that name a span (`uber-trace-id`, `traceparent`, `b3`, …) were there and could not be read. Broken
    /// baggage and trace state do not count: the span is found without them.
    pub malformed_headers: u32,
}

impl Extracted {
    /// Returns what a new span is to be started with: the caller's span; or a context without ids that carries the
    /// caller's [`decision`](Self::decision), which the sampler of a new root then is not asked for.
    pub fn parent(&self) -> Option<SpanContext> {
        let decided = |flags: TraceFlags| {
            SpanContext::invalid().with_flags(flags | TraceFlags::DECIDED).with_remote(true)
        };
        self.span_context.clone().or_else(|| self.decision.map(decided))
    }
}

/// Writes the span and the baggage of a context into a carrier.
pub fn inject_context(propagator: &dyn Propagator, context: &Context, carrier: &mut dyn Injector) {
    let span_context = context.span_context().unwrap_or_default();
    propagator.inject(&span_context, context.baggage(), carrier);
}

/// Returns a context with the span and the baggage from a carrier; what the carrier does not hold, or what cannot be
/// read, stays as it is in `context`.
///
/// The debug id has no place in a context: who wants it calls [`Propagator::extract`].
#[must_use]
pub fn extract_context(
    propagator: &dyn Propagator,
    context: &Context,
    carrier: &dyn Extractor,
) -> Context {
    let extracted = propagator.extract(carrier);
    let mut context = context.clone();
    let has_span = || context.span_context().is_some_and(|span_context| span_context.is_valid());
    // A decision alone is about a new trace: it takes no span away.
    if let Some(parent) = extracted.parent().filter(|parent| parent.is_valid() || !has_span()) {
        context = context.with_span_context(parent);
    }
    if !extracted.baggage.is_empty() {
        context = context.with_baggage(extracted.baggage);
    }
    context
}
