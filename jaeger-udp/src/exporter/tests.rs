use std::collections::VecDeque;
use std::net::UdpSocket;
use std::sync::Mutex;
use std::time::Instant;

use otel_core::{BatchProcessor, KeyValue, SimpleProcessor, SpanKind, StatusCode, TracerProvider};
use proptest::prelude::*;

use super::*;
use crate::agent::{Agent, decode_message};
use crate::model::{Batch, Span, TagValue};
use crate::testing::TestSpan;
use crate::{Datagrams, InMemoryTransport, Stats};

/// What a transport double does with the datagrams that come, in turn; Take afterwards.
#[derive(Clone, Copy, Debug)]
enum Act {
    Take,
    /// Takes it, and says at the next opportunity that it was refused.
    TakeAndRefuse,
    Fail,
    Unresolved,
}

#[derive(Debug)]
struct Double {
    acts: VecDeque<Act>,
    /// Longer datagrams are too long.
    max_bytes: usize,
    has_refused: bool,
    /// Datagrams that arrived: taken, and not refused.
    arrived: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Double {
    fn new(acts: &[Act], max_bytes: usize) -> (Self, Arc<Mutex<Vec<Vec<u8>>>>) {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        (
            Self {
                acts: acts.iter().copied().collect(),
                max_bytes,
                has_refused: false,
                arrived: arrived.clone(),
            },
            arrived,
        )
    }
}

impl Transport for Double {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.confirm()?;
        if datagram.len() > self.max_bytes {
            return Err(SendError::TooLong(io::Error::other("too long")));
        }
        match self.acts.pop_front().unwrap_or(Act::Take) {
            Act::Take => self.arrived.lock().unwrap().push(datagram.to_vec()),
            Act::TakeAndRefuse => self.has_refused = true,
            Act::Fail => return Err(SendError::Failed(io::Error::other("down"))),
            Act::Unresolved => {
                return Err(SendError::Unresolved {
                    host: "agent".to_owned(),
                    source: io::ErrorKind::NotFound.into(),
                });
            }
        }
        Ok(())
    }

    fn confirm(&mut self) -> Result<(), SendError> {
        match std::mem::take(&mut self.has_refused) {
            true => Err(SendError::Refused(io::ErrorKind::ConnectionRefused.into())),
            false => Ok(()),
        }
    }
}

fn shop() -> Resource {
    Resource::empty().with([KeyValue::new("service.name", "shop")])
}

fn exporter(max_packet_bytes: usize) -> (JaegerExporter, Datagrams) {
    let transport = InMemoryTransport::new();
    let datagrams = transport.datagrams();
    (
        JaegerExporter::builder().transport(transport).max_packet_bytes(max_packet_bytes).build(),
        datagrams,
    )
}

fn add(exporter: &mut JaegerExporter, span: &mut TestSpan) {
    exporter.add(&shop(), std::iter::once(span.view()));
}

/// Adds a span, and sends it in a datagram of its own.
fn send(exporter: &mut JaegerExporter, name: &str) {
    add(exporter, &mut TestSpan::new(name));
    exporter.send_open();
}

fn decoded(datagrams: &[Vec<u8>]) -> Vec<Batch> {
    datagrams.iter().map(|datagram| decode_message(datagram).unwrap().batch).collect()
}

fn names(batches: &[Batch]) -> Vec<&str> {
    batches.iter().flat_map(|batch| &batch.spans).map(|span| span.operation_name.as_str()).collect()
}

fn stats(exporter: &JaegerExporter) -> Stats {
    exporter.stats().snapshot()
}

#[test]
fn spans_wait_in_one_datagram_until_a_flush() {
    let (mut exporter, datagrams) = exporter(65_000);
    for name in ["a", "b", "c"] {
        add(&mut exporter, &mut TestSpan::new(name));
    }
    assert!(datagrams.take().is_empty());
    assert_eq!(exporter.held_spans(), 3);
    exporter.send_rest().unwrap();
    assert_eq!(exporter.held_spans(), 0);
    let sent = datagrams.take();
    let [message] = &sent[..] else { panic!("{} datagrams", sent.len()) };
    let batch = decode_message(message).unwrap().batch;
    assert_eq!(batch.process.service_name, "shop");
    assert_eq!(names(&[batch]), ["a", "b", "c"]);
    // Nothing is left, so nothing more goes out.
    exporter.send_rest().unwrap();
    assert!(datagrams.take().is_empty());
    let expected = Stats {
        sent_spans: 3,
        sent_datagrams: 1,
        sent_bytes: message.len() as u64,
        ..Stats::default()
    };
    assert_eq!(stats(&exporter), Stats { max_packet_bytes: 65_000, ..expected });
}

