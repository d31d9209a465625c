//! All orders in which the two ends can get at a ring, and all that one may then see of what the other wrote.

use loom::cell::UnsafeCell;
use loom::thread;

use super::*;

/// A cell for each unit of the ring: loom finds two threads at one without anything that orders them.
#[derive(Debug)]
pub(super) struct Watch(Vec<UnsafeCell<()>>);

// SAFETY: the cells hold nothing; that they are touched by two threads is what loom is to see.
unsafe impl Sync for Watch {}

impl Watch {
    pub(super) fn new(capacity: usize) -> Self {
        Self((0..capacity / ALIGNMENT).map(|_| UnsafeCell::new(())).collect())
    }

    pub(super) fn note_write(&self, place: usize, len: usize) {
        self.cells(place, len).iter().for_each(|cell| cell.with_mut(|_| ()));
    }

    pub(super) fn note_read(&self, place: usize, len: usize) {
        self.cells(place, len).iter().for_each(|cell| cell.with(|_| ()));
    }

    fn cells(&self, place: usize, len: usize) -> &[UnsafeCell<()>] {
        &self.0[place / ALIGNMENT..(place + len) / ALIGNMENT]
    }
}

/// A record of so many units, which names itself.
fn record(n_units: usize, name: u8) -> Vec<u8> {
    let mut record = vec![name; n_units * ALIGNMENT];
    record[..4].copy_from_slice(&((n_units * ALIGNMENT) as u32).to_le_bytes());
    record
}

fn drain_names(consumer: &mut Consumer, names: &mut Vec<u8>) {
    consumer.drain(|mut run| {
        while let Some(len) = run.first_chunk::<4>().filter(|len| **len != SKIP) {
            names.push(run[7]);
            run = &run[u32::from_le_bytes(*len) as usize..];
        }
    });
}

/// Pushes records while another thread drains; returns which were taken in, and which came out.
fn run(capacity: usize, lengths: &'static [usize], n_drains: usize) {
    loom::model(move || {
        let (mut producer, mut consumer) = ring(capacity);
        let pushing = thread::spawn(move || {
            let names = (1..)
                .zip(lengths)
                .filter(|(name, n_units)| producer.push(&record(**n_units, *name)));
            names.map(|(name, _)| name).collect::<Vec<u8>>()
        });
        let mut names = Vec::new();
        for _ in 0..n_drains {
            drain_names(&mut consumer, &mut names);
        }
        // Looked at first, as the queue does: what an abandoned ring then gives is the last of it.
        let is_over = consumer.is_abandoned();
        drain_names(&mut consumer, &mut names);
        let n_before = names.len();
        let pushed = pushing.join().unwrap();
        drain_names(&mut consumer, &mut names);
        assert_eq!(names, pushed, "whole, once and in order");
        assert!(!is_over || names.len() == n_before);
    });
}

#[test]
fn no_byte_is_touched_by_both_ends_while_records_go_round() {
    run(4 * ALIGNMENT, &[2, 1, 2, 1, 2], 2);
}

#[test]
fn no_byte_is_touched_by_both_ends_where_the_end_of_the_ring_is_skipped() {
    run(4 * ALIGNMENT, &[3, 2, 3, 2], 2);
}

#[test]
fn what_an_abandoned_ring_gives_is_the_last_of_it() {
    run(8 * ALIGNMENT, &[1, 1], 0);
}
