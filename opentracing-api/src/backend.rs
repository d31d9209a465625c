//! What an implementation provides: a [`TracerBackend`] that starts spans and a [`SpanBackend`]
//! that records one.
//!
//! The API resolves the parent, converts values and keeps each span's context; a backend gives ids,
//! decides what is recorded and takes what is recorded away. Here is one that keeps finished spans
//! in memory:
//!
//! ```
//! use std::borrow::Cow;
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use std::sync::{Arc, Mutex};
//! use std::time::SystemTime;
//!
//! use opentracing_api::backend::{SpanBackend, StartRequest, TracerBackend};
//! use opentracing_api::{Extract, ExtractError, Inject, InjectError, OwnedValue, Span, SpanContext, Tracer, Value, child_of};
//!
//! #[derive(Default)]
//! struct Memory {
//!     last_id: AtomicU64,
//!     finished: Arc<Mutex<Vec<Record>>>,
//! }
//!
//! #[derive(Default)]
//! struct Record {
//!     operation_name: String,
//!     parent_id: Option<u64>,
//!     span_id: u64,
//!     tags: Vec<(String, OwnedValue)>,
//!     logs: Vec<Vec<(String, OwnedValue)>>,
//!     finished: Arc<Mutex<Vec<Record>>>,
//! }
//!
//! impl TracerBackend for Memory {
//!     fn start_span(&self, request: &StartRequest<'_>) -> Span {
//!         let span_id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
//!         let trace_id = request.parent().map_or(u128::from(span_id), SpanContext::trace_id);
//!         let mut context = SpanContext::new(trace_id, span_id, SpanContext::SAMPLED);
//!         request.inherit_baggage(&mut context);
//!         let tags = request.tags().filter_map(|(key, value)| Some((key.to_owned(), value.to_owned()?)));
//!         let record = Record {
//!             operation_name: request.operation_name().to_owned(),
//!             parent_id: request.parent().map(SpanContext::span_id),
//!             span_id,
//!             tags: tags.collect(),
//!             logs: Vec::new(),
//!             finished: Arc::clone(&self.finished),
//!         };
//!         request.span(context, Some(Box::new(record)))
//!     }
//!
//!     fn inject(&self, _: &SpanContext, _: Inject<'_>) -> Result<(), InjectError> {
//!         Err(InjectError::UnsupportedFormat)
//!     }
//!
//!     fn extract(&self, _: Extract<'_>) -> Result<Option<SpanContext>, ExtractError> {
//!         Err(ExtractError::UnsupportedFormat)
//!     }
//! }
//!
//! impl Record {
//!     fn tag(&mut self, key: &str, value: impl Into<OwnedValue>) {
//!         self.tags.retain(|(old, _)| old != key); // The last value of a key wins.
//!         self.tags.push((key.to_owned(), value.into()));
//!     }
//! }
//!
//! impl SpanBackend for Record {
//!     fn set_operation_name(&mut self, operation_name: &str) { operation_name.clone_into(&mut self.operation_name); }
//!     fn set_str_tag(&mut self, _: &mut SpanContext, key: &str, value: &str) { self.tag(key, value); }
//!     fn set_bool_tag(&mut self, _: &mut SpanContext, key: &str, value: bool) { self.tag(key, value); }
//!     fn set_i64_tag(&mut self, _: &mut SpanContext, key: &str, value: i64) { self.tag(key, value); }
//!     fn set_u64_tag(&mut self, _: &mut SpanContext, key: &str, value: u64) { self.tag(key, value); }
//!     fn set_f64_tag(&mut self, _: &mut SpanContext, key: &str, value: f64) { self.tag(key, value); }
//!     fn set_bytes_tag(&mut self, _: &mut SpanContext, key: &str, value: &[u8]) { self.tag(key, value); }
//!
//!     fn log(&mut self, _: Option<SystemTime>, fields: &mut dyn Iterator<Item = (Cow<'_, str>, Value<'_>)>) {
//!         self.logs.push(fields.filter_map(|(key, value)| Some((key.into_owned(), value.to_owned()?))).collect());
//!     }
//!
//!     fn finish(self: Box<Self>, _: Option<SystemTime>) {
//!         let finished = Arc::clone(&self.finished);
//!         finished.lock().unwrap().push(*self);
//!     }
//! }
//!
//! let memory = Memory::default();
//! let finished = Arc::clone(&memory.finished);
//! let tracer = Tracer::new(memory);
//! let mut order = tracer.start_span("order");
//! order.set_tag("cents", 1999_u64).log_event("paid");
//! tracer.start_span_with("ship", child_of(&order)).finish();
//! order.finish();
//!
//! let finished = finished.lock().unwrap();
//! assert_eq!(finished[0].parent_id, Some(finished[1].span_id));
//! assert_eq!(finished[1].tags[0].1, 1999);
//! assert_eq!(finished[1].logs[0][0].1, "paid");
//! ```

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use crate::scope::{ScopeManager, ThreadLocalScopes};

