//! The mock tracer: what a test asks, and the backend that answers.

use std::any::Any;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::propagation;
use super::span::{MockLog, MockSpan};
use super::tree::Tree;
use crate::backend::{ScopeManager, SpanBackend, StartRequest, ThreadLocalScopes, TracerBackend};
use crate::error::{ExtractError, FlushError, InjectError};
use crate::guard::Flushed;
use crate::propagation::{Extract, Inject};
use crate::span::Span;
use crate::span_context::SpanContext;
use crate::tags;
use crate::tracer::Tracer;
use crate::value::{OwnedValue, Value};

/// A tracer that keeps its spans, for tests. It is used as a [`Tracer`], and a clone is the same
/// mock.
///
/// Ids are counted: the first trace has the id 1 and its root the id 2, the next span 3, and so on,
/// so that no id of one kind is mistaken for one of another. Two mocks that are the ends of one call would count alike: let
/// one begin elsewhere, with [`MockTracerBuilder::first_id`]. Every span is recorded, also one of a
/// trace that is not sampled; see [`MockTracerBuilder::sampler`]. A tag `sampling.priority` of 0
/// takes the sampled flag away, a larger one gives it.
///
/// Text maps and HTTP headers carry `ot-tracer-traceid`, `ot-tracer-spanid` (hex),
/// `ot-tracer-sampled` and `ot-baggage-…`; in headers keys and values are percent-encoded. A carrier
/// with one id alone, or with one that is none, is corrupted.
#[derive(Clone)]
pub struct MockTracer {
    tracer: Tracer,
    pub(crate) backend: MockBackend,
}

impl MockTracer {
    /// Creates a mock without spans.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Begins a mock with settings of its own.
    pub fn builder() -> MockTracerBuilder {
        MockTracerBuilder { scope_manager: Box::new(ThreadLocalScopes), sampler: None, first_id: 1 }
    }

    /// Returns the spans that have finished, in the order of their ends.
    pub fn finished_spans(&self) -> Vec<MockSpan> {
        self.state().finished.clone()
    }

    /// Returns the spans that have not finished, as they are now, in the order of their starts. One
    /// that was leaked stays among them.
    pub fn unfinished_spans(&self) -> Vec<MockSpan> {
        self.state().unfinished.values().cloned().collect()
    }

    /// Returns the finished spans by trace, the traces in the order of their first ends.
    pub fn finished_traces(&self) -> Vec<Vec<MockSpan>> {
        let mut places = HashMap::new();
        let mut traces: Vec<Vec<MockSpan>> = Vec::new();
        for span in self.finished_spans() {
            let place = *places.entry(span.trace_id()).or_insert(traces.len());
            if place == traces.len() {
                traces.push(Vec::new());
            }
            traces[place].push(span);
        }
        traces
    }

    /// Returns the names of the finished spans, in the order of their ends.
    pub fn finished_names(&self) -> Vec<String> {
        self.state().finished.iter().map(|span| span.operation_name.clone()).collect()
    }

    /// Returns the finished spans of a name.
    pub fn spans_named(&self, operation_name: &str) -> Vec<MockSpan> {
        let mut spans = self.finished_spans();
        spans.retain(|span| span.operation_name == operation_name);
        spans
    }

    /// Returns the finished span of a name.
    ///
    /// # Panics
    /// Where there is not exactly one.
    #[track_caller]
    pub fn span(&self, operation_name: &str) -> MockSpan {
        let mut spans = self.spans_named(operation_name);
        match (spans.pop(), spans.len()) {
            (Some(span), 0) => span,
            (found, n_others) => panic!(
                "{} finished spans are named {operation_name:?}, not one:\n{}",
                n_others + usize::from(found.is_some()),
                self.tree()
            ),
        }
    }

    /// Returns the children of a span, finished or not, in the order of their starts.
    pub fn children_of(&self, parent: &MockSpan) -> Vec<MockSpan> {
        let mut children = self.all_spans();
        children.retain(|span| span.is_child_of(parent));
        children
    }

    /// Returns the parent of a span, finished or not; `None` for a root and for a parent elsewhere.
    pub fn parent_of(&self, child: &MockSpan) -> Option<MockSpan> {
        self.all_spans().into_iter().find(|span| child.is_child_of(span))
    }

