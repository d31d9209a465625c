//! What goes wrong on the way to an agent: nothing is lost unseen, and everything recovers.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use integration_tests::Receiver;
use jaeger_udp::{JaegerExporter, Resolve};
use opentracing_shim::jaeger::{Config, JaegerTracer};
use otel_core::{BatchProcessor, Resource, TracerProvider};

const LONG: Duration = Duration::from_secs(60);

fn tracer_for(port: u16) -> JaegerTracer {
    let config = Config::new("faults").agent_host("127.0.0.1").agent_port(port);
    config.flush_interval(Duration::from_secs(600)).build().unwrap()
}

fn finish_spans(tracer: &JaegerTracer, n_spans: usize) {
    for _ in 0..n_spans {
        tracer.start_span("work").finish();
    }
}

/// Returns a port of 127.0.0.1 that nobody listens on.
fn closed_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn spans_for_an_absent_agent_are_counted_and_its_arrival_is_noticed() {
    let port = closed_port();
    let tracer = tracer_for(port);
    finish_spans(&tracer, 10);
    let flushed = tracer.flush(LONG).unwrap();
    assert_eq!((flushed.reported_spans, flushed.lost_spans), (0, 10));
    assert_eq!(tracer.stats().refused_spans, 10);
    let receiver = Receiver::start_at(&format!("127.0.0.1:{port}"));
    finish_spans(&tracer, 5);
    let flushed = tracer.flush(LONG).unwrap();
    assert_eq!((flushed.reported_spans, flushed.lost_spans), (5, 10));
    assert!(receiver.wait_for_spans(5, LONG));
}

#[test]
fn while_an_agent_is_away_every_span_is_given_or_counted() {
    let receiver = Receiver::start();
    let port = receiver.port();
    let tracer = tracer_for(port);
    let mut receiver = Some(receiver);
    let (mut n_arrived, mut n_finished) = (0, 0);
    for round in 0..30 {
        // Away in every third phase of five rounds, and back afterwards.
        let is_away = (round / 5) % 3 == 1;
        if is_away {
            if let Some(receiver) = receiver.take() {
                assert!(receiver.wait_for_spans(n_finished, LONG));
                n_arrived += receiver.spans().len();
            }
        } else if receiver.is_none() {
            receiver = Some(Receiver::start_at(&format!("127.0.0.1:{port}")));
            n_finished = 0;
        }
        finish_spans(&tracer, 700);
        n_finished += 700;
        let flushed = tracer.flush(LONG).unwrap();
        assert_eq!(flushed.reported_spans + flushed.lost_spans, 700 * (round + 1), "round {round}");
    }
    let flushed = tracer.close(LONG).unwrap();
    let receiver = receiver.unwrap();
    assert!(receiver.wait_for_spans(n_finished, LONG));
    n_arrived += receiver.spans().len();
    assert_eq!(flushed.reported_spans as usize, n_arrived, "what was given arrived");
    assert_eq!(flushed.lost_spans, tracer.stats().refused_spans);
    assert_eq!(flushed.lost_spans, 10 * 700);
    let counts = tracer.counts();
    assert_eq!(counts.finished_spans, counts.exported_spans + counts.lost_spans());
}

/// A name that has no address at first.
#[derive(Debug)]
struct LateName {
    is_known: Arc<AtomicBool>,
    address: SocketAddr,
}

impl Resolve for LateName {
    fn resolve(&mut self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        match self.is_known.load(Ordering::Relaxed) {
            true => Ok(vec![self.address]),
            false => Err(io::Error::other("no such host")),
        }
    }
}

#[test]
fn a_name_without_an_address_costs_spans_and_no_start() {
    let receiver = Receiver::start();
    let is_known = Arc::new(AtomicBool::new(false));
    let address = format!("127.0.0.1:{}", receiver.port()).parse().unwrap();
    let exporter = JaegerExporter::builder()
        .agent_host("agent")
        .resolver(LateName { is_known: Arc::clone(&is_known), address })
        .build();
    let stats = exporter.stats();
    let processor = BatchProcessor::builder(exporter).interval(Duration::from_secs(600)).build();
    let provider =
        TracerProvider::builder().resource(Resource::new("faults")).processor(processor).build();
    provider.tracer("test").start("early").end();
    let flushed = provider.flush(LONG).unwrap();
    assert_eq!(
        (flushed.exported_spans, flushed.lost_spans, stats.snapshot().unresolved_spans),
        (0, 1, 1)
    );
    is_known.store(true, Ordering::Relaxed);
    // A name that had no address is asked for again after a while, not with each span.
    let mut n_finished = 1;
    while provider.counts().exported_spans == 0 {
        assert!(n_finished < 1_000, "the name's address was never found");
        std::thread::sleep(Duration::from_millis(20));
        provider.tracer("test").start("late").end();
        n_finished += 1;
        let flushed = provider.flush(LONG).unwrap();
        assert_eq!(flushed.exported_spans + flushed.lost_spans, n_finished);
    }
    assert!(receiver.wait_for_spans(1, LONG));
}

