//! Reads back from a real Jaeger what the example programs sent, and checks it: see `real-jaeger/run`.
//!
//! Jaeger's query API is expected at its usual place, port 16686 of this machine. Exits 1 where something is not as sent.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use integration_tests::rich_trace;
use jaeger_udp::JaegerExporter;
use opentracing_api::{child_of, fields, follows_from};
use opentracing_shim::jaeger::{Config, Sampler};
use otel_core::exporter::otlp::OtlpExporter;
use otel_core::{Flushed, TraceId};
use serde_json::Value;

fn main() -> ExitCode {
    let checked = if std::env::args().any(|argument| argument == "--wait-until-ready") {
        wait_until_ready()
    } else {
        check_all()
    };
    match checked {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            say(&format!("real Jaeger: {problem}"));
            ExitCode::FAILURE
        }
    }
}

type Checked = Result<(), String>;

fn check_all() -> Checked {
    send_own_spans()?;
    let two_ways = send_both_ways()?;
    check_quickstart()?;
    check_hello_trace()?;
    check_http_programs()?;
    check_tutorial()?;
    check_own_spans()?;
    check_both_ways(two_ways)
}

fn wait_until_ready() -> Checked {
    poll(Duration::from_secs(60), || get("/api/services").map(drop))
}

/// What the guides' programs do not send: every type of value, logs, a second reference.
fn send_own_spans() -> Checked {
    let tracer = Config::new(OWN_SERVICE)
        .sampler(Sampler::Const(true))
        .tag("deployment", "test")
        .build()
        .map_err(|error| error.to_string())?;
    let mut root = tracer.start_span("root");
    root.set_tag("text", "größe").set_tag("flag", true).set_tag("number", -7).set_tag("float", 0.5);
    root.set_tag("bytes", &[0_u8, 255]).set_tag("huge", u64::MAX).set_tag("span.kind", "client");
    root.log_kv(fields! { "event" => "cache miss", "attempt" => 2, "fatal" => false });
    root.log_event("done");
    let failed = tracer.start_span_with("failed", child_of(&root).tag("error", true));
    let cause = tracer.start_span_with("cause", follows_from(&failed).child_of(&root));
    cause.finish();
    failed.finish();
    root.finish();
    let flushed = tracer.close(Duration::from_secs(5)).map_err(|error| error.to_string())?;
    expect(flushed.reported_spans == 3 && flushed.lost_spans == 0, || {
        format!("the account is {flushed:?}")
    })
}

/// Sends one trace twice, by Jaeger's own way and by OTLP; returns the ids of the two.
fn send_both_ways() -> Result<[TraceId; 2], String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = now.map_err(|error| error.to_string())?.as_micros() as u64;
    let [by_udp, by_otlp] = [1, 2].map(|low| TraceId::from_parts(micros, low));
    let udp = JaegerExporter::builder().build();
    let otlp = OtlpExporter::builder().build().map_err(|error| error.to_string())?;
    let flushed = [
        rich_trace::send(udp, by_udp, micros).map_err(|error| error.to_string())?,
        rich_trace::send(otlp, by_otlp, micros).map_err(|error| error.to_string())?,
    ];
    let n_spans = rich_trace::N_SPANS as u64;
    expect(flushed == [Flushed::new(n_spans, 0); 2], || format!("the accounts are {flushed:?}"))?;
    Ok([by_udp, by_otlp])
}

