//! opentelemetry 0.23 with opentelemetry-jaeger, the last one there was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use otel23::trace::{Span as _, TraceContextExt, Tracer as _, TracerProvider as _};
use otel23::{Context, KeyValue};
use otel23_sdk::runtime::Tokio;
use otel23_sdk::trace::{BatchConfigBuilder, Config, Sampler, Span, Tracer, TracerProvider};
use tokio::runtime::{Builder, Runtime};

use super::{MAX_QUEUE_SPANS, Settings};
use crate::workload::{self, Peer, names};

struct Otel23 {
    tracer: Tracer,
    provider: TracerProvider,
    n_errors: Arc<AtomicU64>,
    /// Runs the batch processor.
    _runtime: Arc<Runtime>,
}

#[expect(deprecated, reason = "the crate points to OTLP, which does not go to an agent")]
pub(super) fn build(settings: &Settings) -> Box<dyn Peer> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let sampler = if settings.is_sampled { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
    let n_errors = Arc::new(AtomicU64::new(0));
    // Counted instead of printed, which is what the crate does with each dropped span.
    let errors = Arc::clone(&n_errors);
    let _ = otel23::global::set_error_handler(move |_| {
        errors.fetch_add(1, Ordering::Relaxed);
    });
    let provider = {
        let _guard = runtime.enter();
        otel23_jaeger::new_agent_pipeline()
            .with_endpoint(settings.agent().to_string())
            .with_service_name(names::SERVICE)
            .with_auto_split_batch(true)
            .with_instrumentation_library_tags(false)
            .with_trace_config(
                Config::default().with_sampler(Sampler::ParentBased(Box::new(sampler))),
            )
            .with_batch_processor_config(
                BatchConfigBuilder::default().with_max_queue_size(MAX_QUEUE_SPANS).build(),
            )
            .build_batch(Tokio)
            .expect("the settings are right")
    };
    Box::new(Otel23 {
        tracer: provider.tracer("peers"),
        provider,
        n_errors,
        _runtime: Arc::new(runtime),
    })
}

impl Peer for Otel23 {
    fn trace(&mut self) {
        let mut root = self.tracer.start_with_context(names::ROOT, &Context::new());
        set_attributes(&mut root, 0);
        let parent = Context::new().with_remote_span_context(root.span_context().clone());
        for index in 1..workload::TRACE_SPANS {
            let mut child = self.tracer.start_with_context(names::CHILD, &parent);
            set_attributes(&mut child, index);
            if index == workload::LOGGING_CHILD {
                child
                    .add_event(names::EVENT, vec![KeyValue::new(names::LOG_KEY, names::LOG_VALUE)]);
            }
            child.end();
        }
        root.end();
    }

    fn flush(&mut self) {
        let _ = self.provider.force_flush();
    }

    fn another(&self) -> Box<dyn Peer> {
        Box::new(Self {
            tracer: self.tracer.clone(),
            provider: self.provider.clone(),
            n_errors: Arc::clone(&self.n_errors),
            _runtime: Arc::clone(&self._runtime),
        })
    }

    /// Returns the calls of the error handler: one for each span that found the queue full.
    fn counted_drops(&self) -> Option<u64> {
        Some(self.n_errors.load(Ordering::Relaxed))
    }
}

#[inline]
fn set_attributes(span: &mut Span, index: i64) {
    span.set_attribute(KeyValue::new(names::COMPONENT_KEY, names::COMPONENT));
    span.set_attribute(KeyValue::new(names::URL_KEY, workload::url().to_owned()));
    span.set_attribute(KeyValue::new(names::STATUS_KEY, workload::status(index)));
}
