use std::time::{Duration, SystemTime};

use opentracing_api::{StartSpanOptions, Tracer, child_of, fields, follows_from};
use otel_core::exporter::InMemoryExporter;
use otel_core::record::SpanData;
use otel_core::sampler::{AlwaysOffSampler, AlwaysOnSampler, ParentBasedSampler};
use otel_core::{
    Baggage, OwnedValue, RecordingSpan, SimpleProcessor, SpanProcessor, StatusCode, TraceFlags,
};

use super::*;

fn tracer(semantics: Semantics) -> (Tracer, InMemoryExporter) {
    let exporter = InMemoryExporter::new();
    let processor = SimpleProcessor::new(exporter.clone());
    let provider = TracerProvider::builder().processor(processor).build();
    (Tracer::new(TracerShim::new(provider).semantics(semantics)), exporter)
}

/// Runs a program under OpenTelemetry's rules and returns its spans in the order of their ends.
fn spans_of(program: impl FnOnce(&Tracer)) -> Vec<SpanData> {
    let (tracer, exporter) = tracer(Semantics::OpenTelemetry);
    program(&tracer);
    exporter.finished_spans()
}

fn keys(span: &SpanData) -> Vec<&str> {
    span.attributes.iter().map(|attribute| attribute.key.as_str()).collect()
}

