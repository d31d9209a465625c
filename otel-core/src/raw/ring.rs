//! A ring of bytes between two threads: one copies records in, the other reads them where they stand.

use std::cell::UnsafeCell;
use std::sync::Arc;

use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// Makes a ring and returns its two ends. The capacity is in bytes, a power of two of at least eight.
pub(crate) fn ring(capacity: usize) -> (Producer, Consumer) {
    assert!(capacity.is_power_of_two() && capacity >= ALIGNMENT, "a capacity of {capacity} bytes");
    let bytes: *mut [u8] = Box::into_raw(vec![0; capacity].into_boxed_slice());
    // SAFETY: the box was just given up, and a cell is laid out like what is in it. Made like this, the system's zeros are
    // not written once more.
    let bytes = unsafe { Box::from_raw(bytes as *mut [UnsafeCell<u8>]) };
    let ring = Arc::new(Ring {
        bytes,
        capacity,
        head: Line(AtomicUsize::new(0)),
        tail: Line(AtomicUsize::new(0)),
        is_abandoned: AtomicBool::new(false),
        #[cfg(all(loom, test))]
        watch: models::Watch::new(capacity),
    });
    (Producer { ring: Arc::clone(&ring), tail: 0, head_seen: 0 }, Consumer { ring, head: 0 })
}

/// What both ends share.
///
/// Positions count up without end; a position's place is its remainder by the capacity. Bytes from `head` to `tail` are
/// the consumer's to read, all others the producer's to write. A record never goes across the end of the ring: where one
/// would, [`SKIP`] is written instead, and the record follows at the start.
#[derive(Debug)]
struct Ring {
    /// A cell each: a reference to all of them says nothing about any, so each end may hold one.
    bytes: Box<[UnsafeCell<u8>]>,
    capacity: usize,
    /// How far the consumer has read. Written by it alone.
    head: Line<AtomicUsize>,
    /// How far the producer has written. Written by it alone.
    tail: Line<AtomicUsize>,
    /// The producer is gone: nothing will follow.
    is_abandoned: AtomicBool,
    /// Sees who touches which bytes when.
    #[cfg(all(loom, test))]
    watch: models::Watch,
}

/// Keeps what one thread writes away from what the other does: two lines of the cache, since they are fetched in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

// SAFETY: the bytes are the only part that is not `Sync` by itself. There is one producer and one consumer (neither end
// can be cloned, and both need `&mut` for access), and `head` and `tail` tell which bytes are whose: see `Ring`. A byte
// changes hands by a release store of `tail` or `head` that the other end reads with acquire.
unsafe impl Sync for Ring {}

impl Ring {
    #[inline]
    fn place(&self, position: usize) -> usize {
        position & (self.capacity - 1)
    }

    /// Returns where a place is in memory.
    #[inline]
    fn at(&self, place: usize) -> *mut u8 {
        debug_assert!(place < self.capacity);
        // SAFETY: the place is inside of what the box points to.
        UnsafeCell::raw_get(unsafe { self.bytes.as_ptr().add(place) })
    }

    /// Tells a model that bytes are about to be written.
    #[inline]
    fn note_write(&self, place: usize, len: usize) {
        #[cfg(all(loom, test))]
        self.watch.note_write(place, len);
        let _ = (place, len);
    }

    /// Tells a model that bytes have just been read.
    #[inline]
    fn note_read(&self, place: usize, len: usize) {
        #[cfg(all(loom, test))]
        self.watch.note_read(place, len);
        let _ = (place, len);
    }
}

/// The end that writes. Dropping it tells the consumer that nothing will follow.
#[derive(Debug)]
pub(crate) struct Producer {
    ring: Arc<Ring>,
    tail: usize,
    /// What the consumer's position was when it was looked at last: it can only have gone on since.
    head_seen: usize,
}

