use std::future::Future;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::thread;

use opentracing_api::{InSpan, Scope, StartSpanOptions, Tracer, child_of, fields};
use otel_core::exporter::InMemoryExporter;
use otel_core::record::SpanData;
use otel_core::{SimpleProcessor, StatusCode, TracerProvider};

use super::*;
use crate::tracer::TracerShim;

/// OpenTracing and the core over one provider.
struct Both {
    tracer: Tracer,
    core: otel_core::Tracer,
    exporter: InMemoryExporter,
}

impl Both {
    fn new() -> Self {
        Self::with(|shim| shim.shares_context(true))
    }

    fn with(set: impl FnOnce(TracerShim) -> TracerShim) -> Self {
        let exporter = InMemoryExporter::new();
        let processor = SimpleProcessor::new(exporter.clone());
        let provider = TracerProvider::builder().processor(processor).build();
        let core = provider.tracer("core");
        Self { tracer: Tracer::new(set(TracerShim::new(provider))), core, exporter }
    }

    #[track_caller]
    fn span(&self, name: &str) -> SpanData {
        let spans = self.exporter.finished_spans();
        spans.into_iter().find(|span| span.name == name).unwrap()
    }

    fn finished_names(&self) -> Vec<String> {
        self.exporter.finished_spans().into_iter().map(|span| span.name).collect()
    }
}

#[test]
fn code_of_the_core_sees_an_active_span_as_current_writes_to_it_and_starts_its_children() {
    let both = Both::new();
    let mut span = both.tracer.start_span("outer");
    span.set_baggage_item("user", "ann");
    let scope = both.tracer.activate(span);
    let current = Context::current();
    let seen = current.span().unwrap();
    assert_eq!(seen.context(), to_core(&scope.context()));
    assert!(seen.is_recording());
    assert_eq!(current.baggage().get("user"), Some("ann"));
    seen.set_attribute("from core", 7).set_status(StatusCode::Error, "broken");
    both.core.start("inner").end();
    scope.close();
    assert!(!seen.is_recording(), "it has finished");
    seen.set_attribute("late", 1);
    let (inner, outer) = (both.span("inner"), both.span("outer"));
    assert_eq!((inner.parent_span_id, inner.trace_id), (outer.span_id, outer.trace_id));
    assert_eq!(outer.attribute("from core").unwrap(), &7);
    assert_eq!((outer.attributes.len(), outer.status), (1, StatusCode::Error));
    assert!(Context::current().span().is_none());
}

#[test]
fn a_current_span_of_the_core_is_active_here_and_the_parent_of_what_starts() {
    let both = Both::new();
    let baggage = Baggage::new().with("user", "ann");
    let _guard = Context::current().with_baggage(baggage).attach();
    let outer = both.core.start_as_current("outer");
    let active = both.tracer.active_span().unwrap();
    assert_eq!(to_core(&active.context()), outer.context());
    assert_eq!(active.tracer(), both.tracer);
    active.set_tag("error", true).set_tag("n", 7).log_kv(fields! { "event" => "hit" });
    let inner = both.tracer.start_span("inner");
    assert_eq!(inner.baggage_item("user"), Some("ann"));
    inner.finish();
    drop(outer);
    active.set_tag("late", 1);
    let (inner, outer) = (both.span("inner"), both.span("outer"));
    assert_eq!((inner.parent_span_id, inner.trace_id), (outer.span_id, outer.trace_id));
    assert!(inner.links.is_empty(), "nobody named it");
    assert_eq!((outer.status, outer.attributes.len()), (StatusCode::Error, 1));
    assert_eq!(outer.events[0].name, "hit");
}

#[test]
fn scopes_of_both_kinds_nest_and_each_gives_back_what_was_before() {
    let both = Both::new();
    let first = both.tracer.start_active_span("1");
    let second = both.core.start_as_current("2");
    assert_ne!(both.tracer.active_span().as_ref(), Some(first.span()), "not the stale outer one");
    let third = both.tracer.start_active_span("3");
    assert_eq!(both.tracer.active_span().as_ref(), Some(third.span()));
    both.core.start("4").end();
    third.close();
    assert_eq!(to_core(&both.tracer.active_span().unwrap().context()), second.context());
    drop(second);
    assert_eq!(both.tracer.active_span().as_ref(), Some(first.span()), "the very span");
    first.close();
    assert_eq!(both.tracer.active_span(), None);
    assert_eq!(both.finished_names(), ["4", "3", "2", "1"]);
    for (child, parent) in [("4", "3"), ("3", "2"), ("2", "1")] {
        assert_eq!(both.span(child).parent_span_id, both.span(parent).span_id, "{child}");
    }
}

