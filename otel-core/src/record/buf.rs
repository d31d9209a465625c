//! The record of a live span, written as the calls come.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use super::entry::{Entry, push_bytes, push_nested, put, read_u32, read_u64, scalar_len};
use super::short::copy_short;
use super::{
    EVENT_HEAD_LEN, LINK_HEAD_LEN, MAX_AREA_BYTES, REMOTE_LINK, REMOTE_PARENT, SpanView, head, kind,
};
use crate::attribute::{AttributeSource, Value};
use crate::id::{SpanId, TraceId};
use crate::instrumentation_scope::InstrumentationScope;
use crate::span::{SpanKind, SpanLimits, StatusCode};
use crate::span_context::{SpanContext, TraceFlags};

/// A growing record, used for one span after another.
///
/// Keys and values are copied at the call and never again before the queue. Limits are enforced here, and what they
/// drop is counted. Nothing is allocated once the buffer has seen a span of the usual size.
#[derive(Clone)]
pub struct SpanBuf {
    /// The head (filled in at the end of the span), then the area, then room for more: all of it initialised, so that a
    /// write is a copy into a slice.
    bytes: Vec<u8>,
    /// Where the area ends.
    len: usize,
    name_len: usize,
    kind: SpanKind,
    has_remote_parent: bool,
    status: StatusCode,
    n_attributes: usize,
    n_events: usize,
    n_links: usize,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
    /// Where the newest event's block begins.
    last_event: Option<usize>,
    /// One byte for each of the first keys: a key whose byte is not among them is new, without a scan.
    fingerprints: [u8; N_FINGERPRINTS],
    /// The hashes of all keys, once they are more than there are fingerprints: nobody scans many keys for each new one.
    key_hashes: HashSet<u64>,
}

impl SpanBuf {
    /// Makes an empty record.
    pub fn new() -> Self {
        Self {
            bytes: vec![0; USUAL_BYTES],
            len: head::LEN,
            name_len: 0,
            kind: SpanKind::Internal,
            has_remote_parent: false,
            status: StatusCode::Unset,
            n_attributes: 0,
            n_events: 0,
            n_links: 0,
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            last_event: None,
            fingerprints: [0; N_FINGERPRINTS],
            key_hashes: HashSet::new(),
        }
    }

    /// Begins the record of the next span; what the buffer held is gone, its memory stays.
    ///
    /// The ids are written now, not at the end: the finished record is copied as a whole, and such a copy waits for what
    /// was written just before.
    #[inline]
    pub fn start(&mut self, name: &str, kind: SpanKind, ids: SpanIds) {
        let name = truncated_to_bytes(name, MAX_AREA_BYTES / 2);
        self.len = head::LEN;
        copy_short(self.extend(name.len()), name.as_bytes());
        self.name_len = name.len();
        self.kind = kind;
        self.has_remote_parent = false;
        self.status = StatusCode::Unset;
        self.n_attributes = 0;
        self.n_events = 0;
        self.n_links = 0;
        self.dropped_attributes = 0;
        self.dropped_events = 0;
        self.dropped_links = 0;
        self.last_event = None;
        self.fingerprints = [NO_FINGERPRINT; N_FINGERPRINTS];
        if !self.key_hashes.is_empty() {
            self.key_hashes.clear();
        }
        self.set_ids(ids);
    }

    /// Replaces the ids that the record carries.
    #[inline]
    pub fn set_ids(&mut self, ids: SpanIds) {
        let head = self.head();
        put(head, head::FLAGS, ids.flags.bits().to_le_bytes());
        put(head, head::TRACE_ID_HIGH, ids.trace_id.high().to_le_bytes());
        put(head, head::TRACE_ID_LOW, ids.trace_id.low().to_le_bytes());
        put(head, head::SPAN_ID, ids.span_id.as_u64().to_le_bytes());
        put(head, head::PARENT_ID, ids.parent_span_id.as_u64().to_le_bytes());
    }

    /// Replaces the flags alone.
    pub fn set_flags(&mut self, flags: TraceFlags) {
        put(self.head(), head::FLAGS, flags.bits().to_le_bytes());
    }

