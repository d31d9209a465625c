//! What a span is started with.

use std::fmt;
use std::time::SystemTime;

use super::{CurrentSpan, Link, SharedSpan, Span, SpanKind};
use crate::attribute::AttributeSource;
use crate::context::Context;
use crate::tracer::{SpanRequest, Tracer};

/// Settings of a span that is about to start.
///
/// ```
/// use otel_core::{SpanKind, TracerProvider};
///
/// let provider = TracerProvider::builder().build();
/// let tracer = provider.tracer("shop");
/// let span = tracer
///     .span_builder("GET /orders")
///     .kind(SpanKind::Server)
///     .attributes(&[("http.method", "GET".into())])
///     .root()
///     .start();
/// # span.end();
/// ```
#[must_use = "a span starts with `start`"]
pub struct SpanBuilder<'a> {
    tracer: &'a Tracer,
    name: &'a str,
    kind: SpanKind,
    parent: Parent<'a>,
    start_time: Option<SystemTime>,
    attributes: Option<&'a dyn AttributeSource>,
    links: &'a [Link<'a>],
}

enum Parent<'a> {
    Current,
    In(&'a Context),
    None,
}

impl<'a> SpanBuilder<'a> {
    pub(crate) fn new(tracer: &'a Tracer, name: &'a str) -> Self {
        Self {
            tracer,
            name,
            kind: SpanKind::Internal,
            parent: Parent::Current,
            start_time: None,
            attributes: None,
            links: &[],
        }
    }

    /// Sets the kind. Default: internal.
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = kind;
        self
    }

    /// Takes the parent from this context. Default: from the current one.
    pub fn parent(mut self, context: &'a Context) -> Self {
        self.parent = Parent::In(context);
        self
    }

    /// Starts a new trace, whatever is current.
    pub fn root(mut self) -> Self {
        self.parent = Parent::None;
        self
    }

    /// Sets when the span started. Default: now.
    pub fn start_time(mut self, start_time: SystemTime) -> Self {
        self.start_time = Some(start_time);
        self
    }

    /// Gives the span attributes that samplers see.
    pub fn attributes<S: AttributeSource>(mut self, attributes: &'a S) -> Self {
        self.attributes = Some(attributes);
        self
    }

    /// Links the span to others, which samplers see.
    pub fn links(mut self, links: &'a [Link<'a>]) -> Self {
        self.links = links;
        self
    }

    /// Starts the span.
    pub fn start(self) -> Span {
        self.start_in(&self.context())
    }

    /// Starts the span and makes it current until the guard is dropped, which ends it.
    ///
    /// What is current besides, as baggage, is what the [parent's context](Self::parent) holds, if one is given.
    ///
    /// ```
    /// use otel_core::{SharedSpan, SpanKind, TracerProvider};
    ///
    /// let tracer = TracerProvider::builder().build().tracer("shop");
    /// {
    ///     let request = tracer.span_builder("GET /orders").kind(SpanKind::Server).start_as_current();
    ///     assert_eq!(SharedSpan::current().context(), request.context());
    /// }
    /// assert!(!SharedSpan::current().is_recording());
    /// ```
    pub fn start_as_current(self) -> CurrentSpan {
        let context = self.context();
        let span = self.start_in(&context);
        match self.parent {
            Parent::Current | Parent::In(_) => CurrentSpan::new(span, &context),
            // A new trace for the same piece of work.
            Parent::None => CurrentSpan::new(span, &Context::current()),
        }
    }

    /// Runs `work` in the span, which is current meanwhile and ends with it.
    pub fn in_span<R>(self, work: impl FnOnce(&SharedSpan) -> R) -> R {
        work(&self.start_as_current())
    }

    /// Returns what the parent is taken from.
    fn context(&self) -> Context {
        match self.parent {
            Parent::Current => Context::current(),
            Parent::In(context) => context.clone(),
            Parent::None => Context::new(),
        }
    }

    fn start_in(&self, context: &Context) -> Span {
        let parent = context.span_context();
        self.tracer.start_request(&SpanRequest {
            name: self.name,
            kind: self.kind,
            parent: parent.as_ref(),
            start_time: self.start_time,
            attributes: self.attributes,
            links: self.links,
            forced: None,
            parent_context: &|| context.clone(),
        })
    }
}

impl fmt::Debug for SpanBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanBuilder")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
