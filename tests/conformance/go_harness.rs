//! The API harness of `opentracing-go` (`harness/api_checkers.go`): 16 of its 16 checks.
//!
//! Carriers are typed here, so that "not a carrier" can only be said of a format of one's own. A context of another
//! tracer is plain data and is understood; what is refused is one that holds nothing.
//!
//! | the original's check | here |
//! | --- | --- |
//! | StartSpan | a_span_starts_with_a_tag_and_logs_fields |
//! | StartSpanWithParent | a_child_and_a_follower_are_in_the_trace_of_their_parent |
//! | SetOperationName | a_span_without_a_name_takes_one_later |
//! | SpanTagValueTypes | tags_are_numbers_truth_values_and_text |
//! | SpanTagsWithChaining | tags_chain_and_take_any_unicode |
//! | SpanLogs | logs_keep_their_fields |
//! | SpanBaggage | baggage_is_set_and_read_on_the_span |
//! | ContextBaggage | baggage_is_visited_in_the_context |
//! | TextPropagation | a_text_map_carries_the_trace |
//! | HTTPPropagation | http_headers_carry_the_trace |
//! | BinaryPropagation | bytes_carry_the_trace |
//! | MandatoryFormats | each_format_carries_a_context_without_baggage |
//! | UnknownFormat | an_unknown_format_is_an_error_both_ways |
//! | InvalidInject | what_cannot_be_injected_is_an_error_and_leaves_the_carrier_alone |
//! | InvalidExtract | what_is_no_carrier_is_an_error |
//! | MultiBaggage | many_items_are_visited_until_the_visitor_has_enough |

use std::collections::HashMap;

use opentracing_api::{
    Extract, ExtractError, HasContext, Inject, InjectError, Span, SpanContext, StartSpanOptions,
    child_of, fields, follows_from,
};

use crate::subject::{CELL, Subject, n_baggage};

against_every_tracer! {
    a_span_starts_with_a_tag_and_logs_fields
    a_child_and_a_follower_are_in_the_trace_of_their_parent
    a_span_without_a_name_takes_one_later
    tags_are_numbers_truth_values_and_text
    tags_chain_and_take_any_unicode
    logs_keep_their_fields
    baggage_is_set_and_read_on_the_span
    baggage_is_visited_in_the_context
    a_text_map_carries_the_trace
    http_headers_carry_the_trace
    bytes_carry_the_trace
    each_format_carries_a_context_without_baggage
    an_unknown_format_is_an_error_both_ways
    what_cannot_be_injected_is_an_error_and_leaves_the_carrier_alone
    what_is_no_carrier_is_an_error
    many_items_are_visited_until_the_visitor_has_enough
}

fn a_span_starts_with_a_tag_and_logs_fields(tracer: &Subject) {
    let options = StartSpanOptions::new().tag("birthday", "August 14 1974");
    let mut span = tracer.start_span_with("Fry", options);
    span.log_kv([("hospital", "Brooklyn Pre-Med Hospital"), ("city", "Old New York")]);
    span.finish();
    if tracer.records() {
        let spans = tracer.finished(1);
        let span = spans.named("Fry");
        assert_eq!(span.tags["birthday"], "August 14 1974");
        assert_eq!(span.field(0, "hospital").unwrap(), &"Brooklyn Pre-Med Hospital");
        assert_eq!(span.field(0, "city").unwrap(), &"Old New York");
    }
}

fn a_child_and_a_follower_are_in_the_trace_of_their_parent(tracer: &Subject) {
    let parent = tracer.start_span("parent");
    let child = tracer.start_span_with("child", child_of(&parent.context()));
    let options = follows_from(&parent.context()).tag("birthplace", "sewers");
    let follower = tracer.start_span_with("follower", options);
    for span in [&child, &follower] {
        assert_eq!(span.context().trace_id(), parent.context().trace_id());
        assert_eq!(span.context().is_valid(), tracer.records());
    }
    drop((child, follower, parent));
    tracer.finished(3);
}

fn a_span_without_a_name_takes_one_later(tracer: &Subject) {
    let mut span = tracer.start_span("");
    span.set_operation_name("Farnsworth").set_tag("chains", true);
    span.finish();
    if tracer.records() {
        assert_eq!(tracer.finished(1).named("Farnsworth").tags["chains"], true);
    }
}