use crate::error::{ExtractError, FlushError, InjectError};
use crate::guard::Flushed;
use crate::propagation::{Extract, Inject};
use crate::reference::Reference;
use crate::span::Span;
use crate::span_context::SpanContext;
use crate::start_span::StartSpanOptions;
use crate::tracer::TracerNumber;
use crate::value::Value;

/// Starts spans and carries contexts across process borders. No method may panic or wait, but for
/// flush and close.
pub trait TracerBackend: Send + Sync + 'static {
    /// Starts a span: [`StartRequest::span`] makes it of its context and its recorder.
    ///
    /// A span that is not recorded has ids all the same, so that what it calls knows about it.
    fn start_span(&self, request: &StartRequest<'_>) -> Span;

    /// Writes a context into a carrier. It is not empty, but its ids may be 0.
    ///
    /// # Errors
    /// As [`Tracer::inject`](crate::Tracer::inject).
    fn inject(&self, context: &SpanContext, into: Inject<'_>) -> Result<(), InjectError>;

    /// Reads a context from a carrier; `None` if there is none.
    ///
    /// # Errors
    /// As [`Tracer::extract`](crate::Tracer::extract).
    fn extract(&self, from: Extract<'_>) -> Result<Option<SpanContext>, ExtractError>;

    /// Learns which tracer this implementation is behind: once, before anything else. Default: nothing. For one that makes
    /// spans beside those that are started, see [`TracerId::adopt`].
    fn registered(&self, tracer: TracerId) {
        let _ = tracer;
    }

    /// Returns what keeps track of the active span. Default: [`ThreadLocalScopes`]. Which kind it
    /// is is asked once.
    fn scope_manager(&self) -> &dyn ScopeManager {
        &ThreadLocalScopes
    }

    /// Learns of a call on a [`SharedSpan`](crate::SharedSpan) of this tracer that had finished
    /// before; the call did nothing. Default: nothing.
    fn on_use_after_finish(&self, context: &SpanContext, call: &'static str) {
        let _ = (context, call);
    }

    /// Waits until all spans that finished before the call are reported or lost. Default: there are
    /// none.
    ///
    /// # Errors
    /// [`FlushError::TimedOut`] after `timeout`, with what was done so far.
    fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        let _ = timeout;
        Ok(Flushed::default())
    }

    /// Flushes and stops; may be called again. Spans that start afterwards are not recorded: one with a parent has the
    /// parent's context, so that what it calls joins the trace, and any other has an empty one.
    ///
    /// # Errors
    /// As [`TracerBackend::flush`].
    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.flush(timeout)
    }

    /// Tells whether the tracer was closed. Then injecting nothing is no error, as for the no-op tracer. Default: false.
    fn is_closed(&self) -> bool {
        false
    }
}

