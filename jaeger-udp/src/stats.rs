//! What an exporter counted: every span is somewhere in here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads an exporter's counters, from any thread, for as long as it likes.
///
/// Taken from [`JaegerExporter::stats`](crate::JaegerExporter::stats) before the exporter moves into a processor.
#[derive(Clone, Debug)]
pub struct StatsHandle {
    counters: Arc<Counters>,
}

impl StatsHandle {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self { counters }
    }

    /// Returns what was counted up to now.
    pub fn snapshot(&self) -> Stats {
        self.counters.snapshot()
    }
}

/// What an exporter counted since it was built. In the child of a `fork` all numbers begin anew with the first span that ends
/// there.
///
/// `sent_spans` and the four losses add up to the spans taken over, but for those that wait in the open datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Spans given to the system in datagrams that nobody is known to have refused.
    pub sent_spans: u64,
    /// Datagrams given to the system, refused ones included.
    pub sent_datagrams: u64,
    /// Their payload in bytes.
    pub sent_bytes: u64,
    /// Lost: spans in datagrams that the other side refused, since nothing listens on the port.
    pub refused_spans: u64,
    /// Lost: spans in datagrams that the system did not take.
    pub send_failed_spans: u64,
    /// Lost: spans for which the agent's name had no address.
    pub unresolved_spans: u64,
    /// Lost: spans that alone are larger than a datagram, even trimmed.
    pub too_large_spans: u64,
    /// Spans from which something was left out so that they fit a datagram. They are among the sent ones.
    pub trimmed_spans: u64,
    /// Process tags (and service names) shortened or left out, since a Process may fill half a datagram at the most; once for each datagram
    /// limit and Process.
    pub trimmed_process_tags: u64,
    /// Datagrams that the system found too long, and that went out as several.
    pub resplit_datagrams: u64,
    /// Datagrams that the kernel dropped at the agent's port on this machine since the first datagram, whoever sent them: the
    /// agent was too slow. They stand beside the account, since nobody knows how many of them were ours; known on Linux
    /// alone.
    pub receiver_dropped_datagrams: u64,
    /// The largest datagram that is made now, in bytes: as configured, or less once the system found one too long.
    pub max_packet_bytes: u64,
}

impl Stats {
    /// Returns how many spans were lost, for whatever reason.
    pub fn lost_spans(&self) -> u64 {
        self.refused_spans + self.send_failed_spans + self.unresolved_spans + self.too_large_spans
    }
}

/// What a batch says about its sender, cumulative since the start: Jaeger's `ClientStats`.
///
/// Source: `jaegertracing/jaeger-idl:thrift/jaeger.thrift`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// Spans dropped since the queue was full.
    pub full_queue_dropped_spans: i64,
    /// Spans dropped since they are larger than a datagram.
    pub too_large_dropped_spans: i64,
    /// Spans in datagrams that could not be sent, or were refused.
    pub failed_to_emit_spans: i64,
}

/// The counters behind a [`StatsHandle`]: written by the exporter alone, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Spans in datagrams that the system took; those refused later are among them.
    pub(crate) given_spans: Counter,
    pub(crate) sent_datagrams: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) refused_spans: Counter,
    pub(crate) send_failed_spans: Counter,
    pub(crate) unresolved_spans: Counter,
    pub(crate) too_large_spans: Counter,
    pub(crate) trimmed_spans: Counter,
    pub(crate) trimmed_process_tags: Counter,
    pub(crate) resplit_datagrams: Counter,
    pub(crate) receiver_dropped_datagrams: Counter,
    pub(crate) max_packet_bytes: Counter,
}

impl Counters {
    pub(crate) fn lost_spans(&self) -> u64 {
        self.failed_to_emit_spans() + self.too_large_spans.get()
    }

    pub(crate) fn failed_to_emit_spans(&self) -> u64 {
        self.refused_spans.get() + self.send_failed_spans.get() + self.unresolved_spans.get()
    }

    /// Begins anew: in the child of a fork, where nobody else counts any more.
    pub(crate) fn reset(&self, max_packet_bytes: usize) {
        let Self {
            given_spans,
            sent_datagrams,
            sent_bytes,
            refused_spans,
            send_failed_spans,
            unresolved_spans,
            too_large_spans,
            trimmed_spans,
            trimmed_process_tags,
            resplit_datagrams,
            receiver_dropped_datagrams,
            max_packet_bytes: limit,
        } = self;
        let counters = [
            given_spans,
            sent_datagrams,
            sent_bytes,
            refused_spans,
            send_failed_spans,
            unresolved_spans,
            too_large_spans,
            trimmed_spans,
            trimmed_process_tags,
            resplit_datagrams,
            receiver_dropped_datagrams,
        ];
        counters.into_iter().for_each(|counter| counter.set(0));
        limit.set(max_packet_bytes as u64);
    }

    fn snapshot(&self) -> Stats {
        // Refused spans were given before: read in this order, there are never more of them.
        let refused_spans = self.refused_spans.get();
        Stats {
            sent_spans: self.given_spans.get().saturating_sub(refused_spans),
            sent_datagrams: self.sent_datagrams.get(),
            sent_bytes: self.sent_bytes.get(),
            refused_spans,
            send_failed_spans: self.send_failed_spans.get(),
            unresolved_spans: self.unresolved_spans.get(),
            too_large_spans: self.too_large_spans.get(),
            trimmed_spans: self.trimmed_spans.get(),
            trimmed_process_tags: self.trimmed_process_tags.get(),
            resplit_datagrams: self.resplit_datagrams.get(),
            receiver_dropped_datagrams: self.receiver_dropped_datagrams.get(),
            max_packet_bytes: self.max_packet_bytes.get(),
        }
    }
}

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: usize) {
        // Relaxed, here and below: a statistic that guards no other memory.
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
