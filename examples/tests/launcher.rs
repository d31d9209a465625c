//! The launcher as a user starts it, with a Collector of the test's own on a free port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

/// A request that came in.
#[derive(Debug)]
struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(present, _)| present.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Tells whether a text is in the body, which is protobuf: texts stand in it as they are.
    fn mentions(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|bytes| bytes == text.as_bytes())
    }
}

/// Takes everything, and tells what it was. Ends with the test's process.
fn collector() -> (SocketAddr, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, seen) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let requests = requests.clone();
            thread::spawn(move || answer(&stream, &requests));
        }
    });
    (address, seen)
}

fn answer(stream: &TcpStream, requests: &Sender<Request>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut next_line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let line = next_line()?;
    let mut headers = Vec::new();
    loop {
        let header = next_line()?;
        let Some((name, value)) = header.split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut request = Request { line, headers, body: Vec::new() };
    request.body.resize(request.header("content-length")?.parse().ok()?, 0);
    reader.read_exact(&mut request.body).ok()?;
    // Told before it is answered: whoever has the answer finds it here.
    requests.send(request).ok()?;
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()
}

fn launch(variables: &[(&str, &str)]) -> Output {
    let mut launcher = Command::new(env!("CARGO_BIN_EXE_launcher"));
    launcher.env_clear().envs(variables.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const TOKEN: &str = "0123456789abcdefghijklmnopqrstuv";

#[test]
fn spans_go_out_with_the_token_and_say_what_they_are_about() {
    let (address, requests) = collector();
    let output = launch(&[
        ("LS_SERVICE_NAME", "kitchen"),
        ("LS_ACCESS_TOKEN", TOKEN),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
        ("OTEL_PROPAGATORS", "b3,baggage"),
        ("OTEL_RESOURCE_ATTRIBUTES", "host.name=green,cloud.region=nowhere"),
    ]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        text(&output.stdout),
        "A request would have the headers b3.\n5 spans sent, 0 lost.\n"
    );
    assert_eq!(text(&output.stderr), "");
    let request = requests.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(request.line, "POST /v1/traces HTTP/1.1");
    assert_eq!(request.header("lightstep-access-token"), Some(TOKEN));
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    for expected in [
        "bake-cake",
        "heat-oven",
        "HTTP GET",
        "go-shopping",
        "count-eggs",
        "kitchen",
        "1.2.3",
        "my-container-name",
        "green",
        "us-central1", // the program's own beats the variable
    ] {
        assert!(request.mentions(expected), "no {expected:?} in {request:?}");
    }
    assert!(!request.mentions("nowhere"));
}

#[test]
fn debugging_shows_the_configuration_and_every_span_and_no_token() {
    let (address, requests) = collector();
    let output = launch(&[
        ("LS_SERVICE_NAME", "kitchen"),
        ("LS_ACCESS_TOKEN", TOKEN),
        ("OTEL_EXPORTER_OTLP_HEADERS", "other-key=hunter2"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("http://{address}/here")),
        ("OTEL_LOG_LEVEL", "debug"),
    ]);
    assert!(output.status.success(), "{output:?}");
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    for secret in [TOKEN, "hunter2"] {
        assert!(!shown.contains(secret) && !said.contains(secret), "{output:?}");
    }
    let row = |name: &str| {
        let row = said.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        row.split_whitespace().skip(1).collect::<Vec<&str>>().join(" ")
    };
    for (name, expected) in [
        ("LS_SERVICE_NAME", "kitchen environment"),
        ("LS_ACCESS_TOKEN", "*** (32 characters) environment"),
        ("OTEL_SERVICE_NAME", "kitchen code"),
        ("OTEL_PROPAGATORS", "b3multi code"),
        ("OTEL_TRACES_EXPORTER", "otlp code"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "other-key=*** (7 characters) environment, OTEL_EXPORTER_OTLP_HEADERS",
        ),
        ("OTEL_LOG_LEVEL", "debug environment"),
    ] {
        assert_eq!(row(name), expected, "{name} in {said}");
    }
    for name in ["bake-cake", "heat-oven", "HTTP GET", "go-shopping", "count-eggs"] {
        assert!(shown.contains(&format!("{{\n    \"name\": \"{name}\",\n")), "{name} in {shown}");
    }
    assert_eq!(shown.matches("        \"service.name\": \"kitchen\",\n").count(), 5);
    assert!(shown.ends_with("5 spans sent, 0 lost.\n"), "{shown}");
    let request = requests.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(request.line, "POST /here HTTP/1.1");
    assert_eq!(request.header("other-key"), Some("hunter2"));
}

#[test]
fn elsewhere_no_token_is_needed() {
    let (address, requests) = collector();
    let output = launch(&[
        ("OTEL_SERVICE_NAME", "kitchen"),
        ("LS_SERVICE_NAME", "ignored"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
    ]);
    assert!(output.status.success(), "{output:?}");
    let request = requests.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(request.header("lightstep-access-token"), None);
    assert!(request.mentions("kitchen") && !request.mentions("ignored"));
}

#[test]
fn what_is_missing_is_told_and_nothing_starts() {
    let name = ("LS_SERVICE_NAME", "kitchen");
    let long = "t".repeat(33);
    for (variables, expected) in [
        (&[("LS_ACCESS_TOKEN", TOKEN)][..], "the service has no name: set LS_SERVICE_NAME"),
        (&[name], "there is no access token for https://ingest.lightstep.com:443"),
        (&[name, ("LS_ACCESS_TOKEN", " ")], "there is no access token"),
        (
            &[name, ("LS_ACCESS_TOKEN", &long)],
            "LS_ACCESS_TOKEN has 33 characters, allowed: 32, 84 or 104 of them",
        ),
        (
            &[name, ("LS_ACCESS_TOKEN", &TOKEN.replace('5', "\n"))],
            "header \"lightstep-access-token\"",
        ),
    ] {
        let output = launch(variables);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = text(&output.stderr);
        assert!(said.starts_with("launcher: ") && said.contains(expected), "{said}");
        assert!(!said.contains(TOKEN) && !said.contains(&long), "{said}");
        assert_eq!(text(&output.stdout), "");
    }
}
