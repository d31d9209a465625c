//! The tracer: starts spans, keeps track of the active one, injects and extracts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::backend::{StartRequest, TracerBackend, TracerId};
use crate::error::{ExtractError, FlushError, InjectError};
use crate::failure::Failure;
use crate::global;
use crate::guard::Flushed;
use crate::noop;
use crate::propagation::{Extract, Inject};
use crate::reference::HasContext;
use crate::scope::{Activation, Scope, Scopes, has_scopes_in_thread};
use crate::shared_span::SharedSpan;
use crate::span::Span;
use crate::span_context::SpanContext;
use crate::start_span::StartSpanOptions;

/// A handle to a tracer, cheap to clone and to pass around.
///
/// Behind it is an implementation, or nothing ([`Tracer::noop`]), or whatever is the global tracer
/// at the time of each call ([`global_tracer`](crate::global_tracer), also the `Default`).
/// Two handles are equal if they lead to the same tracer.
///
/// Spans do not keep their tracer: with its last handle an implementation is dropped, and may report
/// no span that finishes afterwards. Keep a handle until all spans have finished.
#[derive(Clone)]
pub struct Tracer(pub(crate) TracerKind);

#[derive(Clone)]
pub(crate) enum TracerKind {
    Noop,
    Global,
    Backend(Arc<TracerInner>),
}

impl Tracer {
    /// Puts an implementation behind a handle.
    pub fn new(backend: impl TracerBackend) -> Self {
        Self(TracerKind::Backend(TracerInner::register(Box::new(backend))))
    }

    /// Starts a span.
    ///
    /// If a span is active here ([`Tracer::active_span`]) it becomes the parent, else the span
    /// begins a trace. The span itself does not become active. It finishes with
    /// [`Span::finish`] or when it is dropped.
    ///
    /// ```
    /// # use opentracing_api::Tracer;
    /// # let tracer = Tracer::noop();
    /// let mut span = tracer.start_span("read-file");
    /// span.set_tag("path", "/etc/hosts");
    /// span.finish();
    /// ```
    #[inline]
    pub fn start_span(&self, operation_name: &str) -> Span {
        self.start(operation_name, StartSpanOptions::NONE)
    }

    /// Starts a span with references, tags or a start time of its own.
    ///
    /// ```
    /// # use opentracing_api::{child_of, Tracer};
    /// # let tracer = Tracer::noop();
    /// let request = tracer.start_span("request");
    /// let query = tracer.start_span_with("query", child_of(&request).tag("db.type", "sql"));
    /// ```
    #[inline]
    pub fn start_span_with(&self, operation_name: &str, options: StartSpanOptions<'_>) -> Span {
        self.start(operation_name, &options)
    }

    /// Starts a span and makes it the active one until the scope closes; then it finishes.
    #[inline]
    pub fn start_active_span(&self, operation_name: &str) -> Scope {
        if matches!(self.0, TracerKind::Noop) {
            return Scope::noop();
        }
        self.activate(self.start_span(operation_name))
    }

    /// As [`Tracer::start_active_span`], with options.
    pub fn start_active_span_with(
        &self,
        operation_name: &str,
        options: StartSpanOptions<'_>,
    ) -> Scope {
        if matches!(self.0, TracerKind::Noop) {
            return Scope::noop();
        }
        self.activate(self.start_span_with(operation_name, options))
    }

    /// Runs `f` in a span of its own that is active meanwhile.
    ///
    /// Not for futures, whose work begins after `f` has returned: see [`InSpan`](crate::InSpan).
    ///
    /// ```
    /// # use opentracing_api::Tracer;
    /// # let tracer = Tracer::noop();
    /// let sum: u32 = tracer.in_span("add-up", |span| {
    ///     span.set_tag("numbers", 3);
    ///     [1, 2, 3].iter().sum()
    /// });
    /// ```
    pub fn in_span<R>(&self, operation_name: &str, f: impl FnOnce(&SharedSpan) -> R) -> R {
        f(self.start_active_span(operation_name).span())
    }

    /// As [`Tracer::in_span`], with options.
    pub fn in_span_with<R>(
        &self,
        operation_name: &str,
        options: StartSpanOptions<'_>,
        f: impl FnOnce(&SharedSpan) -> R,
    ) -> R {
        f(self.start_active_span_with(operation_name, options).span())
    }

    /// As [`Tracer::in_span`] for a fallible `f`: an error is recorded on the span and returned.
    ///
    /// Recorded are the tag `error` and a log with `event`, `message` and, where the type has a
    /// name, `error.kind`.
    ///
    /// ```
    /// # use opentracing_api::Tracer;
    /// # let tracer = Tracer::noop();
    /// let port = tracer.try_in_span("parse-port", |_| "80".parse::<u16>())?;
    /// # assert_eq!(port, 80);
    /// # Ok::<(), std::num::ParseIntError>(())
    /// ```
    ///
    /// # Errors
    /// Those of `f`.
    pub fn try_in_span<T, E: fmt::Display>(
        &self,
        operation_name: &str,
        f: impl FnOnce(&SharedSpan) -> Result<T, E>,
    ) -> Result<T, E> {
        self.in_span(operation_name, |span| recording_error(span, f))
    }

