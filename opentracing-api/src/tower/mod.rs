//! Spans around the requests of HTTP servers and clients that are built of `tower` services: axum, hyper-util, tonic,
//! reqwest and others. Behind the feature `tower`.
//!
//! On a server the span continues its caller's trace; on a client the request takes the trace along in its headers.
//!
//! ```
//! # use opentracing_api::Tracer;
//! use opentracing_api::tower::TraceLayer;
//! use tower_layer::Layer;
//!
//! # fn outline<A, B>(tracer: Tracer, router: A, connection: B) {
//! // With axum: `Router::new().route(…).layer(server)`.
//! let server = TraceLayer::server(tracer.clone()).component("axum");
//! let client = TraceLayer::client(tracer);
//! let (traced_router, traced_connection) = (server.layer(router), client.layer(connection));
//! # }
//! ```
//!
//! | tag | server | client |
//! | --- | --- | --- |
//! | `span.kind` | `server` | `client` |
//! | `component` | [`TraceLayer::component`] | the same |
//! | `http.method` | the method | the method |
//! | `http.url` | what was asked for: mostly a path with its query | the URL |
//! | `http.status_code` | of the response | of the response |
//! | `error` | status 500 and above, an error of the service, a panic | the same |
//! | `cancelled` | the future was dropped before there was a response | the same |
//! | `peer.hostname` or `peer.ipv4` or `peer.ipv6`, `peer.port` | not known here | from the URL, where it has a host |
//!
//! A user name and password in a URL are left out. A status from 400 to 499 is no error on either side: whether it is one,
//! the application knows, and says so in [`TraceLayer::on_response`].
//!
//! # When a span begins and ends
//! It begins when the service is called, and ends when the head of the response is there, or the future is dropped: what
//! is done while a body is streamed is not in it. It is active while the service is called and whenever its future is
//! polled, so spans that start there are its children; and it is in the request's extensions, as
//! [`SharedSpan`](crate::SharedSpan), for handlers that take it from there.
//!
//! # Cost
//! About the cost of the span itself, of reading or writing the headers, and of putting the span into the extensions. The
//! bench `tower_layer` of `opentracing-shim` measures it.

mod future;
mod head;
mod layer;
mod service;

pub use future::ResponseFuture;
pub use head::{RequestHead, ResponseHead};
pub use layer::TraceLayer;
pub use service::Trace;

#[cfg(test)]
mod tests;
