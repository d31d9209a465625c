//! Scheduled actions hold on to the span of the request that scheduled them; the request ends with the last of them.

use std::sync::Arc;

use opentracing_api::tags;
use tokio::sync::oneshot;

use crate::executor::{Executor, Task};
use crate::subject::Subject;

under_every_executor! {
    a_request_ends_with_the_one_action_that_it_scheduled
    a_request_ends_with_the_last_of_two_actions
    two_actions_without_a_request_have_spans_of_their_own
}

async fn a_request_ends_with_the_one_action_that_it_scheduled(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let (start, started) = oneshot::channel();
    let action = {
        let request = tracer.start_span("request").into_shared();
        let _scope = tracer.activate(&request);
        schedule(&tracer, executor, "action", started)
    };
    assert_eq!(tracer.active_span(), None);
    tracer.finished(0);
    start.send(()).unwrap();
    action.await;
    let spans = tracer.finished(2);
    assert_eq!(spans.names(), ["action", "request"]);
    assert!(spans.named("action").is_child_of(spans.named("request")));
}

async fn a_request_ends_with_the_last_of_two_actions(tracer: Arc<Subject>, executor: Executor) {
    let (start_first, first_started) = oneshot::channel();
    let (start_second, second_started) = oneshot::channel();
    let (first, second) = {
        let request = tracer.start_span("request").into_shared();
        let _scope = tracer.activate(&request);
        (
            schedule(&tracer, executor, "first", first_started),
            schedule(&tracer, executor, "second", second_started),
        )
    };
    start_second.send(()).unwrap();
    second.await;
    assert_eq!(tracer.finished(1).names(), ["second"]);
    start_first.send(()).unwrap();
    first.await;
    let spans = tracer.finished(3);
    assert_eq!(spans.names(), ["second", "first", "request"]);
    for action in ["first", "second"] {
        assert!(spans.named(action).is_child_of(spans.named("request")));
    }
}

async fn two_actions_without_a_request_have_spans_of_their_own(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    for name in ["first", "second"] {
        let (start, started) = oneshot::channel();
        let action = schedule(&tracer, executor, name, started);
        start.send(()).unwrap();
        action.await;
    }
    let spans = tracer.finished(2);
    assert!(spans.0.iter().all(|span| span.parent_id.is_none()));
    assert_ne!(spans.0[0].trace_id, spans.0[1].trace_id);
}

/// Schedules an action, which waits for its start; it captures what is active now.
fn schedule(
    tracer: &Arc<Subject>,
    executor: Executor,
    name: &'static str,
    started: oneshot::Receiver<()>,
) -> Task<()> {
    let (tracer, captured) = (Arc::clone(tracer), tracer.active_span());
    executor.spawn(async move {
        started.await.unwrap();
        let _scope = captured.map(|span| tracer.activate(span));
        let mut action = tracer.start_span(name);
        action.set_tag(tags::COMPONENT, "action");
        action.finish();
    })
}
