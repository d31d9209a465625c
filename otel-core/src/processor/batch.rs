//! Exports spans in batches, on a thread of its own.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::per_process::{CountPerProcess, PerProcess};
use super::queue::{Push, SpanQueue};
use super::tickets::{Job, Tickets};
use super::{Pipeline, SpanProcessor};
use crate::account::{FlushError, Flushed, SpanCounts};
use crate::clock::Clock;
use crate::context::Context;
use crate::diagnostics;
use crate::exporter::{ExportError, ForkRecipe, SpanBatch, SpanCount, SpanExporter, for_child};
use crate::foreign;
use crate::raw::{self, fork};
use crate::record::SpanView;
use crate::sync::Mutex;

/// Queues finished spans and exports them from a thread of its own: the way to a network.
///
/// The queue is limited in bytes, 16 MiB unless set; what finds no room is dropped and counted. The worker exports
/// every second, when much is queued, and on [`flush`](SpanProcessor::flush) and [`close`](SpanProcessor::close). It is
/// a plain thread: no async runtime is needed, and none is disturbed.
///
/// The child of a `fork` begins anew with its first span: a queue, a worker, an exporter made by
/// [`fork_recipe`](SpanExporter::fork_recipe), and counts of its own. What was queued stays its parent's, as do the spans that
/// were alive: see [`SpanCounts::inherited_spans`].
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
    settings: Settings,
    shared: PerProcess<Shared>,
    /// Waits here for the worker to start, which happens when the processor is attached to a provider.
    idle_exporter: Mutex<Option<Box<dyn SpanExporter>>>,
    pipeline: OnceLock<Pipeline>,
    fork_recipe: Option<ForkRecipe<dyn SpanExporter>>,
    is_closed: AtomicBool,
    inherited_spans: CountPerProcess,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    interval: Duration,
    export_timeout: Duration,
    max_queue_bytes: usize,
    max_queue_spans: usize,
    max_batch_spans: usize,
}

/// What callers and the worker share, in one process.
#[derive(Debug)]
struct Shared {
    queue: SpanQueue,
    interval: Duration,
    export_timeout: Duration,
    max_batch_spans: usize,
    tickets: Tickets,
    exported: Mutex<ExportCounts>,
    /// A worker was started; it may not run yet.
    has_worker: AtomicBool,
    /// Put here by the worker, before it looks at what it is to do.
    worker: OnceLock<Thread>,
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
        let asked = foreign::call(|| (exporter.lost_spans(), exporter.held_spans()));
        if let Some((lost_spans, held_spans)) = asked {
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
        Self::builder_of(Box::new(exporter))
    }

    pub(crate) fn builder_of(exporter: Box<dyn SpanExporter>) -> BatchProcessorBuilder {
        BatchProcessorBuilder {
            exporter,
            settings: Settings {
                interval: DEFAULT_INTERVAL,
                export_timeout: DEFAULT_EXPORT_TIMEOUT,
                max_queue_bytes: DEFAULT_QUEUE_BYTES,
                max_queue_spans: usize::MAX,
                max_batch_spans: usize::MAX,
            },
        }
    }

    /// Returns the milliseconds of the interval and the export timeout, and how many spans a queue and a batch may have.
    #[cfg(test)]
    pub(crate) fn settings_for_tests(&self) -> (u128, u128, usize, usize) {
        let Settings { interval, export_timeout, max_queue_spans, max_batch_spans, .. } =
            self.settings;
        (interval.as_millis(), export_timeout.as_millis(), max_queue_spans, max_batch_spans)
    }

    /// Returns what this process has. The child of a fork begins here.
    #[inline]
    fn shared(&self) -> &Arc<Shared> {
        self.shared.get_or_begin(|| self.begin_in_child())
    }

    #[cold]
    fn begin_in_child(&self) -> Arc<Shared> {
        // An exporter may be made here, whose spans would come back here.
        let _quiet = Context::current().with_suppression().attach();
        let shared = Arc::new(Shared::new(self.settings));
        // Relaxed: the parent's other threads are gone, and a child's thread that closes now may go either way.
        if self.is_closed.load(Ordering::Relaxed) {
            shared.close_unserved();
        } else if let Some(pipeline) = self.pipeline.get() {
            shared.start(pipeline, for_child(self.fork_recipe.as_ref()));
        }
        shared
    }

