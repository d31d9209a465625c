use otel_core::record::SpanTimes;
use otel_core::{KeyValue, SpanKind, SpanLimits, Value};

use super::*;
use crate::codec::{Binary, Compact};
use crate::model::{self, SpanRefType, Tag, TagValue};
use crate::testing::{TestSpan, decode_span};

mod reader;
mod round_trip;
mod second_opinion;

const BOTH: [Dialect; 2] = [Dialect::Otel, Dialect::JaegerClient];
const TRACE: TraceId = TraceId::from_parts(0, 1);

fn tags(span: &mut TestSpan, dialect: Dialect) -> Vec<(String, TagValue)> {
    span.decoded(dialect).tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn text(value: &str) -> TagValue {
    TagValue::from(value)
}

fn expected(pairs: &[(&str, TagValue)]) -> Vec<(String, TagValue)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

#[test]
fn ids_are_big_endian_numbers_reinterpreted_as_signed() {
    for dialect in BOTH {
        let trace_id = TraceId::from_bytes([0xFF, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]);
        let span = TestSpan::new("op").ids(trace_id, u64::MAX, 1 << 63).decoded(dialect);
        assert_eq!(span.trace_id_high, -72_057_594_037_927_936);
        assert_eq!(span.trace_id_low, i64::MIN + 1);
        assert_eq!((span.span_id, span.parent_span_id), (-1, i64::MIN));
        // A trace id of 64 bits has nothing in its upper half.
        assert_eq!(TestSpan::new("op").ids(TRACE, 2, 0).decoded(dialect).trace_id_high, 0);
    }
}

#[test]
fn flags_are_computed_and_the_byte_of_w3c_is_never_copied() {
    for dialect in BOTH {
        for (flags, expected) in [
            (TraceFlags::SAMPLED, 1),
            (TraceFlags::NONE, 1),
            (TraceFlags::SAMPLED | TraceFlags::RANDOM, 1),
            (TraceFlags::SAMPLED | TraceFlags::DEBUG, 3),
            (TraceFlags::SAMPLED | TraceFlags::FIREHOSE, 9),
            (
                TraceFlags::SAMPLED | TraceFlags::RANDOM | TraceFlags::DEBUG | TraceFlags::FIREHOSE,
                11,
            ),
        ] {
            assert_eq!(
                TestSpan::new("op").flags(flags).decoded(dialect).flags,
                expected,
                "{flags:?}"
            );
        }
    }
}

#[test]
fn times_are_microseconds_rounded_down_and_a_duration_is_never_zero() {
    for dialect in BOTH {
        for (start, duration, expected) in [
            // It ends at 4,998 ns.
            (1_999, 2_999, (1, 3)),
            (1_000, 3_998, (1, 3)),
            (1_900, 200, (1, 1)),
            (0, 0, (0, 1)),
            (1_000, 999, (1, 1)),
            (1_000, 1_000, (1, 1)),
            (1_234_567_890, 1, (1_234_567, 1)),
        ] {
            let span = TestSpan::new("op").times(start, duration).decoded(dialect);
            assert_eq!((span.start_time, span.duration), expected, "{duration} ns from {start}");
        }
        // A child that ends with its parent ends with it in microseconds too.
        let [parent, child] = [(900, 10_050), (2_950, 8_000)]
            .map(|(start, duration)| TestSpan::new("op").times(start, duration).decoded(dialect));
        assert_eq!(parent.start_time + parent.duration, child.start_time + child.duration);
        let span = TestSpan::new("op").event("e", 5_999, &[("a", 1.into())]).decoded(dialect);
        assert_eq!(span.logs[0].timestamp, 5);
    }
}

#[test]
fn each_value_has_a_type_of_its_own() {
    let mut span = TestSpan::new("op")
        .attribute("s", "x")
        .attribute("i", i64::MIN)
        .attribute("f", 1.5)
        .attribute("t", true)
        .attribute("n", false)
        .attribute("b", &[0_u8, 255])
        .attribute("a", Value::Strs(&["a", "b"]))
        .attribute("m", Value::Map(&[("k", Value::Array(&[Value::Empty, Value::F64(f64::NAN)]))]))
        .attribute("e", Value::Empty)
        .attribute("z", Value::I64s(&[]))
        .attribute("", "an empty key is dropped");
    for dialect in BOTH {
        let expected = expected(&[
            ("s", text("x")),
            ("i", TagValue::Long(i64::MIN)),
            ("f", TagValue::Double(1.5)),
            ("t", TagValue::Bool(true)),
            ("n", TagValue::Bool(false)),
            ("b", TagValue::Binary(vec![0, 255])),
            ("a", text(r#"["a","b"]"#)),
            ("m", text(r#"{"k":[null,"NaN"]}"#)),
            ("e", text("")),
            ("z", text("[]")),
        ]);
        let found = tags(&mut span, dialect);
        assert_eq!(found[..expected.len()], expected);
        // The dropped key is told of in one dialect.
        assert_eq!(found.len() - expected.len(), usize::from(dialect == Dialect::Otel));
    }
}

#[test]
fn a_repeated_key_is_one_tag_with_the_last_value() {
    for dialect in BOTH {
        let mut span = TestSpan::new("op").attribute("k", 1).attribute("l", 2).attribute("k", "3");
        assert_eq!(
            tags(&mut span, dialect),
            expected(&[("k", text("3")), ("l", TagValue::Long(2))])
        );
    }
}

#[test]
fn the_kind_is_a_tag_unless_it_is_internal_or_the_user_set_one() {
    for dialect in BOTH {
        for (kind, name) in [
            (SpanKind::Client, "client"),
            (SpanKind::Server, "server"),
            (SpanKind::Producer, "producer"),
            (SpanKind::Consumer, "consumer"),
        ] {
            assert_eq!(
                tags(&mut TestSpan::new("op").kind(kind), dialect),
                expected(&[("span.kind", text(name))])
            );
            let mut span =
                TestSpan::new("op").kind(kind).attribute("a", 1).attribute("span.kind", "mine");
            assert_eq!(
                tags(&mut span, dialect),
                expected(&[("a", TagValue::Long(1)), ("span.kind", text("mine"))])
            );
        }
        assert_eq!(tags(&mut TestSpan::new("op"), dialect), []);
    }
}

#[test]
fn an_error_status_is_the_tag_error_in_both_dialects() {
    let mut span = TestSpan::new("op").status(StatusCode::Error, "broke");
    let error = ("error", TagValue::Bool(true));
    assert_eq!(
        tags(&mut span, Dialect::Otel),
        expected(&[
            error.clone(),
            ("otel.status_code", text("ERROR")),
            ("otel.status_description", text("broke"))
        ])
    );
    assert_eq!(tags(&mut span, Dialect::JaegerClient), expected(&[error]));
    let mut span = TestSpan::new("op").status(StatusCode::Ok, "");
    assert_eq!(tags(&mut span, Dialect::Otel), expected(&[("otel.status_code", text("OK"))]));
    assert_eq!(tags(&mut span, Dialect::JaegerClient), []);
}

#[test]
fn a_users_error_tag_goes_out_once() {
    // Otel: the status overrides it. Jaeger's clients: exactly as given, text included.
    let mut span = TestSpan::new("op")
        .attribute("error", "false")
        .attribute("a", 1)
        .status(StatusCode::Error, "");
    assert_eq!(
        tags(&mut span, Dialect::Otel),
        expected(&[
            ("a", TagValue::Long(1)),
            ("error", TagValue::Bool(true)),
            ("otel.status_code", text("ERROR"))
        ])
    );
    assert_eq!(
        tags(&mut span, Dialect::JaegerClient),
        expected(&[("error", text("false")), ("a", TagValue::Long(1))])
    );
    // Without an error status, the user's stays in both.
    for status in [StatusCode::Unset, StatusCode::Ok] {
        for dialect in BOTH {
            let found =
                tags(&mut TestSpan::new("op").attribute("error", true).status(status, ""), dialect);
            assert_eq!(found[0], ("error".to_owned(), TagValue::Bool(true)));
            assert_eq!(found.iter().filter(|(key, _)| key == "error").count(), 1);
        }
    }
}

#[test]
fn a_users_tag_of_a_derived_key_wins_and_goes_out_once() {
    let mut span = TestSpan::new("op")
        .kind(SpanKind::Client)
        .status(StatusCode::Error, "why")
        .trace_state("a=1")
        .scope("lib", "1.0");
    let keys = [
        "span.kind",
        "otel.status_code",
        "otel.status_description",
        "w3c.tracestate",
        "otel.scope.name",
        "otel.scope.version",
        "otel.library.name",
        "otel.library.version",
    ];
    for key in keys {
        span = span.attribute(key, "mine");
    }
    for dialect in BOTH {
        let found = tags(&mut span, dialect);
        for key in keys {
            let values: Vec<_> =
                found.iter().filter(|(found, _)| found == key).map(|(_, value)| value).collect();
            assert_eq!(values, [&text("mine")], "{key}");
        }
        assert_eq!(found.len(), keys.len() + 1);
    }
}

#[test]
fn scope_and_trace_state_are_tags_in_otels_dialect_alone() {
    let mut span = TestSpan::new("op").scope("lib", "1.0").trace_state("vendor=1");
    assert_eq!(
        tags(&mut span, Dialect::Otel),
        expected(&[
            ("w3c.tracestate", text("vendor=1")),
            ("otel.scope.name", text("lib")),
            ("otel.scope.version", text("1.0")),
            ("otel.library.name", text("lib")),
            ("otel.library.version", text("1.0")),
        ])
    );
    assert_eq!(tags(&mut span, Dialect::JaegerClient), []);
    let mut span = TestSpan::new("op").scope("lib", "");
    assert_eq!(
        tags(&mut span, Dialect::Otel),
        expected(&[("otel.scope.name", text("lib")), ("otel.library.name", text("lib"))])
    );
}

#[test]
fn attributes_of_the_scope_are_tags_unless_the_span_has_the_key() {
    let span = || {
        let of_scope = [("team", "a"), ("region", "x"), ("error", "no"), ("region", "north")];
        TestSpan::new("op").scope_attributes(&of_scope).attribute("team", "b").attribute("n", 1)
    };
    let north = ("region", text("north"));
    let all = [("team", text("b")), ("n", TagValue::Long(1)), north];
    assert_eq!(tags(&mut span(), Dialect::Otel), expected(&all));
    assert_eq!(tags(&mut span(), Dialect::JaegerClient), expected(&all[..2]));
}

#[test]
fn what_limits_dropped_is_counted_in_each_dialects_own_way() {
    let mut span = TestSpan::new("op").times(1_000_000, 2_000_000);
    span.limits = SpanLimits::UNLIMITED.attributes(1).events(1).links(1).attributes_per_event(1);
    let two: &[(&str, Value<'_>)] = &[("x", 1.into()), ("y", 2.into())];
    let mut span = span
        .attribute("a", 1)
        .attribute("b", 2)
        .event("e", 0, two)
        .event("f", 0, two)
        .event("g", 0, two)
        .link(TRACE, 3, &[])
        .link(TRACE, 4, &[]);
    let otel = span.decoded(Dialect::Otel);
    assert_eq!(otel.tag("otel.dropped_attributes_count"), Some(&TagValue::Long(1)));
    assert_eq!(otel.tag("otel.dropped_events_count"), Some(&TagValue::Long(2)));
    assert_eq!(otel.tag("otel.dropped_links_count"), Some(&TagValue::Long(1)));
    let fields = vec![
        Tag::new("event", text("e")),
        Tag::new("x", TagValue::Long(1)),
        Tag::new("otel.dropped_attributes_count", TagValue::Long(1)),
    ];
    assert_eq!(otel.logs, [model::Log { timestamp: 0, fields }]);

    let classic = span.decoded(Dialect::JaegerClient);
    assert_eq!(classic.tags, [Tag::new("a", TagValue::Long(1))]);
    let fields = vec![
        Tag::new("event", text("dropped Span logs")),
        Tag::new("dropped_log_count", TagValue::Long(2)),
        Tag::new("component", text("jaeger-client")),
    ];
    assert_eq!(classic.logs.len(), 2);
    assert_eq!(classic.logs[0].fields, [Tag::new("x", TagValue::Long(1))]);
    assert_eq!(classic.logs[1], model::Log { timestamp: 3_000, fields });
    // Also where none was let in.
    let mut span = TestSpan::new("op");
    span.limits = SpanLimits::UNLIMITED.events(0);
    let mut span = span.event("e", 0, &[]);
    assert_eq!(span.decoded(Dialect::JaegerClient).logs.len(), 1);
    assert_eq!(span.decoded(Dialect::Otel).logs, []);
}

#[test]
fn an_event_becomes_a_log_in_each_dialects_own_way() {
    let mut span = TestSpan::new("op")
        .event("named", 1_000, &[("a", 1.into())])
        .event("named", 2_000, &[("a", 1.into()), ("event", "mine".into())])
        .event("alone", 3_000, &[])
        .event("", 4_000, &[]);
    let fields = |dialect| -> Vec<Vec<Tag>> {
        span.clone().decoded(dialect).logs.into_iter().map(|log| log.fields).collect()
    };
    let (event, a) = (|name| Tag::new("event", text(name)), Tag::new("a", TagValue::Long(1)));
    assert_eq!(
        fields(Dialect::Otel),
        [
            vec![event("named"), a.clone()],
            vec![a.clone(), event("mine")],
            vec![event("alone")],
            vec![]
        ]
    );
    assert_eq!(
        fields(Dialect::JaegerClient),
        [vec![a.clone()], vec![a, event("mine")], vec![event("alone")], vec![]]
    );
    let times: Vec<i64> =
        span.decoded(Dialect::Otel).logs.iter().map(|log| log.timestamp).collect();
    assert_eq!(times, [1, 2, 3, 4]);
}

#[test]
fn links_become_references_in_each_dialects_own_way() {
    let other = TraceId::from_parts(5, 6);
    let child_of: &[(&str, Value<'_>)] = &[("opentracing.ref_type", "child_of".into())];
    let follows_from: &[(&str, Value<'_>)] = &[("opentracing.ref_type", "follows_from".into())];
    let mut span = TestSpan::new("op")
        .ids(TRACE, 2, 3)
        .link(TRACE, 3, child_of)
        .link(TRACE, 3, follows_from)
        .link(other, 3, child_of)
        .link(other, 7, &[("reason", "batch".into())]);
    let references = |span: &mut TestSpan, dialect| -> Vec<(SpanRefType, i64, i64, i64)> {
        let references = span.decoded(dialect).references;
        references
            .iter()
            .map(|r| (r.ref_type, r.trace_id_high, r.trace_id_low, r.span_id))
            .collect()
    };
    let rest = [
        (SpanRefType::FollowsFrom, 0, 1, 3),
        (SpanRefType::ChildOf, 5, 6, 3),
        (SpanRefType::FollowsFrom, 5, 6, 7),
    ];
    // parentSpanId says already that the span is a child of 3.
    assert_eq!(references(&mut span, Dialect::Otel), rest);
    assert_eq!(references(&mut span, Dialect::JaegerClient)[0], (SpanRefType::ChildOf, 0, 1, 3));
    assert_eq!(references(&mut span, Dialect::JaegerClient)[1..], rest);
    for dialect in BOTH {
        assert_eq!(span.decoded(dialect).parent_span_id, 3);
        assert_eq!(references(&mut TestSpan::new("op").ids(TRACE, 2, 3), dialect), []);
    }
    // The only link says what parentSpanId says: there is no list at all.
    let mut span = TestSpan::new("op").ids(TRACE, 2, 3).link(TRACE, 3, child_of);
    assert_eq!(
        span.encoded::<Compact>(Dialect::Otel),
        TestSpan::new("op").ids(TRACE, 2, 3).encoded::<Compact>(Dialect::Otel)
    );
}

#[test]
fn what_a_link_says_besides_is_a_log_at_the_start_where_that_is_asked_for() {
    let other = TraceId::from_parts(5, 6);
    let fields: &[(&str, Value<'_>)] = &[
        ("opentracing.ref_type", "follows_from".into()),
        ("queue", "jobs".into()),
        ("n", 2.into()),
    ];
    let mut span = TestSpan::new("op")
        .times(7_000, 9_000)
        .link(other, 7, fields)
        .link(other, 8, &[("opentracing.ref_type", "child_of".into())])
        .link(other, 9, &[])
        .event("e", 8_000, &[]);
    for dialect in BOTH {
        span.extras.link_logs = false;
        let plain = span.decoded(dialect);
        assert_eq!(plain.logs.len(), 1);
        span.extras.link_logs = true;
        let told = span.decoded(dialect);
        let fields = vec![
            Tag::new("event", text("link")),
            Tag::new("trace_id", text("00000000000000050000000000000006")),
            Tag::new("span_id", text("0000000000000007")),
            Tag::new("queue", text("jobs")),
            Tag::new("n", TagValue::Long(2)),
        ];
        assert_eq!(told.logs[0], model::Log { timestamp: 7, fields });
        assert_eq!((&told.logs[1..], &told.references), (&plain.logs[..], &plain.references));
        // When logs have to go, those of links go first.
        let trim = Trim { value_bytes: 256, n_logs: 1, ..Trim::NOTHING };
        let trimmed = decode_span::<Compact>(&span.encoded_trimmed::<Compact>(dialect, &trim));
        assert_eq!(trimmed.logs, plain.logs);
    }
    // A span without events gets them too.
    let mut span = TestSpan::new("op").link(other, 7, &[("a", 1.into())]);
    span.extras.link_logs = true;
    assert_eq!(span.decoded(Dialect::Otel).logs.len(), 1);
}

#[test]
fn an_exception_gets_opentracings_keys_where_that_is_asked_for() {
    let exception: &[(&str, Value<'_>)] = &[
        ("exception.type", "io::Error".into()),
        ("exception.message", "broke".into()),
        ("exception.stacktrace", "main".into()),
        ("attempt", 3.into()),
    ];
    let mut span = TestSpan::new("op")
        .event("exception", 1_000, exception)
        .event("other", 2_000, exception)
        .event("exception", 3_000, &[("event", "mine".into()), ("exception.type", "E".into())])
        .event("exception", 4_000, &[("exception.message", "a".into()), ("message", "b".into())]);
    let pairs = |span: &mut TestSpan, dialect, index: usize| -> Vec<(String, TagValue)> {
        let mut logs = span.decoded(dialect).logs;
        logs.swap_remove(index).fields.into_iter().map(|tag| (tag.key, tag.value)).collect()
    };
    let kept = [
        ("exception.type", text("io::Error")),
        ("exception.message", text("broke")),
        ("exception.stacktrace", text("main")),
        ("attempt", TagValue::Long(3)),
    ];
    let named = [("event", text("exception"))];
    let otel = expected(&[&named[..], &kept[..]].concat());
    assert_eq!(pairs(&mut span, Dialect::JaegerClient, 0), expected(&kept));
    for opentracing_errors in [false, true] {
        span.extras.opentracing_errors = opentracing_errors;
        assert_eq!(pairs(&mut span, Dialect::Otel, 0), otel);
    }
    let renamed = [
        ("event", text("error")),
        ("error.kind", text("io::Error")),
        ("message", text("broke")),
        ("stack", text("main")),
        ("attempt", TagValue::Long(3)),
    ];
    assert_eq!(pairs(&mut span, Dialect::JaegerClient, 0), expected(&renamed));
    assert_eq!(pairs(&mut span, Dialect::JaegerClient, 1), expected(&kept));
    // What is there already stays, and comes once.
    assert_eq!(
        pairs(&mut span, Dialect::JaegerClient, 2),
        expected(&[("event", text("mine")), ("error.kind", text("E"))])
    );
    assert_eq!(
        pairs(&mut span, Dialect::JaegerClient, 3),
        expected(&[
            ("event", text("error")),
            ("exception.message", text("a")),
            ("message", text("b"))
        ])
    );
}

#[test]
fn a_root_has_no_tags_of_the_exporters_making() {
    for dialect in BOTH {
        let span = TestSpan::new("op").decoded(dialect);
        assert_eq!(
            (span.parent_span_id, span.tags, span.logs, span.references),
            (0, vec![], vec![], vec![])
        );
    }
}

#[test]
fn awkward_spans_survive_in_both_protocols() {
    let long_key = "k".repeat(300);
    let long_value = "ü".repeat(20_000);
    let mut corpus = vec![
        TestSpan::new(""),
        TestSpan::new(&"n".repeat(60_000)),
        TestSpan::new("op").ids(TraceId::from_parts(u64::MAX, u64::MAX), u64::MAX, u64::MAX),
        TestSpan::new("op").ids(TRACE, 1, 0),
        TestSpan::new("op").attribute(&long_key, long_value.as_str()),
        TestSpan::new("日本語 😀").attribute("ключ", "значение"),
        TestSpan::new("op").times(u64::MAX, u64::MAX),
        TestSpan::new("op").event("e", u64::MAX, &[("event", 5.into()), ("event", true.into())]),
    ];
    for n_tags in [1, 14, 15, 16, 127, 128, 129] {
        let tags = |span: TestSpan, index: usize| {
            span.attribute(&format!("key-{index}"), index as i64 as f64)
        };
        corpus.push((0..n_tags).fold(TestSpan::new("op"), tags));
        let logs = |span: TestSpan, index: usize| span.event("e", index as u64 * 1000, &[]);
        corpus.push((0..n_tags).fold(TestSpan::new("op"), logs));
        let links = |span: TestSpan, index: usize| span.link(TRACE, index as u64 + 10, &[]);
        corpus.push((0..n_tags).fold(TestSpan::new("op"), links));
    }
    for span in &mut corpus {
        for dialect in BOTH {
            let compact = decode_span::<Compact>(&span.encoded::<Compact>(dialect));
            let binary = decode_span::<Binary>(&span.encoded::<Binary>(dialect));
            assert_eq!(compact, binary);
            assert_eq!(compact.operation_name, span.view().name().as_str());
            assert_eq!(compact.tags.len(), span.view().n_attributes());
            assert_eq!(compact.logs.len(), span.view().n_events());
            assert_eq!(compact.references.len(), span.view().n_links());
        }
    }
}

#[test]
fn a_span_comes_out_the_same_whatever_room_it_finds_first() {
    fn check<P: ThriftProtocol>() {
        let mut span = TestSpan::new("operation")
            .ids(TraceId::from_parts(u64::MAX, 7), u64::MAX / 3, 5)
            .kind(SpanKind::Server)
            .attribute("text", "some words that are longer than most words")
            .attribute("number", -77)
            .attribute("flag", true)
            .attribute("list", Value::I64s(&[1, 2]))
            .event("event", 1_000, &[("key", "value".into())])
            .link(TRACE, 3, &[]);
        for dialect in BOTH {
            let expected = span.encoded::<P>(dialect);
            let (view, mut converter) =
                (span.view(), SpanConverter::new(dialect, Extras::default()));
            for n_free in 0..expected.len() + 40 {
                let mut buffer = Buffer::new();
                buffer.skip(1024 - n_free);
                buffer.append(|out| converter.write_span::<P>(out, &view, &Trim::NOTHING));
                assert_eq!(buffer[1024 - n_free..], expected, "{n_free} bytes were free");
            }
        }
    }
    check::<Compact>();
    check::<Binary>();
}

#[test]
fn spans_of_several_traces_keep_their_trace_ids_in_any_order() {
    let traces = [(0, 0), (0, 0), (0, 1), (0, 1), (1, 0), (1, 1), (u64::MAX, u64::MAX), (0, 0)]
        .map(|(high, low)| TraceId::from_parts(high, low));
    for dialect in BOTH {
        let mut converter = SpanConverter::new(dialect, Extras::default());
        for trace_id in traces {
            let (mut span, mut encoded) = (TestSpan::new("op").ids(trace_id, 2, 3), Buffer::new());
            encoded.append(|out| {
                converter.write_span::<Compact>(out, &span.view(), &Trim::NOTHING);
            });
            let found = decode_span::<Compact>(&encoded);
            assert_eq!(
                (found.trace_id_high as u64, found.trace_id_low as u64),
                (trace_id.high(), trace_id.low())
            );
        }
    }
}

#[test]
fn a_process_has_the_services_name_and_all_else_as_tags() {
    let resource = Resource::empty().with([
        KeyValue::new("service.version", "2"),
        KeyValue::new("service.name", "shop"),
        KeyValue::new("pid", 7),
    ]);
    let (process, n_trimmed) = process_of(&resource, 10_000);
    assert_eq!((process.service_name.as_str(), n_trimmed), ("shop", 0));
    assert_eq!(
        process.tags,
        [Tag::new("service.version", text("2")), Tag::new("pid", TagValue::Long(7))]
    );
    assert_eq!(process_of(&Resource::empty(), 100).0.service_name, "unknown_service");
}

#[test]
fn a_process_that_is_too_long_keeps_what_fits() {
    let resource = Resource::new("shop".repeat(100)).with([
        KeyValue::new("huge", "x".repeat(100_000)),
        KeyValue::new("a", 1),
        KeyValue::new("long", "y".repeat(5_000)),
        KeyValue::new("b", 2),
    ]);
    let (process, n_trimmed) = process_of(&resource, 4_000);
    let tag = |key: &str| process.tags.iter().find(|tag| tag.key == key).map(|tag| &tag.value);
    assert_eq!(tag("huge"), Some(&text(&"x".repeat(1024))));
    assert_eq!((tag("a"), tag("b")), (Some(&TagValue::Long(1)), Some(&TagValue::Long(2))));
    assert_eq!(n_trimmed, 2);
    for max_bytes in [0, 1, 10, 25, 40, 100, 1_000, 2_000] {
        let (process, _) = process_of(&resource, max_bytes);
        assert!(process.service_name.len() <= max_bytes / 2);
    }
    // What fits to the byte is left as it is.
    let fits = Resource::new("shop").with([KeyValue::new("a", "b".repeat(300))]);
    let mut whole = Buffer::new();
    SpanConverter::new(Dialect::Otel, Extras::default()).write_process::<Compact>(
        &mut whole,
        &fits,
        usize::MAX,
    );
    assert_eq!(process_of(&fits, whole.len()).1, 0);
    assert!(process_of(&fits, whole.len() - 1).1 > 0);
    // A name that is cut counts as well.
    let resource = Resource::empty().with([KeyValue::new("service.name", "é".repeat(1 << 19))]);
    let (process, n_trimmed) = process_of(&resource, 4_000);
    assert_eq!((process.service_name, n_trimmed), ("é".repeat(1_000), 1));
}

fn process_of(resource: &Resource, max_bytes: usize) -> (model::Process, usize) {
    let mut out = Buffer::new();
    out.append(|out| wire::message_head::<Compact>(out, 1));
    let start = out.len();
    let n_trimmed = SpanConverter::new(Dialect::Otel, Extras::default())
        .write_process::<Compact>(&mut out, resource, max_bytes);
    assert!(
        out.len() - start <= max_bytes.max(PROCESS_OVERHEAD),
        "{} bytes of {max_bytes}",
        out.len() - start
    );
    out.append(|out| {
        wire::spans_head::<Compact>(out, 0);
        wire::message_tail::<Compact>(out, None, None);
    });
    (crate::agent::decode_message(&out).unwrap().batch.process, n_trimmed)
}

#[test]
fn trimming_leaves_ids_times_error_and_kind() {
    let long = "v".repeat(10_000);
    let mut span = TestSpan::new(&"n".repeat(5_000))
        .ids(TraceId::from_parts(9, 8), 7, 6)
        .kind(SpanKind::Server);
    for index in 0..20_u64 {
        let key = format!("key-{index}");
        span = span.attribute(&key, long.as_str()).event(
            &key,
            index * 1000,
            &[("e", long.as_str().into())],
        );
        span = span.link(TRACE, index + 100, &[]);
    }
    let mut span =
        span.attribute("error", long.as_str()).status(StatusCode::Error, &long).scope("lib", "1");
    span.times = SpanTimes { start_unix_nanos: 5_000, duration_nanos: 6_000 };
    for dialect in BOTH {
        let steps: Vec<Trim> = Trim::steps(&span.view()).collect();
        let mut last_len = usize::MAX;
        for trim in &steps {
            let encoded = span.encoded_trimmed::<Compact>(dialect, trim);
            assert!(encoded.len() <= last_len, "each step is shorter");
            last_len = encoded.len();
            if encoded.len() > 60_000 {
                continue;
            }
            let found = decode_span::<Compact>(&encoded);
            assert_eq!(
                (found.trace_id_high, found.trace_id_low, found.span_id, found.parent_span_id),
                (9, 8, 7, 6)
            );
            assert_eq!((found.start_time, found.duration, found.flags), (5, 6, 1));
            assert_eq!(found.tag("span.kind"), Some(&text("server")));
            assert_eq!(found.tag("internal.span.trimmed"), Some(&TagValue::Bool(true)));
            match found.tag("error") {
                Some(TagValue::Bool(true)) => assert_eq!(dialect, Dialect::Otel),
                Some(TagValue::String(value)) => {
                    assert_eq!((dialect, value.len()), (Dialect::JaegerClient, trim.value_bytes))
                }
                other => panic!("error is {other:?}"),
            }
            // The newest logs stay.
            assert!(found.logs.len() <= trim.n_logs);
            assert!(found.logs.last().is_none_or(|log| log.timestamp == 19));
            assert!(found.references.len() <= trim.n_references);
        }
        assert!(last_len < 420, "{last_len} bytes are left");
    }
}