fn tags_are_numbers_truth_values_and_text(tracer: &Subject) {
    let mut span = tracer.start_span("ManyTypes");
    span.set_tag("an_int", 9).set_tag("a_bool", true).set_tag("a_string", "aoeuidhtns");
    drop(span);
    if tracer.records() {
        assert_eq!(tracer.finished(1).named("ManyTypes").tags["an_int"], 9);
    }
}

fn tags_chain_and_take_any_unicode(tracer: &Subject) {
    let mut span = tracer.start_span("Farnsworth");
    span.set_tag("birthday", "9 April, 2841").set_tag("loves", "different lengths of wires");
    span.set_tag("unicode_val", "non-ascii: \u{200b}").set_tag("unicode_key_\u{200b}", "ascii val");
    span.finish();
    if tracer.records() {
        let spans = tracer.finished(1);
        assert_eq!(
            spans.named("Farnsworth").tags.get("unicode_key_\u{200b}").unwrap(),
            &"ascii val"
        );
    }
}

fn logs_keep_their_fields(tracer: &Subject) {
    let mut span = tracer.start_span("Fry");
    for (event, year) in [("frozen", 1999), ("defrosted", 2999)] {
        span.log_kv(fields! { "event" => event, "year" => year, "place" => "Cryogenics Labs" });
    }
    span.finish();
    if tracer.records() {
        let spans = tracer.finished(1);
        let span = spans.named("Fry");
        let seen = [0, 1].map(|log| [span.field(log, "event"), span.field(log, "year")]);
        let expected = [
            [Some(&"frozen".into()), Some(&1999.into())],
            [Some(&"defrosted".into()), Some(&2999.into())],
        ];
        assert_eq!(seen, expected);
    }
}

fn baggage_is_set_and_read_on_the_span(tracer: &Subject) {
    let mut span = tracer.start_span("Fry");
    assert_eq!(n_baggage(&span), 0);
    span.set_baggage_item("Kiff-loves", "Amy");
    assert_eq!(span.baggage_item("Kiff-loves"), tracer.records().then_some("Amy"));
    assert_eq!(span.baggage_item("Kiff-hates"), None);
}

fn baggage_is_visited_in_the_context(tracer: &Subject) {
    let mut span = tracer.start_span("Fry");
    span.set_baggage_item("Kiff-loves", "Amy");
    let mut n_visited = 0;
    for item in span.context().baggage() {
        assert_eq!(item, ("Kiff-loves", "Amy"));
        n_visited += 1;
    }
    assert_eq!(n_visited, usize::from(tracer.records()));
}

fn a_text_map_carries_the_trace(tracer: &Subject) {
    let (span, mut carrier) = (tracer.start_span("Bender"), HashMap::new());
    span.tracer().inject(&span.context(), Inject::TextMap(&mut carrier)).unwrap();
    assert_carried(tracer, &span, Extract::TextMap(&carrier));
}

fn http_headers_carry_the_trace(tracer: &Subject) {
    let (span, mut carrier) = (tracer.start_span("Bender"), HashMap::new());
    span.tracer().inject(&span.context(), Inject::HttpHeaders(&mut carrier)).unwrap();
    assert_carried(tracer, &span, Extract::HttpHeaders(&carrier));
    // What passes through HTTP may come back in another case.
    let carrier: HashMap<_, _> =
        carrier.into_iter().map(|(key, value)| (key.to_ascii_uppercase(), value)).collect();
    assert_carried(tracer, &span, Extract::HttpHeaders(&carrier));
}

fn bytes_carry_the_trace(tracer: &Subject) {
    let (span, mut carrier) = (tracer.start_span("Bender"), Vec::new());
    tracer.inject(&span.context(), Inject::Binary(&mut carrier)).unwrap();
    assert_carried(tracer, &span, Extract::Binary(&carrier));
}

fn each_format_carries_a_context_without_baggage(tracer: &Subject) {
    let span = tracer.start_span("Bender");
    let (mut text, mut headers, mut bytes) = (HashMap::new(), HashMap::new(), b"kept".to_vec());
    tracer.inject(&span, Inject::TextMap(&mut text)).unwrap();
    tracer.inject(&span, Inject::HttpHeaders(&mut headers)).unwrap();
    assert_carried(tracer, &span, Extract::TextMap(&text));
    assert_carried(tracer, &span, Extract::HttpHeaders(&headers));
    tracer.inject(&span, Inject::Binary(&mut bytes)).unwrap();
    assert!(bytes.starts_with(b"kept"), "bytes are appended");
    assert_carried(tracer, &span, Extract::Binary(&bytes[4..]));
}

