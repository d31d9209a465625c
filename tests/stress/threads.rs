//! Threads that come, idle and go, and spans that move between them.

use std::sync::Barrier;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use opentracing_api::{Span, Tracer};

use crate::{LONG, Service, check_account, in_memory, numbers_of, sorted, wait_until};

const N_WAVES: usize = 40;
const N_THREADS: usize = 50;

#[test]
fn threads_that_finish_one_span_and_die_lose_none() {
    let service = Service::start();
    for wave in 0..N_WAVES {
        let threads: [_; N_THREADS] = std::array::from_fn(|thread| {
            let tracer = Tracer::clone(&service.tracer);
            thread::spawn(move || {
                let mut span = tracer.start_span("only");
                span.set_tag("number", wave * N_THREADS + thread);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // Several waves at once: what dead threads left behind waits for the worker, and takes room meanwhile.
        if wave % 10 == 9 {
            service.deliver();
        }
    }
    let arrived = service.close(N_WAVES * N_THREADS);
    assert_eq!(sorted(numbers_of(&arrived)), Vec::from_iter(0..N_WAVES * N_THREADS));
}

#[test]
fn threads_of_the_core_that_end_one_span_and_die_lose_none() {
    let (provider, exporter) = in_memory();
    for _ in 0..N_WAVES {
        let threads: [_; N_THREADS] = std::array::from_fn(|_| {
            let tracer = provider.tracer("stress");
            thread::spawn(move || tracer.start("only").end())
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
    provider.close(LONG).unwrap();
    check_account(provider.counts(), N_WAVES * N_THREADS);
    assert_eq!(exporter.finished_spans().len(), N_WAVES * N_THREADS);
}

#[test]
fn spans_of_threads_that_idle_leave_within_the_interval() {
    const N_THREADS: usize = 8;
    const N_SPANS: usize = 50;
    let service = Service::start_with(|config| config.flush_interval(Duration::from_millis(20)));
    let is_over = Barrier::new(N_THREADS + 1);
    thread::scope(|scope| {
        for thread in 0..N_THREADS {
            let (tracer, is_over) = (&service.tracer, &is_over);
            scope.spawn(move || {
                for number in 0..N_SPANS {
                    tracer.start_span("work").set_tag("number", thread * N_SPANS + number);
                }
                is_over.wait();
            });
        }
        // The threads live and do nothing, and nobody flushes.
        let has_arrived = service.receiver.wait_for_spans(N_THREADS * N_SPANS, LONG);
        is_over.wait();
        assert!(has_arrived);
    });
    wait_until(|| service.tracer.counts().pending_spans == 0);
    let arrived = service.arrived(N_THREADS * N_SPANS);
    assert_eq!(sorted(numbers_of(&arrived)), Vec::from_iter(0..N_THREADS * N_SPANS));
}

/// Starts spans and sends them over, and finishes those that come from the other side.
fn exchange<S>(
    n_spans: usize,
    start: impl Fn(usize) -> S,
    (out, inbox): (Sender<S>, Receiver<S>),
    finish: impl Fn(S),
) {
    for number in 0..n_spans {
        out.send(start(number)).unwrap();
        inbox.try_iter().for_each(&finish);
    }
    drop(out);
    inbox.into_iter().for_each(&finish);
}

#[test]
fn spans_that_cross_over_are_finished_by_the_thread_that_got_them() {
    const N_SPANS: usize = 600;
    let service = Service::start();
    let ((to_east, from_west), (to_west, from_east)) = (channel::<Span>(), channel::<Span>());
    thread::scope(|scope| {
        for (side, ends) in [(0, (to_east, from_east)), (1, (to_west, from_west))] {
            let tracer = &service.tracer;
            scope.spawn(move || {
                let start = |number| {
                    let mut span = tracer.start_span("work");
                    span.set_tag("number", side * N_SPANS + number).set_tag("from", side);
                    span
                };
                let finish = |mut span: Span| {
                    span.set_tag("to", side);
                    span.finish();
                };
                exchange(N_SPANS, start, ends, finish);
            });
        }
    });
    let arrived = service.close(2 * N_SPANS);
    assert_eq!(sorted(numbers_of(&arrived)), Vec::from_iter(0..2 * N_SPANS));
    assert!(arrived.iter().all(|span| span.tag("from") != span.tag("to")));
}

#[test]
fn spans_of_the_core_that_cross_over_are_ended_by_the_thread_that_got_them() {
    const N_SPANS: usize = 5_000;
    let (provider, exporter) = in_memory();
    let ((to_east, from_west), (to_west, from_east)) = (channel(), channel());
    thread::scope(|scope| {
        for ends in [(to_east, from_east), (to_west, from_west)] {
            let tracer = provider.tracer("stress");
            scope.spawn(move || {
                exchange(N_SPANS, |number| tracer.start(&number.to_string()), ends, drop);
            });
        }
    });
    provider.close(LONG).unwrap();
    check_account(provider.counts(), 2 * N_SPANS);
    let names = exporter.finished_spans().into_iter().map(|span| span.name.parse().unwrap());
    let twice = (0..2 * N_SPANS).map(|number| number / 2);
    assert_eq!(sorted(names.collect()), Vec::from_iter(twice));
}
