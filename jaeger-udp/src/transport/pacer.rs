//! Gives a receiver time: its buffer holds three full datagrams, and drops the fourth without a word.

use std::thread;
use std::time::{Duration, Instant};

/// A bucket of datagrams: so many at once, then one an interval.
#[derive(Debug)]
pub(crate) struct Pacer {
    interval: Duration,
    /// How far ahead of the pace a burst may get.
    tolerance: Duration,
    /// When the next datagram is due at the pace.
    due: Option<Instant>,
}

impl Pacer {
    pub(crate) fn new(burst_datagrams: u32, interval: Duration) -> Self {
        Self { interval, tolerance: interval.saturating_mul(burst_datagrams.max(1) - 1), due: None }
    }

    /// Takes a datagram out of the bucket, and sleeps only where that is empty: a sleep costs 12 to 20 µs of CPU, so it then
    /// lasts until the bucket is full again.
    pub(crate) fn wait(&mut self) {
        if self.interval.is_zero() {
            return;
        }
        let wait = self.admit(Instant::now());
        if !wait.is_zero() {
            thread::sleep(wait + self.tolerance);
        }
    }

    /// Books a datagram and returns how long it has to wait.
    fn admit(&mut self, now: Instant) -> Duration {
        let due = self.due.map_or(now, |due| due.max(now));
        self.due = Some(due + self.interval);
        due.saturating_duration_since(now).saturating_sub(self.tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_pace() {
        let interval = Duration::from_micros(50);
        let (mut pacer, now) = (Pacer::new(2, interval), Instant::now());
        let waits: Vec<Duration> = (0..5).map(|_| pacer.admit(now)).collect();
        assert_eq!(waits, [Duration::ZERO, Duration::ZERO, interval, 2 * interval, 3 * interval]);
        // After a pause the bucket is full again, and no fuller.
        let later = now + Duration::from_secs(1);
        let waits: Vec<Duration> = (0..3).map(|_| pacer.admit(later)).collect();
        assert_eq!(waits, [Duration::ZERO, Duration::ZERO, interval]);
    }

    #[test]
    fn an_interval_of_zero_never_waits() {
        let mut pacer = Pacer::new(0, Duration::ZERO);
        let start = Instant::now();
        (0..100_000).for_each(|_| pacer.wait());
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