    /// As [`Tracer::try_in_span`], with options.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn try_in_span_with<T, E: fmt::Display>(
        &self,
        operation_name: &str,
        options: StartSpanOptions<'_>,
        f: impl FnOnce(&SharedSpan) -> Result<T, E>,
    ) -> Result<T, E> {
        self.in_span_with(operation_name, options, |span| recording_error(span, f))
    }

    /// Returns the span that is active here: on this thread, unless the tracer's implementation
    /// says otherwise.
    pub fn active_span(&self) -> Option<SharedSpan> {
        self.scopes().active()
    }

    /// Lends `f` the span that is active here; `None` if there is none.
    ///
    /// Cheaper than [`Tracer::active_span`], which makes a handle of one's own. `f` may open and close scopes.
    ///
    /// ```
    /// # use opentracing_api::Tracer;
    /// # let tracer = Tracer::noop();
    /// tracer.with_active_span(|span| {
    ///     span.set_tag("cache", "hit");
    /// });
    /// ```
    pub fn with_active_span<R>(&self, f: impl FnOnce(&SharedSpan) -> R) -> Option<R> {
        self.scopes().with_active(f)
    }

    /// Makes a span the active one until the scope closes.
    ///
    /// A [`Span`] given by value also finishes then; a [`SharedSpan`] does not.
    pub fn activate(&self, span: impl Into<Activation>) -> Scope {
        Scope::enter(self.scopes(), span.into())
    }

    /// Makes no span the active one until the scope closes: what starts meanwhile begins a trace.
    pub fn activate_none(&self) -> Scope {
        Scope::enter_none(self.scopes())
    }

    /// Writes the context of `span` into a carrier, for another process to continue the trace.
    ///
    /// The no-op tracer writes nothing, nor does one that was closed of a span that began after that without a parent.
    ///
    /// # Errors
    /// [`InjectError::UnsupportedFormat`] and [`InjectError::InvalidCarrier`] for custom formats,
    /// [`InjectError::InvalidSpanContext`] where `span` has no context or an empty one.
    pub fn inject(
        &self,
        span: &(impl HasContext + ?Sized),
        into: Inject<'_>,
    ) -> Result<(), InjectError> {
        self.with_backend(
            |backend, into| match span.to_context() {
                Some(context) if !context.is_empty() => backend.inject(&context, into),
                _ if backend.is_closed() => noop::inject(&into),
                _ => Err(InjectError::InvalidSpanContext),
            },
            |into| noop::inject(&into),
            into,
        )
    }

    /// Reads a context that another process wrote; `None` if there is none. Feed it to
    /// [`child_of`](crate::child_of).
    ///
    /// # Errors
    /// [`ExtractError::UnsupportedFormat`] and [`ExtractError::InvalidCarrier`] for custom formats,
    /// [`ExtractError::SpanContextCorrupted`] for a context that cannot be read, from implementations
    /// that tell; others count it and answer `None`, as the Jaeger tracer of this workspace does.
    /// Most callers go on without a parent: `tracer.extract(…).unwrap_or_default()`.
    pub fn extract(&self, from: Extract<'_>) -> Result<Option<SpanContext>, ExtractError> {
        self.with_backend(|backend, from| backend.extract(from), |from| noop::extract(&from), from)
    }

    /// Waits until all spans that finished before the call are reported or lost, for `timeout` at
    /// most.
    ///
    /// # Errors
    /// [`FlushError::TimedOut`] with what was done so far.
    pub fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.with_backend(
            |backend, timeout| backend.flush(timeout),
            |_| Ok(Flushed::default()),
            timeout,
        )
    }

    /// Flushes and then stops: spans that start later are usable and record nothing. Where such a span has a parent, its
    /// context is the parent's: what it calls joins the caller's trace as if this process were not there. A second close
    /// changes nothing.
    ///
    /// # Errors
    /// [`FlushError::TimedOut`] with what was done so far.
    pub fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.with_backend(
            |backend, timeout| backend.close(timeout),
            |_| Ok(Flushed::default()),
            timeout,
        )
    }

    /// Finds the tracer that a span belongs to; no-op once that one is gone.
    pub(crate) fn numbered(number: TracerNumber) -> Self {
        // The upgraded handle leaves the block before it can be dropped: dropping the last one
        // takes the lock again.
        let inner = { tracers().get(&number.0).and_then(Weak::upgrade) };
        Self(inner.map_or(TracerKind::Noop, TracerKind::Backend))
    }

    #[cold]
    pub(crate) fn tell_use_after_finish(&self, context: &SpanContext, call: &'static str) {
        self.with_backend(|backend, ()| backend.on_use_after_finish(context, call), |()| (), ());
    }

    /// Returns how this tracer keeps the active span.
    pub(crate) fn scopes(&self) -> Scopes {
        match &self.0 {
            TracerKind::Noop => Scopes::Noop,
            TracerKind::Global => global::with_current(Self::scopes),
            TracerKind::Backend(inner) if inner.has_thread_local_scopes => Scopes::ThreadLocal,
            TracerKind::Backend(inner) => Scopes::Backend(Arc::clone(inner)),
        }
    }

    // Not inlined, and each call of the way is the last: so the backend writes the span where the caller will have it. A
    // span that is moved right after it was written costs 4 ns and more for each move.
    #[inline(never)]
    fn start(&self, operation_name: &str, options: &StartSpanOptions<'_>) -> Span {
        match &self.0 {
            TracerKind::Backend(inner) => inner.start(operation_name, options),
            TracerKind::Global => start_global(operation_name, options),
            TracerKind::Noop => Span::noop(),
        }
    }

    fn with_backend<A, R>(
        &self,
        call: impl FnOnce(&dyn TracerBackend, A) -> R,
        noop: impl FnOnce(A) -> R,
        argument: A,
    ) -> R {
        match &self.0 {
            TracerKind::Backend(inner) => call(&*inner.backend, argument),
            TracerKind::Noop => noop(argument),
            TracerKind::Global => global::with_current(|tracer| match &tracer.0 {
                TracerKind::Backend(inner) => call(&*inner.backend, argument),
                _ => noop(argument),
            }),
        }
    }
}

