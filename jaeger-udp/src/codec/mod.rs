//! Thrift on the wire: data in, bytes appended.
//!
//! | file | holds |
//! | --- | --- |
//! | `compact` | the compact protocol, port 6831 |
//! | `binary` | the strict binary protocol, port 6832 |
//! | `jaeger_thrift` | the structs of `jaeger.thrift`, field by field |
//!
//! Nothing here knows a span of ours or a socket.

mod binary;
mod compact;
pub(crate) mod jaeger_thrift;

#[cfg(test)]
mod tests;

pub(crate) use binary::Binary;
pub(crate) use compact::Compact;

/// How Thrift's values look on the wire. Stateless: who writes a field says which one came before it.
pub(crate) trait ThriftProtocol {
    /// Appends the head of a oneway message.
    fn message(out: &mut Vec<u8>, name: &str, seq_id: i32);

    /// Appends the head of a field; `last_id` is the id of the field before it in the struct, 0 for the first.
    fn field(out: &mut Vec<u8>, field_type: FieldType, id: u8, last_id: u8);

    /// Appends a boolean field with its head.
    fn bool_field(out: &mut Vec<u8>, id: u8, last_id: u8, value: bool);

    /// Appends the value of an `i32` field.
    fn i32(out: &mut Vec<u8>, value: i32);

    /// Appends the value of an `i64` field.
    fn i64(out: &mut Vec<u8>, value: i64);

    /// Appends `i64` fields with their heads: the first with `first_id`, each other with the id after it. At most four.
    fn i64_fields<const N: usize>(out: &mut Vec<u8>, first_id: u8, last_id: u8, values: [i64; N]) {
        let mut last_id = last_id;
        for (id, value) in (first_id..).zip(values) {
            Self::field(out, FieldType::I64, id, last_id);
            Self::i64(out, value);
            last_id = id;
        }
    }

    /// Appends the value of a `double` field.
    fn double(out: &mut Vec<u8>, value: f64);

    /// Appends the value of a `string` or `binary` field.
    fn bytes(out: &mut Vec<u8>, value: &[u8]);

    /// Appends the type of a Tag, which is its field 2, and the head of the field that holds its value.
    #[inline]
    fn tag_type(out: &mut Vec<u8>, tag_type: i32, field_type: FieldType, id: u8) {
        Self::field(out, FieldType::I32, 2, 1);
        Self::i32(out, tag_type);
        Self::field(out, field_type, id, 2);
    }

    /// Appends the head of a list of structs; a list longer than `u32::MAX` fits in no memory of ours.
    fn struct_list(out: &mut Vec<u8>, len: usize);

    /// Returns how many bytes [`struct_list`](Self::struct_list) appends.
    fn struct_list_len(len: usize) -> usize;

    /// Appends the end of a struct.
    fn stop(out: &mut Vec<u8>);

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
