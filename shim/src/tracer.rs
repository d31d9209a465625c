//! OpenTracing's tracer on the core's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentracing_api::backend::{ScopeManager, SpanBackend, StartRequest, TracerBackend, TracerId};
use opentracing_api::{
    Extract, ExtractError, FlushError, Flushed, Inject, InjectError, ReferenceType, Span,
    SpanContext, Value,
};
use otel_core::record::SpanIds;
use otel_core::{
    AttributeSource, Baggage, Context, Link, SpanKind, SpanRequest, TracerProvider, diagnostics,
};

use crate::convert::{
    BaggageMetadata, Extension, Semantics, SpecialTag, Tag, child_of, core_ids, ids_from_core,
    is_remote, to_core, with_extension,
};
use crate::propagation::Formats;
use crate::scope::ShimScopes;
use crate::span::SpanShim;

/// An OpenTracing implementation that records with the core.
///
/// ```
/// use std::time::Duration;
///
/// use opentracing_api::{Tracer, child_of};
/// use opentracing_shim::TracerShim;
/// use otel_core::exporter::InMemoryExporter;
/// use otel_core::{SimpleProcessor, TracerProvider};
///
/// let exporter = InMemoryExporter::new();
/// let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter.clone())).build();
/// let tracer = Tracer::new(TracerShim::new(provider));
/// let order = tracer.start_span("order");
/// tracer.start_span_with("charge", child_of(&order).tag("cents", 1999)).finish();
/// order.finish();
/// let spans = exporter.finished_spans();
/// assert_eq!(spans[0].parent_span_id, spans[1].span_id);
/// ```
#[derive(Clone)]
pub struct TracerShim {
    provider: TracerProvider,
    tracer: otel_core::Tracer,
    semantics: Semantics,
    formats: Formats,
    logged_service: Option<Arc<str>>,
    uses_after_finish: Arc<AtomicU64>,
    scopes: ShimScopes,
}

