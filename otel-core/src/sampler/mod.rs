//! Who decides which traces are kept.

use std::fmt;
use std::sync::Arc;

use crate::attribute::{AttributeSource, KeyValue, Value};
use crate::context::Context;
use crate::id::TraceId;
use crate::span::{Link, SpanKind};
use crate::span_context::SpanContext;
use crate::trace_state::TraceState;

mod constant;
mod rate;
mod trace_id_ratio;
mod probability;
mod ot_entry;
mod parent_based;
mod always_record;
mod sampling_priority;

pub use always_record::AlwaysRecordSampler;
pub use constant::{AlwaysOffSampler, AlwaysOnSampler, ConstSampler};
pub use parent_based::ParentBasedSampler;
pub use probability::ProbabilitySampler;
pub use rate::SamplingRate;
pub use sampling_priority::SamplingPrioritySampler;
pub use trace_id_ratio::TraceIdRatioSampler;

/// Decides whether a span that is about to start is recorded and kept.
///
/// A sampler is called on the thread that starts the span, and must not wait. Where one panics, the span is sampled as its parent
/// is, and a root is dropped.
///
/// ```
/// use otel_core::sampler::{Sampler, SamplingInput, SamplingResult};
///
/// /// Keeps no health checks.
/// #[derive(Debug)]
/// struct NoHealthChecks;
///
/// impl Sampler for NoHealthChecks {
///     fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
///         if input.name == "GET /health" { SamplingResult::drop() } else { SamplingResult::record_and_sample() }
///     }
///
///     fn description(&self) -> String {
///         "NoHealthChecks".to_owned()
///     }
/// }
/// ```
pub trait Sampler: fmt::Debug + Send + Sync + 'static {
    /// Decides.
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult;

    /// Names the sampler with its settings.
    fn description(&self) -> String;

    /// Tells whether a span with a parent in this process always follows it: the sampler is then not asked. Asked for once,
    /// when the provider is built.
    fn local_children_follow(&self) -> bool {
        false
    }

    /// Tells whether a span with a parent in another process, which has decided, always follows it. As
    /// [`local_children_follow`](Self::local_children_follow) otherwise.
    fn remote_children_follow(&self) -> bool {
        false
    }
}

/// Asks a sampler in the place of the tracer: one that children follow is not asked for them.
fn ask(sampler: &dyn Sampler, input: &SamplingInput<'_>) -> SamplingResult {
    let follows = |parent: &&SpanContext| match parent.is_remote() {
        _ if parent.flags().is_deferred() => false,
        true => sampler.remote_children_follow(),
        false => sampler.local_children_follow(),
    };
    match input.parent.filter(follows) {
        Some(parent) => SamplingResult::as_sampled(parent),
        None => sampler.should_sample(input),
    }
}

impl<S: Sampler + ?Sized> Sampler for Arc<S> {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        (**self).should_sample(input)
    }

    fn description(&self) -> String {
        (**self).description()
    }

    fn local_children_follow(&self) -> bool {
        (**self).local_children_follow()
    }

    fn remote_children_follow(&self) -> bool {
        (**self).remote_children_follow()
    }
}

/// What is known of a span before it starts.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct SamplingInput<'a> {
    /// The parent's context; `None` for a root.
    pub parent: Option<&'a SpanContext>,
    /// The id of the trace: the parent's, or the new one of a root.
    pub trace_id: TraceId,
    /// The name.
    pub name: &'a str,
    /// The kind.
    pub kind: SpanKind,
    /// The attributes given at the start.
    pub attributes: &'a dyn AttributeSource,
    /// The links given at the start.
    pub links: &'a [Link<'a>],
    pub(crate) parent_context: &'a dyn Fn() -> Context,
}

impl<'a> SamplingInput<'a> {
    /// Describes a root with nothing but a name: the fields can be set afterwards, for a test of a sampler.
    ///
    /// ```
    /// use otel_core::TraceId;
    /// use otel_core::sampler::{AlwaysOnSampler, Sampler, SamplingInput, SamplingResult};
    ///
    /// let attributes = [("customer", 7.into())];
    /// let mut input = SamplingInput::new(TraceId::from_parts(0, 1), "GET /orders");
    /// input.attributes = &attributes;
    /// assert_eq!(AlwaysOnSampler.should_sample(&input), SamplingResult::record_and_sample());
    /// ```
    pub fn new(trace_id: TraceId, name: &'a str) -> Self {
        Self {
            parent: None,
            trace_id,
            name,
            kind: SpanKind::Internal,
            attributes: NO_ATTRIBUTES,
            links: &[],
            parent_context: &Context::new,
        }
    }

    /// Returns the trace state that the span has unless the sampler gives it another: the parent's.
    pub fn trace_state(&self) -> &'a TraceState {
        self.parent.map_or(TraceState::EMPTY, SpanContext::trace_state)
    }

    /// Finds the context of the parent, with its baggage.
    pub fn parent_context(&self) -> Context {
        (self.parent_context)()
    }
}

impl fmt::Debug for SamplingInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamplingInput")
            .field("parent", &self.parent)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a sampler decided.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SamplingResult {
    /// The decision.
    pub decision: SamplingDecision,
    /// Attributes that the span gets before its own.
    pub attributes: Option<Arc<[KeyValue]>>,
    /// The trace state of the new span; `None` leaves the parent's.
    pub trace_state: Option<TraceState>,
    /// Whether the trace is marked as one that somebody wants ([`TraceFlags::DEBUG`](crate::TraceFlags::DEBUG)); `None` leaves it
    /// as the parent's.
    pub is_debug: Option<bool>,
}

impl SamplingResult {
    /// Neither recorded nor kept.
    pub const fn drop() -> Self {
        Self::of(SamplingDecision::Drop)
    }

    /// Recorded for processors, not kept.
    pub const fn record_only() -> Self {
        Self::of(SamplingDecision::RecordOnly)
    }

    /// Recorded and kept.
    pub const fn record_and_sample() -> Self {
        Self::of(SamplingDecision::RecordAndSample)
    }

    /// Returns this result with attributes for the span.
    #[must_use]
    pub fn with_attributes(mut self, attributes: Arc<[KeyValue]>) -> Self {
        self.attributes = Some(attributes);
        self
    }

    /// Returns this result with another trace state; an empty one clears it.
    #[must_use]
    pub fn with_trace_state(mut self, trace_state: TraceState) -> Self {
        self.trace_state = Some(trace_state);
        self
    }

    /// Returns this result with the trace marked as one that somebody wants, or no longer marked.
    #[must_use]
    pub fn with_debug(mut self, is_debug: bool) -> Self {
        self.is_debug = Some(is_debug);
        self
    }

    /// Follows a parent.
    pub(crate) fn as_sampled(parent: &SpanContext) -> Self {
        if parent.is_sampled() { Self::record_and_sample() } else { Self::drop() }
    }

    const fn of(decision: SamplingDecision) -> Self {
        Self { decision, attributes: None, trace_state: None, is_debug: None }
    }
}

/// Whether a span is recorded, and whether its trace is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SamplingDecision {
    /// Neither.
    Drop,
    /// Recorded for processors; no exporter sees it.
    RecordOnly,
    /// Both.
    RecordAndSample,
}

pub(crate) const NO_ATTRIBUTES: &dyn AttributeSource = &([] as [(&str, Value<'_>); 0]);
