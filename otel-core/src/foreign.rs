//! Calls of code that is not ours: exporters, processors, clocks, loggers.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls what may panic; `None` where it did.
///
/// What it panicked with is leaked: dropping that would be one more call of code that is not ours.
#[inline]
pub(crate) fn call<R>(foreign: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(foreign)).map_err(mem::forget).ok()
}

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
