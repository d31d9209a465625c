//! The other side: what Jaeger makes of a message, written from its rules and over the `thrift` crate alone.
//!
//! | function | whose rules |
//! | --- | --- |
//! | [`received`] | Jaeger 2 and the Collector, as spans come in |
//! | [`stored`] | Jaeger 2, as it keeps spans and as it reads them for the user interface |
//! | [`references_in_version_1`] | Jaeger 1 |
//! | [`shown`] | the user interface |
//!
//! Source: `open-telemetry/opentelemetry-collector-contrib:pkg/translator/jaeger`, `jaegertracing/jaeger:internal/converter`
//! and `internal/jptrace/sanitizer`, `jaegertracing/jaeger-ui:packages/jaeger-ui/src/model/OtelSpanFacade.ts`.

use std::collections::BTreeMap;

use otel_core::{OwnedValue, SpanKind, StatusCode};
use thrift::protocol::{TBinaryInputProtocol, TCompactInputProtocol, TInputProtocol, TType};

/// A value of Thrift, whatever it means: fields of structs by their ids.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Bool(bool),
    Number(i64),
    Double(f64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Struct(BTreeMap<i16, Self>),
}

impl Tree {
    /// Reads the batch of a message in either protocol.
    pub(super) fn of_message(message: &[u8]) -> Self {
        let mut rest = message;
        let mut batch = if message[0] == 0x82 {
            Self::of_arguments(&mut TCompactInputProtocol::new(&mut rest))
        } else {
            Self::of_arguments(&mut TBinaryInputProtocol::new(&mut rest, true))
        };
        assert!(rest.is_empty(), "{} bytes are left", rest.len());
        batch.take(1).expect("a batch")
    }

    fn of_arguments(input: &mut dyn TInputProtocol) -> Self {
        assert_eq!(input.read_message_begin().unwrap().name, "emitBatch");
        Self::read(input, TType::Struct)
    }

    fn read(input: &mut dyn TInputProtocol, field_type: TType) -> Self {
        match field_type {
            TType::Bool => Self::Bool(input.read_bool().unwrap()),
            TType::I32 => Self::Number(input.read_i32().unwrap().into()),
            TType::I64 => Self::Number(input.read_i64().unwrap()),
            TType::Double => Self::Double(input.read_double().unwrap()),
            TType::String => Self::Bytes(input.read_bytes().unwrap()),
            TType::List => {
                let list = input.read_list_begin().unwrap();
                Self::List((0..list.size).map(|_| Self::read(input, list.element_type)).collect())
            }
            TType::Struct => {
                input.read_struct_begin().unwrap();
                let mut fields = BTreeMap::new();
                loop {
                    let field = input.read_field_begin().unwrap();
                    if field.field_type == TType::Stop {
                        break;
                    }
                    let value = Self::read(input, field.field_type);
                    let is_new = fields.insert(field.id.unwrap(), value).is_none();
                    assert!(is_new, "field {:?} comes once", field.id);
                }
                input.read_struct_end().unwrap();
                Self::Struct(fields)
            }
            other => panic!("jaeger.thrift has no {other:?}"),
        }
    }

    fn get(&self, id: i16) -> Option<&Self> {
        match self {
            Self::Struct(fields) => fields.get(&id),
            other => panic!("no struct: {other:?}"),
        }
    }

    fn take(&mut self, id: i16) -> Option<Self> {
        match self {
            Self::Struct(fields) => fields.remove(&id),
            other => panic!("no struct: {other:?}"),
        }
    }

    /// Returns a number, 0 where the field is absent.
    fn number(&self, id: i16) -> i64 {
        match self.get(id) {
            None => 0,
            Some(Self::Number(number)) => *number,
            Some(other) => panic!("no number: {other:?}"),
        }
    }

    /// Returns a text, empty where the field is absent.
    fn text(&self, id: i16) -> String {
        match self.get(id) {
            None => String::new(),
            Some(Self::Bytes(bytes)) => String::from_utf8(bytes.clone()).expect("UTF-8"),
            Some(other) => panic!("no text: {other:?}"),
        }
    }

