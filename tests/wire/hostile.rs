//! Spans at their worst: nothing panics, every datagram can be read, and what is left out is counted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use integration_tests::Receiver;
use jaeger_udp::Dialect;
use jaeger_udp::model::{Batch, Span, TagValue};
use opentracing_api::{StartSpanOptions, child_of};
use opentracing_shim::jaeger::Config;
use otel_core::{
    KeyValue, Link, OwnedValue, Resource, SpanContext, SpanId, SpanLimits, StatusCode, TraceFlags,
    TraceId, Value,
};

use crate::{LONG, batches_of, find, text};

const BOTH: [Dialect; 2] = [Dialect::Otel, Dialect::JaegerClient];

/// Sends one span that `write` writes to, and returns what arrives of it.
fn sent(dialect: Dialect, write: impl Fn(&mut otel_core::Span)) -> Span {
    let batches = batches_of(dialect, SpanLimits::UNLIMITED, |provider| {
        let tracer = provider.tracer("");
        let mut span = tracer.span_builder("span").root().start();
        write(&mut span);
        span.end();
        tracer.span_builder("neighbour").root().start().end();
    });
    assert_eq!(find(&batches, "neighbour").logs, []);
    let [span, _] = all(&batches).try_into().expect("both spans");
    span
}

fn all(batches: &[Batch]) -> Vec<Span> {
    batches.iter().flat_map(|batch| batch.spans.clone()).collect()
}

/// An array in an array, and so on.
fn nested(depth: usize) -> Value<'static> {
    (0..depth).fold(Value::I64(7), |inner, _| Value::Array(Vec::leak(vec![inner])))
}

