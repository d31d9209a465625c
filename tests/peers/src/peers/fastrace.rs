//! fastrace and fastrace-jaeger, with explicit parents, and properties at the start: its cheapest way.

use std::borrow::Cow;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use fastrace::collector::{Config, SpanContext};
use fastrace::{Event, Span};
use fastrace_jaeger::JaegerReporter;

use super::Settings;
use crate::workload::{self, Peer, names};

struct Fastrace {
    is_sampled: bool,
    flusher: Flusher,
}

/// A thread that flushes when asked: the crate starts one for each flush, which would inherit the caller's CPU.
#[derive(Clone)]
struct Flusher {
    requests: Sender<()>,
    answers: Receiver<()>,
}

pub(super) fn build(settings: &Settings) -> Box<dyn Peer> {
    let reporter = JaegerReporter::new(settings.agent(), names::SERVICE);
    fastrace::set_reporter(reporter.expect("a socket can be had"), Config::default());
    let (requests, asked) = bounded(1);
    let (answer, answers) = bounded(1);
    thread::spawn(move || {
        for () in asked {
            fastrace::flush();
            let _ = answer.send(());
        }
    });
    Box::new(Fastrace { is_sampled: settings.is_sampled, flusher: Flusher { requests, answers } })
}

impl Peer for Fastrace {
    fn trace(&mut self) {
        let context = SpanContext::random().sampled(self.is_sampled);
        let root = Span::root(names::ROOT, context).with_properties(|| properties(0));
        for index in 1..workload::TRACE_SPANS {
            let child =
                Span::enter_with_parent(names::CHILD, &root).with_properties(|| properties(index));
            if index == workload::LOGGING_CHILD {
                child.add_event(
                    Event::new(names::EVENT).with_property(|| (names::LOG_KEY, names::LOG_VALUE)),
                );
            }
            drop(child);
        }
    }

    fn flush(&mut self) {
        if self.flusher.requests.send(()).is_ok() {
            let _ = self.flusher.answers.recv();
        }
    }

    fn another(&self) -> Box<dyn Peer> {
        Box::new(Self { is_sampled: self.is_sampled, flusher: self.flusher.clone() })
    }
}

#[inline]
fn properties(index: i64) -> [(&'static str, Cow<'static, str>); 3] {
    [
        (names::COMPONENT_KEY, Cow::Borrowed(names::COMPONENT)),
        (names::URL_KEY, Cow::Owned(workload::url().to_owned())),
        // Values are text and nothing else.
        (names::STATUS_KEY, Cow::Owned(workload::status(index).to_string())),
    ]
}
