use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use super::*;
use crate::mock::tests::recording;
use crate::{StartSpanOptions, child_of, fields};

#[test]
fn every_type_of_value_reaches_its_setter() {
    let (mock, tracer) = recording();
    let mut span = tracer.start_span("s");
    span.set_tag("bool", true)
        .set_tag("i64", -1_i8)
        .set_tag("u64", u64::MAX)
        .set_tag("small u64", 5_u64)
        .set_tag("f64", 0.5_f32)
        .set_tag("str", "text")
        .set_tag("string", String::from("text"))
        .set_tag("bytes", &[1, 2])
        .set_tag("wide", u128::MAX)
        .set_tag("display", Value::display(&1.5))
        .set_tag("debug", Value::debug(&"q"))
        .set_tag("none", None::<&str>);
    span.finish();
    let span = mock.span("s");
    let tag = |key| span.tag(key).unwrap();
    assert_eq!(*tag("bool"), true);
    assert_eq!(*tag("i64"), -1);
    assert_eq!(*tag("u64"), u64::MAX);
    assert_eq!(*tag("small u64"), 5);
    assert_eq!(*tag("f64"), 0.5);
    assert_eq!((tag("str").to_string(), tag("string").to_string()), ("text".into(), "text".into()));
    assert_eq!(*tag("bytes"), [1, 2][..]);
    assert_eq!(*tag("wide"), u128::MAX.to_string());
    assert_eq!(
        (tag("display").to_string(), tag("debug").to_string()),
        ("1.5".into(), "\"q\"".into())
    );
    assert_eq!(span.tag("none"), None);
}

#[test]
fn the_last_value_of_a_key_wins() {
    let (mock, tracer) = recording();
    let mut span = tracer.start_span_with("s", StartSpanOptions::new().tag("k", 1));
    span.set_tag("k", "2").set_tag("k", true);
    span.finish();
    let span = mock.span("s");
    assert_eq!((span.tags.len(), &span.tags["k"]), (1, &true.into()));
}

#[test]
fn keys_and_values_are_any_unicode() {
    let (mock, tracer) = recording();
    let mut span = tracer.start_span("\u{200b}");
    span.set_tag("\u{200b}", "\u{200b}é")
        .set_baggage_item("\u{200b}", "ü")
        .log_kv([("\u{200b}", "日")]);
    span.finish();
    let span = mock.span("\u{200b}");
    assert_eq!(*span.tag("\u{200b}").unwrap(), "\u{200b}é");
    assert_eq!(span.context.baggage_item("\u{200b}"), Some("ü"));
    assert_eq!(span.log_lines(), ["\u{200b}=日"]);
}

#[test]
fn every_setter_returns_the_same_span() {
    let (_, tracer) = recording();
    let mut span = tracer.start_span("s");
    let address: *const Span = &span;
    let chained: *const Span = span
        .set_tag("k", 1)
        .set_operation_name("t")
        .set_baggage_item("k", "v")
        .log_event("e")
        .log_kv([("k", 1)])
        .log_kv_at(SystemTime::now(), [("k", 1)])
        .log_error(&io::Error::other("e"));
    assert_eq!(address, chained);
}

#[test]
fn logs_have_their_fields_in_order_and_their_time() {
    let (mock, tracer) = recording();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let mut span = tracer.start_span("s");
    span.log_event("started")
        .log_kv([("a", 1), ("b", 2)])
        .log_kv_at(time, fields! { "event" => "hit", "none" => None::<u8>, "n" => 3, "late" => Value::debug(&"q") })
        .log_kv(vec![(String::from("owned"), String::from("too"))]);
    span.finish();
    let span = mock.span("s");
    assert_eq!(
        span.log_lines(),
        ["event=started", "a=1 b=2", "event=hit n=3 late=\"q\"", "owned=too"]
    );
    assert!([0, 1, 3].into_iter().all(|log| span.logs[log].time >= span.start_time));
    assert_eq!(span.logs[2].time, time);
}

#[test]
fn an_error_is_recorded_with_its_type_and_causes() {
    #[derive(Debug)]
    struct Outer(io::Error);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    let (mock, tracer) = recording();
    let mut span = tracer.start_span("s");
    let error = Outer(io::Error::other("inner"));
    let boxed: Box<dyn Error + Send + Sync> = "boxed".into();
    span.log_error(&error).log_error(&*boxed);
    span.finish();
    let span = mock.span("s");
    assert_eq!(*span.tag("error").unwrap(), true);
    let kind = std::any::type_name::<Outer>();
    assert_eq!(
        span.log_lines(),
        [
            format!("event=error message=outer error.kind={kind} stack=caused by: inner"),
            "event=error message=boxed".to_owned()
        ]
    );
}

#[test]
fn a_chain_of_causes_that_never_ends_is_cut() {
    #[derive(Debug)]
    struct Endless;
    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }
    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Self)
        }
    }
    assert_eq!(Failure::of_error(&Endless).stack.unwrap().lines().count(), 32);
}

