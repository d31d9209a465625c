//! Baggage that another task changes: the span has it, and what its child changes stays with the child.

use std::sync::Arc;

use opentracing_api::child_of;

use crate::executor::Executor;
use crate::subject::Subject;

under_every_executor! { baggage_that_another_task_sets_is_on_the_span_and_the_childs_is_not }

async fn baggage_that_another_task_sets_is_on_the_span_and_the_childs_is_not(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let span = tracer.start_span("one").into_shared();
    span.set_baggage_item("key1", "value1");
    let before = span.context();
    let (shared, subject) = (span.clone(), Arc::clone(&tracer));
    let task = executor.call(move || {
        shared.set_baggage_item("key1", "value2").set_baggage_item("newkey", "newvalue");
        let mut child = subject.start_span_with("child", child_of(&shared));
        assert_eq!(child.baggage_item("newkey"), Some("newvalue"));
        child.set_baggage_item("key1", "childvalue");
        child.finish();
        shared.finish();
    });
    task.await;
    assert_eq!(tracer.finished(2).names(), ["child", "one"]);
    assert_eq!(span.baggage_item("key1").as_deref(), Some("value2"));
    assert_eq!(span.baggage_item("newkey").as_deref(), Some("newvalue"));
    assert_eq!((before.baggage_item("key1"), before.baggage().count()), (Some("value1"), 1));
}
