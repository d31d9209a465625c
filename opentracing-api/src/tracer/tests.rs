use std::collections::HashMap;
use std::time::SystemTime;

use super::*;
use crate::mock::tests::recording;
use crate::{Reference, ReferenceType, StartSpanOptions, child_of, fields, follows_from};

#[test]
fn a_span_has_what_it_was_started_with() {
    let (mock, tracer) = recording();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let options =
        StartSpanOptions::new().tag("text", "a").tags(fields! { "n" => 5_u64, "no" => None::<u8> });
    tracer.start_span_with("work", options.start_time(time)).finish();
    let span = mock.span("work");
    assert_eq!(span.start_time, time);
    assert_eq!(span.tags.len(), 2);
    assert_eq!(*span.tag("n").unwrap(), 5);
}

#[test]
fn a_span_or_a_context_is_a_parent() {
    let (mock, tracer) = recording();
    let parent = tracer.start_span("parent");
    tracer.start_span_with("of span", child_of(&parent)).finish();
    tracer.start_span_with("of context", child_of(&parent.context())).finish();
    tracer.start_span_with("of option", child_of(&Some(&parent))).finish();
    for name in ["of span", "of context", "of option"] {
        let child = mock.span(name);
        assert_eq!(child.parent_id, Some(parent.context().span_id()));
        assert_eq!(child.references, [Reference::new(ReferenceType::ChildOf, parent.context())]);
        assert_eq!(child.context.trace_id(), parent.context().trace_id());
    }
}

#[test]
fn a_reference_to_nothing_is_ignored_and_the_active_span_is_the_parent() {
    let (mock, tracer) = recording();
    let scope = tracer.start_active_span("active");
    let nothing: Option<SpanContext> = None;
    tracer.start_span_with("child", child_of(&nothing).follows_from(&Span::noop())).finish();
    scope.close();
    mock.assert_child_of("child", "active");
    assert!(mock.span("child").references.is_empty());
}

#[test]
fn all_references_are_kept_in_order_and_the_first_child_of_is_the_parent() {
    let (mock, tracer) = recording();
    let [a, b, c] = ["a", "b", "c"].map(|name| tracer.start_span(name));
    tracer.start_span_with("joined", follows_from(&a).child_of(&b).child_of(&c)).finish();
    tracer.start_span_with("followed", follows_from(&c).follows_from(&a)).finish();
    let joined = mock.span("joined");
    assert_eq!(joined.parent_id, Some(b.context().span_id()));
    let types = [ReferenceType::FollowsFrom, ReferenceType::ChildOf, ReferenceType::ChildOf];
    let contexts = [&a, &b, &c].map(Span::context);
    assert!(
        joined
            .references
            .into_iter()
            .eq(types.into_iter().zip(contexts).map(|(t, c)| Reference::new(t, c)))
    );
    assert_eq!(mock.span("followed").parent_id, Some(c.context().span_id()));
}

#[test]
fn baggage_of_all_references_is_inherited_and_the_parent_wins() {
    let (mock, tracer) = recording();
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(|name| tracer.start_span(name));
    a.set_baggage_item("who", "a").set_baggage_item("a", "1");
    b.set_baggage_item("who", "b").set_baggage_item("b", "2");
    c.set_baggage_item("who", "c").set_baggage_item("a", "not first");
    tracer.start_span_with("joined", follows_from(&a).child_of(&b).follows_from(&c)).finish();
    let context = mock.span("joined").context;
    let mut baggage: Vec<_> = context.baggage().collect();
    baggage.sort_unstable();
    assert_eq!(baggage, [("a", "1"), ("b", "2"), ("who", "b")]);
}

#[test]
fn baggage_comes_along_from_whichever_reference_has_it() {
    let (mock, tracer) = recording();
    let plain = tracer.start_span("plain");
    let extension: Arc<dyn std::any::Any + Send + Sync> = Arc::new(7_u8);
    let rich = SpanContext::new(9, 9, 1).with_baggage_item("k", "v").with_extension(extension);
    tracer.start_span_with("child of rich", child_of(&rich)).finish();
    tracer.start_span_with("follows rich", child_of(&plain).follows_from(&rich)).finish();
    tracer.start_span_with("twice rich", child_of(&rich).follows_from(&rich)).finish();
    let baggage_alone = SpanContext::default().with_baggage_item("k", "v");
    tracer
        .start_span_with("of baggage alone", child_of(&plain).follows_from(&baggage_alone))
        .finish();
    for (name, has_extension) in [
        ("child of rich", true),
        ("follows rich", false),
        ("twice rich", true),
        ("of baggage alone", false),
    ] {
        let context = mock.span(name).context;
        assert_eq!(context.baggage().collect::<Vec<_>>(), [("k", "v")], "{name}");
        assert_eq!(context.extension::<u8>().is_some(), has_extension, "{name}");
    }
}

