//! The shared span: one span, many owners.

use std::borrow::Cow;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::failure::Failure;
use crate::log;
use crate::reference::HasContext;
use crate::span::Span;
use crate::span_context::SpanContext;
use crate::tracer::{Tracer, TracerNumber};
use crate::value::Value;

/// A span with several owners: clones are the same span. Setters take `&self`; a lock is inside.
///
/// It finishes with [`SharedSpan::finish`], once, or when the last clone is dropped. After that
/// only its context, baggage and tracer are of use, and it may stay active and be a parent;
/// everything else does nothing, and the tracer may tell. Clones are equal to each other and to
/// nothing else.
///
/// Values are formatted and iterators run before the lock is taken, so they may use the same span.
///
/// ```
/// # use opentracing_api::Tracer;
/// # let tracer = Tracer::noop();
/// let download = tracer.start_span("download").into_shared();
/// std::thread::scope(|threads| {
///     for part in 0..4 {
///         let download = &download;
///         threads.spawn(move || download.log_kv([("part", part)]).set_tag("parallel", true).is_recording());
///     }
/// });
/// download.finish();
/// ```
#[must_use = "a span that is not kept finishes at once"]
#[derive(Clone)]
pub struct SharedSpan {
    /// `None` for the no-op span.
    cell: Option<Arc<Cell>>,
}

impl SharedSpan {
    /// Returns a copy of what identifies the span.
    pub fn context(&self) -> SpanContext {
        self.cell.as_ref().map_or_else(SpanContext::default, |cell| lock(&cell.context).clone())
    }

    /// Returns the tracer that started the span; the no-op tracer once no handle to that one is
    /// left.
    pub fn tracer(&self) -> Tracer {
        self.cell.as_ref().map_or(Tracer::noop(), |cell| Tracer::numbered(cell.tracer))
    }

    /// Tells whether tags and logs are recorded: false also after the span has finished.
    pub fn is_recording(&self) -> bool {
        // Relaxed: a hint. Whoever acts on it takes the lock and looks again.
        self.cell.as_ref().is_some_and(|cell| cell.is_recording.load(Ordering::Relaxed))
    }

    /// Replaces the operation name.
    pub fn set_operation_name(&self, operation_name: &str) -> &Self {
        self.record(
            "set_operation_name",
            || (),
            |span, ()| {
                span.set_operation_name(operation_name);
            },
        )
    }

