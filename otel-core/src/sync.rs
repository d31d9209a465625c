//! Locks: the standard library's, which keep no record of waiting threads in memory.
//!
//! That matters in the child of a `fork`, where those threads are gone: a lock that lists them would find the list in
//! disorder. What may be locked at the moment of a fork and is needed in the child is in a [`BriefMutex`].
//!
//! Built with `--cfg loom`, tests have loom's locks and atomics in their place, and the `models` run through all orders in
//! which threads can get at them.

use std::sync::{PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(all(loom, test))]
use loom::sync as system;
#[cfg(not(all(loom, test)))]
use std::sync as system;

use crate::raw::hold_off;

pub(crate) use system::MutexGuard;
pub(crate) use system::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A lock that a panic leaves usable: what is behind it is whole at every moment at which one can happen.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(system::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(system::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Takes the lock, unless somebody else has it for all this time.
    pub(crate) fn lock_within(&self, timeout: Duration) -> Option<MutexGuard<'_, T>> {
        let start = Instant::now();
        loop {
            if let Some(guard) = self.try_lock() {
                return Some(guard);
            }
            let left = timeout.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
            // The standard library's lock has no wait that ends.
            thread::sleep(left.min(BETWEEN_TRIES));
        }
    }
}

const BETWEEN_TRIES: Duration = Duration::from_millis(1);

/// Waits for what somebody does under a [`Mutex`].
#[derive(Debug, Default)]
pub(crate) struct Condvar(system::Condvar);

impl Condvar {
    /// Waits for a notice, for this long at the most; may come back without either.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> MutexGuard<'a, T> {
        self.0.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// A lock that no fork finds locked, so that the child can use it like its parent: for short work that calls nobody.
#[derive(Debug, Default)]
pub(crate) struct BriefMutex<T>(std::sync::Mutex<T>);

impl<T> BriefMutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Works on the value.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let _no_fork = hold_off();
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
