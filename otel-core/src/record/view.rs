//! A finished record, read in place.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use super::{EVENT_HEAD_LEN, LINK_HEAD_LEN, REMOTE_LINK, REMOTE_PARENT, head, kind};
use crate::attribute::{KeyValue, OwnedValue};
use crate::id::{SpanId, TraceId};
use crate::instrumentation_scope::InstrumentationScope;
use crate::span::{SpanKind, StatusCode};
use crate::span_context::TraceFlags;

/// A finished span, read from its record without copying.
#[derive(Clone, Copy)]
pub struct SpanView<'a> {
    head: &'a [u8; head::LEN],
    area: &'a [u8],
    frame: &'a [u8],
    scope: &'a InstrumentationScope,
}

impl<'a> SpanView<'a> {
    /// Reads a frame that [`SpanBuf::finish`](super::SpanBuf::finish) wrote.
    pub(crate) fn new(frame: &'a [u8], scope: &'a InstrumentationScope) -> Self {
        let (head, rest) = frame.split_first_chunk().unwrap_or((&NO_HEAD, &[]));
        let area_len = u32_at(head, head::AREA_LEN) as usize;
        let area = rest.get(..area_len).unwrap_or(rest);
        Self { head, area, frame, scope }
    }

    /// Reads frames that stand one after another; bytes that are no frame end the walk.
    pub(crate) fn all_in(
        frames: &'a [u8],
        scopes: &'a [InstrumentationScope],
    ) -> impl Iterator<Item = Self> + use<'a> {
        let mut rest = frames;
        std::iter::from_fn(move || {
            let head: &[u8; head::LEN] = rest.first_chunk()?;
            let (frame, next) = rest.split_at_checked(u32_at(head, head::FRAME_LEN) as usize)?;
            if frame.len() < head::LEN {
                return None;
            }
            rest = next;
            let scope = scopes
                .get(usize::from(u16_at(head, head::SCOPE)))
                .unwrap_or_else(|| NO_SCOPE.get_or_init(Default::default));
            Some(Self::new(frame, scope))
        })
    }

    /// Returns the whole frame, to be kept in a queue.
    pub(crate) fn frame(&self) -> &'a [u8] {
        self.frame
    }

    /// Returns the name.
    #[inline]
    pub fn name(&self) -> Text<'a> {
        Text(self.area.get(..self.name_len()).unwrap_or_default())
    }

    /// Returns the id of the trace.
    #[inline]
    pub fn trace_id(&self) -> TraceId {
        TraceId::from_parts(
            u64_at(self.head, head::TRACE_ID_HIGH),
            u64_at(self.head, head::TRACE_ID_LOW),
        )
    }

    /// Returns the id of the span.
    #[inline]
    pub fn span_id(&self) -> SpanId {
        SpanId::new(u64_at(self.head, head::SPAN_ID))
    }

    /// Returns the id of the parent; invalid for a root.
    #[inline]
    pub fn parent_span_id(&self) -> SpanId {
        SpanId::new(u64_at(self.head, head::PARENT_ID))
    }

    /// Returns the flags of the span's context as they were at its end.
    #[inline]
    pub fn flags(&self) -> TraceFlags {
        TraceFlags::from_bits(u16_at(self.head, head::FLAGS))
    }

    /// Returns the kind.
    #[inline]
    pub fn kind(&self) -> SpanKind {
        SpanKind::from_u8(self.head[head::KIND] & !REMOTE_PARENT)
    }

    /// Tells whether the parent is in another process: its context came out of a carrier.
    #[inline]
    pub fn has_remote_parent(&self) -> bool {
        self.head[head::KIND] & REMOTE_PARENT != 0
    }

    /// Returns the status.
    #[inline]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u8(self.head[head::STATUS])
    }

    /// Returns what was said about an error; empty where nothing was.
    pub fn status_description(&self) -> Text<'a> {
        self.text_block(kind::STATUS_DESCRIPTION)
    }

    /// Returns the trace state in its text form; empty where there is none.
    pub fn trace_state(&self) -> Text<'a> {
        self.text_block(kind::TRACE_STATE)
    }

    /// Returns the start, in nanoseconds since the Unix epoch.
    #[inline]
    pub fn start_unix_nanos(&self) -> u64 {
        u64_at(self.head, head::START)
    }

    /// Returns the end, in nanoseconds since the Unix epoch.
    #[inline]
    pub fn end_unix_nanos(&self) -> u64 {
        self.start_unix_nanos().saturating_add(self.duration_nanos())
    }

    /// Returns how long the span took, in nanoseconds: never negative.
    #[inline]
    pub fn duration_nanos(&self) -> u64 {
        u64_at(self.head, head::DURATION)
    }

    /// Returns how many attributes there are.
    #[inline]
    pub fn n_attributes(&self) -> usize {
        usize::from(u16_at(self.head, head::N_ATTRIBUTES))
    }

    /// Returns how many events there are.
    #[inline]
    pub fn n_events(&self) -> usize {
        usize::from(u16_at(self.head, head::N_EVENTS))
    }

    /// Returns how many links there are.
    #[inline]
    pub fn n_links(&self) -> usize {
        usize::from(u16_at(self.head, head::N_LINKS))
    }

    /// Returns how many attributes the limits dropped.
    pub fn dropped_attributes(&self) -> u32 {
        u32_at(self.head, head::DROPPED_ATTRIBUTES)
    }

    /// Returns how many events the limits dropped, 65,535 at the most.
    pub fn dropped_events(&self) -> u32 {
        u32::from(u16_at(self.head, head::DROPPED_EVENTS))
    }

    /// Returns how many links the limits dropped, 65,535 at the most.
    pub fn dropped_links(&self) -> u32 {
        u32::from(u16_at(self.head, head::DROPPED_LINKS))
    }

    /// Visits the attributes, in the order in which their keys first came.
    #[inline]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes(self.entries())
    }

    /// Visits the events in the order of the calls.
    #[inline]
    pub fn events(&self) -> Events<'a> {
        Events(self.blocks(kind::EVENT))
    }

    /// Visits the links in the order of the calls.
    #[inline]
    pub fn links(&self) -> Links<'a> {
        Links(self.blocks(kind::LINK))
    }

    /// Returns who made the span: the tracer's name and version.
    pub fn scope(&self) -> &'a InstrumentationScope {
        self.scope
    }

    #[inline]
    fn name_len(&self) -> usize {
        u32_at(self.head, head::NAME_LEN) as usize
    }

    #[inline]
    fn entries(&self) -> Entries<'a> {
        Entries(self.area.get(self.name_len()..).unwrap_or_default())
    }

    fn blocks(&self, kind: u8) -> Blocks<'a> {
        Blocks { entries: self.entries(), kind }
    }

    fn text_block(&self, kind: u8) -> Text<'a> {
        Text(self.blocks(kind).next().unwrap_or_default())
    }
}

