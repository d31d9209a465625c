//! What the library has to say about itself: one line for a cause and a minute, to wherever the application wants it.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::foreign;
use crate::sync::BriefMutex;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// What helps to find out why something does not work, as the settings of a provider.
    Debug,
    /// Something that was asked for, as each finished span.
    Info,
    /// Something was lost or set aside; the program runs on.
    Warning,
}

/// Takes the library's messages, on whatever thread has them; a logger that panics is ignored. The default writes warnings and what was asked for to standard error.
///
/// ```
/// use otel_core::diagnostics::{self, Level};
///
/// diagnostics::set_logger(|level, message| {
///     if level >= Level::Warning {
///         eprintln!("tracing: {message}");
///     }
/// });
/// ```
pub fn set_logger(logger: impl Fn(Level, fmt::Arguments<'_>) + Send + Sync + 'static) {
    let logger: Logger = Arc::new(logger);
    // The old one is dropped without the lock: what it holds may have something to say.
    let _old = LOGGER.with(|current| current.replace(logger));
}

/// Sets what is said at all: messages of this level and above, or none. Default: [`Level::Info`]. Environment:
/// `OTEL_LOG_LEVEL`, see [`env`](crate::env).
pub fn set_min_level(min_level: Option<Level>) {
    let rank = min_level.map_or(NO_LEVEL, |level| level as u8);
    // Relaxed, here and where it is read: a number that guards no other memory.
    MIN_LEVEL.store(rank, Ordering::Relaxed);
}

/// Says what helps to find out why something does not work.
pub(crate) fn debug(message: fmt::Arguments<'_>) {
    log(Level::Debug, message);
}

/// Says something at once.
pub fn info(message: fmt::Arguments<'_>) {
    log(Level::Info, message);
}

/// Warns, at the most once a minute for each `cause`; the next line says how many were left out.
pub fn warn(cause: &'static str, message: fmt::Arguments<'_>) {
    let now = Instant::now();
    let Some(left_out) = THROTTLE.with(|throttle| throttle.admit(cause, now)) else { return };
    match left_out {
        0 => log(Level::Warning, message),
        n => log(
            Level::Warning,
            format_args!("{message} ({n} more like this since the last such line)"),
        ),
    }
}

/// Warns, once in the life of the process for each `cause` and `value`: for what does not change while a program runs.
pub(crate) fn warn_once(cause: &'static str, value: &str, message: fmt::Arguments<'_>) {
    let mut hasher = DefaultHasher::new();
    (cause, value).hash(&mut hasher);
    let hash = hasher.finish();
    let heard = SAID.with(|said| match said.contains(&hash) {
        true => Heard::Before,
        false if said.len() >= MOST_SAID => Heard::Unknown,
        false => {
            said.push(hash);
            Heard::First
        }
    });
    match heard {
        Heard::First => log(Level::Warning, message),
        Heard::Before => {}
        Heard::Unknown => warn(cause, message),
    }
}

/// Whether something was said before.
enum Heard {
    First,
    Before,
    /// So much was said that not all of it is remembered.
    Unknown,
}

fn log(level: Level, message: fmt::Arguments<'_>) {
    if (level as u8) < MIN_LEVEL.load(Ordering::Relaxed) {
        return;
    }
    // Called without the lock: a logger may set another one, or have something to say itself.
    let logger = LOGGER.with(|logger| logger.clone());
    match logger {
        // Messages come from the ends of spans, which may run while a panic unwinds: a second one would abort the program.
        Some(logger) => drop(foreign::call(|| logger(level, message))),
        // `eprintln!` panics where standard error is closed.
        None => drop(writeln!(std::io::stderr().lock(), "tracing: {message}")),
    }
}

/// Lets the first message of a cause and a minute pass.
#[derive(Debug, Default)]
struct Throttle {
    causes: Option<HashMap<&'static str, Cause>>,
}

#[derive(Debug)]
struct Cause {
    last: Instant,
    left_out: u64,
}

impl Throttle {
    /// Returns how many messages were left out since the last one that passed; `None` where this one does not.
    fn admit(&mut self, cause: &'static str, now: Instant) -> Option<u64> {
        let causes = self.causes.get_or_insert_default();
        match causes.get_mut(cause) {
            Some(cause) if now.saturating_duration_since(cause.last) < QUIET => {
                cause.left_out += 1;
                None
            }
            Some(cause) => {
                cause.last = now;
                Some(std::mem::take(&mut cause.left_out))
            }
            None => {
                causes.insert(cause, Cause { last: now, left_out: 0 });
                Some(0)
            }
        }
    }
}

type Logger = Arc<dyn Fn(Level, fmt::Arguments<'_>) + Send + Sync>;

static LOGGER: BriefMutex<Option<Logger>> = BriefMutex::new(None);
static MIN_LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);
/// Above all levels.
const NO_LEVEL: u8 = u8::MAX;
static THROTTLE: BriefMutex<Throttle> = BriefMutex::new(Throttle { causes: None });

/// What [`warn_once`] has said, as hashes.
static SAID: BriefMutex<Vec<u64>> = BriefMutex::new(Vec::new());

/// More than there are settings to be wrong.
const MOST_SAID: usize = 256;
/// How long a cause stays quiet after a message.
const QUIET: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_speaks_once_a_minute_and_counts_what_it_left_out() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.admit("queue", start), Some(0));
        assert_eq!(throttle.admit("queue", start + Duration::from_secs(1)), None);
        assert_eq!(throttle.admit("queue", start + Duration::from_secs(59)), None);
        assert_eq!(throttle.admit("agent", start + Duration::from_secs(59)), Some(0));
        assert_eq!(throttle.admit("queue", start + Duration::from_secs(60)), Some(2));
        assert_eq!(throttle.admit("queue", start + Duration::from_secs(120)), Some(0));
    }

    #[test]
    fn a_logger_may_set_another_one_speak_itself_and_panic() {
        static SEEN: BriefMutex<Vec<String>> = BriefMutex::new(Vec::new());
        set_logger(|_, message| {
            SEEN.with(|seen| seen.push(message.to_string()));
            set_logger(|_, message| {
                SEEN.with(|seen| seen.push(format!("second: {message}")));
                panic!("a logger's bug");
            });
            info(format_args!("nested"));
        });
        info(format_args!("first"));
        LOGGER.with(|logger| *logger = None);
        let seen = SEEN.with(|seen| seen.clone());
        assert!(seen.contains(&"first".to_owned()), "{seen:?}");
        assert!(seen.contains(&"second: nested".to_owned()), "{seen:?}");
    }
}
