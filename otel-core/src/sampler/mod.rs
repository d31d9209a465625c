//! Who decides which traces are kept.

use std::fmt;
use std::sync::Arc;

use crate::attribute::{AttributeSource, KeyValue};
use crate::id::TraceId;
use crate::span::{Link, SpanKind};
use crate::span_context::SpanContext;
use crate::trace_state::TraceState;

mod constant;
mod parent_based;

pub use constant::{AlwaysOffSampler, AlwaysOnSampler, ConstSampler};
pub use parent_based::ParentBasedSampler;

/// Decides whether a span that is about to start is recorded and kept.
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

    /// Tells whether a span with a parent in this process always follows it: the sampler is then not asked.
    fn local_children_follow(&self) -> bool {
        false
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

    const fn of(decision: SamplingDecision) -> Self {
        Self { decision, attributes: None, trace_state: None }
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
