//! Spans in the steady state allocate nothing: neither on the caller's thread nor on the worker's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::task;
use std::time::Duration;

use integration_tests::Receiver;
use opentracing_api::tower::TraceLayer;
use opentracing_api::{Extract, Inject, Span, SpanContext, TextMapReader, TextMapWriter, Tracer};
use opentracing_api::{child_of, fields};
use opentracing_shim::TracerShim;
use opentracing_shim::jaeger::{Config, Sampler};
use otel_core::exporter::{ExportError, SpanBatch, SpanExporter};
use otel_core::propagation::{
    self, B3Propagator, BaggagePropagator, Extractor, Injector, JaegerPropagator, OtPropagator,
    Propagator, TraceContextPropagator,
};
use otel_core::record::SpanView;
use otel_core::{Baggage, BatchProcessor, SpanId, TraceFlags, TraceId, TracerProvider};
use tower::{Layer, Service};

/// The system's allocator, with a count of what it is asked for.
struct Counting;

static OF_ALL: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static OF_THREAD: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it is; the counts touch no memory that was asked for.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        OF_ALL.fetch_add(1, Ordering::Relaxed);
        LIVE_BYTES.fetch_add(layout.size() as i64, Ordering::Relaxed);
        let _ = OF_THREAD.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The tests count what the whole process does, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

const LONG: Duration = Duration::from_secs(60);

/// How often memory was asked for while something ran: by this thread, and by all.
fn allocations_of(work: impl FnOnce()) -> (u64, u64) {
    let (of_thread, of_all) = (OF_THREAD.get(), OF_ALL.load(Ordering::Relaxed));
    work();
    (OF_THREAD.get() - of_thread, OF_ALL.load(Ordering::Relaxed) - of_all)
}

fn trace(tracer: &Tracer) {
    let url = String::from("http://example.com/some/path");
    let mut root = tracer.start_span("root");
    root.set_tag("component", "test").set_tag("url", url.as_str()).set_tag("n", 7);
    for n in 0..9 {
        let mut child = tracer.start_span_with("child", child_of(&root));
        child.set_tag("component", "test").set_tag("url", url.as_str()).set_tag("n", n);
        if n == 4 {
            child.log_kv(fields! { "event" => "hit", "n" => n });
        }
        child.finish();
    }
    root.finish();
}

#[test]
fn a_sampled_span_allocates_nothing_anywhere() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // Nobody decodes here: a datagram that is refused costs the worker a log line, one that is taken nothing.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = Config::new("allocations").agent_host("127.0.0.1");
    let port = socket.local_addr().unwrap().port();
    let tracer = config.agent_port(port).flush_interval(Duration::from_secs(600)).build().unwrap();
    let run = || {
        for _ in 0..2_000 {
            trace(&tracer);
        }
    };
    for _ in 0..3 {
        run();
        tracer.flush(LONG).unwrap();
    }
    let n_spans = 20_000;
    // The text that each trace makes for its tag is the test's own.
    let of_test = 2_000;
    let (of_thread, _) = allocations_of(run);
    // A worker that comes late has the thread's ring replaced by a larger one, a few times at the most.
    assert!(of_thread <= of_test + 20, "{} for {n_spans} spans", of_thread - of_test);
    tracer.flush(LONG).unwrap();
    let (_, of_all) = allocations_of(|| {
        run();
        tracer.flush(LONG).unwrap();
    });
    assert!(of_all <= of_test + 50, "{} for {n_spans} spans", of_all - of_test);
}

#[test]
fn an_unsampled_span_allocates_nothing_and_its_context_neither() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let config = Config::new("allocations").agent_host("127.0.0.1").sampler(Sampler::Const(false));
    let tracer = config.flush_interval(Duration::from_secs(600)).build().unwrap();
    let run = || {
        let root = tracer.start_span("root");
        for n in 0..1_000 {
            let mut child = tracer.start_span_with("child", child_of(&root));
            child.set_tag("n", n).log_event("event");
            child.finish();
        }
    };
    run();
    assert_eq!(allocations_of(run).0, 0);
}

