use super::*;
use crate::attribute::KeyValue;
use crate::baggage::Baggage;
use crate::clock::ManualClock;
use crate::exporter::InMemoryExporter;
use crate::id::{SpanId, TraceId};
use crate::processor::{BatchProcessor, SimpleProcessor};
use crate::span_context::{SpanContext, TraceFlags};
use crate::sync::BriefMutex;

const LONG: Duration = Duration::from_secs(20);

type Log = Arc<BriefMutex<Vec<String>>>;

fn lines(log: &Log) -> Vec<String> {
    log.with(std::mem::take)
}

/// Notes all that it is told, under its name, and writes its name to the span.
#[derive(Debug)]
struct Notes(&'static str, Log);

impl Notes {
    fn note(&self, what: &str, span: &str) {
        self.1.with(|log| log.push(format!("{} {what} {span}", self.0)));
    }
}

impl SpanProcessor for Notes {
    fn observes_start(&self) -> bool {
        true
    }

    fn on_start(&self, span: &mut RecordingSpan, parent: &Context) {
        let tenant = parent.baggage().get("tenant").unwrap_or("nobody");
        span.set_attribute("tenant", tenant);
        self.note("start", span.name());
    }

    fn observes_ending(&self) -> bool {
        true
    }

    fn on_ending(&self, span: &mut RecordingSpan) {
        span.set_attribute(self.0, "ending");
        self.note("ending", span.name());
    }

    fn on_end(&self, span: &SpanView<'_>) {
        self.note("end", &span.name().to_string());
    }
}

#[test]
fn processors_are_told_in_the_order_of_their_registration() {
    let log = Log::default();
    let provider = TracerProvider::builder()
        .processor(Notes("a", Arc::clone(&log)))
        .processor(Notes("b", Arc::clone(&log)))
        .build();
    let tracer = provider.tracer("test");
    let early = tracer.start("early");
    assert_eq!(lines(&log), ["a start early", "b start early"]);
    provider.add_processor(Notes("c", Arc::clone(&log)));
    early.end();
    let ends = [
        "a ending early",
        "b ending early",
        "c ending early",
        "a end early",
        "b end early",
        "c end early",
    ];
    assert_eq!(lines(&log), ends, "a span that was alive ends for the new one too");
    tracer.start("late").end();
    assert_eq!(
        lines(&log)[..4],
        ["a start late", "b start late", "c start late", "a ending late"],
        "a tracer that was handed out knows the new one"
    );
}

#[test]
fn a_processor_that_was_added_later_alone_is_told_of_starts_and_exports() {
    let (log, exporter) = (Log::default(), InMemoryExporter::new());
    let provider = TracerProvider::builder().build();
    let tracer = provider.tracer("test");
    tracer.start("nobody sees it").end();
    provider.add_processor(Notes("a", Arc::clone(&log)));
    provider.add_processor(BatchProcessor::new(exporter.clone()));
    tracer.start("span").end();
    assert_eq!(lines(&log), ["a start span", "a ending span", "a end span"]);
    assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(1, 0));
    assert_eq!(exporter.finished_spans()[0].attribute("tenant").unwrap(), &"nobody");
}

#[test]
fn a_processor_sees_the_baggage_of_the_spans_parent() {
    let exporter = InMemoryExporter::new();
    let provider = TracerProvider::builder()
        .processor(Notes("a", Log::default()))
        .processor(SimpleProcessor::new(exporter.clone()))
        .build();
    let tracer = provider.tracer("test");
    let with_tenant = |tenant| Context::new().with_baggage(Baggage::new().with("tenant", tenant));
    {
        let _guard = with_tenant("current").attach();
        tracer.start("current").end();
        tracer.in_span("outer", |_| tracer.start("inner").end());
        tracer.span_builder("given").parent(&with_tenant("given")).start().end();
        tracer.span_builder("root").root().start().end();
    }
    let remote = SpanContext::new(TraceId::from_parts(1, 2), SpanId::new(3), TraceFlags::SAMPLED)
        .with_remote(true);
    let caller = with_tenant("caller").with_span_context(remote);
    tracer.span_builder("remote").parent(&caller).start().end();
    let tenants: Vec<(String, String)> = exporter
        .finished_spans()
        .iter()
        .map(|span| {
            (span.name.clone(), span.attribute("tenant").unwrap().as_str().unwrap().to_owned())
        })
        .collect();
    let expected = [
        ("current", "current"),
        ("inner", "current"),
        ("outer", "current"),
        ("given", "given"),
        ("root", "nobody"),
        ("remote", "caller"),
    ];
    assert_eq!(tenants, expected.map(|(name, tenant)| (name.to_owned(), tenant.to_owned())));
}

#[test]
fn a_span_that_is_ending_can_be_written_to_and_its_times_are_fixed() {
    /// Takes a second over each end, and tries to end the span itself.
    #[derive(Debug)]
    struct Slow(Arc<ManualClock>);
    impl SpanProcessor for Slow {
        fn observes_ending(&self) -> bool {
            true
        }
        fn on_ending(&self, span: &mut RecordingSpan) {
            self.0.advance(Duration::from_secs(1));
            span.set_attribute("added", true);
            span.end(None);
        }
        fn on_end(&self, span: &SpanView<'_>) {
            assert_eq!(span.duration_nanos(), 5);
        }
    }
    let (clock, exporter) = (Arc::new(ManualClock::at_unix_nanos(100)), InMemoryExporter::new());
    let provider = TracerProvider::builder()
        .clock(Arc::<ManualClock>::clone(&clock))
        .processor(SimpleProcessor::new(exporter.clone()))
        .processor(Slow(Arc::clone(&clock)))
        .build();
    let span = provider.tracer("test").start("span");
    clock.advance(Duration::from_nanos(5));
    span.end();
    let spans = exporter.finished_spans();
    assert_eq!((spans.len(), spans[0].start_unix_nanos, spans[0].duration_nanos), (1, 100, 5));
    assert_eq!(spans[0].attribute("added").unwrap(), &true, "processors before it see it too");
}