#[test]
fn batches_are_numbered_and_say_what_was_lost() {
    let (transport, arrived) = Double::new(&[Act::Take, Act::TakeAndRefuse, Act::Fail], usize::MAX);
    let mut exporter = JaegerExporter::builder().transport(transport).build();
    for name in ["a", "b", "c", "d"] {
        send(&mut exporter, name);
    }
    exporter.note_queue_drops(70);
    send(&mut exporter, "e");
    let batches = decoded(&arrived.lock().unwrap());
    assert_eq!(names(&batches), ["a", "d", "e"]);
    // Every datagram has a number, lost ones as well: a receiver can see the gap.
    assert_eq!(
        batches.iter().map(|batch| batch.seq_no).collect::<Vec<_>>(),
        [Some(1), Some(4), Some(5)]
    );
    let lost = |full_queue_dropped_spans, failed_to_emit_spans| {
        Some(ClientStats {
            full_queue_dropped_spans,
            too_large_dropped_spans: 0,
            failed_to_emit_spans,
        })
    };
    assert_eq!(
        batches.iter().map(|batch| batch.stats).collect::<Vec<_>>(),
        [lost(0, 0), lost(0, 2), lost(70, 2)]
    );
}

#[test]
fn spans_of_another_resource_close_the_datagram() {
    let (mut exporter, datagrams) = exporter(65_000);
    let (shop, bank) = (Resource::new("shop"), Resource::new("bank"));
    for resource in [&shop, &shop.clone(), &Resource::new("shop"), &bank, &shop] {
        exporter.add(resource, std::iter::once(TestSpan::new("op").view()));
    }
    exporter.send_rest().unwrap();
    let batches = decoded(&datagrams.take());
    let found: Vec<_> = batches
        .iter()
        .map(|batch| (batch.process.service_name.as_str(), batch.spans.len()))
        .collect();
    assert_eq!(found, [("shop", 3), ("bank", 1), ("shop", 1)]);
}

#[test]
fn golden_packet_1_comes_out_of_the_exporter_but_for_its_numbers() {
    let golden = include_str!("../../../tests/data/golden-1.hex").trim();
    let mut span = TestSpan::new("op")
        .attribute("s", "x")
        .attribute("d", 1.5)
        .attribute("b", true)
        .attribute("f", false)
        .attribute("l", -1);
    let resource = Resource::empty().with([KeyValue::new("service.name", "svc")]);
    for dialect in [Dialect::Otel, Dialect::JaegerClient] {
        let transport = InMemoryTransport::new();
        let datagrams = transport.datagrams();
        let mut exporter = JaegerExporter::builder().transport(transport).dialect(dialect).build();
        exporter.add(&resource, std::iter::once(span.view()));
        exporter.send_rest().unwrap();
        let hex: String = datagrams.take()[0].iter().map(|byte| format!("{byte:02x}")).collect();
        // Before the two ends of batch and arguments stand number 1 and three zeros.
        assert_eq!(hex, format!("{}16021c160016001600000000", &golden[..golden.len() - 4]));
    }
}

#[test]
fn a_datagram_that_the_system_finds_too_long_goes_out_as_several() {
    for protocol in [Protocol::Compact, Protocol::Binary] {
        for max_bytes in [508, 600, 1_400, 9_216, 40_000, 65_507] {
            let (transport, arrived) = Double::new(&[], max_bytes);
            let mut exporter =
                JaegerExporter::builder().transport(transport).protocol(protocol).build();
            let expected: Vec<String> = (0..3_000).map(|index| format!("span-{index}")).collect();
            for name in &expected {
                add(&mut exporter, &mut TestSpan::new(name));
            }
            exporter.send_rest().unwrap();
            let batches = decoded(&arrived.lock().unwrap());
            assert_eq!(names(&batches), expected, "at {max_bytes} bytes");
            let seq_nos: Vec<i64> = batches.iter().filter_map(|batch| batch.seq_no).collect();
            assert_eq!(seq_nos, (1..=seq_nos.len() as i64).collect::<Vec<_>>());
            let stats = stats(&exporter);
            assert_eq!((stats.sent_spans, stats.lost_spans()), (3_000, 0));
            assert!(stats.max_packet_bytes <= max_bytes as u64);
            assert_eq!(stats.resplit_datagrams > 0, max_bytes < 65_000);
            // The limit is found once.
            assert!(stats.resplit_datagrams < USUAL_LIMITS.len() as u64);
        }
    }
}

