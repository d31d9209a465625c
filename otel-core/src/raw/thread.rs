//! Starts a thread, also in the child of a `fork`.
//!
//! There the standard library cannot be relied on: a thread of its own registers its stack behind a lock, and where
//! another thread of the parent was starting or ending at the moment of the fork, the child finds that lock locked for ever.

use std::io;

/// Starts a thread that nobody joins. In a child it has no name, and no guard that tells of a stack overflow.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    #[cfg(unix)]
    if super::fork::generation() > 0 {
        return spawn_in_child(Box::new(work));
    }
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

#[cfg(unix)]
fn spawn_in_child(work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    let work = Box::into_raw(Box::new(work));
    let mut thread = std::mem::MaybeUninit::uninit();
    // SAFETY: the place for the thread's id is valid, no attributes are the usual ones, and `run` takes what it is given.
    let error =
        unsafe { libc::pthread_create(thread.as_mut_ptr(), std::ptr::null(), run, work.cast()) };
    if error != 0 {
        // SAFETY: there is no thread, so the box is still ours alone.
        drop(unsafe { Box::from_raw(work) });
        return Err(io::Error::from_raw_os_error(error));
    }
    // SAFETY: the thread was made, so its id was written, and nobody has joined or detached it.
    unsafe { libc::pthread_detach(thread.assume_init()) };
    Ok(())
}

#[cfg(unix)]
extern "C" fn run(work: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: this is the box that `spawn_in_child` gave up, given to this thread alone.
    let work = unsafe { Box::from_raw(work.cast::<Box<dyn FnOnce() + Send>>()) };
    // A panic says so itself; it must not leave a function that C calls.
    let _ = crate::foreign::call(*work);
    std::ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    fn wait_until(is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(60), "it never came to be so");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_thread_of_either_kind_does_its_work_and_drops_what_it_was_given() {
        let n_done = Arc::new(AtomicUsize::new(0));
        let work = || {
            let n_done = Arc::clone(&n_done);
            move || {
                n_done.fetch_add(1, Ordering::Relaxed);
            }
        };
        spawn("test", work()).unwrap();
        wait_until(|| n_done.load(Ordering::Relaxed) == 1 && Arc::strong_count(&n_done) == 1);
        #[cfg(unix)]
        spawn_in_child(Box::new(work())).unwrap();
        #[cfg(unix)]
        wait_until(|| n_done.load(Ordering::Relaxed) == 2 && Arc::strong_count(&n_done) == 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_panic_ends_the_thread_and_not_the_program() {
        let held = Arc::new(());
        let given = Arc::clone(&held);
        spawn_in_child(Box::new(move || {
            let _given = given;
            panic!("a bug");
        }))
        .unwrap();
        wait_until(|| Arc::strong_count(&held) == 1);
    }
}
