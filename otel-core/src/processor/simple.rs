//! Exports each span as it ends.

use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::per_process::{CountPerProcess, PerProcess};
use super::{Pipeline, SpanProcessor};
use crate::account::{FlushError, Flushed, SpanCounts};
use crate::context::Context;
use crate::exporter::{ForkRecipe, SpanBatch, SpanCount, SpanExporter, for_child};
use crate::foreign;
use crate::instrumentation_scope::InstrumentationScope;
use crate::record::SpanView;
use crate::resource::Resource;
use crate::sync::{BriefMutex, Condvar, Mutex};

/// Exports each sampled span at its end, on the caller's thread, one at a time: for consoles and tests.
///
/// The child of a `fork` begins anew, with an exporter made by [`fork_recipe`](SpanExporter::fork_recipe).
#[derive(Debug)]
pub struct SimpleProcessor {
    shared: PerProcess<Shared>,
    pipeline: OnceLock<Pipeline>,
    fork_recipe: Option<ForkRecipe<dyn SpanExporter>>,
    is_closed: AtomicBool,
    inherited_spans: CountPerProcess,
}

/// What threads share, in one process.
#[derive(Debug)]
struct Shared {
    /// Counted before a span waits for the exporter.
    finished_spans: AtomicU64,
    exporting: Mutex<Exporting>,
    /// Beside the exporter, not with it: who wants to know waits for no export.
    settled: BriefMutex<Settled>,
    /// Somebody closes: told to those who wait in a flush.
    is_closing: Mutex<bool>,
    close_begins: Condvar,
}

/// What only one thread at a time has.
#[derive(Debug)]
struct Exporting {
    exporter: Box<dyn SpanExporter>,
    scopes: Vec<InstrumentationScope>,
    is_closed: bool,
}

/// What became of the spans that had their turn.
#[derive(Clone, Copy, Debug, Default)]
struct Settled {
    taken_spans: u64,
    failed_spans: u64,
    undelivered_spans: u64,
    held_spans: u64,
    closed_spans: u64,
}

impl SimpleProcessor {
    /// Makes a processor in front of an exporter.
    pub fn new(exporter: impl SpanExporter) -> Self {
        Self::of(Box::new(exporter))
    }

    pub(crate) fn of(exporter: Box<dyn SpanExporter>) -> Self {
        let fork_recipe = exporter.fork_recipe();
        Self {
            shared: PerProcess::new(Arc::new(Shared::new(exporter))),
            pipeline: OnceLock::new(),
            fork_recipe,
            is_closed: AtomicBool::new(false),
            inherited_spans: CountPerProcess::default(),
        }
    }

    /// Returns what this process has. The child of a fork begins here.
    #[inline]
    fn shared(&self) -> &Shared {
        self.shared.get_or_begin(|| {
            // An exporter is made here, whose spans would come back here.
            let _quiet = Context::current().with_suppression().attach();
            Arc::new(Shared::new(for_child(self.fork_recipe.as_ref())))
        })
    }

