//! A backend for the unit tests of this crate: keeps finished spans in memory.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::backend::{ScopeManager, SpanBackend, StartRequest, ThreadLocalScopes, TracerBackend};
use crate::{
    Extract, ExtractError, FlushError, Flushed, Inject, InjectError, OwnedValue, ReferenceType,
    Span, SpanContext, Value,
};

/// Spans get the ids 1, 2, 3, …; one whose name begins with `unsampled`, or whose parent is not
/// sampled, is not recorded.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    state: Arc<Mutex<State>>,
    scopes: Option<Arc<dyn ScopeManager>>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    finished: Vec<Record>,
    closed_with: Vec<Duration>,
}

/// A finished span.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) operation_name: String,
    pub(crate) context: SpanContext,
    pub(crate) parent_id: Option<u64>,
    pub(crate) references: Vec<(ReferenceType, u64)>,
    pub(crate) start_time: Option<SystemTime>,
    pub(crate) finish_time: Option<SystemTime>,
    pub(crate) tags: Vec<(String, OwnedValue)>,
    pub(crate) logs: Vec<Vec<(String, OwnedValue)>>,
    pub(crate) log_times: Vec<Option<SystemTime>>,
    pub(crate) baggage_seen: Vec<(String, String)>,
}

impl Recorder {
    pub(crate) fn with_scopes(scopes: impl ScopeManager + 'static) -> Self {
        Self { scopes: Some(Arc::new(scopes)), ..Self::default() }
    }

    pub(crate) fn finished(&self) -> Vec<Record> {
        self.state.lock().unwrap().finished.clone()
    }

    /// Returns the finished span of a name; there must be exactly one.
    #[track_caller]
    pub(crate) fn span(&self, operation_name: &str) -> Record {
        let mut found: Vec<_> = self
            .finished()
            .into_iter()
            .filter(|record| record.operation_name == operation_name)
            .collect();
        assert_eq!(found.len(), 1, "spans named {operation_name:?}");
        found.remove(0)
    }

    pub(crate) fn finished_names(&self) -> Vec<String> {
        self.finished().into_iter().map(|record| record.operation_name).collect()
    }

    pub(crate) fn closed_with(&self) -> Vec<Duration> {
        self.state.lock().unwrap().closed_with.clone()
    }
}

impl Record {
    pub(crate) fn tag(&self, key: &str) -> Option<&OwnedValue> {
        self.tags.iter().find(|(candidate, _)| candidate == key).map(|(_, value)| value)
    }

    /// Returns the logs as text: `key=value key=value`.
    pub(crate) fn log_lines(&self) -> Vec<String> {
        let line = |fields: &Vec<(String, OwnedValue)>| {
            fields.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        self.logs.iter().map(line).collect()
    }
}

impl TracerBackend for Recorder {
    fn start_span(&self, request: &StartRequest<'_>) -> Span {
        let mut state = self.state.lock().unwrap();
        if !state.closed_with.is_empty() {
            return request.span(SpanContext::default(), None);
        }
        state.last_id += 1;
        let parent = request.parent().filter(|parent| parent.is_valid());
        let (trace_id, is_sampled) = match parent {
            Some(parent) => (parent.trace_id(), parent.is_sampled()),
            None => (
                u128::from(state.last_id) << 64 | 0xabc,
                !request.operation_name().starts_with("unsampled"),
            ),
        };
        let mut context = SpanContext::new(trace_id, state.last_id, u32::from(is_sampled));
        request.inherit_baggage(&mut context);
        let tags =
            request.tags().filter_map(|(key, value)| Some((key.to_owned(), value.to_owned()?)));
        let record = Record {
            operation_name: request.operation_name().to_owned(),
            parent_id: request.parent().map(SpanContext::span_id),
            references: request
                .references()
                .map(|r| (r.reference_type, r.context.span_id()))
                .collect(),
            start_time: request.start_time(),
            tags: tags.collect(),
            context: context.clone(),
            ..Record::default()
        };
        let recording: Box<dyn SpanBackend> =
            Box::new(Recording { record, recorder: self.clone() });
        request.span(context, is_sampled.then_some(recording))
    }

