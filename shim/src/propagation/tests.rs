use std::collections::HashMap;
use std::time::Duration;

use opentracing_api::{HasContext, Tracer, child_of};
use otel_core::propagation::BaggagePropagator;
use otel_core::{Context, TracerProvider};

use super::*;
use crate::tracer::TracerShim;

type Headers = HashMap<String, String>;

fn tracer(formats: Formats) -> Tracer {
    Tracer::new(TracerShim::new(TracerProvider::builder().build()).formats(formats))
}

fn injected(tracer: &Tracer, span: &impl HasContext) -> Headers {
    let mut headers = Headers::new();
    tracer.inject(span, Inject::HttpHeaders(&mut headers)).unwrap();
    headers
}

#[test]
fn bytes_carry_ids_flags_and_baggage_and_are_appended() {
    let tracer = tracer(Formats::default());
    for flags in [0, SpanContext::SAMPLED] {
        let context = SpanContext::new(7 << 64 | 8, 9, flags).with_baggage_item("user", "größe");
        let mut bytes = vec![1, 2, 3];
        tracer.inject(&context, Inject::Binary(&mut bytes)).unwrap();
        assert_eq!(bytes[..3], [1, 2, 3]);
        let found = tracer.extract(Extract::Binary(&bytes[3..])).unwrap().unwrap();
        assert_eq!((found.trace_id(), found.span_id()), (context.trace_id(), 9));
        assert_eq!(found.is_sampled(), context.is_sampled());
        assert_eq!(found.baggage_item("user"), Some("größe"));
    }
    assert_eq!(tracer.extract(Extract::Binary(&[])).unwrap(), None);
}

#[test]
fn bytes_that_are_no_context_are_an_error() {
    let tracer = tracer(Formats::default());
    let mut bytes = Vec::new();
    tracer.inject(&SpanContext::new(1, 2, 1), Inject::Binary(&mut bytes)).unwrap();
    for length in 1..bytes.len() {
        let found = tracer.extract(Extract::Binary(&bytes[..length]));
        let Err(error @ ExtractError::SpanContextCorrupted { .. }) = found else {
            panic!("{length} bytes: {found:?}")
        };
        assert!(error.to_string().contains("end too early"), "{error}");
    }
}

/// Carries a context as it is, in a carrier of its own kind.
struct Whole;

impl CustomFormat for Whole {
    fn inject(&self, context: &SpanContext, carrier: &mut dyn Any) -> Result<(), InjectError> {
        let place =
            carrier.downcast_mut::<Option<SpanContext>>().ok_or(InjectError::InvalidCarrier)?;
        *place = Some(context.clone());
        Ok(())
    }

    fn extract(&self, carrier: &dyn Any) -> Result<Option<SpanContext>, ExtractError> {
        carrier.downcast_ref().cloned().ok_or(ExtractError::InvalidCarrier)
    }
}

#[test]
fn a_registered_format_is_found_by_name_and_an_unknown_one_or_a_wrong_carrier_is_an_error() {
    let tracer = tracer(Formats::default().custom("whole", Whole));
    let span = tracer.start_span("span");
    let mut carrier = None::<SpanContext>;
    tracer.inject(&span, Inject::Custom("whole", &mut carrier)).unwrap();
    let found = tracer.extract(Extract::Custom("whole", &carrier)).unwrap();
    assert_eq!(found, Some(span.context()));
    let wrong = (
        tracer.inject(&span, Inject::Custom("whole", &mut 7)),
        tracer.extract(Extract::Custom("whole", &7)),
    );
    assert!(
        matches!(wrong, (Err(InjectError::InvalidCarrier), Err(ExtractError::InvalidCarrier))),
        "{wrong:?}"
    );
    let unknown = (
        tracer.inject(&span, Inject::Custom("other", &mut carrier)),
        tracer.extract(Extract::Custom("other", &carrier)),
    );
    assert!(
        matches!(
            unknown,
            (Err(InjectError::UnsupportedFormat), Err(ExtractError::UnsupportedFormat))
        ),
        "{unknown:?}"
    );
}

#[test]
fn a_header_that_cannot_be_read_is_an_error_only_where_that_is_asked_for() {
    let malformed = [("uber-trace-id", "1:2:x")];
    let traceparent = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    for is_strict in [false, true] {
        let formats = Formats::default().strict(is_strict);
        let tracer = tracer(formats.clone());
        let found = tracer.extract(Extract::HttpHeaders(&malformed));
        if is_strict {
            assert!(matches!(found, Err(ExtractError::SpanContextCorrupted { .. })), "{found:?}");
        } else {
            assert_eq!(found.unwrap(), None);
        }
        assert_eq!(formats.malformed_headers(), 1);
        let both = tracer.extract(Extract::HttpHeaders(&[malformed[0], traceparent])).unwrap();
        assert_eq!(both.unwrap().span_id(), 0xb7ad6b7169203331);
        assert_eq!(tracer.extract(Extract::TextMap(&[("other", "x")])).unwrap(), None);
    }
}

