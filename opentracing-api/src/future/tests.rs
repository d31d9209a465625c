use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::mock::tests::recording;

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Returns `Pending` once.
async fn yield_now() {
    let mut is_first = true;
    poll_fn(|_| if mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }).await;
}

#[test]
fn a_span_is_active_during_each_poll_and_finishes_with_the_future() {
    let (mock, tracer) = recording();
    let work = async {
        let span = tracer.active_span().unwrap();
        yield_now().await;
        assert_eq!(tracer.active_span(), Some(span));
        tracer.start_span("child").finish();
        7
    };
    let mut work = Box::pin(work.in_span(tracer.start_span("work")));
    assert_eq!(poll(work.as_mut()), Poll::Pending);
    assert_eq!(tracer.active_span(), None);
    assert!(mock.finished_spans().is_empty());
    assert_eq!(poll(work.as_mut()), Poll::Ready(7));
    assert_eq!(mock.finished_names(), ["child", "work"]);
    mock.assert_child_of("child", "work");
}

#[test]
fn interleaved_futures_do_not_see_each_others_span() {
    let (_, tracer) = recording();
    let work = |name: &str| {
        let (tracer, span) = (tracer.clone(), tracer.start_span(name));
        let context = span.context();
        let work = async move {
            for _ in 0..3 {
                assert_eq!(tracer.active_span().unwrap().context(), context);
                yield_now().await;
            }
        };
        Box::pin(work.in_span(span))
    };
    let (mut first, mut second) = (work("first"), work("second"));
    while poll(first.as_mut()).is_pending() {
        let _ = poll(second.as_mut());
    }
}

#[test]
fn a_shared_span_is_active_but_not_finished() {
    let (mock, tracer) = recording();
    let span = tracer.start_span("s").into_shared();
    let mut work = Box::pin(async { tracer.active_span() }.in_span(span.clone()));
    assert_eq!(poll(work.as_mut()), Poll::Ready(Some(span.clone())));
    drop(work);
    assert!(mock.finished_spans().is_empty() && span.is_recording());
}

#[test]
fn a_span_finishes_when_its_future_is_dropped_early() {
    let (mock, tracer) = recording();
    drop(pending::<()>().in_span(tracer.start_span("never polled")));
    assert_eq!(mock.finished_names(), ["never polled"]);
    let mut polled = Box::pin(pending::<()>().in_span(tracer.start_span("polled")));
    assert!(poll(polled.as_mut()).is_pending());
    drop(polled);
    assert_eq!(mock.finished_names(), ["never polled", "polled"]);
    assert_eq!(mock.span("polled").tag("error"), None);
}

#[test]
fn a_dropped_future_finishes_its_span_even_if_others_hold_it() {
    let (mock, tracer) = recording();
    let mut kept = None;
    let work = async {
        kept = tracer.active_span();
        pending::<()>().await;
    };
    let mut work = Box::pin(work.in_span(tracer.start_span("s")));
    assert!(poll(work.as_mut()).is_pending());
    drop(work);
    assert_eq!(mock.finished_names(), ["s"]);
    assert!(!kept.unwrap().is_recording());
}

#[test]
fn a_panic_in_a_poll_detaches_and_marks_the_span() {
    let (mock, tracer) = recording();
    let work = async { resume_unwind(Box::new(())) };
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut work = Box::pin(work.in_span(tracer.start_span("s")));
        poll::<_>(work.as_mut()).map(|()| ())
    }));
    assert!(panicked.is_err());
    assert_eq!(tracer.active_span(), None);
    assert_eq!(mock.span("s").log_lines(), ["event=error message=panic"]);
}

#[test]
fn an_error_of_a_future_is_recorded_and_returned() {
    let (mock, tracer) = recording();
    let mut work = Box::pin(async { "x".parse::<u8>() }.try_in_span(tracer.start_span("parse")));
    assert!(matches!(poll(work.as_mut()), Poll::Ready(Err(_))));
    let span = mock.span("parse");
    assert_eq!(*span.tag("error").unwrap(), true);
    assert_eq!(span.log_lines().len(), 1);
    let mut fine = Box::pin(async { Ok::<_, String>(1) }.try_in_span(tracer.start_span("fine")));
    assert_eq!(poll(fine.as_mut()), Poll::Ready(Ok(1)));
    assert_eq!(mock.span("fine").tag("error"), None);
}

