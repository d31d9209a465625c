//! The structs of `jaeger.thrift`, field by field: the one place that knows their ids.
//!
//! A struct with lists is written in parts, in the order of its fields; who writes it knows how many items come.
//!
//! Source: `jaegertracing/jaeger-idl:thrift/jaeger.thrift` and `thrift/agent.thrift`.

use super::{FieldType, SpanHead, ThriftProtocol};
use crate::stats::ClientStats;

/// Appends the message, its arguments and the batch up to the Process.
pub(crate) fn message_head<P: ThriftProtocol>(out: &mut Vec<u8>, seq_id: i32) {
    P::message(out, EMIT_BATCH, seq_id);
    P::field(out, FieldType::Struct, 1, 0);
    P::field(out, FieldType::Struct, 1, 0);
}

/// Appends a Process up to its tags, of which `n_tags` are to follow.
pub(crate) fn process_head<P: ThriftProtocol>(
    out: &mut Vec<u8>,
    service_name: &[u8],
    n_tags: usize,
) {
    P::field(out, FieldType::Bytes, 1, 0);
    P::bytes(out, service_name);
    optional_list::<P>(out, n_tags, 2, 1);
}

/// Appends the head of the batch's spans, which follows the Process.
pub(crate) fn spans_head<P: ThriftProtocol>(out: &mut Vec<u8>, n_spans: usize) {
    P::field(out, FieldType::List, 2, 1);
    P::struct_list(out, n_spans);
}

/// Appends what follows the spans: sequence number, client statistics, and the ends of batch and arguments.
pub(crate) fn message_tail<P: ThriftProtocol>(
    out: &mut Vec<u8>,
    seq_no: Option<i64>,
    stats: Option<&ClientStats>,
) {
    if let Some(seq_no) = seq_no {
        P::field(out, FieldType::I64, 3, 2);
        P::i64(out, seq_no);
    }
    if let Some(stats) = stats {
        P::field(out, FieldType::Struct, 4, if seq_no.is_some() { 3 } else { 2 });
        P::field(out, FieldType::I64, 1, 0);
        P::i64(out, stats.full_queue_dropped_spans);
        P::field(out, FieldType::I64, 2, 1);
        P::i64(out, stats.too_large_dropped_spans);
        P::field(out, FieldType::I64, 3, 2);
        P::i64(out, stats.failed_to_emit_spans);
        P::stop(out);
    }
    P::stop(out);
    P::stop(out);
}

/// Appends a Span up to its references, of which `n_references` are to follow.
#[inline]
pub(crate) fn span_head<P: ThriftProtocol>(
    out: &mut Vec<u8>,
    head: SpanHead<'_>,
    n_references: usize,
) {
    out.reserve(64 + head.operation_name.len());
    P::i64_fields(
        out,
        1,
        0,
        [head.trace_id_low, head.trace_id_high, head.span_id, head.parent_span_id],
    );
    P::field(out, FieldType::Bytes, 5, 4);
    P::bytes(out, head.operation_name);
    optional_list::<P>(out, n_references, 6, 5);
}

/// Appends one reference.
pub(crate) fn span_ref<P: ThriftProtocol>(
    out: &mut Vec<u8>,
    ref_type: i32,
    trace_id: (i64, i64),
    span_id: i64,
) {
    let (high, low) = trace_id;
    P::field(out, FieldType::I32, 1, 0);
    P::i32(out, ref_type);
    P::field(out, FieldType::I64, 2, 1);
    P::i64(out, low);
    P::field(out, FieldType::I64, 3, 2);
    P::i64(out, high);
    P::field(out, FieldType::I64, 4, 3);
    P::i64(out, span_id);
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
#[inline]
pub(crate) fn span_middle<P: ThriftProtocol>(out: &mut Vec<u8>, middle: SpanMiddle) {
    P::field(out, FieldType::I32, 7, if middle.has_references { 6 } else { 5 });
    P::i32(out, middle.flags);
    P::i64_fields(out, 8, 7, [middle.start_time_micros, middle.duration_micros]);
    optional_list::<P>(out, middle.n_tags, 10, 9);
}

/// Appends the head of a Span's logs, of which `n_logs` are to follow.
#[inline]
pub(crate) fn logs_head<P: ThriftProtocol>(out: &mut Vec<u8>, n_logs: usize, has_tags: bool) {
    optional_list::<P>(out, n_logs, 11, if has_tags { 10 } else { 9 });
}

/// Appends a Log up to its fields, of which `n_fields` are to follow.
pub(crate) fn log_head<P: ThriftProtocol>(
    out: &mut Vec<u8>,
    timestamp_micros: i64,
    n_fields: usize,
) {
    P::field(out, FieldType::I64, 1, 0);
    P::i64(out, timestamp_micros);
    P::field(out, FieldType::List, 2, 1);
    P::struct_list(out, n_fields);
}

/// Appends a Tag that holds text.
#[inline]
pub(crate) fn string_tag<P: ThriftProtocol>(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.reserve(key.len() + value.len() + 32);
    tag_key::<P>(out, key);
    P::tag_type(out, STRING, FieldType::Bytes, 3);
    P::bytes(out, value);
    P::stop(out);
}

/// Appends a Tag that holds a double.
pub(crate) fn double_tag<P: ThriftProtocol>(out: &mut Vec<u8>, key: &[u8], value: f64) {
    tag_key::<P>(out, key);
    P::tag_type(out, DOUBLE, FieldType::Double, 4);
    P::double(out, value);
    P::stop(out);
}

/// Appends a Tag that holds true or false.
pub(crate) fn bool_tag<P: ThriftProtocol>(out: &mut Vec<u8>, key: &[u8], value: bool) {
    tag_key::<P>(out, key);
    P::field(out, FieldType::I32, 2, 1);
    P::i32(out, BOOL);
    P::bool_field(out, 5, 2, value);
    P::stop(out);
}

/// Appends a Tag that holds a whole number.
#[inline]
pub(crate) fn long_tag<P: ThriftProtocol>(out: &mut Vec<u8>, key: &[u8], value: i64) {
    tag_key::<P>(out, key);
    P::tag_type(out, LONG, FieldType::I64, 6);
    P::i64(out, value);
    P::stop(out);
}

/// Appends a Tag that holds bytes.
pub(crate) fn binary_tag<P: ThriftProtocol>(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    tag_key::<P>(out, key);
    P::tag_type(out, BINARY, FieldType::Bytes, 7);
    P::bytes(out, value);
    P::stop(out);
}

#[inline]
fn tag_key<P: ThriftProtocol>(out: &mut Vec<u8>, key: &[u8]) {
    P::field(out, FieldType::Bytes, 1, 0);
    P::bytes(out, key);
}

/// Appends the head of an optional list; an empty one is left out.
#[inline]
fn optional_list<P: ThriftProtocol>(out: &mut Vec<u8>, len: usize, id: u8, last_id: u8) {
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
