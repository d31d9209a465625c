//! The recording part of a span: a slot that is used for one span after another.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use super::{Link, SpanKind, StatusCode};
use crate::attribute::{AttributeSource, KeyValue, Value};
use crate::clock::{Clock, unix_nanos_of};
use crate::context::Context;
use crate::global;
use crate::provider::ProviderInner;
use crate::raw::fork;
use crate::record::{SpanBuf, SpanIds, SpanTimes};
use crate::span_context::TraceFlags;
use crate::trace_state::TraceState;
use crate::tracer::{SpanRequest, StartDecision, Tracer};

/// What a recording span writes to.
///
/// [`Span`](super::Span) keeps one in a box and takes the boxes from a pool. Whoever has a span type of its own, as a
/// translator from another API, keeps one of these in it: [`Tracer::decide`], then [`start_decided`](Self::start_decided), the setters,
/// and [`end`](Self::end), after which the slot is ready for the next span.
pub struct RecordingSpan {
    buf: SpanBuf,
    /// The tracer of the last span is kept: the next one is most often the same tracer's, and needs no new reference.
    tracer: Tracer,
    start_reading: u64,
    start_unix_nanos: Option<u64>,
    /// Of the process in which the span started: in the child of a fork it is the parent's to report.
    generation: u32,
    /// Processors are being told that the span is about to end.
    is_ending: bool,
}

impl RecordingSpan {
    /// Makes an empty slot.
    pub fn new() -> Self {
        Self {
            buf: SpanBuf::new(),
            tracer: Tracer::noop(),
            start_reading: 0,
            start_unix_nanos: None,
            generation: 0,
            is_ending: false,
        }
    }

    /// Starts a span that `tracer` decided to record.
    pub fn start_decided(
        &mut self,
        tracer: &Tracer,
        request: &SpanRequest<'_>,
        decision: &StartDecision,
    ) {
        if tracer.provider().is_none() {
            return self.start_elsewhere(tracer, request, decision);
        }
        let ids = SpanIds::new(&decision.context, decision.parent_span_id);
        let attributes = decision.sampler_attributes.as_deref();
        self.start(tracer, request, ids, attributes, decision.context.trace_state());
        if decision.has_remote_parent {
            self.buf.set_remote_parent();
        }
    }

    /// Starts a span that whatever is behind a handle on the global provider decided to record.
    #[cold]
    fn start_elsewhere(
        &mut self,
        tracer: &Tracer,
        request: &SpanRequest<'_>,
        decision: &StartDecision,
    ) {
        let leads_to = |scope| global::with_tracer(scope, Tracer::clone);
        let tracer = tracer.global_scope().map(leads_to).unwrap_or_default();
        if tracer.provider().is_some() {
            self.start_decided(&tracer, request, decision);
        } else {
            // Nobody is there to record; nor is the slot's last span to end once more.
            self.tracer = tracer;
        }
    }

    #[inline]
    pub(crate) fn start(
        &mut self,
        tracer: &Tracer,
        request: &SpanRequest<'_>,
        ids: SpanIds,
        sampler_attributes: Option<&[KeyValue]>,
        trace_state: &TraceState,
    ) {
        self.begin(tracer, request.name, request.kind, ids);
        let Some(provider) = tracer.provider() else { return };
        self.start_unix_nanos = request.start_time.map(unix_nanos_of);
        if let Some(attributes) = sampler_attributes {
            attributes
                .for_each(&mut |key, value| self.buf.set_attribute(key, value, &provider.limits));
        }
        if let Some(attributes) = request.attributes {
            attributes
                .for_each(&mut |key, value| self.buf.set_attribute(key, value, &provider.limits));
        }
        for link in request.links {
            self.buf.add_link(&link.context, link.attributes, &provider.limits);
        }
        if !trace_state.is_empty() {
            self.buf.set_trace_state(&trace_state.to_string());
        }
        if provider.observes_start() {
            self.tell_start(tracer, request.parent_context);
        }
        // Read last: what is done for the sake of the span is not its work.
        self.start_reading = provider.clock.now();
    }

