//! The Jaeger clients' conventions: for tracers of `jaeger::Config`.

use integration_tests::Receiver;
use jaeger_udp::Dialect;
use jaeger_udp::model::{Batch, SpanRefType, TagValue};
use opentracing_api::{Extract, StartSpanOptions, Tracer, child_of, fields, follows_from};
use opentracing_shim::jaeger::{Config, Sampler};
use otel_core::SpanLimits;

use crate::{LONG, find, keys, pairs, text};

fn batches_of(program: impl FnOnce(&Tracer)) -> Vec<Batch> {
    configured(|config| config, program)
}

fn configured(
    configure: impl FnOnce(Config) -> Config,
    program: impl FnOnce(&Tracer),
) -> Vec<Batch> {
    let receiver = Receiver::start();
    let config = Config::new("shop").agent_host("127.0.0.1").agent_port(receiver.port());
    let tracer = configure(config).build().unwrap();
    program(&tracer);
    let flushed = tracer.close(LONG).unwrap();
    assert!(receiver.wait_for_spans(flushed.reported_spans as usize, LONG));
    receiver.batches()
}

#[test]
fn a_lone_parent_is_its_id_and_more_references_come_all_and_in_order() {
    let sent = batches_of(|tracer| {
        let (parent, other) = (tracer.start_span("parent"), tracer.start_span("other"));
        tracer.start_span_with("child", child_of(&parent)).finish();
        tracer.start_span_with("joined", follows_from(&other).child_of(&parent)).finish();
        tracer.start_span_with("twice", child_of(&parent).child_of(&other)).finish();
    });
    let [parent, other, child, joined, twice] =
        ["parent", "other", "child", "joined", "twice"].map(|name| find(&sent, name));
    assert_eq!((child.parent_span_id, child.references), (parent.span_id, vec![]));
    let references = |span: &jaeger_udp::model::Span| -> Vec<_> {
        span.references.iter().map(|to| (to.ref_type, to.trace_id_low, to.span_id)).collect()
    };
    let to_parent = (SpanRefType::ChildOf, parent.trace_id_low, parent.span_id);
    assert_eq!(
        references(&joined),
        [(SpanRefType::FollowsFrom, other.trace_id_low, other.span_id), to_parent]
    );
    assert_eq!(
        references(&twice),
        [to_parent, (SpanRefType::ChildOf, other.trace_id_low, other.span_id)]
    );
    assert_eq!([joined.parent_span_id, twice.parent_span_id], [parent.span_id; 2]);
}

#[test]
fn references_have_the_type_they_were_given() {
    let sent = batches_of(|tracer| {
        let (one, two) = (tracer.start_span("one"), tracer.start_span("two"));
        tracer.start_span_with("span", follows_from(&one).follows_from(&two)).finish();
        tracer.start_span_with("lone", follows_from(&one)).finish();
    });
    let (one, span, lone) = (find(&sent, "one"), find(&sent, "span"), find(&sent, "lone"));
    let types: Vec<_> = span.references.iter().map(|to| to.ref_type).collect();
    assert_eq!(types, [SpanRefType::FollowsFrom; 2]);
    assert_eq!((span.parent_span_id, lone.parent_span_id), (one.span_id, one.span_id));
    assert_eq!(lone.references[0].ref_type, SpanRefType::FollowsFrom);
}

#[test]
fn the_error_tag_stays_as_it_was_given() {
    let sent = batches_of(|tracer| {
        for (name, value) in [("text", "true"), ("no", "false"), ("other", "maybe")] {
            tracer.start_span_with(name, StartSpanOptions::new().tag("error", value)).finish();
        }
        tracer.start_span_with("bool", StartSpanOptions::new().tag("error", true)).finish();
    });
    for (name, value) in [
        ("text", text("true")),
        ("no", text("false")),
        ("other", text("maybe")),
        ("bool", TagValue::Bool(true)),
    ] {
        let span = find(&sent, name);
        assert_eq!(keys(&span.tags), ["sampler.type", "sampler.param", "error"], "{name}");
        assert_eq!(span.tag("error"), Some(&value));
    }
}

