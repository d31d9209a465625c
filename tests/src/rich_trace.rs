//! One trace with everything that a span can hold, sent by either way: what arrives is then compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use otel_core::exporter::SpanExporter;
use otel_core::{
    BatchProcessor, Context, Flushed, IdGenerator, KeyValue, Link, ManualClock, OwnedValue,
    Resource, SpanContext, SpanId, SpanKind, SpanLimits, StatusCode, TraceFlags, TraceId,
    TraceState, TracerProvider, Value,
};

/// Records the trace and has an exporter send it; says what became of its spans, of which there are
/// [`N_SPANS`].
///
/// Two calls differ in the id of the trace alone: names, values, times and the ids of spans are the same. Times are whole
/// microseconds, since Jaeger's own way knows no shorter ones.
///
/// # Errors
///
/// Where the spans could not be sent in time.
pub fn send(
    exporter: impl SpanExporter,
    trace_id: TraceId,
    start_unix_micros: u64,
) -> Result<Flushed, otel_core::FlushError> {
    let clock = Arc::new(ManualClock::at_unix_nanos(start_unix_micros * 1_000));
    let provider = TracerProvider::builder()
        .resource(resource())
        .limits(SpanLimits::default().attributes(10).events(2).links(3))
        .id_generator(Ids { trace_id, last_span_id: AtomicU64::new(0x0a00) })
        .clock(Arc::clone(&clock) as Arc<dyn otel_core::Clock>)
        .processor(BatchProcessor::new(exporter))
        .build();
    record(&provider, &clock, trace_id);
    provider.close(Duration::from_secs(10))
}

fn resource() -> Resource {
    let host = OwnedValue::Array(vec!["one".into(), "two".into()]);
    Resource::empty().with([
        KeyValue::new("service.name", SERVICE),
        KeyValue::new("service.version", "1.2.3"),
        KeyValue::new("replicas", 3),
        KeyValue::new("is_canary", false),
        KeyValue::new("hosts", host),
    ])
}

fn record(provider: &TracerProvider, clock: &ManualClock, trace_id: TraceId) {
    let pass = |micros| clock.advance(Duration::from_micros(micros));
    let (shop, queue) = (provider.versioned_tracer("shop", "2.0"), provider.tracer("queue"));
    let trace_state = TraceState::parse("vendor=a1,other=b2").unwrap_or_default();
    let root = SpanContext::new(trace_id, SpanId::new(1), TraceFlags::SAMPLED);
    // The parent is in no process of ours: Jaeger gets it from nobody.
    let root =
        Context::new().with_span_context(root.with_remote(true).with_trace_state(trace_state));

    let mut order = shop.span_builder("POST /orders").parent(&root).kind(SpanKind::Server).start();
    pass(10);
    order.set_attribute("text", "größe \u{1F600}").set_attribute("empty text", "");
    order
        .set_attribute("number", i64::MIN)
        .set_attribute("share", 0.25)
        .set_attribute("flag", true);
    order.set_attribute("bytes", &[0_u8, 127, 255]).set_attribute("nothing", Value::Empty);
    order.set_attribute("texts", &["a", "b"]);
    order.set_attribute(
        "mixed",
        Value::Array(&[Value::I64(1), Value::Str("two"), Value::Bool(false)]),
    );
    order.set_attribute("map", Value::Map(&[("a", Value::I64(1)), ("b", Value::Str("x"))]));
    order.set_attribute("one too many", 1);
    order.add_event(
        "validated",
        &[("attempt", 2.into()), ("ok", true.into()), ("ratio", 0.5.into())],
    );
    pass(5);
    order.add_event("stored", &[]);
    order.add_event("one too many", &[]);

    let in_order = Context::new().with_span_context(order.context().clone());
    let mut charge = shop.span_builder("charge").parent(&in_order).kind(SpanKind::Client).start();
    pass(100);
    charge.set_status(StatusCode::Error, "card declined");
    charge.add_event(
        "exception",
        &[("exception.type", "Declined".into()), ("exception.message", "no".into())],
    );
    let charge_context = charge.context().clone();
    charge.end();
    pass(1);

    let sent = queue.span_builder("send").parent(&in_order).kind(SpanKind::Producer).start();
    let sent_context = sent.context().clone();
    pass(7);
    sent.end();
    let elsewhere = SpanContext::new(
        TraceId::from_parts(0xfeed, 0xbeef),
        SpanId::new(0xcafe),
        TraceFlags::NONE,
    );
    let why = [("why", "retry".into())];
    let mut links =
        [sent_context, elsewhere, charge_context.clone(), charge_context].map(Link::new);
    links[0] = links[0].clone().with_attributes(&why);
    let in_sent = queue.span_builder("receive").parent(&in_order).kind(SpanKind::Consumer);
    let mut received = in_sent.links(&links).start();
    pass(3);
    received.set_status(StatusCode::Ok, "");
    received.end();

    let plain = shop.span_builder("plain").parent(&in_order).start();
    pass(1);
    plain.end();
    order.end();
}

/// Makes span ids in a row.
#[derive(Debug)]
struct Ids {
    trace_id: TraceId,
    last_span_id: AtomicU64,
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        self.trace_id
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::new(self.last_span_id.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// The service of the trace.
pub const SERVICE: &str = "two-ways";
/// How many spans the trace has.
pub const N_SPANS: usize = 5;
