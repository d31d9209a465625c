use super::super::testing::{Lcg, as_pairs, extracted, injected, numbers, span_context};
use super::*;

const NONE: TraceFlags = TraceFlags::NONE;
const SAMPLED_FLAG: TraceFlags = TraceFlags::SAMPLED;
const DEFERRED: TraceFlags = TraceFlags::DEFERRED;
const WIDE: u128 = 0x80f1_98ee_5634_3ba8_64fe_8b2a_57d3_eff7;
const NARROW: u128 = 0x64fe_8b2a_57d3_eff7;
const SPAN: u64 = 0xe457_b5a2_e4d8_6bd1;

fn debug() -> TraceFlags {
    SAMPLED_FLAG | TraceFlags::DEBUG
}

fn single(value: &str) -> Extracted {
    extracted(&B3Propagator::single(), &[("b3", value)])
}

fn multi(headers: &[(&str, &str)]) -> Extracted {
    extracted(&B3Propagator::multi(), headers)
}

#[test]
fn the_single_header_is_read_with_short_and_long_trace_ids_and_every_sampling_state() {
    let (wide, narrow) = ("80f198ee56343ba864fe8b2a57d3eff7", "64fe8b2a57d3eff7");
    for (end, flags) in [
        ("", DEFERRED),
        ("-0", NONE),
        ("-1", SAMPLED_FLAG),
        ("-d", debug()),
        ("-0-05e3ac9a4f6e3b90", NONE),
        ("-1-05e3ac9a4f6e3b90", SAMPLED_FLAG),
        ("-d-05e3ac9a4f6e3b90", debug()),
        ("-1-0000000000000000", SAMPLED_FLAG),
    ] {
        for (digits, trace_id) in [(wide, WIDE), (narrow, NARROW)] {
            let value = format!("{digits}-e457b5a2e4d86bd1{end}");
            for value in [value.clone(), value.to_ascii_uppercase().replace('D', "d")] {
                let found = single(&value);
                assert_eq!(numbers(&found), Some((trace_id, SPAN, flags)), "value {value:?}");
                assert_eq!((found.malformed_headers, found.decision), (0, None), "{value:?}");
            }
            assert_eq!(numbers(&single(&format!(" \t{value} "))), Some((trace_id, SPAN, flags)));
        }
    }
}

#[test]
fn a_sampling_state_alone_is_a_decision_without_a_span() {
    for (state, flags) in [("0", NONE), ("1", SAMPLED_FLAG), ("d", debug())] {
        let found = single(state);
        assert_eq!((found.decision, found.span_context), (Some(flags), None), "state {state:?}");
    }
    for (headers, flags) in [
        (&[("x-b3-sampled", "0")][..], Some(NONE)),
        (&[("x-b3-sampled", "1")], Some(SAMPLED_FLAG)),
        (&[("x-b3-flags", "1")], Some(debug())),
        (&[("x-b3-flags", "1"), ("x-b3-sampled", "0")], Some(debug())),
        (&[("x-b3-flags", "0")], None),
        (&[("x-b3-parentspanid", "00000000000000ab")], None),
        (&[], None),
    ] {
        let found = multi(headers);
        assert_eq!((found.decision, found.malformed_headers), (flags, 0), "{headers:?}");
        assert_eq!(found.span_context, None, "headers {headers:?}");
    }
}

