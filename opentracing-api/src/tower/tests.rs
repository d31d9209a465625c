use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http::{Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::*;
use crate::mock::MockSpan;
use crate::mock::tests::recording;
use crate::{InSpan, OwnedValue, SharedSpan, SpanContext, Tracer, tags};

/// A service made of a function, which is always ready.
#[derive(Clone)]
struct Handler<F>(F);

impl<F, Fut, E> Service<Request<()>> for Handler<F>
where
    F: FnMut(Request<()>) -> Fut,
    Fut: Future<Output = Result<Response<()>, E>>,
{
    type Response = Response<()>;
    type Error = E;
    type Future = Fut;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Fut {
        (self.0)(request)
    }
}

/// The headers in which the mock writes its ids.
const TRACE_ID: &str = "ot-tracer-traceid";
const SPAN_ID: &str = "ot-tracer-spanid";

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn wait_for<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = poll(future.as_mut()) {
            return output;
        }
    }
}

fn request(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

fn status(code: u16) -> Result<Response<()>, Infallible> {
    Ok(Response::builder().status(code).body(()).unwrap())
}

/// Sends a request through a layer to a service that answers with a status.
fn send(layer: &TraceLayer, request: Request<()>, code: u16) {
    let mut service = layer.layer(Handler(move |_| ready(status(code))));
    wait_for(service.call(request)).unwrap();
}

fn text(span: &MockSpan, key: &str) -> Option<String> {
    span.tag(key).map(OwnedValue::to_string)
}

#[test]
fn a_servers_span_continues_the_callers_trace_and_has_the_standard_tags() {
    let (mock, tracer) = recording();
    let layer = TraceLayer::server(tracer);
    let called =
        Request::post("/orders?id=7").header(TRACE_ID, "5").header(SPAN_ID, "6").body(()).unwrap();
    send(&layer, called, 201);
    let span = mock.span("POST");
    assert_eq!((span.context.trace_id(), span.parent_id), (5, Some(6)));
    for (key, value) in [
        ("span.kind", "server"),
        ("component", "tower"),
        ("http.method", "POST"),
        ("http.url", "/orders?id=7"),
        ("http.status_code", "201"),
    ] {
        assert_eq!(text(&span, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(span.tags.len(), 5, "{:?}", span.tags);
    assert!(matches!(span.tag("http.status_code"), Some(OwnedValue::I64(201))));
    assert!(span.logs.is_empty());
}

#[test]
fn a_clients_span_is_a_child_of_the_active_one_and_goes_out_in_the_headers() {
    let (mock, tracer) = recording();
    let seen = Rc::new(Cell::new(None));
    let see = Rc::clone(&seen);
    let handler = Handler(move |request: Request<()>| {
        let ids = [TRACE_ID, SPAN_ID].map(|name| request.headers()[name].clone());
        see.set(Some(ids));
        ready(status(200))
    });
    let mut client = TraceLayer::client(tracer.clone()).component("test").layer(handler);
    let scope = tracer.start_active_span("active");
    wait_for(client.call(request("http://ann:secret@stock.example:8080/items?n=1"))).unwrap();
    scope.close();
    let (active, span) = (mock.span("active"), mock.span("GET"));
    assert_eq!(span.parent_id, Some(active.context.span_id()));
    let sent = [format!("{:x}", span.trace_id()), format!("{:x}", span.span_id())];
    assert_eq!(seen.take().unwrap(), sent);
    for (key, value) in [
        ("span.kind", "client"),
        ("component", "test"),
        ("http.method", "GET"),
        ("http.url", "http://stock.example:8080/items?n=1"),
        ("http.status_code", "200"),
        ("peer.hostname", "stock.example"),
        ("peer.port", "8080"),
    ] {
        assert_eq!(text(&span, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(span.tags.len(), 7, "{:?}", span.tags);
}

#[test]
fn a_clients_parent_is_what_the_request_carries_or_else_the_active_span() {
    let (mock, tracer) = recording();
    let layer = TraceLayer::client(tracer.clone());
    let shared = tracer.start_span("shared").into_shared();
    let active = tracer.start_active_span("active");
    let with = |has_span: bool, has_context: bool| {
        let mut request = request("/");
        if has_span {
            request.extensions_mut().insert(shared.clone());
        }
        if has_context {
            request.extensions_mut().insert(SpanContext::new(7, 70, 1));
        }
        send(&layer, request, 200);
        mock.finished_spans().last().unwrap().parent_id
    };
    assert_eq!(with(true, true), Some(shared.context().span_id()));
    assert_eq!(with(false, true), Some(70));
    assert_eq!(with(false, false), Some(active.context().span_id()));
}

#[test]
fn a_server_does_not_take_an_active_span_as_parent() {
    let (mock, tracer) = recording();
    let _accept_loop = tracer.start_active_span("accept-loop");
    send(&TraceLayer::server(tracer), request("/"), 200);
    assert_eq!(mock.span("GET").parent_id, None);
}

#[test]
fn of_two_layers_the_inner_ones_span_is_a_child_of_the_outer_ones() {
    let (mock, tracer) = recording();
    let outer = TraceLayer::server(tracer.clone()).operation_name(|_| "outer");
    let inner = TraceLayer::server(tracer).operation_name(|_| "inner");
    let mut service = outer.layer(inner.layer(Handler(|_| ready(status(200)))));
    let called = Request::get("/").header(TRACE_ID, "5").header(SPAN_ID, "6").body(()).unwrap();
    wait_for(service.call(called)).unwrap();
    let (outer, inner) = (mock.span("outer"), mock.span("inner"));
    assert_eq!((outer.parent_id, inner.parent_id), (Some(6), Some(outer.context.span_id())));
}

#[test]
fn only_a_status_of_500_and_above_is_an_error() {
    for (code, is_error) in [
        (200, false),
        (302, false),
        (404, false),
        (499, false),
        (500, true),
        (503, true),
        (999, true),
    ] {
        let (mock, tracer) = recording();
        for layer in [TraceLayer::server(tracer.clone()), TraceLayer::client(tracer)] {
            send(&layer, request("/"), code);
        }
        for span in mock.finished_spans() {
            assert_eq!(text(&span, "error").is_some(), is_error, "{code}: {:?}", span.tags);
            assert_eq!(text(&span, "http.status_code"), Some(code.to_string()));
        }
    }
}

#[test]
fn an_error_of_the_service_is_logged_and_returned() {
    let (mock, tracer) = recording();
    let mut service = TraceLayer::client(tracer)
        .layer(Handler(|_| ready(Err("80x".parse::<u16>().unwrap_err()))));
    let error = wait_for(service.call(request("/"))).unwrap_err();
    let span = mock.span("GET");
    assert_eq!(text(&span, "error").as_deref(), Some("true"));
    assert_eq!(
        span.log_lines(),
        [format!("event=error message={error} error.kind=core::num::error::ParseIntError")]
    );
    assert_eq!(text(&span, "http.status_code"), None);
    assert_eq!(text(&span, "cancelled"), None);
}

#[test]
fn a_dropped_future_ends_its_span_as_cancelled_whether_it_was_polled_or_not() {
    for is_polled in [false, true] {
        let (mock, tracer) = recording();
        let mut service = TraceLayer::server(tracer)
            .layer(Handler(|_| pending::<Result<Response<()>, Infallible>>()));
        let mut future = Box::pin(service.call(request("/")));
        if is_polled {
            assert!(poll(future.as_mut()).is_pending());
        }
        assert!(mock.finished_spans().is_empty());
        drop(future);
        let span = mock.span("GET");
        assert_eq!(text(&span, "cancelled").as_deref(), Some("true"));
        assert_eq!(text(&span, "error"), None);
    }
}

#[test]
fn a_panic_of_the_service_or_of_a_hook_marks_the_span_as_failed() {
    fn run(layer: TraceLayer, panics_when: &'static str) {
        let mut service = layer.layer(Handler(move |_| {
            assert_ne!(panics_when, "called");
            async move {
                assert_ne!(panics_when, "polled");
                status(200)
            }
        }));
        drop(wait_for(service.call(request("/"))));
    }
    for panics_when in ["called", "polled", "requested", "answered"] {
        let (mock, tracer) = recording();
        let layer = TraceLayer::server(tracer.clone())
            .on_request(move |_, _| assert_ne!(panics_when, "requested"))
            .on_response(move |_, _| assert_ne!(panics_when, "answered"));
        assert!(catch_unwind(AssertUnwindSafe(|| run(layer, panics_when))).is_err());
        let span = mock.span("GET");
        assert_eq!(text(&span, "error").as_deref(), Some("true"), "{panics_when}");
        assert_eq!(text(&span, "cancelled"), None, "{panics_when}");
        assert_eq!(span.log_lines(), ["event=error message=panic"], "{panics_when}");
        assert_eq!(tracer.active_span(), None, "{panics_when}");
    }
}

#[test]
fn the_span_is_active_in_the_call_and_in_each_poll_and_in_the_extensions() {
    let (mock, tracer) = recording();
    let ours = tracer.clone();
    let handler = Handler(move |request: Request<()>| {
        let span = request.extensions().get::<SharedSpan>().unwrap().clone();
        assert_eq!(ours.active_span().as_ref(), Some(&span));
        ours.start_span("in call").finish();
        let (ours, mut n_polls) = (ours.clone(), 0);
        poll_fn(move |_| {
            assert_eq!(ours.active_span().as_ref(), Some(&span));
            ours.start_span("in poll").finish();
            n_polls += 1;
            if n_polls < 3 { Poll::Pending } else { Poll::Ready(status(200)) }
        })
    });
    let mut future = pin!(TraceLayer::server(tracer.clone()).layer(handler).call(request("/")));
    while poll(future.as_mut()).is_pending() {
        assert_eq!(tracer.active_span(), None);
    }
    let spans = mock.finished_spans();
    let server = spans.last().unwrap();
    assert_eq!(mock.finished_names(), ["in call", "in poll", "in poll", "in poll", "GET"]);
    assert!(spans[..4].iter().all(|span| span.parent_id == Some(server.context.span_id())));
}

#[test]
fn interleaved_requests_keep_their_own_span() {
    let (mock, tracer) = recording();
    let ours = tracer.clone();
    let handler = Handler(move |request: Request<()>| {
        let (ours, path, mut is_first) = (ours.clone(), request.uri().path().to_owned(), true);
        poll_fn(move |_| {
            if std::mem::take(&mut is_first) {
                return Poll::Pending;
            }
            ours.start_span(&path).finish();
            Poll::Ready(status(200))
        })
    });
    let layer = TraceLayer::server(tracer)
        .operation_name(|request| format!("server {}", request.uri().path()));
    let mut service = layer.layer(handler);
    let mut one = pin!(service.call(request("/one")));
    let mut two = pin!(service.call(request("/two")));
    for _ in 0..2 {
        let _ = (poll(one.as_mut()), poll(two.as_mut()));
    }
    for path in ["/one", "/two"] {
        let server = mock.span(&format!("server {path}"));
        assert_eq!(mock.span(path).parent_id, Some(server.context.span_id()));
    }
}

#[test]
fn a_filtered_request_passes_as_if_there_were_no_layer() {
    let (mock, tracer) = recording();
    let handler = Handler(|request: Request<()>| {
        assert!(request.extensions().is_empty() && request.headers().is_empty());
        ready(status(500))
    });
    let layer = TraceLayer::client(tracer).filter(|request| request.uri().path() != "/health");
    let response = wait_for(layer.layer(handler).call(request("/health"))).unwrap();
    assert_eq!(response.status(), 500);
    assert!(mock.finished_spans().is_empty());
    send(&layer, request("/orders"), 200);
    assert_eq!(mock.finished_names(), ["GET"]);
}

#[test]
fn hooks_see_heads_and_may_overwrite_what_the_layer_says() {
    let (mock, tracer) = recording();
    let layer = TraceLayer::server(tracer)
        .operation_name(|request| format!("{} {}", request.method(), request.uri().path()))
        .on_request(|request, span| {
            assert_eq!(request.version(), http::Version::HTTP_11);
            assert!(request.extensions().get::<u8>().is_some());
            span.set_tag("tenant", request.headers()["x-tenant"].to_str().unwrap());
            span.set_tag(tags::HTTP_URL, "http://orders.example/");
        })
        .on_response(|response, span| {
            assert_eq!(response.version(), http::Version::HTTP_11);
            assert!(response.headers().is_empty() && response.extensions().is_empty());
            if response.status() == StatusCode::NOT_FOUND {
                span.set_tag(tags::ERROR, true).set_operation_name("lost");
            }
        });
    let asked = Request::get("/a").header("x-tenant", "acme").extension(1_u8).body(()).unwrap();
    send(&layer, asked, 404);
    let span = mock.span("lost");
    for (key, value) in
        [("tenant", "acme"), ("http.url", "http://orders.example/"), ("error", "true")]
    {
        assert_eq!(text(&span, key).as_deref(), Some(value), "{key}");
    }
}

#[test]
fn a_strangers_sampling_decision_is_handed_on_or_left_to_the_tracer() {
    for (trusts, name, is_sampled, is_recorded) in [
        (true, "kept", "true", true),
        (true, "kept", "false", false),
        (true, "unsampled", "true", true),
        (false, "kept", "false", true),
        (false, "unsampled", "true", false),
    ] {
        let (mock, tracer) = recording();
        let layer =
            TraceLayer::server(tracer).operation_name(move |_| name).trust_remote_sampling(trusts);
        let called = Request::get("/").header(TRACE_ID, "5").header(SPAN_ID, "6");
        send(&layer, called.header("ot-tracer-sampled", is_sampled).body(()).unwrap(), 200);
        let traces: Vec<_> = mock.finished_spans().iter().map(MockSpan::trace_id).collect();
        let expected: &[u128] = if is_recorded { &[5] } else { &[] };
        assert_eq!(traces, expected, "{trusts} {name} {is_sampled}");
    }
}

#[test]
fn headers_that_cannot_be_read_are_logged_and_begin_a_trace() {
    let (mock, tracer) = recording();
    let asked = Request::get("/").header(TRACE_ID, "nonsense").body(()).unwrap();
    send(&TraceLayer::server(tracer), asked, 200);
    let span = mock.span("GET");
    assert_eq!(span.parent_id, None);
    assert_eq!(text(&span, "error"), None);
    assert_eq!(span.log_lines().len(), 1);
    assert!(span.log_lines()[0].starts_with("event=extract failed message="), "{:?}", span.logs);
}

#[test]
fn the_no_op_tracer_changes_nothing_but_the_extensions() {
    for layer in [TraceLayer::server(Tracer::noop()), TraceLayer::client(Tracer::noop())] {
        let handler = Handler(|request: Request<()>| {
            assert!(request.headers().is_empty());
            assert!(!request.extensions().get::<SharedSpan>().unwrap().is_recording());
            ready(status(200))
        });
        wait_for(layer.layer(handler).call(request("/"))).unwrap();
    }
}

#[test]
fn the_inner_service_is_called_right_after_it_said_that_it_is_ready() {
    /// Ready for one call after each time it was asked.
    #[derive(Clone, Default)]
    struct Reserved {
        is_ready: bool,
    }

    impl Service<Request<()>> for Reserved {
        type Response = Response<()>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Response<()>, &'static str>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            self.is_ready = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            let is_ready = std::mem::take(&mut self.is_ready);
            ready(if is_ready { Ok(Response::new(())) } else { Err("called before ready") })
        }
    }

    let (_, tracer) = recording();
    let mut service = TraceLayer::server(tracer).layer(Reserved::default());
    for _ in 0..2 {
        wait_for(poll_fn(|context| service.poll_ready(context))).unwrap();
        wait_for(service.call(request("/"))).unwrap();
    }
    assert!(!service.get_ref().is_ready);
    service.get_mut().is_ready = true;
    assert!(service.into_inner().is_ready);

    /// Never ready.
    struct Broken;

    impl Service<Request<()>> for Broken {
        type Response = Response<()>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Response<()>, &'static str>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Err("broken"))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            ready(Err("called"))
        }
    }

    let mut broken = TraceLayer::server(Tracer::noop()).layer(Broken);
    assert_eq!(wait_for(poll_fn(|context| broken.poll_ready(context))), Err("broken"));
}

#[test]
fn an_operation_is_called_by_a_standard_method_and_other_methods_share_a_name() {
    let (mock, tracer) = recording();
    let layer = TraceLayer::server(tracer);
    for method in ["GET", "PATCH", "TRACE", "BREW", "get"] {
        let asked = Request::builder().method(method).body(()).unwrap();
        send(&layer, asked, 200);
        let span = mock.finished_spans().pop().unwrap();
        let is_standard = ["GET", "PATCH", "TRACE"].contains(&method);
        assert_eq!(span.operation_name, if is_standard { method } else { "HTTP" });
        assert_eq!(text(&span, "http.method").as_deref(), Some(method));
    }
}

#[test]
fn a_client_names_its_peer_as_far_as_the_url_does() {
    for (uri, url, peer) in [
        ("/", "/", vec![]),
        ("*", "*", vec![]),
        (
            "stock.example:81",
            "stock.example:81",
            vec![("peer.hostname", "stock.example"), ("peer.port", "81")],
        ),
        ("http://a.b/?q", "http://a.b/?q", vec![("peer.hostname", "a.b"), ("peer.port", "80")]),
        ("https://a.b", "https://a.b/", vec![("peer.hostname", "a.b"), ("peer.port", "443")]),
        ("ftp://a.b/", "ftp://a.b/", vec![("peer.hostname", "a.b")]),
        (
            "http://10.0.0.7:1/",
            "http://10.0.0.7:1/",
            vec![("peer.ipv4", "10.0.0.7"), ("peer.port", "1")],
        ),
        (
            "http://u:p@[::1]:9/x",
            "http://[::1]:9/x",
            vec![("peer.ipv6", "::1"), ("peer.port", "9")],
        ),
    ] {
        let (mock, tracer) = recording();
        send(&TraceLayer::client(tracer), request(uri), 200);
        let span = mock.span("GET");
        assert_eq!(text(&span, "http.url").as_deref(), Some(url), "{uri}");
        let peer: Vec<_> = peer.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let tags = span.tags.iter().filter(|(key, _)| key.starts_with("peer."));
        let tagged: Vec<_> = tags.map(|(key, value)| (key.as_str(), value.to_string())).collect();
        assert_eq!(tagged, peer, "{uri}");
    }
    let (mock, tracer) = recording();
    let connect = Request::builder().method(Method::CONNECT).uri("a.b:443").body(()).unwrap();
    send(&TraceLayer::client(tracer), connect, 200);
    assert_eq!(text(&mock.span("CONNECT"), "http.url").as_deref(), Some("a.b:443"));
}

#[test]
fn a_traced_future_may_itself_be_in_a_span() {
    let (mock, tracer) = recording();
    let mut client = TraceLayer::client(tracer.clone()).layer(Handler(|_| ready(status(200))));
    let job = async { client.call(request("/")).await };
    wait_for(job.in_span(tracer.start_span("job"))).unwrap();
    let job = mock.span("job");
    assert_eq!(mock.span("GET").parent_id, Some(job.context.span_id()));
}

#[test]
fn layers_and_services_can_be_cloned_and_sent_and_shown() {
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn is_sent<T: Send>(_: &T) {}

    let layer = TraceLayer::server(Tracer::noop());
    let mut service = layer.layer(Handler(|_| ready(status(200))));
    is_shared(&layer);
    is_shared(&service);
    let future = service.call(request("/"));
    is_sent(&future);
    assert!(format!("{layer:?}").contains("Server"));
    assert!(format!("{:?}", layer.layer(7)).starts_with("Trace { inner: 7"));
    assert!(format!("{future:?}").starts_with("ResponseFuture { span: Some(SharedSpan"));
    wait_for(future).unwrap();
}

#[test]
fn a_panic_that_a_layer_outside_catches_marks_the_span_as_failed_too() {
    for panics_in in ["service", "hook"] {
        let (mock, tracer) = recording();
        let layer = TraceLayer::server(tracer.clone())
            .on_response(move |_, _| assert_ne!(panics_in, "hook"));
        let mut service = layer.layer(Handler(|_| async move {
            assert_ne!(panics_in, "service");
            status(200)
        }));
        let mut future = Box::pin(service.call(request("/")));
        // The future lives on, and is dropped when nobody panics any more.
        assert!(catch_unwind(AssertUnwindSafe(|| poll(future.as_mut()))).is_err());
        drop(future);
        let span = mock.span("GET");
        assert_eq!(span.log_lines(), ["event=error message=panic"], "{panics_in}");
        assert_eq!(text(&span, "cancelled"), None, "{panics_in}");
        assert_eq!(tracer.active_span(), None, "{panics_in}");
    }
}

#[test]
fn a_layer_whose_tracer_does_nothing_hides_neither_a_caller_nor_a_given_context() {
    let (mock, tracer) = recording();
    let (noop, layer) = (TraceLayer::server(Tracer::noop()), TraceLayer::server(tracer.clone()));
    let called = Request::get("/").header(TRACE_ID, "5").header(SPAN_ID, "6").body(()).unwrap();
    let mut service = noop.layer(layer.layer(Handler(|_| ready(status(200)))));
    wait_for(service.call(called)).unwrap();
    let (noop, layer) = (TraceLayer::client(Tracer::noop()), TraceLayer::client(tracer));
    let sent = Request::get("/").extension(SpanContext::new(7, 8, 1)).body(()).unwrap();
    let mut service = noop.layer(layer.layer(Handler(|_| ready(status(200)))));
    wait_for(service.call(sent)).unwrap();
    let parents: Vec<_> = mock.finished_spans().iter().map(|span| span.parent_id).collect();
    assert_eq!(parents, [Some(6), Some(8)]);
}

#[test]
fn what_a_cancelled_service_does_while_it_is_dropped_is_in_its_span() {
    struct CleansUp(Tracer);
    impl Drop for CleansUp {
        fn drop(&mut self) {
            self.0.start_span("clean-up").finish();
        }
    }
    let (mock, tracer) = recording();
    let cleans_up = CleansUp(tracer.clone());
    let mut service = TraceLayer::server(tracer.clone()).layer(Handler(move |_| {
        let cleans_up = CleansUp(cleans_up.0.clone());
        async move {
            let _cleans_up = cleans_up;
            pending::<Result<Response<()>, Infallible>>().await
        }
    }));
    for is_polled in [false, true] {
        mock.reset();
        let mut future = Box::pin(service.call(request("/")));
        if is_polled {
            assert!(poll(future.as_mut()).is_pending());
        }
        drop(future);
        assert_eq!(mock.finished_names(), ["clean-up", "GET"]);
        mock.assert_child_of("clean-up", "GET");
        assert_eq!(tracer.active_span(), None);
    }
}
