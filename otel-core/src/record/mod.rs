//! A span as bytes: written once at each call of the instrumented code, read in place by everyone after.
//!
//! | type | what |
//! | --- | --- |
//! | [`SpanBuf`] | the record of a live span: a growing buffer, owned by the span and used again for the next one |
//! | [`SpanView`] | a finished record, read without copying |
//! | [`SpanData`] | the owned form, for tests and exporters in no hurry |
//!
//! # Layout
//!
//! Little endian. A frame is a head of 80 bytes, then the area: the name, then entries in the order of the calls.
//! Its length is a multiple of eight.
//!
//! | head, from byte | what |
//! | --- | --- |
//! | 0 | `u32` frame length |
//! | 4 | `u8` kind, with bit 7 for a parent in another process, `u8` status, `u16` trace flags |
//! | 8 | `u64` trace id high, `u64` trace id low, `u64` span id, `u64` parent id |
//! | 40 | `u64` start in Unix nanoseconds, `u64` duration in nanoseconds |
//! | 56 | `u32` name length, `u32` area length |
//! | 64 | `u16` attributes, `u16` events, `u16` links, `u16` instrumentation scope |
//! | 72 | `u32` dropped attributes, `u16` dropped events, `u16` dropped links |
//!
//! An entry is a `u32` of type, key length << 8 and value length << 16, then the key, then the value. A key over 255
//! bytes or a value over 65,535 sets bit 7 of the type, and two `u32` lengths follow instead.
//!
//! A block (an event, a link, the trace state, the status description) is a `u32` with its type, a `u32` body length,
//! then the body. An event's body is `u64` Unix nanoseconds, `u32` name length, `u16` fields, `u16` dropped fields, the
//! name, then its fields as entries. A link's is `u64` trace id high and low, `u64` span id, `u16` flags, with bit 15 for a
//! span in another process, `u16` fields, `u16` dropped fields, `u16` trace state length, the trace state, then its fields. Readers skip blocks they do not know.

mod buf;
mod data;
mod entry;
pub(crate) mod short;
mod view;

pub use buf::{SpanBuf, SpanIds, SpanTimes};
pub use data::{EventData, LinkData, SpanData};
pub(crate) use entry::encode_attributes;
pub use view::{
    Attribute, Attributes, Elements, EventView, Events, LinkView, Links, SpanView, Text, ValueView,
};

/// Where the fields of the head stand.
mod head {
    pub(super) const LEN: usize = 80;
    pub(super) const FRAME_LEN: usize = 0;
    pub(super) const KIND: usize = 4;
    pub(super) const STATUS: usize = 5;
    pub(super) const FLAGS: usize = 6;
    pub(super) const TRACE_ID_HIGH: usize = 8;
    pub(super) const TRACE_ID_LOW: usize = 16;
    pub(super) const SPAN_ID: usize = 24;
    pub(super) const PARENT_ID: usize = 32;
    pub(super) const START: usize = 40;
    pub(super) const DURATION: usize = 48;
    pub(super) const NAME_LEN: usize = 56;
    pub(super) const AREA_LEN: usize = 60;
    pub(super) const N_ATTRIBUTES: usize = 64;
    pub(super) const N_EVENTS: usize = 66;
    pub(super) const N_LINKS: usize = 68;
    pub(super) const SCOPE: usize = 70;
    pub(super) const DROPPED_ATTRIBUTES: usize = 72;
    pub(super) const DROPPED_EVENTS: usize = 76;
    pub(super) const DROPPED_LINKS: usize = 78;
}

/// Set beside the kind where the parent is in another process.
const REMOTE_PARENT: u8 = 0x80;
/// Set beside the flags of a link to a span in another process; no flag has this bit.
const REMOTE_LINK: u16 = 0x8000;

/// The types of entries and blocks.
mod kind {
    pub(super) const EMPTY: u8 = 0;
    pub(super) const BOOL: u8 = 1;
    pub(super) const I64: u8 = 2;
    pub(super) const F64: u8 = 3;
    pub(super) const STR: u8 = 4;
    pub(super) const BYTES: u8 = 5;
    pub(super) const ARRAY: u8 = 6;
    pub(super) const MAP: u8 = 7;
    /// Set beside one of the above: two `u32` lengths follow.
    pub(super) const LONG: u8 = 0x80;
    /// From here on: blocks.
    pub(super) const FIRST_BLOCK: u8 = 0xC0;
    pub(super) const EVENT: u8 = 0xC0;
    pub(super) const LINK: u8 = 0xC1;
    pub(super) const TRACE_STATE: u8 = 0xC2;
    pub(super) const STATUS_DESCRIPTION: u8 = 0xC3;
}

const EVENT_HEAD_LEN: usize = 16;
const LINK_HEAD_LEN: usize = 32;

/// The largest area: what would make it longer is dropped and counted, so lengths always fit their fields.
const MAX_AREA_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests;
