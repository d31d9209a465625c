use std::sync::atomic::AtomicU64;
use std::sync::mpsc;

use super::*;
use crate::exporter::{ExportError, InMemoryExporter};
use crate::provider::TracerProvider;

const LONG: Duration = Duration::from_secs(20);

fn provider_of(processor: BatchProcessor) -> TracerProvider {
    TracerProvider::builder().processor(processor).build()
}

fn end_spans(provider: &TracerProvider, n_spans: usize) {
    let tracer = provider.tracer("test");
    for _ in 0..n_spans {
        tracer.span_builder("span").root().start().end();
    }
}

/// An exporter that does what a test tells it to, batch by batch.
struct Named<F>(F);

impl<F> fmt::Debug for Named<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closure")
    }
}

impl<F: FnMut(&SpanBatch<'_>) -> Result<(), ExportError> + Send + 'static> SpanExporter
    for Named<F>
{
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        (self.0)(batch)
    }
}

#[test]
fn a_flush_exports_what_ended_before_it_and_says_so() {
    let exporter = InMemoryExporter::new();
    let provider = provider_of(BatchProcessor::builder(exporter.clone()).interval(LONG).build());
    for round in 1..=3 {
        end_spans(&provider, 10);
        assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(10 * round, 0));
        assert_eq!(exporter.finished_spans().len() as u64, 10 * round);
    }
}

#[test]
fn the_interval_exports_without_being_asked() {
    let exporter = InMemoryExporter::new();
    let provider = provider_of(
        BatchProcessor::builder(exporter.clone()).interval(Duration::from_millis(5)).build(),
    );
    end_spans(&provider, 1);
    let start = Instant::now();
    while exporter.finished_spans().is_empty() {
        assert!(start.elapsed() < LONG, "the worker never came");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn much_in_the_queue_calls_the_worker_before_the_interval() {
    let (batches, seen) = mpsc::channel();
    let exporter = Named(move |batch: &SpanBatch<'_>| {
        let _ = batches.send(batch.len());
        Ok(())
    });
    let provider = provider_of(BatchProcessor::builder(exporter).interval(LONG).build());
    end_spans(&provider, 5_000);
    assert!(seen.recv_timeout(LONG).unwrap() > 0);
}

#[test]
fn no_batch_has_more_spans_than_it_may() {
    for (max_batch_spans, expected) in
        [(3, vec![3, 3, 1]), (7, vec![7]), (8, vec![7]), (0, vec![1; 7]), (usize::MAX, vec![7])]
    {
        let (batches, seen) = mpsc::channel();
        let exporter = Named(move |batch: &SpanBatch<'_>| {
            let _ = batches.send(batch.len());
            Ok(())
        });
        let processor =
            BatchProcessor::builder(exporter).interval(LONG).max_batch_spans(max_batch_spans);
        let provider = provider_of(processor.build());
        // All of them wait at once: the worker is not called for so few.
        end_spans(&provider, 7);
        assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(7, 0));
        assert_eq!(seen.try_iter().collect::<Vec<usize>>(), expected);
    }
}

#[test]
fn a_batch_larger_than_the_queue_gets_as_much_as_the_queue_holds() {
    for (max_batch_spans, max_queue_spans, expected) in
        [(100, 10, 10), (10, 10, 10), (9, 10, 9), (usize::MAX, 10, usize::MAX), (5, 0, 1)]
    {
        let processor = BatchProcessor::builder(InMemoryExporter::new())
            .max_batch_spans(max_batch_spans)
            .max_queue_spans(max_queue_spans)
            .build();
        assert_eq!(processor.settings.max_batch_spans, expected);
    }
}

#[test]
fn an_exporter_has_the_export_timeout_where_nobody_waits_for_it() {
    /// Says how long it was given for a flush.
    #[derive(Debug)]
    struct Timeouts(mpsc::Sender<Duration>);

    impl SpanExporter for Timeouts {
        fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
            Ok(())
        }

        fn flush(&mut self, timeout: Duration) -> Result<(), ExportError> {
            let _ = self.0.send(timeout);
            Ok(())
        }
    }

    let (timeouts, seen) = mpsc::channel();
    let processor = BatchProcessor::builder(Timeouts(timeouts))
        .interval(Duration::from_millis(5))
        .export_timeout(Duration::from_secs(77))
        .build();
    let _provider = provider_of(processor);
    let timeout = seen.recv_timeout(LONG).unwrap();
    assert!(timeout <= Duration::from_secs(77) && timeout > LONG, "{timeout:?}");
}

#[test]
fn close_exports_the_rest_and_later_spans_are_not_recorded() {
    let exporter = InMemoryExporter::new();
    let provider = provider_of(BatchProcessor::builder(exporter.clone()).interval(LONG).build());
    let late = provider.tracer("test").start("ends late");
    end_spans(&provider, 3);
    assert_eq!(provider.close(LONG).unwrap(), Flushed::new(3, 0));
    late.end();
    assert!(!provider.tracer("test").start("starts late").is_recording());
    assert_eq!(provider.close(LONG).unwrap(), Flushed::new(3, 1), "a second close answers as well");
    let counts = provider.counts();
    assert_eq!((counts.finished_spans, counts.exported_spans, counts.closed_spans), (4, 3, 1));
    assert_eq!(exporter.finished_spans().len(), 3);
}

