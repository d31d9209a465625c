//! The owned form of a finished span.

use super::{EventView, LinkView, SpanView};
use crate::attribute::{KeyValue, OwnedValue};
use crate::id::{SpanId, TraceId};
use crate::instrumentation_scope::InstrumentationScope;
use crate::span::{SpanKind, StatusCode};
use crate::span_context::TraceFlags;

/// A finished span that owns what it holds: for tests, and for exporters in no hurry.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpanData {
    /// The name.
    pub name: String,
    /// The id of the trace.
    pub trace_id: TraceId,
    /// The id of the span.
    pub span_id: SpanId,
    /// The id of the parent; invalid for a root.
    pub parent_span_id: SpanId,
    /// The flags of the span's context at its end.
    pub flags: TraceFlags,
    /// The trace state in its text form.
    pub trace_state: String,
    /// The kind.
    pub kind: SpanKind,
    /// The status.
    pub status: StatusCode,
    /// What was said about an error.
    pub status_description: String,
    /// Nanoseconds since the Unix epoch.
    pub start_unix_nanos: u64,
    /// Nanoseconds.
    pub duration_nanos: u64,
    /// The attributes, in the order in which their keys first came.
    pub attributes: Vec<KeyValue>,
    /// The events, in the order of the calls.
    pub events: Vec<EventData>,
    /// The links, in the order of the calls.
    pub links: Vec<LinkData>,
    /// How many attributes the limits dropped.
    pub dropped_attributes: u32,
    /// How many events the limits dropped.
    pub dropped_events: u32,
    /// How many links the limits dropped.
    pub dropped_links: u32,
    /// Who made the span.
    pub scope: InstrumentationScope,
}

impl SpanData {
    /// Returns the value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&OwnedValue> {
        self.attributes
            .iter()
            .find(|attribute| attribute.key == key)
            .map(|attribute| &attribute.value)
    }
}

impl From<SpanView<'_>> for SpanData {
    fn from(span: SpanView<'_>) -> Self {
        Self {
            name: span.name().to_string(),
            trace_id: span.trace_id(),
            span_id: span.span_id(),
            parent_span_id: span.parent_span_id(),
            flags: span.flags(),
            trace_state: span.trace_state().to_string(),
            kind: span.kind(),
            status: span.status(),
            status_description: span.status_description().to_string(),
            start_unix_nanos: span.start_unix_nanos(),
            duration_nanos: span.duration_nanos(),
            attributes: span.attributes().map(|attribute| attribute.to_owned()).collect(),
            events: span.events().map(EventData::from).collect(),
            links: span.links().map(LinkData::from).collect(),
            dropped_attributes: span.dropped_attributes(),
            dropped_events: span.dropped_events(),
            dropped_links: span.dropped_links(),
            scope: span.scope().clone(),
        }
    }
}

/// An event that owns what it holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EventData {
    /// The name.
    pub name: String,
    /// Nanoseconds since the Unix epoch.
    pub unix_nanos: u64,
    /// The attributes.
    pub attributes: Vec<KeyValue>,
    /// How many attributes the limits dropped.
    pub dropped_attributes: u32,
}

impl From<EventView<'_>> for EventData {
    fn from(event: EventView<'_>) -> Self {
        Self {
            name: event.name().to_string(),
            unix_nanos: event.unix_nanos(),
            attributes: event.attributes().map(|attribute| attribute.to_owned()).collect(),
            dropped_attributes: event.dropped_attributes(),
        }
    }
}

/// A link that owns what it holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LinkData {
    /// The id of the other span's trace.
    pub trace_id: TraceId,
    /// The id of the other span.
    pub span_id: SpanId,
    /// The flags of the other span's context.
    pub flags: TraceFlags,
    /// The trace state of the other span's context, in its text form.
    pub trace_state: String,
    /// The attributes.
    pub attributes: Vec<KeyValue>,
    /// How many attributes the limits dropped.
    pub dropped_attributes: u32,
}

impl From<LinkView<'_>> for LinkData {
    fn from(link: LinkView<'_>) -> Self {
        Self {
            trace_id: link.trace_id(),
            span_id: link.span_id(),
            flags: link.flags(),
            trace_state: link.trace_state().to_string(),
            attributes: link.attributes().map(|attribute| attribute.to_owned()).collect(),
            dropped_attributes: link.dropped_attributes(),
        }
    }
}