    /// Takes a ticket, and waits until the worker has answered it.
    fn wait_for_worker(&self, timeout: Duration, is_closing: bool) -> Result<Flushed, FlushError> {
        let Some(shared) = self.shared.get() else {
            // The child of a fork, which has not ended a span yet.
            return Ok(self.flushed());
        };
        if !shared.has_worker.load(Ordering::Acquire) {
            // Nothing was ever attached, so nothing can have been queued.
            if is_closing {
                shared.close_unserved();
            }
            return Ok(self.flushed());
        }
        if shared.worker.get().is_some_and(|worker| worker.id() == thread::current().id()) {
            return Err(FlushError::FromWorker);
        }
        let ticket = shared.tickets.take(timeout, is_closing);
        shared.call_worker();
        if !shared.tickets.wait(ticket, timeout) {
            let counts = self.counts();
            if counts.pending_spans > 0 || is_closing {
                let so_far = Flushed::new(counts.exported_spans, counts.lost_spans());
                let pending_spans = counts.pending_spans;
                return Err(FlushError::TimedOut { timeout, so_far, pending_spans });
            }
        }
        Ok(self.flushed())
    }

    fn flushed(&self) -> Flushed {
        let counts = self.counts();
        Flushed::new(counts.exported_spans, counts.lost_spans())
    }
}

impl Shared {
    fn new(settings: Settings) -> Self {
        Self {
            queue: SpanQueue::new(settings.max_queue_bytes, settings.max_queue_spans),
            interval: settings.interval,
            export_timeout: settings.export_timeout,
            max_batch_spans: settings.max_batch_spans,
            tickets: Tickets::default(),
            exported: Mutex::default(),
            has_worker: AtomicBool::new(false),
            worker: OnceLock::new(),
        }
    }

    fn start(self: &Arc<Self>, pipeline: &Pipeline, exporter: Box<dyn SpanExporter>) {
        let worker = Worker {
            shared: Arc::clone(self),
            pipeline: pipeline.clone(),
            scopes: Vec::new(),
            exporter,
            counts: ExportCounts::default(),
            next_reanchor: Instant::now() + FIRST_REANCHOR,
            generation: fork::generation(),
        };
        self.has_worker.store(true, Ordering::Release);
        if let Err(error) = raw::spawn("otel-batch", move || worker.run()) {
            diagnostics::warn(
                "batch.spawn",
                format_args!(
                    "no thread for the batch processor, so its spans are dropped: {error}"
                ),
            );
            self.close_unserved();
        }
    }

    fn call_worker(&self) {
        // With the fence in `run`: either the worker is seen here, or it sees what it is called for when it starts.
        fence(Ordering::SeqCst);
        if let Some(worker) = self.worker.get() {
            worker.unpark();
        }
    }

    fn close_unserved(&self) {
        self.queue.close();
        self.tickets.close_unserved();
    }