#[test]
fn a_malformed_single_header_is_counted_and_makes_no_context() {
    let ids = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1";
    let graphic = ('!'..='~').filter(|character| !"01d".contains(*character));
    let no_states: Vec<String> = graphic.map(String::from).collect();
    for value in [
        "true".to_owned(),
        "-".to_owned(),
        "-1".to_owned(),
        "80f198ee56343ba864fe8b2a57d3eff7".to_owned(),
        "80f198ee56343ba864fe8b2a57d3eff7-".to_owned(),
        format!("{ids}-"),
        format!("{ids}-true"),
        format!("{ids}--05e3ac9a4f6e3b90"),
        format!("{ids}-05e3ac9a4f6e3b90"), // the sampling state is missing
        format!("{ids}-1-"),
        format!("{ids}-1-05e3ac9a4f6e3b9"),
        format!("{ids}-1-05e3ac9a4f6e3b900"),
        format!("{ids}-1-05e3ac9a4f6e3b90-"),
        format!("{ids}-1-05e3ac9a4f6e3b9g"),
        format!("{ids} -1"),
        format!("{ids}_1"),
        format!("{ids},{ids}"),
        format!("0{ids}-1"),
        format!("{}-1", &ids[1..]),
        "64fe8b2a57d3eff-e457b5a2e4d86bd1-1".to_owned(),
        "64fe8b2a57d3eff7-e457b5a2e4d86bd-1".to_owned(),
        "64fe8b2a57d3eff7-e457b5a2e4d86bd10-1".to_owned(),
        "+4fe8b2a57d3eff7-e457b5a2e4d86bd1-1".to_owned(),
        "0x4fe8b2a57d3eff-e457b5a2e4d86bd1-1".to_owned(),
        "64fe8b2a57d3eff\0-e457b5a2e4d86bd1-1".to_owned(),
        "64fe8b2a57d3ef\u{661}-e457b5a2e4d86bd1-1".to_owned(),
        "0000000000000000-e457b5a2e4d86bd1-1".to_owned(),
        "00000000000000000000000000000000-e457b5a2e4d86bd1-1".to_owned(),
        "64fe8b2a57d3eff7-0000000000000000-1".to_owned(),
        "x".repeat(100_000),
    ]
    .into_iter()
    .chain(no_states.iter().flat_map(|state| [state.clone(), format!("{ids}-{state}")]))
    {
        let found = single(&value);
        let shown = &value[..value.len().min(80)];
        assert_eq!((found.span_context, found.decision), (None, None), "value {shown:?}");
        assert_eq!(found.malformed_headers, 1, "value {shown:?}");
    }
}

#[test]
fn several_headers_are_read_with_every_sampling_state() {
    for (state, flags) in [
        (&[][..], DEFERRED),
        (&[("x-b3-sampled", "0")], NONE),
        (&[("x-b3-sampled", "1")], SAMPLED_FLAG),
        (&[("x-b3-sampled", "true")], SAMPLED_FLAG),
        (&[("x-b3-sampled", "False")], NONE),
        (&[("x-b3-sampled", "")], DEFERRED),
        (&[("x-b3-flags", "1")], debug()),
        (&[("x-b3-flags", "1"), ("x-b3-sampled", "0")], debug()),
        (&[("x-b3-flags", "0"), ("x-b3-sampled", "1")], SAMPLED_FLAG),
        (&[("x-b3-flags", "2")], DEFERRED),
        (&[("x-b3-sampled", "1"), ("x-b3-parentspanid", "00000000000000ab")], SAMPLED_FLAG),
    ] {
        for (digits, trace_id) in
            [("80f198ee56343ba864fe8b2a57d3eff7", WIDE), ("64FE8B2A57D3EFF7", NARROW)]
        {
            let mut headers = vec![("x-b3-traceid", digits), ("x-b3-spanid", "e457b5a2e4d86bd1")];
            headers.extend_from_slice(state);
            let found = multi(&headers);
            assert_eq!(numbers(&found), Some((trace_id, SPAN, flags)), "headers {headers:?}");
            assert_eq!(found.malformed_headers, 0, "headers {headers:?}");
        }
    }
}

