//! The usual clock: the processor's counter where the kernel trusts it, else the operating system's monotonic clock.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Instant, SystemTime};

use super::{Clock, nanos_of, unix_nanos_of};
use crate::raw::{TimeStampCounter, hold_off};

/// A monotonic clock, anchored to the wall clock.
///
/// Where the kernel keeps time by the processor's time-stamp counter, that is what is read: 8 ns instead of 20 to 30 for
/// a call of the system's clock, twice a span. How fast it runs is measured against the system's clock: from the moment
/// the clock is made to the conversion at first, and over ever longer times by [`reanchor`](Clock::reanchor). Nothing
/// waits for it, and nothing runs before `main`.
#[derive(Debug)]
pub struct SystemClock {
    counter: Option<TimeStampCounter>,
    base: Instant,
    base_reading: u64,
    anchor: AnchorCell,
}

/// Ties readings to the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Anchor {
    reading: u64,
    unix_nanos: u64,
    /// Nanoseconds that a unit of a reading takes, times 2^32. Zero until it was measured for the first time.
    speed: u64,
}

impl Anchor {
    #[inline]
    fn unix_nanos_of(&self, reading: u64, speed: u64) -> u64 {
        if reading >= self.reading {
            self.unix_nanos.saturating_add(scaled(reading - self.reading, speed))
        } else {
            self.unix_nanos.saturating_sub(scaled(self.reading - reading, speed))
        }
    }
}

impl SystemClock {
    /// Makes a clock that is anchored now.
    pub fn new() -> Self {
        Self::with_counter(TimeStampCounter::find())
    }

    fn with_counter(counter: Option<TimeStampCounter>) -> Self {
        let base = Instant::now();
        let base_reading = counter.map_or(0, TimeStampCounter::read);
        let speed = if counter.is_some() { 0 } else { ONE };
        let anchor =
            Anchor { reading: base_reading, unix_nanos: unix_nanos_of(SystemTime::now()), speed };
        Self { counter, base, base_reading, anchor: AnchorCell::new(anchor) }
    }

    /// Returns the speed as measured from the start of the clock until now.
    fn measured_speed(&self) -> u64 {
        let (nanos, reading) = (nanos_of(self.base.elapsed()), self.now());
        let units = reading.saturating_sub(self.base_reading).max(1);
        u64::try_from((u128::from(nanos) << 32) / u128::from(units)).unwrap_or(ONE)
    }

    /// Measures the speed for whoever needs it before a worker has, and keeps it once the time was long enough.
    #[cold]
    fn first_speed(&self, anchor: &Anchor) -> u64 {
        let speed = self.measured_speed();
        if nanos_of(self.base.elapsed()) >= MIN_MEASURED_NANOS {
            self.anchor.set(Anchor { speed, ..*anchor });
        }
        speed
    }

    #[inline]
    fn speed_of(&self, anchor: &Anchor) -> u64 {
        if anchor.speed == 0 { self.first_speed(anchor) } else { anchor.speed }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> u64 {
        match self.counter {
            Some(counter) => counter.read(),
            None => nanos_of(self.base.elapsed()),
        }
    }

    #[inline]
    fn unix_nanos(&self, reading: u64) -> u64 {
        let anchor = self.anchor.get();
        anchor.unix_nanos_of(reading, self.speed_of(&anchor))
    }

    #[inline]
    fn nanos_between(&self, start: u64, end: u64) -> u64 {
        scaled(end.saturating_sub(start), self.speed_of(&self.anchor.get()))
    }

    #[inline]
    fn span_times(&self, start: u64, end: u64) -> (u64, u64) {
        let anchor = self.anchor.get();
        let speed = self.speed_of(&anchor);
        (anchor.unix_nanos_of(start, speed), scaled(end.saturating_sub(start), speed))
    }

    fn reanchor(&self) {
        let speed = match self.counter {
            // Over a shorter time, the few nanoseconds between the two clocks' readings would matter.
            Some(_) if nanos_of(self.base.elapsed()) < MIN_MEASURED_NANOS => 0,
            Some(_) => self.measured_speed(),
            None => ONE,
        };
        self.anchor.set(Anchor {
            reading: self.now(),
            unix_nanos: unix_nanos_of(SystemTime::now()),
            speed,
        });
    }
}

/// An anchor that one thread renews while others read it: a sequence lock of plain atomics.
#[derive(Debug)]
struct AnchorCell {
    /// Odd while the anchor is being renewed.
    version: AtomicU64,
    reading: AtomicU64,
    unix_nanos: AtomicU64,
    speed: AtomicU64,
}

impl AnchorCell {
    fn new(anchor: Anchor) -> Self {
        Self {
            version: AtomicU64::new(0),
            reading: AtomicU64::new(anchor.reading),
            unix_nanos: AtomicU64::new(anchor.unix_nanos),
            speed: AtomicU64::new(anchor.speed),
        }
    }

