//! Collectors that refuse, break off, dawdle, or talk nonsense.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;

use super::collector::{Collector, Reply};
use super::{LONG, SHORT, assert_account, export, flush, impatient};
use crate::exporter::otlp::{
    HttpAnswer, HttpError, HttpPost, HttpTransport, OtlpExporter, OtlpStats,
};
use crate::exporter::{ExportError, SpanExporter};
use crate::{BatchProcessor, FlushError, TracerProvider};

/// Exports five spans, flushes, and returns what was counted.
fn flushed(replies: impl IntoIterator<Item = Reply>) -> (OtlpStats, Collector) {
    let collector = Collector::start(replies);
    let mut exporter = impatient().endpoint(&collector.url()).build().unwrap();
    export(&mut exporter, "work", 5).unwrap();
    flush(&mut exporter, LONG);
    assert_account(&exporter, 5);
    assert_eq!(exporter.held_spans(), 0);
    (exporter.stats().snapshot(), collector)
}

fn partial_success(rejected_spans: i64) -> Vec<u8> {
    let error_message = "no room".to_owned();
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
    ExportTraceServiceResponse { partial_success }.encode_to_vec()
}

#[test]
fn what_may_pass_is_tried_once_more() {
    let broken = b"HTTP/1.1 200 OK\r\nContent-".to_vec();
    let endless_head = [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; 1 << 20]].concat();
    for (what, reply) in [
        ("too many requests", Reply::Answer(429, "Retry-After: 0\r\n", Vec::new())),
        (
            "a date in the past",
            Reply::Answer(429, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Vec::new()),
        ),
        ("a wait that is none", Reply::Answer(503, "Retry-After: later\r\n", Vec::new())),
        ("bad gateway", Reply::status(502)),
        ("service unavailable", Reply::status(503)),
        ("gateway timeout", Reply::Answer(504, "", b"<html>no</html>".to_vec())),
        ("a reset", Reply::Reset),
        ("an end before the answer", Reply::Bytes(Vec::new())),
        ("an answer that breaks off", Reply::Bytes(broken)),
        ("an answer that is no HTTP", Reply::Bytes(b"\x00\x01\x02 SSH-2.0\r\n\r\n".to_vec())),
        ("a head without end", Reply::Bytes(endless_head)),
    ] {
        let (stats, _) = flushed([reply.clone(), reply, Reply::status(200)]);
        assert_eq!(
            (stats.delivered_spans, stats.failed_requests, stats.accepted_requests),
            (5, 2, 1),
            "{what}"
        );
    }
}

#[test]
fn the_same_bytes_are_sent_once_more() {
    let (_, collector) = flushed([Reply::status(503), Reply::status(200)]);
    let (first, second) = (collector.receive(), collector.receive());
    assert!(first.body == second.body && first.headers == second.headers);
}

#[test]
fn a_collector_that_says_nothing_is_given_up_after_the_timeout() {
    let collector = Collector::start([Reply::Silence, Reply::status(200)]);
    let exporter = impatient().endpoint(&collector.url()).timeout(Duration::from_millis(100));
    let mut exporter = exporter.build().unwrap();
    export(&mut exporter, "work", 5).unwrap();
    flush(&mut exporter, LONG);
    let stats = exporter.stats().snapshot();
    assert!(stats.failed_requests >= 1, "{stats:?}");
    assert_eq!(stats.delivered_spans, 5);
}

#[cfg(feature = "otlp-tls")]
#[test]
fn a_collector_that_speaks_no_tls_gives_no_answer() {
    for reply in
        [Reply::status(200), Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), Reply::Reset]
    {
        let collector = Collector::start([reply]);
        let url = collector.url().replace("http://", "https://");
        let exporter = impatient().endpoint(&url).timeout(SHORT).max_retry_time(Duration::ZERO);
        let mut exporter = exporter.build().unwrap();
        export(&mut exporter, "work", 5).unwrap();
        flush(&mut exporter, LONG);
        assert_eq!(exporter.stats().snapshot().expired_spans, 5);
        assert!(collector.has_received_nothing(), "spans went out in the open");
    }
}

