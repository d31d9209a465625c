//! A service that takes traces over and hands them on in any format: `cargo run -p examples --bin propagation_peer 8080`
//!
//! It listens on 127.0.0.1 and answers every request with JSON; several of them, or other programs that speak the same
//! headers, make chains:
//!
//! ```sh
//! propagation_peer 8080 & propagation_peer 8081 &
//! curl 'http://127.0.0.1:8080/start?format=b3&to=http://127.0.0.1:8081/context?format=b3'
//! ```
//!
//! `POST /test` is what W3C's test suite for Trace Context (`w3c/trace-context:test/test.py`) calls.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use examples::arguments::USAGE_EXIT_CODE;
use examples::json_server::{Method, Request, serve};
use examples::{complain, say};
use otel_core::propagation::{
    B3Propagator, BaggagePropagator, CompositePropagator, Extracted, IgnoreCase, JaegerPropagator,
    Propagator, TraceContextPropagator,
};
use otel_core::sampler::{ConstSampler, ParentBasedSampler};
use otel_core::{Baggage, RandomIdGenerator, SpanContext, SpanRequest, TracerProvider};
use serde_json::{Map, Value, json};

/// What the peer answers with.
struct Peer {
    /// Follows the caller, and keeps what nobody decided about.
    follower: TracerProvider,
    client: ureq::Agent,
}

impl Peer {
    fn new() -> Self {
        let provider =
            TracerProvider::builder().sampler(ParentBasedSampler::new(ConstSampler::new(true)));
        // The answer of the next one is handed on whatever it is; no proxy knows this machine.
        let client = ureq::Agent::config_builder()
            .proxy(None)
            .timeout_global(Some(REQUEST_TIMEOUT))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_response_header_size(MAX_HEADER_BYTES)
            .build();
        Self { follower: provider.build(), client: client.into() }
    }

    fn answer(&self, request: &Request) -> Value {
        let answer = match (request.method, request.path.as_str()) {
            (Method::Get, "/formats") => Ok(json!(Format::ALL.map(|(name, _)| name))),
            (Method::Get, "/context") => self.context(request),
            (Method::Get, "/start") => self.start(request),
            (Method::Get, "/forward") => self.forward(request),
            (Method::Post, "/test") => self.test(request),
            (method, path) => Err(format!(
                "there is no {method} {}, but GET /formats, /context, /start and /forward, and POST /test",
                shown(path)
            )),
        };
        answer.unwrap_or_else(|error| json!({ "error": error }))
    }

    /// Takes a trace over.
    fn context(&self, request: &Request) -> Result<Value, String> {
        let (extracted, span) = self.take_over(request, &*Format::of(request)?.propagator());
        Ok(json!({ "extracted": extracted, "span": span.to_json() }))
    }

