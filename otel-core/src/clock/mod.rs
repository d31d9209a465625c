//! Time: a steady clock for durations, tied to the wall clock for starts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod system;

pub use system::SystemClock;

/// Reads the time. Readings are a clock's own unit; the clock turns them into nanoseconds.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns a reading that never goes back.
    fn now(&self) -> u64;

    /// Turns a reading into nanoseconds since the Unix epoch.
    fn unix_nanos(&self, reading: u64) -> u64;

    /// Returns the nanoseconds from one reading to a later one.
    fn nanos_between(&self, start: u64, end: u64) -> u64;

    /// Turns the readings at the start and at the end of a span into its start, in nanoseconds since the Unix epoch, and its
    /// duration in nanoseconds: the two conversions above, for a clock that does them better together.
    fn span_times(&self, start: u64, end: u64) -> (u64, u64) {
        (self.unix_nanos(start), self.nanos_between(start, end))
    }

    /// Ties readings to the wall clock anew. The batch processor's worker calls this once in an interval, so a wall
    /// clock that is set right moves the spans that start afterwards, and never the duration of one.
    fn reanchor(&self) {}
}

/// A clock that stands still until it is told to go on: for tests.
///
/// ```
/// use std::time::Duration;
///
/// use otel_core::{Clock, ManualClock};
///
/// let clock = ManualClock::at_unix_nanos(1_000);
/// clock.advance(Duration::from_nanos(5));
/// assert_eq!(clock.unix_nanos(clock.now()), 1_005);
/// ```
#[derive(Debug, Default)]
pub struct ManualClock {
    unix_nanos: AtomicU64,
}

impl ManualClock {
    /// Makes a clock that shows this many nanoseconds since the Unix epoch.
    pub const fn at_unix_nanos(unix_nanos: u64) -> Self {
        Self { unix_nanos: AtomicU64::new(unix_nanos) }
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.unix_nanos.fetch_add(nanos_of(duration), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.unix_nanos.load(Ordering::Relaxed)
    }

    fn unix_nanos(&self, reading: u64) -> u64 {
        reading
    }

    fn nanos_between(&self, start: u64, end: u64) -> u64 {
        end.saturating_sub(start)
    }
}

/// Returns the nanoseconds since the Unix epoch; zero before it.
pub(crate) fn unix_nanos_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, nanos_of)
}

fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A provider's clock: the usual one is called directly, any other through its trait.
#[derive(Clone, Debug)]
pub(crate) enum ProviderClock {
    System(Arc<SystemClock>),
    Other(Arc<dyn Clock>),
}

impl Clock for ProviderClock {
    #[inline]
    fn now(&self) -> u64 {
        match self {
            Self::System(clock) => clock.now(),
            Self::Other(clock) => clock.now(),
        }
    }

    #[inline]
    fn unix_nanos(&self, reading: u64) -> u64 {
        match self {
            Self::System(clock) => clock.unix_nanos(reading),
            Self::Other(clock) => clock.unix_nanos(reading),
        }
    }

    #[inline]
    fn nanos_between(&self, start: u64, end: u64) -> u64 {
        match self {
            Self::System(clock) => clock.nanos_between(start, end),
            Self::Other(clock) => clock.nanos_between(start, end),
        }
    }

    #[inline]
    fn span_times(&self, start: u64, end: u64) -> (u64, u64) {
        match self {
            Self::System(clock) => clock.span_times(start, end),
            Self::Other(clock) => clock.span_times(start, end),
        }
    }

    fn reanchor(&self) {
        match self {
            Self::System(clock) => clock.reanchor(),
            Self::Other(clock) => clock.reanchor(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_epoch_are_zero() {
        assert_eq!(unix_nanos_of(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(unix_nanos_of(UNIX_EPOCH + Duration::from_nanos(7)), 7);
    }
}