#[test]
fn a_status_that_says_no_costs_the_request_and_no_other() {
    for status in [301, 304, 307, 308, 400, 401, 403, 404, 408, 413, 415, 500, 501, 505, 599] {
        let collector = Collector::start([Reply::status(status), Reply::status(202)]);
        let mut exporter = impatient().endpoint(&collector.url()).build().unwrap();
        for n_spans in [5, 3] {
            export(&mut exporter, "work", n_spans).unwrap();
            flush(&mut exporter, LONG);
        }
        let stats = exporter.stats().snapshot();
        let counted = (stats.refused_spans, stats.delivered_spans, stats.failed_requests);
        assert_eq!(counted, (5, 3, 0), "{status}");
        assert_account(&exporter, 8);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let other = Collector::start([Reply::status(200)]);
    let location: &'static str =
        Box::leak(format!("Location: {}/v1/traces\r\n", other.url()).into_boxed_str());
    for status in [301, 302, 303, 307, 308] {
        let (stats, _) = flushed([Reply::Answer(status, location, Vec::new())]);
        assert_eq!(stats.refused_spans, 5, "{status}");
    }
    assert!(other.has_received_nothing());
}

#[test]
fn spans_that_the_collector_leaves_out_are_lost() {
    for (rejected_spans, expected) in [(0, 0), (2, 2), (5, 5), (6, 5), (i64::MAX, 5), (-1, 0)] {
        let (stats, _) = flushed([Reply::Answer(200, "", partial_success(rejected_spans))]);
        assert_eq!(
            (stats.rejected_spans, stats.delivered_spans),
            (expected, 5 - expected),
            "{rejected_spans}"
        );
    }
}

#[test]
fn a_request_counts_as_accepted_whatever_else_the_answer_says() {
    let cut_off = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc".to_vec();
    let chunked = [
        &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n\x0A\x0B\x08\x00\x12\r\n"
            [..],
        b"8\r\n\x07no room\r\n0\r\n\r\n",
    ]
    .concat();
    for (what, reply) in [
        ("garbage", Reply::Answer(200, "", vec![0xFF; 100])),
        ("a page", Reply::Answer(200, "Content-Type: text/html\r\n", b"<html>".to_vec())),
        ("JSON", Reply::Answer(202, "Content-Type: application/json\r\n", b"{}".to_vec())),
        ("no content", Reply::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())),
        ("a huge answer", Reply::Answer(200, "", vec![b'x'; 32 << 20])),
        ("a body that breaks off", Reply::Bytes(cut_off)),
        ("a body in pieces", Reply::Bytes(chunked)),
        ("an old server", Reply::Bytes(b"HTTP/1.0 200 OK\r\n\r\nhello".to_vec())),
        ("gzip that is none", Reply::Answer(200, "Content-Encoding: gzip\r\n", b"x".to_vec())),
    ] {
        let (stats, _) = flushed([reply]);
        assert_eq!((stats.delivered_spans, stats.failed_requests), (5, 0), "{what}");
    }
}

#[test]
fn an_answer_is_read_no_further_than_is_of_use() {
    #[derive(Debug)]
    struct Measuring(super::super::http_client::HttpClient, Arc<AtomicUsize>);

    impl HttpTransport for Measuring {
        fn post(&mut self, post: &HttpPost<'_>) -> Result<HttpAnswer, HttpError> {
            let answer = self.0.post(post)?;
            self.1.store(answer.body.len(), Ordering::SeqCst);
            Ok(answer)
        }
    }

    let collector = Collector::start([Reply::Answer(200, "", vec![b'x'; 8 << 20])]);
    let n_bytes = Arc::new(AtomicUsize::new(0));
    let transport = Measuring(super::super::http_client::HttpClient::new(), Arc::clone(&n_bytes));
    let exporter = impatient().endpoint(&collector.url()).transport(transport);
    let mut exporter = exporter.build().unwrap();
    export(&mut exporter, "work", 1).unwrap();
    flush(&mut exporter, LONG);
    assert_eq!(n_bytes.load(Ordering::SeqCst), HttpAnswer::MAX_ANSWER_BYTES);
}

#[test]
fn a_close_does_not_wait_for_a_flush_that_waits_for_the_collector() {
    let asks_for_time = Reply::Answer(503, "Retry-After: 50\r\n", Vec::new());
    let collector = Collector::start([asks_for_time]);
    let exporter = OtlpExporter::builder().endpoint(&collector.url()).build().unwrap();
    let stats = exporter.stats();
    let provider = TracerProvider::builder().processor(BatchProcessor::new(exporter)).build();
    let tracer = provider.tracer("tests");
    tracer.start("early").end();
    thread::scope(|threads| {
        let flush = threads.spawn(|| provider.flush(LONG));
        collector.receive();
        // The flush has begun to wait, or will; what ends meanwhile does not wait in the queue for it.
        tracer.start("late").end();
        let less_than_the_wait = LONG / 6;
        let closed = provider.close(less_than_the_wait).expect("the worker is free to close");
        assert_eq!((closed.exported_spans, closed.lost_spans), (0, 2));
        let flushed = flush.join().unwrap();
        let so_far = match flushed {
            Ok(flushed) | Err(FlushError::TimedOut { so_far: flushed, .. }) => flushed,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(so_far.exported_spans, 0);
    });
    assert_eq!(stats.snapshot().lost_spans(), 2);
}

#[test]
fn without_a_collector_spans_wait_and_are_lost_with_the_close() {
    let closed_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{closed_port}"), "http://nowhere.invalid:4318".to_owned()] {
        let mut exporter = impatient().endpoint(&url).build().unwrap();
        export(&mut exporter, "work", 5).unwrap();
        flush(&mut exporter, SHORT);
        assert_eq!(exporter.held_spans(), 5);
        exporter.close(SHORT).unwrap();
        let stats = exporter.stats().snapshot();
        assert_eq!((stats.closed_spans, exporter.held_spans()), (5, 0));
        assert!(matches!(export(&mut exporter, "late", 1), Err(ExportError::Closed)));
        exporter.close(SHORT).unwrap();
        flush(&mut exporter, SHORT);
        assert_account(&exporter, 5);
    }
}