#[test]
fn a_repeated_tag_comes_once_with_the_last_value() {
    let sent = batches_of(|tracer| {
        let options = StartSpanOptions::new().tag("k", 1);
        tracer.start_span_with("span", options).set_tag("k", true).set_tag("k", "last");
    });
    let span = find(&sent, "span");
    assert_eq!(keys(&span.tags), ["sampler.type", "sampler.param", "k"]);
    assert_eq!(span.tag("k"), Some(&text("last")));
}

#[test]
fn an_internal_span_has_no_tag_for_its_kind_unless_it_was_given_one() {
    let sent = batches_of(|tracer| {
        tracer.start_span("none").finish();
        let options = StartSpanOptions::new().tag("span.kind", "internal");
        tracer.start_span_with("given", options).finish();
    });
    assert_eq!(find(&sent, "none").tag("span.kind"), None);
    assert_eq!(find(&sent, "given").tag("span.kind"), Some(&text("internal")));
}

#[test]
fn a_log_has_a_field_event_only_where_it_was_given_one() {
    let sent = batches_of(|tracer| {
        let mut span = tracer.start_span("span");
        span.log_kv(fields! { "event" => "hit", "n" => 1 }).log_kv([("n", 2)]).log_event("alone");
    });
    let span = find(&sent, "span");
    let logs: Vec<_> = span.logs.iter().map(|log| pairs(&log.fields)).collect();
    assert_eq!(logs[0], [("event", &text("hit")), ("n", &TagValue::Long(1))]);
    assert_eq!(logs[1..], [[("n", &TagValue::Long(2))], [("event", &text("alone"))]]);
}

#[test]
fn baggage_that_is_set_is_logged() {
    let sent = batches_of(|tracer| {
        tracer.start_span("span").set_baggage_item("k", "v").set_baggage_item("k", "w");
    });
    let span = find(&sent, "span");
    let (event, key) = (text("baggage"), text("k"));
    let set = [("event", &event), ("key", &key), ("value", &text("v"))];
    assert_eq!(pairs(&span.logs[0].fields), set);
    let replaced =
        [("event", &event), ("key", &key), ("value", &text("w")), ("override", &text("true"))];
    assert_eq!(pairs(&span.logs[1].fields), replaced);
}

#[test]
fn a_root_says_who_sampled_it_and_its_children_do_not() {
    let sent = configured(
        |config| config.sampler(Sampler::Const(true)),
        |tracer| {
            let root = tracer.start_span("root");
            tracer.start_span_with("child", child_of(&root)).finish();
        },
    );
    assert_eq!(
        pairs(&find(&sent, "root").tags),
        [("sampler.type", &text("const")), ("sampler.param", &TagValue::Bool(true))]
    );
    assert!(find(&sent, "child").tags.is_empty());
}

#[test]
fn a_debug_id_is_a_tag_of_the_root_and_makes_a_debug_trace() {
    let sent = configured(
        |config| config.sampler(Sampler::Const(false)),
        |tracer| {
            let headers = [("jaeger-debug-id", "find me")];
            let caller = tracer.extract(Extract::HttpHeaders(&headers)).unwrap().unwrap();
            let root = tracer.start_span_with("root", child_of(&caller));
            tracer.start_span_with("child", child_of(&root)).finish();
        },
    );
    let (root, child) = (find(&sent, "root"), find(&sent, "child"));
    assert_eq!(root.tag("jaeger-debug-id"), Some(&text("find me")));
    assert_eq!((root.parent_span_id, root.flags, child.flags), (0, 3, 3));
    assert_eq!(child.tag("jaeger-debug-id"), None);
}

