//! A task within a task: nothing is inherited unless the span is handed over, and then it is the parent.

use std::sync::Arc;

use opentracing_api::InSpan;

use crate::executor::{Executor, yield_now};
use crate::subject::Subject;

under_every_executor! { a_subtask_has_the_parent_that_it_was_given_and_no_other }

async fn a_subtask_has_the_parent_that_it_was_given_and_no_other(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let (subject, parent) = (Arc::clone(&tracer), tracer.start_span("parent"));
    let work = async move {
        let active = subject.active_span().unwrap();
        let child = |name| {
            let subject = Arc::clone(&subject);
            async move {
                yield_now().await;
                subject.start_active_span(name).close();
            }
        };
        executor.spawn(child("child").in_span(active.clone())).await;
        executor.spawn(child("stranger")).await;
        assert_eq!(subject.active_span(), Some(active));
    };
    work.in_span(parent).await;
    let spans = tracer.finished(3);
    assert!(spans.named("child").is_child_of(spans.named("parent")));
    assert_eq!(spans.named("stranger").parent_id, None);
}