    /// Begins a trace and hands it on.
    fn start(&self, request: &Request) -> Result<Value, String> {
        let (format, url) = (Format::of(request)?, url_of(request)?);
        let is_sampled = match request.query("sampled") {
            None | Some("1" | "true") => true,
            Some("0" | "false") => false,
            Some(other) => return Err(format!("sampled is {}, allowed: 0, 1", shown(other))),
        };
        let ids = match request.query("bits") {
            None | Some("128") => RandomIdGenerator::new(),
            Some("64") => RandomIdGenerator::with_64_bit_trace_ids(),
            Some(other) => return Err(format!("bits is {}, allowed: 64, 128", shown(other))),
        };
        let mut baggage = Baggage::new();
        for pair in request.query_all("baggage").take(MAX_BAGGAGE_ITEMS) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            baggage = baggage.with(name, value);
        }
        let sampler = ConstSampler::new(is_sampled);
        let provider = TracerProvider::builder().sampler(sampler).id_generator(ids).build();
        let span = Child::start(&provider, &Extracted::default(), baggage);
        let (headers, there) = self.hand_on(&span, format, url);
        Ok(json!({ "span": span.to_json(), "headers": headers, "there": there }))
    }

    /// Takes a trace over and hands it on.
    fn forward(&self, request: &Request) -> Result<Value, String> {
        let (format, url) = (Format::of(request)?, url_of(request)?);
        let (extracted, span) = self.take_over(request, &*format.propagator());
        let (headers, there) = self.hand_on(&span, format, url);
        Ok(json!({
            "extracted": extracted,
            "span": span.to_json(),
            "headers": headers,
            "there": there,
        }))
    }

    /// Takes a trace over, and calls the URLs that the request names, each within a span of its own.
    fn test(&self, request: &Request) -> Result<Value, String> {
        let calls = calls_of(&request.body)?;
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let propagator = TraceContextPropagator::new();
        let (extracted, span) = self.take_over(request, &propagator);
        let call = |Call { url, arguments }: Call| {
            let child = span.child(&self.follower);
            let mut headers: Vec<(String, String)> = Vec::new();
            propagator.inject(&child.context, &child.baggage, &mut headers);
            let status = self.post(&url, &headers, &arguments, deadline);
            let status = status.unwrap_or_else(|error| json!({ "error": error }));
            json!({ "url": url, "span": child.to_json(), "status": status })
        };
        let calls: Vec<Value> = calls.into_iter().map(call).collect();
        Ok(json!({ "extracted": extracted, "span": span.to_json(), "calls": calls }))
    }

    fn take_over(&self, request: &Request, propagator: &dyn Propagator) -> (Value, Child) {
        let extracted = propagator.extract(&IgnoreCase(&request.headers));
        let span = Child::start(&self.follower, &extracted, extracted.baggage.clone());
        (extracted_to_json(&extracted), span)
    }

    /// Calls the next one; returns what was written, and what was answered.
    fn hand_on(&self, span: &Child, format: Format, url: &str) -> (Value, Value) {
        let mut headers: Vec<(String, String)> = Vec::new();
        format.propagator().inject(&span.context, &span.baggage, &mut headers);
        let there = self.get(url, &headers).unwrap_or_else(|error| json!({ "error": error }));
        let headers: Map<String, Value> =
            headers.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
        (Value::from(headers), there)
    }

    fn get(&self, url: &str, headers: &[(String, String)]) -> Result<Value, String> {
        let call = headers
            .iter()
            .fold(self.client.get(url), |call, (name, value)| call.header(name, value));
        let mut answer = call.call().map_err(|error| format!("{}: {error}", shown(url)))?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER_BYTES)
            .read_to_string()
            .map_err(|error| format!("the answer of {}: {error}", shown(url)))?;
        serde_json::from_str(&text)
            .map_err(|error| format!("the answer of {} is not JSON: {error}", shown(url)))
    }

    /// Posts JSON, and returns the answer's status; what the answer says is of no interest.
    fn post(
        &self,
        url: &str,
        headers: &[(String, String)],
        arguments: &Value,
        deadline: Instant,
    ) -> Result<Value, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("there is no time left for it".to_owned());
        }
        let call = self.client.post(url).header("content-type", "application/json");
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        let call = call.config().timeout_global(Some(left)).build();
        let answer = call.send(arguments.to_string().as_bytes());
        let answer = answer.map_err(|error| format!("{}: {error}", shown(url)))?;
        Ok(json!(answer.status().as_u16()))
    }
}

/// A call that somebody wants to be made.
struct Call {
    url: String,
    arguments: Value,
}

/// Reads a list of objects that have a `url` and perhaps `arguments`.
fn calls_of(body: &[u8]) -> Result<Vec<Call>, String> {
    let calls: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let Value::Array(calls) = calls else { return Err("the body is not a list".to_owned()) };
    if calls.len() > MAX_CALLS {
        return Err(format!("the body lists more than {MAX_CALLS} calls"));
    }
    let call = |mut call: Value| {
        let arguments = call.get_mut("arguments").map_or_else(|| json!([]), Value::take);
        match call.get("url") {
            Some(Value::String(url)) => Ok(Call { url: url.clone(), arguments }),
            _ => Err(format!("a call has no url: {}", shown(&call.to_string()))),
        }
    };
    calls.into_iter().map(call).collect()
}

/// A format of headers, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Jaeger,
    B3,
    B3Multi,
    W3c,
}

impl Format {
    const ALL: [(&'static str, Self); 4] = [
        ("jaeger", Self::Jaeger),
        ("b3", Self::B3),
        ("b3multi", Self::B3Multi),
        ("w3c", Self::W3c),
    ];

    fn of(request: &Request) -> Result<Self, String> {
        let name = request.query("format").unwrap_or_default();
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, format)| *format).ok_or_else(|| {
            let allowed = Self::ALL.map(|(name, _)| name).join(", ");
            format!("format is {}, allowed: {allowed}", shown(name))
        })
    }

    fn propagator(self) -> Box<dyn Propagator> {
        match self {
            Self::Jaeger => Box::new(JaegerPropagator::new()),
            Self::B3 => Box::new(B3Propagator::single()),
            Self::B3Multi => Box::new(B3Propagator::multi()),
            Self::W3c => Box::new(
                CompositePropagator::new()
                    .propagator(TraceContextPropagator::new())
                    .propagator(BaggagePropagator::new()),
            ),
        }
    }
}

/// A span of this process, with what it was started from.
struct Child {
    context: SpanContext,
    parent: Option<SpanContext>,
    baggage: Baggage,
}

impl Child {
    /// Starts a child of what was found, or a new root; who sent a debug id gets a root that is kept.
    fn start(provider: &TracerProvider, extracted: &Extracted, baggage: Baggage) -> Self {
        let parent = extracted.parent();
        let is_wanted = extracted.span_context.is_none() && extracted.debug_id.is_some();
        let span = provider.tracer(SCOPE).start_request(&SpanRequest {
            parent: parent.as_ref(),
            forced: is_wanted.then_some(true),
            ..SpanRequest::new("peer")
        });
        Self { context: span.context().clone(), parent: extracted.span_context.clone(), baggage }
    }

