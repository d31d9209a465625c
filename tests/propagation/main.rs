//! Trace context and baggage from one process to another, through the OpenTracing face; and what holds of every parser.

mod checks;
mod measure;
mod properties;

use std::collections::HashMap;
use std::time::Duration;

use opentracing_api::{Extract, Inject, SpanContext, Tracer, child_of};
use opentracing_shim::jaeger::{Config, JaegerTracer, Propagation, Sampler};
use opentracing_shim::{Formats, TracerShim};
use otel_core::TracerProvider;
use otel_core::propagation::{self, OtPropagator};

type Headers = HashMap<String, String>;

fn tracer() -> JaegerTracer {
    // Nobody listens there, and nothing is sent before the end.
    Config::new("propagation")
        .agent_host("127.0.0.1")
        .flush_interval(Duration::from_secs(600))
        .build()
        .unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn extract(tracer: &JaegerTracer, pairs: &[(&str, &str)]) -> Option<SpanContext> {
    tracer.extract(Extract::HttpHeaders(&headers(pairs))).unwrap()
}

#[test]
fn what_is_injected_is_extracted_ids_flags_and_baggage() {
    let (here, there) = (tracer(), tracer());
    for sampled in [true, false] {
        let sender = if sampled {
            tracer()
        } else {
            Config::new("x").sampler(Sampler::Const(false)).build().unwrap()
        };
        let mut span = sender.start_span("call");
        span.set_baggage_item("user", "ann & bob, größe").set_baggage_item("tenant", "7");
        let (mut http, mut text) = (Headers::new(), Headers::new());
        here.inject(&span, Inject::HttpHeaders(&mut http)).unwrap();
        here.inject(&span, Inject::TextMap(&mut text)).unwrap();
        assert!(http.values().all(|value| value.is_ascii()), "{http:?}");
        assert_eq!(text["uberctx-user"], "ann & bob, größe", "a text map takes values as they are");
        let from_http = there.extract(Extract::HttpHeaders(&http)).unwrap().unwrap();
        let from_text = there.extract(Extract::TextMap(&text)).unwrap().unwrap();
        for context in [from_http, from_text] {
            assert_eq!(context.trace_id(), span.context().trace_id());
            assert_eq!(
                (context.span_id(), context.is_sampled()),
                (span.context().span_id(), sampled)
            );
            assert_eq!(context.baggage_item("user"), Some("ann & bob, größe"));
            assert_eq!(context.baggage_item("tenant"), Some("7"));
            let child = there.start_span_with("served", child_of(&context));
            assert_eq!(child.context().trace_id(), span.context().trace_id());
            assert_eq!((child.is_recording(), child.baggage_item("tenant")), (sampled, Some("7")));
        }
    }
}

#[test]
fn the_header_is_what_the_jaeger_clients_write() {
    let tracer = tracer();
    let context = SpanContext::new(0xabc, 0xdef, SpanContext::SAMPLED);
    let mut carrier = Headers::new();
    tracer.inject(&context, Inject::HttpHeaders(&mut carrier)).unwrap();
    assert_eq!(carrier, headers(&[("uber-trace-id", "0000000000000abc:0000000000000def:0:1")]));
}

#[test]
fn headers_are_found_in_any_case() {
    let context =
        extract(&tracer(), &[("Uber-Trace-Id", "ABC:DEF:0:1"), ("UberCtx-User", "ann")]).unwrap();
    assert_eq!((context.trace_id(), context.span_id()), (0xabc, 0xdef));
    assert_eq!(context.baggage_item("user"), Some("ann"));
}

#[test]
fn a_malformed_header_begins_a_new_trace_and_is_counted_once() {
    let tracer = tracer();
    let mut n_malformed = 0;
    for header in [
        "",
        "1",
        "1:2:0",
        "1:2:0:1:1",
        "1::0:1",
        "g:2:0:1",
        "+1:2:0:1",
        "1:2:0:101",
        &"1:".repeat(10_000),
    ] {
        let extracted = extract(&tracer, &[("uber-trace-id", header)]);
        n_malformed += 1;
        assert!(extracted.is_none(), "header {header:?}");
        let span = tracer.start_span_with("new", child_of(&extracted));
        assert!(span.context().is_valid() && span.is_recording());
    }
    assert_eq!(tracer.malformed_headers(), n_malformed);
}

#[test]
fn nothing_in_the_carrier_is_no_context_and_no_fault() {
    let tracer = tracer();
    assert!(extract(&tracer, &[("accept", "text/html")]).is_none());
    assert!(extract(&tracer, &[("uber-trace-id", "0:0:0:0")]).is_none());
    assert_eq!(tracer.extract(Extract::TextMap(&Headers::new())).unwrap(), None);
}

#[test]
fn jaegers_header_comes_before_w3cs_and_either_will_do() {
    let tracer = tracer();
    let traceparent = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let from_w3c = extract(&tracer, &[traceparent]).unwrap();
    assert_eq!((from_w3c.span_id(), from_w3c.is_sampled()), (0xb7ad6b7169203331, true));
    let both = extract(&tracer, &[traceparent, ("uber-trace-id", "1:2:0:0")]).unwrap();
    assert_eq!((both.trace_id(), both.span_id(), both.is_sampled()), (1, 2, false));
}

#[test]
fn w3cs_random_flag_never_becomes_jaegers_debug_flag() {
    let tracer = tracer();
    let traceparent = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03")];
    let context = extract(&tracer, &traceparent).unwrap();
    let mut carrier = Headers::new();
    tracer
        .inject(&tracer.start_span_with("child", child_of(&context)), Inject::TextMap(&mut carrier))
        .unwrap();
    assert!(carrier["uber-trace-id"].ends_with(":0:1"), "{carrier:?}");
}

#[test]
fn debug_goes_on_to_children_and_into_the_header() {
    let tracer = tracer();
    let context = extract(&tracer, &[("uber-trace-id", "1:2:0:3")]).unwrap();
    let mut carrier = Headers::new();
    tracer
        .inject(
            &tracer.start_span_with("child", child_of(&context)),
            Inject::HttpHeaders(&mut carrier),
        )
        .unwrap();
    assert!(carrier["uber-trace-id"].ends_with(":0:3"), "{carrier:?}");
}

#[test]
fn a_debug_id_alone_forces_a_trace_that_carries_it() {
    let receiver = integration_tests::Receiver::start();
    let config = Config::new("debug").agent_host("127.0.0.1").agent_port(receiver.port());
    let tracer = config.sampler(Sampler::Const(false)).build().unwrap();
    let context = extract(&tracer, &[("jaeger-debug-id", "please look")]).unwrap();
    let root = tracer.start_span_with("root", child_of(&context));
    tracer.start_span_with("child", child_of(&root)).finish();
    root.finish();
    assert_eq!(tracer.close(Duration::from_secs(20)).unwrap().reported_spans, 2);
    assert!(receiver.wait_for_spans(2, Duration::from_secs(20)));
    let spans = receiver.spans();
    let debug_id = jaeger_udp::model::TagValue::String("please look".into());
    assert_eq!(
        (spans[1].tag("jaeger-debug-id"), spans[1].flags, spans[1].parent_span_id),
        (Some(&debug_id), 3, 0)
    );
    assert_eq!((spans[0].tag("jaeger-debug-id"), spans[0].flags), (None, 3));
}

#[test]
fn baggage_alone_is_carried_and_joins_no_trace() {
    let tracer = tracer();
    let context =
        extract(&tracer, &[("uberctx-user", "ann"), ("jaeger-baggage", "tenant=7, broken, k = v")])
            .unwrap();
    let root = tracer.start_span_with("root", child_of(&context));
    assert!(root.context().is_valid() && root.is_recording());
    let items = ["user", "tenant", "k"].map(|key| root.baggage_item(key));
    assert_eq!(items, [Some("ann"), Some("7"), Some("v")]);
}

#[test]
fn a_tracer_speaks_b3_where_it_is_configured_to() {
    for is_on in [true, false] {
        let config = Config::new("b3").agent_host("127.0.0.1").propagation([Propagation::B3]);
        let tracer = config.sampler(Sampler::Const(is_on)).build().unwrap();
        for (value, sampled, is_debug) in [
            ("00000000000000ab-00000000000000cd-0", false, false),
            ("00000000000000ab-00000000000000cd-1", true, false),
            ("00000000000000ab-00000000000000cd-d", true, true),
            ("00000000000000ab-00000000000000cd", is_on, false), // the decision is left to us
            ("0", false, false),                                 // decided, without a span
            ("1", true, false),
            ("d", true, true),
            ("what", is_on, false),
        ] {
            let context = extract(&tracer, &[("B3", value)]);
            let span = tracer.start_span_with("served", child_of(&context));
            assert_eq!(span.context().is_sampled(), sampled, "{value:?}, {is_on}");
            assert_eq!(span.is_recording(), sampled, "{value:?}, {is_on}");
            assert_eq!(span.context().trace_id() == 0xab, value.len() > 16, "{value:?}");
            let mut out = Headers::new();
            tracer.inject(&span, Inject::HttpHeaders(&mut out)).unwrap();
            let flag = out.get("x-b3-flags").or_else(|| out.get("x-b3-sampled")).unwrap();
            assert_eq!(flag, if sampled { "1" } else { "0" }, "{value:?}: {out:?}");
            assert_eq!(out.contains_key("x-b3-flags"), is_debug, "{value:?}: {out:?}");
            // What was said of the root holds for its children too.
            let child = tracer.start_span_with("child", child_of(&span));
            assert_eq!(child.context().is_sampled(), sampled, "{value:?}, {is_on}");
        }
    }
}

#[test]
fn the_opentracing_face_takes_any_propagators_of_the_core() {
    let formats =
        Formats::new(OtPropagator::new(), propagation::from_names("b3,tracecontext,baggage"));
    let provider = TracerProvider::builder().build();
    let tracer = Tracer::new(TracerShim::new(provider).formats(formats));
    let context = SpanContext::new(0xab, 0xcd, SpanContext::SAMPLED).with_baggage_item("k", "v");
    let (mut text, mut http) = (Headers::new(), Headers::new());
    tracer.inject(&context, Inject::TextMap(&mut text)).unwrap();
    tracer.inject(&context, Inject::HttpHeaders(&mut http)).unwrap();
    assert_eq!((text["ot-tracer-traceid"].as_str(), text.len()), ("00000000000000ab", 4));
    assert_eq!((http["baggage"].as_str(), http.len()), ("k=v", 3));
    for found in [
        tracer.extract(Extract::TextMap(&text)).unwrap().unwrap(),
        tracer.extract(Extract::HttpHeaders(&http)).unwrap().unwrap(),
    ] {
        assert_eq!((found.trace_id(), found.span_id()), (0xab, 0xcd));
        assert_eq!(found.baggage_item("k"), Some("v"));
    }
}

#[test]
fn hostile_carriers_cost_no_more_than_their_size() {
    let tracer = tracer();
    let mut carrier: Headers =
        (0..10_000).map(|n| (format!("uberctx-{n}"), "x".repeat(100))).collect();
    carrier.insert("uber-trace-id".to_owned(), "1:2:0:1".to_owned());
    carrier.insert("uberctx-nul\0bidi\u{202e}".to_owned(), "%zz%0d%0a".to_owned());
    let context = tracer.extract(Extract::HttpHeaders(&carrier)).unwrap().unwrap();
    assert!(context.baggage().count() <= 64, "{} items", context.baggage().count());
    let mut out = Headers::new();
    tracer
        .inject(&tracer.start_span_with("child", child_of(&context)), Inject::HttpHeaders(&mut out))
        .unwrap();
    assert!(out.values().all(|value| value.bytes().all(|byte| (0x20..0x7f).contains(&byte))));
}
