//! The floor: the workload's spans written straight into a datagram, with two reads of a clock for each.
//!
//! No API, no queue, no sampler, no other thread. What is known at compile time is written in one piece. It is what the
//! bytes cost, not a tracer.

use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use otel_core::{Clock as _, SystemClock};

use super::Settings;
use crate::workload::{self, Peer};

struct Floor<C> {
    clock: C,
    settings: Settings,
    socket: UdpSocket,
    datagram: Datagram,
    ids: Ids,
}

pub(super) fn build_on_system_time(settings: &Settings) -> Box<dyn Peer> {
    Box::new(Floor::new(WallClock, *settings))
}

pub(super) fn build_on_instant(settings: &Settings) -> Box<dyn Peer> {
    let clock = SteadyClock { base: Instant::now(), base_micros: WallClock.now_micros() };
    Box::new(Floor::new(clock, *settings))
}

pub(super) fn build_on_our_clock(settings: &Settings) -> Box<dyn Peer> {
    let clock: &'static SystemClock = Box::leak(Box::default());
    // The first measure of the counter's speed, as a provider's worker takes it.
    std::thread::sleep(Duration::from_millis(20));
    clock.reanchor();
    Box::new(Floor::new(OurClock(clock), *settings))
}

impl<C: Clock> Floor<C> {
    fn new(clock: C, settings: Settings) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket can be had");
        socket.connect(settings.agent()).expect("the sink listens");
        let ids = Ids::new(u64::from(socket.local_addr().expect("it is bound").port()));
        Self { clock, settings, socket, datagram: Datagram::new(), ids }
    }

    fn span(&mut self, span: &Span<'_>) {
        if self.datagram.at + MAX_SPAN_BYTES > MAX_PACKET_BYTES {
            self.send();
        }
        self.datagram.span(span, self.clock.now_micros());
    }

    fn send(&mut self) {
        let _ = self.socket.send(self.datagram.seal());
        self.datagram.clear();
    }
}

impl<C: Clock> Peer for Floor<C> {
    fn trace(&mut self) {
        let trace_id = (self.ids.next(), self.ids.next());
        let root_id = self.ids.next();
        let root_start = self.clock.now_micros();
        for index in 1..workload::TRACE_SPANS {
            let start_micros = self.clock.now_micros();
            let is_logging = index == workload::LOGGING_CHILD;
            let span = Span {
                trace_id,
                span_id: self.ids.next(),
                parent_span_id: root_id,
                name: NameField::CHILD,
                start_micros,
                url: workload::url(),
                status: workload::status(index),
                log_micros: is_logging.then(|| self.clock.now_micros()),
            };
            self.span(&span);
        }
        self.span(&Span {
            trace_id,
            span_id: root_id,
            parent_span_id: 0,
            name: NameField::ROOT,
            start_micros: root_start,
            url: workload::url(),
            status: workload::status(0),
            log_micros: None,
        });
    }

    fn flush(&mut self) {
        if self.datagram.n_spans > 0 {
            self.send();
        }
    }

    fn another(&self) -> Box<dyn Peer> {
        Box::new(Self::new(self.clock, self.settings))
    }
}

/// A span of the workload, with what differs from one to the next.
struct Span<'a> {
    trace_id: (u64, u64),
    span_id: u64,
    parent_span_id: u64,
    name: NameField,
    start_micros: u64,
    url: &'a str,
    status: i64,
    log_micros: Option<u64>,
}

/// The encoded name of a span: both names are of one length.
#[derive(Clone, Copy)]
struct NameField([u8; 12]);

impl NameField {
    const ROOT: Self = Self(*b"\x18\x0Aget-orders");
    const CHILD: Self = Self(*b"\x18\x0Aload-order");
}

/// A call of `emitBatch` that is being written, in the compact protocol.
struct Datagram {
    bytes: Box<Bytes>,
    at: usize,
    n_spans: usize,
}

type Bytes = [u8; MAX_PACKET_BYTES + MAX_SPAN_BYTES];

impl Datagram {
    fn new() -> Self {
        let mut bytes = Box::new([0; MAX_PACKET_BYTES + MAX_SPAN_BYTES]);
        bytes[..HEAD.len()].copy_from_slice(HEAD);
        Self { bytes, at: HEAD.len(), n_spans: 0 }
    }

    fn clear(&mut self) {
        self.at = HEAD.len();
        self.n_spans = 0;
    }

    /// Ends the message, and writes how many spans it has.
    fn seal(&mut self) -> &[u8] {
        self.bytes[self.at..self.at + 2].fill(0);
        // A number padded to three bytes, so that its length is known before the spans are.
        let n_spans = self.n_spans;
        let count = [n_spans as u8 | 0x80, (n_spans >> 7) as u8 | 0x80, (n_spans >> 14) as u8];
        self.bytes[HEAD.len() - 3..HEAD.len()].copy_from_slice(&count);
        &self.bytes[..self.at + 2]
    }

