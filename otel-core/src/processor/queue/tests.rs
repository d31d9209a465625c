use std::sync::Barrier;

use super::*;
use crate::instrumentation_scope::InstrumentationScope;
use crate::record::{SpanBuf, SpanIds, SpanTimes};
use crate::span::SpanKind;

fn push_named(queue: &SpanQueue, name: &str) -> Push {
    let (mut buf, scope) = (SpanBuf::new(), InstrumentationScope::default());
    buf.start(name, SpanKind::Internal, SpanIds::default());
    queue.push(&buf.finish(SpanTimes::default(), &scope))
}

fn drained_names(queue: &SpanQueue) -> Vec<String> {
    let mut names = Vec::new();
    queue.drain(|records| {
        let n_before = names.len();
        names.extend(SpanView::all_in(records, &[]).map(|span| span.name().to_string()));
        assert!(names.len() > n_before, "no run is empty");
    });
    queue.release(names.len());
    names
}

fn unlimited() -> SpanQueue {
    SpanQueue::new(1 << 30, usize::MAX)
}

#[test]
fn records_of_a_thread_come_out_in_the_order_in_which_they_went_in() {
    let queue = unlimited();
    for name in ["a", "b", "c"] {
        assert_eq!(push_named(&queue, name), Push::Queued);
    }
    assert_eq!(drained_names(&queue), ["a", "b", "c"]);
    assert_eq!(drained_names(&queue), [""; 0]);
}

#[test]
fn a_full_queue_drops_the_newest_and_counts_it() {
    for (max_bytes, max_spans) in [(2 * 88, usize::MAX), (1 << 30, 2), (2 * 88, 2)] {
        let queue = SpanQueue::new(max_bytes, max_spans);
        let pushes = ["a", "b", "c"].map(|name| push_named(&queue, name));
        assert_eq!(pushes.map(|push| push == Push::Full), [false, false, true]);
        assert_eq!((queue.counts().pushed_spans, queue.counts().full_spans), (3, 1));
        assert_eq!(drained_names(&queue), ["a", "b"]);
        assert_ne!(push_named(&queue, "d"), Push::Full, "room comes back");
        assert_eq!(drained_names(&queue), ["d"]);
    }
}

#[test]
fn a_closed_queue_keeps_what_it_has_and_counts_what_comes_late() {
    let queue = unlimited();
    push_named(&queue, "in time");
    queue.close();
    assert_eq!(push_named(&queue, "late"), Push::Closed);
    assert_eq!(queue.counts().closed_spans, 1);
    assert_eq!(drained_names(&queue), ["in time"]);
}

#[test]
fn the_worker_is_called_once_for_many_records() {
    let queue = unlimited();
    let name = "n".repeat(1000);
    let n_calls = (0..1000).filter(|_| push_named(&queue, &name) == Push::QueuedMany).count();
    assert!((2..=30).contains(&n_calls), "{n_calls} calls for about a megabyte");
    assert_eq!(drained_names(&queue).len(), 1000);
}

#[test]
fn a_ring_grows_while_there_is_room_and_then_records_overflow_and_then_they_are_dropped() {
    let max_bytes = 1 << 20;
    let queue = SpanQueue::new(max_bytes, usize::MAX);
    let name = "n".repeat(1000);
    let record_bytes = (80 + 1000_usize).next_multiple_of(8);
    let n_kept = (0..2_000).filter(|_| push_named(&queue, &name) != Push::Full).count();
    assert!(n_kept * record_bytes <= max_bytes, "{n_kept} records kept");
    assert!(n_kept * record_bytes > max_bytes * 8 / 10, "{n_kept} records kept");
    let counts = queue.counts();
    assert_eq!((counts.pushed_spans, counts.full_spans), (2_000, 2_000 - n_kept as u64));
    assert_eq!(drained_names(&queue).len(), n_kept);
    assert_eq!(
        queue.shared.free_bytes.load(Ordering::Relaxed),
        max_bytes - (256 << 10),
        "one ring is left"
    );
    assert_eq!(queue.counts().pushed_spans, 2_000, "draining changes no count");
}

#[test]
fn a_record_larger_than_any_ring_so_far_is_kept() {
    let queue = unlimited();
    let (small, large) = ("small".to_owned(), "l".repeat(3 << 20));
    for name in [&small, &large, &small] {
        assert_ne!(push_named(&queue, name), Push::Full);
    }
    let mut names = drained_names(&queue);
    names.sort_by_key(String::len);
    assert_eq!(names, [small.clone(), small, large]);
}

