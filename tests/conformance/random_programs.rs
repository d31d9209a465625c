//! Random programs: starts, scopes, changes and ends in any order, on several threads and in several futures, beside a
//! plain model that says what must come of them.
//!
//! What must hold: the active span is that of the innermost open scope of the thread (or of the future that runs); a scope
//! that closes below others changes nothing until they close; what was finished stays active and may be a parent; each
//! span finishes once, with the parent, the tags and the baggage that the model has, and none is lost.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use opentracing_api::{InSpan, Scope, SharedSpan, StartSpanOptions, child_of};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::executor::yield_now;
use crate::subject::{FinishedSpan, Subject};

#[test]
fn random_programs_on_one_thread_end_as_the_model_says() {
    run(256, vec(step(), 0..60), |steps| {
        for tracer in [Subject::mock(), Subject::shim(), Subject::sharing()] {
            let tracer = Arc::new(tracer);
            let expected = Program::new(Arc::clone(&tracer), "main").run(&steps);
            check(&tracer, &expected);
        }
    });
}

#[test]
fn random_programs_on_several_threads_do_not_see_each_other() {
    run(48, vec(vec(step(), 0..40), 4), |programs| {
        for tracer in [Subject::mock(), Subject::shim(), Subject::sharing()] {
            let tracer = Arc::new(tracer);
            check(&tracer, &run_on_threads(&tracer, &programs));
        }
    });
}

#[test]
fn random_programs_arrive_whole_at_an_agent() {
    run(6, vec(vec(step(), 0..40), 4), |programs| {
        let tracer = Arc::new(Subject::jaeger());
        check(&tracer, &run_on_threads(&tracer, &programs));
    });
}

#[test]
fn random_futures_on_one_thread_have_their_own_active_spans() {
    let programs = vec((vec(step(), 0..12), 0_usize..5), 1..5);
    run(128, (programs, vec(0_usize..8, 0..40)), |(programs, order)| {
        for tracer in [Subject::mock(), Subject::shim(), Subject::sharing()] {
            let tracer = Arc::new(tracer);
            let outer = tracer.start_active_span("outer");
            let mut futures: Vec<Option<Interleaved>> = programs
                .iter()
                .enumerate()
                .map(|(n, (steps, n_yields))| {
                    let work = interleaved(Arc::clone(&tracer), n, steps.clone(), *n_yields);
                    Some(Box::pin(work) as Interleaved)
                })
                .collect();
            let mut expected = Vec::new();
            // In the drawn order first, then in turn until all have ended.
            let turns =
                order.iter().copied().chain((0..programs.len()).cycle().take(programs.len() * 8));
            for turn in turns {
                let turn = turn % programs.len();
                let Some(future) = &mut futures[turn] else { continue };
                let mut context = Context::from_waker(Waker::noop());
                if let Poll::Ready(spans) = future.as_mut().poll(&mut context) {
                    futures[turn] = None;
                    expected.extend(spans);
                }
                assert_eq!(tracer.active_span().as_ref(), Some(outer.span()), "between polls");
            }
            assert!(futures.iter().all(Option::is_none), "all futures have ended");
            expected.push(Expected::named("outer", None));
            outer.close();
            check(&tracer, &expected);
        }
    });
}

type Interleaved = Pin<Box<dyn Future<Output = Vec<Expected>>>>;

/// Runs a part of a program between any two suspensions, in a span of its own.
async fn interleaved(
    tracer: Arc<Subject>,
    n: usize,
    steps: Vec<Step>,
    n_yields: usize,
) -> Vec<Expected> {
    let name = format!("future {n}");
    let span = tracer.start_span_with(&name, StartSpanOptions::new().ignore_active_span());
    let root = Expected::named(&name, None);
    let span = span.into_shared();
    let work = async {
        let mut expected = Vec::new();
        for part in 0..=n_yields {
            assert_eq!(tracer.active_span(), Some(span.clone()), "after a suspension");
            let steps = &steps
                [steps.len() * part / (n_yields + 1)..steps.len() * (part + 1) / (n_yields + 1)];
            let mut program = Program::new(Arc::clone(&tracer), &format!("{name}.{part}"));
            program.outside = Some((name.clone(), span.clone()));
            expected.extend(program.run(steps));
            yield_now().await;
        }
        expected
    };
    let mut expected = work.in_span(span.clone()).await;
    span.finish();
    expected.push(root);
    expected
}

