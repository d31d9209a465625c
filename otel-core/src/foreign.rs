//! Calls of code that is not ours: exporters, processors, clocks, loggers.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls what may panic; `None` where it did.
#[inline]
pub(crate) fn call<R>(foreign: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(foreign)) {
        Ok(answer) => Some(answer),
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

/// Drops what a call panicked with: one more call of code that is not ours, which may panic again, and so on.
#[cold]
fn discard(mut payload: Box<dyn Any + Send>) {
    for _ in 0..MAX_PANICS {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    mem::forget(payload);
}

/// More in a row are no accident.
const MAX_PANICS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsAgain;

    impl Drop for PanicsAgain {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_whose_payload_panics_when_dropped_costs_the_answer_alone() {
        assert_eq!(call(|| 7), Some(7));
        assert_eq!(call(|| -> i32 { std::panic::panic_any(PanicsAgain) }), None);
    }
}