#[test]
fn the_active_span_is_an_implicit_parent_that_gives_its_baggage() {
    let (mock, tracer) = recording();
    let scope = tracer.start_active_span("active");
    scope.set_baggage_item("k", "v");
    tracer.start_span("plain").finish();
    tracer.start_active_span("activated").close();
    scope.close();
    for name in ["plain", "activated"] {
        mock.assert_child_of(name, "active");
        let child = mock.span(name);
        assert!(child.references.is_empty(), "{name}");
        assert_eq!(child.baggage_item("k"), Some("v"), "{name}");
    }
}

#[test]
fn an_explicit_reference_beats_the_active_span() {
    let (mock, tracer) = recording();
    let other = tracer.start_span("other");
    let _scope = tracer.start_active_span_with("active", StartSpanOptions::new().tag("k", 1));
    tracer.start_span_with("explicit", child_of(&other)).finish();
    tracer.start_span_with("root", StartSpanOptions::new().ignore_active_span()).finish();
    tracer.start_span_with("explicit too", child_of(&other).ignore_active_span()).finish();
    other.finish();
    mock.assert_child_of("explicit", "other");
    mock.assert_root("root");
    mock.assert_child_of("explicit too", "other");
}

#[test]
fn a_started_span_is_not_active_so_nested_starts_begin_traces() {
    let (mock, tracer) = recording();
    let outer = tracer.start_span("outer");
    assert_eq!(tracer.active_span(), None);
    let inner = tracer.start_span("inner");
    assert_ne!(outer.context().trace_id(), inner.context().trace_id());
    inner.finish();
    mock.assert_root("inner");
}

#[test]
fn an_operation_name_may_be_empty_and_set_later() {
    let (mock, tracer) = recording();
    let mut span = tracer.start_span("");
    span.set_operation_name("late");
    span.finish();
    assert_eq!(mock.finished_names(), ["late"]);
}

#[test]
fn a_closure_runs_in_an_active_span_that_finishes_after_it() {
    let (mock, tracer) = recording();
    let answer = tracer.in_span("outer", |outer| {
        assert_eq!(tracer.active_span().as_ref(), Some(outer));
        tracer.in_span_with("inner", StartSpanOptions::new().tag("k", 1), |_| 42)
    });
    assert_eq!((answer, mock.finished_names()), (42, vec!["inner".to_owned(), "outer".to_owned()]));
    mock.assert_child_of("inner", "outer");
}

#[test]
fn an_error_of_a_closure_is_recorded_and_returned() {
    let (mock, tracer) = recording();
    let error = tracer.try_in_span("parse", |_| "x".parse::<u8>()).unwrap_err();
    let span = mock.span("parse");
    assert_eq!(*span.tag("error").unwrap(), true);
    let kind = std::any::type_name_of_val(&error);
    assert_eq!(span.log_lines(), [format!("event=error message={error} error.kind={kind}")]);

    let boxed = |_: &SharedSpan| Err::<(), Box<dyn std::error::Error>>("cause".into());
    tracer.try_in_span_with("boxed", StartSpanOptions::new(), boxed).unwrap_err();
    assert_eq!(mock.span("boxed").log_lines(), ["event=error message=cause"]);

    tracer.try_in_span("fine", |_| Ok::<_, String>(())).unwrap();
    assert_eq!(mock.span("fine").tag("error"), None);
}

#[test]
fn a_panic_in_a_closure_is_recorded_and_goes_on() {
    let (mock, tracer) = recording();
    let tracer = std::panic::AssertUnwindSafe(&tracer);
    let panicked = std::panic::catch_unwind(|| {
        tracer.in_span("panics", |_| std::panic::resume_unwind(Box::new("out")))
    });
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"out"));
    let span = mock.span("panics");
    assert_eq!(
        (span.tag("error").cloned(), span.log_lines()),
        (Some(true.into()), vec!["event=error message=panic".into()])
    );
    assert_eq!(tracer.active_span(), None);
}

#[test]
fn a_context_crosses_a_carrier() {
    let (mock, tracer) = recording();
    let span = tracer.start_span("client");
    let mut headers = HashMap::from([("other".to_owned(), "kept".to_owned())]);
    tracer.inject(&span, Inject::HttpHeaders(&mut headers)).unwrap();
    assert_eq!(headers["other"], "kept");
    let caller = tracer.extract(Extract::HttpHeaders(&headers)).unwrap();
    tracer.start_span_with("server", child_of(&caller)).finish();

    let mut bytes = vec![1];
    tracer.inject(&span, Inject::Binary(&mut bytes)).unwrap();
    assert_eq!((bytes[0], bytes.len()), (1, 33), "appended");
    mock.register_injector("u64", |context, carrier| {
        *carrier.downcast_mut::<u64>().ok_or(InjectError::InvalidCarrier)? = context.span_id();
        Ok(())
    });
    let mut own = 0_u64;
    tracer.inject(&span, Inject::Custom("u64", &mut own)).unwrap();
    assert_eq!(own, span.context().span_id());
    let wrong = tracer.inject(&span, Inject::Custom("u64", &mut 1_u8));
    assert!(matches!(wrong, Err(InjectError::InvalidCarrier)));
    span.finish();
    mock.assert_child_of("server", "client");
}

