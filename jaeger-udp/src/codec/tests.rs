use super::jaeger_thrift::*;
use super::*;
use crate::stats::ClientStats;

const GOLDEN_1: &str = include_str!("../../../tests/data/golden-1.hex");
const GOLDEN_2: &str = include_str!("../../../tests/data/golden-2.hex");
const GOLDEN_3: &str = include_str!("../../../tests/data/golden-3.hex");
const GOLDEN_4: &str = include_str!("../../../tests/data/golden-4.hex");

#[test]
fn golden_packets_come_out_byte_for_byte() {
    assert_eq!(hex(&message::<Compact>(1, None, None, span_with_tags::<Compact>)), GOLDEN_1.trim());
    assert_eq!(
        hex(&message::<Compact>(1, None, None, span_with_reference_and_log::<Compact>)),
        GOLDEN_2.trim()
    );
    let stats = ClientStats {
        full_queue_dropped_spans: 1,
        too_large_dropped_spans: 2,
        failed_to_emit_spans: 3,
    };
    assert_eq!(hex(&message::<Compact>(0, Some(7), Some(&stats), |_| ())), GOLDEN_3.trim());
    assert_eq!(hex(&message::<Binary>(1, None, None, span_with_tags::<Binary>)), GOLDEN_4.trim());
}

#[test]
fn varints_are_those_of_a_plain_loop_at_every_length() {
    let mut values = vec![0, 1, u64::MAX];
    for bit in 0..64 {
        values.extend([
            1 << bit,
            (1u64 << bit) - 1,
            (1u64 << bit) + 1,
            0xA5A5_A5A5_A5A5_A5A5 >> bit,
        ]);
    }
    for value in values {
        let zigzag_source = (value >> 1) as i64 ^ -((value & 1) as i64);
        let bytes = written(|out| {
            out.put([9]);
            Compact::i64(out, zigzag_source);
        });
        let mut expected = vec![9];
        let mut rest = value;
        while rest >= 0x80 {
            expected.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        expected.push(rest as u8);
        assert_eq!(bytes, expected, "value {value:#x}");
    }
}

#[test]
fn list_heads_are_as_long_as_they_say() {
    fn check<P: ThriftProtocol>(len: usize) -> usize {
        let head = written(|out| P::struct_list(out, len));
        assert_eq!(head.len(), P::struct_list_len(len), "{len} items");
        head.len()
    }
    for (len, expected) in [
        (0, 1),
        (14, 1),
        (15, 2),
        (127, 2),
        (128, 3),
        (16_383, 3),
        (16_384, 4),
        (2_097_151, 4),
        (2_097_152, 5),
    ] {
        assert_eq!(check::<Compact>(len), expected, "{len} items");
        assert_eq!(check::<Binary>(len), 5);
    }
}

#[test]
fn the_head_of_a_span_can_be_read_back() {
    fn check<P: ThriftProtocol>(head: SpanHead<'_>) {
        let span = written(|out| head_of_span::<P>(out, head, 0));
        assert_eq!(P::peek(&span), Some(head));
        for len in 0..span.len() {
            assert_eq!(P::peek(&span[..len]), None, "cut to {len}");
        }
    }
    for (id, name) in [(1, "op"), (i64::MIN, ""), (-1, "größer"), (i64::MAX, "x")] {
        let head = SpanHead {
            trace_id_low: id,
            trace_id_high: id.wrapping_add(1),
            span_id: id.wrapping_mul(3),
            parent_span_id: 0,
            operation_name: name.as_bytes(),
        };
        check::<Compact>(head);
        check::<Binary>(head);
    }
}

/// A message of service `svc` with the spans that `write_spans` appends: one, or none where it appends nothing.
fn message<P: ThriftProtocol>(
    n_spans: usize,
    seq_no: Option<i64>,
    stats: Option<&ClientStats>,
    write_spans: impl Fn(&mut Cursor<'_>),
) -> Vec<u8> {
    written(|out| {
        message_head::<P>(out, 1);
        process_head::<P>(out, b"svc", 0);
        P::stop(out);
        spans_head::<P>(out, n_spans);
        write_spans(out);
        message_tail::<P>(out, seq_no, stats);
    })
}

fn written(write: impl FnMut(&mut Cursor<'_>)) -> Vec<u8> {
    let mut buffer = Buffer::new();
    buffer.append(write);
    buffer.to_vec()
}

const HEAD: SpanHead<'_> = SpanHead {
    trace_id_low: 1,
    trace_id_high: 0,
    span_id: 2,
    parent_span_id: 0,
    operation_name: b"op",
};
const MIDDLE: SpanMiddle = SpanMiddle {
    has_references: false,
    flags: 1,
    start_time_micros: 1_000_000,
    duration_micros: 10,
    n_tags: 0,
};

fn head_of_span<P: ThriftProtocol>(out: &mut Cursor<'_>, head: SpanHead<'_>, n_references: usize) {
    trace_id::<P>(out, head.trace_id_low, head.trace_id_high);
    span_head::<P>(out, head.span_id, head.parent_span_id, head.operation_name, n_references);
}

fn span_with_tags<P: ThriftProtocol>(out: &mut Cursor<'_>) {
    head_of_span::<P>(out, HEAD, 0);
    span_middle::<P>(out, SpanMiddle { n_tags: 5, ..MIDDLE });
    string_tag::<P>(out, b"s", b"x");
    double_tag::<P>(out, b"d", 1.5);
    bool_tag::<P>(out, b"b", true);
    bool_tag::<P>(out, b"f", false);
    long_tag::<P>(out, b"l", -1);
    logs_head::<P>(out, 0, true);
    P::stop(out);
}

fn span_with_reference_and_log<P: ThriftProtocol>(out: &mut Cursor<'_>) {
    head_of_span::<P>(out, HEAD, 1);
    span_ref::<P>(out, CHILD_OF, (0, 1), 3);
    span_middle::<P>(out, SpanMiddle { has_references: true, ..MIDDLE });
    logs_head::<P>(out, 1, false);
    log_head::<P>(out, 5, 1);
    string_tag::<P>(out, b"s", b"x");
    P::stop(out);
    P::stop(out);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
