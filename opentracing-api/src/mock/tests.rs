use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, SystemTime};

use super::*;
use crate::{
    Extract, ExtractError, Inject, InjectError, OwnedValue, SpanContext, StartSpanOptions, Tracer,
    Value, child_of, fields, follows_from, tags,
};

/// The tracer of this crate's tests; a root whose name begins with `unsampled` is not sampled.
pub(crate) fn recording() -> (MockTracer, Tracer) {
    let mock = MockTracer::builder().sampler(|name| !name.starts_with("unsampled")).build();
    (mock.clone(), Tracer::clone(&mock))
}

fn message_of(fails: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(fails)).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_finished_span_has_all_that_was_said_about_it() {
    let mock = MockTracer::new();
    let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let cause = mock.start_span("cause");
    let options = follows_from(&cause).tag("a", 1).tag("b", "2").start_time(time(1));
    let mut span = mock.start_span_with("early", options);
    span.set_operation_name("late").set_tag("a", true).set_baggage_item("user", "ann");
    span.log_kv_at(time(2), fields! { "event" => "hit", "n" => 3 }).log_event("miss");
    span.finish_at(time(4));
    cause.finish();

    let (span, cause) = (mock.span("late"), mock.span("cause"));
    let tags = [("a".to_owned(), OwnedValue::Bool(true)), ("b".to_owned(), "2".into())];
    assert_eq!(span.tags, BTreeMap::from(tags));
    assert_eq!(span.log_lines(), ["event=hit n=3", "event=miss"]);
    assert_eq!((span.logs[0].time, span.logs[0].field("n")), (time(2), Some(&OwnedValue::I64(3))));
    assert_eq!((span.start_time, span.finish_time), (time(1), Some(time(4))));
    assert_eq!((span.baggage_item("user"), span.references.len()), (Some("ann"), 1));
    assert_eq!(mock.parent_of(&span).unwrap().operation_name, "cause");
    assert_eq!(mock.children_of(&cause).len(), 1);
    assert!(cause.finish_time >= Some(cause.start_time));
    assert!(mock.generated_errors().is_empty());
}

#[test]
fn ids_are_counted_and_none_comes_twice() {
    let mock = MockTracer::new();
    let root = mock.start_span("root");
    let child = mock.start_span_with("child", child_of(&root));
    let other = mock.start_span("other");
    let ids =
        [&root, &child, &other].map(|span| (span.context().trace_id(), span.context().span_id()));
    assert_eq!(ids, [(1, 2), (1, 3), (4, 5)]);
}

#[test]
fn unfinished_spans_are_shown_as_they_are_and_survive_a_reset() {
    let mock = MockTracer::new();
    let mut open = mock.start_span("open");
    mock.start_span("done").finish();
    open.set_tag("n", 1).set_baggage_item("user", "ann");
    let seen = mock.unfinished_spans();
    assert_eq!((seen.len(), seen[0].finish_time), (1, None));
    assert_eq!((&seen[0].tags["n"], seen[0].baggage_item("user")), (&1.into(), Some("ann")));
    mock.reset();
    assert!(mock.finished_spans().is_empty());
    assert_eq!(mock.unfinished_spans().len(), 1);
    assert!(message_of(|| mock.assert_all_finished()).contains("open (2, unfinished) n=1"));
    open.finish();
    assert_eq!(mock.finished_names(), ["open"]);
    mock.assert_all_finished();
}

#[test]
fn finished_spans_come_by_trace() {
    let mock = MockTracer::new();
    let (a, b) = (mock.start_span("a"), mock.start_span("b"));
    mock.start_span_with("of b", child_of(&b)).finish();
    mock.start_span_with("of a", child_of(&a)).finish();
    drop((a, b));
    let traces = mock.finished_traces();
    let names: Vec<Vec<&str>> = traces
        .iter()
        .map(|trace| trace.iter().map(|span| span.operation_name.as_str()).collect())
        .collect();
    assert_eq!(names, [["of b", "b"], ["of a", "a"]]);
}