    #[inline]
    fn is_closed(&self) -> bool {
        // Relaxed: a span that ends at the moment of closing may go either way.
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Names this processor among others, for as long as one of its methods runs.
    fn address(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    /// Calls the exporter, to which the caller has the lock. A span that it starts meanwhile would come back here and wait for
    /// itself, so it starts none; a flush that it calls for is refused.
    fn call_exporter<R>(&self, call: impl FnOnce() -> R) -> R {
        let _quiet = Context::current().with_suppression().attach();
        let outer = EXPORTING.replace(self.address());
        let answer = call();
        EXPORTING.set(outer);
        answer
    }

    fn close_exporter(&self, shared: &Shared, exporting: &mut Exporting, timeout: Duration) {
        self.call_exporter(|| shared.close(exporting, timeout));
    }

    fn flushed(&self) -> Flushed {
        let counts = self.counts();
        Flushed::new(counts.exported_spans, counts.lost_spans())
    }

    fn timed_out(&self, timeout: Duration, pending_spans: u64) -> FlushError {
        FlushError::TimedOut { timeout, so_far: self.flushed(), pending_spans }
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
        let shared = self.shared();
        // Relaxed: a statistic that guards no other memory.
        shared.finished_spans.fetch_add(1, Ordering::Relaxed);
        if EXPORTING.get() == self.address() {
            // A span of the exporter's own that it ends here: to wait for the exporter would have no end.
            return shared.settled.with(|settled| {
                settled.taken_spans += 1;
                settled.failed_spans += 1;
            });
        }
        // Who closes has the exporter for as long as it sends: a span that comes too late does not wait for that.
        let exporting = (!self.is_closed()).then(|| shared.exporting.lock());
        let Some(mut exporting) = exporting.filter(|_| !self.is_closed()) else {
            shared.settled.with(|settled| settled.closed_spans += 1);
            if let Some(mut exporting) = shared.exporting.try_lock() {
                self.close_exporter(shared, &mut exporting, Duration::ZERO);
            }
            return;
        };
        let resource = match self.pipeline.get() {
            Some(pipeline) => {
                pipeline.scopes.copy_into(&mut exporting.scopes);
                pipeline.resource().clone()
            }
            None => Resource::empty(),
        };
        let Exporting { exporter, scopes, .. } = &mut *exporting;
        let n_spans = SpanCount::known(1);
        let batch = SpanBatch::new(&resource, scopes, span.frame(), &n_spans);
        let is_taken =
            self.call_exporter(|| super::batch::export_guarded(exporter.as_mut(), &batch));
        let asked = ask(exporter.as_ref());
        shared.settled.with(|settled| {
            settled.taken_spans += 1;
            settled.failed_spans += u64::from(!is_taken);
            settled.note(asked);
        });
        if self.is_closed() {
            // Who wanted to close it did not wait so long.
            self.close_exporter(shared, &mut exporting, Duration::ZERO);
        }
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
        let Some(shared) = self.shared.get() else { return Ok(self.flushed()) };
        let start = Instant::now();
        let left = || timeout.saturating_sub(start.elapsed());
        loop {
            let Some(mut exporting) = shared.exporting.lock_within(left()) else {
                return Err(self.timed_out(timeout, self.counts().pending_spans));
            };
            if exporting.is_closed {
                drop(exporting);
                return Ok(self.flushed());
            }
            let wait = self
                .call_exporter(|| super::batch::flush_guarded(exporting.exporter.as_mut(), left()));
            let asked = ask(exporting.exporter.as_ref());
            let held_spans = shared.settled.with(|settled| settled.note(asked).held_spans);
            drop(exporting);
            match wait {
                // Without the lock, so that others may end spans, or close.
                Some(wait) if wait < left() && !shared.is_closed_within(wait) => {}
                // Fewer by now, where somebody closed.
                _ => match held_spans.min(self.counts().pending_spans) {
                    0 => return Ok(self.flushed()),
                    pending_spans => return Err(self.timed_out(timeout, pending_spans)),
                },
            }
        }
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        if EXPORTING.get() == self.address() {
            return Err(FlushError::FromWorker);
        }
        self.is_closed.store(true, Ordering::Relaxed);
        let Some(shared) = self.shared.get() else { return Ok(self.flushed()) };
        shared.tell_close();
        let start = Instant::now();
        let Some(mut exporting) = shared.exporting.lock_within(timeout) else {
            // Whoever exports will close the exporter afterwards.
            return Err(self.timed_out(timeout, self.counts().pending_spans));
        };
        let left = timeout.saturating_sub(start.elapsed());
        self.close_exporter(shared, &mut exporting, left);
        drop(exporting);
        Ok(self.flushed())
    }

    fn counts(&self) -> SpanCounts {
        let mut counts = self.shared.get().map(|shared| shared.counts()).unwrap_or_default();
        counts.inherited_spans = self.inherited_spans.get();
        counts.finished_spans += counts.inherited_spans;
        counts
    }
}

impl Shared {
    fn new(exporter: Box<dyn SpanExporter>) -> Self {
        let exporting = Exporting { exporter, scopes: Vec::new(), is_closed: false };
        Self {
            finished_spans: AtomicU64::new(0),
            exporting: Mutex::new(exporting),
            settled: BriefMutex::default(),
            is_closing: Mutex::default(),
            close_begins: Condvar::default(),
        }
    }

    fn tell_close(&self) {
        *self.is_closing.lock() = true;
        self.close_begins.notify_all();
    }

    /// Waits, unless somebody closes; tells whether somebody does.
    fn is_closed_within(&self, wait: Duration) -> bool {
        let start = Instant::now();
        let mut is_closing = self.is_closing.lock();
        while !*is_closing {
            let left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                break;
            }
            is_closing = self.close_begins.wait_timeout(is_closing, left);
        }
        *is_closing
    }

    fn close(&self, exporting: &mut Exporting, timeout: Duration) {
        if exporting.is_closed {
            return;
        }
        exporting.is_closed = true;
        super::batch::close_guarded(exporting.exporter.as_mut(), timeout);
        let asked = ask(exporting.exporter.as_ref());
        self.settled.with(|settled| {
            settled.note(asked);
            // What the exporter still holds will never leave.
            let held_spans = mem::take(&mut settled.held_spans);
            settled.taken_spans -= held_spans.min(settled.taken_spans);
            settled.closed_spans += held_spans;
        });
    }

    fn counts(&self) -> SpanCounts {
        // While somebody exports, what the exporter said last has to do.
        if let Some(exporting) = self.exporting.try_lock().filter(|exporting| !exporting.is_closed)
        {
            let asked = ask(exporting.exporter.as_ref());
            self.settled.with(|settled| {
                settled.note(asked);
            });
        }
        let settled = self.settled.with(|settled| *settled);
        let mut counts = SpanCounts {
            // Read last, so that no span is settled that had not come.
            finished_spans: self.finished_spans.load(Ordering::Relaxed),
            failed_spans: settled.failed_spans,
            undelivered_spans: settled.undelivered_spans,
            closed_spans: settled.closed_spans,
            ..SpanCounts::default()
        };
        let not_exported = settled.failed_spans + settled.undelivered_spans + settled.held_spans;
        counts.exported_spans = settled.taken_spans.saturating_sub(not_exported);
        counts.pending_spans =
            counts.finished_spans.saturating_sub(counts.exported_spans + counts.lost_spans());
        counts
    }
}

impl Settled {
    /// Takes over what the exporter counts itself; where it panicked, its last numbers stay.
    fn note(&mut self, asked: Option<(u64, u64)>) -> &Self {
        if let Some((lost_spans, held_spans)) = asked {
            self.undelivered_spans = lost_spans;
            self.held_spans = held_spans;
        }
        self
    }
}

/// Asks an exporter what it lost and what it holds.
fn ask(exporter: &dyn SpanExporter) -> Option<(u64, u64)> {
    foreign::call(|| (exporter.lost_spans(), exporter.held_spans()))
}

thread_local! {
    /// The processor whose exporter has a span on this thread: it has the lock, which a flush would wait for.
    static EXPORTING: Cell<*const ()> = const { Cell::new(std::ptr::null()) };
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::exporter::ExportError;
    use crate::{Tracer, TracerProvider};

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

    /// Makes a span whenever it is called, ends one that was there before, and flushes its own provider.
    #[derive(Debug)]
    struct Busy {
        own: Arc<Mutex<Option<TracerProvider>>>,
        early: Arc<Mutex<Vec<crate::Span>>>,
    }

    impl Busy {
        fn work(&self) {
            self.early.lock().pop().into_iter().for_each(crate::Span::end);
            if let Some(provider) = &*self.own.lock() {
                provider.tracer("exporter").start("own").end();
                let flushed = provider.flush(Duration::MAX);
                assert!(matches!(flushed, Err(FlushError::FromWorker)), "{flushed:?}");
            }
        }
    }

    impl SpanExporter for Busy {
        fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
            self.work();
            Ok(())
        }

        fn flush(&mut self, _: Duration) -> Result<(), ExportError> {
            self.work();
            Ok(())
        }
    }

