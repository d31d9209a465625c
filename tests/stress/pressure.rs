//! More spans than find room, and exporters that are slow or fail.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use integration_tests::Receiver;
use jaeger_udp::JaegerExporter;
use opentracing_api::Tracer;
use otel_core::exporter::{ExportError, SpanBatch, SpanExporter};
use otel_core::{BatchProcessor, SimpleProcessor, SpanProcessor, TracerProvider};

use crate::{LONG, NEVER, Service, check_account, wait_until};

const N_THREADS: usize = 4;

/// The smallest queue that a configuration may ask for.
const TINY: usize = 64 << 10;

#[test]
fn many_producers_and_a_tiny_queue_lose_nothing_uncounted() {
    const N_SPANS: usize = 1_500;
    let service = Service::start_with(|config| config.max_queue_bytes(TINY));
    let are_ready = Barrier::new(N_THREADS);
    thread::scope(|scope| {
        for _ in 0..N_THREADS {
            scope.spawn(|| {
                are_ready.wait();
                for number in 0..N_SPANS {
                    service.tracer.start_span("work").set_tag("number", number);
                }
            });
        }
    });
    let flushed = service.tracer.close(LONG).unwrap();
    assert_eq!(flushed.reported_spans + flushed.lost_spans, (N_THREADS * N_SPANS) as u64);
    let counts = service.tracer.counts();
    assert_eq!(counts.queue_full_spans, flushed.lost_spans);
    service.arrived(N_THREADS * N_SPANS);
}

/// An exporter that does what a test tells it to, call by call.
struct Told<F>(F);

impl<F> fmt::Debug for Told<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl<F> SpanExporter for Told<F>
where
    F: FnMut(&SpanBatch<'_>) -> Result<(), ExportError> + Send + 'static,
{
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        (self.0)(batch)
    }
}