impl<T: TracerBackend + ?Sized> TracerBackend for Arc<T> {
    fn start_span(&self, request: &StartRequest<'_>) -> Span {
        (**self).start_span(request)
    }

    fn inject(&self, context: &SpanContext, into: Inject<'_>) -> Result<(), InjectError> {
        (**self).inject(context, into)
    }

    fn extract(&self, from: Extract<'_>) -> Result<Option<SpanContext>, ExtractError> {
        (**self).extract(from)
    }

    fn registered(&self, tracer: TracerId) {
        (**self).registered(tracer);
    }

    fn scope_manager(&self) -> &dyn ScopeManager {
        (**self).scope_manager()
    }

    fn on_use_after_finish(&self, context: &SpanContext, call: &'static str) {
        (**self).on_use_after_finish(context, call);
    }

    fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        (**self).flush(timeout)
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        (**self).close(timeout)
    }

    fn is_closed(&self) -> bool {
        (**self).is_closed()
    }
}

/// Records one span. One setter a type of value, since a value that is an enum costs more. No
/// method may panic or wait.
///
/// Setters of tags get the span's context, since a tag such as `sampling.priority` may change its
/// flags.
pub trait SpanBackend: Send + Sync + 'static {
    /// Replaces the operation name.
    fn set_operation_name(&mut self, operation_name: &str);

    /// Sets a tag to text. The last value of a key wins, here and below.
    fn set_str_tag(&mut self, context: &mut SpanContext, key: &str, value: &str);

    /// Sets a tag to a truth value.
    fn set_bool_tag(&mut self, context: &mut SpanContext, key: &str, value: bool);

    /// Sets a tag to an integer.
    fn set_i64_tag(&mut self, context: &mut SpanContext, key: &str, value: i64);

    /// Sets a tag to an integer that is above [`i64::MAX`], unless someone built the [`Value::U64`]
    /// by hand.
    fn set_u64_tag(&mut self, context: &mut SpanContext, key: &str, value: u64);

    /// Sets a tag to a float.
    fn set_f64_tag(&mut self, context: &mut SpanContext, key: &str, value: f64);

    /// Sets a tag to bytes.
    fn set_bytes_tag(&mut self, context: &mut SpanContext, key: &str, value: &[u8]);

    /// Adds a log: something that happened at `time`, now if `None`. No field is [`Value::None`].
    ///
    /// The iterator runs code of the caller, and so do values that are formatted late; both may
    /// panic.
    fn log(
        &mut self,
        time: Option<SystemTime>,
        fields: &mut dyn Iterator<Item = (Cow<'_, str>, Value<'_>)>,
    );

    /// Learns of a baggage item that was set; `context` has it already, and `replaces` tells that it had another value
    /// before that was not empty. Default: nothing.
    fn on_baggage_item(&mut self, context: &SpanContext, key: &str, value: &str, replaces: bool) {
        let _ = (context, key, value, replaces);
    }

    /// Ends the span at `time`, now if `None`. The box comes back: one that pools boxes keeps it.
    ///
    /// The context is what the backend made it at the start and in its setters, with the baggage it was told of.
    fn finish(self: Box<Self>, time: Option<SystemTime>);

    /// Returns itself, if it wants to be found by [`recorder_mut`]. Default: `None`.
    fn as_any_mut(&mut self) -> Option<&mut dyn Any> {
        None
    }
}

/// Returns what a span writes to, if that is a `B`, which says so by [`SpanBackend::as_any_mut`], and the span records.
pub fn recorder_mut<B: SpanBackend>(span: &mut Span) -> Option<&mut B> {
    span.backend.as_mut()?.as_any_mut()?.downcast_mut()
}

/// Names a tracer for the lifetime of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracerId(pub(crate) TracerNumber);

impl TracerId {
    /// Makes a span of this tracer from what an implementation has already: one that was started by other means. With
    /// `None` it is not recorded.
    pub fn adopt(self, context: SpanContext, recorder: Option<Box<dyn SpanBackend>>) -> Span {
        Span { context, backend: recorder, tracer: self.0 }
    }
}

