//! One program, two ways to Jaeger: as a Jaeger client, and by OpenTelemetry's rules. The receiver sees the same.

use std::time::{Duration, SystemTime};

use integration_tests::Receiver;
use jaeger_udp::JaegerExporter;
use jaeger_udp::model::{Span, SpanRef, SpanRefType, Tag};
use opentracing_api::{StartSpanOptions, Tracer, child_of, fields, follows_from};
use opentracing_shim::TracerShim;
use opentracing_shim::jaeger::Config;
use otel_core::{BatchProcessor, TracerProvider};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_program_looks_the_same_in_jaeger_whichever_rules_translate_it() {
    let as_client = spans_by(|port| {
        let config = Config::new("two-ways").agent_host("127.0.0.1").agent_port(port);
        Tracer::clone(&config.build().unwrap())
    });
    let by_rules = spans_by(|port| {
        let exporter = JaegerExporter::builder().agent_host("127.0.0.1").agent_port(port).build();
        let processor = BatchProcessor::new(exporter);
        Tracer::new(TracerShim::new(TracerProvider::builder().processor(processor).build()))
    });
    assert_eq!(as_client.len(), 6);
    for (one, other) in as_client.iter().zip(&by_rules) {
        assert_eq!(one, other);
        // Not the same mistake on both ways.
        let (parent, references) = match one.name.as_str() {
            "joined" => ("renamed", &["FollowsFrom producer"][..]),
            "caused" => ("producer", &["FollowsFrom producer"][..]),
            "renamed" | "later" => ("root", &[][..]),
            _ => ("", &[][..]),
        };
        assert_eq!(
            (one.parent.as_str(), one.references.as_slice()),
            (parent, as_owned(references).as_slice())
        );
    }
    let root = as_client.iter().find(|span| span.name == "root").unwrap();
    assert!(root.tags.contains(&"error=Bool(true)".to_owned()), "{root:?}");
    assert!(root.tags.contains(&"span.kind=String(\"server\")".to_owned()), "{root:?}");
}

fn program(tracer: &Tracer) {
    let at =
        |millis: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + millis);
    let at_start = |millis| StartSpanOptions::new().start_time(at(millis));
    let mut root = tracer.start_span_with("root", at_start(0).tag("span.kind", "server"));
    root.set_tag("http.method", "GET").set_tag("http.status_code", 500).set_tag("error", true);
    root.set_tag("ratio", 0.5).set_tag("huge", u64::MAX).set_tag("bytes", &[1, 2, 3]);
    let options = child_of(&root).start_time(at(1)).tag("cached", false).tag("n", 7);
    let mut child = tracer.start_span_with("child", options);
    child.log_kv_at(at(2), fields! { "event" => "hit", "n" => 3, "key" => "größe" });
    child.log_kv_at(at(3), fields! { "event" => "miss", "flag" => true });
    child.set_operation_name("renamed").set_tag("n", 8).set_tag("span.kind", "client");
    let producer = tracer.start_span_with("producer", at_start(4).tag("span.kind", "producer"));
    let options = follows_from(&producer).child_of(&child).start_time(at(5));
    tracer.start_span_with("joined", options).finish_at(at(6));
    tracer.start_span_with("caused", follows_from(&producer).start_time(at(5))).finish_at(at(7));
    producer.finish_at(at(7));
    child.finish_at(at(8));
    tracer.start_span_with("later", child_of(&root).start_time(at(9))).finish_at(at(9));
    root.finish_at(at(10));
}

fn as_owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Runs the program, and returns what arrived in a form that does not depend on ids.
fn spans_by(tracer_at: impl FnOnce(u16) -> Tracer) -> Vec<Seen> {
    let receiver = Receiver::start();
    let tracer = tracer_at(receiver.port());
    program(&tracer);
    let flushed = tracer.close(LONG).unwrap();
    assert!(receiver.wait_for_spans(flushed.reported_spans as usize, LONG));
    let spans = receiver.spans();
    spans.iter().map(|span| Seen::of(span, &spans)).collect()
}

#[derive(Debug, PartialEq)]
struct Seen {
    name: String,
    parent: String,
    references: Vec<String>,
    flags: i32,
    times: (i64, i64),
    tags: Vec<String>,
    logs: Vec<(i64, Vec<String>)>,
}

impl Seen {
    fn of(span: &Span, all: &[Span]) -> Self {
        let name_of = |span_id: i64| {
            all.iter().find(|span| span.span_id == span_id).map_or("", |span| &span.operation_name)
        };
        let texts = |tags: &[Tag]| {
            let is_common =
                |tag: &&Tag| !["otel.", "sampler."].iter().any(|own| tag.key.starts_with(own));
            let mut texts: Vec<String> = tags
                .iter()
                .filter(is_common)
                .map(|tag| format!("{}={:?}", tag.key, tag.value))
                .collect();
            texts.sort();
            texts
        };
        // The parent's id says it already; one of the two says it again where there are more references.
        let is_more = |to: &&SpanRef| {
            (to.ref_type, to.span_id) != (SpanRefType::ChildOf, span.parent_span_id)
        };
        let mut references: Vec<String> = span
            .references
            .iter()
            .filter(is_more)
            .map(|to| format!("{:?} {}", to.ref_type, name_of(to.span_id)))
            .collect();
        references.sort();
        Self {
            name: span.operation_name.clone(),
            parent: name_of(span.parent_span_id).to_owned(),
            references,
            flags: span.flags,
            times: (span.start_time, span.duration),
            tags: texts(&span.tags),
            logs: span.logs.iter().map(|log| (log.timestamp, texts(&log.fields))).collect(),
        }
    }
}
