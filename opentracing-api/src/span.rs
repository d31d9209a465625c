//! The span: a piece of work with a beginning and an end, owned by whoever does the work.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::mem;
use std::thread;
use std::time::SystemTime;

use crate::backend::SpanBackend;
use crate::failure::Failure;
use crate::reference::HasContext;
use crate::shared_span::SharedSpan;
use crate::span_context::SpanContext;
use crate::tracer::{Tracer, TracerNumber};
use crate::value::{Value, text_of};
use crate::{log, tags};

/// A piece of work that has begun; it ends with [`Span::finish`] or when it is dropped.
///
/// Setters take `&mut self` and return the span, so they chain: bind the span first, finish it
/// last. They can do nothing wrong: no error, no panic. On a span that is not recorded they do
/// nothing, except for baggage, which travels anyway.
///
/// A span that is dropped by a panic is marked: tag `error`, log `event=error`, `message=panic`.
/// This goes for every recorded span dropped while its thread is panicking, also the rare one that
/// was started by a destructor after the panic began.
///
/// ```
/// # use opentracing_api::{fields, tags, Tracer};
/// # let tracer = Tracer::noop();
/// let mut span = tracer.start_span("GET /orders");
/// span.set_tag(tags::HTTP_STATUS_CODE, 200).set_tag("cached", false);
/// span.log_kv(fields! { "event" => "rows read", "rows" => 3 });
/// span.finish();
/// ```
#[must_use = "a span that is not kept finishes at once"]
pub struct Span {
    pub(crate) context: SpanContext,
    pub(crate) backend: Option<Box<dyn SpanBackend>>,
    pub(crate) tracer: TracerNumber,
}

impl Span {
    /// Returns a copy of what identifies the span. It stays usable after the span has finished.
    #[inline]
    pub fn context(&self) -> SpanContext {
        self.context.clone()
    }

    /// Returns the tracer that started the span; the no-op tracer once no handle to that one is
    /// left.
    pub fn tracer(&self) -> Tracer {
        Tracer::numbered(self.tracer)
    }

