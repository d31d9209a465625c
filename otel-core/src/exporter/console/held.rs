//! Spans that wait for what is above them, so that they can be drawn as one tree.
//!
//! A span ends before its parent does, so a tree arrives from its leaves to its root, over several batches. It is complete
//! when a span arrives that nobody here will follow: one without a parent, with a parent in another process, or with one
//! that was drawn before. What stands below it is then taken out; the rest of the trace waits on.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::exporter::trace_tree::{Family, Trace, TreeSpan};
use crate::id::{SpanId, TraceId};

/// Spans by trace, of a limited size.
#[derive(Debug)]
pub(super) struct HeldSpans {
    traces: HashMap<TraceId, HeldTrace>,
    by_arrival: BTreeMap<u64, TraceId>,
    /// Traces to which a top came, in the order in which they did.
    due: VecDeque<TraceId>,
    drawn: RecentSpans,
    n_arrived: u64,
    n_spans: usize,
    n_bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct HeldTrace {
    arrival: u64,
    is_due: bool,
    spans: Vec<TreeSpan>,
}

impl HeldSpans {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            traces: HashMap::new(),
            by_arrival: BTreeMap::new(),
            due: VecDeque::new(),
            drawn: RecentSpans::default(),
            n_arrived: 0,
            n_spans: 0,
            n_bytes: 0,
            max_bytes,
        }
    }

    pub(super) fn n_spans(&self) -> usize {
        self.n_spans
    }

    pub(super) fn add(&mut self, trace_id: TraceId, mut span: TreeSpan) {
        span.is_parent_drawn = self.drawn.contains(trace_id, span.parent_span_id);
        self.n_spans += 1;
        self.n_bytes += span.n_bytes();
        let trace = self.traces.entry(trace_id).or_insert_with(|| {
            self.n_arrived += 1;
            self.by_arrival.insert(self.n_arrived, trace_id);
            HeldTrace { arrival: self.n_arrived, is_due: false, spans: Vec::new() }
        });
        if is_top(&span) && !std::mem::replace(&mut trace.is_due, true) {
            self.due.push_back(trace_id);
        }
        trace.spans.push(span);
    }

    /// Takes out what is complete of a trace, if there is any.
    pub(super) fn take_complete(&mut self) -> Option<Trace> {
        loop {
            let trace_id = self.due.pop_front()?;
            let Some(held) = self.traces.get_mut(&trace_id) else { continue };
            held.is_due = false;
            let spans = take_complete(&mut held.spans);
            if held.spans.is_empty() {
                self.by_arrival.remove(&held.arrival);
                self.traces.remove(&trace_id);
            }
            if !spans.is_empty() {
                return Some(self.taken(trace_id, spans));
            }
        }
    }

    /// Takes something out where there is more than may be held: what is complete, or else what has waited longest.
    pub(super) fn take_excess(&mut self) -> Option<Trace> {
        if self.n_bytes <= self.max_bytes {
            return None;
        }
        self.take_complete().or_else(|| self.take_oldest())
    }

    /// Takes the trace out that has waited longest, complete or not.
    pub(super) fn take_oldest(&mut self) -> Option<Trace> {
        let (_, trace_id) = self.by_arrival.pop_first()?;
        let held = self.traces.remove(&trace_id)?;
        Some(self.taken(trace_id, held.spans))
    }

    fn taken(&mut self, trace_id: TraceId, spans: Vec<TreeSpan>) -> Trace {
        self.n_spans -= spans.len();
        self.n_bytes -= spans.iter().map(TreeSpan::n_bytes).sum::<usize>();
        spans.iter().for_each(|span| self.drawn.add(trace_id, span.span_id));
        Trace { trace_id, spans }
    }
}

/// Tells whether nobody who is still to come stands above a span.
fn is_top(span: &TreeSpan) -> bool {
    !span.parent_span_id.is_valid() || span.has_remote_parent || span.is_parent_drawn
}

/// Takes out the spans that stand below one of the tops, and leaves the others. A top whose parent is here after all, as
/// where a program calls itself, is none.
fn take_complete(spans: &mut Vec<TreeSpan>) -> Vec<TreeSpan> {
    let family = Family::of(spans);
    let mut is_complete = vec![false; spans.len()];
    let mut open = family.roots;
    open.retain(|&at| is_top(&spans[at]));
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut is_complete[at], true) {
            open.extend(&family.children[at]);
        }
    }
    let mut is_complete = is_complete.into_iter();
    let (complete, waiting) =
        spans.drain(..).partition(|_| is_complete.next().is_some_and(|is_complete| is_complete));
    *spans = waiting;
    complete
}

/// The spans that were drawn last: enough of them for children that end a little after their parents.
#[derive(Debug, Default)]
struct RecentSpans {
    ids: HashSet<(TraceId, SpanId)>,
    in_order: VecDeque<(TraceId, SpanId)>,
}

impl RecentSpans {
    fn contains(&self, trace_id: TraceId, span_id: SpanId) -> bool {
        self.ids.contains(&(trace_id, span_id))
    }

    fn add(&mut self, trace_id: TraceId, span_id: SpanId) {
        if !self.ids.insert((trace_id, span_id)) {
            return;
        }
        self.in_order.push_back((trace_id, span_id));
        if self.in_order.len() > MAX_RECENT_SPANS {
            if let Some(oldest) = self.in_order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
    }
}

const MAX_RECENT_SPANS: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spans_that_were_drawn_last_are_remembered() {
        let (trace_id, mut recent) = (TraceId::from_parts(0, 1), RecentSpans::default());
        let last = 3 * MAX_RECENT_SPANS as u64;
        (1..=last).for_each(|id| recent.add(trace_id, SpanId::new(id)));
        // One that comes again takes no second place.
        (0..10).for_each(|_| recent.add(trace_id, SpanId::new(last)));
        assert_eq!((recent.ids.len(), recent.in_order.len()), (MAX_RECENT_SPANS, MAX_RECENT_SPANS));
        let oldest = last - MAX_RECENT_SPANS as u64 + 1;
        for (id, is_known) in [(1, false), (oldest - 1, false), (oldest, true), (last, true)] {
            assert_eq!(recent.contains(trace_id, SpanId::new(id)), is_known, "{id}");
        }
        assert!(!recent.contains(TraceId::from_parts(0, 2), SpanId::new(last)));
    }
}