    #[test]
    fn an_exporter_that_makes_and_ends_spans_whenever_it_is_called_does_not_wait_for_itself() {
        let (own, early) = (Arc::default(), Arc::default());
        let exporter = Busy { own: Arc::clone(&own), early: Arc::clone(&early) };
        let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter)).build();
        let tracer = provider.tracer("test");
        early.lock().extend((0..3).map(|_| tracer.start("early")));
        *own.lock() = Some(provider.clone());
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            tracer.start("work").end();
            let flushed = provider.flush(LONG).map_err(|error| error.to_string());
            let closed = provider.close(LONG).map_err(|error| error.to_string());
            let _ = done.send((flushed, closed, provider.counts().failed_spans));
        });
        let (flushed, closed, failed_spans) = is_done.recv_timeout(LONG).unwrap();
        *own.lock() = None;
        assert_eq!(flushed, Ok(Flushed::new(1, 2)));
        assert_eq!((closed, failed_spans), (Ok(Flushed::new(1, 3)), 3));
    }

    /// Exports when a test lets it, and notes how many exports run at once and what is current meanwhile.
    #[derive(Debug)]
    struct Gated {
        has_begun: mpsc::Sender<()>,
        gate: Option<mpsc::Receiver<()>>,
        n_running: Arc<AtomicU64>,
        tracer: Option<Tracer>,
    }

    impl Gated {
        fn new(gate: Option<mpsc::Receiver<()>>) -> (Self, mpsc::Receiver<()>) {
            let (has_begun, begun) = mpsc::channel();
            (Self { has_begun, gate, n_running: Arc::default(), tracer: None }, begun)
        }
    }

    impl SpanExporter for Gated {
        fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
            let n_others = self.n_running.fetch_add(1, Ordering::SeqCst);
            assert_eq!((n_others, batch.len()), (0, 1));
            let _ = self.has_begun.send(());
            if let Some(gate) = &self.gate {
                let _ = gate.recv();
            }
            if let Some(tracer) = &self.tracer {
                assert!(!tracer.start("own").is_recording());
            }
            thread::yield_now();
            self.n_running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }

        fn close(&mut self, _: Duration) -> Result<(), ExportError> {
            // The tracer keeps its provider, which keeps this.
            self.tracer = None;
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn exports_never_overlap_and_make_no_spans() {
        let (mut exporter, _begun) = Gated::new(None);
        let provider = TracerProvider::builder().build();
        exporter.tracer = Some(provider.tracer("exporter"));
        provider.add_processor(SimpleProcessor::new(exporter));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let tracer = provider.tracer("test");
                    (0..200).for_each(|_| tracer.start("span").end());
                });
            }
        });
        // An assertion that fails in the exporter costs its span.
        assert_eq!(provider.close(LONG).unwrap(), Flushed::new(800, 0));
    }

    #[test]
    fn nobody_waits_longer_than_the_timeout_for_a_slow_exporter() {
        let (open_gate, gate) = mpsc::channel();
        let (exporter, begun) = Gated::new(Some(gate));
        let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter)).build();
        let tracer = provider.tracer("test");
        let slow = thread::spawn(move || tracer.start("slow").end());
        begun.recv().unwrap();
        let short = Duration::from_millis(5);
        let Err(FlushError::TimedOut { so_far, pending_spans, .. }) = provider.flush(short) else {
            panic!("the exporter has not come back");
        };
        assert_eq!((so_far, pending_spans), (Flushed::default(), 1));
        assert_eq!(provider.counts().pending_spans, 1, "the counts wait for nobody");
        assert!(matches!(provider.close(short), Err(FlushError::TimedOut { .. })));
        open_gate.send(()).unwrap();
        slow.join().unwrap();
        assert_eq!(provider.close(LONG).unwrap(), Flushed::new(1, 0));
    }

    #[test]
    fn a_close_that_ran_out_of_time_is_made_up_for_by_who_exports() {
        #[derive(Debug)]
        struct Closes(Gated, Arc<AtomicU64>);
        impl SpanExporter for Closes {
            fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
                self.0.export(batch)
            }
            fn close(&mut self, _: Duration) -> Result<(), ExportError> {
                self.1.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }
        let (open_gate, gate) = mpsc::channel();
        let (exporter, begun) = Gated::new(Some(gate));
        let n_closed = Arc::new(AtomicU64::new(0));
        let processor = SimpleProcessor::new(Closes(exporter, Arc::clone(&n_closed)));
        let provider = TracerProvider::builder().processor(processor).build();
        let late = provider.tracer("test").start("ends late");
        let tracer = provider.tracer("test");
        let slow = thread::spawn(move || tracer.start("slow").end());
        begun.recv().unwrap();
        assert!(provider.close(Duration::ZERO).is_err());
        open_gate.send(()).unwrap();
        slow.join().unwrap();
        assert_eq!(n_closed.load(Ordering::SeqCst), 1);
        late.end();
        assert_eq!(provider.close(LONG).unwrap(), Flushed::new(1, 1));
        assert_eq!((n_closed.load(Ordering::SeqCst), provider.counts().closed_spans), (1, 1));
    }

    #[test]
    fn what_an_exporter_holds_or_loses_is_in_the_account() {
        #[derive(Debug, Default)]
        struct Holds {
            held: u64,
            lost: u64,
        }
        impl SpanExporter for Holds {
            fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
                self.held += 1;
                Ok(())
            }
            fn flush(&mut self, timeout: Duration) -> Result<(), ExportError> {
                if !timeout.is_zero() {
                    self.lost += self.held / 2;
                    self.held = 0;
                }
                Ok(())
            }
            fn close(&mut self, _: Duration) -> Result<(), ExportError> {
                Ok(())
            }
            fn lost_spans(&self) -> u64 {
                self.lost
            }
            fn held_spans(&self) -> u64 {
                self.held
            }
        }
        let processor = SimpleProcessor::new(Holds::default());
        let provider = TracerProvider::builder().processor(processor).build();
        let tracer = provider.tracer("test");
        (0..4).for_each(|_| tracer.start("span").end());
        assert_eq!(provider.counts().pending_spans, 4);
        assert!(matches!(
            provider.flush(Duration::ZERO),
            Err(FlushError::TimedOut { pending_spans: 4, .. })
        ));
        assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(2, 2));
        (0..3).for_each(|_| tracer.start("span").end());
        assert_eq!(provider.close(LONG).unwrap(), Flushed::new(2, 5));
        let counts = provider.counts();
        assert_eq!((counts.finished_spans, counts.pending_spans), (7, 0));
        assert_eq!((counts.undelivered_spans, counts.closed_spans), (2, 3));
    }

    /// Has to wait for an hour before it can go on, and closes when a test lets it.
    #[derive(Debug)]
    struct Waits {
        n_held: u64,
        has_begun: mpsc::Sender<&'static str>,
        gate: mpsc::Receiver<()>,
    }

    impl SpanExporter for Waits {
        fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
            self.n_held += 1;
            Ok(())
        }

        fn flush(&mut self, _: Duration) -> Result<(), ExportError> {
            let _ = self.has_begun.send("flush");
            Err(ExportError::Later(Duration::from_secs(3600)))
        }

        fn close(&mut self, _: Duration) -> Result<(), ExportError> {
            let _ = self.has_begun.send("close");
            let _ = self.gate.recv();
            Ok(())
        }

        fn held_spans(&self) -> u64 {
            self.n_held
        }
    }

    #[test]
    fn a_close_ends_the_wait_of_a_flush_and_no_span_waits_for_the_close() {
        let (has_begun, begun) = mpsc::channel();
        let (open_gate, gate) = mpsc::channel();
        let exporter = Waits { n_held: 0, has_begun, gate };
        let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter)).build();
        let tracer = provider.tracer("test");
        tracer.start("work").end();
        let late = tracer.start("ends late");
        let spawn_asking = |ask: fn(&TracerProvider) -> Result<Flushed, FlushError>| {
            let (provider, (done, is_done)) = (provider.clone(), mpsc::channel());
            thread::spawn(move || done.send(ask(&provider)));
            is_done
        };
        let flushed = spawn_asking(|provider| provider.flush(Duration::MAX));
        assert_eq!(begun.recv_timeout(LONG), Ok("flush"));
        let closed = spawn_asking(|provider| provider.close(LONG));
        assert_eq!(begun.recv_timeout(LONG), Ok("close"));
        let Err(FlushError::TimedOut { pending_spans: 1, .. }) =
            flushed.recv_timeout(LONG).unwrap()
        else {
            panic!("a span is held");
        };
        let (done, has_ended) = mpsc::channel();
        thread::spawn(move || {
            late.end();
            let _ = done.send(());
        });
        has_ended.recv_timeout(LONG).unwrap();
        open_gate.send(()).unwrap();
        assert_eq!(closed.recv_timeout(LONG).unwrap().unwrap(), Flushed::new(0, 2));
        assert_eq!(provider.counts().closed_spans, 2);
    }
}
