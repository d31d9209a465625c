//! Draws trees as they become complete, with an account of what cannot be written.

use std::io::{self, Write};
use std::sync::Arc;

use super::held::HeldSpans;
use crate::exporter::SpanBatch;
use crate::exporter::trace_tree::{Trace, TreeSpan, TreeStyle};

/// Holds spans until their tree is complete, and writes it.
pub(super) struct TreeWriter {
    pub(super) style: TreeStyle,
    held: HeldSpans,
    text: String,
    /// Spans in trees that were written since the last flush.
    unflushed_spans: u64,
    lost_spans: u64,
    first_error: Option<io::Error>,
}

impl TreeWriter {
    pub(super) fn new(max_held_bytes: usize) -> Self {
        Self {
            style: TreeStyle::default(),
            held: HeldSpans::new(max_held_bytes),
            text: String::new(),
            unflushed_spans: 0,
            lost_spans: 0,
            first_error: None,
        }
    }

    /// Takes the spans over. An error is the first of several; what was lost by them is counted.
    ///
    /// A batch processor exports one thread's spans after another's, so a root may come before its children: trees are written
    /// when all have had their turn, which is the processor's next tick.
    pub(super) fn take(&mut self, batch: &SpanBatch<'_>, out: &mut dyn Write) -> io::Result<()> {
        let is_complete = batch.comes_alone();
        let service_name: Arc<str> = batch.resource().service_name().into();
        for span in batch.spans() {
            self.held.add(span.trace_id(), TreeSpan::new(&service_name, &span));
            while let Some(trace) = self.held.take_excess() {
                self.write(&trace, out);
            }
        }
        if is_complete { self.write_complete(out) } else { self.finish(out) }
    }

    /// Writes the trees that are complete.
    pub(super) fn write_complete(&mut self, out: &mut dyn Write) -> io::Result<()> {
        while let Some(trace) = self.held.take_complete() {
            self.write(&trace, out);
        }
        self.finish(out)
    }

    /// Writes all that is held, complete or not.
    pub(super) fn write_all(&mut self, out: &mut dyn Write) -> io::Result<()> {
        while let Some(trace) = self.held.take_complete().or_else(|| self.held.take_oldest()) {
            self.write(&trace, out);
        }
        self.finish(out)
    }

    pub(super) fn held_spans(&self) -> u64 {
        self.held.n_spans() as u64
    }

    pub(super) fn lost_spans(&self) -> u64 {
        self.lost_spans
    }

    fn write(&mut self, trace: &Trace, out: &mut dyn Write) {
        self.text.clear();
        // Formatting into a text does not fail.
        let _ = trace.draw(self.style, &mut self.text);
        let n_spans = trace.spans.len() as u64;
        match out.write_all(self.text.as_bytes()) {
            Ok(()) => self.unflushed_spans += n_spans,
            Err(error) => {
                self.lost_spans += n_spans;
                self.first_error.get_or_insert(error);
            }
        }
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let unflushed_spans = std::mem::take(&mut self.unflushed_spans);
        if let Err(error) = out.flush() {
            self.lost_spans += unflushed_spans;
            self.first_error.get_or_insert(error);
        }
        // A large tree gives its memory back.
        self.text.clear();
        self.text.shrink_to(super::MAX_KEPT_BYTES);
        self.first_error.take().map_or(Ok(()), Err)
    }
}
