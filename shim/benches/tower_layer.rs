//! What a `TraceLayer` adds to a request, with `jaeger::Config`'s tracer behind it and an agent that takes what is sent and
//! keeps nothing. `bare` is the same service without a layer: the difference is the layer's.
//!
//! A server's request has an `uber-trace-id` and the headers of a browser; what a layer puts into a request is dropped in the
//! time that is measured. The worker sends between the bursts.
//!
//! ```sh
//! cargo bench -p opentracing-shim --bench tower_layer
//! ```

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::net::UdpSocket;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use http::{HeaderMap, Request, Response};
use opentracing_api::tower::TraceLayer;
use opentracing_api::{Extract, Inject, child_of, tags};
use opentracing_shim::jaeger::{Config, JaegerTracer, Sampler};
use tower_layer::Layer;
use tower_service::Service;

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
        let mut group = criterion.benchmark_group(format!("tower_layer/{name}"));
        let incoming = move || incoming(if is_sampled { "1" } else { "0" });
        bench_service(&mut group, &tracer, "server_bare", incoming, Page);
        let server = TraceLayer::server(tracer.clone());
        bench_service(&mut group, &tracer, "server", incoming, server.layer(Page));
        bench_service(&mut group, &tracer, "client_bare", outgoing, Page);
        let client = TraceLayer::client(tracer.clone());
        bench_service(&mut group, &tracer, "client", outgoing, client.layer(Page));
        bench_parts(&mut group, &tracer, &incoming);
        group.finish();
        tracer.close(TIMEOUT).expect("the agent is near");
        assert_eq!(tracer.counts().queue_full_spans, 0, "drops were measured instead of spans");
    }
    criterion.final_summary();
}

/// Measures a request from the call of a service to its response.
fn bench_service<S>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    tracer: &JaegerTracer,
    name: &str,
    request: impl Fn() -> Request<()>,
    mut service: S,
) where
    S: Service<Request<()>, Response = Response<()>>,
{
    bench_bursts(group, tracer, name, &request, |request| {
        let mut future = pin!(service.call(request));
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => drop(black_box(response)),
            Poll::Pending => panic!("the page is there at once"),
        }
    });
}

/// Measures what the server's layer is made of.
fn bench_parts(
    group: &mut BenchmarkGroup<'_, WallTime>,
    tracer: &JaegerTracer,
    request: &impl Fn() -> Request<()>,
) {
    bench_bursts(group, tracer, "part_extract", request, |request| {
        drop(black_box(tracer.extract(Extract::HttpHeaders(request.headers()))));
    });
    let caller = tracer.extract(Extract::HttpHeaders(request().headers())).unwrap_or_default();
    bench_bursts(group, tracer, "part_span", request, |request| {
        let options = child_of(&caller)
            .ignore_active_span()
            .tag(tags::COMPONENT, "tower")
            .tag(tags::HTTP_METHOD, request.method().as_str())
            .tag(tags::SPAN_KIND, tags::SPAN_KIND_SERVER)
            .tag(tags::HTTP_URL, request.uri().path());
        let span = tracer.start_span_with(request.method().as_str(), options).into_shared();
        span.set_tag(tags::HTTP_STATUS_CODE, 200);
        span.finish();
    });
    let span = tracer.start_span("parent").into_shared();
    bench_bursts(group, tracer, "part_extensions", request, |mut request| {
        request.extensions_mut().insert(span.clone());
        drop(black_box(request));
    });
    bench_bursts(group, tracer, "part_active", request, |request| {
        tracer.activate(&span).close();
        drop(black_box(request));
    });
    let mut headers = HeaderMap::new();
    group.bench_function("inject", |b| {
        b.iter(|| tracer.inject(&span, Inject::HttpHeaders(&mut headers)));
    });
}

/// Measures what `work` does with requests that are made before.
fn bench_bursts(
    group: &mut BenchmarkGroup<'_, WallTime>,
    tracer: &JaegerTracer,
    name: &str,
    request: &impl Fn() -> Request<()>,
    mut work: impl FnMut(Request<()>),
) {
    group.bench_function(name, |b| {
        b.iter_custom(|n_requests| {
            let mut took = Duration::ZERO;
            let (mut n_left, mut n_unsent) = (n_requests, 0);
            while n_left > 0 {
                let n_made = n_left.min(BURST_REQUESTS);
                let requests: Vec<_> = (0..n_made).map(|_| request()).collect();
                let start = Instant::now();
                requests.into_iter().for_each(&mut work);
                took += start.elapsed();
                n_left -= n_made;
                n_unsent += n_made;
                if n_unsent >= MOST_UNSENT {
                    n_unsent = 0;
                    tracer.flush(TIMEOUT).expect("the agent is near");
                }
            }
            tracer.flush(TIMEOUT).expect("the agent is near");
            took
        });
    });
}

/// Answers at once.
struct Page;

impl Service<Request<()>> for Page {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        drop(black_box(request));
        ready(Ok(Response::new(())))
    }
}

/// What a proxy passes on of a browser's request.
fn incoming(flags: &str) -> Request<()> {
    let trace = format!("4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:{flags}");
    Request::get("/api/v1/customers/4711/orders?open=true")
        .header("host", "orders.example.com")
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        )
        .header("accept", "application/json")
        .header("accept-language", "en-US,en;q=0.5")
        .header("accept-encoding", "gzip, deflate, br")
        .header("x-forwarded-for", "203.0.113.7")
        .header("x-request-id", "8a9c2f0e-6b1d-4d53-9d41-0f6f3c1e7a55")
        .header("uber-trace-id", trace)
        // Servers keep something there too: hyper what it needs for an upgrade of the connection.
        .extension(OfServer)
        .body(())
        .expect("the request is right")
}

#[derive(Clone)]
struct OfServer;

fn outgoing() -> Request<()> {
    Request::get("http://stock.example.com:8080/api/v1/items/4711")
        .header("accept", "application/json")
        .body(())
        .expect("the request is right")
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

/// Few enough that requests are in the nearest cache, as one that has just come in.
const BURST_REQUESTS: u64 = 16;
/// A megabyte or two of records, of which the queue has room for many.
const MOST_UNSENT: u64 = 8_192;
const TIMEOUT: Duration = Duration::from_secs(10);
