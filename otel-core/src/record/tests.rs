use super::*;
use crate::attribute::{AttributeSource, KeyValue, OwnedValue, Value};
use crate::id::{SpanId, TraceId};
use crate::instrumentation_scope::InstrumentationScope;
use crate::span::{SpanKind, SpanLimits, StatusCode};
use crate::span_context::{SpanContext, TraceFlags};

const LIMITS: SpanLimits = SpanLimits::UNLIMITED;

fn finished(buf: &mut SpanBuf) -> SpanData {
    let context =
        SpanContext::new(TraceId::from_parts(u64::MAX, 2), SpanId::new(3), TraceFlags::SAMPLED);
    let times = SpanTimes { start_unix_nanos: 5, duration_nanos: 6 };
    let scope = InstrumentationScope::new("scope", "1");
    buf.set_ids(SpanIds::new(&context, SpanId::new(4)));
    SpanData::from(buf.finish(times, &scope))
}

fn started(name: &str) -> SpanBuf {
    let mut buf = SpanBuf::new();
    buf.start(name, SpanKind::Internal, SpanIds::default());
    buf
}

#[test]
fn what_goes_in_comes_out() {
    let mut buf = started("name");
    buf.set_kind(SpanKind::Server);
    buf.set_attribute("text", Value::Str("größe"), &LIMITS);
    buf.set_attribute("int", Value::I64(i64::MIN), &LIMITS);
    buf.add_event("event", 7, &[("flag", Value::Bool(true))], &LIMITS);
    buf.set_attribute("float", Value::F64(-0.5), &LIMITS);
    buf.set_attribute("bytes", Value::Bytes(&[0, 255]), &LIMITS);
    let linked = SpanContext::new(TraceId::from_parts(8, 9), SpanId::new(10), TraceFlags::DEBUG);
    buf.add_link(&linked, &[("why", Value::Str("retry"))], &LIMITS);
    buf.set_status(StatusCode::Error, "broken");
    let span = finished(&mut buf);
    assert_eq!(
        (span.name.as_str(), span.kind, span.status),
        ("name", SpanKind::Server, StatusCode::Error)
    );
    assert_eq!((span.trace_id, span.span_id), (TraceId::from_parts(u64::MAX, 2), SpanId::new(3)));
    assert_eq!((span.parent_span_id, span.flags), (SpanId::new(4), TraceFlags::SAMPLED));
    assert_eq!((span.start_unix_nanos, span.duration_nanos), (5, 6));
    assert_eq!(span.status_description, "broken");
    let keys: Vec<&str> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(keys, ["text", "int", "float", "bytes"]);
    assert_eq!(span.attribute("text").unwrap(), &"größe");
    assert_eq!(span.attribute("int").unwrap(), &i64::MIN);
    assert_eq!(span.attribute("bytes").unwrap(), &OwnedValue::Bytes(vec![0, 255]));
    assert_eq!((span.events[0].name.as_str(), span.events[0].unix_nanos), ("event", 7));
    assert_eq!(span.events[0].attributes[0].value, true);
    assert_eq!(
        (span.links[0].trace_id, span.links[0].span_id),
        (TraceId::from_parts(8, 9), SpanId::new(10))
    );
    assert_eq!(
        (span.links[0].flags, &span.links[0].attributes[0].value),
        (TraceFlags::DEBUG, &"retry".into())
    );
    assert_eq!((span.scope.name(), span.scope.version()), ("scope", "1"));
}

#[test]
fn a_record_knows_which_of_the_spans_it_names_are_in_another_process() {
    let (near, mut buf) = (SpanContext::default(), started("span"));
    let far = near.clone().with_flags(TraceFlags::SAMPLED).with_remote(true);
    for kind in [SpanKind::Internal, SpanKind::Client, SpanKind::Consumer] {
        for has_remote_parent in [true, false] {
            buf.start("span", kind, SpanIds::default());
            if has_remote_parent {
                buf.set_remote_parent();
            }
            buf.add_link(&near, &[], &LIMITS);
            buf.add_link(&far, &[], &LIMITS);
            let scope = InstrumentationScope::default();
            let span = buf.finish(SpanTimes::default(), &scope);
            assert_eq!((span.kind(), span.has_remote_parent()), (kind, has_remote_parent));
            let links: Vec<_> = span.links().map(|link| (link.is_remote(), link.flags())).collect();
            assert_eq!(links, [(false, TraceFlags::NONE), (true, TraceFlags::SAMPLED)]);
        }
    }
}

