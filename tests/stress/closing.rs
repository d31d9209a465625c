//! The end of a tracer while its spans are still in use.

use std::cell::RefCell;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use opentracing_api::{FlushError, Tracer, TracerGuard};
use opentracing_shim::TracerShim;
use otel_core::{SimpleProcessor, TracerProvider};

use crate::{LONG, Service, check_account, in_memory, numbers_of, wait_until};

const N_THREADS: usize = 4;

#[test]
fn spans_that_finish_around_the_close_arrive_or_are_counted_as_too_late() {
    const N_SPANS: usize = 300;
    for round in 0..20 {
        let (service, are_ready) = (Service::start(), Barrier::new(N_THREADS + 1));
        let (tracer, n_all) = (&service.tracer, N_THREADS * N_SPANS);
        let flushed = thread::scope(|scope| {
            for _ in 0..N_THREADS {
                scope.spawn(|| {
                    // Started in time: what starts after the close does not count at all.
                    let spans: [_; N_SPANS] = std::array::from_fn(|_| tracer.start_span("work"));
                    are_ready.wait();
                    spans.into_iter().for_each(opentracing_api::Span::finish);
                });
            }
            are_ready.wait();
            wait_until(|| tracer.counts().finished_spans as usize >= round * n_all / 20);
            tracer.close(LONG).unwrap()
        });
        let counts = tracer.counts();
        assert_eq!(counts.lost_spans(), counts.closed_spans);
        assert_eq!(flushed.reported_spans, counts.exported_spans, "round {round}");
        assert!(flushed.lost_spans <= counts.lost_spans());
        assert!(flushed.reported_spans + flushed.lost_spans >= (round * n_all / 20) as u64);
        service.arrived(n_all);
        assert_eq!(tracer.flush(LONG).unwrap().lost_spans, counts.lost_spans());
    }
}

#[test]
fn spans_that_end_around_the_close_of_a_simple_processor_are_accounted_for_too() {
    const N_SPANS: usize = 300;
    for round in 0..20 {
        let exporter = otel_core::exporter::InMemoryExporter::new();
        let processor = SimpleProcessor::new(exporter.clone());
        let provider = TracerProvider::builder().processor(processor).build();
        let are_ready = Barrier::new(N_THREADS + 1);
        thread::scope(|scope| {
            for _ in 0..N_THREADS {
                let (tracer, are_ready) = (provider.tracer("stress"), &are_ready);
                scope.spawn(move || {
                    let spans: [_; N_SPANS] = std::array::from_fn(|_| tracer.start("work"));
                    are_ready.wait();
                    spans.into_iter().for_each(otel_core::Span::end);
                });
            }
            are_ready.wait();
            let n_before = (round * N_THREADS * N_SPANS / 20) as u64;
            wait_until(|| provider.counts().finished_spans >= n_before);
            provider.close(LONG).unwrap();
        });
        let counts = provider.counts();
        check_account(counts, N_THREADS * N_SPANS);
        assert_eq!(counts.lost_spans(), counts.closed_spans);
        assert_eq!(exporter.finished_spans().len() as u64, counts.exported_spans);
    }
}

#[test]
fn every_one_of_many_flushes_at_once_covers_the_spans_of_its_thread() {
    const N_ROUNDS: usize = 25;
    const N_SPANS: usize = 10;
    let service = Service::start();
    thread::scope(|scope| {
        for thread in 0..N_THREADS {
            let tracer = &service.tracer;
            scope.spawn(move || {
                for round in 1..=N_ROUNDS {
                    (0..N_SPANS).for_each(|_| {
                        tracer.start_span("work").set_tag("number", thread);
                    });
                    let flushed = tracer.flush(LONG).unwrap();
                    assert!(flushed.reported_spans as usize >= round * N_SPANS);
                    assert_eq!(flushed.lost_spans, 0);
                }
            });
        }
    });
    let arrived = service.close(N_THREADS * N_ROUNDS * N_SPANS);
    for thread in 0..N_THREADS {
        let n_arrived = numbers_of(&arrived).iter().filter(|number| **number == thread).count();
        assert_eq!(n_arrived, N_ROUNDS * N_SPANS);
    }
}

