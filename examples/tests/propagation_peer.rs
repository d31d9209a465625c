//! Chains of `propagation_peer`, each a process of its own, in all formats.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

const FORMATS: [&str; 4] = ["jaeger", "b3", "b3multi", "w3c"];

#[test]
fn a_peer_lists_its_formats() {
    assert_eq!(Peer::start().get("/formats"), json!(FORMATS));
}

#[test]
fn a_trace_goes_through_two_peers_in_every_format() {
    let (first, second) = (Peer::start(), Peer::start());
    for (format, bits, sampled) in all() {
        let to = encoded(&second.url(&format!("/context?format={format}")));
        let answer = first.get(&format!(
            "/start?format={format}&bits={bits}&sampled={sampled}&baggage=user=a%20%26%20%C3%A4&baggage=n=1&to={to}"
        ));
        let case = format!("{format}, {bits}, {sampled}: {answer}");
        let span = &answer["span"];
        assert_eq!(span["parentId"], Value::Null, "{case}");
        assert_eq!(span["sampled"], json!(sampled == "1"), "{case}");
        assert_eq!(span["traceId"].as_str().unwrap().len(), 32, "{case}");
        let is_short = span["traceId"].as_str().unwrap().starts_with("0000000000000000");
        assert_eq!(is_short, bits == "64", "{case}");
        assert_follows(&answer["there"], span, &case);
        let sent = json!({ "user": "a & ä", "n": "1" });
        assert_eq!(span["baggage"], sent, "{case}");
        // B3 carries none.
        let arrived = if format.starts_with("b3") { json!({}) } else { sent };
        assert_eq!(answer["there"]["extracted"]["baggage"], arrived, "{case}");
        assert_eq!(answer["there"]["span"]["baggage"], arrived, "{case}");
    }
}

#[test]
fn a_trace_goes_through_three_peers_in_every_format() {
    let [first, second, third] = [Peer::start(), Peer::start(), Peer::start()];
    for (format, bits, sampled) in all() {
        let last = encoded(&third.url(&format!("/context?format={format}")));
        let to = encoded(&second.url(&format!("/forward?format={format}&to={last}")));
        let answer = first.get(&format!(
            "/start?format={format}&bits={bits}&sampled={sampled}&baggage=k=v&to={to}"
        ));
        let case = format!("{format}, {bits}, {sampled}: {answer}");
        assert_follows(&answer["there"], &answer["span"], &case);
        assert_follows(&answer["there"]["there"], &answer["there"]["span"], &case);
        assert_eq!(answer["there"]["there"]["there"], Value::Null, "{case}");
        let is_b3 = format.starts_with("b3");
        let baggage = &answer["there"]["there"]["span"]["baggage"];
        assert_eq!(*baggage, if is_b3 { json!({}) } else { json!({ "k": "v" }) }, "{case}");
    }
}

#[test]
fn headers_are_those_of_the_format() {
    let peer = Peer::start();
    let to = encoded(&peer.url("/context?format=b3"));
    for (format, names) in [
        ("jaeger", &["uber-trace-id", "uberctx-k"][..]),
        ("b3", &["b3"]),
        ("b3multi", &["x-b3-sampled", "x-b3-spanid", "x-b3-traceid"]),
        ("w3c", &["baggage", "traceparent"]),
    ] {
        let answer = peer.get(&format!("/start?format={format}&baggage=k=v&to={to}"));
        let written: Vec<&String> = answer["headers"].as_object().unwrap().keys().collect();
        assert_eq!(written, names, "{answer}");
        // The two forms of B3 understand each other; whoever speaks something else begins a new trace.
        if format.starts_with("b3") {
            assert_follows(&answer["there"], &answer["span"], format);
        } else {
            assert_eq!(answer["there"]["extracted"], Value::Null, "{answer}");
            assert_ne!(answer["there"]["span"]["traceId"], answer["span"]["traceId"]);
            assert_eq!(answer["there"]["span"]["parentId"], Value::Null);
        }
    }
}

