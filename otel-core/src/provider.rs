//! The pipeline that a process sets up once, and where its tracers come from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::account::{FlushError, Flushed, SpanCounts};
use crate::clock::{Clock, ProviderClock, SystemClock};
use crate::context::Context;
use crate::diagnostics;
use crate::env::{Configuration, Environment, PipelineSettings};
use crate::foreign;
use crate::id_generator::{IdGenerator, ProviderIds, RandomIdGenerator};
use crate::instrumentation_scope::InstrumentationScope;
use crate::processor::{Pipeline, ProcessorList, Scopes, SpanProcessor};
use crate::record::SpanView;
use crate::resource::Resource;
use crate::sampler::{ParentBasedSampler, Sampler};
use crate::span::{RecordingSpan, SpanLimits};
use crate::tracer::Tracer;

/// Holds what all spans of a process share: resource, sampler, limits, processors. Cheap to clone.
///
/// Dropping the last handle closes the provider, within two seconds. After a `fork` parent and child each have one of their
/// own, with spans and counts of their own; see the [crate's docs](crate#fork).
///
/// ```
/// use std::time::Duration;
///
/// use otel_core::exporter::InMemoryExporter;
/// use otel_core::{BatchProcessor, Resource, TracerProvider};
///
/// let exporter = InMemoryExporter::new();
/// let provider = TracerProvider::builder()
///     .resource(Resource::new("checkout"))
///     .processor(BatchProcessor::new(exporter.clone()))
///     .build();
/// let tracer = provider.tracer("payments");
/// tracer.in_span("charge", |charge| {
///     charge.set_attribute("cents", 1999);
///     tracer.in_span("call the bank", |_| {});
/// });
/// provider.close(Duration::from_secs(5))?;
/// let spans = exporter.finished_spans();
/// assert_eq!(spans[0].parent_span_id, spans[1].span_id);
/// # Ok::<(), otel_core::FlushError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TracerProvider {
    owner: Arc<Owner>,
}

/// What only handles of the provider hold, so that the last of them closes it, whatever tracers and pooled spans live on.
#[derive(Debug)]
struct Owner {
    inner: Arc<ProviderInner>,
}

pub(crate) struct ProviderInner {
    pub(crate) sampler: Box<dyn Sampler>,
    pub(crate) local_children_follow: bool,
    pub(crate) remote_children_follow: bool,
    pub(crate) ids: ProviderIds,
    pub(crate) limits: SpanLimits,
    pub(crate) clock: ProviderClock,
    processors: ProcessorList,
    observes_start: AtomicBool,
    observes_ending: AtomicBool,
    is_closed: AtomicBool,
    negative_durations: AtomicU64,
    has_warned_of_limits: AtomicBool,
    pipeline: Pipeline,
    configuration: Configuration,
}

impl TracerProvider {
    /// Begins to set up a provider.
    pub fn builder() -> TracerProviderBuilder {
        TracerProviderBuilder::default()
    }

    /// Begins to set up a provider as the environment says: resource, sampler, limits, exporters and how spans wait for them.
    /// [`env`](crate::env) has all variables.
    ///
    /// What is set afterwards in code wins. Processors that are added come besides those of the environment.
    ///
    /// ```
    /// use otel_core::{KeyValue, Resource, TracerProvider};
    ///
    /// let provider = TracerProvider::from_env()
    ///     .resource(Resource::default().with([KeyValue::new("service.version", "2.0.0")]))
    ///     .build();
    /// println!("{}", provider.configuration());
    /// ```
    pub fn from_env() -> TracerProviderBuilder {
        Self::from_environment(Environment::of_process())
    }

    /// As [`from_env`](Self::from_env), for variables that are looked up elsewhere, and with exporters and samplers that are not
    /// of this crate.
    ///
    /// ```
    /// use otel_core::env::{Environment, Source};
    /// use otel_core::sampler::AlwaysOnSampler;
    /// use otel_core::TracerProvider;
    ///
    /// let variables = [("OTEL_SERVICE_NAME", "checkout"), ("OTEL_TRACES_SAMPLER", "always_off")];
    /// let provider = TracerProvider::from_environment(Environment::from_pairs(variables))
    ///     .sampler(AlwaysOnSampler)
    ///     .build();
    /// assert_eq!(provider.resource().service_name(), "checkout");
    /// assert_eq!(provider.configuration().get("OTEL_TRACES_SAMPLER").unwrap().source, Source::Code);
    /// ```
    pub fn from_environment(environment: Environment) -> TracerProviderBuilder {
        let settings = PipelineSettings::read(environment);
        TracerProviderBuilder {
            is_disabled: settings.is_disabled,
            base_resource: Some(settings.resource.clone()),
            resource: Some(settings.resource),
            sampler: settings.sampler,
            limits: settings.limits,
            processors: settings.processors,
            configuration: settings.configuration,
            ..TracerProviderBuilder::default()
        }
    }