    /// Sets a tag: something that holds for the whole span. The last value of a key wins.
    pub fn set_tag<'v>(&self, key: &str, value: impl Into<Value<'v>>) -> &Self {
        self.record(
            "set_tag",
            || value.into().formatted(),
            |span, value| {
                span.set_tag(key, value);
            },
        )
    }

    /// Logs pairs as something that happens now. Values of mixed types: [`fields!`](crate::fields).
    pub fn log_kv<'f, K, V>(&self, fields: impl IntoIterator<Item = (K, V)>) -> &Self
    where
        K: Into<Cow<'f, str>>,
        V: Into<Value<'f>>,
    {
        self.record(
            "log_kv",
            || collect(fields),
            |span, fields| {
                span.log_kv(fields);
            },
        )
    }

    /// As [`SharedSpan::log_kv`], for something that happened at `time`.
    pub fn log_kv_at<'f, K, V>(
        &self,
        time: SystemTime,
        fields: impl IntoIterator<Item = (K, V)>,
    ) -> &Self
    where
        K: Into<Cow<'f, str>>,
        V: Into<Value<'f>>,
    {
        self.record(
            "log_kv_at",
            || collect(fields),
            |span, fields| {
                span.log_kv_at(time, fields);
            },
        )
    }

    /// Logs an event that has a name and nothing else.
    pub fn log_event(&self, event: &str) -> &Self {
        self.record(
            "log_event",
            || (),
            |span, ()| {
                span.log_kv([(log::EVENT, event)]);
            },
        )
    }

    /// Records an error: tag `error`, and a log with `event`, `message`, `error.kind` (the type,
    /// where it is known) and `stack` (the causes, at most 32).
    ///
    /// A boxed error is given as `&*error`.
    pub fn log_error(&self, error: &(impl Error + ?Sized)) -> &Self {
        self.record(
            "log_error",
            || Failure::of_error(error),
            |span, failure| span.log_failure(failure),
        )
    }

    /// Sets a baggage item, which travels to all children that start from now on, in other
    /// processes too.
    ///
    /// Contexts taken before keep the old baggage. An empty key is ignored, and so is baggage of a
    /// no-op span or of one that has finished.
    pub fn set_baggage_item(&self, key: &str, value: &str) -> &Self {
        match self.access() {
            Some(mut access) if !access.cell.is_finished.load(Ordering::Relaxed) => {
                access.span.set_baggage_item(key, value);
            }
            access => {
                // Told without the lock.
                drop(access);
                self.tell_use_after_finish("set_baggage_item");
            }
        }
        self
    }

    /// Returns a baggage item, set here or inherited.
    pub fn baggage_item(&self, key: &str) -> Option<String> {
        lock(&self.cell.as_ref()?.context).baggage_item(key).map(str::to_owned)
    }

    /// Lends the span to code that wants a `&mut Span`.
    ///
    /// The lock is held meanwhile: other owners wait, and `f` must neither call setters of this very
    /// span through another handle nor finish it, also by closing its scope, which would wait forever.
    /// Its context can be read and children can be started.
    pub fn with<R>(&self, f: impl FnOnce(&mut Span) -> R) -> R {
        match self.access() {
            Some(mut access) => {
                access.may_change_all = true;
                f(&mut access.span)
            }
            None => f(&mut Span::noop()),
        }
    }

    /// Ends the span now. Only the first call counts.
    pub fn finish(&self) {
        self.finish_with(None);
    }

    /// Ends the span with a time of its own. Only the first call counts.
    pub fn finish_at(&self, time: SystemTime) {
        self.finish_with(Some(time));
    }

    /// Tells whether the span has finished.
    pub(crate) fn is_finished(&self) -> bool {
        // Relaxed: a hint. A use that it does not see does nothing either.
        self.cell.as_ref().is_some_and(|cell| cell.is_finished.load(Ordering::Relaxed))
    }

    pub(crate) const fn of_noop() -> Self {
        Self { cell: None }
    }

    pub(crate) fn log_failure(&self, failure: impl FnOnce() -> Failure) {
        self.record("log_error", failure, |span, failure| span.log_failure(failure));
    }

    #[cold]
    pub(crate) fn mark_panicked(&self) {
        // Not through `record`: that a span had finished before the panic is nobody's mistake.
        if let Some(mut access) = self.is_recording().then(|| self.access()).flatten() {
            access.span.mark_panicked();
        }
    }

    /// Ends the span where a scope or a future ends: that its owner has ended it before is fine. For a
    /// [`ScopeManager`](crate::backend::ScopeManager).
    pub fn finish_with_scope(&self) {
        let Some(access) = self.access() else { return };
        access.finish(None);
    }

    /// As [`SharedSpan::finish_with_scope`], by an owner who needs the span no more: the last one takes no lock.
    pub(crate) fn finish_and_drop(mut self) {
        let Some(mut cell) = self.cell.take() else { return };
        let Some(place) = Arc::get_mut(&mut cell) else {
            self.cell = Some(cell);
            return self.finish_with_scope();
        };
        let backend = get_mut(&mut place.span).backend.take();
        place.clear();
        put_pooled(cell);
        if let Some(backend) = backend {
            backend.finish(None);
        }
    }

    fn finish_with(&self, time: Option<SystemTime>) {
        let Some(access) = self.access() else { return };
        if access.finish(time) {
            self.tell_use_after_finish("finish");
        }
    }

    /// Prepares without the lock, then changes the span with it; does nothing if the span does not
    /// record.
    pub(crate) fn record<P>(
        &self,
        call: &'static str,
        prepare: impl FnOnce() -> P,
        change: impl FnOnce(&mut Span, P),
    ) -> &Self {
        if self.is_recording() {
            let prepared = prepare();
            if let Some(mut access) = self.access() {
                change(&mut access.span, prepared);
            }
        } else {
            self.tell_use_after_finish(call);
        }
        self
    }

    /// Tells the tracer of a call on a span that had finished.
    #[inline]
    fn tell_use_after_finish(&self, call: &'static str) {
        if self.is_finished() {
            self.tracer().tell_use_after_finish(&self.context(), call);
        }
    }

    fn access(&self) -> Option<Access<'_>> {
        self.cell.as_ref().map(|cell| Access::new(cell))
    }
}

impl From<Span> for SharedSpan {
    fn from(span: Span) -> Self {
        if span.is_noop() {
            return Self::of_noop();
        }
        let mut cell = take_pooled().unwrap_or_else(|| Arc::new(Cell::empty()));
        match Arc::get_mut(&mut cell) {
            Some(place) => place.fill(span),
            // Nobody else has a pooled cell, so this does not happen.
            None => cell = Arc::new(Cell::new(span)),
        }
        Self { cell: Some(cell) }
    }
}

impl Drop for SharedSpan {
    fn drop(&mut self) {
        let Some(mut cell) = self.cell.take() else { return };
        // Looked at before it is made sure of, which is not for nothing.
        if Arc::strong_count(&cell) > 1 {
            return;
        }
        // Two last owners on two threads may both see the other: then the cell is freed instead of
        // kept.
        if let Some(place) = Arc::get_mut(&mut cell) {
            place.clear();
            put_pooled(cell);
        }
    }
}

