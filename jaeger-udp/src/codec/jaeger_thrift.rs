//! The structs of `jaeger.thrift`, field by field: the one place that knows their ids.
//!
//! A struct with lists is written in parts, in the order of its fields; who writes it knows how many items come.
//!
//! Source: `jaegertracing/jaeger-idl:thrift/jaeger.thrift` and `thrift/agent.thrift`.

use super::{Cursor, FieldType, ThriftProtocol};
use crate::stats::ClientStats;

/// Appends the message, its arguments and the batch up to the Process.
pub(crate) fn message_head<P: ThriftProtocol>(out: &mut Cursor<'_>, seq_id: i32) {
    P::message(out, EMIT_BATCH, seq_id);
    P::field(out, FieldType::Struct, 1, 0);
    P::field(out, FieldType::Struct, 1, 0);
}

/// Appends a Process up to its tags, of which `n_tags` are to follow.
pub(crate) fn process_head<P: ThriftProtocol>(
    out: &mut Cursor<'_>,
    service_name: &[u8],
    n_tags: usize,
) {
    P::bytes_field(out, 1, 0, service_name);
    optional_list::<P>(out, n_tags, 2, 1);
}

/// Appends the head of the batch's spans, which follows the Process.
pub(crate) fn spans_head<P: ThriftProtocol>(out: &mut Cursor<'_>, n_spans: usize) {
    P::field(out, FieldType::List, 2, 1);
    P::struct_list(out, n_spans);
}

/// Appends what follows the spans: sequence number, client statistics, and the ends of batch and arguments.
pub(crate) fn message_tail<P: ThriftProtocol>(
    out: &mut Cursor<'_>,
    seq_no: Option<i64>,
    stats: Option<&ClientStats>,
) {
    if let Some(seq_no) = seq_no {
        P::i64_field(out, 3, 2, seq_no);
    }
    if let Some(stats) = stats {
        P::field(out, FieldType::Struct, 4, if seq_no.is_some() { 3 } else { 2 });
        P::i64_field(out, 1, 0, stats.full_queue_dropped_spans);
        P::i64_field(out, 2, 1, stats.too_large_dropped_spans);
        P::i64_field(out, 3, 2, stats.failed_to_emit_spans);
        P::stop(out);
    }
    P::stop(out);
    P::stop(out);
}

/// Appends the trace id, with which a Span begins.
#[inline]
pub(crate) fn trace_id<P: ThriftProtocol>(out: &mut Cursor<'_>, low: i64, high: i64) {
    P::i64_field(out, 1, 0, low);
    P::i64_field(out, 2, 1, high);
}

/// Appends what follows the trace id of a Span up to its references, of which `n_references` are to follow.
#[inline(always)]
pub(crate) fn span_head<P: ThriftProtocol>(
    out: &mut Cursor<'_>,
    span_id: i64,
    parent_span_id: i64,
    operation_name: &[u8],
    n_references: usize,
) {
    P::i64_field(out, 3, 2, span_id);
    P::i64_field(out, 4, 3, parent_span_id);
    P::bytes_field(out, 5, 4, operation_name);
    optional_list::<P>(out, n_references, 6, 5);
}

/// Appends one reference.
pub(crate) fn span_ref<P: ThriftProtocol>(
    out: &mut Cursor<'_>,
    ref_type: i32,
    trace_id: (i64, i64),
    span_id: i64,
) {
    let (high, low) = trace_id;
    P::field(out, FieldType::I32, 1, 0);
    P::i32(out, ref_type);
    P::i64_field(out, 2, 1, low);
    P::i64_field(out, 3, 2, high);
    P::i64_field(out, 4, 3, span_id);
    P::stop(out);
}

/// What stands between the references and the logs of a Span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanMiddle {
    pub(crate) has_references: bool,
    pub(crate) flags: i32,
    pub(crate) start_time_micros: i64,
    pub(crate) duration_micros: i64,
    pub(crate) n_tags: usize,
}