/// What a span is to be started with, the parent resolved.
pub struct StartRequest<'a> {
    operation_name: &'a str,
    options: &'a StartSpanOptions<'a>,
    parent: Option<&'a SpanContext>,
    tracer: TracerNumber,
}

impl<'a> StartRequest<'a> {
    #[inline]
    pub(crate) fn new(
        operation_name: &'a str,
        options: &'a StartSpanOptions<'a>,
        parent: Option<&'a SpanContext>,
        tracer: TracerNumber,
    ) -> Self {
        Self { operation_name, options, parent, tracer }
    }

    /// Makes the span: with what records it, or `None` where it is not recorded.
    ///
    /// Best called last, with a context made on the spot.
    #[inline(always)]
    pub fn span(&self, context: SpanContext, backend: Option<Box<dyn SpanBackend>>) -> Span {
        Span { context, backend, tracer: self.tracer }
    }

    /// Returns the operation name; it may be empty and set later.
    #[inline]
    pub fn operation_name(&self) -> &'a str {
        self.operation_name
    }

    /// Returns the parent: the first `ChildOf` reference, else the first reference, else the active
    /// span unless that is to be ignored. It is not empty, but its ids may be 0 where it has
    /// only baggage or an extension.
    #[inline]
    pub fn parent(&self) -> Option<&'a SpanContext> {
        self.parent
    }

    /// Returns the references that the caller gave, in order. An active span that is the parent is
    /// not among them.
    #[inline]
    pub fn references(&self) -> impl Iterator<Item = &'a Reference> + use<'a> {
        self.options.references()
    }

    /// Returns the tags that the caller gave, in order; none is [`Value::None`], a key may come
    /// again.
    #[inline]
    pub fn tags(&self) -> impl Iterator<Item = (&'a str, &'a Value<'a>)> + use<'a> {
        self.options.tag_pairs()
    }

    /// Returns when the work began; now if `None`.
    #[inline]
    pub fn start_time(&self) -> Option<SystemTime> {
        self.options.start_time
    }

    /// Tells whether the caller asked not to have the active span as parent.
    #[inline]
    pub fn ignores_active_span(&self) -> bool {
        self.options.ignores_active_span
    }

    /// Tells whether there is nothing to look at but the name, the parent, the start time and the tags: one parent, which is
    /// the active span or a `ChildOf`, without baggage or extension.
    #[inline]
    pub fn is_plain_child(&self) -> bool {
        self.parent.is_some_and(|parent| !parent.has_attachment()) && self.options.is_plain()
    }

    /// Tells whether the caller gave no tags.
    #[inline]
    pub fn has_no_tags(&self) -> bool {
        self.options.has_no_tags()
    }

    /// Gives `context` the baggage of the parent and of all references, and the parent's extension.
    ///
    /// Call it after the ids are written. For a key that several have, the parent wins, then the
    /// earlier reference. With nothing to inherit `context` is left alone and the call costs a
    /// null check; with the parent alone to inherit from it shares what the parent has. An
    /// extension that is not for children is replaced afterwards.
    #[inline]
    pub fn inherit_baggage(&self, context: &mut SpanContext) {
        let Some(parent) = self.parent else { return };
        if parent.has_attachment() || self.options.has_many_references() {
            inherit(context, parent, self.options);
        }
    }
}

impl fmt::Debug for StartRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartRequest")
            .field("operation_name", &self.operation_name)
            .field("parent", &self.parent)
            .field("options", &self.options)
            .finish()
    }
}

/// Out of line: few spans have baggage.
#[inline(never)]
fn inherit(context: &mut SpanContext, parent: &SpanContext, options: &StartSpanOptions<'_>) {
    if options.has_many_references() {
        context.inherit(parent, options.references().map(|reference| &reference.context));
    } else {
        context.inherit(parent, iter::empty());
    }
}
