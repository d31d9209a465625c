//! A callback in a callback in a callback: one span goes through all of them, and the last one finishes it.

use std::sync::Arc;

use opentracing_api::SharedSpan;
use tokio::sync::oneshot;

use crate::executor::Executor;
use crate::subject::Subject;

under_every_executor! { one_span_goes_through_nested_callbacks_and_the_last_finishes_it }

async fn one_span_goes_through_nested_callbacks_and_the_last_finishes_it(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let (done, is_done) = oneshot::channel();
    let span = tracer.start_span("one").into_shared();
    submit(Arc::clone(&tracer), executor, span, 1, done);
    is_done.await.unwrap();
    let spans = tracer.finished(1);
    let tags = &spans.named("one").tags;
    for n in 1..=3 {
        assert_eq!(tags[&format!("key{n}")], n.to_string());
    }
    assert_eq!(tracer.active_span(), None);
}

fn submit(
    tracer: Arc<Subject>,
    executor: Executor,
    span: SharedSpan,
    depth: u32,
    done: oneshot::Sender<()>,
) {
    drop(executor.call(move || {
        let scope = tracer.activate(&span);
        scope.set_tag(&format!("key{depth}"), depth.to_string());
        if depth < 3 {
            drop(scope);
            submit(tracer, executor, span, depth + 1, done);
        } else {
            scope.finish();
            done.send(()).unwrap();
        }
    }));
}
