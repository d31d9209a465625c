//! When a request that failed is tried once more.

use std::time::{Duration, Instant, SystemTime};

use super::http_date;
use crate::id_generator::{IdGenerator, RandomIdGenerator};

/// How long to wait between two attempts, and for how long to try at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetrySettings {
    pub(super) first_wait: Duration,
    pub(super) longest_wait: Duration,
    pub(super) max_time: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self { first_wait: FIRST_WAIT, longest_wait: LONGEST_WAIT, max_time: MAX_TIME }
    }
}

/// Keeps a Collector that is in trouble from being asked too often: after each failure in a row the wait is twice as long.
#[derive(Debug)]
pub(super) struct Backoff {
    settings: RetrySettings,
    step: Duration,
    not_before: Option<Instant>,
    is_asked_for: bool,
}

impl Backoff {
    pub(super) fn new(settings: RetrySettings) -> Self {
        Self { settings, step: settings.first_wait, not_before: None, is_asked_for: false }
    }

    /// Returns how long to wait yet.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.not_before.map_or(Duration::ZERO, |moment| moment.saturating_duration_since(now))
    }

    /// Notes that an attempt failed just now; `retry_after` is what the Collector asked for.
    pub(super) fn fail(&mut self, now: Instant, retry_after: Option<Duration>) {
        let wait = self.step.mul_f64(jitter());
        let asked_for = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        self.not_before = Some(now + wait.max(asked_for));
        self.is_asked_for = asked_for > wait;
        self.step = self.step.saturating_mul(2).min(self.settings.longest_wait);
    }

    /// Notes that the Collector is well again.
    pub(super) fn succeed(&mut self) {
        *self = Self::new(self.settings);
    }

    /// Ends the wait, unless the Collector asked for it: when the exporter is closed, one more attempt is better than none.
    pub(super) fn hurry(&mut self) {
        if !self.is_asked_for {
            self.not_before = None;
        }
    }
}

/// Reads the header `Retry-After`: seconds, or a date.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not even fit is a long wait.
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let moment = http_date::parse(value)?;
    Some(moment.duration_since(now).unwrap_or_default())
}

/// Returns a factor from a half to one: clients that failed together are not to come back together.
fn jitter() -> f64 {
    let random = RandomIdGenerator::new().new_span_id().as_u64();
    0.5 + (random >> 11) as f64 / (1_u64 << 54) as f64
}

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const MAX_TIME: Duration = Duration::from_secs(60);
/// A Collector that asks for more is asked again all the same: it may have been a mistake.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_wait_doubles_up_to_its_limit_with_a_random_half() {
        let mut backoff = Backoff::new(RetrySettings::default());
        let now = Instant::now();
        assert_eq!(backoff.left(now), Duration::ZERO);
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            backoff.fail(now, None);
            let (left, longest) = (backoff.left(now), seconds * SECOND);
            assert!(left >= longest / 2 && left <= longest, "{left:?} of {longest:?}");
            assert_eq!(backoff.left(now + longest), Duration::ZERO);
        }
        backoff.succeed();
        assert_eq!(backoff.left(now), Duration::ZERO);
        backoff.fail(now, None);
        assert!(backoff.left(now) <= SECOND);
        assert!((0..1000).all(|_| (0.5..1.0).contains(&jitter())));
        let (one, other) = (jitter(), jitter());
        assert!(one != other, "{one}");
    }

    #[test]
    fn what_the_collector_asks_for_is_waited_for_within_reason() {
        let now = Instant::now();
        for (asked_for, expected) in [
            (100 * SECOND, 100 * SECOND),
            (Duration::MAX, 300 * SECOND),
            (300 * SECOND, 300 * SECOND),
        ] {
            let mut backoff = Backoff::new(RetrySettings::default());
            backoff.fail(now, Some(asked_for));
            assert_eq!(backoff.left(now), expected);
            backoff.hurry();
            assert_eq!(backoff.left(now), expected, "that was the Collector's wish");
        }
        let mut backoff = Backoff::new(RetrySettings::default());
        backoff.fail(now, Some(Duration::ZERO));
        assert!(backoff.left(now) >= SECOND / 2, "a wait of its own is kept");
        backoff.hurry();
        assert_eq!(backoff.left(now), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + 784_111_777 * SECOND;
        for (value, expected) in [
            ("0", Some(Duration::ZERO)),
            (" 120 ", Some(120 * SECOND)),
            ("99999999999999999999", Some(Duration::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(Duration::ZERO)),
            ("Sun, 06 Nov 1994 08:50:00 GMT", Some(23 * SECOND)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some(Duration::ZERO)), // in the past
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value, now), expected, "{value:?}");
        }
    }
}
