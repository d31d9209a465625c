use std::collections::BTreeMap;

use super::super::IgnoreCase;
use super::super::testing::{
    Lcg, as_pairs, extracted, extracted_exactly, injected, numbers, sorted, span_context,
};
use super::*;

const NONE: TraceFlags = TraceFlags::NONE;
const SAMPLED: TraceFlags = TraceFlags::SAMPLED;

fn http() -> JaegerPropagator {
    JaegerPropagator::new()
}

fn text_map() -> JaegerPropagator {
    JaegerPropagator::new().mode(JaegerMode::TextMap)
}

/// Returns what both modes make of a value of `uber-trace-id`, and how many headers were malformed.
fn read(value: &str) -> (Option<(u128, u64, TraceFlags)>, u32) {
    let headers = [("uber-trace-id", value)];
    let from_http = extracted(&http(), &headers);
    assert_eq!(extracted(&text_map(), &headers), from_http, "value {value:?}");
    (numbers(&from_http), from_http.malformed_headers)
}

fn written(span_context: &SpanContext) -> Option<String> {
    let headers = injected(&http(), span_context, &Baggage::new());
    assert_eq!(injected(&text_map(), span_context, &Baggage::new()), headers);
    headers.get("uber-trace-id").cloned()
}

/// Reads as the mode has it: the names of a text map are what they are.
fn extracted_as_meant(
    propagator: &JaegerPropagator,
    headers: &BTreeMap<String, String>,
) -> Extracted {
    match propagator.mode {
        JaegerMode::TextMap => extracted_exactly(propagator, &as_pairs(headers)),
        JaegerMode::HttpHeaders => extracted(propagator, &as_pairs(headers)),
    }
}

fn values(baggage: &Baggage) -> Vec<(&str, &str)> {
    sorted(baggage).into_iter().map(|item| (item.name.as_str(), item.value.as_str())).collect()
}

#[test]
fn uber_trace_id_accepts_every_spelling_the_jaeger_clients_send() {
    let both = SAMPLED | TraceFlags::DEBUG;
    for (value, trace_id, span_id, flags) in [
        ("1:2:0:1", 1, 2, SAMPLED),
        ("1:2:0:0", 1, 2, NONE),
        ("0000000000000001:0000000000000002:0000000000000000:1", 1, 2, SAMPLED),
        ("00000000000000000000000000000001:0000000000000002:0:1", 1, 2, SAMPLED),
        ("10000000000000002:3:0:1", 1 << 64 | 2, 3, SAMPLED), // 17 digits
        (
            "ffffffffffffffffffffffffffffffff:ffffffffffffffff:ffffffffffffffff:1",
            u128::MAX,
            u64::MAX,
            SAMPLED,
        ),
        ("aBcDeF:FeD:0:1", 0xabcdef, 0xfed, SAMPLED),
        ("1:2::1", 1, 2, SAMPLED), // nobody needs the parent
        ("1:2:3:1", 1, 2, SAMPLED),
        ("1:2:0:01", 1, 2, SAMPLED),
        ("1:2:0:00", 1, 2, NONE),
        ("1:2:0:3", 1, 2, both),
        ("1:2:0:2", 1, 2, NONE), // debug without sampled
        ("1:2:0:4", 1, 2, NONE), // a flag nobody uses
        ("1:2:0:5", 1, 2, SAMPLED),
        ("1:2:0:9", 1, 2, SAMPLED | TraceFlags::FIREHOSE),
        ("1:2:0:b", 1, 2, both | TraceFlags::FIREHOSE),
        ("1:2:0:B", 1, 2, both | TraceFlags::FIREHOSE),
        ("1:2:0:10", 1, 2, NONE), // hexadecimal: 16
        ("1:2:0:11", 1, 2, SAMPLED),
        ("1:2:0:ff", 1, 2, both | TraceFlags::FIREHOSE),
        ("1%3A2%3a0%3A1", 1, 2, SAMPLED),
        ("%31%3A%32%3A%30%3A%31", 1, 2, SAMPLED),
    ] {
        assert_eq!(read(value), (Some((trace_id, span_id, flags)), 0), "value {value:?}");
    }
}