#[test]
fn sampling_priority_changes_the_flag_and_spans_are_recorded_all_the_same() {
    let mock = MockTracer::new();
    let options = StartSpanOptions::new().tag(tags::SAMPLING_PRIORITY, 0);
    let mut dropped = mock.start_span_with("dropped", options);
    assert!(!dropped.context().is_sampled() && dropped.is_recording());
    let child = mock.start_span_with("child", child_of(&dropped));
    assert!(!child.context().is_sampled());
    dropped.set_tag(tags::SAMPLING_PRIORITY, 1_u16);
    assert!(dropped.context().is_sampled());
    drop((child, dropped));
    assert!(mock.span("dropped").context.is_sampled());
    assert!(!mock.span("child").context.is_sampled());
}

#[test]
fn with_a_sampler_spans_of_other_traces_are_real_and_not_recorded() {
    let (mock, tracer) = recording();
    let dropped = tracer.start_span("unsampled");
    assert!(!dropped.is_recording() && dropped.context().is_valid());
    tracer.start_span_with("child", child_of(&dropped)).finish();
    tracer.start_span("kept").finish();
    drop(dropped);
    assert_eq!(mock.finished_names(), ["kept"]);
}

#[test]
fn what_is_done_after_the_finish_is_told_and_changes_nothing() {
    let mock = MockTracer::new();
    let span = mock.start_span("span").into_shared();
    span.finish();
    span.set_tag("k", 1).log_event("e").log_kv([("k", 1)]).log_kv_at(SystemTime::now(), [("k", 1)]);
    span.set_operation_name("other").set_baggage_item("k", "v").log_error(&std::fmt::Error);
    span.finish();
    span.finish_at(SystemTime::UNIX_EPOCH);
    let calls: Vec<_> = mock
        .generated_errors()
        .into_iter()
        .map(|error| match error {
            MockError::UsedAfterFinish { operation_name, span_id: 2, call }
                if operation_name == "span" =>
            {
                call
            }
            other => panic!("{other}"),
        })
        .collect();
    let expected = [
        "set_tag",
        "log_event",
        "log_kv",
        "log_kv_at",
        "set_operation_name",
        "set_baggage_item",
        "log_error",
        "finish",
        "finish",
    ];
    assert_eq!(calls, expected);
    let record = mock.span("span");
    assert!(record.tags.is_empty() && record.logs.is_empty() && span.baggage_item("k").is_none());
    assert_eq!(
        mock.generated_errors()[0].to_string(),
        "set_tag was called on span 2, \"span\", which had finished"
    );
    mock.reset();
    assert!(mock.generated_errors().is_empty());
    span.finish();
    assert!(
        matches!(&mock.generated_errors()[..], [MockError::UsedAfterFinish { operation_name, .. }] if operation_name.is_empty())
    );
}

#[test]
fn a_scope_whose_span_has_finished_is_no_error() {
    let mock = MockTracer::new();
    let scope = mock.start_active_span("by hand");
    scope.finish_at(SystemTime::now() + Duration::from_secs(1));
    scope.close();
    let (below, above) = (mock.start_active_span("below"), mock.start_active_span("above"));
    let span = below.span().clone();
    below.close();
    span.finish();
    above.close();
    drop(crate::InSpan::in_span(async {}, mock.start_span("future")));
    assert_eq!(mock.finished_names(), ["by hand", "below", "above", "future"]);
    assert_eq!(mock.generated_errors(), []);
}

#[test]
fn an_end_before_the_start_is_told_and_kept() {
    let mock = MockTracer::new();
    mock.start_span("span").finish_at(SystemTime::UNIX_EPOCH);
    assert_eq!(mock.span("span").finish_time, Some(SystemTime::UNIX_EPOCH));
    let errors = mock.generated_errors();
    assert_eq!(errors[0].to_string(), "span 2, \"span\", finished before it started");
}

#[test]
fn every_format_carries_ids_the_sampled_flag_and_baggage() {
    let mock = MockTracer::new();
    let keys = ["Key", "größe", "a b", "=;,", "", "\u{200b}", "%41", "nul\0"];
    for is_sampled in [true, false] {
        let mut context = SpanContext::new(u128::MAX, u64::MAX, u32::from(is_sampled));
        for key in keys {
            context = context.with_baggage_item(key, &format!("value of {key}"));
        }
        let (mut text, mut headers, mut bytes) = (HashMap::new(), HashMap::new(), Vec::new());
        mock.inject(&context, Inject::TextMap(&mut text)).unwrap();
        mock.inject(&context, Inject::HttpHeaders(&mut headers)).unwrap();
        mock.inject(&context, Inject::Binary(&mut bytes)).unwrap();
        // What a proxy may do.
        let headers: Vec<_> =
            headers.into_iter().map(|(key, value)| (key.to_uppercase(), value)).collect();
        assert!(
            headers.iter().all(|(key, value)| key.is_ascii() && !value.contains([' ', '\0', ';']))
        );
        for from in
            [Extract::TextMap(&text), Extract::HttpHeaders(&headers), Extract::Binary(&bytes)]
        {
            let format = format!("{from:?}");
            let extracted = mock.extract(from).unwrap().unwrap();
            assert_eq!(extracted, context, "{format}");
            for key in keys.into_iter().filter(|key| !key.is_empty()) {
                assert_eq!(
                    extracted.baggage_item(key),
                    context.baggage_item(key),
                    "{format} {key:?}"
                );
            }
        }
    }
}

