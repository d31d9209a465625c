//! What a span costs its caller: start and end, attributes, events, and the way into the batch processor's queue.
//!
//! ```sh
//! cargo bench -p otel-core --bench span
//! ```
//!
//! Single calls on a span (`set_attribute_…`, `add_event`) are measured on 32 fresh spans at a time, which adds 1 or 2 ns
//! to each figure: `set_attribute_not_recording` shows how much.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion};
use otel_core::exporter::{ExportError, SpanBatch, SpanExporter};
use otel_core::record::SpanView;
use otel_core::sampler::{AlwaysOffSampler, ParentBasedSampler};
use otel_core::{
    BatchProcessor, Clock, Pipeline, SimpleProcessor, Span, SpanProcessor, SpanRequest,
    SystemClock, Tracer, TracerProvider, Value,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("span");
    bench_start_and_end(&mut group);
    bench_setters(&mut group);
    bench_processors(&mut group);
    bench_clock(&mut group);
    group.finish();
    criterion.final_summary();
}

fn bench_start_and_end(group: &mut BenchmarkGroup<'_, WallTime>) {
    let sampled = TracerProvider::builder().processor(Dropping::new()).build();
    let unsampled = TracerProvider::builder()
        .sampler(ParentBasedSampler::new(AlwaysOffSampler))
        .processor(Dropping::new())
        .build();
    for (name, provider) in [("sampled", &sampled), ("unsampled", &unsampled)] {
        let tracer = provider.tracer("bench");
        group.bench_function(format!("start_end_{name}"), |b| {
            b.iter(|| tracer.start(black_box("work")).end());
        });
        let root = tracer.start("root");
        group.bench_function(format!("start_end_child_{name}"), |b| {
            b.iter(|| start_child(&tracer, &root).end());
        });
        group.bench_function(format!("in_span_{name}"), |b| {
            b.iter(|| tracer.in_span(black_box("work"), |span| span.is_recording()));
        });
    }
}

fn bench_setters(group: &mut BenchmarkGroup<'_, WallTime>) {
    let provider = TracerProvider::builder().processor(Dropping::new()).build();
    let tracer = provider.tracer("bench");
    let values: [(&str, Value<'_>); 6] = [
        ("str", "/api/v1/customers/4711/orders".into()),
        ("i64", 200.into()),
        ("bool", true.into()),
        ("f64", 0.5.into()),
        ("bytes", (&[1_u8; 16]).into()),
        ("array", (&[1_i64, 2, 3]).into()),
    ];
    for (name, value) in values {
        bench_call(group, &format!("set_attribute_{name}"), &tracer, |span| {
            span.set_attribute(black_box("key"), black_box(value));
        });
    }
    bench_call(group, "set_attribute_not_recording", &Tracer::noop(), |span| {
        span.set_attribute(black_box("key"), black_box(200));
    });
    bench_call(group, "add_event_2_attributes", &tracer, |span| {
        let fields: [(&str, Value<'_>); 2] = [("key", "order:4711".into()), ("attempt", 1.into())];
        span.add_event(black_box("cache-miss"), black_box(&fields));
    });

    let mut span = tracer.start("work");
    span.set_attribute("first", 1).set_attribute("second", 2).set_attribute("third", 3);
    group.bench_function("set_attribute_repeated_key", |b| {
        b.iter(|| span.set_attribute(black_box("second"), black_box(7)).is_recording());
    });
}

fn bench_processors(group: &mut BenchmarkGroup<'_, WallTime>) {
    let batch = BatchProcessor::new(Counting::default());
    let batch = TracerProvider::builder().processor(batch).build();
    let simple = TracerProvider::builder().processor(SimpleProcessor::new(Counting::default()));
    let simple = simple.build();
    for (name, provider) in [("batch", &batch), ("simple", &simple)] {
        let tracer = provider.tracer("bench");
        let root = tracer.start("root");
        group.bench_function(format!("start_3_attributes_end_{name}"), |b| {
            b.iter_custom(|n_spans| {
                in_bursts(n_spans, provider, || {
                    let mut span = start_child(&tracer, &root);
                    span.set_attribute("component", "grpc")
                        .set_attribute("http.url", black_box("/api/v1/customers/4711/orders"))
                        .set_attribute("http.status_code", black_box(200));
                    span.end();
                })
            });
        });
    }
}

fn bench_clock(group: &mut BenchmarkGroup<'_, WallTime>) {
    let clock = SystemClock::new();
    group.bench_function("clock_now", |b| b.iter(|| clock.now()));
    group.bench_function("clock_now_of_the_system", |b| b.iter(Instant::now));
}

/// Measures a call on a span that just started; the ends of the spans are not measured.
fn bench_call(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    tracer: &Tracer,
    mut call: impl FnMut(&mut Span),
) {
    group.bench_function(name, |b| {
        b.iter_batched_ref(|| tracer.start("work"), &mut call, BatchSize::NumIterations(32));
    });
}

/// Makes spans in bursts that the queue has room for, and empties it between them, unmeasured.
fn in_bursts(n_spans: u64, provider: &TracerProvider, make_span: impl Fn()) -> Duration {
    let mut took = Duration::ZERO;
    let mut n_left = n_spans;
    while n_left > 0 {
        let n_made = n_left.min(BURST_SPANS);
        let start = Instant::now();
        (0..n_made).for_each(|_| make_span());
        took += start.elapsed();
        n_left -= n_made;
        provider.flush(FLUSH_TIMEOUT).expect("a counter is fast");
    }
    took
}

fn start_child(tracer: &Tracer, parent: &Span) -> Span {
    let parent = Some(parent.context());
    tracer.start_request(&SpanRequest { parent, ..SpanRequest::new(black_box("work")) })
}

/// Drops spans. The batch processor gets none: its worker keeps the provider's clock anchored, as it does in a program.
#[derive(Debug)]
struct Dropping {
    worker: BatchProcessor,
}

impl Dropping {
    fn new() -> Self {
        Self { worker: BatchProcessor::new(Counting::default()) }
    }
}

impl SpanProcessor for Dropping {
    fn attach(&self, pipeline: &Pipeline) {
        self.worker.attach(pipeline);
    }

    fn on_end(&self, span: &SpanView<'_>) {
        black_box(span.duration_nanos());
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
