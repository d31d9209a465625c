//! Lightstep's launcher, OpenTelemetry set up in one go:
//! `LS_SERVICE_NAME=kitchen LS_ACCESS_TOKEN=… cargo run -p examples --bin launcher`
//!
//! With `OTEL_LOG_LEVEL=debug` it shows its configuration and every span.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::Flags;
use examples::{program, say};
use opentracing_api::child_of;
use opentracing_shim::TracerShim;
use otel_core::env::{Environment, Variable, parse};
use otel_core::exporter::otlp::{OtlpExporterBuilder, OtlpStatsHandle};
use otel_core::exporter::{ConsoleExporter, ConsoleFormat};
use otel_core::propagation::{self, inject_context};
use otel_core::{
    Context, KeyValue, Resource, SimpleProcessor, SpanKind, StatusCode, Tracer, TracerProvider,
    Value, global_propagator, global_tracer, set_global_propagator, set_global_provider,
};

/// Sets OpenTelemetry up by `LS_*` and `OTEL_*` variables; what the program says wins.
///
/// Source: `lightstep/otel-launcher-python:src/opentelemetry/launcher/configuration.py`.
#[derive(Debug)]
struct Launcher {
    environment: Environment,
    access_token: Option<String>,
    service_name: Option<String>,
    service_version: Option<String>,
    resource: Resource,
}

impl Launcher {
    fn new(environment: Environment) -> Self {
        // The launcher's own defaults, in the place of OpenTelemetry's.
        let mut environment = environment.or([
            ("OTEL_PROPAGATORS", "b3multi"),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", LIGHTSTEP),
        ]);
        Self {
            access_token: environment.read(&ACCESS_TOKEN, parse::text),
            service_name: environment
                .read(&OTEL_SERVICE_NAME, parse::text)
                .or_else(|| environment.read(&SERVICE_NAME, parse::text)),
            service_version: environment.read(&SERVICE_VERSION, parse::text),
            resource: Resource::default(),
            environment,
        }
    }

    fn service_version(mut self, service_version: &str) -> Self {
        self.service_version = Some(service_version.to_owned());
        self
    }

    fn resource_attribute(mut self, key: &str, value: &str) -> Self {
        self.resource = self.resource.with([KeyValue::new(key, value)]);
        self
    }

    /// Sets up the global provider and propagator, or says what is missing.
    fn launch(mut self) -> Result<Launched, Box<dyn Error>> {
        let service_name = self.service_name.ok_or(Missing::ServiceName)?;
        let is_elsewhere = ELSEWHERE.iter().any(|variable| {
            self.environment.read(variable, parse::text).is_some_and(|url| url != LIGHTSTEP)
        });
        let mut exporter = OtlpExporterBuilder::from_environment(&mut self.environment);
        match &self.access_token {
            Some(token) if !TOKEN_LENGTHS.contains(&token.chars().count()) => {
                return Err(Missing::TokenLength(token.chars().count()).into());
            }
            Some(token) => exporter = exporter.header("lightstep-access-token", token),
            None if is_elsewhere => {}
            None => return Err(Missing::AccessToken.into()),
        }
        let exporter = exporter.build()?;
        let stats = exporter.stats();
        let level = self.environment.read(&LOG_LEVEL, parse::text);
        let propagator = propagation::from_environment(&mut self.environment);

        let environment = self.environment.exporter("otlp", |_| exporter);
        let mut attributes = vec![KeyValue::new("service.name", service_name)];
        attributes.extend(self.service_version.map(|it| KeyValue::new("service.version", it)));
        let mut provider =
            TracerProvider::from_environment(environment).resource(self.resource.with(attributes));
        if level.is_some_and(|level| level.eq_ignore_ascii_case("debug")) {
            let console = ConsoleExporter::new().format(ConsoleFormat::Launcher);
            provider = provider.processor(SimpleProcessor::new(console));
        }
        let provider = provider.build();
        set_global_provider(provider.clone());
        set_global_propagator(propagator);
        Ok(Launched { provider, stats })
    }
}

struct Launched {
    provider: TracerProvider,
    stats: OtlpStatsHandle,
}

/// What nothing works without.
#[derive(Debug)]
enum Missing {
    ServiceName,
    AccessToken,
    TokenLength(usize),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceName => f.write_str("the service has no name: set LS_SERVICE_NAME"),
            Self::AccessToken => write!(
                f,
                "there is no access token for {LIGHTSTEP}: set LS_ACCESS_TOKEN, or OTEL_EXPORTER_OTLP_ENDPOINT to send elsewhere"
            ),
            Self::TokenLength(length) => {
                write!(f, "LS_ACCESS_TOKEN has {length} characters, allowed: 32, 84 or 104 of them")
            }
        }
    }
}