#[test]
fn a_thread_that_finishes_the_spans_of_another_does_not_hoard_them() {
    const N_SPANS: usize = 2_000;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // Nobody reads, so nothing is kept here of what is sent.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = Config::new("allocations").agent_host("127.0.0.1");
    let config = config.agent_port(socket.local_addr().unwrap().port()).max_queue_spans(1);
    let tracer = config.flush_interval(Duration::from_secs(600)).build().unwrap();
    let (to_finisher, spans) = mpsc::sync_channel::<Vec<Span>>(0);
    let (to_starter, has_finished) = mpsc::sync_channel::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for spans in spans {
                spans.into_iter().for_each(|span| drop(span.into_shared()));
                to_starter.send(()).unwrap();
            }
        });
        let round = || {
            to_finisher.send((0..N_SPANS).map(|_| tracer.start_span("work")).collect()).unwrap();
            has_finished.recv().unwrap();
        };
        (0..3).for_each(|_| round());
        let before = LIVE_BYTES.load(Ordering::Relaxed);
        (0..10).for_each(|_| round());
        let n_more_bytes = LIVE_BYTES.load(Ordering::Relaxed) - before;
        assert!(n_more_bytes < 64 << 10, "{n_more_bytes} bytes more after ten rounds");
        drop(to_finisher);
    });
}

/// A carrier of one header, in a place of its own.
#[derive(Default)]
struct OneHeader {
    value: String,
}

impl TextMapWriter for OneHeader {
    fn set(&mut self, key: &str, value: &str) {
        assert_eq!(key, "uber-trace-id");
        self.value.clear();
        self.value.push_str(value);
    }
}

impl TextMapReader for OneHeader {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "uber-trace-id").then_some(self.value.as_str())
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a str)) {
        f("uber-trace-id", &self.value);
    }
}

#[test]
fn crossing_a_process_without_baggage_allocates_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let receiver = Receiver::start();
    let config = Config::new("allocations").agent_host("127.0.0.1").agent_port(receiver.port());
    let tracer = config.build().unwrap();
    let context = SpanContext::new(1, 2, SpanContext::SAMPLED);
    let mut carrier = OneHeader { value: String::with_capacity(100) };
    let mut cross = || {
        tracer.inject(&context, Inject::HttpHeaders(&mut carrier)).unwrap();
        let extracted = tracer.extract(Extract::HttpHeaders(&carrier)).unwrap().unwrap();
        assert_eq!(extracted.span_id(), 2);
    };
    cross();
    assert_eq!(allocations_of(cross).0, 0);
}

#[test]
fn the_noop_tracer_allocates_nothing_and_its_spans_are_constants() {
    static NOOP: Span = Span::noop();
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let tracer = Tracer::noop();
    let run = || {
        let mut span = tracer.start_span_with("span", child_of(&NOOP).tag("key", "value"));
        span.set_tag("n", 7).log_kv(fields! { "event" => "hit" }).set_baggage_item("k", "v");
        let mut headers = OneHeader::default();
        tracer.inject(&span, Inject::HttpHeaders(&mut headers)).unwrap();
        assert_eq!((span.baggage_item("k"), headers.value.as_str()), (None, ""));
        tracer.activate(span).close();
        tracer.in_span("closure", |span| span.set_tag("n", 7).is_recording());
    };
    assert_eq!(allocations_of(run).0, 0);
}

#[test]
fn a_link_to_a_lone_parent_allocates_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let processor = BatchProcessor::builder(InsistsOnLinks).interval(LONG).build();
    let provider = TracerProvider::builder().processor(processor).build();
    let tracer = Tracer::new(TracerShim::new(provider));
    let run = || {
        let root = tracer.start_span("root");
        for _ in 0..100 {
            tracer.start_span_with("child", child_of(&root)).finish();
        }
    };
    run();
    tracer.flush(LONG).unwrap();
    assert_eq!(allocations_of(run).0, 0);
    assert_eq!(tracer.close(LONG).unwrap().reported_spans, 202);
}

/// Takes batches of which each child has a link, and keeps nothing.
#[derive(Debug)]
struct InsistsOnLinks;

impl SpanExporter for InsistsOnLinks {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        let is_linked =
            |span: SpanView<'_>| span.links().count() == usize::from(span.name() == "child");
        match batch.spans().all(is_linked) {
            true => Ok(()),
            false => Err(ExportError::failed("a child without its link")),
        }
    }
}

