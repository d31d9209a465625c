//! Thrift on the wire: data in, bytes out.
//!
//! | file | holds |
//! | --- | --- |
//! | `compact` | the compact protocol, port 6831 |
//! | `binary` | the strict binary protocol, port 6832 |
//! | `buffer` | where they write |
//! | `jaeger_thrift` | the structs of `jaeger.thrift`, field by field |
//!
//! Nothing here knows a span of ours or a socket.

mod binary;
mod buffer;
mod compact;
pub(crate) mod jaeger_thrift;

#[cfg(test)]
mod tests;

pub(crate) use binary::Binary;
pub(crate) use buffer::{Buffer, Cursor};
pub(crate) use compact::Compact;

/// How Thrift's values look on the wire. Stateless: who writes a field says which one came before it.
pub(crate) trait ThriftProtocol {
    /// Appends the head of a oneway message.
    fn message(out: &mut Cursor<'_>, name: &str, seq_id: i32);

    /// Appends the head of a field; `last_id` is the id of the field before it in the struct, 0 for the first.
    fn field(out: &mut Cursor<'_>, field_type: FieldType, id: u8, last_id: u8);

    /// Appends the value of an `i32` field.
    fn i32(out: &mut Cursor<'_>, value: i32);

    /// Appends the value of an `i64` field.
    fn i64(out: &mut Cursor<'_>, value: i64);

    /// Appends an `i64` field with its head.
    #[inline]
    fn i64_field(out: &mut Cursor<'_>, id: u8, last_id: u8, value: i64) {
        Self::field(out, FieldType::I64, id, last_id);
        Self::i64(out, value);
    }

    /// Appends the value of a `double` field.
    fn double(out: &mut Cursor<'_>, value: f64);

    /// Appends the value of a `string` or `binary` field.
    fn bytes(out: &mut Cursor<'_>, value: &[u8]);

    /// Appends a `string` or `binary` field with its head.
    #[inline]
    fn bytes_field(out: &mut Cursor<'_>, id: u8, last_id: u8, value: &[u8]) {
        Self::field(out, FieldType::Bytes, id, last_id);
        Self::bytes(out, value);
    }

    /// Appends what follows the key of a Tag: its type, which is field 2, and field `id` with the value.
    #[inline]
    fn bytes_tag(out: &mut Cursor<'_>, tag_type: i32, id: u8, value: &[u8]) {
        Self::tag_type(out, tag_type);
        Self::bytes_field(out, id, 2, value);
        Self::stop(out);
    }

    /// Appends the same with a whole number.
    #[inline]
    fn i64_tag(out: &mut Cursor<'_>, tag_type: i32, id: u8, value: i64) {
        Self::tag_type(out, tag_type);
        Self::i64_field(out, id, 2, value);
        Self::stop(out);
    }

    /// Appends the same with true or false.
    fn bool_tag(out: &mut Cursor<'_>, tag_type: i32, id: u8, value: bool);

    /// Appends the type of a Tag, which is its field 2.
    #[inline(always)]
    fn tag_type(out: &mut Cursor<'_>, tag_type: i32) {
        Self::field(out, FieldType::I32, 2, 1);
        Self::i32(out, tag_type);
    }

    /// Appends the head of a list of structs; a list longer than `u32::MAX` fits in no memory of ours.
    fn struct_list(out: &mut Cursor<'_>, len: usize);

    /// Returns how many bytes [`struct_list`](Self::struct_list) appends.
    fn struct_list_len(len: usize) -> usize;

    /// Appends the end of a struct.
    fn stop(out: &mut Cursor<'_>);

    /// Reads the head of a span that this protocol wrote, for a message about it.
    fn peek(span: &[u8]) -> Option<SpanHead<'_>>;
}

/// The types of fields that `jaeger.thrift` uses, booleans aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldType {
    I32,
    I64,
    Double,
    Bytes,
    Struct,
    List,
}

/// What identifies a span: the first five fields of the struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanHead<'a> {
    pub(crate) trace_id_low: i64,
    pub(crate) trace_id_high: i64,
    pub(crate) span_id: i64,
    pub(crate) parent_span_id: i64,
    pub(crate) operation_name: &'a [u8],
}
