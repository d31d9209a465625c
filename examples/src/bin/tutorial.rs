//! The OpenTracing tutorial, lesson by lesson: `cargo run -p examples --bin tutorial`
//!
//! A program that greets people grows from one span (lesson 1) to functions with spans of their own (2), to three services
//! in one trace (3), to a greeting that travels as baggage (4). By itself it is all three services. To run each as a
//! process of its own, as the tutorial does:
//!
//! ```sh
//! tutorial formatter &
//! tutorial publisher &
//! tutorial hello --lesson 4
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use examples::arguments::{AGENT, AgentAddress, Flags, PORT, UsageError};
use examples::server::Server;
use examples::{program, say};
use opentracing_api::{Extract, Inject, Span, StartSpanOptions, Tracer, child_of, fields, tags};
use opentracing_shim::jaeger::JaegerTracer;
use reqwest::Url;

/// Lesson 1, hello world: a span with a tag, and logs of what happens in it.
fn hello(tracer: &Tracer, hello_to: &str) {
    let mut span = tracer.start_span("say-hello");
    span.set_tag("hello-to", hello_to);
    let hello = format!("Hello, {hello_to}!");
    span.log_kv([("event", "string-format"), ("value", hello.as_str())]);
    say!("{hello}");
    span.log_event("println");
    span.finish();
}

/// Lesson 2, context and tracing functions: each function has a span, a child of the one before.
fn hello_with_functions(tracer: &Tracer, hello_to: &str) {
    let mut span = tracer.start_span("say-hello");
    span.set_tag("hello-to", hello_to);
    let hello = format_string(tracer, &span, hello_to);
    print_string(tracer, &span, &hello);
}

fn format_string(tracer: &Tracer, parent: &Span, hello_to: &str) -> String {
    let mut span = tracer.start_span_with("format_string", child_of(parent));
    let hello = format!("Hello, {hello_to}!");
    span.log_kv([("event", "string-format"), ("value", hello.as_str())]);
    hello
}

fn print_string(tracer: &Tracer, parent: &Span, hello: &str) {
    let mut span = tracer.start_span_with("print_string", child_of(parent));
    say!("{hello}");
    span.log_event("println");
}

/// Lessons 3 and 4, tracing requests and baggage: the functions have become services, called over HTTP.
fn hello_with_services(
    tracer: &Tracer,
    services: &Services,
    hello_to: &str,
    greeting: Option<&str>,
) -> Result<(), Box<dyn Error>> {
    let mut span = tracer.start_span("say-hello");
    span.set_tag("hello-to", hello_to);
    if let Some(greeting) = greeting {
        // Every span from here on knows it, also in the services, none of which has a parameter for it.
        span.set_baggage_item(GREETING, greeting);
    }
    let format =
        Url::parse_with_params(&format!("{}/format", services.formatter), [("helloTo", hello_to)])?;
    let hello = call(tracer, &span, "format_string", &format)?;
    let publish =
        Url::parse_with_params(&format!("{}/publish", services.publisher), [("helloStr", hello)])?;
    call(tracer, &span, "print_string", &publish)?;
    Ok(())
}

/// Calls a service: the span's context goes along in the headers.
fn call(tracer: &Tracer, parent: &Span, name: &str, url: &Url) -> Result<String, Box<dyn Error>> {
    let options = child_of(parent)
        .tag(tags::SPAN_KIND, tags::SPAN_KIND_CLIENT)
        .tag(tags::HTTP_METHOD, "GET")
        .tag(tags::HTTP_URL, url.as_str());
    let mut span = tracer.start_span_with(name, options);
    let mut request = http::Request::get(url.as_str()).body(())?;
    tracer.inject(&span, Inject::HttpHeaders(request.headers_mut()))?;
    // The services are on this machine, where no proxy is of use.
    let config =
        ureq::Agent::config_builder().proxy(None).timeout_global(Some(REQUEST_TIMEOUT)).build();
    let answer = ureq::Agent::from(config).run(request).inspect_err(|error| {
        span.log_error(error);
    });
    let mut response = answer.map_err(|error| format!("{url} gives no answer: {error}"))?;
    span.set_tag(tags::HTTP_STATUS_CODE, response.status().as_u16());
    Ok(response.body_mut().read_to_string()?)
}

