use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::attribute::Value;
use crate::baggage::Baggage;
use crate::exporter::InMemoryExporter;
use crate::id::TraceId;
use crate::id_generator::RandomIdGenerator;
use crate::processor::{SimpleProcessor, SpanProcessor};
use crate::provider::{TracerProvider, TracerProviderBuilder};
use crate::record::{SpanData, SpanView};
use crate::sampler::{
    AlwaysOffSampler, AlwaysOnSampler, AlwaysRecordSampler, ConstSampler, ParentBasedSampler,
    ProbabilitySampler, Sampler, SamplingPrioritySampler, SamplingRate, TraceIdRatioSampler,
};
use crate::sync::BriefMutex;
use crate::trace_state::TraceState;

/// A sampler that decides by a function.
struct Decides<F>(F);

impl<F> fmt::Debug for Decides<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decides")
    }
}

impl<F: Fn(&SamplingInput<'_>) -> SamplingResult + Send + Sync + 'static> Sampler for Decides<F> {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        (self.0)(input)
    }

    fn description(&self) -> String {
        "Decides".to_owned()
    }
}

/// Keeps the names of what starts and ends.
#[derive(Clone, Debug, Default)]
struct Told(Arc<BriefMutex<Vec<String>>>);

impl SpanProcessor for Told {
    fn on_end(&self, span: &SpanView<'_>) {
        self.0.with(|told| told.push(span.name().to_string()));
    }
}

fn provider(
    set: impl FnOnce(TracerProviderBuilder) -> TracerProviderBuilder,
) -> (TracerProvider, InMemoryExporter) {
    let exporter = InMemoryExporter::new();
    let builder = TracerProvider::builder().processor(SimpleProcessor::new(exporter.clone()));
    (set(builder).build(), exporter)
}

fn sampled_by(sampler: impl Sampler) -> (TracerProvider, InMemoryExporter) {
    provider(|builder| builder.sampler(sampler))
}

fn remote(flags: TraceFlags) -> SpanContext {
    SpanContext::new(TraceId::from_parts(0xAB, 0xCD), SpanId::new(0xEF), flags).with_remote(true)
}

fn start(tracer: &Tracer, parent: Option<&SpanContext>) -> Span {
    tracer.start_request(&SpanRequest { parent, ..SpanRequest::new("span") })
}

#[test]
fn a_root_has_a_new_trace_id_and_a_child_its_parents() {
    let (provider, exporter) = provider(|builder| builder);
    let tracer = provider.tracer("test");
    let root = tracer.start("root");
    let other_root = tracer.start("another root");
    assert_ne!(root.context().trace_id(), other_root.context().trace_id());
    assert_eq!(Context::current().span_context(), None, "a start makes nothing current");
    let parent = Context::new().with_span_context(root.context().clone());
    let child = tracer.span_builder("child").parent(&parent).start();
    assert_eq!(child.context().trace_id(), root.context().trace_id());
    assert_ne!(child.context().span_id(), root.context().span_id());
    let _guard = parent.attach();
    let by_context = tracer.start("current parent");
    assert_eq!(by_context.context().trace_id(), root.context().trace_id());
    let forced_root = tracer.span_builder("root").root().start();
    assert_ne!(forced_root.context().trace_id(), root.context().trace_id());
    let root_id = root.context().span_id();
    drop((root, other_root, child, by_context, forced_root));
    let parents: Vec<SpanId> =
        exporter.finished_spans().iter().map(|span| span.parent_span_id).collect();
    assert_eq!(parents, [SpanId::INVALID, SpanId::INVALID, root_id, root_id, SpanId::INVALID]);
}

#[test]
fn a_parent_that_is_not_valid_is_none() {
    let (provider, exporter) = provider(|builder| builder);
    let tracer = provider.tracer("test");
    let (trace_id, span_id) = (TraceId::from_parts(0, 1), SpanId::new(2));
    for invalid in [
        SpanContext::invalid(),
        SpanContext::new(trace_id, SpanId::INVALID, TraceFlags::SAMPLED),
        SpanContext::new(TraceId::INVALID, span_id, TraceFlags::SAMPLED),
    ] {
        for is_remote in [false, true] {
            let span = start(&tracer, Some(&invalid.clone().with_remote(is_remote)));
            assert!(span.context().is_valid(), "{invalid:?}");
            assert_ne!(span.context().trace_id(), trace_id);
            assert_ne!(span.context().span_id(), span_id);
        }
    }
    assert!(exporter.finished_spans().iter().all(|span| !span.parent_span_id.is_valid()));
}

#[test]
fn only_what_was_extracted_is_remote() {
    let (provider, _) = provider(|builder| builder);
    let tracer = provider.tracer("test");
    let parent = remote(TraceFlags::SAMPLED);
    let child = start(&tracer, Some(&parent));
    assert!(parent.is_remote() && !child.context().is_remote());
    assert!(!start(&tracer, Some(child.context())).context().is_remote());
    assert!(!tracer.start("root").context().is_remote());
}

