//! From a datagram to a batch. Pure: bytes in, structs out.
//!
//! Fields are read one by one over the `thrift` crate's readers, whose limits are set to the datagram at hand: no text
//! or list can claim more than the bytes that came. Lists grow as their items are read, unknown fields are skipped to a
//! limited depth. The structs themselves are not deep, so nothing here recurses.

use thrift::protocol::{
    TBinaryInputProtocol, TCompactInputProtocol, TFieldIdentifier, TInputProtocol, TMessageType,
    TType,
};
use thrift::{ProtocolError, ProtocolErrorKind, TConfiguration};

use crate::ClientStats;
use crate::codec::jaeger_thrift as wire;
use crate::error::DecodeError;
use crate::model::{
    Batch, Log, Message, MessageType, Process, Span, SpanRef, SpanRefType, Tag, TagValue,
};

/// Decodes a datagram of either Thrift protocol, told apart by its first byte.
///
/// Text that is not UTF-8 gets replacement characters, as Jaeger shows it. A tag of an unknown type becomes an empty
/// text. Fields of a wrong type count as unknown.
///
/// # Errors
///
/// Where the bytes are no call of `emitBatch`, or end too early. Bytes after the message are no error, but
/// [reported](Message::trailing_bytes).
pub fn decode_message(datagram: &[u8]) -> Result<Message, DecodeError> {
    if datagram.len() > MAX_DATAGRAM_BYTES {
        return Err(DecodeError::TooLong { len: datagram.len() });
    }
    let limits = TConfiguration::builder()
        .max_message_size(Some(datagram.len().max(1)))
        .max_frame_size(Some(datagram.len().max(1)))
        .max_recursion_depth(Some(MAX_DEPTH))
        .max_container_size(Some(datagram.len().max(1)))
        .max_string_size(Some(datagram.len().max(1)))
        .build()?;
    let mut rest = datagram;
    let mut message = match datagram.first() {
        Some(&COMPACT) => {
            let protocol = TCompactInputProtocol::with_config(&mut rest, limits);
            Decoder { protocol, len: datagram.len() }.message()
        }
        Some(&BINARY) => {
            let protocol = TBinaryInputProtocol::with_config(&mut rest, true, limits);
            Decoder { protocol, len: datagram.len() }.message()
        }
        first_byte => Err(DecodeError::UnknownProtocol { first_byte: first_byte.copied() }),
    }?;
    message.trailing_bytes = rest.len();
    Ok(message)
}

/// Reads the structs of `jaeger.thrift` over one of Thrift's protocols.
struct Decoder<P> {
    protocol: P,
    /// How long the datagram is.
    len: usize,
}

impl<P: TInputProtocol> Decoder<P> {
    fn message(&mut self) -> Result<Message, DecodeError> {
        let head = self.protocol.read_message_begin()?;
        if head.name != wire::EMIT_BATCH {
            return Err(DecodeError::UnknownMethod { name: head.name });
        }
        let mut batch = None;
        self.fields(|decoder, field| {
            match (field.id, field.field_type) {
                (Some(1), TType::Struct) => batch = Some(decoder.batch()?),
                _ => decoder.skip(field)?,
            }
            Ok(())
        })?;
        let message_type = match head.message_type {
            TMessageType::Call => MessageType::Call,
            TMessageType::OneWay => MessageType::Oneway,
            _ => MessageType::Other,
        };
        let batch = required(batch, "emitBatch.batch")?;
        Ok(Message { message_type, seq_id: head.sequence_number, batch, trailing_bytes: 0 })
    }

    fn batch(&mut self) -> Result<Batch, DecodeError> {
        let (mut process, mut spans) = (None, None);
        let mut batch = Batch::default();
        self.fields(|decoder, field| {
            match (field.id, field.field_type) {
                (Some(1), TType::Struct) => process = Some(decoder.process()?),
                (Some(2), TType::List) => spans = Some(decoder.list(Self::span)?),
                (Some(3), TType::I64) => batch.seq_no = Some(decoder.protocol.read_i64()?),
                (Some(4), TType::Struct) => batch.stats = Some(decoder.client_stats()?),
                _ => decoder.skip(field)?,
            }
            Ok(())
        })?;
        Ok(Batch {
            process: required(process, "Batch.process")?,
            spans: required(spans, "Batch.spans")?,
            ..batch
        })
    }