#[test]
fn a_span_finishes_once_by_hand_or_when_dropped() {
    let (mock, tracer) = recording();
    tracer.start_span("by hand").finish();
    drop(tracer.start_span("dropped"));
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    tracer.start_span("at").finish_at(time);
    assert_eq!(mock.finished_names(), ["by hand", "dropped", "at"]);
    assert_eq!(mock.span("at").finish_time, Some(time));
    assert_eq!(mock.span("dropped").tag("error"), None);
}

#[test]
fn a_context_outlives_its_span_and_never_changes() {
    let (mock, tracer) = recording();
    let mut span = tracer.start_span("s");
    span.set_baggage_item("k", "old");
    let before = span.context();
    span.set_baggage_item("k", "new");
    let after = span.context();
    span.finish();
    assert_eq!((before.baggage_item("k"), after.baggage_item("k")), (Some("old"), Some("new")));
    tracer.start_span_with("child", child_of(&before)).finish();
    assert_eq!(mock.span("child").context.baggage_item("k"), Some("old"));
}

#[test]
fn baggage_goes_down_to_later_children_only() {
    let (mock, tracer) = recording();
    let mut parent = tracer.start_span("parent");
    let early = tracer.start_span_with("early", child_of(&parent));
    parent.set_baggage_item("k", "v").set_baggage_item("", "ignored");
    let mut late = tracer.start_span_with("late", child_of(&parent));
    assert_eq!((early.baggage_item("k"), late.baggage_item("k")), (None, Some("v")));
    late.set_baggage_item("k", "changed").set_baggage_item("l", "new");
    assert_eq!((parent.baggage_item("k"), parent.baggage_item("l")), (Some("v"), None));
    assert_eq!(late.baggage_item("missing"), None);
    let told = &mock.unfinished_spans()[0];
    assert_eq!(told.baggage_item("k"), Some("v"), "the backend learns of it");
}

#[test]
fn an_unsampled_span_is_not_recorded_but_real() {
    let (mock, tracer) = recording();
    let mut span = tracer.start_span("unsampled");
    assert!(!span.is_recording() && span.context().is_valid() && !span.context().is_sampled());
    span.set_tag("k", 1).log_event("e").set_operation_name("t").log_error(&io::Error::other("e"));
    span.set_baggage_item("k", "v");
    let child = tracer.start_span_with("child", child_of(&span));
    assert_eq!(child.context().trace_id(), span.context().trace_id());
    assert_eq!(child.baggage_item("k"), Some("v"));
    assert_eq!(child.tracer(), tracer);
    let mut headers = Vec::new();
    tracer.inject(&span, crate::Inject::TextMap(&mut headers)).unwrap();
    assert_eq!(headers.len(), 4, "three for the ids and the flag, one for baggage");
    drop((child, span));
    assert!(mock.finished_spans().is_empty());
}

#[test]
fn values_of_an_unrecorded_span_are_not_formatted() {
    struct Loud;
    impl fmt::Display for Loud {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            unreachable!("formatted for nobody")
        }
    }
    let (_, tracer) = recording();
    let mut span = tracer.start_span("unsampled");
    span.set_tag("k", Value::display(&Loud)).log_kv([("k", Value::display(&Loud))]);
    let shared = span.into_shared();
    shared.set_tag("k", Value::display(&Loud)).log_kv([("k", Value::display(&Loud))]);
}

#[test]
fn a_tag_may_change_the_flags() {
    let (_, tracer) = recording();
    let mut span = tracer.start_span("s");
    span.set_tag(tags::SAMPLING_PRIORITY, 0);
    assert!(!span.context().is_sampled());
}

#[test]
fn a_span_dropped_by_a_panic_is_marked() {
    let (mock, tracer) = recording();
    let unsampled = tracer.start_span("unsampled");
    let span = tracer.start_span("panics");
    let finished_by_hand = tracer.start_span("finished");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _spans = (unsampled, span);
        finished_by_hand.finish();
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    let span = mock.span("panics");
    assert_eq!(*span.tag("error").unwrap(), true);
    assert_eq!(span.log_lines(), ["event=error message=panic"]);
    assert_eq!(mock.span("finished").tag("error"), None);
}

#[test]
fn a_span_has_a_debug_form() {
    let (_, tracer) = recording();
    let text = format!("{:?}", tracer.start_span("s"));
    assert!(
        text.contains("span_id: 0000000000000002") && text.contains("is_recording: true"),
        "{text}"
    );
}

#[test]
fn a_value_that_cannot_be_formatted_leaves_what_came_until_then() {
    #[derive(Debug)]
    struct Fails;
    impl fmt::Display for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("part")?;
            Err(fmt::Error)
        }
    }
    impl Error for Fails {}
    let (mock, tracer) = recording();
    let mut span = tracer.start_span("span");
    span.set_tag("key", Value::display(&Fails)).log_error(&Fails);
    span.finish();
    assert_eq!(*mock.span("span").tag("key").unwrap(), "part");
}
