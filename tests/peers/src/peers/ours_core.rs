//! Ours without the OpenTracing face: the engine and Jaeger's wire.

use std::time::Duration;

use jaeger_udp::{Dialect, JaegerExporter};
use otel_core::sampler::{AlwaysOffSampler, AlwaysOnSampler, ParentBasedSampler};
use otel_core::{BatchProcessor, Resource, Span, SpanRequest, Tracer, TracerProvider, Value};

use super::Settings;
use crate::workload::{self, Peer, names};

struct OursCore {
    tracer: Tracer,
    provider: TracerProvider,
}

pub(super) fn build(settings: &Settings) -> Box<dyn Peer> {
    let exporter = JaegerExporter::builder()
        .agent_host("127.0.0.1")
        .agent_port(settings.agent_port)
        .dialect(Dialect::JaegerClient)
        .build();
    let mut processor = BatchProcessor::builder(exporter);
    if let Some(max_queue_bytes) = settings.max_queue_bytes {
        processor = processor.max_queue_bytes(max_queue_bytes);
    }
    // Not the `const` sampler, whose tags on each root would be in the way of comparing bytes.
    let sampler = if settings.is_sampled {
        ParentBasedSampler::new(AlwaysOnSampler)
    } else {
        ParentBasedSampler::new(AlwaysOffSampler)
    };
    let provider = TracerProvider::builder()
        .resource(Resource::new(names::SERVICE))
        .sampler(sampler)
        .processor(processor.build())
        .build();
    Box::new(OursCore { tracer: provider.tracer(""), provider })
}

impl Peer for OursCore {
    fn trace(&mut self) {
        let mut root = self.tracer.start_request(&SpanRequest::new(names::ROOT));
        set_attributes(&mut root, 0);
        for index in 1..workload::TRACE_SPANS {
            let mut child = self.tracer.start_request(&SpanRequest {
                parent: Some(root.context()),
                ..SpanRequest::new(names::CHILD)
            });
            set_attributes(&mut child, index);
            if index == workload::LOGGING_CHILD {
                // In this dialect the fields are the attributes, and the name is none of them.
                let fields: [(&str, Value<'_>); 2] =
                    [("event", names::EVENT.into()), (names::LOG_KEY, names::LOG_VALUE.into())];
                child.add_event(names::EVENT, &fields);
            }
            child.end();
        }
        root.end();
    }

    fn flush(&mut self) {
        let _ = self.provider.flush(Duration::from_secs(10));
    }

    fn another(&self) -> Box<dyn Peer> {
        Box::new(Self { tracer: self.tracer.clone(), provider: self.provider.clone() })
    }

    fn counted_drops(&self) -> Option<u64> {
        Some(self.provider.counts().lost_spans())
    }
}

#[inline]
fn set_attributes(span: &mut Span, index: i64) {
    span.set_attribute(names::COMPONENT_KEY, names::COMPONENT)
        .set_attribute(names::URL_KEY, workload::url())
        .set_attribute(names::STATUS_KEY, workload::status(index));
}
