//! A client sends messages with the context in them to a server in another task.

use std::collections::HashMap;
use std::sync::Arc;

use opentracing_api::{Extract, InSpan, Inject, StartSpanOptions, child_of, tags};
use tokio::sync::mpsc;

use crate::executor::Executor;
use crate::subject::Subject;

under_every_executor! {
    a_servers_span_is_the_child_of_its_clients
    a_servers_span_is_the_child_of_its_clients_whatever_the_case_of_the_headers
}

type Message = HashMap<String, String>;

async fn a_servers_span_is_the_child_of_its_clients(tracer: Arc<Subject>, executor: Executor) {
    call(tracer, executor, false).await;
}

async fn a_servers_span_is_the_child_of_its_clients_whatever_the_case_of_the_headers(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    call(tracer, executor, true).await;
}

async fn call(tracer: Arc<Subject>, executor: Executor, in_capitals: bool) {
    let (queue, messages) = mpsc::channel(10);
    let server = executor.spawn(serve(Arc::clone(&tracer), messages, in_capitals));
    let options = StartSpanOptions::new().tag(tags::SPAN_KIND, tags::SPAN_KIND_CLIENT);
    let span = tracer.start_span_with("send", options.tag(tags::COMPONENT, "example-client"));
    let sending = {
        let tracer = Arc::clone(&tracer);
        async move {
            let mut message = Message::new();
            let active = tracer.active_span();
            if in_capitals {
                tracer.inject(&active, Inject::HttpHeaders(&mut message)).unwrap();
                message = message.into_iter().map(|(k, v)| (k.to_ascii_uppercase(), v)).collect();
            } else {
                tracer.inject(&active, Inject::TextMap(&mut message)).unwrap();
            }
            queue.send(message).await.unwrap();
        }
    };
    sending.in_span(span).await;
    server.await;
    let spans = tracer.finished(2);
    assert!(spans.named("receive").is_child_of(spans.named("send")));
    assert_eq!(spans.named("send").tags[tags::SPAN_KIND], "client");
    assert_eq!(spans.named("receive").tags[tags::SPAN_KIND], "server");
    assert_eq!(tracer.active_span(), None);
}

/// Serves until the client is gone.
async fn serve(tracer: Arc<Subject>, mut messages: mpsc::Receiver<Message>, in_capitals: bool) {
    while let Some(message) = messages.recv().await {
        let carrier =
            if in_capitals { Extract::HttpHeaders(&message) } else { Extract::TextMap(&message) };
        let client = tracer.extract(carrier).unwrap();
        let options = child_of(&client).tag(tags::SPAN_KIND, tags::SPAN_KIND_SERVER);
        let scope = tracer.start_active_span_with("receive", options);
        scope.set_tag(tags::COMPONENT, "example-server");
    }
}
