//! Exports each span as it ends.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::per_process::{CountPerProcess, PerProcess};
use super::{Pipeline, SpanProcessor};
use crate::account::{FlushError, Flushed, SpanCounts};
use crate::context::Context;
use crate::exporter::{ForkRecipe, SpanBatch, SpanCount, SpanExporter, for_child};
use crate::foreign;
use crate::instrumentation_scope::InstrumentationScope;
use crate::record::SpanView;
use crate::resource::Resource;
use crate::sync::Mutex;

/// Exports each sampled span at its end, on the caller's thread, one at a time: for consoles and tests.
///
/// The child of a `fork` begins anew, with an exporter made by [`fork_recipe`](SpanExporter::fork_recipe).
#[derive(Debug)]
pub struct SimpleProcessor {
    state: PerProcess<Mutex<State>>,
    pipeline: OnceLock<Pipeline>,
    fork_recipe: Option<ForkRecipe<dyn SpanExporter>>,
    is_closed: AtomicBool,
    inherited_spans: CountPerProcess,
}

#[derive(Debug)]
struct State {
    exporter: Box<dyn SpanExporter>,
    scopes: Vec<InstrumentationScope>,
    counts: SpanCounts,
    is_closed: bool,
}

impl SimpleProcessor {
    /// Makes a processor in front of an exporter.
    pub fn new(exporter: impl SpanExporter) -> Self {
        Self::of(Box::new(exporter))
    }

    pub(crate) fn of(exporter: Box<dyn SpanExporter>) -> Self {
        let fork_recipe = exporter.fork_recipe();
        Self {
            state: PerProcess::new(Arc::new(Mutex::new(State::new(exporter)))),
            pipeline: OnceLock::new(),
            fork_recipe,
            is_closed: AtomicBool::new(false),
            inherited_spans: CountPerProcess::default(),
        }
    }

    /// Returns what this process has. The child of a fork begins here.
    #[inline]
    fn state(&self) -> &Mutex<State> {
        self.state.get_or_begin(|| {
            let mut state = State::new(for_child(self.fork_recipe.as_ref()));
            // Relaxed: the parent's other threads are gone, and a child's thread that closes now may go either way.
            state.is_closed = self.is_closed.load(Ordering::Relaxed);
            Arc::new(Mutex::new(state))
        })
    }

    /// Names this processor among others, for as long as one of its methods runs.
    fn address(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    fn flushed(&self) -> Flushed {
        let counts = self.counts();
        Flushed::new(counts.exported_spans, counts.lost_spans())
    }
}

impl SpanProcessor for SimpleProcessor {
    fn attach(&self, pipeline: &Pipeline) {
        let _ = self.pipeline.set(pipeline.clone());
    }

    fn on_end(&self, span: &SpanView<'_>) {
        if !span.flags().is_sampled() {
            return;
        }
        // An exporter that makes spans itself would come back here, and wait for itself.
        let _quiet = Context::current().with_suppression().attach();
        let mut state = self.state().lock();
        let state = &mut *state;
        state.counts.finished_spans += 1;
        if state.is_closed {
            state.counts.closed_spans += 1;
            return;
        }
        let resource = match self.pipeline.get() {
            Some(pipeline) => {
                pipeline.scopes.copy_into(&mut state.scopes);
                pipeline.resource().clone()
            }
            None => Resource::empty(),
        };
        let n_spans = SpanCount::known(1);
        let batch = SpanBatch::new(&resource, &state.scopes, span.frame(), &n_spans);
        let outer = EXPORTING.replace(self.address());
        if !super::batch::export_guarded(state.exporter.as_mut(), &batch) {
            state.counts.failed_spans += 1;
        }
        EXPORTING.set(outer);
    }

    fn on_inherited_end(&self, span: &SpanView<'_>) {
        if span.flags().is_sampled() {
            self.inherited_spans.add_one();
        }
    }

    fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        if EXPORTING.get() == self.address() {
            return Err(FlushError::FromWorker);
        }
        if let Some(state) = self.state.get() {
            let mut state = state.lock();
            if !state.is_closed {
                super::batch::flush_guarded(state.exporter.as_mut(), timeout);
                // Asked before another thread's span gets in.
                let pending_spans = state.counts_now().pending_spans;
                drop(state);
                if pending_spans > 0 {
                    let so_far = self.flushed();
                    return Err(FlushError::TimedOut { timeout, so_far, pending_spans });
                }
            }
        }
        Ok(self.flushed())
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        if EXPORTING.get() == self.address() {
            return Err(FlushError::FromWorker);
        }
        self.is_closed.store(true, Ordering::Relaxed);
        if let Some(state) = self.state.get() {
            let mut state = state.lock();
            if !state.is_closed {
                super::batch::close_guarded(state.exporter.as_mut(), timeout);
                state.is_closed = true;
            }
        }
        Ok(self.flushed())
    }

    fn counts(&self) -> SpanCounts {
        let mut counts =
            self.state.get().map(|state| state.lock().counts_now()).unwrap_or_default();
        counts.inherited_spans = self.inherited_spans.get();
        counts.finished_spans += counts.inherited_spans;
        counts
    }
}

impl State {
    fn new(exporter: Box<dyn SpanExporter>) -> Self {
        Self { exporter, scopes: Vec::new(), counts: SpanCounts::default(), is_closed: false }
    }

    /// Returns the counts with what the exporter says; where it panics, its last numbers stay.
    fn counts_now(&mut self) -> SpanCounts {
        let exporter = &self.exporter;
        let asked = foreign::call(|| (exporter.lost_spans(), exporter.held_spans()));
        if let Some((lost_spans, held_spans)) = asked {
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
}

thread_local! {
    /// The processor whose exporter has a span on this thread: it has the lock, which a flush would wait for.
    static EXPORTING: Cell<*const ()> = const { Cell::new(std::ptr::null()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TracerProvider;
    use crate::exporter::ExportError;

    /// Flushes and closes its own provider.
    #[derive(Debug)]
    struct CallsBack(Arc<Mutex<Option<TracerProvider>>>);

    impl SpanExporter for CallsBack {
        fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
            let provider = self.0.lock().take().unwrap();
            let flushed = provider.flush(Duration::from_secs(5));
            assert!(matches!(flushed, Err(FlushError::FromWorker)), "{flushed:?}");
            let closed = provider.close(Duration::from_secs(5));
            assert!(matches!(closed, Err(FlushError::FromWorker)), "{closed:?}");
            Ok(())
        }
    }

    #[test]
    fn an_exporter_that_flushes_its_own_processor_is_refused_and_does_not_hang() {
        let own = Arc::new(Mutex::new(None));
        let processor = SimpleProcessor::new(CallsBack(Arc::clone(&own)));
        let provider = TracerProvider::builder().processor(processor).build();
        *own.lock() = Some(provider.clone());
        provider.tracer("test").start("work").end();
        let flushed = provider.flush(Duration::from_secs(5)).unwrap();
        assert_eq!((flushed.exported_spans, flushed.lost_spans), (1, 0));
    }
}