#[test]
fn what_a_caller_says_is_found() {
    let peer = Peer::start();
    let ids = ("000000000000000000000000000000ab", "00000000000000cd");
    let caller = |sampled: Value| json!({ "traceId": ids.0, "spanId": ids.1, "sampled": sampled, "baggage": {} });
    let nobody = |sampled: Value, baggage: Value| json!({ "traceId": null, "spanId": null, "sampled": sampled, "baggage": baggage });
    let with = |mut value: Value, key: &str, what: &str| {
        value[key] = json!(what);
        value
    };
    for (format, headers, extracted, is_sampled, is_debug) in [
        ("jaeger", "Uber-Trace-Id: ab:cd:0:0", caller(json!(false)), false, false),
        ("jaeger", "uber-trace-id: ab%3Acd%3A0%3A3", caller(json!(true)), true, true),
        (
            "jaeger",
            "jaeger-debug-id: find me",
            with(nobody(Value::Null, json!({})), "debugId", "find me"),
            true,
            true,
        ),
        (
            "jaeger",
            "jaeger-baggage: a=1, b=2\r\nUBERCTX-C: x%20y",
            nobody(Value::Null, json!({ "a": "1", "b": "2", "c": "x y" })),
            true,
            false,
        ),
        ("b3", "b3: 00000000000000ab-00000000000000cd-d", caller(json!(true)), true, true),
        ("b3", "b3: 00000000000000ab-00000000000000cd", caller(Value::Null), true, false),
        ("b3", "b3: 0", nobody(json!(false), json!({})), false, false),
        ("b3", "b3: d", nobody(json!(true), json!({})), true, true),
        (
            "b3multi",
            "X-B3-TraceId: 00000000000000ab\r\nX-B3-SpanId: 00000000000000cd\r\nX-B3-Flags: 1",
            caller(json!(true)),
            true,
            true,
        ),
        (
            "w3c",
            "traceparent: 00-000000000000000000000000000000ab-00000000000000cd-00\r\ntracestate: a=1\r\ntracestate: b=2",
            with(caller(json!(false)), "tracestate", "a=1,b=2"),
            false,
            false,
        ),
        ("w3c", "baggage: k=v", nobody(Value::Null, json!({ "k": "v" })), true, false),
        ("w3c", "traceparent: 00-ab-cd-00", Value::Null, true, false),
    ] {
        let request = format!("GET /context?format={format} HTTP/1.1\r\n{headers}\r\n\r\n");
        let answer = peer.ask(request.as_bytes());
        assert_eq!(answer["extracted"], extracted, "{headers}");
        let span = &answer["span"];
        assert_eq!(span["sampled"], json!(is_sampled), "{headers}: {span}");
        assert_eq!(span.get("debug"), is_debug.then_some(&json!(true)), "{headers}: {span}");
        assert_eq!(span.get("tracestate"), extracted.get("tracestate"), "{headers}");
        assert_eq!(span["parentId"], extracted["spanId"], "{headers}");
        let is_ours = extracted["traceId"].is_null();
        assert_ne!(span["traceId"] == json!(ids.0), is_ours, "{headers}: {span}");
    }
}

#[test]
fn a_debug_trace_stays_one_all_the_way() {
    let (first, second) = (Peer::start(), Peer::start());
    for (format, header) in [
        ("jaeger", "uber-trace-id: ab:cd:0:3"),
        ("jaeger", "jaeger-debug-id: find-me"),
        ("b3", "b3: 00000000000000ab-00000000000000cd-d"),
        (
            "b3multi",
            "x-b3-traceid: 00000000000000ab\r\nx-b3-spanid: 00000000000000cd\r\nx-b3-flags: 1",
        ),
    ] {
        let to = encoded(&second.url(&format!("/context?format={format}")));
        let request = format!("GET /forward?format={format}&to={to} HTTP/1.1\r\n{header}\r\n\r\n");
        let answer = first.ask(request.as_bytes());
        assert_follows(&answer["there"], &answer["span"], header);
        assert_eq!(answer["there"]["span"]["debug"], json!(true), "{answer}");
    }
}

