//! Messages to an actor: what it does follows from the span of the sender, who does not wait.

use std::sync::Arc;

use opentracing_api::{ReferenceType, StartSpanOptions, follows_from, tags};
use tokio::sync::Barrier;

use crate::executor::{Executor, Task};
use crate::subject::{Finished, Subject};

under_every_executor! {
    what_an_actor_is_told_follows_from_the_teller
    what_an_actor_is_asked_follows_from_the_asker
}

async fn what_an_actor_is_told_follows_from_the_teller(tracer: Arc<Subject>, executor: Executor) {
    let actor = Actor { tracer: Arc::clone(&tracer), executor, steps: Arc::new(Barrier::new(3)) };
    let messages = {
        let scope = tracer.start_active_span_with("actorTell", producer());
        let messages = [actor.tell("my message 1"), actor.tell("my message 2")];
        scope.close();
        messages
    };
    actor.steps.wait().await; // Both have started.
    assert_eq!(tracer.finished(1).names(), ["actorTell"]);
    actor.steps.wait().await; // Both may go on.
    for message in messages {
        message.await;
    }
    let spans = tracer.finished(3);
    assert_followers(&tracer, &spans, "actorTell");
    let mut told: Vec<String> = spans
        .all_named("received")
        .into_iter()
        .map(|span| span.field(0, "event").unwrap().to_string())
        .collect();
    told.sort();
    assert_eq!(told, ["received my message 1", "received my message 2"]);
}

async fn what_an_actor_is_asked_follows_from_the_asker(tracer: Arc<Subject>, executor: Executor) {
    let actor = Actor { tracer: Arc::clone(&tracer), executor, steps: Arc::new(Barrier::new(3)) };
    let [first, second] = {
        let _scope = tracer.start_active_span_with("actorAsk", producer());
        [actor.ask("my message 1"), actor.ask("my message 2")]
    };
    actor.steps.wait().await;
    tracer.finished(1);
    actor.steps.wait().await;
    assert_eq!(first.await, "received my message 1");
    assert_eq!(second.await, "received my message 2");
    assert_followers(&tracer, &tracer.finished(3), "actorAsk");
    assert_eq!(tracer.active_span(), None);
}

fn producer<'a>() -> StartSpanOptions<'a> {
    let options = StartSpanOptions::new().tag(tags::SPAN_KIND, tags::SPAN_KIND_PRODUCER);
    options.tag(tags::COMPONENT, "example-actor")
}

fn assert_followers(tracer: &Subject, spans: &Finished, sender: &str) {
    spans.assert_one_trace();
    let sender = spans.named(sender);
    assert_eq!(sender.tags[tags::SPAN_KIND], "producer");
    let received = spans.all_named("received");
    assert_eq!(received.len(), 2);
    for span in received {
        assert!(span.is_child_of(sender), "{tracer:?}");
        assert_eq!(span.references, [(ReferenceType::FollowsFrom, sender.span_id)]);
        assert_eq!(span.tags[tags::SPAN_KIND], "consumer");
        assert!(span.finish >= sender.finish);
    }
}

/// Handles each message in a task of its own; all wait for each other at two steps.
struct Actor {
    tracer: Arc<Subject>,
    executor: Executor,
    steps: Arc<Barrier>,
}

impl Actor {
    fn tell(&self, message: &'static str) -> Task<()> {
        let work = self.receive(message);
        self.executor.spawn(async {
            work.await;
        })
    }

    fn ask(&self, message: &'static str) -> Task<String> {
        self.executor.spawn(self.receive(message))
    }

    fn receive(&self, message: &str) -> impl Future<Output = String> + Send + use<> {
        let (tracer, steps) = (Arc::clone(&self.tracer), Arc::clone(&self.steps));
        let (sender, answer) = (tracer.active_span(), format!("received {message}"));
        async move {
            let options = follows_from(&sender).tag(tags::SPAN_KIND, tags::SPAN_KIND_CONSUMER);
            let mut received = tracer.start_span_with("received", options);
            steps.wait().await;
            received.log_event(&answer);
            steps.wait().await;
            received.finish();
            answer
        }
    }
}
