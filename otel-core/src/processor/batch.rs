//! Exports spans in batches, on a thread of its own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::queue::{Push, SpanQueue};
use super::{Pipeline, SpanProcessor};
use crate::account::{FlushError, Flushed, SpanCounts};
use crate::clock::Clock;
use crate::context::Context;
use crate::diagnostics;
use crate::exporter::{SpanBatch, SpanExporter};
use crate::record::SpanView;

/// Queues finished spans and exports them from a thread of its own: the way to a network.
///
/// The queue is limited in bytes, 16 MiB unless set; what finds no room is dropped and counted. The worker exports
/// every second, when much is queued, and on [`flush`](SpanProcessor::flush) and [`close`](SpanProcessor::close). It is
/// a plain thread: no async runtime is needed, and none is disturbed.
///
/// ```
/// use std::time::Duration;
///
/// use otel_core::exporter::InMemoryExporter;
/// use otel_core::{BatchProcessor, TracerProvider};
///
/// let exporter = InMemoryExporter::new();
/// let provider = TracerProvider::builder().processor(BatchProcessor::new(exporter.clone())).build();
/// provider.tracer("test").start("work").end();
/// let flushed = provider.flush(Duration::from_secs(5))?;
/// assert_eq!((flushed.exported_spans, flushed.lost_spans), (1, 0));
/// # Ok::<(), otel_core::FlushError>(())
/// ```
#[derive(Debug)]
pub struct BatchProcessor {
    shared: Arc<Shared>,
    /// Waits here for the worker to start, which happens when the processor is attached to a provider.
    idle_exporter: Mutex<Option<Box<dyn SpanExporter>>>,
    worker: OnceLock<Thread>,
}

#[derive(Debug)]
struct Shared {
    queue: SpanQueue,
    interval: Duration,
    /// Set with each wake of the worker: one call of `unpark` for many spans.
    is_called: AtomicBool,
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Tickets handed out to flushes; the worker answers all up to one at a time.
    asked: u64,
    answered: u64,
    flush_timeout: Duration,
    is_closing: bool,
    is_closed: bool,
    worker_id: Option<ThreadId>,
    exported: ExportCounts,
}

/// What the worker counted: all spans that left the queue.
#[derive(Clone, Copy, Debug, Default)]
struct ExportCounts {
    taken_spans: u64,
    failed_spans: u64,
    undelivered_spans: u64,
    held_spans: u64,
}

impl ExportCounts {
    /// Takes over what the exporter counts itself; where that panics, the last numbers stay.
    fn ask(&mut self, exporter: &dyn SpanExporter) {
        let asked =
            catch_unwind(AssertUnwindSafe(|| (exporter.lost_spans(), exporter.held_spans())));
        if let Ok((lost_spans, held_spans)) = asked {
            self.undelivered_spans = lost_spans;
            self.held_spans = held_spans;
        }
    }
}

impl BatchProcessor {
    /// Makes a processor with the defaults in front of an exporter.
    pub fn new(exporter: impl SpanExporter) -> Self {
        Self::builder(exporter).build()
    }

    /// Makes a processor in front of an exporter, to be configured.
    pub fn builder(exporter: impl SpanExporter) -> BatchProcessorBuilder {
        BatchProcessorBuilder {
            exporter: Box::new(exporter),
            interval: DEFAULT_INTERVAL,
            max_queue_bytes: DEFAULT_QUEUE_BYTES,
            max_queue_spans: usize::MAX,
        }
    }

    fn call_worker(&self) {
        if let Some(worker) = self.worker.get() {
            worker.unpark();
        }
    }

    /// Takes a ticket, and waits until the worker has answered it.
    fn wait_for_worker(&self, timeout: Duration, is_closing: bool) -> Result<Flushed, FlushError> {
        let start = Instant::now();
        let mut state = self.shared.state.lock();
        if state.worker_id == Some(thread::current().id()) {
            return Err(FlushError::FromWorker);
        }
        if !state.is_closed {
            state.asked += 1;
            state.flush_timeout = timeout;
            state.is_closing |= is_closing;
        }
        let ticket = state.asked;
        if self.worker.get().is_none() {
            // Nothing was ever attached, so nothing can have been queued.
            state.is_closed |= is_closing;
            return Ok(Flushed::default());
        }
        self.call_worker();
        while state.answered < ticket && !state.is_closed {
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero()
                || self.shared.done.wait_for(&mut state, left).timed_out()
                    && state.answered < ticket
            {
                drop(state);
                let counts = self.counts();
                let so_far = Flushed::new(counts.exported_spans, counts.lost_spans());
                if counts.pending_spans == 0 && !is_closing {
                    return Ok(so_far);
                }
                return Err(FlushError::TimedOut {
                    timeout,
                    so_far,
                    pending_spans: counts.pending_spans,
                });
            }
        }
        drop(state);
        let counts = self.counts();
        Ok(Flushed::new(counts.exported_spans, counts.lost_spans()))
    }
}