    /// Asserts that one finished span is the child of another.
    ///
    /// # Panics
    /// Where it is not, and where there is not exactly one span of either name.
    #[track_caller]
    pub fn assert_child_of(&self, child: &str, parent: &str) {
        let is_child = self.span(child).is_child_of(&self.span(parent));
        assert!(is_child, "{child:?} is no child of {parent:?}:\n{}", self.tree());
    }

    /// Asserts that a finished span has no parent.
    ///
    /// # Panics
    /// Where it has one, and where there is not exactly one span of the name.
    #[track_caller]
    pub fn assert_root(&self, operation_name: &str) {
        let is_root = self.span(operation_name).parent_id.is_none();
        assert!(is_root, "{operation_name:?} has a parent:\n{}", self.tree());
    }

    /// Asserts that every span has finished.
    ///
    /// # Panics
    /// Where one has not.
    #[track_caller]
    pub fn assert_all_finished(&self) {
        let n_spans = self.state().unfinished.len();
        assert!(n_spans == 0, "{n_spans} spans have not finished:\n{}", self.tree());
    }

    /// Draws all spans as a tree, one a line with its tags; for messages and for printing.
    ///
    /// A name or a value is shortened to 60 characters, the tree to 500 lines.
    pub fn tree(&self) -> String {
        Tree::new(&self.all_spans()).to_string()
    }

    /// Returns what was done with spans that should not be: calls on one that had finished, and an
    /// end before the start.
    ///
    /// None of it does any harm. A scope or a future that finds its span finished is no error.
    pub fn generated_errors(&self) -> Vec<MockError> {
        self.state().errors.clone()
    }

    /// Returns the timeouts of the calls of [`Tracer::close`], in order.
    pub fn close_timeouts(&self) -> Vec<Duration> {
        self.state().close_timeouts.clone()
    }

    /// Forgets the finished spans and the errors. Spans that have not finished are kept and come
    /// out when they do; ids go on.
    pub fn reset(&self) {
        let forgotten = {
            let mut state = self.state();
            state.n_forgotten += state.finished.len() as u64;
            (std::mem::take(&mut state.finished), std::mem::take(&mut state.errors))
        };
        drop(forgotten);
    }

    /// Has contexts injected into [`Inject::Custom`] of a format by a function; the last one of a
    /// format counts.
    pub fn register_injector(
        &self,
        format: &str,
        injector: impl Fn(&SpanContext, &mut dyn Any) -> Result<(), InjectError> + Send + Sync + 'static,
    ) {
        let before = self.state().injectors.insert(format.to_owned(), Arc::new(injector));
        // Without the lock: the function may hold a span of this mock.
        drop(before);
    }

    /// Has contexts extracted from [`Extract::Custom`] of a format by a function; the last one of a
    /// format counts.
    ///
    /// ```
    /// use opentracing_api::mock::MockTracer;
    /// use opentracing_api::{Extract, ExtractError, SpanContext};
    ///
    /// let mock = MockTracer::new();
    /// mock.register_extractor("pair", |carrier| match carrier.downcast_ref::<(u128, u64)>() {
    ///     Some((trace_id, span_id)) => Ok(Some(SpanContext::new(*trace_id, *span_id, SpanContext::SAMPLED))),
    ///     None => Err(ExtractError::InvalidCarrier),
    /// });
    /// let context = mock.extract(Extract::Custom("pair", &(7_u128, 8_u64)))?;
    /// assert_eq!(context, Some(SpanContext::new(7, 8, SpanContext::SAMPLED)));
    /// # Ok::<(), ExtractError>(())
    /// ```
    pub fn register_extractor(
        &self,
        format: &str,
        extractor: impl Fn(&dyn Any) -> Result<Option<SpanContext>, ExtractError>
        + Send
        + Sync
        + 'static,
    ) {
        let before = self.state().extractors.insert(format.to_owned(), Arc::new(extractor));
        // Without the lock: the function may hold a span of this mock.
        drop(before);
    }

    fn all_spans(&self) -> Vec<MockSpan> {
        let state = self.state();
        let mut spans: Vec<_> =
            state.finished.iter().chain(state.unfinished.values()).cloned().collect();
        // Ids are counted, so this is the order of the starts.
        spans.sort_by_key(MockSpan::span_id);
        spans
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.backend.state()
    }
}

impl Default for MockTracer {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for MockTracer {
    type Target = Tracer;