#[test]
fn spans_come_from_a_tracer_that_names_the_shim() {
    let spans = spans_of(|tracer| tracer.start_span("span").finish());
    assert_eq!(spans[0].scope.name(), "opentracing-shim");
    assert_eq!(spans[0].scope.version(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_error_tag_becomes_the_status_and_its_last_value_wins() {
    for (values, expected) in [
        (&["true"][..], StatusCode::Error),
        (&["TRUE", "false"][..], StatusCode::Ok),
        (&["false", "True"][..], StatusCode::Error),
        (&["false"][..], StatusCode::Ok),
    ] {
        let spans = spans_of(|tracer| {
            let mut span = tracer.start_span("span");
            for value in values {
                span.set_tag("error", *value);
            }
            span.finish();
        });
        assert_eq!((spans[0].status, keys(&spans[0])), (expected, vec![]), "{values:?}");
    }
}

#[test]
fn an_error_tag_that_is_no_truth_value_stays_an_attribute() {
    let spans = spans_of(|tracer| {
        let mut span = tracer.start_span_with("span", StartSpanOptions::new().tag("error", 7));
        span.set_tag("other", 1);
        span.finish();
    });
    assert_eq!((spans[0].status, keys(&spans[0])), (StatusCode::Unset, vec!["error", "other"]));
}

#[test]
fn the_kind_tag_becomes_the_kind_at_the_start_and_later() {
    let spans = spans_of(|tracer| {
        let options = StartSpanOptions::new().tag("span.kind", "CLIENT");
        let mut span = tracer.start_span_with("span", options);
        span.set_tag("span.kind", "server");
        span.finish();
        let mut odd = tracer.start_span("odd");
        odd.set_tag("span.kind", "chief");
        odd.finish();
    });
    assert_eq!((spans[0].kind, keys(&spans[0])), (SpanKind::Server, vec![]));
    assert_eq!((spans[1].kind, keys(&spans[1])), (SpanKind::Internal, vec!["span.kind"]));
}

#[test]
fn under_jaegers_rules_special_tags_stay_and_set_status_and_kind_besides() {
    let (tracer, exporter) = tracer(Semantics::Jaeger);
    let mut span = tracer.start_span("span");
    span.set_tag("error", "true").set_tag("span.kind", "server").set_tag("sampling.priority", 1);
    span.finish();
    let spans = exporter.finished_spans();
    assert_eq!((spans[0].status, spans[0].kind), (StatusCode::Error, SpanKind::Server));
    assert_eq!(keys(&spans[0]), ["error", "span.kind", "sampling.priority"]);
    assert!(spans[0].flags.is_debug());
}

#[test]
fn every_reference_becomes_a_link_in_order_with_its_type() {
    let spans = spans_of(|tracer| {
        let (one, two) = (tracer.start_span("one"), tracer.start_span("two"));
        let options =
            follows_from(&one).child_of(&two).child_of(&two).follows_from(&None::<SpanContext>);
        tracer.start_span_with("span", options).finish();
    });
    let (span, two, one) = (&spans[0], &spans[1], &spans[2]);
    assert_eq!((two.name.as_str(), one.name.as_str()), ("two", "one"));
    assert_eq!((span.parent_span_id, span.trace_id), (two.span_id, two.trace_id));
    let links: Vec<_> = span
        .links
        .iter()
        .map(|link| (link.span_id, link.attributes[0].value.as_str().unwrap()))
        .collect();
    assert_eq!(
        links,
        [(one.span_id, "follows_from"), (two.span_id, "child_of"), (two.span_id, "child_of")]
    );
}

#[test]
fn a_lone_parent_becomes_a_link_too() {
    let spans = spans_of(|tracer| {
        let parent = tracer.start_span("parent");
        tracer.start_span_with("child", child_of(&parent)).finish();
        tracer.start_span_with("tagged", child_of(&parent).tag("key", 1)).finish();
    });
    for child in &spans[..2] {
        assert_eq!(child.parent_span_id, spans[2].span_id);
        assert_eq!(child.links.len(), 1, "{}", child.name);
        assert_eq!(child.links[0].attributes[0].value, "child_of");
    }
}

#[test]
fn under_jaegers_rules_a_lone_parent_is_no_link() {
    let (tracer, exporter) = tracer(Semantics::Jaeger);
    let parent = tracer.start_span("parent");
    tracer.start_span_with("child", child_of(&parent)).finish();
    tracer.start_span_with("tagged", child_of(&parent).tag("key", 1)).finish();
    assert!(exporter.finished_spans().iter().all(|span| span.links.is_empty()));
}

#[test]
fn an_active_span_is_a_parent_and_no_link() {
    let spans = spans_of(|tracer| {
        let scope = tracer.start_active_span("outer");
        tracer.start_span("inner").finish();
        tracer.start_span_with("tagged", StartSpanOptions::new().tag("key", 1)).finish();
        scope.set_baggage_item("user", "ann");
        tracer.start_span("with baggage").finish();
        scope.close();
    });
    for span in &spans[..3] {
        assert_eq!(span.parent_span_id, spans[3].span_id, "{}", span.name);
        assert!(span.links.is_empty(), "{}", span.name);
    }
}

#[test]
fn an_unusable_parent_gives_way_to_a_usable_one_and_its_baggage_counts() {
    let spans = spans_of(|tracer| {
        let usable = tracer.start_span("usable");
        let only_baggage = SpanContext::default().with_baggage_item("user", "ann");
        let span = tracer.start_span_with("span", child_of(&only_baggage).follows_from(&usable));
        assert_eq!(span.baggage_item("user"), Some("ann"));
        span.finish();
        let options = child_of(&usable).follows_from(&only_baggage);
        let behind = tracer.start_span_with("behind", options);
        assert_eq!(behind.baggage_item("user"), Some("ann"));
        behind.finish();
        tracer.start_span_with("root", child_of(&only_baggage)).finish();
    });
    for span in &spans[..2] {
        assert_eq!(span.parent_span_id, spans[3].span_id);
        assert_eq!(span.links.len(), 1, "what has no ids cannot be linked to");
    }
    assert!(!spans[2].parent_span_id.is_valid());
}

#[test]
fn numbers_keep_their_type_and_those_too_large_become_decimal_text() {
    let spans = spans_of(|tracer| {
        let mut span = tracer.start_span("span");
        span.set_tag("small", 7_u64).set_tag("huge", u64::MAX).set_tag("huger", u128::MAX);
        span.set_tag("float", 1.5).set_tag("flag", false).set_tag("none", None::<i64>);
        span.finish();
    });
    assert_eq!(spans[0].attribute("small").unwrap(), &7);
    assert_eq!(spans[0].attribute("huge").unwrap(), &"18446744073709551615");
    assert_eq!(spans[0].attribute("huger").unwrap(), &u128::MAX.to_string().as_str());
    assert_eq!(spans[0].attribute("float").unwrap(), &OwnedValue::F64(1.5));
    assert_eq!(keys(&spans[0]), ["small", "huge", "huger", "float", "flag"]);
}

#[test]
fn a_log_is_an_event_named_by_its_event_field_wherever_that_stands() {
    let spans = spans_of(|tracer| {
        let mut span = tracer.start_span("span");
        span.log_kv(fields! { "event" => "first", "n" => 1 });
        span.log_kv(fields! { "n" => 1, "event" => "late" });
        span.log_kv([("n", 1)]).log_kv([("event", "")]).log_kv([("event", 7)]);
        span.finish();
    });
    let names: Vec<&str> = spans[0].events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["first", "late", "log", "log", "log"]);
    let n_fields: Vec<usize> = spans[0].events.iter().map(|event| event.attributes.len()).collect();
    assert_eq!(n_fields, [2, 2, 1, 1, 1]);
}

#[test]
fn under_jaegers_rules_a_late_event_field_names_the_event_too() {
    let (tracer, exporter) = tracer(Semantics::Jaeger);
    let mut span = tracer.start_span("span");
    span.log_kv(fields! { "n" => 1, "event" => "late" }).log_kv([("n", 2)]);
    span.finish();
    let spans = exporter.finished_spans();
    let names: Vec<&str> = spans[0].events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["late", "log"]);
}

#[test]
fn a_log_of_an_error_becomes_an_exception_and_leaves_the_status_alone() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(123_456_789);
    let spans = spans_of(|tracer| {
        let mut span = tracer.start_span("span");
        let fields = fields! {
            "event" => "error", "message" => "broken", "error.kind" => "Io", "stack" => "main", "n" => 1
        };
        span.log_kv_at(time, fields);
        span.log_kv(fields! { "message" => "late", "event" => "error" });
        span.finish();
    });
    let event = &spans[0].events[0];
    let fields: Vec<&str> = event.attributes.iter().map(|field| field.key.as_str()).collect();
    assert_eq!((event.name.as_str(), event.unix_nanos), ("exception", 123_456_789));
    assert_eq!(
        fields,
        ["event", "exception.message", "exception.type", "exception.stacktrace", "n"]
    );
    assert_eq!(spans[0].events[1].name, "exception");
    assert_eq!(spans[0].events[1].attributes[0].key, "exception.message");
    assert_eq!(spans[0].status, StatusCode::Unset);
}

