//! Spans as a Jaeger agent receives them, drawn as trees.

use std::fmt;

use jaeger_udp::model::{Batch, Log, Span, SpanRef, SpanRefType, Tag, TagValue};
use otel_core::record::{SpanBuf, SpanIds, SpanTimes};
use otel_core::{InstrumentationScope, SpanId, SpanKind, SpanLimits, StatusCode, TraceId, Value};

/// Received spans by trace. Its text is the drawing, empty for no spans.
///
/// ```
/// use examples::trace_tree::TraceTrees;
/// use jaeger_udp::model::{Batch, Process, Span, Tag};
///
/// let first = Span {
///     trace_id_low: 0xabc,
///     span_id: 1,
///     operation_name: "first-span".to_owned(),
///     duration: 1250,
///     tags: vec![Tag::new("first-tag", "100".into())],
///     ..Span::default()
/// };
/// let process = Process { service_name: "first-service".to_owned(), tags: Vec::new() };
/// let mut trees = TraceTrees::default();
/// trees.add(Batch { process, spans: vec![first], ..Batch::default() });
/// assert_eq!(
///     trees.to_string(),
///     "trace 0000000000000abc, 1 span
///   first-service: first-span    1.25 ms  first-tag=\"100\"\n"
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct TraceTrees {
    trees: otel_core::exporter::TraceTrees,
}

impl TraceTrees {
    /// Sets the width and the colours that suit standard output.
    #[must_use]
    pub fn for_stdout(self) -> Self {
        Self { trees: self.trees.for_stdout() }
    }

    /// Adds the spans of a batch, each to its trace.
    pub fn add(&mut self, batch: Batch) {
        let (mut buf, scope) = (SpanBuf::new(), InstrumentationScope::default());
        for span in &batch.spans {
            let times = record(span, &mut buf);
            self.trees.add(&batch.process.service_name, &buf.finish(times, &scope));
        }
    }
}

impl fmt::Display for TraceTrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trees.fmt(f)
    }
}

/// Writes a received span into a record of the engine's.
fn record(span: &Span, buf: &mut SpanBuf) -> SpanTimes {
    let ids = SpanIds {
        trace_id: TraceId::from_parts(span.trace_id_high as u64, span.trace_id_low as u64),
        span_id: SpanId::new(span.span_id as u64),
        parent_span_id: SpanId::new(parent_span_id(span) as u64),
        ..SpanIds::default()
    };
    buf.start(&span.operation_name, SpanKind::Internal, ids);
    for Tag { key, value } in &span.tags {
        match (key.as_str(), value) {
            ("error", TagValue::Bool(true)) => buf.set_status(StatusCode::Error, ""),
            ("span.kind", TagValue::String(kind)) if SpanKind::from_name(kind).is_some() => {
                buf.set_kind(SpanKind::from_name(kind).unwrap_or_default());
            }
            (key, value) => buf.set_attribute(key, value_of(value), &SpanLimits::UNLIMITED),
        }
    }
    span.logs.iter().for_each(|log| add_event(log, buf));
    SpanTimes {
        start_unix_nanos: nanos_of(span.start_time),
        duration_nanos: nanos_of(span.duration),
    }
}

/// The field `event` is what happened, the others say more about it.
fn add_event(log: &Log, buf: &mut SpanBuf) {
    let name_of = |field: &Tag| match (field.key.as_str(), &field.value) {
        ("event", TagValue::String(name)) => Some(name.clone()),
        _ => None,
    };
    let name = log.fields.iter().find_map(name_of);
    let fields: Vec<(&str, Value<'_>)> = log
        .fields
        .iter()
        .filter(|field| name.is_none() || name_of(field) != name)
        .map(|field| (field.key.as_str(), value_of(&field.value)))
        .collect();
    let name = name.as_deref().unwrap_or("log");
    buf.add_event(name, nanos_of(log.timestamp), fields.as_slice(), &SpanLimits::UNLIMITED);
}

fn value_of(value: &TagValue) -> Value<'_> {
    match value {
        TagValue::String(value) => Value::Str(value),
        TagValue::Double(value) => Value::F64(*value),
        TagValue::Bool(value) => Value::Bool(*value),
        TagValue::Long(value) => Value::I64(*value),
        TagValue::Binary(value) => Value::Bytes(value),
        _ => Value::Empty,
    }
}

/// Times before 1970 are no times, and durations are not negative.
fn nanos_of(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or_default().saturating_mul(1_000)
}