impl TracerShim {
    /// Puts the OpenTracing API in front of a provider, with OpenTelemetry's rules for tags and logs.
    pub fn new(provider: TracerProvider) -> Self {
        let tracer = provider.versioned_tracer(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        Self {
            provider,
            tracer,
            semantics: Semantics::OpenTelemetry,
            formats: Formats::default(),
            logged_service: None,
            uses_after_finish: Arc::default(),
            scopes: ShimScopes::new(),
        }
    }

    /// Sets which rules translate tags and logs. Default: OpenTelemetry's.
    #[must_use]
    pub fn semantics(mut self, semantics: Semantics) -> Self {
        self.semantics = semantics;
        self.scopes.semantics = semantics;
        self
    }

    /// Sets which propagators carry contexts. Default: Jaeger's `uber-trace-id`, and on extract W3C's `traceparent` as well.
    #[must_use]
    pub fn formats(mut self, formats: Formats) -> Self {
        self.formats = formats;
        self
    }

    /// Sets whether the active span and the core's current [`Context`] are one: code that uses the core sees OpenTracing's
    /// active span and its baggage, writes to it and starts children of it, and so the other way around. Default: false,
    /// and the active span is the thread's, for all tracers that leave it at that.
    ///
    /// Baggage that is set while the span is active shows in the core's context when it is activated again.
    #[must_use]
    pub fn shares_context(mut self, shares_context: bool) -> Self {
        self.scopes.shares_context = shares_context;
        self
    }

    /// Sets whether a span that starts without a reference has the active one as parent. Default: true.
    #[must_use]
    pub fn implicit_parent(mut self, has_implicit_parent: bool) -> Self {
        self.scopes.has_implicit_parent = has_implicit_parent;
        self
    }

    /// Has a line logged for each span that is reported, which names this service.
    #[must_use]
    pub fn log_spans(mut self, service_name: &str) -> Self {
        self.logged_service = Some(service_name.into());
        self
    }

    /// Returns how often a span was used after it had finished, by this shim's clones too; each such call did nothing.
    pub fn uses_after_finish(&self) -> u64 {
        self.uses_after_finish.load(Ordering::Relaxed)
    }

    /// Starts a span that is more than a plain child: a root, one with tags, references, baggage, or a remote parent.
    #[inline(never)]
    fn start_special(&self, request: &StartRequest<'_>) -> Span {
        let parent = usable_parent(request);
        // Without a usable one, a caller may have decided about the new trace all the same.
        let core_parent = parent.or_else(|| request.parent()).map(to_core);
        let debug_id = match (parent, request.parent()) {
            // Who may not decide about a trace cannot have one kept by giving it a name either.
            (None, Some(container)) if container.flags() & SpanContext::UNDECIDED == 0 => {
                container.extension::<Extension>().and_then(|extension| extension.debug_id.clone())
            }
            _ => None,
        };
        let tags = StartTags(request);
        let parent_context = || context_of(core_parent.clone(), request);
        let core_request = SpanRequest {
            name: request.operation_name(),
            kind: tags.kind(),
            parent: core_parent.as_ref(),
            start_time: request.start_time(),
            attributes: Some(&tags),
            links: &[],
            forced: debug_id.is_some().then_some(true).or_else(|| tags.priority()),
            parent_context: &parent_context,
        };
        let decision = self.tracer.decide(&core_request);
        let mut context = ids_from_core(&decision.context);
        request.inherit_baggage(&mut context);
        // A child of a trace has its state; a debug id belongs to the root alone.
        let extension = Extension {
            trace_state: decision.context.trace_state().clone(),
            debug_id: None,
            baggage_metadata: inherited_metadata(request, &context),
            core_span: None,
        };
        let mut context = if context.extension::<Extension>().is_some() {
            context.with_extension(Arc::new(extension))
        } else {
            with_extension(context, extension)
        };
        if !decision.is_recording {
            return request.span(context, None);
        }
        let mut span = self.take_span();
        // The tags go through the same translation as those that are set later, not straight into the record.
        span.recording.start_decided(
            &self.tracer,
            &SpanRequest { attributes: None, ..core_request },
            &decision,
        );
        for link in links_of(request, self.semantics) {
            span.recording.add_link(&link);
        }
        if let Some(debug_id) = debug_id {
            span.recording.set_attribute(JAEGER_DEBUG_ID, &debug_id);
        }
        write_tags(&mut span, &mut context, request);
        request.span(context, Some(span))
    }

    /// Starts a child with tags, or of a parent in another process.
    #[inline(never)]
    fn start_child(&self, request: &StartRequest<'_>, parent: &SpanContext) -> Span {
        let tags = StartTags(request);
        let is_remote = is_remote(parent);
        let span_id = match tags.priority() {
            Some(_) => None,
            None => self.tracer.follow_parent(is_remote),
        };
        let Some(span_id) = span_id else { return self.start_special(request) };
        if !parent.is_sampled() {
            return request.span(child_of(parent, span_id), None);
        }
        let mut span = self.take_span();
        let (trace_id, parent_span_id, flags) = core_ids(parent);
        let ids = SpanIds { trace_id, span_id, parent_span_id, flags };
        let parent_context = || context_of(Some(to_core(parent)), request);
        span.recording.start_following_as(
            &self.tracer,
            request.operation_name(),
            tags.kind(),
            ids,
            request.start_time(),
            &parent_context,
        );
        if is_remote {
            span.recording.set_remote_parent();
        }
        let mut context = child_of(parent, span_id);
        write_tags(&mut span, &mut context, request);
        request.span(context, Some(span))
    }

    /// Starts a span without a parent, with nothing said about it but a name.
    #[inline(never)]
    fn start_root(&self, request: &StartRequest<'_>) -> Span {
        let core_request = SpanRequest {
            start_time: request.start_time(),
            ..SpanRequest::new(request.operation_name())
        };
        let decision = self.tracer.decide(&core_request);
        let span = decision.is_recording.then(|| {
            let mut span = self.take_span();
            span.recording.start_decided(&self.tracer, &core_request, &decision);
            span as Box<dyn SpanBackend>
        });
        let context = ids_from_core(&decision.context);
        if decision.context.trace_state().is_empty() {
            return request.span(context, span);
        }
        let trace_state = decision.context.trace_state().clone();
        let extension = Extension { trace_state, ..Extension::default() };
        request.span(with_extension(context, extension), span)
    }

    #[inline]
    fn take_span(&self) -> Box<SpanShim> {
        let mut span = SpanShim::take();
        span.semantics = self.semantics;
        if span.logged_service.is_some() || self.logged_service.is_some() {
            span.logged_service.clone_from(&self.logged_service);
        }
        span
    }
}

impl TracerBackend for TracerShim {
    #[inline]
    fn start_span(&self, request: &StartRequest<'_>) -> Span {
        let has_tags = !request.has_no_tags();
        if request.parent().is_none() && !has_tags {
            return self.start_root(request);
        }
        // Under OpenTelemetry's rules an explicit parent is a link as well.
        let is_plain = request.is_plain_child()
            && (self.semantics == Semantics::Jaeger || request.references().next().is_none());
        let followed = request.parent().filter(|_| is_plain);
        let Some(parent) = followed
            .filter(|parent| parent.is_valid() && parent.flags() & SpanContext::UNDECIDED == 0)
        else {
            return self.start_special(request);
        };
        if has_tags || is_remote(parent) {
            return self.start_child(request, parent);
        }
        let Some(span_id) = self.tracer.follow() else {
            return self.start_special(request);
        };
        // Nearly every span: a child of a span of ours, with nothing said about it but a name.
        if !parent.is_sampled() {
            return request.span(parent.child(span_id.as_u64()), None);
        }
        let mut span = self.take_span();
        let (trace_id, parent_span_id, flags) = core_ids(parent);
        let ids = SpanIds { trace_id, span_id, parent_span_id, flags };
        let parent_context = || context_of(Some(to_core(parent)), request);
        let name = request.operation_name();
        span.recording.start_following(
            &self.tracer,
            name,
            ids,
            request.start_time(),
            &parent_context,
        );
        request.span(parent.child(span_id.as_u64()), Some(span))
    }

