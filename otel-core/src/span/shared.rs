//! A span that several places write to.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, Weak};
use std::time::SystemTime;

use super::foreign::{self, ForeignSpan};
use super::{Link, Span, StatusCode};
use crate::attribute::{AttributeSource, Value};
use crate::context::{Context, ContextGuard};
use crate::span_context::SpanContext;
use crate::sync::Mutex;

/// A handle on a span, to be cloned and written to from anywhere; the span ends with [`end`](Self::end), or with the
/// last handle. What is written afterwards is ignored.
#[derive(Clone)]
pub struct SharedSpan {
    inner: Arc<Inner>,
}

struct Inner {
    context: SpanContext,
    is_recorded: bool,
    /// Empty once the span has ended.
    span: Mutex<Option<Span>>,
    /// Where the span is, if not here.
    foreign: Option<Box<dyn ForeignSpan>>,
    companion: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl SharedSpan {
    /// Shares a span.
    pub fn new(span: Span) -> Self {
        let context = span.context().clone();
        Self::of(Inner {
            context,
            is_recorded: span.is_recording(),
            span: Mutex::new(Some(span)),
            foreign: None,
            companion: OnceLock::new(),
        })
    }

    /// Returns the current span of this thread; where there is none, one that records nothing.
    ///
    /// ```
    /// use otel_core::exporter::InMemoryExporter;
    /// use otel_core::{SharedSpan, SimpleProcessor, TracerProvider};
    ///
    /// fn bake() {
    ///     SharedSpan::current().set_attribute("eggs", 3);
    /// }
    ///
    /// let exporter = InMemoryExporter::new();
    /// let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter.clone())).build();
    /// provider.tracer("kitchen").in_span("bake-cake", |_| bake());
    /// assert_eq!(exporter.finished_spans()[0].attribute("eggs").unwrap(), &3);
    /// ```
    pub fn current() -> Self {
        let current = Context::current();
        current
            .span()
            .cloned()
            .unwrap_or_else(|| Self::new(Span::non_recording(SpanContext::invalid())))
    }

    /// Makes a handle on a span that lives in another API: for a translator from that one. The handles that are made of it
    /// write to the span, and do not end it when the last of them is dropped.
    pub fn foreign(span: impl ForeignSpan) -> Self {
        Self::of(Inner {
            context: SpanContext::invalid(),
            is_recorded: false,
            span: Mutex::new(None),
            foreign: Some(Box::new(span)),
            companion: OnceLock::new(),
        })
    }

    fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Returns what names the span to others; valid after the end as well.
    pub fn context(&self) -> SpanContext {
        match &self.inner.foreign {
            None => self.inner.context.clone(),
            Some(foreign) => foreign.context(),
        }
    }

    /// Tells whether setters have an effect.
    pub fn is_recording(&self) -> bool {
        match &self.inner.foreign {
            None => self.inner.span.lock().as_ref().is_some_and(Span::is_recording),
            Some(foreign) => foreign.is_recording(),
        }
    }

    /// Tells whether the span is one that is recorded, ended or not, without waiting for who works on it.
    pub fn is_recorded(&self) -> bool {
        self.inner.is_recorded
            || self.inner.foreign.as_ref().is_some_and(|span| span.is_recording())
    }

    /// Returns what a translator keeps with the span, made at the first call and dropped with the last handle; `None` if
    /// another translator keeps something of another type.
    pub fn companion<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.inner.companion.get_or_init(|| Box::new(make())).downcast_ref()
    }

    /// Returns a handle that does not keep the span from ending with the last of the others.
    pub fn downgrade(&self) -> WeakSpan {
        WeakSpan { inner: Arc::downgrade(&self.inner) }
    }

