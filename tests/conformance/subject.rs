//! A tracer under test, and what it made of its spans, whichever tracer it is.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::{Duration, SystemTime};

use integration_tests::Receiver;
use jaeger_udp::model;
use opentracing_api::mock::{MockSpan, MockTracer};
use opentracing_api::{
    ExtractError, InjectError, OwnedValue, ReferenceType, Span, SpanContext, Tracer,
};
use opentracing_shim::jaeger::{Config, JaegerTracer};
use opentracing_shim::{CustomFormat, Formats, TracerShim};
use otel_core::exporter::InMemoryExporter;
use otel_core::record::SpanData;
use otel_core::{SimpleProcessor, SpanKind, StatusCode, TracerProvider};

/// Runs each check against all tracers: `check` becomes `noop::check`, `mock::check`, and so on, five in all.
macro_rules! against_every_tracer {
    ($($check:ident)*) => {
        against_tracers! { noop mock shim sharing jaeger: $($check)* }
    };
}

macro_rules! against_tracers {
    ($($tracer:ident)*: $check:ident $($more:ident)*) => {
        against_tracers! { @each ($($tracer)*) ($check $($more)*) }
    };
    (@each ($tracer:ident $($others:ident)*) $checks:tt) => {
        against_tracers! { @one $tracer $checks }
        against_tracers! { @each ($($others)*) $checks }
    };
    (@each () $checks:tt) => {};
    (@one $tracer:ident ($($check:ident)*)) => {
        mod $tracer {
            $(
                #[test]
                fn $check() {
                    super::$check(&$crate::subject::Subject::$tracer());
                }
            )*
        }
    };
}

/// A tracer under test.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    tracer: Tracer,
    spans: Spans,
}

/// Where a tracer's finished spans end up.
enum Spans {
    Nowhere,
    Mock(MockTracer),
    Core(InMemoryExporter),
    Jaeger(Box<JaegerTracer>, Receiver),
}

impl Subject {
    /// The tracer that does nothing.
    pub(crate) fn noop() -> Self {
        Self { name: "noop", tracer: Tracer::noop(), spans: Spans::Nowhere }
    }

    /// The tracer for tests.
    pub(crate) fn mock() -> Self {
        let mock = MockTracer::new();
        mock.register_injector(CELL, |context, carrier| Cell.inject(context, carrier));
        mock.register_extractor(CELL, |carrier| Cell.extract(carrier));
        Self { name: "mock", tracer: Tracer::clone(&mock), spans: Spans::Mock(mock) }
    }

    /// The shim under OpenTelemetry's rules.
    pub(crate) fn shim() -> Self {
        Self::of_shim("shim", |shim| shim)
    }

    /// The shim under OpenTelemetry's rules, with scopes that share the core's context.
    pub(crate) fn sharing() -> Self {
        Self::of_shim("sharing", |shim| shim.shares_context(true))
    }

    fn of_shim(name: &'static str, set: impl FnOnce(TracerShim) -> TracerShim) -> Self {
        let exporter = InMemoryExporter::new();
        let processor = SimpleProcessor::new(exporter.clone());
        let provider = TracerProvider::builder().processor(processor).build();
        let formats = Formats::jaeger().custom(CELL, Cell);
        let tracer = Tracer::new(set(TracerShim::new(provider).formats(formats)));
        Self { name, tracer, spans: Spans::Core(exporter) }
    }

    /// The shim as the Jaeger clients' configuration makes it, with its spans taken off the wire.
    pub(crate) fn jaeger() -> Self {
        let receiver = Receiver::start();
        let config = Config::new("conformance").agent_host("127.0.0.1").agent_port(receiver.port());
        let jaeger = config.build().unwrap();
        Self {
            name: "jaeger",
            tracer: Tracer::clone(&jaeger),
            spans: Spans::Jaeger(Box::new(jaeger), receiver),
        }
    }

    /// All that record.
    pub(crate) fn recording() -> [Self; 4] {
        [Self::mock(), Self::shim(), Self::sharing(), Self::jaeger()]
    }

    /// Tells whether there is anything to be seen of what is done: spans, active spans, baggage, contexts in carriers.
    pub(crate) fn records(&self) -> bool {
        !matches!(self.spans, Spans::Nowhere)
    }

    /// Tells whether the Jaeger clients' rules apply.
    pub(crate) fn is_jaeger(&self) -> bool {
        matches!(self.spans, Spans::Jaeger(..))
    }

    /// Tells whether the tracer knows the format [`CELL`].
    pub(crate) fn has_cell(&self) -> bool {
        matches!(self.spans, Spans::Mock(_) | Spans::Core(_))
    }