#[test]
fn a_value_larger_than_a_record_is_left_out_and_counted() {
    let huge = "x".repeat(65 << 20);
    let span = sent(Dialect::Otel, |span| {
        span.set_attribute("huge", huge.as_str()).set_attribute("bytes", huge.as_bytes());
        span.add_event("e", &[("huge", huge.as_str().into()), ("small", 1.into())]);
        span.set_attribute("array", Value::Strs(&[&huge, "kept"])).set_attribute("small", 1);
    });
    assert_eq!(span.tag("huge"), None);
    assert_eq!(span.tag("array"), Some(&text(r#"["kept"]"#)));
    assert_eq!(span.tag("small"), Some(&TagValue::Long(1)));
    assert_eq!(span.tag("otel.dropped_attributes_count"), Some(&TagValue::Long(2)));
    let fields: Vec<&str> = span.logs[0].fields.iter().map(|field| field.key.as_str()).collect();
    assert_eq!(fields, ["event", "small", "otel.dropped_attributes_count"]);
}

#[test]
fn names_keys_and_values_of_a_mebibyte_are_cut_and_marked() {
    let huge = "é".repeat(1 << 19);
    for dialect in BOTH {
        let span = sent(dialect, |span| {
            span.update_name(&huge).set_attribute("k", huge.as_str()).add_event(&huge, &[]);
            span.set_attribute(&huge, 1).set_status(StatusCode::Error, &huge);
        });
        assert!(huge.starts_with(&span.operation_name) && !span.operation_name.is_empty());
        assert_eq!(span.tag("error"), Some(&TagValue::Bool(true)));
        assert_eq!(span.tag("internal.span.trimmed"), Some(&TagValue::Bool(true)));
    }
}

#[test]
fn more_of_everything_than_a_record_counts_is_left_out_and_counted() {
    let other = SpanContext::new(TraceId::from_parts(1, 2), SpanId::new(3), TraceFlags::SAMPLED);
    let many = 0..66_000;
    let attributes = sent(Dialect::Otel, |span| {
        many.clone().for_each(|index| _ = span.set_attribute(&index.to_string(), index));
    });
    let events = sent(Dialect::JaegerClient, |span| {
        many.clone().for_each(|_| _ = span.add_event("e", &[]));
    });
    let links = sent(Dialect::Otel, |span| {
        many.clone().for_each(|_| _ = span.add_link(&Link::new(other.clone())));
    });
    // Far more than a datagram holds: some are left, and the span says so.
    for span in [&attributes, &events, &links] {
        assert_eq!(span.tag("internal.span.trimmed"), Some(&TagValue::Bool(true)));
        assert!(span.logs.len() + span.tags.len() + span.references.len() > 1_000);
    }
    let dropped = Some(&TagValue::Long(66_000 - 65_535));
    assert_eq!(attributes.tag("otel.dropped_attributes_count"), dropped);
    let fields = &events.logs.last().unwrap().fields;
    assert_eq!((fields[1].key.as_str(), Some(&fields[1].value)), ("dropped_log_count", dropped));
}

#[test]
fn arrays_ten_thousand_deep_end_at_the_limit() {
    for dialect in BOTH {
        for depth in [1, 64, 65, 10_000] {
            let span = sent(dialect, |span| {
                let value = nested(depth);
                span.set_attribute("k", value).set_attribute("k", value);
                span.add_event("e", &[("k", value)]);
            });
            let expected = match depth {
                1..=64 => format!("{}7{}", "[".repeat(depth), "]".repeat(depth)),
                _ => format!("{}{}", "[".repeat(65), "]".repeat(65)),
            };
            assert_eq!(span.tag("k"), Some(&text(&expected)), "{depth} deep");
            assert_eq!(span.logs[0].fields.last().unwrap().value, text(&expected));
        }
    }
    let deep = (0..1_000).fold(OwnedValue::I64(7), |inner, _| OwnedValue::Array(vec![inner]));
    let resource = Resource::new("shop").with([KeyValue::new("deep", deep)]);
    assert_eq!(resource.attributes().count(), 5);
}

#[test]
fn times_before_1970_are_1970_and_times_past_all_ends_are_the_last() {
    let never = |seconds: u64| Duration::from_secs(seconds);
    let before = [
        UNIX_EPOCH - Duration::from_nanos(1),
        UNIX_EPOCH.checked_sub(never(i64::MAX as u64)).unwrap(),
    ];
    let after = UNIX_EPOCH.checked_add(never(i64::MAX as u64)).unwrap();
    // The last nanosecond that 64 bits can count, in microseconds.
    let last = (u64::MAX / 1000) as i64;
    for dialect in BOTH {
        for before in before {
            let batches = batches_of(dialect, SpanLimits::UNLIMITED, |provider| {
                let tracer = provider.tracer("");
                let mut span = tracer.span_builder("long").root().start_time(before).start();
                span.add_event_at("e", before, &[]).add_event_at("e", after, &[]);
                span.end_at(after);
                tracer.span_builder("short").root().start_time(before).start().end_at(before);
                assert_eq!(provider.negative_durations(), 0);
            });
            let (long, short) = (find(&batches, "long"), find(&batches, "short"));
            assert_eq!((long.start_time, long.duration), (0, last));
            assert_eq!([long.logs[0].timestamp, long.logs[1].timestamp], [0, last]);
            assert_eq!((short.start_time, short.duration), (0, 1));
        }
    }
}

#[test]
fn a_negative_duration_is_the_shortest_one_and_is_counted() {
    let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
    for dialect in BOTH {
        let batches = batches_of(dialect, SpanLimits::UNLIMITED, |provider| {
            let tracer = provider.tracer("");
            let ends: [(SystemTime, Option<SystemTime>); 4] = [
                (at(1_000), Some(at(999))),
                (at(u64::MAX / 1000), Some(at(0))),
                // The end is now, which is before a start that is to come.
                (at(u64::MAX / 1000), None),
                (at(1_000), Some(at(1_000))),
            ];
            for (start, end) in ends {
                let span = tracer.span_builder("span").root().start_time(start).start();
                match end {
                    Some(end) => span.end_at(end),
                    None => span.end(),
                }
            }
            // Begun now, and ended long ago.
            tracer.span_builder("span").root().start().end_at(at(0));
            assert_eq!(provider.negative_durations(), 4);
        });
        assert!(all(&batches).iter().all(|span| span.duration == 1), "{batches:?}");
    }
    let receiver = Receiver::start();
    let config = Config::new("shop").agent_host("127.0.0.1").agent_port(receiver.port());
    let tracer = config.build().unwrap();
    let options = StartSpanOptions::new().start_time(at(1_000));
    tracer.start_span_with("span", options).finish_at(at(10));
    assert_eq!(tracer.negative_durations(), 1);
    assert_eq!(tracer.close(LONG).unwrap().reported_spans, 1);
}

#[test]
fn odd_characters_arrive_as_they_are() {
    for odd in [
        "\0",
        "a\0b",
        "\u{202e}\u{2066}txt.exe\u{2069}",
        "\u{feff}\u{fffd}\u{ffff}\u{10ffff}",
        "\u{1b}[2J\r\n\u{7f}\u{85}",
        "e\u{301}\u{301}\u{301}",
    ] {
        for dialect in BOTH {
            let span = sent(dialect, |span| {
                span.update_name(odd).set_attribute(odd, odd).add_event("e", &[(odd, odd.into())]);
            });
            assert_eq!((span.operation_name.as_str(), span.tag(odd)), (odd, Some(&text(odd))));
            let field = span.logs[0].fields.last().unwrap();
            assert_eq!((field.key.as_str(), &field.value), (odd, &text(odd)));
        }
    }
    // Half a surrogate pair is no text, so it can only come as bytes: alone, and within an array.
    let half = [0xED, 0xA0, 0x80];
    let span = sent(Dialect::Otel, |span| {
        span.set_attribute("bytes", &half).set_attribute("list", &[Value::Bytes(&half)]);
    });
    assert_eq!(span.tag("bytes"), Some(&TagValue::Binary(half.to_vec())));
    assert_eq!(span.tag("list"), Some(&text(r#"["7aCA"]"#)));
}

#[test]
fn a_key_that_is_empty_or_comes_again_does_no_harm() {
    for dialect in BOTH {
        let span = sent(dialect, |span| {
            span.set_attribute("", 1).add_event("", &[("", 1.into()), ("", 2.into())]);
            (0..1_000).for_each(|index| _ = span.set_attribute("again", index));
        });
        assert_eq!(span.tag("again"), Some(&TagValue::Long(999)));
        assert_eq!(span.tags.iter().filter(|tag| tag.key == "again").count(), 1);
        assert_eq!(span.tags.iter().filter(|tag| tag.key.is_empty()).count(), 0);
    }
}

#[test]
fn a_client_in_the_worst_of_programs_keeps_its_account() {
    let huge = "x".repeat(1 << 20);
    let receiver = Receiver::start();
    let config = Config::new(huge.as_str()).agent_host("127.0.0.1").agent_port(receiver.port());
    let tracer = config.tag("huge", huge.as_str()).max_queue_bytes(4 << 20).build().unwrap();
    for round in 0..20 {
        let mut span = tracer.start_span(&huge);
        span.set_tag(&huge, huge.as_str()).set_tag("round", round).set_baggage_item(&huge, &huge);
        span.log_kv([(huge.as_str(), huge.as_str())]);
        tracer.start_span_with("", child_of(&span)).finish();
    }
    let flushed = tracer.close(LONG).unwrap();
    let counts = tracer.counts();
    assert_eq!((counts.finished_spans, counts.pending_spans), (40, 0));
    assert_eq!(flushed.reported_spans + flushed.lost_spans, 40);
    assert_eq!(counts.exported_spans + counts.lost_spans(), 40);
    assert!(receiver.wait_for_spans(flushed.reported_spans as usize, LONG));
    let batches = receiver.batches();
    assert!(!batches.is_empty());
    for batch in batches {
        assert!(
            !batch.process.service_name.is_empty() && huge.starts_with(&batch.process.service_name)
        );
    }
    assert!(tracer.stats().trimmed_process_tags > 0);
}