#[test]
fn datagrams_are_filled_to_what_an_agent_takes_and_no_further_unless_told_otherwise() {
    for (max_packet_bytes, limit) in [(None, 65_000), (Some(1_472), 1_472)] {
        let transport = InMemoryTransport::new();
        let datagrams = transport.datagrams();
        let mut builder = JaegerExporter::builder().transport(transport);
        if let Some(max_packet_bytes) = max_packet_bytes {
            builder = builder.max_packet_bytes(max_packet_bytes);
        }
        let mut exporter = builder.build();
        for _ in 0..5_000 {
            add(&mut exporter, &mut TestSpan::new("op"));
        }
        exporter.send_rest().unwrap();
        let mut lens: Vec<usize> = datagrams.take().iter().map(Vec::len).collect();
        lens.pop();
        assert!(
            !lens.is_empty() && lens.iter().all(|len| (limit - 120..=limit).contains(len)),
            "{lens:?}"
        );
        assert_eq!(stats(&exporter).max_packet_bytes, limit as u64);
    }
}

#[test]
fn a_system_that_takes_no_datagram_at_all_loses_and_counts_all() {
    let (transport, _) = Double::new(&[], 20);
    let mut exporter = JaegerExporter::builder().transport(transport).build();
    for index in 0..2_000 {
        add(&mut exporter, &mut TestSpan::new(&format!("span-{index}")));
    }
    let error = exporter.send_rest().unwrap_err();
    assert!(matches!(error, ReportError::Send { source: SendError::TooLong(_), .. }), "{error}");
    let stats = stats(&exporter);
    assert_eq!(
        (stats.send_failed_spans, stats.sent_spans, exporter.lost_spans()),
        (2_000, 0, 2_000)
    );
}

#[test]
fn a_span_that_is_too_long_for_a_limit_found_later_is_counted_by_name() {
    let (transport, arrived) = Double::new(&[], 2_000);
    let mut exporter = JaegerExporter::builder().transport(transport).build();
    for name in ["a", &"long".repeat(1_000), "b"] {
        add(&mut exporter, &mut TestSpan::new(name));
    }
    match exporter.send_rest().unwrap_err() {
        ReportError::SpanTooLarge { operation_name, trace_id, .. } => {
            assert_eq!((operation_name.len(), trace_id), (4_000, TraceId::from_parts(0, 1)));
        }
        other => panic!("{other}"),
    }
    assert_eq!(names(&decoded(&arrived.lock().unwrap())), ["a", "b"]);
    assert_eq!((stats(&exporter).too_large_spans, stats(&exporter).sent_spans), (1, 2));
}

#[test]
fn a_refusal_is_booked_to_the_datagram_before_and_the_one_at_hand_goes_out() {
    let (transport, arrived) =
        Double::new(&[Act::TakeAndRefuse, Act::Take, Act::TakeAndRefuse], usize::MAX);
    let mut exporter = JaegerExporter::builder().transport(transport).build();
    // Two spans in the first, which is refused; one in the second; three in the third, which is refused.
    for (n_spans, refused, sent) in [(2, 0, 2), (1, 2, 1), (3, 2, 4)] {
        for _ in 0..n_spans {
            add(&mut exporter, &mut TestSpan::new("op"));
        }
        exporter.send_open();
        assert_eq!((stats(&exporter).refused_spans, stats(&exporter).sent_spans), (refused, sent));
    }
    let error = exporter.send_rest().unwrap_err();
    assert!(
        matches!(error, ReportError::Send { n_spans: 3, source: SendError::Refused(_) }),
        "{error}"
    );
    assert_eq!((stats(&exporter).refused_spans, stats(&exporter).sent_spans), (5, 1));
    assert_eq!(arrived.lock().unwrap().len(), 1);
    // Said once; a later refusal of the same datagram counts nothing.
    exporter.send_rest().unwrap();
    exporter.book_refusal(io::ErrorKind::ConnectionRefused.into());
    assert_eq!(exporter.lost_spans(), 5);
}

