//! The open datagram: spans stand one after another, and what comes before them is written in front at the end.
//!
//! ```text
//! | headroom: message head, Process, list head, right-aligned | span | span | span | tail |
//! ```
//!
//! A span is encoded once, at the end of the buffer (once more where the buffer has to grow); should it be one too many, it
//! moves to the next datagram. The borders of spans are kept, so that a datagram that turns out too long can be taken apart
//! again.

use crate::codec::jaeger_thrift as wire;
use crate::codec::{Buffer, Cursor, ThriftProtocol};
use crate::stats::ClientStats;

/// Which of Thrift's protocols the datagrams use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// The compact protocol: the agent's port 6831.
    #[default]
    Compact,
    /// The strict binary protocol: the agent's port 6832.
    Binary,
}

/// Calls a generic function with the protocol as its first type argument.
macro_rules! with_protocol {
    ($protocol:expr, $P:ident => $call:expr) => {
        match $protocol {
            $crate::packer::Protocol::Compact => {
                type $P = $crate::codec::Compact;
                $call
            }
            $crate::packer::Protocol::Binary => {
                type $P = $crate::codec::Binary;
                $call
            }
        }
    };
}

pub(crate) use with_protocol;

/// A datagram that is being filled.
#[derive(Debug)]
pub(crate) struct Packer {
    protocol: Protocol,
    max_packet_bytes: usize,
    /// The headroom, then the spans.
    bytes: Buffer,
    /// Where the spans begin.
    headroom: usize,
    /// The encoded Process.
    process: Buffer,
    /// The most bytes that stand around spans, but for the head of their list, whose length depends on their number.
    around: usize,
    /// Where each span ends.
    ends: Vec<usize>,
    /// The tail of a sealed datagram begins here.
    sealed_at: Option<usize>,
    /// What goes in front, put together before its length is known.
    front: Buffer,
}

