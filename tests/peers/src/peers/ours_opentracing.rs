//! Ours as a program uses it: the OpenTracing API, configured as the Jaeger clients were.

use std::sync::Arc;
use std::time::Duration;

use opentracing_api::{Span, Tracer, child_of};
use opentracing_shim::jaeger::{Config, JaegerTracer, Sampler};

use super::Settings;
use crate::workload::{self, Peer, names};

struct OursOpenTracing {
    tracer: Tracer,
    pipeline: Arc<JaegerTracer>,
}

pub(super) fn build(settings: &Settings) -> Box<dyn Peer> {
    let mut config = Config::new(names::SERVICE)
        .agent_host("127.0.0.1")
        .agent_port(settings.agent_port)
        .sampler(Sampler::Const(settings.is_sampled));
    if let Some(max_queue_bytes) = settings.max_queue_bytes {
        config = config.max_queue_bytes(max_queue_bytes);
    }
    let pipeline = config.build().expect("the settings are right");
    Box::new(OursOpenTracing { tracer: Tracer::clone(&pipeline), pipeline: Arc::new(pipeline) })
}

impl Peer for OursOpenTracing {
    fn trace(&mut self) {
        let mut root = self.tracer.start_span(names::ROOT);
        set_tags(&mut root, 0);
        for index in 1..workload::TRACE_SPANS {
            let mut child = self.tracer.start_span_with(names::CHILD, child_of(&root));
            set_tags(&mut child, index);
            if index == workload::LOGGING_CHILD {
                child.log_kv([("event", names::EVENT), (names::LOG_KEY, names::LOG_VALUE)]);
            }
            child.finish();
        }
        root.finish();
    }

    fn flush(&mut self) {
        let _ = self.tracer.flush(Duration::from_secs(10));
    }

    fn another(&self) -> Box<dyn Peer> {
        Box::new(Self { tracer: self.tracer.clone(), pipeline: Arc::clone(&self.pipeline) })
    }

    fn counted_drops(&self) -> Option<u64> {
        Some(self.pipeline.counts().lost_spans())
    }
}

#[inline]
fn set_tags(span: &mut Span, index: i64) {
    span.set_tag(names::COMPONENT_KEY, names::COMPONENT)
        .set_tag(names::URL_KEY, workload::url())
        .set_tag(names::STATUS_KEY, workload::status(index));
}