#[test]
fn a_zero_trace_or_span_id_means_that_there_is_no_trace() {
    for value in [
        "0:2:0:1",
        "1:0:0:1",
        "0:0:0:0",
        "00000000000000000000000000000000:0000000000000000:0:3",
        "0%3A0%3A0%3A0",
    ] {
        assert_eq!(read(value), (None, 0), "value {value:?}");
    }
}

#[test]
fn a_malformed_uber_trace_id_is_counted_and_makes_no_context() {
    let encoded =
        |value: &str| value.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    for value in [
        "",
        ":",
        ":::",
        "1",
        "1:2:0",
        "1:2:0:",
        "1:2:0:1:",
        "1:2:0:1:5",
        ":2:0:1",
        "1::0:1",
        "100000000000000000000000000000000:2:0:1", // 33 digits
        "000000000000000000000000000000001:2:0:1",
        "1:10000000000000000:0:1", // 17 digits
        "1:00000000000000001:0:1",
        "1:2:00000000000000000:1",
        "1:2:0:101",
        "1:2:0:001",
        "1:2:x:1",
        "1:2:0:g",
        " 1:2:0:1",
        "1:2:0:1 ",
        "1: 2:0:1",
        "0x1:2:0:1",
        "+1:2:0:1",
        "1:-2:0:1",
        "1:+2:0:1",
        "1:2:0:+1",
        "1:2:0:1\0",
        "1\0:2:0:1",
        "١:2:0:1", // a digit, and none of ours
        "１:2:0:1",
        "1:2:0:1,1:2:0:1",
        "1;2;0;1",
        "1-2-0-1",
        "%31:2:0:1",       // decoded only where no colon is
        "1%253A2%3A0%3A1", // and only once
        "1%3A2%3A0%3A1%",
        "1%3A2%3A0%3A1%4",
        "1%3A2%3A0%3A%zz",
        "1%3A2%3A0%3A%FF",
        "1%3A2%3A0+%3A1",
        &encoded("000000000000000000000000000000001:2:0:1"),
        &encoded(&"1".repeat(70)),
        &"1".repeat(100_000),
        &":".repeat(100_000),
        &"%3A".repeat(100_000),
    ] {
        assert_eq!(read(value), (None, 1), "value {:?}", &value[..value.len().min(80)]);
    }
}

#[test]
fn the_longest_value_is_read_with_every_character_percent_coded() {
    let value = "ffffffffffffffffffffffffffffffff:ffffffffffffffff:ffffffffffffffff:ff";
    assert_eq!(value.len(), MAX_READ_BYTES);
    let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(read(&encoded), read(value));
    assert_eq!(read(&format!("{encoded}%30")), (None, 1));
}

#[test]
fn several_values_count_as_one_only_if_they_are_the_same() {
    let header = |value| ("uber-trace-id", value);
    for (headers, trace_id, n_malformed) in [
        (vec![header("1:2:0:1"), header("1:2:0:1")], Some(1), 0),
        (vec![header("1:2:0:1"), header("3:2:0:1")], None, 1),
        (vec![header("1:2:0:1"), header("1:2:0:0")], None, 1),
        (vec![header("1:2:0:1"), header("")], None, 1),
        (vec![header("what"), header("what")], None, 1),
        (vec![header("1:2:0:1"), header("1:2:0:1"), header("3:2:0:1")], None, 1),
    ] {
        let extracted = extracted(&http(), &headers);
        let found = numbers(&extracted).map(|(trace_id, ..)| trace_id);
        assert_eq!(
            (found, extracted.malformed_headers),
            (trace_id, n_malformed),
            "headers {headers:?}"
        );
    }
}