#[test]
fn every_look_at_a_span_of_the_core_finds_the_same_handle_and_the_same_baggage() {
    let both = Both::new();
    let outer = both.core.start_as_current("outer");
    let (one, two) = (both.tracer.active_span().unwrap(), both.tracer.active_span().unwrap());
    assert_eq!(one, two);
    one.set_baggage_item("k", "v");
    assert_eq!(two.baggage_item("k").as_deref(), Some("v"));
    assert_eq!(both.tracer.start_span("child").baggage_item("k"), Some("v"));
    // Activated once more, it is still the core's own span.
    let again = both.tracer.activate(&one);
    assert_eq!(Context::current().span(), Some(&*outer));
    assert_eq!(Context::current().baggage().get("k"), Some("v"));
    again.close();
    assert!(outer.is_recording(), "a scope that was only lent it finishes nothing");
    drop((one, two));
    assert!(outer.is_recording());
    both.tracer.active_span().unwrap().finish();
    assert!(!outer.is_recording(), "asked to finish, it does");
}

#[test]
fn the_baggage_of_the_core_is_a_spans_at_its_next_activation_and_not_before() {
    let both = Both::new();
    let span = both.tracer.start_span("span").into_shared();
    let stale = Context::current().with_baggage(Baggage::new().with("tenant", "stale")).attach();
    let scope = both.tracer.activate(&span);
    assert!(Context::current().baggage().is_empty(), "the span's, though it has none");
    span.set_baggage_item("k", "v");
    assert!(Context::current().baggage().is_empty());
    assert_eq!(both.tracer.start_span("child").baggage_item("k"), Some("v"));
    let again = both.tracer.activate(&span);
    assert_eq!(Context::current().baggage().get("k"), Some("v"));
    again.close();
    scope.close();
    assert_eq!(Context::current().baggage().get("tenant"), Some("stale"));
    drop(stale);
}

#[test]
fn in_a_scope_without_a_span_nothing_is_current_and_no_baggage_either() {
    let both = Both::new();
    let outer = both.core.start_as_current("outer");
    let _guard = Context::current().with_baggage(Baggage::new().with("k", "v")).attach();
    let none = both.tracer.activate_none();
    assert_eq!(both.tracer.active_span(), None);
    assert!(Context::current().baggage().is_empty());
    both.tracer.start_span("root").finish();
    both.core.start("core root").end();
    none.close();
    assert_eq!(to_core(&both.tracer.active_span().unwrap().context()), outer.context());
    assert!(!both.span("root").parent_span_id.is_valid());
    assert!(!both.span("core root").parent_span_id.is_valid());
}

#[test]
fn baggage_that_is_current_without_a_span_goes_to_what_starts_unless_that_is_refused() {
    let both = Both::new();
    let _guard = Context::new().with_baggage(Baggage::new().with("user", "ann")).attach();
    let active = both.tracer.active_span().unwrap();
    assert!(!active.is_recording() && !active.context().is_valid());
    assert_eq!(active.baggage_item("user").as_deref(), Some("ann"));
    let root = both.tracer.start_span("root");
    assert!(root.context().is_valid() && root.is_recording());
    assert_eq!(root.baggage_item("user"), Some("ann"));
    let alone = both.tracer.start_span_with("alone", StartSpanOptions::new().ignore_active_span());
    assert_eq!(alone.baggage_item("user"), None);
    let explicit = both.tracer.start_span_with("explicit", child_of(&alone));
    assert_eq!(explicit.baggage_item("user"), None);
}

#[test]
fn a_scope_closed_too_early_waits_for_the_one_above_it() {
    let both = Both::new();
    let bottom = both.tracer.start_active_span("bottom");
    let parent = both.tracer.start_active_span("parent");
    let child = both.tracer.start_active_span("child");
    parent.close();
    assert_eq!(both.tracer.active_span().as_ref(), Some(child.span()));
    assert!(both.finished_names().is_empty());
    child.close();
    assert_eq!(both.finished_names(), ["child", "parent"]);
    assert_eq!(both.tracer.active_span().as_ref(), Some(bottom.span()));
    bottom.close();
    assert!(Context::current().span().is_none());
}