impl Producer {
    /// Copies a record in, whose length is a multiple of eight; tells whether there was room for it.
    ///
    /// A record of up to half the capacity always finds room in an empty ring; a longer one may not, where the rest of the
    /// ring has to be skipped for it.
    #[inline]
    pub(crate) fn push(&mut self, record: &[u8]) -> bool {
        debug_assert!(record.len() % ALIGNMENT == 0 && !record.is_empty());
        let place = self.ring.place(self.tail);
        let to_end = self.ring.capacity - place;
        let skipped = if record.len() <= to_end { 0 } else { to_end };
        let needed = skipped + record.len();
        if self.free() < needed {
            // Acquire: the consumer has read what stood there before we write over it.
            self.head_seen = self.ring.head.0.load(Ordering::Acquire);
            if self.free() < needed {
                return false;
            }
        }
        let start = if skipped == 0 {
            place
        } else {
            self.ring.note_write(place, ALIGNMENT);
            // SAFETY: the bytes from `tail` on are ours, as many as are free, and to the end there are at least eight,
            // since all lengths are multiples of that.
            unsafe { self.ring.at(place).cast::<[u8; 4]>().write(SKIP) };
            0
        };
        self.ring.note_write(start, record.len());
        // SAFETY: the record fits between `start` and the end of the ring, and these bytes are ours. It cannot overlap
        // them: nobody has a reference to them but through this module.
        unsafe { self.ring.at(start).copy_from_nonoverlapping(record.as_ptr(), record.len()) };
        self.tail = self.tail.wrapping_add(needed);
        // Release: the bytes are there before the position says so.
        self.ring.tail.0.store(self.tail, Ordering::Release);
        true
    }

    /// Returns the capacity, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity
    }

    #[inline]
    fn free(&self) -> usize {
        self.ring.capacity - self.tail.wrapping_sub(self.head_seen)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Release: whoever sees the flag sees all that was written.
        self.ring.is_abandoned.store(true, Ordering::Release);
    }
}

/// The end that reads.
#[derive(Debug)]
pub(crate) struct Consumer {
    ring: Arc<Ring>,
    head: usize,
}

impl Consumer {
    /// Hands all that was written until now to `visit`: at the most two runs of records that stand one after another. A run
    /// ends with its bytes, or where [`SKIP`] stands for the length of a record: nobody walks over it but who reads it, since
    /// a walk fetches a line of the cache for each record, one after another.
    pub(crate) fn drain(&mut self, mut visit: impl FnMut(&[u8])) {
        // Acquire: the bytes up to there are written.
        let tail = self.ring.tail.0.load(Ordering::Acquire);
        while self.head != tail {
            let place = self.ring.place(self.head);
            let len = tail.wrapping_sub(self.head).min(self.ring.capacity - place);
            // SAFETY: the bytes from `head` to `tail` are ours until `head` is moved, and initialised like the whole ring.
            let run = unsafe { std::slice::from_raw_parts(self.ring.at(place), len) };
            if !run.starts_with(&SKIP) {
                visit(run);
            }
            self.ring.note_read(place, len);
            self.head = self.head.wrapping_add(len);
            // Release: we have read what the producer may now write over.
            self.ring.head.0.store(self.head, Ordering::Release);
        }
    }

    /// Tells whether the producer is gone. What it wrote before can still be drained.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned.load(Ordering::Acquire)
    }

    /// Returns the capacity, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity
    }
}

/// Stands where a record's length would: the rest of the ring is skipped.
const SKIP: [u8; 4] = [0xFF; 4];

/// All records, and so all positions, are multiples of this.
const ALIGNMENT: usize = 8;

