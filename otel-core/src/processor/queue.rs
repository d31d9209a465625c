//! Finished records on their way to the worker: any thread pushes, one thread drains.
//!
//! Each thread that pushes has a ring of its own, which it alone writes and the worker alone reads: no lock, and nothing
//! that two producers would fight for. A ring that is too small is replaced by a larger one, as long as all rings together
//! keep within the limit in bytes. What finds no room then goes to one shared overflow behind a lock, as does what a
//! thread pushes when its locals are gone; and what finds no room there either is dropped and counted.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::raw::{Consumer, Producer, ring};
use crate::record::SpanView;
use crate::sync::Mutex;

/// A queue of finished records, bounded in bytes and, where asked for, in spans.
#[derive(Debug)]
pub(crate) struct SpanQueue {
    shared: Arc<Shared>,
    /// The ends that the worker reads. Nobody else takes this lock.
    consumers: Mutex<Vec<Consumer>>,
}

#[derive(Debug)]
struct Shared {
    /// Tells this queue's rings among those of a thread.
    id: u64,
    max_spans: usize,
    /// Bytes that no ring and no overflowing record has taken.
    free_bytes: AtomicUsize,
    /// What of them rings leave to the overflow: else the rings of many idle threads could take it all.
    reserved_bytes: usize,
    first_ring_bytes: usize,
    /// Spans that wait, counted only where their number is limited.
    n_waiting: AtomicUsize,
    /// New rings, for the worker to find: it holds no lock that a producer takes while it exports.
    inbox: Mutex<Vec<Consumer>>,
    /// Records that stand one after another.
    overflow: Mutex<Vec<u8>>,
    pushed: Mutex<PushCounts>,
    full_spans: AtomicU64,
    closed_spans: AtomicU64,
    is_closed: AtomicBool,
}

/// How many records went into rings and the overflow.
#[derive(Debug, Default)]
struct PushCounts {
    of_threads: Vec<Arc<AtomicU64>>,
    /// Those of threads that are gone, and of the overflow.
    others: u64,
}

/// What became of the records that were pushed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueueCounts {
    /// All of them.
    pub(crate) pushed_spans: u64,
    pub(crate) full_spans: u64,
    pub(crate) closed_spans: u64,
}

/// How a push went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// The record is in the queue.
    Queued,
    /// It is, and so many with it that the worker should come.
    QueuedMany,
    /// There was no room: the record is dropped and counted.
    Full,
    /// The queue is closed: the record is dropped and counted.
    Closed,
}

