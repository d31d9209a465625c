//! What it costs an agent to decode a full datagram of spans with three tags.
//!
//! ```sh
//! cargo bench -p jaeger-udp --bench decode --features agent
//! ```

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use jaeger_udp::agent::decode_message;
use jaeger_udp::{InMemoryTransport, JaegerExporter, Protocol};
use otel_core::{BatchProcessor, Resource, TracerProvider};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("decode");
    for (name, protocol) in [("compact", Protocol::Compact), ("binary", Protocol::Binary)] {
        let datagram = full_datagram(protocol);
        let message = decode_message(&datagram).expect("what we send can be decoded");
        group.throughput(Throughput::Elements(message.batch.spans.len() as u64));
        group.bench_function(format!("full_datagram_{name}"), |b| {
            b.iter(|| decode_message(black_box(&datagram)));
        });
    }
    group.finish();
    criterion.final_summary();
}

/// Returns the first datagram of more spans than it holds.
fn full_datagram(protocol: Protocol) -> Vec<u8> {
    let transport = InMemoryTransport::new();
    let datagrams = transport.datagrams();
    let exporter = JaegerExporter::builder().transport(transport).protocol(protocol).build();
    let provider = TracerProvider::builder()
        .resource(Resource::new("bench"))
        .processor(BatchProcessor::new(exporter))
        .build();
    let tracer = provider.tracer("bench");
    for status in 0..1_000 {
        let mut span = tracer.start("load-order");
        span.set_attribute("component", "grpc")
            .set_attribute("http.url", "/api/v1/customers/4711/orders")
            .set_attribute("http.status_code", status);
        span.end();
    }
    provider.close(Duration::from_secs(10)).expect("memory is fast");
    let datagrams = datagrams.take();
    assert!(datagrams.len() > 1, "the first datagram is not full");
    datagrams[0].clone()
}