/// Appends flags and times of a Span, up to its tags, of which `n_tags` are to follow.
#[inline(always)]
pub(crate) fn span_middle<P: ThriftProtocol>(out: &mut Cursor<'_>, middle: SpanMiddle) {
    P::field(out, FieldType::I32, 7, if middle.has_references { 6 } else { 5 });
    P::i32(out, middle.flags);
    P::i64_field(out, 8, 7, middle.start_time_micros);
    P::i64_field(out, 9, 8, middle.duration_micros);
    optional_list::<P>(out, middle.n_tags, 10, 9);
}

/// Appends the head of a Span's logs, of which `n_logs` are to follow.
#[inline]
pub(crate) fn logs_head<P: ThriftProtocol>(out: &mut Cursor<'_>, n_logs: usize, has_tags: bool) {
    optional_list::<P>(out, n_logs, 11, if has_tags { 10 } else { 9 });
}

/// Appends a Log up to its fields, of which `n_fields` are to follow.
pub(crate) fn log_head<P: ThriftProtocol>(
    out: &mut Cursor<'_>,
    timestamp_micros: i64,
    n_fields: usize,
) {
    P::i64_field(out, 1, 0, timestamp_micros);
    P::field(out, FieldType::List, 2, 1);
    P::struct_list(out, n_fields);
}

/// Appends a Tag that holds text.
#[inline(always)]
pub(crate) fn string_tag<P: ThriftProtocol>(out: &mut Cursor<'_>, key: &[u8], value: &[u8]) {
    tag_key::<P>(out, key);
    P::bytes_tag(out, STRING, 3, value);
}

/// Appends a Tag that holds a double.
#[inline(always)]
pub(crate) fn double_tag<P: ThriftProtocol>(out: &mut Cursor<'_>, key: &[u8], value: f64) {
    tag_key::<P>(out, key);
    P::tag_type(out, DOUBLE);
    P::field(out, FieldType::Double, 4, 2);
    P::double(out, value);
    P::stop(out);
}

/// Appends a Tag that holds true or false.
#[inline(always)]
pub(crate) fn bool_tag<P: ThriftProtocol>(out: &mut Cursor<'_>, key: &[u8], value: bool) {
    tag_key::<P>(out, key);
    P::bool_tag(out, BOOL, 5, value);
}

/// Appends a Tag that holds a whole number.
#[inline(always)]
pub(crate) fn long_tag<P: ThriftProtocol>(out: &mut Cursor<'_>, key: &[u8], value: i64) {
    tag_key::<P>(out, key);
    P::i64_tag(out, LONG, 6, value);
}

/// Appends a Tag that holds bytes.
#[inline(always)]
pub(crate) fn binary_tag<P: ThriftProtocol>(out: &mut Cursor<'_>, key: &[u8], value: &[u8]) {
    tag_key::<P>(out, key);
    P::bytes_tag(out, BINARY, 7, value);
}

#[inline(always)]
fn tag_key<P: ThriftProtocol>(out: &mut Cursor<'_>, key: &[u8]) {
    P::bytes_field(out, 1, 0, key);
}

/// Appends the head of an optional list; an empty one is left out.
#[inline(always)]
fn optional_list<P: ThriftProtocol>(out: &mut Cursor<'_>, len: usize, id: u8, last_id: u8) {
    if len > 0 {
        P::field(out, FieldType::List, id, last_id);
        P::struct_list(out, len);
    }
}

/// The method that takes a batch.
pub(crate) const EMIT_BATCH: &str = "emitBatch";

/// `SpanRefType.CHILD_OF`.
pub(crate) const CHILD_OF: i32 = 0;
/// `SpanRefType.FOLLOWS_FROM`.
pub(crate) const FOLLOWS_FROM: i32 = 1;

/// The values of `TagType`.
pub(crate) const STRING: i32 = 0;
pub(crate) const DOUBLE: i32 = 1;
pub(crate) const BOOL: i32 = 2;
pub(crate) const LONG: i32 = 3;
pub(crate) const BINARY: i32 = 4;

/// Bits of a Span's `flags`.
pub(crate) const SAMPLED_FLAG: i32 = 1;
pub(crate) const DEBUG_FLAG: i32 = 2;
pub(crate) const FIREHOSE_FLAG: i32 = 8;
