//! Spans that are dropped while a panic unwinds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use jaeger_udp::model::{Span, TagValue};
use opentracing_api::Tracer;
use otel_core::Context;

use crate::{LONG, Service, check_account, in_memory};

#[test]
fn spans_that_a_dying_thread_held_are_marked_and_reported() {
    const N_THREADS: usize = 20;
    const N_HELD: usize = 50;
    let service = Service::start();
    for _ in 0..N_THREADS {
        let tracer = Tracer::clone(&service.tracer);
        let job = thread::spawn(move || {
            let _spans: [_; N_HELD] = std::array::from_fn(|_| tracer.start_span("held"));
            let _shared = tracer.start_span("shared").into_shared();
            let _scope = tracer.start_active_span("active");
            panic!("a job's bug");
        });
        assert!(job.join().is_err());
    }
    let arrived = service.close(N_THREADS * (N_HELD + 2));
    assert!(arrived.iter().all(is_marked));
}

#[test]
fn a_panic_through_nested_closures_finishes_their_spans_and_leaves_none_active() {
    const N_ROUNDS: usize = 100;
    const N_LEVELS: usize = 5;
    let service = Service::start();
    let tracer = &*service.tracer;
    for _ in 0..N_ROUNDS {
        assert!(catch_unwind(AssertUnwindSafe(|| nest(tracer, N_LEVELS))).is_err());
        assert!(tracer.active_span().is_none());
        tracer.start_span("after").finish();
    }
    let arrived = service.close(N_ROUNDS * (N_LEVELS + 2));
    for round in arrived.chunks(N_LEVELS + 2) {
        // The cleanup ran inside of the innermost closure, whose span finishes after it.
        let (cleanup, levels, after) = (&round[0], &round[1..=N_LEVELS], &round[N_LEVELS + 1]);
        assert_eq!((cleanup.operation_name.as_str(), is_marked(cleanup)), ("cleanup", true));
        assert_eq!(cleanup.parent_span_id, levels[0].span_id);
        assert!(levels.iter().all(is_marked));
        assert!(levels.windows(2).all(|pair| pair[0].parent_span_id == pair[1].span_id));
        assert_eq!((after.parent_span_id, is_marked(after)), (0, false));
    }
}

fn nest(tracer: &Tracer, n_levels: usize) {
    tracer.in_span("level", |_| match n_levels {
        1 => {
            let _cleanup = Cleanup(tracer);
            panic!("a bug deep below");
        }
        _ => nest(tracer, n_levels - 1),
    });
}

/// Starts a span of its own when it is dropped.
struct Cleanup<'a>(&'a Tracer);

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        self.0.in_span("cleanup", |_| {});
    }
}

/// Tells whether a span says of itself that a panic dropped it.
fn is_marked(span: &Span) -> bool {
    let says_panic = |log: &jaeger_udp::model::Log| {
        log.fields.iter().any(|field| field.key == "message" && field.value == "panic".into())
    };
    span.tag("error") == Some(&TagValue::Bool(true)) && span.logs.iter().any(says_panic)
}

#[test]
fn a_panic_through_nested_closures_of_the_core_ends_their_spans_and_restores_the_context() {
    const N_ROUNDS: usize = 100;
    let (provider, exporter) = in_memory();
    let tracer = provider.tracer("stress");
    for _ in 0..N_ROUNDS {
        let nested = || {
            tracer.in_span("outer", |_| {
                let _held = tracer.start("held");
                tracer.in_span("inner", |_| panic!("a bug deep below"));
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(nested)).is_err());
        assert_eq!(Context::current().span_context(), None);
    }
    provider.close(LONG).unwrap();
    check_account(provider.counts(), 3 * N_ROUNDS);
    let spans = exporter.finished_spans();
    for round in spans.chunks(3) {
        assert_eq!([0, 1, 2].map(|place| round[place].name.as_str()), ["inner", "held", "outer"]);
        assert!(round[..2].iter().all(|span| span.parent_span_id == round[2].span_id));
    }
}
