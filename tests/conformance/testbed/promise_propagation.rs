//! Promises: a callback runs in a span whose parent is what was active when the promise was made.

use std::sync::Arc;

use opentracing_api::{SpanContext, StartSpanOptions, child_of, tags};

use crate::executor::{Executor, Task};
use crate::subject::Subject;

under_every_executor! { callbacks_of_promises_are_children_of_who_made_the_promise }

async fn callbacks_of_promises_are_children_of_who_made_the_promise(
    tracer: Arc<Subject>,
    executor: Executor,
) {
    let (first, second, failure) = {
        let options = StartSpanOptions::new().tag(tags::COMPONENT, "example-promises");
        let _parent = tracer.start_active_span_with("promises", options);
        let (fulfilled, broken) =
            (Promise::new(&tracer, executor), Promise::new(&tracer, executor));
        tracer.finished(0);
        (
            fulfilled.call_back("success", "Promised 1 success!"),
            fulfilled.call_back("success", "Promised 2 success!"),
            broken.call_back("error", "some error."),
        )
    };
    assert_eq!(first.await, "Promised 1 success!");
    assert_eq!(second.await, "Promised 2 success!");
    assert_eq!(failure.await, "some error.");
    let spans = tracer.finished(4);
    let parent = spans.named("promises");
    assert_eq!(parent.parent_id, None);
    let callbacks = spans.0.iter().filter(|span| span.operation_name != "promises");
    let mut results: Vec<(String, String)> = callbacks
        .inspect(|span| assert!(span.is_child_of(parent)))
        .map(|span| {
            let result = span.field(0, "event").unwrap().to_string();
            (span.tags[tags::COMPONENT].to_string(), result)
        })
        .collect();
    results.sort();
    let expected = [
        ("error", "some error."),
        ("success", "Promised 1 success!"),
        ("success", "Promised 2 success!"),
    ];
    assert_eq!(results, expected.map(|(component, result)| (component.into(), result.into())));
}

struct Promise {
    tracer: Arc<Subject>,
    executor: Executor,
    maker: Option<SpanContext>,
}

impl Promise {
    fn new(tracer: &Arc<Subject>, executor: Executor) -> Self {
        let maker = tracer.active_span().map(|span| span.context());
        Self { tracer: Arc::clone(tracer), executor, maker }
    }

    /// Runs a callback somewhere else, in a span of its own that is active meanwhile.
    fn call_back(&self, component: &'static str, result: &'static str) -> Task<&'static str> {
        let (tracer, maker) = (Arc::clone(&self.tracer), self.maker.clone());
        self.executor.call(move || {
            let options = child_of(&maker).tag(tags::COMPONENT, component);
            let _scope = tracer.start_active_span_with("callback", options);
            tracer.active_span().unwrap().log_event(result);
            result
        })
    }
}