#[test]
fn the_text_is_what_other_mocks_write() {
    let mock = MockTracer::new();
    let context = SpanContext::new(0xabc, 0xd, 1).with_baggage_item("user", "ann");
    let mut carrier = BTreeMap::from([("host".to_owned(), "here".to_owned())]);
    mock.inject(&context, Inject::TextMap(&mut carrier)).unwrap();
    let expected = [
        ("host", "here"),
        ("ot-baggage-user", "ann"),
        ("ot-tracer-sampled", "true"),
        ("ot-tracer-spanid", "d"),
        ("ot-tracer-traceid", "abc"),
    ];
    assert!(carrier.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected));
    // Python's mock writes no flag.
    carrier.remove("ot-tracer-sampled");
    assert!(mock.extract(Extract::TextMap(&carrier)).unwrap().unwrap().is_sampled());
}

#[test]
fn a_carrier_without_anything_is_empty_and_one_with_half_a_context_corrupted() {
    let mock = MockTracer::new();
    let (trace, span, sampled) = ("ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled");
    for pairs in [
        &[(trace, "1")][..],
        &[(span, "1")],
        &[(trace, "1"), (span, "")],
        &[(trace, "x"), (span, "1")],
        &[(trace, "+1"), (span, "1")],
        &[(trace, "0"), (span, "1")],
        &[(trace, "1"), (span, "0")],
        &[(trace, "1"), (span, "10000000000000000")],
        &[(trace, "1"), (span, "2"), (sampled, "perhaps")],
    ] {
        for extracted in
            [mock.extract(Extract::TextMap(&pairs)), mock.extract(Extract::HttpHeaders(&pairs))]
        {
            assert!(
                matches!(extracted, Err(ExtractError::SpanContextCorrupted { .. })),
                "{pairs:?}"
            );
        }
    }
    assert_eq!(mock.extract(Extract::TextMap(&[("other", "1")])).unwrap(), None);
    assert_eq!(mock.extract(Extract::Binary(&[])).unwrap(), None);
    let baggage = mock.extract(Extract::TextMap(&[("ot-baggage-k", "v")])).unwrap().unwrap();
    assert_eq!((baggage.is_valid(), baggage.baggage_item("k")), (false, Some("v")));
}

#[test]
fn bytes_that_end_too_early_or_too_late_are_corrupted() {
    let (mock, mut bytes) = (MockTracer::new(), Vec::new());
    let context = SpanContext::new(1, 2, 1).with_baggage_item("key", "value");
    mock.inject(&context, Inject::Binary(&mut bytes)).unwrap();
    for end in 1..bytes.len() {
        let extracted = mock.extract(Extract::Binary(&bytes[..end]));
        assert!(matches!(extracted, Err(ExtractError::SpanContextCorrupted { .. })), "{end} bytes");
    }
    let mut huge_count = bytes.clone();
    huge_count[28..32].fill(0xff);
    bytes.push(0);
    for wrong in [bytes, huge_count, vec![0xff; 100]] {
        let extracted = mock.extract(Extract::Binary(&wrong));
        assert!(matches!(extracted, Err(ExtractError::SpanContextCorrupted { .. })));
    }
}