    /// Returns the items of a list, none where the field is absent: an optional list that is there has some.
    fn items(&self, id: i16) -> &[Self] {
        match self.get(id) {
            None => &[],
            Some(Self::List(items)) => items,
            Some(other) => panic!("no list: {other:?}"),
        }
    }

    pub(super) fn spans(&self) -> &[Self] {
        self.items(2)
    }

    pub(super) fn has(&self, id: i16) -> bool {
        self.get(id).is_some()
    }
}

/// Attributes as a reader keeps them: of a key that comes again the last value stays.
pub(super) type Pairs = Vec<(String, OwnedValue)>;

fn put(pairs: &mut Pairs, key: &str, value: OwnedValue) {
    match pairs.iter_mut().find(|(present, _)| present == key) {
        Some((_, present)) => *present = value,
        None => pairs.push((key.to_owned(), value)),
    }
}

pub(super) fn find<'p>(pairs: &'p Pairs, key: &str) -> Option<&'p OwnedValue> {
    pairs.iter().find(|(present, _)| present == key).map(|(_, value)| value)
}

pub(super) fn remove(pairs: &mut Pairs, key: &str) -> Option<OwnedValue> {
    let index = pairs.iter().position(|(present, _)| present == key)?;
    Some(pairs.remove(index).1)
}

/// Returns the text of a value; one that is none is read as an empty one.
fn text_of(value: &OwnedValue) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pairs_of(tags: &[Tree]) -> Pairs {
    let mut pairs = Vec::new();
    for tag in tags {
        let field = |id| tag.get(id).cloned();
        let value = match tag.number(2) {
            0 => OwnedValue::Str(tag.text(3)),
            1 => match field(4) {
                Some(Tree::Double(value)) => OwnedValue::F64(value),
                other => panic!("no double: {other:?}"),
            },
            2 => OwnedValue::Bool(field(5) == Some(Tree::Bool(true))),
            3 => OwnedValue::I64(tag.number(6)),
            4 => match field(7) {
                Some(Tree::Bytes(bytes)) => OwnedValue::Bytes(bytes),
                other => panic!("no bytes: {other:?}"),
            },
            other => OwnedValue::Str(format!("<Unknown Jaeger TagType {other}>")),
        };
        put(&mut pairs, &tag.text(1), value);
    }
    pairs
}