    /// Starts a span that [follows](Tracer::follow) its parent, with nothing but a name and perhaps a start time.
    #[inline(always)]
    pub fn start_following(
        &mut self,
        tracer: &Tracer,
        name: &str,
        ids: SpanIds,
        start_time: Option<SystemTime>,
        parent_context: &dyn Fn() -> Context,
    ) {
        self.start_following_as(tracer, name, SpanKind::Internal, ids, start_time, parent_context);
    }

    /// As [`start_following`](Self::start_following), for a span of any kind.
    #[inline(always)]
    pub fn start_following_as(
        &mut self,
        tracer: &Tracer,
        name: &str,
        kind: SpanKind,
        ids: SpanIds,
        start_time: Option<SystemTime>,
        parent_context: &dyn Fn() -> Context,
    ) {
        self.begin(tracer, name, kind, ids);
        let Some(provider) = tracer.provider() else { return };
        self.start_unix_nanos = start_time.map(unix_nanos_of);
        if provider.observes_start() {
            self.tell_start(tracer, parent_context);
        }
        self.start_reading = provider.clock.now();
    }

    /// Notes that the parent is in another process: its context came out of a carrier.
    pub fn set_remote_parent(&mut self) {
        self.buf.set_remote_parent();
    }

    #[inline(always)]
    fn begin(&mut self, tracer: &Tracer, name: &str, kind: SpanKind, ids: SpanIds) {
        if !self.tracer.is_same(tracer) {
            self.tracer = tracer.clone();
        }
        self.generation = fork::generation();
        self.buf.start(name, kind, ids);
    }

    #[cold]
    fn tell_start(&mut self, tracer: &Tracer, parent_context: &dyn Fn() -> Context) {
        if let Some(provider) = tracer.provider() {
            provider.tell_start(self, &parent_context());
        }
    }