#[test]
fn an_agent_without_an_address_costs_its_spans_alone() {
    let (transport, arrived) = Double::new(&[Act::Unresolved, Act::Unresolved], usize::MAX);
    let mut exporter = JaegerExporter::builder().transport(transport).build();
    for name in ["a", "b", "c"] {
        send(&mut exporter, name);
    }
    assert_eq!(stats(&exporter).unresolved_spans, 2);
    assert_eq!(names(&decoded(&arrived.lock().unwrap())), ["c"]);
}

#[test]
fn a_transport_that_refuses_for_ever_does_not_hold_up_the_exporter() {
    #[derive(Debug)]
    struct Refusing;
    impl Transport for Refusing {
        fn send(&mut self, _datagram: &[u8]) -> Result<(), SendError> {
            Err(SendError::Refused(io::ErrorKind::ConnectionRefused.into()))
        }
    }
    let mut exporter = JaegerExporter::builder().transport(Refusing).build();
    send(&mut exporter, "a");
    assert_eq!((stats(&exporter).send_failed_spans, exporter.lost_spans()), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_span_is_sent_or_counted_whatever_the_transport_does(
        acts in prop::collection::vec(0..4_usize, 0..40),
        sizes in prop::collection::vec(0..1500_usize, 1..120),
        max_packet_bytes in 300..4000_usize,
        max_bytes in 100..4000_usize,
    ) {
        let acts: Vec<Act> =
            acts.iter().map(|act| [Act::Take, Act::TakeAndRefuse, Act::Fail, Act::Unresolved][*act]).collect();
        let (transport, arrived) = Double::new(&acts, max_bytes);
        let mut exporter = JaegerExporter::builder().transport(transport).max_packet_bytes(max_packet_bytes).build();
        for (index, size) in sizes.iter().enumerate() {
            add(&mut exporter, &mut TestSpan::new(&"n".repeat(*size)).attribute("a", "v".repeat(*size).as_str()));
            if index % 7 == 6 {
                let _ = exporter.send_rest();
            }
        }
        let _ = exporter.send_rest();
        let stats = stats(&exporter);
        let batches = decoded(&arrived.lock().unwrap());
        prop_assert_eq!(stats.sent_spans + stats.lost_spans(), sizes.len() as u64);
        prop_assert_eq!(names(&batches).len() as u64, stats.sent_spans);
        prop_assert_eq!(stats.lost_spans(), exporter.lost_spans());
        for datagram in arrived.lock().unwrap().iter() {
            prop_assert!(datagram.len() <= max_packet_bytes.min(max_bytes));
        }
    }
}

/// Exports one span under a limit of 4,000 bytes, and returns what arrived of it.
fn trimmed(mut span: TestSpan) -> (Span, Stats) {
    let (mut exporter, datagrams) = exporter(4_000);
    add(&mut exporter, &mut TestSpan::new("before"));
    add(&mut exporter, &mut span);
    add(&mut exporter, &mut TestSpan::new("after"));
    let _ = exporter.send_rest();
    let sent = datagrams.take();
    assert!(sent.iter().all(|datagram| datagram.len() <= 4_000));
    let mut batches = decoded(&sent);
    assert_eq!(names(&batches).len(), 3);
    let span = batches.iter_mut().flat_map(|batch| batch.spans.drain(..)).nth(1).unwrap();
    assert_eq!(span.tag("internal.span.trimmed"), Some(&TagValue::Bool(true)));
    (span, stats(&exporter))
}

#[test]
fn a_span_that_alone_is_too_large_is_trimmed_step_by_step_and_marked() {
    // A long value is cut, and everything else stays.
    let (span, stats) =
        trimmed(TestSpan::new("op").attribute("a", "ü".repeat(9_000).as_str()).event("e", 0, &[]));
    assert_eq!(span.tag("a"), Some(&TagValue::String("ü".repeat(512))));
    assert_eq!(
        (span.logs.len(), stats.trimmed_spans, stats.sent_spans, stats.lost_spans()),
        (1, 1, 3, 0)
    );

    // Many logs: the newest half that fits stays, and all tags.
    let mut many = TestSpan::new("op").attribute("a", 1);
    for index in 0..400 {
        many = many.event("e", index * 1000, &[("field", "value".into())]);
    }
    let (span, _) = trimmed(many);
    assert_eq!((span.logs.len(), span.logs[0].timestamp), (100, 300));
    assert_eq!(span.tag("a"), Some(&TagValue::Long(1)));

    // Many tags: the first ones stay, and with them what must.
    let mut many = TestSpan::new("op").kind(SpanKind::Server).status(StatusCode::Error, "why");
    for index in 0..1_000 {
        many = many.attribute(&format!("key-{index:04}"), index);
    }
    let (span, _) = trimmed(many);
    assert_eq!(span.tag("key-0000"), Some(&TagValue::Long(0)));
    assert_eq!(span.tags.iter().filter(|tag| tag.key.starts_with("key")).count(), 125);
    assert_eq!(span.tag("error"), Some(&TagValue::Bool(true)));
    assert_eq!(span.tag("span.kind"), Some(&TagValue::from("server")));

    // Many references, and a long name in the last resort.
    let mut many = TestSpan::new("op");
    for index in 0..1_000 {
        many = many.link(TraceId::from_parts(u64::MAX / 3, u64::MAX / 5), index, &[]);
    }
    assert_eq!(trimmed(many).0.references.len(), 125);
    assert_eq!(trimmed(TestSpan::new(&"é".repeat(1 << 19))).0.operation_name, "é".repeat(512));
}

#[test]
fn a_span_that_cannot_be_trimmed_enough_is_dropped_and_named() {
    let (mut exporter, datagrams) = exporter(150);
    add(
        &mut exporter,
        &mut TestSpan::new(&"n".repeat(500)).attribute("error", "v".repeat(300).as_str()),
    );
    add(&mut exporter, &mut TestSpan::new("small"));
    let error = exporter.send_rest().unwrap_err();
    let ReportError::SpanTooLarge { operation_name, encoded_bytes, limit_bytes, trace_id } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (operation_name.as_str(), *trace_id),
        ("n".repeat(64).as_str(), TraceId::from_parts(0, 1))
    );
    assert!(encoded_bytes > limit_bytes && *limit_bytes < 150);
    let batches = decoded(&datagrams.take());
    assert_eq!(names(&batches), ["small"]);
    assert_eq!(batches[0].stats.unwrap().too_large_dropped_spans, 1);
    assert_eq!((stats(&exporter).too_large_spans, exporter.lost_spans()), (1, 1));
}