#[test]
fn custom_formats_work_once_they_are_registered() {
    let (mock, context) = (MockTracer::new(), SpanContext::new(7, 8, 1));
    let mut carrier = SpanContext::default();
    let before = mock.inject(&context, Inject::Custom("cell", &mut carrier));
    assert!(matches!(before, Err(InjectError::UnsupportedFormat)));
    assert!(matches!(
        mock.extract(Extract::Custom("cell", &carrier)),
        Err(ExtractError::UnsupportedFormat)
    ));
    mock.register_injector("cell", |context, carrier| {
        *carrier.downcast_mut().ok_or(InjectError::InvalidCarrier)? = context.clone();
        Ok(())
    });
    mock.register_extractor("cell", |carrier| {
        Ok(Some(carrier.downcast_ref::<SpanContext>().ok_or(ExtractError::InvalidCarrier)?.clone()))
    });
    mock.inject(&context, Inject::Custom("cell", &mut carrier)).unwrap();
    assert_eq!(mock.extract(Extract::Custom("cell", &carrier)).unwrap(), Some(context.clone()));
    let wrong = mock.inject(&context, Inject::Custom("cell", &mut 1));
    assert!(matches!(wrong, Err(InjectError::InvalidCarrier)));
    assert!(matches!(mock.extract(Extract::Custom("cell", &1)), Err(ExtractError::InvalidCarrier)));
}

#[test]
fn a_function_of_a_format_may_hold_a_span_of_the_mock() {
    let mock = MockTracer::new();
    let (of_injector, of_extractor) = (mock.start_span("injector"), mock.start_span("extractor"));
    mock.register_injector("f", move |_, carrier| {
        *carrier.downcast_mut().ok_or(InjectError::InvalidCarrier)? = of_injector.context();
        Ok(())
    });
    mock.register_extractor("f", move |_| Ok(Some(of_extractor.context())));
    mock.register_injector("f", |_, _| Ok(()));
    mock.register_extractor("f", |_| Ok(None));
    assert_eq!(mock.finished_names(), ["injector", "extractor"]);
}

#[test]
fn assertions_that_fail_show_the_tree() {
    let mock = MockTracer::new();
    let order = mock.start_span_with("order", StartSpanOptions::new().tag("cents", 1999));
    mock.start_span_with("charge", child_of(&order)).finish();
    mock.start_span("charge\n2").finish();
    mock.start_span_with("served", child_of(&SpanContext::new(0xff, 0xee, 1))).finish();
    let tree = "trace 1\n  order (2, unfinished) cents=1999\n    charge (3)\n\
                trace 4\n  charge\\n2 (5)\n\
                trace ff\n  served (6, child of ee)\n";
    assert_eq!(mock.tree(), tree);
    order.finish();
    let no_such = message_of(|| drop(mock.span("ship")));
    assert!(no_such.starts_with("0 finished spans are named \"ship\", not one:\ntrace 1"));
    let no_child = message_of(|| mock.assert_child_of("order", "charge"));
    assert!(no_child.starts_with("\"order\" is no child of \"charge\":\ntrace 1"));
    let no_root = message_of(|| mock.assert_root("charge"));
    assert!(no_root.starts_with("\"charge\" has a parent:\ntrace 1"));
    mock.assert_child_of("charge", "order");
    mock.assert_root("order");
    mock.start_span("order").finish();
    assert!(message_of(|| drop(mock.span("order"))).starts_with("2 finished spans"));
    assert_eq!(MockTracer::default().tree(), "no spans");
}

#[test]
fn a_tree_may_be_deep_large_and_circular() {
    let mock = MockTracer::new();
    // Ids are counted from 1, so the second span is its own parent, and the next two each other's.
    mock.start_span_with("below", child_of(&SpanContext::new(7, 2, 1))).finish();
    mock.start_span_with("self", child_of(&SpanContext::new(7, 2, 1))).finish();
    let mut parent = mock.start_span_with("ring", child_of(&SpanContext::new(7, 4, 1))).context();
    for _ in 0..2_000 {
        parent = mock.start_span_with(&"x".repeat(100), child_of(&parent)).context();
    }
    let tree = mock.tree();
    assert!(
        tree.contains("  ring (3, child of 4)\n    xxx")
            && tree.ends_with("… and 1504 lines more\n"),
        "{tree}"
    );
    assert!(tree.lines().all(|line| line.chars().count() < 200));
}

#[test]
fn spans_come_from_many_threads() {
    let mock = MockTracer::new();
    thread::scope(|threads| {
        for thread in 0..8 {
            let mock = &mock;
            threads.spawn(move || {
                for n in 0..100 {
                    let mut span = mock.start_span("span");
                    span.set_tag("thread", thread).log_kv([("n", n)]);
                }
            });
        }
    });
    assert_eq!(mock.finished_spans().len(), 800);
    assert_eq!(mock.finished_traces().len(), 800);
}