    /// Tells whether tags and logs are recorded: worth asking before computing an expensive one.
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.backend.is_some()
    }

    /// Replaces the operation name.
    #[inline]
    pub fn set_operation_name(&mut self, operation_name: &str) -> &mut Self {
        if let Some(backend) = &mut self.backend {
            backend.set_operation_name(operation_name);
        }
        self
    }

    /// Sets a tag: something that holds for the whole span. The last value of a key wins.
    #[inline]
    pub fn set_tag<'v>(&mut self, key: &str, value: impl Into<Value<'v>>) -> &mut Self {
        if let Some(backend) = &mut self.backend {
            set_tag_on(&mut **backend, &mut self.context, key, value.into());
        }
        self
    }

    /// Logs pairs as something that happens now. Values of mixed types: [`fields!`](crate::fields).
    #[inline]
    pub fn log_kv<'f, K, V>(&mut self, fields: impl IntoIterator<Item = (K, V)>) -> &mut Self
    where
        K: Into<Cow<'f, str>>,
        V: Into<Value<'f>>,
    {
        if let Some(backend) = &mut self.backend {
            log_on(&mut **backend, None, fields);
        }
        self
    }

    /// As [`Span::log_kv`], for something that happened at `time`.
    #[inline]
    pub fn log_kv_at<'f, K, V>(
        &mut self,
        time: SystemTime,
        fields: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self
    where
        K: Into<Cow<'f, str>>,
        V: Into<Value<'f>>,
    {
        if let Some(backend) = &mut self.backend {
            log_on(&mut **backend, Some(time), fields);
        }
        self
    }

    /// Logs an event that has a name and nothing else.
    #[inline]
    pub fn log_event(&mut self, event: &str) -> &mut Self {
        self.log_kv([(log::EVENT, event)])
    }

    /// Records an error: tag `error`, and a log with `event`, `message`, `error.kind` (the type,
    /// where it is known) and `stack` (the causes, at most 32).
    ///
    /// A boxed error is given as `&*error`.
    pub fn log_error(&mut self, error: &(impl Error + ?Sized)) -> &mut Self {
        if self.is_recording() {
            self.log_failure(Failure::of_error(error));
        }
        self
    }

    /// Sets a baggage item, which travels to all children that start from now on, in other
    /// processes too.
    ///
    /// Contexts taken before keep the old baggage. An empty key is ignored, and so is baggage of a
    /// no-op span.
    pub fn set_baggage_item(&mut self, key: &str, value: &str) -> &mut Self {
        if !key.is_empty() && !self.is_noop() {
            let replaces = self.context.set_baggage_item(key, value);
            if let Some(backend) = &mut self.backend {
                backend.on_baggage_item(&self.context, key, value, replaces);
            }
        }
        self
    }

    /// Returns a baggage item, set here or inherited.
    pub fn baggage_item(&self, key: &str) -> Option<&str> {
        self.context.baggage_item(key)
    }

    /// Makes a span that several owners and threads can use.
    pub fn into_shared(self) -> SharedSpan {
        SharedSpan::from(self)
    }

    /// Ends the span now.
    #[inline]
    pub fn finish(mut self) {
        // Taken apart where it stands: a copy of the whole span would wait for what was written just before.
        let (backend, _attachment) = (self.backend.take(), self.context.take_attachment());
        mem::forget(self);
        if let Some(backend) = backend {
            backend.finish(None);
        }
    }

    /// Ends the span with a time of its own. What a time before the start means is up to the
    /// implementation.
    pub fn finish_at(mut self, time: SystemTime) {
        if let Some(backend) = self.backend.take() {
            backend.finish(Some(time));
        }
    }

    #[inline]
    pub(crate) fn is_noop(&self) -> bool {
        self.tracer == TracerNumber::NOOP
    }

    pub(crate) fn log_failure(&mut self, failure: Failure) {
        self.set_tag(tags::ERROR, true).log_kv(failure.fields());
    }

    #[cold]
    pub(crate) fn mark_panicked(&mut self) {
        self.set_tag(tags::ERROR, true).log_kv([(log::EVENT, "error"), (log::MESSAGE, "panic")]);
    }
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if self.backend.is_some() {
            finish_dropped(self);
        }
    }
}

impl HasContext for Span {
    #[inline]
    fn to_context(&self) -> Option<SpanContext> {
        Some(self.context.clone())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("context", &self.context)
            .field("is_recording", &self.is_recording())
            .finish_non_exhaustive()
    }
}

/// Calls the setter of the value's type. Inlined where the type is known, the `match` is gone.
#[inline(always)]
fn set_tag_on(
    backend: &mut dyn SpanBackend,
    context: &mut SpanContext,
    key: &str,
    value: Value<'_>,
) {
    match value {
        Value::None => {}
        Value::Bool(value) => backend.set_bool_tag(context, key, value),
        Value::I64(value) => backend.set_i64_tag(context, key, value),
        Value::U64(value) => backend.set_u64_tag(context, key, value),
        Value::F64(value) => backend.set_f64_tag(context, key, value),
        Value::Str(value) => backend.set_str_tag(context, key, &value),
        Value::Bytes(value) => backend.set_bytes_tag(context, key, &value),
        Value::Display(_) | Value::Debug(_) => backend.set_str_tag(context, key, &text_of(&value)),
    }
}

#[inline]
fn log_on<'f, K: Into<Cow<'f, str>>, V: Into<Value<'f>>>(
    backend: &mut dyn SpanBackend,
    time: Option<SystemTime>,
    fields: impl IntoIterator<Item = (K, V)>,
) {
    let fields = fields.into_iter().map(|(key, value)| (key.into(), value.into()));
    backend
        .log(time, &mut fields.filter(|(_, value): &(Cow<'_, str>, Value<'_>)| !value.is_none()));
}

/// Out of line, so that the common drop of a finished span is one comparison.
fn finish_dropped(span: &mut Span) {
    if thread::panicking() {
        span.mark_panicked();
    }
    if let Some(backend) = span.backend.take() {
        backend.finish(None);
    }
}

#[cfg(test)]
mod tests;