    /// Returns a tracer for a library or a part of an application, by its name.
    pub fn tracer(&self, name: &str) -> Tracer {
        self.versioned_tracer(name, "")
    }

    /// Returns a tracer for a library or a part of an application, by its name and version.
    pub fn versioned_tracer(&self, name: &str, version: &str) -> Tracer {
        self.scoped_tracer(&InstrumentationScope::new(name, version))
    }

    /// Returns a tracer for a library or a part of an application, with all that is said about it.
    ///
    /// A name should not be empty: the tracer works all the same, and a line is logged. After a close the tracer records nothing.
    pub fn scoped_tracer(&self, scope: &InstrumentationScope) -> Tracer {
        self.owner.inner.tracer(scope)
    }

    /// Adds a processor, also for the tracers that were handed out before and the spans that are alive: it is told of their end.
    pub fn add_processor(&self, processor: impl SpanProcessor) {
        let inner = &self.owner.inner;
        let wishes = Wishes::of(&processor, &inner.pipeline);
        inner.processors.add(Box::new(processor));
        // Relaxed: a processor that is seen a moment later was added a moment later.
        if wishes.observes_start {
            inner.observes_start.store(true, Ordering::Relaxed);
        }
        if wishes.observes_ending {
            inner.observes_ending.store(true, Ordering::Relaxed);
        }
    }

    /// Returns what the spans are about.
    pub fn resource(&self) -> &Resource {
        &self.owner.inner.pipeline.resource
    }

    /// Returns what the provider was set up with, and who said so: what the environment says, where it was asked, and the
    /// code after it.
    pub fn configuration(&self) -> &Configuration {
        &self.owner.inner.configuration
    }

    /// Exports all spans that ended before the call. A span that two processors export counts twice.
    ///
    /// # Errors
    ///
    /// Where time runs out or a processor panics: the first processor's error, after all were asked.
    pub fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.owner.inner.flush(timeout)
    }

    /// Exports all spans that ended before the call and stops; spans that start afterwards record nothing.
    ///
    /// A second call does nothing and answers the same.
    ///
    /// # Errors
    ///
    /// Where time runs out or a processor panics: the first processor's error, after all were asked.
    pub fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.owner.inner.close(timeout)
    }

    pub(crate) fn inner(&self) -> &Arc<ProviderInner> {
        &self.owner.inner
    }

    /// Tells whether the provider was closed: nothing is recorded any more.
    pub fn is_closed(&self) -> bool {
        !self.owner.inner.is_open()
    }

    /// Returns what was counted since the start, over all processors.
    pub fn counts(&self) -> SpanCounts {
        let mut total = SpanCounts::default();
        self.owner.inner.processors.for_each(|processor| {
            let counts = guarded(|| processor.counts()).unwrap_or_default();
            total.finished_spans += counts.finished_spans;
            total.exported_spans += counts.exported_spans;
            total.pending_spans += counts.pending_spans;
            total.queue_full_spans += counts.queue_full_spans;
            total.closed_spans += counts.closed_spans;
            total.failed_spans += counts.failed_spans;
            total.undelivered_spans += counts.undelivered_spans;
            total.inherited_spans += counts.inherited_spans;
        });
        total
    }

    /// Returns how many spans were given an end before their start, which counts as a duration of zero.
    pub fn negative_durations(&self) -> u64 {
        self.owner.inner.negative_durations.load(Ordering::Relaxed)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A timeout was reported by the processor; there is nobody to hand it to.
        let _ = self.inner.close(DROP_TIMEOUT);
    }
}