#[test]
fn the_random_flag_is_a_roots_own_and_a_childs_parents() {
    /// Ids that are not random.
    #[derive(Debug)]
    struct Counted(AtomicU64);
    impl IdGenerator for Counted {
        fn new_trace_id(&self) -> TraceId {
            TraceId::from_parts(0, self.0.fetch_add(1, Ordering::Relaxed) + 1)
        }
        fn new_span_id(&self) -> SpanId {
            SpanId::new(self.0.fetch_add(1, Ordering::Relaxed) + 1)
        }
    }
    let (random, _) = provider(|builder| builder.id_generator(RandomIdGenerator::new()));
    let (counted, _) = provider(|builder| builder.id_generator(Counted(AtomicU64::new(0))));
    for (provider, expected) in [(random, true), (counted, false)] {
        let tracer = provider.tracer("test");
        let root = tracer.start("root");
        assert_eq!(root.context().flags().is_random(), expected);
        assert_eq!(start(&tracer, Some(root.context())).context().flags().is_random(), expected);
        for flags in [TraceFlags::SAMPLED, TraceFlags::SAMPLED | TraceFlags::RANDOM] {
            assert_eq!(start(&tracer, Some(&remote(flags))).context().flags(), flags);
        }
    }
}

#[test]
fn ids_that_a_generator_fails_to_make_are_random() {
    #[derive(Debug)]
    struct Fails;
    impl IdGenerator for Fails {
        fn new_trace_id(&self) -> TraceId {
            TraceId::INVALID
        }
        fn new_span_id(&self) -> SpanId {
            panic!("a generator's bug")
        }
        fn is_random(&self) -> bool {
            panic!("a generator's bug")
        }
    }
    let (provider, exporter) = provider(|builder| builder.id_generator(Fails));
    let tracer = provider.tracer("test");
    tracer.in_span("root", |_| tracer.start("child").end());
    let spans = exporter.finished_spans();
    assert_eq!(spans[0].parent_span_id, spans[1].span_id);
    assert!(spans[0].trace_id.is_valid() && spans[0].span_id.is_valid());
    assert!(spans[0].span_id != spans[1].span_id && !spans[0].flags.is_random());
}

#[test]
fn the_sampler_is_asked_with_the_trace_id_before_the_span_gets_its_own() {
    let seen: Arc<BriefMutex<Vec<(TraceId, String)>>> = Arc::default();
    let log = Arc::clone(&seen);
    let (provider, _) = sampled_by(Decides(move |input: &SamplingInput<'_>| {
        log.with(|log| log.push((input.trace_id, input.name.to_owned())));
        SamplingResult::drop()
    }));
    let tracer = provider.tracer("test");
    let (one, two) = (tracer.start("one"), tracer.start("two"));
    let expected = [
        (one.context().trace_id(), "one".to_owned()),
        (two.context().trace_id(), "two".to_owned()),
    ];
    assert_eq!(seen.with(|seen| seen.clone()), expected);
    assert!(one.context().is_valid() && one.context().span_id() != two.context().span_id());
    let child = start(&tracer, Some(one.context()));
    assert!(child.context().span_id().is_valid(), "a span that is dropped has an id of its own");
    assert_ne!(child.context().span_id(), one.context().span_id());
}

