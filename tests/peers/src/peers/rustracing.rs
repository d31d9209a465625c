//! rustracing and rustracing_jaeger, reported the best that an application can do simply.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use rustracing::sampler::{AllSampler, NullSampler};
use rustracing::tag::Tag;
use rustracing_jaeger::Tracer;
use rustracing_jaeger::reporter::JaegerCompactReporter;
use rustracing_jaeger::span::{FinishedSpan, Span};

use super::{MAX_QUEUE_SPANS, Settings};
use crate::workload::{self, Peer, names};

struct Rustracing {
    tracer: Tracer,
}

pub(super) fn build(settings: &Settings) -> Box<dyn Peer> {
    let (sender, receiver) = bounded(MAX_QUEUE_SPANS);
    let tracer = if settings.is_sampled {
        Tracer::with_sender(AllSampler, sender)
    } else {
        Tracer::with_sender(NullSampler, sender)
    };
    let mut reporter = JaegerCompactReporter::new(names::SERVICE).expect("a socket can be had");
    reporter.set_agent_addr(settings.agent());
    thread::spawn(move || report(&receiver, &reporter));
    Box::new(Rustracing { tracer })
}

/// Drains the channel now and then: the crate has no reporter that runs by itself.
fn report(receiver: &Receiver<FinishedSpan>, reporter: &JaegerCompactReporter) {
    let mut spans = Vec::with_capacity(REPORT_SPANS);
    loop {
        thread::sleep(INTERVAL);
        loop {
            spans.clear();
            spans.extend(receiver.try_iter().take(REPORT_SPANS));
            if spans.is_empty() {
                break;
            }
            let _ = reporter.report(&spans);
        }
    }
}

impl Peer for Rustracing {
    fn trace(&mut self) {
        let mut root = self.tracer.span(names::ROOT).start();
        set_tags(&mut root, 0);
        for index in 1..workload::TRACE_SPANS {
            let mut child = root.child(names::CHILD, |options| options.start());
            set_tags(&mut child, index);
            if index == workload::LOGGING_CHILD {
                child.log(|log| {
                    log.field(("event", names::EVENT)).field((names::LOG_KEY, names::LOG_VALUE));
                });
            }
            drop(child);
        }
    }

    /// Nothing to ask: the reporter comes by.
    fn flush(&mut self) {}

    fn another(&self) -> Box<dyn Peer> {
        Box::new(Self { tracer: self.tracer.clone() })
    }
}

#[inline]
fn set_tags(span: &mut Span, index: i64) {
    span.set_tag(|| Tag::new(names::COMPONENT_KEY, names::COMPONENT));
    span.set_tag(|| Tag::new(names::URL_KEY, workload::url().to_owned()));
    span.set_tag(|| Tag::new(names::STATUS_KEY, workload::status(index)));
}

const INTERVAL: Duration = Duration::from_millis(5);
const REPORT_SPANS: usize = 100;
