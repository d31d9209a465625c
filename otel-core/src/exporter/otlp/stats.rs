//! What an exporter counted: every span is somewhere in here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads an exporter's counters, from any thread, for as long as it likes.
///
/// Taken from [`OtlpExporter::stats`](super::OtlpExporter::stats) before the exporter moves into a processor.
#[derive(Clone, Debug)]
pub struct OtlpStatsHandle {
    counters: Arc<Counters>,
}

impl OtlpStatsHandle {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { counters }
    }

    /// Returns what was counted up to now.
    pub fn snapshot(&self) -> OtlpStats {
        self.counters.snapshot()
    }
}

/// What an exporter counted since it was built. In the child of a `fork` all numbers begin anew with the first span that ends
/// there.
///
/// `delivered_spans` and the five losses add up to the spans taken over, but for those that wait to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtlpStats {
    /// Spans that the Collector accepted.
    pub delivered_spans: u64,
    /// Requests that the Collector accepted, in whole or in part.
    pub accepted_requests: u64,
    /// Requests that failed and were, or are to be, sent once more.
    pub failed_requests: u64,
    /// Bytes of the accepted requests' bodies, as sent: compressed, where they are.
    pub sent_bytes: u64,
    /// Lost: spans that the Collector left out of requests that it accepted otherwise.
    pub rejected_spans: u64,
    /// Lost: spans in requests to which the Collector said no, by a status that forbids to try once more.
    pub refused_spans: u64,
    /// Lost: spans in requests that were tried again and again until the time for that ran out.
    pub expired_spans: u64,
    /// Lost: spans for which there was no room beside those that wait to be sent once more.
    pub backlog_full_spans: u64,
    /// Lost: spans that still waited when the exporter was closed and the time for that ran out.
    pub closed_spans: u64,
}

impl OtlpStats {
    /// Returns how many spans were lost, for whatever reason.
    pub fn lost_spans(&self) -> u64 {
        self.rejected_spans
            + self.refused_spans
            + self.expired_spans
            + self.backlog_full_spans
            + self.closed_spans
    }
}

/// The counters behind an [`OtlpStatsHandle`]: written by the exporter alone, read by anyone.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) delivered_spans: Counter,
    pub(super) accepted_requests: Counter,
    pub(super) failed_requests: Counter,
    pub(super) sent_bytes: Counter,
    pub(super) rejected_spans: Counter,
    pub(super) refused_spans: Counter,
    pub(super) expired_spans: Counter,
    pub(super) backlog_full_spans: Counter,
    pub(super) closed_spans: Counter,
}

impl Counters {
    pub(super) fn snapshot(&self) -> OtlpStats {
        OtlpStats {
            delivered_spans: self.delivered_spans.get(),
            accepted_requests: self.accepted_requests.get(),
            failed_requests: self.failed_requests.get(),
            sent_bytes: self.sent_bytes.get(),
            rejected_spans: self.rejected_spans.get(),
            refused_spans: self.refused_spans.get(),
            expired_spans: self.expired_spans.get(),
            backlog_full_spans: self.backlog_full_spans.get(),
            closed_spans: self.closed_spans.get(),
        }
    }

    /// Begins anew: in the child of a fork, where nobody else counts any more.
    pub(super) fn reset(&self) {
        let Self {
            delivered_spans,
            accepted_requests,
            failed_requests,
            sent_bytes,
            rejected_spans,
            refused_spans,
            expired_spans,
            backlog_full_spans,
            closed_spans,
        } = self;
        let counters = [
            delivered_spans,
            accepted_requests,
            failed_requests,
            sent_bytes,
            rejected_spans,
            refused_spans,
            expired_spans,
            backlog_full_spans,
            closed_spans,
        ];
        // Relaxed, here and below: statistics that guard no other memory.
        counters.into_iter().for_each(|counter| counter.0.store(0, Ordering::Relaxed));
    }
}

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