impl SpanProcessor for BatchProcessor {
    fn attach(&self, pipeline: &Pipeline) {
        let Some(exporter) = self.idle_exporter.lock().take() else {
            diagnostics::warn(
                "batch.attach",
                format_args!("a batch processor belongs to one provider; the second was refused"),
            );
            return;
        };
        let worker = Worker {
            shared: Arc::clone(&self.shared),
            pipeline: pipeline.clone(),
            scopes: Vec::new(),
            exporter,
            counts: ExportCounts::default(),
            next_reanchor: Instant::now() + FIRST_REANCHOR,
        };
        match thread::Builder::new().name("otel-batch".to_owned()).spawn(move || worker.run()) {
            Ok(handle) => {
                self.shared.state.lock().worker_id = Some(handle.thread().id());
                let _ = self.worker.set(handle.thread().clone());
            }
            Err(error) => {
                diagnostics::warn(
                    "batch.spawn",
                    format_args!(
                        "no thread for the batch processor, so its spans are dropped: {error}"
                    ),
                );
                self.shared.queue.close();
                self.shared.state.lock().is_closed = true;
            }
        }
    }

    #[inline]
    fn on_end(&self, span: &SpanView<'_>) {
        if !span.flags().is_sampled() {
            return;
        }
        match self.shared.queue.push(span) {
            Push::Queued => {}
            // Relaxed: the queue's own lock orders the records; the flag only saves calls.
            Push::QueuedMany => {
                if !self.shared.is_called.swap(true, Ordering::Relaxed) {
                    self.call_worker();
                }
            }
            Push::Full => diagnostics::warn(
                "batch.queue_full",
                format_args!(
                    "the span queue is full, so spans are dropped: raise its size, or look at what holds up the exporter"
                ),
            ),
            Push::Closed => {}
        }
    }

    fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.wait_for_worker(timeout, false)
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.wait_for_worker(timeout, true)
    }

    fn counts(&self) -> SpanCounts {
        let (exported, is_closed) = {
            let state = self.shared.state.lock();
            (state.exported, state.is_closed)
        };
        // Read last, so that no span is taken out that had not gone in.
        let queue = self.shared.queue.counts();
        let mut counts = SpanCounts {
            finished_spans: queue.pushed_spans,
            queue_full_spans: queue.full_spans,
            closed_spans: queue.closed_spans,
            failed_spans: exported.failed_spans,
            undelivered_spans: exported.undelivered_spans,
            ..SpanCounts::default()
        };
        let settled = exported.failed_spans + exported.undelivered_spans + exported.held_spans;
        counts.exported_spans = exported.taken_spans.saturating_sub(settled);
        let unsettled =
            counts.finished_spans.saturating_sub(counts.exported_spans + counts.lost_spans());
        if is_closed {
            // The worker is gone: what came in beside its last look will never leave.
            counts.closed_spans += unsettled;
        } else {
            counts.pending_spans = unsettled;
        }
        counts
    }
}

impl Drop for BatchProcessor {
    /// Tells the worker to finish, and does not wait for it.
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.asked += 1;
        state.is_closing = true;
        drop(state);
        self.call_worker();
    }
}

/// Settings of a [`BatchProcessor`].
#[must_use = "a processor is made by `build`"]
pub struct BatchProcessorBuilder {
    exporter: Box<dyn SpanExporter>,
    interval: Duration,
    max_queue_bytes: usize,
    max_queue_spans: usize,
}

impl BatchProcessorBuilder {
    /// Sets how often the worker exports without being asked.
    ///
    /// Default: 1 second (`OTEL_BSP_SCHEDULE_DELAY`'s own default is 5). From a millisecond to a day; what is outside counts
    /// as the nearer of the two.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.clamp(LEAST_INTERVAL, LONGEST_INTERVAL);
        self
    }

    /// Sets how much may be queued or in the exporter's hands.
    ///
    /// Unit: bytes of records, about 200 for a span with three attributes. Default: 16 MiB. Spans past it are dropped
    /// and counted in [`SpanCounts::queue_full_spans`].
    pub fn max_queue_bytes(mut self, max_queue_bytes: usize) -> Self {
        self.max_queue_bytes = max_queue_bytes;
        self
    }

    /// Sets how many spans may be queued, beside the limit in bytes. Default: no such limit.
    pub fn max_queue_spans(mut self, max_queue_spans: usize) -> Self {
        self.max_queue_spans = max_queue_spans;
        self
    }

    /// Makes the processor. Its worker starts with the provider that it is given to.
    pub fn build(self) -> BatchProcessor {
        let shared = Shared {
            queue: SpanQueue::new(self.max_queue_bytes, self.max_queue_spans),
            interval: self.interval,
            is_called: AtomicBool::new(false),
            state: Mutex::default(),
            done: Condvar::new(),
        };
        BatchProcessor {
            shared: Arc::new(shared),
            idle_exporter: Mutex::new(Some(self.exporter)),
            worker: OnceLock::new(),
        }
    }
}

impl fmt::Debug for BatchProcessorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchProcessorBuilder")
            .field("interval", &self.interval)
            .field("max_queue_bytes", &self.max_queue_bytes)
            .field("max_queue_spans", &self.max_queue_spans)
            .finish_non_exhaustive()
    }
}