    /// Returns the mock, if that is what is tested.
    pub(crate) fn as_mock(&self) -> Option<&MockTracer> {
        match &self.spans {
            Spans::Mock(mock) => Some(mock),
            _ => None,
        }
    }

    /// Returns the finished spans, which must be so many, in the order in which they were reported; none of a tracer that
    /// does not record.
    #[track_caller]
    pub(crate) fn finished(&self, n_expected: usize) -> Finished {
        let spans: Vec<FinishedSpan> = match &self.spans {
            Spans::Nowhere => return Finished(Vec::new()),
            Spans::Mock(mock) => {
                mock.finished_spans().into_iter().map(FinishedSpan::from).collect()
            }
            Spans::Core(exporter) => {
                exporter.finished_spans().into_iter().map(FinishedSpan::from).collect()
            }
            Spans::Jaeger(jaeger, receiver) => {
                let flushed = jaeger.flush(PATIENCE).unwrap();
                assert_eq!((flushed.reported_spans, flushed.lost_spans), (n_expected as u64, 0));
                assert!(receiver.wait_for_spans(n_expected, PATIENCE), "spans did not arrive");
                receiver.spans().into_iter().map(FinishedSpan::from).collect()
            }
        };
        assert_eq!(spans.len(), n_expected, "{}: {spans:#?}", self.name);
        Finished(spans)
    }
}

impl Deref for Subject {
    type Target = Tracer;

    fn deref(&self) -> &Tracer {
        &self.tracer
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A format of our own, whose carrier is a context.
struct Cell;

impl CustomFormat for Cell {
    fn inject(&self, context: &SpanContext, carrier: &mut dyn Any) -> Result<(), InjectError> {
        *carrier.downcast_mut().ok_or(InjectError::InvalidCarrier)? = context.clone();
        Ok(())
    }

    fn extract(&self, carrier: &dyn Any) -> Result<Option<SpanContext>, ExtractError> {
        let context = carrier.downcast_ref::<SpanContext>().ok_or(ExtractError::InvalidCarrier)?;
        Ok(Some(context.clone()))
    }
}

/// Finished spans in the order of their ends.
#[derive(Debug)]
pub(crate) struct Finished(pub(crate) Vec<FinishedSpan>);

impl Finished {
    /// Returns the span of a name, of which there must be one.
    #[track_caller]
    pub(crate) fn named(&self, operation_name: &str) -> &FinishedSpan {
        let named = self.all_named(operation_name);
        assert_eq!(named.len(), 1, "spans named {operation_name:?} in {self:#?}");
        named[0]
    }

    /// Returns the spans of a name.
    pub(crate) fn all_named(&self, operation_name: &str) -> Vec<&FinishedSpan> {
        self.0.iter().filter(|span| span.operation_name == operation_name).collect()
    }

    /// Returns the names, in the order of the ends.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|span| span.operation_name.as_str()).collect()
    }

    /// Asserts that all spans are of one trace.
    #[track_caller]
    pub(crate) fn assert_one_trace(&self) {
        assert!(self.0.iter().all(|span| span.trace_id == self.0[0].trace_id), "{self:#?}");
    }
}

/// A finished span, in OpenTracing's words.
#[derive(Clone, Debug)]
pub(crate) struct FinishedSpan {
    pub(crate) operation_name: String,
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    pub(crate) parent_id: Option<u64>,
    /// References that are kept as such, with the span ids that they lead to.
    pub(crate) references: Vec<(ReferenceType, u64)>,
    pub(crate) tags: BTreeMap<String, OwnedValue>,
    /// Fields of the logs. An event of the core that has no such field comes with its name as `event`.
    pub(crate) logs: Vec<Vec<(String, OwnedValue)>>,
    pub(crate) start: SystemTime,
    pub(crate) finish: SystemTime,
}

impl FinishedSpan {
    /// Tells whether this is a child of another span.
    pub(crate) fn is_child_of(&self, parent: &Self) -> bool {
        self.trace_id == parent.trace_id && self.parent_id == Some(parent.span_id)
    }

    /// Tells whether the span failed.
    pub(crate) fn is_error(&self) -> bool {
        self.tags.get("error").is_some_and(|error| *error == true)
    }

