use super::super::testing::{Lcg, as_pairs, extracted, injected, numbers, span_context};
use super::*;

const NONE: TraceFlags = TraceFlags::NONE;
const KEPT: TraceFlags = TraceFlags::SAMPLED;
const IDS: [(&str, &str); 2] =
    [("ot-tracer-traceid", "00000000000000aa"), ("ot-tracer-spanid", "00000000000000bb")];

fn read(headers: &[(&str, &str)]) -> Extracted {
    extracted(&OtPropagator::new(), headers)
}

#[test]
fn ids_and_the_decision_are_read() {
    for (sampled, flags) in [
        (&[][..], NONE),
        (&[("ot-tracer-sampled", "true")], KEPT),
        (&[("ot-tracer-sampled", "TRUE")], KEPT),
        (&[("ot-tracer-sampled", "1")], KEPT),
        (&[("ot-tracer-sampled", " 1 ")], KEPT),
        (&[("ot-tracer-sampled", "false")], NONE),
        (&[("ot-tracer-sampled", "0")], NONE),
        (&[("ot-tracer-sampled", "")], NONE),
    ] {
        let headers = [&IDS[..], sampled].concat();
        let found = read(&headers);
        assert_eq!(numbers(&found), Some((0xaa, 0xbb, flags)), "headers {headers:?}");
        assert_eq!(found.malformed_headers, 0);
    }
    let wide = [("ot-tracer-traceid", "000000000000000100000000000000AA"), IDS[1]];
    assert_eq!(numbers(&read(&wide)), Some((1 << 64 | 0xaa, 0xbb, NONE)));
}

#[test]
fn headers_that_cannot_be_read_are_counted_once_and_their_baggage_is_not_taken() {
    let [trace_id, span_id] = IDS;
    for headers in [
        &[trace_id][..],
        &[span_id],
        &[trace_id, span_id, ("ot-tracer-sampled", "maybe")],
        &[trace_id, span_id, ("ot-tracer-sampled", "2")],
        &[trace_id, ("ot-tracer-spanid", "")],
        &[trace_id, ("ot-tracer-spanid", "bb")],
        &[trace_id, ("ot-tracer-spanid", "0000000000000000")],
        &[trace_id, ("ot-tracer-spanid", "000000000000000bb")],
        &[span_id, ("ot-tracer-traceid", "aa")],
        &[span_id, ("ot-tracer-traceid", "0000000000000000")],
        &[span_id, ("ot-tracer-traceid", "+0000000000000aa")],
        &[span_id, ("ot-tracer-traceid", "0000000000000000000000000000000g")],
    ] {
        let headers = [headers, &[("ot-baggage-user", "ann")]].concat();
        let found = read(&headers);
        assert_eq!((found.span_context, found.malformed_headers), (None, 1), "{headers:?}");
        assert!(found.baggage.is_empty(), "headers {headers:?}");
    }
    assert_eq!(
        read(&[("ot-baggage-user", "ann"), ("ot-tracer-sampled", "1")]),
        Extracted::default()
    );
}

#[test]
fn a_span_and_its_baggage_are_written() {
    let baggage = Baggage::new().with("user", "ann b").with("é", "1").with("bad", "a\r\nb");
    let written = injected(&OtPropagator::new(), &span_context(0xa, KEPT), &baggage);
    assert_eq!(
        as_pairs(&written),
        [
            ("ot-baggage-user", "ann b"),
            ("ot-tracer-sampled", "true"),
            ("ot-tracer-spanid", "000000000000000b"),
            ("ot-tracer-traceid", "000000000000000a"),
        ]
    );
    let found = read(&as_pairs(&written));
    assert_eq!(found.baggage, Baggage::new().with("user", "ann b"));
    assert!(injected(&OtPropagator::new(), &SpanContext::invalid(), &baggage).is_empty());
    let fields = ["ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"];
    assert_eq!(OtPropagator::new().fields(), fields);
}

#[test]
fn of_a_long_trace_id_the_lower_half_goes_out_and_without_one_nothing() {
    let written = injected(&OtPropagator::new(), &span_context(7 << 64 | 9, NONE), &Baggage::new());
    assert_eq!(written["ot-tracer-traceid"], "0000000000000009");
    assert_eq!(written["ot-tracer-sampled"], "false");
    let written = injected(&OtPropagator::new(), &span_context(7 << 64, NONE), &Baggage::new());
    assert!(written.is_empty(), "{written:?}");
}

#[test]
fn baggage_is_limited_in_both_directions() {
    let long = "x".repeat(8192);
    let mut baggage = Baggage::new().with("long", &long).with("first", "1");
    for n in 0..100 {
        baggage = baggage.with(&format!("n{n}"), "v");
    }
    let written = injected(&OtPropagator::new(), &span_context(1, KEPT), &baggage);
    assert_eq!((written.len(), written.contains_key("ot-baggage-long")), (64 + 3, false));
    let names: Vec<String> = (0..100).map(|n| format!("ot-baggage-n{n}")).collect();
    let mut headers = IDS.to_vec();
    headers.push(("ot-baggage-long", &long));
    headers.extend(names.iter().map(|name| (name.as_str(), "v")));
    let found = extracted_as_list(&headers);
    assert_eq!((found.baggage.len(), found.baggage.get("long")), (64, None));
}

/// Which entries are left out depends on their order, and a map has its own.
fn extracted_as_list(headers: &[(&str, &str)]) -> Extracted {
    OtPropagator::new().extract(&headers.to_vec())
}

#[test]
fn what_is_written_is_read_again() {
    let mut chance = Lcg(11);
    for _ in 0..500 {
        let flags = [NONE, KEPT][chance.below(2)];
        let context = SpanContext::new(
            TraceId::from_parts(0, chance.next() | 1),
            SpanId::new(chance.next() | 1),
            flags,
        );
        let name = chance.text("abcxyz019-_.", 8);
        let baggage = Baggage::new().with(&name, &chance.text("aB1 ,;=%+\"~", 20));
        let written = injected(&OtPropagator::new(), &context, &baggage);
        let found = read(&as_pairs(&written));
        assert_eq!((found.span_context, found.baggage), (Some(context), baggage), "{written:?}");
    }
}