#[test]
fn a_providers_account_holds_while_its_collector_is_in_trouble() {
    let collector = Collector::start([Reply::status(503)]);
    let exporter = impatient()
        .endpoint(&collector.url())
        .max_request_bytes(2_000)
        .max_backlog_bytes(10_000)
        .build()
        .unwrap();
    let stats = exporter.stats();
    let processor = BatchProcessor::builder(exporter).interval(LONG).max_queue_bytes(1 << 16);
    let provider = TracerProvider::builder().processor(processor.build()).build();
    let tracer = provider.tracer("tests");
    for round in 1..=3 {
        for _ in 0..2_000 {
            tracer.span_builder("work").root().start().end();
        }
        let flushed = provider.flush(SHORT);
        assert!(matches!(flushed, Err(FlushError::TimedOut { .. })), "{flushed:?}");
        let counts = provider.counts();
        assert_eq!(counts.finished_spans, 2_000 * round);
        assert_eq!(counts.exported_spans, 0);
    }
    // Whether it is in time or not: the worker comes to its end.
    let _ = provider.close(SHORT);
    let start = Instant::now();
    while provider.counts().pending_spans > 0 {
        assert!(start.elapsed() < LONG, "the worker never came to an end");
        thread::sleep(Duration::from_millis(1));
    }
    let (counts, stats) = (provider.counts(), stats.snapshot());
    assert_eq!((counts.finished_spans, counts.exported_spans), (6_000, 0));
    assert_eq!(counts.lost_spans(), 6_000);
    assert_eq!(counts.undelivered_spans, stats.lost_spans());
    assert!(stats.backlog_full_spans > 0 && stats.closed_spans > 0, "{stats:?}");
}

/// Answers as a list says, and in the end always with the last of it; notes when it was asked.
#[derive(Clone, Debug)]
struct Scripted {
    answers: Arc<Mutex<Vec<Result<HttpAnswer, &'static str>>>>,
    n_posts: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Result<HttpAnswer, &'static str>>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        Self { answers: Arc::new(Mutex::new(answers)), n_posts: Arc::default() }
    }

    fn n_posts(&self) -> usize {
        self.n_posts.load(Ordering::SeqCst)
    }
}

impl HttpTransport for Scripted {
    fn post(&mut self, _: &HttpPost<'_>) -> Result<HttpAnswer, HttpError> {
        self.n_posts.fetch_add(1, Ordering::SeqCst);
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.pop() } else { answers.last().cloned() }
        };
        match answer {
            Some(Err("panic")) => panic!("a transport's bug"),
            Some(answer) => Ok(answer?),
            None => Err("nothing to say".into()),
        }
    }
}

fn ok() -> Result<HttpAnswer, &'static str> {
    Ok(HttpAnswer::new(200))
}

fn retry_after(status: u16, retry_after: &str) -> Result<HttpAnswer, &'static str> {
    Ok(HttpAnswer { retry_after: Some(retry_after.to_owned()), ..HttpAnswer::new(status) })
}

fn exporter_of(transport: &Scripted) -> OtlpExporter {
    impatient().transport(transport.clone()).max_request_bytes(400).build().unwrap()
}

#[test]
fn no_one_sleeps_before_the_next_attempt_unless_a_flush_waits_for_it() {
    let transport = Scripted::new([retry_after(429, "3600"), ok()]);
    let mut exporter = OtlpExporter::builder()
        .transport(transport.clone())
        .max_request_bytes(400)
        .max_retry_time(2 * 3600 * Duration::from_secs(1))
        .build()
        .unwrap();
    // An hour would be noticed.
    for _ in 0..10 {
        export(&mut exporter, "work", 10).unwrap();
        exporter.tick(LONG).unwrap();
    }
    assert_eq!((transport.n_posts(), exporter.held_spans()), (1, 100));
    flush(&mut exporter, SHORT);
    assert_eq!((transport.n_posts(), exporter.held_spans()), (1, 100));
    exporter.close(SHORT).unwrap();
    let stats = exporter.stats().snapshot();
    assert_eq!((transport.n_posts(), stats.closed_spans), (1, 100), "the Collector asked for it");
}

