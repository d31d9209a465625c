use jaeger_udp::model::{Log, Process, SpanRef};

use super::*;

#[test]
fn children_stand_below_their_parents_in_the_order_of_their_starts() {
    let mut root = span(1, 0, "get-python-jobs");
    (root.start_time, root.duration) = (0, 23_456);
    root.tags = vec![tag("sampler.type", "const".into()), tag("jobs-count", TagValue::Long(3))];
    let mut failed = span(3, 1, "Birch Robotics");
    (failed.start_time, failed.duration) = (20, 11_000);
    failed.tags = vec![tag("request-type", "Failure".into()), tag("error", TagValue::Bool(true))];
    let mut fine = span(2, 1, "Alder Analytics");
    (fine.start_time, fine.duration) = (10, 999);
    fine.logs = vec![Log::default()];
    let mut grandchild = span(4, 2, "connect");
    (grandchild.start_time, grandchild.duration) = (11, 1_500_000);
    grandchild.logs = vec![Log::default(), Log::default()];
    assert_eq!(
        drawn([("jobs", vec![grandchild, failed, fine, root])]),
        "\
trace 00000000000000aa, 4 spans
  jobs: get-python-jobs   23.46 ms  sampler.type=\"const\" jobs-count=3
  ├─ Alder Analytics        999 µs  (1 log)
  │  └─ connect             1.50 s  (2 logs)
  └─ Birch Robotics       11.00 ms  request-type=\"Failure\" error=true
"
    );
}

#[test]
fn a_service_is_named_where_it_changes() {
    assert_eq!(
        drawn([
            ("shop", vec![span(1, 0, "order"), span(2, 1, "check")]),
            ("bank", vec![span(3, 1, "charge"), span(4, 3, "book")]),
        ]),
        "\
trace 00000000000000aa, 4 spans
  shop: order           1 µs
  ├─ check              1 µs
  └─ bank: charge       1 µs
     └─ book            1 µs
"
    );
}

#[test]
fn traces_are_apart_and_come_by_their_start() {
    let mut third = span(1, 0, "third-span");
    (third.trace_id_high, third.start_time) = (-1, 7);
    let mut second = span(1, 0, "second-span");
    (second.trace_id_low, second.start_time) = (0xbb, 5);
    assert_eq!(
        drawn([("s", vec![third, second])]),
        "\
trace 00000000000000bb, 1 span
  s: second-span       1 µs
trace ffffffffffffffff00000000000000aa, 1 span
  s: third-span       1 µs
"
    );
    assert_eq!(drawn([]), "");
}

#[test]
fn several_roots_and_orphans_all_have_their_place() {
    assert_eq!(
        drawn([(
            "s",
            vec![span(1, 0, "a"), span(2, 0, "b"), span(3, 99, "orphan"), span(4, 3, "its child")]
        )]),
        "\
trace 00000000000000aa, 4 spans
  s: a               1 µs
  s: b               1 µs
  s: orphan          1 µs  (its parent 0000000000000063 is not here)
  └─ its child       1 µs
"
    );
}

#[test]
fn parents_that_go_in_a_circle_are_drawn_once_each() {
    let spans =
        vec![span(1, 1, "self"), span(2, 3, "chicken"), span(3, 2, "egg"), span(4, 3, "shell")];
    assert_eq!(
        drawn([("s", spans)]),
        "\
trace 00000000000000aa, 4 spans
  s: self           1 µs  (its parents go in a circle)
  s: chicken        1 µs  (its parents go in a circle)
  └─ egg            1 µs
     └─ shell       1 µs
"
    );
}

#[test]
fn spans_that_share_an_id_are_all_drawn_and_the_first_has_the_children() {
    assert_eq!(
        drawn([(
            "s",
            vec![span(1, 0, "a"), span(1, 0, "again"), span(2, 1, "child"), span(0, 0, "zero")]
        )]),
        "\
trace 00000000000000aa, 4 spans
  s: a           1 µs
  └─ child       1 µs
  s: again       1 µs
  s: zero        1 µs
"
    );
}