impl Packer {
    pub(crate) fn new(protocol: Protocol, max_packet_bytes: usize) -> Self {
        let mut packer = Self {
            protocol,
            max_packet_bytes,
            bytes: Buffer::new(),
            headroom: 0,
            process: Buffer::new(),
            around: 0,
            ends: Vec::new(),
            sealed_at: None,
            front: Buffer::new(),
        };
        packer.set_process(|_| ());
        packer
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(crate) fn max_packet_bytes(&self) -> usize {
        self.max_packet_bytes
    }

    /// Lowers or raises the limit for what is added from now on.
    pub(crate) fn set_max_packet_bytes(&mut self, max_packet_bytes: usize) {
        self.max_packet_bytes = max_packet_bytes;
    }

    /// Begins an empty datagram for a Process that `write` appends.
    pub(crate) fn set_process(&mut self, write: impl FnOnce(&mut Buffer)) {
        self.process.clear();
        write(&mut self.process);
        let (head_len, tail_len, list_field_len) = match self.protocol {
            Protocol::Compact => (COMPACT_HEAD_BYTES, COMPACT_TAIL_BYTES, 1),
            Protocol::Binary => (BINARY_HEAD_BYTES, BINARY_TAIL_BYTES, 3),
        };
        let before_list = head_len + self.process.len() + list_field_len;
        self.headroom = before_list + MAX_LIST_HEAD_BYTES;
        self.around = before_list + tail_len;
        self.clear();
    }

    /// Empties the datagram; memory that an unusual span took is given back.
    pub(crate) fn clear(&mut self) {
        self.sealed_at = None;
        self.ends.clear();
        self.bytes.clear();
        self.bytes.shrink_to(4 * self.max_packet_bytes.max(self.headroom));
        self.bytes.skip(self.headroom);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn n_spans(&self) -> usize {
        self.ends.len()
    }

    /// Returns how many bytes a span may have in a datagram of its own.
    pub(crate) fn max_span_bytes(&self) -> usize {
        self.max_packet_bytes.saturating_sub(self.overhead(1))
    }

    /// Takes in a span that `write` appends. Does not fit: `Err`, and the span is moved to the end of `spilled`.
    #[inline]
    pub(crate) fn add(
        &mut self,
        spilled: &mut Buffer,
        write: impl FnMut(&mut Cursor<'_>),
    ) -> Result<(), DoesNotFit> {
        let start = self.bytes.len();
        self.bytes.append(write);
        let added = self.keep_last();
        if added.is_err() {
            spilled.extend_from_slice(&self.bytes[start..]);
            self.bytes.truncate(start);
        }
        added
    }

    /// Takes in a span that was encoded before. Does not fit: `Err`, and nothing has changed.
    pub(crate) fn add_encoded(&mut self, span: &[u8]) -> Result<(), DoesNotFit> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(span);
        let added = self.keep_last();
        if added.is_err() {
            self.bytes.truncate(start);
        }
        added
    }

    #[inline]
    fn keep_last(&mut self) -> Result<(), DoesNotFit> {
        let span_bytes = self.bytes.len() - self.headroom;
        if self.overhead(self.ends.len() + 1) + span_bytes > self.max_packet_bytes {
            return Err(DoesNotFit);
        }
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Writes what stands before and after the spans, and returns the datagram. May be called again, with other numbers.
    pub(crate) fn seal(&mut self, seq_no: i64, stats: &ClientStats) -> &[u8] {
        let spans_end = *self.sealed_at.get_or_insert(self.bytes.len());
        self.bytes.truncate(spans_end);
        self.front.clear();
        // Thrift's own number of the message is 32 bits wide; servers ignore it.
        let seq_id = (seq_no & i64::from(i32::MAX)) as i32;
        with_protocol!(self.protocol, P => {
            self.front.append(|out| {
                wire::message_head::<P>(out, seq_id);
                out.copy(&self.process);
                wire::spans_head::<P>(out, self.ends.len());
            });
            self.bytes.append(|out| wire::message_tail::<P>(out, Some(seq_no), Some(stats)));
        });
        let start = self.headroom - self.front.len();
        self.bytes[start..self.headroom].copy_from_slice(&self.front);
        &self.bytes[start..]
    }

    /// Takes the spans out, to be added one by one again; the datagram is empty afterwards.
    pub(crate) fn take_spans(&mut self) -> EncodedSpans {
        let spans = EncodedSpans {
            bytes: std::mem::take(&mut self.bytes),
            start: self.headroom,
            ends: std::mem::take(&mut self.ends),
        };
        self.clear();
        spans
    }

    /// Returns the most bytes that stand around `n_spans` spans.
    #[inline]
    fn overhead(&self, n_spans: usize) -> usize {
        self.around + with_protocol!(self.protocol, P => P::struct_list_len(n_spans))
    }
}

/// The datagram is full, or smaller than the span.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DoesNotFit;

/// Spans taken out of a datagram.
#[derive(Debug)]
pub(crate) struct EncodedSpans {
    bytes: Buffer,
    start: usize,
    ends: Vec<usize>,
}

impl EncodedSpans {
    /// Visits the spans in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ends
            .iter()
            .scan(self.start, |start, end| Some(&self.bytes[std::mem::replace(start, *end)..*end]))
    }
}

/// Message head with the longest number, and the heads of arguments and batch.
const COMPACT_HEAD_BYTES: usize = 2 + 5 + 1 + wire::EMIT_BATCH.len() + 1 + 1;
/// Sequence number and statistics at their longest, and the ends of batch and arguments.
const COMPACT_TAIL_BYTES: usize = 11 + 1 + 3 * 11 + 1 + 2;
const BINARY_HEAD_BYTES: usize = 4 + 4 + wire::EMIT_BATCH.len() + 4 + 3 + 3;
const BINARY_TAIL_BYTES: usize = 11 + 3 + 3 * 11 + 1 + 2;
const MAX_LIST_HEAD_BYTES: usize = 6;

#[cfg(all(test, feature = "agent"))]
mod tests;
