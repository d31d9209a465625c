//! A span in OTLP: the one place that knows the fields of its messages by their numbers.
//!
//! A record is read in place, and written front to back in the order of the numbers. What is zero or empty is left out, as
//! protobuf does; only an attribute's value is written whatever it is.
//!
//! Source: `open-telemetry/opentelemetry-proto:opentelemetry/proto/trace/v1/trace.proto`, and `common/v1/common.proto`.

use super::protobuf::{Wire, Writer, varint_len};
use crate::instrumentation_scope::InstrumentationScope;
use crate::record::{Attribute, Attributes, EventView, LinkView, SpanView, ValueView};
use crate::resource::Resource;
use crate::span::{SpanKind, StatusCode};
use crate::span_context::TraceFlags;

/// Appends a span as one of a `ScopeSpans`.
pub(super) fn write_span(out: &mut Writer, span: &SpanView<'_>) {
    // Most spans take from 128 bytes to 16 KiB.
    out.message::<2>(scope_spans::SPANS, |out| write_span_fields(out, span));
}

fn write_span_fields(out: &mut Writer, span: &SpanView<'_>) {
    out.key(span::TRACE_ID, Wire::Bytes);
    out.bytes(&span.trace_id().to_bytes());
    out.key(span::SPAN_ID, Wire::Bytes);
    out.bytes(&span.span_id().as_u64().to_be_bytes());
    out.bytes_field(span::TRACE_STATE, span.trace_state().as_bytes());
    let parent_span_id = span.parent_span_id();
    if parent_span_id.is_valid() {
        out.key(span::PARENT_SPAN_ID, Wire::Bytes);
        out.bytes(&parent_span_id.as_u64().to_be_bytes());
    }
    out.bytes_field(span::NAME, span.name().as_bytes());
    out.varint_field(span::KIND, kind_number(span.kind()));
    out.fixed64_field(span::START_TIME, span.start_unix_nanos());
    out.fixed64_field(span::END_TIME, span.end_unix_nanos());
    write_attributes(out, span::ATTRIBUTES, span.attributes());
    out.varint_field(span::DROPPED_ATTRIBUTES, span.dropped_attributes().into());
    if span.n_events() > 0 {
        span.events().for_each(|event| write_event(out, &event));
    }
    out.varint_field(span::DROPPED_EVENTS, span.dropped_events().into());
    if span.n_links() > 0 {
        span.links().for_each(|link| write_link(out, &link));
    }
    out.varint_field(span::DROPPED_LINKS, span.dropped_links().into());
    if span.status() != StatusCode::Unset {
        write_status(out, span);
    }
    out.fixed32_field(span::FLAGS, flags_number(span.flags(), span.has_remote_parent()));
}

fn write_event(out: &mut Writer, event: &EventView<'_>) {
    out.message::<1>(span::EVENTS, |out| {
        out.fixed64_field(event::TIME, event.unix_nanos());
        out.bytes_field(event::NAME, event.name().as_bytes());
        write_attributes(out, event::ATTRIBUTES, event.attributes());
        out.varint_field(event::DROPPED_ATTRIBUTES, event.dropped_attributes().into());
    });
}

fn write_link(out: &mut Writer, link: &LinkView<'_>) {
    out.message::<1>(span::LINKS, |out| {
        out.key(link::TRACE_ID, Wire::Bytes);
        out.bytes(&link.trace_id().to_bytes());
        out.key(link::SPAN_ID, Wire::Bytes);
        out.bytes(&link.span_id().as_u64().to_be_bytes());
        out.bytes_field(link::TRACE_STATE, link.trace_state().as_bytes());
        write_attributes(out, link::ATTRIBUTES, link.attributes());
        out.varint_field(link::DROPPED_ATTRIBUTES, link.dropped_attributes().into());
        out.fixed32_field(link::FLAGS, flags_number(link.flags(), link.is_remote()));
    });
}

fn write_status(out: &mut Writer, span: &SpanView<'_>) {
    let is_error = span.status() == StatusCode::Error;
    out.message::<1>(span::STATUS, |out| {
        if is_error {
            out.bytes_field(status::MESSAGE, span.status_description().as_bytes());
        }
        out.varint_field(status::CODE, if is_error { 2 } else { 1 });
    });
}

/// Appends the field of a `ResourceSpans` that says what its spans are about.
pub(super) fn write_resource(out: &mut Writer, resource: &Resource) {
    out.message::<2>(resource_spans::RESOURCE, |out| {
        write_attributes(out, resource::ATTRIBUTES, resource.attributes());
    });
}

