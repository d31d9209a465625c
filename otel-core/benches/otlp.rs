//! What it costs the exporter to turn a finished span into its part of a request: time of one span, with its share of the
//! heads. Requests are dropped, so no socket is measured. Beside it: the same spans made into the structs of
//! `opentelemetry-proto` and encoded by `prost`.
//!
//! ```sh
//! cargo bench -p otel-core --features otlp --bench otlp
//! ```

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::resource::v1 as resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use otel_core::exporter::otlp::{
    Compression, HttpAnswer, HttpError, HttpPost, HttpTransport, OtlpExporter,
};
use otel_core::exporter::{ExportError, SpanBatch, SpanExporter};
use otel_core::record::{Attributes, SpanView, ValueView};
use otel_core::{BatchProcessor, Resource, Span, TracerProvider, Value};
use prost::Message;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let with = |compression| {
        let builder = OtlpExporter::builder().compression(compression).transport(DroppingTransport);
        builder.build().expect("nothing is configured that could be wrong")
    };
    bench(&mut criterion, "encode", &|| with(Compression::None));
    bench(&mut criterion, "encode_and_gzip", &|| with(Compression::Gzip));
    bench(&mut criterion, "encode_by_prost", &|| ProstExporter);
    criterion.final_summary();
}

fn bench<E: SpanExporter>(criterion: &mut Criterion, name: &str, exporter: &dyn Fn() -> E) {
    let mut group = criterion.benchmark_group(format!("otlp/{name}"));
    group.throughput(Throughput::Elements(1));
    for n_attributes in [0, 3, 8] {
        group.bench_function(format!("{n_attributes}_attributes"), |b| {
            b.iter_custom(|n_spans| {
                export(exporter(), n_spans, |span| set_attributes(span, n_attributes))
            });
        });
    }
    group.bench_function("3_attributes_and_event", |b| {
        b.iter_custom(|n_spans| {
            export(exporter(), n_spans, |span| {
                set_attributes(span, 3);
                add_event(span);
            })
        });
    });
    group.finish();
}

/// Has the exporter take a batch of such spans again and again; returns how long `n_spans` of them took.
fn export(exporter: impl SpanExporter, n_spans: u64, describe: impl Fn(&mut Span)) -> Duration {
    let n_rounds = n_spans.div_ceil(BATCH_SPANS);
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

fn set_attributes(span: &mut Span, n_attributes: usize) {
    let attributes: [(&str, Value<'_>); 8] = [
        ("component", "grpc".into()),
        ("http.url", "/api/v1/customers/4711/orders".into()),
        ("http.status_code", 200.into()),
        ("http.method", "GET".into()),
        ("cached", false.into()),
        ("peer.service", "orders".into()),
        ("share", 0.25.into()),
        ("rows", 17.into()),
    ];
    for (key, value) in &attributes[..n_attributes] {
        span.set_attribute(key, *value);
    }
}

fn add_event(span: &mut Span) {
    let fields: [(&str, Value<'_>); 2] = [("key", "order:4711".into()), ("attempt", 1.into())];
    span.add_event("cache-miss", &fields);
}

/// Hands each batch to the exporter many times: batches are made by processors alone, and go when the call ends.
#[derive(Debug)]
struct Repeating<E> {
    exporter: E,
    n_rounds: u64,
    took: Arc<Mutex<Duration>>,
}

impl<E: SpanExporter> SpanExporter for Repeating<E> {
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

/// Takes requests and drops them.
#[derive(Debug)]
struct DroppingTransport;

impl HttpTransport for DroppingTransport {
    fn post(&mut self, post: &HttpPost<'_>) -> Result<HttpAnswer, HttpError> {
        black_box(post.body);
        Ok(HttpAnswer::new(200))
    }
}

/// Makes a request of each batch, as exporters do that stand on generated code.
#[derive(Debug)]
struct ProstExporter;

impl SpanExporter for ProstExporter {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        let attributes = key_values(batch.resource().attributes());
        let scope = batch.spans().next().map(|span| common::InstrumentationScope {
            name: span.scope().name().to_owned(),
            version: span.scope().version().to_owned(),
            ..Default::default()
        });
        let spans = batch.spans().map(|span| proto_span(&span)).collect();
        let request = ExportTraceServiceRequest {
            resource_spans: vec![proto::ResourceSpans {
                resource: Some(resource::Resource { attributes, ..Default::default() }),
                scope_spans: vec![proto::ScopeSpans { scope, spans, ..Default::default() }],
                ..Default::default()
            }],
        };
        black_box(request.encode_to_vec());
        Ok(())
    }
}

fn proto_span(span: &SpanView<'_>) -> proto::Span {
    let events = span.events().map(|event| proto::span::Event {
        time_unix_nano: event.unix_nanos(),
        name: event.name().to_string(),
        attributes: key_values(event.attributes()),
        dropped_attributes_count: event.dropped_attributes(),
    });
    proto::Span {
        trace_id: span.trace_id().to_bytes().to_vec(),
        span_id: span.span_id().to_bytes().to_vec(),
        trace_state: span.trace_state().to_string(),
        parent_span_id: span.parent_span_id().to_bytes().to_vec(),
        flags: 0x100 | u32::from(span.flags().to_w3c()),
        name: span.name().to_string(),
        kind: proto::span::SpanKind::Internal.into(),
        start_time_unix_nano: span.start_unix_nanos(),
        end_time_unix_nano: span.end_unix_nanos(),
        attributes: key_values(span.attributes()),
        dropped_attributes_count: span.dropped_attributes(),
        events: events.collect(),
        dropped_events_count: span.dropped_events(),
        ..Default::default()
    }
}

fn key_values(attributes: Attributes<'_>) -> Vec<common::KeyValue> {
    let key_value = |key: String, value: ValueView<'_>| {
        let value = match value {
            ValueView::Bool(value) => any_value::Value::BoolValue(value),
            ValueView::I64(value) => any_value::Value::IntValue(value),
            ValueView::F64(value) => any_value::Value::DoubleValue(value),
            ValueView::Str(value) => any_value::Value::StringValue(value.to_string()),
            other => unreachable!("no span of this bench has {other:?}"),
        };
        let value = Some(common::AnyValue { value: Some(value) });
        common::KeyValue { key, value, ..Default::default() }
    };
    attributes.map(|attribute| key_value(attribute.key.to_string(), attribute.value)).collect()
}

const BATCH_SPANS: u64 = 128;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);