    fn deref(&self) -> &Tracer {
        &self.tracer
    }
}

impl fmt::Debug for MockTracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MockTracer")
            .field("tracer", &self.tracer)
            .field("n_finished", &state.finished.len())
            .field("n_unfinished", &state.unfinished.len())
            .finish_non_exhaustive()
    }
}

/// Settings of a mock.
#[must_use = "a builder does nothing until `build`"]
pub struct MockTracerBuilder {
    scope_manager: Box<dyn ScopeManager>,
    sampler: Option<Box<Sampler>>,
    first_id: u64,
}

impl MockTracerBuilder {
    /// Sets what keeps track of the active span. Default: [`ThreadLocalScopes`].
    pub fn scope_manager(mut self, scope_manager: impl ScopeManager + 'static) -> Self {
        self.scope_manager = Box::new(scope_manager);
        self
    }

    /// Sets which new traces are sampled, by the name of the root (or of the first span here, where a caller's decision is
    /// not trusted: [`SpanContext::undecided`]), and has spans of all others
    /// treated as in production: they are real and can be parents, and record nothing.
    ///
    /// Default: all new traces are sampled, and every span is recorded.
    pub fn sampler(mut self, sampler: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.sampler = Some(Box::new(sampler));
        self
    }

    /// Sets where ids begin to be counted. Default: 1, which 0 means too.
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// use opentracing_api::mock::MockTracer;
    /// use opentracing_api::{Extract, Inject, child_of};
    ///
    /// let client = MockTracer::new();
    /// let server = MockTracer::builder().first_id(100).build();
    /// let mut headers = HashMap::new();
    /// client.inject(&client.start_span("ask"), Inject::HttpHeaders(&mut headers))?;
    /// let caller = server.extract(Extract::HttpHeaders(&headers))?;
    /// server.start_span_with("answer", child_of(&caller)).finish();
    /// assert!(server.span("answer").is_child_of(&client.span("ask")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_id(mut self, first_id: u64) -> Self {
        self.first_id = first_id;
        self
    }

    /// Makes the mock.
    pub fn build(self) -> MockTracer {
        let Self { scope_manager, sampler, first_id } = self;
        let state = State { last_id: first_id.saturating_sub(1), ..State::default() };
        let shared = Shared { state: Mutex::new(state), scope_manager, sampler };
        let backend = MockBackend { shared: Arc::new(shared) };
        MockTracer { tracer: Tracer::new(backend.clone()), backend }
    }
}

impl fmt::Debug for MockTracerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockTracerBuilder")
            .field("has_sampler", &self.sampler.is_some())
            .field("first_id", &self.first_id)
            .finish_non_exhaustive()
    }
}

/// What was done with a span that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MockError {
    /// A call on a span that had finished; it did nothing.
    UsedAfterFinish {
        /// The span's name; empty where the mock was reset since the span finished.
        operation_name: String,
        /// The span's id.
        span_id: u64,
        /// The method that was called.
        call: &'static str,
    },
    /// A time for the end that is before the start; it is kept as it was given.
    FinishedBeforeStart {
        /// The span's name.
        operation_name: String,
        /// The span's id.
        span_id: u64,
    },
}

impl fmt::Display for MockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsedAfterFinish { operation_name, span_id, call } => {
                write!(
                    f,
                    "{call} was called on span {span_id}, {operation_name:?}, which had finished"
                )
            }
            Self::FinishedBeforeStart { operation_name, span_id } => {
                write!(f, "span {span_id}, {operation_name:?}, finished before it started")
            }
        }
    }
}

impl std::error::Error for MockError {}

/// The mock as an implementation of a tracer.
#[derive(Clone)]
pub(crate) struct MockBackend {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    scope_manager: Box<dyn ScopeManager>,
    sampler: Option<Box<Sampler>>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    /// By span id, which is the order of their starts.
    unfinished: BTreeMap<u64, MockSpan>,
    finished: Vec<MockSpan>,
    /// How many finished spans a reset has taken away.
    n_forgotten: u64,
    errors: Vec<MockError>,
    close_timeouts: Vec<Duration>,
    injectors: HashMap<String, Arc<Injector>>,
    extractors: HashMap<String, Arc<Extractor>>,
}