#[test]
fn a_repeated_key_keeps_its_place_and_takes_the_last_value() {
    let mut buf = started("span");
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("a", "a longer value"), ("c", "")] {
        buf.set_attribute(key, Value::Str(value), &LIMITS);
    }
    buf.set_attribute("b", Value::I64(7), &LIMITS);
    let span = finished(&mut buf);
    let values: Vec<&OwnedValue> =
        span.attributes.iter().map(|attribute| &attribute.value).collect();
    assert_eq!(
        values,
        [&OwnedValue::from("a longer value"), &OwnedValue::I64(7), &OwnedValue::from("")]
    );
}

#[test]
fn a_repeated_key_is_found_among_any_number_of_keys() {
    for n_keys in [1, 15, 16, 17, 40, 128] {
        let mut buf = started("span");
        for round in 0..2 {
            for key in 0..n_keys {
                buf.set_attribute(&format!("key {key}"), Value::I64(round), &LIMITS);
            }
        }
        let span = finished(&mut buf);
        assert_eq!(span.attributes.len(), n_keys, "{n_keys} keys");
        assert!(span.attributes.iter().all(|attribute| attribute.value == 1));
    }
}

#[test]
fn keys_of_the_last_span_are_forgotten_however_many_they_were() {
    let mut buf = started("first");
    (0..40).for_each(|key| buf.set_attribute(&format!("key {key}"), Value::I64(1), &LIMITS));
    for n_keys in [3, 30] {
        buf.start("next", SpanKind::Internal, SpanIds::default());
        (0..n_keys)
            .for_each(|key| buf.set_attribute(&format!("key {key}"), Value::I64(2), &LIMITS));
        let span = finished(&mut buf);
        assert_eq!((span.attributes.len(), span.dropped_attributes), (n_keys, 0));
        assert!(span.attributes.iter().all(|attribute| attribute.value == 2));
    }
}

#[test]
fn an_event_does_not_hide_or_hold_an_attribute_of_the_same_key() {
    let mut buf = started("span");
    buf.add_event("event", 0, &[("key", Value::I64(1))], &LIMITS);
    buf.set_attribute("key", Value::I64(2), &LIMITS);
    buf.set_attribute("key", Value::I64(3), &LIMITS);
    let span = finished(&mut buf);
    assert_eq!(span.attributes.len(), 1);
    assert_eq!(span.attribute("key").unwrap(), &3);
    assert_eq!(span.events[0].attributes[0].value, 1);
}

#[test]
fn past_a_limit_the_newest_is_dropped_and_counted() {
    let limits = SpanLimits::default()
        .attributes(2)
        .events(1)
        .links(1)
        .attributes_per_event(1)
        .attributes_per_link(0);
    let mut buf = started("span");
    for key in ["a", "b", "c", "a"] {
        buf.set_attribute(key, Value::Str(key), &limits);
    }
    let context = SpanContext::new(TraceId::from_parts(1, 1), SpanId::new(1), TraceFlags::NONE);
    for _ in 0..3 {
        buf.add_event("event", 0, &[("a", Value::I64(1)), ("b", Value::I64(2))], &limits);
        buf.add_link(&context, &[("a", Value::I64(1))], &limits);
    }
    let span = finished(&mut buf);
    assert_eq!((span.attributes.len(), span.dropped_attributes), (2, 1));
    assert_eq!((span.events.len(), span.dropped_events), (1, 2));
    assert_eq!((span.links.len(), span.dropped_links), (1, 2));
    assert_eq!((span.events[0].attributes.len(), span.events[0].dropped_attributes), (1, 1));
    assert_eq!((span.links[0].attributes.len(), span.links[0].dropped_attributes), (0, 1));
}

#[test]
fn an_empty_key_is_dropped_and_counted() {
    let mut buf = started("span");
    buf.set_attribute("", Value::I64(1), &LIMITS);
    let fields = [("", Value::I64(1)), ("a", Value::I64(2)), ("", Value::Strs(&["b"]))];
    buf.add_event("event", 0, &fields, &LIMITS);
    let context = SpanContext::new(TraceId::from_parts(1, 1), SpanId::new(1), TraceFlags::NONE);
    buf.add_link(&context, &fields, &LIMITS);
    let span = finished(&mut buf);
    assert_eq!((span.attributes.len(), span.dropped_attributes), (0, 1));
    assert_eq!((span.events[0].attributes.len(), span.events[0].dropped_attributes), (1, 2));
    assert_eq!((span.links[0].attributes.len(), span.links[0].dropped_attributes), (1, 2));
}

#[test]
fn long_keys_values_and_names_come_out_whole() {
    let long = "ü".repeat(1 << 19);
    let mut buf = started(&long);
    buf.set_attribute(&long, Value::Str(&long), &LIMITS);
    buf.set_attribute("short", Value::Str(&long), &LIMITS);
    buf.add_event(&long, 0, &[(long.as_str(), Value::Bool(false))], &LIMITS);
    let span = finished(&mut buf);
    assert_eq!(span.name, long);
    assert_eq!(span.attribute(&long).unwrap(), long.as_str());
    assert_eq!(span.attribute("short").unwrap(), long.as_str());
    assert_eq!((&span.events[0].name, &span.events[0].attributes[0].key), (&long, &long));
}