#[test]
fn a_parent_may_be_given_as_a_reference_within_the_trace() {
    let reference = |ref_type, trace_id_low, span_id| SpanRef {
        ref_type,
        trace_id_low,
        trace_id_high: 0,
        span_id,
    };
    let mut followed = span(2, 0, "followed");
    followed.references = vec![reference(SpanRefType::FollowsFrom, 0xaa, 1)];
    let mut child = span(3, 0, "child");
    child.references = vec![
        reference(SpanRefType::FollowsFrom, 0xaa, 1),
        reference(SpanRefType::ChildOf, 0xaa, 2),
    ];
    let mut elsewhere = span(4, 0, "elsewhere");
    elsewhere.references = vec![reference(SpanRefType::ChildOf, 0xbb, 1)];
    assert_eq!(
        drawn([("s", vec![span(1, 0, "root"), followed, child, elsewhere])]),
        "\
trace 00000000000000aa, 4 spans
  s: root            1 µs
  └─ followed        1 µs
     └─ child        1 µs
  s: elsewhere       1 µs
"
    );
}

#[test]
fn nothing_that_a_terminal_obeys_gets_through() {
    let mut hostile = span(1, 0, "\u{1b}[31mred\u{1b}[0m\r\n\u{9b}2J\u{7}\u{202e}txt.exe\0");
    hostile.tags = vec![
        tag("\u{1b}]0;title\u{7}", "say \"hi\"\\\n".into()),
        tag("plain key", "größe 日本 it's".into()),
        tag("", "\u{2028}\u{200b}".into()),
    ];
    let drawing = drawn([("\u{8}evil\t", vec![hostile])]);
    assert_eq!(
        drawing,
        "\
trace 00000000000000aa, 1 span
  \"\\u{8}evil\\t\": \"\\u{1b}[31mred\\u{1b}[0m\\r\\n\\u{9b}2J\\u{7}\\u{202e}txt.exe\\0\"       1 µs  \
\"\\u{1b}]0;title\\u{7}\"=\"say \\\"hi\\\"\\\\\\n\" plain key=\"größe 日本 it's\" \"\"=\"\\u{2028}\\u{200b}\"
"
    );
    assert!(!drawing.contains(|c: char| c.is_control() && c != '\n'));
}

#[test]
fn values_show_their_type_and_long_ones_their_length() {
    for (value, expected) in [
        ("60".into(), "key=\"60\"".to_owned()),
        (TagValue::Long(60), "key=60".to_owned()),
        (TagValue::Double(60.0), "key=60.0".to_owned()),
        (TagValue::Double(f64::NAN), "key=NaN".to_owned()),
        (TagValue::Bool(false), "key=false".to_owned()),
        (TagValue::Binary(vec![0, 255]), "key=0x00ff".to_owned()),
        (TagValue::Binary(vec![1; 33]), format!("key=0x{}… (33 bytes)", "01".repeat(32))),
        (TagValue::String("ä".repeat(121)), format!("key=\"{}\"… (242 bytes)", "ä".repeat(120))),
        (TagValue::String("ä".repeat(120)), format!("key=\"{}\"", "ä".repeat(120))),
    ] {
        assert_eq!(tag_text(&tag("key", value)), expected);
    }
}

#[test]
fn durations_have_a_readable_unit() {
    for (micros, expected) in [
        (0, "0 µs"),
        (999, "999 µs"),
        (1_000, "1.00 ms"),
        (12_345, "12.35 ms"),
        (1_000_000, "1.00 s"),
        (-5, "-5 µs"),
        (i64::MIN, "-9223372036854775808 µs"),
        (i64::MAX, "9223372036854.78 s"),
    ] {
        assert_eq!(duration_text(micros), expected);
    }
}

#[test]
fn a_chain_of_thousands_is_drawn_in_bounded_width() {
    let chain: Vec<Span> = (1..=5_000).map(|id| span(id, id - 1, "link")).collect();
    let drawing = drawn([("s", chain)]);
    assert_eq!(drawing.lines().count(), 5_001);
    assert!(drawing.lines().all(|line| line.chars().count() < 200));
    assert!(
        drawing.lines().last().is_some_and(|line| line.contains("… link")),
        "{:?}",
        drawing.lines().last()
    );
}

fn drawn<const N: usize>(batches: [(&str, Vec<Span>); N]) -> String {
    let mut trees = TraceTrees::default();
    for (service, spans) in batches {
        let process = Process { service_name: service.to_owned(), tags: Vec::new() };
        trees.add(Batch { process, spans, ..Batch::default() });
    }
    trees.to_string()
}

fn span(span_id: i64, parent_span_id: i64, operation_name: &str) -> Span {
    Span {
        trace_id_low: 0xaa,
        span_id,
        parent_span_id,
        operation_name: operation_name.to_owned(),
        duration: 1,
        ..Span::default()
    }
}

fn tag(key: &str, value: TagValue) -> Tag {
    Tag::new(key, value)
}
