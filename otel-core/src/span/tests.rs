use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::attribute::{KeyValue, OwnedValue};
use crate::baggage::Baggage;
use crate::clock::{Clock, ManualClock};
use crate::context::Context;
use crate::exporter::InMemoryExporter;
use crate::id::{SpanId, TraceId};
use crate::processor::SimpleProcessor;
use crate::provider::{TracerProvider, TracerProviderBuilder};
use crate::record::SpanData;
use crate::sampler::{ConstSampler, ParentBasedSampler};
use crate::span_context::TraceFlags;
use crate::trace_state::TraceState;
use crate::tracer::Tracer;

/// A tracer, and what became of its spans.
struct Traced {
    tracer: Tracer,
    exporter: InMemoryExporter,
    /// Closes when it is dropped.
    _provider: TracerProvider,
}

impl Traced {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(set: impl FnOnce(TracerProviderBuilder) -> TracerProviderBuilder) -> Self {
        let exporter = InMemoryExporter::new();
        let builder = TracerProvider::builder().processor(SimpleProcessor::new(exporter.clone()));
        let provider = set(builder).build();
        Self { tracer: provider.tracer("test"), exporter, _provider: provider }
    }

    fn start(&self) -> Span {
        self.tracer.span_builder("span").root().start()
    }

    /// Returns the one span that ended.
    fn span(&self) -> SpanData {
        let mut spans = self.exporter.finished_spans();
        assert_eq!(spans.len(), 1);
        spans.remove(0)
    }

    fn names(&self) -> Vec<String> {
        self.exporter.finished_spans().into_iter().map(|span| span.name).collect()
    }
}

fn remote() -> SpanContext {
    SpanContext::new(TraceId::from_parts(1, 2), SpanId::new(3), TraceFlags::SAMPLED)
        .with_remote(true)
}

#[test]
fn a_span_has_what_it_was_started_with_and_what_was_set_later() {
    let traced = Traced::new();
    let links = [Link::new(remote()).with_attributes(&[("why", Value::Str("retry"))])];
    let mut span = traced
        .tracer
        .span_builder("/project/:project-id/list")
        .kind(SpanKind::Client)
        .attributes(&[("http.method", "GET".into()), ("http.status_code", 200.into())])
        .links(&links)
        .start();
    span.set_attribute("list.page_number", 2)
        .set_attributes(&[("project.id", 7.into()), ("http.status_code", 404.into())])
        .add_event("enqueued", &[("queue.length", 3.into())])
        .add_link(&Link::new(remote()))
        .set_status(StatusCode::Error, "not found")
        .update_name("list");
    span.end();
    let span = traced.span();
    assert_eq!((span.name.as_str(), span.kind), ("list", SpanKind::Client));
    let expected = [
        KeyValue::new("http.method", "GET"),
        KeyValue::new("http.status_code", 404),
        KeyValue::new("list.page_number", 2),
        KeyValue::new("project.id", 7),
    ];
    assert_eq!(span.attributes, expected);
    assert_eq!((span.events[0].name.as_str(), span.events[0].attributes.len()), ("enqueued", 1));
    assert_eq!((span.links.len(), span.links[0].attributes.len()), (2, 1));
    assert_eq!((span.status, span.status_description.as_str()), (StatusCode::Error, "not found"));
    assert_eq!(span.scope.name(), "test");
}

#[test]
fn every_kind_is_kept_and_the_default_is_internal() {
    let traced = Traced::new();
    let kinds = [
        SpanKind::Internal,
        SpanKind::Client,
        SpanKind::Server,
        SpanKind::Producer,
        SpanKind::Consumer,
    ];
    traced.start().end();
    for kind in kinds {
        traced.tracer.span_builder("span").kind(kind).start().end();
    }
    let ended: Vec<SpanKind> =
        traced.exporter.finished_spans().iter().map(|span| span.kind).collect();
    assert_eq!((ended[0], &ended[1..]), (SpanKind::Internal, &kinds[..]));
}