#[test]
fn a_close_gives_a_collector_that_asked_for_nothing_a_last_chance() {
    let transport = Scripted::new([Err("refused"), ok()]);
    let exporter = OtlpExporter::builder().transport(transport.clone());
    let mut exporter = exporter.retry_wait(LONG, LONG).max_retry_time(2 * LONG).build().unwrap();
    export(&mut exporter, "work", 5).unwrap();
    exporter.tick(LONG).unwrap();
    exporter.tick(LONG).unwrap();
    assert_eq!((transport.n_posts(), exporter.held_spans()), (1, 5));
    exporter.close(LONG).unwrap();
    assert_eq!(exporter.stats().snapshot().delivered_spans, 5);
}

#[test]
fn what_waits_is_limited_and_what_is_too_much_is_lost() {
    let transport = Scripted::new([Err("refused")]);
    let exporter = OtlpExporter::builder().transport(transport.clone());
    let exporter = exporter.max_request_bytes(400).max_backlog_bytes(2_000);
    let mut exporter = exporter.retry_wait(LONG, LONG).max_retry_time(2 * LONG).build().unwrap();
    for round in 1..=20 {
        export(&mut exporter, "work", 10).unwrap();
        assert_account(&exporter, 10 * round);
    }
    let waiting: usize = exporter.backlog.iter().map(|waiting| waiting.request.body.len()).sum();
    assert!(waiting <= 2_000 && waiting == exporter.backlog_bytes, "{waiting}");
    let stats = exporter.stats().snapshot();
    assert!(stats.backlog_full_spans > 100, "{stats:?}");
    assert_eq!(transport.n_posts(), 1, "one failure tells enough");

    // Once the Collector is well again, all of the room is there again.
    *transport.answers.lock().unwrap() = vec![ok()];
    exporter.backoff.hurry();
    flush(&mut exporter, LONG);
    assert_eq!((exporter.held_spans(), exporter.backlog_bytes), (0, 0));
    assert_account(&exporter, 200);
}

#[test]
fn a_request_is_given_up_when_its_time_is_over() {
    let transport = Scripted::new([Ok(HttpAnswer::new(503))]);
    let exporter = impatient().transport(transport).max_request_bytes(400);
    let mut exporter = exporter.max_retry_time(Duration::from_millis(20)).build().unwrap();
    export(&mut exporter, "work", 50).unwrap();
    flush(&mut exporter, LONG);
    let stats = exporter.stats().snapshot();
    assert_eq!((stats.expired_spans, exporter.held_spans()), (50, 0));

    let transport = Scripted::new([Ok(HttpAnswer::new(503)), ok()]);
    let exporter = impatient().transport(transport.clone()).max_retry_time(Duration::ZERO);
    let mut exporter = exporter.build().unwrap();
    for _ in 0..2 {
        export(&mut exporter, "work", 5).unwrap();
        flush(&mut exporter, LONG);
    }
    let stats = exporter.stats().snapshot();
    assert_eq!((transport.n_posts(), stats.expired_spans, stats.delivered_spans), (2, 5, 5));
}

#[test]
fn a_transport_that_panics_costs_no_more_than_one_that_fails() {
    let transport = Scripted::new([Err("panic"), Err("panic"), ok()]);
    let mut exporter = exporter_of(&transport);
    export(&mut exporter, "work", 5).unwrap();
    flush(&mut exporter, LONG);
    let stats = exporter.stats().snapshot();
    assert_eq!((stats.failed_requests, stats.delivered_spans), (2, 5));
    assert!(exporter.fork_recipe().is_none(), "it has no recipe of its own");
}

#[test]
fn times_without_end_are_as_good_as_others() {
    let transport = Scripted::new([Err("refused"), ok()]);
    let exporter = OtlpExporter::builder()
        .transport(transport)
        .timeout(Duration::MAX)
        .retry_wait(Duration::ZERO, Duration::MAX)
        .max_retry_time(Duration::MAX);
    let mut exporter = exporter.max_request_bytes(0).max_backlog_bytes(usize::MAX).build().unwrap();
    export(&mut exporter, "work", 5).unwrap();
    exporter.tick(Duration::MAX).unwrap();
    flush(&mut exporter, Duration::MAX);
    exporter.close(Duration::MAX).unwrap();
    assert_eq!(exporter.stats().snapshot().delivered_spans, 5);
}
