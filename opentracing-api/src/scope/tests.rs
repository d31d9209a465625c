use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

use super::*;
use crate::global::tests::alone_with_the_global_tracer;
use crate::mock::MockTracer;
use crate::mock::tests::recording;
use crate::{Tracer, child_of};

#[test]
fn nothing_is_active_at_first() {
    assert_eq!(recording().1.active_span(), None);
    assert!(ThreadLocalScopes.active_context().is_none());
}

#[test]
fn a_scope_makes_its_span_active_and_finishes_it_once() {
    let (mock, tracer) = recording();
    let scope = tracer.start_active_span("s");
    assert_eq!(tracer.active_span().as_ref(), Some(scope.span()));
    assert_eq!(ThreadLocalScopes.active_context(), Some(scope.context()));
    scope.set_tag("k", 1);
    scope.close();
    assert_eq!(tracer.active_span(), None);
    assert_eq!(mock.finished_names(), ["s"]);
}

#[test]
fn the_active_span_is_lent_while_scopes_come_and_go() {
    let (mock, tracer) = recording();
    assert_eq!(tracer.with_active_span(|_| ()), None);
    let outer = tracer.start_active_span("outer");
    let name = tracer.with_active_span(|span| {
        span.set_tag("lent", true);
        let inner = tracer.start_active_span("inner");
        assert_eq!(tracer.with_active_span(Clone::clone).as_ref(), Some(inner.span()));
        drop(inner);
        outer.close();
        assert_eq!(tracer.with_active_span(|_| ()), None, "closed while it is lent");
        span.context().to_span_id()
    });
    assert_eq!(name, Some(mock.span("outer").context.to_span_id()));
    assert_eq!(*mock.span("outer").tag("lent").unwrap(), true);
    let _nothing = tracer.activate_none();
    assert_eq!(tracer.with_active_span(|_| ()), None);
    assert_eq!(Tracer::noop().with_active_span(|_| ()), None);
}

#[test]
fn a_span_that_is_only_lent_is_not_finished() {
    let (mock, tracer) = recording();
    let span = tracer.start_span("s").into_shared();
    let scope = tracer.activate(&span);
    assert_eq!(tracer.active_span(), Some(span.clone()), "the same span, not a copy");
    scope.close();
    tracer.activate(span.clone()).close();
    assert!(mock.finished_spans().is_empty() && span.is_recording());
    tracer.activate(tracer.start_span("owned")).close();
    assert_eq!(mock.finished_names(), ["owned"]);
}

#[test]
fn nested_scopes_restore_what_was_active_before() {
    let (mock, tracer) = recording();
    let outer = tracer.start_active_span("outer");
    {
        let inner = tracer.start_active_span("inner");
        assert_eq!(tracer.active_span().as_ref(), Some(inner.span()));
    }
    assert_eq!(tracer.active_span().as_ref(), Some(outer.span()));
    drop(outer);
    assert_eq!(mock.finished_names(), ["inner", "outer"]);
    mock.assert_child_of("inner", "outer");
}

#[test]
fn a_scope_closed_too_early_waits_for_the_one_above_it() {
    let (mock, tracer) = recording();
    let bottom = tracer.start_active_span("bottom");
    let parent = tracer.start_active_span("parent");
    let child = tracer.start_active_span("child");
    parent.close();
    assert_eq!(tracer.active_span().as_ref(), Some(child.span()));
    assert!(mock.finished_spans().is_empty());
    child.close();
    assert_eq!(mock.finished_names(), ["child", "parent"]);
    assert_eq!(tracer.active_span().as_ref(), Some(bottom.span()));
    bottom.close();
    assert_eq!(tracer.active_span(), None);
}

#[test]
fn scopes_in_a_vec_close_front_to_back_and_all_finish() {
    let (mock, tracer) = recording();
    drop(
        ["a", "b", "c"].map(|name| tracer.start_active_span(name)).into_iter().collect::<Vec<_>>(),
    );
    assert_eq!(mock.finished_names(), ["c", "b", "a"]);
    assert_eq!((tracer.active_span(), DEPTH.get()), (None, 0));
}

