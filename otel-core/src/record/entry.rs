//! An entry of a record: a key and its value as bytes, nested ones included.

use super::{MAX_AREA_BYTES, kind};
use crate::attribute::{AttributeSource, KeyValue, Value};
use crate::span::SpanLimits;

/// Where an entry or a block stands in a record.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) kind: u8,
    pub(super) key: std::ops::Range<usize>,
    pub(super) end: usize,
}

impl Entry {
    /// Reads what stands at `at`; `None` at the end, and where the bytes are no entry.
    #[inline]
    pub(super) fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let word = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        let kind = word as u8;
        let (start, key_len, value_len) = if kind >= kind::FIRST_BLOCK {
            (at + 8, 0, read_u32(bytes, at + 4)? as usize)
        } else if kind & kind::LONG != 0 {
            (at + 12, read_u32(bytes, at + 4)? as usize, read_u32(bytes, at + 8)? as usize)
        } else {
            (at + 4, (word >> 8 & 0xFF) as usize, (word >> 16) as usize)
        };
        let value_start = start.checked_add(key_len)?;
        let end = value_start.checked_add(value_len)?;
        (end <= bytes.len()).then_some(Self { kind, key: start..value_start, end })
    }

    #[inline]
    pub(super) fn is_block(&self) -> bool {
        self.kind >= kind::FIRST_BLOCK
    }
}

pub(super) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Appends an entry with a scalar, or a nested one, to other entries.
fn push_entry(bytes: &mut Vec<u8>, key: &str, value: Value<'_>, limits: &SpanLimits) {
    match value {
        Value::Str(text) => push_bytes(bytes, kind::STR, key, limits.cut_text(text).as_bytes()),
        Value::I64(number) => push_bytes(bytes, kind::I64, key, &number.to_le_bytes()),
        Value::Bool(flag) => push_bytes(bytes, kind::BOOL, key, &[u8::from(flag)]),
        Value::F64(number) => push_bytes(bytes, kind::F64, key, &number.to_le_bytes()),
        Value::Bytes(value) => push_bytes(bytes, kind::BYTES, key, limits.cut_bytes(value)),
        _ => push_nested(bytes, key, value, limits, 0),
    }
}

pub(super) fn push_bytes(bytes: &mut Vec<u8>, kind: u8, key: &str, value: &[u8]) {
    if key.len() <= 0xFF && value.len() <= 0xFFFF {
        let word = u32::from(kind) | (key.len() as u32) << 8 | (value.len() as u32) << 16;
        bytes.reserve(4 + key.len() + value.len());
        bytes.extend_from_slice(&word.to_le_bytes());
    } else {
        push_long_head(bytes, kind, key.len(), value.len());
    }
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(value);
}

#[cold]
fn push_long_head(bytes: &mut Vec<u8>, kind: u8, key_len: usize, value_len: usize) {
    bytes.extend_from_slice(&u32::from(kind | kind::LONG).to_le_bytes());
    bytes.extend_from_slice(&(key_len as u32).to_le_bytes());
    bytes.extend_from_slice(&(value_len as u32).to_le_bytes());
}

/// Appends an array or a map, whose items are entries themselves. What is nested deeper than 64 levels becomes empty,
/// and items that would make the record too long are left out.
#[cold]
pub(super) fn push_nested(
    bytes: &mut Vec<u8>,
    key: &str,
    value: Value<'_>,
    limits: &SpanLimits,
    depth: usize,
) {
    let nested_kind = match value {
        Value::Map(_) | Value::OwnedMap(_) => kind::MAP,
        Value::Empty => kind::EMPTY,
        _ => kind::ARRAY,
    };
    push_items(bytes, nested_kind, key, |bytes| {
        if depth >= MAX_DEPTH {
            return;
        }
        for_each_item(value, &mut |key, item| {
            if bytes.len() + key.len() + scalar_len(item) + 64 > MAX_AREA_BYTES {
                return;
            }
            match item {
                Value::Str(_)
                | Value::I64(_)
                | Value::Bool(_)
                | Value::F64(_)
                | Value::Bytes(_) => {
                    push_entry(bytes, key, item, limits);
                }
                nested => push_nested(bytes, key, nested, limits, depth + 1),
            }
        });
    });
}

/// Appends an entry whose value is what `write` appends.
fn push_items(bytes: &mut Vec<u8>, kind: u8, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
    push_long_head(bytes, kind, key.len(), 0);
    bytes.extend_from_slice(key.as_bytes());
    let value_start = bytes.len();
    write(bytes);
    let value_len = (bytes.len() - value_start) as u32;
    put(bytes, value_start - key.len() - 4, value_len.to_le_bytes());
}

pub(super) fn scalar_len(value: Value<'_>) -> usize {
    match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 8,
    }
}

fn for_each_item(value: Value<'_>, visit: &mut dyn FnMut(&str, Value<'_>)) {
    match value {
        Value::Bools(items) => items.iter().for_each(|item| visit("", Value::Bool(*item))),
        Value::I64s(items) => items.iter().for_each(|item| visit("", Value::I64(*item))),
        Value::F64s(items) => items.iter().for_each(|item| visit("", Value::F64(*item))),
        Value::Strs(items) => items.iter().for_each(|item| visit("", Value::Str(item))),
        Value::Array(items) => items.iter().for_each(|item| visit("", *item)),
        Value::Map(entries) => entries.iter().for_each(|(key, item)| visit(key, *item)),
        Value::OwnedArray(items) => items.iter().for_each(|item| visit("", Value::from(item))),
        Value::OwnedMap(entries) => entries.for_each(visit),
        _ => {}
    }
}

/// Writes attributes that own what they hold as entries, to be read as [`Attributes`](super::Attributes).
pub(crate) fn encode_attributes(attributes: &[KeyValue]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for KeyValue { key, value } in attributes {
        push_entry(&mut bytes, key, Value::from(value), &SpanLimits::UNLIMITED);
    }
    bytes
}

#[inline]
pub(super) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// OpenTelemetry's default for how deep arrays and maps may nest.
const MAX_DEPTH: usize = 64;
