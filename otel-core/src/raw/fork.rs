//! Notices that the process was forked, and keeps a fork from happening where it would do harm.
//!
//! The child of a `fork` has one thread, the one that called it, and a copy of all memory as it stood at that moment: a
//! lock that another thread held then is held for ever, and what that thread was changing stays half changed. So a fork
//! waits for the short sections of this crate that [`hold_off`] one; whatever takes longer is left alone by the child, which
//! makes itself a new one, since its [`generation`] is another.
//!
//! Processes made by other means than the C library's `fork`, as by the bare system call, are not noticed.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Returns how many forks lie between this process and the one that called [`watch`] first: another number in the child
/// than in its parent. Costs one read of memory that is nearly never written.
#[inline]
pub(crate) fn generation() -> u32 {
    // Relaxed: it changes while the process has one thread, and every other is started by that one.
    GENERATION.load(Ordering::Relaxed)
}

/// Has forks noticed from now on. Until then there is one generation. On systems without `fork` this does nothing.
pub(crate) fn watch() {
    // Two threads may get here at once, and the handlers be called twice: they bear that.
    if !IS_WATCHED.load(Ordering::Acquire) && register() {
        IS_WATCHED.store(true, Ordering::Release);
    }
}

/// Keeps the process from being forked until the guard is dropped: for sections of a microsecond or so that take a lock
/// or leave something half done meanwhile. They may be nested.
pub(crate) fn hold_off() -> HoldOff {
    if DEPTH.replace(DEPTH.get() + 1) == 0 {
        enter(MAX_WAITS_FOR_FORK);
    }
    HoldOff { not_send: std::marker::PhantomData }
}

fn enter(max_waits: usize) {
    loop {
        let mut n_waits = 0;
        // Whoever is past its patience goes on: another handler of that fork may wait for a lock that this thread has.
        while N_FORKING.load(Ordering::SeqCst) > 0 && n_waits < max_waits {
            n_waits += 1;
            std::thread::sleep(WAIT);
        }
        // Sequentially consistent here and in `before`: either this thread sees the fork, or the fork sees this thread.
        N_HOLDERS.fetch_add(1, Ordering::SeqCst);
        if N_FORKING.load(Ordering::SeqCst) == 0 || n_waits == max_waits {
            return;
        }
        N_HOLDERS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// While this lives, no other thread forks the process. Stays with its thread.
#[derive(Debug)]
#[must_use = "a fork is held off while this lives"]
pub(crate) struct HoldOff {
    not_send: std::marker::PhantomData<*const ()>,
}

impl Drop for HoldOff {
    fn drop(&mut self) {
        if DEPTH.replace(DEPTH.get() - 1) == 1 {
            N_HOLDERS.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Registers the handlers; tells whether that went well. Without them a child is taken for its parent.
#[cfg(unix)]
fn register() -> bool {
    // SAFETY: the three are functions of this signature that live as long as the program, and what they do is allowed
    // there: they read and write atomics and a thread-local without a destructor, and the first one sleeps.
    unsafe { libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) == 0 }
}

#[cfg(not(unix))]
fn register() -> bool {
    true
}

/// Called before a fork, on the thread that forks: waits until nobody holds it off.
#[cfg(any(unix, test))]
extern "C" fn before() {
    N_FORKING.fetch_add(1, Ordering::SeqCst);
    let n_own = usize::from(DEPTH.get() > 0);
    for _ in 0..MAX_WAITS_OF_FORK {
        if N_HOLDERS.load(Ordering::SeqCst) <= n_own {
            break;
        }
        std::thread::sleep(WAIT);
    }
    // Other handlers of this thread may hold the fork off too, which must not wait for it.
    DEPTH.set(DEPTH.get() + 1);
}

#[cfg(any(unix, test))]
extern "C" fn after_in_parent() {
    DEPTH.set(DEPTH.get() - 1);
    N_FORKING.fetch_sub(1, Ordering::SeqCst);
}

#[cfg(any(unix, test))]
extern "C" fn after_in_child() {
    DEPTH.set(DEPTH.get() - 1);
    // Nobody else is left: neither a thread that forks nor one that holds off.
    N_FORKING.store(0, Ordering::SeqCst);
    N_HOLDERS.store(usize::from(DEPTH.get() > 0), Ordering::SeqCst);
    GENERATION.fetch_add(1, Ordering::SeqCst);
}

thread_local! {
    /// How many guards this thread has.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

static GENERATION: AtomicU32 = AtomicU32::new(0);
static IS_WATCHED: AtomicBool = AtomicBool::new(false);
static N_FORKING: AtomicUsize = AtomicUsize::new(0);
static N_HOLDERS: AtomicUsize = AtomicUsize::new(0);

/// A fork waits a second or so at the most: whatever happens, `fork` returns.
const MAX_WAITS_OF_FORK: usize = 20_000;

/// Who holds a fork off waits for one under way ten times as long: that of a process with much memory takes its time.
const MAX_WAITS_FOR_FORK: usize = 10 * MAX_WAITS_OF_FORK;

const WAIT: std::time::Duration = std::time::Duration::from_micros(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_waits_for_those_who_hold_it_off_and_they_for_the_fork() {
        static N_INSIDE: AtomicUsize = AtomicUsize::new(0);
        static IS_OVER: AtomicBool = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !IS_OVER.load(Ordering::Relaxed) {
                        let _outer = hold_off();
                        N_INSIDE.fetch_add(1, Ordering::SeqCst);
                        let _inner = hold_off();
                        N_INSIDE.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
            for _ in 0..200 {
                // What the C library calls around a fork, on the thread that forks.
                before();
                assert_eq!(N_INSIDE.load(Ordering::SeqCst), 0);
                after_in_parent();
            }
            IS_OVER.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_thread_that_forks_while_it_holds_off_does_not_wait_for_itself() {
        let start = std::time::Instant::now();
        let holding = hold_off();
        before();
        after_in_parent();
        drop(holding);
        assert!(start.elapsed() < std::time::Duration::from_secs(30));
        assert_eq!(DEPTH.get(), 0);
    }

    #[test]
    fn a_handler_of_the_thread_that_forks_may_hold_off_too() {
        // Another library's handlers run between these, and may end a span.
        before();
        drop(hold_off());
        after_in_parent();
        assert_eq!(DEPTH.get(), 0);
        drop(hold_off());
    }

    #[test]
    fn a_fork_that_waits_for_a_thread_that_waits_for_it_gets_out_of_it() {
        // Another library's handler may wait for a lock whose holder is about to hold off.
        before();
        std::thread::spawn(|| {
            enter(10);
            N_HOLDERS.fetch_sub(1, Ordering::SeqCst);
        })
        .join()
        .unwrap();
        after_in_parent();
    }
}