impl Error for Missing {}

/// How long does the chef take to bake a cake? The cake's span is current meanwhile, so the oven's code finds it.
fn bake_cake(tracer: &Tracer) {
    let cake = tracer.start_as_current("bake-cake");
    cake.set_attribute("list.page_number", 2);
    cake.add_event(
        "enqueued item",
        &[("item.id", Value::from(7)), ("queue.id", "oven".into()), ("queue.length", 1.into())],
    );
    tracer.in_span("heat-oven", |oven| {
        let broken = io::Error::other("the oven is cold");
        oven.record_error(&broken).set_status(StatusCode::Error, "error happened");
    });
}

/// What a client does before it asks: its span's context goes along in headers, which are printed here.
fn ask_for_the_recipe(tracer: &Tracer) {
    let attributes = [
        ("http.method", Value::from("GET")),
        ("http.url", "https://example.com:8080/project/123/list/?page=2".into()),
        ("http.status_code", 200.into()),
    ];
    let get =
        tracer.span_builder("HTTP GET").kind(SpanKind::Client).attributes(&attributes).start();
    let context = Context::current().with_span_context(get.context().clone());
    let mut headers: Vec<(String, String)> = Vec::new();
    inject_context(&global_propagator(), &context, &mut headers);
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    say!("A request would have the headers {}.", names.join(", "));
    get.end();
}

/// Code that speaks OpenTracing reports to the same place, through the shim.
fn count_eggs(provider: &TracerProvider) {
    let tracer = opentracing_api::Tracer::new(TracerShim::new(provider.clone()));
    let mut shopping = tracer.start_span("go-shopping");
    shopping.set_tag("shop", "corner");
    tracer.start_span_with("count-eggs", child_of(&shopping).tag("eggs", 6)).finish();
}

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os().skip(1), &[]);
    program::run("launcher", HELP, flags, |_| {
        let launched = Launcher::new(Environment::of_process())
            .service_version("1.2.3")
            .resource_attribute("container.name", "my-container-name")
            .resource_attribute("cloud.region", "us-central1")
            .launch()?;
        let tracer = global_tracer("launcher");
        bake_cake(&tracer);
        ask_for_the_recipe(&tracer);
        count_eggs(&launched.provider);
        launched.provider.close(CLOSE_TIMEOUT)?;
        let stats = launched.stats.snapshot();
        say!("{} spans sent, {} lost.", stats.delivered_spans, stats.lost_spans());
        Ok(())
    })
}

const SERVICE_NAME: Variable = Variable::new("LS_SERVICE_NAME", "", "text");
const OTEL_SERVICE_NAME: Variable = Variable::new("OTEL_SERVICE_NAME", "", "text");
const SERVICE_VERSION: Variable = Variable::new("LS_SERVICE_VERSION", "", "text");
const ACCESS_TOKEN: Variable = Variable::new("LS_ACCESS_TOKEN", "", "text").secret();
const LOG_LEVEL: Variable = Variable::new("OTEL_LOG_LEVEL", "info", "a level");
const ELSEWHERE: [Variable; 2] = [
    Variable::new("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "a URL"),
    Variable::new("OTEL_EXPORTER_OTLP_ENDPOINT", LIGHTSTEP, "a URL"),
];
const LIGHTSTEP: &str = "https://ingest.lightstep.com:443";
const TOKEN_LENGTHS: [usize; 3] = [32, 84, 104];
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const HELP: &str = "\
OpenTelemetry set up in one go, after Lightstep's launcher; a cake is baked to have something to show.

Usage: LS_SERVICE_NAME=kitchen LS_ACCESS_TOKEN=… launcher

  LS_SERVICE_NAME              names the service; required, unless OTEL_SERVICE_NAME does
  LS_ACCESS_TOKEN              goes out as the header lightstep-access-token; required, unless spans go elsewhere
  OTEL_EXPORTER_OTLP_ENDPOINT  sends spans there, as http://localhost:4318; https://ingest.lightstep.com:443 by default
  OTEL_PROPAGATORS             formats of headers, as b3,baggage; b3multi by default
  OTEL_RESOURCE_ATTRIBUTES     what spans are about besides, as host.name=green,zone=a
  OTEL_LOG_LEVEL=debug         shows the configuration and every span
  --help                       shows this";