impl SpanQueue {
    pub(crate) fn new(max_bytes: usize, max_spans: usize) -> Self {
        let shared = Shared {
            // Relaxed: only that each number is given once matters.
            id: LAST_ID.fetch_add(1, Ordering::Relaxed),
            max_spans,
            free_bytes: AtomicUsize::new(max_bytes),
            reserved_bytes: max_bytes / 4,
            first_ring_bytes: previous_power_of_two(max_bytes / 4).min(FIRST_RING_BYTES),
            n_waiting: AtomicUsize::new(0),
            inbox: Mutex::default(),
            overflow: Mutex::default(),
            pushed: Mutex::default(),
            full_spans: AtomicU64::new(0),
            closed_spans: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared), consumers: Mutex::default() }
    }

    /// Copies a record into the queue.
    #[inline]
    pub(crate) fn push(&self, span: &SpanView<'_>) -> Push {
        let (shared, record) = (&*self.shared, span.frame());
        // Relaxed: a span that ends at the moment of closing may go either way; see `BatchProcessor::counts`.
        if shared.is_closed.load(Ordering::Relaxed) {
            shared.closed_spans.fetch_add(1, Ordering::Relaxed);
            return Push::Closed;
        }
        if shared.max_spans == usize::MAX {
            return self.push_record(record);
        }
        let Some(is_half_full) = shared.admit_one() else { return shared.refuse() };
        match self.push_record(record) {
            // A limit in spans says nothing about bytes, by which the worker is called otherwise.
            Push::Queued if is_half_full => Push::QueuedMany,
            push => push,
        }
    }

    #[inline]
    fn push_record(&self, record: &[u8]) -> Push {
        let shared = &*self.shared;
        RINGS
            .try_with(|rings| match rings.try_borrow_mut() {
                Ok(mut rings) => match rings.iter_mut().find(|local| local.queue_id == shared.id) {
                    Some(local) => local.push(&self.shared, record),
                    None => push_first(&mut rings, &self.shared, record),
                },
                // The thread is in the middle of a push already: something that it dropped has ended a span.
                Err(_) => shared.push_overflow(record),
            })
            .unwrap_or_else(|_| shared.push_overflow(record))
    }

    /// Hands what is queued at this moment to `visit`, in runs of records that stand one after another: as many as
    /// [`SpanView::all_in`] finds. Records that are pushed meanwhile stay for the next time.
    pub(crate) fn drain(&self, mut visit: impl FnMut(&[u8])) {
        let shared = &*self.shared;
        let mut consumers = self.consumers.lock();
        consumers.append(&mut shared.inbox.lock());
        consumers.retain_mut(|consumer| {
            // Looked at first: what an abandoned ring gives now is the last of it.
            let is_over = consumer.is_abandoned();
            consumer.drain(&mut visit);
            if is_over {
                shared.free_bytes.fetch_add(consumer.capacity(), Ordering::Relaxed);
            }
            !is_over
        });
        let records = std::mem::take(&mut *shared.overflow.lock());
        if !records.is_empty() {
            visit(&records);
            shared.free_bytes.fetch_add(records.len(), Ordering::Relaxed);
        }
    }

    /// Makes room for as many spans as were drained, where their number is limited.
    pub(crate) fn release(&self, n_spans: usize) {
        if self.shared.max_spans != usize::MAX {
            self.shared.n_waiting.fetch_sub(n_spans, Ordering::Relaxed);
        }
    }

    /// Refuses records from now on; those that are queued stay.
    pub(crate) fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        let shared = &*self.shared;
        let full_spans = shared.full_spans.load(Ordering::Relaxed);
        let closed_spans = shared.closed_spans.load(Ordering::Relaxed);
        let queued = shared.pushed.lock().total();
        QueueCounts { pushed_spans: queued + full_spans + closed_spans, full_spans, closed_spans }
    }
}