#[test]
fn a_record_never_outgrows_its_length_fields() {
    let huge = "x".repeat(MAX_AREA_BYTES / 2);
    let mut buf = started(&"n".repeat(MAX_AREA_BYTES));
    for key in ["a", "b", "c"] {
        buf.set_attribute(key, Value::Str(&huge), &LIMITS);
    }
    buf.add_event(&huge, 0, &[("field", Value::Str(&huge))], &LIMITS);
    let span = finished(&mut buf);
    assert_eq!(span.name.len(), MAX_AREA_BYTES / 2);
    assert_eq!(span.attributes.len() + span.dropped_attributes as usize, 3);
    assert!(span.dropped_attributes > 0);
}

#[test]
fn nested_values_come_out_and_stop_at_a_depth() {
    let mut buf = started("span");
    let inner = [Value::Strs(&["a", "b"]), Value::I64s(&[1, 2])];
    let map = [("list", Value::Array(&inner)), ("none", Value::Empty)];
    buf.set_attribute("map", Value::Map(&map), &LIMITS);
    let span = finished(&mut buf);
    let expected = OwnedValue::from(Value::Map(&map));
    assert_eq!(span.attribute("map").unwrap(), &expected);

    fn nest(value: Value<'_>, levels: usize, use_it: &mut dyn FnMut(Value<'_>)) {
        if levels == 0 { use_it(value) } else { nest(Value::Array(&[value]), levels - 1, use_it) }
    }
    nest(Value::I64(1), 200, &mut |value| {
        let mut buf = started("span");
        buf.set_attribute("deep", value, &LIMITS);
        let span = finished(&mut buf);
        let (mut depth, mut value) = (0, span.attribute("deep").unwrap());
        while let OwnedValue::Array(items) = value {
            depth += 1;
            let Some(first) = items.first() else { break };
            value = first;
        }
        assert_eq!(depth, 65, "64 levels with something in them, and an empty one");
    });
}

#[test]
fn values_that_own_what_they_hold_come_out_as_those_that_borrow_it() {
    let owned = [
        OwnedValue::Empty,
        OwnedValue::Array(vec![1_i64.into(), "a".into(), OwnedValue::Array(vec![true.into()])]),
        OwnedValue::Array(Vec::new()),
        OwnedValue::Map(vec![KeyValue::new("k", OwnedValue::Array(vec![OwnedValue::F64(0.5)]))]),
        OwnedValue::Bytes(vec![1, 2]),
    ];
    let mut buf = started("span");
    for (n, value) in owned.iter().enumerate() {
        buf.set_attribute(&format!("{n}"), Value::from(value), &LIMITS);
        assert_eq!(&OwnedValue::from(Value::from(value)), value);
    }
    let span = finished(&mut buf);
    let values: Vec<&OwnedValue> = span.attributes.iter().map(|one| &one.value).collect();
    assert_eq!(values, owned.iter().collect::<Vec<_>>());
}

#[test]
fn values_are_cut_inside_arrays_and_events_too() {
    let limits = SpanLimits::default().value_length(2);
    let mut buf = started("span");
    buf.set_attribute("text", Value::Str("äöü"), &limits);
    buf.set_attribute("list", Value::Strs(&["abc", "d"]), &limits);
    buf.set_attribute("bytes", Value::Bytes(b"abc"), &limits);
    let map = [("long key", Value::Str("abc")), ("n", Value::I64(12345))];
    buf.set_attribute("map", Value::Map(&map), &limits);
    buf.add_event("event name", 0, &[("field", Value::Str("xyz"))], &limits);
    let span = finished(&mut buf);
    assert_eq!(span.attribute("text").unwrap(), &"äö");
    assert_eq!(span.attribute("list").unwrap(), &OwnedValue::Array(vec!["ab".into(), "d".into()]));
    assert_eq!(span.attribute("bytes").unwrap(), &OwnedValue::Bytes(b"ab".to_vec()));
    let cut = vec![KeyValue::new("long key", "ab"), KeyValue::new("n", 12345)];
    assert_eq!(span.attribute("map").unwrap(), &OwnedValue::Map(cut));
    assert_eq!(span.events[0].attributes[0].value, "xy");
    assert_eq!(span.events[0].name, "event name");
}