#[test]
fn start_tags_reach_the_sampler_and_unsampled_spans_are_real() {
    #[derive(Debug)]
    struct KeepsVip;
    impl otel_core::sampler::Sampler for KeepsVip {
        fn should_sample(
            &self,
            input: &otel_core::sampler::SamplingInput<'_>,
        ) -> otel_core::sampler::SamplingResult {
            let mut is_vip = false;
            input.attributes.for_each(&mut |key, value| {
                is_vip |= key == "vip" && value == otel_core::Value::Bool(true);
            });
            match is_vip {
                true => otel_core::sampler::SamplingResult::record_and_sample(),
                false => otel_core::sampler::SamplingResult::drop(),
            }
        }
        fn description(&self) -> String {
            "KeepsVip".to_owned()
        }
    }
    let tracer = Tracer::new(TracerShim::new(TracerProvider::builder().sampler(KeepsVip).build()));
    assert!(tracer.start_span_with("a", StartSpanOptions::new().tag("vip", true)).is_recording());
    let plain = tracer.start_span("b");
    assert!(!plain.is_recording() && plain.context().is_valid());
}

#[test]
fn processors_see_the_parent_and_the_baggage_and_nothing_of_the_current_context() {
    #[derive(Debug, Default)]
    struct SeesParents;
    impl SpanProcessor for SeesParents {
        fn observes_start(&self) -> bool {
            true
        }
        fn on_start(&self, span: &mut RecordingSpan, parent: &Context) {
            let tenant = parent.baggage().get("tenant").unwrap_or("none");
            span.set_attribute("tenant", tenant);
            span.set_attribute("has_parent", parent.span_context().is_some());
            span.set_attribute("has_value", parent.value::<u8>().is_some());
        }
        fn on_end(&self, _: &otel_core::record::SpanView<'_>) {}
    }
    let exporter = InMemoryExporter::new();
    let provider = TracerProvider::builder()
        .processor(SeesParents)
        .processor(SimpleProcessor::new(exporter.clone()))
        .build();
    let tracer = Tracer::new(TracerShim::new(provider).shares_context(true));
    let unrelated = Context::new().with_baggage(Baggage::new().with("tenant", "stale"));
    let _unrelated = unrelated.with_value(7_u8).attach();
    let mut root = tracer.start_span_with("root", StartSpanOptions::new().ignore_active_span());
    root.set_baggage_item("tenant", "7");
    tracer.start_span_with("child", child_of(&root)).finish();
    root.finish();
    let spans = exporter.finished_spans();
    let seen = |span: &SpanData| {
        ["tenant", "has_parent", "has_value"].map(|key| span.attribute(key).unwrap().clone())
    };
    let no = OwnedValue::Bool(false);
    assert_eq!(seen(&spans[0]), [OwnedValue::from("7"), OwnedValue::Bool(true), no.clone()]);
    assert_eq!(seen(&spans[1]), [OwnedValue::from("none"), no.clone(), no]);
}

#[test]
fn a_local_parent_is_not_remote_and_flags_keep_their_places() {
    let remote = otel_core::SpanContext::new(
        otel_core::TraceId::from_parts(1, 2),
        otel_core::SpanId::new(3),
        TraceFlags::SAMPLED | TraceFlags::DEBUG | TraceFlags::RANDOM,
    )
    .with_remote(true);
    let there = ids_from_core(&remote);
    assert_eq!(to_core(&there), remote);
    assert!(to_core(&there).is_remote() && there.is_sampled());
    let (tracer, _) = tracer(Semantics::OpenTelemetry);
    let child = tracer.start_span_with("child", child_of(&there));
    assert!(!to_core(&child.context()).is_remote());
    assert_eq!(to_core(&child.context()).flags(), remote.flags());
}

#[test]
fn what_is_done_after_the_finish_is_counted_and_changes_nothing() {
    let exporter = InMemoryExporter::new();
    let processor = SimpleProcessor::new(exporter.clone());
    let shim = TracerShim::new(TracerProvider::builder().processor(processor).build());
    let tracer = Tracer::new(shim.clone());
    let scope = tracer.start_active_span("span");
    scope.finish();
    assert_eq!(shim.uses_after_finish(), 0);
    scope.set_tag("late", 1).log_event("late").set_baggage_item("late", "1").finish();
    scope.close();
    assert_eq!(shim.uses_after_finish(), 4);
    let spans = exporter.finished_spans();
    assert_eq!((spans.len(), spans[0].attributes.len(), spans[0].events.len()), (1, 0, 0));
}

#[test]
fn after_a_close_spans_are_usable_and_record_nothing() {
    let (tracer, exporter) = tracer(Semantics::OpenTelemetry);
    tracer.start_span("before").finish();
    for _ in 0..2 {
        let flushed = tracer.close(Duration::from_secs(1)).unwrap();
        assert_eq!((flushed.reported_spans, flushed.lost_spans), (1, 0));
    }
    let mut span = tracer.start_span("");
    span.set_tag("key", 1).log_event("event").set_baggage_item("user", "ann");
    assert!(!span.is_recording());
    span.finish();
    assert_eq!(exporter.finished_spans().len(), 1);
}

#[test]
fn odd_names_keys_and_values_do_no_harm() {
    let long = "x\0\u{202e}".repeat(1 << 18);
    let spans = spans_of(|tracer| {
        let mut span = tracer.start_span(&long);
        span.set_tag(&long, long.as_str()).set_tag("", 1).log_kv([(long.as_str(), long.as_str())]);
        span.set_operation_name("").set_baggage_item("", "ignored").set_baggage_item(&long, &long);
        span.finish();
    });
    assert_eq!((spans[0].name.as_str(), spans[0].attributes.len()), ("", 1));
    assert_eq!(spans[0].dropped_attributes, 1, "the empty key");
}

#[test]
fn a_tag_of_a_dropped_root_drops_its_children() {
    let (tracer, exporter) = tracer(Semantics::Jaeger);
    let options = StartSpanOptions::new().tag("sampling.priority", 0);
    let root = tracer.start_span_with("root", options);
    assert!(!root.is_recording() && root.context().is_valid());
    tracer.start_span_with("child", child_of(&root)).finish();
    drop(root);
    assert!(exporter.finished_spans().is_empty());
}

#[test]
fn a_forced_trace_is_kept_though_the_sampler_keeps_none() {
    let exporter = InMemoryExporter::new();
    let provider = TracerProvider::builder()
        .sampler(ParentBasedSampler::new(AlwaysOffSampler))
        .processor(SimpleProcessor::new(exporter.clone()))
        .build();
    let tracer = Tracer::new(TracerShim::new(provider));
    let options = StartSpanOptions::new().tag("sampling.priority", "2");
    let root = tracer.start_span_with("root", options);
    tracer.start_span_with("child", child_of(&root)).finish();
    root.finish();
    assert_eq!(exporter.finished_spans().len(), 2);
}

#[test]
fn names_of_conventions_pass_through_as_they_are() {
    let names = ["http.method", "peer.ipv4", "db.type", "component", "service", "http.url"];
    let spans = spans_of(|tracer| {
        let mut span = tracer.start_span_with("span", StartSpanOptions::new().tag(names[0], "GET"));
        for name in &names[1..] {
            span.set_tag(name, "value");
        }
        span.finish();
    });
    assert_eq!((keys(&spans[0]), spans[0].kind), (names.to_vec(), SpanKind::Internal));
}

#[test]
fn times_given_from_outside_are_exact_to_the_nanosecond() {
    let time = |nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
    let spans = spans_of(|tracer| {
        let options = StartSpanOptions::new().start_time(time(1_700_000_000_123_456_789));
        let mut span = tracer.start_span_with("span", options);
        for nanos in [1_700_000_000_200_000_001, 1_700_000_000_200_000_002] {
            span.log_kv_at(time(nanos), [("n", 1)]);
        }
        span.finish_at(time(1_700_000_000_987_654_321));
    });
    let span = &spans[0];
    assert_eq!(span.start_unix_nanos, 1_700_000_000_123_456_789);
    assert_eq!(span.start_unix_nanos + span.duration_nanos, 1_700_000_000_987_654_321);
    let times = [span.events[0].unix_nanos, span.events[1].unix_nanos];
    assert_eq!(times, [1_700_000_000_200_000_001, 1_700_000_000_200_000_002]);
}

#[test]
fn a_sampler_sees_the_error_tag_that_a_span_starts_with_and_the_span_has_its_status() {
    #[derive(Debug)]
    struct KeepsErrors;
    impl otel_core::sampler::Sampler for KeepsErrors {
        fn should_sample(
            &self,
            input: &otel_core::sampler::SamplingInput<'_>,
        ) -> otel_core::sampler::SamplingResult {
            let mut is_error = false;
            input.attributes.for_each(&mut |key, value| {
                is_error |= key == "error" && value == otel_core::Value::Bool(true);
            });
            match is_error {
                true => otel_core::sampler::SamplingResult::record_and_sample(),
                false => otel_core::sampler::SamplingResult::drop(),
            }
        }
        fn description(&self) -> String {
            "KeepsErrors".to_owned()
        }
    }
    let exporter = InMemoryExporter::new();
    let processor = SimpleProcessor::new(exporter.clone());
    let provider = TracerProvider::builder().sampler(KeepsErrors).processor(processor).build();
    let tracer = Tracer::new(TracerShim::new(provider));
    tracer.start_span_with("failed", StartSpanOptions::new().tag("error", true)).finish();
    tracer.start_span("fine").finish();
    let spans = exporter.finished_spans();
    assert_eq!((spans.len(), spans[0].status, keys(&spans[0])), (1, StatusCode::Error, vec![]));
}

#[test]
fn an_error_is_one_exception_event_whichever_way_it_is_recorded() {
    let spans = spans_of(|tracer| {
        tracer.try_in_span("closure", |_| "x".parse::<u8>()).unwrap_err();
        let mut span = tracer.start_span("span");
        span.log_error(&"x".parse::<u8>().unwrap_err());
        span.finish();
    });
    for span in &spans {
        assert_eq!((span.status, span.events.len()), (StatusCode::Error, 1), "{}", span.name);
        let event = &span.events[0];
        let fields: Vec<&str> = event.attributes.iter().map(|field| field.key.as_str()).collect();
        assert_eq!(event.name, "exception");
        assert_eq!(fields, ["event", "exception.message", "exception.type"]);
    }
}

#[test]
fn an_error_object_that_is_no_error_stays_a_field_as_text() {
    struct Code(u16);
    impl fmt::Display for Code {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "code {}", self.0)
        }
    }
    let spans = spans_of(|tracer| {
        let (mut span, code) = (tracer.start_span("span"), Code(7));
        let object = Value::display(&code);
        span.log_kv(fields! { "event" => "error", "error.object" => object });
        span.finish();
    });
    let event = &spans[0].events[0];
    assert_eq!(event.name, "exception");
    assert_eq!(event.attributes[1].key, "error.object");
    assert_eq!(event.attributes[1].value, "code 7");
}

