//! The global tracer: one for the process, for code that is not handed one.

use std::cell::RefCell;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::tracer::{Tracer, TracerKind};

/// Returns a handle that forwards each call to whatever is the global tracer then.
///
/// It may be taken at any time, in a `static` too: once a tracer is set, handles taken before lead
/// to it. Until then they do nothing.
///
/// ```
/// use opentracing_api::{Tracer, global_tracer};
///
/// static TRACER: Tracer = global_tracer();
/// TRACER.start_span("early").finish();
/// ```
pub const fn global_tracer() -> Tracer {
    Tracer(TracerKind::Global)
}

/// Makes a tracer the global one, in place of any before.
///
/// Spans that have started stay with their tracer. Setting [`Tracer::noop`] takes the global tracer
/// away; setting [`global_tracer`] changes nothing. A thread lets go of the tracer before when it
/// next uses the global one.
pub fn set_global_tracer(tracer: Tracer) {
    if !matches!(tracer.0, TracerKind::Global) {
        // The tracer before is dropped after the lock: its end is foreign code.
        let before = replace(&mut current(), tracer);
        drop(before);
    }
}

/// Makes a tracer the global one if there is none, and tells whether it did.
pub fn set_global_tracer_if_absent(tracer: Tracer) -> bool {
    let mut current = current();
    let is_absent =
        matches!(*current, Tracer(TracerKind::Noop)) && matches!(tracer.0, TracerKind::Backend(_));
    if is_absent {
        // A no-op tracer before: nothing to drop.
        let _noop = replace(&mut current, tracer);
    }
    is_absent
}

/// Tells whether a global tracer is set, other than the no-op tracer.
pub fn is_global_tracer_registered() -> bool {
    !matches!(*current(), Tracer(TracerKind::Noop))
}

/// Calls `f` with the global tracer, which is never the forwarding handle.
///
/// Each thread has a copy and sees by the generation whether it is still right: no lock and no
/// count per call.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(&Tracer) -> R) -> R {
    let mut f = Some(f);
    let answer = COPY.try_with(|copy| {
        // Shared borrows nest: `f` may well use the global tracer itself.
        let copy = copy.try_borrow().ok()?;
        let (generation, tracer) = &*copy;
        // Acquire: pairs with the Release in `replace`.
        if *generation != GENERATION.load(Ordering::Acquire) {
            return None;
        }
        f.take().map(|f| f(tracer))
    });
    match (answer, f) {
        (Ok(Some(answer)), _) => answer,
        (_, Some(f)) => with_fresh_copy(f),
        (_, None) => unreachable!("`f` is taken only to be called"),
    }
}

#[cold]
fn with_fresh_copy<R>(f: impl FnOnce(&Tracer) -> R) -> R {
    let (generation, tracer) = {
        let current = current();
        (GENERATION.load(Ordering::Acquire), current.clone())
    };
    // Fails while an outer call has the copy, or at the end of the thread: then the next call tries
    // again.
    let before = COPY.try_with(|copy| {
        let mut copy = copy.try_borrow_mut().ok()?;
        Some(mem::replace(&mut *copy, (generation, tracer.clone())))
    });
    // Dropped after the borrow: its end is foreign code.
    drop(before);
    f(&tracer)
}

fn replace(current: &mut MutexGuard<'_, Tracer>, tracer: Tracer) -> Tracer {
    let before = mem::replace(&mut **current, tracer);
    GENERATION.fetch_add(1, Ordering::Release);
    before
}

fn current() -> MutexGuard<'static, Tracer> {
    static CURRENT: Mutex<Tracer> = Mutex::new(Tracer::noop());
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the tracers set; changed under the lock of the current one.
static GENERATION: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static COPY: RefCell<(u64, Tracer)> = const { RefCell::new((0, Tracer::noop())) };
}

#[cfg(test)]
pub(crate) mod tests;
