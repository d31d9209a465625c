//! Where spans start.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::attribute::{AttributeSource, KeyValue};
use crate::context::{Context, is_current_suppressed};
use crate::diagnostics;
use crate::foreign;
use crate::global::{self, GlobalScope};
use crate::id::SpanId;
use crate::id_generator::IdGenerator;
use crate::instrumentation_scope::InstrumentationScope;
use crate::provider::ProviderInner;
use crate::record::SpanIds;
use crate::sampler::{NO_ATTRIBUTES, SamplingDecision, SamplingInput, SamplingResult};
use crate::span::{CurrentSpan, Link, SharedSpan, Span, SpanBuilder, SpanKind};
use crate::span_context::{SpanContext, TraceFlags};

/// Starts spans in the name of a library or a part of an application. Cheap to clone.
///
/// It comes from a [`TracerProvider`](crate::TracerProvider), or from the global one: see [`global_tracer`](crate::global_tracer).
#[derive(Clone, Default)]
pub struct Tracer {
    inner: Option<Arc<TracerInner>>,
    /// Where to look for another tracer, if there is no `inner`. Looked at only then: that every call asked which of the two it
    /// has would cost each span.
    global: Option<GlobalScope>,
}

pub(crate) struct TracerInner {
    provider: Arc<ProviderInner>,
    scope: InstrumentationScope,
}

impl Tracer {
    /// Makes a tracer whose spans record nothing and hand on their parent's context.
    pub const fn noop() -> Self {
        Self { inner: None, global: None }
    }

    pub(crate) const fn global(scope: GlobalScope) -> Self {
        Self { inner: None, global: Some(scope) }
    }

    pub(crate) fn new(provider: Arc<ProviderInner>, scope: InstrumentationScope) -> Self {
        Self { inner: Some(Arc::new(TracerInner { provider, scope })), global: None }
    }

    /// Starts a span whose parent is the current span, if there is one.
    pub fn start(&self, name: &str) -> Span {
        self.span_builder(name).start()
    }

    /// Starts a span and makes it current until the guard is dropped, which ends it.
    pub fn start_as_current(&self, name: &str) -> CurrentSpan {
        self.span_builder(name).start_as_current()
    }

    /// Runs `work` in a new span that is current meanwhile, and ends with it.
    pub fn in_span<R>(&self, name: &str, work: impl FnOnce(&SharedSpan) -> R) -> R {
        self.span_builder(name).in_span(work)
    }

    /// Begins to describe a span.
    pub fn span_builder<'a>(&'a self, name: &'a str) -> SpanBuilder<'a> {
        SpanBuilder::new(self, name)
    }

    /// Starts a span that is described in full.
    // Not inlined, and a span is made where it is returned: so it is written where the caller will have it, without a move.
    #[inline(never)]
    pub fn start_request(&self, request: &SpanRequest<'_>) -> Span {
        let local_parent = request.parent.filter(|parent| {
            parent.is_valid() && !parent.is_remote() && !parent.flags().is_deferred()
        });
        if let (Some(parent), None) = (local_parent, request.forced) {
            if let Some(span_id) = self.follow() {
                if !parent.is_sampled() {
                    return Span::non_recording(parent.child(span_id));
                }
                let mut recording = crate::span::take_recording();
                let ids = SpanIds {
                    trace_id: parent.trace_id(),
                    span_id,
                    parent_span_id: parent.span_id(),
                    flags: parent.flags(),
                };
                recording.start(self, request, ids, None, parent.trace_state());
                return Span::recording(parent.child(span_id), recording);
            }
        }
        self.start_decided(request)
    }

    #[inline(never)]
    fn start_decided(&self, request: &SpanRequest<'_>) -> Span {
        if let Some(scope) = &self.global {
            return global::with_tracer(scope, |tracer| tracer.start_request(request));
        }
        let decision = self.decide(request);
        if !decision.is_recording {
            return Span::non_recording(decision.context);
        }
        let mut recording = crate::span::take_recording();
        recording.start_decided(self, request, &decision);
        Span::recording(decision.context, recording)
    }