#[test]
fn a_refused_batch_and_a_panicking_exporter_cost_their_spans_only() {
    let mut n_batches = 0;
    let exporter = Named(move |_: &SpanBatch<'_>| {
        n_batches += 1;
        match n_batches {
            1 => Err(ExportError::failed("no")),
            2 => panic!("an exporter's bug"),
            _ => Ok(()),
        }
    });
    let provider = provider_of(BatchProcessor::builder(exporter).interval(LONG).build());
    for _ in 0..3 {
        end_spans(&provider, 2);
        provider.flush(LONG).unwrap();
    }
    let counts = provider.counts();
    assert_eq!((counts.finished_spans, counts.exported_spans, counts.failed_spans), (6, 2, 4));
}

/// Holds all spans until it is let go, and tells how it is called.
#[derive(Debug)]
struct Holding {
    held_spans: u64,
    must_hold: Arc<AtomicBool>,
    calls: mpsc::Sender<&'static str>,
}

impl Holding {
    fn send(&mut self, call: &'static str) {
        let _ = self.calls.send(call);
        if !self.must_hold.load(Ordering::SeqCst) {
            self.held_spans = 0;
        }
    }
}

impl SpanExporter for Holding {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        self.held_spans += batch.len() as u64;
        Ok(())
    }

    fn flush(&mut self, _: Duration) -> Result<(), ExportError> {
        self.send("flush");
        Ok(())
    }

    fn tick(&mut self, _: Duration) -> Result<(), ExportError> {
        self.send("tick");
        Ok(())
    }

    fn close(&mut self, _: Duration) -> Result<(), ExportError> {
        self.send("close");
        Ok(())
    }

    fn held_spans(&self) -> u64 {
        self.held_spans
    }
}

#[test]
fn a_flush_after_which_the_exporter_still_holds_spans_is_no_success() {
    let (calls, called) = mpsc::channel();
    let must_hold = Arc::new(AtomicBool::new(true));
    let exporter = Holding { held_spans: 0, must_hold: Arc::clone(&must_hold), calls };
    let provider = provider_of(BatchProcessor::builder(exporter).interval(LONG).build());
    end_spans(&provider, 3);
    let FlushError::TimedOut { pending_spans, so_far, .. } = provider.flush(LONG).unwrap_err()
    else {
        panic!("another error");
    };
    assert_eq!((pending_spans, so_far), (3, Flushed::new(0, 0)));
    must_hold.store(false, Ordering::SeqCst);
    assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(3, 0));
    must_hold.store(true, Ordering::SeqCst);
    end_spans(&provider, 2);
    assert_eq!(provider.close(LONG).unwrap(), Flushed::new(3, 2), "it had its chance");
    assert_eq!(called.try_iter().collect::<Vec<_>>(), ["flush", "flush", "close"]);
}

#[test]
fn an_interval_at_whose_end_nobody_waits_is_a_tick() {
    let (calls, called) = mpsc::channel();
    let exporter = Holding { held_spans: 0, must_hold: Arc::default(), calls };
    let interval = Duration::from_millis(5);
    let _provider = provider_of(BatchProcessor::builder(exporter).interval(interval).build());
    assert_eq!(called.recv_timeout(LONG), Ok("tick"));
}

#[test]
fn a_slow_exporter_fills_the_queue_and_what_finds_no_room_is_counted() {
    let (gate, wait) = mpsc::channel::<()>();
    let exporter = Named(move |_: &SpanBatch<'_>| {
        let _ = wait.recv();
        Ok(())
    });
    let processor = BatchProcessor::builder(exporter).interval(LONG).max_queue_spans(10).build();
    let provider = provider_of(processor);
    end_spans(&provider, 25);
    let FlushError::TimedOut { pending_spans, so_far, .. } =
        provider.flush(Duration::from_millis(10)).unwrap_err()
    else {
        panic!("another error");
    };
    assert_eq!((pending_spans, so_far), (10, Flushed::new(0, 15)));
    drop(gate);
    assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(10, 15));
}

#[test]
fn spans_that_the_exporter_loses_after_all_are_lost() {
    #[derive(Debug, Default)]
    struct Leaky {
        taken: u64,
        is_flushed: bool,
    }
    impl SpanExporter for Leaky {
        fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
            self.taken += batch.len() as u64;
            Ok(())
        }
        fn flush(&mut self, _: Duration) -> Result<(), ExportError> {
            self.is_flushed = true;
            Ok(())
        }
        fn lost_spans(&self) -> u64 {
            if self.is_flushed { self.taken / 2 } else { 0 }
        }
        fn held_spans(&self) -> u64 {
            if self.is_flushed { 0 } else { self.taken }
        }
    }
    let provider = provider_of(BatchProcessor::builder(Leaky::default()).interval(LONG).build());
    end_spans(&provider, 10);
    assert_eq!(provider.counts().pending_spans, 10);
    assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(5, 5));
    assert_eq!(provider.counts().undelivered_spans, 5);
}

