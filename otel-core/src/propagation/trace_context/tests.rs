use super::super::testing::{Lcg, as_pairs, extracted, injected, numbers, span_context};
use super::*;

const NONE: TraceFlags = TraceFlags::NONE;
const SAMPLED: TraceFlags = TraceFlags::SAMPLED;
const RANDOM: TraceFlags = TraceFlags::RANDOM;

const VALID: &str = "00-12345678901234567890123456789012-1234567890123456-01";

fn w3c() -> TraceContextPropagator {
    TraceContextPropagator::new()
}

/// Returns what becomes of a value of `traceparent`, and how many headers were malformed.
fn read(value: &str) -> (Option<(u128, u64, TraceFlags)>, u32) {
    let extracted = extracted(&w3c(), &[("traceparent", value)]);
    (numbers(&extracted), extracted.malformed_headers)
}

/// Returns the trace state found beside a valid `traceparent`; `None` where even that was lost.
fn trace_state(headers: &[&str]) -> Option<String> {
    let mut all = vec![("traceparent", VALID)];
    all.extend(headers.iter().map(|header| ("tracestate", *header)));
    let extracted = extracted(&w3c(), &all);
    assert_eq!(extracted.malformed_headers, 0, "headers {headers:?}");
    extracted.span_context.map(|span_context| span_context.trace_state().to_string())
}

#[test]
fn traceparent_is_read_in_version_00_and_later_ones() {
    let (trace_id, span_id) = (0x12345678901234567890123456789012, 0x1234567890123456);
    let ids = "12345678901234567890123456789012-1234567890123456";
    for (value, flags) in [
        (format!("00-{ids}-00"), NONE),
        (format!("00-{ids}-01"), SAMPLED),
        (format!("00-{ids}-02"), RANDOM),
        (format!("00-{ids}-03"), SAMPLED | RANDOM),
        (format!("00-{ids}-ff"), SAMPLED | RANDOM),
        (format!("00-{ids}-fc"), NONE),
        (format!("cc-{ids}-01"), SAMPLED),
        (format!("cc-{ids}-01-"), SAMPLED),
        (format!("cc-{ids}-01-what-the-future-will-be-like"), SAMPLED),
        (format!("01-{ids}-01-x"), SAMPLED),
        (format!("fe-{ids}-01"), SAMPLED),
        (format!(" \t00-{ids}-01 \t"), SAMPLED),
        (format!("\t00-{ids}-01"), SAMPLED),
        (format!("00-{ids}-01 "), SAMPLED),
    ] {
        assert_eq!(read(&value), (Some((trace_id, span_id, flags)), 0), "value {value:?}");
    }
    let half = "00-00000000000000000000000000000001-0000000000000001-01";
    assert_eq!(read(half).0, Some((1, 1, SAMPLED)));
}

