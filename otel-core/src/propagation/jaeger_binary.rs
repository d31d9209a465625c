//! Jaeger's binary form of a span context, for carriers that are bytes: messages in a queue, frames of a protocol.

use std::error::Error;
use std::fmt;

use super::Extracted;
use super::jaeger::{flags_from_jaeger, flags_to_jaeger};
use crate::baggage::{Baggage, BaggageItem};
use crate::diagnostics;
use crate::id::{SpanId, TraceId};
use crate::span_context::SpanContext;

/// Writes a span context and baggage as bytes, and reads them back, as the Jaeger clients do.
///
/// | bytes | holds |
/// | --- | --- |
/// | 16 | trace id |
/// | 8 | span id |
/// | 8 | parent's span id: written as 0, not read |
/// | 1 | flags: 1 is sampled, 2 debug, 8 firehose |
/// | 4 | number of baggage items |
/// | 4 + n, 4 + n for each item | length and text of the name, and of the value |
///
/// All numbers are big-endian. Without baggage that is 37 bytes. A zero trace or span id means that there is no trace;
/// baggage may come without one. Read and written are up to 180 items of up to 4096 bytes (name and value); an item past
/// that is an error when read, and left out with a warning when written.
///
/// ```
/// use otel_core::propagation::JaegerBinaryPropagator;
/// use otel_core::{Baggage, SpanContext, SpanId, TraceFlags, TraceId};
///
/// let call = SpanContext::new(TraceId::from_parts(0, 1), SpanId::new(2), TraceFlags::SAMPLED);
/// let mut message = Vec::new();
/// JaegerBinaryPropagator.inject(&call, &Baggage::new(), &mut message);
/// assert_eq!(message.len(), 37);
/// let found = JaegerBinaryPropagator.extract(&message)?;
/// assert_eq!(found.span_context.unwrap().span_id(), call.span_id());
/// # Ok::<(), otel_core::propagation::BinaryError>(())
/// ```
///
/// Source: `jaegertracing/jaeger-client-go:propagation.go`, `BinaryPropagator`.
#[derive(Clone, Copy, Debug, Default)]
pub struct JaegerBinaryPropagator;

impl JaegerBinaryPropagator {
    /// Appends a span context and baggage to `bytes`. Writes nothing where there is neither.
    pub fn inject(&self, span_context: &SpanContext, baggage: &Baggage, bytes: &mut Vec<u8>) {
        if !span_context.is_valid() && baggage.is_empty() {
            return;
        }
        let trace_id = span_context.trace_id();
        for number in [trace_id.high(), trace_id.low(), span_context.span_id().as_u64(), 0] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.push(flags_to_jaeger(span_context.flags()));
        let items: Vec<&BaggageItem> =
            baggage.iter().filter(|item| n_bytes(item) <= MAX_ITEM_BYTES).take(MAX_ITEMS).collect();
        if items.len() < baggage.len() {
            diagnostics::warn(
                "jaeger binary baggage",
                format_args!(
                    "{} items of baggage are not sent: past {MAX_ITEMS} items, or longer than {MAX_ITEM_BYTES} bytes",
                    baggage.len() - items.len()
                ),
            );
        }
        push_length(bytes, items.len());
        for item in items {
            for text in [&item.name, &item.value] {
                push_length(bytes, text.len());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Reads from the start of `bytes`; what follows is not looked at. No bytes at all hold nothing.
    ///
    /// # Errors
    /// Every other content that is not what [`inject`](Self::inject) could have written.
    pub fn extract(&self, bytes: &[u8]) -> Result<Extracted, BinaryError> {
        if bytes.is_empty() {
            return Ok(Extracted::default());
        }
        let mut reader = Reader { bytes };
        let trace_id = TraceId::from_parts(reader.u64()?, reader.u64()?);
        let span_id = SpanId::new(reader.u64()?);
        let _parent_id = reader.u64()?;
        let [flags] = reader.array()?;
        let span_context = SpanContext::new(trace_id, span_id, flags_from_jaeger(u64::from(flags)));
        let baggage = reader.baggage()?;
        Ok(Extracted {
            span_context: span_context.is_valid().then(|| span_context.with_remote(true)),
            baggage,
            ..Extracted::default()
        })
    }
}

/// Why bytes are not a span context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BinaryError {
    /// The bytes end too early.
    Truncated,
    /// There are more baggage items than 180, or fewer than none.
    ItemCount {
        /// How many there are, by the bytes' own account.
        n_items: i32,
    },
    /// A name and its value are longer than 4096 bytes, or shorter than nothing.
    ItemLength {
        /// How long the name is, by the bytes' own account.
        name_bytes: i32,
        /// How long the value is; 0 if it was not looked at.
        value_bytes: i32,
    },
    /// A name or a value is not UTF-8.
    NotText,
}

impl fmt::Display for BinaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end too early"),
            Self::ItemCount { n_items } => {
                write!(f, "{n_items} baggage items, where 0 to {MAX_ITEMS} are allowed")
            }
            Self::ItemLength { name_bytes, value_bytes } => write!(
                f,
                "a baggage item of {name_bytes} and {value_bytes} bytes, where {MAX_ITEM_BYTES} together are allowed"
            ),
            Self::NotText => f.write_str("baggage that is not UTF-8"),
        }
    }
}

impl Error for BinaryError {}

/// What is left to be read.
struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    fn u64(&mut self) -> Result<u64, BinaryError> {
        self.array().map(u64::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, BinaryError> {
        self.array().map(i32::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BinaryError> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(BinaryError::Truncated)?;
        self.bytes = rest;
        Ok(*array)
    }

    fn baggage(&mut self) -> Result<Baggage, BinaryError> {
        let n_items = self.i32()?;
        if !usize::try_from(n_items).is_ok_and(|n_items| n_items <= MAX_ITEMS) {
            return Err(BinaryError::ItemCount { n_items });
        }
        // Collected one by one: what is claimed reserves no memory.
        (0..n_items).map(|_| self.item()).collect::<Result<Vec<_>, _>>().map(Baggage::from_iter)
    }

    fn item(&mut self) -> Result<BaggageItem, BinaryError> {
        let name_bytes = self.i32()?;
        let name = self.text(name_bytes, MAX_ITEM_BYTES, name_bytes, 0)?;
        let value_bytes = self.i32()?;
        let value = self.text(value_bytes, MAX_ITEM_BYTES - name.len(), name_bytes, value_bytes)?;
        Ok(BaggageItem { name: name.to_owned(), value: value.to_owned(), metadata: String::new() })
    }

    fn text(
        &mut self,
        length: i32,
        max_bytes: usize,
        name_bytes: i32,
        value_bytes: i32,
    ) -> Result<&'b str, BinaryError> {
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= max_bytes)
            .ok_or(BinaryError::ItemLength { name_bytes, value_bytes })?;
        let (text, rest) = self.bytes.split_at_checked(length).ok_or(BinaryError::Truncated)?;
        self.bytes = rest;
        std::str::from_utf8(text).map_err(|_| BinaryError::NotText)
    }
}

fn n_bytes(item: &BaggageItem) -> usize {
    item.name.len() + item.value.len()
}

/// Writes a count or a length; both are within the limits below.
fn push_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend_from_slice(&(length as u32).to_be_bytes());
}

const MAX_ITEMS: usize = 180;

/// Of a name and its value together.
const MAX_ITEM_BYTES: usize = 4096;

#[cfg(test)]
mod tests;
