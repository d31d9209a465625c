//! What crosses a process border: ids, flags and the trace state of a span.

use std::sync::Arc;

use crate::id::{SpanId, TraceId};
use crate::trace_state::TraceState;

/// Names a span to others: immutable, cheap to clone.
///
/// Equality looks at everything but [`is_remote`](Self::is_remote).
#[derive(Clone, Debug, Default)]
pub struct SpanContext {
    trace_id: TraceId,
    span_id: SpanId,
    flags: TraceFlags,
    is_remote: bool,
    trace_state: Option<Arc<TraceState>>,
}

impl SpanContext {
    /// Puts a context together; it is local and has no trace state.
    #[inline]
    pub const fn new(trace_id: TraceId, span_id: SpanId, flags: TraceFlags) -> Self {
        Self { trace_id, span_id, flags, is_remote: false, trace_state: None }
    }

    /// The context of no span.
    pub const fn invalid() -> Self {
        Self::new(TraceId::INVALID, SpanId::INVALID, TraceFlags::NONE)
    }

    /// Returns this context with other flags.
    #[must_use]
    pub fn with_flags(mut self, flags: TraceFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Returns this context as one that came from another process: only propagators have a use for it.
    #[must_use]
    pub fn with_remote(mut self, is_remote: bool) -> Self {
        self.is_remote = is_remote;
        self
    }

    /// Returns this context with a trace state; an empty one is none.
    #[must_use]
    pub fn with_trace_state(mut self, trace_state: TraceState) -> Self {
        self.trace_state = (!trace_state.is_empty()).then(|| Arc::new(trace_state));
        self
    }

    /// Puts a context together whole: one that is changed after it was made has to be moved once more.
    #[inline]
    pub(crate) const fn local(
        trace_id: TraceId,
        span_id: SpanId,
        flags: TraceFlags,
        trace_state: Option<Arc<TraceState>>,
    ) -> Self {
        Self { trace_id, span_id, flags, is_remote: false, trace_state }
    }

    /// Puts a context from another process together whole, likewise.
    #[inline]
    pub(crate) const fn remote(
        trace_id: TraceId,
        span_id: SpanId,
        flags: TraceFlags,
        trace_state: Option<Arc<TraceState>>,
    ) -> Self {
        Self { trace_id, span_id, flags, is_remote: true, trace_state }
    }

    /// Makes the context of a child: the same trace, flags and trace state.
    #[inline]
    pub(crate) fn child(&self, span_id: SpanId) -> Self {
        Self::local(self.trace_id, span_id, self.flags, self.trace_state.clone())
    }

    /// Returns the id of the trace.
    #[inline]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the id of the span.
    #[inline]
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Returns the flags.
    #[inline]
    pub fn flags(&self) -> TraceFlags {
        self.flags
    }

    /// Returns the trace state, empty where there is none.
    pub fn trace_state(&self) -> &TraceState {
        self.trace_state.as_deref().unwrap_or(TraceState::EMPTY)
    }

    pub(crate) fn shared_trace_state(&self) -> Option<&Arc<TraceState>> {
        self.trace_state.as_ref()
    }

    /// Tells whether both ids are valid.
    #[inline]
    pub fn is_valid(&self) -> bool {
        self.trace_id.is_valid() && self.span_id.is_valid()
    }

    /// Tells whether the trace is being sampled.
    #[inline]
    pub fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }

    /// Tells whether the context was extracted from a carrier; a child's own context never was.
    #[inline]
    pub fn is_remote(&self) -> bool {
        self.is_remote
    }
}

impl PartialEq for SpanContext {
    fn eq(&self, other: &Self) -> bool {
        self.trace_id == other.trace_id
            && self.span_id == other.span_id
            && self.flags == other.flags
            && self.trace_state() == other.trace_state()
    }
}

/// The state of a trace in flags: W3C's two, and what other formats say besides.
///
/// The lower byte is W3C's, so `0x02` is its *random* flag there. What Jaeger and B3 call debug has a bit of its own
/// above it: the number 2 means something else in each format, and is never copied from one into the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TraceFlags(u16);

