//! The API harness of `opentracing-python` (`opentracing/harness/api_check.py`): 25 of its 25 checks.
//!
//! Where the original replaces a span's `finish` to see it called, the finished spans are counted. What it finishes "on
//! close" by a flag is said by ownership here: a span that is handed over finishes, one that is lent does not.
//!
//! | the original's check | here |
//! | --- | --- |
//! | active_span | a_span_is_active_only_while_activated_and_it_is_that_very_span |
//! | start_active_span | an_active_span_without_any_before_is_a_root |
//! | start_active_span_parent | an_active_span_is_the_parent_of_the_next_active_one |
//! | start_active_span_ignore_active_span | an_active_span_may_ignore_the_one_before |
//! | start_active_span_not_finish_on_close | a_lent_span_does_not_finish_when_its_scope_closes |
//! | start_active_span_finish_on_close | a_span_that_is_handed_over_finishes_when_its_scope_closes |
//! | start_active_span_default_finish_on_close | a_started_active_span_finishes_when_its_scope_closes |
//! | start_span | a_span_starts_takes_tags_and_logs_and_finishes_by_hand_or_by_itself |
//! | start_span_propagation | a_plain_span_has_the_active_one_as_parent |
//! | start_span_propagation_ignore_active_span | a_plain_span_may_ignore_the_active_one |
//! | start_span_with_parent | a_span_starts_as_child_or_follower_of_another |
//! | start_child_span | a_span_starts_its_children_through_its_tracer |
//! | set_operation_name | a_span_without_a_name_takes_one_later |
//! | span_as_context_manager | a_block_finishes_its_span_with_and_without_an_error |
//! | span_tag_value_types | tags_are_numbers_truth_values_and_text |
//! | span_tags_with_chaining | tags_chain_and_take_any_unicode |
//! | span_logs | logs_of_every_form_are_kept |
//! | span_baggage | baggage_is_set_and_read_on_the_span |
//! | context_baggage | baggage_shows_in_contexts_taken_afterwards |
//! | text_propagation | a_context_crosses_a_text_map |
//! | binary_propagation | a_context_crosses_bytes |
//! | mandatory_formats | the_three_formats_work_both_ways |
//! | unknown_format | an_unknown_format_is_an_error_both_ways |
//! | tracer_start_active_span_scope | an_active_spans_scope_is_the_active_one |
//! | tracer_start_span_scope | a_plain_span_does_not_become_active |

use std::collections::HashMap;
use std::time::SystemTime;

use opentracing_api::{
    Extract, ExtractError, Inject, InjectError, StartSpanOptions, child_of, fields, follows_from,
};

use crate::subject::{Subject, n_baggage};

against_every_tracer! {
    a_span_is_active_only_while_activated_and_it_is_that_very_span
    an_active_span_without_any_before_is_a_root
    an_active_span_is_the_parent_of_the_next_active_one
    an_active_span_may_ignore_the_one_before
    a_lent_span_does_not_finish_when_its_scope_closes
    a_span_that_is_handed_over_finishes_when_its_scope_closes
    a_started_active_span_finishes_when_its_scope_closes
    a_span_starts_takes_tags_and_logs_and_finishes_by_hand_or_by_itself
    a_plain_span_has_the_active_one_as_parent
    a_plain_span_may_ignore_the_active_one
    a_span_starts_as_child_or_follower_of_another
    a_span_starts_its_children_through_its_tracer
    a_span_without_a_name_takes_one_later
    a_block_finishes_its_span_with_and_without_an_error
    tags_are_numbers_truth_values_and_text
    tags_chain_and_take_any_unicode
    logs_of_every_form_are_kept
    baggage_is_set_and_read_on_the_span
    baggage_shows_in_contexts_taken_afterwards
    a_context_crosses_a_text_map
    a_context_crosses_bytes
    the_three_formats_work_both_ways
    an_unknown_format_is_an_error_both_ways
    an_active_spans_scope_is_the_active_one
    a_plain_span_does_not_become_active
}