#[test]
fn every_type_of_value_is_kept_zero_and_empty_ones_too() {
    let traced = Traced::new();
    let nested = [Value::I64(1), Value::Strs(&["a"])];
    let map = [("k", Value::Array(&nested))];
    let values: [(&str, Value<'_>); 15] = [
        ("bool", false.into()),
        ("i64", i64::MIN.into()),
        ("zero", 0.into()),
        ("f64", (-0.5).into()),
        ("str", "größe".into()),
        ("empty str", "".into()),
        ("bytes", (&[0_u8, 255]).into()),
        ("bools", (&[true, false]).into()),
        ("i64s", (&[1_i64, 2]).into()),
        ("f64s", (&[0.5_f64]).into()),
        ("strs", (&["a", ""]).into()),
        ("no strs", Value::Strs(&[])),
        ("array", Value::Array(&nested)),
        ("map", Value::Map(&map)),
        ("nothing", Value::Empty),
    ];
    let mut span = traced.start();
    span.set_attributes(&values).add_event("event", &values);
    span.add_link(&Link::new(remote()).with_attributes(&values));
    span.end();
    let span = traced.span();
    let expected: Vec<KeyValue> =
        values.iter().map(|(key, value)| KeyValue::new(*key, OwnedValue::from(*value))).collect();
    assert_eq!(span.attributes, expected);
    assert_eq!(span.events[0].attributes, expected);
    assert_eq!(span.links[0].attributes, expected);
}

#[test]
fn arrays_that_a_sampler_gives_are_kept() {
    let given = KeyValue::new("rules", OwnedValue::Array(vec!["a".into(), 1_i64.into()]));
    #[derive(Debug)]
    struct Gives(Arc<[KeyValue]>);
    impl crate::sampler::Sampler for Gives {
        fn should_sample(
            &self,
            _: &crate::sampler::SamplingInput<'_>,
        ) -> crate::sampler::SamplingResult {
            crate::sampler::SamplingResult::record_and_sample().with_attributes(Arc::clone(&self.0))
        }
        fn description(&self) -> String {
            "Gives".to_owned()
        }
    }
    let sampler = Gives(Arc::new([given.clone()]));
    let traced = Traced::with(|builder| builder.sampler(sampler));
    traced.start().end();
    assert_eq!(traced.span().attributes, [given]);
}

#[test]
fn the_default_limits_are_opentelemetrys_and_what_is_dropped_is_counted() {
    let traced = Traced::new();
    let keys: Vec<String> = (0..130).map(|n| format!("key {n}")).collect();
    let many: Vec<(&str, Value<'_>)> =
        keys.iter().map(|key| (key.as_str(), Value::I64(1))).collect();
    let long = "x".repeat(100_000);
    let mut span = traced.start();
    span.set_attribute("key 0", long.as_str()).set_attributes(many.as_slice());
    span.set_attribute("key 127", 2).add_event("event", many.as_slice());
    span.add_link(&Link::new(remote()).with_attributes(&many));
    for n in 0..130 {
        span.add_event(&format!("event {n}"), &[]).add_link(&Link::new(remote()));
    }
    span.set_attribute("key 0", long.as_str());
    span.end();
    let span = traced.span();
    assert_eq!((span.attributes.len(), span.dropped_attributes), (128, 2));
    assert_eq!((span.events.len(), span.dropped_events), (128, 3));
    assert_eq!((span.links.len(), span.dropped_links), (128, 3));
    assert_eq!((span.events[0].attributes.len(), span.events[0].dropped_attributes), (128, 2));
    assert_eq!((span.links[0].attributes.len(), span.links[0].dropped_attributes), (128, 2));
    assert_eq!(span.events[127].name, "event 126", "the first ones stay");
    assert_eq!(
        span.attribute("key 127").unwrap(),
        &2,
        "a key that is there can be set at the limit"
    );
    assert_eq!(span.attribute("key 0").unwrap(), &long.as_str(), "no limit to a value");
}

#[test]
fn times_are_now_unless_they_are_given_and_given_ones_are_exact() {
    let clock = Arc::new(ManualClock::at_unix_nanos(1_000));
    let traced = Traced::with(|builder| builder.clock(Arc::<ManualClock>::clone(&clock)));
    let at = |nanos| UNIX_EPOCH + Duration::from_nanos(nanos);
    let mut span = traced.start();
    clock.advance(Duration::from_nanos(5));
    span.add_event("now", &[]).add_event_at("then", at(7), &[]);
    clock.advance(Duration::from_nanos(5));
    span.end();
    traced.tracer.span_builder("given").start_time(at(123_456_789)).start().end_at(at(223_456_790));
    traced.tracer.span_builder("given start").start_time(at(400)).start().end();
    traced.start().end_at(at(2_000));
    let shared = SharedSpan::new(traced.start());
    shared.add_event_at("shared", at(9), &[]).end_at(at(1_011));
    let spans = traced.exporter.finished_spans();
    let times: Vec<(u64, u64)> =
        spans.iter().map(|span| (span.start_unix_nanos, span.duration_nanos)).collect();
    assert_eq!(
        times,
        [(1_000, 10), (123_456_789, 100_000_001), (400, 610), (1_010, 990), (1_010, 1)]
    );
    let events: Vec<u64> = spans[0].events.iter().map(|event| event.unix_nanos).collect();
    assert_eq!(events, [1_005, 7], "in the order of the calls, not of their times");
    assert_eq!(spans[4].events[0].unix_nanos, 9);
}

#[test]
fn a_step_of_the_wall_clock_changes_no_duration_and_puts_no_event_outside_its_span() {
    /// A clock whose wall time can be set back.
    #[derive(Debug, Default)]
    struct Stepping {
        reading: AtomicU64,
        wall: AtomicU64,
    }
    impl Clock for Stepping {
        fn now(&self) -> u64 {
            self.reading.fetch_add(10, Ordering::Relaxed)
        }
        fn unix_nanos(&self, reading: u64) -> u64 {
            self.wall.load(Ordering::Relaxed) + reading
        }
        fn nanos_between(&self, start: u64, end: u64) -> u64 {
            end - start
        }
    }
    let clock = Arc::new(Stepping { wall: AtomicU64::new(5_000_000), ..Stepping::default() });
    let traced = Traced::with(|builder| builder.clock(Arc::<Stepping>::clone(&clock)));
    let mut span = traced.start();
    clock.wall.store(1_000, Ordering::Relaxed);
    span.add_event("event", &[]);
    span.end();
    let span = traced.span();
    assert_eq!(span.duration_nanos, 20);
    let since_start = span.events[0].unix_nanos - span.start_unix_nanos;
    assert!(since_start <= span.duration_nanos, "{since_start}");
}

#[test]
fn after_its_end_a_span_ignores_writes_and_is_still_a_context_a_parent_and_current() {
    let traced = Traced::new();
    let span = SharedSpan::new(traced.start());
    span.set_attribute("before", 1);
    let (context, current) = (span.context(), Context::new().with_shared_span(span.clone()));
    let _guard = current.attach();
    span.end();
    assert!(!span.is_recording());
    span.set_attribute("after", 1)
        .set_attributes(&[("after", 1.into())])
        .add_event("after", &[])
        .add_event_at("after", UNIX_EPOCH, &[])
        .add_link(&Link::new(remote()))
        .set_status(StatusCode::Error, "after")
        .update_name("after")
        .record_error(&fmt::Error)
        .record_error_with(&fmt::Error, &[])
        .record_error_at(&fmt::Error, UNIX_EPOCH, &[]);
    span.end();
    span.end_at(UNIX_EPOCH);
    let ended = traced.span();
    assert_eq!(
        (ended.name.as_str(), ended.attributes.len(), ended.status),
        ("span", 1, StatusCode::Unset)
    );
    assert!(ended.events.is_empty() && ended.links.is_empty());
    assert_eq!(
        (span.context(), SharedSpan::current().context()),
        (context.clone(), context.clone())
    );
    traced.tracer.start("child").end();
    let child = &traced.exporter.finished_spans()[1];
    assert_eq!((child.trace_id, child.parent_span_id), (context.trace_id(), context.span_id()));
}

#[test]
fn the_end_of_a_span_leaves_its_children_alone() {
    let traced = Traced::new();
    let parent = traced.tracer.start_as_current("parent");
    let mut child = traced.tracer.start("child");
    drop(parent);
    assert_eq!(traced.names(), ["parent"]);
    assert!(child.is_recording());
    child.set_attribute("late", true);
    child.end();
    assert_eq!(traced.exporter.finished_spans()[1].attributes.len(), 1);
}

#[test]
fn a_span_that_is_dropped_ends() {
    let traced = Traced::new();
    drop(traced.start());
    drop(SharedSpan::new(traced.start()));
    let shared = SharedSpan::new(traced.start());
    let other = shared.clone();
    drop(shared);
    assert_eq!(traced.names().len(), 2, "the last handle ends it");
    drop(other);
    assert_eq!(traced.names().len(), 3);
    let tracer = traced.tracer.clone();
    let panicked = thread::spawn(move || {
        let _current = tracer.start_as_current("in a panic");
        panic!("an application's bug");
    });
    assert!(panicked.join().is_err());
    assert_eq!(traced.names()[3], "in a panic");
}

#[test]
fn threads_write_to_a_span_at_once() {
    let traced = Traced::with(|builder| builder.limits(SpanLimits::UNLIMITED));
    let span = SharedSpan::new(traced.start());
    thread::scope(|scope| {
        for n in 0..4 {
            let span = span.clone();
            scope.spawn(move || {
                for call in 0..100 {
                    span.set_attribute(&format!("{n}:{call}"), call).add_event("event", &[]);
                    span.set_attribute("same", n);
                    span.set_status(StatusCode::Error, "x").update_name("renamed");
                    assert!(span.is_recording() && span.context().is_valid());
                }
            });
        }
    });
    span.end();
    let span = traced.span();
    assert_eq!((span.attributes.len(), span.events.len()), (401, 400));
    assert_eq!((span.name.as_str(), span.status), ("renamed", StatusCode::Error));
}

#[test]
fn a_span_that_does_not_record_is_its_context_and_nothing_else() {
    let context = remote().with_trace_state(TraceState::parse("a=1").unwrap());
    let mut span = Span::non_recording(context.clone());
    span.set_attribute("a", 1)
        .set_attributes(&[("a", 1.into())])
        .add_event("event", &[])
        .add_event_at("event", UNIX_EPOCH, &[])
        .add_link(&Link::new(remote()))
        .set_status(StatusCode::Ok, "")
        .update_name("name")
        .record_error(&fmt::Error)
        .record_error_at(&fmt::Error, UNIX_EPOCH, &[]);
    assert!(!span.is_recording() && span.recording_mut().is_none());
    assert_eq!((span.context(), span.context().is_remote()), (&context, true));
    span.end();
    let shared = SharedSpan::new(Span::non_recording(context.clone()));
    assert!(!shared.is_recording() && !shared.is_recorded());
    assert_eq!(shared.set_attribute("a", 1).context(), context);
    shared.end();
    assert_eq!(shared.context(), context);
}

#[test]
fn the_current_span_is_the_one_that_was_made_current_last() {
    let traced = Traced::new();
    assert!(!SharedSpan::current().is_recording() && !SharedSpan::current().context().is_valid());
    let foo = traced.tracer.start_as_current("foo");
    {
        let bar = traced.tracer.start_as_current("bar");
        assert_eq!(SharedSpan::current(), *bar);
        traced.tracer.in_span("baz", |baz| assert_eq!(&SharedSpan::current(), baz));
        assert_eq!(SharedSpan::current(), *bar);
    }
    assert_eq!(SharedSpan::current(), *foo);
    SharedSpan::current().set_attribute("from elsewhere", 1);
    drop(foo);
    assert!(!SharedSpan::current().context().is_valid());
    assert_eq!(traced.names(), ["baz", "bar", "foo"]);
    let spans = traced.exporter.finished_spans();
    assert_eq!(spans[0].parent_span_id, spans[1].span_id);
    assert_eq!(spans[1].parent_span_id, spans[2].span_id);
    assert!(!spans[2].parent_span_id.is_valid() && spans[0].trace_id == spans[2].trace_id);
    assert_eq!(spans[2].attributes, [KeyValue::new("from elsewhere", 1)]);
}

#[test]
fn what_is_current_beside_a_span_is_what_its_parents_context_holds() {
    let traced = Traced::new();
    let tenant = || Context::current().baggage().get("tenant").map(str::to_owned);
    let with_tenant = |tenant| Context::new().with_baggage(Baggage::new().with("tenant", tenant));
    let _guard = with_tenant("current").attach();
    let given = with_tenant("given").with_span_context(remote());
    let builder = || traced.tracer.span_builder("span").kind(SpanKind::Server);
    {
        let span = builder().parent(&given).start_as_current();
        assert_eq!(tenant().as_deref(), Some("given"));
        assert_eq!(span.context().trace_id(), remote().trace_id());
        let root = builder().root().start_as_current();
        assert_eq!(tenant().as_deref(), Some("given"), "a root is for the same piece of work");
        assert_ne!(root.context().trace_id(), remote().trace_id());
    }
    let answer = builder().in_span(|span| {
        assert_eq!(SharedSpan::current(), *span);
        tenant()
    });
    assert_eq!(answer.as_deref(), Some("current"));
    assert!(traced.exporter.finished_spans().iter().all(|span| span.kind == SpanKind::Server));
    assert_eq!(traced.names().len(), 3);
}

#[test]
fn links_without_ids_are_kept_with_all_they_say_and_in_order() {
    let traced = Traced::new();
    let state = TraceState::parse("a=1").unwrap();
    let nowhere = SpanContext::invalid();
    let links = [
        Link::new(nowhere.clone()).with_attributes(&[("n", Value::I64(1))]),
        Link::new(nowhere.with_trace_state(state)),
    ];
    let mut span = traced.tracer.span_builder("span").links(&links).start();
    span.add_link(&Link::new(remote()));
    span.end();
    let links = traced.span().links;
    assert_eq!(links[0].attributes, [KeyValue::new("n", 1)]);
    assert_eq!((links[1].trace_state.as_str(), links[1].trace_id.is_valid()), ("a=1", false));
    assert_eq!((links[2].trace_id, links[2].flags), (remote().trace_id(), TraceFlags::SAMPLED));
}

#[derive(Debug)]
struct Declined(Option<Box<Self>>);

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "card declined" } else { "no cover" })
    }
}

