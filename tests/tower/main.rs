//! `TraceLayer` in axum, hyper-util and tonic, as their users put it there.

mod grpc;

use std::future::pending;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use axum::extract::MatchedPath;
use axum::routing::get;
use axum::{Extension, Router};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use opentracing_api::tower::{RequestHead, TraceLayer};
use opentracing_api::{SharedSpan, Tracer};
use opentracing_shim::{Semantics, TracerShim};
use otel_core::exporter::InMemoryExporter;
use otel_core::record::SpanData;
use otel_core::sampler::{AlwaysOffSampler, AlwaysOnSampler, ParentBasedSampler, Sampler};
use otel_core::{OwnedValue, SimpleProcessor, SpanKind, StatusCode as SpanStatus, TracerProvider};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt};

type Bytes = axum::body::Bytes;

const LONG: Duration = Duration::from_secs(60);

/// A tracer for the tests, and what it finishes.
#[derive(Clone)]
struct Recorded {
    tracer: Tracer,
    exporter: InMemoryExporter,
}

impl Recorded {
    fn new() -> Self {
        Self::sampled_by(AlwaysOnSampler)
    }

    fn sampled_by(root_sampler: impl Sampler) -> Self {
        let exporter = InMemoryExporter::new();
        let provider = TracerProvider::builder()
            .sampler(ParentBasedSampler::new(root_sampler))
            .processor(SimpleProcessor::new(exporter.clone()))
            .build();
        let tracer = Tracer::new(TracerShim::new(provider).semantics(Semantics::Jaeger));
        Self { tracer, exporter }
    }

    /// Waits for so many spans: what a server does at the end of a connection comes a little later.
    fn spans(&self, n_spans: usize) -> Vec<SpanData> {
        let deadline = Instant::now() + LONG;
        loop {
            let spans = self.exporter.finished_spans();
            if spans.len() >= n_spans {
                assert_eq!(spans.len(), n_spans, "{spans:?}");
                return spans;
            }
            assert!(Instant::now() < deadline, "{spans:?}");
            std::thread::yield_now();
        }
    }
}

fn named<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

fn tag(span: &SpanData, key: &str) -> Option<String> {
    span.attribute(key).map(text_of)
}

fn text_of(value: &OwnedValue) -> String {
    match value {
        OwnedValue::Str(text) => text.clone(),
        OwnedValue::I64(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn assert_chain(spans: &[&SpanData]) {
    for pair in spans.windows(2) {
        let [parent, child] = pair else { continue };
        assert_eq!(child.parent_span_id, parent.span_id, "{} of {}", child.name, parent.name);
        assert_eq!(child.trace_id, parent.trace_id);
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, future).await.expect("no answer came") })
}

/// A name of few values, as axum's users give it.
fn route(request: &RequestHead<'_>) -> String {
    let path = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    format!("{} {path}", request.method())
}

/// An orders service with a layer, as an axum program would have it.
fn orders(recorded: &Recorded, layer: TraceLayer) -> Router {
    let tracer = recorded.tracer.clone();
    let order = async move |Extension(span): Extension<SharedSpan>| {
        assert_eq!(tracer.active_span(), Some(span.clone()));
        // Another task may run here in between.
        tokio::task::yield_now().await;
        tracer.in_span("load", |_| "an order")
    };
    Router::new()
        .route("/orders/{id}", get(order))
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/never", get(async || pending::<String>().await))
        .layer(layer)
}

/// Serves with axum on a port of its own, as long as the runtime lives.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[test]
fn one_trace_goes_from_a_hyper_client_through_an_axum_server_to_its_handler() {
    let recorded = Recorded::new();
    let server =
        TraceLayer::server(recorded.tracer.clone()).component("axum").operation_name(route);
    let client = TraceLayer::client(recorded.tracer.clone()).component("hyper");
    let address = block_on(async {
        let address = serve(orders(&recorded, server)).await;
        let connections = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let mut client = client.layer(connections);
        let request = Request::get(format!("http://{address}/orders/7?full=1"));
        let request = request.body(Empty::new()).unwrap();
        let response = client.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "an order");
        address
    });
    let spans = recorded.spans(3);
    let (client, server) = (named(&spans, "GET"), named(&spans, "GET /orders/{id}"));
    assert_chain(&[client, server, named(&spans, "load")]);
    assert!(!client.parent_span_id.is_valid());
    assert_eq!((client.kind, server.kind), (SpanKind::Client, SpanKind::Server));
    for (span, key, value) in [
        (client, "component", "hyper"),
        (client, "http.url", format!("http://{address}/orders/7?full=1").as_str()),
        (client, "http.status_code", "200"),
        (client, "peer.ipv4", "127.0.0.1"),
        (client, "peer.port", &address.port().to_string()),
        (server, "component", "axum"),
        (server, "http.url", "/orders/7?full=1"),
        (server, "http.method", "GET"),
        (server, "http.status_code", "200"),
    ] {
        assert_eq!(tag(span, key).as_deref(), Some(value), "{key} of {}", span.name);
    }
    assert!(spans.iter().all(|span| span.status == SpanStatus::Unset));
}