#[test]
fn names_are_compared_without_case_in_headers_and_exactly_in_text_maps() {
    let pairs =
        vec![("Uber-Trace-Id", "1:2:0:1"), ("UBERCTX-User", "ann"), ("Jaeger-Debug-Id", "x")];
    assert_eq!(text_map().extract(&pairs), Extracted::default());
    let found = http().extract(&IgnoreCase(&pairs));
    assert_eq!((numbers(&found), found.debug_id.as_deref()), (Some((1, 2, SAMPLED)), Some("x")));
    assert_eq!(values(&found.baggage), [("user", "ann")]);
    for other in ["uber-trace", "uber_trace_id", "uber-trace-id2", "x-uber-trace-id"] {
        assert_eq!(extracted(&http(), &[(other, "1:2:0:1")]), Extracted::default(), "name {other}");
    }
}

#[test]
fn ids_are_written_with_all_digits_and_flags_with_one() {
    let debug = TraceFlags::DEBUG;
    for (trace_id, flags, expected) in [
        (0xa, NONE, "000000000000000a:000000000000000b:0:0"),
        (0xa, SAMPLED, "000000000000000a:000000000000000b:0:1"),
        (1 << 64, SAMPLED, "00000000000000010000000000000000:000000000000000b:0:1"),
        (u128::MAX, NONE, "ffffffffffffffffffffffffffffffff:000000000000000b:0:0"),
        (0xa, SAMPLED | debug, "000000000000000a:000000000000000b:0:3"),
        (0xa, debug, "000000000000000a:000000000000000b:0:3"), // debug implies sampled
        (0xa, SAMPLED | debug | TraceFlags::FIREHOSE, "000000000000000a:000000000000000b:0:3"),
        (0xa, SAMPLED | TraceFlags::FIREHOSE, "000000000000000a:000000000000000b:0:1"),
        (0xa, SAMPLED | TraceFlags::RANDOM, "000000000000000a:000000000000000b:0:1"),
        (0xa, TraceFlags::RANDOM, "000000000000000a:000000000000000b:0:0"),
        (0xa, TraceFlags::DEFERRED, "000000000000000a:000000000000000b:0:0"),
    ] {
        let span_context = span_context(trace_id, flags);
        assert_eq!(written(&span_context).as_deref(), Some(expected), "{trace_id:x} {flags:?}");
    }
}

#[test]
fn an_invalid_context_is_not_written_and_its_baggage_is() {
    let (trace_id, span_id) = (TraceId::from_parts(0, 1), SpanId::new(2));
    for span_context in [
        SpanContext::invalid(),
        SpanContext::new(trace_id, SpanId::INVALID, SAMPLED),
        SpanContext::new(TraceId::INVALID, span_id, SAMPLED),
    ] {
        assert_eq!(written(&span_context), None);
        let headers = injected(&http(), &span_context, &Baggage::new().with("user", "ann"));
        assert_eq!(as_pairs(&headers), [("uberctx-user", "ann")]);
    }
}

#[test]
fn writing_replaces_our_own_headers_and_leaves_others_alone() {
    let mut headers = vec![
        ("accept".to_owned(), "*/*".to_owned()),
        ("uber-trace-id".to_owned(), "old".to_owned()),
    ];
    http().inject(&span_context(1, SAMPLED), &Baggage::new(), &mut headers);
    assert_eq!(headers.len(), 2);
    assert_eq!(
        (headers[0].1.as_str(), headers[1].1.as_str()),
        ("*/*", "0000000000000001:000000000000000b:0:1")
    );
}

#[test]
fn values_of_baggage_are_percent_coded_for_headers_and_raw_for_text_maps() {
    for (value, header) in [
        ("plain", "plain"),
        ("", ""),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("100%", "100%25"),
        ("a,b;c=d:e/f?g", "a%2Cb%3Bc%3Dd%3Ae%2Ff%3Fg"),
        ("-_.~", "-_.~"),
        ("ä€", "%C3%A4%E2%82%AC"),
        ("a\r\nx: y\0", "a%0D%0Ax%3A%20y%00"),
        (" padded ", "%20padded%20"),
    ] {
        let baggage = Baggage::new().with("key", value);
        for (propagator, expected) in [(http(), header), (text_map(), value)] {
            let headers = injected(&propagator, &SpanContext::invalid(), &baggage);
            assert_eq!(as_pairs(&headers), [("uberctx-key", expected)], "value {value:?}");
            assert_eq!(extracted_as_meant(&propagator, &headers).baggage, baggage);
        }
    }
}

