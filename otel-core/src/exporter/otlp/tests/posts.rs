//! What is posted, and how.

use std::collections::HashSet;
use std::io::Read;
use std::net::TcpListener;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::collector::{Collector, Reply};
use super::second_opinion::decoded;
use super::{LONG, assert_account, export, flush, impatient};
use crate::context::Context;
use crate::exporter::SpanExporter;
use crate::exporter::otlp::{Compression, OtlpConfigError, OtlpExporter};
use crate::{BatchProcessor, Link, Resource, SpanContext, TracerProvider};

#[test]
fn a_request_is_a_post_of_protobuf_with_the_headers_that_were_asked_for() {
    let collector = Collector::start([Reply::status(200)]);
    let mut exporter = OtlpExporter::builder()
        .endpoint(&collector.url())
        .header("api-key", "first")
        .header("API-Key", "träger, 1=2")
        .header("x-empty", "")
        .build()
        .unwrap();
    export(&mut exporter, "work", 3).unwrap();
    flush(&mut exporter, LONG);
    let received = collector.receive();
    assert_eq!(received.request_line, "POST /v1/traces HTTP/1.1");
    for (name, value) in [
        ("content-type", Some("application/x-protobuf")),
        ("user-agent", Some(concat!("OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION")))),
        ("api-key", Some("träger, 1=2")),
        ("x-empty", Some("")),
        ("host", Some(&collector.url()["http://".len()..])),
        ("content-length", Some(&received.body.len().to_string())),
        ("content-encoding", None),
        ("accept-encoding", None),
        ("expect", None),
    ] {
        assert_eq!(received.header(name), value, "{name}");
    }
    assert_eq!(names(&decoded(&received.body)), ["work"; 3]);
    assert_account(&exporter, 3);
    let stats = exporter.stats().snapshot();
    assert_eq!((stats.delivered_spans, stats.accepted_requests), (3, 1));
    assert_eq!(stats.sent_bytes, received.body.len() as u64);
}

#[test]
fn a_user_agent_of_ones_own_takes_the_place_of_the_usual_one() {
    let collector = Collector::start([Reply::status(200)]);
    let exporter = OtlpExporter::builder().traces_endpoint(&format!("{}/x?y=z", collector.url()));
    let mut exporter = exporter.header("user-agent", "shop/2").build().unwrap();
    export(&mut exporter, "work", 1).unwrap();
    exporter.close(LONG).unwrap();
    let received = collector.receive();
    assert_eq!(received.header("user-agent"), Some("shop/2"));
    assert_eq!(received.request_line, "POST /x?y=z HTTP/1.1");
}

#[test]
fn gzip_makes_bodies_smaller_and_keeps_what_is_in_them() {
    let collector = Collector::start([Reply::status(200)]);
    let mut bodies = Vec::new();
    for compression in [Compression::None, Compression::Gzip] {
        let exporter = OtlpExporter::builder().endpoint(&collector.url()).compression(compression);
        let mut exporter = exporter.build().unwrap();
        export(&mut exporter, "work", 1_000).unwrap();
        flush(&mut exporter, LONG);
        let received = collector.receive();
        assert_eq!(exporter.stats().snapshot().sent_bytes, received.body.len() as u64);
        bodies.push((received.header("content-encoding").map(str::to_owned), received.body));
    }
    let [(none, plain), (gzip, compressed)] = bodies.try_into().unwrap();
    assert_eq!((none.as_deref(), gzip.as_deref()), (None, Some("gzip")));
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(&compressed[..]).read_to_end(&mut inflated).unwrap();
    assert!(inflated == plain);
    assert!(compressed.len() < plain.len() / 4, "{} of {}", compressed.len(), plain.len());
}

#[test]
fn a_full_request_goes_out_at_once_and_the_rest_with_the_flush() {
    let collector = Collector::start([Reply::status(200)]);
    let exporter = OtlpExporter::builder().endpoint(&collector.url()).max_request_bytes(1_000);
    let mut exporter = exporter.build().unwrap();
    export(&mut exporter, "work", 50).unwrap();
    let n_sent = exporter.stats().snapshot().delivered_spans;
    assert!(n_sent > 0 && exporter.held_spans() > 0);
    assert_account(&exporter, 50);
    flush(&mut exporter, LONG);
    assert_eq!(exporter.held_spans(), 0);
    let mut span_ids = HashSet::new();
    for _ in 0..exporter.stats().snapshot().accepted_requests {
        let received = collector.receive();
        assert!(received.body.len() <= 1_000);
        span_ids.extend(spans(&decoded(&received.body)).into_iter().map(|span| span.span_id));
    }
    assert_eq!(span_ids.len(), 50);
    flush(&mut exporter, LONG);
    assert!(collector.has_received_nothing(), "an empty request was sent");
}

