//! One handler for all requests, called before a request and after its response, in whichever task.

use std::sync::Arc;

use opentracing_api::{Span, SpanContext, StartSpanOptions, tags};

use crate::executor::{Executor, Task};
use crate::subject::Subject;

under_every_executor! {
    two_requests_are_two_traces
    a_span_that_is_active_elsewhere_is_not_picked_up
    a_handler_with_a_parent_gives_it_to_all_its_requests
    requests_handled_in_their_own_tasks_are_traces_of_their_own
}

async fn two_requests_are_two_traces(tracer: Arc<Subject>, executor: Executor) {
    let client = Client::new(&tracer, executor, None);
    let (first, second) = (client.send("message"), client.send("message2"));
    assert_eq!(first.await, "message:response");
    assert_eq!(second.await, "message2:response");
    let spans = tracer.finished(2);
    assert!(spans.0.iter().all(|span| span.parent_id.is_none()));
    assert_ne!(spans.0[0].trace_id, spans.0[1].trace_id);
    assert_eq!(tracer.active_span(), None);
}

async fn a_span_that_is_active_elsewhere_is_not_picked_up(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let client = Client::new(&tracer, executor, None);
    let request = {
        let _parent = tracer.start_active_span("parent");
        client.send("no parent")
    };
    assert_eq!(request.await, "no parent:response");
    let spans = tracer.finished(2);
    assert_eq!(spans.named("send").parent_id, None);
    assert_ne!(spans.named("send").trace_id, spans.named("parent").trace_id);
}

/// What the original calls a bad solution: the second request has the parent of the first.
async fn a_handler_with_a_parent_gives_it_to_all_its_requests(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let parent = tracer.start_span("parent");
    let client = Client::new(&tracer, executor, Some(parent.context()));
    assert_eq!(client.send("correct parent").await, "correct parent:response");
    parent.finish();
    assert_eq!(client.send("wrong parent").await, "wrong parent:response");
    let spans = tracer.finished(3);
    assert!(spans.all_named("send").iter().all(|span| span.is_child_of(spans.named("parent"))));
}

async fn requests_handled_in_their_own_tasks_are_traces_of_their_own(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let send = |message: &'static str| {
        let handler = Handler { tracer: Arc::clone(&tracer), parent: None };
        executor.call(move || {
            // The span is active while the response is made, and so finishes in the same task.
            let scope = handler.tracer.activate(handler.before_request());
            let response = format!("{message}:response");
            scope.log_event(&response);
            response
        })
    };
    let requests = ["message", "message2", "message3"].map(|message| (message, send(message)));
    for (message, response) in requests {
        assert_eq!(response.await, format!("{message}:response"));
    }
    let spans = tracer.finished(3);
    let mut traces: Vec<u128> = spans.0.iter().map(|span| span.trace_id).collect();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!((traces.len(), spans.all_named("send").len()), (3, 3));
    assert!(spans.0.iter().all(|span| span.parent_id.is_none()));
}

struct Handler {
    tracer: Arc<Subject>,
    parent: Option<SpanContext>,
}

impl Handler {
    fn before_request(&self) -> Span {
        let options = StartSpanOptions::new().child_of(&self.parent).ignore_active_span();
        let options = options.tag(tags::SPAN_KIND, tags::SPAN_KIND_CLIENT);
        self.tracer.start_span_with("send", options)
    }

    fn after_response(&self, span: Span) {
        span.finish();
    }
}

/// Calls the handler before a request in one task and after it in another.
struct Client {
    handler: Arc<Handler>,
    executor: Executor,
}

impl Client {
    fn new(tracer: &Arc<Subject>, executor: Executor, parent: Option<SpanContext>) -> Self {
        let handler = Handler { tracer: Arc::clone(tracer), parent };
        Self { handler: Arc::new(handler), executor }
    }

    fn send(&self, message: &'static str) -> Task<String> {
        let (executor, handler) = (self.executor, Arc::clone(&self.handler));
        executor.spawn(async move {
            let before = Arc::clone(&handler);
            let span = executor.call(move || before.before_request()).await;
            executor.call(move || handler.after_response(span)).await;
            format!("{message}:response")
        })
    }
}