type Sampler = dyn Fn(&str) -> bool + Send + Sync;
type Injector = dyn Fn(&SpanContext, &mut dyn Any) -> Result<(), InjectError> + Send + Sync;
type Extractor = dyn Fn(&dyn Any) -> Result<Option<SpanContext>, ExtractError> + Send + Sync;

impl MockBackend {
    /// Locks, whoever panicked before: no code of a caller runs under the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes up ids, flags and baggage, and tells whether the span is recorded.
    fn identify(&self, request: &StartRequest<'_>) -> (SpanContext, bool) {
        let parent = request.parent().filter(|parent| parent.is_valid());
        if self.is_closed() {
            // What the span calls joins the caller's trace, as if this process were not there.
            let mut context =
                parent.map_or_else(SpanContext::default, |parent| parent.child(parent.span_id()));
            request.inherit_baggage(&mut context);
            return (context, false);
        }
        let is_undecided = |parent: &SpanContext| parent.flags() & SpanContext::UNDECIDED != 0;
        let is_sampled = match (parent.filter(|parent| !is_undecided(parent)), &self.shared.sampler)
        {
            (Some(parent), _) => parent.is_sampled(),
            (None, Some(sampler)) => sampler(request.operation_name()),
            (None, None) => true,
        };
        let mut state = self.state();
        let trace_id = parent.map_or_else(|| u128::from(state.next_id()), SpanContext::trace_id);
        let flags = parent.map_or(0, SpanContext::flags) & !SpanContext::UNDECIDED;
        let mut context = SpanContext::new(trace_id, state.next_id(), flags);
        set_sampled(&mut context, is_sampled);
        request.inherit_baggage(&mut context);
        (context, is_sampled || self.shared.sampler.is_none())
    }
}

impl TracerBackend for MockBackend {
    fn start_span(&self, request: &StartRequest<'_>) -> Span {
        let (mut context, is_recorded) = self.identify(request);
        if !is_recorded {
            return request.span(context, None);
        }
        let mut tags = BTreeMap::new();
        for (key, value) in request.tags() {
            if let Some(value) = value.to_owned() {
                prioritise(&mut context, key, &value);
                tags.insert(key.to_owned(), value);
            }
        }
        let span = MockSpan {
            operation_name: request.operation_name().to_owned(),
            context: context.clone(),
            parent_id: request.parent().map(SpanContext::span_id).filter(|id| *id != 0),
            references: request.references().cloned().collect(),
            tags,
            logs: Vec::new(),
            start_time: request.start_time().unwrap_or_else(SystemTime::now),
            finish_time: None,
        };
        let span_id = context.span_id();
        self.state().unfinished.insert(span_id, span);
        let recording = Recording { span_id, backend: self.clone() };
        request.span(context, Some(Box::new(recording)))
    }

    fn inject(&self, context: &SpanContext, into: Inject<'_>) -> Result<(), InjectError> {
        match into {
            Inject::TextMap(carrier) => propagation::inject_text(context, carrier),
            Inject::HttpHeaders(carrier) => propagation::inject_headers(context, carrier),
            Inject::Binary(bytes) => propagation::inject_bytes(context, bytes)?,
            Inject::Custom(format, carrier) => {
                let injector = self.state().injectors.get(format).cloned();
                return injector.ok_or(InjectError::UnsupportedFormat)?(context, carrier);
            }
        }
        Ok(())
    }

    fn extract(&self, from: Extract<'_>) -> Result<Option<SpanContext>, ExtractError> {
        match from {
            Extract::TextMap(carrier) => propagation::extract_text(carrier),
            Extract::HttpHeaders(carrier) => propagation::extract_headers(carrier),
            Extract::Binary(bytes) => propagation::extract_bytes(bytes),
            Extract::Custom(format, carrier) => {
                let extractor = self.state().extractors.get(format).cloned();
                extractor.ok_or(ExtractError::UnsupportedFormat)?(carrier)
            }
        }
    }

    fn scope_manager(&self) -> &dyn ScopeManager {
        &*self.shared.scope_manager
    }

    fn on_use_after_finish(&self, context: &SpanContext, call: &'static str) {
        let mut state = self.state();
        let span_id = context.span_id();
        let span = state.finished.iter().find(|span| span.span_id() == span_id);
        let operation_name = span.map(|span| span.operation_name.clone()).unwrap_or_default();
        state.errors.push(MockError::UsedAfterFinish { operation_name, span_id, call });
    }

