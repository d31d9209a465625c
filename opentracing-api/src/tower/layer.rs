//! The layer: which requests get a span, and what the span says.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::head::{RequestHead, ResponseHead};
use super::service::Trace;
use crate::shared_span::SharedSpan;
use crate::tracer::Tracer;

/// Puts a span around each request of a service. See the [module](super).
///
/// Cheap to clone, as are the services that it makes.
///
/// ```
/// # use opentracing_api::{tags, Tracer};
/// # use opentracing_api::tower::TraceLayer;
/// # let tracer = Tracer::noop();
/// let layer = TraceLayer::server(tracer)
///     .operation_name(|request| match request.uri().path() {
///         "/" => "home",
///         _ => "page",
///     })
///     .filter(|request| request.uri().path() != "/health")
///     .on_request(|request, span| {
///         span.set_tag("tenant", request.headers().get("x-tenant").and_then(|value| value.to_str().ok()));
///     })
///     .on_response(|response, span| {
///         if response.status().is_client_error() {
///             span.set_tag(tags::ERROR, true);
///         }
///     });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until a service is put into it"]
pub struct TraceLayer {
    settings: Arc<Settings>,
}

impl TraceLayer {
    /// Makes a layer for a server: a request's span is a child of the caller's span in its headers, else begins a trace.
    ///
    /// A span that is active where the request comes in is not its parent. Where two such layers are around one service,
    /// the inner span is a child of the outer one.
    pub fn server(tracer: Tracer) -> Self {
        Self::of_role(tracer, Role::Server)
    }

    /// Makes a layer for a client: a request's span is injected into its headers.
    ///
    /// Its parent is the [`SharedSpan`] or else the [`SpanContext`](crate::SpanContext) in the request's extensions, if
    /// there is one, else the active span.
    pub fn client(tracer: Tracer) -> Self {
        Self::of_role(tracer, Role::Client)
    }

    /// Says how a span is called. Default: the method, as `GET`; `HTTP` for one that is not of the HTTP standard.
    ///
    /// Names should be few: put a route's template into it, not its path. With axum that is `MatchedPath` in
    /// [`RequestHead::extensions`]. To borrow a name instead, let [`TraceLayer::on_request`] call
    /// [`SharedSpan::set_operation_name`].
    pub fn operation_name<N: Into<Cow<'static, str>>>(
        mut self,
        operation_name: impl Fn(&RequestHead<'_>) -> N + Send + Sync + 'static,
    ) -> Self {
        self.settings_mut().operation_name =
            Some(Arc::new(move |request| operation_name(request).into()));
        self
    }

    /// Says which requests are traced: those for which `filter` is true. Default: all.
    ///
    /// The others pass as if the layer were not there; a client sends no context with them.
    pub fn filter(
        mut self,
        filter: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings_mut().filter = Some(Arc::new(filter));
        self
    }

    /// Runs `hook` for each request whose span has begun: to set more tags, or other values for those of the layer.
    ///
    /// Such as the `peer.ipv4` of a caller, which servers keep in the request's extensions: axum in `ConnectInfo`.
    /// The span is not active in a hook: a span that starts there is no child of it by itself.
    pub fn on_request(
        mut self,
        hook: impl Fn(&RequestHead<'_>, &SharedSpan) + Send + Sync + 'static,
    ) -> Self {
        self.settings_mut().on_request = Some(Arc::new(hook));
        self
    }

    /// Runs `hook` for each response, before its span ends and after the layer has set its tags.
    ///
    /// It is not run where the service fails: the error is in the span's log.
    pub fn on_response(
        mut self,
        hook: impl Fn(&ResponseHead<'_>, &SharedSpan) + Send + Sync + 'static,
    ) -> Self {
        self.settings_mut().on_response = Some(Arc::new(hook));
        self
    }

    /// Says whether a caller decides if its trace is recorded here. Default: true, as for services of one owner.
    ///
    /// With false, for a server that strangers call, the caller's trace is continued under its id, but the tracer asks its
    /// own sampler as for a new trace: neither a sampled flag nor a debug flag nor a debug id has traces recorded, and an
    /// unsampled flag does not keep them from it. A tracer that does not know [`SpanContext::UNDECIDED`] takes the trace as
    /// unsampled. Clients have nothing to trust: there it changes nothing.
    ///
    /// A sampler that decides by the trace id alone, as a probabilistic one does, is still asked about an id that the
    /// stranger chose, who can choose one that is kept. Where that matters, sample such a server's roots by rate.
    ///
    /// [`SpanContext::UNDECIDED`]: crate::SpanContext::UNDECIDED
    pub fn trust_remote_sampling(mut self, trusts: bool) -> Self {
        self.settings_mut().trusts_remote_sampling = trusts;
        self
    }

    /// Sets the tag `component`: the framework or library that serves or sends the requests. Default: `tower`.
    pub fn component(mut self, component: impl Into<Cow<'static, str>>) -> Self {
        self.settings_mut().component = component.into();
        self
    }

    fn of_role(tracer: Tracer, role: Role) -> Self {
        Self {
            settings: Arc::new(Settings {
                tracer,
                role,
                component: Cow::Borrowed("tower"),
                trusts_remote_sampling: true,
                operation_name: None,
                filter: None,
                on_request: None,
                on_response: None,
            }),
        }
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, settings: Arc::clone(&self.settings) }
    }
}

/// What a layer was told, shared by its services and their futures.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) tracer: Tracer,
    pub(super) role: Role,
    pub(super) component: Cow<'static, str>,
    pub(super) trusts_remote_sampling: bool,
    pub(super) operation_name: Option<Arc<OperationName>>,
    pub(super) filter: Option<Arc<Filter>>,
    pub(super) on_request: Option<Arc<OnRequest>>,
    pub(super) on_response: Option<Arc<OnResponse>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("tracer", &self.tracer)
            .field("role", &self.role)
            .field("component", &self.component)
            .field("trusts_remote_sampling", &self.trusts_remote_sampling)
            .finish_non_exhaustive()
    }
}

/// Which side of a request a service is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Client,
}

type OperationName = dyn Fn(&RequestHead<'_>) -> Cow<'static, str> + Send + Sync;
type Filter = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;
type OnRequest = dyn Fn(&RequestHead<'_>, &SharedSpan) + Send + Sync;
pub(super) type OnResponse = dyn Fn(&ResponseHead<'_>, &SharedSpan) + Send + Sync;