#[cfg(all(loom, test))]
mod models;

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of this length, which it begins with as all records do, filled with a byte.
    fn record(len: usize, fill: u8) -> Vec<u8> {
        let mut record = vec![fill; len];
        record[..4].copy_from_slice(&(len as u32).to_le_bytes());
        record
    }

    fn drained(consumer: &mut Consumer) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        consumer.drain(|mut run| {
            while let Some(len) = run.first_chunk::<4>().filter(|len| **len != SKIP) {
                let (first, rest) = run.split_at(u32::from_le_bytes(*len) as usize);
                records.push(first.to_vec());
                run = rest;
            }
        });
        records
    }

    #[test]
    fn records_come_out_whole_and_in_order_over_many_laps() {
        let (mut producer, mut consumer) = ring(256);
        let mut state = 1_u64;
        for round in 0..10_000 {
            let mut pushed = Vec::new();
            loop {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let record = record(8 * (1 + (state >> 40) as usize % 12), round as u8);
                if !producer.push(&record) {
                    break;
                }
                pushed.push(record);
                if state >> 62 == 0 {
                    break;
                }
            }
            assert_eq!(drained(&mut consumer), pushed, "round {round}");
        }
    }

    #[test]
    fn a_full_ring_takes_nothing_until_it_is_drained() {
        let (mut producer, mut consumer) = ring(64);
        assert!(producer.push(&record(32, 1)) && producer.push(&record(32, 2)));
        assert!(!producer.push(&record(8, 3)));
        assert_eq!(drained(&mut consumer).len(), 2);
        assert!(producer.push(&record(64, 4)));
        assert_eq!(drained(&mut consumer), [record(64, 4)]);
    }

    #[test]
    fn a_record_larger_than_the_ring_is_refused_wherever_the_ring_stands() {
        let (mut producer, mut consumer) = ring(64);
        for _ in 0..9 {
            assert!(!producer.push(&record(72, 1)));
            assert!(producer.push(&record(24, 2)));
            drained(&mut consumer);
        }
    }

    #[test]
    fn an_abandoned_ring_still_gives_what_was_written() {
        let (mut producer, mut consumer) = ring(64);
        producer.push(&record(16, 1));
        assert!(!consumer.is_abandoned());
        drop(producer);
        assert!(consumer.is_abandoned());
        assert_eq!(drained(&mut consumer), [record(16, 1)]);
    }

    #[test]
    fn two_threads_pass_every_record_on_once() {
        const N_RECORDS: u32 = 200_000;
        let (mut producer, mut consumer) = ring(1024);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..N_RECORDS {
                    let mut record = record(8 * (2 + number as usize % 20), number as u8);
                    record[4..8].copy_from_slice(&number.to_le_bytes());
                    while !producer.push(&record) {
                        std::thread::yield_now();
                    }
                }
            });
            let mut expected = 0;
            while expected < N_RECORDS {
                std::thread::yield_now();
                for record in drained(&mut consumer) {
                    assert_eq!(record[4..8], expected.to_le_bytes());
                    assert!(record[8..].iter().all(|byte| *byte == expected as u8));
                    expected += 1;
                }
            }
        });
    }

    /// Every interleaving of the steps of two ends: what one end does between two accesses of shared memory is a step.
    ///
    /// A model of the positions alone, with the bytes as a set of owners: no step of the producer may touch a byte that the
    /// consumer may be reading, and none of the consumer a byte that is not written.
    #[test]
    fn no_interleaving_lets_both_ends_touch_a_byte() {
        const CAPACITY: usize = 6;
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        struct World {
            head: usize,
            tail: usize,
            // The producer's own view, and the step it is at.
            head_seen: usize,
            writing: Option<(usize, usize)>,
            // The consumer's own view: the tail that it has seen, while it reads up to it.
            reading: Option<usize>,
            to_push: Vec<usize>,
        }
        let start = World {
            head: 0,
            tail: 0,
            head_seen: 0,
            writing: None,
            reading: None,
            to_push: vec![2, 1, 3, 2, 3, 1, 2, 3],
        };
        let (mut open, mut seen) = (vec![start], std::collections::HashSet::new());
        while let Some(world) = open.pop() {
            if !seen.insert(world.clone()) {
                continue;
            }
            assert!(world.tail - world.head <= CAPACITY, "{world:?}");
            if let (Some((from, to)), Some(read_to)) = (world.writing, world.reading) {
                // Positions being written and positions being read are apart, and so are their places.
                assert!(from >= read_to && to - world.head <= CAPACITY, "{world:?}");
            }
            let step = |change: &dyn Fn(&mut World)| {
                let mut next = world.clone();
                change(&mut next);
                next
            };
            match (world.writing, world.to_push.last()) {
                (None, Some(len)) => {
                    let to_end = CAPACITY - world.tail % CAPACITY;
                    let needed = if *len <= to_end { *len } else { to_end + len };
                    if CAPACITY - (world.tail - world.head_seen) >= needed {
                        open.push(step(&|next| {
                            next.writing = Some((next.tail, next.tail + needed))
                        }));
                    } else {
                        open.push(step(&|next| next.head_seen = next.head));
                    }
                }
                (Some((_, to)), _) => open.push(step(&|next| {
                    next.tail = to;
                    next.writing = None;
                    next.to_push.pop();
                })),
                (None, None) => {}
            }
            match world.reading {
                None => open.push(step(&|next| next.reading = Some(next.tail))),
                Some(read_to) => open.push(step(&|next| {
                    next.head = read_to;
                    next.reading = None;
                })),
            }
        }
        assert!(seen.iter().any(|world| world.to_push.is_empty() && world.head == world.tail));
    }
}
