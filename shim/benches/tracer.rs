//! What a span costs a program that speaks OpenTracing and reports to an agent: the API, the translation, the record and
//! the queue, with the worker encoding and sending in the background.
//!
//! ```sh
//! cargo bench -p opentracing-shim --bench tracer
//! ```
//!
//! The agent is a socket of this program, whose datagrams are dropped. Sampled spans are made in bursts that the queue
//! has room for; between them everything is sent, unmeasured. A line about datagrams that the agent's port has dropped is
//! about that socket and changes no figure.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use opentracing_api::{Extract, Inject, Span, Tracer, child_of, fields};
use opentracing_shim::jaeger::{Config, JaegerTracer, Sampler};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let agent_port = start_agent();
    for (name, is_sampled) in [("sampled", true), ("unsampled", false)] {
        let tracer = Config::new("bench")
            .agent_host("127.0.0.1")
            .agent_port(agent_port)
            .sampler(Sampler::Const(is_sampled))
            .build()
            .expect("the settings are right");
        let mut group = criterion.benchmark_group(format!("tracer/{name}"));
        bench_spans(&mut group, &tracer);
        bench_headers(&mut group, &tracer);
        group.finish();
        tracer.close(TIMEOUT).expect("the agent is near");
        assert_eq!(tracer.counts().queue_full_spans, 0, "drops were measured instead of spans");
    }
    criterion.final_summary();
}

fn bench_spans(group: &mut BenchmarkGroup<'_, WallTime>, tracer: &JaegerTracer) {
    bench_child(group, tracer, "child", |child| child.finish());
    bench_child(group, tracer, "child_3_tags", |mut child| {
        child
            .set_tag("component", "grpc")
            .set_tag("http.url", black_box("/api/v1/customers/4711/orders"))
            .set_tag("http.status_code", black_box(200));
        child.finish();
    });
    bench_child(group, tracer, "child_log_2_fields", |mut child| {
        child.log_kv(fields! { "event" => "cache-miss", "attempt" => black_box(1) });
        child.finish();
    });
    bench_child(group, tracer, "child_baggage_item", |mut child| {
        child.set_baggage_item("tenant", black_box("acme"));
        child.finish();
    });
    bench_child(group, tracer, "child_into_shared_3_tags", |child| {
        let child = child.into_shared();
        child
            .set_tag("component", "grpc")
            .set_tag("http.url", black_box("/api/v1/customers/4711/orders"))
            .set_tag("http.status_code", black_box(200));
        child.finish();
    });
}

/// Measures the start of a child, what `work` does with it, and its finish.
fn bench_child(
    group: &mut BenchmarkGroup<'_, WallTime>,
    tracer: &Tracer,
    name: &str,
    work: impl Fn(Span),
) {
    let root = tracer.start_span("get-orders");
    group.bench_function(name, |b| {
        b.iter_custom(|n_spans| {
            let mut took = Duration::ZERO;
            let mut n_left = n_spans;
            while n_left > 0 {
                let n_made = n_left.min(BURST_SPANS);
                let start = Instant::now();
                for _ in 0..n_made {
                    work(tracer.start_span_with(black_box("load-order"), child_of(&root)));
                }
                took += start.elapsed();
                n_left -= n_made;
                tracer.flush(TIMEOUT).expect("the agent is near");
            }
            took
        });
    });
}

fn bench_headers(group: &mut BenchmarkGroup<'_, WallTime>, tracer: &Tracer) {
    let mut headers: HashMap<String, String> = HashMap::new();
    let mut span = tracer.start_span("call");
    group.bench_function("inject_hash_map", |b| {
        b.iter(|| tracer.inject(&span, Inject::HttpHeaders(&mut headers)));
    });
    tracer.inject(&span, Inject::HttpHeaders(&mut headers)).expect("a span has a context");
    group.bench_function("extract_hash_map", |b| {
        b.iter(|| tracer.extract(Extract::HttpHeaders(black_box(&headers))));
    });

    span.set_baggage_item("tenant", "acme").set_baggage_item("user", "4711");
    group.bench_function("inject_hash_map_2_baggage_items", |b| {
        b.iter(|| tracer.inject(&span, Inject::HttpHeaders(&mut headers)));
    });
    tracer.inject(&span, Inject::HttpHeaders(&mut headers)).expect("a span has a context");
    group.bench_function("extract_hash_map_2_baggage_items", |b| {
        b.iter(|| tracer.extract(Extract::HttpHeaders(black_box(&headers))));
    });
}

/// Reads datagrams and drops them, on a thread that ends with the program; returns its port.
fn start_agent() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    let address = socket.local_addr().expect("a bound socket has an address");
    thread::spawn(move || {
        let mut datagram = vec![0; 65_536];
        while socket.recv(&mut datagram).is_ok() {}
    });
    address.port()
}

/// A megabyte or two, of which the queue has room for many.
const BURST_SPANS: u64 = 8_192;
const TIMEOUT: Duration = Duration::from_secs(10);