    fn client_stats(&mut self) -> Result<ClientStats, DecodeError> {
        let mut stats = ClientStats::default();
        self.fields(|decoder, field| {
            match (field.id, field.field_type) {
                (Some(1), TType::I64) => {
                    stats.full_queue_dropped_spans = decoder.protocol.read_i64()?
                }
                (Some(2), TType::I64) => {
                    stats.too_large_dropped_spans = decoder.protocol.read_i64()?
                }
                (Some(3), TType::I64) => {
                    stats.failed_to_emit_spans = decoder.protocol.read_i64()?
                }
                _ => decoder.skip(field)?,
            }
            Ok(())
        })?;
        Ok(stats)
    }

    fn process(&mut self) -> Result<Process, DecodeError> {
        let (mut service_name, mut tags) = (None, Vec::new());
        self.fields(|decoder, field| {
            match (field.id, field.field_type) {
                (Some(1), TType::String) => service_name = Some(decoder.text()?),
                (Some(2), TType::List) => tags = decoder.list(Self::tag)?,
                _ => decoder.skip(field)?,
            }
            Ok(())
        })?;
        Ok(Process { service_name: required(service_name, "Process.serviceName")?, tags })
    }

    fn span(&mut self) -> Result<Span, DecodeError> {
        let (mut ids, mut operation_name, mut flags, mut times) =
            ([None; 4], None, None, [None; 2]);
        let mut span = Span::default();
        self.fields(|decoder, field| {
            match (field.id, field.field_type) {
                (Some(1), TType::I64) => ids[0] = Some(decoder.protocol.read_i64()?),
                (Some(2), TType::I64) => ids[1] = Some(decoder.protocol.read_i64()?),
                (Some(3), TType::I64) => ids[2] = Some(decoder.protocol.read_i64()?),
                (Some(4), TType::I64) => ids[3] = Some(decoder.protocol.read_i64()?),
                (Some(5), TType::String) => operation_name = Some(decoder.text()?),
                (Some(6), TType::List) => span.references = decoder.list(Self::span_ref)?,
                (Some(7), TType::I32) => flags = Some(decoder.protocol.read_i32()?),
                (Some(8), TType::I64) => times[0] = Some(decoder.protocol.read_i64()?),
                (Some(9), TType::I64) => times[1] = Some(decoder.protocol.read_i64()?),
                (Some(10), TType::List) => span.tags = decoder.list(Self::tag)?,
                (Some(11), TType::List) => span.logs = decoder.list(Self::log)?,
                _ => decoder.skip(field)?,
            }
            Ok(())
        })?;
        span.trace_id_low = required(ids[0], "Span.traceIdLow")?;
        span.trace_id_high = required(ids[1], "Span.traceIdHigh")?;
        span.span_id = required(ids[2], "Span.spanId")?;
        span.parent_span_id = required(ids[3], "Span.parentSpanId")?;
        span.operation_name = required(operation_name, "Span.operationName")?;
        span.flags = required(flags, "Span.flags")?;
        span.start_time = required(times[0], "Span.startTime")?;
        span.duration = required(times[1], "Span.duration")?;
        Ok(span)
    }

    fn span_ref(&mut self) -> Result<SpanRef, DecodeError> {
        let (mut ref_type, mut ids) = (None, [None; 3]);
        self.fields(|decoder, field| {
            match (field.id, field.field_type) {
                (Some(1), TType::I32) => ref_type = Some(decoder.protocol.read_i32()?),
                (Some(2), TType::I64) => ids[0] = Some(decoder.protocol.read_i64()?),
                (Some(3), TType::I64) => ids[1] = Some(decoder.protocol.read_i64()?),
                (Some(4), TType::I64) => ids[2] = Some(decoder.protocol.read_i64()?),
                _ => decoder.skip(field)?,
            }
            Ok(())
        })?;
        Ok(SpanRef {
            ref_type: match required(ref_type, "SpanRef.refType")? {
                wire::CHILD_OF => SpanRefType::ChildOf,
                wire::FOLLOWS_FROM => SpanRefType::FollowsFrom,
                other => SpanRefType::Other(other),
            },
            trace_id_low: required(ids[0], "SpanRef.traceIdLow")?,
            trace_id_high: required(ids[1], "SpanRef.traceIdHigh")?,
            span_id: required(ids[2], "SpanRef.spanId")?,
        })
    }