impl Shared {
    /// Takes one of the places that a limit in spans leaves; tells whether half of them are taken, or `None` where all are.
    fn admit_one(&self) -> Option<bool> {
        let n_waiting = self.n_waiting.fetch_add(1, Ordering::Relaxed);
        if n_waiting >= self.max_spans {
            self.n_waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(n_waiting + 1 >= self.max_spans.div_ceil(2))
    }

    #[cold]
    fn refuse(&self) -> Push {
        self.full_spans.fetch_add(1, Ordering::Relaxed);
        Push::Full
    }

    /// Copies a record behind the lock that all share.
    #[cold]
    fn push_overflow(&self, record: &[u8]) -> Push {
        if !self.take_bytes(record.len(), 0) {
            if self.max_spans != usize::MAX {
                self.n_waiting.fetch_sub(1, Ordering::Relaxed);
            }
            return self.refuse();
        }
        let mut overflow = self.overflow.lock();
        overflow.extend_from_slice(record);
        // Counted under the lock, so that no span is taken out that had not gone in.
        self.pushed.lock().others += 1;
        let is_many = overflow.len() >= NOTICE_BYTES;
        if is_many { Push::QueuedMany } else { Push::Queued }
    }

    /// Makes a ring for a thread, with room for a record, as large as is wanted or as the limit allows.
    #[cold]
    fn make_ring(&self, wanted: usize, record: &[u8]) -> Option<Producer> {
        let wanted = wanted.max(2 * record.len()).checked_next_power_of_two()?;
        if wanted < LEAST_RING_BYTES || !self.take_bytes(wanted, self.reserved_bytes) {
            return None;
        }
        let (producer, consumer) = ring(wanted);
        self.inbox.lock().push(consumer);
        Some(producer)
    }

    /// Takes bytes from the limit, if as many as are to be left are left.
    fn take_bytes(&self, n_bytes: usize, left_bytes: usize) -> bool {
        let take = |free: usize| free.checked_sub(n_bytes).filter(|left| *left >= left_bytes);
        self.free_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

impl PushCounts {
    fn total(&mut self) -> u64 {
        let Self { of_threads, others } = self;
        let mut n_living = 0;
        of_threads.retain(|count| {
            // Acquire pairs with the drop of the thread's handle: its last count is then seen.
            let is_last = Arc::strong_count(count) == 1;
            std::sync::atomic::fence(Ordering::Acquire);
            let n_pushed = count.load(Ordering::Relaxed);
            *(if is_last { &mut *others } else { &mut n_living }) += n_pushed;
            !is_last
        });
        *others + n_living
    }
}

/// One thread's way into one queue.
#[derive(Debug)]
struct LocalRing {
    queue_id: u64,
    producer: Producer,
    /// Written by this thread alone.
    n_pushed: Arc<AtomicU64>,
    /// Bytes since the worker was called last.
    n_unnoticed: usize,
    notice_bytes: usize,
}

impl LocalRing {
    #[inline]
    fn push(&mut self, shared: &Shared, record: &[u8]) -> Push {
        // Before the record can be taken out, so that counts never show more exported than finished.
        let n_pushed = self.n_pushed.load(Ordering::Relaxed);
        self.n_pushed.store(n_pushed + 1, Ordering::Relaxed);
        if !self.producer.push(record) && !self.push_larger(shared, record) {
            self.n_pushed.store(n_pushed, Ordering::Relaxed);
            return shared.push_overflow(record);
        }
        self.n_unnoticed += record.len();
        if self.n_unnoticed < self.notice_bytes {
            return Push::Queued;
        }
        self.n_unnoticed = 0;
        Push::QueuedMany
    }

    /// Replaces the ring by a larger one, and pushes there.
    #[cold]
    fn push_larger(&mut self, shared: &Shared, record: &[u8]) -> bool {
        let Some(producer) = shared.make_ring(2 * self.producer.capacity(), record) else {
            return false;
        };
        self.producer = producer;
        self.notice_bytes = notice_bytes_of(&self.producer);
        self.producer.push(record)
    }
}

/// Makes this thread's ring, and pushes the first record.
#[cold]
fn push_first(rings: &mut Vec<LocalRing>, shared: &Shared, record: &[u8]) -> Push {
    let Some(producer) = shared.make_ring(shared.first_ring_bytes, record) else {
        return shared.push_overflow(record);
    };
    let n_pushed = Arc::new(AtomicU64::new(0));
    shared.pushed.lock().of_threads.push(Arc::clone(&n_pushed));
    let notice_bytes = notice_bytes_of(&producer);
    // Rings of queues that are gone are of no use to anybody; a thread that uses queue after queue would collect them.
    rings.retain(|local| Arc::strong_count(&local.n_pushed) > 1);
    let mut local =
        LocalRing { queue_id: shared.id, producer, n_pushed, n_unnoticed: 0, notice_bytes };
    let push = local.push(shared, record);
    rings.push(local);
    push
}

fn notice_bytes_of(producer: &Producer) -> usize {
    (producer.capacity() / 4 * 3).min(NOTICE_BYTES)
}

/// Returns the largest power of two that is not larger; zero for zero.
fn previous_power_of_two(number: usize) -> usize {
    number.checked_ilog2().map_or(0, |exponent| 1 << exponent)
}

thread_local! {
    static RINGS: RefCell<Vec<LocalRing>> = const { RefCell::new(Vec::new()) };
}

static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// Some seven hundred spans of the usual size. Each thread that ends spans keeps a ring while it lives.
const FIRST_RING_BYTES: usize = 128 << 10;

/// A smaller ring is not worth its place: its thread uses the overflow.
const LEAST_RING_BYTES: usize = 4 << 10;

/// The worker is called once for as much as this, or for three quarters of a smaller ring: calling one that sleeps costs
/// the caller a microsecond. A ring whose last quarter is full before the worker comes is replaced by a larger one.
const NOTICE_BYTES: usize = 256 << 10;

#[cfg(all(loom, test))]
mod models;

#[cfg(test)]
mod tests;