#[test]
fn nothing_to_inject_is_an_error_and_leaves_the_carrier_alone() {
    let tracer = tracer(Formats::default());
    let mut headers = Headers::from([("other".to_owned(), "kept".to_owned())]);
    for nothing in [&None::<SpanContext> as &dyn HasContext, &SpanContext::new(0, 0, 1)] {
        let answer = tracer.inject(nothing, Inject::TextMap(&mut headers));
        assert!(matches!(answer, Err(InjectError::InvalidSpanContext)), "{answer:?}");
        let answer = tracer.inject(nothing, Inject::Binary(&mut Vec::new()));
        assert!(matches!(answer, Err(InjectError::InvalidSpanContext)), "{answer:?}");
    }
    assert_eq!(headers.len(), 1);
    tracer.inject(&SpanContext::new(1, 2, 1), Inject::TextMap(&mut headers)).unwrap();
    assert_eq!((headers.len(), headers["other"].as_str()), (2, "kept"));
}

#[test]
fn baggage_is_injected_though_there_is_no_trace() {
    let only_baggage = SpanContext::default().with_baggage_item("user", "ann");
    let headers = injected(&tracer(Formats::default()), &only_baggage);
    assert_eq!(headers, Headers::from([("uberctx-user".to_owned(), "ann".to_owned())]));
}

#[test]
fn text_maps_and_headers_may_have_formats_of_their_own() {
    let tracer = tracer(Formats::new(TraceContextPropagator::new(), JaegerPropagator::new()));
    let context = SpanContext::new(1, 2, 1);
    let mut text_map = Headers::new();
    tracer.inject(&context, Inject::TextMap(&mut text_map)).unwrap();
    assert!(text_map.contains_key("traceparent") && text_map.len() == 1, "{text_map:?}");
    let headers = injected(&tracer, &context);
    assert!(headers.contains_key("uber-trace-id") && headers.len() == 1, "{headers:?}");
    assert_eq!(tracer.extract(Extract::HttpHeaders(&text_map)).unwrap(), None);
    assert_eq!(tracer.extract(Extract::TextMap(&text_map)).unwrap(), Some(with_remote(&context)));
}

fn with_remote(context: &SpanContext) -> SpanContext {
    ids_from_core(&to_core(context).with_remote(true))
}

#[test]
fn what_was_said_about_baggage_survives_the_way_through_and_a_merge() {
    let both = || {
        CompositePropagator::new()
            .propagator(TraceContextPropagator::new())
            .propagator(BaggagePropagator::new())
    };
    let tracer = tracer(Formats::new(both(), both()));
    let extract = |baggage: &str, trace_id: u128| {
        let traceparent = format!("00-{trace_id:032x}-0000000000000001-01");
        let headers = [("traceparent", traceparent.as_str()), ("baggage", baggage)];
        tracer.extract(Extract::HttpHeaders(&headers)).unwrap()
    };
    let (one, two) = (extract("a=1;ttl=5,b=2", 1), extract("c=3;secret", 2));
    let child = tracer.start_span_with("child", child_of(&one).follows_from(&two));
    let mut grandchild = tracer.start_span_with("grandchild", child_of(&child));
    let members = |span: &opentracing_api::Span| {
        let headers = injected(&tracer, span);
        let mut members: Vec<String> = headers["baggage"].split(',').map(str::to_owned).collect();
        members.sort();
        members
    };
    assert_eq!(members(&grandchild), ["a=1;ttl=5", "b=2", "c=3;secret"]);
    grandchild.set_baggage_item("a", "new");
    assert_eq!(members(&grandchild), ["a=new", "b=2", "c=3;secret"]);
    let later = tracer.start_span_with("later", child_of(&grandchild).follows_from(&child));
    assert_eq!(members(&later), ["a=new", "b=2", "c=3;secret"]);
}

#[test]
fn after_a_close_a_root_writes_nothing_and_a_child_hands_on_what_it_was_given() {
    let tracer = tracer(Formats::default());
    let before = tracer.start_span("before");
    tracer.close(Duration::from_secs(1)).unwrap();
    let root = tracer.start_span("root");
    assert_eq!(injected(&tracer, &root), Headers::new());
    assert_eq!(injected(&tracer, &None::<SpanContext>), Headers::new());
    let unknown = tracer.inject(&root, Inject::Custom("unknown", &mut 1));
    assert!(matches!(unknown, Err(InjectError::UnsupportedFormat)));
    let child = tracer.start_span_with("child", child_of(&before));
    assert!(!child.is_recording());
    assert_eq!(child.context(), before.context());
    assert_eq!(injected(&tracer, &child), injected(&tracer, &before));
    let headers = [("uber-trace-id", "1:2:0:1"), ("uberctx-user", "ann")];
    let caller = tracer.extract(Extract::HttpHeaders(&headers)).unwrap();
    let served = tracer.start_span_with("served", child_of(&caller));
    let onward = injected(&tracer, &served);
    assert_eq!(onward["uber-trace-id"], "0000000000000001:0000000000000002:0:1");
    assert_eq!(onward["uberctx-user"], "ann");
}

#[test]
fn what_is_current_is_neither_written_nor_read() {
    let shim = TracerShim::new(TracerProvider::builder().build()).shares_context(true);
    let tracer = Tracer::new(shim);
    let current = Context::new().with_baggage(Baggage::new().with("tenant", "7"));
    let _guard = current.attach();
    let _scope = tracer.start_active_span("active");
    let headers = injected(&tracer, &SpanContext::new(1, 2, 1));
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["uber-trace-id"]);
    assert_eq!(tracer.extract(Extract::HttpHeaders(&Headers::new())).unwrap(), None);
    let found = tracer.extract(Extract::HttpHeaders(&headers)).unwrap().unwrap();
    assert_eq!((found.span_id(), found.has_baggage()), (2, false));
}
