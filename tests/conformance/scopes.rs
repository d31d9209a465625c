//! The scope harness of `opentracing-python` (`opentracing/harness/scope_check.py`): 8 of its 8 checks, each on a thread,
//! on tokio's current-thread runtime and on its multi-thread one.
//!
//! | the original's check | here |
//! | --- | --- |
//! | missing_active_external | outside_of_tasks_nothing_is_active |
//! | missing_active | in_a_new_task_nothing_is_active |
//! | activate | a_lent_span_is_active_until_its_scope_closes_and_goes_on |
//! | activate_external | a_span_can_be_active_outside_of_tasks |
//! | activate_finish_on_close | a_span_that_is_handed_over_finishes_with_its_scope |
//! | activate_nested | closing_makes_the_span_before_active_again |
//! | activate_finish_on_close_nested | each_scope_finishes_what_it_was_handed_and_nothing_else |
//! | close_wrong_order | closing_an_outer_scope_first_finishes_nothing_and_leaves_the_inner_span_active |

use std::sync::Arc;

use crate::executor::Executor;
use crate::subject::Subject;

under_every_executor! {
    outside_of_tasks_nothing_is_active
    in_a_new_task_nothing_is_active
    a_lent_span_is_active_until_its_scope_closes_and_goes_on
    a_span_can_be_active_outside_of_tasks
    a_span_that_is_handed_over_finishes_with_its_scope
    closing_makes_the_span_before_active_again
    each_scope_finishes_what_it_was_handed_and_nothing_else
    closing_an_outer_scope_first_finishes_nothing_and_leaves_the_inner_span_active
}

async fn outside_of_tasks_nothing_is_active(tracer: Arc<Subject>, _: Executor) {
    std::thread::spawn(move || assert_eq!(tracer.active_span(), None)).join().unwrap();
}

async fn in_a_new_task_nothing_is_active(tracer: Arc<Subject>, executor: Executor) {
    assert_eq!(tracer.active_span(), None);
    executor.call(move || assert_eq!(tracer.active_span(), None)).await;
}

async fn a_lent_span_is_active_until_its_scope_closes_and_goes_on(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let span = tracer.start_span("lent").into_shared();
    let (lent, subject) = (span.clone(), Arc::clone(&tracer));
    let task = executor.call(move || {
        let scope = subject.activate(&lent);
        assert_eq!(subject.active_span(), Some(lent));
        scope.close();
        assert_eq!(subject.active_span(), None);
    });
    task.await;
    assert!(span.is_recording());
    tracer.finished(0);
}

async fn a_span_can_be_active_outside_of_tasks(tracer: Arc<Subject>, executor: Executor) {
    // On a thread that no executor knows, while a task runs.
    let subject = Arc::clone(&tracer);
    let outside = std::thread::spawn(move || {
        let span = subject.start_span("outside").into_shared();
        let scope = subject.activate(&span);
        assert_eq!(subject.active_span(), Some(span));
        scope.close();
        assert_eq!(subject.active_span(), None);
    });
    executor.call(move || assert_eq!(tracer.active_span(), None)).await;
    outside.join().unwrap();
}

async fn a_span_that_is_handed_over_finishes_with_its_scope(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let subject = Arc::clone(&tracer);
    let task = executor.call(move || {
        let scope = subject.activate(subject.start_span("handed over"));
        assert_eq!(subject.active_span().as_ref(), Some(scope.span()));
        subject.finished(0);
        scope.close();
        assert_eq!(subject.active_span(), None);
    });
    task.await;
    assert_eq!(tracer.finished(1).names(), ["handed over"]);
}

async fn closing_makes_the_span_before_active_again(tracer: Arc<Subject>, executor: Executor) {
    let subject = Arc::clone(&tracer);
    let task = executor.call(move || {
        let parent = subject.start_active_span("parent");
        {
            let child = subject.start_active_span("child");
            assert_eq!(subject.active_span().as_ref(), Some(child.span()));
        }
        assert_eq!(subject.active_span().as_ref(), Some(parent.span()));
        parent.close();
        assert_eq!(subject.active_span(), None);
    });
    task.await;
    assert_eq!(tracer.finished(2).names(), ["child", "parent"]);
}

async fn each_scope_finishes_what_it_was_handed_and_nothing_else(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let span = tracer.start_span("lent").into_shared();
    let (lent, subject) = (span.clone(), Arc::clone(&tracer));
    let task = executor.call(move || {
        let outer = subject.activate(lent);
        subject.start_active_span("handed over").close();
        outer.close();
        assert_eq!(subject.active_span(), None);
    });
    task.await;
    assert_eq!(tracer.finished(1).names(), ["handed over"]);
    assert!(span.is_recording());
}

async fn closing_an_outer_scope_first_finishes_nothing_and_leaves_the_inner_span_active(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let subject = Arc::clone(&tracer);
    let task = executor.call(move || {
        let parent = subject.start_active_span("parent");
        let child = subject.start_active_span("child");
        parent.close();
        assert_eq!(subject.active_span().as_ref(), Some(child.span()));
        subject.finished(0);
        // What the original leaves open: the outer one is not active again, and both finish.
        child.close();
        assert_eq!(subject.active_span(), None);
    });
    task.await;
    assert_eq!(tracer.finished(2).names(), ["child", "parent"]);
}