/// Compares what arrived by the two ways: it is the same, but for what only one of them has a place for.
fn check_both_ways([by_udp, by_otlp]: [TraceId; 2]) -> Checked {
    let [udp, otlp] = [by_udp, by_otlp].map(|trace_id| comparable_spans(&trace_id.to_string()));
    for (udp, otlp) in udp?.into_iter().zip(otlp?) {
        let ([mut udp, mut otlp], name) = ([udp, otlp.clone()], otlp["operationName"].clone());
        let by_udp_alone = tags_beside(&mut udp, &otlp);
        let by_otlp_alone = tags_beside(&mut otlp, &udp);
        expect(udp == otlp, || format!("{name} came as {udp:#} by UDP and as {otlp:#} by OTLP"))?;
        // Jaeger takes the scope's old names, and what was dropped, as tags; from OTLP it makes none of them.
        let is_known =
            |key: &String| key.starts_with("otel.library.") || key.starts_with("otel.dropped_");
        expect(by_udp_alone.iter().all(is_known), || format!("{name}, by UDP: {by_udp_alone:?}"))?;
        // In OTLP every span has a kind, which Jaeger shows; where it is the usual one, its own way leaves it out.
        let expected: &[&str] = if name == "plain" { &["span.kind"] } else { &[] };
        expect(by_otlp_alone == expected, || format!("{name}, by OTLP: {by_otlp_alone:?}"))?;
    }
    Ok(())
}

/// Waits until the whole trace is there, and returns its spans in the order of their ids, with what is the trace's own id
/// and Jaeger's own numbers replaced.
fn comparable_spans(trace_id: &str) -> Result<Vec<Value>, String> {
    let mut spans = poll(Duration::from_secs(20), || {
        let trace = get(&format!("/api/traces/{trace_id}"))?["data"][0].take();
        let spans = trace["spans"].as_array().cloned().unwrap_or_default();
        let spans: Vec<Value> =
            spans.into_iter().map(|span| comparable(span, &trace["processes"], trace_id)).collect();
        match (spans.len(), rich_trace::N_SPANS) {
            (n_spans, expected) if n_spans == expected => Ok(spans),
            (n_spans, expected) => {
                Err(format!("trace {trace_id} has {n_spans} spans of {expected}"))
            }
        }
    })?;
    spans.sort_by_key(|span| span["spanID"].to_string());
    Ok(spans)
}

fn comparable(mut span: Value, processes: &Value, trace_id: &str) -> Value {
    let mut process = processes[span["processID"].as_str().unwrap_or_default()].clone();
    sort_by_key(&mut process["tags"]);
    span["processID"] = process;
    sort_by_key(&mut span["tags"]);
    for log in span["logs"].as_array_mut().into_iter().flatten() {
        sort_by_key(&mut log["fields"]);
    }
    let references = span["references"].as_array_mut().into_iter().flatten();
    for id in references.map(|reference| &mut reference["traceID"]) {
        if id == trace_id {
            *id = "own".into();
        }
    }
    span["traceID"] = (span["traceID"] == trace_id).into();
    span
}

fn sort_by_key(fields: &mut Value) {
    if let Some(fields) = fields.as_array_mut() {
        fields.sort_by_key(|field| field["key"].to_string());
    }
}