    /// Sets an attribute; a key that is there gets the new value.
    pub fn set_attribute<'v>(&self, key: &str, value: impl Into<Value<'v>>) -> &Self {
        self.with(|span| {
            span.set_attribute(key, value);
        })
    }

    /// Sets several attributes.
    pub fn set_attributes(&self, attributes: &(impl AttributeSource + ?Sized)) -> &Self {
        self.with(|span| {
            span.set_attributes(attributes);
        })
    }

    /// Adds an event that happened now.
    pub fn add_event(&self, name: &str, attributes: &(impl AttributeSource + ?Sized)) -> &Self {
        self.with(|span| {
            span.add_event(name, attributes);
        })
    }

    /// Adds an event that happened at a given time.
    pub fn add_event_at(
        &self,
        name: &str,
        time: SystemTime,
        attributes: &(impl AttributeSource + ?Sized),
    ) -> &Self {
        self.with(|span| {
            span.add_event_at(name, time, attributes);
        })
    }

    /// Adds a link to another span.
    pub fn add_link(&self, link: &Link<'_>) -> &Self {
        self.with(|span| {
            span.add_link(link);
        })
    }

    /// Sets the status, as [`Span::set_status`] does.
    pub fn set_status(&self, status: StatusCode, description: &str) -> &Self {
        self.with(|span| {
            span.set_status(status, description);
        })
    }

    /// Replaces the name.
    pub fn update_name(&self, name: &str) -> &Self {
        self.with(|span| {
            span.update_name(name);
        })
    }

    /// Adds an `exception` event that describes an error with its causes, as [`Span::record_error`] does.
    pub fn record_error<E: Error + ?Sized>(&self, error: &E) -> &Self {
        self.with(|span| {
            span.record_error(error);
        })
    }

    /// As [`record_error`](Self::record_error), with attributes of one's own: see [`Span::record_error_with`].
    pub fn record_error_with<E: Error + ?Sized>(
        &self,
        error: &E,
        attributes: &(impl AttributeSource + ?Sized),
    ) -> &Self {
        self.with(|span| {
            span.record_error_with(error, attributes);
        })
    }

    /// As [`record_error_with`](Self::record_error_with), for an error that happened at a given time.
    pub fn record_error_at<E: Error + ?Sized>(
        &self,
        error: &E,
        time: SystemTime,
        attributes: &(impl AttributeSource + ?Sized),
    ) -> &Self {
        self.with(|span| {
            span.record_error_at(error, time, attributes);
        })
    }

    /// Ends the span now; a second call does nothing.
    pub fn end(&self) {
        if let Some(foreign) = &self.inner.foreign {
            return foreign.end(None);
        }
        // The span's end runs processors: not under the lock.
        let span = self.inner.span.lock().take();
        drop(span);
    }

    /// Ends the span at a given time; a second call does nothing.
    pub fn end_at(&self, time: SystemTime) {
        if let Some(foreign) = &self.inner.foreign {
            return foreign.end(Some(time));
        }
        let span = self.inner.span.lock().take();
        if let Some(span) = span {
            span.end_at(time);
        }
    }

    /// Calls `use_it` with the span, under its lock: it must not write to the same span by another handle.
    pub fn with(&self, use_it: impl FnOnce(&mut Span)) -> &Self {
        if let Some(foreign) = &self.inner.foreign {
            let mut use_it = Some(use_it);
            foreign.with_recording(&mut |recording| {
                if let Some(use_it) = use_it.take() {
                    foreign::lend(recording, foreign.context(), use_it);
                }
            });
        } else if let Some(span) = self.inner.span.lock().as_mut() {
            use_it(span);
        }
        self
    }
}

impl PartialEq for SharedSpan {
    /// Two handles are equal when they are handles on the same span.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl fmt::Debug for SharedSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSpan").field("context", &self.context()).finish_non_exhaustive()
    }
}

/// A handle on a span that may be gone: see [`SharedSpan::downgrade`].
#[derive(Clone, Debug, Default)]
pub struct WeakSpan {
    inner: Weak<Inner>,
}

impl WeakSpan {
    /// Returns a full handle, unless the last one was dropped.
    pub fn upgrade(&self) -> Option<SharedSpan> {
        self.inner.upgrade().map(|inner| SharedSpan { inner })
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("context", &self.context).finish_non_exhaustive()
    }
}

/// A span that is current on this thread until this is dropped, which ends it too.
#[must_use = "the span ends when this is dropped: `let _ =` drops it at once"]
#[derive(Debug)]
pub struct CurrentSpan {
    span: SharedSpan,
    guard: Option<ContextGuard>,
}

impl CurrentSpan {
    /// Makes a span current in what else `context` holds.
    pub(crate) fn new(span: Span, context: &Context) -> Self {
        let span = SharedSpan::new(span);
        let guard = context.with_shared_span(span.clone()).attach();
        Self { span, guard: Some(guard) }
    }
}

impl Deref for CurrentSpan {
    type Target = SharedSpan;

    fn deref(&self) -> &SharedSpan {
        &self.span
    }
}

impl Drop for CurrentSpan {
    fn drop(&mut self) {
        self.guard = None;
        self.span.end();
    }
}
