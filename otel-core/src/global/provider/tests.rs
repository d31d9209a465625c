use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::*;
use crate::context::Context;
use crate::exporter::InMemoryExporter;
use crate::id::{SpanId, TraceId};
use crate::processor::SimpleProcessor;
use crate::sampler::AlwaysOffSampler;
use crate::span::RecordingSpan;
use crate::span_context::{SpanContext, TraceFlags};
use crate::tracer::SpanRequest;

/// There is one global provider: tests take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    drop(take_global_provider());
    turn
}

fn provider() -> (TracerProvider, InMemoryExporter) {
    let exporter = InMemoryExporter::new();
    let processor = SimpleProcessor::new(exporter.clone());
    (TracerProvider::builder().processor(processor).build(), exporter)
}

fn names(exporter: &InMemoryExporter) -> Vec<String> {
    exporter.finished_spans().into_iter().map(|span| span.name).collect()
}

#[test]
fn handles_taken_early_lead_to_the_provider_that_is_set_later() {
    static TRACER: Tracer = global_tracer("library");
    let _turn = turn();
    let scope = InstrumentationScope::new("scoped", "2").with_schema_url("schema");
    let scoped = global_scoped_tracer(scope.clone());
    let parent = SpanContext::new(TraceId::from_parts(1, 2), SpanId::new(3), TraceFlags::SAMPLED);
    let _guard = Context::new().with_span_context(parent.clone()).attach();
    for tracer in [&TRACER, &scoped] {
        let early = tracer.start("early");
        assert!(!early.is_recording() && global_provider().is_none());
        assert_eq!(early.context(), &parent, "a span without a provider is its parent's context");
    }
    let (first, first_exporter) = provider();
    set_global_provider(first);
    TRACER.in_span("first", |_| scoped.start("child").end());
    let (second, second_exporter) = provider();
    set_global_provider(second);
    TRACER.start_as_current("second").set_attribute("n", 1);
    assert!(take_global_provider().is_some_and(|provider| !provider.is_closed()));
    assert!(!TRACER.start("late").is_recording());
    assert_eq!(names(&first_exporter), ["child", "first"]);
    assert_eq!(names(&second_exporter), ["second"]);
    let spans = first_exporter.finished_spans();
    assert_eq!((&spans[0].scope, spans[1].scope.name()), (&scope, "library"));
    assert_eq!(spans[1].parent_span_id, parent.span_id());
    assert_eq!(spans[0].parent_span_id, spans[1].span_id);
}

#[test]
fn a_provider_is_set_if_there_is_none() {
    let _turn = turn();
    let ((first, first_exporter), (second, second_exporter)) = (provider(), provider());
    assert!(set_global_provider_if_absent(first));
    assert!(!set_global_provider_if_absent(second.clone()));
    global_tracer("test").start("span").end();
    assert_eq!((names(&first_exporter).len(), names(&second_exporter).len()), (1, 0));
    assert!(!second.is_closed());
}

#[test]
fn a_replaced_provider_is_closed_and_no_thread_keeps_it_open() {
    let _turn = turn();
    let (first, _) = provider();
    let kept_tracer = first.tracer("kept");
    set_global_provider(first);
    let (resume, wait) = std::sync::mpsc::channel::<()>();
    let (used, has_used) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        assert!(global_tracer("test").start("elsewhere").is_recording());
        used.send(()).unwrap();
        let _ = wait.recv();
        assert!(!global_tracer("test").start("late").is_recording());
    });
    has_used.recv().unwrap();
    assert!(kept_tracer.start("before").is_recording());
    drop(take_global_provider());
    assert!(!kept_tracer.start("after").is_recording());
    drop(resume);
    thread.join().unwrap();
}

#[test]
fn a_translator_can_decide_and_record_by_a_global_handle() {
    let _turn = turn();
    let (provider, exporter) = provider();
    set_global_provider(provider);
    let tracer = global_tracer("translator");
    assert_eq!(tracer.follow(), None, "the long way is the only one");
    let request = SpanRequest::new("translated");
    let decision = tracer.decide(&request);
    assert!(decision.is_recording);
    let mut recording = RecordingSpan::new();
    recording.start_decided(&tracer, &request, &decision);
    recording.end(None);
    assert_eq!(names(&exporter), ["translated"]);
    assert_eq!(exporter.finished_spans()[0].scope.name(), "translator");
    let provider = take_global_provider().unwrap();
    recording.start_decided(&tracer, &request, &decision);
    recording.end(None);
    assert_eq!(names(&exporter).len(), 1, "the slot's last span ends once");
    assert!(!provider.is_closed());
}

#[test]
fn a_thread_keeps_a_bounded_number_of_tracers() {
    let _turn = turn();
    let (provider, exporter) = provider();
    set_global_provider(provider);
    for n in 0..3 * MAX_TRACERS {
        global_scoped_tracer(InstrumentationScope::new(format!("{n}"), "")).start("span").end();
        let n_kept = GLOBAL.local(&LOCAL).tracers.borrow().len();
        assert!((1..=MAX_TRACERS).contains(&n_kept), "{n_kept} after {n}");
    }
    let scopes: Vec<String> =
        exporter.finished_spans().iter().map(|span| span.scope.name().to_owned()).collect();
    assert_eq!(scopes, (0..3 * MAX_TRACERS).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn spans_start_while_the_provider_is_being_replaced() {
    let _turn = turn();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let tracer = global_tracer("test");
                while !is_done.load(Ordering::Relaxed) {
                    tracer.in_span("outer", |_| tracer.start("inner").end());
                }
            });
        }
        for n in 0..200 {
            if n % 3 == 0 {
                drop(take_global_provider());
            } else if n % 3 == 1 {
                let sampler = AlwaysOffSampler;
                set_global_provider(TracerProvider::builder().sampler(sampler).build());
            } else {
                let (provider, exporter) = provider();
                set_global_provider(provider);
                global_tracer("here").start("own").end();
                assert!(names(&exporter).contains(&"own".to_owned()));
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn handles_work_while_a_threads_locals_are_being_dropped() {
    struct StartsLate;
    impl Drop for StartsLate {
        fn drop(&mut self) {
            global_tracer("late").start("at the end of the thread").end();
        }
    }
    thread_local! {
        static LATE: RefCell<Option<StartsLate>> = const { RefCell::new(None) };
    }
    let _turn = turn();
    let (provider, exporter) = provider();
    set_global_provider(provider);
    thread::spawn(|| {
        LATE.set(Some(StartsLate));
        global_tracer("early").start("before").end();
    })
    .join()
    .unwrap();
    assert_eq!(names(&exporter), ["before", "at the end of the thread"]);
}
