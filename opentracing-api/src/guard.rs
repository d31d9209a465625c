//! The end of a tracer: closing it, and the account of what was reported and lost.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::error::FlushError;
use crate::tracer::Tracer;

/// Owns a tracer's end: when it is dropped the tracer is closed, so that no finished span is left
/// behind.
///
/// Keep it in a variable of `main`. In a struct let it be the last field, since fields are dropped
/// in order. In a `static` it is never dropped, and [`std::process::exit`] drops nothing: call
/// [`TracerGuard::close`]. Cloning through it gives a [`Tracer`], not a second guard.
///
/// ```
/// use std::time::Duration;
/// use opentracing_api::{Tracer, TracerGuard};
///
/// let tracer = TracerGuard::new(Tracer::noop(), Duration::from_secs(2));
/// tracer.start_span("work").finish();
/// let account = tracer.close(Duration::from_secs(1))?;
/// assert_eq!(account.lost_spans, 0);
/// # Ok::<(), opentracing_api::FlushError>(())
/// ```
#[must_use = "a guard that is not kept closes the tracer at once"]
pub struct TracerGuard {
    tracer: Tracer,
    close_timeout: Duration,
    is_closed: bool,
}

impl TracerGuard {
    /// Guards a tracer; dropping the guard closes it and waits for `close_timeout` at most.
    pub fn new(tracer: Tracer, close_timeout: Duration) -> Self {
        Self { tracer, close_timeout, is_closed: false }
    }

    /// Closes the tracer and tells what became of its spans; waits for `timeout` at most.
    ///
    /// # Errors
    /// As [`Tracer::close`].
    pub fn close(mut self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.is_closed = true;
        self.tracer.close(timeout)
    }
}

impl Drop for TracerGuard {
    fn drop(&mut self) {
        if !self.is_closed {
            // Who wants to know calls `close`.
            let _ = self.tracer.close(self.close_timeout);
        }
    }
}

impl Deref for TracerGuard {
    type Target = Tracer;

    fn deref(&self) -> &Tracer {
        &self.tracer
    }
}

impl fmt::Debug for TracerGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracerGuard")
            .field("tracer", &self.tracer)
            .field("close_timeout", &self.close_timeout)
            .finish_non_exhaustive()
    }
}

/// The account of a flush: what became of all spans of the tracer that finished before it, since
/// the tracer was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flushed {
    /// Spans that were given to the system.
    pub reported_spans: u64,
    /// Spans that were not; each is counted once.
    pub lost_spans: u64,
}

impl Flushed {
    /// Creates an account.
    pub const fn new(reported_spans: u64, lost_spans: u64) -> Self {
        Self { reported_spans, lost_spans }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::tests::recording;

    #[test]
    fn a_guard_closes_its_tracer_once() {
        for closes_by_hand in [true, false] {
            let (mock, tracer) = recording();
            let guard = TracerGuard::new(tracer, Duration::from_millis(5));
            guard.start_span("last").finish();
            if closes_by_hand {
                assert_eq!(guard.close(Duration::from_millis(7)).unwrap(), Flushed::new(1, 0));
            } else {
                drop(guard);
            }
            let expected = Duration::from_millis(if closes_by_hand { 7 } else { 5 });
            assert_eq!(mock.close_timeouts(), [expected]);
        }
    }

    #[test]
    fn spans_that_start_after_a_close_are_usable() {
        let (mock, tracer) = recording();
        tracer.close(Duration::ZERO).unwrap();
        let mut late = tracer.start_span("late");
        late.set_tag("k", 1).log_event("e");
        tracer.start_span_with("child", crate::child_of(&late)).finish();
        late.finish();
        assert!(mock.finished_spans().is_empty());
        assert_eq!(tracer.close(Duration::ZERO).unwrap(), Flushed::new(0, 0));
    }
}