#[test]
fn an_axum_router_answers_in_place_and_its_failures_are_marked() {
    let recorded = Recorded::new();
    let layer = TraceLayer::server(recorded.tracer.clone()).operation_name(route);
    let router = orders(&recorded, layer);
    for (path, status) in [("/broken", 500), ("/missing", 404), ("/orders/1", 200)] {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = block_on(router.clone().oneshot(request)).unwrap();
        assert_eq!(response.status(), status);
    }
    let spans = recorded.spans(4);
    assert_eq!(named(&spans, "GET /broken").status, SpanStatus::Error);
    assert_eq!(named(&spans, "GET unknown").status, SpanStatus::Unset);
    assert_chain(&[named(&spans, "GET /orders/{id}"), named(&spans, "load")]);
}

#[test]
fn a_caller_who_hangs_up_leaves_a_cancelled_span() {
    let recorded = Recorded::new();
    let layer = TraceLayer::server(recorded.tracer.clone()).operation_name(route);
    let (seen, is_seen) = std::sync::mpsc::channel();
    let layer = layer.on_request(move |_, _| seen.send(()).unwrap());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let address = runtime.block_on(serve(orders(&recorded, layer)));
    let mut caller = TcpStream::connect(address).unwrap();
    caller.write_all(b"GET /never HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    is_seen.recv_timeout(LONG).unwrap();
    drop(caller);
    let spans = recorded.spans(1);
    assert_eq!(spans[0].attribute("cancelled"), Some(&OwnedValue::Bool(true)));
    assert_eq!((tag(&spans[0], "http.status_code"), spans[0].status), (None, SpanStatus::Unset));
}

#[test]
fn a_connection_that_fails_is_an_error_in_the_clients_span() {
    let recorded = Recorded::new();
    let client = TraceLayer::client(recorded.tracer.clone());
    // A port that is taken and not listened at refuses everybody.
    let nobody = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    nobody.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = nobody.local_addr().unwrap().as_socket().unwrap();
    block_on(async {
        let connections = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let request = Request::get(format!("http://{address}/")).body(Empty::new()).unwrap();
        client.layer(connections).oneshot(request).await.unwrap_err();
    });
    let spans = recorded.spans(1);
    assert_eq!((spans[0].status, spans[0].events.len()), (SpanStatus::Error, 1));
    let said = |key| {
        let field = spans[0].events[0].attributes.iter().find(|field| field.key == key);
        text_of(&field.unwrap().value)
    };
    assert_eq!(said("event"), "error");
    assert!(said("error.kind").contains("hyper_util::client::legacy"), "{}", said("error.kind"));
    assert!(!said("message").is_empty());
}

#[test]
fn a_hyper_util_server_takes_the_layer_around_any_tower_service() {
    let recorded = Recorded::new();
    let layer = TraceLayer::server(recorded.tracer.clone()).component("hyper-util");
    let tracer = recorded.tracer.clone();
    let service = tower::service_fn(move |request: Request<hyper::body::Incoming>| {
        let tracer = tracer.clone();
        async move {
            tracer.start_span("work").finish();
            Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::from(
                request.uri().path().to_owned(),
            )))
        }
    });
    let service = TowerToHyperService::new(layer.layer(service));
    let answer = block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (connection, _) = listener.accept().await.unwrap();
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(connection), service).await;
        });
        tokio::task::spawn_blocking(move || ask(address, "/page", "uber-trace-id: abc:def:0:1"))
            .await
            .unwrap()
    });
    assert!(answer.ends_with("\r\n\r\n/page"), "{answer}");
    let spans = recorded.spans(2);
    let server = named(&spans, "GET");
    assert_eq!((server.trace_id.low(), server.parent_span_id.as_u64()), (0xabc, 0xdef));
    assert_chain(&[server, named(&spans, "work")]);
}

#[test]
fn a_public_server_continues_a_strangers_trace_and_samples_by_itself() {
    for (trusts, header, keeps_own, is_recorded) in [
        (true, "abc:def:0:1", false, true),
        (true, "abc:def:0:0", true, false),
        (false, "abc:def:0:1", false, false),
        (false, "abc:def:0:3", false, false),
        (false, "abc:def:0:0", true, true),
        (false, "abc:def:0:1", true, true),
    ] {
        let recorded = match keeps_own {
            true => Recorded::sampled_by(AlwaysOnSampler),
            false => Recorded::sampled_by(AlwaysOffSampler),
        };
        let layer = TraceLayer::server(recorded.tracer.clone()).trust_remote_sampling(trusts);
        let router = orders(&recorded, layer);
        let request = Request::get("/orders/1").header("Uber-Trace-Id", header);
        let request = request.body(axum::body::Body::empty()).unwrap();
        block_on(router.oneshot(request)).unwrap();
        let case = format!("{header} trusted: {trusts}, own: {keeps_own}");
        let spans = recorded.spans(if is_recorded { 2 } else { 0 });
        if is_recorded {
            let server = named(&spans, "GET");
            assert_eq!((server.trace_id.low(), server.parent_span_id.as_u64()), (0xabc, 0xdef));
            assert_eq!(
                (server.flags.is_sampled(), server.flags.is_debug()),
                (true, false),
                "{case}"
            );
        }
    }
}

/// Sends a request by hand and reads the answer to its end.
fn ask(address: SocketAddr, path: &str, header: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(LONG)).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}
