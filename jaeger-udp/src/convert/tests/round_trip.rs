//! From a span to what Jaeger makes of it, and back: all that comes out otherwise has a name here.

use otel_core::OwnedValue;
use otel_core::record::SpanData;
use proptest::prelude::*;

use super::reader::{
    Pairs, ReadEvent, ReadLink, ReadSpan, Tree, find, received, references_in_version_1, remove,
    resource_of, shown, stored,
};
use super::second_opinion::{Any, Case, case};
use super::*;
use crate::testing::message_of;

/// Encodes a span, and decodes it by other code than ours.
fn sent<P: ThriftProtocol>(span: &mut TestSpan, dialect: Dialect) -> Tree {
    let batch = Tree::of_message(&message_of::<P>(&span.encoded::<P>(dialect)));
    let [span] = batch.spans() else { panic!("one span: {batch:?}") };
    span.clone()
}

fn read(span: &mut TestSpan, dialect: Dialect) -> ReadSpan {
    received(&sent::<Compact>(span, dialect)).expect("a span")
}

/// Reads what a span comes out as from where it is stored, without the tags that tell of limits.
fn restored(sent: &Tree) -> (ReadSpan, [u32; 3]) {
    let (mut read, _) = stored(sent).expect("a span");
    let mut count =
        |what: &str| match remove(&mut read.attributes, &format!("otel.dropped_{what}_count")) {
            Some(OwnedValue::I64(count)) => count as u32,
            None => 0,
            other => panic!("no count: {other:?}"),
        };
    let dropped = [count("attributes"), count("events"), count("links")];
    // A version without a name is not looked for, and stays a tag.
    if let Some(OwnedValue::Str(version)) = remove(&mut read.attributes, "otel.scope.version") {
        read.scope.1 = version;
    }
    // The same as the scope's, for older readers.
    for (key, value) in
        [("otel.library.name", &read.scope.0), ("otel.library.version", &read.scope.1)]
    {
        let library = remove(&mut read.attributes, key);
        assert_eq!(library.as_ref().and_then(OwnedValue::as_str).unwrap_or_default(), value);
    }
    (read, dropped)
}

/// What should come back of a span, each difference by its name.
fn survivor(span: &SpanData, dialect: Dialect) -> ReadSpan {
    let is_otel = dialect == Dialect::Otel;
    let trace_id = |id: TraceId| (id.high(), id.low());
    // Times are microseconds, and no span takes less than one.
    let micros = |nanos: u64| nanos / 1000;
    let start = micros(span.start_unix_nanos);
    let end = micros(span.start_unix_nanos.saturating_add(span.duration_nanos)).max(start + 1);
    // Of a link only its type stays, which is follows_from unless it says otherwise.
    let mut links: Vec<ReadLink> = span
        .links
        .iter()
        .map(|link| ReadLink {
            trace_id: trace_id(link.trace_id),
            span_id: link.span_id.as_u64(),
            ref_type: match link.attributes.iter().any(|attribute| {
                attribute.key == "opentracing.ref_type" && attribute.value == "child_of"
            }) {
                true => "child_of",
                false => "follows_from",
            },
        })
        .collect();
    // A child_of link to the parent goes without saying, were it a root's that leads nowhere.
    let parent = (trace_id(span.trace_id), span.parent_span_id.as_u64());
    links.retain(|link| {
        !is_otel || link.ref_type != "child_of" || (link.trace_id, link.span_id) != parent
    });
    // A root that links into its own trace gets a parent.
    let first = |ref_type| {
        let mut into_own_trace = links
            .iter()
            .filter(|link| link.trace_id == trace_id(span.trace_id) && link.ref_type == ref_type);
        into_own_trace.next().map(|link| link.span_id)
    };
    let parent_span_id = match span.parent_span_id.as_u64() {
        0 => first("child_of").or_else(|| first("follows_from")).unwrap_or_default(),
        parent => parent,
    };
    // A child_of link whose span id is the parent's is taken for the parent, though it be of another trace.
    links.retain(|link| link.ref_type != "child_of" || link.span_id != parent_span_id);
    let events = span.events.iter().map(|event| ReadEvent {
        // The Jaeger clients had no names beside the fields.
        name: match is_otel || event.attributes.is_empty() {
            true => event.name.clone(),
            false => String::new(),
        },
        unix_nanos: micros(event.unix_nanos) * 1000,
        attributes: flattened(&event.attributes),
    });
    let text = |text: &str| if is_otel { text.to_owned() } else { String::new() };
    let is_error = span.status == StatusCode::Error;
    ReadSpan {
        trace_id: trace_id(span.trace_id),
        span_id: span.span_id.as_u64(),
        parent_span_id,
        // Jaeger has no spans without a name.
        name: match span.name.as_str() {
            "" => "empty-span-name".to_owned(),
            name => name.to_owned(),
        },
        is_sampled: true,
        is_debug: span.flags.is_debug(),
        start_unix_nanos: start.wrapping_mul(1000),
        end_unix_nanos: end.wrapping_mul(1000),
        // An internal span says nothing of its kind.
        kind: Some(span.kind).filter(|kind| *kind != SpanKind::Internal),
        // Jaeger's clients know of errors alone.
        status: if is_otel || is_error { span.status } else { StatusCode::Unset },
        status_description: text(&span.status_description),
        trace_state: text(&span.trace_state),
        scope: (text(span.scope.name()), text(span.scope.version())),
        attributes: flattened(&span.attributes),
        events: events.collect(),
        links,
    }
}