#[test]
fn whatever_is_asked_the_answer_is_json() {
    let peer = Peer::start();
    let long = "x".repeat(300_000);
    for (request, has_error) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /context HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /context?format=zipkin HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /context?format=%ff%zz HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /start?format=b3 HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /start?format=b3&sampled=2&to=x HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /start?format=b3&bits=32&to=x HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"POST /context?format=b3 HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"\r\n\r\n".to_vec(), true),
        (b"\xff\xfe\0\r\n\r\n".to_vec(), true),
        (b"GET /context?format=w3c HTTP/1.1\nb3: 0\n\n".to_vec(), false),
        (b"GET /context?format=w3c HTTP/1.1\r\n".to_vec(), true), // and then nothing more
        ([b"GET /".to_vec(), vec![b'x'; 3 << 20], b" HTTP/1.1\r\n\r\n".to_vec()].concat(), true),
        (b"GET /context?format=w3c HTTP/1.1\r\ntraceparent: \xff\xfe\0\r\nno header\r\n: x\r\n\r\n".to_vec(), false),
        (format!("GET /context?format=jaeger HTTP/1.1\r\nuberctx-a: {long}\r\nuber-trace-id: {long}\r\n\r\n").into_bytes(), false),
        (format!("GET /context?format=w3c HTTP/1.1\r\n{}\r\n", "tracestate: a=1\r\n".repeat(10_000)).into_bytes(), false),
        (format!("GET /context?format=w3c HTTP/1.1\r\nbaggage: {}\r\n\r\n", "a=1,".repeat(50_000)).into_bytes(), false),
    ] {
        let answer = peer.ask(&request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(80)]).into_owned();
        assert_eq!(answer.get("error").is_some(), has_error, "{shown}: {answer}");
        if !has_error {
            assert!(answer["span"]["traceId"].is_string(), "{shown}: {answer}");
        }
    }
}

#[test]
fn who_cannot_be_called_is_told_and_the_span_is_there_all_the_same() {
    let peer = Peer::start();
    for to in ["", "x", "http://127.0.0.1:1/", "ftp://127.0.0.1/", "http://[/"] {
        let answer = peer.get(&format!("/start?format=w3c&to={}", encoded(to)));
        assert!(answer["there"]["error"].is_string(), "{to}: {answer}");
        assert!(answer["headers"]["traceparent"].is_string(), "{to}: {answer}");
        assert_eq!(answer["span"]["sampled"], json!(true), "{to}: {answer}");
    }
}

#[test]
fn a_port_is_all_that_is_needed_and_nothing_else_will_do() {
    let run = |arguments: &[&str]| Command::new(PROGRAM).args(arguments).output().unwrap();
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Usage: "));
    for arguments in [&[][..], &["port"], &["65536"], &["-1"], &["1", "2"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("one port is needed"));
    }
    let peer = Peer::start();
    let taken = run(&[&peer.address.port().to_string()]);
    assert_eq!(taken.status.code(), Some(1), "{taken:?}");
}

/// Checks that a peer took over what `span` handed on, and started a child.
#[track_caller]
fn assert_follows(there: &Value, span: &Value, case: &str) {
    for key in ["traceId", "spanId", "sampled"] {
        assert_eq!(there["extracted"][key], span[key], "{key}: {case}");
    }
    assert_eq!(there["span"]["traceId"], span["traceId"], "{case}");
    assert_eq!(there["span"]["parentId"], span["spanId"], "{case}");
    assert_eq!(there["span"]["sampled"], span["sampled"], "{case}");
    assert_ne!(there["span"]["spanId"], span["spanId"], "{case}");
}

fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let rest =
        || ["64", "128"].into_iter().flat_map(|bits| ["0", "1"].map(|sampled| (bits, sampled)));
    FORMATS
        .into_iter()
        .flat_map(move |format| rest().map(move |(bits, sampled)| (format, bits, sampled)))
}

/// A program that listens on a port of its own until it is dropped.
struct Peer {
    program: Child,
    address: SocketAddr,
}

impl Peer {
    fn start() -> Self {
        let mut program = Command::new(PROGRAM)
            .arg("0")
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("Listening on http://").unwrap().parse().unwrap();
        Self { program, address }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn get(&self, path: &str) -> Value {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: peer\r\n\r\n").as_bytes())
    }

    /// Sends bytes, and reads the JSON that they are answered with.
    fn ask(&self, request: &[u8]) -> Value {
        let mut connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(WAIT)).unwrap();
        connection.write_all(request).unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("Content-Type: application/json"), "{head}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Codes a text for a query.
fn encoded(text: &str) -> String {
    let code = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(code).collect()
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_propagation_peer");
const WAIT: Duration = Duration::from_secs(60);
