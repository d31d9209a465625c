//! OpenTelemetry's mapping: for users of the engine, and of OpenTracing in front of it.

use std::collections::HashMap;

use jaeger_udp::Dialect;
use jaeger_udp::model::{Batch, SpanRefType, TagValue};
use opentracing_api::{StartSpanOptions, Tracer, child_of, follows_from};
use opentracing_shim::TracerShim;
use otel_core::propagation::{JaegerPropagator, extract_context};
use otel_core::{Context, Link, SpanKind, SpanLimits, StatusCode, TracerProvider};

use crate::{find, keys, pairs, text};

fn batches_of(program: impl FnOnce(&TracerProvider)) -> Vec<Batch> {
    crate::batches_of(Dialect::Otel, SpanLimits::default(), program)
}

/// Runs a program that speaks OpenTracing.
fn opentracing(program: impl FnOnce(&Tracer)) -> Vec<Batch> {
    batches_of(|provider| program(&Tracer::new(TracerShim::new(provider.clone()))))
}

#[test]
fn a_parent_is_its_id_and_no_reference() {
    let sent = batches_of(|provider| {
        let tracer = provider.tracer("");
        tracer.in_span("parent", |_| tracer.in_span("child", |_| {}));
    });
    let (parent, child) = (find(&sent, "parent"), find(&sent, "child"));
    assert_eq!((child.parent_span_id, child.references), (parent.span_id, vec![]));
    assert_eq!((parent.parent_span_id, parent.references), (0, vec![]));
    // An explicit parent of OpenTracing is a link as well, which goes without saying.
    let sent = opentracing(|tracer| {
        let parent = tracer.start_span("parent");
        tracer.start_span_with("child", child_of(&parent)).finish();
    });
    assert!(find(&sent, "child").references.is_empty());
}

#[test]
fn links_follow_from_what_they_lead_to_unless_they_say_otherwise() {
    let sent = batches_of(|provider| {
        let tracer = provider.tracer("");
        let cause = tracer.span_builder("cause").root().start();
        let links = [
            Link::new(cause.context().clone()),
            Link::new(cause.context().clone())
                .with_attributes(&[("opentracing.ref_type", otel_core::Value::Str("child_of"))]),
        ];
        tracer.span_builder("span").root().links(&links).start().end();
    });
    let (cause, span) = (find(&sent, "cause"), find(&sent, "span"));
    let found: Vec<_> =
        span.references.iter().map(|to| (to.ref_type, to.trace_id_low, to.span_id)).collect();
    assert_eq!(
        found,
        [
            (SpanRefType::FollowsFrom, cause.trace_id_low, cause.span_id),
            (SpanRefType::ChildOf, cause.trace_id_low, cause.span_id)
        ]
    );
    // A parent that the span follows from is both.
    let sent = opentracing(|tracer| {
        let cause = tracer.start_span("cause");
        tracer.start_span_with("span", follows_from(&cause)).finish();
    });
    let (cause, span) = (find(&sent, "cause"), find(&sent, "span"));
    assert_eq!(span.parent_span_id, cause.span_id);
    assert_eq!(span.references[0].ref_type, SpanRefType::FollowsFrom);
}

#[test]
fn an_error_is_a_status_and_comes_as_a_truth_value() {
    let sent = opentracing(|tracer| {
        tracer.start_span_with("text", StartSpanOptions::new().tag("error", "true")).finish();
        tracer.start_span_with("fine", StartSpanOptions::new().tag("error", false)).finish();
    });
    let failed = find(&sent, "text");
    assert_eq!(failed.tag("error"), Some(&TagValue::Bool(true)));
    assert_eq!(failed.tag("otel.status_code"), Some(&text("ERROR")));
    let fine = find(&sent, "fine");
    assert_eq!((fine.tag("error"), fine.tag("otel.status_code")), (None, Some(&text("OK"))));
    let sent = batches_of(|provider| {
        let mut span = provider.tracer("").start("span");
        span.set_attribute("error", "mine").set_status(StatusCode::Error, "why");
    });
    let tags = [
        ("error", &TagValue::Bool(true)),
        ("otel.status_code", &text("ERROR")),
        ("otel.status_description", &text("why")),
    ];
    assert_eq!(pairs(&find(&sent, "span").tags), tags);
}

#[test]
fn a_repeated_tag_comes_once_with_the_last_value() {
    let sent = batches_of(|provider| {
        provider.tracer("").start("span").set_attribute("k", 1).set_attribute("k", "last");
    });
    assert_eq!(pairs(&find(&sent, "span").tags), [("k", &text("last"))]);
}

#[test]
fn an_internal_span_has_no_tag_for_its_kind() {
    let sent = batches_of(|provider| {
        let tracer = provider.tracer("");
        tracer.span_builder("internal").kind(SpanKind::Internal).start().end();
        tracer.span_builder("client").kind(SpanKind::Client).start().end();
    });
    assert!(find(&sent, "internal").tags.is_empty());
    assert_eq!(pairs(&find(&sent, "client").tags), [("span.kind", &text("client"))]);
    // OpenTracing's tag sets the kind, and goes with it.
    let sent = opentracing(|tracer| {
        let options = StartSpanOptions::new().tag("span.kind", "internal");
        tracer.start_span_with("span", options).finish();
    });
    assert_eq!(find(&sent, "span").tag("span.kind"), None);
}