#[test]
fn other_threads_have_their_own_active_span() {
    let (mock, tracer) = recording();
    let scope = tracer.start_active_span("here");
    let span = scope.span();
    thread::scope(|threads| {
        threads.spawn(|| {
            assert_eq!(tracer.active_span(), None);
            let elsewhere = tracer.activate(span);
            assert_eq!(tracer.active_span().as_ref(), Some(span));
            tracer.start_span("there").finish();
            elsewhere.close();
        });
    });
    assert_eq!(tracer.active_span().as_ref(), Some(scope.span()));
    assert_eq!(mock.span("there").parent_id, Some(span.context().span_id()));
}

#[test]
fn no_span_is_active_in_a_scope_without_one() {
    let (mock, tracer) = recording();
    let outer = tracer.start_active_span("outer");
    let none = tracer.activate_none();
    assert_eq!(tracer.active_span(), None);
    assert!(none.context().is_empty());
    tracer.start_span("detached").finish();
    none.close();
    assert_eq!(tracer.active_span().as_ref(), Some(outer.span()));
    mock.assert_root("detached");
}

#[test]
fn a_span_finished_while_active_stays_active_and_a_parent() {
    let (mock, tracer) = recording();
    let scope = tracer.start_active_span("s");
    scope.finish();
    assert_eq!(tracer.active_span().as_ref(), Some(scope.span()));
    tracer.start_span("child").finish();
    tracer.start_span_with("explicit", child_of(&scope)).finish();
    scope.close();
    assert_eq!(mock.finished_names(), ["s", "child", "explicit"]);
    mock.assert_child_of("child", "s");
}

#[test]
fn a_scope_dropped_by_a_panic_marks_the_span_it_finishes() {
    let (mock, tracer) = recording();
    let lent = tracer.start_span("lent").into_shared();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _lent = tracer.activate(&lent);
        let _owned = tracer.start_active_span("owned");
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    lent.finish();
    assert_eq!(mock.span("owned").log_lines(), ["event=error message=panic"]);
    assert_eq!(mock.span("lent").tag("error"), None);
    assert_eq!(tracer.active_span(), None);
}

#[test]
fn the_noop_tracer_finishes_a_span_it_is_given_but_activates_nothing() {
    let (mock, tracer) = recording();
    let scope = Tracer::noop().activate(tracer.start_span("s"));
    assert_eq!((Tracer::noop().active_span(), tracer.active_span()), (None, None));
    scope.close();
    assert_eq!(mock.finished_names(), ["s"]);
}

#[test]
fn an_implementation_may_keep_the_active_span_itself() {
    /// One stack for all threads.
    #[derive(Default)]
    struct ProcessScopes(Mutex<Vec<Option<SharedSpan>>>);
    impl ScopeManager for ProcessScopes {
        fn active(&self) -> Option<SharedSpan> {
            self.0.lock().unwrap().last().cloned().flatten()
        }
        fn enter(&self, span: Option<SharedSpan>) -> u64 {
            let mut stack = self.0.lock().unwrap();
            stack.push(span);
            stack.len() as u64 - 1
        }
        fn exit(&self, scope: u64, finish: Option<SharedSpan>) {
            let left = self.0.lock().unwrap().split_off(scope as usize);
            if let Some(span) = finish {
                span.finish();
            }
            drop(left);
        }
    }

    let mock = MockTracer::builder().scope_manager(ProcessScopes::default()).build();
    let tracer = Tracer::clone(&mock);
    let scope = tracer.start_active_span("process wide");
    thread::scope(|threads| {
        threads.spawn(|| tracer.start_span("elsewhere").finish());
    });
    assert_eq!(tracer.active_span().as_ref(), Some(scope.span()));
    assert_eq!(ThreadLocalScopes.active(), None);
    drop(scope);
    assert_eq!(tracer.active_span(), None);
    mock.assert_child_of("elsewhere", "process wide");
    assert_eq!(mock.finished_names(), ["elsewhere", "process wide"]);
}