#[test]
fn a_process_larger_than_a_datagram_is_cut_down() {
    let resource = Resource::new("shop")
        .with((0..50).map(|index| KeyValue::new(format!("tag-{index}"), "v".repeat(3_000))));
    let (mut exporter, datagrams) = exporter(10_000);
    exporter.add(&resource, std::iter::once(TestSpan::new("op").view()));
    exporter.send_rest().unwrap();
    let batches = decoded(&datagrams.take());
    assert_eq!(names(&batches), ["op"]);
    assert_eq!(batches[0].process.service_name, "shop");
    assert!(stats(&exporter).trimmed_process_tags >= 46);
}

#[test]
fn a_closed_port_refuses_every_span_and_a_receiver_that_comes_later_gets_the_rest() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut exporter = JaegerExporter::builder().agent_host("127.0.0.1").agent_port(port).build();
    for _ in 0..5 {
        for _ in 0..3 {
            add(&mut exporter, &mut TestSpan::new("lost"));
        }
        exporter.send_open();
    }
    // The last refusal may take a moment.
    let deadline = Instant::now() + Duration::from_secs(5);
    while exporter.lost_spans() < 15 && Instant::now() < deadline {
        let _ = exporter.send_rest();
    }
    assert_eq!((stats(&exporter).refused_spans, stats(&exporter).sent_spans), (15, 0));

    let mut agent = Agent::bind(("127.0.0.1", port)).unwrap();
    add(&mut exporter, &mut TestSpan::new("found"));
    exporter.send_rest().unwrap();
    let batch = agent.recv_timeout(Duration::from_secs(5)).expect("a batch");
    assert_eq!(names(std::slice::from_ref(&batch)), ["found"]);
    assert_eq!(batch.stats.unwrap().failed_to_emit_spans, 15);
    assert_eq!((stats(&exporter).refused_spans, stats(&exporter).sent_spans), (15, 1));
}