impl PartialEq for SharedSpan {
    fn eq(&self, other: &Self) -> bool {
        match (&self.cell, &other.cell) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for SharedSpan {}

impl HasContext for SharedSpan {
    fn to_context(&self) -> Option<SpanContext> {
        Some(self.context())
    }
}

impl fmt::Debug for SharedSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSpan")
            .field("context", &self.context())
            .field("is_recording", &self.is_recording())
            .finish_non_exhaustive()
    }
}

/// What the owners share.
struct Cell {
    span: Mutex<Span>,
    /// A copy of the span's context with a lock of its own, so that it can be read, and children
    /// can be started, while somebody works on the span. Locked after `span`, never before it.
    context: Mutex<SpanContext>,
    is_recording: AtomicBool,
    /// Written under the span's lock.
    is_finished: AtomicBool,
    tracer: TracerNumber,
}

impl Cell {
    fn new(span: Span) -> Self {
        Self {
            context: Mutex::new(span.context()),
            is_recording: AtomicBool::new(span.is_recording()),
            is_finished: AtomicBool::new(false),
            tracer: span.tracer,
            span: Mutex::new(span),
        }
    }

    fn empty() -> Self {
        Self::new(Span::noop())
    }

    /// Puts a span into an empty cell, in place: what is moved as a whole is written twice.
    fn fill(&mut self, span: Span) {
        *get_mut(&mut self.context) = span.context();
        *self.is_recording.get_mut() = span.is_recording();
        *self.is_finished.get_mut() = false;
        self.tracer = span.tracer;
        *get_mut(&mut self.span) = span;
    }

    /// Empties the cell; finishes the span where that has not happened.
    fn clear(&mut self) {
        let span = get_mut(&mut self.span);
        if span.is_recording() {
            drop(mem::replace(span, Span::noop()));
        }
        drop(span.context.take_attachment());
        drop(get_mut(&mut self.context).take_attachment());
    }
}

/// The span under its lock; on release the copies beside it are brought up to date, also by a
/// panic.
struct Access<'a> {
    cell: &'a Cell,
    span: MutexGuard<'a, Span>,
    flags: u32,
    attachment: *const (),
    /// The caller has had the span itself and may have replaced it as a whole.
    may_change_all: bool,
}

impl<'a> Access<'a> {
    fn new(cell: &'a Cell) -> Self {
        let span = lock(&cell.span);
        let (flags, attachment) = (span.context.flags(), span.context.attachment_address());
        Self { cell, span, flags, attachment, may_change_all: false }
    }

    /// Ends the span, and tells whether it had ended before.
    fn finish(mut self, time: Option<SystemTime>) -> bool {
        self.cell.is_recording.store(false, Ordering::Relaxed);
        let was_finished = self.cell.is_finished.swap(true, Ordering::Relaxed);
        let backend = self.span.backend.take();
        let is_late = was_finished && backend.is_none();
        // The lock is free again: what an implementation does at the end may use this span.
        drop(self);
        if let Some(backend) = backend {
            backend.finish(time);
        }
        is_late
    }
}

impl Drop for Access<'_> {
    fn drop(&mut self) {
        // The copy holds on to the old attachment, so a new one is at another address.
        if self.may_change_all || !self.span.context.is_unchanged_from(self.flags, self.attachment)
        {
            let old = mem::replace(&mut *lock(&self.cell.context), self.span.context());
            drop(old);
        }
        if self.may_change_all {
            self.cell.is_recording.store(self.span.is_recording(), Ordering::Relaxed);
        }
    }
}

fn collect<'f, K: Into<Cow<'f, str>>, V: Into<Value<'f>>>(
    fields: impl IntoIterator<Item = (K, V)>,
) -> Vec<(Cow<'f, str>, Value<'f>)> {
    fields.into_iter().map(|(key, value)| (key.into(), value.into().formatted())).collect()
}

/// Locks, whoever panicked before: a span is never in a state that could not be used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reaches what nobody else can have locked.
fn get_mut<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// Cells for reuse, so that sharing spans in a steady state allocates nothing, whether they are recorded or not.
    static POOL: RefCell<Vec<Arc<Cell>>> = const { RefCell::new(Vec::new()) };
}

/// More than are open at once in most threads; spans shared here may be dropped elsewhere, so there
/// must be a limit.
const MAX_POOLED_CELLS: usize = 32;

fn take_pooled() -> Option<Arc<Cell>> {
    POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten()
}

fn put_pooled(cell: Arc<Cell>) {
    // A full or vanished pool drops the cell, which is empty.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < MAX_POOLED_CELLS {
            pool.push(cell);
        }
    });
}

#[cfg(test)]
mod tests;