    /// Returns the value of a field of the log at this place.
    #[track_caller]
    pub(crate) fn field(&self, log: usize, key: &str) -> Option<&OwnedValue> {
        self.logs[log].iter().find(|(candidate, _)| candidate == key).map(|(_, value)| value)
    }
}

impl From<MockSpan> for FinishedSpan {
    fn from(span: MockSpan) -> Self {
        Self {
            trace_id: span.trace_id(),
            span_id: span.span_id(),
            parent_id: span.parent_id,
            references: span
                .references
                .iter()
                .map(|reference| (reference.reference_type, reference.context.span_id()))
                .collect(),
            tags: span.tags,
            logs: span.logs.into_iter().map(|log| log.fields).collect(),
            start: span.start_time,
            finish: span.finish_time.unwrap(),
            operation_name: span.operation_name,
        }
    }
}

impl From<SpanData> for FinishedSpan {
    fn from(span: SpanData) -> Self {
        let mut tags: BTreeMap<String, OwnedValue> =
            span.attributes.into_iter().map(|tag| (tag.key, from_core(tag.value))).collect();
        // Under OpenTelemetry's rules two tags become something else.
        if span.kind != SpanKind::Internal {
            tags.insert("span.kind".to_owned(), format!("{:?}", span.kind).to_lowercase().into());
        }
        if span.status != StatusCode::Unset {
            tags.insert("error".to_owned(), (span.status == StatusCode::Error).into());
        }
        let logs = span.events.into_iter().map(|event| {
            let mut fields: Vec<_> = event
                .attributes
                .into_iter()
                .map(|field| (field.key, from_core(field.value)))
                .collect();
            if !fields.iter().any(|(key, _)| key == "event") {
                fields.insert(0, ("event".to_owned(), event.name.into()));
            }
            fields
        });
        let references = span.links.iter().map(|link| {
            let of_type = |attribute: &otel_core::KeyValue| {
                attribute.key == "opentracing.ref_type" && attribute.value == "child_of"
            };
            let is_child_of = link.attributes.iter().any(of_type);
            let reference_type =
                if is_child_of { ReferenceType::ChildOf } else { ReferenceType::FollowsFrom };
            (reference_type, link.span_id.as_u64())
        });
        let start = SystemTime::UNIX_EPOCH + Duration::from_nanos(span.start_unix_nanos);
        Self {
            operation_name: span.name,
            trace_id: u128::from(span.trace_id.high()) << 64 | u128::from(span.trace_id.low()),
            span_id: span.span_id.as_u64(),
            parent_id: Some(span.parent_span_id.as_u64()).filter(|id| *id != 0),
            references: references.collect(),
            tags,
            logs: logs.collect(),
            start,
            finish: start + Duration::from_nanos(span.duration_nanos),
        }
    }
}

impl From<model::Span> for FinishedSpan {
    fn from(span: model::Span) -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_micros(span.start_time as u64);
        let pair = |tag: model::Tag| (tag.key, from_wire(tag.value));
        let references = span.references.iter().map(|reference| {
            let reference_type = match reference.ref_type {
                model::SpanRefType::ChildOf => ReferenceType::ChildOf,
                _ => ReferenceType::FollowsFrom,
            };
            (reference_type, reference.span_id as u64)
        });
        Self {
            trace_id: u128::from(span.trace_id_high as u64) << 64
                | u128::from(span.trace_id_low as u64),
            span_id: span.span_id as u64,
            parent_id: Some(span.parent_span_id as u64).filter(|id| *id != 0),
            references: references.collect(),
            tags: span.tags.into_iter().map(pair).collect(),
            logs: span
                .logs
                .into_iter()
                .map(|log| log.fields.into_iter().map(pair).collect())
                .collect(),
            start,
            finish: start + Duration::from_micros(span.duration as u64),
            operation_name: span.operation_name,
        }
    }
}

fn from_core(value: otel_core::OwnedValue) -> OwnedValue {
    match value {
        otel_core::OwnedValue::Bool(value) => value.into(),
        otel_core::OwnedValue::I64(value) => value.into(),
        otel_core::OwnedValue::F64(value) => value.into(),
        otel_core::OwnedValue::Str(value) => value.into(),
        otel_core::OwnedValue::Bytes(value) => value.into(),
        other => format!("{other:?}").into(),
    }
}

fn from_wire(value: model::TagValue) -> OwnedValue {
    match value {
        model::TagValue::Bool(value) => value.into(),
        model::TagValue::Long(value) => value.into(),
        model::TagValue::Double(value) => value.into(),
        model::TagValue::String(value) => value.into(),
        model::TagValue::Binary(value) => value.into(),
        other => format!("{other:?}").into(),
    }
}

/// Returns how many items of baggage a span has.
pub(crate) fn n_baggage(span: &Span) -> usize {
    span.context().baggage().count()
}

/// The name of a format whose carrier is a context.
pub(crate) const CELL: &str = "cell";

/// Far more than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