fn run_on_threads(tracer: &Arc<Subject>, programs: &[Vec<Step>]) -> Vec<Expected> {
    thread::scope(|threads| {
        let mut running = Vec::new();
        for (n, steps) in programs.iter().enumerate() {
            let (tracer, name) = (Arc::clone(tracer), format!("thread {n}"));
            running.push(threads.spawn(move || Program::new(tracer, &name).run(steps)));
        }
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// One call of the API. Numbers choose among what there is: spans or scopes, whatever their state.
#[derive(Clone, Debug)]
enum Step {
    /// Starts a span; the active one is the parent.
    Start,
    /// Starts a span that ignores the active one.
    StartRoot,
    /// Starts a child of any span, finished or not.
    StartChild(usize),
    /// Starts a span and makes it active; its scope finishes it.
    StartActive,
    /// Makes a span active.
    Activate(usize),
    /// Makes none active.
    ActivateNone,
    /// Closes any scope.
    Close(usize),
    /// Finishes a span, also for a second time.
    Finish(usize),
    SetTag(usize, u8),
    SetBaggage(usize, u8),
    Log(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0_usize..1000;
    prop_oneof![
        2 => Just(Step::Start),
        1 => Just(Step::StartRoot),
        2 => any.clone().prop_map(Step::StartChild),
        3 => Just(Step::StartActive),
        2 => any.clone().prop_map(Step::Activate),
        1 => Just(Step::ActivateNone),
        4 => any.clone().prop_map(Step::Close),
        2 => any.clone().prop_map(Step::Finish),
        2 => (any.clone(), 0_u8..3).prop_map(|(span, value)| Step::SetTag(span, value)),
        1 => (any.clone(), 0_u8..3).prop_map(|(span, value)| Step::SetBaggage(span, value)),
        1 => any.prop_map(Step::Log),
    ]
}

/// What must become of a span.
#[derive(Clone, Debug, PartialEq)]
struct Expected {
    name: String,
    parent: Option<String>,
    tag: Option<u8>,
    baggage: Option<u8>,
    n_logs: usize,
}

impl Expected {
    fn named(name: &str, parent: Option<String>) -> Self {
        Self { name: name.to_owned(), parent, tag: None, baggage: None, n_logs: 0 }
    }
}

/// A program as it runs, with its model.
struct Program {
    tracer: Arc<Subject>,
    name: String,
    /// What is active where no scope of the program is open.
    outside: Option<(String, SharedSpan)>,
    spans: Vec<ModelSpan>,
    scopes: Vec<ModelScope>,
}

struct ModelSpan {
    expected: Expected,
    is_finished: bool,
    span: SharedSpan,
}

struct ModelScope {
    scope: Option<Scope>,
    /// The place of its span; `None` for a scope without one.
    span: Option<usize>,
    finishes_span: bool,
}

impl Program {
    fn new(tracer: Arc<Subject>, name: &str) -> Self {
        Self { tracer, name: name.to_owned(), outside: None, spans: Vec::new(), scopes: Vec::new() }
    }

    /// Runs all steps, closes and drops what is left, and returns what must have come of it.
    fn run(mut self, steps: &[Step]) -> Vec<Expected> {
        for step in steps {
            self.take(step);
            self.assert_active();
        }
        // From the bottom, so that all but the last wait for it.
        for n in 0..self.scopes.len() {
            self.close(n);
            self.assert_active();
        }
        assert!(self.scopes.is_empty());
        self.spans.into_iter().map(|span| span.expected).collect()
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Start => {
                let parent = self.active_parent();
                self.start(parent, StartSpanOptions::new());
            }
            Step::StartRoot => {
                self.start(Parent::None, StartSpanOptions::new().ignore_active_span())
            }
            Step::StartChild(n) => {
                let Some(n) = pick(n, &self.spans) else { return };
                let options = child_of(&self.spans[n].span);
                self.start(Parent::Span(n), options);
            }
            Step::StartActive => {
                let parent = self.active_parent();
                let scope = self.tracer.start_active_span(&self.next_name());
                self.add(parent, scope.span().clone());
                let span = Some(self.spans.len() - 1);
                self.scopes.push(ModelScope { scope: Some(scope), span, finishes_span: true });
            }
            Step::Activate(n) => {
                if let Some(n) = pick(n, &self.spans) {
                    self.enter(Some(n));
                }
            }
            Step::ActivateNone => self.enter(None),
            Step::Close(n) => {
                if let Some(n) = pick(n, &self.scopes) {
                    self.close(n);
                }
            }
            Step::Finish(n) => {
                if let Some(n) = pick(n, &self.spans) {
                    self.spans[n].span.finish();
                    self.spans[n].is_finished = true;
                }
            }
            Step::SetTag(n, value) => self.change(n, |span| {
                let _same = span.span.set_tag("tag", value);
                if !span.is_finished {
                    span.expected.tag = Some(value);
                }
            }),
            Step::SetBaggage(n, value) => self.change(n, |span| {
                let _same = span.span.set_baggage_item("item", &value.to_string());
                if !span.is_finished {
                    span.expected.baggage = Some(value);
                }
                let kept = span.expected.baggage.map(|value| value.to_string());
                assert_eq!(span.span.baggage_item("item"), kept);
            }),
            Step::Log(n) => self.change(n, |span| {
                let _same = span.span.log_event("logged");
                span.expected.n_logs += usize::from(!span.is_finished);
            }),
        }
        for span in &self.spans {
            assert_eq!(span.span.is_recording(), !span.is_finished, "{}", span.expected.name);
        }
    }

    fn start(&mut self, parent: Parent, options: StartSpanOptions<'_>) {
        let span = self.tracer.start_span_with(&self.next_name(), options).into_shared();
        self.add(parent, span);
    }

    fn next_name(&self) -> String {
        format!("{} span {}", self.name, self.spans.len())
    }

    fn add(&mut self, parent: Parent, span: SharedSpan) {
        let mut expected = Expected::named(&self.next_name(), None);
        match parent {
            Parent::None => {}
            Parent::Outside => {
                expected.parent = self.outside.as_ref().map(|(name, _)| name.clone());
            }
            Parent::Span(n) => {
                expected.parent = Some(self.spans[n].expected.name.clone());
                expected.baggage = self.spans[n].expected.baggage;
            }
        }
        self.spans.push(ModelSpan { expected, is_finished: false, span });
    }

    /// Makes a span active that its scope does not finish, or none.
    fn enter(&mut self, span: Option<usize>) {
        let scope = match span {
            Some(n) => self.tracer.activate(&self.spans[n].span),
            None => self.tracer.activate_none(),
        };
        self.scopes.push(ModelScope { scope: Some(scope), span, finishes_span: false });
    }

    /// Closes a scope. Closed ones leave from the top, and that is when their spans finish.
    fn close(&mut self, n: usize) {
        drop(self.scopes[n].scope.take());
        while let Some(ModelScope { scope: None, span, finishes_span }) = self.scopes.last() {
            if let Some(span) = span.filter(|_| *finishes_span) {
                self.spans[span].is_finished = true;
            }
            self.scopes.pop();
        }
    }

    fn change(&mut self, n: usize, change: impl FnOnce(&mut ModelSpan)) {
        if let Some(n) = pick(n, &self.spans) {
            change(&mut self.spans[n]);
        }
    }

    fn active_parent(&self) -> Parent {
        match self.scopes.iter().rfind(|scope| scope.scope.is_some()) {
            Some(ModelScope { span: Some(n), .. }) => Parent::Span(*n),
            Some(_) => Parent::None,
            None => Parent::Outside,
        }
    }

    fn assert_active(&self) {
        let expected = match self.active_parent() {
            Parent::None => None,
            Parent::Outside => self.outside.as_ref().map(|(_, span)| span.clone()),
            Parent::Span(n) => Some(self.spans[n].span.clone()),
        };
        assert_eq!(self.tracer.active_span(), expected);
    }
}

enum Parent {
    None,
    Outside,
    Span(usize),
}

fn pick<T>(n: usize, from: &[T]) -> Option<usize> {
    n.checked_rem(from.len())
}

/// Asserts that the finished spans are those that the model has, each once.
fn check(tracer: &Subject, expected: &[Expected]) {
    let finished = tracer.finished(expected.len());
    let by_id: BTreeMap<u64, &FinishedSpan> =
        finished.0.iter().map(|span| (span.span_id, span)).collect();
    assert_eq!(by_id.len(), expected.len(), "ids are distinct");
    for expected in expected {
        let span = finished.named(&expected.name);
        let parent = span.parent_id.map(|id| by_id[&id]);
        assert_eq!(parent.map(|parent| parent.operation_name.clone()), expected.parent, "{span:?}");
        if let Some(parent) = parent {
            assert!(span.is_child_of(parent), "{span:?} and {parent:?} are in one trace");
        }
        let tag = expected.tag.map(|value| value.to_string());
        assert_eq!(span.tags.get("tag").map(ToString::to_string), tag, "{span:?}");
        let is_own = |log: &&Vec<(String, _)>| log.iter().all(|(key, _)| key == "event");
        assert_eq!(span.logs.iter().filter(is_own).count(), expected.n_logs, "{span:?}");
    }
}

/// Runs a property on so many drawn values, always the same ones.
fn run<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let seed = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let result = runner.run(&strategy, |value| {
        property(value);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
