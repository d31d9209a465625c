//! What Jaeger is told, from the tracer to the decoded datagram: one test in each dialect for each thing in which
//! OpenTelemetry's mapping and the Jaeger clients differ, and what comes in from outside at its worst.

mod hostile;
mod jaeger_client;
mod otel;

use std::time::Duration;

use jaeger_udp::agent::decode_message;
use jaeger_udp::model::{Batch, Span, TagValue};
use jaeger_udp::{Dialect, InMemoryTransport, JaegerExporter};
use otel_core::{Resource, SimpleProcessor, SpanLimits, TracerProvider};

/// Runs a program on an engine whose exporter speaks a dialect, and returns what was sent.
fn batches_of(
    dialect: Dialect,
    limits: SpanLimits,
    program: impl FnOnce(&TracerProvider),
) -> Vec<Batch> {
    let transport = InMemoryTransport::new();
    let datagrams = transport.datagrams();
    let exporter = JaegerExporter::builder().transport(transport).dialect(dialect).build();
    let provider = TracerProvider::builder()
        .resource(Resource::new("shop"))
        .limits(limits)
        .processor(SimpleProcessor::new(exporter))
        .build();
    program(&provider);
    provider.close(LONG).unwrap();
    let datagrams = datagrams.take();
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 65_000));
    datagrams.iter().map(|datagram| decode_message(datagram).unwrap().batch).collect()
}

/// Finds a span by its name.
fn find(batches: &[Batch], name: &str) -> Span {
    let mut spans = batches.iter().flat_map(|batch| &batch.spans);
    spans.find(|span| span.operation_name == name).unwrap_or_else(|| panic!("no {name}")).clone()
}

/// Lists tags or fields as pairs.
fn pairs(tags: &[jaeger_udp::model::Tag]) -> Vec<(&str, &TagValue)> {
    tags.iter().map(|tag| (tag.key.as_str(), &tag.value)).collect()
}

fn keys(tags: &[jaeger_udp::model::Tag]) -> Vec<&str> {
    tags.iter().map(|tag| tag.key.as_str()).collect()
}

fn text(value: &str) -> TagValue {
    TagValue::from(value)
}

const LONG: Duration = Duration::from_secs(60);
