//! Exports each span as it ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Pipeline, SpanProcessor};
use crate::account::{FlushError, Flushed, SpanCounts};
use crate::context::Context;
use crate::exporter::{SpanBatch, SpanExporter};
use crate::instrumentation_scope::InstrumentationScope;
use crate::record::SpanView;
use crate::resource::Resource;

/// Exports each sampled span at its end, on the caller's thread, one at a time: for consoles and tests.
#[derive(Debug)]
pub struct SimpleProcessor {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    exporter: Box<dyn SpanExporter>,
    resource: Resource,
    pipeline: Option<Pipeline>,
    scopes: Vec<InstrumentationScope>,
    counts: SpanCounts,
    is_closed: bool,
}

impl SimpleProcessor {
    /// Makes a processor in front of an exporter.
    pub fn new(exporter: impl SpanExporter) -> Self {
        let state = State {
            exporter: Box::new(exporter),
            resource: Resource::empty(),
            pipeline: None,
            scopes: Vec::new(),
            counts: SpanCounts::default(),
            is_closed: false,
        };
        Self { state: Mutex::new(state) }
    }
}

impl SpanProcessor for SimpleProcessor {
    fn attach(&self, pipeline: &Pipeline) {
        let mut state = self.state.lock();
        state.resource = pipeline.resource().clone();
        state.pipeline = Some(pipeline.clone());
    }

    fn on_end(&self, span: &SpanView<'_>) {
        if !span.flags().is_sampled() {
            return;
        }
        // An exporter that makes spans itself would come back here, and wait for itself.
        let _quiet = Context::current().with_suppression().attach();
        let mut state = self.state.lock();
        let state = &mut *state;
        state.counts.finished_spans += 1;
        if state.is_closed {
            state.counts.closed_spans += 1;
            return;
        }
        if let Some(pipeline) = &state.pipeline {
            pipeline.scopes.copy_into(&mut state.scopes);
        }
        let batch = SpanBatch::new(&state.resource, &state.scopes, span.frame(), 1);
        if !super::batch::export_guarded(state.exporter.as_mut(), &batch) {
            state.counts.failed_spans += 1;
        }
    }

    fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        let mut state = self.state.lock();
        if !state.is_closed {
            super::batch::flush_guarded(state.exporter.as_mut(), timeout);
        }
        Ok(state.flushed())
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        let mut state = self.state.lock();
        if !state.is_closed {
            super::batch::close_guarded(state.exporter.as_mut(), timeout);
            state.is_closed = true;
        }
        Ok(state.flushed())
    }

    fn counts(&self) -> SpanCounts {
        self.state.lock().counts_now()
    }
}

impl State {
    /// Returns the counts with what the exporter says; where it panics, its last numbers stay.
    fn counts_now(&mut self) -> SpanCounts {
        let exporter = &self.exporter;
        let asked =
            catch_unwind(AssertUnwindSafe(|| (exporter.lost_spans(), exporter.held_spans())));
        if let Ok((lost_spans, held_spans)) = asked {
            self.counts.undelivered_spans = lost_spans;
            self.counts.pending_spans = held_spans;
        }
        let mut counts = self.counts;
        if self.is_closed {
            // What the exporter still holds will never leave.
            counts.closed_spans += std::mem::take(&mut counts.pending_spans);
        }
        let settled = counts.lost_spans() + counts.pending_spans;
        counts.exported_spans = counts.finished_spans.saturating_sub(settled);
        counts
    }

    fn flushed(&mut self) -> Flushed {
        let counts = self.counts_now();
        Flushed::new(counts.exported_spans, counts.lost_spans())
    }
}