/// Takes those tags out that the other span has none of, and returns their keys.
fn tags_beside(span: &mut Value, other: &Value) -> Vec<String> {
    let keys = |tags: &Value| -> Vec<String> {
        let tags = tags.as_array().into_iter().flatten();
        tags.map(|tag| tag["key"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let others = keys(&other["tags"]);
    let mut taken = keys(&span["tags"]);
    taken.retain(|key| !others.contains(key));
    if let Some(tags) = span["tags"].as_array_mut() {
        tags.retain(|tag| !taken.iter().any(|key| tag["key"] == key.as_str()));
    }
    taken
}

fn check_quickstart() -> Checked {
    let spans = spans_of("first-service", 9)?;
    let first = span_named(&spans, "first-span")?;
    first.expect_tag("first-tag", "string", "100")?;
    first.expect_tag("sampler.type", "string", "const")?;
    first.expect_tag("sampler.param", "bool", true)?;
    first.expect_parent(None)?;
    first.expect_process_tag("opencensus.exporterversion", |version| {
        version.starts_with("Jaeger-Rust-")
    })?;
    first.expect_process_tag("host.name", |name| !name.is_empty())?;
    first.expect_process_tag("ip", |ip| ip.parse::<std::net::IpAddr>().is_ok())?;
    first.expect_process_tag("client-uuid", |uuid| uuid.len() == 16)?;

    let (second, third) = (span_named(&spans, "second-span")?, span_named(&spans, "third-span")?);
    second.expect_tag("second-tag", "string", "90")?;
    third.expect_tag("third-tag", "string", "80")?;
    third.expect_parent(None)?;
    expect(second.trace_id != third.trace_id, || {
        "second-span and third-span share a trace".to_owned()
    })?;

    let (fourth, fifth) = (span_named(&spans, "fourth-span")?, span_named(&spans, "fifth-span")?);
    fourth.expect_tag("fourth-tag", "string", "60")?;
    fifth.expect_tag("fifth-tag", "string", "80")?;
    fifth.expect_parent(Some(fourth))?;
    fifth.expect_no_tag("sampler.type")?;

    let jobs = span_named(&spans, "get-python-jobs")?;
    jobs.expect_tag("jobs-count", "int64", 3)?;
    let pages: Vec<&Span> =
        spans.iter().filter(|span| span.parent_id.as_ref() == Some(&jobs.span_id)).collect();
    expect(pages.len() == 3, || format!("{} pages under get-python-jobs", pages.len()))?;
    let (failed, fine): (Vec<&Span>, Vec<&Span>) = pages
        .into_iter()
        .partition(|page| page.tags.get("request-type").is_some_and(|tag| tag.1 == "Failure"));
    expect((failed.len(), fine.len()) == (1, 2), || {
        "one page of three should have failed".to_owned()
    })?;
    failed[0].expect_tag("error", "bool", true)?;
    for page in fine {
        page.expect_tag("request-type", "string", "Success")?;
        page.expect_no_tag("error")?;
    }
    expect(spans.iter().all(|span| span.logs.is_empty()), || {
        "the quick start has no logs".to_owned()
    })?;
    expect_no_warnings(&spans)
}

fn check_hello_trace() -> Checked {
    let spans = spans_of("my-helloworld-service", 3)?;
    let [outer, middle, inner] = ["foo", "bar", "baz"].map(|name| span_named(&spans, name));
    let (outer, middle, inner) = (outer?, middle?, inner?);
    outer.expect_parent(None)?;
    middle.expect_parent(Some(outer))?;
    inner.expect_parent(Some(middle))?;
    inner.expect_process_tag("telemetry.sdk.language", |language| language == "rust")?;
    expect_no_warnings(&spans)
}

/// A request through two processes: one trace with two services.
fn check_http_programs() -> Checked {
    let spans = spans_of("http-client", 5)?;
    let asked = span_of(&spans, "http-client", "GET")?;
    let chain = [
        asked,
        span_of(&spans, "http-server", "GET /")?,
        span_of(&spans, "http-server", "example-request")?,
        span_of(&spans, "http-server", "GET")?,
        span_of(&spans, "http-server", "GET /example")?,
    ];
    asked.expect_parent(None)?;
    chain.windows(2).try_for_each(|pair| pair[1].expect_parent(Some(pair[0])))?;
    for (span, kind) in
        [(chain[0], "client"), (chain[1], "server"), (chain[3], "client"), (chain[4], "server")]
    {
        span.expect_tag("span.kind", "string", kind)?;
        span.expect_tag("http.method", "string", "GET")?;
        span.expect_tag("http.status_code", "int64", 200)?;
    }
    chain[1].expect_tag("http.url", "string", "/")?;
    chain[1].expect_tag("component", "string", "axum")?;
    chain.iter().try_for_each(|span| span.expect_no_tag("error"))?;
    expect_no_warnings(&spans)
}

/// The third lesson of the tutorial through three processes: one trace with three services.
fn check_tutorial() -> Checked {
    let spans = spans_of("hello-world", 5)?;
    let root = span_of(&spans, "hello-world", "say-hello")?;
    root.expect_parent(None)?;
    root.expect_tag("hello-to", "string", "Bryan")?;
    for (asked, service, answered) in
        [("format_string", "formatter", "format"), ("print_string", "publisher", "publish")]
    {
        let asked = span_of(&spans, "hello-world", asked)?;
        let answered = span_of(&spans, service, answered)?;
        asked.expect_parent(Some(root))?;
        answered.expect_parent(Some(asked))?;
        asked.expect_tag("span.kind", "string", "client")?;
        answered.expect_tag("span.kind", "string", "server")?;
        expect(answered.logs.len() == 1, || format!("{service} logged {:?}", answered.logs))?;
    }
    expect_no_warnings(&spans)
}

fn check_own_spans() -> Checked {
    let spans = spans_of(OWN_SERVICE, 3)?;
    let (root, failed) = (span_named(&spans, "root")?, span_named(&spans, "failed")?);
    root.expect_tag("text", "string", "größe")?;
    root.expect_tag("flag", "bool", true)?;
    root.expect_tag("number", "int64", -7)?;
    root.expect_tag("float", "float64", 0.5)?;
    root.expect_tag("bytes", "binary", "AP8=")?;
    root.expect_tag("huge", "string", "18446744073709551615")?;
    root.expect_tag("span.kind", "string", "client")?;
    root.expect_process_tag("deployment", |value| value == "test")?;
    let logged: Vec<Fields> = root.logs.clone();
    expect(logged.len() == 2, || format!("{} logs instead of two", logged.len()))?;
    let field = |log: usize, key: &str| logged[log].get(key).cloned();
    expect(field(0, "event") == Some(("string".into(), "cache miss".into())), || {
        format!("first log: {logged:?}")
    })?;
    expect(field(0, "attempt") == Some(("int64".into(), 2.into())), || {
        format!("first log: {logged:?}")
    })?;
    expect(field(0, "fatal") == Some(("bool".into(), false.into())), || {
        format!("first log: {logged:?}")
    })?;
    expect(field(1, "event") == Some(("string".into(), "done".into())), || {
        format!("second log: {logged:?}")
    })?;
    failed.expect_tag("error", "bool", true)?;
    failed.expect_parent(Some(root))?;
    let cause = span_named(&spans, "cause")?;
    cause.expect_parent(Some(root))?;
    let follows = ("FOLLOWS_FROM".to_owned(), failed.span_id.clone());
    expect(cause.references.contains(&follows), || {
        format!("references of cause: {:?}", cause.references)
    })?;
    expect_no_warnings(&spans)
}

/// Waits until a service has at least this many spans, and returns them.
fn spans_of(service: &str, n_spans: usize) -> Result<Vec<Span>, String> {
    poll(Duration::from_secs(20), || {
        let answer = get(&format!("/api/traces?service={service}&limit=100"))?;
        let traces = answer["data"].as_array().cloned().unwrap_or_default();
        let spans: Vec<Span> = traces.iter().flat_map(Span::all_of).collect();
        if spans.len() < n_spans {
            return Err(format!("{service} has {} spans of {n_spans}", spans.len()));
        }
        Ok(spans)
    })
}

fn span_named<'a>(spans: &'a [Span], name: &str) -> Result<&'a Span, String> {
    spans.iter().find(|span| span.name == name).ok_or_else(|| format!("there is no span {name}"))
}

/// Returns the span of a service with this name, which must be the only one.
fn span_of<'a>(spans: &'a [Span], service: &str, name: &str) -> Result<&'a Span, String> {
    let mut found = spans.iter().filter(|span| span.service == service && span.name == name);
    match (found.next(), found.next()) {
        (Some(span), None) => Ok(span),
        (None, _) => Err(format!("{service} has no span {name}")),
        (Some(_), Some(_)) => Err(format!("{service} has more than one span {name}")),
    }
}