/// The service `formatter`: the caller's context comes in the headers, and the greeting in its baggage.
async fn format(
    State(tracer): State<Tracer>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> String {
    let mut span = tracer.start_span_with("format", of_caller(&tracer, &headers));
    let hello_to = query.get("helloTo").map_or("nobody", String::as_str);
    let hello = format!("{}, {hello_to}!", span.baggage_item(GREETING).unwrap_or("Hello"));
    span.log_kv([("event", "string-format"), ("value", hello.as_str())]);
    hello
}

/// The service `publisher`.
async fn publish(
    State(tracer): State<Tracer>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> &'static str {
    let mut span = tracer.start_span_with("publish", of_caller(&tracer, &headers));
    let hello = query.get("helloStr").map_or("", String::as_str);
    say!("{hello}");
    span.log_kv(fields! { "event" => "println", "bytes" => hello.len() });
    "published"
}

/// Continues the trace of a request; begins one where the headers have none.
fn of_caller(tracer: &Tracer, headers: &HeaderMap) -> StartSpanOptions<'static> {
    let caller = tracer.extract(Extract::HttpHeaders(headers)).unwrap_or_default();
    child_of(&caller).tag(tags::SPAN_KIND, tags::SPAN_KIND_SERVER)
}

fn main() -> ExitCode {
    let known = [LESSON, NAME, GREETING_FLAG, FORMATTER_URL, PUBLISHER_URL, PORT, AGENT];
    let commands = [HELLO, FORMATTER, PUBLISHER];
    let flags = Flags::parse_with_commands(std::env::args_os().skip(1), &known, &commands);
    program::run("tutorial", HELP, flags, run)
}

fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let agent = flags.agent()?.unwrap_or_default();
    match flags.command() {
        Some(FORMATTER) => serve(FORMATTER, flags.port()?.unwrap_or(8081), &agent),
        Some(PUBLISHER) => serve(PUBLISHER, flags.port()?.unwrap_or(8082), &agent),
        command => run_lessons(&Asked::read(flags)?, command == Some(HELLO), &agent),
    }
}

/// Runs one of the services until it is told to stop.
fn serve(service: &'static str, port: u16, agent: &AgentAddress) -> Result<(), Box<dyn Error>> {
    let tracer = program::tracer_of(service, agent)?;
    program::runtime()?.block_on(async {
        Server::bind(port).await?.run(service, router_of(service, &tracer)).await
    })?;
    program::close(service, &tracer, agent)
}

fn run_lessons(
    asked: &Asked,
    services_run_elsewhere: bool,
    agent: &AgentAddress,
) -> Result<(), Box<dyn Error>> {
    let tracer = program::tracer_of(HELLO_SERVICE, agent)?;
    let needs_services = asked.lessons.iter().any(|lesson| *lesson >= Lesson::Services);
    let local = match needs_services && !services_run_elsewhere {
        true => Some(LocalServices::start(agent)?),
        false => None,
    };
    let services = local.as_ref().map_or(&asked.services, |local| &local.services);
    let outcome = asked.lessons.iter().try_for_each(|lesson| {
        say!("\n{lesson}");
        match lesson {
            Lesson::HelloWorld => hello(&tracer, &asked.name),
            Lesson::Functions => hello_with_functions(&tracer, &asked.name),
            Lesson::Services => hello_with_services(&tracer, services, &asked.name, None)?,
            Lesson::Baggage => {
                hello_with_services(&tracer, services, &asked.name, Some(&asked.greeting))?;
            }
        }
        Ok(())
    });
    say!("");
    program::close(HELLO_SERVICE, &tracer, agent)?;
    if let Some(local) = local {
        local.close(agent)?;
    }
    outcome
}

/// Where the services are.
#[derive(Clone, Debug)]
struct Services {
    formatter: String,
    publisher: String,
}