    fn inject(&self, context: &SpanContext, into: Inject<'_>) -> Result<(), InjectError> {
        self.formats.inject(context, into)
    }

    fn extract(&self, from: Extract<'_>) -> Result<Option<SpanContext>, ExtractError> {
        self.formats.extract(from)
    }

    fn registered(&self, tracer: TracerId) {
        // A clone of a shim that is behind a tracer already makes its spans in the name of that one.
        let _ = self.scopes.tracer.set(tracer);
    }

    fn scope_manager(&self) -> &dyn ScopeManager {
        self.scopes.manager()
    }

    #[cold]
    fn on_use_after_finish(&self, context: &SpanContext, call: &'static str) {
        // Relaxed: a statistic that guards no other memory.
        self.uses_after_finish.fetch_add(1, Ordering::Relaxed);
        let span_id = context.to_span_id();
        diagnostics::warn(
            "use after finish",
            format_args!("{call} was called on span {span_id}, which had finished: it did nothing"),
        );
    }

    fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        flushed(self.provider.flush(timeout))
    }

    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        flushed(self.provider.close(timeout))
    }

    fn is_closed(&self) -> bool {
        self.provider.is_closed()
    }
}

impl fmt::Debug for TracerShim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracerShim")
            .field("provider", &self.provider)
            .field("semantics", &self.semantics)
            .finish_non_exhaustive()
    }
}

/// Writes the tags that the caller gave at the start.
fn write_tags(span: &mut SpanShim, context: &mut SpanContext, request: &StartRequest<'_>) {
    let mut text = String::new();
    for (key, value) in request.tags() {
        if let Value::Str(value) = value {
            span.set_str_tag(context, key, value);
        } else if let Some(tag) = Tag::of(value, &mut text) {
            span.write_tag(context, key, tag);
        }
    }
}

/// Returns the parent: the first usable `ChildOf` reference, else the first usable one, else the active span.
fn usable_parent<'a>(request: &StartRequest<'a>) -> Option<&'a SpanContext> {
    let usable = |context: &&SpanContext| context.is_valid();
    let child_of = |reference: &&opentracing_api::Reference| {
        reference.reference_type == ReferenceType::ChildOf
    };
    request
        .parent()
        .filter(usable)
        .or_else(|| {
            request.references().filter(child_of).map(|reference| &reference.context).find(usable)
        })
        .or_else(|| request.references().map(|reference| &reference.context).find(usable))
}

/// Collects what carriers said about the baggage that the parent and the references hand down.
fn inherited_metadata(request: &StartRequest<'_>, context: &SpanContext) -> BaggageMetadata {
    let mut metadata = BaggageMetadata::default();
    if context.has_baggage() {
        let references = request.references().map(|reference| &reference.context);
        for extension in request.parent().into_iter().chain(references).filter_map(extension_of) {
            metadata.extend(&extension.baggage_metadata, context);
        }
    }
    metadata
}