impl ProviderInner {
    pub(crate) fn tracer(self: &Arc<Self>, scope: &InstrumentationScope) -> Tracer {
        if !self.is_open() {
            return Tracer::noop();
        }
        if scope.name().is_empty() {
            diagnostics::warn(
                "tracer.unnamed",
                format_args!("a tracer has no name: its spans do not tell which library made them"),
            );
        }
        Tracer::new(Arc::clone(self), self.pipeline.scopes.find_or_add(scope))
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        // Relaxed: a span that starts at the moment of closing may go either way.
        !self.is_closed.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn observes_start(&self) -> bool {
        self.observes_start.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn observes_ending(&self) -> bool {
        self.observes_ending.load(Ordering::Relaxed)
    }

    pub(crate) fn tell_start(&self, span: &mut RecordingSpan, parent: &Context) {
        self.processors.for_each(|processor| {
            guarded(|| {
                if processor.observes_start() {
                    processor.on_start(span, parent);
                }
            });
        });
    }

    pub(crate) fn tell_ending(&self, span: &mut RecordingSpan) {
        self.processors.for_each(|processor| {
            guarded(|| {
                if processor.observes_ending() {
                    processor.on_ending(span);
                }
            });
        });
    }

    #[inline]
    pub(crate) fn tell_end(&self, span: &SpanView<'_>) {
        self.processors.for_each(|processor| {
            guarded(|| processor.on_end(span));
        });
    }

    /// Tells of the end of a span that started before this process was forked.
    #[cold]
    pub(crate) fn tell_inherited_end(&self, span: &SpanView<'_>) {
        self.processors.for_each(|processor| {
            guarded(|| processor.on_inherited_end(span));
        });
    }

    /// Counts a span whose end was given as before its start.
    #[cold]
    pub(crate) fn note_negative_duration(&self, span_name: &str) {
        // Relaxed: a statistic that guards no other memory.
        self.negative_durations.fetch_add(1, Ordering::Relaxed);
        let span_name: String = span_name.chars().take(MAX_SHOWN_CHARS).collect();
        diagnostics::warn(
            "span.negative_duration",
            format_args!("span {span_name:?} was given an end before its start: it took no time"),
        );
    }

    /// Says that limits drop something, once: who goes past them does so in many spans.
    #[cold]
    pub(crate) fn warn_of_limits(&self) {
        // Relaxed: a flag that guards no other memory; a second line would do no harm.
        if !self.has_warned_of_limits.swap(true, Ordering::Relaxed) {
            diagnostics::warn(
                "span.limits",
                format_args!(
                    "a span lost attributes, events or links by its limits, or since a key was empty: each span tells how many it lost, this line comes once"
                ),
            );
        }
    }

    fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.ask_all(timeout, |processor, left| processor.flush(left))
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.is_closed.store(true, Ordering::Relaxed);
        self.ask_all(timeout, |processor, left| processor.close(left))
    }

    fn ask_all(
        &self,
        timeout: Duration,
        ask: impl Fn(&dyn SpanProcessor, Duration) -> Result<Flushed, FlushError>,
    ) -> Result<Flushed, FlushError> {
        let start = Instant::now();
        let mut answer = Ok(Flushed::default());
        self.processors.for_each(|processor| {
            let left = timeout.saturating_sub(start.elapsed());
            let asked = guarded(|| ask(processor, left)).unwrap_or(Err(FlushError::Panicked));
            match (&mut answer, asked) {
                (Ok(total), Ok(flushed)) => *total = *total + flushed,
                (Ok(_), Err(error)) => answer = Err(error),
                (Err(_), _) => {}
            }
        });
        answer
    }
}

/// Keeps a processor's panic from the code that is traced: a span may end while a panic unwinds, and a second one would
/// abort the program.
#[inline]
fn guarded<R>(call: impl FnOnce() -> R) -> Option<R> {
    let answer = foreign::call(call);
    if answer.is_none() {
        diagnostics::warn("processor.panicked", format_args!("a span processor panicked"));
    }
    answer
}

/// What a processor wants to be told of.
#[derive(Clone, Copy, Debug, Default)]
struct Wishes {
    observes_start: bool,
    observes_ending: bool,
}

impl Wishes {
    /// Tells a processor whose spans will come, and asks it.
    fn of(processor: &dyn SpanProcessor, pipeline: &Pipeline) -> Self {
        guarded(|| processor.attach(pipeline));
        guarded(|| Self {
            observes_start: processor.observes_start(),
            observes_ending: processor.observes_ending(),
        })
        .unwrap_or_default()
    }
}

impl fmt::Debug for ProviderInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracerProvider")
            .field("sampler", &self.sampler)
            .field("limits", &self.limits)
            .field("processors", &self.processors)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`TracerProvider`].