#[test]
fn values_of_baggage_are_read_from_every_coding_the_clients_use() {
    for (header, from_http) in [
        ("a%20b", "a b"), // Python, Node, C#
        ("a+b", "a b"),   // Go, Java
        ("a%2Bb", "a+b"),
        ("a%2bb", "a+b"),
        ("caf%C3%A9", "café"),
        ("café", "café"),
        ("100%", "100%"),       // cannot be decoded: taken as it is
        ("50%+a+b", "50%+a+b"), // as a whole
        ("%zz%20", "%zz%20"),
        ("%FF", "%FF"),
        ("%2525", "%25"),
        ("", ""),
    ] {
        let pairs = [("uberctx-key", header)];
        assert_eq!(values(&extracted(&http(), &pairs).baggage), [("key", from_http)], "{header:?}");
        assert_eq!(values(&extracted_exactly(&text_map(), &pairs).baggage), [("key", header)]);
    }
}

#[test]
fn names_of_baggage_come_back_in_lower_case() {
    let baggage = Baggage::new().with("User-Id", "1").with("_x", "2");
    for propagator in [http(), text_map()] {
        let headers = injected(&propagator, &SpanContext::invalid(), &baggage);
        assert_eq!(as_pairs(&headers), [("uberctx-User-Id", "1"), ("uberctx-_x", "2")]);
        let found = extracted_exactly(&propagator, &as_pairs(&headers)).baggage;
        assert_eq!(values(&found), [("_x", "2"), ("user-id", "1")]);
    }
    for (name, expected) in [
        ("uberctx-", None),
        ("uberctx", None),
        ("Xuberctx-a", None),
        ("uberctx-uberctx-", Some("uberctx-")),
    ] {
        let found = extracted(&http(), &[(name, "1")]).baggage;
        assert_eq!(values(&found).first().map(|(name, _)| *name), expected, "name {name:?}");
    }
}

#[test]
fn a_name_that_no_header_can_have_is_written_to_text_maps_only() {
    let names = ["a b", "a:b", "a\r\nevil", "ä", "a\0", "a,b"];
    let baggage = names.iter().fold(Baggage::new(), |baggage, name| baggage.with(name, "1"));
    let baggage = baggage.with("good", "1");
    let headers = injected(&http(), &SpanContext::invalid(), &baggage);
    assert_eq!(as_pairs(&headers), [("uberctx-good", "1")]);
    let pairs = injected(&text_map(), &SpanContext::invalid(), &baggage);
    assert_eq!(pairs.len(), names.len() + 1);
    assert_eq!(extracted_exactly(&text_map(), &as_pairs(&pairs)).baggage.len(), names.len() + 1);
}

#[test]
fn baggage_written_by_hand_is_read_and_never_written() {
    for (header, expected) in [
        ("k1=v1", &[("k1", "v1")][..]),
        ("k1=v1,k2=v2", &[("k1", "v1"), ("k2", "v2")]),
        ("k1=v1, k2 = v2 ,\tk3=v3", &[("k1", "v1"), ("k2", "v2"), ("k3", "v3")]),
        ("K1=V1", &[("k1", "V1")]),
        ("k1=", &[("k1", "")]),
        ("k1=v1,broken,=x,k2=a=b,,k3=v3", &[("k1", "v1"), ("k3", "v3")]),
        ("k1=a,k1=b", &[("k1", "b")]),
        ("k1=a%20b", &[("k1", "a b")]),
        ("k1=a+b", &[("k1", "a b")]),
        ("k1=50%,k2=b", &[("k1", "50%"), ("k2", "b")]),
        ("", &[]),
        (",,=,", &[]),
    ] {
        let found = extracted(&http(), &[("jaeger-baggage", header)]);
        assert_eq!(values(&found.baggage), expected, "header {header:?}");
        assert_eq!((found.span_context, found.malformed_headers), (None, 0));
    }
    let raw = extracted(&text_map(), &[("jaeger-baggage", "k1=a%20b+c")]).baggage;
    assert_eq!(values(&raw), [("k1", "a%20b+c")]);
    let both = [("uberctx-a", "header"), ("jaeger-baggage", "a=hand,b=hand")];
    assert_eq!(values(&extracted(&http(), &both).baggage), [("a", "header"), ("b", "hand")]);
}