#[test]
fn full_datagrams_arrive_over_loopback() {
    for protocol in [Protocol::Compact, Protocol::Binary] {
        let mut agent = Agent::bind("127.0.0.1:0").unwrap();
        let port = agent.local_addr().port();
        let mut exporter = JaegerExporter::builder().agent_port(port).protocol(protocol).build();
        let n_spans = 1_000;
        for index in 0..n_spans {
            add(
                &mut exporter,
                &mut TestSpan::new("op")
                    .attribute("index", index)
                    .attribute("text", "v".repeat(100).as_str()),
            );
        }
        exporter.send_rest().unwrap();
        let mut n_arrived = 0;
        while n_arrived < n_spans as usize {
            n_arrived += agent.recv_timeout(Duration::from_secs(5)).expect("a batch").spans.len();
        }
        assert_eq!(agent.counts().bytes, stats(&exporter).sent_bytes);
        assert_eq!((agent.counts().bad_packets(), agent.counts().seq_no_gaps), (0, 0));
    }
}

#[test]
fn a_closed_exporter_sends_no_more() {
    let (mut exporter, datagrams) = exporter(65_000);
    add(&mut exporter, &mut TestSpan::new("op"));
    exporter.close(Duration::from_secs(1)).unwrap();
    assert_eq!(datagrams.take().len(), 1);
    assert!(exporter.flush(Duration::from_secs(1)).is_ok());
    assert!(datagrams.take().is_empty());
}

#[test]
fn spans_of_a_provider_reach_an_agent() {
    let mut agent = Agent::bind("127.0.0.1:0").unwrap();
    let exporter = JaegerExporter::builder().agent_port(agent.local_addr().port()).build();
    let stats = exporter.stats();
    let provider = TracerProvider::builder()
        .resource(Resource::new("shop"))
        .processor(BatchProcessor::new(exporter))
        .build();
    let tracer = provider.tracer("checkout");
    for index in 0..100 {
        let mut span = tracer.start("charge");
        span.set_attribute("index", index).add_event("paid", &[("cents", 1999.into())]);
        span.set_status(StatusCode::Error, "declined");
        span.end();
    }
    let flushed = provider.close(Duration::from_secs(5)).unwrap();
    assert_eq!((flushed.exported_spans, flushed.lost_spans), (100, 0));
    let batch = agent.recv_timeout(Duration::from_secs(5)).expect("a batch");
    assert_eq!((batch.process.service_name.as_str(), batch.spans.len()), ("shop", 100));
    for (index, span) in batch.spans.iter().enumerate() {
        assert_eq!((span.operation_name.as_str(), span.flags), ("charge", 1));
        assert_eq!(span.tag("index"), Some(&TagValue::Long(index as i64)));
        assert_eq!(span.tag("error"), Some(&TagValue::Bool(true)));
        assert_eq!(span.tag("otel.scope.name"), Some(&TagValue::from("checkout")));
        assert_eq!(span.logs[0].fields[0].value, TagValue::from("paid"));
    }
    assert_eq!((stats.snapshot().sent_spans, stats.snapshot().lost_spans()), (100, 0));
}

#[test]
fn a_processor_knows_what_the_exporter_holds_and_loses() {
    let (transport, _) = Double::new(&[Act::TakeAndRefuse, Act::Fail], usize::MAX);
    let exporter = JaegerExporter::builder().transport(transport).build();
    let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter)).build();
    let tracer = provider.tracer("test");
    for (n_spans, lost_spans) in [(2, 2), (3, 5), (4, 5)] {
        (0..n_spans).for_each(|_| tracer.start("op").end());
        let flushed = provider.flush(Duration::from_secs(1)).unwrap();
        assert_eq!(flushed.lost_spans, lost_spans);
    }
    assert_eq!((provider.counts().finished_spans, provider.counts().exported_spans), (9, 4));
}

