//! Errors: marked in a scope, in a callback, after retries, and by code that finds its span active.

use std::error::Error;
use std::io;
use std::sync::Arc;

use opentracing_api::{fields, log, tags};

use crate::executor::Executor;
use crate::subject::Subject;

under_every_executor! {
    an_error_in_a_scope_marks_its_span
    an_error_in_a_callback_marks_the_span_that_was_captured
    each_failed_attempt_is_logged_and_the_last_one_marks_the_span
    code_that_knows_only_the_active_span_marks_it
}

async fn an_error_in_a_scope_marks_its_span(tracer: Arc<Subject>, _: Executor) {
    let span = tracer.start_span("one").into_shared();
    {
        let _scope = tracer.activate(&span);
        if fetch().is_err() {
            span.set_tag(tags::ERROR, true);
        }
    }
    span.finish();
    assert_eq!(tracer.active_span(), None);
    assert!(tracer.finished(1).named("one").is_error());
}

async fn an_error_in_a_callback_marks_the_span_that_was_captured(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let (span, subject) = (tracer.start_span("one").into_shared(), Arc::clone(&tracer));
    let callback = executor.call(move || {
        let _scope = subject.activate(&span);
        if fetch().is_err() {
            span.set_tag(tags::ERROR, true);
        }
        span.finish();
    });
    callback.await;
    assert!(tracer.finished(1).named("one").is_error());
}

async fn each_failed_attempt_is_logged_and_the_last_one_marks_the_span(
    tracer: Arc<Subject>,
    _: Executor,
) {
    let span = tracer.start_span("one").into_shared();
    {
        let _scope = tracer.activate(&span);
        for attempt in 1..=3 {
            if let Err(error) = fetch() {
                span.log_kv(fields! {
                    log::EVENT => "error", log::MESSAGE => error.to_string(), "attempt" => attempt,
                });
            }
        }
    }
    span.set_tag(tags::ERROR, true).finish();
    let spans = tracer.finished(1);
    let span = spans.named("one");
    assert!(span.is_error());
    assert_eq!(span.logs.len(), 3);
    for (log, attempt) in (1..=3).enumerate() {
        assert_eq!(span.field(log, "attempt").unwrap(), &attempt);
        assert_eq!(span.field(log, "event").unwrap(), &"error");
    }
}

async fn code_that_knows_only_the_active_span_marks_it(tracer: Arc<Subject>, executor: Executor) {
    // A layer captures the active span when work is handed over and activates it when the work runs.
    let captured = {
        let span = tracer.start_span("one").into_shared();
        let _scope = tracer.activate(&span);
        tracer.active_span().unwrap()
    };
    let subject = Arc::clone(&tracer);
    let layer = executor.call(move || {
        let _scope = subject.activate(captured);
        let active = subject.active_span().unwrap();
        if let Err(error) = fetch() {
            active.log_error(&*error);
        }
        active.finish();
    });
    layer.await;
    let spans = tracer.finished(1);
    assert!(spans.named("one").is_error());
    assert_eq!(spans.named("one").logs.len(), 1);
}

fn fetch() -> Result<(), Box<dyn Error>> {
    Err(Box::new(io::Error::other("no url could be fetched")))
}