#[test]
fn a_request_through_the_layer_of_a_server_allocates_for_its_extensions_alone() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = Config::new("allocations").agent_host("127.0.0.1");
    let port = socket.local_addr().unwrap().port();
    let tracer = config.agent_port(port).flush_interval(Duration::from_secs(600)).build().unwrap();
    let inner = tower::service_fn(|_: http::Request<()>| {
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(())))
    });
    let mut service = TraceLayer::server(tracer.clone()).layer(inner);
    let request = || {
        let request = http::Request::get("/orders/7").header("uber-trace-id", "abc:def:0:1");
        request.header("user-agent", "test").body(()).unwrap()
    };
    let mut run = |n_requests: usize| {
        let requests: Vec<_> = std::iter::repeat_with(request).take(n_requests).collect();
        allocations_of(|| {
            for request in requests {
                let mut future = pin!(service.call(request));
                let mut context = task::Context::from_waker(task::Waker::noop());
                assert!(future.as_mut().poll(&mut context).is_ready());
            }
        })
    };
    for _ in 0..3 {
        run(2_000);
        tracer.flush(LONG).unwrap();
    }
    // The map of a request's extensions, its table, and the span in a box: `http` has them so.
    let (of_thread, _) = run(2_000);
    assert!(of_thread <= 3 * 2_000 + 20, "{of_thread} for 2000 requests");
}

/// A carrier of a few headers whose values are written over.
#[derive(Default)]
struct FewHeaders(Vec<(&'static str, String)>);

impl FewHeaders {
    fn for_fields_of(propagator: &dyn Propagator) -> Self {
        let names = propagator.fields().into_iter().map(|name| name.to_owned().leak() as &str);
        Self(names.map(|name| (name, String::with_capacity(600))).collect())
    }
}

impl Injector for FewHeaders {
    fn set(&mut self, key: &str, value: &str) {
        let (_, present) = self.0.iter_mut().find(|(name, _)| *name == key).unwrap();
        present.clear();
        present.push_str(value);
    }
}

impl Extractor for FewHeaders {
    fn get(&self, key: &str) -> Option<&str> {
        let is_there = |(name, value): &&(&str, String)| *name == key && !value.is_empty();
        self.0.iter().find(is_there).map(|(_, value)| value.as_str())
    }

    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.0.iter().for_each(|(name, value)| visit(name, value));
    }
}

#[test]
fn no_format_allocates_to_write_or_read_ids_and_flags() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let formats: [Box<dyn Propagator>; 6] = [
        Box::new(TraceContextPropagator::new()),
        Box::new(JaegerPropagator::new()),
        Box::new(B3Propagator::single()),
        Box::new(B3Propagator::multi()),
        Box::new(OtPropagator::new()),
        Box::new(propagation::from_names("tracecontext,baggage,b3,b3multi,jaeger,ottrace")),
    ];
    for propagator in formats {
        for flags in
            [TraceFlags::NONE, TraceFlags::SAMPLED, TraceFlags::SAMPLED | TraceFlags::DEBUG]
        {
            // OpenTracing's headers hold no more than this half of an id.
            let trace_id = TraceId::from_parts(0, 0x0123_4567_89ab_cdef);
            let context = otel_core::SpanContext::new(trace_id, SpanId::new(2), flags);
            let mut carrier = FewHeaders::for_fields_of(&propagator);
            let cross = || {
                propagator.inject(&context, &Baggage::new(), &mut carrier);
                let found = propagator.extract(&carrier).span_context.unwrap();
                assert_eq!(found.span_id(), context.span_id());
            };
            assert_eq!(allocations_of(cross).0, 0, "{propagator:?}");
        }
    }
}

#[test]
fn baggage_of_two_names_takes_as_many_allocations_as_it_has_texts_and_two_for_itself() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let headers = [("baggage", "tenant=acme%20gmbh,user=4711".to_owned())];
    let carrier = FewHeaders(headers.to_vec());
    let propagator = BaggagePropagator::new();
    let mut found = Baggage::new();
    let (of_thread, _) = allocations_of(|| found = propagator.extract(&carrier).baggage);
    assert_eq!((found.get("tenant"), found.get("user")), (Some("acme gmbh"), Some("4711")));
    // What percent-coding hid is written once more.
    assert!(of_thread <= 4 + 2 + 1, "{of_thread}");
}
