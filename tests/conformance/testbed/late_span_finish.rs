//! A parent that finishes after its children, which ran in other tasks.

use std::sync::Arc;

use crate::executor::Executor;
use crate::subject::Subject;

under_every_executor! { a_parent_finishes_after_the_tasks_it_was_active_in }

async fn a_parent_finishes_after_the_tasks_it_was_active_in(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let parent = tracer.start_span("parent").into_shared();
    let tasks = ["task1", "task2"].map(|name| {
        let (subject, parent) = (Arc::clone(&tracer), parent.clone());
        executor.call(move || {
            let _scope = subject.activate(parent);
            subject.start_active_span(name).close();
        })
    });
    for task in tasks {
        task.await;
    }
    tracer.finished(2);
    parent.finish();
    let spans = tracer.finished(3);
    spans.assert_one_trace();
    for name in ["task1", "task2"] {
        assert!(spans.named(name).is_child_of(spans.named("parent")));
        assert!(spans.named(name).finish <= spans.named("parent").finish);
    }
    assert_eq!(spans.named("parent").parent_id, None);
    assert_eq!(tracer.active_span(), None);
}