    /// Decides about a span that is about to start: its ids, and whether it is recorded.
    ///
    /// The first half of [`start_request`](Self::start_request), for whoever keeps [`RecordingSpan`](crate::RecordingSpan)s of its own.
    #[inline]
    pub fn decide(&self, request: &SpanRequest<'_>) -> StartDecision {
        let parent = request.parent.filter(|parent| parent.is_valid());
        let Some(provider) =
            self.provider().filter(|provider| provider.is_open() && !is_current_suppressed())
        else {
            return self.decide_elsewhere(request, parent);
        };
        let span_id = provider.new_span_id();
        match parent {
            Some(parent)
                if provider.local_children_follow
                    && !parent.is_remote()
                    && !parent.flags().is_deferred()
                    && request.forced.is_none() =>
            {
                StartDecision {
                    context: parent.child(span_id),
                    parent_span_id: parent.span_id(),
                    has_remote_parent: false,
                    is_recording: parent.flags().is_sampled(),
                    sampler_attributes: None,
                }
            }
            _ => provider.ask_sampler(request, parent, span_id),
        }
    }

    /// Decides where there is no provider of one's own to do so, or none that records.
    #[cold]
    fn decide_elsewhere(
        &self,
        request: &SpanRequest<'_>,
        parent: Option<&SpanContext>,
    ) -> StartDecision {
        match &self.global {
            Some(scope) => global::with_tracer(scope, |tracer| tracer.decide(request)),
            None => StartDecision::unrecorded(parent.cloned().unwrap_or_default()),
        }
    }

    /// Returns the id of a new span that follows its parent in this process, or `None` where [`decide`](Self::decide) has
    /// to be asked. The child has its parent's trace id, flags and trace state, and is recorded if those say sampled.
    ///
    /// A shortcut for translators: it spares most spans the making of a request and a context. A handle on the
    /// [global](crate::global_tracer) provider has none.
    #[inline]
    pub fn follow(&self) -> Option<SpanId> {
        let provider = self.provider()?;
        let follows =
            provider.local_children_follow && provider.is_open() && !is_current_suppressed();
        follows.then(|| provider.ids.new_span_id())
    }

    /// As [`follow`](Self::follow), for a parent that may be in another process and has decided whether the trace is
    /// sampled.
    // Not inlined, so that `follow` is: what makes an id is in few places then.
    #[inline(never)]
    pub fn follow_parent(&self, is_remote: bool) -> Option<SpanId> {
        let provider = self.provider()?;
        let follow = match is_remote {
            true => provider.remote_children_follow,
            false => provider.local_children_follow,
        };
        let follows = follow && provider.is_open() && !is_current_suppressed();
        follows.then(|| provider.new_span_id())
    }

    /// Tells whether two handles are of one tracer, or both of none of their own.
    #[inline]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.inner, &other.inner) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    #[inline]
    pub(crate) fn inner(&self) -> Option<&TracerInner> {
        self.inner.as_deref()
    }

    /// Returns what the handle asks the global provider for, if it is such a handle.
    pub(crate) fn global_scope(&self) -> Option<&GlobalScope> {
        self.global.as_ref()
    }

    #[inline]
    pub(crate) fn provider(&self) -> Option<&ProviderInner> {
        self.inner().map(TracerInner::provider)
    }
}

impl TracerInner {
    #[inline]
    pub(crate) fn provider(&self) -> &ProviderInner {
        &self.provider
    }

    #[inline]
    pub(crate) fn scope(&self) -> &InstrumentationScope {
        &self.scope
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("scope", &self.inner().map(TracerInner::scope))
            .field("global_scope", &self.global)
            .finish_non_exhaustive()
    }
}

/// A span that is about to start, described in full.
#[derive(Clone, Copy)]
pub struct SpanRequest<'a> {
    /// The name.
    pub name: &'a str,
    /// The kind.
    pub kind: SpanKind,
    /// The parent; `None` or an invalid context starts a new trace, the latter sampled as it says where its flags are
    /// [`TraceFlags::DECIDED`].
    pub parent: Option<&'a SpanContext>,
    /// When the span started; `None` means now.
    pub start_time: Option<SystemTime>,
    /// Attributes that samplers see.
    pub attributes: Option<&'a dyn AttributeSource>,
    /// Links that samplers see.
    pub links: &'a [Link<'a>],
    /// Decides in the sampler's place: `Some(true)` keeps the span and marks it as one that somebody wants, `Some(false)`
    /// drops it.
    pub forced: Option<bool>,
    /// Finds the context of the parent, for processors that observe starts.
    pub parent_context: &'a dyn Fn() -> Context,
}