    fn inject(&self, context: &SpanContext, into: Inject<'_>) -> Result<(), InjectError> {
        match into {
            Inject::TextMap(carrier) | Inject::HttpHeaders(carrier) => {
                carrier.set("ids", &format!("{}:{}", context.trace_id(), context.span_id()));
                Ok(())
            }
            Inject::Binary(bytes) => {
                bytes.extend(context.span_id().to_be_bytes());
                Ok(())
            }
            Inject::Custom("u64", carrier) => {
                *carrier.downcast_mut::<u64>().ok_or(InjectError::InvalidCarrier)? =
                    context.span_id();
                Ok(())
            }
            Inject::Custom(..) => Err(InjectError::UnsupportedFormat),
        }
    }

    fn extract(&self, from: Extract<'_>) -> Result<Option<SpanContext>, ExtractError> {
        match from {
            Extract::TextMap(carrier) | Extract::HttpHeaders(carrier) => {
                let Some(ids) = carrier.get_ignore_ascii_case("ids") else { return Ok(None) };
                let corrupted = || ExtractError::SpanContextCorrupted { what: "no two ids".into() };
                let (trace_id, span_id) = ids.split_once(':').ok_or_else(corrupted)?;
                let trace_id = trace_id.parse().map_err(|_| corrupted())?;
                Ok(Some(SpanContext::new(trace_id, span_id.parse().map_err(|_| corrupted())?, 1)))
            }
            _ => Err(ExtractError::UnsupportedFormat),
        }
    }

    fn scope_manager(&self) -> &dyn ScopeManager {
        self.scopes.as_deref().unwrap_or(&ThreadLocalScopes)
    }

    fn flush(&self, _: Duration) -> Result<Flushed, FlushError> {
        Ok(Flushed::new(self.state.lock().unwrap().finished.len() as u64, 0))
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.state.lock().unwrap().closed_with.push(timeout);
        self.flush(timeout)
    }
}

struct Recording {
    record: Record,
    recorder: Recorder,
}

impl Recording {
    fn tag(&mut self, key: &str, value: impl Into<OwnedValue>) {
        let value = value.into();
        match self.record.tags.iter_mut().find(|(candidate, _)| candidate == key) {
            Some((_, old)) => *old = value,
            None => self.record.tags.push((key.to_owned(), value)),
        }
    }
}

impl SpanBackend for Recording {
    fn set_operation_name(&mut self, operation_name: &str) {
        operation_name.clone_into(&mut self.record.operation_name);
    }

    fn set_str_tag(&mut self, _: &mut SpanContext, key: &str, value: &str) {
        self.tag(key, value);
    }

    fn set_bool_tag(&mut self, _: &mut SpanContext, key: &str, value: bool) {
        self.tag(key, value);
    }

    fn set_i64_tag(&mut self, context: &mut SpanContext, key: &str, value: i64) {
        if key == crate::tags::SAMPLING_PRIORITY {
            *context = context.clone().with_flags(if value > 0 { 3 } else { 0 });
            self.record.context = context.clone();
        }
        self.tag(key, value);
    }

    fn set_u64_tag(&mut self, _: &mut SpanContext, key: &str, value: u64) {
        self.tag(key, value);
    }

    fn set_f64_tag(&mut self, _: &mut SpanContext, key: &str, value: f64) {
        self.tag(key, value);
    }

    fn set_bytes_tag(&mut self, _: &mut SpanContext, key: &str, value: &[u8]) {
        self.tag(key, value);
    }

    fn log(
        &mut self,
        time: Option<SystemTime>,
        fields: &mut dyn Iterator<Item = (Cow<'_, str>, Value<'_>)>,
    ) {
        let fields = fields.filter_map(|(key, value)| Some((key.into_owned(), value.to_owned()?)));
        self.record.logs.push(fields.collect());
        self.record.log_times.push(time);
    }

    fn on_baggage_item(&mut self, context: &SpanContext, key: &str, value: &str) {
        assert_eq!(context.baggage_item(key), Some(value), "the context has the item already");
        self.record.context = context.clone();
        self.record.baggage_seen.push((key.to_owned(), value.to_owned()));
    }

    fn finish(mut self: Box<Self>, time: Option<SystemTime>) {
        self.record.finish_time = time;
        self.recorder.state.lock().unwrap().finished.push(self.record);
    }
}
