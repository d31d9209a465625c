//! Jaeger's structs in owned form: what a decoder yields.
//!
//! Names are those of the Thrift files, in Rust's spelling.
//!
//! Source: `jaegertracing/jaeger-idl:thrift/jaeger.thrift`.

use crate::ClientStats;

/// A datagram's content: a call of the method `emitBatch`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// Whether the client waits for an answer, which over UDP it never gets.
    pub message_type: MessageType,
    /// Thrift's number of the message; clients count from 0 or 1, or never count.
    pub seq_id: i32,
    /// The spans and who sent them.
    pub batch: Batch,
    /// How many bytes came after the message: none from a client that is in order.
    pub trailing_bytes: usize,
}

/// How a method is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageType {
    /// Expects an answer; the Go client says so.
    Call,
    /// Expects none.
    Oneway,
    /// Another type, which makes no sense for a client.
    Other,
}

/// Spans of one process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Who sent them.
    pub process: Process,
    /// The spans, in the order in which they were sent.
    pub spans: Vec<Span>,
    /// The number of the batch, where the client counts them.
    pub seq_no: Option<i64>,
    /// What the client lost since its start, where it says so.
    pub stats: Option<ClientStats>,
}

/// Who sends spans.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// The name of the service.
    pub service_name: String,
    /// What else there is to say about it.
    pub tags: Vec<Tag>,
}

/// A span on the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// The last eight bytes of the trace id.
    pub trace_id_low: i64,
    /// The first eight bytes of the trace id; 0 in a trace id of 64 bits.
    pub trace_id_high: i64,
    /// The id of the span.
    pub span_id: i64,
    /// The id of the parent; 0 for a root.
    pub parent_span_id: i64,
    /// What the work is called.
    pub operation_name: String,
    /// What caused the span, beside or as its parent.
    pub references: Vec<SpanRef>,
    /// 1 is sampled, 2 is debug, 8 is firehose.
    pub flags: i32,
    /// Microseconds since the Unix epoch.
    pub start_time: i64,
    /// Microseconds.
    pub duration: i64,
    /// Keys and values of the whole span.
    pub tags: Vec<Tag>,
    /// What happened during the span.
    pub logs: Vec<Log>,
}

impl Span {
    /// Returns the first tag of a key.
    pub fn tag(&self, key: &str) -> Option<&TagValue> {
        self.tags.iter().find(|tag| tag.key == key).map(|tag| &tag.value)
    }
}

/// A reference to another span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanRef {
    /// What the other span is to this one.
    pub ref_type: SpanRefType,
    /// The last eight bytes of its trace id.
    pub trace_id_low: i64,
    /// The first eight bytes of its trace id.
    pub trace_id_high: i64,
    /// Its span id.
    pub span_id: i64,
}

/// What a span is to one that references it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanRefType {
    /// It waits for it.
    ChildOf,
    /// It caused it, and does not wait.
    FollowsFrom,
    /// A number that `jaeger.thrift` does not have.
    Other(i32),
}

/// Something that happened at a moment of a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// Microseconds since the Unix epoch.
    pub timestamp: i64,
    /// What there is to say about it.
    pub fields: Vec<Tag>,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// What the value is called.
    pub key: String,
    /// What it is.
    pub value: TagValue,
}

impl Tag {
    /// Puts a key and its value together.
    pub fn new(key: impl Into<String>, value: TagValue) -> Self {
        Self { key: key.into(), value }
    }
}

/// The value of a tag.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TagValue {
    /// Text.
    String(String),
    /// A floating-point number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Long(i64),
    /// Bytes.
    Binary(Vec<u8>),
}

impl From<&str> for TagValue {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}