#[test]
fn ok_is_final_and_a_description_goes_with_an_error_only() {
    let statuses = |calls: &[(StatusCode, &str)]| {
        let mut buf = started("span");
        for (status, description) in calls {
            buf.set_status(*status, description);
        }
        let span = finished(&mut buf);
        (span.status, span.status_description)
    };
    use StatusCode::{Error, Ok, Unset};
    assert_eq!(statuses(&[(Error, "z"), (Error, "a")]), (Error, "a".into()));
    assert_eq!(statuses(&[(Error, "a"), (Error, "")]), (Error, "".into()));
    assert_eq!(statuses(&[(Error, "a"), (Ok, "b")]), (Ok, "".into()));
    assert_eq!(statuses(&[(Ok, ""), (Error, "late")]), (Ok, "".into()));
    assert_eq!(statuses(&[(Error, "a"), (Unset, "")]), (Error, "a".into()));
}

#[test]
fn a_name_can_be_replaced_by_a_longer_or_a_shorter_one() {
    for name in ["", "s", "a much longer name than before"] {
        let mut buf = started("before");
        buf.set_attribute("key", Value::I64(1), &LIMITS);
        buf.set_name(name);
        buf.set_attribute("key", Value::I64(2), &LIMITS);
        let span = finished(&mut buf);
        assert_eq!((span.name.as_str(), span.attributes.len()), (name, 1));
        assert_eq!(span.attribute("key").unwrap(), &2);
    }
}

#[test]
fn a_buffer_forgets_the_span_before() {
    let mut buf = started("first");
    buf.set_attribute("key", Value::I64(1), &LIMITS);
    buf.set_status(StatusCode::Error, "broken");
    finished(&mut buf);
    buf.start("second", SpanKind::Client, SpanIds::default());
    let span = finished(&mut buf);
    assert_eq!((span.name.as_str(), span.attributes.len()), ("second", 0));
    assert_eq!((span.status, span.status_description.as_str()), (StatusCode::Unset, ""));
}

#[test]
fn bytes_that_are_no_record_are_read_without_a_panic() {
    let scope = InstrumentationScope::default();
    let mut buf = started("span");
    buf.set_attribute("key", Value::Strs(&["a"]), &LIMITS);
    buf.add_event("event", 0, &[("a", Value::I64(1))], &LIMITS);
    buf.add_link(&SpanContext::invalid(), &[("a", Value::I64(1))], &LIMITS);
    let whole = buf.finish(SpanTimes::default(), &scope).frame().to_vec();
    let mut state = 1_u64;
    for round in 0..20_000 {
        let mut frame = whole[..round % (whole.len() + 1)].to_vec();
        for _ in 0..round % 4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if let Some(byte) = frame.get_mut((state >> 33) as usize % whole.len()) {
                *byte = (state >> 24) as u8;
            }
        }
        for span in SpanView::all_in(&frame, &[]) {
            let _ = SpanData::from(span);
        }
        let _ = SpanData::from(SpanView::new(&frame, &scope));
    }
}

#[test]
fn the_newest_event_can_be_named_afterwards() {
    for name in ["", "x", "a longer name"] {
        let mut buf = started("span");
        buf.add_event("first", 0, &[("a", Value::I64(1))], &LIMITS);
        buf.add_event("log", 0, &[("b", Value::I64(2))], &LIMITS);
        buf.set_last_event_name(name);
        buf.set_attribute("after", Value::I64(3), &LIMITS);
        let span = finished(&mut buf);
        assert_eq!((span.events[0].name.as_str(), span.events[1].name.as_str()), ("first", name));
        assert_eq!(
            (&span.events[1].attributes[0].key, span.attributes.len()),
            (&"b".to_owned(), 1)
        );
    }
}

#[test]
fn an_event_whose_fields_panic_is_taken_back_and_counted() {
    struct Panics;
    impl AttributeSource for Panics {
        fn for_each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
            visit("first", Value::I64(1));
            panic!("a caller's bug");
        }
    }
    let mut buf = started("span");
    buf.set_attribute("before", Value::I64(1), &LIMITS);
    let context = SpanContext::new(TraceId::from_parts(1, 1), SpanId::new(1), TraceFlags::NONE);
    let event = std::panic::AssertUnwindSafe(|| buf.add_event("event", 0, &Panics, &LIMITS));
    assert!(std::panic::catch_unwind(event).is_err());
    let link = std::panic::AssertUnwindSafe(|| buf.add_link(&context, &Panics, &LIMITS));
    assert!(std::panic::catch_unwind(link).is_err());
    buf.add_event("after", 0, &[("field", Value::I64(2))], &LIMITS);
    buf.set_attribute("after", Value::I64(3), &LIMITS);
    let span = finished(&mut buf);
    assert_eq!((span.attributes.len(), span.events.len(), span.links.len()), (2, 1, 0));
    assert_eq!((span.dropped_events, span.dropped_links), (1, 1));
    assert_eq!(span.events[0].attributes[0].value, 2);
}
