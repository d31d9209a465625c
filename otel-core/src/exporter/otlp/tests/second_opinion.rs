//! Random spans, mapped and written a second time: by plain code over `opentelemetry-proto`, whose encoder is `prost`.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use prost::Message;

use crate::exporter::otlp::encode;
use crate::exporter::otlp::protobuf::Writer;
use crate::record::{SpanBuf, SpanIds, SpanTimes};
use crate::{
    InstrumentationScope, SpanContext, SpanId, SpanKind, SpanLimits, StatusCode, TraceFlags,
    TraceId, TraceState, Value,
};

#[test]
fn random_spans_are_byte_for_byte_those_of_the_prost_crate() {
    check(case(), 200, |case| {
        let bytes = case.encoded();
        let expected = otlp::ScopeSpans { spans: vec![case.expected()], ..Default::default() };
        let decoded = otlp::ScopeSpans::decode(&bytes[..]);
        prop_assert!(bytes == expected.encode_to_vec(), "{decoded:?} instead of {expected:?}");
        // Compared as bytes, in which NaN equals itself.
        prop_assert!(decoded.is_ok_and(|decoded| decoded.encode_to_vec() == bytes));
        Ok(())
    });
}

#[test]
fn lists_are_nested_as_deep_as_a_record_holds_them() {
    let nested = |n_lists: usize, innermost: Any| {
        (1..n_lists).fold(innermost, |inner, level| match level % 2 {
            0 => Any::Array(vec![inner]),
            _ => Any::Map(vec![("k".repeat(level), inner)]),
        })
    };
    let with =
        |value: Any| Case { attributes: vec![("nested".to_owned(), value)], ..Case::default() };
    for n_lists in [1, 2, 10, 63, 64, 65, 66, 200] {
        let case = with(nested(n_lists, Any::Array(vec![Any::I64(1)])));
        // A record holds 65 lists within one another, of which the innermost is empty.
        let expected = match n_lists {
            ..=64 => case.expected(),
            _ => with(cut(&case.attributes[0].1, 65)).expected(),
        };
        let expected = otlp::ScopeSpans { spans: vec![expected], ..Default::default() };
        assert!(case.encoded() == expected.encode_to_vec(), "{n_lists} lists");
    }
}

/// Keeps so many lists within one another, the last of them empty.
fn cut(value: &Any, n_lists: usize) -> Any {
    match value {
        Any::Array(_) if n_lists == 1 => Any::Array(Vec::new()),
        Any::Map(_) if n_lists == 1 => Any::Map(Vec::new()),
        Any::Array(items) => Any::Array(items.iter().map(|item| cut(item, n_lists - 1)).collect()),
        Any::Map(entries) => {
            let cut = |(key, value): &(String, Any)| (key.clone(), cut(value, n_lists - 1));
            Any::Map(entries.iter().map(cut).collect())
        }
        scalar => scalar.clone(),
    }
}

/// Runs a property with the same cases each time.
pub(super) fn check<S: Strategy>(
    strategy: S,
    n_cases: u32,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = Config { failure_persistence: None, ..Config::with_cases(n_cases) };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    if let Err(failure) = TestRunner::new_with_rng(config, rng).run(&strategy, test) {
        panic!("{failure}");
    }
}

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
    Map(Fields),
}

pub(super) type Fields = Vec<(String, Any)>;

/// A span, from which both a record and a message of `opentelemetry-proto` are made.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) ids: (u64, u64, u64, u64),
    pub(super) flags: u16,
    pub(super) has_remote_parent: bool,
    pub(super) kind: SpanKind,
    pub(super) status: StatusCode,
    pub(super) description: String,
    pub(super) times: (u64, u64),
    pub(super) trace_state: String,
    pub(super) attributes: Fields,
    pub(super) events: Vec<(String, u64, Fields)>,
    pub(super) links: Vec<Link>,
    /// How many attributes, events, links, and fields of an event or a link there may be.
    pub(super) limits: (usize, usize, usize, usize),
}

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) ids: (u64, u64, u64),
    pub(super) flags: u16,
    pub(super) is_remote: bool,
    pub(super) trace_state: String,
    pub(super) fields: Fields,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            name: "span".to_owned(),
            ids: (1, 2, 3, 0),
            flags: 1,
            has_remote_parent: false,
            kind: SpanKind::Internal,
            status: StatusCode::Unset,
            description: String::new(),
            times: (10, 20),
            trace_state: String::new(),
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            limits: (usize::MAX, usize::MAX, usize::MAX, usize::MAX),
        }
    }
}

