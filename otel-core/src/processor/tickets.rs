//! How those who flush or close meet the worker.
//!
//! A caller takes a ticket, wakes the worker and waits. The worker looks at how many were taken, does the work, and
//! answers them all at once: whoever took a ticket before that look is served, and whoever comes later is served next
//! time. A span that ends leaves a call instead, which nobody waits for.

use std::mem;
use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, Condvar, Mutex, Ordering};

/// Where callers leave what they want of the worker, and wait for it.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    desk: Mutex<Desk>,
    answers: Condvar,
    /// Set with each wake of the worker: one wake for many spans.
    is_called: AtomicBool,
}

#[derive(Debug, Default)]
struct Desk {
    /// How many tickets were taken; the first one has the number 1.
    taken: u64,
    /// All up to this one are answered.
    answered: u64,
    /// The longest that one of those gave who wait for the next job: who gave less leaves before. Of those who close, where
    /// somebody does: they want the account within that time.
    timeout: Duration,
    is_closing: bool,
    is_closed: bool,
    /// The last flush ended before all was sent: its time ran out.
    is_unfinished: bool,
}

/// What a caller waits with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What the worker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// All tickets up to this one wait for it.
    up_to: u64,
    pub(super) must_flush: bool,
    pub(super) is_closing: bool,
    /// How long the one who waits gives it; `None` where nobody waits.
    pub(super) timeout: Option<Duration>,
}

impl Tickets {
    /// Takes a ticket for a flush, or for the close, which is the last job. The worker has to be woken afterwards.
    pub(super) fn take(&self, timeout: Duration, is_closing: bool) -> Ticket {
        let mut desk = self.desk.lock();
        if !desk.is_closed {
            desk.taken += 1;
            desk.timeout = match (desk.is_closing, is_closing) {
                (true, false) => desk.timeout,
                (false, true) => timeout,
                _ => desk.timeout.max(timeout),
            };
            desk.is_closing |= is_closing;
        }
        Ticket(desk.taken)
    }

    /// Waits until a ticket is answered; tells whether that was in time, and all was done. A caller who leaves needs to do
    /// nothing: the worker answers all the same.
    pub(super) fn wait(&self, ticket: Ticket, timeout: Duration) -> bool {
        let start = Instant::now();
        let mut desk = self.desk.lock();
        while desk.answered < ticket.0 && !desk.is_closed {
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            desk = self.answers.wait_timeout(desk, left);
        }
        !desk.is_unfinished
    }

    /// Leaves a call for the worker; tells whether it has to be woken, since nobody called before.
    pub(super) fn call(&self) -> bool {
        // Release, and acquire in `next_job`: what was pushed before the call is seen by the job that it leads to, whoever
        // woke the worker for it.
        !self.is_called.swap(true, Ordering::Release)
    }

    /// Returns what the worker is to do, or `None` where it may sleep until it is woken. What was pushed before a ticket was
    /// taken is seen by the job that answers it.
    pub(super) fn next_job(&self, is_due: bool) -> Option<Job> {
        let is_called = self.is_called.swap(false, Ordering::Acquire);
        let mut desk = self.desk.lock();
        let is_asked = desk.taken > desk.answered;
        let job = Job {
            up_to: desk.taken,
            must_flush: is_asked || is_due,
            is_closing: desk.is_closing,
            timeout: is_asked.then(|| mem::take(&mut desk.timeout)),
        };
        (job.must_flush || job.is_closing || is_called).then_some(job)
    }

    /// Takes the call, where one was left, in the middle of a job; tells whether somebody closes meanwhile.
    pub(super) fn look_up(&self) -> bool {
        // As in `next_job`.
        self.is_called.swap(false, Ordering::Acquire);
        self.desk.lock().is_closing
    }

    /// Answers all who waited for a job; `is_done` tells whether nothing of it is left.
    pub(super) fn answer(&self, job: &Job, is_done: bool) {
        let mut desk = self.desk.lock();
        // A job that only empties the queue was made when nobody waited: then this changes nothing.
        desk.answered = job.up_to;
        if job.timeout.is_some() {
            desk.is_unfinished = !is_done;
        }
        desk.is_closed |= job.is_closing;
        drop(desk);
        self.answers.notify_all();
    }

    /// Closes where there is no worker to do it.
    pub(super) fn close_unserved(&self) {
        self.desk.lock().is_closed = true;
        self.answers.notify_all();
    }

    /// Tells whether the last job is done.
    pub(super) fn is_closed(&self) -> bool {
        self.desk.lock().is_closed
    }
}

#[cfg(all(loom, test))]
mod models;

#[cfg(all(not(loom), test))]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_as_long_as_the_most_patient_of_those_who_wait_but_a_close_has_its_own_time() {
        let seconds = Duration::from_secs;
        for (asked, expected) in [
            (&[(20, false)][..], 20),
            (&[(20, false), (1, false)], 20),
            (&[(1, false), (20, false), (3, false)], 20),
            (&[(20, false), (1, true)], 1),
            (&[(1, true), (20, false)], 1),
            (&[(1, true), (20, false), (2, true)], 2),
        ] {
            let tickets = Tickets::default();
            asked.iter().for_each(|(time, is_closing)| {
                tickets.take(seconds(*time), *is_closing);
            });
            let job = tickets.next_job(false).unwrap();
            assert_eq!(job.timeout, Some(seconds(expected)), "{asked:?}");
        }
        // The next job is for those who come next.
        let tickets = Tickets::default();
        tickets.take(seconds(20), false);
        let job = tickets.next_job(false).unwrap();
        tickets.take(seconds(1), false);
        tickets.answer(&job, true);
        assert_eq!(tickets.next_job(false).unwrap().timeout, Some(seconds(1)));
    }
}
