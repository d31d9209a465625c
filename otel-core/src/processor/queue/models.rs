//! All orders in which a thread can replace its ring by a larger one while the worker drains.

use loom::thread;

use super::*;

/// Two of these fill a ring of [`LEAST_RING_BYTES`].
fn record(name: u8) -> Vec<u8> {
    let mut record = vec![name; LEAST_RING_BYTES / 2];
    record[..4].copy_from_slice(&((LEAST_RING_BYTES / 2) as u32).to_le_bytes());
    record
}

#[test]
fn records_come_once_and_in_order_while_a_ring_is_replaced_by_a_larger_one() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let queue = Arc::new(SpanQueue::new(4 * LEAST_RING_BYTES, usize::MAX));
        let pushing = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                // The thread's own list of rings, by hand: all of loom's threads are one to the standard library.
                let mut rings = Vec::new();
                assert_eq!(push_first(&mut rings, &queue.shared, &record(1)), Push::Queued);
                for name in 2..=4 {
                    assert_ne!(rings[0].push(&queue.shared, &record(name)), Push::Full);
                }
                rings[0].producer.capacity()
            }
        });
        let mut names = Vec::new();
        let mut drain = || {
            queue.drain(|run| {
                names.extend(run.chunks(LEAST_RING_BYTES / 2).map(|record| record[7]));
            });
        };
        drain();
        drain();
        let capacity = pushing.join().unwrap();
        drain();
        assert!(capacity == LEAST_RING_BYTES || capacity == 2 * LEAST_RING_BYTES);
        assert_eq!(names, [1, 2, 3, 4]);
        assert_eq!(queue.counts().pushed_spans, 4);
    });
}