fn expect_no_warnings(spans: &[Span]) -> Checked {
    // A span shorter than a microsecond is sent as one of a microsecond, and may so end after its parent.
    let is_rounding = |warning: &Value| {
        warning.as_str().is_some_and(|text| {
            text.starts_with("clock skew") && (text.ends_with(" -1µs") || text.ends_with(" 1µs"))
        })
    };
    spans.iter().try_for_each(|span| {
        expect(span.warnings.iter().all(is_rounding), || {
            format!("Jaeger warns about {}: {:?}", span.name, span.warnings)
        })
    })
}

/// Keys with their type and value, as the query API shows them.
type Fields = BTreeMap<String, (String, Value)>;

/// A span as the query API shows it.
struct Span {
    service: String,
    name: String,
    trace_id: String,
    span_id: String,
    parent_id: Option<String>,
    references: Vec<(String, String)>,
    tags: Fields,
    logs: Vec<Fields>,
    process_tags: Fields,
    warnings: Vec<Value>,
}

impl Span {
    fn all_of(trace: &Value) -> Vec<Self> {
        let spans = trace["spans"].as_array().cloned().unwrap_or_default();
        spans.iter().map(|span| Self::of(span, &trace["processes"])).collect()
    }

    fn of(span: &Value, processes: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let process = &processes[text(&span["processID"])];
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let references: Vec<(String, String)> = list(&span["references"])
            .iter()
            .map(|reference| (text(&reference["refType"]), text(&reference["spanID"])))
            .collect();
        Self {
            service: text(&process["serviceName"]),
            name: text(&span["operationName"]),
            trace_id: text(&span["traceID"]),
            span_id: text(&span["spanID"]),
            parent_id: references
                .iter()
                .find(|(kind, _)| kind == "CHILD_OF")
                .map(|(_, span_id)| span_id.clone()),
            references,
            tags: fields_of(&span["tags"]),
            logs: list(&span["logs"]).iter().map(|log| fields_of(&log["fields"])).collect(),
            process_tags: fields_of(&process["tags"]),
            warnings: list(&span["warnings"]),
        }
    }

