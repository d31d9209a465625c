//! What became of finished spans: every one is delivered, lost for a named reason, or still on its way.

use std::error::Error;
use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// What became of the spans that ended before a flush: totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flushed {
    /// Spans that the exporter delivered.
    pub exported_spans: u64,
    /// Spans that were dropped or could not be delivered; [`SpanCounts`] says why.
    pub lost_spans: u64,
}

impl Flushed {
    /// Puts the two totals together.
    pub const fn new(exported_spans: u64, lost_spans: u64) -> Self {
        Self { exported_spans, lost_spans }
    }
}

impl Add for Flushed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            exported_spans: self.exported_spans + other.exported_spans,
            lost_spans: self.lost_spans + other.lost_spans,
        }
    }
}

/// What a processor counted since the start: `finished_spans` is always the sum of all the others. In the child of a `fork`
/// all of them begin at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanCounts {
    /// Sampled spans that ended.
    pub finished_spans: u64,
    /// Spans that the exporter delivered.
    pub exported_spans: u64,
    /// Spans that are in the queue, or with the exporter.
    pub pending_spans: u64,
    /// Spans dropped since the queue had no room for them.
    pub queue_full_spans: u64,
    /// Spans that ended after the processor was closed.
    pub closed_spans: u64,
    /// Spans of batches that the exporter refused, or panicked at; in the child of a `fork`, also spans for which there is no
    /// exporter.
    pub failed_spans: u64,
    /// Spans that the exporter took over and could not deliver.
    pub undelivered_spans: u64,
    /// Spans that ended in the child of a `fork` and started in its parent, which has them too: they are the parent's to
    /// export, and the child does not.
    pub inherited_spans: u64,
}

impl SpanCounts {
    /// Returns how many spans were lost, for whatever reason.
    pub fn lost_spans(&self) -> u64 {
        self.queue_full_spans
            + self.closed_spans
            + self.failed_spans
            + self.undelivered_spans
            + self.inherited_spans
    }
}

/// Why a flush did not say that everything is done.
#[derive(Debug)]
#[non_exhaustive]
pub enum FlushError {
    /// Time ran out; the work goes on. Raise the timeout, or look at what holds up the exporter.
    TimedOut {
        /// How long the flush waited.
        timeout: Duration,
        /// What was done by then.
        so_far: Flushed,
        /// How many spans were still on their way.
        pending_spans: u64,
    },
    /// The exporter called for a flush of the processor that it works for.
    FromWorker,
    /// The processor, which is not one of this library's, panicked.
    Panicked,
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { timeout, pending_spans, .. } => {
                write!(f, "{pending_spans} spans were still on their way after {timeout:?}")
            }
            Self::FromWorker => f.write_str("the processor's own worker cannot wait for itself"),
            Self::Panicked => f.write_str("the processor panicked"),
        }
    }
}

impl Error for FlushError {}