    #[inline]
    fn get(&self) -> Anchor {
        loop {
            // Acquire: the fields are read after the version, so at least as new as it.
            let before = self.version.load(Ordering::Acquire);
            let anchor = Anchor {
                reading: self.reading.load(Ordering::Relaxed),
                unix_nanos: self.unix_nanos.load(Ordering::Relaxed),
                speed: self.speed.load(Ordering::Relaxed),
            };
            // The fence keeps the fields before the second look: were one of them newer, so would be the version.
            fence(Ordering::Acquire);
            if before % 2 == 0 && self.version.load(Ordering::Relaxed) == before {
                return anchor;
            }
            std::hint::spin_loop();
        }
    }

    /// Sets the anchor; where somebody else is at it, theirs is as good.
    fn set(&self, anchor: Anchor) {
        // A fork in the middle would leave the version odd in the child, where nobody would make it even again.
        let _no_fork = hold_off();
        let version = self.version.load(Ordering::Relaxed);
        let is_mine = version % 2 == 0
            && self
                .version
                .compare_exchange(version, version + 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok();
        if !is_mine {
            return;
        }
        // Whoever sees a new field sees the odd version too.
        fence(Ordering::Release);
        self.reading.store(anchor.reading, Ordering::Relaxed);
        self.unix_nanos.store(anchor.unix_nanos, Ordering::Relaxed);
        self.speed.store(anchor.speed, Ordering::Relaxed);
        // Release: the fields are there before the version is even again.
        self.version.store(version + 2, Ordering::Release);
    }
}

#[inline]
fn scaled(units: u64, speed: u64) -> u64 {
    ((u128::from(units) * u128::from(speed)) >> 32) as u64
}

/// The speed of a reading that is in nanoseconds.
const ONE: u64 = 1 << 32;

/// With 50 ns between the readings of the two clocks, the speed is then right to 25 millionths, and better with each
/// measurement that follows.
const MIN_MEASURED_NANOS: u64 = 2_000_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn clocks() -> [SystemClock; 2] {
        [SystemClock::new(), SystemClock::with_counter(None)]
    }

    #[test]
    fn it_shows_the_wall_clocks_time_before_and_after_it_is_anchored_anew() {
        for clock in clocks() {
            for _ in 0..3 {
                let shown = clock.unix_nanos(clock.now());
                let real = unix_nanos_of(SystemTime::now());
                assert!(shown.abs_diff(real) < 50_000_000, "{shown} against {real}");
                std::thread::sleep(Duration::from_millis(60));
                clock.reanchor();
            }
        }
    }

    #[test]
    fn durations_are_those_of_the_systems_clock() {
        for clock in clocks() {
            for _ in 0..3 {
                let (start, started) = (clock.now(), Instant::now());
                std::thread::sleep(Duration::from_millis(60));
                let (nanos, expected) =
                    (clock.nanos_between(start, clock.now()), nanos_of(started.elapsed()));
                assert!(nanos.abs_diff(expected) < 20_000_000, "{nanos} against {expected}");
                clock.reanchor();
            }
        }
    }

    #[test]
    fn a_reading_from_before_the_anchor_is_an_earlier_time() {
        for clock in clocks() {
            let early = clock.now();
            std::thread::sleep(Duration::from_millis(120));
            clock.reanchor();
            let (early, late) = (clock.unix_nanos(early), clock.unix_nanos(clock.now()));
            assert!((100_000_000..1_000_000_000).contains(&(late - early)), "{}", late - early);
        }
    }

    #[test]
    fn readings_that_go_back_make_no_negative_duration() {
        for clock in clocks() {
            assert_eq!(clock.nanos_between(10, 5), 0);
        }
    }

    #[test]
    fn an_anchor_is_read_whole_while_it_is_being_renewed() {
        let cell = AnchorCell::new(Anchor { reading: 0, unix_nanos: 0, speed: 0 });
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1..200_000 {
                    cell.set(Anchor { reading: n, unix_nanos: n, speed: n });
                }
            });
            scope.spawn(|| {
                for _ in 0..200_000 {
                    let anchor = cell.get();
                    assert_eq!((anchor.reading, anchor.unix_nanos), (anchor.speed, anchor.speed));
                }
            });
        });
    }
}