#[test]
fn a_log_without_fields_and_one_with_a_name_alone_are_events() {
    let spans = spans_of(|tracer| {
        let mut span = tracer.start_span("span");
        span.log_kv([] as [(&str, i64); 0]).log_event("hit").log_kv([("event", None::<&str>)]);
        span.finish();
    });
    let events = &spans[0].events;
    assert_eq!((events[0].name.as_str(), events[0].attributes.len()), ("log", 0));
    assert_eq!((events[1].name.as_str(), events[1].attributes.len()), ("hit", 1));
    assert_eq!(
        (&*events[1].attributes[0].key, &events[1].attributes[0].value),
        ("event", &"hit".into())
    );
    assert_eq!((events[2].name.as_str(), events[2].attributes.len()), ("log", 0));
}

#[test]
fn under_jaegers_rules_a_baggage_item_that_is_set_is_logged() {
    let (tracer, exporter) = tracer(Semantics::Jaeger);
    let mut span = tracer.start_span("span");
    span.set_baggage_item("user", "ann")
        .set_baggage_item("user", "")
        .set_baggage_item("user", "bo");
    span.set_baggage_item("user", "cy");
    span.finish();
    let events = &exporter.finished_spans()[0].events;
    let expected: [&[(&str, &str)]; 4] = [
        &[("event", "baggage"), ("key", "user"), ("value", "ann")],
        &[("event", "baggage"), ("key", "user"), ("value", ""), ("override", "true")],
        // Nothing was there to be replaced.
        &[("event", "baggage"), ("key", "user"), ("value", "bo")],
        &[("event", "baggage"), ("key", "user"), ("value", "cy"), ("override", "true")],
    ];
    for (event, expected) in events.iter().zip(expected) {
        let fields = event.attributes.iter();
        let fields: Vec<_> =
            fields.map(|field| (&*field.key, field.value.as_str().unwrap())).collect();
        assert_eq!((event.name.as_str(), &*fields), ("baggage", expected));
    }
    assert_eq!(events.len(), 4);
    let spans = spans_of(|tracer| {
        tracer.start_span("quiet").set_baggage_item("user", "ann");
    });
    assert!(spans[0].events.is_empty());
}