    /// Sets an attribute; a key that is there gets the new value.
    #[inline]
    pub fn set_attribute<'v>(&mut self, key: &str, value: impl Into<Value<'v>>) {
        let Some(provider) = self.tracer.provider() else { return };
        self.buf.set_attribute(key, value.into(), &provider.limits);
    }

    /// Sets several attributes.
    pub fn set_attributes(&mut self, attributes: &(impl AttributeSource + ?Sized)) {
        attributes.for_each(&mut |key, value| self.set_attribute(key, value));
    }

    /// Sets an attribute to a text, as [`set_attribute`](Self::set_attribute) does, for whoever knows the type.
    #[inline]
    pub fn set_str(&mut self, key: &str, text: &str) {
        let Some(provider) = self.tracer.provider() else { return };
        self.buf.set_str(key, text, &provider.limits);
    }

    /// Sets an attribute to a whole number, as [`set_attribute`](Self::set_attribute) does, for whoever knows the type.
    #[inline]
    pub fn set_i64(&mut self, key: &str, number: i64) {
        let Some(provider) = self.tracer.provider() else { return };
        self.buf.set_i64(key, number, &provider.limits);
    }

    /// Adds an event; with no time given it happened now.
    #[inline]
    pub fn add_event(
        &mut self,
        name: &str,
        time: Option<SystemTime>,
        attributes: &(impl AttributeSource + ?Sized),
    ) {
        let Some(provider) = self.tracer.provider() else { return };
        let unix_nanos = match (time, self.start_unix_nanos) {
            (Some(time), _) => unix_nanos_of(time),
            // On the span's own time line, so that no step of the wall clock puts an event outside its span.
            (None, None) => {
                let clock = &provider.clock;
                let since_start = clock.nanos_between(self.start_reading, clock.now());
                clock.unix_nanos(self.start_reading).saturating_add(since_start)
            }
            (None, Some(_)) => provider.clock.unix_nanos(provider.clock.now()),
        };
        self.buf.add_event(name, unix_nanos, attributes, &provider.limits);
    }

    /// Replaces the name of the event that was added last, if nothing was written since: for a translator that finds the
    /// name among the fields.
    pub fn set_last_event_name(&mut self, name: &str) {
        self.buf.set_last_event_name(name);
    }

    /// Adds a link to another span.
    pub fn add_link(&mut self, link: &Link<'_>) {
        let Some(provider) = self.tracer.provider() else { return };
        self.buf.add_link(&link.context, link.attributes, &provider.limits);
    }

    /// Sets the status by OpenTelemetry's rules: Ok is final, Unset is ignored.
    pub fn set_status(&mut self, status: StatusCode, description: &str) {
        self.buf.set_status(status, description);
    }

    /// Sets the status whatever it was: for a translator that keeps other rules.
    pub fn replace_status(&mut self, status: StatusCode, description: &str) {
        self.buf.replace_status(status, description);
    }

    /// Replaces the name.
    pub fn update_name(&mut self, name: &str) {
        self.buf.set_name(name);
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        self.buf.name()
    }

    /// Returns the ids of the span and of its parent.
    pub fn ids(&self) -> SpanIds {
        self.buf.ids()
    }

    /// Replaces the trace flags: for a translator whose tags can still change them.
    pub fn set_flags(&mut self, flags: TraceFlags) {
        self.buf.set_flags(flags);
    }

    /// Gives back memory that an unusually large span took, before the slot waits for its next one.
    pub fn shrink(&mut self) {
        self.buf.shrink();
    }

    /// Replaces the kind, which OpenTelemetry itself fixes at the start.
    pub fn set_kind(&mut self, kind: SpanKind) {
        self.buf.set_kind(kind);
    }

    /// Adds an `exception` event that describes an error with its causes, with the caller's attributes besides; with no time
    /// given it happened now. The status stays as it is.
    ///
    /// An attribute of the caller's takes the place of one that would have the same key: `exception.type`, the name of the
    /// error's type; `exception.message`, what it says; `exception.stacktrace`, its causes one a line, if it has any.
    pub fn record_error<E: Error + ?Sized>(
        &mut self,
        error: &E,
        time: Option<SystemTime>,
        attributes: &(impl AttributeSource + ?Sized),
    ) {
        let message = text_of(error);
        let causes = causes_of(error);
        let described: [(&str, Value<'_>); 3] = [
            ("exception.type", Value::Str(std::any::type_name::<E>())),
            ("exception.message", Value::Str(&message)),
            ("exception.stacktrace", Value::Str(&causes)),
        ];
        // The type's name of a trait object says nothing, and no causes are no stack.
        let first = usize::from(std::any::type_name::<E>().starts_with("dyn "));
        let last = if causes.is_empty() { 2 } else { 3 };
        let attributes = Overridden { default: &described[first..last], by: attributes };
        self.add_event("exception", time, &attributes);
    }

    /// Ends the span: processors are told, and the slot is ready for the next span.
    #[inline(always)]
    pub fn end(&mut self, time: Option<SystemTime>) {
        let Some(provider) = self.tracer.provider() else { return };
        let clock = &provider.clock;
        let times = match (self.start_unix_nanos, time) {
            (None, None) => {
                let (start_unix_nanos, duration_nanos) =
                    clock.span_times(self.start_reading, clock.now());
                SpanTimes { start_unix_nanos, duration_nanos }
            }
            (_, end) => self.given_times(provider, end),
        };
        if provider.observes_ending() {
            return self.end_observed(times);
        }
        self.finish(times);
    }

    /// Returns the times of a span that was given one of them at least.
    #[inline(never)]
    fn given_times(&self, provider: &ProviderInner, end: Option<SystemTime>) -> SpanTimes {
        let clock = &provider.clock;
        let start_unix_nanos =
            self.start_unix_nanos.unwrap_or_else(|| clock.unix_nanos(self.start_reading));
        let end_unix_nanos = end.map_or_else(|| clock.unix_nanos(clock.now()), unix_nanos_of);
        if end_unix_nanos < start_unix_nanos {
            provider.note_negative_duration(self.buf.name());
        }
        let duration_nanos = end_unix_nanos.saturating_sub(start_unix_nanos);
        SpanTimes { start_unix_nanos, duration_nanos }
    }

    #[cold]
    fn end_observed(&mut self, times: SpanTimes) {
        // A processor that ends the span while it is told of the end would be told without end.
        if self.is_ending {
            return;
        }
        let tracer = self.tracer.clone();
        // A span that started before a fork is its parent's to change.
        if let Some(provider) = tracer.provider().filter(|_| self.generation == fork::generation())
        {
            self.is_ending = true;
            provider.tell_ending(self);
            self.is_ending = false;
        }
        self.finish(times);
    }

    #[inline]
    fn finish(&mut self, times: SpanTimes) {
        let Some(tracer) = self.tracer.inner() else { return };
        let provider = tracer.provider();
        if self.buf.has_dropped() {
            provider.warn_of_limits();
        }
        let view = self.buf.finish(times, tracer.scope());
        if self.generation == fork::generation() {
            provider.tell_end(&view);
        } else {
            provider.tell_inherited_end(&view);
        }
    }
}