#[test]
fn an_exporter_that_asks_for_a_flush_gets_an_error_and_no_deadlock() {
    let slot: Arc<OnceLock<TracerProvider>> = Arc::default();
    let (answers, seen) = mpsc::channel();
    let inner = Arc::clone(&slot);
    let exporter = Named(move |_: &SpanBatch<'_>| {
        if let Some(provider) = inner.get() {
            let _ = answers.send(matches!(provider.flush(LONG), Err(FlushError::FromWorker)));
        }
        Ok(())
    });
    let provider = provider_of(BatchProcessor::new(exporter));
    let _ = slot.set(provider.clone());
    end_spans(&provider, 1);
    provider.flush(LONG).unwrap();
    assert!(seen.recv().unwrap());
}

#[test]
fn an_exporters_own_spans_are_not_recorded() {
    let slot: Arc<OnceLock<TracerProvider>> = Arc::default();
    let n_recording = Arc::new(AtomicU64::new(0));
    let (inner, counter) = (Arc::clone(&slot), Arc::clone(&n_recording));
    let exporter = Named(move |_: &SpanBatch<'_>| {
        if inner.get().is_some_and(|provider| provider.tracer("own").start("post").is_recording()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    let provider = provider_of(BatchProcessor::new(exporter));
    let _ = slot.set(provider.clone());
    end_spans(&provider, 1);
    provider.flush(LONG).unwrap();
    assert_eq!((n_recording.load(Ordering::Relaxed), provider.counts().finished_spans), (0, 1));
}

#[test]
fn dropping_the_last_provider_exports_what_is_queued() {
    let exporter = InMemoryExporter::new();
    let provider = provider_of(BatchProcessor::builder(exporter.clone()).interval(LONG).build());
    let tracer = provider.tracer("outlives the provider");
    end_spans(&provider, 7);
    drop(provider);
    assert_eq!(exporter.finished_spans().len(), 7);
    assert!(!tracer.start("late").is_recording());
}

#[test]
fn a_processor_belongs_to_one_provider() {
    let exporter = InMemoryExporter::new();
    let processor = BatchProcessor::new(exporter);
    assert_eq!(
        processor.close(LONG).unwrap(),
        Flushed::default(),
        "one that was never attached closes as well"
    );
}

#[test]
fn spans_from_many_threads_are_exported_once_each_while_others_flush() {
    let exporter = InMemoryExporter::new();
    let provider = provider_of(BatchProcessor::new(exporter.clone()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    end_spans(&provider, 100);
                    provider.flush(LONG).unwrap();
                }
            });
        }
    });
    assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(8_000, 0));
    let spans = exporter.finished_spans();
    let ids: std::collections::HashSet<_> = spans.iter().map(|span| span.span_id).collect();
    assert_eq!((spans.len(), ids.len()), (8_000, 8_000));
}

#[test]
fn an_interval_and_a_timeout_without_end_do_no_harm() {
    let exporter = InMemoryExporter::new();
    let processor = BatchProcessor::builder(exporter).interval(Duration::MAX).build();
    let provider = provider_of(processor);
    end_spans(&provider, 1);
    assert_eq!(provider.flush(Duration::MAX).unwrap(), Flushed::new(1, 0));
    end_spans(&provider, 1);
    assert!(matches!(provider.flush(Duration::ZERO), Ok(_) | Err(FlushError::TimedOut { .. })));
    assert_eq!(provider.close(Duration::MAX).unwrap(), Flushed::new(2, 0));
}

#[test]
fn a_flush_with_no_time_at_all_is_fine_where_nothing_waits() {
    let provider = provider_of(BatchProcessor::new(InMemoryExporter::new()));
    assert_eq!(provider.flush(Duration::ZERO).unwrap(), Flushed::default());
}

#[test]
fn an_exporter_that_panics_when_it_is_asked_for_its_losses_stops_nothing() {
    #[derive(Debug)]
    struct Forgetful;
    impl SpanExporter for Forgetful {
        fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
            Ok(())
        }
        fn lost_spans(&self) -> u64 {
            panic!("an exporter's bug")
        }
    }
    let provider = provider_of(BatchProcessor::new(Forgetful));
    end_spans(&provider, 2);
    assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(2, 0));
}

#[test]
fn a_processor_that_panics_reaches_neither_the_span_nor_the_next_processor() {
    #[derive(Debug)]
    struct Panics;
    impl SpanProcessor for Panics {
        fn observes_start(&self) -> bool {
            true
        }
        fn on_start(&self, _: &mut crate::RecordingSpan, _: &Context) {
            panic!("a processor's bug")
        }
        fn on_end(&self, _: &SpanView<'_>) {
            panic!("a processor's bug")
        }
    }
    let provider = TracerProvider::builder()
        .processor(Panics)
        .processor(BatchProcessor::new(InMemoryExporter::new()))
        .build();
    end_spans(&provider, 1);
    let tracer = provider.tracer("test");
    let unwound = thread::spawn(move || {
        let _span = tracer.start("ends while a panic unwinds");
        panic!("an application's bug");
    });
    assert!(unwound.join().is_err());
    assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(2, 0));
}