/// A span as a reader sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadSpan {
    pub(super) trace_id: (u64, u64),
    pub(super) span_id: u64,
    pub(super) parent_span_id: u64,
    pub(super) name: String,
    pub(super) is_sampled: bool,
    pub(super) is_debug: bool,
    pub(super) start_unix_nanos: u64,
    pub(super) end_unix_nanos: u64,
    /// None: not specified.
    pub(super) kind: Option<SpanKind>,
    pub(super) status: StatusCode,
    pub(super) status_description: String,
    pub(super) trace_state: String,
    pub(super) scope: (String, String),
    pub(super) attributes: Pairs,
    pub(super) events: Vec<ReadEvent>,
    pub(super) links: Vec<ReadLink>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadEvent {
    pub(super) name: String,
    pub(super) unix_nanos: u64,
    pub(super) attributes: Pairs,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadLink {
    pub(super) trace_id: (u64, u64),
    pub(super) span_id: u64,
    pub(super) ref_type: &'static str,
}

/// Reads a span as it comes in; a wholly empty one is passed over.
pub(super) fn received(span: &Tree) -> Option<ReadSpan> {
    let trace_id = trace_id_of(span, 2, 1);
    let is_empty = (1..=11).all(|id| match span.get(id) {
        None | Some(Tree::Number(0)) => true,
        Some(Tree::Bytes(bytes)) => bytes.is_empty(),
        Some(_) => false,
    });
    if is_empty {
        return None;
    }
    let parent_span_id = parent_of(span);
    let mut attributes = pairs_of(span.items(10));
    let kind =
        remove(&mut attributes, "span.kind").and_then(|name| match text_of(&name).as_str() {
            "client" => Some(SpanKind::Client),
            "server" => Some(SpanKind::Server),
            "producer" => Some(SpanKind::Producer),
            "consumer" => Some(SpanKind::Consumer),
            "internal" => Some(SpanKind::Internal),
            _ => None,
        });
    let (status, status_description) = take_status(&mut attributes, kind);
    let nanos = |micros: i64| (micros as u64).wrapping_mul(1000);
    let events = span.items(11).iter().map(|log| {
        let mut attributes = pairs_of(log.items(2));
        let name = remove(&mut attributes, "event").as_ref().map(text_of).unwrap_or_default();
        ReadEvent { name, unix_nanos: nanos(log.number(1)), attributes }
    });
    let is_parent = |reference: &&Tree| {
        reference.number(1) == 0 && reference.number(4) as u64 == parent_span_id
    };
    let links =
        span.items(6).iter().filter(|reference| !is_parent(reference)).map(|reference| ReadLink {
            trace_id: trace_id_of(reference, 3, 2),
            span_id: reference.number(4) as u64,
            ref_type: if reference.number(1) == 0 { "child_of" } else { "follows_from" },
        });
    Some(ReadSpan {
        trace_id,
        span_id: span.number(3) as u64,
        parent_span_id,
        name: span.text(5),
        is_sampled: span.number(7) & 1 != 0,
        is_debug: span.number(7) & 2 != 0,
        start_unix_nanos: nanos(span.number(8)),
        end_unix_nanos: nanos(span.number(8).wrapping_add(span.number(9))),
        kind,
        status,
        status_description,
        trace_state: String::new(),
        scope: Default::default(),
        attributes,
        events: events.collect(),
        links: links.collect(),
    })
}

/// Reads a span as it is stored: trace state and scope come from their tags. Returns also what was mended.
pub(super) fn stored(span: &Tree) -> Option<(ReadSpan, Vec<&'static str>)> {
    let mut read = received(span)?;
    let mut take = |key| remove(&mut read.attributes, key).as_ref().map(text_of);
    read.trace_state = take("w3c.tracestate").unwrap_or_default();
    if let Some(name) = take("otel.scope.name") {
        read.scope = (name, take("otel.scope.version").unwrap_or_default());
    }
    let mut mended = Vec::new();
    if read.start_unix_nanos >= read.end_unix_nanos {
        mended.push("negative duration");
    }
    if read.name.is_empty() {
        read.name = "empty-span-name".to_owned();
        mended.push("empty name");
    }
    Some((read, mended))
}

fn trace_id_of(tree: &Tree, high: i16, low: i16) -> (u64, u64) {
    (tree.number(high) as u64, tree.number(low) as u64)
}

/// Finds the parent: its id, or else the first reference into the same trace, a CHILD_OF before all others.
fn parent_of(span: &Tree) -> u64 {
    let trace_id = trace_id_of(span, 2, 1);
    let first = |ref_type| {
        span.items(6)
            .iter()
            .find(|to| trace_id_of(to, 3, 2) == trace_id && to.number(1) == ref_type)
            .map(|to| to.number(4) as u64)
    };
    match span.number(4) as u64 {
        0 => first(0).or_else(|| first(1)).unwrap_or_default(),
        parent => parent,
    }
}

fn take_status(attributes: &mut Pairs, kind: Option<SpanKind>) -> (StatusCode, String) {
    let is_error = find(attributes, "error") == Some(&OwnedValue::Bool(true));
    let code = find(attributes, "otel.status_code").map(text_of);
    let mut description = String::new();
    if is_error || code.is_some() {
        description =
            remove(attributes, "otel.status_description").as_ref().map(text_of).unwrap_or_default();
    }
    remove(attributes, "otel.status_code");
    if is_error {
        remove(attributes, "error");
        return (StatusCode::Error, description);
    }
    let status = match code.as_deref().map(str::to_uppercase).as_deref() {
        Some("OK") => StatusCode::Ok,
        Some("ERROR") => StatusCode::Error,
        Some(_) => StatusCode::Unset,
        None => status_of_http(attributes, kind),
    };
    (status, description)
}

/// What a span says that tells of no status, but of an HTTP response.
fn status_of_http(attributes: &Pairs, kind: Option<SpanKind>) -> StatusCode {
    let code = match find(attributes, "http.status_code") {
        Some(OwnedValue::I64(code)) => *code,
        Some(OwnedValue::Str(text)) => match text.parse() {
            Ok(code) => code,
            Err(_) => return StatusCode::Unset,
        },
        _ => return StatusCode::Unset,
    };
    match code {
        100..400 => StatusCode::Unset,
        400..500 if kind == Some(SpanKind::Server) => StatusCode::Unset,
        _ => StatusCode::Error,
    }
}

/// Reads the Process of a batch: its name and its tags, some of which get other names.
pub(super) fn resource_of(batch: &Tree) -> Pairs {
    let Some(process) = batch.get(1) else { return Vec::new() };
    let mut attributes = Vec::new();
    if !process.text(1).is_empty() {
        put(&mut attributes, "service.name", OwnedValue::Str(process.text(1)));
    }
    for (key, value) in pairs_of(process.items(2)) {
        put(&mut attributes, &key, value);
    }
    if find(&attributes, "host.name").is_none() {
        if let Some(name) = remove(&mut attributes, "hostname") {
            put(&mut attributes, "host.name", name);
        }
    }
    if find(&attributes, "opencensus.exporterversion").is_none() {
        if let Some(version) = remove(&mut attributes, "jaeger.version") {
            let version = format!("Jaeger-{}", text_of(&version));
            put(&mut attributes, "opencensus.exporterversion", OwnedValue::Str(version));
        }
    }
    attributes
}

/// A reference as Jaeger 1 keeps it: its type, the trace and the span.
pub(super) type Version1Reference = (&'static str, (u64, u64), u64);

/// Lists the references that Jaeger 1 keeps: the parent first, unless some reference leads there already.
pub(super) fn references_in_version_1(span: &Tree) -> Vec<Version1Reference> {
    let mut references: Vec<Version1Reference> = span
        .items(6)
        .iter()
        .map(|to| {
            let ref_type = if to.number(1) == 0 { "CHILD_OF" } else { "FOLLOWS_FROM" };
            (ref_type, trace_id_of(to, 3, 2), to.number(4) as u64)
        })
        .collect();
    let parent = (trace_id_of(span, 2, 1), span.number(4) as u64);
    let is_there = references.iter().any(|(_, trace_id, span_id)| (*trace_id, *span_id) == parent);
    if parent.1 != 0 && !is_there {
        references.insert(0, ("CHILD_OF", parent.0, parent.1));
    }
    references
}

/// What the user interface shows of a span.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) kind: String,
    pub(super) is_error: bool,
    pub(super) scope: (String, String),
    pub(super) event_names: Vec<String>,
    pub(super) tags: Vec<(String, String)>,
}

pub(super) fn shown(span: &Tree) -> Shown {
    let tags = pairs_of(span.items(10));
    let text = |key| find(&tags, key).map(text_of).unwrap_or_default();
    let kind = text("span.kind").to_uppercase();
    let is_error = match find(&tags, "error") {
        None | Some(OwnedValue::Empty | OwnedValue::Bool(false) | OwnedValue::I64(0)) => false,
        Some(OwnedValue::Str(text)) => !text.is_empty(),
        Some(_) => true,
    };
    let event_names = span.items(11).iter().map(|log| {
        let name = find(&pairs_of(log.items(2)), "event").map(text_of).unwrap_or_default();
        if name.is_empty() { "log".to_owned() } else { name }
    });
    Shown {
        kind: if kind.is_empty() { "INTERNAL".to_owned() } else { kind },
        is_error,
        scope: (text("otel.library.name"), text("otel.library.version")),
        event_names: event_names.collect(),
        tags: tags.iter().map(|(key, value)| (key.clone(), shown_value(value))).collect(),
    }
}

/// Writes a value as the user interface does: a whole number that JavaScript has no exact form for comes as text.
fn shown_value(value: &OwnedValue) -> String {
    match value {
        OwnedValue::I64(number) if number.unsigned_abs() >= 1 << 53 => format!("\"{number}\""),
        OwnedValue::I64(number) => number.to_string(),
        OwnedValue::Bool(flag) => flag.to_string(),
        OwnedValue::F64(number) => number.to_string(),
        OwnedValue::Str(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}