/// Finds the parent in the same trace: some clients give it as a reference alone. 0 is none.
fn parent_span_id(span: &Span) -> i64 {
    let in_trace = |ref_type| {
        let is_parent = |reference: &&SpanRef| {
            let trace_id = (reference.trace_id_high, reference.trace_id_low);
            reference.ref_type == ref_type && trace_id == (span.trace_id_high, span.trace_id_low)
        };
        span.references.iter().find(is_parent).map(|reference| reference.span_id)
    };
    match span.parent_span_id {
        0 => in_trace(SpanRefType::ChildOf)
            .or_else(|| in_trace(SpanRefType::FollowsFrom))
            .unwrap_or(0),
        parent => parent,
    }
}

#[cfg(test)]
mod tests {
    use jaeger_udp::model::Process;

    use super::*;

    #[test]
    fn a_span_is_drawn_with_what_its_tags_and_logs_say() {
        let mut asked = span(1, 0, "ask");
        asked.start_time = 5;
        asked.tags = vec![
            tag("sampler.type", "const".into()),
            tag("span.kind", "client".into()),
            tag("error", TagValue::Bool(true)),
            tag("n", TagValue::Long(3)),
            tag("share", TagValue::Double(0.5)),
            tag("bytes", TagValue::Binary(vec![0, 255])),
        ];
        asked.logs = vec![
            Log {
                timestamp: 7,
                fields: vec![tag("event", "retry".into()), tag("after", TagValue::Long(2))],
            },
            Log { timestamp: 8, fields: vec![tag("message", "gone".into())] },
        ];
        let mut answered = span(2, 1, "answer");
        answered.tags = vec![
            tag("span.kind", "nobody".into()),
            tag("error", TagValue::Bool(false)),
            tag("error", "text".into()),
        ];
        assert_eq!(
            drawn([("shop", vec![asked]), ("bank", vec![answered])]),
            "\
trace 00000000000000aa, 2 spans
  shop: ask             1 µs  client  ERROR  sampler.type=\"const\" n=3 share=0.5 bytes=0x00ff
  │  · retry  +2 µs  after=2
  │  · log  +3 µs  message=\"gone\"
  └─ bank: answer       1 µs  span.kind=\"nobody\" error=\"text\"
"
        );
    }

    #[test]
    fn a_parent_may_be_given_as_a_reference_within_the_trace() {
        let reference = |ref_type, trace_id_low, span_id| SpanRef {
            ref_type,
            trace_id_low,
            trace_id_high: 0,
            span_id,
        };
        let mut followed = span(2, 0, "followed");
        followed.references = vec![reference(SpanRefType::FollowsFrom, 0xaa, 1)];
        let mut child = span(3, 0, "child");
        child.references = vec![
            reference(SpanRefType::FollowsFrom, 0xaa, 1),
            reference(SpanRefType::ChildOf, 0xaa, 2),
        ];
        let mut elsewhere = span(4, 0, "elsewhere");
        elsewhere.references = vec![reference(SpanRefType::ChildOf, 0xbb, 1)];
        assert_eq!(
            drawn([("s", vec![span(1, 0, "root"), followed, child, elsewhere])]),
            "\
trace 00000000000000aa, 4 spans
  s: root            1 µs
  └─ followed        1 µs
     └─ child        1 µs
  s: elsewhere       1 µs
"
        );
    }

    #[test]
    fn times_that_make_no_sense_are_drawn_all_the_same() {
        let mut spans = [span(1, 0, "negative"), span(2, 1, "long"), span(-1, i64::MIN, "ids")];
        (spans[0].start_time, spans[0].duration) = (i64::MIN, -5);
        (spans[1].start_time, spans[1].duration) = (i64::MAX, i64::MAX);
        spans[2].trace_id_high = -1;
        let drawing = drawn([("s", spans.to_vec())]);
        for expected in ["s: negative       0 ns\n", "└─ long      18446744073.70 s\n"] {
            assert!(drawing.contains(expected), "{drawing}");
        }
        assert!(drawing.contains("trace ffffffffffffffff00000000000000aa, 1 span"), "{drawing}");
    }

    fn drawn<const N: usize>(batches: [(&str, Vec<Span>); N]) -> String {
        let mut trees = TraceTrees::default();
        for (service, spans) in batches {
            let process = Process { service_name: service.to_owned(), tags: Vec::new() };
            trees.add(Batch { process, spans, ..Batch::default() });
        }
        trees.to_string()
    }

    fn span(span_id: i64, parent_span_id: i64, operation_name: &str) -> Span {
        Span {
            trace_id_low: 0xaa,
            span_id,
            parent_span_id,
            operation_name: operation_name.to_owned(),
            duration: 1,
            ..Span::default()
        }
    }

    fn tag(key: &str, value: TagValue) -> Tag {
        Tag::new(key, value)
    }
}
