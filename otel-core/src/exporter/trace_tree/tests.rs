use super::*;
use crate::attribute::{AttributeSource, Value};
use crate::instrumentation_scope::InstrumentationScope;
use crate::record::{SpanBuf, SpanIds, SpanTimes};
use crate::span::{SpanKind, SpanLimits, StatusCode};
use crate::span_context::SpanContext;

/// A span to be drawn, in trace aa, with a duration of a microsecond.
#[derive(Clone)]
struct Given {
    buf: SpanBuf,
    times: SpanTimes,
}

impl Given {
    fn new(span_id: u64, parent_span_id: u64, name: &str) -> Self {
        Self::in_trace(TraceId::from_parts(0, 0xaa), span_id, parent_span_id, name)
    }

    fn in_trace(trace_id: TraceId, span_id: u64, parent_span_id: u64, name: &str) -> Self {
        let [span_id, parent_span_id] = [span_id, parent_span_id].map(SpanId::new);
        let ids = SpanIds { trace_id, span_id, parent_span_id, ..SpanIds::default() };
        let mut buf = SpanBuf::new();
        buf.start(name, SpanKind::Internal, ids);
        Self { buf, times: SpanTimes { start_unix_nanos: 0, duration_nanos: 1_000 } }
    }

    fn micros(mut self, start: u64, duration: u64) -> Self {
        (self.times.start_unix_nanos, self.times.duration_nanos) =
            (start * 1_000, duration * 1_000);
        self
    }

    fn with(mut self, key: &str, value: impl Into<Value<'static>>) -> Self {
        self.buf.set_attribute(key, value.into(), &SpanLimits::UNLIMITED);
        self
    }

    fn event(mut self, name: &str, micros: u64, attributes: &impl AttributeSource) -> Self {
        self.buf.add_event(name, micros * 1_000, attributes, &SpanLimits::UNLIMITED);
        self
    }
}