#[test]
fn each_decision_records_and_exports_what_it_says() {
    for (result, is_recording, is_sampled) in [
        (SamplingResult::drop(), false, false),
        (SamplingResult::record_only(), true, false),
        (SamplingResult::record_and_sample(), true, true),
    ] {
        let told = Told::default();
        let (provider, exporter) = provider(|builder| {
            let result = result.clone();
            builder
                .sampler(Decides(move |_: &SamplingInput<'_>| result.clone()))
                .processor(told.clone())
        });
        let span = provider.tracer("test").start("span");
        assert_eq!(span.is_recording(), is_recording, "{result:?}");
        assert_eq!(span.context().is_sampled(), is_sampled, "{result:?}");
        drop(span);
        assert_eq!(told.0.with(|told| told.len()), usize::from(is_recording), "{result:?}");
        assert_eq!(exporter.finished_spans().len(), usize::from(is_sampled), "{result:?}");
        let counts = provider.counts();
        assert_eq!(counts.finished_spans, u64::from(is_sampled), "{result:?}");
    }
}

#[test]
fn a_sampler_sees_what_the_span_starts_with_and_the_context_of_its_parent() {
    let n_asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&n_asked);
    let (provider, _) = sampled_by(Decides(move |input: &SamplingInput<'_>| {
        counter.fetch_add(1, Ordering::Relaxed);
        let mut attributes = Vec::new();
        input.attributes.for_each(&mut |key, value| attributes.push(format!("{key}={value:?}")));
        assert_eq!(attributes, ["n=I64(7)"]);
        assert_eq!((input.name, input.kind, input.links.len()), ("span", SpanKind::Client, 1));
        assert_eq!(input.parent, Some(&remote(TraceFlags::NONE)));
        assert_eq!(input.trace_id, remote(TraceFlags::NONE).trace_id());
        assert_eq!(input.parent_context().baggage().get("tenant"), Some("7"));
        SamplingResult::record_and_sample()
    }));
    let parent = Context::new()
        .with_span_context(remote(TraceFlags::NONE))
        .with_baggage(Baggage::new().with("tenant", "7"));
    let links = [Link::new(remote(TraceFlags::NONE))];
    let tracer = provider.tracer("test");
    let builder = tracer.span_builder("span").kind(SpanKind::Client).parent(&parent);
    let span = builder.attributes(&[("n", Value::I64(7))]).links(&links).start();
    // An assertion that fails in the sampler would leave the span as its parent.
    assert!(span.is_recording());
    assert_eq!(n_asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_sampler_that_panics_costs_the_roots_alone() {
    let (provider, exporter) =
        sampled_by(Decides(|_: &SamplingInput<'_>| panic!("a sampler's bug")));
    let tracer = provider.tracer("test");
    let root = tracer.start("root");
    assert!(root.context().is_valid() && !root.is_recording());
    assert!(start(&tracer, Some(&remote(TraceFlags::SAMPLED))).is_recording());
    assert!(!start(&tracer, Some(&remote(TraceFlags::NONE))).is_recording());
    let local = remote(TraceFlags::SAMPLED).with_remote(false);
    assert!(start(&tracer, Some(&local)).is_recording());
    assert_eq!(exporter.finished_spans().len(), 2);
}

#[test]
fn a_child_has_its_parents_trace_state_unless_the_sampler_gives_another() {
    let parent_state = TraceState::parse("foo=1,bar=2").unwrap();
    let parent = remote(TraceFlags::SAMPLED).with_trace_state(parent_state);
    for (given, expected) in [(None, "foo=1,bar=2"), (Some("new=3"), "new=3"), (Some(""), "")] {
        let (provider, exporter) = sampled_by(Decides(move |_: &SamplingInput<'_>| {
            let result = SamplingResult::record_and_sample();
            match given {
                Some(given) => result.with_trace_state(TraceState::parse(given).unwrap()),
                None => result,
            }
        }));
        let tracer = provider.tracer("test");
        let child = start(&tracer, Some(&parent));
        assert_eq!(child.context().trace_state().to_string(), expected);
        drop(child);
        assert_eq!(exporter.finished_spans()[0].trace_state, expected);
    }
    // The short way of a local child hands it on as well.
    let (provider, exporter) = provider(|builder| builder);
    drop(start(&provider.tracer("test"), Some(&parent.with_remote(false))));
    assert_eq!(exporter.finished_spans()[0].trace_state, "foo=1,bar=2");
}

#[test]
fn attributes_of_the_sampler_are_on_the_spans_it_was_asked_for_and_the_spans_own_win() {
    let (provider, exporter) = sampled_by(ParentBasedSampler::new(ConstSampler::new(true)));
    let tracer = provider.tracer("test");
    let builder = tracer.span_builder("root");
    let root = builder.attributes(&[("sampler.param", Value::Str("own"))]).start();
    drop(start(&tracer, Some(root.context())));
    drop(start(&tracer, Some(&remote(TraceFlags::SAMPLED))));
    drop(root);
    let spans = exporter.finished_spans();
    assert_eq!((spans[0].attributes.len(), spans[1].attributes.len()), (0, 0));
    assert_eq!(spans[2].attribute("sampler.type").unwrap(), &"const");
    assert_eq!(spans[2].attribute("sampler.param").unwrap(), &"own");
    let (unsampled, exporter) = sampled_by(ParentBasedSampler::new(ConstSampler::new(false)));
    drop(unsampled.tracer("test").start("root"));
    assert!(exporter.finished_spans().is_empty());
}

#[test]
fn the_default_keeps_all_roots_and_follows_all_parents() {
    let (provider, _) = provider(|builder| builder);
    let tracer = provider.tracer("test");
    let root = tracer.start("root");
    assert!(root.is_recording() && root.context().is_sampled());
    for (flags, expected) in [(TraceFlags::SAMPLED, true), (TraceFlags::NONE, false)] {
        for is_remote in [true, false] {
            let span = start(&tracer, Some(&remote(flags).with_remote(is_remote)));
            assert_eq!(span.is_recording(), expected, "{flags:?}, remote: {is_remote}");
            assert_eq!(span.context().flags(), flags);
        }
    }
}

#[test]
fn a_decision_that_was_left_open_is_the_samplers_in_this_process_too() {
    let deferred = remote(TraceFlags::SAMPLED | TraceFlags::DEFERRED);
    let (provider, _) = sampled_by(ParentBasedSampler::new(AlwaysOffSampler));
    let tracer = provider.tracer("test");
    for is_remote in [true, false] {
        let span = start(&tracer, Some(&deferred.clone().with_remote(is_remote)));
        assert!(!span.is_recording(), "remote: {is_remote}");
        assert_eq!(span.context().flags(), TraceFlags::NONE);
    }
}

#[test]
fn a_priority_decides_for_any_span_and_marks_it() {
    let (provider, exporter) = sampled_by(SamplingPrioritySampler::new(ParentBasedSampler::new(
        TraceIdRatioSampler::new(SamplingRate::NONE),
    )));
    let tracer = provider.tracer("test");
    let with_priority = |parent: &Context, priority: i64| {
        let attributes = [("sampling.priority", Value::I64(priority))];
        tracer.span_builder("span").parent(parent).attributes(&attributes).start()
    };
    assert!(!tracer.start("root").is_recording());
    let root = with_priority(&Context::new(), 1);
    let debug = TraceFlags::SAMPLED | TraceFlags::DEBUG | TraceFlags::RANDOM;
    assert_eq!((root.is_recording(), root.context().flags()), (true, debug));
    let under_root = Context::new().with_span_context(root.context().clone());
    let dropped = with_priority(&under_root, 0);
    assert_eq!((dropped.is_recording(), dropped.context().flags()), (false, TraceFlags::RANDOM));
    assert_eq!(start(&tracer, Some(root.context())).context().flags(), debug);
    drop((root, dropped));
    assert_eq!(exporter.finished_spans().len(), 2);
}

#[test]
fn what_is_recorded_without_being_kept_has_children_like_it() {
    let told = Told::default();
    let (provider, exporter) = provider(|builder| {
        let sampler = AlwaysRecordSampler::new(ParentBasedSampler::new(AlwaysOffSampler));
        builder.sampler(sampler).processor(told.clone())
    });
    let tracer = provider.tracer("test");
    tracer.in_span("root", |_| tracer.start("child").end());
    assert_eq!(told.0.with(|told| told.clone()), ["child", "root"]);
    assert!(exporter.finished_spans().is_empty());
    assert_eq!(provider.counts().finished_spans, 0);
}

#[test]
fn a_threshold_goes_down_to_children_and_into_what_is_exported() {
    let (provider, exporter) =
        sampled_by(ParentBasedSampler::new(ProbabilitySampler::new(SamplingRate::ALL)));
    let tracer = provider.tracer("test");
    tracer.in_span("root", |_| tracer.start("child").end());
    let states: Vec<String> =
        exporter.finished_spans().into_iter().map(|span: SpanData| span.trace_state).collect();
    assert_eq!(states, ["ot=th:0", "ot=th:0"]);
}

#[test]
fn without_a_provider_a_span_carries_its_parents_context() {
    let (closed, exporter) = provider(|builder| builder);
    let of_closed = closed.tracer("test");
    closed.close(Duration::from_secs(5)).unwrap();
    let parent = remote(TraceFlags::SAMPLED).with_trace_state(TraceState::parse("a=1").unwrap());
    let current = Context::new().with_span_context(parent.clone());
    for tracer in [Tracer::noop(), Tracer::default(), of_closed, closed.tracer("later")] {
        let root = tracer.start("root");
        assert!(!root.is_recording() && !root.context().is_valid());
        let _guard = current.clone().attach();
        let mut child = tracer.start("child");
        child.set_attribute("n", 1).add_event("event", &[]).update_name("renamed");
        assert!(!child.is_recording());
        assert_eq!(child.context(), &parent);
        assert!(child.context().is_remote(), "it is the parent's context itself");
        tracer.in_span("current", |span| {
            assert_eq!(span.context(), parent);
            assert_eq!(Context::current().span_context(), Some(parent.clone()));
        });
    }
    assert!(exporter.finished_spans().is_empty());
}

#[test]
fn nothing_is_sampled_or_recorded_where_spans_are_suppressed() {
    let (provider, exporter) = sampled_by(AlwaysOnSampler);
    let tracer = provider.tracer("test");
    let parent = remote(TraceFlags::SAMPLED).with_remote(false);
    let _guard = Context::new().with_span_context(parent.clone()).with_suppression().attach();
    for span in [tracer.start("current"), start(&tracer, Some(&parent))] {
        assert!(!span.is_recording());
        assert_eq!(span.context(), &parent);
    }
    assert!(exporter.finished_spans().is_empty());
}
