//! Scopes, futures and spans of several threads, opened, closed and finished in random order.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use opentracing_api::{InSpan, Scope, SharedSpan, Tracer};
use opentracing_shim::TracerShim;
use otel_core::exporter::InMemoryExporter;
use otel_core::{SimpleProcessor, TracerProvider};
use proptest::collection::vec;
use proptest::prelude::*;

/// What one thread does next; the number chooses among what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    StartActive,
    ActivateShared(usize),
    ActivateNone,
    Close(usize),
    StartShared,
    FinishShared(usize),
    DropShared(usize),
    SpawnFuture,
    Poll(usize),
    DropFuture(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let place = || 0..8_usize;
    prop_oneof![
        3 => Just(Step::StartActive),
        2 => place().prop_map(Step::ActivateShared),
        1 => Just(Step::ActivateNone),
        5 => place().prop_map(Step::Close),
        2 => Just(Step::StartShared),
        1 => place().prop_map(Step::FinishShared),
        1 => place().prop_map(Step::DropShared),
        2 => Just(Step::SpawnFuture),
        3 => place().prop_map(Step::Poll),
        1 => place().prop_map(Step::DropFuture),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_order_of_scopes_and_futures_loses_a_span_doubles_one_or_mixes_up_what_is_active(
        threads in vec(vec(step(), 0..60), 1..4),
        shares_context in any::<bool>(),
    ) {
        let exporter = InMemoryExporter::new();
        let processor = SimpleProcessor::new(exporter.clone());
        let provider = TracerProvider::builder().processor(processor).build();
        let tracer = Tracer::new(TracerShim::new(provider).shares_context(shares_context));
        // Spans that every thread may activate and finish.
        let shared = Mutex::new(Vec::new());
        let n_started = AtomicUsize::new(0);
        thread::scope(|scope| {
            for steps in &threads {
                scope.spawn(|| {
                    let n_of_thread = Program::new(&tracer, &shared).run(steps);
                    n_started.fetch_add(n_of_thread, Ordering::Relaxed);
                });
            }
        });
        let n_started = n_started.into_inner();
        shared.lock().unwrap().clear();
        let spans = exporter.finished_spans();
        let ids: HashSet<_> = spans.iter().map(|span| span.span_id).collect();
        prop_assert_eq!((spans.len(), ids.len()), (n_started, n_started));
    }
}

/// One thread's steps, and what should be active after each.
struct Program<'a> {
    tracer: &'a Tracer,
    shared: &'a Mutex<Vec<SharedSpan>>,
    /// The scopes that this thread opened and what each made active; `None` once closed by hand.
    scopes: Vec<(Option<Scope>, Option<SharedSpan>)>,
    futures: Vec<Pin<Box<dyn Future<Output = ()> + 'a>>>,
    n_started: usize,
}

impl<'a> Program<'a> {
    fn new(tracer: &'a Tracer, shared: &'a Mutex<Vec<SharedSpan>>) -> Self {
        Self { tracer, shared, scopes: Vec::new(), futures: Vec::new(), n_started: 0 }
    }

    fn run(mut self, steps: &[Step]) -> usize {
        for step in steps {
            self.take(*step);
            let expected = self
                .scopes
                .iter()
                .rev()
                .find(|(scope, _)| scope.is_some())
                .and_then(|(_, span)| span.clone());
            assert_eq!(self.tracer.active_span(), expected, "after {step:?}");
        }
        let n_started = self.n_started;
        // Front to back, the wrong order.
        drop((self.futures, self.scopes));
        assert_eq!(self.tracer.active_span(), None);
        n_started
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::StartActive => {
                self.n_started += 1;
                let scope = self.tracer.start_active_span("active");
                let span = Some(scope.span().clone());
                self.scopes.push((Some(scope), span));
            }
            Step::ActivateShared(place) => {
                if let Some(span) = self.chosen(place) {
                    self.scopes.push((Some(self.tracer.activate(&span)), Some(span)));
                }
            }
            Step::ActivateNone => self.scopes.push((Some(self.tracer.activate_none()), None)),
            Step::Close(place) => {
                let n_scopes = self.scopes.len();
                if let Some((scope, _)) = self.scopes.get_mut(n_scopes.saturating_sub(place + 1)) {
                    drop(scope.take());
                }
                // What is below a closed scope is active again once all above it are closed.
                while self.scopes.last().is_some_and(|(scope, _)| scope.is_none()) {
                    self.scopes.pop();
                }
            }
            Step::StartShared => {
                self.n_started += 1;
                let span = self.tracer.start_span("shared").into_shared();
                self.shared.lock().unwrap().push(span);
            }
            Step::FinishShared(place) => {
                if let Some(span) = self.chosen(place) {
                    span.finish();
                }
            }
            Step::DropShared(place) => {
                let mut shared = self.shared.lock().unwrap();
                let dropped = (place < shared.len()).then(|| shared.swap_remove(place));
                drop(shared);
                drop(dropped);
            }
            Step::SpawnFuture => {
                self.n_started += 2;
                let work = work(self.tracer.clone()).in_span(self.tracer.start_span("future"));
                self.futures.push(Box::pin(work.in_span(self.tracer.start_span("around"))));
            }
            Step::Poll(place) => {
                if let Some(future) = self.futures.get_mut(place) {
                    let mut context = Context::from_waker(Waker::noop());
                    if future.as_mut().poll(&mut context).is_ready() {
                        drop(self.futures.remove(place));
                    }
                }
            }
            Step::DropFuture(place) => {
                if place < self.futures.len() {
                    drop(self.futures.remove(place));
                }
            }
        }
    }

    fn chosen(&self, place: usize) -> Option<SharedSpan> {
        self.shared.lock().unwrap().get(place).cloned()
    }
}

/// Looks at the active span in each of three polls.
async fn work(tracer: Tracer) {
    let first = tracer.active_span();
    assert!(first.is_some());
    for _ in 0..2 {
        let mut is_first = true;
        poll_fn(|_| match std::mem::take(&mut is_first) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
        assert_eq!(tracer.active_span(), first);
    }
}
