//! Spans that live long: many at once, in any order, or for ever.

use std::thread;

use opentracing_api::{Span, Tracer, child_of};

use crate::{LONG, Service, check_account, in_memory, leak, numbers_of};

const N_LIVE: usize = 10_000;

/// The orders in which live spans go: as they came, the other way round, and all over the place.
const ORDERS: [fn(usize) -> usize; 3] = [
    |turn| turn,
    |turn| N_LIVE - 1 - turn,
    // The factor has no divisor in common with the number of spans, so that each has its turn.
    |turn| turn * 7_919 % N_LIVE,
];

#[test]
fn ten_thousand_spans_live_at_once_and_finish_in_any_order() {
    for order in ORDERS {
        let service = Service::start();
        let root = service.tracer.start_span("root");
        let start =
            |number| service.tracer.start_span_with("live", child_of(&root).tag("number", number));
        let mut spans: Vec<Option<Span>> = (0..N_LIVE).map(|number| Some(start(number))).collect();
        for turn in 0..N_LIVE {
            spans[order(turn)].take().unwrap().set_tag("turn", turn);
            if turn % 1_000 == 999 {
                service.deliver();
            }
        }
        root.finish();
        let arrived = service.close(N_LIVE + 1);
        assert_eq!(numbers_of(&arrived), Vec::from_iter((0..N_LIVE).map(order)));
        let root_id = arrived[N_LIVE].span_id;
        assert!(arrived[..N_LIVE].iter().all(|span| span.parent_span_id == root_id));
    }
}

#[test]
fn ten_thousand_spans_of_the_core_live_at_once_and_end_in_any_order() {
    for order in ORDERS {
        let (provider, exporter) = in_memory();
        let tracer = provider.tracer("stress");
        let start = |number: usize| tracer.span_builder(&number.to_string()).root().start();
        let mut spans: Vec<_> = (0..N_LIVE).map(|number| Some(start(number))).collect();
        for turn in 0..N_LIVE {
            spans[order(turn)].take().unwrap().set_attribute("turn", turn as i64);
        }
        provider.close(LONG).unwrap();
        check_account(provider.counts(), N_LIVE);
        let names = exporter.finished_spans().into_iter().map(|span| span.name.parse().unwrap());
        assert_eq!(names.collect::<Vec<usize>>(), Vec::from_iter((0..N_LIVE).map(order)));
    }
}

#[test]
fn leaked_spans_are_not_finished_and_harm_no_other() {
    const N_ROUNDS: usize = 100;
    let service = Service::start();
    for number in 0..N_ROUNDS {
        let start = |name| service.tracer.start_span(name);
        leak(start("leaked"));
        leak(start("leaked").into_shared());
        let shared = start("finished by one owner").into_shared();
        leak(shared.clone());
        shared.finish();
        start("neighbour").set_tag("number", number);
    }
    let tracer = Tracer::clone(&service.tracer);
    let leaking = thread::spawn(move || {
        leak(tracer.start_active_span("leaked"));
        tracer.start_span("below").finish();
        assert!(tracer.active_span().is_some(), "the scope was never closed");
    });
    leaking.join().unwrap();
    let arrived = service.close(2 * N_ROUNDS + 1);
    assert_eq!(numbers_of(&arrived), Vec::from_iter(0..N_ROUNDS));
    assert!(arrived.iter().all(|span| span.operation_name != "leaked"));
}
