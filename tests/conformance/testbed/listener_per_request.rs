//! Each request has a listener of its own, which finishes the request's span wherever the response arrives.

use std::sync::Arc;
use std::thread::{self, ThreadId};

use opentracing_api::{Span, StartSpanOptions, tags};

use crate::executor::Executor;
use crate::subject::Subject;

under_every_executor! { a_listener_finishes_the_span_where_the_response_arrives }

async fn a_listener_finishes_the_span_where_the_response_arrives(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let options = StartSpanOptions::new().tag(tags::SPAN_KIND, tags::SPAN_KIND_CLIENT);
    let listener = Listener { span: tracer.start_span_with("send", options) };
    tracer.finished(0);
    let finished_on = executor.call(move || listener.on_response("message:response")).await;
    if executor == Executor::Threads {
        assert_ne!(finished_on, thread::current().id());
    }
    let spans = tracer.finished(1);
    let span = spans.named("send");
    assert_eq!((span.tags[tags::SPAN_KIND].to_string(), span.parent_id), ("client".into(), None));
    assert_eq!(span.field(0, "event").unwrap(), &"message:response");
    assert_eq!(tracer.active_span(), None);
}

struct Listener {
    span: Span,
}

impl Listener {
    fn on_response(mut self, response: &str) -> ThreadId {
        self.span.log_event(response);
        self.span.finish();
        thread::current().id()
    }
}
