use super::super::testing::{Lcg, numbers, span_context};
use super::*;
use crate::span_context::TraceFlags;

fn written(span_context: &SpanContext, baggage: &Baggage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JaegerBinaryPropagator.inject(span_context, baggage, &mut bytes);
    bytes
}

#[test]
fn the_layout_is_that_of_the_jaeger_clients() {
    let context = span_context(0x0102 << 64 | 0x0304, TraceFlags::SAMPLED | TraceFlags::DEBUG);
    let bytes = written(&context, &Baggage::new());
    let mut expected = [0; 37];
    (expected[6], expected[7], expected[14], expected[15]) = (1, 2, 3, 4);
    (expected[23], expected[32]) = (0xb, 3);
    assert_eq!(bytes, expected);
    let with_baggage = written(&context, &Baggage::new().with("ab", "c"));
    assert_eq!(with_baggage[..36], expected[..36]);
    assert_eq!(with_baggage[33..], *b"\0\0\0\x01\0\0\0\x02ab\0\0\0\x01c");
}

#[test]
fn bytes_are_appended_and_read_from_the_start() {
    let context = span_context(1, TraceFlags::SAMPLED);
    let mut bytes = b"before".to_vec();
    JaegerBinaryPropagator.inject(&context, &Baggage::new(), &mut bytes);
    assert_eq!((&bytes[..6], bytes.len()), (&b"before"[..], 43));
    bytes.extend_from_slice(b"after");
    let found = JaegerBinaryPropagator.extract(&bytes[6..]).unwrap();
    assert_eq!(numbers(&found), Some((1, 0xb, TraceFlags::SAMPLED)));
    assert!(found.span_context.unwrap().is_remote());
}

#[test]
fn nothing_is_written_of_nothing_and_baggage_needs_no_trace() {
    assert_eq!(written(&SpanContext::invalid(), &Baggage::new()), [0; 0]);
    assert_eq!(JaegerBinaryPropagator.extract(&[]).unwrap(), Extracted::default());
    assert_eq!(JaegerBinaryPropagator.extract(&[0; 37]).unwrap(), Extracted::default());
    let baggage = Baggage::new().with("user", "größe").with("empty", "");
    let found =
        JaegerBinaryPropagator.extract(&written(&SpanContext::invalid(), &baggage)).unwrap();
    assert_eq!((found.span_context, found.baggage), (None, baggage));
}

#[test]
fn every_truncation_is_an_error() {
    let baggage = Baggage::new().with("user", "ann").with("tenant", "7");
    let bytes = written(&span_context(1, TraceFlags::SAMPLED), &baggage);
    for length in 1..bytes.len() {
        let found = JaegerBinaryPropagator.extract(&bytes[..length]);
        assert_eq!(found, Err(BinaryError::Truncated), "{length} bytes");
    }
    assert_eq!(JaegerBinaryPropagator.extract(&bytes).unwrap().baggage, baggage);
}

#[test]
fn counts_and_lengths_out_of_bounds_are_refused_before_anything_is_reserved() {
    let head = written(&span_context(1, TraceFlags::NONE), &Baggage::new());
    let after_head = |numbers: &[i32], text: &[u8]| {
        let mut bytes = head[..33].to_vec();
        numbers.iter().for_each(|number| bytes.extend(number.to_be_bytes()));
        bytes.extend_from_slice(text);
        JaegerBinaryPropagator.extract(&bytes).unwrap_err()
    };
    for n_items in [-1, 181, i32::MAX, i32::MIN] {
        assert_eq!(after_head(&[n_items], b""), BinaryError::ItemCount { n_items });
    }
    for name_bytes in [-1, 4097, i32::MAX] {
        let expected = BinaryError::ItemLength { name_bytes, value_bytes: 0 };
        assert_eq!(after_head(&[1, name_bytes], b""), expected);
    }
    let too_long = after_head(&[1, 0, 4097], b"");
    assert_eq!(too_long, BinaryError::ItemLength { name_bytes: 0, value_bytes: 4097 });
    assert_eq!(after_head(&[180, 4096], b"short"), BinaryError::Truncated);
    assert_eq!(after_head(&[1, 2], b"\xff\xff"), BinaryError::NotText);
}

#[test]
fn items_beyond_the_limits_are_not_written() {
    let mut baggage =
        Baggage::new().with("long", &"x".repeat(4093)).with("fits", &"x".repeat(4092));
    for n in 0..200 {
        baggage = baggage.with(&format!("n{n}"), "");
    }
    let found =
        JaegerBinaryPropagator.extract(&written(&SpanContext::invalid(), &baggage)).unwrap();
    assert_eq!((found.baggage.len(), found.baggage.get("long")), (180, None));
    assert_eq!(found.baggage.get("fits").map(str::len), Some(4092));
}

#[test]
fn what_is_written_is_read_again_and_changed_bytes_do_no_harm() {
    let mut chance = Lcg(7);
    for _ in 0..2_000 {
        let trace_id = u128::from(chance.next()) << 64 | u128::from(chance.next() | 1);
        let context = span_context(trace_id, TraceFlags::SAMPLED);
        let baggage = Baggage::new().with(&format!("k{}", chance.next() % 9), "größe");
        let mut bytes = written(&context, &baggage);
        let found = JaegerBinaryPropagator.extract(&bytes).unwrap();
        assert_eq!(numbers(&found), Some((trace_id, 0xb, TraceFlags::SAMPLED)));
        assert_eq!(found.baggage, baggage);
        let place = chance.next() as usize % bytes.len();
        bytes[place] ^= 1 << (chance.next() % 8);
        if let Err(error) = JaegerBinaryPropagator.extract(&bytes) {
            assert!(!error.to_string().is_empty());
        }
    }
}