/// The thread that empties the queue.
struct Worker {
    shared: Arc<Shared>,
    pipeline: Pipeline,
    scopes: Vec<crate::InstrumentationScope>,
    exporter: Box<dyn SpanExporter>,
    counts: ExportCounts,
    /// When the clock is to be tied to the wall clock anew.
    next_reanchor: Instant,
}

impl Worker {
    fn run(mut self) {
        // Whatever the exporter does, it makes no spans: they would come back to it without end.
        let _quiet = Context::current().with_suppression().attach();
        let mut next_flush = Instant::now() + self.shared.interval;
        loop {
            let job = self.wait_for_job(next_flush);
            if job.is_closing {
                self.shared.queue.close();
            }
            self.export_queue();
            if job.must_flush {
                flush_guarded(self.exporter.as_mut(), job.timeout);
                next_flush = Instant::now() + self.shared.interval;
            }
            if job.is_closing {
                close_guarded(self.exporter.as_mut(), job.timeout);
            }
            self.answer(&job);
            if job.is_closing {
                return;
            }
        }
    }

    /// Sleeps until the interval is over, much is queued, or somebody waits.
    fn wait_for_job(&mut self, next_flush: Instant) -> Job {
        loop {
            let now = Instant::now();
            if now >= self.next_reanchor {
                self.pipeline.clock.reanchor();
                self.next_reanchor = now + REANCHOR_INTERVAL;
            }
            let state = self.shared.state.lock();
            let is_asked = state.asked > state.answered;
            let job = Job {
                ticket: state.asked,
                must_flush: is_asked || now >= next_flush,
                is_closing: state.is_closing,
                timeout: if is_asked { state.flush_timeout } else { self.shared.interval },
            };
            drop(state);
            let is_called = self.shared.is_called.swap(false, Ordering::Relaxed);
            if job.must_flush || job.is_closing || is_called {
                return job;
            }
            thread::park_timeout(next_flush.min(self.next_reanchor) - now);
        }
    }

    fn export_queue(&mut self) {
        self.pipeline.scopes.copy_into(&mut self.scopes);
        self.exporter.note_queue_drops(self.shared.queue.counts().full_spans);
        let Self { shared, pipeline, scopes, exporter, counts, .. } = self;
        shared.queue.drain(|records, n_spans| {
            // A scope is in the list before the first span that names it ends.
            pipeline.scopes.copy_into(scopes);
            let batch = SpanBatch::new(pipeline.resource(), scopes, records, n_spans);
            counts.taken_spans += n_spans as u64;
            if !export_guarded(exporter.as_mut(), &batch) {
                counts.failed_spans += n_spans as u64;
            }
            counts.ask(exporter.as_ref());
            shared.state.lock().exported = *counts;
            shared.queue.release(n_spans);
        });
    }

    fn answer(&mut self, job: &Job) {
        self.counts.ask(self.exporter.as_ref());
        let mut state = self.shared.state.lock();
        state.exported = self.counts;
        if job.must_flush {
            state.answered = job.ticket;
        }
        state.is_closed |= job.is_closing;
        drop(state);
        self.shared.done.notify_all();
    }
}

struct Job {
    ticket: u64,
    must_flush: bool,
    is_closing: bool,
    timeout: Duration,
}

/// Exports a batch; tells whether the exporter took it. A panic in the exporter costs the batch and nothing else.
pub(super) fn export_guarded(exporter: &mut dyn SpanExporter, batch: &SpanBatch<'_>) -> bool {
    match catch_unwind(AssertUnwindSafe(|| exporter.export(batch))) {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            diagnostics::warn(
                "export.failed",
                format_args!("{} spans are lost: {error}", batch.len()),
            );
            false
        }
        Err(_) => {
            diagnostics::warn(
                "export.panicked",
                format_args!("{} spans are lost: the exporter panicked", batch.len()),
            );
            false
        }
    }
}

pub(super) fn flush_guarded(exporter: &mut dyn SpanExporter, timeout: Duration) {
    report_end(catch_unwind(AssertUnwindSafe(|| exporter.flush(timeout))));
}

pub(super) fn close_guarded(exporter: &mut dyn SpanExporter, timeout: Duration) {
    report_end(catch_unwind(AssertUnwindSafe(|| exporter.close(timeout))));
}

fn report_end(result: thread::Result<Result<(), crate::exporter::ExportError>>) {
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            diagnostics::warn("export.flush", format_args!("spans could not be sent: {error}"))
        }
        Err(_) => diagnostics::warn(
            "export.flush",
            format_args!("spans could not be sent: the exporter panicked"),
        ),
    }
}

/// Soon, since a clock that was not measured yet is slow to read.
const FIRST_REANCHOR: Duration = Duration::from_millis(5);
const REANCHOR_INTERVAL: Duration = Duration::from_secs(1);
const LEAST_INTERVAL: Duration = Duration::from_millis(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_QUEUE_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests;
