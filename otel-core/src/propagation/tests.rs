//! What all propagators have in common, and what happens between them.

use super::testing::{
    Lcg, as_pairs, extracted, extracted_exactly, injected, numbers, span_context,
};
use super::*;
use crate::provider::TracerProvider;
use crate::sampler::{ConstSampler, ParentBasedSampler};

fn all() -> [(&'static str, Box<dyn Propagator>); 8] {
    let everything = CompositePropagator::first_found()
        .propagator(JaegerPropagator::new())
        .propagator(TraceContextPropagator::new())
        .propagator(BaggagePropagator::new())
        .propagator(B3Propagator::single_and_multi())
        .propagator(OtPropagator::new());
    [
        ("jaeger", Box::new(JaegerPropagator::new())),
        (TEXT_MAP, Box::new(JaegerPropagator::new().mode(JaegerMode::TextMap))),
        ("trace context", Box::new(TraceContextPropagator::new())),
        ("baggage", Box::new(BaggagePropagator::new())),
        ("b3", Box::new(B3Propagator::single())),
        ("b3multi", Box::new(B3Propagator::multi())),
        ("ottrace", Box::new(OtPropagator::new())),
        ("everything", Box::new(everything)),
    ]
}

const TEXT_MAP: &str = "jaeger, text map";

const VALID: [(&str, &str); 16] = [
    ("uber-trace-id", "1234567890abcdef1234567890abcdef:fedcba0987654321:1:3"),
    ("uberctx-user", "ann%20b"),
    ("jaeger-debug-id", "find%20me"),
    ("jaeger-baggage", "k1=v1, k2 = v2"),
    ("traceparent", "00-12345678901234567890123456789012-1234567890123456-03"),
    ("tracestate", "foo=1,bar=2"),
    ("baggage", "a=1;p=2,b=c%20d"),
    ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-d-05e3ac9a4f6e3b90"),
    ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
    ("x-b3-spanid", "e457b5a2e4d86bd1"),
    ("x-b3-sampled", "1"),
    ("x-b3-parentspanid", "05e3ac9a4f6e3b90"),
    ("ot-tracer-traceid", "64fe8b2a57d3eff7"),
    ("ot-tracer-spanid", "e457b5a2e4d86bd1"),
    ("ot-tracer-sampled", "true"),
    ("ot-baggage-user", "ann b"),
];

/// Extracts, and checks that what came out goes round from then on; returns it.
fn checked(name: &str, propagator: &dyn Propagator, headers: &[(&str, &str)]) -> Extracted {
    // In a text map, names are what they are.
    let extracted = if name == TEXT_MAP { extracted_exactly } else { extracted };
    let first = extracted(propagator, headers);
    assert!(first.baggage.len() <= 64 + 180, "{name}: {headers:?}");
    let span_context = first.span_context.clone().unwrap_or_default();
    let sent = injected(propagator, &span_context, &first.baggage);
    if name != TEXT_MAP {
        let is_safe = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        assert!(sent.iter().all(|(key, value)| is_safe(key) && is_safe(value)), "{name}: {sent:?}");
    }
    let second = extracted(propagator, &as_pairs(&sent));
    assert_eq!(second.malformed_headers, 0, "{name}: {sent:?} from {headers:?}");
    // Jaeger's header has no room for these, and comes first where there are several.
    let mut unwritten = TraceFlags::FIREHOSE | TraceFlags::RANDOM;
    if name == "everything" {
        unwritten = unwritten | TraceFlags::DEFERRED;
    }
    let kept = |extracted: &Extracted| {
        let (trace_id, span_id, flags) = numbers(extracted)?;
        Some((trace_id, span_id, flags.with(unwritten, false)))
    };
    assert_eq!(kept(&second), kept(&first), "{name}: {sent:?} from {headers:?}");
    first
}

#[test]
fn truncated_headers_do_no_harm() {
    for (name, propagator) in all() {
        for (header, value) in VALID {
            for end in (0..=value.len()).filter(|end| value.is_char_boundary(*end)) {
                checked(name, &propagator, &[(header, &value[..end])]);
            }
        }
        assert_ne!(checked(name, &propagator, &VALID), Extracted::default());
    }
}

#[test]
fn changed_and_invented_headers_do_no_harm() {
    const ALPHABET: &str = "0123456789abcdefABCDEFxz:%-+=,;@*/_. \t\"\\\r\n\0äß١€😀\u{7f}\u{FFFD}";
    let mut chance = Lcg(4);
    for (name, propagator) in all() {
        for _ in 0..4000 {
            let (header, value) = VALID[chance.below(VALID.len())];
            let value = match chance.below(3) {
                0 => chance.text(ALPHABET, 80),
                1 => chance.text("01f:-%3A=,", 60),
                _ => {
                    let at = chance.below(value.len());
                    let taken = chance.below(value.len() - at + 1).min(3);
                    format!("{}{}{}", &value[..at], chance.text(ALPHABET, 2), &value[at + taken..])
                }
            };
            checked(name, &propagator, &[(header, &value)]);
        }
        for _ in 0..500 {
            let name_of_one = format!("uberctx-{}", chance.text(ALPHABET, 12));
            let value = chance.text(ALPHABET, 40);
            checked(name, &propagator, &[(&name_of_one, &value), VALID[chance.below(VALID.len())]]);
        }
    }
}

#[test]
fn long_headers_do_no_harm() {
    for (name, propagator) in all() {
        for (header, _) in VALID {
            for piece in ["a", ":", ",", "=", ";", "%", "%41", "a=1,", "a=1;", " ", "0", "-", "ä"]
            {
                let value = piece.repeat(300_000 / piece.len());
                checked(name, &propagator, &[(header, &value)]);
            }
        }
    }
}

#[test]
fn nothing_found_leaves_the_context_as_it_was() {
    let context = Context::new()
        .with_span_context(span_context(7, TraceFlags::SAMPLED))
        .with_baggage(Baggage::new().with("a", "1"));
    let useless = [
        vec![],
        vec![("uber-trace-id", "what"), ("traceparent", "ever"), ("baggage", ",")],
        vec![("uber-trace-id", "0:0:0:0"), ("tracestate", "foo=1"), ("jaeger-debug-id", "x")],
        vec![("b3", "0"), ("x-b3-traceid", "1"), ("ot-tracer-spanid", "1"), ("ot-baggage-a", "2")],
    ];
    for (name, propagator) in all() {
        for headers in &useless {
            let after = extract_context(&propagator, &context, headers);
            assert_eq!(after.span_context(), context.span_context(), "{name}: {headers:?}");
            assert_eq!(after.baggage(), context.baggage(), "{name}: {headers:?}");
        }
    }
}

#[test]
fn a_context_takes_the_span_and_the_baggage_that_were_found() {
    let (_, everything) = all().into_iter().next_back().unwrap();
    let before = Context::new().with_value(42_u8).with_baggage(Baggage::new().with("old", "1"));
    let only_span = extract_context(&everything, &before, &vec![("uber-trace-id", "1:2:0:1")]);
    assert!(only_span.span_context().unwrap().is_remote());
    assert_eq!((only_span.baggage().get("old"), only_span.value::<u8>()), (Some("1"), Some(&42)));
    let only_baggage = extract_context(&everything, &before, &vec![("baggage", "new=2")]);
    assert_eq!((only_baggage.span_context(), only_baggage.baggage().get("old")), (None, None));
    assert_eq!(only_baggage.baggage().get("new"), Some("2"));
}

#[test]
fn a_context_without_a_span_writes_its_baggage() {
    let (_, everything) = all().into_iter().next_back().unwrap();
    let mut headers = Vec::new();
    inject_context(&everything, &Context::new(), &mut headers);
    assert!(headers.is_empty());
    inject_context(
        &everything,
        &Context::new().with_baggage(Baggage::new().with("a", "1")),
        &mut headers,
    );
    assert_eq!(
        headers,
        [("uberctx-a", "1"), ("baggage", "a=1")].map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
}

#[test]
fn flags_with_the_same_number_do_not_cross_from_one_format_into_the_other() {
    let jaeger = JaegerPropagator::new();
    let w3c = TraceContextPropagator::new();
    for (flags, expected) in
        [("0", "00"), ("1", "01"), ("2", "00"), ("3", "01"), ("9", "01"), ("b", "01")]
    {
        let value = format!("1:2:0:{flags}");
        let found = extracted(&jaeger, &[("uber-trace-id", &value)]).span_context.unwrap();
        assert!(!found.flags().is_random());
        let sent = injected(&w3c, &found, &Baggage::new());
        assert!(sent["traceparent"].ends_with(&format!("-{expected}")), "flags {flags}: {sent:?}");
    }
    for (flags, expected) in [("00", "0"), ("01", "1"), ("02", "0"), ("03", "1"), ("ff", "1")] {
        let value = format!("00-00000000000000000000000000000001-0000000000000002-{flags}");
        let found = extracted(&w3c, &[("traceparent", &value)]).span_context.unwrap();
        assert!(!found.flags().is_debug());
        let sent = injected(&jaeger, &found, &Baggage::new());
        assert!(
            sent["uber-trace-id"].ends_with(&format!(":{expected}")),
            "flags {flags}: {sent:?}"
        );
    }
}

#[test]
fn what_each_format_can_say_of_a_decision_reaches_the_others() {
    let b3 = B3Propagator::single();
    let others: [Box<dyn Propagator>; 3] = [
        Box::new(JaegerPropagator::new()),
        Box::new(TraceContextPropagator::new()),
        Box::new(OtPropagator::new()),
    ];
    for (state, jaeger, w3c, ot) in [
        ("", "0", "00", "false"), // nobody here can say that it is still open
        ("-0", "0", "00", "false"),
        ("-1", "1", "01", "true"),
        ("-d", "3", "01", "true"),
    ] {
        let value = format!("00000000000000ab-00000000000000cd{state}");
        let found = extracted(&b3, &[("b3", &value)]).span_context.unwrap();
        let [from_jaeger, from_w3c, from_ot] =
            others.each_ref().map(|other| injected(other, &found, &Baggage::new()));
        assert!(from_jaeger["uber-trace-id"].ends_with(&format!(":{jaeger}")), "{from_jaeger:?}");
        assert!(from_w3c["traceparent"].ends_with(&format!("-{w3c}")), "{from_w3c:?}");
        assert_eq!(from_ot["ot-tracer-sampled"], ot);
    }
    let debug = extracted(&others[0], &[("uber-trace-id", "ab:cd:0:3")]).span_context.unwrap();
    let sent = injected(&b3, &debug, &Baggage::new());
    assert_eq!(sent["b3"], "000000000000000000000000000000ab-00000000000000cd-d");
    let random = ("traceparent", "00-000000000000000000000000000000ab-00000000000000cd-03");
    let random = extracted(&others[1], &[random]).span_context.unwrap();
    let sent = injected(&b3, &random, &Baggage::new());
    assert_eq!(sent["b3"], "000000000000000000000000000000ab-00000000000000cd-1");
}

#[test]
fn a_decision_without_a_span_decides_about_a_new_trace() {
    let (b3, jaeger) = (B3Propagator::single(), JaegerPropagator::new());
    for (sampler_says, value, is_sampled, is_debug) in [
        (true, "0", false, false),
        (false, "1", true, false),
        (false, "d", true, true),
        (true, "what", true, false),
        (false, "what", false, false),
        (true, "00000000000000ab-00000000000000cd", true, false), // deferred: ours to decide
        (false, "00000000000000ab-00000000000000cd", false, false),
        (true, "00000000000000ab-00000000000000cd-0", false, false),
    ] {
        let sampler = ParentBasedSampler::new(ConstSampler::new(sampler_says));
        let provider = TracerProvider::builder().sampler(sampler).build();
        let context = extract_context(&b3, &Context::new(), &vec![("b3", value)]);
        let span = provider.tracer("decisions").span_builder("root").parent(&context).start();
        let flags = span.context().flags();
        assert!(span.context().is_valid(), "value {value:?}");
        assert_eq!((flags.is_sampled(), flags.is_debug()), (is_sampled, is_debug), "{value:?}");
        assert!(!flags.is_deferred() && !flags.contains(TraceFlags::DECIDED), "value {value:?}");
        let is_root = span.context().trace_id() != crate::id::TraceId::from_parts(0, 0xab);
        assert_eq!(is_root, value.len() < 16, "value {value:?}");
    }
    // Somebody who names a span besides is believed about that span.
    let both = CompositePropagator::new().propagator(b3).propagator(jaeger);
    let headers = [("b3", "0"), ("uber-trace-id", "1:2:0:1")];
    let found = extracted(&both, &headers);
    assert_eq!((found.decision, found.parent()), (Some(TraceFlags::NONE), found.span_context));
}

#[test]
fn a_short_trace_id_is_filled_with_zeros_for_w3c_and_short_again_for_jaeger() {
    let (jaeger, w3c) = (JaegerPropagator::new(), TraceContextPropagator::new());
    let found = extracted(&jaeger, &[("uber-trace-id", "abc:2:0:1")]).span_context.unwrap();
    let sent = injected(&w3c, &found, &Baggage::new());
    assert_eq!(sent["traceparent"], "00-00000000000000000000000000000abc-0000000000000002-01");
    let back = extracted(&w3c, &as_pairs(&sent)).span_context.unwrap();
    let sent = injected(&jaeger, &back, &Baggage::new());
    assert_eq!(sent["uber-trace-id"], "0000000000000abc:0000000000000002:0:1");
}

#[test]
fn a_shared_propagator_is_the_propagator() {
    let shared = Arc::new(JaegerPropagator::new());
    assert_eq!(Propagator::fields(&shared), ["uber-trace-id"]);
    assert_eq!(numbers(&extracted(&shared, &VALID)), numbers(&extracted(&*shared, &VALID)));
    assert_eq!(injected(&shared, &span_context(1, TraceFlags::NONE), &Baggage::new()).len(), 1);
}