#[test]
fn a_malformed_traceparent_is_counted_and_makes_no_context() {
    let (trace_id, span_id) = ("12345678901234567890123456789012", "1234567890123456");
    let ids = format!("{trace_id}-{span_id}");
    for value in [
        String::new(),
        " ".to_owned(),
        "00".to_owned(),
        "00-".to_owned(),
        format!("00-{ids}"),
        format!("00-{ids}-"),
        format!("00-{ids}-0"),
        format!("00-{ids}-1"),
        format!("00-{ids}-001"),
        format!("00-{ids}-01-"),
        format!("00-{ids}-01."),
        format!("00-{ids}-01-x"),
        format!("cc-{ids}-01.x"),
        format!("cc-{ids}-011"),
        format!("cc-{ids}-0"),
        format!("ff-{ids}-01"),
        format!("ff-{ids}-01-x"),
        format!("FE-{ids}-01"),
        format!("0-{ids}-01"),
        format!("0-{ids}-01-"),
        format!("000-{ids}-01"),
        format!("000-{ids}-1"),
        format!(".0-{ids}-01"),
        format!("0.-{ids}-01"),
        format!("+0-{ids}-01"),
        format!("00_{ids}-01"),
        format!("00-{ids}_01"),
        format!("00-{trace_id}.{span_id}-01"),
        format!("00-{ids}-.1"),
        format!("00-{ids}-0x"),
        format!("00-{ids}-0A"),
        format!("00-00000000000000000000000000000000-{span_id}-01"),
        format!("00-{trace_id}-0000000000000000-01"),
        format!("00-1234567890123456789012345678901-{span_id}-01"), // 31 digits
        format!("00-{trace_id}3-{span_id}-01"),                     // 33
        format!("00-{trace_id}-123456789012345-01"),                // 15
        format!("00-{trace_id}-{span_id}7-01"),                     // 17
        format!("00-1234567890123456789012345678901A-{span_id}-01"),
        format!("00-{trace_id}-123456789012345A-01"),
        format!("00-.2345678901234567890123456789012-{span_id}-01"),
        format!("00-{trace_id}-.234567890123456-01"),
        format!("00-0x345678901234567890123456789012-{span_id}-01"),
        format!("00-+2345678901234567890123456789012-{span_id}-01"),
        format!("00-{ids}-0\0"),
        format!("00-{ids}-01\r\n"),
        format!("00- {ids}-01"),
        format!("00-1234567890123456789012345678901١-{span_id}-01"),
        format!("{VALID},{VALID}"),
        "x".repeat(100_000),
    ] {
        assert_eq!(read(&value), (None, 1), "value {:?}", &value[..value.len().min(80)]);
    }
}

#[test]
fn every_truncation_of_a_traceparent_is_malformed() {
    for end in 0..VALID.len() {
        assert_eq!(read(&VALID[..end]), (None, 1), "value {:?}", &VALID[..end]);
    }
}

#[test]
fn a_traceparent_that_comes_twice_counts_as_none() {
    let other = "00-12345678901234567890123456789012-1234567890123457-01";
    for values in [[VALID, other], [VALID, VALID], [VALID, ""]] {
        let extracted = extracted(&w3c(), &values.map(|value| ("traceparent", value)));
        assert_eq!((extracted.span_context, extracted.malformed_headers), (None, 1), "{values:?}");
    }
}

#[test]
fn names_that_look_alike_are_other_headers() {
    for name in ["trace-parent", "trace.parent", "trace_parent", "traceparent2"] {
        assert_eq!(extracted(&w3c(), &[(name, VALID)]), Extracted::default(), "name {name}");
    }
    for name in ["trace-state", "trace.state"] {
        let extracted = extracted(&w3c(), &[("traceparent", VALID), (name, "foo=1")]);
        assert!(extracted.span_context.unwrap().trace_state().is_empty(), "name {name}");
    }
    let plain = vec![("TraceParent", VALID)];
    assert_eq!(w3c().extract(&plain), Extracted::default());
}

#[test]
fn tracestate_is_read_beside_a_valid_traceparent_only() {
    for (headers, expected) in [
        (&["foo=1"][..], "foo=1"),
        (&["foo=1,bar=2"], "foo=1,bar=2"),
        (&["foo=1", "bar=2"], "foo=1,bar=2"),
        (&["foo=1", "", "  ", "bar=2,,"], "foo=1,bar=2"),
        (&["foo=1 \t , \t bar=2"], "foo=1,bar=2"),
        (&["foo=1", "foo=2"], "foo=1"),
        (&["foo@@bar=1"], "foo@@bar=1"),
        (&[""], ""),
        (&[], ""),
        (&["foo=,bar=3"], ""),
        (&["foo=1", "BAR=2"], ""),
        (&["foo=bar=baz"], ""),
    ] {
        assert_eq!(trace_state(headers).as_deref(), Some(expected), "headers {headers:?}");
    }
    let alone = extracted(&w3c(), &[("tracestate", "foo=1")]);
    assert_eq!(alone, Extracted::default());
    let beside_malformed =
        extracted(&w3c(), &[("traceparent", "00-1-2-01"), ("tracestate", "foo=1")]);
    assert_eq!((beside_malformed.span_context, beside_malformed.malformed_headers), (None, 1));
}