#[test]
fn what_cannot_be_injected_or_extracted_is_an_error() {
    let (_, tracer) = recording();
    let (span, mut text) = (tracer.start_span("s"), Vec::new());
    for nothing in [&Span::noop() as &dyn HasContext, &None::<SpanContext>, &SpanContext::default()]
    {
        let injected = tracer.inject(nothing, Inject::TextMap(&mut text));
        assert!(matches!(injected, Err(InjectError::InvalidSpanContext)));
    }
    let unknown = tracer.inject(&span, Inject::Custom("unknown", &mut 1));
    assert!(matches!(unknown, Err(InjectError::UnsupportedFormat)));
    assert!(matches!(
        tracer.extract(Extract::Custom("u64", &1)),
        Err(ExtractError::UnsupportedFormat)
    ));
    let corrupted = tracer.extract(Extract::TextMap(&[("ot-tracer-traceid", "1")]));
    assert!(matches!(corrupted, Err(ExtractError::SpanContextCorrupted { .. })));
    assert_eq!(tracer.extract(Extract::TextMap(&[("unrelated", "1")])).unwrap(), None);
}

#[test]
fn extracting_from_an_empty_carrier_does_not_find_the_active_span() {
    let (_, tracer) = recording();
    let _scope = tracer.start_active_span("active");
    assert_eq!(tracer.extract(Extract::TextMap(&Vec::<(String, String)>::new())).unwrap(), None);
}

#[test]
fn a_span_knows_its_tracer_until_that_is_gone() {
    let (_, tracer) = recording();
    let (_, other) = recording();
    let (sampled, unsampled) = (tracer.start_span("s"), tracer.start_span("unsampled"));
    let shared = tracer.start_span("shared").into_shared();
    assert!(!unsampled.is_recording());
    for found in [sampled.tracer(), unsampled.tracer(), shared.tracer()] {
        assert_eq!(found, tracer);
        assert_ne!(found, other);
    }
    drop(tracer);
    for found in [sampled.tracer(), unsampled.tracer(), shared.tracer()] {
        assert_eq!(found, Tracer::noop());
    }
    assert_eq!(sampled.context().span_id(), 2);
}

#[test]
fn a_vanished_tracer_leaves_no_entry_behind() {
    let number = {
        let (_, tracer) = recording();
        let span = tracer.start_span("s");
        assert!(tracers().contains_key(&span.tracer.0));
        span.tracer
    };
    assert!(!tracers().contains_key(&number.0));
    assert_ne!(TracerNumber::next(), number);
}

#[test]
fn an_implementation_may_be_shared_behind_an_arc() {
    let (mock, _) = recording();
    let tracer = Tracer::new(Arc::new(mock.backend.clone()) as Arc<dyn TracerBackend>);
    tracer.start_span("s").finish();
    assert_eq!(mock.finished_names(), ["s"]);
    assert_eq!(tracer.flush(Duration::ZERO).unwrap().reported_spans, 1);
}

#[test]
fn tracers_of_two_kinds_understand_each_other() {
    let ((_, ours), (mock, theirs)) = (recording(), recording());
    let scope = ours.start_active_span("ours");
    theirs.start_span("theirs").finish();
    assert_eq!(mock.span("theirs").context.trace_id(), scope.context().trace_id());
}

#[test]
fn handles_have_a_debug_form_that_names_their_kind() {
    assert_eq!(
        format!("{:?} {:?}", Tracer::noop(), Tracer::default()),
        "Tracer(noop) Tracer(global)"
    );
    assert!(format!("{:?}", recording().1).starts_with("Tracer("));
}

#[test]
fn handles_and_spans_cross_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Tracer>();
    is_send_and_sync::<Span>();
    is_send_and_sync::<SharedSpan>();
    is_send_and_sync::<SpanContext>();
    assert_eq!(size_of::<Span>(), 64);
    assert_eq!(size_of::<SharedSpan>(), 8);
}

#[test]
fn a_child_can_be_started_with_nothing_at_hand_but_its_parent() {
    let (mock, tracer) = recording();
    let parent = tracer.start_span("parent");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let options = child_of(&parent).tag("k", 1).start_time(time);
    parent.tracer().start_span_with("child", options).finish();
    let child = mock.span("child");
    assert_eq!((child.start_time, child.tags.len()), (time, 1));
    assert_eq!(child.parent_id, Some(parent.context().span_id()));
}
