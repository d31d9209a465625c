//! The OpenTracing quick start, program by program: `cargo run -p examples --bin quickstart`
//!
//! Where no agent listens on this machine, the program is the agent itself: it draws the spans that it receives. With a
//! Jaeger all-in-one running, or with `--agent HOST:PORT`, the same spans go there.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use examples::arguments::{AGENT, AgentAddress, Flags, USAGE_EXIT_CODE, UsageError};
use examples::destination::Destination;
use examples::jobs_site::{Job, JobsSite, read_jobs};
use examples::{complain, say};
use opentracing_api::{Tracer, TracerGuard, child_of, tags};
use opentracing_shim::jaeger::{Config, ConfigError, Sampler};
use otel_core::diagnostics::{self, Level};

fn init_tracer(service: &str, agent: &AgentAddress) -> Result<TracerGuard, ConfigError> {
    Config::new(service)
        .sampler(Sampler::Const(true))
        .log_spans(true)
        .agent_host(agent.host())
        .agent_port(agent.port())
        .init_tracer() // also sets the global tracer
}

/// Creating our first span.
fn first(tracer: &Tracer) {
    let mut span = tracer.start_span("first-span");
    span.set_tag("first-tag", "100");
    span.finish();
}

/// A span within another span: without `child_of` they are two traces.
fn second_third(tracer: &Tracer) {
    let mut span2 = tracer.start_span("second-span");
    span2.set_tag("second-tag", "90");
    let mut span3 = tracer.start_span("third-span");
    span3.set_tag("third-tag", "80");
    span3.finish();
    span2.finish();
}

/// Creating a child span: one trace.
fn fourth_fifth(tracer: &Tracer) {
    let mut span4 = tracer.start_span("fourth-span");
    span4.set_tag("fourth-tag", "60");
    let mut span5 = tracer.start_span_with("fifth-span", child_of(&span4));
    span5.set_tag("fifth-tag", "80");
    span5.finish();
    span4.finish();
}

/// Tracing HTTP requests: a list of jobs, then the page of each company, and a tag that tells which ones failed.
fn jobs(tracer: &Tracer, positions_url: &str) -> Result<(), Box<dyn Error>> {
    let mut span = tracer.start_span("get-python-jobs");
    let mut homepages = Vec::new();
    let jobs = read_jobs(&get(positions_url)?)?;
    span.set_tag("jobs-count", jobs.len());
    for Job { company, company_url } in &jobs {
        let mut site_span = tracer.start_span_with(company, child_of(&span));
        say!("Getting website for {company}");
        match get(company_url) {
            Ok(homepage) => {
                homepages.push(homepage);
                site_span.set_tag("request-type", "Success");
            }
            Err(_) => {
                say!("Unable to get site for {company}");
                site_span.set_tag("request-type", "Failure").set_tag(tags::ERROR, true);
            }
        }
    } // A span that is dropped finishes too.
    Ok(())
}

fn get(url: &str) -> Result<String, ureq::Error> {
    // The site is on this machine, where no proxy is of use.
    let config =
        ureq::Agent::config_builder().proxy(None).timeout_global(Some(REQUEST_TIMEOUT)).build();
    ureq::Agent::from(config).get(url).call()?.body_mut().read_to_string()
}

fn main() -> ExitCode {
    let asked = Flags::parse(std::env::args_os().skip(1), &[AGENT, PROGRAM])
        .and_then(|flags| flags.as_ref().map(Asked::read).transpose());
    let outcome = match asked {
        Ok(Some(asked)) => run(&asked),
        Ok(None) => {
            say!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            complain!("quickstart: {error}");
            return ExitCode::from(USAGE_EXIT_CODE);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(asked: &Asked) -> Result<(), Box<dyn Error>> {
    // The lines about reported spans belong between the programs' own, as in the guide's shell.
    diagnostics::set_logger(|level, message| match level {
        Level::Info => say!("{message}"),
        _ => complain!("tracing: {message}"),
    });
    let mut destination = Destination::choose(SERVICE, asked.agent.clone())?;
    let tracer = init_tracer(SERVICE, destination.agent())?;
    for program in &asked.programs {
        say!("\n{}: {}", program.name(), program.title());
        match program {
            Program::First => first(&tracer),
            Program::SecondThird => second_third(&tracer),
            Program::FourthFifth => fourth_fifth(&tracer),
            Program::Jobs => {
                let site = JobsSite::start()?;
                jobs(&tracer, &site.positions_url())?;
            }
        }
        // A tracer sends in the background, once a second; here its spans are to be drawn below their program.
        if destination.is_here() {
            let flushed = tracer.flush(CLOSE_TIMEOUT)?;
            destination.draw(flushed.reported_spans, flushed.lost_spans)?;
        }
    }
    let closed = tracer.close(CLOSE_TIMEOUT)?;
    destination.close(closed.reported_spans, closed.lost_spans)?;
    Ok(())
}

/// What the arguments ask for.
struct Asked {
    agent: Option<AgentAddress>,
    programs: Vec<Program>,
}

impl Asked {
    fn read(flags: &Flags) -> Result<Self, UsageError> {
        let programs = match flags.value(PROGRAM) {
            Some(name) => vec![Program::from_name(name)?],
            None => Program::ALL.to_vec(),
        };
        Ok(Self { agent: flags.agent()?, programs })
    }
}

/// A program of the guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    First,
    SecondThird,
    FourthFifth,
    Jobs,
}

impl Program {
    /// All of them, in the guide's order.
    const ALL: [Self; 4] = [Self::First, Self::SecondThird, Self::FourthFifth, Self::Jobs];

    fn from_name(name: &str) -> Result<Self, UsageError> {
        Self::ALL.into_iter().find(|program| program.name() == name).ok_or_else(|| {
            UsageError::InvalidValue {
                flag: PROGRAM,
                value: name.to_owned(),
                allowed: Self::ALL.map(Self::name).join(", "),
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::SecondThird => "second_third",
            Self::FourthFifth => "fourth_fifth",
            Self::Jobs => "jobs",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::First => "our first span",
            Self::SecondThird => "a span within another, two traces",
            Self::FourthFifth => "a child span, one trace",
            Self::Jobs => "HTTP requests, a child span for each company",
        }
    }
}

const SERVICE: &str = "first-service";
const PROGRAM: &str = "--program";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const HELP: &str = "\
The OpenTracing quick start, program by program.

Usage: quickstart [--program NAME] [--agent HOST:PORT]

  --program NAME     runs one program: first, second_third, fourth_fifth or jobs; all of them by default
  --agent HOST:PORT  sends spans there, as localhost:6831 or [::1]:6831, and is no agent itself
  --help             shows this

Where nobody listens on port 6831 of this machine, spans are received and drawn by the program itself.";
