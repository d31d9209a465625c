//! Finished records on their way to the worker: any thread pushes, one thread drains.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::record::SpanView;

/// A queue of finished records, bounded in bytes and, where asked for, in spans.
///
/// Records are copied one after another into chunks, which the worker takes whole and gives back empty.
#[derive(Debug)]
pub(crate) struct SpanQueue {
    max_bytes: usize,
    max_spans: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    full: VecDeque<Chunk>,
    open: Chunk,
    spare: Vec<Chunk>,
    /// Bytes of records that are queued or being drained.
    n_bytes: usize,
    n_spans: usize,
    counts: QueueCounts,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Chunk {
    frames: Vec<u8>,
    n_spans: usize,
}

/// What became of the records that were pushed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueueCounts {
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
        Self { max_bytes, max_spans, state: Mutex::default() }
    }

    /// Copies a record into the queue.
    pub(crate) fn push(&self, span: &SpanView<'_>) -> Push {
        let frame = span.frame();
        let mut state = self.state.lock();
        state.counts.pushed_spans += 1;
        if state.is_closed {
            state.counts.closed_spans += 1;
            return Push::Closed;
        }
        if state.n_bytes + frame.len() > self.max_bytes || state.n_spans >= self.max_spans {
            state.counts.full_spans += 1;
            return Push::Full;
        }
        state.n_bytes += frame.len();
        state.n_spans += 1;
        let is_many = state.append(frame);
        if is_many { Push::QueuedMany } else { Push::Queued }
    }

    /// Hands what is queued at this moment to `visit`, in chunks of records that stand one after another, each with
    /// their number. Records that are pushed meanwhile stay for the next time.
    pub(crate) fn drain(&self, mut visit: impl FnMut(&[u8], usize)) {
        let mut chunks = self.state.lock().take_all();
        while let Some(mut chunk) = chunks.pop_front() {
            visit(&chunk.frames, chunk.n_spans);
            let mut state = self.state.lock();
            state.n_bytes -= chunk.frames.len();
            state.n_spans -= chunk.n_spans;
            if state.spare.len() < MAX_SPARE_CHUNKS && chunk.frames.capacity() <= 2 * CHUNK_BYTES {
                chunk.frames.clear();
                chunk.n_spans = 0;
                state.spare.push(chunk);
            }
        }
    }

    /// Refuses records from now on; those that are queued stay.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        self.state.lock().counts
    }
}

impl State {
    /// Appends a record; tells whether a chunk became full by it.
    fn append(&mut self, frame: &[u8]) -> bool {
        let is_many = self.open.n_spans > 0 && self.open.frames.len() + frame.len() > CHUNK_BYTES;
        if is_many {
            let next = self.spare.pop().unwrap_or_default();
            self.full.push_back(std::mem::replace(&mut self.open, next));
        }
        self.open.frames.extend_from_slice(frame);
        self.open.n_spans += 1;
        is_many
    }

    fn take_all(&mut self) -> VecDeque<Chunk> {
        if self.open.n_spans > 0 {
            let next = self.spare.pop().unwrap_or_default();
            self.full.push_back(std::mem::replace(&mut self.open, next));
        }
        std::mem::take(&mut self.full)
    }
}

/// A chunk holds some hundred spans: the worker is woken once for each that is full.
const CHUNK_BYTES: usize = 128 << 10;
/// Empty chunks that are kept for the next records; more are given back to the system.
const MAX_SPARE_CHUNKS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrumentation_scope::InstrumentationScope;
    use crate::record::{SpanBuf, SpanIds, SpanTimes};
    use crate::span::SpanKind;

    fn push_named(queue: &SpanQueue, name: &str) -> Push {
        let (mut buf, scope) = (SpanBuf::new(), InstrumentationScope::default());
        buf.start(name, SpanKind::Internal);
        queue.push(&buf.finish(&SpanIds::default(), SpanTimes::default(), &scope))
    }

    fn drained_names(queue: &SpanQueue) -> Vec<String> {
        let mut names = Vec::new();
        queue.drain(|frames, _| {
            names.extend(SpanView::all_in(frames, &[]).map(|span| span.name().to_string()))
        });
        names
    }

    #[test]
    fn records_come_out_in_the_order_in_which_they_went_in() {
        let queue = SpanQueue::new(usize::MAX, usize::MAX);
        for name in ["a", "b", "c"] {
            assert_eq!(push_named(&queue, name), Push::Queued);
        }
        assert_eq!(drained_names(&queue), ["a", "b", "c"]);
        assert_eq!(drained_names(&queue), [""; 0]);
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_counts_it() {
        for (max_bytes, max_spans) in [(2 * 88, usize::MAX), (usize::MAX, 2)] {
            let queue = SpanQueue::new(max_bytes, max_spans);
            let pushes = ["a", "b", "c"].map(|name| push_named(&queue, name));
            assert_eq!(pushes, [Push::Queued, Push::Queued, Push::Full]);
            assert_eq!((queue.counts().pushed_spans, queue.counts().full_spans), (3, 1));
            assert_eq!(drained_names(&queue), ["a", "b"]);
            assert_eq!(push_named(&queue, "d"), Push::Queued, "room comes back");
        }
    }

    #[test]
    fn a_closed_queue_keeps_what_it_has_and_counts_what_comes_late() {
        let queue = SpanQueue::new(usize::MAX, usize::MAX);
        push_named(&queue, "in time");
        queue.close();
        assert_eq!(push_named(&queue, "late"), Push::Closed);
        assert_eq!(queue.counts().closed_spans, 1);
        assert_eq!(drained_names(&queue), ["in time"]);
    }

    #[test]
    fn the_worker_is_called_once_for_many_records() {
        let queue = SpanQueue::new(usize::MAX, usize::MAX);
        let name = "n".repeat(1000);
        let n_calls = (0..1000).filter(|_| push_named(&queue, &name) == Push::QueuedMany).count();
        assert!((5..=10).contains(&n_calls), "{n_calls} calls for about a megabyte");
        assert_eq!(drained_names(&queue).len(), 1000);
    }
}