    fn counts(&self) -> SpanCounts {
        // Read before what the worker counted: once it has closed, that is final.
        let is_closed = self.tickets.is_closed();
        let exported = *self.exported.lock();
        // Read last, so that no span is taken out that had not gone in.
        let queue = self.queue.counts();
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

impl SpanProcessor for BatchProcessor {
    fn attach(&self, pipeline: &Pipeline) {
        let Some(exporter) = self.idle_exporter.lock().take() else {
            diagnostics::warn(
                "batch.attach",
                format_args!("a batch processor belongs to one provider; the second was refused"),
            );
            return;
        };
        let shared = Arc::clone(self.shared());
        let _ = self.pipeline.set(pipeline.clone());
        shared.start(pipeline, exporter);
    }

    #[inline]
    fn on_end(&self, span: &SpanView<'_>) {
        if !span.flags().is_sampled() {
            return;
        }
        let shared = self.shared();
        match shared.queue.push(span) {
            Push::Queued => {}
            Push::QueuedMany => {
                if shared.tickets.call() {
                    shared.call_worker();
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

    fn on_inherited_end(&self, span: &SpanView<'_>) {
        if span.flags().is_sampled() {
            self.inherited_spans.add_one();
        }
    }

    fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.wait_for_worker(timeout, false)
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.is_closed.store(true, Ordering::Relaxed);
        self.wait_for_worker(timeout, true)
    }

    fn counts(&self) -> SpanCounts {
        let mut counts = self.shared.get().map(|shared| shared.counts()).unwrap_or_default();
        counts.inherited_spans = self.inherited_spans.get();
        counts.finished_spans += counts.inherited_spans;
        counts
    }
}

impl Drop for BatchProcessor {
    /// Tells the worker to finish, and does not wait for it.
    fn drop(&mut self) {
        if let Some(shared) = self.shared.get() {
            shared.tickets.take(self.settings.interval, true);
            shared.call_worker();
        }
    }
}

/// Settings of a [`BatchProcessor`].
#[must_use = "a processor is made by `build`"]
pub struct BatchProcessorBuilder {
    exporter: Box<dyn SpanExporter>,
    settings: Settings,
}

impl BatchProcessorBuilder {
    /// Sets how often the worker exports without being asked.
    ///
    /// Default: 1 second (`OTEL_BSP_SCHEDULE_DELAY`'s own default is 5). From a millisecond to a day; what is outside counts
    /// as the nearer of the two.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval.clamp(LEAST_INTERVAL, LONGEST_INTERVAL);
        self
    }

    /// Sets how much may be queued or in the exporter's hands.
    ///
    /// Unit: bytes of records, about 200 for a span with three attributes. Default: 16 MiB. Spans past it are dropped
    /// and counted in [`SpanCounts::queue_full_spans`].
    pub fn max_queue_bytes(mut self, max_queue_bytes: usize) -> Self {
        self.settings.max_queue_bytes = max_queue_bytes;
        self
    }

    /// Sets how many spans may be queued, beside the limit in bytes. Default: no such limit.
    pub fn max_queue_spans(mut self, max_queue_spans: usize) -> Self {
        self.settings.max_queue_spans = max_queue_spans;
        self
    }

    /// Sets how many spans an exporter is given at once.
    ///
    /// Default: no such limit: an exporter gets what stands together in memory, and cuts it into packets itself. At least
    /// one; more than the queue may hold counts as much as it may hold, which is warned about.
    pub fn max_batch_spans(mut self, max_batch_spans: usize) -> Self {
        self.settings.max_batch_spans = max_batch_spans.max(1);
        self
    }

    /// Sets how long an exporter may take at the end of an interval to send what it held back; a flush brings a time of its
    /// own.
    ///
    /// Default: 30 seconds, as `OTEL_BSP_EXPORT_TIMEOUT`. A day at the most.
    pub fn export_timeout(mut self, export_timeout: Duration) -> Self {
        self.settings.export_timeout = export_timeout.min(LONGEST_INTERVAL);
        self
    }

    /// Makes the processor. Its worker starts with the provider that it is given to.
    pub fn build(mut self) -> BatchProcessor {
        let Settings { max_batch_spans, max_queue_spans, .. } = self.settings;
        if max_batch_spans != usize::MAX && max_batch_spans > max_queue_spans {
            diagnostics::warn(
                "batch.max_batch_spans",
                format_args!(
                    "a batch of {max_batch_spans} spans is more than the queue holds, so it gets {max_queue_spans}"
                ),
            );
            self.settings.max_batch_spans = max_queue_spans.max(1);
        }
        BatchProcessor {
            settings: self.settings,
            shared: PerProcess::new(Arc::new(Shared::new(self.settings))),
            fork_recipe: self.exporter.fork_recipe(),
            idle_exporter: Mutex::new(Some(self.exporter)),
            pipeline: OnceLock::new(),
            is_closed: AtomicBool::new(false),
            inherited_spans: CountPerProcess::default(),
        }
    }
}

impl fmt::Debug for BatchProcessorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchProcessorBuilder")
            .field("settings", &self.settings)
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
    generation: u32,
}

impl Worker {
    fn run(mut self) {
        let _ = self.shared.worker.set(thread::current());
        fence(Ordering::SeqCst);
        // Whatever the exporter does, it makes no spans: they would come back to it without end.
        let _quiet = Context::current().with_suppression().attach();
        let mut next_flush = Instant::now() + self.shared.interval;
        loop {
            let job = self.wait_for_job(next_flush);
            let timeout = job.timeout.unwrap_or(self.shared.export_timeout);
            let start = Instant::now();
            if job.is_closing {
                self.shared.queue.close();
            }
            self.export_queue();
            if self.is_inherited() {
                return;
            }
            let left = timeout.saturating_sub(start.elapsed());
            if job.is_closing {
                close_guarded(self.exporter.as_mut(), left);
            } else if job.timeout.is_some() {
                self.flush(left);
            } else if job.must_flush {
                tick_guarded(self.exporter.as_mut(), left);
            }
            if job.must_flush {
                next_flush = Instant::now() + self.shared.interval;
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
                guarded("clock", || self.pipeline.clock.reanchor());
                self.next_reanchor = now + REANCHOR_INTERVAL;
            }
            if let Some(job) = self.shared.tickets.next_job(now >= next_flush) {
                return job;
            }
            thread::park_timeout(next_flush.min(self.next_reanchor) - now);
        }
    }

    /// Tells whether the exporter forked, and this is the child: what is queued and held is then its parent's.
    fn is_inherited(&self) -> bool {
        self.generation != fork::generation()
    }

    fn export_queue(&mut self) {
        self.pipeline.scopes.copy_into(&mut self.scopes);
        let full_spans = self.shared.queue.counts().full_spans;
        guarded("exporter", || self.exporter.note_queue_drops(full_spans));
        let Self { shared, pipeline, scopes, exporter, counts, generation, .. } = self;
        shared.queue.drain(|records| {
            if *generation != fork::generation() {
                return;
            }
            // A scope is in the list before the first span that names it ends.
            pipeline.scopes.copy_into(scopes);
            let mut rest = Some(records);
            while let Some(records) = rest.filter(|_| *generation == fork::generation()) {
                let (records, next) = split_batch(records, shared.max_batch_spans);
                rest = next;
                let n_spans = SpanCount::unknown();
                let batch = SpanBatch::new(pipeline.resource(), scopes, records, &n_spans);
                let is_taken = export_guarded(exporter.as_mut(), &batch);
                // Asked after the export, which has mostly found it out.
                let n_spans = batch.len();
                counts.taken_spans += n_spans as u64;
                if !is_taken {
                    counts.failed_spans += n_spans as u64;
                }
                counts.ask(exporter.as_ref());
                *shared.exported.lock() = *counts;
                shared.queue.release(n_spans);
            }
        });
    }

    /// Flushes the exporter. Where it has to wait for its next attempt, the queue is emptied meanwhile, and who closes does
    /// not wait for it.
    fn flush(&mut self, timeout: Duration) {
        let start = Instant::now();
        let left = || timeout.saturating_sub(start.elapsed());
        while let Some(wait) = flush_guarded(self.exporter.as_mut(), left()) {
            if wait >= left() {
                return;
            }
            thread::park_timeout(wait);
            if self.shared.tickets.look_up() {
                return;
            }
            self.export_queue();
            if self.is_inherited() {
                return;
            }
        }
    }

    fn answer(&mut self, job: &Job) {
        self.counts.ask(self.exporter.as_ref());
        *self.shared.exported.lock() = self.counts;
        // What an exporter still holds after its close is counted as lost.
        let is_done = job.is_closing || self.counts.held_spans == 0;
        self.shared.tickets.answer(job, is_done);
    }
}

/// Cuts off as many records as a batch may have; the second part is there where it holds a record.
fn split_batch(records: &[u8], max_spans: usize) -> (&[u8], Option<&[u8]>) {
    // To count the records costs a walk over all of them.
    if max_spans == usize::MAX {
        return (records, None);
    }
    let frames = SpanView::all_in(records, &[]).take(max_spans).map(|span| span.frame().len());
    let (batch, rest) = records.split_at(frames.sum());
    (batch, Some(rest).filter(|rest| SpanView::all_in(rest, &[]).next().is_some()))
}

/// Exports a batch; tells whether the exporter took it. A panic in the exporter costs the batch and nothing else.
pub(super) fn export_guarded(exporter: &mut dyn SpanExporter, batch: &SpanBatch<'_>) -> bool {
    match foreign::call(|| exporter.export(batch)) {
        Some(Ok(())) => true,
        Some(Err(error)) => {
            diagnostics::warn(
                "export.failed",
                format_args!("{} spans are lost: {error}", batch.len()),
            );
            false
        }
        None => {
            diagnostics::warn(
                "export.panicked",
                format_args!("{} spans are lost: the exporter panicked", batch.len()),
            );
            false
        }
    }
}

/// Runs what is not ours and owes no answer: its panic costs nothing but a line.
fn guarded(whose: &str, call: impl FnOnce()) {
    if foreign::call(call).is_none() {
        diagnostics::warn("worker.panicked", format_args!("a call of the {whose} panicked"));
    }
}

/// Flushes an exporter; tells how long it waits for its next attempt, where it does.
pub(super) fn flush_guarded(
    exporter: &mut dyn SpanExporter,
    timeout: Duration,
) -> Option<Duration> {
    match foreign::call(|| exporter.flush(timeout)) {
        Some(Err(ExportError::Later(wait))) => Some(wait),
        result => {
            report_end(result);
            None
        }
    }
}

fn tick_guarded(exporter: &mut dyn SpanExporter, timeout: Duration) {
    report_end(foreign::call(|| exporter.tick(timeout)));
}

pub(super) fn close_guarded(exporter: &mut dyn SpanExporter, timeout: Duration) {
    report_end(foreign::call(|| exporter.close(timeout)));
}

fn report_end(result: Option<Result<(), ExportError>>) {
    match result {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            diagnostics::warn("export.flush", format_args!("spans could not be sent: {error}"))
        }
        None => diagnostics::warn(
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
const DEFAULT_EXPORT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_QUEUE_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests;
