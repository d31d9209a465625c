//! A span as the mock keeps it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use crate::reference::{HasContext, Reference};
use crate::span_context::SpanContext;
use crate::value::OwnedValue;

/// A span that the mock recorded: a copy, which changes no more.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MockSpan {
    /// What the work is called.
    pub operation_name: String,
    /// Ids, flags and baggage: those at the end, of an unfinished span those of now.
    pub context: SpanContext,
    /// The parent's span id; `None` for a root.
    pub parent_id: Option<u64>,
    /// The references given at the start, in order. An active span that became the parent is not
    /// among them.
    pub references: Vec<Reference>,
    /// The tags; the last value of a key.
    pub tags: BTreeMap<String, OwnedValue>,
    /// The logs, in the order of their calls.
    pub logs: Vec<MockLog>,
    /// When the work began.
    pub start_time: SystemTime,
    /// When it ended; `None` while it has not.
    pub finish_time: Option<SystemTime>,
}

impl MockSpan {
    /// Returns the trace id.
    pub fn trace_id(&self) -> u128 {
        self.context.trace_id()
    }

    /// Returns the span id.
    pub fn span_id(&self) -> u64 {
        self.context.span_id()
    }

    /// Tells whether the span is a child of another.
    pub fn is_child_of(&self, parent: &Self) -> bool {
        self.trace_id() == parent.trace_id() && self.parent_id == Some(parent.span_id())
    }

    /// Returns the value of a tag.
    pub fn tag(&self, key: &str) -> Option<&OwnedValue> {
        self.tags.get(key)
    }

    /// Returns one item of the baggage.
    pub fn baggage_item(&self, key: &str) -> Option<&str> {
        self.context.baggage_item(key)
    }

    /// Returns the logs as text, without their times: `key=value key=value`.
    pub fn log_lines(&self) -> Vec<String> {
        self.logs.iter().map(ToString::to_string).collect()
    }
}

impl HasContext for MockSpan {
    fn to_context(&self) -> Option<SpanContext> {
        Some(self.context.clone())
    }
}

/// Something that happened at a moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MockLog {
    /// When it happened: the time that was given, else that of the call.
    pub time: SystemTime,
    /// The fields, in order.
    pub fields: Vec<(String, OwnedValue)>,
}

impl MockLog {
    /// Returns the first value of a key.
    pub fn field(&self, key: &str) -> Option<&OwnedValue> {
        self.fields.iter().find(|(candidate, _)| candidate == key).map(|(_, value)| value)
    }
}

/// As `key=value key=value`.
impl fmt::Display for MockLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (key, value)) in self.fields.iter().enumerate() {
            let space = if position == 0 { "" } else { " " };
            write!(f, "{space}{key}={value}")?;
        }
        Ok(())
    }
}
