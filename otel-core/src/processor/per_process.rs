//! What a process has for itself: the child of a `fork` begins with a new one, and leaves its parent's alone.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::raw::{fork, hold_off};

/// A value of this process. Those of its parents stay where they are, untouched: threads that are gone may have left them
/// locked or half changed.
#[derive(Debug)]
pub(super) struct PerProcess<T> {
    generation: u32,
    value: Arc<T>,
    /// The child's.
    next: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    pub(super) fn new(value: Arc<T>) -> Self {
        fork::watch();
        Self { generation: fork::generation(), value, next: OnceLock::new() }
    }

    /// Returns this process's value; where it was forked and has none yet, `begin` makes it.
    #[inline]
    pub(super) fn get_or_begin(&self, begin: impl FnOnce() -> Arc<T>) -> &Arc<T> {
        if self.generation == fork::generation() { &self.value } else { self.begin_in_child(begin) }
    }

    /// Returns this process's value, if it has begun one.
    #[inline]
    pub(super) fn get(&self) -> Option<&Arc<T>> {
        let generation = fork::generation();
        let mut own = self;
        while own.generation != generation {
            own = own.next.get()?;
        }
        Some(&own.value)
    }

    #[cold]
    fn begin_in_child(&self, begin: impl FnOnce() -> Arc<T>) -> &Arc<T> {
        if let Some(value) = self.get() {
            return value;
        }
        // A fork in the middle would leave the place for the next one neither empty nor full.
        let _no_fork = hold_off();
        let mut last = self;
        while let Some(next) = last.next.get() {
            last = next;
        }
        let next = last.next.get_or_init(|| Box::new(Self::new(begin())));
        &next.value
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            // Another thread of the parent may have been at it: it stays as it is.
            mem::forget(Arc::clone(&self.value));
        }
    }
}

/// A number that begins at zero in each process.
#[derive(Debug, Default)]
pub(super) struct CountPerProcess {
    /// The generation above, the count below: there is no moment at which one belongs to another process than the other.
    packed: AtomicU64,
}

impl CountPerProcess {
    pub(super) fn add_one(&self) {
        let first = u64::from(fork::generation()) << 32;
        let added =
            |packed: u64| Some(if packed >> 32 == first >> 32 { packed + 1 } else { first + 1 });
        // Relaxed: a statistic that guards no other memory. `added` always gives a number, so this cannot fail.
        let _ = self.packed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }

    pub(super) fn get(&self) -> u64 {
        let packed = self.packed.load(Ordering::Relaxed);
        if packed >> 32 == u64::from(fork::generation()) { packed & u64::from(u32::MAX) } else { 0 }
    }
}