#[test]
fn a_priority_set_later_changes_what_is_injected_and_what_children_do() {
    for (semantics, is_kept) in [
        (Semantics::OpenTelemetry, true),
        (Semantics::OpenTelemetry, false),
        (Semantics::Jaeger, true),
        (Semantics::Jaeger, false),
    ] {
        let (tracer, exporter) = tracer(semantics);
        let mut root = tracer.start_span("root");
        let early = root.context();
        root.set_tag("sampling.priority", u16::from(is_kept));
        let child = tracer.start_span_with("child", child_of(&root));
        assert_eq!(child.is_recording(), is_kept);
        for span in [&root, &child] {
            let mut headers = Vec::new();
            tracer.inject(span, Inject::TextMap(&mut headers)).unwrap();
            let expected = if is_kept { ":0:3" } else { ":0:0" };
            assert!(headers[0].1.ends_with(expected), "{headers:?}");
        }
        assert!(early.is_sampled(), "a copy taken before stays as it was");
        drop((child, root));
        assert_eq!(exporter.finished_spans().len(), if is_kept { 2 } else { 0 });
    }
}

#[test]
fn under_jaegers_rules_a_false_error_tag_takes_the_status_back() {
    let (tracer, exporter) = tracer(Semantics::Jaeger);
    let mut span = tracer.start_span("span");
    span.set_tag("error", true).set_tag("error", false);
    span.finish();
    let spans = exporter.finished_spans();
    assert_eq!(
        (spans[0].status, spans[0].attribute("error").unwrap()),
        (StatusCode::Unset, &false.into())
    );
}

