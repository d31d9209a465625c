//! Random spans, mapped and written a second time: by plain code over the `thrift` crate.

use otel_core::OwnedValue;
use proptest::collection::vec;
use proptest::prelude::*;
use thrift::protocol::{
    TBinaryOutputProtocol, TCompactOutputProtocol, TFieldIdentifier, TListIdentifier,
    TOutputProtocol, TStructIdentifier, TType,
};

use super::*;
use crate::model::{Log, Span, SpanRef};

/// A value that owns what it holds.
#[derive(Clone, Debug)]
pub(super) enum Any {
    Empty,
    Bool(bool),
    I64(i64),
    F64(f64),
    Str(String),
    Bytes(Vec<u8>),
    Array(Vec<Self>),
    Map(Fields<Self>),
}

pub(super) type Fields<V> = Vec<(String, V)>;

#[derive(Clone, Debug)]
pub(super) struct Case {
    name: String,
    ids: (u64, u64, u64, u64),
    flags: u16,
    kind: SpanKind,
    status: StatusCode,
    description: String,
    times: (u64, u64),
    trace_state: String,
    scope: (String, String),
    pub(super) attributes: Fields<Any>,
    pub(super) events: Vec<(String, u64, Fields<Any>)>,
    links: Vec<(u64, u64, u64, u8)>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_spans_are_byte_for_byte_those_of_the_thrift_crate(case in case()) {
        let mut span = case.record();
        for dialect in BOTH {
            let expected = case.expected(dialect);
            let compact = span.encoded::<Compact>(dialect);
            let binary = span.encoded::<Binary>(dialect);
            let mut bytes = Vec::new();
            write_span(&mut TCompactOutputProtocol::new(&mut bytes), &expected).unwrap();
            prop_assert_eq!(&compact, &bytes);
            bytes.clear();
            write_span(&mut TBinaryOutputProtocol::new(&mut bytes, true), &expected).unwrap();
            prop_assert_eq!(&binary, &bytes);
            if binary.len() < 65_000 {
                // Compared as text, in which NaN equals itself.
                prop_assert_eq!(format!("{:?}", decode_span::<Compact>(&compact)), format!("{expected:?}"));
                prop_assert_eq!(format!("{:?}", decode_span::<Binary>(&binary)), format!("{expected:?}"));
            }
        }
    }
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let id = || prop_oneof![any::<u64>(), 0..4_u64, any::<u64>().prop_map(|id| id | 1 << 63)];
    let kind = prop::sample::select(vec![
        SpanKind::Internal,
        SpanKind::Client,
        SpanKind::Server,
        SpanKind::Producer,
        SpanKind::Consumer,
    ]);
    let status = prop::sample::select(vec![StatusCode::Unset, StatusCode::Ok, StatusCode::Error]);
    let n_attributes = prop_oneof![4 => 0..20_usize, 1 => 100..200_usize];
    let attributes = n_attributes.prop_flat_map(|n| vec((key(), value()), n));
    let event = (text_of(), any::<u64>(), vec((key(), value()), 0..4));
    let link = (0..2_u64, 0..3_u64, 0..4_u64, 0..3_u8);
    (
        (text_of(), (id(), id(), id(), 0..3_u64), any::<u16>(), kind, status, text_of()),
        (
            (any::<u64>(), prop_oneof![0..5_000_u64, any::<u64>()]),
            "[a-z]{0,3}",
            ("[a-z]{0,3}", "[0-9]{0,2}"),
        ),
        (attributes, vec(event, 0..18), vec(link, 0..18)),
    )
        .prop_map(
            |(
                (name, ids, flags, kind, status, description),
                (times, trace_state, scope),
                (attributes, events, links),
            )| Case {
                name,
                ids,
                flags,
                kind,
                status,
                description,
                times,
                trace_state,
                scope,
                attributes,
                events,
                links,
            },
        )
}

fn text_of() -> impl Strategy<Value = String> {
    prop_oneof![6 => "\\PC{0,12}", 1 => Just(String::new()), 1 => (100..400_usize).prop_map(|n| "lang é😀".repeat(n))]
}

fn key() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "error",
        "span.kind",
        "event",
        "otel.status_code",
        "otel.status_description",
        "otel.scope.name",
        "w3c.tracestate",
        "otel.library.version",
        "otel.dropped_attributes_count",
    ]);
    prop_oneof![8 => "[a-z.]{1,8}", 2 => special.prop_map(str::to_owned), 1 => (120..300_usize).prop_map(|n| "k".repeat(n))]
}