#[test]
fn spans_and_scopes_work_while_a_thread_is_ending() {
    struct Late(Tracer);
    impl Drop for Late {
        fn drop(&mut self) {
            let scope = self.0.start_active_span("late");
            let _ = self.0.active_span();
            self.0.start_span("late child").finish();
            scope.close();
            self.0.start_span("late shared").into_shared().finish();
            crate::global_tracer().start_span("global").finish();
        }
    }
    let _alone = alone_with_the_global_tracer();
    thread_local! {
        static FIRST: RefCell<Option<Late>> = const { RefCell::new(None) };
        static LAST: RefCell<Option<Late>> = const { RefCell::new(None) };
    }
    let (mock, tracer) = recording();
    thread::spawn(move || {
        // One is registered before and one after the thread-locals of this crate: destructors run
        // in either order.
        FIRST.set(Some(Late(tracer.clone())));
        tracer.start_active_span("early").close();
        crate::global_tracer().start_span("global").finish();
        LAST.set(Some(Late(tracer)));
    })
    .join()
    .unwrap();
    assert_eq!(
        mock.finished_spans().iter().filter(|span| span.operation_name == "late").count(),
        2
    );
    assert_eq!(mock.finished_spans().len(), 7);
}

#[test]
fn a_scope_that_closed_out_of_turn_finishes_its_span_at_the_latest_with_its_thread() {
    thread_local! {
        static INNER: RefCell<Option<Scope>> = const { RefCell::new(None) };
    }
    for is_leaked in [false, true] {
        let (mock, tracer) = recording();
        let keeps_outer = thread::spawn(move || {
            // Registered before the stack, so that it is dropped after it.
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
        let kept = keeps_outer.join().unwrap();
        assert!(!kept.is_recording());
        let finished = if is_leaked { vec!["outer"] } else { vec!["outer", "inner"] };
        assert_eq!(mock.finished_names(), finished);
    }
}

#[test]
fn a_row_of_scopes_that_each_open_before_the_last_one_closes_keeps_no_more_than_a_few_waiting() {
    let (mock, tracer) = recording();
    let outer = tracer.start_active_span("outer");
    let mut _scope = tracer.start_active_span("step");
    for n in 1..1_000_usize {
        _scope = tracer.start_active_span("step");
        assert_eq!(tracer.active_span().as_ref(), Some(_scope.span()));
        assert_eq!(mock.finished_spans().len(), n.saturating_sub(MAX_WAITING));
    }
    drop(_scope);
    assert_eq!(tracer.active_span().as_ref(), Some(outer.span()));
    assert_eq!(mock.finished_spans().len(), 1_000);
    outer.close();
    assert!(mock.generated_errors().is_empty() && tracer.active_span().is_none());
}

#[test]
fn an_unknown_scope_number_changes_nothing() {
    let (_, tracer) = recording();
    let scope = tracer.start_active_span("s");
    ThreadLocalScopes.exit(7, None);
    ThreadLocalScopes.exit(u64::MAX, None);
    assert_eq!(tracer.active_span().as_ref(), Some(scope.span()));
    assert!(format!("{scope:?}").contains("finishes_span: true"));
}

#[test]
fn a_scope_stays_on_its_thread() {
    struct Probe<T>(PhantomData<T>);
    impl<T: Send> Probe<T> {
        fn is_send(&self) -> bool {
            true
        }
    }
    trait Otherwise {
        fn is_send(&self) -> bool {
            false
        }
    }
    impl<T> Otherwise for Probe<T> {}
    assert!(!Probe::<Scope>(PhantomData).is_send());
    assert!(Probe::<SharedSpan>(PhantomData).is_send());
}