/// The services in this process, each with a tracer of its own, on free ports.
struct LocalServices {
    services: Services,
    tracers: [(&'static str, JaegerTracer); 2],
    runtime: tokio::runtime::Runtime,
}

impl LocalServices {
    fn start(agent: &AgentAddress) -> Result<Self, Box<dyn Error>> {
        let runtime = program::runtime()?;
        let start = |service| {
            let tracer = program::tracer_of(service, agent)?;
            let server = runtime.block_on(Server::bind(0))?;
            let url = server.url();
            runtime.spawn(server.run_forever(router_of(service, &tracer)));
            Ok::<_, Box<dyn Error>>((url, (service, tracer)))
        };
        let (formatter, formatter_tracer) = start(FORMATTER)?;
        let (publisher, publisher_tracer) = start(PUBLISHER)?;
        let services = Services { formatter, publisher };
        Ok(Self { services, tracers: [formatter_tracer, publisher_tracer], runtime })
    }

    fn close(self, agent: &AgentAddress) -> Result<(), Box<dyn Error>> {
        drop(self.runtime);
        self.tracers.iter().try_for_each(|(service, tracer)| program::close(service, tracer, agent))
    }
}

fn router_of(service: &str, tracer: &Tracer) -> Router {
    let router = match service {
        FORMATTER => Router::new().route("/format", get(format)),
        _ => Router::new().route("/publish", get(publish)),
    };
    router.with_state(tracer.clone())
}

/// What the arguments ask for.
struct Asked {
    lessons: Vec<Lesson>,
    name: String,
    greeting: String,
    services: Services,
}

impl Asked {
    fn read(flags: &Flags) -> Result<Self, UsageError> {
        let text = |flag, default: &str| flags.value(flag).unwrap_or(default).to_owned();
        let lessons = match (flags.parsed(LESSON, "1, 2, 3 or 4")?, flags.command()) {
            (Some(lesson), _) => vec![lesson],
            (None, Some(_)) => vec![Lesson::Services],
            (None, None) => Lesson::ALL.to_vec(),
        };
        Ok(Self {
            lessons,
            name: text(NAME, "Bryan"),
            greeting: text(GREETING_FLAG, "Bonjour"),
            services: Services {
                formatter: text(FORMATTER_URL, "http://127.0.0.1:8081"),
                publisher: text(PUBLISHER_URL, "http://127.0.0.1:8082"),
            },
        })
    }
}

/// A lesson of the tutorial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lesson {
    HelloWorld,
    Functions,
    Services,
    Baggage,
}

impl Lesson {
    const ALL: [Self; 4] = [Self::HelloWorld, Self::Functions, Self::Services, Self::Baggage];
}

impl FromStr for Lesson {
    type Err = ();

    fn from_str(number: &str) -> Result<Self, ()> {
        let position = ["1", "2", "3", "4"].iter().position(|candidate| *candidate == number);
        position.map(|position| Self::ALL[position]).ok_or(())
    }
}

impl fmt::Display for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HelloWorld => "Lesson 1: hello world, a span with a tag and logs",
            Self::Functions => "Lesson 2: functions, each with a span",
            Self::Services => "Lesson 3: services, one trace over all of them",
            Self::Baggage => "Lesson 4: baggage, a greeting that travels with the trace",
        })
    }
}

const HELLO_SERVICE: &str = "hello-world";
const GREETING: &str = "greeting";
const HELLO: &str = "hello";
const FORMATTER: &str = "formatter";
const PUBLISHER: &str = "publisher";
const LESSON: &str = "--lesson";
const NAME: &str = "--name";
const GREETING_FLAG: &str = "--greeting";
const FORMATTER_URL: &str = "--formatter-url";
const PUBLISHER_URL: &str = "--publisher-url";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const HELP: &str = "\
The OpenTracing tutorial: 1 hello world, 2 functions, 3 services, 4 baggage.

Usage: tutorial [--lesson N] [--name NAME] [--greeting WORD]
       tutorial formatter [--port PORT]
       tutorial publisher [--port PORT]
       tutorial hello [--lesson N] [--formatter-url URL] [--publisher-url URL]

Without a command all lessons run, or the one that is asked for, with the services in this process.

  formatter             runs the service that lessons 3 and 4 have their greeting from
  publisher             runs the service that prints it for them
  hello                 runs lesson 3, or another, with services that run already

  --lesson N            runs lesson 1, 2, 3 or 4
  --name NAME           greets somebody else than Bryan
  --greeting WORD       greets in lesson 4 with another word than Bonjour
  --port PORT           listens there; 8081 for formatter and 8082 for publisher by default, 0 for any free port
  --formatter-url URL   http://127.0.0.1:8081 by default
  --publisher-url URL   http://127.0.0.1:8082 by default
  --agent HOST:PORT     sends spans there, as localhost:6831 or [::1]:6831; localhost:6831 by default
  --help                shows this";