#[test]
fn what_a_receiver_on_this_machine_drops_stands_beside_the_account() {
    #[derive(Debug)]
    struct Slow;
    impl Transport for Slow {
        fn send(&mut self, _datagram: &[u8]) -> Result<(), SendError> {
            Ok(())
        }

        fn receiver_dropped_datagrams(&self) -> u64 {
            7
        }
    }
    let mut exporter = JaegerExporter::builder().transport(Slow).build();
    add(&mut exporter, &mut TestSpan::new("op"));
    exporter.send_rest().unwrap();
    let stats = stats(&exporter);
    assert_eq!((stats.receiver_dropped_datagrams, stats.sent_spans, stats.lost_spans()), (7, 1, 0));
}

/// A transport into memory that can be made again.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Vec<Vec<u8>>>>);

impl Transport for Memory {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.0.lock().unwrap().push(datagram.to_vec());
        Ok(())
    }

    fn fork_recipe(&self) -> Option<ForkRecipe<dyn Transport>> {
        let memory = self.clone();
        Some(ForkRecipe::new(move || -> Box<dyn Transport> { Box::new(memory.clone()) }))
    }
}

/// What a recipe makes, for a processor.
#[derive(Debug)]
struct Made(Box<dyn SpanExporter>);

impl SpanExporter for Made {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        self.0.export(batch)
    }

    fn flush(&mut self, timeout: Duration) -> Result<(), ExportError> {
        self.0.flush(timeout)
    }
}

#[test]
fn the_exporter_of_a_forks_child_begins_anew_and_leaves_the_open_datagram_to_its_parent() {
    let Memory(datagrams) = Memory::default();
    let transport = Memory(Arc::clone(&datagrams));
    let take = || std::mem::take(&mut *datagrams.lock().unwrap());
    let mut exporter = JaegerExporter::builder().transport(transport).build();
    let handle = exporter.stats();
    let recipe = exporter.fork_recipe().unwrap();
    let resource = Resource::new("service").with([KeyValue::new("client-uuid", "parent")]);
    let mut span = TestSpan::new("parents");
    exporter.add(&resource, [span.view()].into_iter());
    exporter.send_rest().unwrap();
    exporter.add(&resource, [span.view()].into_iter());
    take();
    let mut uuids = vec![TagValue::String("parent".to_owned())];
    for _ in 0..2 {
        let child = recipe.make();
        assert_eq!(handle.snapshot().sent_spans, 0);
        let provider = TracerProvider::builder()
            .resource(resource.clone())
            .processor(SimpleProcessor::new(Made(child)))
            .build();
        provider.tracer("test").start("childs").end();
        provider.close(Duration::from_secs(1)).unwrap();
        assert_eq!(handle.snapshot().sent_spans, 1);
        let batches = decoded(&take());
        assert_eq!((names(&batches), batches[0].seq_no), (vec!["childs"], Some(1)));
        let tags = &batches[0].process.tags;
        uuids.push(tags.iter().find(|tag| tag.key == "client-uuid").unwrap().value.clone());
    }
    assert!(uuids[0] != uuids[1] && uuids[1] != uuids[2] && uuids[2] != uuids[0], "{uuids:?}");
}

#[test]
fn a_transport_or_resolver_that_cannot_be_made_again_leaves_a_forks_child_without_an_exporter() {
    #[derive(Debug)]
    struct Only;
    impl Resolve for Only {
        fn resolve(&mut self, _: &str, _: u16) -> io::Result<Vec<std::net::SocketAddr>> {
            Ok(Vec::new())
        }
    }
    let builder = JaegerExporter::builder;
    assert!(builder().build().fork_recipe().is_some());
    assert!(builder().resolver(Only).build().fork_recipe().is_none());
    assert!(builder().transport(InMemoryTransport::new()).build().fork_recipe().is_none());
}

#[test]
fn errors_say_what_someone_needs_to_know() {
    let error = ReportError::SpanTooLarge {
        operation_name: "charge".to_owned(),
        trace_id: TraceId::from_parts(0, 0xAB),
        encoded_bytes: 70_112,
        limit_bytes: 64_900,
    };
    assert_eq!(
        error.to_string(),
        "span \"charge\" of trace 000000000000000000000000000000ab takes 70112 bytes, and a datagram has 64900 for it"
    );
    let source = SendError::Unresolved {
        host: "agent".to_owned(),
        source: io::Error::other("no such host"),
    };
    let error = ReportError::Send { n_spans: 3, source };
    assert_eq!(
        error.to_string(),
        "3 spans were lost: the agent's name \"agent\" has no address (no such host)"
    );
    assert!(std::error::Error::source(&error).is_some());
}