fn a_span_is_active_only_while_activated_and_it_is_that_very_span(tracer: &Subject) {
    let span = tracer.start_span("Fry").into_shared();
    assert_eq!(tracer.active_span(), None);
    let scope = tracer.activate(&span);
    if tracer.records() {
        assert_eq!(tracer.active_span(), Some(span.clone()));
        assert_eq!(scope.span(), &span);
    }
    scope.close();
    assert_eq!(tracer.active_span(), None);
}

fn an_active_span_without_any_before_is_a_root(tracer: &Subject) {
    tracer.start_active_span("Fry").close();
    if tracer.records() {
        assert_eq!(tracer.finished(1).named("Fry").parent_id, None);
    }
}

fn an_active_span_is_the_parent_of_the_next_active_one(tracer: &Subject) {
    let parent = tracer.start_active_span("Fry");
    tracer.start_active_span("Farnsworth").close();
    parent.close();
    if tracer.records() {
        let spans = tracer.finished(2);
        assert!(spans.named("Farnsworth").is_child_of(spans.named("Fry")));
    }
}

fn an_active_span_may_ignore_the_one_before(tracer: &Subject) {
    let parent = tracer.start_active_span("Fry");
    let options = StartSpanOptions::new().ignore_active_span();
    tracer.start_active_span_with("Farnsworth", options).close();
    parent.close();
    if tracer.records() {
        let spans = tracer.finished(2);
        assert_eq!(spans.named("Farnsworth").parent_id, None);
        assert_ne!(spans.named("Farnsworth").trace_id, spans.named("Fry").trace_id);
    }
}

fn a_lent_span_does_not_finish_when_its_scope_closes(tracer: &Subject) {
    let span = tracer.start_span("Fry").into_shared();
    tracer.activate(&span).close();
    tracer.finished(0);
    assert_eq!(span.is_recording(), tracer.records());
    span.finish();
    tracer.finished(1);
}

fn a_span_that_is_handed_over_finishes_when_its_scope_closes(tracer: &Subject) {
    let scope = tracer.activate(tracer.start_span("Fry"));
    tracer.finished(0);
    scope.close();
    tracer.finished(1);
}

fn a_started_active_span_finishes_when_its_scope_closes(tracer: &Subject) {
    let scope = tracer.start_active_span("Fry");
    tracer.finished(0);
    scope.close();
    tracer.finished(1);
}

fn a_span_starts_takes_tags_and_logs_and_finishes_by_hand_or_by_itself(tracer: &Subject) {
    tracer.start_span("by hand").finish();
    {
        let options = StartSpanOptions::new().tag("birthday", "August 14 1974");
        let mut span = tracer.start_span_with("by itself", options);
        span.log_kv(fields! { "event" => "birthplace", "city" => "Old New York" });
    }
    if tracer.records() {
        let spans = tracer.finished(2);
        let span = spans.named("by itself");
        assert_eq!(span.tags["birthday"], "August 14 1974");
        assert_eq!(span.field(0, "event").unwrap(), &"birthplace");
        assert_eq!(span.field(0, "city").unwrap(), &"Old New York");
        assert_eq!(spans.names(), ["by hand", "by itself"]);
    }
}

fn a_plain_span_has_the_active_one_as_parent(tracer: &Subject) {
    let parent = tracer.start_active_span("Fry");
    tracer.start_span("Farnsworth").finish();
    parent.close();
    if tracer.records() {
        let spans = tracer.finished(2);
        assert!(spans.named("Farnsworth").is_child_of(spans.named("Fry")));
    }
}

fn a_plain_span_may_ignore_the_active_one(tracer: &Subject) {
    let parent = tracer.start_active_span("Fry");
    let options = StartSpanOptions::new().ignore_active_span();
    tracer.start_span_with("Farnsworth", options).finish();
    parent.close();
    if tracer.records() {
        assert_eq!(tracer.finished(2).named("Farnsworth").parent_id, None);
    }
}

fn a_span_starts_as_child_or_follower_of_another(tracer: &Subject) {
    let parent = tracer.start_span("parent");
    tracer.start_span_with("child", child_of(&parent)).finish();
    let options = follows_from(&parent.context()).tag("birthplace", "sewers");
    tracer.start_span_with("follower", options).finish();
    parent.finish();
    if tracer.records() {
        let spans = tracer.finished(3);
        assert!(spans.named("child").is_child_of(spans.named("parent")));
        assert!(spans.named("follower").is_child_of(spans.named("parent")));
        assert_eq!(spans.named("follower").tags["birthplace"], "sewers");
    }
}