const NOTHING: [(&str, Value<'_>); 0] = [];

fn trees_of<const N: usize>(services: [(&str, Vec<Given>); N]) -> TraceTrees {
    let mut trees = TraceTrees::new();
    for (service, spans) in services {
        for mut span in spans {
            let view = span.buf.finish(span.times, &NO_SCOPE);
            trees.add(service, &view);
        }
    }
    trees
}

fn drawn<const N: usize>(services: [(&str, Vec<Given>); N]) -> String {
    trees_of(services).to_string()
}

#[test]
fn children_stand_below_their_parents_in_the_order_of_their_starts() {
    let root = Given::new(1, 0, "get-python-jobs").micros(0, 23_456);
    let root = root.with("sampler.type", "const").with("jobs-count", 3);
    let mut failed = Given::new(3, 1, "Birch Robotics").micros(20, 11_000).with("n", true);
    failed.buf.set_status(StatusCode::Error, "no answer");
    let mut fine = Given::new(2, 1, "Alder Analytics").micros(10, 999);
    fine.buf.set_kind(SpanKind::Client);
    let mut grandchild = Given::new(4, 2, "connect").micros(11, 1_500_000);
    grandchild.buf.set_status(StatusCode::Error, "");
    assert_eq!(
        drawn([("jobs", vec![grandchild, failed, fine, root])]),
        "\
trace 00000000000000aa, 4 spans
  jobs: get-python-jobs   23.45 ms  sampler.type=\"const\" jobs-count=3
  ├─ Alder Analytics        999 µs  client
  │  └─ connect             1.50 s  ERROR
  └─ Birch Robotics       11.00 ms  ERROR no answer  n=true
"
    );
}

#[test]
fn events_stand_below_their_span_before_its_children() {
    let root = Given::new(1, 0, "root").event("start", 0, &NOTHING);
    let root = root.event("cache miss", 1_500, &[("key", Value::from("a b"))]);
    let child = Given::new(2, 1, "child").event("early", 0, &NOTHING).micros(5, 1);
    let many = (0..9).fold(Given::new(3, 2, "many"), |span, n| span.event("e", n, &NOTHING));
    let more = (0..11).fold(Given::new(4, 3, "more"), |span, n| span.event("e", n, &NOTHING));
    let events = |indent: &str| -> String {
        (0..8)
            .map(|n| match n {
                0 => format!("{indent}· e  +0 ns\n"),
                n => format!("{indent}· e  +{n} µs\n"),
            })
            .collect()
    };
    assert_eq!(
        drawn([("s", vec![root, child, many, more])]),
        format!(
            "\
trace 00000000000000aa, 4 spans
  s: root             1 µs
  │  · start  +0 ns
  │  · cache miss  +1.50 ms  key=\"a b\"
  └─ child            1 µs
     │  · early  +0 ns
     └─ many          1 µs
{}        │  · … 1 more event
        └─ more       1 µs
{}              · … 3 more events
",
            events("        │  "),
            events("              "),
        )
    );
}

#[test]
fn a_service_is_named_where_it_changes() {
    assert_eq!(
        drawn([
            ("shop", vec![Given::new(1, 0, "order"), Given::new(2, 1, "check")]),
            ("bank", vec![Given::new(3, 1, "charge"), Given::new(4, 3, "book")]),
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
    let third = Given::in_trace(TraceId::from_parts(u64::MAX, 0xaa), 1, 0, "third-span");
    let second = Given::in_trace(TraceId::from_parts(0, 0xbb), 1, 0, "second-span");
    assert_eq!(
        drawn([("s", vec![third.micros(7, 1), second.micros(5, 1)])]),
        "\
trace 00000000000000bb, 1 span
  s: second-span       1 µs
trace ffffffffffffffff00000000000000aa, 1 span
  s: third-span       1 µs
"
    );
    assert_eq!(drawn([]), "");
    assert!(trees_of([]).is_empty());
}

#[test]
fn several_roots_and_orphans_all_have_their_place() {
    let spans = [(1, 0, "a"), (2, 0, "b"), (3, 99, "orphan"), (4, 3, "its child")];
    let mut spans: Vec<Given> =
        spans.map(|(id, parent, name)| Given::new(id, parent, name)).into_iter().collect();
    let mut remote = Given::new(5, 98, "served");
    remote.buf.set_remote_parent();
    spans.push(remote);
    assert_eq!(
        drawn([("s", spans)]),
        "\
trace 00000000000000aa, 5 spans
  s: a               1 µs
  s: b               1 µs
  s: orphan          1 µs  (its parent 0000000000000063 is not here)
  └─ its child       1 µs
  s: served          1 µs  (its parent 0000000000000062 is elsewhere)
"
    );
}

#[test]
fn parents_that_go_in_a_circle_are_drawn_once_each() {
    let spans = [(1, 1, "self"), (2, 3, "chicken"), (3, 2, "egg"), (4, 3, "shell")];
    let spans = spans.map(|(id, parent, name)| Given::new(id, parent, name)).to_vec();
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
    let spans = [(1, 0, "a"), (1, 0, "again"), (2, 1, "child"), (0, 0, "zero")];
    let spans = spans.map(|(id, parent, name)| Given::new(id, parent, name)).to_vec();
    assert_eq!(
        drawn([("s", spans)]),
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
fn nothing_that_a_terminal_obeys_gets_through() {
    let mut hostile = Given::new(1, 0, "\u{1b}[31mred\u{1b}[0m\r\n\u{9b}2J\u{7}\u{202e}txt.exe\0")
        .with("\u{1b}]0;title\u{7}", "say \"hi\"\\\n")
        .with("plain key", "größe 日本 it's")
        .with("", "dropped")
        .with("map", Value::Map(&[("\u{8}", Value::Strs(&["\u{2028}\u{200b}"]))]))
        .event("\r", 0, &[("\t", Value::from("\u{1b}c"))]);
    hostile.buf.set_status(StatusCode::Error, "\u{1b}[2J");
    let drawing = drawn([("\u{8}evil\t", vec![hostile])]);
    assert_eq!(
        drawing,
        "\
trace 00000000000000aa, 1 span
  \"\\u{8}evil\\t\": \"\\u{1b}[31mred\\u{1b}[0m\\r\\n\\u{9b}2J\\u{7}\\u{202e}txt.exe\\0\"       1 µs  \
ERROR \"\\u{1b}[2J\"  \
\"\\u{1b}]0;title\\u{7}\"=\"say \\\"hi\\\"\\\\\\n\" plain key=\"größe 日本 it's\" \
map={\"\\u{8}\"=[\"\\u{2028}\\u{200b}\"]}
     · \"\\r\"  +0 ns  \"\\t\"=\"\\u{1b}c\"
"
    );
    assert!(!drawing.contains(|c: char| c.is_control() && c != '\n'));
}

#[test]
fn values_show_their_type_and_long_ones_their_length() {
    let long = "ä".repeat(121);
    let value_of = |value: Value<'_>| {
        let mut span = Given::new(1, 0, "n");
        span.buf.set_attribute("key", value, &SpanLimits::UNLIMITED);
        let drawing = drawn([("s", vec![span])]);
        drawing.split_once("key=").unwrap().1.trim_end().to_owned()
    };
    for (value, expected) in [
        (Value::Str("60"), "\"60\"".to_owned()),
        (Value::I64(60), "60".to_owned()),
        (Value::F64(60.0), "60.0".to_owned()),
        (Value::F64(f64::NAN), "NaN".to_owned()),
        (Value::Bool(false), "false".to_owned()),
        (Value::Empty, "null".to_owned()),
        (Value::Bytes(&[0, 255]), "0x00ff".to_owned()),
        (Value::Bytes(&[1; 33]), format!("0x{}… (33 bytes)", "01".repeat(32))),
        (Value::Str(&long), format!("\"{}\"… (242 bytes)", "ä".repeat(120))),
        (Value::Str(&long[2..]), format!("\"{}\"", "ä".repeat(120))),
        (Value::Array(&[Value::I64s(&[1, 2]), Value::Array(&[])]), "[[1, 2], []]".to_owned()),
        (Value::Map(&[("a", Value::I64(1)), ("b", Value::Map(&[]))]), "{a=1, b={}}".to_owned()),
    ] {
        assert_eq!(value_of(value), expected);
    }
    let many = value_of(Value::I64s(&[7; 1_000]));
    assert!(many.starts_with("[7, 7, ") && many.ends_with("…"), "{many}");
    assert_eq!(many.chars().count() + "key=".len(), 1_000);
}

#[test]
fn durations_have_a_readable_unit() {
    for (nanos, expected) in [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1 µs"),
        (999_999, "999 µs"),
        (1_000_000, "1.00 ms"),
        (12_345_678, "12.34 ms"),
        (999_999_999, "999.99 ms"),
        (1_000_000_000, "1.00 s"),
        (u64::MAX, "18446744073.70 s"),
    ] {
        assert_eq!(span::duration_text(nanos), expected);
    }
}

#[test]
fn lines_are_cut_at_the_width_with_room_for_the_duration() {
    let name = "n".repeat(200);
    let spans = vec![
        Given::new(1, 0, "root").with("key", "a long value that does not fit"),
        Given::new(2, 1, &name).event(&name, 0, &NOTHING),
        Given::new(3, 1, "exactly").with("k", 12_345),
    ];
    assert_eq!(
        trees_of([("s", spans)]).width(40).to_string(),
        "\
trace 00000000000000aa, 3 spans
  s: root                  1 µs  key=\"a…
  ├─ \"nnnnnnnnnnnnnnnnnnnnnn…       1 µs
  │     · \"nnnnnnnnnnnnnnnnnnnnnnnnnnnn…
  └─ exactly               1 µs  k=12345
"
    );
}

#[test]
fn colors_are_there_where_they_are_wanted_and_end_with_their_text() {
    let mut failed = Given::new(2, 1, "fails").with("key", "value");
    failed.buf.set_status(StatusCode::Error, "why");
    let trees = || trees_of([("s", vec![Given::new(1, 0, "root"), failed.clone()])]);
    let (plain, colored) = (trees().to_string(), trees().colors(true).to_string());
    assert!(!plain.contains('\u{1b}') && plain.contains("ERROR why"));
    assert!(colored.contains("\u{1b}[31mfails\u{1b}[0m"), "{colored:?}");
    let mut without = colored;
    for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[36m"] {
        without = without.replace(code, "");
    }
    assert_eq!(without, plain, "colours change nothing else");
    assert_eq!(trees().colors(true).colors(false).to_string(), plain);
}

#[test]
fn a_chain_of_thousands_is_drawn_in_bounded_width() {
    let chain: Vec<Given> = (1..=5_000).map(|id| Given::new(id, id - 1, "link")).collect();
    let drawing = drawn([("s", chain)]);
    assert_eq!(drawing.lines().count(), 5_001);
    assert!(drawing.lines().all(|line| line.chars().count() < 200));
    assert!(
        drawing.lines().last().is_some_and(|line| line.contains("… link")),
        "{:?}",
        drawing.lines().last()
    );
}

#[test]
fn a_span_of_any_size_takes_little_memory() {
    let long = "x".repeat(100_000);
    let mut span = Given::new(1, 0, &long);
    for n in 0..20 {
        span.buf.set_attribute(&format!("{n}{long}"), (&long).into(), &SpanLimits::UNLIMITED);
        span.buf.add_event(&long, 0, &[("k", Value::from(&long))], &SpanLimits::UNLIMITED);
        span.buf.add_link(&SpanContext::invalid(), &NOTHING, &SpanLimits::UNLIMITED);
    }
    span.buf.set_status(StatusCode::Error, &long);
    let kept = TreeSpan::new(&"s".into(), &span.buf.finish(span.times, &NO_SCOPE));
    assert!(kept.n_bytes() < 16 << 10, "{}", kept.n_bytes());
    assert_eq!((kept.events.len(), kept.name.contains("(100000 bytes)")), (9, true));
}

static NO_SCOPE: std::sync::LazyLock<InstrumentationScope> =
    std::sync::LazyLock::new(InstrumentationScope::default);