    /// Returns the ids that were set.
    pub fn ids(&self) -> SpanIds {
        let read = |at| read_u64(&self.bytes, at).unwrap_or_default();
        let flags = [self.bytes[head::FLAGS], self.bytes[head::FLAGS + 1]];
        SpanIds {
            trace_id: TraceId::from_parts(read(head::TRACE_ID_HIGH), read(head::TRACE_ID_LOW)),
            span_id: SpanId::new(read(head::SPAN_ID)),
            parent_span_id: SpanId::new(read(head::PARENT_ID)),
            flags: TraceFlags::from_bits(u16::from_le_bytes(flags)),
        }
    }

    /// Gives back memory that an unusually large span took.
    pub fn shrink(&mut self) {
        if self.bytes.len() > MAX_POOLED_BYTES || self.key_hashes.capacity() > MAX_POOLED_HASHES {
            *self = Self::new();
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        let name = &self.bytes[head::LEN..head::LEN + self.name_len];
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// Replaces the name.
    pub fn set_name(&mut self, name: &str) {
        let name = truncated_to_bytes(name, MAX_AREA_BYTES / 2);
        let place = head::LEN..head::LEN + self.name_len;
        self.rewrite(|bytes| drop(bytes.splice(place, name.bytes())));
        self.name_len = name.len();
    }

    /// Replaces the kind.
    pub fn set_kind(&mut self, kind: SpanKind) {
        self.kind = kind;
    }

    /// Returns the kind.
    pub fn kind(&self) -> SpanKind {
        self.kind
    }

    /// Notes that the parent is in another process: its context came out of a carrier.
    pub fn set_remote_parent(&mut self) {
        self.has_remote_parent = true;
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Sets the status: Ok is final, Unset is ignored, and a description goes with an error only.
    pub fn set_status(&mut self, status: StatusCode, description: &str) {
        if status == StatusCode::Unset || self.status == StatusCode::Ok {
            return;
        }
        self.replace_status(status, description);
    }

    /// Sets the status whatever it was: the last call wins.
    ///
    /// For a translator that keeps other rules than OpenTelemetry's, as OpenTracing's error tag does.
    pub fn replace_status(&mut self, status: StatusCode, description: &str) {
        self.status = status;
        self.remove_block(kind::STATUS_DESCRIPTION);
        if status == StatusCode::Error && !description.is_empty() {
            self.push_text_block(kind::STATUS_DESCRIPTION, description);
        }
    }

    /// Sets the trace state that the span's context carries.
    pub fn set_trace_state(&mut self, trace_state: &str) {
        self.remove_block(kind::TRACE_STATE);
        if !trace_state.is_empty() {
            self.push_text_block(kind::TRACE_STATE, trace_state);
        }
    }

    /// Sets an attribute; a repeated key is overwritten where it stands. An empty key is dropped and counted.
    #[inline]
    pub fn set_attribute(&mut self, key: &str, value: Value<'_>, limits: &SpanLimits) {
        match value {
            Value::Str(text) => self.set_str(key, text, limits),
            Value::I64(number) => self.set_i64(key, number, limits),
            Value::Bool(flag) => self.set_bool(key, flag, limits),
            Value::F64(number) => self.set_f64(key, number, limits),
            Value::Bytes(bytes) => self.set_bytes(key, bytes, limits),
            nested => self.set_nested(key, nested, limits),
        }
    }

    /// Sets an attribute to a text, as [`set_attribute`](Self::set_attribute) does.
    #[inline(never)]
    pub fn set_str(&mut self, key: &str, text: &str, limits: &SpanLimits) {
        self.set_scalar(kind::STR, key, limits.cut_text(text).as_bytes(), limits);
    }

    /// Sets an attribute to a whole number, as [`set_attribute`](Self::set_attribute) does.
    #[inline(never)]
    pub fn set_i64(&mut self, key: &str, number: i64, limits: &SpanLimits) {
        self.set_scalar(kind::I64, key, &number.to_le_bytes(), limits);
    }

    #[inline(never)]
    fn set_bool(&mut self, key: &str, flag: bool, limits: &SpanLimits) {
        self.set_scalar(kind::BOOL, key, &[u8::from(flag)], limits);
    }

    #[inline(never)]
    fn set_f64(&mut self, key: &str, number: f64, limits: &SpanLimits) {
        self.set_scalar(kind::F64, key, &number.to_le_bytes(), limits);
    }

    #[inline(never)]
    fn set_bytes(&mut self, key: &str, bytes: &[u8], limits: &SpanLimits) {
        self.set_scalar(kind::BYTES, key, limits.cut_bytes(bytes), limits);
    }

    /// Sets an attribute whose value is in its final form. Compiled once for each type, so that the length of a value is
    /// known where it is always the same.
    #[inline(always)]
    fn set_scalar(&mut self, kind: u8, key: &str, value: &[u8], limits: &SpanLimits) {
        let fingerprint = fingerprint_of(key);
        if self.may_hold(fingerprint, key) && self.overwrite_scalar(kind, key, value) {
            return;
        }
        let has_room = self.len + key.len() + value.len() < MAX_AREA_BYTES;
        if self.admit(key, fingerprint, has_room, limits) {
            self.push_bytes(kind, key, value);
        }
    }

    #[cold]
    #[inline(never)]
    fn overwrite_scalar(&mut self, kind: u8, key: &str, value: &[u8]) -> bool {
        self.overwrite(key, |buf| buf.push_bytes(kind, key, value))
    }

    #[cold]
    fn set_nested(&mut self, key: &str, value: Value<'_>, limits: &SpanLimits) {
        let fingerprint = fingerprint_of(key);
        if self.may_hold(fingerprint, key)
            && self.overwrite(key, |buf| buf.push_entry(key, value, limits))
        {
            return;
        }
        let has_room = self.len + key.len() < MAX_AREA_BYTES;
        if self.admit(key, fingerprint, has_room, limits) {
            self.push_entry(key, value, limits);
        }
    }

    /// Counts a new attribute; tells whether it may be written, or is one too many.
    #[inline]
    fn admit(&mut self, key: &str, fingerprint: u8, has_room: bool, limits: &SpanLimits) -> bool {
        if self.n_attributes >= limits.attributes || key.is_empty() || !has_room {
            self.dropped_attributes = self.dropped_attributes.saturating_add(1);
            return false;
        }
        match self.fingerprints.get_mut(self.n_attributes) {
            Some(slot) => *slot = fingerprint,
            None => self.note_hash(key),
        }
        self.n_attributes += 1;
        true
    }

    /// Adds an event at a moment in Unix nanoseconds. Fields past the limit and empty keys are dropped and counted on the event.
    pub fn add_event(
        &mut self,
        name: &str,
        unix_nanos: u64,
        fields: &(impl AttributeSource + ?Sized),
        limits: &SpanLimits,
    ) {
        let name = truncated_to_bytes(name, MAX_AREA_BYTES / 4);
        if self.n_events >= limits.events || self.len + name.len() + EVENT_HEAD_LEN > MAX_AREA_BYTES
        {
            self.dropped_events = self.dropped_events.saturating_add(1);
            self.last_event = None;
            return;
        }
        let mut open =
            OpenBlock { start: self.len, n_dropped: |buf| &mut buf.dropped_events, buf: self };
        let buf = &mut *open.buf;
        let block = buf.begin_block(kind::EVENT, EVENT_HEAD_LEN + name.len());
        let body = &mut buf.bytes[block..block + EVENT_HEAD_LEN + name.len()];
        put(body, 0, unix_nanos.to_le_bytes());
        put(body, 8, (name.len() as u32).to_le_bytes());
        body[EVENT_HEAD_LEN..].copy_from_slice(name.as_bytes());
        buf.last_event = None;
        buf.push_fields(block + 12, fields, limits.attributes_per_event, limits);
        let buf = open.finish(block);
        buf.last_event = Some(block);
        buf.n_events += 1;
    }

    /// Replaces the name of the event that was added last, if nothing was written since: for a translator that finds the
    /// name among the fields.
    pub fn set_last_event_name(&mut self, name: &str) {
        let Some(block) = self.last_event else { return };
        let name = truncated_to_bytes(name, MAX_AREA_BYTES.saturating_sub(self.len));
        let Some(old_len) = read_u32(&self.bytes, block + 8) else { return };
        let start = block + EVENT_HEAD_LEN;
        self.rewrite(|bytes| drop(bytes.splice(start..start + old_len as usize, name.bytes())));
        put(&mut self.bytes, block + 8, (name.len() as u32).to_le_bytes());
        self.end_block(block);
    }

    /// Adds a link to another span. Fields past the limit and empty keys are dropped and counted on the link.
    pub fn add_link(
        &mut self,
        context: &SpanContext,
        fields: &(impl AttributeSource + ?Sized),
        limits: &SpanLimits,
    ) {
        if self.n_links >= limits.links || self.len + LINK_HEAD_LEN > MAX_AREA_BYTES {
            self.dropped_links = self.dropped_links.saturating_add(1);
            return;
        }
        let trace_state = context.trace_state().to_string();
        let trace_state = truncated_to_bytes(&trace_state, usize::from(u16::MAX));
        let mut open =
            OpenBlock { start: self.len, n_dropped: |buf| &mut buf.dropped_links, buf: self };
        let buf = &mut *open.buf;
        let block = buf.begin_block(kind::LINK, LINK_HEAD_LEN + trace_state.len());
        let body = &mut buf.bytes[block..block + LINK_HEAD_LEN + trace_state.len()];
        put(body, 0, context.trace_id().high().to_le_bytes());
        put(body, 8, context.trace_id().low().to_le_bytes());
        put(body, 16, context.span_id().as_u64().to_le_bytes());
        let remote = if context.is_remote() { REMOTE_LINK } else { 0 };
        put(body, 24, (context.flags().bits() | remote).to_le_bytes());
        put(body, 30, (trace_state.len() as u16).to_le_bytes());
        body[LINK_HEAD_LEN..].copy_from_slice(trace_state.as_bytes());
        buf.push_fields(block + 26, fields, limits.attributes_per_link, limits);
        open.finish(block).n_links += 1;
    }

    /// Tells whether limits dropped something of the span: an attribute, an event, a link.
    #[inline]
    pub fn has_dropped(&self) -> bool {
        self.dropped_attributes | self.dropped_events | self.dropped_links != 0
    }

    /// Completes the head and returns the finished record.
    pub fn finish<'a>(
        &'a mut self,
        times: SpanTimes,
        scope: &'a InstrumentationScope,
    ) -> SpanView<'a> {
        let area_len = self.len - head::LEN;
        let frame_len = self.len.next_multiple_of(8);
        let len = self.len;
        self.extend(8).fill(0);
        self.len = len;
        let remote = if self.has_remote_parent { REMOTE_PARENT } else { 0 };
        let (kind, status) = (self.kind as u8 | remote, self.status as u8);
        let (name_len, scope_index) = (self.name_len as u32, scope.index());
        let counts = [self.n_attributes, self.n_events, self.n_links].map(saturating_u16);
        let dropped = [self.dropped_events, self.dropped_links].map(|n| saturating_u16(n as usize));
        let dropped_attributes = self.dropped_attributes;
        let head = self.head();
        put(head, head::FRAME_LEN, (frame_len as u32).to_le_bytes());
        head[head::KIND] = kind;
        head[head::STATUS] = status;
        put(head, head::START, times.start_unix_nanos.to_le_bytes());
        put(head, head::DURATION, times.duration_nanos.to_le_bytes());
        put(head, head::NAME_LEN, name_len.to_le_bytes());
        put(head, head::AREA_LEN, (area_len as u32).to_le_bytes());
        put(head, head::N_ATTRIBUTES, counts[0].to_le_bytes());
        put(head, head::N_EVENTS, counts[1].to_le_bytes());
        put(head, head::N_LINKS, counts[2].to_le_bytes());
        put(head, head::SCOPE, scope_index.to_le_bytes());
        put(head, head::DROPPED_ATTRIBUTES, dropped_attributes.to_le_bytes());
        put(head, head::DROPPED_EVENTS, dropped[0].to_le_bytes());
        put(head, head::DROPPED_LINKS, dropped[1].to_le_bytes());
        SpanView::new(&self.bytes[..frame_len], scope)
    }

    #[inline]
    fn head(&mut self) -> &mut [u8; head::LEN] {
        let Some(head) = self.bytes.first_chunk_mut() else { unreachable!("a record has a head") };
        head
    }

    #[inline]
    fn may_hold(&self, fingerprint: u8, key: &str) -> bool {
        if self.n_attributes > N_FINGERPRINTS {
            return self.key_hashes.contains(&hash_of(key));
        }
        // All of them at once, without an early end: one comparison of 16 bytes.
        self.fingerprints.iter().fold(false, |found, known| found | (*known == fingerprint))
    }

    /// Notes the key of an attribute past those that have fingerprints; at the first of these, all keys before as well.
    #[cold]
    fn note_hash(&mut self, key: &str) {
        if self.n_attributes == N_FINGERPRINTS {
            let mut at = head::LEN + self.name_len;
            while let Some(entry) = Entry::read(&self.bytes[..self.len], at) {
                if !entry.is_block() {
                    self.key_hashes.insert(hash_of(&self.bytes[entry.key]));
                }
                at = entry.end;
            }
        }
        self.key_hashes.insert(hash_of(key));
    }

    #[inline]
    fn has_room(&self, key: &str, value: Value<'_>) -> bool {
        self.len + key.len() + scalar_len(value) < MAX_AREA_BYTES
    }

    /// Makes the area longer, and returns what it got: to be written over.
    #[inline]
    fn extend(&mut self, n_bytes: usize) -> &mut [u8] {
        if self.bytes.len() - self.len < n_bytes {
            self.grow(n_bytes);
        }
        let start = self.len;
        self.len += n_bytes;
        &mut self.bytes[start..start + n_bytes]
    }

    #[cold]
    fn grow(&mut self, n_bytes: usize) {
        let wanted = (self.len + n_bytes).max(2 * self.bytes.len()).max(USUAL_BYTES);
        self.bytes.resize(wanted, 0);
    }

    /// Changes the area in a way that moves what is in it.
    #[cold]
    fn rewrite(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.truncate(self.len);
        change(&mut self.bytes);
        self.len = self.bytes.len();
    }

    /// Replaces the entry of a key that is there by what `push` appends; tells whether it was there.
    #[cold]
    fn overwrite(&mut self, key: &str, push: impl FnOnce(&mut Self)) -> bool {
        let mut at = head::LEN + self.name_len;
        while let Some(entry) = Entry::read(&self.bytes[..self.len], at) {
            if !entry.is_block() && &self.bytes[entry.key.clone()] == key.as_bytes() {
                let end = self.len;
                push(self);
                let replacement = self.bytes[end..self.len].to_vec();
                self.len = end;
                if end + replacement.len() > MAX_AREA_BYTES {
                    self.dropped_attributes = self.dropped_attributes.saturating_add(1);
                } else {
                    self.rewrite(|bytes| drop(bytes.splice(at..entry.end, replacement)));
                }
                return true;
            }
            at = entry.end;
        }
        false
    }

    /// Appends an entry; a text over the value limit is cut after that many characters.
    fn push_entry(&mut self, key: &str, value: Value<'_>, limits: &SpanLimits) {
        match value {
            Value::Str(text) => self.push_bytes(kind::STR, key, limits.cut_text(text).as_bytes()),
            Value::I64(number) => self.push_bytes(kind::I64, key, &number.to_le_bytes()),
            Value::Bool(flag) => self.push_bytes(kind::BOOL, key, &[u8::from(flag)]),
            Value::F64(number) => self.push_bytes(kind::F64, key, &number.to_le_bytes()),
            Value::Bytes(value) => self.push_bytes(kind::BYTES, key, limits.cut_bytes(value)),
            _ => self.rewrite(|bytes| push_nested(bytes, key, value, limits, 0)),
        }
    }

    #[inline(always)]
    fn push_bytes(&mut self, kind: u8, key: &str, value: &[u8]) {
        if key.len() > 0xFF || value.len() > 0xFFFF {
            return self.push_long(kind, key, value);
        }
        let word = u32::from(kind) | (key.len() as u32) << 8 | (value.len() as u32) << 16;
        let entry = self.extend(4 + key.len() + value.len());
        let (head, rest) = entry.split_at_mut(4);
        head.copy_from_slice(&word.to_le_bytes());
        let (key_place, value_place) = rest.split_at_mut(key.len());
        copy_short(key_place, key.as_bytes());
        copy_short(value_place, value);
    }

    #[cold]
    #[inline(never)]
    fn push_long(&mut self, kind: u8, key: &str, value: &[u8]) {
        self.rewrite(|bytes| push_bytes(bytes, kind, key, value));
    }

    /// Appends the fields of an event or a link, and writes their two counts at `counts`.
    fn push_fields(
        &mut self,
        counts: usize,
        fields: &(impl AttributeSource + ?Sized),
        limit: usize,
        limits: &SpanLimits,
    ) {
        let (mut n_fields, mut dropped): (u16, u16) = (0, 0);
        fields.for_each(&mut |key, value| {
            if usize::from(n_fields) >= limit.min(usize::from(u16::MAX))
                || key.is_empty()
                || !self.has_room(key, value)
            {
                dropped = dropped.saturating_add(1);
            } else {
                self.push_entry(key, value, limits);
                n_fields += 1;
            }
        });
        put(&mut self.bytes, counts, n_fields.to_le_bytes());
        put(&mut self.bytes, counts + 2, dropped.to_le_bytes());
    }

    fn push_text_block(&mut self, block_kind: u8, text: &str) {
        let text = truncated_to_bytes(text, MAX_AREA_BYTES.saturating_sub(self.len));
        let block = self.begin_block(block_kind, text.len());
        self.bytes[block..block + text.len()].copy_from_slice(text.as_bytes());
        self.end_block(block);
    }

    /// Begins a block whose body has at least this length, and returns where the body begins.
    fn begin_block(&mut self, block_kind: u8, body_len: usize) -> usize {
        let block = self.extend(8 + body_len);
        put(block, 0, u32::from(block_kind).to_le_bytes());
        self.len - body_len
    }

    fn end_block(&mut self, block: usize) {
        let body_len = (self.len - block) as u32;
        put(&mut self.bytes, block - 4, body_len.to_le_bytes());
    }

    fn remove_block(&mut self, block_kind: u8) {
        let mut at = head::LEN + self.name_len;
        while let Some(entry) = Entry::read(&self.bytes[..self.len], at) {
            if entry.kind == block_kind {
                return self.rewrite(|bytes| drop(bytes.drain(at..entry.end)));
            }
            at = entry.end;
        }
    }
}

/// A block that is being written. What it is written from is the caller's code: should that panic, the block is taken back
/// and counted as dropped, since half of one would make the whole record unreadable.
struct OpenBlock<'a> {
    buf: &'a mut SpanBuf,
    /// Where the record ended before.
    start: usize,
    n_dropped: fn(&mut SpanBuf) -> &mut u32,
}

