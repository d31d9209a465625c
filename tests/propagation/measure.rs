//! What reading takes in memory, against what there is to read.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Runs something that reads `n_bytes` from outside, and checks that it asked for no more memory than a small multiple
/// of them.
pub(crate) fn measured<T>(n_bytes: usize, work: impl FnOnce() -> T) -> T {
    let n_asked_before = N_ASKED_BYTES.get();
    let result = work();
    let n_asked = N_ASKED_BYTES.get() - n_asked_before;
    assert!(n_asked <= FIXED_BYTES + 8 * n_bytes, "{n_asked} bytes to read {n_bytes}");
    result
}

/// The system's allocator, with a count of the bytes that each thread asks for.
struct Counting;

thread_local! {
    static N_ASKED_BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it is; the count touches no memory that was asked for.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = N_ASKED_BYTES.try_with(|n_asked| n_asked.set(n_asked.get() + layout.size()));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// For baggage of 180 names, each in a place of its own and in a table of names; and that of several formats, which is
/// made into one.
const FIXED_BYTES: usize = 256 << 10;
