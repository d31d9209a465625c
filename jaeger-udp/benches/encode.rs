//! What it costs the exporter to turn a finished span into its part of a datagram: time of one span, with its share of
//! the datagrams' heads and tails. Datagrams are dropped, so no socket is measured.
//!
//! ```sh
//! cargo bench -p jaeger-udp --bench encode
//! ```

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use jaeger_udp::{Dialect, JaegerExporter, SendError, Transport};
use otel_core::exporter::{ExportError, SpanBatch, SpanExporter};
use otel_core::{BatchProcessor, Resource, Span, TracerProvider, Value};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, dialect) in [("otel", Dialect::Otel), ("jaeger_client", Dialect::JaegerClient)] {
        let mut group = criterion.benchmark_group(format!("encode/{name}"));
        group.throughput(Throughput::Elements(1));
        for n_tags in [0, 3, 8] {
            group.bench_function(format!("{n_tags}_tags"), |b| {
                b.iter_custom(|n_spans| export(dialect, n_spans, |span| set_tags(span, n_tags)));
            });
        }
        group.bench_function("3_tags_and_log", |b| {
            b.iter_custom(|n_spans| {
                export(dialect, n_spans, |span| {
                    set_tags(span, 3);
                    add_log(span);
                })
            });
        });
        group.finish();
    }
    criterion.final_summary();
}

/// Has the exporter take a batch of such spans again and again; returns how long `n_spans` of them took.
fn export(dialect: Dialect, n_spans: u64, describe: impl Fn(&mut Span)) -> Duration {
    let n_rounds = n_spans.div_ceil(BATCH_SPANS);
    let exporter = JaegerExporter::builder().transport(DroppingTransport).dialect(dialect).build();
    let took = Arc::new(Mutex::new(Duration::ZERO));
    let repeating = Repeating { exporter, n_rounds, took: Arc::clone(&took) };
    let provider = TracerProvider::builder()
        .resource(Resource::new("bench"))
        .processor(BatchProcessor::new(repeating))
        .build();
    let tracer = provider.tracer("bench");
    tracer.in_span("get-orders", |_| {
        for _ in 0..BATCH_SPANS - 1 {
            let mut span = tracer.start("load-order");
            describe(&mut span);
            span.end();
        }
    });
    provider.close(CLOSE_TIMEOUT).expect("a batch takes less than that");
    let took = *took.lock().expect("no thread panics");
    // Rounds are whole, so a few more spans were exported than asked for.
    took.mul_f64(n_spans as f64 / (n_rounds * BATCH_SPANS) as f64)
}

fn set_tags(span: &mut Span, n_tags: usize) {
    let tags: [(&str, Value<'_>); 8] = [
        ("component", "grpc".into()),
        ("http.url", "/api/v1/customers/4711/orders".into()),
        ("http.status_code", 200.into()),
        ("http.method", "GET".into()),
        ("cached", false.into()),
        ("peer.service", "orders".into()),
        ("share", 0.25.into()),
        ("rows", 17.into()),
    ];
    for (key, value) in &tags[..n_tags] {
        span.set_attribute(key, *value);
    }
}

fn add_log(span: &mut Span) {
    let fields: [(&str, Value<'_>); 2] = [("key", "order:4711".into()), ("attempt", 1.into())];
    span.add_event("cache-miss", &fields);
}

/// Hands each batch to the exporter many times: batches are made by processors alone, and go when the call ends.
#[derive(Debug)]
struct Repeating {
    exporter: JaegerExporter,
    n_rounds: u64,
    took: Arc<Mutex<Duration>>,
}

impl SpanExporter for Repeating {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        // The first round makes the buffers grow, and is not measured.
        self.exporter.export(batch)?;
        let start = Instant::now();
        for _ in 0..self.n_rounds {
            self.exporter.export(black_box(batch))?;
        }
        *self.took.lock().expect("no thread panics") += start.elapsed();
        Ok(())
    }
}

/// Takes datagrams and drops them.
#[derive(Debug)]
struct DroppingTransport;

impl Transport for DroppingTransport {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        black_box(datagram);
        Ok(())
    }
}

const BATCH_SPANS: u64 = 128;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);
