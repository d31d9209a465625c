//! Spans that end with their thread's locals, before or after those that the tracer itself keeps.

use std::any::Any;
use std::cell::RefCell;
use std::thread;

use opentracing_api::{Tracer, global_tracer, set_global_tracer};
use otel_core::Context;

use crate::{LONG, Service, check_account, in_memory};

thread_local! {
    /// What a thread keeps until its end.
    static KEPT: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Which locals come first. The later ones are dropped first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Ours,
    Theirs,
}

/// Runs a thread that keeps what `make` makes until its locals are dropped. Each run of `use_all` brings the tracer's own
/// locals to life.
fn in_dying_thread(
    order: Order,
    use_all: impl FnOnce() + Send + 'static,
    make: impl FnOnce() -> Vec<Box<dyn Any>> + Send + 'static,
) {
    // Joined by its handle, which waits until the thread's locals are dropped: a scope does not.
    let thread = thread::spawn(move || {
        if order == Order::Theirs {
            KEPT.with_borrow_mut(|kept| kept.reserve(1));
        }
        use_all();
        let mut made = make();
        KEPT.with_borrow_mut(|kept| kept.append(&mut made));
    });
    thread.join().unwrap();
}

/// Spans that start, and end, when this is dropped.
struct LastWords<F: Fn()>(F);

impl<F: Fn()> Drop for LastWords<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

const N_THREADS: usize = 20;

#[test]
fn whatever_a_thread_keeps_until_its_end_finishes_then() {
    let service = Service::start();
    set_global_tracer(Tracer::clone(&service.tracer));
    for thread in 0..N_THREADS {
        let order = if thread % 2 == 0 { Order::Ours } else { Order::Theirs };
        let (tracer, kept) = (Tracer::clone(&service.tracer), Tracer::clone(&service.tracer));
        let use_all = move || {
            tracer.in_span("first", |_| tracer.start_span("below").finish());
            global_tracer().start_span("global").finish();
        };
        let make = move || -> Vec<Box<dyn Any>> {
            let (first, second) =
                (kept.start_active_span("scope"), kept.start_active_span("scope"));
            let shared = kept.start_span("shared").into_shared();
            let span = kept.start_span("span");
            let active = kept.activate(&shared);
            let last_words = LastWords(move || {
                kept.in_span("last words", |_| kept.start_span("below").finish());
                global_tracer().start_span("global").finish();
                assert!(kept.flush(LONG).is_ok());
            });
            // Scopes in the wrong order, too.
            vec![
                Box::new(first),
                Box::new(last_words),
                Box::new(second),
                Box::new(span),
                Box::new(shared),
                Box::new(active),
            ]
        };
        in_dying_thread(order, use_all, make);
    }
    let arrived = service.close(N_THREADS * 10);
    for (name, n_expected) in [
        ("first", 1),
        ("below", 2),
        ("global", 2),
        ("scope", 2),
        ("shared", 1),
        ("span", 1),
        ("last words", 1),
    ] {
        let n_arrived = arrived.iter().filter(|span| span.operation_name == name).count();
        assert_eq!(n_arrived, n_expected * N_THREADS, "{name}");
    }
}

#[test]
fn a_thread_that_only_ever_dropped_a_span_of_another_reports_it() {
    let service = Service::start();
    for _ in 0..N_THREADS {
        let (span, shared) =
            (service.tracer.start_span("span"), service.tracer.start_span("shared").into_shared());
        in_dying_thread(Order::Theirs, || (), move || vec![Box::new(span), Box::new(shared)]);
    }
    assert_eq!(service.close(2 * N_THREADS).len(), 2 * N_THREADS);
}

#[test]
fn whatever_a_thread_of_the_core_keeps_until_its_end_ends_then() {
    let (provider, exporter) = in_memory();
    for order in [Order::Ours, Order::Theirs].repeat(N_THREADS / 2) {
        let (tracer, kept) = (provider.tracer("stress"), provider.tracer("stress"));
        let use_all = move || tracer.in_span("first", |_| tracer.start("below").end());
        let make = move || -> Vec<Box<dyn Any>> {
            let (first, second) =
                (kept.start_as_current("current"), kept.start_as_current("current"));
            let span = kept.start("span");
            let shared = otel_core::SharedSpan::new(kept.start("shared"));
            let guard = Context::current().with_shared_span(shared).attach();
            let last_words = LastWords(move || {
                kept.in_span("last words", |_| kept.start("below").end());
            });
            vec![
                Box::new(first),
                Box::new(guard),
                Box::new(last_words),
                Box::new(second),
                Box::new(span),
            ]
        };
        in_dying_thread(order, use_all, make);
    }
    provider.close(LONG).unwrap();
    check_account(provider.counts(), N_THREADS * 8);
    assert_eq!(exporter.finished_spans().len(), N_THREADS * 8);
}
