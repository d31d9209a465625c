//! opentelemetry 0.33: no exporter to Jaeger's agent exists, so this one counts what it is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use otel33::trace::{Span as _, TraceContextExt, Tracer as _, TracerProvider as _};
use otel33::{Context, KeyValue};
use otel33_sdk::error::OTelSdkResult;
use otel33_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span, SpanData,
    SpanExporter,
};

use super::{MAX_QUEUE_SPANS, Settings};
use crate::workload::{self, Peer, names};

struct Otel33 {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
    exported: Arc<AtomicU64>,
}

pub(super) fn build(settings: &Settings) -> Box<dyn Peer> {
    let exported = Arc::new(AtomicU64::new(0));
    let batch_config = BatchConfigBuilder::default().with_max_queue_size(MAX_QUEUE_SPANS).build();
    let processor =
        BatchSpanProcessor::builder(CountingExporter { exported: Arc::clone(&exported) })
            .with_batch_config(batch_config)
            .build();
    let sampler = if settings.is_sampled { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(Sampler::ParentBased(Box::new(sampler)))
        .build();
    Box::new(Otel33 { tracer: provider.tracer("peers"), provider, exported })
}

/// Counts spans and drops them.
#[derive(Debug)]
struct CountingExporter {
    exported: Arc<AtomicU64>,
}

impl SpanExporter for CountingExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.exported.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

impl Peer for Otel33 {
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
            exported: Arc::clone(&self.exported),
        })
    }

    fn delivered(&self) -> Option<u64> {
        Some(self.exported.load(Ordering::Relaxed))
    }
}

#[inline]
fn set_attributes(span: &mut Span, index: i64) {
    span.set_attribute(KeyValue::new(names::COMPONENT_KEY, names::COMPONENT));
    span.set_attribute(KeyValue::new(names::URL_KEY, workload::url().to_owned()));
    span.set_attribute(KeyValue::new(names::STATUS_KEY, workload::status(index)));
}