    fn log(&mut self) -> Result<Log, DecodeError> {
        let (mut timestamp, mut fields) = (None, None);
        self.fields(|decoder, field| {
            match (field.id, field.field_type) {
                (Some(1), TType::I64) => timestamp = Some(decoder.protocol.read_i64()?),
                (Some(2), TType::List) => fields = Some(decoder.list(Self::tag)?),
                _ => decoder.skip(field)?,
            }
            Ok(())
        })?;
        Ok(Log {
            timestamp: required(timestamp, "Log.timestamp")?,
            fields: required(fields, "Log.fields")?,
        })
    }

    fn tag(&mut self) -> Result<Tag, DecodeError> {
        let (mut key, mut tag_type, mut text, mut double) = (None, None, None, None);
        let (mut flag, mut long, mut binary) = (None, None, None);
        self.fields(|decoder, field| {
            match (field.id, field.field_type) {
                (Some(1), TType::String) => key = Some(decoder.text()?),
                (Some(2), TType::I32) => tag_type = Some(decoder.protocol.read_i32()?),
                (Some(3), TType::String) => text = Some(decoder.text()?),
                (Some(4), TType::Double) => double = Some(decoder.protocol.read_double()?),
                (Some(5), TType::Bool) => flag = Some(decoder.protocol.read_bool()?),
                (Some(6), TType::I64) => long = Some(decoder.protocol.read_i64()?),
                (Some(7), TType::String) => binary = Some(decoder.protocol.read_bytes()?),
                _ => decoder.skip(field)?,
            }
            Ok(())
        })?;
        // A value that is absent is the type's zero, as Jaeger reads it; some clients write all five.
        let value = match required(tag_type, "Tag.vType")? {
            wire::DOUBLE => TagValue::Double(double.unwrap_or_default()),
            wire::BOOL => TagValue::Bool(flag.unwrap_or_default()),
            wire::LONG => TagValue::Long(long.unwrap_or_default()),
            wire::BINARY => TagValue::Binary(binary.unwrap_or_default()),
            _ => TagValue::String(text.unwrap_or_default()),
        };
        Ok(Tag { key: required(key, "Tag.key")?, value })
    }

    /// Reads a struct: calls `read` with each field that is there.
    fn fields(
        &mut self,
        mut read: impl FnMut(&mut Self, &TFieldIdentifier) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.protocol.read_struct_begin()?;
        loop {
            let field = self.protocol.read_field_begin()?;
            if field.field_type == TType::Stop {
                break;
            }
            read(self, &field)?;
            self.protocol.read_field_end()?;
        }
        Ok(self.protocol.read_struct_end()?)
    }

    /// Reads a list of structs.
    fn list<T>(
        &mut self,
        read: fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let head = self.protocol.read_list_begin()?;
        // An item has at least a byte.
        let n_items = usize::try_from(head.size).ok().filter(|n_items| *n_items <= self.len);
        let n_items = n_items.ok_or(DecodeError::ListTooLong { len: i64::from(head.size) })?;
        if n_items > 0 && head.element_type != TType::Struct {
            return Err(invalid("a list holds no structs"));
        }
        // No room is made in advance: an item in memory is many times as large as the byte that it may be on the wire.
        let mut items = Vec::new();
        for _ in 0..n_items {
            items.push(read(self)?);
        }
        self.protocol.read_list_end()?;
        Ok(items)
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let bytes = self.protocol.read_bytes()?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn skip(&mut self, field: &TFieldIdentifier) -> Result<(), DecodeError> {
        Ok(self.protocol.skip_till_depth(field.field_type, MAX_SKIP_DEPTH)?)
    }
}

fn required<T>(value: Option<T>, field: &'static str) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::MissingField { field })
}

fn invalid(message: &str) -> DecodeError {
    DecodeError::Thrift(thrift::Error::Protocol(ProtocolError::new(
        ProtocolErrorKind::InvalidData,
        message,
    )))
}

impl From<thrift::Error> for DecodeError {
    fn from(error: thrift::Error) -> Self {
        Self::Thrift(error)
    }
}

/// More than UDP can carry; also the length of a receiver's buffer.
pub(super) const MAX_DATAGRAM_BYTES: usize = 65_535;
const COMPACT: u8 = 0x82;
const BINARY: u8 = 0x80;
/// How deep structs may stand in each other; a tag of a log stands six deep.
const MAX_DEPTH: usize = 16;
/// How deep an unknown field may go below that.
const MAX_SKIP_DEPTH: i8 = 10;

#[cfg(test)]
mod tests;