    #[inline]
    fn span(&mut self, span: &Span<'_>, end_micros: u64) {
        let mut out = Cursor { bytes: &mut self.bytes, at: self.at };
        out.long_field(0x16, span.trace_id.1);
        out.long_field(0x16, span.trace_id.0);
        out.long_field(0x16, span.span_id);
        out.long_field(0x16, span.parent_span_id);
        out.put(&span.name.0);
        out.put(b"\x25\x02"); // flags: sampled
        out.long_field(0x16, span.start_micros);
        out.long_field(0x16, end_micros.saturating_sub(span.start_micros));
        out.put(TAGS_UP_TO_URL);
        out.text(span.url);
        out.put(STATUS_TAG_HEAD);
        out.varint((span.status << 1) as u64);
        out.put(b"\0");
        if let Some(log_micros) = span.log_micros {
            out.put(b"\x19\x1C"); // a list of one log
            out.long_field(0x16, log_micros);
            out.put(LOG_FIELDS);
        }
        out.put(b"\0");
        self.at = out.at;
        self.n_spans += 1;
    }
}

/// Writes one span. All of it is inlined, so that the position stays in a register: through memory, each of forty writes
/// would wait for the one before.
struct Cursor<'a> {
    bytes: &'a mut Bytes,
    at: usize,
}

impl Cursor<'_> {
    #[inline(always)]
    fn long_field(&mut self, head: u8, value: u64) {
        self.put(&[head]);
        self.varint((value << 1) ^ ((value as i64) >> 63) as u64);
    }

    #[inline(always)]
    fn text(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.bytes[self.at..self.at + text.len()].copy_from_slice(text.as_bytes());
        self.at += text.len();
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.bytes[self.at..self.at + N].copy_from_slice(bytes);
        self.at += N;
    }

    /// Writes seven bits a byte, the lowest first: all bytes at once, since a loop over them takes several times longer.
    #[inline(always)]
    fn varint(&mut self, value: u64) {
        if value < 0x80 {
            return self.put(&[value as u8]);
        }
        let n_bytes = (value.ilog2() / 7 + 1) as usize;
        let low = value & ((1 << 28) - 1) | (value >> 28 & ((1 << 28) - 1)) << 32;
        let low = low & 0x0000_3FFF_0000_3FFF | (low >> 14 & 0x0000_3FFF_0000_3FFF) << 16;
        let low = low & 0x007F_007F_007F_007F | (low >> 7 & 0x007F_007F_007F_007F) << 8;
        // Each byte but the last says that one follows.
        let follows = u64::MAX.checked_shr(72 - 8 * n_bytes.min(9) as u32).unwrap_or(0);
        let follows = follows & 0x8080_8080_8080_8080;
        let high = (value >> 56 & 0x7F) as u16 | if n_bytes > 9 { 0x0180 } else { 0 };
        let place = &mut self.bytes[self.at..self.at + 10];
        place[..8].copy_from_slice(&(low | follows).to_le_bytes());
        place[8..].copy_from_slice(&high.to_le_bytes());
        self.at += n_bytes;
    }
}

/// Random enough to be ids.
struct Ids(u64);

impl Ids {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    #[inline]
    fn next(&mut self) -> u64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Tells the time in microseconds since the Unix epoch.
trait Clock: Copy + Send + 'static {
    fn now_micros(&self) -> u64;
}

#[derive(Clone, Copy)]
struct WallClock;

impl Clock for WallClock {
    #[inline]
    fn now_micros(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
    }
}

/// The steady clock, tied to the wall clock once.
#[derive(Clone, Copy)]
struct SteadyClock {
    base: Instant,
    base_micros: u64,
}

impl Clock for SteadyClock {
    #[inline]
    fn now_micros(&self) -> u64 {
        self.base_micros + self.base.elapsed().as_micros() as u64
    }
}

/// The engine's clock.
#[derive(Clone, Copy)]
struct OurClock(&'static SystemClock);

impl Clock for OurClock {
    #[inline]
    fn now_micros(&self) -> u64 {
        self.0.unix_nanos(self.0.now()) / 1000
    }
}

/// The agent's own limit.
const MAX_PACKET_BYTES: usize = 65_000;
/// No span of the workload is longer, the end of the message included.
const MAX_SPAN_BYTES: usize = 320;

/// The message up to its spans, whose number takes the last three bytes.
const HEAD: &[u8; 31] = b"\x82\x81\x00\x09emitBatch\x1C\x1C\x18\x08checkout\0\x19\xFC\0\0\0";
/// Three tags, the first in full, the second up to its value.
const TAGS_UP_TO_URL: &[u8; 35] =
    b"\x19\x3C\x18\x09component\x15\0\x18\x04grpc\0\x18\x08http.url\x15\0\x18";
/// The end of the second tag, and the third up to its value.
const STATUS_TAG_HEAD: &[u8; 22] = b"\0\x18\x10http.status_code\x15\x06\x46";
/// The two fields of the log, and its end.
const LOG_FIELDS: &[u8; 45] =
    b"\x19\x2C\x18\x05event\x15\0\x18\x0Acache-miss\0\x18\x03key\x15\0\x18\x0Aorder:4711\0\0";
