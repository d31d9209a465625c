//! Several callbacks of one parent at the same time; the parent finishes last.

use std::sync::Arc;

use opentracing_api::InSpan;
use tokio::sync::Barrier;

use crate::executor::Executor;
use crate::subject::Subject;

under_every_executor! { callbacks_at_the_same_time_are_children_of_one_parent }

async fn callbacks_at_the_same_time_are_children_of_one_parent(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let (parent, all_run) = (tracer.start_span("parent").into_shared(), Arc::new(Barrier::new(3)));
    let callbacks = [1, 2, 3].map(|n| {
        let (subject, all_run) = (Arc::clone(&tracer), Arc::clone(&all_run));
        let callback = async move {
            let span = subject.start_span("task").into_shared();
            let work = async {
                subject.active_span().unwrap().set_tag("callback", n);
                all_run.wait().await;
                assert_eq!(subject.active_span(), Some(span.clone()));
            };
            work.in_span(span.clone()).await;
            span.finish();
        };
        executor.spawn(callback.in_span(parent.clone()))
    });
    for callback in callbacks {
        callback.await;
    }
    tracer.finished(3);
    parent.finish();
    let spans = tracer.finished(4);
    let parent = spans.named("parent");
    let tasks = spans.all_named("task");
    assert!(tasks.iter().all(|task| task.is_child_of(parent) && task.finish <= parent.finish));
    let mut numbers: Vec<_> = tasks.iter().map(|task| task.tags["callback"].to_string()).collect();
    numbers.sort();
    assert_eq!(numbers, ["1", "2", "3"]);
}
