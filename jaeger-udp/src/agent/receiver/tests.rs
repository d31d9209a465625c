use super::*;
use crate::ClientStats;
use crate::codec::{Buffer, Compact, ThriftProtocol, jaeger_thrift as wire};

fn batch(service_name: &str, seq_no: i64, stats: ClientStats) -> Vec<u8> {
    let mut out = Buffer::new();
    out.append(|out| {
        wire::message_head::<Compact>(out, 1);
        wire::process_head::<Compact>(out, service_name.as_bytes(), 0);
        Compact::stop(out);
        wire::spans_head::<Compact>(out, 0);
        wire::message_tail::<Compact>(out, Some(seq_no), Some(&stats));
    });
    out.to_vec()
}

#[test]
fn what_comes_in_is_counted_by_what_it_is() {
    let mut agent = Agent::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(agent.local_addr()).unwrap();
    let stats = ClientStats { full_queue_dropped_spans: 4, ..ClientStats::default() };
    let datagrams = [
        b"nonsense".to_vec(),
        vec![0x82, 0x81],
        batch("a", 1, ClientStats::default()),
        batch("b", 10, ClientStats::default()),
        batch("a", 4, stats),
        batch("a", 3, ClientStats::default()),
        [batch("b", 11, ClientStats::default()), vec![0; 3]].concat(),
    ];
    for datagram in &datagrams {
        client.send(datagram).unwrap();
    }
    let services: Vec<String> = (0..5)
        .map(|_| agent.recv_timeout(Duration::from_secs(5)).unwrap().process.service_name)
        .collect();
    assert_eq!(services, ["a", "b", "a", "a", "b"]);
    assert_eq!(agent.recv_timeout(Duration::ZERO), None);

    let counts = agent.counts();
    assert_eq!((counts.packets, counts.batches, counts.spans, counts.bad_packets()), (7, 5, 0, 2));
    assert_eq!((counts.unknown_protocol_packets, counts.malformed_packets), (1, 1));
    assert_eq!(counts.bytes, datagrams.iter().map(|datagram| datagram.len() as u64).sum::<u64>());
    assert_eq!((counts.seq_no_gaps, counts.batches_with_trailing_bytes), (2, 1));
    assert_eq!((counts.clients["a"].last_seq_no, counts.clients["a"].stats), (4, stats));
    assert_eq!(counts.clients["b"].last_seq_no, 11);
}

#[test]
fn waiting_ends_when_time_is_up_even_while_nonsense_comes_in() {
    let mut agent = Agent::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    assert_eq!(agent.recv_timeout(Duration::from_millis(20)), None);
    assert!(start.elapsed() >= Duration::from_millis(15));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..100 {
        client.send_to(b"nonsense", agent.local_addr()).unwrap();
    }
    assert_eq!(agent.recv_timeout(Duration::from_millis(50)), None);
    assert_eq!(agent.counts().unknown_protocol_packets, 100);
}

#[test]
fn a_port_is_free_as_soon_as_its_agent_is_dropped() {
    let agent = Agent::bind("127.0.0.1:0").unwrap();
    let address = agent.local_addr();
    assert!(Agent::bind(address).is_err());
    drop(agent);
    assert_eq!(Agent::bind(address).unwrap().local_addr(), address);
}
