//! Counts allocations, while somebody asks for it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::os::CountingAllocator;

/// How often memory was asked for since [`start`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AllocationCounts {
    /// By the calling thread.
    pub caller: u64,
    /// By all threads.
    pub all: u64,
}

/// Begins to count.
pub fn start() {
    IS_COUNTING.store(true, Ordering::SeqCst);
}

/// Returns what was counted so far, seen from the calling thread.
pub fn counts() -> AllocationCounts {
    AllocationCounts { caller: IN_THREAD.get(), all: IN_PROCESS.load(Ordering::SeqCst) }
}

/// Notes one allocation of the calling thread: called by the allocator, so it must not allocate.
#[inline]
pub fn note() {
    // Relaxed: outside of a counting run this is all that an allocation pays.
    if IS_COUNTING.load(Ordering::Relaxed) {
        IN_PROCESS.fetch_add(1, Ordering::Relaxed);
        IN_THREAD.set(IN_THREAD.get() + 1);
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static IN_PROCESS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Without a destructor, so that it can be used while a thread ends.
    static IN_THREAD: Cell<u64> = const { Cell::new(0) };
}
