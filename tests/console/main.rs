//! What the console exporter prints, byte for byte, against files of what OpenTelemetry's Python printed in the same year.
//!
//! `console-2020.json`, `-2021` and `-launcher` are what the guides show; those with `-full` in their name were printed by the
//! SDK's versions 0.7b1, 0.17b0 and 1.45.2 for the span that [`everything`] makes, with this span id.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use otel_core::exporter::{ConsoleExporter, ConsoleFormat};
use otel_core::{
    BatchProcessor, Context, IdGenerator, KeyValue, Link, ManualClock, Resource, SimpleProcessor,
    SpanContext, SpanId, SpanKind, StatusCode, TraceFlags, TraceId, TraceState, TracerProvider,
    Value,
};

#[test]
fn the_guides_program_prints_what_the_guides_show() {
    for (format, expected) in [
        (ConsoleFormat::Python2020, include_str!("../data/console-2020.json")),
        (ConsoleFormat::Python2021, include_str!("../data/console-2021.json")),
    ] {
        let page = Page::default();
        let exporter = ConsoleExporter::to_writer(page.clone()).format(format);
        foo_bar_baz(BatchProcessor::new(exporter), &page);
        assert_eq!(page.text(), format!("Hello world\n{expected}"), "{format:?}");
    }
}

/// The guide's own program, with its ids and times; its line is printed before any span, as in the guide.
fn foo_bar_baz(processor: BatchProcessor, page: &Page) {
    let clock = Arc::new(ManualClock::at_unix_nanos(MAY_2020 + 906_157_000));
    let wait = |micros| clock.advance(Duration::from_micros(micros));
    let provider = TracerProvider::builder()
        .clock(clock.clone())
        .id_generator(FixedIds::new(
            0xb510_5888_3c02_f880_111c_959f_3aa7_86a2,
            &[0x3791_d950_cc51_40c5, 0x77e5_77e6_a881_3bf4, 0xb2fa_4c39_f5f3_5e13],
        ))
        .processor(processor)
        .build();
    let tracer = provider.tracer("guide");
    let outer = tracer.start_as_current("foo");
    wait(73);
    let middle = tracer.start_as_current("bar");
    wait(42);
    let inner = tracer.start_as_current("baz");
    writeln!(page.clone(), "Hello world").unwrap();
    wait(71);
    drop(inner);
    wait(258);
    drop(middle);
    wait(142);
    drop(outer);
    provider.close(LONG).unwrap();
}

#[test]
fn a_client_span_prints_what_the_launcher_shows_when_it_debugs() {
    let page = Page::default();
    let resource = [
        ("telemetry.sdk.language", "python"),
        ("telemetry.sdk.version", "0.17b0"),
        ("service.name", "thing-client"),
        ("host.name", "myhost"),
    ];
    let clock = Arc::new(ManualClock::at_unix_nanos(1_612_820_854_317_562_000));
    let exporter = ConsoleExporter::to_writer(page.clone()).format(ConsoleFormat::Launcher);
    let provider = TracerProvider::builder()
        .clock(clock.clone())
        .id_generator(FixedIds::new(
            0x38b3_983f_92fd_d608_0fac_b6a7_2c09_740e,
            &[0xfc9f_1ec2_9b8b_9cf1],
        ))
        .resource(Resource::empty().with(resource.map(|(key, value)| KeyValue::new(key, value))))
        .processor(SimpleProcessor::new(exporter))
        .build();
    let attributes: [(&str, Value<'_>); 5] = [
        ("component", "http".into()),
        ("http.method", "GET".into()),
        ("http.url", "https://lightstep.com".into()),
        ("http.status_code", 200.into()),
        ("http.status_text", "OK".into()),
    ];
    let tracer = provider.tracer("launcher");
    let span = tracer.span_builder("HTTP GET").kind(SpanKind::Client).attributes(&attributes);
    let span = span.start();
    clock.advance(Duration::from_micros(272_241));
    span.end();
    assert_eq!(page.text(), include_str!("../data/console-launcher.json"));
}

#[test]
fn a_span_with_everything_prints_what_python_prints() {
    for (format, trace_state, expected) in [
        (ConsoleFormat::Python2020, "a=1,b=it's", include_str!("../data/console-2020-full.json")),
        (
            ConsoleFormat::Launcher,
            "a=1,b=it's,c=q\"'\\",
            include_str!("../data/console-launcher-full.json"),
        ),
        (
            ConsoleFormat::Current,
            "a=1,b=it's,c=q\"'\\",
            include_str!("../data/console-current-full.json"),
        ),
    ] {
        let page = Page::default();
        everything(ConsoleExporter::to_writer(page.clone()).format(format), trace_state);
        assert_eq!(page.text(), expected, "{format:?}");
    }
    let (default, current) = (Page::default(), Page::default());
    everything(ConsoleExporter::to_writer(default.clone()), "");
    everything(ConsoleExporter::to_writer(current.clone()).format(ConsoleFormat::Current), "");
    assert_eq!(default.text(), current.text());
}

/// A span with a remote parent, a link, events, an error, and attributes of every type that Python has.
fn everything(exporter: ConsoleExporter, trace_state: &str) {
    let resource =
        [KeyValue::new("service.name", "shop"), KeyValue::new("n", 3), KeyValue::new("größe", "x")];
    let provider = TracerProvider::builder()
        .id_generator(FixedIds::new(1, &[0x00f0_67aa_0ba9_02b7]))
        .resource(Resource::empty().with(resource).with_schema_url(SCHEMA_URL))
        .processor(SimpleProcessor::new(exporter))
        .build();
    let other =
        SpanContext::new(TraceId::from_parts(0, 0x1234), SpanId::new(0x5678), TraceFlags::SAMPLED)
            .with_trace_state(TraceState::parse(trace_state).unwrap());
    let parent = Context::new().with_span_context(other.clone().with_remote(true));
    let link_attributes = [("k", Value::Bool(true))];
    let attributes: [(&str, Value<'_>); 13] = [
        ("i", 1.into()),
        ("neg", (-5).into()),
        ("f", 2.0.into()),
        ("e16", 1e16.into()),
        ("e-5", 1e-5.into()),
        ("e300", 1.5e300.into()),
        ("e-7", 1.25e-7.into()),
        ("z", (-0.0).into()),
        ("s", "\"a\"\n\t\r\u{8}\u{c}\\/".into()),
        ("l", Value::I64s(&[1, 2])),
        ("empty", Value::I64s(&[])),
        ("fs", Value::F64s(&[1.0, 2.5])),
        ("b", true.into()),
    ];
    let at = |micros| UNIX_EPOCH + Duration::from_nanos(MAY_2020) + Duration::from_micros(micros);
    let tracer = provider.tracer("everything");
    let mut span = tracer
        .span_builder("größe \u{1F980} \u{7f} \u{1b} \u{2028}")
        .kind(SpanKind::Server)
        .parent(&parent)
        .start_time(at(906_157))
        .attributes(&attributes)
        .links(&[Link::new(other).with_attributes(&link_attributes)])
        .start();
    span.add_event_at("hit", at(906_200), &[("key", "v".into())]);
    span.add_event_at("bare", at(906_200), &[]);
    span.set_status(StatusCode::Error, "broken");
    span.end_at(at(906_272));
}

#[test]
fn spans_of_many_threads_are_written_one_at_a_time() {
    let page = Page::default();
    let exporter = ConsoleExporter::to_writer(page.clone());
    let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter)).build();
    let start = Barrier::new(N_THREADS);
    thread::scope(|scope| {
        for _ in 0..N_THREADS {
            scope.spawn(|| {
                start.wait();
                (0..SPANS_OF_A_THREAD).for_each(|_| provider.tracer("test").start("work").end());
            });
        }
    });
    provider.close(LONG).unwrap();
    let writes = page.writes();
    assert_eq!(writes.len(), N_THREADS * SPANS_OF_A_THREAD);
    for write in writes {
        assert!(write.starts_with("{\n") && write.ends_with("\n}\n"), "{write}");
        serde_json::from_str::<serde_json::Value>(&write).unwrap();
    }
}