#[test]
fn the_debug_id_comes_alone_or_beside_a_trace() {
    for (header, from_http, from_text_map) in [
        ("find-me", Some("find-me"), Some("find-me")),
        ("find%20me+too", Some("find me too"), Some("find%20me+too")),
        ("100%", Some("100%"), Some("100%")),
        ("", None, None),
    ] {
        let pairs = [("jaeger-debug-id", header)];
        assert_eq!(extracted(&http(), &pairs).debug_id.as_deref(), from_http, "header {header:?}");
        assert_eq!(extracted(&text_map(), &pairs).debug_id.as_deref(), from_text_map);
    }
    let found = extracted(&http(), &[("jaeger-debug-id", "x"), ("uber-trace-id", "1:2:0:0")]);
    assert_eq!((numbers(&found), found.debug_id.as_deref()), (Some((1, 2, NONE)), Some("x")));
}

#[test]
fn baggage_and_debug_id_survive_a_malformed_trace() {
    let headers = [("uber-trace-id", "what"), ("uberctx-a", "1"), ("jaeger-debug-id", "x")];
    let found = extracted(&http(), &headers);
    assert_eq!((found.span_context, found.malformed_headers), (None, 1));
    assert_eq!((values(&found.baggage), found.debug_id.as_deref()), (vec![("a", "1")], Some("x")));
}