#[test]
fn many_closes_and_flushes_at_once_all_answer() {
    for _ in 0..20 {
        let (service, are_ready) = (Service::start(), Barrier::new(N_THREADS));
        thread::scope(|scope| {
            for thread in 0..N_THREADS {
                let (tracer, are_ready) = (&service.tracer, &are_ready);
                scope.spawn(move || {
                    let span = tracer.start_span("work");
                    are_ready.wait();
                    span.finish();
                    let answer = match thread % 2 {
                        0 => tracer.close(LONG),
                        _ => tracer.flush(LONG),
                    };
                    let flushed = answer.unwrap();
                    assert!(flushed.reported_spans + flushed.lost_spans >= 1);
                });
            }
        });
        service.arrived(N_THREADS);
    }
}

#[test]
fn spans_that_outlive_the_guard_are_counted_as_too_late() {
    const N_SPANS: usize = 100;
    let (provider, exporter) = in_memory();
    let tracer = Tracer::new(TracerShim::new(provider.clone()));
    let guard = TracerGuard::new(tracer.clone(), LONG);
    let (is_dropped, are_ready) = (Barrier::new(N_THREADS + 1), Barrier::new(N_THREADS + 1));
    thread::scope(|scope| {
        for _ in 0..N_THREADS {
            scope.spawn(|| {
                let held: [_; N_SPANS] = std::array::from_fn(|_| tracer.start_span("held"));
                tracer.start_span("in time").finish();
                let scope = tracer.start_active_span("active");
                are_ready.wait();
                is_dropped.wait();
                let late = tracer.start_span("late");
                assert!(!late.is_recording());
                drop((held, scope));
            });
        }
        are_ready.wait();
        drop(guard);
        is_dropped.wait();
    });
    let counts = provider.counts();
    check_account(counts, N_THREADS * (N_SPANS + 2));
    assert_eq!(counts.exported_spans, N_THREADS as u64);
    assert_eq!(counts.closed_spans, (N_THREADS * (N_SPANS + 1)) as u64);
    assert!(exporter.finished_spans().iter().all(|span| span.name == "in time"));
}

#[test]
fn spans_that_outlive_the_last_handle_go_without_harm() {
    for _ in 0..20 {
        let service = Service::start();
        let held = [(); 10].map(|()| service.tracer.start_span("held"));
        let shared = service.tracer.start_span("shared").into_shared();
        service.tracer.start_span("in time").finish();
        let Service { tracer, receiver } = service;
        drop(tracer);
        assert!(receiver.wait_for_spans(1, LONG));
        thread::spawn(move || drop(held)).join().unwrap();
        assert_eq!(shared.tracer(), Tracer::noop());
        drop(shared);
        assert_eq!(receiver.spans().len(), 1);
    }
}

#[test]
fn a_guard_among_a_threads_locals_closes_when_they_are_dropped() {
    thread_local! {
        static GUARD: RefCell<Option<TracerGuard>> = const { RefCell::new(None) };
    }
    for has_guard_first in [true, false].repeat(10) {
        let Service { tracer, receiver } = Service::start();
        let thread = thread::spawn(move || {
            let (early, handle) = (Tracer::clone(&tracer), Tracer::clone(&tracer));
            if has_guard_first {
                GUARD.set(Some(tracer.into_guard()));
                early.in_span("work", |_| {});
            } else {
                early.in_span("work", |_| {});
                GUARD.set(Some(tracer.into_guard()));
            }
            handle
        });
        let handle = thread.join().unwrap();
        assert!(receiver.wait_for_spans(1, LONG));
        assert!(!handle.start_span("late").is_recording());
    }
}

#[test]
fn a_close_that_cannot_wait_says_so_and_the_work_goes_on() {
    let service = Service::start();
    for _ in 0..100 {
        service.tracer.start_span("work").finish();
    }
    match service.tracer.close(Duration::ZERO) {
        Ok(flushed) => assert_eq!(flushed.reported_spans, 100),
        Err(FlushError::TimedOut { so_far, pending_spans, .. }) => {
            assert_eq!(so_far.reported_spans + so_far.lost_spans + pending_spans, 100);
        }
        Err(other) => panic!("{other}"),
    }
    assert_eq!(service.close(100).len(), 100);
}