#[test]
fn an_event_has_its_name_in_the_field_event() {
    let sent = batches_of(|provider| {
        let mut span = provider.tracer("").start("span");
        span.add_event("paid", &[("cents", 5.into())]).add_event("alone", &[]);
        span.add_event("named", &[("event", "mine".into())]);
    });
    let span = find(&sent, "span");
    let logs: Vec<_> = span.logs.iter().map(|log| pairs(&log.fields)).collect();
    assert_eq!(logs[0], [("event", &text("paid")), ("cents", &TagValue::Long(5))]);
    assert_eq!(logs[1..], [[("event", &text("alone"))], [("event", &text("mine"))]]);
}

#[test]
fn baggage_that_is_set_leaves_no_log() {
    let sent = opentracing(|tracer| {
        tracer.start_span("span").set_baggage_item("user", "ann");
    });
    assert!(find(&sent, "span").logs.is_empty());
}

#[test]
fn a_root_has_no_tags_of_its_own() {
    let sent = batches_of(|provider| provider.tracer("").start("root").end());
    let root = find(&sent, "root");
    assert_eq!((root.tags, root.parent_span_id, root.flags), (vec![], 0, 1));
}

#[test]
fn a_debug_id_is_nothing_to_the_engine() {
    let headers = HashMap::from([("jaeger-debug-id".to_owned(), "find me".to_owned())]);
    let sent = batches_of(|provider| {
        let caller = extract_context(&JaegerPropagator::new(), &Context::new(), &headers);
        provider.tracer("").span_builder("root").parent(&caller).start().end();
    });
    let root = find(&sent, "root");
    assert_eq!((root.tags, root.parent_span_id, root.flags), (vec![], 0, 1));
}

#[test]
fn values_have_no_limit_unless_one_is_set() {
    let long = "ü".repeat(5_000);
    let program = |provider: &TracerProvider| {
        provider.tracer("").start("span").set_attribute("k", &long);
    };
    assert_eq!(find(&batches_of(program), "span").tag("k"), Some(&text(&long)));
    let limits = SpanLimits::default().value_length(256);
    let sent = crate::batches_of(Dialect::Otel, limits, program);
    assert_eq!(find(&sent, "span").tag("k"), Some(&text(&"ü".repeat(256))));
}

#[test]
fn a_root_has_a_span_id_of_its_own_and_a_trace_id_of_128_bits() {
    let sent = batches_of(|provider| {
        (0..50).for_each(|_| provider.tracer("").start("root").end());
    });
    for root in sent.iter().flat_map(|batch| &batch.spans) {
        assert!(root.span_id != root.trace_id_low && root.span_id != root.trace_id_high);
        assert!(root.trace_id_high != 0 && root.trace_id_low != 0);
    }
}

#[test]
fn what_the_limits_dropped_is_counted_in_tags() {
    let limits = SpanLimits::default().events(2).attributes(1);
    let sent = crate::batches_of(Dialect::Otel, limits, |provider| {
        let mut span = provider.tracer("").start("span");
        (0..5).for_each(|_| _ = span.add_event("e", &[]));
        span.set_attribute("a", 1).set_attribute("b", 2).set_attribute("c", 3);
    });
    let span = find(&sent, "span");
    assert_eq!(span.logs.len(), 2);
    assert_eq!(span.tag("otel.dropped_events_count"), Some(&TagValue::Long(3)));
    assert_eq!(span.tag("otel.dropped_attributes_count"), Some(&TagValue::Long(2)));
    assert_eq!(span.tag("otel.dropped_links_count"), None);
}

#[test]
fn a_process_has_the_resource_and_nothing_else() {
    let sent = batches_of(|provider| provider.tracer("").start("span").end());
    let process = &sent[0].process;
    assert_eq!(process.service_name, "shop");
    assert_eq!(
        keys(&process.tags),
        ["telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"]
    );
}

#[test]
fn an_unsigned_number_past_the_signed_ones_is_text() {
    let sent = opentracing(|tracer| {
        let mut span = tracer.start_span("span");
        span.set_tag("large", u64::MAX).set_tag("fits", i64::MAX as u64);
        span.log_kv([("large", i64::MAX as u64 + 1)]);
    });
    let span = find(&sent, "span");
    assert_eq!(span.tag("large"), Some(&text("18446744073709551615")));
    assert_eq!(span.tag("fits"), Some(&TagValue::Long(i64::MAX)));
    assert_eq!(span.logs[0].fields[1].value, text("9223372036854775808"));
}

#[test]
fn the_scope_is_told_to_old_readers_and_new_ones() {
    let sent = batches_of(|provider| provider.versioned_tracer("lib", "1").start("span").end());
    let (name, version) = (text("lib"), text("1"));
    assert_eq!(
        pairs(&find(&sent, "span").tags),
        [
            ("otel.scope.name", &name),
            ("otel.scope.version", &version),
            ("otel.library.name", &name),
            ("otel.library.version", &version)
        ]
    );
}