#[test]
fn a_full_queue_drops_and_counts_and_tells_the_agent() {
    let receiver = Receiver::start();
    let config = Config::new("faults").agent_host("127.0.0.1").agent_port(receiver.port());
    let tracer =
        config.flush_interval(Duration::from_secs(600)).max_queue_spans(1).build().unwrap();
    finish_spans(&tracer, 20_000);
    let flushed = tracer.flush(LONG).unwrap();
    assert_eq!(flushed.reported_spans + flushed.lost_spans, 20_000);
    assert_eq!(tracer.counts().queue_full_spans, flushed.lost_spans);
    assert!(flushed.lost_spans > 0);
    finish_spans(&tracer, 1);
    tracer.flush(LONG).unwrap();
    assert!(receiver.wait_for_spans(flushed.reported_spans as usize + 1, LONG));
    let last = receiver.batches().pop().unwrap();
    assert_eq!(last.stats.unwrap().full_queue_dropped_spans, flushed.lost_spans as i64);
}

#[test]
fn a_short_queue_loses_nothing_to_spans_that_come_one_by_one() {
    let receiver = Receiver::start();
    let config = Config::new("faults").agent_host("127.0.0.1").agent_port(receiver.port());
    let tracer =
        config.flush_interval(Duration::from_secs(600)).max_queue_spans(100).build().unwrap();
    for _ in 0..60 {
        finish_spans(&tracer, 5);
        std::thread::sleep(Duration::from_millis(5));
    }
    let flushed = tracer.flush(LONG).unwrap();
    assert_eq!((flushed.reported_spans, flushed.lost_spans), (300, 0));
}

#[test]
fn a_value_that_panics_in_a_log_costs_that_log_and_no_neighbour() {
    struct Broken;
    impl std::fmt::Display for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("a caller's bug")
        }
    }
    let receiver = Receiver::start();
    let tracer = tracer_for(receiver.port());
    finish_spans(&tracer, 100);
    std::thread::scope(|scope| {
        let job = scope.spawn(|| {
            let mut span = tracer.start_span("job");
            let broken = opentracing_api::Value::display(&Broken);
            span.log_kv([("event", opentracing_api::Value::from("begin")), ("job", broken)]);
        });
        assert!(job.join().is_err());
    });
    let flushed = tracer.flush(LONG).unwrap();
    assert_eq!((flushed.reported_spans, flushed.lost_spans), (101, 0));
    assert!(receiver.wait_for_spans(101, LONG));
}

#[test]
fn a_burst_past_the_queues_bytes_is_bounded_and_counted() {
    let receiver = Receiver::start();
    let config = Config::new("faults").agent_host("127.0.0.1").agent_port(receiver.port());
    let tracer =
        config.flush_interval(Duration::from_secs(600)).max_queue_bytes(64 << 10).build().unwrap();
    for _ in 0..100 {
        let mut span = tracer.start_span("large");
        span.set_tag("body", "x".repeat(60_000));
        span.finish();
    }
    let flushed = tracer.flush(LONG).unwrap();
    assert_eq!(flushed.reported_spans + flushed.lost_spans, 100);
    assert!(flushed.lost_spans > 0);
    assert!(receiver.wait_for_spans(flushed.reported_spans as usize, LONG));
}

#[test]
fn a_tracer_that_is_dropped_or_closed_twice_harms_nobody() {
    let receiver = Receiver::start();
    let tracer = tracer_for(receiver.port());
    finish_spans(&tracer, 3);
    let handle: opentracing_api::Tracer = tracer.clone();
    assert_eq!(tracer.close(LONG).unwrap(), handle.close(LONG).unwrap());
    drop(tracer);
    let mut late = handle.start_span("late");
    late.set_tag("key", 1);
    late.finish();
    assert!(receiver.wait_for_spans(3, LONG));
    assert_eq!(receiver.spans().len(), 3);
}

#[test]
fn a_program_that_bursts_and_closes_hears_of_what_the_agent_was_too_slow_for() {
    // Nobody reads: the socket's buffer takes some datagrams, and the kernel drops the others.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tracer = tracer_for(socket.local_addr().unwrap().port());
    finish_spans(&tracer, 100_000);
    let flushed = tracer.close(LONG).unwrap();
    assert_eq!(flushed.reported_spans + flushed.lost_spans, 100_000);
    // Where the kernel shows its table of sockets, as Linux mostly does.
    let port = format!(":{:04X} ", socket.local_addr().unwrap().port());
    let table = std::fs::read_to_string("/proc/self/net/udp").unwrap_or_default();
    if table.contains(&port) {
        assert!(tracer.stats().receiver_dropped_datagrams > 0, "{:?}", tracer.stats());
    }
}
