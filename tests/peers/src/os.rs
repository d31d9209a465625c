//! What the standard library has no word for: CPU clocks, affinity, a page that two processes share.
//!
//! The one file of this crate with `unsafe` in it. Everything here has a safe signature.

#![expect(unsafe_code, reason = "the system's interface, in one leaf")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU64;

use crate::alloc;

/// Returns the CPU time of the calling thread, in nanoseconds.
pub fn thread_cpu_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live value of the type that the call fills in.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Returns the user and system time of this process, in nanoseconds.
pub fn process_cpu_nanos() -> u64 {
    // SAFETY: `rusage` is made of numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live value of the type that the call fills in.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    let nanos =
        |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    nanos(usage.ru_utime) + nanos(usage.ru_stime)
}

/// Ties a thread to one CPU; thread 0 is the calling one. A machine without that CPU changes nothing.
pub fn pin(thread_id: i32, cpu: usize) {
    // SAFETY: a CPU set is made of numbers, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is live, and `cpu` is far below its 1,024 bits.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the pointer is to a live set of the length given.
    unsafe { libc::sched_setaffinity(thread_id, size_of::<libc::cpu_set_t>(), &raw const set) };
}

/// Returns how many CPUs the machine has, whichever this thread is tied to.
pub fn n_cpus() -> usize {
    // SAFETY: the call has no preconditions.
    let n_cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(n_cpus).unwrap_or(1)
}

/// Returns the id by which the system knows the calling thread.
pub fn thread_id() -> i32 {
    // SAFETY: the call has no preconditions.
    unsafe { libc::gettid() }
}

/// Asks for a receive buffer, beyond the system's limit where the process may.
pub fn set_receive_buffer(socket: &UdpSocket, bytes: i32) {
    let set = |option| {
        // SAFETY: the descriptor is open, the pointer is to a live `i32` of the length given.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const bytes).cast(),
                size_of::<i32>() as libc::socklen_t,
            )
        }
    };
    if set(libc::SO_RCVBUFFORCE) != 0 {
        set(libc::SO_RCVBUF);
    }
}

/// Maps the first page of a file, so that processes see each other's numbers. It stays mapped until the process ends.
///
/// # Errors
///
/// Where the file cannot be made a page long, or not be mapped.
pub fn share<const N: usize>(file: &File) -> io::Result<&'static [AtomicU64; N]> {
    const { assert!(N * 8 <= PAGE_BYTES) };
    file.set_len(PAGE_BYTES as u64)?;
    // SAFETY: a new mapping of a page that the file has; the kernel chooses where.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            PAGE_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the page is aligned, long enough, never unmapped, and any bits are a value of an atomic number.
    Ok(unsafe { &*page.cast::<[AtomicU64; N]>() })
}

/// The system's allocator, with every allocation told to [`alloc::note`].
pub struct CountingAllocator;

// SAFETY: all calls go to the system's allocator unchanged; `note` neither allocates nor panics.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        alloc::note();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        alloc::note();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        alloc::note();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.dealloc(block, layout) }
    }
}

const PAGE_BYTES: usize = 4096;