fn value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        Just(Any::Empty),
        any::<bool>().prop_map(Any::Bool),
        any::<i64>().prop_map(Any::I64),
        any::<f64>().prop_map(Any::F64),
        Just(Any::F64(f64::NAN)),
        Just(Any::F64(f64::NEG_INFINITY)),
        text_of().prop_map(Any::Str),
        vec(any::<u8>(), 0..200).prop_map(Any::Bytes),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Any::Array),
            vec(("[a-z\"\\\\\n]{0,3}", inner), 0..4).prop_map(Any::Map),
        ]
    })
}

impl Any {
    /// Borrows the value; what is nested is given to the program for good, which a test can afford.
    fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Empty => Value::Empty,
            Self::Bool(value) => Value::Bool(*value),
            Self::I64(value) => Value::I64(*value),
            Self::F64(value) => Value::F64(*value),
            Self::Str(value) => Value::Str(value),
            Self::Bytes(value) => Value::Bytes(value),
            Self::Array(items) => {
                Value::Array(Vec::leak(items.iter().map(Self::borrowed).collect()))
            }
            Self::Map(entries) => Value::Map(Vec::leak(
                entries.iter().map(|(key, value)| (key.as_str(), value.borrowed())).collect(),
            )),
        }
    }

    fn tag_value(&self) -> TagValue {
        match self {
            Self::Empty => text(""),
            Self::Bool(value) => TagValue::Bool(*value),
            Self::I64(value) => TagValue::Long(*value),
            Self::F64(value) => TagValue::Double(*value),
            Self::Str(value) => text(value),
            Self::Bytes(value) => TagValue::Binary(value.clone()),
            Self::Array(_) | Self::Map(_) => TagValue::String(self.json()),
        }
    }

    pub(super) fn json(&self) -> String {
        match self {
            Self::Empty => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::I64(value) => value.to_string(),
            Self::F64(value) if value.is_nan() => quoted("NaN"),
            Self::F64(value) if value.is_infinite() => {
                quoted(if *value > 0.0 { "Infinity" } else { "-Infinity" })
            }
            Self::F64(value) => format!("{value:?}"),
            Self::Str(value) => quoted(value),
            Self::Bytes(value) => quoted(&base64(value)),
            Self::Array(items) => {
                format!("[{}]", items.iter().map(Self::json).collect::<Vec<_>>().join(","))
            }
            Self::Map(entries) => {
                let entries =
                    entries.iter().map(|(key, value)| format!("{}:{}", quoted(key), value.json()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl From<&OwnedValue> for Any {
    fn from(value: &OwnedValue) -> Self {
        match value {
            OwnedValue::Bool(value) => Self::Bool(*value),
            OwnedValue::I64(value) => Self::I64(*value),
            OwnedValue::F64(value) => Self::F64(*value),
            OwnedValue::Str(value) => Self::Str(value.clone()),
            OwnedValue::Bytes(value) => Self::Bytes(value.clone()),
            OwnedValue::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            OwnedValue::Map(entries) => Self::Map(
                entries.iter().map(|entry| (entry.key.clone(), Self::from(&entry.value))).collect(),
            ),
            _ => Self::Empty,
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\t', "\\t");
    for control in 0..0x20_u8 {
        out = out.replace(char::from(control), &format!("\\u{control:04x}"));
    }
    format!("\"{out}\"")
}

fn base64(bytes: &[u8]) -> String {
    let digits: Vec<char> =
        ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut out = String::new();
    for group in bits.as_bytes().chunks(6) {
        let group = format!("{:0<6}", std::str::from_utf8(group).unwrap());
        out.push(digits[usize::from_str_radix(&group, 2).unwrap()]);
    }
    while out.len() % 4 != 0 {
        out.push('=');
    }
    out
}

impl Case {
    pub(super) fn record(&self) -> TestSpan {
        let trace_id = TraceId::from_parts(self.ids.0, self.ids.1);
        let mut span = TestSpan::new(&self.name)
            .ids(trace_id, self.ids.2, self.ids.3)
            .flags(TraceFlags::from_bits(self.flags))
            .kind(self.kind)
            .status(self.status, &self.description)
            .times(self.times.0, self.times.1)
            .trace_state(&self.trace_state)
            .scope(&self.scope.0, &self.scope.1);
        for (key, value) in &self.attributes {
            span = span.attribute(key, value.borrowed());
        }
        for (name, unix_nanos, fields) in &self.events {
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| (key.as_str(), value.borrowed())).collect();
            span = span.event(name, *unix_nanos, &fields);
        }
        for (high, low, span_id, ref_type) in &self.links {
            let ref_type = ["child_of", "follows_from", ""][usize::from(*ref_type)];
            let fields: &[(&str, Value<'_>)] =
                &[("x", 1.into()), ("opentracing.ref_type", ref_type.into())];
            span = span.link(TraceId::from_parts(*high, *low), *span_id, fields);
        }
        span
    }

    /// What the mapping's rules make of the case, written as plainly as can be.
    fn expected(&self, dialect: Dialect) -> Span {
        let is_otel = dialect == Dialect::Otel;
        let mut tags: Vec<Tag> = Vec::new();
        for (key, value) in &self.attributes {
            match tags.iter_mut().find(|tag| tag.key == *key) {
                Some(tag) => tag.value = value.tag_value(),
                None => tags.push(Tag::new(key, value.tag_value())),
            }
        }
        if is_otel && self.status == StatusCode::Error {
            tags.retain(|tag| tag.key != "error");
        }
        let mut derive = |is_due: bool, key: &str, value: TagValue| {
            if is_due && tags.iter().all(|tag| tag.key != key) {
                tags.push(Tag::new(key, value));
            }
        };
        derive(self.kind != SpanKind::Internal, "span.kind", text(self.kind.as_str()));
        derive(self.status == StatusCode::Error, "error", TagValue::Bool(true));
        if is_otel {
            derive(
                self.status != StatusCode::Unset,
                "otel.status_code",
                text(self.status.as_str()),
            );
            let has_description = self.status == StatusCode::Error && !self.description.is_empty();
            derive(has_description, "otel.status_description", text(&self.description));
            derive(!self.trace_state.is_empty(), "w3c.tracestate", text(&self.trace_state));
            derive(!self.scope.0.is_empty(), "otel.scope.name", text(&self.scope.0));
            derive(!self.scope.1.is_empty(), "otel.scope.version", text(&self.scope.1));
            derive(!self.scope.0.is_empty(), "otel.library.name", text(&self.scope.0));
            derive(!self.scope.1.is_empty(), "otel.library.version", text(&self.scope.1));
        }
        let log = |(name, unix_nanos, fields): &(String, u64, Fields<Any>)| {
            let mut log = Log { timestamp: (unix_nanos / 1000) as i64, fields: Vec::new() };
            let lacks_event = fields.iter().all(|(key, _)| key != "event");
            if !name.is_empty() && if is_otel { lacks_event } else { fields.is_empty() } {
                log.fields.push(Tag::new("event", text(name)));
            }
            log.fields.extend(fields.iter().map(|(key, value)| Tag::new(key, value.tag_value())));
            log
        };
        let reference = |&(high, low, span_id, ref_type): &(u64, u64, u64, u8)| SpanRef {
            ref_type: if ref_type == 0 { SpanRefType::ChildOf } else { SpanRefType::FollowsFrom },
            trace_id_high: high as i64,
            trace_id_low: low as i64,
            span_id: span_id as i64,
        };
        let (trace_id_high, trace_id_low, parent_span_id) =
            (self.ids.0 as i64, self.ids.1 as i64, self.ids.3 as i64);
        let parent = SpanRef {
            ref_type: SpanRefType::ChildOf,
            trace_id_low,
            trace_id_high,
            span_id: parent_span_id,
        };
        let flags = TraceFlags::from_bits(self.flags);
        Span {
            trace_id_low,
            trace_id_high,
            span_id: self.ids.2 as i64,
            parent_span_id,
            operation_name: self.name.clone(),
            references: self
                .links
                .iter()
                .map(reference)
                .filter(|found| !is_otel || *found != parent)
                .collect(),
            flags: 1
                + if flags.is_debug() { 2 } else { 0 }
                + if flags.contains(TraceFlags::FIREHOSE) { 8 } else { 0 },
            start_time: (self.times.0 / 1000) as i64,
            duration: (self.times.0.saturating_add(self.times.1) / 1000 - self.times.0 / 1000)
                .max(1) as i64,
            tags,
            logs: self.events.iter().map(log).collect(),
        }
    }
}

type Out<'a> = &'a mut dyn TOutputProtocol;

fn write_span(out: Out<'_>, span: &Span) -> thrift::Result<()> {
    out.write_struct_begin(&TStructIdentifier::new("Span"))?;
    write_i64(out, 1, span.trace_id_low)?;
    write_i64(out, 2, span.trace_id_high)?;
    write_i64(out, 3, span.span_id)?;
    write_i64(out, 4, span.parent_span_id)?;
    write_string(out, 5, &span.operation_name)?;
    if !span.references.is_empty() {
        write_list(out, 6, &span.references, write_reference)?;
    }
    write_i32(out, 7, span.flags)?;
    write_i64(out, 8, span.start_time)?;
    write_i64(out, 9, span.duration)?;
    if !span.tags.is_empty() {
        write_list(out, 10, &span.tags, write_tag)?;
    }
    if !span.logs.is_empty() {
        write_list(out, 11, &span.logs, |out, log| {
            out.write_struct_begin(&TStructIdentifier::new("Log"))?;
            write_i64(out, 1, log.timestamp)?;
            write_list(out, 2, &log.fields, write_tag)?;
            end_struct(out)
        })?;
    }
    end_struct(out)
}

fn write_reference(out: Out<'_>, reference: &SpanRef) -> thrift::Result<()> {
    out.write_struct_begin(&TStructIdentifier::new("SpanRef"))?;
    write_i32(out, 1, if reference.ref_type == SpanRefType::ChildOf { 0 } else { 1 })?;
    write_i64(out, 2, reference.trace_id_low)?;
    write_i64(out, 3, reference.trace_id_high)?;
    write_i64(out, 4, reference.span_id)?;
    end_struct(out)
}

fn write_tag(out: Out<'_>, tag: &Tag) -> thrift::Result<()> {
    out.write_struct_begin(&TStructIdentifier::new("Tag"))?;
    write_string(out, 1, &tag.key)?;
    match &tag.value {
        TagValue::String(value) => {
            write_i32(out, 2, 0)?;
            write_string(out, 3, value)?;
        }
        TagValue::Double(value) => {
            write_i32(out, 2, 1)?;
            out.write_field_begin(&TFieldIdentifier::new("vDouble", TType::Double, 4))?;
            out.write_double(*value)?;
        }
        TagValue::Bool(value) => {
            write_i32(out, 2, 2)?;
            out.write_field_begin(&TFieldIdentifier::new("vBool", TType::Bool, 5))?;
            out.write_bool(*value)?;
        }
        TagValue::Long(value) => {
            write_i32(out, 2, 3)?;
            write_i64(out, 6, *value)?;
        }
        TagValue::Binary(value) => {
            write_i32(out, 2, 4)?;
            out.write_field_begin(&TFieldIdentifier::new("vBinary", TType::String, 7))?;
            out.write_bytes(value)?;
        }
    }
    end_struct(out)
}

fn write_list<T>(
    out: Out<'_>,
    id: i16,
    items: &[T],
    write: impl Fn(Out<'_>, &T) -> thrift::Result<()>,
) -> thrift::Result<()> {
    out.write_field_begin(&TFieldIdentifier::new("list", TType::List, id))?;
    out.write_list_begin(&TListIdentifier::new(TType::Struct, items.len() as i32))?;
    items.iter().try_for_each(|item| write(out, item))?;
    out.write_list_end()
}

fn write_i64(out: Out<'_>, id: i16, value: i64) -> thrift::Result<()> {
    out.write_field_begin(&TFieldIdentifier::new("i64", TType::I64, id))?;
    out.write_i64(value)
}

fn write_i32(out: Out<'_>, id: i16, value: i32) -> thrift::Result<()> {
    out.write_field_begin(&TFieldIdentifier::new("i32", TType::I32, id))?;
    out.write_i32(value)
}

fn write_string(out: Out<'_>, id: i16, value: &str) -> thrift::Result<()> {
    out.write_field_begin(&TFieldIdentifier::new("string", TType::String, id))?;
    out.write_string(value)
}

fn end_struct(out: Out<'_>) -> thrift::Result<()> {
    out.write_field_stop()?;
    out.write_struct_end()
}