#[test]
fn values_have_no_limit_unless_one_is_set() {
    let long = "ü".repeat(5_000);
    let program = |tracer: &Tracer| {
        tracer.start_span("span").set_tag("k", &long).set_tag("b", &[7_u8; 300]).log_event(&long);
    };
    let span = find(&batches_of(program), "span");
    assert_eq!((span.tag("k"), &span.logs[0].fields[0].value), (Some(&text(&long)), &text(&long)));
    let span = find(&configured(|config| config.max_value_length(256), program), "span");
    let cut = text(&"ü".repeat(256));
    assert_eq!((span.tag("k"), &span.logs[0].fields[0].value), (Some(&cut), &cut));
    assert_eq!(span.tag("b"), Some(&TagValue::Binary(vec![7; 256])));
}

#[test]
fn a_root_has_a_span_id_of_its_own() {
    let sent = batches_of(|tracer| (0..50).for_each(|_| tracer.start_span("root").finish()));
    for root in sent.iter().flat_map(|batch| &batch.spans) {
        assert!(root.span_id != root.trace_id_low && root.span_id != root.trace_id_high);
    }
}

#[test]
fn trace_ids_have_128_bits_unless_64_are_asked_for() {
    let root = |bits: u32| {
        let sent = configured(
            |config| config.trace_id_bits(bits),
            |tracer| tracer.start_span("root").finish(),
        );
        find(&sent, "root")
    };
    assert!(root(128).trace_id_high != 0);
    let short = root(64);
    assert!(short.trace_id_high == 0 && short.trace_id_low != 0);
    assert!(short.span_id != short.trace_id_low);
}

#[test]
fn what_the_limits_dropped_is_told_by_a_log() {
    let limits = SpanLimits::default().events(2).attributes(1);
    let sent = crate::batches_of(Dialect::JaegerClient, limits, |provider| {
        let mut span = provider.tracer("lib").start("span");
        (0..5).for_each(|_| _ = span.add_event("e", &[]));
        span.set_attribute("a", 1).set_attribute("b", 2);
    });
    let span = find(&sent, "span");
    assert_eq!((keys(&span.tags), span.logs.len()), (vec!["a"], 3));
    assert_eq!(
        pairs(&span.logs[2].fields),
        [
            ("event", &text("dropped Span logs")),
            ("dropped_log_count", &TagValue::Long(3)),
            ("component", &text("jaeger-client"))
        ]
    );
}

#[test]
fn a_process_says_which_client_on_which_host() {
    let sent =
        configured(|config| config.tag("zone", "b"), |tracer| tracer.start_span("span").finish());
    let process = &sent[0].process;
    assert_eq!(process.service_name, "shop");
    assert_eq!(keys(&process.tags), ["jaeger.version", "hostname", "ip", "client-uuid", "zone"]);
    let TagValue::String(version) = &process.tags[0].value else { panic!("{process:?}") };
    assert!(version.starts_with("Rust-"), "{version}");
}

#[test]
fn an_unsigned_number_past_the_signed_ones_is_text() {
    let sent = batches_of(|tracer| {
        let mut span = tracer.start_span("span");
        span.set_tag("large", u64::MAX).set_tag("fits", i64::MAX as u64);
        span.log_kv([("large", i64::MAX as u64 + 1)]);
    });
    let span = find(&sent, "span");
    assert_eq!(span.tag("large"), Some(&text("18446744073709551615")));
    assert_eq!(span.tag("fits"), Some(&TagValue::Long(i64::MAX)));
    assert_eq!(span.logs[0].fields[0].value, text("9223372036854775808"));
}

#[test]
fn nothing_is_said_in_opentelemetrys_words() {
    let sent = crate::batches_of(Dialect::JaegerClient, SpanLimits::default(), |provider| {
        let mut span = provider.versioned_tracer("lib", "1").start("span");
        span.set_status(otel_core::StatusCode::Error, "why").add_event("e", &[]);
    });
    assert_eq!(pairs(&find(&sent, "span").tags), [("error", &TagValue::Bool(true))]);
}
