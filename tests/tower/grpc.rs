//! A service of tonic's, written by hand: what a compiler of `.proto` files would make, for messages that are plain text.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use opentracing_api::Tracer;
use opentracing_api::tags;
use opentracing_api::tower::{ResponseHead, TraceLayer};
use otel_core::{SpanKind, StatusCode as SpanStatus};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::NamedService;
use tonic::transport::{Endpoint, Server, server::TcpIncoming};
use tonic::{Request, Response, Status};
use tower::{Layer, Service};

use super::{Recorded, assert_chain, block_on, named, tag};

#[test]
fn one_trace_goes_through_tonics_client_and_server() {
    let recorded = Recorded::new();
    let ours = recorded.tracer.clone();
    let answers = block_on(async move {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let server = TraceLayer::server(ours.clone())
            .component("tonic")
            .operation_name(|request| request.uri().path().to_owned())
            .on_response(|response, span| {
                if is_grpc_failure(response) {
                    span.set_tag(tags::ERROR, true);
                }
            });
        let greeter = Greeter { tracer: ours.clone() };
        tokio::spawn(
            Server::builder().layer(server).add_service(greeter).serve_with_incoming(incoming),
        );

        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await;
        let client = TraceLayer::client(ours).component("tonic").operation_name(|_| "greet");
        let mut client = tonic::client::Grpc::new(client.layer(channel.unwrap()));
        let mut answers = Vec::new();
        for name in ["Ann", ""] {
            client.ready().await.unwrap();
            let path = PathAndQuery::from_static("/test.Greeter/Greet");
            answers.push(client.unary(Request::new(name.to_owned()), path, TextCodec).await);
        }
        answers
    });
    assert_eq!(answers[0].as_ref().unwrap().get_ref(), "Hello, Ann!");
    assert_eq!(answers[1].as_ref().unwrap_err().code(), tonic::Code::InvalidArgument);

    let spans = recorded.spans(5);
    let (client, server) = (named(&spans, "greet"), named(&spans, "/test.Greeter/Greet"));
    assert_chain(&[client, server, named(&spans, "greeting")]);
    assert_eq!((client.kind, server.kind), (SpanKind::Client, SpanKind::Server));
    assert_eq!(tag(server, "component").as_deref(), Some("tonic"));
    assert_eq!(tag(server, "http.method").as_deref(), Some("POST"));
    let failed: Vec<_> = spans.iter().filter(|span| span.status == SpanStatus::Error).collect();
    assert_eq!((failed.len(), failed[0].kind), (1, SpanKind::Server));
    assert_ne!(failed[0].trace_id, server.trace_id);
}

/// gRPC's failures have the status 200; one without a message has its own status among the headers.
fn is_grpc_failure(response: &ResponseHead<'_>) -> bool {
    response.headers().get("grpc-status").is_some_and(|status| status != "0")
}

/// Greets whoever has a name.
#[derive(Clone)]
struct Greeter {
    tracer: Tracer,
}

impl NamedService for Greeter {
    const NAME: &'static str = "test.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let greet = Greet { tracer: self.tracer.clone() };
        Box::pin(async { Ok(tonic::server::Grpc::new(TextCodec).unary(greet, request).await) })
    }
}

struct Greet {
    tracer: Tracer,
}

impl tonic::server::UnaryService<String> for Greet {
    type Response = String;
    type Future = Ready<Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let name = request.into_inner();
        ready(match name.as_str() {
            "" => Err(Status::invalid_argument("nobody to greet")),
            name => {
                Ok(Response::new(self.tracer.in_span("greeting", |_| format!("Hello, {name}!"))))
            }
        })
    }
}

/// Messages that are text and nothing else.
#[derive(Clone, Copy, Default)]
struct TextCodec;

impl Codec for TextCodec {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for TextCodec {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, text.as_bytes());
        Ok(())
    }
}

impl Decoder for TextCodec {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let mut bytes = vec![0; bytes::Buf::remaining(buffer)];
        bytes::Buf::copy_to_slice(buffer, &mut bytes);
        String::from_utf8(bytes).map(Some).map_err(|_| Status::internal("the message is no text"))
    }
}