impl fmt::Debug for SpanView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanView")
            .field("name", &self.name())
            .field("trace_id", &self.trace_id())
            .field("span_id", &self.span_id())
            .field("parent_span_id", &self.parent_span_id())
            .finish_non_exhaustive()
    }
}

/// Text in a record: bytes that an encoder copies, checked as text only for whoever reads it so.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<'a>(pub(super) &'a [u8]);

impl<'a> Text<'a> {
    /// Returns the bytes, which came from a `str`.
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the text; empty should the bytes not be UTF-8, which no record of ours holds.
    pub fn as_str(self) -> &'a str {
        std::str::from_utf8(self.0).unwrap_or_default()
    }

    /// Tells whether there is no text.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl<'a> From<Text<'a>> for Cow<'a, str> {
    fn from(text: Text<'a>) -> Self {
        Cow::Borrowed(text.as_str())
    }
}

/// An attribute in a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attribute<'a> {
    /// What the value is called.
    pub key: Text<'a>,
    /// What it is.
    pub value: ValueView<'a>,
}

/// A value in a record.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ValueView<'a> {
    /// No value.
    Empty,
    /// True or false.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A floating-point number.
    F64(f64),
    /// Text.
    Str(Text<'a>),
    /// Bytes with no meaning to us.
    Bytes(&'a [u8]),
    /// An array of values.
    Array(Elements<'a>),
    /// Values by key.
    Map(Attributes<'a>),
}

impl<'a> ValueView<'a> {
    /// Copies the value.
    pub fn to_owned(self) -> OwnedValue {
        match self {
            Self::Empty => OwnedValue::Empty,
            Self::Bool(value) => OwnedValue::Bool(value),
            Self::I64(value) => OwnedValue::I64(value),
            Self::F64(value) => OwnedValue::F64(value),
            Self::Str(value) => OwnedValue::Str(value.to_string()),
            Self::Bytes(value) => OwnedValue::Bytes(value.to_vec()),
            Self::Array(items) => OwnedValue::Array(items.map(Self::to_owned).collect()),
            Self::Map(entries) => OwnedValue::Map(entries.map(Attribute::to_owned).collect()),
        }
    }

    /// Returns the text, where the value is one.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text.as_str()),
            _ => None,
        }
    }

    #[inline]
    fn read(kind: u8, bytes: &'a [u8]) -> Self {
        match kind & !kind::LONG {
            kind::STR => Self::Str(Text(bytes)),
            kind::I64 => {
                bytes.try_into().map_or(Self::Empty, |bytes| Self::I64(i64::from_le_bytes(bytes)))
            }
            kind::BOOL => Self::Bool(bytes.first().is_some_and(|byte| *byte != 0)),
            kind::F64 => {
                bytes.try_into().map_or(Self::Empty, |bytes| Self::F64(f64::from_le_bytes(bytes)))
            }
            kind::BYTES => Self::Bytes(bytes),
            kind::ARRAY => Self::Array(Elements(Attributes::of(bytes))),
            kind::MAP => Self::Map(Attributes::of(bytes)),
            _ => Self::Empty,
        }
    }
}

impl Attribute<'_> {
    /// Copies the attribute.
    pub fn to_owned(self) -> KeyValue {
        KeyValue { key: self.key.to_string(), value: self.value.to_owned() }
    }
}

