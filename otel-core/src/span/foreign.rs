//! Spans that somebody else keeps: how a translator from another API shows its spans to code that knows this one.

use std::mem;
use std::time::SystemTime;

use super::Span;
use super::recording::{RecordingSpan, keep, take};
use crate::span_context::SpanContext;

/// A span that lives in another API, and is to be [current](crate::Context) for code that uses this one: see
/// [`SharedSpan::foreign`](super::SharedSpan::foreign).
pub trait ForeignSpan: Send + Sync + 'static {
    /// Returns what names the span to others; valid after the end as well.
    fn context(&self) -> SpanContext;

    /// Tells whether setters have an effect, without waiting for who works on the span.
    fn is_recording(&self) -> bool;

    /// Calls `use_it` with what the span writes to, once; not at all if it does not record, or has ended.
    fn with_recording(&self, use_it: &mut dyn FnMut(&mut RecordingSpan));

    /// Ends the span, now if `None`; a second call does nothing.
    fn end(&self, time: Option<SystemTime>);
}

/// Lends a slot as a whole span.
pub(super) fn lend(
    place: &mut RecordingSpan,
    context: SpanContext,
    use_it: impl FnOnce(&mut Span),
) {
    let mut recording = take();
    mem::swap(&mut *recording, place);
    let mut lent = Lent { span: Span::recording(context, recording), place };
    use_it(&mut lent.span);
}

/// A slot that is elsewhere; it comes back also by a panic.
struct Lent<'a> {
    span: Span,
    place: &'a mut RecordingSpan,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(mut recording) = self.span.recording.take() {
            mem::swap(&mut *recording, self.place);
            keep(recording);
        }
    }
}