fn a_span_starts_its_children_through_its_tracer(tracer: &Subject) {
    let parent = tracer.start_span("parent");
    parent.tracer().start_span_with("child", child_of(&parent)).finish();
    parent.finish();
    if tracer.records() {
        let spans = tracer.finished(2);
        assert!(spans.named("child").is_child_of(spans.named("parent")));
    }
}

fn a_span_without_a_name_takes_one_later(tracer: &Subject) {
    let mut span = tracer.start_span("");
    span.set_operation_name("Farnsworth");
    span.finish();
    if tracer.records() {
        assert_eq!(tracer.finished(1).names(), ["Farnsworth"]);
    }
}

fn a_block_finishes_its_span_with_and_without_an_error(tracer: &Subject) {
    let fine = tracer.try_in_span("fine", |_| "7".parse::<u8>());
    assert_eq!(fine, Ok(7));
    let failed = tracer.try_in_span("failed", |_| "x".parse::<u8>());
    let message = failed.unwrap_err().to_string();
    if tracer.records() {
        let spans = tracer.finished(2);
        assert!(!spans.named("fine").is_error() && spans.named("fine").logs.is_empty());
        let failed = spans.named("failed");
        assert!(failed.is_error());
        assert_eq!(failed.field(0, "event").unwrap(), &"error");
        // OpenTelemetry has a name of its own for the field.
        let told = failed.field(0, "message").or_else(|| failed.field(0, "exception.message"));
        assert_eq!((failed.logs.len(), told.unwrap()), (1, &message.as_str().into()));
    }
}

fn tags_are_numbers_truth_values_and_text(tracer: &Subject) {
    let mut span = tracer.start_span("ManyTypes");
    span.set_tag("an_int", 9).set_tag("a_bool", true).set_tag("a_string", "aoeuidhtns");
    span.finish();
    if tracer.records() {
        let spans = tracer.finished(1);
        let tags = &spans.named("ManyTypes").tags;
        assert_eq!((&tags["an_int"], &tags["a_bool"]), (&9.into(), &true.into()));
        assert_eq!(tags["a_string"], "aoeuidhtns");
    }
}

fn tags_chain_and_take_any_unicode(tracer: &Subject) {
    let mut span = tracer.start_span("Farnsworth");
    span.set_tag("birthday", "9 April, 2841").set_tag("loves", "different lengths of wires");
    span.set_tag("unicode_val", "non-ascii: \u{200b}").set_tag("unicode_key_\u{200b}", "ascii val");
    span.finish();
    if tracer.records() {
        let spans = tracer.finished(1);
        let tags = &spans.named("Farnsworth").tags;
        assert_eq!(tags["birthday"], "9 April, 2841");
        assert_eq!(tags["loves"], "different lengths of wires");
        assert_eq!(tags["unicode_val"], "non-ascii: \u{200b}");
        assert_eq!(tags["unicode_key_\u{200b}"], "ascii val");
    }
}

fn logs_of_every_form_are_kept(tracer: &Subject) {
    let mut span = tracer.start_span("Fry");
    span.log_kv(fields! { "frozen.year" => 1999, "frozen.place" => "Cryogenics Labs" });
    span.log_kv_at(SystemTime::now(), fields! { "defrosted.year" => 2999 });
    span.log_event("frozen").log_kv([("payload", 1947)]);
    span.log_kv_at(SystemTime::now(), fields! { "event" => "unfrozen", "payload" => 2999 });
    span.finish();
    if tracer.records() {
        let spans = tracer.finished(1);
        let span = spans.named("Fry");
        assert_eq!(span.logs.len(), 5);
        assert_eq!(span.field(0, "frozen.year").unwrap(), &1999);
        assert_eq!(span.field(0, "frozen.place").unwrap(), &"Cryogenics Labs");
        assert_eq!(span.field(1, "defrosted.year").unwrap(), &2999);
        assert_eq!(span.field(2, "event").unwrap(), &"frozen");
        assert_eq!(span.field(3, "payload").unwrap(), &1947);
        assert_eq!(span.field(4, "event").unwrap(), &"unfrozen");
        assert_eq!(span.field(4, "payload").unwrap(), &2999);
    }
}