/// Visits attributes; also the fields of an event, a link or a resource, and the entries of a map.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Attributes<'a>(Entries<'a>);

impl<'a> Attributes<'a> {
    #[inline]
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self(Entries(bytes))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    #[inline]
    fn next(&mut self) -> Option<Attribute<'a>> {
        loop {
            let entry = self.0.next()?;
            if entry.kind < kind::FIRST_BLOCK {
                let value = ValueView::read(entry.kind, entry.value);
                return Some(Attribute { key: Text(entry.key), value });
            }
        }
    }
}

/// Visits the values of an array.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Elements<'a>(Attributes<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = ValueView<'a>;

    fn next(&mut self) -> Option<ValueView<'a>> {
        self.0.next().map(|item| item.value)
    }
}

/// Visits the events of a span.
#[derive(Clone, Copy, Debug)]
pub struct Events<'a>(Blocks<'a>);

impl<'a> Iterator for Events<'a> {
    type Item = EventView<'a>;

    #[inline]
    fn next(&mut self) -> Option<EventView<'a>> {
        let (head, rest) = self.0.next()?.split_first_chunk::<EVENT_HEAD_LEN>()?;
        let name_len = (u32_at(head, 8) as usize).min(rest.len());
        let (name, fields) = rest.split_at(name_len);
        Some(EventView { head, name: Text(name), fields })
    }
}

/// An event: something that happened at a moment of the span.
#[derive(Clone, Copy)]
pub struct EventView<'a> {
    head: &'a [u8; EVENT_HEAD_LEN],
    name: Text<'a>,
    fields: &'a [u8],
}

impl<'a> EventView<'a> {
    /// Returns the name.
    pub fn name(&self) -> Text<'a> {
        self.name
    }

    /// Returns the moment, in nanoseconds since the Unix epoch.
    pub fn unix_nanos(&self) -> u64 {
        u64_at(self.head, 0)
    }

    /// Returns how many attributes the event has.
    pub fn n_attributes(&self) -> usize {
        usize::from(u16_at(self.head, 12))
    }

    /// Returns how many attributes the limits dropped, 65,535 at the most.
    pub fn dropped_attributes(&self) -> u32 {
        u32::from(u16_at(self.head, 14))
    }

    /// Visits the attributes.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::of(self.fields)
    }
}

impl fmt::Debug for EventView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventView").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Visits the links of a span.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a>(Blocks<'a>);

impl<'a> Iterator for Links<'a> {
    type Item = LinkView<'a>;

    fn next(&mut self) -> Option<LinkView<'a>> {
        let (head, rest) = self.0.next()?.split_first_chunk::<LINK_HEAD_LEN>()?;
        let trace_state_len = usize::from(u16_at(head, 30)).min(rest.len());
        let (trace_state, fields) = rest.split_at(trace_state_len);
        Some(LinkView { head, trace_state: Text(trace_state), fields })
    }
}