#[test]
fn a_providers_spans_arrive_with_their_scope_and_say_which_parents_are_elsewhere() {
    let collector = Collector::start([Reply::status(200)]);
    let exporter = OtlpExporter::builder().endpoint(&collector.url()).build().unwrap();
    let provider = TracerProvider::builder()
        .resource(Resource::new("shop"))
        .processor(BatchProcessor::new(exporter))
        .build();
    let tracer = provider.versioned_tracer("orders", "2");
    let remote = tracer.start("elsewhere").context().clone().with_remote(true);
    let links = [Link::new(remote.clone()), Link::new(SpanContext::invalid())];
    let parent = Context::new().with_span_context(remote.clone());
    let near = tracer.span_builder("near").parent(&parent).links(&links).start();
    let child = Context::new().with_span_context(near.context().clone());
    tracer.span_builder("child").parent(&child).start().end();
    near.end();
    assert_eq!(provider.close(LONG).unwrap().exported_spans, 3);

    let request = decoded(&collector.receive().body);
    let [group] = &request.resource_spans[..] else { panic!("one resource") };
    let attributes = &group.resource.as_ref().unwrap().attributes;
    assert!(attributes.iter().any(|attribute| attribute.key == "service.name"));
    let [scope_spans] = &group.scope_spans[..] else { panic!("one scope") };
    let scope = scope_spans.scope.as_ref().unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("orders", "2"));
    let span = |name: &str| scope_spans.spans.iter().find(|span| span.name == name).unwrap();
    let (near, child, root) = (span("near"), span("child"), span("elsewhere"));
    assert_eq!(near.parent_span_id, remote.span_id().to_bytes());
    assert_eq!(child.parent_span_id, near.span_id);
    assert_eq!((root.parent_span_id.len(), root.flags & 0x300), (0, 0x100));
    assert_eq!((near.flags & 0x301, child.flags & 0x301), (0x301, 0x101));
    assert_eq!((near.links[0].flags & 0x300, near.links[1].flags & 0x300), (0x300, 0x100));
}

#[test]
fn the_child_of_a_fork_has_an_exporter_and_counts_of_its_own() {
    let collector = Collector::start([Reply::status(200)]);
    let exporter = impatient().endpoint(&collector.url()).header("key", "value");
    let mut exporter = exporter.compression(Compression::Gzip).build().unwrap();
    let stats = exporter.stats();
    export(&mut exporter, "parent", 5).unwrap();
    flush(&mut exporter, LONG);
    let parents = collector.receive();
    let recipe = exporter.fork_recipe().unwrap();
    export(&mut exporter, "waits", 1).unwrap();
    let mut child = recipe.make();
    assert_eq!((stats.snapshot().delivered_spans, child.held_spans()), (0, 0));
    child.close(LONG).unwrap();
    assert!(collector.has_received_nothing());
    exporter.close(LONG).unwrap();
    let childs = collector.receive();
    let without_length = |headers: Vec<(String, String)>| -> Vec<_> {
        headers.into_iter().filter(|(name, _)| name != "content-length").collect()
    };
    assert_eq!(without_length(parents.headers), without_length(childs.headers));
    assert!(exporter.fork_recipe().is_none(), "a closed exporter stays closed");
}

#[test]
fn what_cannot_be_configured_is_an_error_that_says_what_can() {
    let error = OtlpExporter::builder().endpoint("collector:4318").build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "endpoint \"collector:4318\" is none, allowed: http:// or https://, a host, and perhaps a port and a path"
    );
    for (name, value) in [
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("key", "line\r\nbreak"),
        ("key", "nul\0"),
        ("Content-Type", "text/plain"),
        ("content-length", "1"),
    ] {
        let builder = OtlpExporter::builder().header(name, value).header("fine", "fine");
        let error = builder.build().unwrap_err();
        assert_eq!(error, OtlpConfigError::Header { name: name.to_owned() }, "{name:?}: {value:?}");
        assert!(!error.to_string().contains("break"));
    }
    let builder = OtlpExporter::builder().header("key", "secret").endpoint("http://me:secret@host");
    assert!(!format!("{builder:?}").contains("secret"));
    let exporter = builder.build().unwrap();
    let shown = format!("{exporter:?}");
    assert!(shown.contains("http://host/v1/traces") && shown.contains("\"key\""), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    let error = OtlpExporter::builder().endpoint("me:secret@host").build().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[test]
fn nothing_is_opened_before_there_is_a_span() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut exporter = OtlpExporter::builder().endpoint(&url).build().unwrap();
    flush(&mut exporter, LONG);
    exporter.close(LONG).unwrap();
    assert!(listener.accept().is_err());
}

fn spans(request: &ExportTraceServiceRequest) -> Vec<Span> {
    let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
    scopes.flat_map(|group| group.spans.clone()).collect()
}

fn names(request: &ExportTraceServiceRequest) -> Vec<String> {
    spans(request).into_iter().map(|span| span.name).collect()
}
