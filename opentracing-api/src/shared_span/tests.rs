use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::Duration;

use super::*;
use crate::mock::tests::recording;
use crate::{child_of, fields, tags};

#[test]
fn everything_set_on_any_clone_is_on_the_one_span() {
    let (mock, tracer) = recording();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let span = tracer.start_span("s").into_shared();
    let clone = span.clone();
    clone
        .set_operation_name("renamed")
        .set_tag("k", 1)
        .log_event("e")
        .log_kv(fields! { "a" => 1, "b" => "2" });
    span.log_kv_at(time, [("c", 3)]).log_error(&io::Error::other("oh"));
    span.with(|span| drop_it(span.set_tag("with", true)));
    assert_eq!(span, clone);
    clone.finish_at(time);
    let record = mock.span("renamed");
    assert_eq!((record.tags.len(), record.finish_time), (3, Some(time)));
    assert_eq!(record.log_lines()[..3], ["event=e", "a=1 b=2", "c=3"]);
    assert_eq!(record.logs[2].time, time);
}

fn drop_it(span: &mut Span) {
    assert!(span.is_recording());
}

#[test]
fn only_the_first_finish_counts_and_nothing_changes_after_it() {
    let (mock, tracer) = recording();
    let span = tracer.start_span("s").into_shared();
    span.set_baggage_item("k", "v").finish_at(SystemTime::UNIX_EPOCH);
    span.set_tag("late", 1)
        .log_event("late")
        .set_operation_name("late")
        .set_baggage_item("k", "late")
        .finish();
    span.with(|span| drop(span.context()));
    let context = span.context();
    assert!(context.is_valid() && !span.is_recording());
    assert_eq!(span.baggage_item("k").as_deref(), Some("v"));
    assert_eq!(span.tracer(), tracer);
    drop(span);
    assert_eq!(mock.finished_names(), ["s"]);
    let record = mock.span("s");
    assert_eq!((record.tags.len(), record.logs.len()), (0, 0));
    assert_eq!(record.finish_time, Some(SystemTime::UNIX_EPOCH));
}

#[test]
fn a_shared_span_finishes_with_its_last_clone() {
    let (mock, tracer) = recording();
    let span = tracer.start_span("s").into_shared();
    let clone = span.clone();
    drop(span);
    assert!(mock.finished_spans().is_empty());
    thread::spawn(move || drop(clone)).join().unwrap();
    assert_eq!(mock.finished_names(), ["s"]);
}

#[test]
fn a_hundred_threads_set_baggage_that_all_can_read() {
    let (_, tracer) = recording();
    for name in ["sampled", "unsampled"] {
        let span = tracer.start_span(name).into_shared();
        thread::scope(|threads| {
            for n in 0..100 {
                let span = span.clone();
                threads.spawn(move || {
                    drop(span.set_baggage_item(&format!("k{n}"), &n.to_string()).context())
                });
            }
        });
        assert_eq!(span.context().baggage().count(), 100, "{name}");
        assert_eq!(span.baggage_item("k42").as_deref(), Some("42"), "{name}");
        assert_eq!(span.baggage_item("missing"), None);
    }
}

#[test]
fn clones_of_an_unsampled_span_share_its_baggage() {
    let (mock, tracer) = recording();
    tracer.in_span("unsampled", |span| {
        span.set_baggage_item("k", "v");
        assert!(!span.is_recording());
        let child = tracer.start_span("unsampled child");
        assert_eq!(child.baggage_item("k"), Some("v"));
        assert_eq!(child.tracer(), span.tracer());
    });
    assert!(mock.finished_spans().is_empty());
}

#[test]
fn equality_is_identity() {
    let (_, tracer) = recording();
    let [a, b] = ["unsampled", "unsampled"].map(|name| tracer.start_span(name).into_shared());
    assert_eq!(a, a.clone());
    assert_ne!(a, b);
    assert_ne!(a, SharedSpan::of_noop());
    assert_eq!(Span::noop().into_shared(), SharedSpan::of_noop());
}

#[test]
fn values_and_iterators_may_use_the_same_span() {
    struct Asks<'a>(&'a SharedSpan);
    impl fmt::Display for Asks<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set_tag("asked", true);
            write!(f, "{}", self.0.context().span_id())
        }
    }
    let (mock, tracer) = recording();
    let span = tracer.start_span("s").into_shared();
    span.set_tag("id", Value::display(&Asks(&span)));
    span.log_kv((0..2).map(|n| ("n", span.set_tag("n", n).context().span_id())));
    span.finish();
    let record = mock.span("s");
    assert_eq!(*record.tag("id").unwrap(), "2");
    assert_eq!(record.log_lines(), ["n=2 n=2"]);
}

#[test]
fn children_can_start_and_the_context_be_read_while_the_span_is_lent() {
    let (mock, tracer) = recording();
    let scope = tracer.start_active_span("parent");
    scope.with(|span| {
        span.set_baggage_item("k", "v");
        tracer.start_span("implicit").finish();
        tracer.start_span_with("explicit", child_of(&*span)).finish();
        assert_eq!((scope.context().span_id(), scope.is_recording()), (2, true));
    });
    assert_eq!(mock.span("implicit").parent_id, Some(2));
    assert_eq!(mock.span("explicit").baggage_item("k"), Some("v"));
    assert_eq!(scope.baggage_item("k").as_deref(), Some("v"));
}

#[test]
fn a_tag_that_changes_the_flags_changes_the_shared_context() {
    let (_, tracer) = recording();
    let span = tracer.start_span("s").into_shared();
    span.set_tag(tags::SAMPLING_PRIORITY, 0);
    assert!(!span.context().is_sampled());
}

#[test]
fn a_span_taken_out_while_lent_leaves_a_noop_behind() {
    let (mock, tracer) = recording();
    let shared = tracer.start_span("taken").into_shared();
    let taken = shared.with(|span| mem::replace(span, Span::noop()));
    assert!(shared.context().is_empty() && !shared.is_recording());
    shared.set_tag("k", 1).finish();
    assert!(mock.finished_spans().is_empty());
    taken.finish();
    assert_eq!(mock.finished_names(), ["taken"]);
}

#[test]
fn a_panic_while_lent_leaves_the_span_usable() {
    let (mock, tracer) = recording();
    let span = tracer.start_span("s").into_shared();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        span.with(|span| {
            span.set_baggage_item("k", "v");
            resume_unwind(Box::new(()))
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(span.baggage_item("k").as_deref(), Some("v"));
    span.set_tag("after", 1).finish();
    assert_eq!(*mock.span("s").tag("after").unwrap(), 1);
}

#[test]
fn reused_cells_remember_nothing() {
    let (mock, tracer) = recording();
    for round in 0..100 {
        let span = tracer.start_span("s").into_shared();
        assert_eq!((span.baggage_item("k"), span.is_recording()), (None, true), "round {round}");
        span.set_baggage_item("k", "v").set_tag("round", round);
        if round % 2 == 0 {
            span.finish();
        }
    }
    assert_eq!(mock.finished_spans().len(), 100);
    let noop = Span::noop().into_shared();
    noop.set_tag("k", 1).finish();
    assert!(noop.context().is_empty() && noop.with(|span| !span.is_recording()));
}