/// A link: another span that this one has to do with.
#[derive(Clone, Copy)]
pub struct LinkView<'a> {
    head: &'a [u8; LINK_HEAD_LEN],
    trace_state: Text<'a>,
    fields: &'a [u8],
}

impl<'a> LinkView<'a> {
    /// Returns the id of the other span's trace.
    pub fn trace_id(&self) -> TraceId {
        TraceId::from_parts(u64_at(self.head, 0), u64_at(self.head, 8))
    }

    /// Returns the id of the other span.
    pub fn span_id(&self) -> SpanId {
        SpanId::new(u64_at(self.head, 16))
    }

    /// Returns the flags of the other span's context.
    pub fn flags(&self) -> TraceFlags {
        TraceFlags::from_bits(u16_at(self.head, 24))
    }

    /// Tells whether the other span is in another process: its context came out of a carrier.
    pub fn is_remote(&self) -> bool {
        u16_at(self.head, 24) & REMOTE_LINK != 0
    }

    /// Returns the trace state of the other span's context.
    pub fn trace_state(&self) -> Text<'a> {
        self.trace_state
    }

    /// Returns how many attributes the link has.
    pub fn n_attributes(&self) -> usize {
        usize::from(u16_at(self.head, 26))
    }

    /// Returns how many attributes the limits dropped, 65,535 at the most.
    pub fn dropped_attributes(&self) -> u32 {
        u32::from(u16_at(self.head, 28))
    }

    /// Visits the attributes.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::of(self.fields)
    }
}

impl fmt::Debug for LinkView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkView")
            .field("trace_id", &self.trace_id())
            .field("span_id", &self.span_id())
            .finish_non_exhaustive()
    }
}

/// Visits the bodies of the blocks of one kind.
#[derive(Clone, Copy)]
struct Blocks<'a> {
    entries: Entries<'a>,
    kind: u8,
}

impl<'a> Iterator for Blocks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let kind = self.kind;
        self.entries.find(|entry| entry.kind == kind).map(|entry| entry.value)
    }
}

impl fmt::Debug for Blocks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Visits entries and blocks; ends with the bytes, and where they are none.
///
/// Holds what is left, and takes from its front: so each length is checked once, against what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Entries<'a>(&'a [u8]);

/// An entry, or a block: that has no key.
struct Entry<'a> {
    kind: u8,
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let (word, rest) = self.0.split_first_chunk()?;
        let word = u32::from_le_bytes(*word);
        if word as u8 & kind::LONG != 0 {
            return self.next_long(word as u8);
        }
        let (key, rest) = rest.split_at_checked((word >> 8 & 0xFF) as usize)?;
        let (value, rest) = rest.split_at_checked((word >> 16) as usize)?;
        self.0 = rest;
        Some(Entry { kind: word as u8, key, value })
    }
}

impl<'a> Entries<'a> {
    /// Takes a block, or an entry with lengths of their own.
    fn next_long(&mut self, kind: u8) -> Option<Entry<'a>> {
        let rest = self.0.get(4..)?;
        let (key_len, rest) = if kind < kind::FIRST_BLOCK { split_u32(rest)? } else { (0, rest) };
        let (value_len, rest) = split_u32(rest)?;
        let (key, rest) = rest.split_at_checked(key_len as usize)?;
        let (value, rest) = rest.split_at_checked(value_len as usize)?;
        self.0 = rest;
        Some(Entry { kind, key, value })
    }
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

static NO_SCOPE: OnceLock<InstrumentationScope> = OnceLock::new();
static NO_HEAD: [u8; head::LEN] = [0; head::LEN];

#[inline]
fn u16_at<const N: usize>(head: &[u8; N], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(head, at))
}

#[inline]
fn u32_at<const N: usize>(head: &[u8; N], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(head, at))
}

#[inline]
fn u64_at<const N: usize>(head: &[u8; N], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(head, at))
}

/// Returns so many bytes from a place on: all places in heads are constants within them, so nothing is left of the check.
#[inline(always)]
fn bytes_at<const N: usize, const LEN: usize>(head: &[u8; N], at: usize) -> [u8; LEN] {
    head[at..].first_chunk().copied().unwrap_or([0; LEN])
}
