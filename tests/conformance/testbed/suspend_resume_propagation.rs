//! Jobs that are suspended and resumed in turn: each has its own span, active while it works.

use std::sync::Arc;

use opentracing_api::{SharedSpan, StartSpanOptions, tags};

use crate::executor::Executor;
use crate::subject::Subject;

under_every_executor! { interleaved_jobs_keep_their_own_spans }

async fn interleaved_jobs_keep_their_own_spans(tracer: Arc<Subject>, executor: Executor) {
    let (job1, job2) = (Job::start(&tracer, "job 1"), Job::start(&tracer, "job 2"));
    for (job, part) in [
        (&job1, "some work for 1"),
        (&job2, "some work for 2"),
        (&job1, "other work for 1"),
        (&job2, "other work for 2"),
        (&job2, "more work for 2"),
        (&job1, "more work for 1"),
    ] {
        // Each part in a task of its own, as a continuation may run anywhere.
        let (subject, span) = (Arc::clone(&tracer), job.span.clone());
        let step = executor.call(move || {
            let _scope = subject.activate(&span);
            subject.active_span().unwrap().log_event(part);
        });
        step.await;
        assert_eq!(tracer.active_span(), None);
    }
    job1.span.finish();
    job2.span.finish();
    let spans = tracer.finished(2);
    assert_eq!(spans.names(), ["job 1", "job 2"]);
    assert_ne!(spans.0[0].trace_id, spans.0[1].trace_id);
    for (span, n) in spans.0.iter().zip(1..) {
        assert_eq!(span.parent_id, None);
        let parts: Vec<_> =
            (0..3).map(|log| span.field(log, "event").unwrap().to_string()).collect();
        assert_eq!(parts, ["some", "other", "more"].map(|which| format!("{which} work for {n}")));
    }
}

struct Job {
    span: SharedSpan,
}

impl Job {
    fn start(tracer: &Subject, name: &str) -> Self {
        let options = StartSpanOptions::new().tag(tags::COMPONENT, "suspend-resume");
        Self { span: tracer.start_span_with(name, options).into_shared() }
    }
}
