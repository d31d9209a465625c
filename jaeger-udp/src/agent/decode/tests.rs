use proptest::prelude::*;

use super::*;
use crate::Dialect;
use crate::codec::{Binary, Compact, ThriftProtocol};
use crate::testing::{TestSpan, message_of};
use otel_core::{TraceId, Value};

fn hex(text: &str) -> Vec<u8> {
    let digits = text.trim().as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn goldens() -> [Vec<u8>; 4] {
    [
        hex(include_str!("../../../../tests/data/golden-1.hex")),
        hex(include_str!("../../../../tests/data/golden-2.hex")),
        hex(include_str!("../../../../tests/data/golden-3.hex")),
        hex(include_str!("../../../../tests/data/golden-4.hex")),
    ]
}

/// A span with one of everything.
fn rich_span<P: ThriftProtocol>() -> Vec<u8> {
    let mut span = TestSpan::new("operation")
        .ids(TraceId::from_parts(u64::MAX, 7), u64::MAX / 3, 5)
        .attribute("s", "text")
        .attribute("d", 0.5)
        .attribute("b", true)
        .attribute("l", -77)
        .attribute("y", &[1_u8, 2, 3])
        .attribute("a", Value::I64s(&[1, 2]))
        .event("e", 1_000, &[("x", "y".into()), ("z", false.into())])
        .link(TraceId::from_parts(1, 2), 3, &[]);
    message_of::<P>(&span.encoded::<P>(Dialect::Otel))
}

#[test]
fn golden_packets_decode() {
    let [one, two, three, four] = goldens();
    let message = decode_message(&one).unwrap();
    assert_eq!(
        (message.message_type, message.seq_id, message.trailing_bytes),
        (MessageType::Oneway, 1, 0)
    );
    let [span] = &message.batch.spans[..] else { panic!() };
    assert_eq!(
        (span.operation_name.as_str(), span.start_time, span.duration),
        ("op", 1_000_000, 10)
    );
    let tags: Vec<(&str, &TagValue)> =
        span.tags.iter().map(|tag| (tag.key.as_str(), &tag.value)).collect();
    assert_eq!(
        tags,
        [
            ("s", &TagValue::from("x")),
            ("d", &TagValue::Double(1.5)),
            ("b", &TagValue::Bool(true)),
            ("f", &TagValue::Bool(false)),
            ("l", &TagValue::Long(-1)),
        ]
    );
    assert_eq!(decode_message(&four).unwrap().batch, message.batch);

    let span = &decode_message(&two).unwrap().batch.spans[0];
    assert_eq!(
        (span.references[0].ref_type, span.references[0].span_id),
        (SpanRefType::ChildOf, 3)
    );
    assert_eq!((span.logs[0].timestamp, span.logs[0].fields[0].key.as_str()), (5, "s"));

    let batch = decode_message(&three).unwrap().batch;
    let stats = ClientStats {
        full_queue_dropped_spans: 1,
        too_large_dropped_spans: 2,
        failed_to_emit_spans: 3,
    };
    assert_eq!((batch.spans.len(), batch.seq_no, batch.stats), (0, Some(7), Some(stats)));
}

#[test]
fn every_truncation_is_an_error_and_more_bytes_are_told_of() {
    let [one, two, three, four] = goldens();
    for datagram in [one, two, three, four, rich_span::<Compact>(), rich_span::<Binary>()] {
        assert!(decode_message(&datagram).is_ok());
        for len in 0..datagram.len() {
            assert!(
                decode_message(&datagram[..len]).is_err(),
                "cut to {len} of {}",
                datagram.len()
            );
        }
        let mut longer = datagram.clone();
        longer.extend_from_slice(b"more");
        assert_eq!(decode_message(&longer).unwrap().trailing_bytes, 4);
    }
}

#[test]
fn what_is_no_batch_is_an_error_of_its_own() {
    assert!(matches!(decode_message(&[]), Err(DecodeError::UnknownProtocol { first_byte: None })));
    assert!(matches!(
        decode_message(b"GET /"),
        Err(DecodeError::UnknownProtocol { first_byte: Some(b'G') })
    ));
    assert!(matches!(
        decode_message(&vec![0x82; 65_536]),
        Err(DecodeError::TooLong { len: 65_536 })
    ));
    let [one, ..] = goldens();
    let mut other = one.clone();
    other[4..13].copy_from_slice(b"emitOther");
    match decode_message(&other) {
        Err(DecodeError::UnknownMethod { name }) => assert_eq!(name, "emitOther"),
        other => panic!("{other:?}"),
    }
    // No batch among the arguments; a batch without a Process.
    for (arguments, expected) in
        [(&[0_u8][..], "emitBatch.batch"), (&[0x1c, 0x29, 0x0c, 0, 0], "Batch.process")]
    {
        match decode_message(&[&one[..13], arguments].concat()) {
            Err(DecodeError::MissingField { field }) => assert_eq!(field, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn unknown_fields_are_skipped() {
    let [.., three, _] = goldens();
    // Field 5 of the batch: text, a list of booleans, a map, a struct in a struct.
    let unknown: [&[u8]; 5] = [
        &[0x18, 2, b'h', b'i'],
        &[0x19, 0x31, 1, 2, 1],
        &[0x1b, 1, 0x85, 1, b'k', 4],
        &[0x1b, 0],
        &[0x1c, 0x1c, 0x15, 2, 0, 0],
    ];
    for field in unknown {
        let (head, ends) = three.split_at(three.len() - 2);
        let message = decode_message(&[head, field, ends].concat()).unwrap();
        assert_eq!((message.batch.seq_no, message.trailing_bytes), (Some(7), 0));
    }
}

#[test]
fn a_field_of_a_wrong_type_counts_as_unknown_and_text_need_not_be_utf8() {
    let [one, ..] = goldens();
    let at = one.windows(3).position(|window| window == b"svc").unwrap();
    let mut odd = one;
    odd[at] = 0xFF;
    assert_eq!(decode_message(&odd).unwrap().batch.process.service_name, "\u{FFFD}vc");
    // The name's type becomes i32, which swallows its length: what follows makes no sense, or lacks the name.
    odd[at - 2] = 0x15;
    assert!(decode_message(&odd).is_err());
}

#[test]
fn a_bomb_claims_more_than_it_has_and_gets_nothing() {
    let head = [&[0x82, 0x81, 1, 9][..], b"emitBatch"].concat();
    let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0x07];
    let bombs: Vec<Vec<u8>> = vec![
        // A name of 2 GiB, a list of 2 billion spans, tags, unknown items, a map.
        [&[0x82, 0x81, 1][..], &huge].concat(),
        [&head[..], &[0x1c, 0x1c, 0x18], &huge].concat(),
        [&head[..], &[0x1c, 0x29, 0xFC], &huge].concat(),
        [&head[..], &[0x1c, 0x1c, 0x29, 0xFC], &huge].concat(),
        [&head[..], &[0x1c, 0x59, 0xF1], &huge].concat(),
        [&head[..], &[0x1c, 0x5b], &huge, &[0x55]].concat(),
        // Structs, lists and maps in each other, without end.
        [&head[..], &[0x1c; 60_000]].concat(),
        [&head[..], &[0x1c, 0x5c], &[0x1c; 60_000]].concat(),
        [&head[..], &[0x1c, 0x59], &[0x19; 60_000]].concat(),
        [&head[..], &[0x1c, 0x5b], &[1, 0xBB].repeat(30_000)].concat(),
        // The same in binary: negative and huge lengths.
        [&[0x80, 1, 0, 4][..], &[0xFF; 4]].concat(),
        [&[0x80, 1, 0, 4][..], &[0x7F, 0xFF, 0xFF, 0xFF]].concat(),
        [
            &[0x80, 1, 0, 4, 0, 0, 0, 9][..],
            b"emitBatch",
            &[0, 0, 0, 1, 12, 0, 1, 15, 0, 2, 12, 0x7F, 0xFF, 0xFF, 0xFF],
        ]
        .concat(),
        [&[0x80, 1, 0, 4, 0, 0, 0, 9][..], b"emitBatch", &[0, 0, 0, 1], &[12, 0, 5].repeat(20_000)]
            .concat(),
    ];
    for bomb in bombs {
        let error = decode_message(&bomb).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn random_bytes_and_flipped_bits_never_panic() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let valid = [rich_span::<Compact>(), rich_span::<Binary>(), goldens()[2].clone()];
    for round in 0..40_000 {
        let mut datagram = valid[round % 3].clone();
        for _ in 0..=random() % 4 {
            let bit = random() as usize % (datagram.len() * 8);
            datagram[bit / 8] ^= 1 << (bit % 8);
        }
        let _ = decode_message(&datagram);
        // Random bytes behind a valid beginning.
        let keep = 14 + random() as usize % 30;
        datagram.truncate(keep);
        datagram.extend((0..random() % 60).map(|_| random() as u8));
        let _ = decode_message(&datagram);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_decode_or_are_refused(first in prop::sample::select(vec![0x80_u8, 0x82, 0]), bytes: Vec<u8>) {
        let _ = decode_message(&[&[first][..], &bytes].concat());
    }
}