/// Arrays and maps are JSON text, and no value is an empty one. Of a key that comes again the last value stays.
fn flattened(attributes: &[KeyValue]) -> Pairs {
    let mut pairs: Pairs = Vec::new();
    for KeyValue { key, value } in attributes {
        let value = match value {
            OwnedValue::Empty => OwnedValue::from(""),
            OwnedValue::Array(_) | OwnedValue::Map(_) => OwnedValue::Str(Any::from(value).json()),
            scalar => scalar.clone(),
        };
        match pairs.iter_mut().find(|(present, _)| present == key) {
            Some((_, present)) => *present = value,
            None => pairs.push((key.clone(), value)),
        }
    }
    pairs
}

/// Checks that a span comes back as itself, in both dialects and protocols.
fn assert_comes_back(span: &mut TestSpan) {
    let original = SpanData::from(span.view());
    for dialect in BOTH {
        let expected = survivor(&original, dialect);
        for sent in [sent::<Compact>(span, dialect), sent::<Binary>(span, dialect)] {
            let (found, dropped) = restored(&sent);
            let expected_dropped = match dialect {
                Dialect::Otel => {
                    [original.dropped_attributes, original.dropped_events, original.dropped_links]
                }
                Dialect::JaegerClient => [0; 3],
            };
            assert_eq!(dropped, expected_dropped);
            // Compared as text, in which NaN equals itself.
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{dialect:?}");
        }
    }
}

