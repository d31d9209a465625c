//! A worker has a span of its own, and for a while the span that it was given is the active one.

use std::sync::Arc;

use opentracing_api::{InSpan, Span};

use crate::executor::{Executor, yield_now};
use crate::subject::Subject;

under_every_executor! { a_worker_replaces_the_active_span_for_a_while_and_finishes_it }

async fn a_worker_replaces_the_active_span_for_a_while_and_finishes_it(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let initial = tracer.start_span("initial");
    executor.spawn(work(Arc::clone(&tracer), initial)).await;
    let spans = tracer.finished(3);
    assert_eq!(spans.names(), ["initial", "subtask", "task"]);
    assert!(spans.named("subtask").is_child_of(spans.named("task")));
    assert_eq!(spans.named("initial").parent_id, None);
    assert_eq!(spans.named("task").parent_id, None);
    assert_ne!(spans.named("initial").trace_id, spans.named("task").trace_id);
}

async fn work(tracer: Arc<Subject>, initial: Span) {
    let task = tracer.start_span("task").into_shared();
    let of_task = async {
        async {
            tracer.active_span().unwrap().log_event("worked on");
            yield_now().await;
            assert_ne!(tracer.active_span(), Some(task.clone()));
        }
        .in_span(initial)
        .await;
        yield_now().await;
        assert_eq!(tracer.active_span(), Some(task.clone()));
        tracer.start_active_span("subtask").close();
    };
    of_task.in_span(task.clone()).await;
    assert_eq!(tracer.active_span(), None);
    task.finish();
}