#[test]
fn tracestate_takes_thirty_two_members_and_no_more() {
    let members = |n| (0..n).map(|n| format!("k{n}=v")).collect::<Vec<_>>();
    assert_eq!(trace_state(&[&members(32).join(",")]), Some(members(32).join(",")));
    assert_eq!(trace_state(&[&members(33).join(",")]).as_deref(), Some(""));
    let (first, rest) = (members(33)[..20].join(","), members(33)[20..].join(","));
    assert_eq!(trace_state(&[&first, &rest]).as_deref(), Some(""));
}

#[test]
fn ids_and_w3c_flags_are_written_in_version_00() {
    for (flags, expected) in [
        (NONE, "00"),
        (SAMPLED, "01"),
        (RANDOM, "02"),
        (SAMPLED | RANDOM, "03"),
        (SAMPLED | TraceFlags::DEBUG | TraceFlags::FIREHOSE, "01"),
        (TraceFlags::DEFERRED, "00"),
    ] {
        let headers = injected(&w3c(), &span_context(0xa, flags), &Baggage::new().with("a", "1"));
        let value = format!("00-0000000000000000000000000000000a-000000000000000b-{expected}");
        assert_eq!(as_pairs(&headers), [("traceparent", value.as_str())], "flags {flags:?}");
    }
    assert_eq!(w3c().fields(), ["traceparent", "tracestate"]);
}

#[test]
fn nothing_is_written_of_an_invalid_context() {
    let state = TraceState::parse("foo=1").unwrap();
    let invalid = SpanContext::invalid().with_flags(SAMPLED).with_trace_state(state);
    assert!(injected(&w3c(), &invalid, &Baggage::new()).is_empty());
}

#[test]
fn tracestate_is_written_in_one_header_as_it_came_and_cut_where_it_is_too_long() {
    let found = extracted(
        &w3c(),
        &[("traceparent", VALID), ("tracestate", "foo=1"), ("tracestate", "bar=  2")],
    );
    let headers = injected(&w3c(), &found.span_context.unwrap(), &Baggage::new());
    assert_eq!(as_pairs(&headers), [("traceparent", VALID), ("tracestate", "foo=1,bar=  2")]);
    let long = (0..32).map(|n| format!("k{n}={}", "v".repeat(20))).collect::<Vec<_>>().join(",");
    let long = span_context(1, NONE).with_trace_state(TraceState::parse(&long).unwrap());
    let sent = injected(&w3c(), &long, &Baggage::new()).remove("tracestate").unwrap();
    assert!(sent.len() > 480 && sent.len() <= 513, "{} characters", sent.len());
    assert!(long.trace_state().to_string().starts_with(&sent));
}

#[test]
fn what_is_written_is_read_again_whatever_the_ids() {
    let mut chance = Lcg(2);
    for _ in 0..2000 {
        let trace_id = TraceId::from_parts(chance.next() >> chance.below(64), chance.next());
        let span_id = SpanId::new(chance.next() >> chance.below(60) | 1);
        let flags = TraceFlags::from_w3c(chance.below(4) as u8);
        let state =
            TraceState::EMPTY.with(&chance.text("abc01_-*/@", 9), &chance.text("aZ~ !#", 9));
        let span_context = SpanContext::new(trace_id, span_id, flags).with_trace_state(state);
        let headers = injected(&w3c(), &span_context, &Baggage::new());
        let found = extracted(&w3c(), &as_pairs(&headers));
        assert_eq!((found.span_context, found.malformed_headers), (Some(span_context), 0));
    }
}
