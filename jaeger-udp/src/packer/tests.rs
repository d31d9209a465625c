use proptest::prelude::*;

use super::*;
use crate::agent::decode_message;
use crate::testing::TestSpan;

const PROTOCOLS: [Protocol; 2] = [Protocol::Compact, Protocol::Binary];
const MOST: ClientStats = ClientStats {
    full_queue_dropped_spans: i64::MIN,
    too_large_dropped_spans: i64::MIN,
    failed_to_emit_spans: i64::MIN,
};

fn packer(protocol: Protocol, max_packet_bytes: usize) -> Packer {
    let mut packer = Packer::new(protocol, max_packet_bytes);
    packer.set_process(|out| {
        with_protocol!(protocol, P => {
            out.append(|out| {
                wire::process_head::<P>(out, b"svc", 0);
                P::stop(out);
            });
        })
    });
    packer
}

/// The datagram as it comes out when it is written from front to back.
fn written_in_order<P: ThriftProtocol>(
    spans: &[Vec<u8>],
    seq_no: i64,
    stats: &ClientStats,
) -> Vec<u8> {
    let mut message = Buffer::new();
    message.append(|out| {
        wire::message_head::<P>(out, seq_no as i32);
        wire::process_head::<P>(out, b"svc", 0);
        P::stop(out);
        wire::spans_head::<P>(out, spans.len());
        spans.iter().for_each(|span| out.copy(span));
        wire::message_tail::<P>(out, Some(seq_no), Some(stats));
    });
    message.to_vec()
}

#[test]
fn what_is_put_in_front_at_the_end_is_exact_at_every_length_of_the_list_head() {
    for protocol in PROTOCOLS {
        let mut packer = packer(protocol, 1 << 20);
        for n_spans in [1, 14, 15, 16, 127, 128, 129, 16_383, 16_384, 16_385] {
            let spans = vec![vec![0x11, 0x22]; n_spans];
            spans.iter().for_each(|span| packer.add_encoded(span).unwrap());
            for seq_no in [1, 64, 128, 20_000] {
                let stats =
                    ClientStats { too_large_dropped_spans: seq_no * 3, ..ClientStats::default() };
                let expected =
                    with_protocol!(protocol, P => written_in_order::<P>(&spans, seq_no, &stats));
                // Sealed again with other numbers, it is none the worse.
                assert_eq!(
                    packer.seal(seq_no, &stats),
                    expected,
                    "{n_spans} spans, number {seq_no}"
                );
            }
            packer.clear();
        }
    }
}

#[test]
fn a_datagram_is_filled_up_to_the_limit_and_never_beyond_whatever_its_numbers() {
    for protocol in PROTOCOLS {
        for max_packet_bytes in 150..700 {
            let mut packer = packer(protocol, max_packet_bytes);
            while packer.add_encoded(&[7; 3]).is_ok() {}
            let len = packer.seal(i64::MIN, &MOST).len();
            // The longest numbers: 32 bits of the message's own are clear in the number above.
            assert!(len <= max_packet_bytes, "{len} of {max_packet_bytes} bytes");
            assert!(len + 3 + 5 > max_packet_bytes, "{len} of {max_packet_bytes} bytes");
        }
    }
}

#[test]
fn overhead_is_what_jaegers_clients_measured() {
    // 71 bytes around Process and spans with both numbers at their longest, 85 in binary.
    let process_bytes = packer(Protocol::Compact, 1000).process.len();
    assert_eq!(packer(Protocol::Compact, 1000).overhead(200) - process_bytes, 71);
    let process_bytes = packer(Protocol::Binary, 1000).process.len();
    assert_eq!(packer(Protocol::Binary, 1000).overhead(200) - process_bytes, 85);
}

#[test]
fn a_span_that_does_not_fit_is_moved_out_whole() {
    let mut packer = packer(Protocol::Compact, 200);
    let mut spilled = Buffer::new();
    assert_eq!(packer.add(&mut spilled, |out| out.copy(&[1; 50])), Ok(()));
    assert_eq!(packer.add(&mut spilled, |out| out.copy(&[2; 100])), Err(DoesNotFit));
    assert_eq!(*spilled, [2; 100]);
    assert_eq!(packer.n_spans(), 1);
    let spans = packer.take_spans();
    assert_eq!(spans.iter().collect::<Vec<_>>(), [&[1; 50]]);
    assert!(packer.is_empty());
    assert_eq!(packer.add_encoded(&spilled), Ok(()));
    assert!(packer.max_span_bytes() >= 100);
}

#[test]
fn memory_of_an_unusual_span_is_given_back() {
    let mut packer = packer(Protocol::Compact, 1000);
    let mut spilled = Buffer::new();
    assert_eq!(packer.add(&mut spilled, |out| out.copy(&[0; 1 << 20])), Err(DoesNotFit));
    packer.clear();
    assert!(packer.bytes.capacity() <= 4000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_datagram_is_over_the_limit_and_no_span_is_lost_that_fits_alone(
        sizes in prop::collection::vec(0..900_usize, 1..60),
        max_packet_bytes in 200..3000_usize,
        is_binary: bool,
    ) {
        let protocol = if is_binary { Protocol::Binary } else { Protocol::Compact };
        let mut packer = packer(protocol, max_packet_bytes);
        let (mut sent, mut kept, mut spilled) = (Vec::new(), Vec::new(), Buffer::new());
        for (index, size) in sizes.iter().enumerate() {
            let mut span = TestSpan::new(&format!("{index}-{}", "n".repeat(*size)));
            let encoded = with_protocol!(protocol, P => span.encoded::<P>(crate::Dialect::Otel));
            let fits_alone = encoded.len() <= packer.max_span_bytes();
            if packer.add(&mut spilled, |out| out.copy(&encoded)) == Err(DoesNotFit) {
                if !packer.is_empty() {
                    sent.push(packer.seal(sent.len() as i64, &MOST).to_vec());
                    packer.clear();
                }
                prop_assert_eq!(packer.add_encoded(&spilled).is_ok(), fits_alone);
                spilled.clear();
            }
            if fits_alone {
                kept.push(span.view().name().to_string());
            }
        }
        sent.push(packer.seal(sent.len() as i64, &MOST).to_vec());
        let mut arrived = Vec::new();
        for datagram in &sent {
            prop_assert!(datagram.len() <= max_packet_bytes);
            let message = decode_message(datagram).unwrap();
            prop_assert_eq!(message.trailing_bytes, 0);
            arrived.extend(message.batch.spans.into_iter().map(|span| span.operation_name));
        }
        prop_assert_eq!(arrived, kept);
    }
}