    /// Starts a span within this one.
    fn child(&self, provider: &TracerProvider) -> Self {
        let span = provider.tracer(SCOPE).start_request(&SpanRequest {
            parent: Some(&self.context),
            ..SpanRequest::new("call")
        });
        Self {
            context: span.context().clone(),
            parent: Some(self.context.clone()),
            baggage: self.baggage.clone(),
        }
    }

    fn to_json(&self) -> Value {
        let mut span = Map::new();
        span.insert("traceId".to_owned(), json!(self.context.trace_id().to_string()));
        span.insert("spanId".to_owned(), json!(self.context.span_id().to_string()));
        let parent_id = self.parent.as_ref().map(|parent| parent.span_id().to_string());
        span.insert("parentId".to_owned(), json!(parent_id));
        span.insert("sampled".to_owned(), json!(self.context.is_sampled()));
        span.insert("baggage".to_owned(), baggage_to_json(&self.baggage));
        if self.context.flags().is_debug() {
            span.insert("debug".to_owned(), json!(true));
        }
        insert_trace_state(&mut span, &self.context);
        Value::from(span)
    }
}

/// Shows what was found in headers; `null` where that was nothing.
fn extracted_to_json(extracted: &Extracted) -> Value {
    let caller = extracted.span_context.as_ref();
    let is_something = caller.is_some()
        || !extracted.baggage.is_empty()
        || extracted.debug_id.is_some()
        || extracted.decision.is_some();
    if !is_something {
        return Value::Null;
    }
    // Unknown where the caller left it open, or said nothing about a trace.
    let decided =
        caller.filter(|caller| !caller.flags().is_deferred()).map(SpanContext::is_sampled);
    let decided = decided.or_else(|| extracted.decision.map(|flags| flags.is_sampled()));
    let mut found = Map::new();
    let trace_id = caller.map(|caller| caller.trace_id().to_string());
    found.insert("traceId".to_owned(), json!(trace_id));
    found.insert("spanId".to_owned(), json!(caller.map(|caller| caller.span_id().to_string())));
    found.insert("sampled".to_owned(), json!(decided));
    found.insert("baggage".to_owned(), baggage_to_json(&extracted.baggage));
    if let Some(debug_id) = &extracted.debug_id {
        found.insert("debugId".to_owned(), json!(debug_id));
    }
    if let Some(caller) = caller {
        insert_trace_state(&mut found, caller);
    }
    Value::from(found)
}

fn insert_trace_state(into: &mut Map<String, Value>, context: &SpanContext) {
    if !context.trace_state().is_empty() {
        into.insert("tracestate".to_owned(), json!(context.trace_state().to_string()));
    }
}

fn baggage_to_json(baggage: &Baggage) -> Value {
    let items = baggage.iter().map(|item| (item.name.clone(), json!(item.value)));
    Value::from(items.collect::<Map<_, _>>())
}

fn url_of(request: &Request) -> Result<&str, String> {
    request.query("to").ok_or_else(|| "to is missing: the URL of who is called next".to_owned())
}

/// Quotes what a client said, cut to what a message can bear.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(MAX_SHOWN_CHARS).collect::<String>())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let port = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--help" | "-h"] => {
            say!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [port] => port.parse::<u16>().ok(),
        _ => None,
    };
    let Some(port) = port else {
        complain!("propagation_peer: one port is needed, 0 to 65535\n\n{HELP}");
        return ExitCode::from(USAGE_EXIT_CODE);
    };
    match run(port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("propagation_peer: port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    say!("Listening on http://{}", listener.local_addr()?);
    let peer = Peer::new();
    serve(&listener, move |request| peer.answer(request))
}

const SCOPE: &str = "propagation_peer";
/// A client's time for the whole chain behind it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEADER_BYTES: usize = 64 << 10;
/// What baggage propagators carry at the most.
const MAX_BAGGAGE_ITEMS: usize = 180;
/// Of what the next one answers, which the answer here holds again.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
const MAX_CALLS: usize = 100;
const MAX_SHOWN_CHARS: usize = 200;
const HELP: &str = "\
A service that takes traces over and hands them on in any format, for chains of services.

Usage: propagation_peer PORT

It listens on 127.0.0.1, at a free port where PORT is 0, and answers every request with JSON.

  GET /formats                   lists the formats: jaeger, b3, b3multi, w3c
  GET /context?format=F          takes over the trace in the request's headers, or begins one
  GET /start?format=F&to=URL     begins a trace, and calls the URL with its headers
      [&sampled=0|1] [&bits=64|128] [&baggage=NAME=VALUE]...
  GET /forward?format=F&to=URL   takes a trace over, and calls the URL with its headers
  POST /test                     takes over the trace in traceparent and tracestate, and posts to each URL of a list:
                                 [{\"url\": URL, \"arguments\": what to post}, …]";
