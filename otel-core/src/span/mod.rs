//! Spans: a piece of work with a beginning and an end, as its owner holds it.

use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use crate::attribute::{AttributeSource, Value};
use crate::span_context::SpanContext;

mod builder;
mod foreign;
mod kind;
mod limits;
mod link;
mod recording;
mod shared;
mod status;

pub use builder::SpanBuilder;
pub use foreign::ForeignSpan;
pub use kind::SpanKind;
pub use limits::SpanLimits;
pub use link::Link;
pub use recording::RecordingSpan;
pub(crate) use recording::take as take_recording;
pub use shared::{CurrentSpan, SharedSpan, WeakSpan};
pub use status::StatusCode;

/// A span: made by a [`Tracer`](crate::Tracer), written to by its owner, ended once.
///
/// Dropping a span ends it. A span that is not recording holds its context, can be a parent, and costs nothing else:
/// its setters do nothing. To write from several places, [share](SharedSpan::new) it.
///
/// ```
/// use otel_core::{StatusCode, TracerProvider};
///
/// let provider = TracerProvider::builder().build();
/// let mut span = provider.tracer("shop").start("charge");
/// span.set_attribute("cents", 1999).set_attribute("currency", "EUR");
/// span.add_event("declined", &[("attempt", 1.into())]);
/// span.set_status(StatusCode::Error, "card declined");
/// span.end();
/// ```
#[must_use = "a span ends when it is dropped: bind it to a name for as long as the work takes"]
pub struct Span {
    context: SpanContext,
    recording: Option<Box<RecordingSpan>>,
}

impl Span {
    /// Makes a span that is only a context: it records nothing, and can be a parent.
    pub const fn non_recording(context: SpanContext) -> Self {
        Self { context, recording: None }
    }

    #[inline]
    pub(crate) fn recording(context: SpanContext, recording: Box<RecordingSpan>) -> Self {
        Self { context, recording: Some(recording) }
    }

    /// Returns what names the span to others; valid after the end as well.
    #[inline]
    pub fn context(&self) -> &SpanContext {
        &self.context
    }

    /// Tells whether setters have an effect.
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Sets an attribute; a key that is there gets the new value.
    #[inline]
    pub fn set_attribute<'v>(&mut self, key: &str, value: impl Into<Value<'v>>) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.set_attribute(key, value);
        }
        self
    }

    /// Sets several attributes.
    pub fn set_attributes(&mut self, attributes: &(impl AttributeSource + ?Sized)) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.set_attributes(attributes);
        }
        self
    }

    /// Adds an event that happened now.
    #[inline]
    pub fn add_event(
        &mut self,
        name: &str,
        attributes: &(impl AttributeSource + ?Sized),
    ) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.add_event(name, None, attributes);
        }
        self
    }

    /// Adds an event that happened at a given time.
    pub fn add_event_at(
        &mut self,
        name: &str,
        time: SystemTime,
        attributes: &(impl AttributeSource + ?Sized),
    ) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.add_event(name, Some(time), attributes);
        }
        self
    }

    /// Adds a link to another span.
    pub fn add_link(&mut self, link: &Link<'_>) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.add_link(link);
        }
        self
    }

    /// Sets the status. Ok is final, Unset is ignored, and `description` is kept with an error only.
    pub fn set_status(&mut self, status: StatusCode, description: &str) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.set_status(status, description);
        }
        self
    }

    /// Replaces the name.
    pub fn update_name(&mut self, name: &str) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.update_name(name);
        }
        self
    }

    /// Adds an `exception` event that describes an error with its causes: its type, its message, and its causes as the stack
    /// trace. The status stays as it is.
    ///
    /// ```
    /// use otel_core::{StatusCode, TracerProvider};
    ///
    /// let mut span = TracerProvider::builder().build().tracer("shop").start("charge");
    /// if let Err(error) = "ten euros".parse::<u32>() {
    ///     span.record_error(&error).set_status(StatusCode::Error, "no number");
    /// }
    /// # span.end();
    /// ```
    pub fn record_error<E: Error + ?Sized>(&mut self, error: &E) -> &mut Self {
        self.record_error_with(error, &[])
    }

    /// As [`record_error`](Self::record_error), with attributes of one's own: one that has the key of the error's type, message
    /// or stack trace (`exception.type`, `exception.message`, `exception.stacktrace`) takes its place.
    pub fn record_error_with<E: Error + ?Sized>(
        &mut self,
        error: &E,
        attributes: &(impl AttributeSource + ?Sized),
    ) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.record_error(error, None, attributes);
        }
        self
    }

    /// As [`record_error_with`](Self::record_error_with), for an error that happened at a given time.
    pub fn record_error_at<E: Error + ?Sized>(
        &mut self,
        error: &E,
        time: SystemTime,
        attributes: &(impl AttributeSource + ?Sized),
    ) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.record_error(error, Some(time), attributes);
        }
        self
    }

    /// Returns what the span writes to, if it records: for a translator from another API.
    pub fn recording_mut(&mut self) -> Option<&mut RecordingSpan> {
        self.recording.as_deref_mut()
    }

    /// Ends the span now.
    #[inline]
    pub fn end(self) {
        drop(self);
    }

    /// Ends the span at a given time; one before the start makes a duration of zero.
    pub fn end_at(mut self, time: SystemTime) {
        if let Some(mut recording) = self.recording.take() {
            recording.end(Some(time));
            recording::keep(recording);
        }
    }
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut recording) = self.recording.take() {
            recording.end(None);
            recording::keep(recording);
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("context", &self.context)
            .field("is_recording", &self.is_recording())
            .finish()
    }
}

#[cfg(test)]
mod tests;
