//! The service: begins a span for each request.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::Scheme;
use http::{Method, Request, Response, Uri};
use tower_service::Service;

use super::future::{Call, ResponseFuture};
use super::head::RequestHead;
use super::layer::{Role, Settings};
use crate::propagation::{Extract, Inject};
use crate::shared_span::SharedSpan;
use crate::span::Span;
use crate::span_context::SpanContext;
use crate::start_span::StartSpanOptions;
use crate::value::Value;
use crate::{log, tags};

/// A service whose requests have spans; made by a [`TraceLayer`](super::TraceLayer).
#[derive(Clone)]
pub struct Trace<S> {
    pub(super) inner: S,
    pub(super) settings: Arc<Settings>,
}

impl<S> Trace<S> {
    /// Returns the service within.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the service within, to be changed.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the service out.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for Trace<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Display,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if !self.settings.filter.as_ref().is_none_or(|filter| filter(&RequestHead::of(&request))) {
            return ResponseFuture::untraced(self.inner.call(request));
        }
        let span = self.settings.start_span(&request);
        let mut call = Call::new(&self.settings, span);
        if let Some(hook) = &self.settings.on_request {
            hook(&RequestHead::of(&request), call.span());
        }
        if self.settings.role == Role::Client {
            self.settings.inject(call.span(), &mut request);
        }
        request.extensions_mut().insert(call.span().clone());
        // The service that was asked whether it is ready is the one that is called, as `poll_ready` demands.
        let future = {
            let _entered = call.enter();
            self.inner.call(request)
        };
        ResponseFuture::traced(future, call)
    }
}

impl<S: fmt::Debug> fmt::Debug for Trace<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("inner", &self.inner)
            .field("settings", &self.settings)
            .finish()
    }
}

impl Settings {
    fn start_span<B>(&self, request: &Request<B>) -> Span {
        let name = match &self.operation_name {
            Some(operation_name) => operation_name(&RequestHead::of(request)),
            None => Cow::Borrowed(default_name(request.method())),
        };
        match self.role {
            Role::Server => self.start_server_span(&name, request),
            Role::Client => self.start_client_span(&name, request),
        }
    }

    fn start_server_span<B>(&self, name: &str, request: &Request<B>) -> Span {
        // One that does nothing, of a layer whose tracer is not set, hides no caller.
        let (caller, problem) = match named_by(request.extensions().get::<SharedSpan>()) {
            Some(outer) => (Some(outer), None),
            None => match self.tracer.extract(Extract::HttpHeaders(request.headers())) {
                Ok(caller) if self.trusts_remote_sampling => (caller, None),
                Ok(caller) => (caller.map(SpanContext::undecided), None),
                Err(problem) => (None, Some(problem)),
            },
        };
        let url = url_of(request.uri());
        let tags = self.tags(tags::SPAN_KIND_SERVER, request.method(), &url);
        let options = StartSpanOptions::of_request(caller, false, tags);
        let mut span = self.tracer.start_span_with(name, options);
        if let Some(problem) = problem {
            let fields =
                [(log::EVENT, "extract failed".into()), (log::MESSAGE, problem.to_string())];
            span.log_kv::<_, String>(fields);
        }
        span
    }

    fn start_client_span<B>(&self, name: &str, request: &Request<B>) -> Span {
        let extensions = request.extensions();
        let given = named_by(extensions.get::<SharedSpan>())
            .or_else(|| extensions.get::<SpanContext>().cloned());
        let url = url_of(request.uri());
        let tags = self.tags(tags::SPAN_KIND_CLIENT, request.method(), &url);
        let options = StartSpanOptions::of_request(given, true, tags);
        let mut span = self.tracer.start_span_with(name, options);
        if span.is_recording() {
            tag_peer(&mut span, request.uri());
        }
        span
    }

    /// Lists what is known at the start, so that a sampler sees it.
    fn tags<'a>(
        &'a self,
        span_kind: &'a str,
        method: &'a Method,
        url: &'a str,
    ) -> [(&'a str, Value<'a>); 4] {
        [
            (tags::SPAN_KIND, span_kind.into()),
            (tags::COMPONENT, Value::from(&*self.component)),
            (tags::HTTP_METHOD, method.as_str().into()),
            (tags::HTTP_URL, url.into()),
        ]
    }

    fn inject<B>(&self, span: &SharedSpan, request: &mut Request<B>) {
        let headers = Inject::HttpHeaders(request.headers_mut());
        if let Err(problem) = self.tracer.inject(span, headers) {
            // The request itself goes well without, so this is no error of the span.
            span.log_kv([
                (log::EVENT, "inject failed".into()),
                (log::MESSAGE, problem.to_string()),
            ]);
        }
    }
}

/// Returns the context of a span; `None` for a span that does nothing.
fn named_by(span: Option<&SharedSpan>) -> Option<SpanContext> {
    span.map(SharedSpan::context).filter(|context| !context.is_empty())
}

/// Names of operations are to be few, and whoever calls a server can make up methods.
fn default_name(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::HEAD
        | Method::OPTIONS
        | Method::CONNECT
        | Method::PATCH
        | Method::TRACE => method.as_str(),
        _ => "HTTP",
    }
}

/// Writes a URL without user name and password; what is asked of a server has mostly no host, and is borrowed.
fn url_of(uri: &Uri) -> Cow<'_, str> {
    let path_and_query = uri.path_and_query().map_or("", |path_and_query| path_and_query.as_str());
    let Some(authority) = uri.authority() else { return Cow::Borrowed(path_and_query) };
    let host_and_port = match authority.as_str().rsplit_once('@') {
        Some((_, host_and_port)) => host_and_port,
        None => authority.as_str(),
    };
    let scheme = uri.scheme_str().unwrap_or_default();
    let parts = match scheme {
        "" => [host_and_port, path_and_query, "", ""],
        scheme => [scheme, "://", host_and_port, path_and_query],
    };
    Cow::Owned(parts.concat())
}

fn tag_peer(span: &mut Span, uri: &Uri) {
    let Some(host) = uri.host() else { return };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match address.parse() {
        Ok(IpAddr::V4(_)) => span.set_tag(tags::PEER_IPV4, address),
        Ok(IpAddr::V6(_)) => span.set_tag(tags::PEER_IPV6, address),
        Err(_) => span.set_tag(tags::PEER_HOSTNAME, host),
    };
    span.set_tag(tags::PEER_PORT, uri.port_u16().or_else(|| default_port(uri.scheme()?)));
}

fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}