/// Appends the field that stands behind the spans of a `ResourceSpans`.
pub(super) fn write_resource_schema(out: &mut Writer, resource: &Resource) {
    out.bytes_field(resource_spans::SCHEMA_URL, resource.schema_url().as_bytes());
}

/// Appends the field of a `ScopeSpans` that says who made its spans.
pub(super) fn write_scope(out: &mut Writer, scope: &InstrumentationScope) {
    out.message::<1>(scope_spans::SCOPE, |out| {
        out.bytes_field(scope::NAME, scope.name().as_bytes());
        out.bytes_field(scope::VERSION, scope.version().as_bytes());
        write_attributes(out, scope::ATTRIBUTES, scope.attributes());
    });
}

/// Appends the field that stands behind the spans of a `ScopeSpans`.
pub(super) fn write_scope_schema(out: &mut Writer, scope: &InstrumentationScope) {
    out.bytes_field(scope_spans::SCHEMA_URL, scope.schema_url().as_bytes());
}

#[inline]
fn write_attributes(out: &mut Writer, field: u8, attributes: Attributes<'_>) {
    for attribute in attributes {
        write_attribute(out, field, &attribute);
    }
}

/// Appends a `KeyValue`. Of one whose value is no list, the lengths are known.
#[inline]
fn write_attribute(out: &mut Writer, field: u8, attribute: &Attribute<'_>) {
    let value_len = match attribute.value {
        ValueView::Empty => 0,
        ValueView::Bool(_) => 2,
        ValueView::I64(number) => 1 + varint_len(number as u64),
        ValueView::F64(_) => 9,
        ValueView::Str(text) => 1 + bytes_len(text.as_bytes()),
        ValueView::Bytes(bytes) => 1 + bytes_len(bytes),
        ValueView::Array(_) | ValueView::Map(_) => return write_nested(out, field, attribute),
    };
    let key = attribute.key.as_bytes();
    let key_len = if key.is_empty() { 0 } else { 1 + bytes_len(key) };
    let len = key_len + 1 + varint_len(value_len as u64) + value_len;
    if len < 0x80 && key_len > 0 {
        return write_short_attribute(out, field, attribute, [len, key.len(), value_len]);
    }
    out.key(field, Wire::Bytes);
    out.varint(len as u64);
    out.bytes_field(key_value::KEY, key);
    out.key(key_value::VALUE, Wire::Bytes);
    out.varint(value_len as u64);
    write_value(out, attribute.value);
}

/// Appends a `KeyValue` of less than 128 bytes, as most are: each length in it is one byte, so that keys of fields and
/// lengths go out together.
#[inline(always)]
fn write_short_attribute(
    out: &mut Writer,
    field: u8,
    attribute: &Attribute<'_>,
    [len, key_len, value_len]: [usize; 3],
) {
    let key_of = |field: u8| field << 3 | Wire::Bytes as u8;
    out.put([key_of(field), len as u8, key_of(key_value::KEY), key_len as u8]);
    out.raw(attribute.key.as_bytes());
    let head = [key_of(key_value::VALUE), value_len as u8];
    match attribute.value {
        ValueView::Str(text) => {
            let [key, value_len] = head;
            let text = text.as_bytes();
            out.put([key, value_len, key_of(any_value::STRING), text.len() as u8]);
            out.raw(text);
        }
        value => {
            out.put(head);
            write_value(out, value);
        }
    }
}

#[cold]
fn write_nested(out: &mut Writer, field: u8, attribute: &Attribute<'_>) {
    out.message::<1>(field, |out| {
        out.bytes_field(key_value::KEY, attribute.key.as_bytes());
        out.message::<1>(key_value::VALUE, |out| write_value(out, attribute.value));
    });
}

/// Appends the one field that an `AnyValue` has; an empty value has none. Lists are nested 64 deep at the most: no record
/// holds more.
#[inline(always)]
fn write_value(out: &mut Writer, value: ValueView<'_>) {
    match value {
        ValueView::Empty => {}
        ValueView::Bool(flag) => {
            out.key(any_value::BOOL, Wire::Varint);
            out.varint(flag.into());
        }
        ValueView::I64(number) => {
            out.key(any_value::INT, Wire::Varint);
            out.varint(number as u64);
        }
        ValueView::F64(number) => {
            out.key(any_value::DOUBLE, Wire::Fixed64);
            out.fixed64(number.to_bits());
        }
        ValueView::Str(text) => {
            out.key(any_value::STRING, Wire::Bytes);
            out.bytes(text.as_bytes());
        }
        ValueView::Bytes(bytes) => {
            out.key(any_value::BYTES, Wire::Bytes);
            out.bytes(bytes);
        }
        ValueView::Array(_) | ValueView::Map(_) => write_list(out, value),
    }
}