#[test]
fn an_undecided_parent_has_its_trace_continued_and_the_own_sampler_asked() {
    let header = |flags| [("uber-trace-id", format!("a:b:0:{flags}"))];
    for (root_sampler_keeps, caller_flags) in
        [(true, "0"), (true, "1"), (true, "3"), (false, "0"), (false, "1"), (false, "3")]
    {
        let builder = TracerProvider::builder();
        let provider = match root_sampler_keeps {
            true => builder.sampler(ParentBasedSampler::new(AlwaysOnSampler)).build(),
            false => builder.sampler(ParentBasedSampler::new(AlwaysOffSampler)).build(),
        };
        let tracer = Tracer::new(TracerShim::new(provider));
        let caller = tracer.extract(Extract::HttpHeaders(&header(caller_flags))).unwrap().unwrap();
        for parent in [caller.clone().undecided(), SpanContext::new(0xa, 0xb, 3).undecided()] {
            let span = tracer.start_span_with("request", child_of(&parent));
            let flags = TraceFlags::from_bits(span.context().flags() as u16);
            assert_eq!(span.context().trace_id(), 0xa, "{parent:?}");
            assert_eq!(flags.is_sampled(), root_sampler_keeps, "{parent:?}");
            assert!(!flags.is_debug() && !flags.is_deferred(), "{parent:?}");
            let child = tracer.start_span_with("child", child_of(&span));
            assert_eq!(child.is_recording(), root_sampler_keeps, "a child follows its parent");
        }
    }
}

#[test]
fn an_undecided_debug_id_forces_nothing() {
    let provider = TracerProvider::builder().sampler(AlwaysOffSampler).build();
    let tracer = Tracer::new(TracerShim::new(provider));
    let headers = [("jaeger-debug-id", "please look")];
    let caller = tracer.extract(Extract::HttpHeaders(&headers)).unwrap().unwrap();
    assert!(tracer.start_span_with("request", child_of(&caller)).is_recording());
    assert!(!tracer.start_span_with("request", child_of(&caller.undecided())).is_recording());
}
