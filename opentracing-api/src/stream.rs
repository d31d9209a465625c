//! Streams in spans: a span is active whenever its stream is asked for the next item, on whichever task.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::future::Attached;
use crate::scope::Activation;

/// Runs a stream in a span; there for every stream.
///
/// A [`Span`](crate::Span) given by value finishes when the stream is dropped, has ended or panics; a
/// [`SharedSpan`](crate::SharedSpan) is only active meanwhile.
pub trait StreamInSpan: Stream + Sized {
    /// Makes `span` active during every poll, and while a stream that has not ended is dropped.
    fn in_span(self, span: impl Into<Activation>) -> TracedStream<Self> {
        TracedStream { stream: Some(Box::pin(self)), attached: Some(Attached::from(span.into())) }
    }
}

impl<S: Stream> StreamInSpan for S {}

/// A stream in a span: see [`StreamInSpan::in_span`]. It takes one allocation.
#[must_use = "streams do nothing unless they are polled"]
pub struct TracedStream<S> {
    // In a box, since a place in this struct would need unsafe code to be pinned. `None` once it was dropped.
    stream: Option<Pin<Box<S>>>,
    /// `None` once the stream has ended or panicked.
    attached: Option<Attached>,
}

impl<S: Stream> Stream for TracedStream<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let Self { stream: Some(stream), attached } = &mut *self else { return Poll::Ready(None) };
        let mut turn = Turn { attached, has_more: false };
        let entered = turn.attached.as_mut().map(Attached::enter);
        let polled = stream.as_mut().poll_next(context);
        drop(entered);
        turn.has_more = !matches!(polled, Poll::Ready(None));
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.as_ref().map_or((0, Some(0)), |stream| stream.size_hint())
    }
}

impl<S> Drop for TracedStream<S> {
    fn drop(&mut self) {
        let _entered = self.attached.as_mut().map(Attached::enter);
        self.stream = None;
    }
}

impl<S: fmt::Debug> fmt::Debug for TracedStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedStream").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// One poll; the span finishes with it if the stream ends or panics. A panic that somebody catches is seen only here: the
/// stream is dropped later, when nobody panics any more.
struct Turn<'a> {
    attached: &'a mut Option<Attached>,
    has_more: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.has_more {
            *self.attached = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::task::Waker;

    use super::*;
    use crate::mock::tests::recording;

    /// Counts down, and does something at each item.
    struct CountDown<F>(u32, F);

    impl<F: FnMut() + Unpin> Stream for CountDown<F> {
        type Item = u32;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
            (self.1)();
            let left = self.0.checked_sub(1);
            self.0 = left.unwrap_or(0);
            Poll::Ready(left)
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            (self.0 as usize, Some(self.0 as usize))
        }
    }

    fn next<S: Stream>(stream: &mut TracedStream<S>) -> Poll<Option<S::Item>> {
        Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_span_is_active_at_each_item_and_finishes_when_the_stream_has_ended() {
        let (mock, tracer) = recording();
        let items = CountDown(2, || tracer.start_span("item").finish());
        let mut items = items.in_span(tracer.start_span("stream"));
        assert_eq!(items.size_hint(), (2, Some(2)));
        for expected in [Some(1), Some(0)] {
            assert_eq!(next(&mut items), Poll::Ready(expected));
            assert_eq!(tracer.active_span(), None);
        }
        assert_eq!(mock.finished_names(), ["item", "item"]);
        assert_eq!(next(&mut items), Poll::Ready(None));
        assert_eq!(mock.finished_names(), ["item", "item", "item", "stream"]);
        let parent = mock.span("stream");
        assert!(mock.finished_spans()[..3].iter().all(|item| item.is_child_of(&parent)));
        assert_eq!(next(&mut items), Poll::Ready(None));
    }

    #[test]
    fn a_dropped_stream_finishes_its_span_and_a_shared_span_is_only_lent() {
        let (mock, tracer) = recording();
        drop(CountDown(1, || ()).in_span(tracer.start_span("dropped")));
        assert_eq!(mock.finished_names(), ["dropped"]);
        let shared = tracer.start_span("shared").into_shared();
        let mut items = CountDown(0, || ()).in_span(&shared);
        assert_eq!(next(&mut items), Poll::Ready(None));
        assert!(shared.is_recording());
    }

    #[test]
    fn a_panic_at_an_item_detaches_and_marks_the_span() {
        let (mock, tracer) = recording();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut items =
                CountDown(1, || resume_unwind(Box::new(()))).in_span(tracer.start_span("s"));
            let _ = next(&mut items);
        }));
        assert!(panicked.is_err());
        assert_eq!(tracer.active_span(), None);
        assert_eq!(mock.span("s").log_lines(), ["event=error message=panic"]);
    }

    #[test]
    fn a_panic_that_is_caught_between_stream_and_owner_marks_the_span_at_once() {
        let (mock, tracer) = recording();
        let mut items =
            CountDown(1, || resume_unwind(Box::new(()))).in_span(tracer.start_span("s"));
        assert!(catch_unwind(AssertUnwindSafe(|| next(&mut items))).is_err());
        assert_eq!(mock.span("s").log_lines(), ["event=error message=panic"]);
        drop(items);
        assert_eq!(mock.finished_names(), ["s"]);
    }

    #[test]
    fn what_a_stream_does_while_it_is_dropped_is_in_its_span() {
        struct CleansUp<'a>(&'a crate::Tracer);
        impl Drop for CleansUp<'_> {
            fn drop(&mut self) {
                self.0.start_span("clean-up").finish();
            }
        }
        let (mock, tracer) = recording();
        let cleans_up = CleansUp(&tracer);
        let items = CountDown(1, move || {
            let kept = &cleans_up;
            assert!(kept.0.active_span().is_some());
        });
        let mut items = items.in_span(tracer.start_span("stream"));
        assert_eq!(next(&mut items), Poll::Ready(Some(0)));
        drop(items);
        assert_eq!(mock.finished_names(), ["clean-up", "stream"]);
        mock.assert_child_of("clean-up", "stream");
        assert_eq!(tracer.active_span(), None);
    }
}