#[test]
fn a_processor_that_panics_anywhere_harms_nobody() {
    #[derive(Debug)]
    struct Panics;
    impl SpanProcessor for Panics {
        fn attach(&self, _: &Pipeline) {
            panic!("a processor's bug")
        }
        fn observes_ending(&self) -> bool {
            true
        }
        fn on_ending(&self, _: &mut RecordingSpan) {
            panic!("a processor's bug")
        }
        fn on_end(&self, _: &SpanView<'_>) {
            panic!("a processor's bug")
        }
        fn flush(&self, _: Duration) -> Result<Flushed, FlushError> {
            panic!("a processor's bug")
        }
        fn close(&self, _: Duration) -> Result<Flushed, FlushError> {
            panic!("a processor's bug")
        }
        fn counts(&self) -> SpanCounts {
            panic!("a processor's bug")
        }
    }
    #[derive(Debug)]
    struct PanicsWhenAsked;
    impl SpanProcessor for PanicsWhenAsked {
        fn observes_start(&self) -> bool {
            panic!("a processor's bug")
        }
        fn on_end(&self, _: &SpanView<'_>) {}
    }
    let exporter = InMemoryExporter::new();
    let provider = TracerProvider::builder()
        .processor(Panics)
        .processor(PanicsWhenAsked)
        .processor(BatchProcessor::new(exporter.clone()))
        .build();
    provider.add_processor(Panics);
    provider.add_processor(PanicsWhenAsked);
    provider.tracer("test").start("span").end();
    assert!(matches!(provider.flush(LONG), Err(FlushError::Panicked)));
    assert_eq!(exporter.finished_spans().len(), 1, "the others were flushed");
    assert_eq!(provider.counts().exported_spans, 1);
    assert!(matches!(provider.close(LONG), Err(FlushError::Panicked)));
    drop(provider);
}

#[test]
fn a_closed_provider_hands_out_tracers_that_record_nothing_and_closes_again_the_same() {
    let exporter = InMemoryExporter::new();
    let provider =
        TracerProvider::builder().processor(SimpleProcessor::new(exporter.clone())).build();
    let (tracer, late) = (provider.tracer("early"), provider.tracer("early").start("ends late"));
    tracer.start("span").end();
    assert_eq!(provider.close(LONG).unwrap(), Flushed::new(1, 0));
    late.end();
    for tracer in [tracer, provider.tracer("late")] {
        assert!(!tracer.start("span").is_recording());
    }
    assert_eq!(provider.close(LONG).unwrap(), Flushed::new(1, 1));
    assert_eq!(provider.flush(LONG).unwrap(), Flushed::new(1, 1));
    assert_eq!(exporter.finished_spans().len(), 1);
}

#[test]
fn scopes_differ_by_all_that_is_said_of_them_and_an_empty_name_works() {
    let exporter = InMemoryExporter::new();
    let provider =
        TracerProvider::builder().processor(SimpleProcessor::new(exporter.clone())).build();
    let bare = InstrumentationScope::new("library", "1");
    let scopes = [
        bare.clone(),
        bare.with_schema_url("https://example.org/1"),
        bare.with_attributes([KeyValue::new("team", "money")]),
        InstrumentationScope::new("library", "2"),
        InstrumentationScope::new("", ""),
    ];
    for _ in 0..2 {
        scopes.iter().for_each(|scope| provider.scoped_tracer(scope).start("span").end());
    }
    let spans = exporter.finished_spans();
    let of_spans: Vec<&InstrumentationScope> = spans.iter().map(|span| &span.scope).collect();
    assert_eq!(of_spans, scopes.iter().chain(&scopes).collect::<Vec<_>>());
    assert_eq!(spans[6].scope.schema_url(), "https://example.org/1");
    let mut attributes = spans[7].scope.attributes();
    assert!(attributes.next().is_some_and(|attribute| attribute.key == "team"));
    assert_eq!(attributes.count(), 0);
    let mut listed = Vec::new();
    provider.inner().pipeline.scopes.copy_into(&mut listed);
    assert_eq!(listed.len(), 5, "each is listed once");
}

#[test]
fn a_span_that_goes_past_its_limits_is_warned_about_once() {
    let limits = SpanLimits::default().attributes(1).events(0).links(0);
    let provider = TracerProvider::builder().limits(limits).build();
    let has_warned = || provider.inner().has_warned_of_limits.load(Ordering::Relaxed);
    let mut span = provider.tracer("test").start("fits");
    span.set_attribute("a", 1).set_attribute("a", 2);
    span.end();
    assert!(!has_warned());
    let mut span = provider.tracer("test").start("too much");
    span.add_event("event", &[]);
    span.end();
    assert!(has_warned());
}

#[test]
fn an_empty_key_is_warned_about_too() {
    let provider = TracerProvider::builder().build();
    provider.tracer("test").start("span").set_attribute("", 1);
    assert!(provider.inner().has_warned_of_limits.load(Ordering::Relaxed));
}
