//! One request with something in every field, as Google's Python library for protobuf writes it.

use crate::exporter::otlp::request::OpenRequest;
use crate::record::{SpanBuf, SpanIds, SpanTimes};
use crate::{
    InstrumentationScope, KeyValue, Resource, SpanContext, SpanId, SpanKind, SpanLimits,
    StatusCode, TraceFlags, TraceId, Value,
};

const GOLDEN: &str = include_str!("../../../../../tests/data/otlp-1.hex");

#[test]
fn a_golden_request_comes_out_byte_for_byte() {
    let resource = Resource::empty()
        .with([KeyValue::new("service.name", "checkout")])
        .with_schema_url("https://opentelemetry.io/schemas/1.27.0");
    let scope = InstrumentationScope::new("shop", "2.0")
        .with_schema_url("https://opentelemetry.io/schemas/1.26.0")
        .with_attributes([KeyValue::new("team", "money")]);
    let trace_id = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap();
    let flags = TraceFlags::SAMPLED | TraceFlags::RANDOM;
    let context = SpanContext::new(trace_id, SpanId::new(0xb7ad_6b71_6920_3331), flags);

    let mut buf = SpanBuf::new();
    let limits = SpanLimits::UNLIMITED.attributes(8);
    buf.start("größe", SpanKind::Client, SpanIds::new(&context, SpanId::new(0xf0_67aa_0ba9_02b7)));
    buf.set_trace_state("vendor=a1");
    for (key, value) in [
        ("text", Value::Str("v")),
        ("int", Value::I64(-1)),
        ("float", Value::F64(0.5)),
        ("flag", Value::Bool(false)),
        ("bytes", Value::Bytes(&[0, 255])),
        ("empty", Value::Empty),
        ("array", Value::Array(&[Value::I64(1), Value::Str("two")])),
        ("map", Value::Map(&[("k", Value::Bool(true))])),
        ("one too many", Value::Empty),
    ] {
        buf.set_attribute(key, value, &limits);
    }
    buf.add_event("event", START + 499, &[("n", Value::I64(300))], &limits);
    let linked = SpanContext::new(TraceId::from_parts(0, 1), SpanId::new(2), TraceFlags::SAMPLED);
    buf.add_link(&linked.with_remote(true), &[], &limits);
    buf.set_status(StatusCode::Error, "broken");
    let times = SpanTimes { start_unix_nanos: START, duration_nanos: 1_000 };

    let mut open = OpenRequest::new(1 << 20);
    assert!(open.add(&resource, &buf.finish(times, &scope)).is_none());
    let body = open.take().unwrap().body;
    assert_eq!(body.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), GOLDEN);
}

const START: u64 = 1_700_000_000_000_000_001;
