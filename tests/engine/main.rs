//! The engine under an async runtime, and next to the rest of a process: what its unit tests cannot have.

use std::time::Duration;

use otel_core::exporter::{ExportError, InMemoryExporter, SpanBatch, SpanExporter};
use otel_core::{
    BatchProcessor, Context, FutureContext, SharedSpan, SimpleProcessor, Tracer, TracerProvider,
};
use tokio::runtime::{Builder, Handle, Runtime};

const LONG: Duration = Duration::from_secs(60);

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    ]
}

fn batching(exporter: impl SpanExporter) -> TracerProvider {
    // The interval is longer than any test: what arrives was flushed.
    let processor = BatchProcessor::builder(exporter).interval(Duration::from_secs(600)).build();
    TracerProvider::builder().processor(processor).build()
}

#[test]
fn a_provider_is_built_flushed_closed_and_dropped_inside_a_runtime_without_a_deadlock() {
    for runtime in runtimes() {
        let exporter = InMemoryExporter::new();
        runtime.block_on(async {
            let provider = batching(exporter.clone());
            let tracer = provider.tracer("test");
            tracer.start("first").end();
            assert_eq!(provider.flush(LONG).unwrap().exported_spans, 1);
            let in_task = provider.clone();
            tokio::spawn(async move {
                in_task.tracer("test").start("second").end();
                assert_eq!(in_task.flush(LONG).unwrap().exported_spans, 2);
            })
            .await
            .unwrap();
            tracer.start("third").end();
            assert_eq!(provider.close(LONG).unwrap().exported_spans, 3);
            let dropped = batching(exporter.clone());
            dropped.tracer("test").start("fourth").end();
            drop(dropped);
        });
        assert_eq!(exporter.finished_spans().len(), 4);
    }
}

/// Does its work on a runtime, as an exporter that speaks HTTP might.
#[derive(Debug)]
struct OnRuntime {
    runtime: Handle,
    kept: InMemoryExporter,
    tracer: Tracer,
}

impl SpanExporter for OnRuntime {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        let tracer = self.tracer.clone();
        let is_recording =
            self.runtime.block_on(async move { tracer.start("the exporter's own").is_recording() });
        if is_recording {
            return Err(ExportError::failed("a span of the exporter's would come back here"));
        }
        self.kept.export(batch)
    }
}

#[test]
fn an_exporter_may_wait_for_a_runtime_that_its_callers_do_not_block() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let kept = InMemoryExporter::new();
    let provider = TracerProvider::builder().build();
    provider.add_processor(BatchProcessor::new(OnRuntime {
        runtime: runtime.handle().clone(),
        kept: kept.clone(),
        tracer: provider.tracer("exporter"),
    }));
    let tracer = provider.tracer("test");
    (0..10).for_each(|_| tracer.start("span").end());
    let flushed = provider.close(LONG).unwrap();
    assert_eq!((flushed.exported_spans, flushed.lost_spans), (10, 0));
    assert_eq!(kept.finished_spans().len(), 10);
}

#[test]
fn tasks_that_take_turns_on_threads_keep_their_own_spans() {
    for runtime in runtimes() {
        let exporter = InMemoryExporter::new();
        let provider =
            TracerProvider::builder().processor(SimpleProcessor::new(exporter.clone())).build();
        let tracer = provider.tracer("test");
        runtime.block_on(async {
            let tasks: Vec<_> = (0..20)
                .map(|n| {
                    let request = tracer.span_builder(&format!("request {n}")).root().start();
                    let (context, of_task) = (Context::new().with_span(request), tracer.clone());
                    let work = async move {
                        for step in 0..5 {
                            of_task.start(&format!("step {n}:{step}")).end();
                            tokio::task::yield_now().await;
                        }
                        SharedSpan::current().set_attribute("n", n);
                    };
                    tokio::spawn(work.with_context(context))
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert!(Context::current().span().is_none());
        let spans = exporter.finished_spans();
        assert_eq!(spans.len(), 120);
        for n in 0..20 {
            let request = spans.iter().find(|span| span.name == format!("request {n}")).unwrap();
            assert_eq!(request.attribute("n").unwrap(), &i64::from(n));
            let prefix = format!("step {n}:");
            let steps = spans.iter().filter(|span| span.name.starts_with(&prefix));
            assert_eq!(steps.filter(|step| step.parent_span_id == request.span_id).count(), 5);
        }
    }
}