#[test]
fn baggage_beyond_the_limits_is_left_out_entry_by_entry() {
    let names: Vec<String> = (0..100).map(|n| format!("uberctx-k{n:03}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    assert_eq!(extracted(&http(), &many).baggage.len(), 64);
    let (full, too_long) = ("v".repeat(8191), "v".repeat(8192));
    assert_eq!(extracted(&http(), &[("uberctx-a", &full)]).baggage.get("a").unwrap().len(), 8191);
    let found = extracted(&http(), &[("uberctx-a", &too_long), ("uberctx-b", "fits")]).baggage;
    assert_eq!(values(&found), [("b", "fits")]);
    let by_hand = (0..1000).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    let found = extracted(&http(), &[("jaeger-baggage", &by_hand), ("uberctx-late", "1")]).baggage;
    assert_eq!((found.len(), found.get("k63"), found.get("late")), (64, Some("v"), None));
}

#[test]
fn every_name_can_be_configured() {
    let propagator = JaegerPropagator::new()
        .trace_context_header("X-Trace")
        .baggage_prefix("X-Ctx-")
        .debug_header("X-Debug")
        .baggage_header("X-Baggage");
    assert_eq!(propagator.fields(), ["x-trace"]);
    let headers = injected(&propagator, &span_context(1, SAMPLED), &Baggage::new().with("a", "1"));
    assert_eq!(
        as_pairs(&headers),
        [("x-ctx-a", "1"), ("x-trace", "0000000000000001:000000000000000b:0:1")]
    );
    let ours = [("x-trace", "1:2:0:1"), ("x-ctx-a", "1"), ("x-debug", "d"), ("x-baggage", "b=2")];
    let found = extracted(&propagator, &ours);
    assert_eq!((numbers(&found), found.debug_id.as_deref()), (Some((1, 2, SAMPLED)), Some("d")));
    assert_eq!(values(&found.baggage), [("a", "1"), ("b", "2")]);
    let theirs = [
        ("uber-trace-id", "1:2:0:1"),
        ("uberctx-a", "1"),
        ("jaeger-debug-id", "d"),
        ("jaeger-baggage", "b=2"),
    ];
    assert_eq!(extracted(&propagator, &theirs), Extracted::default());
    let unchanged = JaegerPropagator::default()
        .trace_context_header("")
        .baggage_prefix("")
        .debug_header("")
        .baggage_header("");
    assert_eq!(extracted(&unchanged, &theirs), extracted(&http(), &theirs));
    assert_eq!(JaegerPropagator::new().fields(), ["uber-trace-id"]);
}

#[test]
fn what_is_written_is_read_again_whatever_the_ids() {
    let mut chance = Lcg(1);
    for _ in 0..2000 {
        let high = [0, chance.next(), chance.next() >> 40][chance.below(3)];
        let trace_id = TraceId::from_parts(high, chance.next() | 1);
        let flags = [NONE, SAMPLED, SAMPLED | TraceFlags::DEBUG][chance.below(3)];
        let span_context =
            SpanContext::new(trace_id, SpanId::new(chance.next() >> chance.below(60) | 1), flags);
        let baggage: Baggage = (0..chance.below(5))
            .map(|n| BaggageItem {
                name: format!("{n}{}", chance.text("abcxyz019-_.", 8)),
                value: chance.text("aZ09 +%,;=&:/\\\"\r\n\0äß€😀", 20),
                metadata: String::new(),
            })
            .collect();
        for propagator in [http(), text_map()] {
            let headers = injected(&propagator, &span_context, &baggage);
            let found = extracted_as_meant(&propagator, &headers);
            assert_eq!(found.span_context.as_ref(), Some(&span_context));
            assert_eq!((sorted(&found.baggage), found.malformed_headers), (sorted(&baggage), 0));
        }
    }
}

#[test]
fn every_truncation_of_a_value_is_malformed() {
    let value = "1234567890abcdef1234567890abcdef:fedcba0987654321:1:3";
    for end in 0..value.len() {
        let (found, n_malformed) = read(&value[..end]);
        assert_eq!((found, n_malformed), (None, 1), "value {:?}", &value[..end]);
    }
}

#[test]
fn baggage_beyond_the_limits_is_not_written_entry_by_entry() {
    for propagator in [http(), text_map()] {
        let mut baggage = Baggage::new().with("first", "1").with("long", &"x".repeat(8192));
        for n in 0..100 {
            baggage = baggage.with(&format!("n{n}"), "v");
        }
        let mut headers = BTreeMap::new();
        propagator.inject(&SpanContext::invalid(), &baggage, &mut headers);
        assert_eq!((headers.len(), headers.contains_key("uberctx-long")), (64, false));
        assert_eq!(
            (headers.get("uberctx-first"), headers.get("uberctx-n99")),
            (Some(&"1".into()), None)
        );
    }
}

#[test]
fn names_that_no_header_can_have_take_no_room_from_others() {
    let mut baggage = Baggage::new();
    for n in 0..100 {
        baggage = baggage.with(&format!("ä{n}"), &"x".repeat(100));
    }
    baggage = baggage.with("tenant", "7");
    let mut headers = BTreeMap::new();
    http().inject(&SpanContext::invalid(), &baggage, &mut headers);
    assert_eq!(as_pairs(&headers), [("uberctx-tenant", "7")]);
}

#[test]
fn what_is_written_of_baggage_is_read_by_the_next_one() {
    // Six bytes in a header for each of these letters, and two in a text map.
    for (n_letters, is_written_for_headers) in
        [(1, true), (1365, true), (1366, false), (4000, false)]
    {
        let baggage = Baggage::new().with("a", &"ä".repeat(n_letters)).with("b", "");
        for (propagator, is_written) in [(http(), is_written_for_headers), (text_map(), true)] {
            let mut headers = BTreeMap::new();
            propagator.inject(&SpanContext::invalid(), &baggage, &mut headers);
            assert_eq!(
                headers.contains_key("uberctx-a"),
                is_written,
                "{n_letters}: {propagator:?}"
            );
            let expected = if is_written { baggage.clone() } else { baggage.without("a") };
            assert_eq!(
                propagator.extract(&headers).baggage,
                expected,
                "{n_letters}: {propagator:?}"
            );
        }
    }
}
