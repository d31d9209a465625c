//! The programs as a user starts them, with an agent of the test's own on a free port.

use std::collections::HashMap;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use jaeger_udp::agent::Agent;
use jaeger_udp::model::{Span, TagValue};

#[test]
fn the_quick_start_sends_the_spans_of_the_guide() {
    for host in ["127.0.0.1", "[::1]"] {
        let Some(mut agent) = agent_on(host) else { continue };
        let output = run(QUICKSTART, &["--agent", &agent.local_addr().to_string()]);
        assert!(output.status.success(), "{output:?}");
        let spans = receive(&mut agent, "first-service", 9);
        let span = |name: &str| &spans[name];

        let no_parent =
            ["first-span", "second-span", "third-span", "fourth-span", "get-python-jobs"];
        assert!(no_parent.iter().all(|name| span(name).parent_span_id == 0));
        let trace_ids: Vec<i64> = no_parent.iter().map(|name| span(name).trace_id_low).collect();
        assert!(
            (1..5).all(|n| !trace_ids[..n].contains(&trace_ids[n])),
            "each a trace of its own: {trace_ids:?}"
        );
        let companies = ["Alder Analytics", "Birch Robotics", "Cedar Maps"];
        let children = companies.map(|company| (company, "get-python-jobs"));
        for (child, parent) in children.into_iter().chain([("fifth-span", "fourth-span")]) {
            assert_eq!(span(child).parent_span_id, span(parent).span_id, "{child}");
            assert_eq!(span(child).trace_id_low, span(parent).trace_id_low, "{child}");
        }

        for (name, key, value) in [
            ("first-span", "first-tag", TagValue::from("100")),
            ("second-span", "second-tag", TagValue::from("90")),
            ("third-span", "third-tag", TagValue::from("80")),
            ("fourth-span", "fourth-tag", TagValue::from("60")),
            ("fifth-span", "fifth-tag", TagValue::from("80")),
            ("get-python-jobs", "jobs-count", TagValue::Long(3)),
            ("Alder Analytics", "request-type", TagValue::from("Success")),
            ("Birch Robotics", "request-type", TagValue::from("Failure")),
            ("Birch Robotics", "error", TagValue::Bool(true)),
            ("Cedar Maps", "request-type", TagValue::from("Success")),
        ] {
            assert_eq!(span(name).tag(key), Some(&value), "{key} of {name}");
        }
        for (name, span) in &spans {
            assert_eq!(span.tag("error").is_some(), name == "Birch Robotics", "{name}");
            assert!(span.logs.is_empty(), "{name}: {:?}", span.logs);
        }

        let printed = text(&output.stdout);
        for expected in [
            "\nGetting website for Birch Robotics\nUnable to get site for Birch Robotics\n",
            "\nSpans reported: 9, lost: 0.\n",
            "first-service.first-span\n",
            &agent.local_addr().to_string(),
        ] {
            assert!(printed.contains(expected), "no {expected:?} in {printed}");
        }
        assert_eq!(
            printed.lines().filter(|line| line.starts_with("Reporting span ")).count(),
            9,
            "{printed}"
        );
    }
}

#[test]
fn a_program_of_the_quick_start_can_be_run_alone() {
    for (program, names) in [
        ("first", &["first-span"][..]),
        ("second_third", &["second-span", "third-span"]),
        ("fourth_fifth", &["fourth-span", "fifth-span"]),
        ("jobs", &["get-python-jobs", "Alder Analytics", "Birch Robotics", "Cedar Maps"]),
    ] {
        let mut agent = agent_on("127.0.0.1").unwrap();
        let address = agent.local_addr().to_string();
        let output = run(QUICKSTART, &[&format!("--agent={address}"), "--program", program]);
        assert!(output.status.success(), "{output:?}");
        let spans = receive(&mut agent, "first-service", names.len());
        assert!(names.iter().all(|name| spans.contains_key(*name)), "{program}: {spans:?}");
    }
}

