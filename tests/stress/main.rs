//! Hard use: whatever threads do with their spans, each finished one is given to the system or counted under a reason.

mod threads;
mod lives;
mod unwinding;
mod teardown;
mod closing;
mod pressure;
mod programs;

use std::collections::HashSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::Receiver;
use jaeger_udp::model::{Span, TagValue};
use opentracing_shim::jaeger::{Config, JaegerTracer};
use otel_core::exporter::InMemoryExporter;
use otel_core::{BatchProcessor, SpanCounts, TracerProvider};

/// How long a test waits for something that is bound to come.
const LONG: Duration = Duration::from_secs(60);

/// Longer than any test: what leaves was asked for.
const NEVER: Duration = Duration::from_secs(600);

/// A tracer, and the agent that it reports to.
struct Service {
    tracer: JaegerTracer,
    receiver: Receiver,
}

impl Service {
    /// Starts one that sends when it is asked to.
    fn start() -> Self {
        Self::start_with(|config| config)
    }

    fn start_with(configure: impl FnOnce(Config) -> Config) -> Self {
        let receiver = Receiver::start();
        let config = Config::new("stress").agent_host("127.0.0.1").agent_port(receiver.port());
        let tracer = configure(config.flush_interval(NEVER)).build().unwrap();
        Self { tracer, receiver }
    }

    /// Flushes, and waits for the agent: a socket's buffer may hold no more than three datagrams.
    fn deliver(&self) {
        let flushed = self.tracer.flush(LONG).unwrap();
        assert!(self.receiver.wait_for_spans(flushed.reported_spans as usize, LONG));
    }

    /// Closes the tracer, checks that so many spans finished and that none of them was lost, and returns them.
    fn close(&self, n_finished: usize) -> Vec<Span> {
        let flushed = self.tracer.close(LONG).unwrap();
        assert_eq!((flushed.reported_spans, flushed.lost_spans), (n_finished as u64, 0));
        self.arrived(n_finished)
    }

    /// Checks the account of so many finished spans, and returns what arrived: all that were not lost, and none twice.
    fn arrived(&self, n_finished: usize) -> Vec<Span> {
        let (counts, stats) = (self.tracer.counts(), self.tracer.stats());
        check_account(counts, n_finished);
        assert_eq!(stats.sent_spans, counts.exported_spans);
        // All datagrams, so that none with a span too many comes later.
        wait_until(|| self.receiver.batches().len() as u64 >= stats.sent_datagrams);
        let spans = self.receiver.spans();
        let ids: HashSet<i64> = spans.iter().map(|span| span.span_id).collect();
        assert_eq!((spans.len(), ids.len()), (counts.exported_spans as usize, spans.len()));
        spans
    }
}

/// Makes a provider that exports to memory when it is asked to.
fn in_memory() -> (TracerProvider, InMemoryExporter) {
    let exporter = InMemoryExporter::new();
    let processor = BatchProcessor::builder(exporter.clone()).interval(NEVER).build();
    (TracerProvider::builder().processor(processor).build(), exporter)
}

/// Checks that all finished spans are exported or lost, and none is on its way.
#[track_caller]
fn check_account(counts: SpanCounts, n_finished: usize) {
    assert_eq!(counts.finished_spans, n_finished as u64, "{counts:?}");
    assert_eq!(counts.finished_spans, counts.exported_spans + counts.lost_spans(), "{counts:?}");
    assert_eq!(counts.pending_spans, 0, "{counts:?}");
}

/// Returns the values of the tag `number`, in the order of arrival.
fn numbers_of(spans: &[Span]) -> Vec<usize> {
    let number = |span: &Span| match span.tag("number") {
        Some(TagValue::Long(number)) => Some(*number as usize),
        _ => None,
    };
    spans.iter().filter_map(number).collect()
}

/// Sorts, for a comparison with what was made.
fn sorted(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers
}

/// Never drops a value, as `mem::forget` does, and keeps it where a leak checker does not complain of it.
fn leak<T>(value: T) {
    static LEAKED: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    LEAKED.lock().unwrap().push(Box::into_raw(Box::new(value)).expose_provenance());
}

#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "waited in vain");
        thread::sleep(Duration::from_millis(1));
    }
}