#[test]
fn several_headers_that_do_not_fit_together_are_counted_once() {
    let trace_id = ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7");
    let span_id = ("x-b3-spanid", "e457b5a2e4d86bd1");
    for headers in [
        &[trace_id][..],
        &[span_id],
        &[trace_id, ("x-b3-sampled", "1")],
        &[trace_id, ("x-b3-spanid", "")],
        &[trace_id, ("x-b3-spanid", "e457b5a2e4d86bd")],
        &[trace_id, ("x-b3-spanid", "0000000000000000")],
        &[span_id, ("x-b3-traceid", "0000000000000000")],
        &[span_id, ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff")],
        &[span_id, ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7a")],
        &[span_id, ("x-b3-traceid", "+0f198ee56343ba864fe8b2a57d3eff7")],
        &[trace_id, span_id, ("x-b3-sampled", "maybe")],
        &[trace_id, span_id, ("x-b3-sampled", "d")],
        &[trace_id, span_id, ("x-b3-parentspanid", "ab")],
    ] {
        let found = multi(headers);
        assert_eq!((found.span_context, found.decision), (None, None), "headers {headers:?}");
        assert_eq!(found.malformed_headers, 1, "headers {headers:?}");
    }
}

#[test]
fn the_single_header_comes_first_and_the_others_stand_in_for_a_malformed_one() {
    let others = [("x-b3-traceid", "00000000000000aa"), ("x-b3-spanid", "00000000000000bb")];
    let with = |value| [("b3", value), others[0], others[1]];
    let first = multi(&with("00000000000000cc-00000000000000dd-1"));
    assert_eq!(numbers(&first), Some((0xcc, 0xdd, SAMPLED_FLAG)));
    let instead = multi(&with("what"));
    assert_eq!(numbers(&instead), Some((0xaa, 0xbb, DEFERRED)));
    assert_eq!(instead.malformed_headers, 1);
    // The caller's word is taken as a whole: a decision here belongs to no ids from there.
    let decided = single("0");
    assert_eq!(multi(&with("0")), decided);
    let twice = [("b3", "00000000000000cc-00000000000000dd-1"), ("b3", "0")];
    assert_eq!(numbers(&extracted(&B3Propagator::single(), &twice)), numbers(&first));
}

#[test]
fn each_form_writes_its_own_headers_and_names_them() {
    for (flags, end, state) in [
        (NONE, "-0", Some(("x-b3-sampled", "0"))),
        (SAMPLED_FLAG, "-1", Some(("x-b3-sampled", "1"))),
        (SAMPLED_FLAG | TraceFlags::RANDOM, "-1", Some(("x-b3-sampled", "1"))),
        (debug(), "-d", Some(("x-b3-flags", "1"))),
        (TraceFlags::DEBUG, "-d", Some(("x-b3-flags", "1"))),
        (DEFERRED, "", None),
        (DEFERRED | debug(), "", None), // a decision that is not trusted
    ] {
        let context = span_context(0xa, flags);
        let baggage = Baggage::new().with("a", "1");
        let single = injected(&B3Propagator::single(), &context, &baggage);
        let digits = "0000000000000000000000000000000a";
        let value = format!("{digits}-000000000000000b{end}");
        assert_eq!(as_pairs(&single), [("b3", value.as_str())]);
        let multi = injected(&B3Propagator::multi(), &context, &baggage);
        let mut expected = vec![("x-b3-spanid", "000000000000000b"), ("x-b3-traceid", digits)];
        expected.extend(state);
        expected.sort_unstable();
        assert_eq!(as_pairs(&multi), expected);
        let both = injected(&B3Propagator::single_and_multi(), &context, &baggage);
        assert_eq!(both.len(), single.len() + multi.len());
    }
    let multi = ["x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"];
    assert_eq!(B3Propagator::default().fields(), ["b3"]);
    assert_eq!(B3Propagator::multi().fields(), multi);
    assert_eq!(B3Propagator::single_and_multi().fields()[1..], multi);
    for propagator in [B3Propagator::single(), B3Propagator::multi()] {
        let written =
            injected(&propagator, &SpanContext::invalid(), &Baggage::new().with("a", "1"));
        assert!(written.is_empty());
    }
}

#[test]
fn short_trace_ids_are_written_where_they_are_asked_for_and_short() {
    let single = B3Propagator::single().short_trace_ids(true);
    let value = |trace_id| injected(&single, &span_context(trace_id, NONE), &Baggage::new());
    assert_eq!(value(0xa)["b3"], "000000000000000a-000000000000000b-0");
    assert_eq!(value(1 << 64)["b3"], "00000000000000010000000000000000-000000000000000b-0");
    let multi = B3Propagator::multi().short_trace_ids(true);
    let written = injected(&multi, &span_context(0xa, NONE), &Baggage::new());
    assert_eq!(written["x-b3-traceid"], "000000000000000a");
}

#[test]
fn what_one_form_writes_both_read() {
    let mut chance = Lcg(7);
    for _ in 0..500 {
        let trace_id = u128::from(chance.next()) << 64 | u128::from(chance.next());
        let trace_id = if chance.below(2) == 0 { trace_id } else { trace_id >> 64 };
        let flags = [NONE, SAMPLED_FLAG, DEFERRED, debug()][chance.below(4)];
        let context =
            SpanContext::new(TraceId::from(trace_id | 1), SpanId::new(chance.next() | 1), flags);
        for writer in
            [B3Propagator::single(), B3Propagator::multi(), B3Propagator::single_and_multi()]
        {
            let writer = writer.short_trace_ids(chance.below(2) == 0);
            let written = injected(&writer, &context, &Baggage::new());
            for reader in [B3Propagator::single(), B3Propagator::multi()] {
                let found = extracted(&reader, &as_pairs(&written));
                assert_eq!(found.span_context.as_ref(), Some(&context), "{written:?}");
                assert_eq!(found.malformed_headers, 0, "{written:?}");
            }
        }
    }
}