#[inline(never)]
fn write_list(out: &mut Writer, value: ValueView<'_>) {
    match value {
        ValueView::Array(items) => out.message::<1>(any_value::ARRAY, |out| {
            for item in items {
                out.message::<1>(list::VALUES, |out| write_value(out, item));
            }
        }),
        ValueView::Map(entries) => out.message::<1>(any_value::MAP, |out| {
            write_attributes(out, list::VALUES, entries);
        }),
        _ => {}
    }
}

#[inline(always)]
fn bytes_len(bytes: &[u8]) -> usize {
    varint_len(bytes.len() as u64) + bytes.len()
}

/// Returns the number of a kind; 0 stands for one that nobody gave.
fn kind_number(kind: SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// Returns W3C's flags, and beside them whether the context came from another process, which is always known here.
fn flags_number(flags: TraceFlags, is_remote: bool) -> u32 {
    let remote = if is_remote { KNOWS_REMOTE | IS_REMOTE } else { KNOWS_REMOTE };
    u32::from(flags.to_w3c()) | remote
}

/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`.
const KNOWS_REMOTE: u32 = 0x100;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
const IS_REMOTE: u32 = 0x200;

pub(super) mod traces_data {
    pub(in super::super) const RESOURCE_SPANS: u8 = 1;
}

pub(super) mod resource_spans {
    pub(in super::super) const RESOURCE: u8 = 1;
    pub(in super::super) const SCOPE_SPANS: u8 = 2;
    pub(super) const SCHEMA_URL: u8 = 3;
}

mod scope_spans {
    pub(super) const SCOPE: u8 = 1;
    pub(super) const SPANS: u8 = 2;
    pub(super) const SCHEMA_URL: u8 = 3;
}

mod resource {
    pub(super) const ATTRIBUTES: u8 = 1;
}

mod scope {
    pub(super) const NAME: u8 = 1;
    pub(super) const VERSION: u8 = 2;
    pub(super) const ATTRIBUTES: u8 = 3;
}

mod span {
    pub(super) const TRACE_ID: u8 = 1;
    pub(super) const SPAN_ID: u8 = 2;
    pub(super) const TRACE_STATE: u8 = 3;
    pub(super) const PARENT_SPAN_ID: u8 = 4;
    pub(super) const NAME: u8 = 5;
    pub(super) const KIND: u8 = 6;
    pub(super) const START_TIME: u8 = 7;
    pub(super) const END_TIME: u8 = 8;
    pub(super) const ATTRIBUTES: u8 = 9;
    pub(super) const DROPPED_ATTRIBUTES: u8 = 10;
    pub(super) const EVENTS: u8 = 11;
    pub(super) const DROPPED_EVENTS: u8 = 12;
    pub(super) const LINKS: u8 = 13;
    pub(super) const DROPPED_LINKS: u8 = 14;
    pub(super) const STATUS: u8 = 15;
    pub(super) const FLAGS: u8 = 16;
}

mod event {
    pub(super) const TIME: u8 = 1;
    pub(super) const NAME: u8 = 2;
    pub(super) const ATTRIBUTES: u8 = 3;
    pub(super) const DROPPED_ATTRIBUTES: u8 = 4;
}

mod link {
    pub(super) const TRACE_ID: u8 = 1;
    pub(super) const SPAN_ID: u8 = 2;
    pub(super) const TRACE_STATE: u8 = 3;
    pub(super) const ATTRIBUTES: u8 = 4;
    pub(super) const DROPPED_ATTRIBUTES: u8 = 5;
    pub(super) const FLAGS: u8 = 6;
}

mod status {
    pub(super) const MESSAGE: u8 = 2;
    pub(super) const CODE: u8 = 3;
}

mod key_value {
    pub(super) const KEY: u8 = 1;
    pub(super) const VALUE: u8 = 2;
}

mod any_value {
    pub(super) const STRING: u8 = 1;
    pub(super) const BOOL: u8 = 2;
    pub(super) const INT: u8 = 3;
    pub(super) const DOUBLE: u8 = 4;
    pub(super) const ARRAY: u8 = 5;
    pub(super) const MAP: u8 = 6;
    pub(super) const BYTES: u8 = 7;
}

/// Both `ArrayValue` and `KeyValueList`.
mod list {
    pub(super) const VALUES: u8 = 1;
}