#[test]
fn while_an_exporter_hangs_no_more_waits_than_the_queue_holds_and_all_room_comes_back() {
    const N_ROUNDS: usize = 15;
    const N_SPANS: usize = 200;
    const NAME_BYTES: usize = 1_000;
    for (max_bytes, max_spans) in [(TINY, usize::MAX), (16 * TINY, 50)] {
        let (is_held, n_exported) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (gate, exported) = (Arc::clone(&is_held), Arc::clone(&n_exported));
        let exporter = Told(move |batch: &SpanBatch<'_>| {
            while gate.load(Ordering::Acquire) {
                thread::sleep(Duration::from_millis(1));
            }
            exported.fetch_add(batch.len() as u64, Ordering::Relaxed);
            Ok(())
        });
        let processor = BatchProcessor::builder(exporter).interval(NEVER);
        let processor = processor.max_queue_bytes(max_bytes).max_queue_spans(max_spans);
        let provider = provider_of(processor.build());
        let most_waiting = max_spans.min(max_bytes / NAME_BYTES);
        for round in 1..=N_ROUNDS {
            is_held.store(true, Ordering::Release);
            let n_lost_before = provider.counts().lost_spans();
            // New ones each time, whose rings have to be given back.
            let threads: [_; N_THREADS] = std::array::from_fn(|_| {
                let tracer = provider.tracer("stress");
                thread::spawn(move || {
                    let name = "n".repeat(NAME_BYTES);
                    (0..N_SPANS).for_each(|_| tracer.start(&name).end());
                })
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            let counts = provider.counts();
            let (n_waiting, n_lost) =
                (counts.pending_spans as usize, (counts.lost_spans() - n_lost_before) as usize);
            assert_eq!(counts.finished_spans as usize, round * N_THREADS * N_SPANS);
            assert_eq!(n_lost + n_waiting, N_THREADS * N_SPANS, "{counts:?}");
            let expected = most_waiting / 2..=most_waiting;
            assert!(expected.contains(&n_waiting), "{n_waiting} spans wait in round {round}");
            is_held.store(false, Ordering::Release);
            provider.flush(LONG).unwrap();
        }
        provider.close(LONG).unwrap();
        check_account(provider.counts(), N_ROUNDS * N_THREADS * N_SPANS);
        assert_eq!(provider.counts().exported_spans, n_exported.load(Ordering::Relaxed));
    }
}

/// What an exporter did with the spans that it got.
#[derive(Debug, Default)]
struct Tally {
    delivered: AtomicU64,
    failed: AtomicU64,
    undelivered: AtomicU64,
}

/// An exporter in changing moods: it delivers, hesitates, loses some, fails or panics, in turn.
#[derive(Debug)]
struct Moody {
    tally: Arc<Tally>,
    n_calls: u64,
}

impl Moody {
    /// Panics at about every fourth flush.
    fn may_panic(&mut self) {
        self.n_calls += 1;
        assert!(self.n_calls & 3 != 0, "an exporter's bug");
    }
}

impl SpanExporter for Moody {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        self.n_calls += 1;
        // Read, since that may fail as well.
        let n_spans = batch.spans().filter(|span| span.name() == "work").count() as u64;
        let Tally { delivered, failed, undelivered } = &*self.tally;
        match self.n_calls % 5 {
            0 => {
                failed.fetch_add(n_spans, Ordering::Relaxed);
                Err(ExportError::failed("no"))
            }
            1 => {
                failed.fetch_add(n_spans, Ordering::Relaxed);
                panic!("an exporter's bug");
            }
            2 => {
                undelivered.fetch_add(1, Ordering::Relaxed);
                delivered.fetch_add(n_spans - 1, Ordering::Relaxed);
                Ok(())
            }
            3 => {
                thread::sleep(Duration::from_millis(1));
                delivered.fetch_add(n_spans, Ordering::Relaxed);
                Ok(())
            }
            _ => {
                delivered.fetch_add(n_spans, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn flush(&mut self, _: Duration) -> Result<(), ExportError> {
        self.may_panic();
        Err(ExportError::TimedOut)
    }

    fn close(&mut self, _: Duration) -> Result<(), ExportError> {
        panic!("an exporter's bug")
    }

    fn lost_spans(&self) -> u64 {
        self.tally.undelivered.load(Ordering::Relaxed)
    }
}

#[test]
fn an_exporter_that_is_slow_fails_and_panics_costs_what_it_says_and_no_more() {
    const N_ROUNDS: usize = 30;
    const N_SPANS: usize = 20;
    let batched = |moody| -> Box<dyn FnOnce() -> TracerProvider> {
        Box::new(|| {
            provider_of(BatchProcessor::builder(moody).interval(Duration::from_millis(1)).build())
        })
    };
    let simple = |moody| -> Box<dyn FnOnce() -> TracerProvider> {
        Box::new(|| provider_of(SimpleProcessor::new(moody)))
    };
    for make in [batched, simple] {
        let tally = Arc::new(Tally::default());
        let provider = make(Moody { tally: Arc::clone(&tally), n_calls: 0 })();
        thread::scope(|scope| {
            for _ in 0..N_THREADS {
                let (tracer, provider) = (provider.tracer("stress"), &provider);
                scope.spawn(move || {
                    for _ in 0..N_ROUNDS {
                        (0..N_SPANS).for_each(|_| tracer.start("work").end());
                        provider.flush(LONG).unwrap();
                    }
                });
            }
        });
        provider.close(LONG).unwrap();
        let counts = provider.counts();
        check_account(counts, N_THREADS * N_ROUNDS * N_SPANS);
        let told = [&tally.delivered, &tally.failed, &tally.undelivered];
        assert_eq!(
            [counts.exported_spans, counts.failed_spans, counts.undelivered_spans],
            told.map(|count| count.load(Ordering::Relaxed)),
            "{provider:?}"
        );
        assert!(counts.exported_spans > 0 && counts.failed_spans > 0);
    }
}

/// An exporter that takes spans, and panics whenever it is asked what became of them.
#[derive(Debug)]
struct Tongueless;

impl SpanExporter for Tongueless {
    fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
        Ok(())
    }

    fn lost_spans(&self) -> u64 {
        panic!("an exporter's bug")
    }

    fn held_spans(&self) -> u64 {
        panic!("an exporter's bug")
    }
}

#[test]
fn an_exporter_that_panics_when_it_is_asked_counts_as_one_that_lost_nothing() {
    for provider in [
        provider_of(BatchProcessor::builder(Tongueless).interval(NEVER).build()),
        provider_of(SimpleProcessor::new(Tongueless)),
    ] {
        provider.tracer("stress").start("work").end();
        assert_eq!(provider.flush(LONG).unwrap().exported_spans, 1);
        provider.close(LONG).unwrap();
        check_account(provider.counts(), 1);
    }
}

#[test]
fn spans_that_an_exporter_holds_back_are_on_their_way() {
    let receiver = Receiver::start();
    let exporter = || {
        let builder = JaegerExporter::builder().agent_host("127.0.0.1");
        builder.agent_port(receiver.port()).build()
    };
    for provider in [
        provider_of(BatchProcessor::builder(exporter()).interval(NEVER).build()),
        provider_of(SimpleProcessor::new(exporter())),
    ] {
        (0..10).for_each(|_| provider.tracer("stress").start("work").end());
        let counts = provider.counts();
        assert_eq!((counts.exported_spans, counts.pending_spans), (0, 10), "{provider:?}");
        provider.flush(LONG).unwrap();
        assert_eq!((provider.counts().exported_spans, provider.counts().pending_spans), (10, 0));
    }
    assert!(receiver.wait_for_spans(20, LONG));
}

fn provider_of(processor: impl SpanProcessor) -> TracerProvider {
    TracerProvider::builder().processor(processor).build()
}

#[test]
fn the_account_holds_at_every_moment_while_spans_finish() {
    const N_SPANS: usize = 2_000;
    let service = Service::start_with(|config| {
        config.max_queue_bytes(TINY).flush_interval(Duration::from_millis(1))
    });
    thread::scope(|scope| {
        let producers: [_; N_THREADS] = std::array::from_fn(|_| {
            let tracer = Tracer::clone(&service.tracer);
            scope.spawn(move || (0..N_SPANS).for_each(|_| tracer.start_span("work").finish()))
        });
        while !producers.iter().all(|producer| producer.is_finished()) {
            let counts = service.tracer.counts();
            assert_eq!(
                counts.finished_spans,
                counts.exported_spans + counts.pending_spans + counts.lost_spans(),
                "{counts:?}"
            );
            assert!(counts.finished_spans as usize <= N_THREADS * N_SPANS);
        }
    });
    service.tracer.close(LONG).unwrap();
    wait_until(|| service.tracer.counts().pending_spans == 0);
    check_account(service.tracer.counts(), N_THREADS * N_SPANS);
}

#[test]
fn an_exporter_that_panics_at_the_queues_losses_costs_nothing() {
    #[derive(Debug)]
    struct Startled;
    impl SpanExporter for Startled {
        fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
            Ok(())
        }
        fn note_queue_drops(&mut self, _: u64) {
            panic!("an exporter's bug");
        }
    }
    let provider = provider_of(BatchProcessor::builder(Startled).interval(NEVER).build());
    provider.tracer("stress").start("work").end();
    assert_eq!(provider.flush(Duration::from_secs(5)).unwrap().exported_spans, 1);
}