#[test]
fn threads_that_push_one_record_and_die_leave_nothing_behind() {
    let queue = Arc::new(SpanQueue::new(1 << 20, usize::MAX));
    for round in 0..200 {
        let of_thread = Arc::clone(&queue);
        // Joined by its handle, which waits until the thread's locals are dropped: a scope does not.
        std::thread::spawn(move || push_named(&of_thread, "only")).join().unwrap();
        if round % 10 == 9 {
            assert_eq!(drained_names(&queue).len(), 10);
        }
    }
    assert_eq!(queue.shared.free_bytes.load(Ordering::Relaxed), 1 << 20);
    assert_eq!(queue.counts().pushed_spans, 200);
    assert!(
        queue.shared.pushed.lock().of_threads.is_empty(),
        "counts of dead threads are added up"
    );
}

#[test]
fn a_record_pushed_while_a_threads_locals_are_dropped_is_kept() {
    thread_local! {
        static LAST_WORDS: RefCell<Option<LastWords>> = const { RefCell::new(None) };
    }
    struct LastWords(Arc<SpanQueue>);
    impl Drop for LastWords {
        fn drop(&mut self) {
            push_named(&self.0, "last words");
        }
    }
    for pushes_first in [true, false] {
        let queue = Arc::new(unlimited());
        let of_thread = Arc::clone(&queue);
        std::thread::spawn(move || {
            // Which of the two locals is dropped first depends on which was used first: both ways are tried.
            if pushes_first {
                push_named(&of_thread, "first words");
            }
            LAST_WORDS.set(Some(LastWords(Arc::clone(&of_thread))));
            if !pushes_first {
                push_named(&of_thread, "first words");
            }
        })
        .join()
        .unwrap();
        let mut names = drained_names(&queue);
        names.sort();
        assert_eq!(names, ["first words", "last words"]);
    }
}

#[test]
fn queues_of_one_thread_are_kept_apart_and_dead_ones_are_let_go() {
    let queues = [unlimited(), unlimited()];
    for (queue, name) in queues.iter().zip(["a", "b"]) {
        push_named(queue, name);
    }
    assert_eq!(drained_names(&queues[1]), ["b"]);
    assert_eq!(drained_names(&queues[0]), ["a"]);
    drop(queues);
    push_named(&unlimited(), "c");
    assert_eq!(RINGS.with_borrow(Vec::len), 1, "only the newest queue's ring is left");
}

#[test]
fn many_threads_lose_and_double_nothing_while_the_worker_drains() {
    const N_THREADS: usize = 4;
    const N_RECORDS: usize = 20_000;
    let (queue, barrier) = (SpanQueue::new(8 << 20, usize::MAX), Barrier::new(N_THREADS));
    let mut names = Vec::new();
    std::thread::scope(|scope| {
        let pushers: Vec<_> = (0..N_THREADS)
            .map(|thread| {
                let (queue, barrier) = (&queue, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for number in 0..N_RECORDS {
                        while push_named(queue, &format!("{thread}/{number}")) == Push::Full {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        while !pushers.iter().all(|pusher| pusher.is_finished()) {
            names.append(&mut drained_names(&queue));
            std::thread::yield_now();
        }
    });
    names.append(&mut drained_names(&queue));
    let distinct: std::collections::HashSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (N_THREADS * N_RECORDS, N_THREADS * N_RECORDS));
    let counts = queue.counts();
    assert_eq!(counts.pushed_spans - counts.full_spans, names.len() as u64);
}

#[test]
fn rings_of_many_idle_threads_leave_room_for_others() {
    let queue = Arc::new(SpanQueue::new(1 << 20, usize::MAX));
    let (done, release) = (Arc::new(Barrier::new(31)), Arc::new(Barrier::new(31)));
    let threads: [_; 30] = std::array::from_fn(|thread| {
        let (queue, done, release) = (Arc::clone(&queue), Arc::clone(&done), Arc::clone(&release));
        std::thread::spawn(move || {
            assert_ne!(push_named(&queue, &thread.to_string()), Push::Full);
            done.wait();
            release.wait();
        })
    });
    done.wait();
    for number in 0..1_000 {
        assert_ne!(
            push_named(&queue, "from a thread without a ring"),
            Push::Full,
            "record {number}"
        );
    }
    assert_eq!(drained_names(&queue).len(), 1_030);
    release.wait();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_queue_limited_in_spans_calls_the_worker_when_it_is_half_full() {
    let queue = SpanQueue::new(1 << 30, 4);
    let pushes = ["a", "b", "c"].map(|name| push_named(&queue, name));
    assert_eq!(pushes, [Push::Queued, Push::QueuedMany, Push::QueuedMany]);
}