impl Default for Tracer {
    fn default() -> Self {
        global::global_tracer()
    }
}

impl PartialEq for Tracer {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (TracerKind::Noop, TracerKind::Noop) | (TracerKind::Global, TracerKind::Global) => true,
            (TracerKind::Backend(ours), TracerKind::Backend(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        }
    }
}

impl Eq for Tracer {}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            TracerKind::Noop => f.write_str("Tracer(noop)"),
            TracerKind::Global => f.write_str("Tracer(global)"),
            TracerKind::Backend(inner) => write!(f, "Tracer({})", inner.number.0),
        }
    }
}

/// An implementation, its number, and what was asked of it once.
pub(crate) struct TracerInner {
    number: TracerNumber,
    has_thread_local_scopes: bool,
    pub(crate) backend: Box<dyn TracerBackend>,
}

impl TracerInner {
    fn register(backend: Box<dyn TracerBackend>) -> Arc<Self> {
        let number = TracerNumber::next();
        let has_thread_local_scopes = backend.scope_manager().is_thread_local_scopes();
        let inner = Arc::new(Self { number, has_thread_local_scopes, backend });
        if number != TracerNumber::LAST {
            tracers().insert(number.0, Arc::downgrade(&inner));
        }
        inner.backend.registered(TracerId(number));
        inner
    }

    #[inline(always)]
    fn start(&self, operation_name: &str, options: &StartSpanOptions<'_>) -> Span {
        let active;
        let parent = match options.parent() {
            Some(parent) => Some(parent),
            None if options.ignores_active_span => None,
            None => {
                active = self.active_context();
                active.as_ref()
            }
        };
        self.backend.start_span(&StartRequest::new(operation_name, options, parent, self.number))
    }

    #[inline]
    fn active_context(&self) -> Option<SpanContext> {
        if self.has_thread_local_scopes && !has_scopes_in_thread() {
            return None;
        }
        self.active_context_in_scopes()
    }

    #[inline(never)]
    fn active_context_in_scopes(&self) -> Option<SpanContext> {
        self.backend.scope_manager().active_context().filter(|context| !context.is_empty())
    }
}

/// Runs `f`, and records its error on the span.
fn recording_error<T, E: fmt::Display>(
    span: &SharedSpan,
    f: impl FnOnce(&SharedSpan) -> Result<T, E>,
) -> Result<T, E> {
    f(span).inspect_err(|error| span.log_failure(|| Failure::of_display(error)))
}

/// Out of line, so that the way of a concrete tracer is short.
#[inline(never)]
fn start_global(operation_name: &str, options: &StartSpanOptions<'_>) -> Span {
    global::with_current(|tracer| match &tracer.0 {
        TracerKind::Backend(inner) => inner.start(operation_name, options),
        _ => Span::noop(),
    })
}

impl Drop for TracerInner {
    fn drop(&mut self) {
        tracers().remove(&self.number.0);
    }
}

/// Names a tracer for the lifetime of the process, so that a span knows its tracer without a
/// reference count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TracerNumber(u32);

impl TracerNumber {
    /// The no-op tracer.
    pub(crate) const NOOP: Self = Self(0);

    /// Shared by all tracers after four thousand million: they work, but their spans do not find
    /// them.
    const LAST: Self = Self(u32::MAX);

    fn next() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        // Relaxed: only the number itself matters.
        let next =
            NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| next.checked_add(1));
        next.map_or(Self::LAST, Self)
    }
}

fn tracers() -> MutexGuard<'static, BTreeMap<u32, Weak<TracerInner>>> {
    static TRACERS: Mutex<BTreeMap<u32, Weak<TracerInner>>> = Mutex::new(BTreeMap::new());
    TRACERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