#[test]
fn hello_trace_shows_three_spans_and_sends_them_to_jaeger() {
    let mut agent = agent_on("127.0.0.1").unwrap();
    let output = run(HELLO_TRACE, &["--agent", &agent.local_addr().to_string()]);
    assert!(output.status.success(), "{output:?}");

    let spans = receive(&mut agent, "my-helloworld-service", 3);
    assert_eq!(spans["foo"].parent_span_id, 0);
    assert_eq!(spans["bar"].parent_span_id, spans["foo"].span_id);
    assert_eq!(spans["baz"].parent_span_id, spans["bar"].span_id);

    let printed = text(&output.stdout);
    let told = printed
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("Hello") || line.starts_with("\"name\""));
    let hello = "Hello world from OpenTelemetry Rust!";
    let expected = [hello, "\"name\": \"baz\",", "\"name\": \"bar\",", "\"name\": \"foo\",", hello];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert!(printed.contains("3 spans sent to 127.0.0.1:"), "{printed}");
}

#[test]
fn an_agent_that_does_not_listen_is_no_error() {
    for (program, account) in
        [(QUICKSTART, "Spans reported: 0, lost: 9."), (HELLO_TRACE, "3 lost.")]
    {
        // The port is free again, so that what is sent there is refused.
        let address = agent_on("127.0.0.1").unwrap().local_addr().to_string();
        let output = run(program, &["--agent", &address]);
        assert!(output.status.success(), "{output:?}");
        if cfg!(target_os = "linux") {
            assert!(text(&output.stdout).contains(account), "{output:?}");
        }
    }
}

#[test]
fn help_goes_to_standard_output_and_nonsense_is_answered_with_exit_code_2() {
    for program in [QUICKSTART, HELLO_TRACE] {
        let output = run(program, &["--help"]);
        assert!(output.status.success() && text(&output.stdout).contains("Usage: "), "{output:?}");
    }
    for (program, arguments, hint) in [
        (QUICKSTART, &["--program", "sixth"][..], "first, second_third, fourth_fifth, jobs"),
        (QUICKSTART, &["--port", "1"], "there are --agent, --program, --help"),
        (QUICKSTART, &["--agent", "localhost"], "HOST:PORT"),
        (QUICKSTART, &["--agent"], "needs a value"),
        (HELLO_TRACE, &["--program", "first"], "there are --agent, --help"),
        (HELLO_TRACE, &["--agent", "::1:6831"], "[::1]:6831"),
    ] {
        let output = run(program, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(hint) && output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn nobody_needs_to_read_what_is_printed() {
    for program in [QUICKSTART, HELLO_TRACE] {
        let mut agent = agent_on("127.0.0.1").unwrap();
        let mut child = Command::new(program)
            .args(["--agent", &agent.local_addr().to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success() && !text(&output.stderr).contains("panicked"),
            "{output:?}"
        );
        assert!(agent.recv_timeout(WAIT).is_some(), "{program}");
    }
}

fn agent_on(host: &str) -> Option<Agent> {
    Agent::bind(format!("{host}:0")).ok()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Waits for the spans of a service, each with a name of its own.
fn receive(agent: &mut Agent, service: &str, n_spans: usize) -> HashMap<String, Span> {
    let deadline = Instant::now() + WAIT;
    let mut spans = HashMap::new();
    while spans.len() < n_spans && Instant::now() < deadline {
        if let Some(batch) = agent.recv_timeout(Duration::from_millis(50)) {
            assert_eq!(batch.process.service_name, service);
            for span in batch.spans {
                let twice = spans.insert(span.operation_name.clone(), span);
                assert!(twice.is_none(), "{twice:?} came twice");
            }
        }
    }
    assert_eq!(spans.len(), n_spans, "{:?}", spans.keys());
    spans
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const QUICKSTART: &str = env!("CARGO_BIN_EXE_quickstart");
const HELLO_TRACE: &str = env!("CARGO_BIN_EXE_hello_trace");
const WAIT: Duration = Duration::from_secs(10);