#[test]
fn what_is_exported_is_flushed() {
    let page = Page::default();
    let exporter = ConsoleExporter::to_writer(page.clone());
    let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter)).build();
    for n_spans in 1..=3 {
        provider.tracer("test").start("work").end();
        assert_eq!(page.n_flushes(), n_spans);
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_a_loss_and_no_panic() {
    // A program that ends without having read what it was given.
    let mut reader = Command::new(std::env::current_exe().unwrap())
        .arg("--list")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pipe = reader.stdin.take().unwrap();
    reader.wait().unwrap();
    let provider = TracerProvider::builder()
        .processor(BatchProcessor::new(ConsoleExporter::to_writer(pipe)))
        .build();
    provider.tracer("test").start("unread").end();
    let closed = provider.close(LONG).unwrap();
    assert_eq!((closed.exported_spans, closed.lost_spans), (0, 1));
    assert_eq!(provider.counts().failed_spans, 1);
}

/// What was written, write by write, and how often it was flushed.
#[derive(Clone, Default)]
struct Page {
    writes: Arc<Mutex<Vec<String>>>,
    n_flushes: Arc<AtomicUsize>,
}

impl Page {
    fn writes(&self) -> Vec<String> {
        self.writes.lock().unwrap().clone()
    }

    fn text(&self) -> String {
        self.writes().concat()
    }

    fn n_flushes(&self) -> usize {
        self.n_flushes.load(Ordering::Relaxed)
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.writes.lock().unwrap().push(text.to_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.n_flushes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// One trace id, and span ids in this order.
#[derive(Debug)]
struct FixedIds {
    trace_id: TraceId,
    span_ids: Vec<SpanId>,
    n_spans: AtomicUsize,
}

impl FixedIds {
    fn new(trace_id: u128, span_ids: &[u64]) -> Self {
        let span_ids = span_ids.iter().copied().map(SpanId::new).collect();
        Self { trace_id: TraceId::from(trace_id), span_ids, n_spans: AtomicUsize::new(0) }
    }
}

impl IdGenerator for FixedIds {
    fn new_trace_id(&self) -> TraceId {
        self.trace_id
    }

    fn new_span_id(&self) -> SpanId {
        self.span_ids[self.n_spans.fetch_add(1, Ordering::Relaxed)]
    }
}

const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.21.0";
/// A second of 2020-05-07, in nanoseconds since the Unix epoch.
const MAY_2020: u64 = 1_588_862_392_000_000_000;
const LONG: Duration = Duration::from_secs(30);
const N_THREADS: usize = 4;
const SPANS_OF_A_THREAD: usize = 100;
