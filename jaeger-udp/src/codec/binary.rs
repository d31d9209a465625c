//! The strict binary protocol: numbers of fixed length, big endian.
//!
//! Source: `apache/thrift:doc/specs/thrift-binary-protocol.md`.

use super::{Cursor, FieldType, SpanHead, ThriftProtocol};

/// Writes the strict binary protocol.
#[derive(Debug)]
pub(crate) struct Binary;

impl ThriftProtocol for Binary {
    fn message(out: &mut Cursor<'_>, name: &str, seq_id: i32) {
        out.put([0x80, VERSION, 0, ONEWAY]);
        Self::bytes(out, name.as_bytes());
        Self::i32(out, seq_id);
    }

    fn field(out: &mut Cursor<'_>, field_type: FieldType, id: u8, _last_id: u8) {
        out.put([type_code(field_type), 0, id]);
    }

    fn bool_tag(out: &mut Cursor<'_>, tag_type: i32, id: u8, value: bool) {
        Self::tag_type(out, tag_type);
        out.put([BOOL, 0, id, u8::from(value), STOP]);
    }

    fn i32(out: &mut Cursor<'_>, value: i32) {
        out.put(value.to_be_bytes());
    }

    fn i64(out: &mut Cursor<'_>, value: i64) {
        out.put(value.to_be_bytes());
    }

    fn double(out: &mut Cursor<'_>, value: f64) {
        out.put(value.to_be_bytes());
    }

    fn bytes(out: &mut Cursor<'_>, value: &[u8]) {
        out.put((value.len() as u32).to_be_bytes());
        out.copy(value);
    }

    fn struct_list(out: &mut Cursor<'_>, len: usize) {
        out.put([STRUCT]);
        out.put((len as u32).to_be_bytes());
    }

    fn struct_list_len(_len: usize) -> usize {
        5
    }

    fn stop(out: &mut Cursor<'_>) {
        out.put([STOP]);
    }

    fn peek(span: &[u8]) -> Option<SpanHead<'_>> {
        // Each number is a head of three bytes and eight bytes of value.
        let number =
            |index: usize| Some(i64::from_be_bytes(*span.get(index * 11 + 3..)?.first_chunk()?));
        let (name_len, rest) = span.get(4 * 11 + 3..)?.split_first_chunk()?;
        Some(SpanHead {
            trace_id_low: number(0)?,
            trace_id_high: number(1)?,
            span_id: number(2)?,
            parent_span_id: number(3)?,
            operation_name: rest.get(..u32::from_be_bytes(*name_len) as usize)?,
        })
    }
}

fn type_code(field_type: FieldType) -> u8 {
    match field_type {
        FieldType::Double => 4,
        FieldType::I32 => 8,
        FieldType::I64 => 10,
        FieldType::Bytes => 11,
        FieldType::Struct => STRUCT,
        FieldType::List => 15,
    }
}

const VERSION: u8 = 1;
const ONEWAY: u8 = 4;
const STOP: u8 = 0;
const BOOL: u8 = 2;
const STRUCT: u8 = 12;
