//! A value of the process that can be replaced at any time, and is read without a lock.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::LocalKey;

use crate::sync::BriefMutex;

/// The value, and how often it was replaced.
///
/// Each thread has a copy, and sees by the number whether it is still right: no lock and no count that threads share per call.
/// A thread lets go of the value before when it next reads.
#[derive(Debug)]
pub(super) struct Slot<T> {
    value: BriefMutex<T>,
    /// Changed under the lock of the value.
    n_replaced: AtomicU64,
}

/// A thread's copy, or what it made of the value, and how often that had been replaced by then.
pub(super) type LocalCopy<L> = RefCell<Option<(u64, Rc<L>)>>;

impl<T> Slot<T> {
    pub(super) const fn new(value: T) -> Self {
        Self { value: BriefMutex::new(value), n_replaced: AtomicU64::new(0) }
    }

    /// Changes the value as `change` says, which returns what is to be dropped, or kept: not under the lock, since the end of
    /// either is code that is not ours.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        self.value.with(|value| {
            let answer = change(value);
            self.n_replaced.fetch_add(1, Ordering::Release);
            answer
        })
    }

    /// Reads the value itself.
    pub(super) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        self.value.with(|value| read(value))
    }

    /// Returns what this thread makes of the value.
    #[inline]
    pub(super) fn local<L: for<'a> From<&'a T>>(
        &self,
        copy: &'static LocalKey<LocalCopy<L>>,
    ) -> Rc<L> {
        // Acquire: pairs with the Release in `change`.
        let n_replaced = self.n_replaced.load(Ordering::Acquire);
        let known = copy.try_with(|copy| match &*copy.borrow() {
            Some((known, local)) if *known == n_replaced => Some(Rc::clone(local)),
            _ => None,
        });
        known.ok().flatten().unwrap_or_else(|| self.renewed(copy))
    }

    #[cold]
    fn renewed<L: for<'a> From<&'a T>>(&self, copy: &'static LocalKey<LocalCopy<L>>) -> Rc<L> {
        let (n_replaced, local) =
            self.read(|value| (self.n_replaced.load(Ordering::Acquire), Rc::new(L::from(value))));
        // Fails at the end of the thread: then each call comes here. The old copy is dropped after the borrow.
        let renewed = Some((n_replaced, Rc::clone(&local)));
        let before = copy.try_with(|copy| copy.replace(renewed));
        drop(before);
        local
    }
}