#[must_use = "a provider is made by `build`"]
#[derive(Debug)]
pub struct TracerProviderBuilder {
    is_disabled: bool,
    /// What the environment says, under what the program says.
    base_resource: Option<Resource>,
    resource: Option<Resource>,
    sampler: Box<dyn Sampler>,
    limits: SpanLimits,
    ids: ProviderIds,
    clock: Option<Arc<dyn Clock>>,
    processors: Vec<Box<dyn SpanProcessor>>,
    configuration: Configuration,
}

impl TracerProviderBuilder {
    /// Makes a provider that records nothing, whatever else is set: for a program that is to run without tracing. Contexts
    /// are handed on all the same.
    ///
    /// Default: false. Environment: `OTEL_SDK_DISABLED`.
    pub fn disabled(mut self, is_disabled: bool) -> Self {
        self.is_disabled = is_disabled;
        self.configuration.set_disabled(is_disabled);
        self
    }

    /// Sets what the spans are about. Default: [`Resource::default`].
    ///
    /// Where the environment was read, its attributes stay but for those that are given here. What is the default's counts
    /// as not given: `Resource::default().with(…)` leaves the service name to `OTEL_SERVICE_NAME`.
    pub fn resource(mut self, resource: Resource) -> Self {
        let base = self.base_resource.clone().unwrap_or_default();
        let overlaid = self.configuration.overlay(&base, &resource);
        self.resource = Some(if self.base_resource.is_some() { overlaid } else { resource });
        self
    }

    /// Sets who decides which traces are kept. Default: all, and children as their parents.
    pub fn sampler(mut self, sampler: impl Sampler) -> Self {
        self.configuration.set_sampler(&sampler);
        self.sampler = Box::new(sampler);
        self
    }

    /// Sets how much a span may hold. Default: OpenTelemetry's, 128 of each.
    pub fn limits(mut self, limits: SpanLimits) -> Self {
        self.limits = limits;
        self.configuration.set_limits(&limits);
        self
    }

    /// Sets where ids come from. Default: [`RandomIdGenerator`].
    pub fn id_generator(mut self, id_generator: impl IdGenerator + 'static) -> Self {
        self.ids = ProviderIds::new(id_generator);
        self
    }

    /// Sets the clock. Default: [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Adds a processor; each is told of all spans, in this order.
    pub fn processor(mut self, processor: impl SpanProcessor) -> Self {
        self.processors.push(Box::new(processor));
        self.configuration.add_processor();
        self
    }

    /// Sets the provider up, and starts what its processors need.
    pub fn build(mut self) -> TracerProvider {
        if self.is_disabled {
            self.processors.clear();
        }
        let clock = match self.clock {
            Some(clock) => ProviderClock::Other(clock),
            None => ProviderClock::System(Arc::new(SystemClock::new())),
        };
        let pipeline = Pipeline {
            resource: self.resource.unwrap_or_default(),
            scopes: Scopes::default(),
            clock: clock.clone(),
        };
        let wishes: Vec<Wishes> = self
            .processors
            .iter()
            .map(|processor| Wishes::of(processor.as_ref(), &pipeline))
            .collect();
        let mut configuration = self.configuration;
        configuration.set_defaults(pipeline.resource(), &self.limits);
        diagnostics::debug(format_args!("the tracer provider's configuration:\n{configuration}"));
        let inner = ProviderInner {
            local_children_follow: self.sampler.local_children_follow(),
            remote_children_follow: self.sampler.remote_children_follow(),
            sampler: self.sampler,
            ids: self.ids,
            limits: self.limits,
            clock,
            observes_start: AtomicBool::new(wishes.iter().any(|wishes| wishes.observes_start)),
            observes_ending: AtomicBool::new(wishes.iter().any(|wishes| wishes.observes_ending)),
            processors: ProcessorList::new(self.processors),
            is_closed: AtomicBool::new(self.is_disabled),
            negative_durations: AtomicU64::new(0),
            has_warned_of_limits: AtomicBool::new(false),
            configuration,
            pipeline,
        };
        TracerProvider { owner: Arc::new(Owner { inner: Arc::new(inner) }) }
    }
}

impl Default for TracerProviderBuilder {
    fn default() -> Self {
        Self {
            is_disabled: false,
            base_resource: None,
            resource: None,
            sampler: Box::new(ParentBasedSampler::default()),
            limits: SpanLimits::default(),
            ids: ProviderIds::Random(RandomIdGenerator::new()),
            clock: None,
            processors: Vec::new(),
            configuration: Configuration::default(),
        }
    }
}

const DROP_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of a name a warning shows.
const MAX_SHOWN_CHARS: usize = 64;

#[cfg(test)]
mod tests;