impl Error for Declined {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|cause| cause as &dyn Error)
    }
}

#[test]
fn an_error_becomes_an_event_with_its_type_message_and_causes() {
    let traced = Traced::new();
    let error = Declined(Some(Box::new(Declined(None))));
    let mut span = traced.start();
    span.record_error(&error);
    span.record_error(&error as &dyn Error);
    span.record_error(&Declined(None));
    span.end();
    let span = traced.span();
    assert_eq!((span.status, span.attributes.len()), (StatusCode::Unset, 0));
    assert!(span.events.iter().all(|event| event.name == "exception"));
    let type_name = std::any::type_name::<Declined>();
    let expected = [
        KeyValue::new("exception.type", type_name),
        KeyValue::new("exception.message", "card declined"),
        KeyValue::new("exception.stacktrace", "caused by: no cover"),
    ];
    assert_eq!(span.events[0].attributes, expected);
    assert_eq!(span.events[1].attributes, expected[1..], "a trait object has no type to name");
    let expected = [
        KeyValue::new("exception.type", type_name),
        KeyValue::new("exception.message", "no cover"),
    ];
    assert_eq!(span.events[2].attributes, expected, "no causes are no stack");
}

#[test]
fn the_callers_attributes_of_an_error_take_the_place_of_its_own() {
    let traced = Traced::new();
    let at = UNIX_EPOCH + Duration::from_secs(7);
    let shared = SharedSpan::new(traced.start());
    let attributes: [(&str, Value<'_>); 2] =
        [("exception.message", "hidden".into()), ("attempt", 2.into())];
    shared.record_error_with(&Declined(None), &attributes);
    shared.record_error_at(&Declined(None), at, &attributes[1..]);
    shared.end();
    let events = traced.span().events;
    let type_name = KeyValue::new("exception.type", std::any::type_name::<Declined>());
    let attempt = KeyValue::new("attempt", 2);
    let expected =
        [type_name.clone(), KeyValue::new("exception.message", "hidden"), attempt.clone()];
    assert_eq!(events[0].attributes, expected);
    let expected = [type_name, KeyValue::new("exception.message", "no cover"), attempt];
    assert_eq!((events[1].unix_nanos, &events[1].attributes[..]), (7_000_000_000, &expected[..]));
}

#[test]
fn what_is_not_sampled_costs_no_record_and_has_a_context() {
    let sampler = ParentBasedSampler::new(ConstSampler::new(false));
    let traced = Traced::with(|builder| builder.sampler(sampler));
    let span = traced.tracer.start_as_current("span");
    assert!(!span.is_recording() && span.context().is_valid() && !span.context().is_sampled());
    assert_eq!(SharedSpan::current().context(), span.context());
    let child = traced.tracer.start("child");
    assert_eq!(child.context().trace_id(), span.context().trace_id());
    drop((child, span));
    assert!(traced.names().is_empty());
}
