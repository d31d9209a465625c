//! What handing a finished span to the batch processor costs, from one thread and from several at once.
//!
//! ```sh
//! cargo bench -p otel-core --bench queue
//! ```
//!
//! `queue/push/4` is the time until each of four threads has pushed one record of three attributes, the worker emptying
//! the queue meanwhile. Without contention it equals `queue/push/1`; with fewer processors than threads, it includes
//! waiting for one. The queue is emptied between bursts, unmeasured, so that nothing is
//! dropped.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use otel_core::exporter::{ExportError, SpanBatch, SpanExporter};
use otel_core::record::{SpanBuf, SpanIds, SpanTimes, SpanView};
use otel_core::{
    BatchProcessor, FlushError, Flushed, InstrumentationScope, Pipeline, SpanContext, SpanCounts,
    SpanId, SpanKind, SpanLimits, SpanProcessor, TraceFlags, TraceId, TracerProvider,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("queue");
    let processor = BatchProcessor::builder(Counting::default()).max_queue_bytes(64 << 20).build();
    let processor = Arc::new(processor);
    let provider = TracerProvider::builder().processor(Kept(Arc::clone(&processor))).build();
    for n_threads in [1, 2, 4] {
        group.throughput(Throughput::Elements(n_threads as u64));
        group.bench_function(BenchmarkId::new("push", n_threads), |b| {
            b.iter_custom(|n_spans| push_from(n_threads, n_spans, &processor));
        });
    }
    group.finish();
    let counts = provider.counts();
    assert_eq!(counts.queue_full_spans, 0, "drops were measured instead of pushes");
    criterion.final_summary();
}

/// Has each thread push this many records, in bursts that begin at once; returns how long the bursts took.
fn push_from(n_threads: usize, n_spans: u64, processor: &BatchProcessor) -> Duration {
    let barrier = Barrier::new(n_threads);
    let push_all = || {
        let mut buf = SpanBuf::new();
        let scope = InstrumentationScope::default();
        let span = finished_span(&mut buf, &scope);
        let mut bursts = Vec::new();
        let mut n_left = n_spans;
        // The first burst makes room for this thread in the queue, and is not measured.
        push_burst(BURST_SPANS, &span, processor, &barrier);
        while n_left > 0 {
            let n_pushed = n_left.min(BURST_SPANS);
            bursts.push(push_burst(n_pushed, &span, processor, &barrier));
            n_left -= n_pushed;
        }
        bursts
    };
    let bursts: Vec<Vec<(Instant, Instant)>> = thread::scope(|scope| {
        #[expect(
            clippy::needless_collect,
            reason = "all threads start before the first is waited for"
        )]
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(push_all)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    (0..bursts[0].len())
        .filter_map(|burst| {
            let start = bursts.iter().map(|bursts| bursts[burst].0).min()?;
            let end = bursts.iter().map(|bursts| bursts[burst].1).max()?;
            Some(end - start)
        })
        .sum()
}

/// Pushes records once all threads are there, and empties the queue when all are done.
fn push_burst(
    n_spans: u64,
    span: &SpanView<'_>,
    processor: &BatchProcessor,
    barrier: &Barrier,
) -> (Instant, Instant) {
    barrier.wait();
    let start = Instant::now();
    for _ in 0..n_spans {
        processor.on_end(black_box(span));
    }
    let end = Instant::now();
    if barrier.wait().is_leader() {
        processor.flush(FLUSH_TIMEOUT).expect("a counter is fast");
    }
    (start, end)
}

fn finished_span<'a>(buf: &'a mut SpanBuf, scope: &'a InstrumentationScope) -> SpanView<'a> {
    let context = SpanContext::new(TraceId::from_parts(1, 2), SpanId::new(3), TraceFlags::SAMPLED);
    buf.start("load-order", SpanKind::Internal, SpanIds::default());
    for (key, value) in [
        ("component", "grpc".into()),
        ("http.url", "/api/v1/customers/4711/orders".into()),
        ("http.status_code", 200.into()),
    ] {
        buf.set_attribute(key, value, &SpanLimits::UNLIMITED);
    }
    buf.set_ids(SpanIds::new(&context, SpanId::new(4)));
    buf.finish(SpanTimes::default(), scope)
}

/// A processor that stays in our hands when a provider has it.
#[derive(Debug)]
struct Kept(Arc<BatchProcessor>);

impl SpanProcessor for Kept {
    fn attach(&self, pipeline: &Pipeline) {
        self.0.attach(pipeline);
    }

    fn on_end(&self, span: &SpanView<'_>) {
        self.0.on_end(span);
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.0.close(timeout)
    }

    fn counts(&self) -> SpanCounts {
        self.0.counts()
    }
}

/// Counts spans, and does not look at them.
#[derive(Debug, Default)]
struct Counting {
    n_spans: usize,
}

impl SpanExporter for Counting {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        self.n_spans += black_box(batch.len());
        Ok(())
    }
}

/// A megabyte or two, of which the queue has room for many.
const BURST_SPANS: u64 = 8_192;
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