#[test]
fn a_future_in_a_span_moves_between_threads() {
    fn is_send<T: Send + 'static>(value: T) -> T {
        value
    }
    let (mock, tracer) = recording();
    let in_future = tracer.clone();
    let work = async move {
        let before = in_future.active_span();
        yield_now().await;
        assert_eq!(in_future.active_span(), before);
    };
    let shared = tracer.start_span("outer").into_shared();
    let mut work = Box::pin(is_send(work.in_span(tracer.start_span("s")).in_span(shared)));
    assert!(poll(work.as_mut()).is_pending());
    thread::spawn(move || assert!(poll(work.as_mut()).is_ready())).join().unwrap();
    assert_eq!(mock.finished_names(), ["s", "outer"]);
}

#[test]
fn a_future_takes_the_active_span_along_to_another_task() {
    let (mock, tracer) = recording();
    let in_task = tracer.clone();
    let scope = tracer.start_active_span("request");
    let mut task = Box::pin(tracer.in_current_span(async move {
        yield_now().await;
        in_task.start_span("child").finish();
        in_task.active_span()
    }));
    assert!(poll(task.as_mut()).is_pending());
    let request = scope.span().clone();
    scope.close();
    let active = thread::spawn(move || poll(task.as_mut())).join().unwrap();
    assert_eq!(active, Poll::Ready(Some(request)));
    mock.assert_child_of("child", "request");
    assert_eq!(mock.finished_names(), ["request", "child"], "it finishes with its scope");
}

#[test]
fn where_no_span_was_active_none_is_in_the_future_wherever_it_runs() {
    let (_, tracer) = recording();
    let in_task = tracer.clone();
    let mut task = Box::pin(tracer.in_current_span(async move { in_task.active_span() }));
    let _scope = tracer.start_active_span("of another task");
    assert_eq!(poll(task.as_mut()), Poll::Ready(None));
    assert!(tracer.active_span().is_some());
}

#[test]
fn the_global_tracer_says_which_span_is_active_where_no_tracer_is_named() {
    let _alone = crate::global::tests::alone_with_the_global_tracer();
    let (_, tracer) = recording();
    crate::set_global_tracer(tracer.clone());
    let scope = tracer.start_active_span("request");
    let in_task = tracer.clone();
    let mut task = Box::pin(async move { in_task.active_span() }.in_current_span());
    let request = scope.span().clone();
    scope.close();
    assert_eq!(poll(task.as_mut()), Poll::Ready(Some(request.clone())));
    let mut task = Box::pin(async move { tracer.active_span() }.with_active(request.clone()));
    assert_eq!(poll(task.as_mut()), Poll::Ready(Some(request)));
    crate::set_global_tracer(Tracer::noop());
}

#[test]
fn what_a_future_does_while_it_is_dropped_is_in_its_span() {
    struct CleansUp<'a>(&'a Tracer);
    impl Drop for CleansUp<'_> {
        fn drop(&mut self) {
            self.0.start_span("clean-up").finish();
        }
    }
    async fn work(tracer: &Tracer, ends: impl Future<Output = ()>) {
        let _cleans_up = CleansUp(tracer);
        ends.await;
    }
    /// Polls a future once, and drops it.
    fn begin<T>(future: impl Future<Output = T>) {
        let _ = poll(pin!(future).as_mut());
    }
    let (mock, tracer) = recording();
    for how in ["cancelled", "cancelled, if fallible", "completed", "panicked"] {
        mock.reset();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let span = tracer.start_span("work");
            match how {
                "cancelled" => begin(work(&tracer, pending()).in_span(span)),
                "completed" => begin(work(&tracer, async {}).in_span(span)),
                "panicked" => {
                    begin(work(&tracer, async { resume_unwind(Box::new(())) }).in_span(span));
                }
                _ => {
                    let fallible = async {
                        work(&tracer, pending()).await;
                        Ok::<(), &str>(())
                    };
                    begin(fallible.try_in_span(span));
                }
            }
        }));
        assert_eq!(panicked.is_err(), how == "panicked");
        assert_eq!(mock.finished_names(), ["clean-up", "work"], "{how}");
        mock.assert_child_of("clean-up", "work");
        assert_eq!(tracer.active_span(), None, "{how}");
    }
}
