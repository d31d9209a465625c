//! All orders in which callers and the worker can get at the desk.

use std::sync::Arc;

use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::*;

#[derive(Debug, Default)]
struct World {
    tickets: Tickets,
    worker: Parking,
    /// A bit for each span.
    ended: AtomicUsize,
    exported: AtomicUsize,
}

impl World {
    fn run(model: impl Fn(&Arc<Self>) + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        // More would take hours with three threads; faults of such protocols show with two.
        builder.preemption_bound = Some(MAX_PREEMPTIONS);
        builder.check(move || model(&Arc::default()));
    }

    /// A span ends. Relaxed, here and below: that the worker sees it is what the tickets are for.
    fn end_span(&self, span: usize) {
        self.ended.fetch_or(span, Ordering::Relaxed);
    }

    fn is_exported(&self, span: usize) -> bool {
        self.exported.load(Ordering::Relaxed) & span == span
    }

    fn call(&self) {
        if self.tickets.call() {
            self.worker.unpark();
        }
    }

    /// Ends a span and flushes or closes, as a caller with all the time in the world.
    fn end_and_wait(&self, span: usize, is_closing: bool) {
        self.end_span(span);
        let ticket = self.tickets.take(Duration::MAX, is_closing);
        self.worker.unpark();
        assert!(self.tickets.wait(ticket, Duration::MAX));
        // What came in beside the worker's last look is counted as ended after the close.
        assert!(self.is_exported(span) || self.tickets.is_closed());
    }

    /// What the worker does, until it is closed, or has exported these spans and answered so many tickets.
    fn serve_until(&self, spans: usize, n_tickets: u64) {
        loop {
            let Some(job) = self.tickets.next_job(false) else {
                self.worker.park();
                continue;
            };
            let exported = self.ended.load(Ordering::Relaxed);
            self.exported.store(exported, Ordering::Relaxed);
            self.tickets.answer(&job, true);
            if job.is_closing || (exported, job.up_to) == (spans, n_tickets) {
                return;
            }
        }
    }

    fn serve_until_closed(&self) {
        self.serve_until(usize::MAX, u64::MAX);
    }

    fn assert_nobody_waits(&self) {
        let desk = self.tickets.desk.lock();
        assert!(desk.is_closed && desk.answered == desk.taken, "{desk:?}");
    }
}

/// What `park` and `unpark` of a thread do: loom's own lose a wake that comes while the thread waits for a lock.
#[derive(Debug, Default)]
struct Parking {
    is_awake: Mutex<bool>,
    woken: Condvar,
}

impl Parking {
    fn park(&self) {
        let mut is_awake = self.is_awake.lock();
        while !*is_awake {
            is_awake = self.woken.wait_timeout(is_awake, Duration::MAX);
        }
        *is_awake = false;
    }

    fn unpark(&self) {
        *self.is_awake.lock() = true;
        self.woken.notify_all();
    }
}

fn spawn(world: &Arc<World>, work: impl FnOnce(&World) + Send + 'static) -> thread::JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || work(&world))
}

const MAX_PREEMPTIONS: usize = 3;

#[test]
fn two_flushes_are_each_answered_with_what_ended_before_them() {
    World::run(|world| {
        let callers = [1, 2].map(|span| {
            spawn(world, move |world| {
                world.end_and_wait(span, false);
                assert!(world.is_exported(span));
            })
        });
        world.serve_until(1 | 2, 2);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
}

#[test]
fn a_flush_and_a_close_at_once_are_both_answered_and_the_worker_ends() {
    World::run(|world| {
        let callers = [(1, false), (2, true)].map(|(span, is_closing)| {
            spawn(world, move |world| world.end_and_wait(span, is_closing))
        });
        world.serve_until_closed();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        assert!(world.tickets.is_closed());
    });
}

#[test]
fn two_closes_at_once_are_both_answered_and_a_third_does_not_wait() {
    World::run(|world| {
        let callers = [1, 2].map(|span| spawn(world, move |world| world.end_and_wait(span, true)));
        world.serve_until_closed();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        let ticket = world.tickets.take(Duration::MAX, true);
        assert!(world.tickets.wait(ticket, Duration::MAX));
    });
}

#[test]
fn a_caller_who_leaves_is_answered_all_the_same() {
    World::run(|world| {
        let caller = spawn(world, |world| {
            world.end_span(1);
            let ticket = world.tickets.take(Duration::ZERO, false);
            world.worker.unpark();
            world.tickets.wait(ticket, Duration::ZERO);
            // Dropping the processor closes it, and waits for nothing.
            world.tickets.take(Duration::ZERO, true);
            world.worker.unpark();
        });
        world.serve_until_closed();
        caller.join().unwrap();
        assert!(world.is_exported(1));
        world.assert_nobody_waits();
    });
}

#[test]
fn no_call_of_a_span_that_ends_is_lost() {
    World::run(|world| {
        let callers = [1, 2].map(|span| {
            spawn(world, move |world| {
                world.end_span(span);
                world.call();
            })
        });
        // Were one lost, the worker would sleep for ever, which loom finds.
        world.serve_until(1 | 2, 0);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
}

#[test]
fn a_call_beside_a_flush_is_not_lost() {
    World::run(|world| {
        let caller = spawn(world, |world| {
            world.end_span(1);
            world.call();
        });
        let flusher = spawn(world, |world| {
            let ticket = world.tickets.take(Duration::MAX, false);
            world.worker.unpark();
            assert!(world.tickets.wait(ticket, Duration::MAX));
        });
        world.serve_until(1, 1);
        caller.join().unwrap();
        flusher.join().unwrap();
    });
}