#[test]
fn a_future_takes_span_and_baggage_along_for_both() {
    let both = Both::new();
    let mut span = both.tracer.start_span("work");
    span.set_baggage_item("k", "v");
    let work = async {
        let first = (both.tracer.active_span(), Context::current().span_context());
        let mut is_pending = true;
        std::future::poll_fn(|_| match mem::take(&mut is_pending) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
        assert_eq!(Context::current().baggage().get("k"), Some("v"));
        assert_eq!((both.tracer.active_span(), Context::current().span_context()), first);
    };
    let mut work = pin!(work.in_span(span));
    let mut context = std::task::Context::from_waker(Waker::noop());
    assert!(work.as_mut().poll(&mut context).is_pending());
    assert!(Context::current().span().is_none());
    assert!(work.as_mut().poll(&mut context).is_ready());
    assert_eq!(both.finished_names(), ["work"]);
}

#[test]
fn without_the_implicit_parent_only_references_make_children() {
    for shares_context in [true, false] {
        let both = Both::with(|shim| shim.implicit_parent(false).shares_context(shares_context));
        let scope = both.tracer.start_active_span("outer");
        assert_eq!(both.tracer.active_span().as_ref(), Some(scope.span()));
        both.tracer.start_span("root").finish();
        both.tracer.start_span_with("child", child_of(&scope)).finish();
        scope.close();
        assert!(!both.span("root").parent_span_id.is_valid());
        assert_eq!(both.span("child").parent_span_id, both.span("outer").span_id);
    }
}

#[test]
fn kept_apart_neither_sees_the_other() {
    let both = Both::with(|shim| shim.shares_context(false));
    let scope = both.tracer.start_active_span("here");
    assert!(Context::current().span().is_none());
    scope.close();
    let _current = both.core.start_as_current("there");
    assert_eq!(both.tracer.active_span(), None);
}

#[test]
fn spans_of_another_implementation_are_current_too_and_take_no_attributes() {
    let both = Both::new();
    let foreign = SpanContext::new(1, 2, SpanContext::SAMPLED);
    let other = Both::new();
    let span = other.tracer.start_span_with("other", child_of(&foreign)).into_shared();
    let scope = both.tracer.activate(&span);
    assert_eq!(both.tracer.active_span().as_ref(), Some(&span));
    let seen = Context::current().span().unwrap().clone();
    assert_eq!(seen.context().trace_id().low(), 1);
    scope.close();
    seen.end();
    assert!(!span.is_recording());
}

#[test]
fn a_panic_while_the_core_writes_leaves_the_span_as_it_was() {
    let both = Both::new();
    let scope = both.tracer.start_active_span("outer");
    let seen = Context::current().span().unwrap().clone();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        seen.with(|span| {
            span.set_attribute("before", 1);
            std::panic::resume_unwind(Box::new(()));
        });
    }));
    assert!(panicked.is_err());
    seen.set_attribute("after", 2);
    scope.close();
    assert_eq!(both.span("outer").attributes.len(), 2);
}

#[test]
fn while_either_side_works_on_a_span_the_other_can_look_at_it_and_start_children() {
    let both = Both::new();
    let outer = both.core.start_as_current("outer");
    outer.with(|_| {
        let active = both.tracer.active_span().unwrap();
        assert!(active.is_recording());
        both.tracer.activate(&active).close();
        both.tracer.start_span("child").finish();
    });
    drop(outer);
    let scope = both.tracer.start_active_span("here");
    scope.with(|_| {
        let current = Context::current();
        let seen = current.span().unwrap();
        assert!(seen.is_recording() && seen.context().is_valid());
        both.tracer.activate(scope.span()).close();
        both.core.start("inside").end();
    });
    scope.close();
    assert_eq!(both.span("child").parent_span_id, both.span("outer").span_id);
    assert_eq!(both.span("inside").parent_span_id, both.span("here").span_id);
}

#[test]
fn a_span_of_the_core_that_is_not_recorded_is_active_and_handed_on() {
    let both = Both::new();
    let remote = to_core(&SpanContext::new(1, 2, SpanContext::SAMPLED)).with_remote(true);
    let _guard = Context::new().with_span_context(remote).attach();
    let active = both.tracer.active_span().unwrap();
    assert!(!active.is_recording() && active.context().is_sampled());
    active.set_tag("ignored", 1);
    both.tracer.start_span("child").finish();
    assert_eq!(both.span("child").parent_span_id.as_u64(), 2);
}

#[test]
fn scopes_end_with_their_thread_whatever_was_leaked_and_in_whichever_order_its_locals_go() {
    thread_local! {
        static INNER: RefCell<Option<Scope>> = const { RefCell::new(None) };
    }
    for is_leaked in [false, true] {
        let both = Both::new();
        let tracer = both.tracer.clone();
        let thread = thread::spawn(move || {
            // Registered before the stacks, so that it is dropped after them.
            INNER.set(None);
            let (outer, inner) =
                (tracer.start_active_span("outer"), tracer.start_active_span("inner"));
            let kept = outer.span().clone();
            drop(outer);
            if is_leaked {
                mem::forget(inner);
            } else {
                INNER.set(Some(inner));
            }
            kept
        });
        assert!(!thread.join().unwrap().is_recording());
        let finished = if is_leaked { vec!["outer"] } else { vec!["outer", "inner"] };
        assert_eq!(both.finished_names(), finished);
    }
}

#[test]
fn a_row_of_scopes_that_each_open_before_the_last_one_closes_keeps_no_more_than_a_few_waiting() {
    let both = Both::new();
    let mut _scope = both.tracer.start_active_span("step");
    for n in 1..300_usize {
        _scope = both.tracer.start_active_span("step");
        assert_eq!(both.tracer.active_span().as_ref(), Some(_scope.span()));
        assert_eq!(both.finished_names().len(), n.saturating_sub(MAX_WAITING));
    }
    drop(_scope);
    assert_eq!(both.tracer.active_span(), None);
    assert_eq!(both.finished_names().len(), 300);
}