impl Default for RecordingSpan {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RecordingSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingSpan")
            .field("name", &self.name())
            .field("ids", &self.ids())
            .finish_non_exhaustive()
    }
}

/// Takes a slot from this thread's pool.
#[inline]
pub(crate) fn take() -> Box<RecordingSpan> {
    POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

/// Gives a slot back to this thread's pool, whichever thread took it.
#[inline]
pub(crate) fn keep(mut recording: Box<RecordingSpan>) {
    recording.shrink();
    // A slot that finds no place is dropped after the borrow, and so is one of a thread that is ending.
    let _ = POOL.try_with(move |pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < MAX_POOLED { pool.push(recording) } else { drop((pool, recording)) }
    });
}

/// Attributes that others take the place of where their keys are the same.
struct Overridden<'a, S: ?Sized> {
    default: &'a [(&'a str, Value<'a>)],
    by: &'a S,
}

impl<S: AttributeSource + ?Sized> AttributeSource for Overridden<'_, S> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        for (key, value) in self.default {
            let mut is_overridden = false;
            self.by.for_each(&mut |by, _| is_overridden |= by == *key);
            if !is_overridden {
                visit(key, *value);
            }
        }
        self.by.for_each(visit);
    }
}

/// Lists the causes of an error, one a line.
fn causes_of<E: Error + ?Sized>(error: &E) -> String {
    let mut causes = String::new();
    let mut cause = error.source();
    for _ in 0..MAX_CAUSES {
        let Some(error) = cause else { break };
        if !causes.is_empty() {
            causes.push('\n');
        }
        causes.push_str("caused by: ");
        causes.push_str(&text_of(error));
        cause = error.source();
    }
    causes
}

/// Formats an error. Where its own `Display` says that it failed, what came until then is kept: `to_string` would panic.
fn text_of<E: Error + ?Sized>(error: &E) -> String {
    let mut text = String::new();
    let _ = fmt::Write::write_fmt(&mut text, format_args!("{error}"));
    text
}

thread_local! {
    #[expect(clippy::vec_box, reason = "boxes are what spans hold: the pool hands them out as they are")]
    static POOL: RefCell<Vec<Box<RecordingSpan>>> = const { RefCell::new(Vec::new()) };
}

/// Slots kept for each thread: with a thousand spans alive at once, fewer than 256 cost more than the memory they save.
const MAX_POOLED: usize = 256;

/// An error that is its own cause would be listed without end.
const MAX_CAUSES: usize = 64;
