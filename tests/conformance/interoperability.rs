//! OpenTracing and the core in one program, over one provider: the two checks of `OpenTelemetryInteroperabilityTest` of
//! OpenTelemetry's Java shim, and the five of its `TracerShimTest` that ask how the active span and the core's current
//! context see each other. All under OpenTelemetry's rules and under the Jaeger clients', with a shim that shares the
//! context.
//!
//! | the original's check | here |
//! | --- | --- |
//! | sdkContinuesOpenTracingTrace | the_core_continues_a_trace_of_opentracing |
//! | openTracingContinuesSdkTrace | opentracing_continues_a_trace_of_the_core |
//! | activateSpan | an_activated_span_is_current_until_its_scope_closes |
//! | activateSpan_withBaggage | the_baggage_of_an_activated_span_is_current |
//! | activateSpan_withExistingBaggage | an_activated_span_hides_the_baggage_that_was_current |
//! | activateSpan_withoutShim | a_current_span_of_the_core_is_active |
//! | activeSpan_onlyBaggage | baggage_alone_makes_an_active_span_that_records_nothing |

use opentracing_api::{SpanContext, Tracer};
use opentracing_shim::{Semantics, TracerShim};
use otel_core::exporter::InMemoryExporter;
use otel_core::record::SpanData;
use otel_core::{Baggage, Context, SimpleProcessor, TracerProvider};

macro_rules! under_both_rules {
    ($($check:ident)*) => {
        under_both_rules! { @under opentelemetry OpenTelemetry $($check)* }
        under_both_rules! { @under jaeger Jaeger $($check)* }
    };
    (@under $module:ident $semantics:ident $($check:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $check() {
                    super::$check(&super::Both::new(opentracing_shim::Semantics::$semantics));
                }
            )*
        }
    };
}

under_both_rules! {
    the_core_continues_a_trace_of_opentracing
    opentracing_continues_a_trace_of_the_core
    an_activated_span_is_current_until_its_scope_closes
    the_baggage_of_an_activated_span_is_current
    an_activated_span_hides_the_baggage_that_was_current
    a_current_span_of_the_core_is_active
    baggage_alone_makes_an_active_span_that_records_nothing
}

/// A tracer of each kind, over one provider.
struct Both {
    tracer: Tracer,
    core: otel_core::Tracer,
    exporter: InMemoryExporter,
}

impl Both {
    fn new(semantics: Semantics) -> Self {
        let exporter = InMemoryExporter::new();
        let processor = SimpleProcessor::new(exporter.clone());
        let provider = TracerProvider::builder().processor(processor).build();
        let core = provider.tracer("core");
        let shim = TracerShim::new(provider).semantics(semantics).shares_context(true);
        Self { tracer: Tracer::new(shim), core, exporter }
    }

    /// Asserts that one span is the child of another, which finished after it, and that nothing is active any more.
    #[track_caller]
    fn assert_one_trace(&self, child: &str, parent: &str) {
        let spans: [SpanData; 2] = self.exporter.finished_spans().try_into().unwrap();
        assert_eq!([&*spans[0].name, &*spans[1].name], [child, parent]);
        assert_eq!(spans[0].trace_id, spans[1].trace_id);
        assert_eq!(spans[0].parent_span_id, spans[1].span_id);
        self.assert_nothing_is_active();
    }

    #[track_caller]
    fn assert_nothing_is_active(&self) {
        assert_eq!(self.tracer.active_span(), None);
        assert!(current_ids().is_none() && Context::current().baggage().is_empty());
    }
}

fn the_core_continues_a_trace_of_opentracing(both: &Both) {
    let span = both.tracer.start_span("ot_span").into_shared();
    {
        let _scope = both.tracer.activate(&span);
        both.core.start("otel_span").end();
    }
    span.finish();
    both.assert_one_trace("otel_span", "ot_span");
}

fn opentracing_continues_a_trace_of_the_core(both: &Both) {
    let span = both.core.start_as_current("otel_span");
    both.tracer.start_span("ot_span").finish();
    drop(span);
    both.assert_one_trace("ot_span", "otel_span");
}

fn an_activated_span_is_current_until_its_scope_closes(both: &Both) {
    both.assert_nothing_is_active();
    let scope = both.tracer.start_active_span("one");
    assert_eq!(current_ids(), Some(ids_of(&scope.context())));
    assert!(Context::current().baggage().is_empty());
    scope.close();
    both.assert_nothing_is_active();
}

fn the_baggage_of_an_activated_span_is_current(both: &Both) {
    let mut span = both.tracer.start_span("one");
    span.set_baggage_item("foo", "bar").set_baggage_item("hello", "world");
    let scope = both.tracer.activate(span);
    assert_eq!(current_baggage(), ["foo=bar", "hello=world"]);
    assert_eq!(both.tracer.start_span("child").baggage_item("foo"), Some("bar"));
    scope.close();
    both.assert_nothing_is_active();
}

fn an_activated_span_hides_the_baggage_that_was_current(both: &Both) {
    let span = both.tracer.start_span("one").into_shared();
    let baggage = Baggage::new().with("foo", "bar").with("hello", "world");
    let guard = Context::current().with_baggage(baggage).attach();
    let scope = both.tracer.activate(&span);
    assert_eq!(current_ids(), Some(ids_of(&span.context())));
    assert!(Context::current().baggage().is_empty());
    scope.close();
    assert_eq!(current_baggage(), ["foo=bar", "hello=world"]);
    drop(guard);
    both.assert_nothing_is_active();
}

fn a_current_span_of_the_core_is_active(both: &Both) {
    let span = both.core.start_as_current("one");
    let active = both.tracer.active_span().unwrap();
    assert_eq!(Some(ids_of(&active.context())), current_ids());
    active.set_tag("key", 7);
    drop(span);
    both.assert_nothing_is_active();
    assert_eq!(both.exporter.finished_spans()[0].attribute("key").unwrap(), &7);
}

fn baggage_alone_makes_an_active_span_that_records_nothing(both: &Both) {
    let guard = Context::new().with_baggage(Baggage::new().with("foo", "bar")).attach();
    let active = both.tracer.active_span().unwrap();
    assert!(!active.context().is_valid() && !active.is_recording());
    assert_eq!(active.baggage_item("foo").as_deref(), Some("bar"));
    drop(guard);
    both.assert_nothing_is_active();
}

/// Returns the ids of the core's current span, in hex.
fn current_ids() -> Option<(String, String)> {
    let context = Context::current().span_context().filter(otel_core::SpanContext::is_valid)?;
    Some((context.trace_id().to_string(), context.span_id().to_string()))
}

fn ids_of(context: &SpanContext) -> (String, String) {
    (context.to_trace_id(), context.to_span_id())
}

/// Returns the core's current baggage.
fn current_baggage() -> Vec<String> {
    let context = Context::current();
    context.baggage().iter().map(|item| format!("{}={}", item.name, item.value)).collect()
}