fn baggage_is_set_and_read_on_the_span(tracer: &Subject) {
    let mut span = tracer.start_span("Fry");
    assert_eq!(n_baggage(&span), 0);
    let before: *const _ = &span;
    let after: *const _ = span.set_baggage_item("Kiff-loves", "Amy");
    assert_eq!(before, after, "setters return the same span");
    let expected = tracer.records().then_some("Amy");
    assert_eq!(span.baggage_item("Kiff-loves"), expected);
}

fn baggage_shows_in_contexts_taken_afterwards(tracer: &Subject) {
    let mut span = tracer.start_span("Fry");
    let before = span.context();
    span.set_baggage_item("Kiff-loves", "Amy");
    let context = span.context();
    let items: Vec<_> = context.baggage().collect();
    let expected: &[_] = if tracer.records() { &[("Kiff-loves", "Amy")] } else { &[] };
    assert_eq!(items, expected);
    assert_eq!(before.baggage().count(), 0);
}

fn a_context_crosses_a_text_map(tracer: &Subject) {
    let (span, mut carrier) = (tracer.start_span("Bender"), HashMap::new());
    let injected = tracer.inject(&span.context(), Inject::TextMap(&mut carrier));
    assert!(injected.is_ok(), "{injected:?}");
    let extracted = tracer.extract(Extract::TextMap(&carrier)).unwrap();
    assert_eq!(extracted.is_some(), tracer.records());
    if let Some(context) = extracted {
        assert_eq!(context.trace_id(), span.context().trace_id());
        assert_eq!((context.span_id(), context.baggage().count()), (span.context().span_id(), 0));
    }
}

fn a_context_crosses_bytes(tracer: &Subject) {
    let (span, mut carrier) = (tracer.start_span("Bender"), Vec::new());
    tracer.inject(&span.context(), Inject::Binary(&mut carrier)).unwrap();
    let extracted = tracer.extract(Extract::Binary(&carrier)).unwrap();
    assert_eq!(extracted.is_some(), tracer.records());
    if let Some(context) = extracted {
        assert_eq!(context.trace_id(), span.context().trace_id());
        assert_eq!((context.span_id(), context.baggage().count()), (span.context().span_id(), 0));
    }
}

fn the_three_formats_work_both_ways(tracer: &Subject) {
    let span = tracer.start_span("Bender");
    let (mut text, mut headers, mut bytes) = (HashMap::new(), HashMap::new(), Vec::new());
    tracer.inject(&span, Inject::TextMap(&mut text)).unwrap();
    tracer.inject(&span, Inject::HttpHeaders(&mut headers)).unwrap();
    tracer.inject(&span, Inject::Binary(&mut bytes)).unwrap();
    let carriers =
        [Extract::TextMap(&text), Extract::HttpHeaders(&headers), Extract::Binary(&bytes)];
    for carrier in carriers {
        let format = format!("{carrier:?}");
        let extracted = tracer.extract(carrier).unwrap();
        assert_eq!(extracted.is_some(), tracer.records(), "{format}");
    }
}

fn an_unknown_format_is_an_error_both_ways(tracer: &Subject) {
    let format = "kiss my shiny metal ...";
    let span = tracer.start_span("Bender");
    let injected = tracer.inject(&span, Inject::Custom(format, &mut String::new()));
    let extracted = tracer.extract(Extract::Custom(format, &String::new()));
    assert!(matches!(injected, Err(InjectError::UnsupportedFormat)), "{injected:?}");
    assert!(matches!(extracted, Err(ExtractError::UnsupportedFormat)), "{extracted:?}");
}

fn an_active_spans_scope_is_the_active_one(tracer: &Subject) {
    let scope = tracer.start_active_span("Fry");
    let active = tracer.active_span();
    assert_eq!(active, tracer.records().then(|| scope.span().clone()));
    scope.close();
}

fn a_plain_span_does_not_become_active(tracer: &Subject) {
    let span = tracer.start_span("Fry");
    assert_eq!(tracer.active_span(), None);
    span.finish();
}