#[test]
fn values_may_use_the_mock_while_they_are_formatted() {
    struct Asks<'a>(&'a MockTracer);
    impl std::fmt::Display for Asks<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{}", self.0.unfinished_spans().len())
        }
    }
    let mock = MockTracer::new();
    let mut span = mock.start_span("span");
    span.set_tag("open", Value::display(&Asks(&mock)));
    span.log_kv([("open", Value::display(&Asks(&mock)))]);
    span.finish();
    assert_eq!(mock.span("span").tags["open"], "1");
    assert_eq!(mock.span("span").log_lines(), ["open=1"]);
}

#[test]
fn after_a_close_spans_do_nothing_and_the_calls_are_kept() {
    let mock = MockTracer::new();
    mock.start_span("before").finish();
    for seconds in [1, 2] {
        assert_eq!(mock.close(Duration::from_secs(seconds)).unwrap().reported_spans, 1);
    }
    mock.start_span("after").finish();
    assert_eq!(mock.finished_names(), ["before"]);
    assert_eq!(mock.close_timeouts(), [1, 2].map(Duration::from_secs));
}

#[test]
fn after_a_close_a_span_hands_its_parent_on_and_one_without_is_injected_as_nothing() {
    let mock = MockTracer::new();
    let caller = SpanContext::new(7, 8, SpanContext::SAMPLED).with_baggage_item("user", "ann");
    mock.close(Duration::ZERO).unwrap();
    let late = mock.start_span_with("late", child_of(&caller));
    assert_eq!((late.context(), late.is_recording()), (caller, false));
    assert_eq!(late.baggage_item("user"), Some("ann"));
    let mut carrier = HashMap::new();
    mock.inject(&mock.start_span("root"), Inject::TextMap(&mut carrier)).unwrap();
    assert!(carrier.is_empty());
    mock.inject(&late, Inject::TextMap(&mut carrier)).unwrap();
    assert_eq!((&*carrier["ot-tracer-spanid"], &*carrier["ot-baggage-user"]), ("8", "ann"));
}

#[test]
fn the_account_counts_spans_that_were_forgotten_too() {
    let mock = MockTracer::new();
    for n_finished in 1..4 {
        mock.start_span("span").finish();
        assert_eq!(mock.flush(Duration::ZERO).unwrap().reported_spans, n_finished);
        mock.reset();
    }
    assert_eq!(mock.close(Duration::ZERO).unwrap().reported_spans, 3);
}

#[test]
fn two_mocks_are_the_ends_of_one_call_and_count_apart() {
    let client = MockTracer::new();
    let server = MockTracer::builder().first_id(100).build();
    let (ask, mut headers) = (client.start_span("ask"), HashMap::new());
    client.inject(&ask, Inject::HttpHeaders(&mut headers)).unwrap();
    let caller = server.extract(Extract::HttpHeaders(&headers)).unwrap();
    let answer = server.start_span_with("answer", child_of(&caller));
    server.start_span_with("query", child_of(&answer)).finish();
    drop((answer, ask));
    let (answer, query) = (server.span("answer"), server.span("query"));
    assert!(answer.is_child_of(&client.span("ask")) && query.is_child_of(&answer));
    assert_eq!((answer.span_id(), query.span_id()), (100, 101));
    assert!(server.parent_of(&answer).is_none() && server.children_of(&query).is_empty());
    for (first_id, ids) in [(0, (1, 2)), (u64::MAX, (u64::MAX, 1))] {
        let context = MockTracer::builder().first_id(first_id).build().start_span("s").context();
        assert_eq!((context.trace_id_low(), context.span_id()), ids);
    }
}

#[test]
fn where_a_caller_is_not_to_decide_the_sampler_is_asked_and_the_child_has_a_decision() {
    let (mock, tracer) = recording();
    for caller in [SpanContext::new(7, 8, SpanContext::SAMPLED), SpanContext::new(7, 8, 0)] {
        for (name, is_sampled) in [("kept", true), ("unsampled", false)] {
            let span = tracer.start_span_with(name, child_of(&caller.clone().undecided()));
            assert_eq!((span.is_recording(), span.context().trace_id()), (is_sampled, 7));
            assert_eq!(span.context().flags(), u32::from(is_sampled));
        }
    }
    assert_eq!(mock.finished_names(), ["kept", "kept"]);
}