impl<'a> SpanRequest<'a> {
    /// Describes a root span with nothing but a name.
    pub fn new(name: &'a str) -> Self {
        Self {
            name,
            kind: SpanKind::Internal,
            parent: None,
            start_time: None,
            attributes: None,
            links: &[],
            forced: None,
            parent_context: &Context::new,
        }
    }
}

impl fmt::Debug for SpanRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanRequest")
            .field("name", &self.name)
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}

/// What was decided about a span that is about to start.
#[derive(Clone, Debug)]
pub struct StartDecision {
    /// The new span's context.
    pub context: SpanContext,
    /// The parent's id; invalid for a root.
    pub parent_span_id: SpanId,
    /// Whether the parent is in another process.
    pub(crate) has_remote_parent: bool,
    /// Whether the span is recorded.
    pub is_recording: bool,
    /// Attributes that the sampler gave.
    pub(crate) sampler_attributes: Option<Arc<[KeyValue]>>,
}

impl StartDecision {
    fn unrecorded(context: SpanContext) -> Self {
        Self {
            context,
            parent_span_id: SpanId::INVALID,
            has_remote_parent: false,
            is_recording: false,
            sampler_attributes: None,
        }
    }
}

impl ProviderInner {
    // Not inlined, so that where a span follows its parent it is.
    #[inline(never)]
    fn new_span_id(&self) -> SpanId {
        self.ids.new_span_id()
    }

    fn ask_sampler(
        &self,
        request: &SpanRequest<'_>,
        parent: Option<&SpanContext>,
        span_id: SpanId,
    ) -> StartDecision {
        let (trace_id, flags) = match parent {
            Some(parent) => (parent.trace_id(), parent.flags().without_deferred()),
            None => {
                let flags = TraceFlags::NONE.with(TraceFlags::RANDOM, self.ids.is_random());
                (self.ids.new_trace_id(), flags)
            }
        };
        let decided = request.parent.filter(|_| parent.is_none()).map(SpanContext::flags);
        let decided =
            decided.filter(|flags| flags.contains(TraceFlags::DECIDED) && !flags.is_deferred());
        let result = match request.forced.or_else(|| decided.map(TraceFlags::is_sampled)) {
            Some(true) => SamplingResult::record_and_sample(),
            Some(false) => SamplingResult::drop(),
            None => self.ask_guarded(&SamplingInput {
                parent,
                trace_id,
                name: request.name,
                kind: request.kind,
                attributes: request.attributes.unwrap_or(NO_ATTRIBUTES),
                links: request.links,
                parent_context: request.parent_context,
            }),
        };
        let is_sampled = result.decision == SamplingDecision::RecordAndSample;
        let flags = flags.with(TraceFlags::SAMPLED, is_sampled);
        let is_debug = request.forced.or_else(|| decided.map(TraceFlags::is_debug));
        let is_debug = is_debug.or(result.is_debug);
        let flags = is_debug.map_or(flags, |is_debug| flags.with(TraceFlags::DEBUG, is_debug));
        let trace_state = match result.trace_state {
            Some(trace_state) => (!trace_state.is_empty()).then(|| Arc::new(trace_state)),
            None => parent.and_then(SpanContext::shared_trace_state).cloned(),
        };
        StartDecision {
            context: SpanContext::local(trace_id, span_id, flags, trace_state),
            parent_span_id: parent.map_or(SpanId::INVALID, SpanContext::span_id),
            has_remote_parent: parent.is_some_and(SpanContext::is_remote),
            is_recording: result.decision != SamplingDecision::Drop,
            sampler_attributes: result.attributes,
        }
    }

    /// Asks the sampler. One that panics decides nothing: the span follows its parent, and a root is dropped.
    fn ask_guarded(&self, input: &SamplingInput<'_>) -> SamplingResult {
        foreign::call(|| self.sampler.should_sample(input)).unwrap_or_else(|| {
            diagnostics::warn("sampler.panicked", format_args!("a sampler panicked"));
            input.parent.map_or(SamplingResult::drop(), SamplingResult::as_sampled)
        })
    }
}

#[cfg(test)]
mod tests;