impl TraceFlags {
    /// No flag is set.
    pub const NONE: Self = Self(0);
    /// The trace is kept.
    pub const SAMPLED: Self = Self(1);
    /// The trace id has at least 56 random bits (W3C Level 2).
    pub const RANDOM: Self = Self(1 << 1);
    /// Somebody wants this trace, whatever samplers think: Jaeger's and B3's debug.
    pub const DEBUG: Self = Self(1 << 8);
    /// Jaeger's firehose: the backend may leave the trace out of its indexes.
    pub const FIREHOSE: Self = Self(1 << 9);
    /// No sampling decision came with the context (B3 without `sampled`), or nobody trusts the one that did: the local
    /// sampler is asked, and [`DEBUG`](Self::DEBUG) counts for nothing.
    pub const DEFERRED: Self = Self(1 << 10);
    /// The decision came without a span (B3's sampling state alone): a root that is started with such a context, which
    /// has no ids, is sampled as it says.
    pub const DECIDED: Self = Self(1 << 11);

    /// Takes the two flags that W3C's byte defines; its other bits are left out.
    pub const fn from_w3c(byte: u8) -> Self {
        Self(byte as u16 & 0b11)
    }

    /// Returns W3C's byte: sampled and random, nothing else.
    pub const fn to_w3c(self) -> u8 {
        (self.0 & 0b11) as u8
    }

    /// Takes the bits as [`bits`](Self::bits) returned them.
    #[inline]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & 0b1111_0000_0011)
    }

    /// Returns all bits, to be kept beside a context of another kind.
    #[inline]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Tells whether all flags of `other` are set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns these flags with those of `other` set or cleared.
    #[inline]
    #[must_use]
    pub const fn with(self, other: Self, is_set: bool) -> Self {
        if is_set { Self(self.0 | other.0) } else { Self(self.0 & !other.0) }
    }

    /// Tells whether the trace is kept.
    #[inline]
    pub const fn is_sampled(self) -> bool {
        self.contains(Self::SAMPLED)
    }

    /// Tells whether the trace id is random enough for samplers to rely on it.
    pub const fn is_random(self) -> bool {
        self.contains(Self::RANDOM)
    }

    /// Tells whether no sampling decision came with the context.
    #[inline]
    pub const fn is_deferred(self) -> bool {
        self.contains(Self::DEFERRED)
    }

    /// Returns the flags that a span takes over from its parent, before the sampler is asked.
    #[inline]
    pub(crate) const fn without_deferred(self) -> Self {
        if self.is_deferred() {
            self.with(Self(Self::DEFERRED.0 | Self::DEBUG.0), false)
        } else {
            self
        }
    }

    /// Tells whether the trace is wanted whatever samplers think.
    #[inline]
    pub const fn is_debug(self) -> bool {
        self.contains(Self::DEBUG)
    }
}

impl std::ops::BitOr for TraceFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_bit_of_jaeger_never_reaches_the_byte_of_w3c() {
        let flags = TraceFlags::SAMPLED | TraceFlags::DEBUG | TraceFlags::FIREHOSE;
        assert_eq!(flags.to_w3c(), 1);
        assert_eq!(TraceFlags::from_w3c(0xFF).bits(), 3);
        assert!(!TraceFlags::from_w3c(0xFF).is_debug());
    }

    #[test]
    fn a_context_is_valid_when_both_ids_are() {
        let (trace_id, span_id) = (TraceId::from_parts(0, 1), SpanId::new(2));
        assert!(SpanContext::new(trace_id, span_id, TraceFlags::NONE).is_valid());
        assert!(!SpanContext::new(trace_id, SpanId::INVALID, TraceFlags::NONE).is_valid());
        assert!(!SpanContext::new(TraceId::INVALID, span_id, TraceFlags::NONE).is_valid());
        assert!(!SpanContext::invalid().is_valid());
    }

    #[test]
    fn changing_makes_a_new_context_and_leaves_the_old_one() {
        let old = SpanContext::new(TraceId::from_parts(0, 1), SpanId::new(2), TraceFlags::NONE);
        let new = old
            .clone()
            .with_flags(TraceFlags::SAMPLED)
            .with_remote(true)
            .with_trace_state(TraceState::parse("a=1").unwrap_or_default());
        assert!(!old.is_sampled() && !old.is_remote() && old.trace_state().is_empty());
        assert!(new.is_sampled() && new.is_remote() && !new.trace_state().is_empty());
        assert_eq!((new.trace_id(), new.span_id()), (old.trace_id(), old.span_id()));
        assert_ne!(new, old);
        assert_eq!(new.clone().with_remote(false), new, "where it comes from makes no difference");
        assert!(new.with_trace_state(TraceState::default()).trace_state().is_empty());
    }

    #[test]
    fn a_context_stays_small() {
        assert_eq!(size_of::<SpanContext>(), 40);
    }
}