    fn expect_tag(&self, key: &str, kind: &str, value: impl Into<Value>) -> Checked {
        let expected = (kind.to_owned(), value.into());
        expect(self.tags.get(key) == Some(&expected), || {
            format!(
                "tag {key} of {} is {:?} instead of {expected:?}",
                self.name,
                self.tags.get(key)
            )
        })
    }

    fn expect_no_tag(&self, key: &str) -> Checked {
        expect(!self.tags.contains_key(key), || format!("{} has a tag {key}", self.name))
    }

    fn expect_process_tag(&self, key: &str, is_right: impl Fn(&str) -> bool) -> Checked {
        let value = self.process_tags.get(key).and_then(|(_, value)| value.as_str());
        expect(value.is_some_and(is_right), || {
            format!("process tag {key} of {} is {value:?}", self.name)
        })
    }

    fn expect_parent(&self, parent: Option<&Self>) -> Checked {
        let is_right = self.parent_id.as_ref() == parent.map(|parent| &parent.span_id)
            && parent.is_none_or(|parent| parent.trace_id == self.trace_id);
        expect(is_right, || format!("{} has the references {:?}", self.name, self.references))
    }
}

fn fields_of(list: &Value) -> Fields {
    let fields = list.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    fields
        .iter()
        .map(|field| (text(&field["key"]), (text(&field["type"]), field["value"].clone())))
        .collect()
}

fn get(path: &str) -> Result<Value, String> {
    let url = format!("http://127.0.0.1:16686{path}");
    let body = ureq::get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
    serde_json::from_str(&body.map_err(|error| error.to_string())?)
        .map_err(|error| error.to_string())
}

/// Tries until it works or time runs out, and says then why it did not.
fn poll<T>(
    patience: Duration,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(problem) if start.elapsed() > patience => return Err(problem),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn expect(is_right: bool, problem: impl FnOnce() -> String) -> Checked {
    if is_right { Ok(()) } else { Err(problem()) }
}

#[expect(clippy::print_stdout, reason = "a program for a terminal")]
fn say(line: &str) {
    println!("{line}");
}

const OWN_SERVICE: &str = "real-jaeger-check";