impl Case {
    /// Leaves out the keys that mean something to a reader: what becomes of those is in tables.
    fn without_special_keys(mut self) -> Self {
        let is_plain = |key: &str| !matches!(key, "error" | "event" | "http.status_code");
        let is_plain =
            |key: &str| is_plain(key) && derived::bit_of(key.as_bytes()) == 0 && !key.is_empty();
        self.attributes.retain(|(key, _)| is_plain(key));
        for (_, _, fields) in &mut self.events {
            fields.retain(|(key, _)| is_plain(key));
        }
        self
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_spans_come_back_as_they_were_but_for_what_has_a_name(case in case()) {
        assert_comes_back(&mut case.without_special_keys().record());
    }
}

#[test]
fn awkward_spans_come_back_as_they_were_but_for_what_has_a_name() {
    let other = TraceId::from_parts(1 << 63, 5);
    let child_of: &[(&str, Value<'_>)] = &[("opentracing.ref_type", "child_of".into())];
    let nested = Value::Array(&[
        Value::Array(&[Value::Array(&[]), Value::Empty, Value::Str("\u{0}\u{202e}\"\\")]),
        Value::Map(&[("k", Value::Map(&[("", Value::Bytes(&[255]))])), ("k", Value::Bool(false))]),
        Value::F64s(&[f64::NAN, f64::INFINITY, -0.0, 1e300]),
        Value::I64s(&[i64::MIN, i64::MAX]),
    ]);
    let mut corpus = vec![
        // Ids with the top bit set, and a trace id of 64 bits.
        TestSpan::new("op").ids(TraceId::from_parts(u64::MAX, 1 << 63), u64::MAX, 1 << 63),
        TestSpan::new("op").ids(TraceId::from_parts(0, u64::MAX), 1, 2),
        // Names of no length, of 1 MiB, and of characters that do something to a terminal.
        TestSpan::new(""),
        TestSpan::new(&"é".repeat(1 << 19)),
        TestSpan::new("\u{0}\u{202e}\u{feff}\u{1b}[31m"),
        (0..128)
            .fold(TestSpan::new("128"), |span, index| span.attribute(&index.to_string(), index)),
        TestSpan::new("op").attribute("nested", nested).event("e", 1_000, &[("nested", nested)]),
        TestSpan::new("op").attribute("k", 1).attribute("k", "2").event(
            "e",
            0,
            &[("k", 1.into()), ("k", 2.into())],
        ),
        TestSpan::new("op")
            .ids(TRACE, 2, 3)
            .link(TRACE, 3, child_of)
            .link(TRACE, 3, &[])
            .link(other, 3, child_of)
            .link(other, 4, child_of)
            .link(other, 4, &[("a", 1.into())]),
        TestSpan::new("op").link(other, 4, &[]).link(TRACE, 5, &[]).link(TRACE, 6, child_of),
        TestSpan::new("op").event("", 0, &[]).event("", 0, &[("a", Value::Empty)]),
        TestSpan::new("op").times(u64::MAX, u64::MAX),
        TestSpan::new("op").times(0, 0),
        TestSpan::new("op").times(1_999, 1),
        TestSpan::new("op").status(StatusCode::Ok, "").kind(SpanKind::Consumer),
        TestSpan::new("op").status(StatusCode::Error, "why\u{0}").scope("", "1"),
        TestSpan::new("op").trace_state("a=1,b=2").scope("lib", ""),
        TestSpan::new("op").attribute(&"k".repeat(1 << 20), "v".repeat(1 << 20).as_str()),
    ];
    let mut limited = TestSpan::new("op");
    limited.limits = SpanLimits::UNLIMITED.attributes(1).links(1);
    corpus.push(limited.attribute("a", 1).attribute("b", 2).link(other, 1, &[]).link(
        other,
        2,
        &[],
    ));
    corpus.iter_mut().for_each(assert_comes_back);
}

#[test]
fn a_reader_finds_the_parent_by_its_id_or_else_among_the_references() {
    let other = TraceId::from_parts(9, 9);
    let child_of: &[(&str, Value<'_>)] = &[("opentracing.ref_type", "child_of".into())];
    for (span, expected) in [
        (TestSpan::new("op").ids(TRACE, 2, 3).link(TRACE, 4, child_of), 3),
        (TestSpan::new("op").link(TRACE, 5, &[]).link(TRACE, 4, child_of), 4),
        (TestSpan::new("op").link(TRACE, 5, &[]).link(TRACE, 6, &[]), 5),
        (TestSpan::new("op").link(other, 5, child_of), 0),
        (TestSpan::new("op"), 0),
    ] {
        for dialect in BOTH {
            assert_eq!(read(&mut span.clone(), dialect).parent_span_id, expected);
        }
    }
}

#[test]
fn a_reader_keeps_every_link_but_one_that_looks_like_the_parent() {
    let (other, child_of) =
        (TraceId::from_parts(9, 9), &[("opentracing.ref_type", "child_of".into())]);
    let span = TestSpan::new("op")
        .ids(TRACE, 2, 3)
        .link(TRACE, 3, child_of)
        .link(TRACE, 3, &[])
        .link(other, 4, child_of)
        // The trace is not looked at: this link is taken for the parent, and lost.
        .link(other, 3, child_of);
    for dialect in BOTH {
        let links: Vec<_> = read(&mut span.clone(), dialect)
            .links
            .iter()
            .map(|link| (link.ref_type, link.trace_id, link.span_id))
            .collect();
        assert_eq!(links, [("follows_from", (0, 1), 3), ("child_of", (9, 9), 4)]);
    }
}

#[test]
fn a_reader_of_version_1_puts_the_parent_first_unless_a_reference_leads_there() {
    let other = TraceId::from_parts(9, 9);
    let mut child = TestSpan::new("op").ids(TRACE, 2, 3).link(other, 4, &[]);
    let mut follower = TestSpan::new("op").ids(TRACE, 2, 3).link(other, 3, &[]).link(TRACE, 3, &[]);
    let child_of: &[(&str, Value<'_>)] = &[("opentracing.ref_type", "child_of".into())];
    let mut joined =
        TestSpan::new("op").ids(TRACE, 2, 3).link(TRACE, 4, &[]).link(TRACE, 3, child_of);
    let references =
        |span: &mut TestSpan, dialect| references_in_version_1(&sent::<Compact>(span, dialect));
    for dialect in BOTH {
        assert_eq!(
            references(&mut child, dialect),
            [("CHILD_OF", (0, 1), 3), ("FOLLOWS_FROM", (9, 9), 4)]
        );
        // The parent is shown as what the reference says.
        assert_eq!(
            references(&mut follower, dialect),
            [("FOLLOWS_FROM", (9, 9), 3), ("FOLLOWS_FROM", (0, 1), 3)]
        );
        assert_eq!(references(&mut TestSpan::new("root"), dialect), []);
    }
    let (parent, cause) = (("CHILD_OF", (0, 1), 3), ("FOLLOWS_FROM", (0, 1), 4));
    assert_eq!(references(&mut joined, Dialect::Otel), [parent, cause]);
    assert_eq!(references(&mut joined, Dialect::JaegerClient), [cause, parent]);
}

#[test]
fn a_reader_takes_kind_and_status_out_of_the_tags() {
    let error = |span: TestSpan| span.status(StatusCode::Error, "why");
    let op = || TestSpan::new("op");
    // What the user set, and what is read in the two dialects: kind, status, description, tags that are left.
    type Read<'a> = (Option<SpanKind>, StatusCode, &'a str, &'a [&'a str]);
    let cases: [(TestSpan, [Read<'_>; 2]); 8] = [
        (
            error(op().kind(SpanKind::Client)),
            [
                (Some(SpanKind::Client), StatusCode::Error, "why", &[]),
                (Some(SpanKind::Client), StatusCode::Error, "", &[]),
            ],
        ),
        (
            op().status(StatusCode::Ok, ""),
            [(None, StatusCode::Ok, "", &[]), (None, StatusCode::Unset, "", &[])],
        ),
        // A kind that nobody knows is none.
        (op().attribute("span.kind", "SERVER"), [(None, StatusCode::Unset, "", &[]); 2]),
        (op().attribute("error", false), [(None, StatusCode::Unset, "", &["error"]); 2]),
        // Text is no truth value: it stays, and says nothing about the status.
        (op().attribute("error", "true"), [(None, StatusCode::Unset, "", &["error"]); 2]),
        (
            error(op().attribute("error", "true")),
            [
                (None, StatusCode::Error, "why", &[]),
                // The clients' tag stays as it was given.
                (None, StatusCode::Unset, "", &["error"]),
            ],
        ),
        (
            error(op().attribute("error", false)),
            [(None, StatusCode::Error, "why", &[]), (None, StatusCode::Unset, "", &["error"])],
        ),
        (op().attribute("error", true), [(None, StatusCode::Error, "", &[]); 2]),
    ];
    for (mut span, expected) in cases {
        for (dialect, expected) in BOTH.into_iter().zip(expected) {
            let found = read(&mut span, dialect);
            let keys: Vec<&str> = found.attributes.iter().map(|(key, _)| key.as_str()).collect();
            let found = (found.kind, found.status, &*found.status_description, &*keys);
            assert_eq!(found, expected, "{dialect:?} {:?}", span.view());
        }
    }
}

#[test]
fn a_status_that_is_ok_keeps_readers_from_deriving_one_from_http() {
    for (code, kind, status, expected) in [
        (500, SpanKind::Server, StatusCode::Unset, StatusCode::Error),
        (404, SpanKind::Client, StatusCode::Unset, StatusCode::Error),
        (404, SpanKind::Server, StatusCode::Unset, StatusCode::Unset),
        (200, SpanKind::Client, StatusCode::Unset, StatusCode::Unset),
        (500, SpanKind::Server, StatusCode::Ok, StatusCode::Ok),
        (404, SpanKind::Client, StatusCode::Ok, StatusCode::Ok),
        (200, SpanKind::Client, StatusCode::Error, StatusCode::Error),
    ] {
        let mut span =
            TestSpan::new("op").kind(kind).attribute("http.status_code", code).status(status, "");
        assert_eq!(read(&mut span, Dialect::Otel).status, expected, "{code} {kind:?} {status:?}");
    }
}

#[test]
fn a_reader_takes_the_name_of_an_event_out_of_its_fields() {
    let mut span = TestSpan::new("op")
        .event("named", 0, &[("a", 1.into())])
        .event("named", 0, &[("event", "mine".into())])
        .event("named", 0, &[("event", 7.into())])
        .event("", 0, &[("a", 1.into())])
        .event("alone", 0, &[]);
    let mut names = |dialect| -> Vec<(String, usize)> {
        let events = read(&mut span, dialect).events;
        events.into_iter().map(|event| (event.name, event.attributes.len())).collect()
    };
    let expected = |names: [(&str, usize); 5]| names.map(|(name, n)| (name.to_owned(), n));
    // A name that is no text is read as none.
    assert_eq!(
        names(Dialect::Otel),
        expected([("named", 1), ("mine", 0), ("", 0), ("", 1), ("alone", 0)])
    );
    assert_eq!(
        names(Dialect::JaegerClient),
        expected([("", 1), ("mine", 0), ("", 0), ("", 1), ("alone", 0)])
    );
}

#[test]
fn a_reader_finds_every_span_and_a_service_in_what_is_sent() {
    // Nothing is set at all: it is still no empty span, which would be passed over.
    let nothing = TestSpan::new("").ids(TraceId::INVALID, 0, 0).flags(TraceFlags::NONE);
    let mut nothing = nothing.times(0, 0);
    for dialect in BOTH {
        let sent = sent::<Compact>(&mut nothing, dialect);
        assert!(received(&sent).is_some());
        // Lists that are optional and empty are left out.
        assert_eq!([6, 10, 11].map(|id| sent.has(id)), [false; 3]);
        let (_, mended) = stored(&sent).unwrap();
        assert_eq!(mended, ["empty name"], "a duration of zero would be mended as well");
    }
    let resource = |attributes: Vec<KeyValue>| resource_read(&Resource::empty().with(attributes));
    let names =
        |pairs: &Pairs| -> Vec<String> { pairs.iter().map(|(key, _)| key.clone()).collect() };
    let plain = resource(vec![
        KeyValue::new("service.name", "shop"),
        KeyValue::new("hostname", "h"),
        KeyValue::new("jaeger.version", "Rust-1"),
    ]);
    assert_eq!(names(&plain), ["service.name", "host.name", "opencensus.exporterversion"]);
    assert_eq!(find(&plain, "opencensus.exporterversion").unwrap(), &"Jaeger-Rust-1");
    let both = resource(vec![KeyValue::new("hostname", "a"), KeyValue::new("host.name", "b")]);
    assert_eq!(names(&both), ["service.name", "hostname", "host.name"]);
    // A reader puts in a name of its own for one that is missing, empty or no text: it never has to.
    for service_name in [OwnedValue::Empty, OwnedValue::from(""), OwnedValue::I64(7)] {
        let read = resource(vec![KeyValue::new("service.name", service_name)]);
        assert_eq!(find(&read, "service.name").unwrap(), &"unknown_service");
    }
    assert_eq!(names(&resource(Vec::new())), ["service.name"]);
}

/// Encodes the Process of a resource, and returns what a reader makes of it.
fn resource_read(resource: &Resource) -> Pairs {
    let mut out = Buffer::new();
    out.append(|out| wire::message_head::<Compact>(out, 1));
    SpanConverter::new(Dialect::Otel, Extras::default())
        .write_process::<Compact>(&mut out, resource, 10_000);
    out.append(|out| {
        wire::spans_head::<Compact>(out, 0);
        wire::message_tail::<Compact>(out, None, None);
    });
    resource_of(&Tree::of_message(&out))
}

#[test]
fn the_user_interface_shows_kind_error_scope_and_events() {
    let mut span = TestSpan::new("op")
        .kind(SpanKind::Server)
        .scope("lib", "1")
        .status(StatusCode::Error, "")
        .attribute("exact", (1_i64 << 53) - 1)
        .attribute("large", 1_i64 << 53)
        .attribute("least", i64::MIN)
        .event("paid", 0, &[("a", 1.into())])
        .event("", 0, &[("a", 1.into())]);
    let mut show = |dialect| shown(&sent::<Compact>(&mut span, dialect));
    let (otel, classic) = (show(Dialect::Otel), show(Dialect::JaegerClient));
    for shown in [&otel, &classic] {
        assert_eq!((shown.kind.as_str(), shown.is_error), ("SERVER", true));
        let value = |index: usize| shown.tags[index].1.as_str();
        assert_eq!(
            [value(0), value(1), value(2)],
            ["9007199254740991", "\"9007199254740992\"", "\"-9223372036854775808\""]
        );
    }
    assert_eq!(otel.scope, ("lib".to_owned(), "1".to_owned()));
    assert_eq!(classic.scope, Default::default());
    assert_eq!(
        (otel.event_names, classic.event_names),
        (vec!["paid".into(), "log".into()], vec!["log".to_owned(); 2])
    );
    let plain = shown(&sent::<Compact>(&mut TestSpan::new("op"), Dialect::Otel));
    assert_eq!((plain.kind.as_str(), plain.is_error), ("INTERNAL", false));
}