    /// Spans that have finished are reported, also those forgotten since, and none is ever lost.
    fn flush(&self, _: Duration) -> Result<Flushed, FlushError> {
        let state = self.state();
        Ok(Flushed::new(state.n_forgotten + state.finished.len() as u64, 0))
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.state().close_timeouts.push(timeout);
        self.flush(timeout)
    }

    fn is_closed(&self) -> bool {
        !self.state().close_timeouts.is_empty()
    }
}

impl State {
    fn next_id(&mut self) -> u64 {
        // Never 0, which is no id, wherever the count began.
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }
}

/// A span that has not finished; what it records is with the mock, for a test to see at any time.
struct Recording {
    span_id: u64,
    backend: MockBackend,
}

impl Recording {
    fn change(&self, change: impl FnOnce(&mut MockSpan)) {
        if let Some(span) = self.backend.state().unfinished.get_mut(&self.span_id) {
            change(span);
        }
    }

    fn set_tag(&self, context: &mut SpanContext, key: &str, value: OwnedValue) {
        prioritise(context, key, &value);
        self.change(|span| {
            span.context = context.clone();
            span.tags.insert(key.to_owned(), value);
        });
    }
}

impl SpanBackend for Recording {
    fn set_operation_name(&mut self, operation_name: &str) {
        self.change(|span| operation_name.clone_into(&mut span.operation_name));
    }

    fn set_str_tag(&mut self, context: &mut SpanContext, key: &str, value: &str) {
        self.set_tag(context, key, value.into());
    }

    fn set_bool_tag(&mut self, context: &mut SpanContext, key: &str, value: bool) {
        self.set_tag(context, key, value.into());
    }

    fn set_i64_tag(&mut self, context: &mut SpanContext, key: &str, value: i64) {
        self.set_tag(context, key, value.into());
    }

    fn set_u64_tag(&mut self, context: &mut SpanContext, key: &str, value: u64) {
        self.set_tag(context, key, value.into());
    }

    fn set_f64_tag(&mut self, context: &mut SpanContext, key: &str, value: f64) {
        self.set_tag(context, key, value.into());
    }

    fn set_bytes_tag(&mut self, context: &mut SpanContext, key: &str, value: &[u8]) {
        self.set_tag(context, key, value.into());
    }

    fn log(
        &mut self,
        time: Option<SystemTime>,
        fields: &mut dyn Iterator<Item = (Cow<'_, str>, Value<'_>)>,
    ) {
        let time = time.unwrap_or_else(SystemTime::now);
        // Collected before the lock: the iterator is the caller's and may use the mock.
        let fields = fields.filter_map(|(key, value)| Some((key.into_owned(), value.to_owned()?)));
        let log = MockLog { time, fields: fields.collect() };
        self.change(|span| span.logs.push(log));
    }

    fn on_baggage_item(&mut self, context: &SpanContext, _: &str, _: &str, _: bool) {
        self.change(|span| span.context = context.clone());
    }

    fn finish(self: Box<Self>, time: Option<SystemTime>) {
        let now = SystemTime::now();
        let mut state = self.backend.state();
        let Some(mut span) = state.unfinished.remove(&self.span_id) else { return };
        // The system's clock may be set back meanwhile; that is nobody's error.
        span.finish_time = Some(time.unwrap_or_else(|| now.max(span.start_time)));
        if time.is_some_and(|time| time < span.start_time) {
            let operation_name = span.operation_name.clone();
            let error = MockError::FinishedBeforeStart { operation_name, span_id: self.span_id };
            state.errors.push(error);
        }
        state.finished.push(span);
    }
}

/// Does what the tag `sampling.priority` asks for.
fn prioritise(context: &mut SpanContext, key: &str, value: &OwnedValue) {
    if key == tags::SAMPLING_PRIORITY {
        match value {
            OwnedValue::I64(priority) => set_sampled(context, *priority > 0),
            OwnedValue::U64(_) => set_sampled(context, true),
            _ => {}
        }
    }
}

fn set_sampled(context: &mut SpanContext, is_sampled: bool) {
    let flags = context.flags() & !SpanContext::SAMPLED;
    let sampled = if is_sampled { SpanContext::SAMPLED } else { 0 };
    *context = std::mem::take(context).with_flags(flags | sampled);
}