fn extension_of(context: &SpanContext) -> Option<&Extension> {
    context.extension()
}

/// Tells whether the parent's id says all there is to say about references.
#[inline]
fn is_only_child(request: &StartRequest<'_>) -> bool {
    let mut references = request.references();
    match (references.next(), references.next()) {
        (None, _) => true,
        (Some(only), None) => only.reference_type == ReferenceType::ChildOf,
        _ => false,
    }
}

/// Lists the references that go out as links: all of them, but for a lone parent under the Jaeger clients' rules.
fn links_of<'a>(
    request: &StartRequest<'a>,
    semantics: Semantics,
) -> impl Iterator<Item = Link<'static>> + use<'a> {
    let is_implied = semantics == Semantics::Jaeger && is_only_child(request);
    let references =
        request.references().filter(move |reference| !is_implied && reference.context.is_valid());
    references.map(|reference| {
        let attributes: &'static [(&'static str, otel_core::Value<'static>)] =
            match reference.reference_type {
                ReferenceType::ChildOf => &[(REF_TYPE, otel_core::Value::Str("child_of"))],
                _ => &[(REF_TYPE, otel_core::Value::Str("follows_from"))],
            };
        Link::new(to_core(&reference.context)).with_attributes(attributes)
    })
}

/// Builds what processors see as the parent's context: the parent and the baggage, and nothing of the current context.
fn context_of(parent: Option<otel_core::SpanContext>, request: &StartRequest<'_>) -> Context {
    let mut context = SpanContext::default();
    request.inherit_baggage(&mut context);
    let baggage: Baggage = crate::propagation::to_core_baggage(&context);
    let with_baggage = Context::new().with_baggage(baggage);
    match parent.filter(otel_core::SpanContext::is_valid) {
        Some(parent) => with_baggage.with_span_context(parent),
        None => with_baggage,
    }
}

/// The tags given at the start, as samplers see them.
struct StartTags<'r, 'a>(&'r StartRequest<'a>);

impl StartTags<'_, '_> {
    /// Returns the span's kind, where a tag tells it.
    #[inline]
    fn kind(&self) -> SpanKind {
        let named = self.find(SpecialTag::SpanKind, |tag| match tag {
            Tag::Str(name) => SpanKind::from_name(name),
            _ => None,
        });
        named.unwrap_or_default()
    }

    /// Returns whether a tag asks for the trace to be kept or dropped.
    #[inline]
    fn priority(&self) -> Option<bool> {
        self.find(SpecialTag::SamplingPriority, |tag| tag.as_priority())
    }

    /// Returns what the last tag of this kind says.
    fn find<T>(&self, special: SpecialTag, read: impl Fn(Tag<'_>) -> Option<T>) -> Option<T> {
        let mut found = None;
        let mut text = String::new();
        for (_, value) in self.0.tags().filter(|(key, _)| SpecialTag::of(key) == Some(special)) {
            found = Tag::of(value, &mut text).and_then(&read).or(found);
        }
        found
    }
}

impl AttributeSource for StartTags<'_, '_> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, otel_core::Value<'_>)) {
        let mut text = String::new();
        for (key, value) in self.0.tags() {
            if let Some(tag) = Tag::of(value, &mut text) {
                tag.with_core(|value| visit(key, value));
            }
        }
    }
}

fn flushed(
    answer: Result<otel_core::Flushed, otel_core::FlushError>,
) -> Result<Flushed, FlushError> {
    let counts =
        |flushed: otel_core::Flushed| Flushed::new(flushed.exported_spans, flushed.lost_spans);
    match answer {
        Ok(flushed) => Ok(counts(flushed)),
        Err(otel_core::FlushError::TimedOut { so_far, pending_spans, .. }) => {
            Err(FlushError::TimedOut { so_far: counts(so_far), pending_spans })
        }
        Err(other) => Err(FlushError::Failed(Box::new(other))),
    }
}

/// Says of a link which reference it was.
const REF_TYPE: &str = "opentracing.ref_type";
const JAEGER_DEBUG_ID: &str = "jaeger-debug-id";

#[cfg(test)]
mod tests;