fn an_unknown_format_is_an_error_both_ways(tracer: &Subject) {
    let format = "kiss my shiny metal ...";
    let span = tracer.start_span("Bender");
    let injected = span.tracer().inject(&span, Inject::Custom(format, &mut ()));
    let extracted = tracer.extract(Extract::Custom(format, &()));
    assert!(matches!(injected, Err(InjectError::UnsupportedFormat)), "{injected:?}");
    assert!(matches!(extracted, Err(ExtractError::UnsupportedFormat)), "{extracted:?}");
}

fn what_cannot_be_injected_is_an_error_and_leaves_the_carrier_alone(tracer: &Subject) {
    let (mut text, mut headers, mut bytes) = (HashMap::new(), HashMap::new(), Vec::new());
    let nothing = SpanContext::default();
    let span = Span::noop();
    for nothing in [&nothing as &dyn HasContext, &span, &None::<SpanContext>] {
        let injected = [
            tracer.inject(nothing, Inject::TextMap(&mut text)),
            tracer.inject(nothing, Inject::HttpHeaders(&mut headers)),
            tracer.inject(nothing, Inject::Binary(&mut bytes)),
        ];
        for injected in injected {
            match injected {
                Ok(()) => assert!(!tracer.records(), "{tracer:?} injected nothing"),
                Err(InjectError::InvalidSpanContext) => assert!(tracer.records()),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    assert!(text.is_empty() && headers.is_empty() && bytes.is_empty());
    // A context that another tracer made is one of ours.
    let foreign = Subject::mock().start_span("foreign").context();
    tracer.inject(&foreign, Inject::TextMap(&mut text)).unwrap();
    let extracted = tracer.extract(Extract::TextMap(&text)).unwrap();
    assert_eq!(
        extracted.map(|context| context.span_id()),
        tracer.records().then(|| foreign.span_id())
    );
}

fn what_is_no_carrier_is_an_error(tracer: &Subject) {
    if !tracer.has_cell() {
        // No format of the caller's is known, whatever the carrier is.
        let extracted = tracer.extract(Extract::Custom(CELL, &1_u8));
        assert!(matches!(extracted, Err(ExtractError::UnsupportedFormat)), "{extracted:?}");
        return;
    }
    let (span, mut carrier) = (tracer.start_span("op"), SpanContext::default());
    tracer.inject(&span, Inject::Custom(CELL, &mut carrier)).unwrap();
    assert_carried(tracer, &span, Extract::Custom(CELL, &carrier));
    let extracted = tracer.extract(Extract::Custom(CELL, &1_u8));
    assert!(matches!(extracted, Err(ExtractError::InvalidCarrier)), "{extracted:?}");
    let injected = tracer.inject(&span, Inject::Custom(CELL, &mut 1_u8));
    assert!(matches!(injected, Err(InjectError::InvalidCarrier)), "{injected:?}");
}

fn many_items_are_visited_until_the_visitor_has_enough(tracer: &Subject) {
    let mut span = tracer.start_span("op");
    span.set_baggage_item("Bag1", "BaggageVal1").set_baggage_item("Bag2", "BaggageVal2");
    if tracer.records() {
        assert_eq!(span.baggage_item("Bag1"), Some("BaggageVal1"));
        assert_eq!(span.baggage_item("Bag2"), Some("BaggageVal2"));
        let (context, mut n_visited) = (span.context(), 0);
        let found = context.baggage().inspect(|_| n_visited += 1).find(|(key, _)| *key == "Bag1");
        assert_eq!(found, Some(("Bag1", "BaggageVal1")));
        assert_eq!(n_visited, 1, "the first in the order of their setting, and none after it");
        assert_eq!(context.baggage().count(), 2);
    } else {
        assert_eq!(n_baggage(&span), 0);
    }
}

/// Asserts that a carrier holds the context of a span, without baggage; or nothing, if the tracer carries nothing.
#[track_caller]
fn assert_carried(tracer: &Subject, span: &Span, carrier: Extract<'_>) {
    let format = format!("{carrier:?}");
    match tracer.extract(carrier).unwrap() {
        None => assert!(!tracer.records(), "{format}"),
        Some(context) => {
            assert_eq!(context.trace_id(), span.context().trace_id(), "{format}");
            assert_eq!(context.span_id(), span.context().span_id(), "{format}");
            assert_eq!(context.is_sampled(), span.context().is_sampled(), "{format}");
            assert_eq!(context.baggage().count(), 0, "{format}");
        }
    }
}