impl Case {
    /// Writes the record, and then what the encoder makes of it: a `ScopeSpans` of one span.
    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let (mut buf, scope) = (self.record(), InstrumentationScope::default());
        encode::write_span(&mut out, &buf.finish(self.span_times(), &scope));
        out.as_bytes().to_vec()
    }

    pub(super) fn span_times(&self) -> SpanTimes {
        SpanTimes { start_unix_nanos: self.times.0, duration_nanos: self.times.1 }
    }

    pub(super) fn record(&self) -> SpanBuf {
        let mut buf = SpanBuf::new();
        let (high, low, span_id, parent_id) = self.ids;
        let context = context_of((high, low, span_id), self.flags);
        buf.start(&self.name, self.kind, SpanIds::new(&context, SpanId::new(parent_id)));
        if self.has_remote_parent {
            buf.set_remote_parent();
        }
        let (attributes, events, links, fields_each) = self.limits;
        let limits = SpanLimits::UNLIMITED
            .attributes(attributes)
            .events(events)
            .links(links)
            .attributes_per_event(fields_each)
            .attributes_per_link(fields_each);
        for (key, value) in &self.attributes {
            buf.set_attribute(key, value.borrowed(), &limits);
        }
        buf.set_trace_state(&self.trace_state);
        for (name, unix_nanos, fields) in &self.events {
            buf.add_event(name, *unix_nanos, borrowed(fields).as_slice(), &limits);
        }
        buf.set_status(self.status, &self.description);
        for link in &self.links {
            let context = context_of(link.ids, link.flags)
                .with_remote(link.is_remote)
                .with_trace_state(TraceState::parse(&link.trace_state).unwrap_or_default());
            buf.add_link(&context, borrowed(&link.fields).as_slice(), &limits);
        }
        buf
    }

    pub(super) fn expected(&self) -> otlp::Span {
        let (high, low, span_id, parent_id) = self.ids;
        let (attributes, events, links, fields_each) = self.limits;
        // A record keeps the first value's place and the last one's value, and no empty key.
        let mut kept: Fields = Vec::new();
        let mut dropped_attributes_count = 0;
        for (key, value) in &self.attributes {
            match kept.iter().position(|(present, _)| present == key) {
                Some(place) => kept[place].1 = value.clone(),
                None if key.is_empty() || kept.len() >= attributes => dropped_attributes_count += 1,
                None => kept.push((key.clone(), value.clone())),
            }
        }
        let kind = match self.kind {
            SpanKind::Internal => otlp::span::SpanKind::Internal,
            SpanKind::Client => otlp::span::SpanKind::Client,
            SpanKind::Server => otlp::span::SpanKind::Server,
            SpanKind::Producer => otlp::span::SpanKind::Producer,
            SpanKind::Consumer => otlp::span::SpanKind::Consumer,
        };
        let status = |code, message: &str| Some(otlp::Status { code, message: message.to_owned() });
        otlp::Span {
            trace_id: trace_id_of(high, low),
            span_id: span_id.to_be_bytes().to_vec(),
            trace_state: self.trace_state.clone(),
            parent_span_id: match parent_id {
                0 => Vec::new(),
                id => id.to_be_bytes().to_vec(),
            },
            flags: flags_of(self.flags, self.has_remote_parent),
            name: self.name.clone(),
            kind: kind.into(),
            start_time_unix_nano: self.times.0,
            end_time_unix_nano: self.times.0.saturating_add(self.times.1),
            attributes: key_values(&kept),
            dropped_attributes_count,
            events: self
                .events
                .iter()
                .take(events)
                .map(|(name, time_unix_nano, fields)| {
                    let (attributes, dropped_attributes_count) =
                        expected_fields(fields, fields_each);
                    let (name, time_unix_nano) = (name.clone(), *time_unix_nano);
                    otlp::span::Event { time_unix_nano, name, attributes, dropped_attributes_count }
                })
                .collect(),
            dropped_events_count: self.events.len().saturating_sub(events) as u32,
            links: self
                .links
                .iter()
                .take(links)
                .map(|link| {
                    let (attributes, dropped_attributes_count) =
                        expected_fields(&link.fields, fields_each);
                    otlp::span::Link {
                        trace_id: trace_id_of(link.ids.0, link.ids.1),
                        span_id: link.ids.2.to_be_bytes().to_vec(),
                        trace_state: link.trace_state.clone(),
                        attributes,
                        dropped_attributes_count,
                        flags: flags_of(link.flags, link.is_remote),
                    }
                })
                .collect(),
            dropped_links_count: self.links.len().saturating_sub(links) as u32,
            status: match self.status {
                StatusCode::Unset => None,
                StatusCode::Ok => status(otlp::status::StatusCode::Ok.into(), ""),
                StatusCode::Error => {
                    status(otlp::status::StatusCode::Error.into(), &self.description)
                }
            },
        }
    }
}

impl Any {
    /// Borrows the value; what is nested is given to the program for good, which a test can afford.
    pub(super) fn borrowed(&self) -> Value<'_> {
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
            Self::Map(entries) => Value::Map(Vec::leak(borrowed(entries))),
        }
    }

    fn any_value(&self) -> common::AnyValue {
        let value = match self {
            Self::Empty => None,
            Self::Bool(value) => Some(any_value::Value::BoolValue(*value)),
            Self::I64(value) => Some(any_value::Value::IntValue(*value)),
            Self::F64(value) => Some(any_value::Value::DoubleValue(*value)),
            Self::Str(value) => Some(any_value::Value::StringValue(value.clone())),
            Self::Bytes(value) => Some(any_value::Value::BytesValue(value.clone())),
            Self::Array(items) => {
                let values = items.iter().map(Self::any_value).collect();
                Some(any_value::Value::ArrayValue(common::ArrayValue { values }))
            }
            Self::Map(entries) => {
                let values = key_values(entries);
                Some(any_value::Value::KvlistValue(common::KeyValueList { values }))
            }
        };
        common::AnyValue { value }
    }
}