impl OpenBlock<'_> {
    /// Ends the block whose body begins there.
    fn finish(&mut self, block: usize) -> &mut SpanBuf {
        self.buf.end_block(block);
        self.start = self.buf.len;
        self.buf
    }
}

impl Drop for OpenBlock<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.buf.len != self.start {
            self.buf.len = self.start;
            let n_dropped = (self.n_dropped)(self.buf);
            *n_dropped = n_dropped.saturating_add(1);
        }
    }
}

impl Default for SpanBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SpanBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanBuf").field("bytes", &self.len).finish_non_exhaustive()
    }
}

/// The ids that a record carries.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanIds {
    /// The id of the trace.
    pub trace_id: TraceId,
    /// The id of the span.
    pub span_id: SpanId,
    /// The id of the parent; invalid for a root.
    pub parent_span_id: SpanId,
    /// The flags.
    pub flags: TraceFlags,
}

impl SpanIds {
    /// Takes the ids of a span's context, and its parent's.
    #[inline]
    pub fn new(context: &SpanContext, parent_span_id: SpanId) -> Self {
        let (trace_id, span_id) = (context.trace_id(), context.span_id());
        Self { trace_id, span_id, parent_span_id, flags: context.flags() }
    }
}

/// When a span started, and how long it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanTimes {
    /// Nanoseconds since the Unix epoch.
    pub start_unix_nanos: u64,
    /// Nanoseconds.
    pub duration_nanos: u64,
}

#[cold]
fn hash_of(key: &(impl AsRef<[u8]> + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key.as_ref());
    hasher.finish()
}

/// Mixes the length with the first and the last byte: enough to tell most keys of a span apart.
#[inline]
fn fingerprint_of(key: &str) -> u8 {
    let bytes = key.as_bytes();
    let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
    let mixed =
        first.wrapping_mul(31).wrapping_add(last).wrapping_mul(31).wrapping_add(key.len() as u8);
    if mixed == NO_FINGERPRINT { 1 } else { mixed }
}

fn truncated_to_bytes(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let end = (0..=max_bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

fn saturating_u16(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

const N_FINGERPRINTS: usize = 16;

/// Stands where no key is yet.
const NO_FINGERPRINT: u8 = 0;

/// What a record has room for before it grows.
const USUAL_BYTES: usize = 1024;

/// So it is with hashes of keys: to forget them takes time in proportion to the room they have.
const MAX_POOLED_HASHES: usize = 1024;

/// A buffer that grew beyond this is not kept for the next span.
const MAX_POOLED_BYTES: usize = 64 << 10;
