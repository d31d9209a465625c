//! The strict binary protocol: numbers of fixed length, big endian.
//!
//! Source: `apache/thrift:doc/specs/thrift-binary-protocol.md`.

use super::{FieldType, SpanHead, ThriftProtocol};

/// Writes the strict binary protocol.
#[derive(Debug)]
pub(crate) struct Binary;

impl ThriftProtocol for Binary {
    fn message(out: &mut Vec<u8>, name: &str, seq_id: i32) {
        out.extend_from_slice(&[0x80, VERSION, 0, ONEWAY]);
        Self::bytes(out, name.as_bytes());
        Self::i32(out, seq_id);
    }

    fn field(out: &mut Vec<u8>, field_type: FieldType, id: u8, _last_id: u8) {
        out.extend_from_slice(&[type_code(field_type), 0, id]);
    }

    fn bool_field(out: &mut Vec<u8>, id: u8, _last_id: u8, value: bool) {
        out.extend_from_slice(&[BOOL, 0, id, u8::from(value)]);
    }

    fn i32(out: &mut Vec<u8>, value: i32) {
        out.extend_from_slice(&value.to_be_bytes());
    }

    fn i64(out: &mut Vec<u8>, value: i64) {
        out.extend_from_slice(&value.to_be_bytes());
    }

    fn double(out: &mut Vec<u8>, value: f64) {
        out.extend_from_slice(&value.to_be_bytes());
    }

    fn bytes(out: &mut Vec<u8>, value: &[u8]) {
        out.reserve(value.len() + 4);
        out.extend_from_slice(&(value.len() as u32).to_be_bytes());
        out.extend_from_slice(value);
    }

    fn struct_list(out: &mut Vec<u8>, len: usize) {
        out.push(STRUCT);
        out.extend_from_slice(&(len as u32).to_be_bytes());
    }

    fn struct_list_len(_len: usize) -> usize {
        5
    }

    fn stop(out: &mut Vec<u8>) {
        out.push(STOP);
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