fn borrowed(fields: &Fields) -> Vec<(&str, Value<'_>)> {
    fields.iter().map(|(key, value)| (key.as_str(), value.borrowed())).collect()
}

pub(super) fn key_values(fields: &[(String, Any)]) -> Vec<common::KeyValue> {
    let key_value = |(key, value): &(String, Any)| common::KeyValue {
        key: key.clone(),
        value: Some(value.any_value()),
        ..Default::default()
    };
    fields.iter().map(key_value).collect()
}

/// Returns the fields of an event or a link that a record keeps, and how many it does not: those without a key, and those
/// past the limit.
fn expected_fields(fields: &Fields, most: usize) -> (Vec<common::KeyValue>, u32) {
    let with_key = fields.iter().filter(|(key, _)| !key.is_empty());
    let kept: Fields = with_key.take(most).cloned().collect();
    (key_values(&kept), (fields.len() - kept.len()) as u32)
}

fn context_of((high, low, span_id): (u64, u64, u64), flags: u16) -> SpanContext {
    let trace_id = TraceId::from_parts(high, low);
    SpanContext::new(trace_id, SpanId::new(span_id), TraceFlags::from_bits(flags))
}

fn trace_id_of(high: u64, low: u64) -> Vec<u8> {
    [high.to_be_bytes(), low.to_be_bytes()].concat()
}

fn flags_of(flags: u16, is_remote: bool) -> u32 {
    u32::from(flags & 3)
        | otlp::SpanFlags::ContextHasIsRemoteMask as u32
        | if is_remote { otlp::SpanFlags::ContextIsRemoteMask as u32 } else { 0 }
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
    let n_attributes = prop_oneof![4 => 0..20_usize, 1 => 40..60_usize];
    let attributes = n_attributes.prop_flat_map(|n| vec((key(), value()), n));
    let fields = || vec((key(), value()), 0..4);
    let event = (text_of(), any::<u64>(), fields());
    let link = ((id(), id(), id()), any::<u16>(), any::<bool>(), trace_state(), fields()).prop_map(
        |(ids, flags, is_remote, trace_state, fields)| Link {
            ids,
            flags,
            is_remote,
            trace_state,
            fields,
        },
    );
    let limit = || prop_oneof![3 => Just(usize::MAX), 1 => 0..6_usize];
    (
        (text_of(), (id(), id(), id(), id()), any::<u16>(), any::<bool>(), kind),
        (status, text_of(), (any::<u64>(), prop_oneof![0..5_000_u64, any::<u64>()]), trace_state()),
        (attributes, vec(event, 0..6), vec(link, 0..6)),
        (limit(), limit(), limit(), limit()),
    )
        .prop_map(
            |(
                (name, ids, flags, has_remote_parent, kind),
                (status, description, times, trace_state),
                (attributes, events, links),
                limits,
            )| Case {
                name,
                ids,
                flags,
                has_remote_parent,
                kind,
                status,
                description,
                times,
                trace_state,
                attributes,
                events,
                links,
                limits,
            },
        )
}

fn trace_state() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("a=1,b=2".to_owned()), "[a-z]{1,9}=[a-z]{100,200}"]
}

fn text_of() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => vec(any::<char>(), 0..12).prop_map(String::from_iter),
        1 => Just(String::new()),
        1 => (1..60_usize).prop_map(|n| "lang é😀".repeat(n)),
        1 => (100..400_usize).prop_map(|n| "long ".repeat(n * n / 8)),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![12 => "[a-z.]{1,8}", 1 => Just(String::new()), 1 => (120..300_usize).prop_map(|n| "k".repeat(n))]
}

fn value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        Just(Any::Empty),
        any::<bool>().prop_map(Any::Bool),
        any::<i64>().prop_map(Any::I64),
        (0..64_u32).prop_map(|shift| Any::I64(i64::MAX >> shift)),
        any::<f64>().prop_map(Any::F64),
        Just(Any::F64(f64::NAN)),
        Just(Any::F64(0.0)),
        Just(Any::I64(0)),
        text_of().prop_map(Any::Str),
        vec(any::<u8>(), 0..200).prop_map(Any::Bytes),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Any::Array),
            vec(("[a-z]{0,3}", inner), 0..4).prop_map(Any::Map),
        ]
    })
}

/// Decodes a body, and checks that `prost` would write the same.
pub(super) fn decoded(body: &[u8]) -> ExportTraceServiceRequest {
    let request = ExportTraceServiceRequest::decode(body).expect("a request");
    assert!(request.encode_to_vec() == body, "as good, but not the same");
    request
}
