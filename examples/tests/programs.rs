//! The programs as a user starts them, with an agent of the test's own on a free port.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use jaeger_udp::agent::Agent;
use jaeger_udp::model::{Span, TagValue};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

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
fn the_console_shows_the_guides_three_spans_in_the_shape_that_is_asked_for() {
    for (format, expected, unexpected) in [
        (None, "\"trace_state\": \"[]\"", "canonical_code"),
        (Some("current"), "\"schema_url\": ", "canonical_code"),
        (Some("python2020"), "\"canonical_code\": \"OK\"", "resource"),
        (Some("python2021"), "\"status_code\": \"OK\"", "resource"),
        (Some("launcher"), "\"status_code\": \"UNSET\"", "schema_url"),
        (Some("tree"), "     └─ baz", "{"),
    ] {
        let format: Vec<String> =
            format.map(|name| format!("--format={name}")).into_iter().collect();
        let arguments: Vec<&str> = format.iter().map(String::as_str).collect();
        let output = run(CONSOLE, &arguments);
        assert!(output.status.success(), "{output:?}");
        let printed = text(&output.stdout);
        let spans = printed.strip_prefix("Hello world from OpenTelemetry Rust!\n").unwrap();
        assert!(spans.contains(expected) && !spans.contains(unexpected), "{format:?}: {printed}");
        let places = ["baz", "bar", "foo"].map(|name| spans.find(name).unwrap());
        assert_eq!(places.is_sorted(), expected.contains('"'), "trees begin with the root");
    }
}

#[test]
fn three_spans_of_the_engine_go_to_jaeger() {
    let mut agent = agent_on("127.0.0.1").unwrap();
    let output = run(JAEGER, &["--agent", &agent.local_addr().to_string()]);
    assert!(output.status.success(), "{output:?}");
    let spans = receive(&mut agent, "my-helloworld-service", 3);
    assert_eq!(spans["foo"].parent_span_id, 0);
    assert_chain(&[&spans["foo"], &spans["bar"], &spans["baz"]]);
    assert!(text(&output.stdout).contains("\nSpans reported: 3, lost: 0.\n"), "{output:?}");
}

#[test]
fn a_trace_goes_along_in_b3_and_so_does_baggage() {
    let output = run(B3, &[]);
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    let value_of = |start: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(start));
        line.unwrap_or_else(|| panic!("no {start:?} in {printed}"))
    };
    let header = value_of("The client sends b3: ");
    let parts: Vec<&str> = header.split('-').collect();
    let [trace_id, span_id, "1"] = parts[..] else { panic!("{header}") };
    assert_eq!((trace_id.len(), span_id.len()), (32, 16));
    assert_eq!(value_of("The client sends baggage: "), "tenant=Ann");
    assert_eq!(value_of("The server continues trace "), format!("{trace_id} for Ann"));
    assert_eq!(value_of("The server says "), "\"hello Ann\"");
    // Both spans are in the trace; on a slow machine they may be drawn one after the other.
    assert!(printed.contains(&format!("trace {trace_id}, ")), "{printed}");
    assert_eq!(printed.matches("GET /").count(), 2, "{printed}");
    assert!(!printed.contains("traceparent"), "{printed}");
}

#[test]
fn spans_are_printed_with_what_the_guide_sets() {
    let [attributes] = &printed_spans(ATTRIBUTES)[..] else { panic!("one span") };
    assert_eq!(attributes["name"], "/project/:project-id/list");
    assert_eq!(attributes["kind"], "SpanKind.CLIENT");
    assert_eq!(
        attributes["attributes"],
        json!({
            "http.method": "GET",
            "http.flavor": "1.1",
            "http.url": "https://example.com:8080/project/123/list/?page=2",
            "net.peer.ip": "192.0.2.5",
            "http.status_code": 200,
            "http.status_text": "OK",
            "list.page_number": 2,
            "project.id": 2,
            "project.tags": ["internal", "beta"],
        })
    );

    let [order, sale] = &printed_spans(EVENTS)[..] else { panic!("two spans") };
    assert_eq!(order["events"][0]["name"], "enqueued item");
    assert_eq!(
        order["events"][0]["attributes"],
        json!({ "item.id": 8, "queue.id": "kitchen", "queue.length": 2 })
    );
    assert_eq!(order["status"], json!({ "status_code": "UNSET" }));
    assert_eq!(sale["status"], json!({ "status_code": "ERROR", "description": "error happened" }));
    assert_eq!(sale["events"][0]["name"], "exception");
    let exception = &sale["events"][0]["attributes"];
    assert_eq!(exception["exception.message"], "invalid float literal");
    assert!(exception["exception.type"].as_str().unwrap().ends_with("ParseFloatError"));

    let [work] = &printed_spans(RESOURCE)[..] else { panic!("one span") };
    for (key, value) in [
        ("service.name", "service-123"),
        ("service.version", "1.2.3"),
        ("container.name", "my-container-name"),
        ("cloud.region", "us-central1"),
        ("telemetry.sdk.language", "rust"),
    ] {
        assert_eq!(work["resource"][key], value, "{key}");
    }
    assert_ne!(work["resource"]["host.hostname"], json!(null));
}

#[test]
fn what_happens_is_told_of_the_span_that_is_current() {
    let output = run(CURRENT_SPAN, &[]);
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    let told: Vec<&str> = printed
        .lines()
        .skip(1)
        .map(|line| line.trim_start_matches([' ', '│', '├', '└', '─', '·']))
        .map(|line| line.split_once("  ").map_or(line, |(name, _)| name))
        .collect();
    let event = "into the oven";
    let expected = [
        ["robot-kitchen: birthday", event, "bake-cake, naively"],
        ["bake-cake", event, "bake-cake, without a closure"],
    ];
    assert_eq!(told, [expected.as_flattened(), &[event]].concat(), "{printed}");
}

#[test]
fn otlp_sends_three_spans_to_a_collector() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let collector = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        let length = head.lines().find_map(|line| {
            line.to_lowercase().strip_prefix("content-length: ").map(|length| length.parse())
        });
        let mut body = vec![0; length.unwrap().unwrap()];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        (head, body)
    });
    let output = run(OTLP, &["--endpoint", &url]);
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    assert!(printed.contains(&format!("3 spans sent to {url}/v1/traces, 0 lost.")), "{printed}");
    let (head, body) = collector.join().unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    for name in ["foo", "bar", "baz", "my-helloworld-service"] {
        let has_name = body.windows(name.len()).any(|window| window == name.as_bytes());
        assert!(has_name, "{name}");
    }
}

#[test]
fn otlp_ends_in_peace_where_no_collector_listens() {
    let (_nobody, url) = url_of_nobody();
    let output = run(OTLP, &["--endpoint", &url]);
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    assert!(printed.contains(&format!("0 spans sent to {url}/v1/traces, 3 lost.")), "{printed}");
    assert!(printed.contains("Nobody took them there"), "{printed}");

    let output = run(OTLP, &["--endpoint", "localhost:4318"]);
    assert!(!output.status.success(), "{output:?}");
    assert!(text(&output.stderr).contains("http://"), "{output:?}");
}

#[test]
fn one_trace_goes_from_the_http_client_through_the_http_server() {
    let mut agent = agent_on("127.0.0.1").unwrap();
    let server = RunningServer::start(HTTP_SERVER, &["--port", "0"], &agent);
    let url = format!("{}/", server.url);
    let output = run(HTTP_CLIENT, &["--url", &url, "--agent", &agent.local_addr().to_string()]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains(&format!("{url} says: hello\n")), "{output:?}");

    let spans = receive_all(&mut agent, 5);
    let asked = span_of(&spans, "http-client", "GET");
    let answered = span_of(&spans, "http-server", "GET /");
    let inner = span_of(&spans, "http-server", "example-request");
    let asked_on = span_of(&spans, "http-server", "GET");
    let answered_on = span_of(&spans, "http-server", "GET /example");
    assert_eq!(asked.parent_span_id, 0);
    assert_chain(&[asked, answered, inner, asked_on, answered_on]);
    for (span, kind, component, path) in [
        (asked, "client", "reqwest", url.as_str()),
        (answered, "server", "axum", "/"),
        (asked_on, "client", "reqwest", &format!("{}/example", server.url)),
        (answered_on, "server", "axum", "/example"),
    ] {
        assert_eq!(span.tag("span.kind"), Some(&TagValue::from(kind)));
        assert_eq!(span.tag("component"), Some(&TagValue::from(component)));
        assert_eq!(span.tag("http.method"), Some(&TagValue::from("GET")));
        assert_eq!(span.tag("http.url"), Some(&TagValue::from(path)));
        assert_eq!(span.tag("http.status_code"), Some(&TagValue::Long(200)));
        assert_eq!(span.tag("error"), None);
    }
    let printed = server.stop();
    let account = format!("\nhttp-server: spans sent to {}: 4, lost: 0.\n", agent.local_addr());
    assert!(printed.contains(&account), "{printed}");
}

#[test]
fn a_request_that_fails_is_seen_all_the_way_up() {
    let mut agent = agent_on("127.0.0.1").unwrap();
    let (_nobody, upstream) = url_of_nobody();
    let arguments = ["--port", "0", "--upstream", &upstream];
    let server = RunningServer::start(HTTP_SERVER, &arguments, &agent);
    let address = agent.local_addr().to_string();
    let output = run(HTTP_CLIENT, &["--url", &server.url, "--agent", &address]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("502"), "{output:?}");

    let spans = receive_all(&mut agent, 4);
    let asked = span_of(&spans, "http-client", "GET");
    let answered = span_of(&spans, "http-server", "GET /");
    let inner = span_of(&spans, "http-server", "example-request");
    assert_chain(&[asked, answered, inner, span_of(&spans, "http-server", "GET")]);
    for (_, span) in &spans {
        assert_eq!(span.tag("error"), Some(&TagValue::Bool(true)), "{}", span.operation_name);
    }
    for span in [asked, answered] {
        assert_eq!(span.tag("http.status_code"), Some(&TagValue::Long(502)));
    }
}

#[test]
fn every_request_through_the_middleware_has_a_span_below_the_active_one() {
    let mut agent = agent_on("127.0.0.1").unwrap();
    let output = run(REQWEST_MIDDLEWARE, &["--agent", &agent.local_addr().to_string()]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("Birch Robotics: 500 "), "{output:?}");
    let spans = receive_all(&mut agent, 5);
    let root = span_of(&spans, "reqwest-client", "get-python-jobs");
    assert_eq!((root.parent_span_id, root.tag("jobs-count")), (0, Some(&TagValue::Long(3))));
    let mut asked = Vec::new();
    for (_, span) in spans.iter().filter(|(_, span)| span.operation_name == "GET") {
        assert_chain(&[root, span]);
        assert_eq!(span.tag("span.kind"), Some(&TagValue::from("client")));
        assert_eq!(span.tag("peer.hostname"), Some(&TagValue::from("127.0.0.1")));
        let Some(TagValue::String(url)) = span.tag("http.url") else { panic!("{span:?}") };
        let status = span.tag("http.status_code").unwrap().clone();
        let path = url.rsplit('/').next().unwrap().to_owned();
        asked.push((path, status, span.tag("error").is_some()));
    }
    asked.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("alder", 200, false),
        ("birch", 500, true),
        ("cedar", 200, false),
        ("positions.json?description=python", 200, false),
    ];
    assert_eq!(
        asked,
        expected.map(|(path, code, failed)| (path.to_owned(), TagValue::Long(code), failed))
    );
}

#[test]
fn the_first_two_lessons_of_the_tutorial_are_one_program() {
    let mut agent = agent_on("127.0.0.1").unwrap();
    let address = agent.local_addr().to_string();
    for (lesson, n_spans) in [("1", 1), ("2", 3)] {
        let output = run(TUTORIAL, &["--lesson", lesson, "--name", "Ann", "--agent", &address]);
        assert!(output.status.success(), "{output:?}");
        assert!(text(&output.stdout).contains("\nHello, Ann!\n"), "{output:?}");
        let spans = receive(&mut agent, "hello-world", n_spans);
        let root = &spans["say-hello"];
        assert_eq!(root.tag("hello-to"), Some(&TagValue::from("Ann")));
        let formatted = if lesson == "1" { root } else { &spans["format_string"] };
        let printed = if lesson == "1" { root } else { &spans["print_string"] };
        assert_eq!(logged(formatted, "value"), [&TagValue::from("Hello, Ann!")]);
        assert_eq!(logged(printed, "event").last(), Some(&&TagValue::from("println")));
        if lesson == "2" {
            assert_chain(&[root, formatted]);
            assert_chain(&[root, printed]);
        }
    }
}

#[test]
fn one_trace_of_the_tutorial_goes_through_three_processes_with_its_baggage() {
    let mut agent = agent_on("127.0.0.1").unwrap();
    let formatter = RunningServer::start(TUTORIAL, &["formatter", "--port", "0"], &agent);
    let publisher = RunningServer::start(TUTORIAL, &["publisher", "--port", "0"], &agent);
    let address = agent.local_addr().to_string();
    for (lesson, hello) in [("3", "Hello, Ann & Bob!"), ("4", "Grüß Gott, Ann & Bob!")] {
        let arguments = [
            ["hello", "--lesson", lesson],
            ["--name=Ann & Bob", "--greeting", "Grüß Gott"],
            ["--formatter-url", &formatter.url, "--publisher-url"],
            [&publisher.url, "--agent", &address],
        ];
        let output = run(TUTORIAL, arguments.as_flattened());
        assert!(output.status.success(), "{output:?}");

        let spans = receive_all(&mut agent, 5);
        let root = span_of(&spans, "hello-world", "say-hello");
        let asked = span_of(&spans, "hello-world", "format_string");
        let formatted = span_of(&spans, "formatter", "format");
        let told = span_of(&spans, "hello-world", "print_string");
        let published = span_of(&spans, "publisher", "publish");
        assert_eq!(root.parent_span_id, 0);
        assert_chain(&[root, asked, formatted]);
        assert_chain(&[root, told, published]);
        for (span, kind) in
            [(asked, "client"), (told, "client"), (formatted, "server"), (published, "server")]
        {
            assert_eq!(span.tag("span.kind"), Some(&TagValue::from(kind)));
        }
        assert_eq!(logged(formatted, "value"), [&TagValue::from(hello)]);
    }
    let printed = publisher.stop();
    assert!(printed.contains("\nHello, Ann & Bob!\nGrüß Gott, Ann & Bob!\n"), "{printed}");
    for (service, printed) in [("publisher", printed), ("formatter", formatter.stop())] {
        let account = format!("\n{service}: spans sent to {address}: 2, lost: 0.\n");
        assert!(printed.contains(&account), "{printed}");
    }
}

#[test]
fn the_tutorial_is_all_three_services_by_itself() {
    let mut agent = agent_on("127.0.0.1").unwrap();
    let output = run(TUTORIAL, &["--agent", &agent.local_addr().to_string()]);
    assert!(output.status.success(), "{output:?}");
    let spans = receive_all(&mut agent, 14);
    let n_of = |service: &str| spans.iter().filter(|(candidate, _)| candidate == service).count();
    assert_eq!((n_of("hello-world"), n_of("formatter"), n_of("publisher")), (10, 2, 2));
    let mut traces: Vec<_> = spans.iter().map(|(_, span)| span.trace_id_low).collect();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 4, "one for each lesson");
    assert!(text(&output.stdout).contains("\nBonjour, Bryan!\n"), "{output:?}");
}

#[test]
fn a_service_that_does_not_run_or_a_port_that_is_taken_is_an_error_that_says_so() {
    let mut agent = agent_on("127.0.0.1").unwrap();
    let address = agent.local_addr().to_string();
    let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = somebody.local_addr().unwrap().port().to_string();
    for (program, arguments) in
        [(HTTP_SERVER, &["--port", &port][..]), (TUTORIAL, &["formatter", "--port", &port])]
    {
        let output = run(program, arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let expected = format!(": port {port} cannot be listened on: ");
        assert!(text(&output.stderr).contains(&expected), "{output:?}");
    }
    let (_nobody, url) = url_of_nobody();
    let output = run(TUTORIAL, &["hello", "--formatter-url", &url, "--agent", &address]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains(&format!("{url}/format")), "{output:?}");
    let spans = receive(&mut agent, "hello-world", 2);
    assert_eq!(spans["format_string"].tag("error"), Some(&TagValue::Bool(true)));
}

#[test]
fn an_agent_that_does_not_listen_is_no_error() {
    for (program, account) in [
        (QUICKSTART, "Spans reported: 0, lost: 9."),
        (HELLO_TRACE, "3 lost."),
        (JAEGER, "Spans reported: 0, lost: 3."),
        (TUTORIAL, ": 0, lost: 10."),
    ] {
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
    for program in ALL {
        let output = run(program, &["--help"]);
        assert!(output.status.success() && text(&output.stdout).contains("Usage: "), "{output:?}");
    }
    for (program, arguments, hint) in [
        (QUICKSTART, &["--program", "sixth"][..], "first, second_third, fourth_fifth, jobs"),
        (QUICKSTART, &["--port", "1"], "there are --agent, --program, --help"),
        (QUICKSTART, &["--agent", "localhost"], "HOST:PORT"),
        (QUICKSTART, &["--agent"], "needs a value"),
        (HELLO_TRACE, &["--program", "first"], "there are --agent, --help"),
        (CONSOLE, &["--format", "xml"], "current, python2020, python2021, launcher, tree"),
        (JAEGER, &["--format", "tree"], "there are --agent, --help"),
        (EVENTS, &["much"], "there is --help"),
        (HELLO_TRACE, &["--agent", "::1:6831"], "[::1]:6831"),
        (HTTP_SERVER, &["--port", "http"], "a port from 0 to 65535"),
        (HTTP_CLIENT, &["http://127.0.0.1/"], "there are --url, --agent, --help"),
        (TUTORIAL, &["--lesson", "5"], "1, 2, 3 or 4"),
        (TUTORIAL, &["formatter", "publisher"], "comes twice"),
    ] {
        let output = run(program, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(hint) && output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn nobody_needs_to_read_what_is_printed() {
    for program in [QUICKSTART, HELLO_TRACE, TUTORIAL, JAEGER] {
        let mut agent = agent_on("127.0.0.1").unwrap();
        run_unread(program, &["--agent", &agent.local_addr().to_string()]);
        assert!(agent.recv_timeout(WAIT).is_some(), "{program}");
    }
    for program in [CONSOLE, B3, CURRENT_SPAN, ATTRIBUTES, EVENTS, RESOURCE] {
        run_unread(program, &[]);
    }
    run_unread(CONSOLE, &["--format", "tree"]);
}

/// Runs a program whose output has nobody at the other end: it succeeds, and does not panic.
fn run_unread(program: &str, arguments: &[&str]) {
    let mut child = command(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let has_panicked = text(&output.stderr).contains("panicked");
    assert!(output.status.success() && !has_panicked, "{output:?}");
}

fn agent_on(host: &str) -> Option<Agent> {
    Agent::bind(format!("{host}:0")).ok()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    command(program).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// A command for a program, which does not see how somebody wants the output of a terminal.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_remove("COLUMNS").env_remove("CLICOLOR_FORCE");
    command
}

/// Runs a program that prints nothing but spans as JSON, and reads them.
fn printed_spans(program: &str) -> Vec<Value> {
    let output = run(program, &[]);
    assert!(output.status.success(), "{output:?}");
    let spans = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    spans.collect::<Result<_, _>>().unwrap()
}

/// A program that serves until it is stopped.
struct RunningServer {
    child: Child,
    stdout: BufReader<ChildStdout>,
    url: String,
}

impl RunningServer {
    /// Starts it and reads where it listens.
    fn start(program: &str, arguments: &[&str], agent: &Agent) -> Self {
        let mut child = command(program)
            .args(arguments)
            .args(["--agent", &agent.local_addr().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.split_once(" listens at ").and_then(|(_, rest)| rest.split_once(';'));
        let url = url.unwrap_or_else(|| panic!("{line}")).0.to_owned();
        Self { child, stdout, url }
    }

    /// Asks it to end, which it does in peace, and returns what it printed after its first line.
    fn stop(mut self) -> String {
        // The shell's own, since not every machine has a program of that name.
        let kill = format!("kill {}", self.child.id());
        let asked = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(asked.success() && self.child.wait().unwrap().success());
        let mut printed = String::from("\n");
        self.stdout.read_to_string(&mut printed).unwrap();
        printed
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes a port without listening there, so that everybody is refused and nobody else gets it.
fn url_of_nobody() -> (Socket, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, format!("http://{address}"))
}

/// Waits for so many spans with the names of their services.
fn receive_all(agent: &mut Agent, n_spans: usize) -> Vec<(String, Span)> {
    let deadline = Instant::now() + WAIT;
    let mut spans = Vec::new();
    while spans.len() < n_spans && Instant::now() < deadline {
        if let Some(batch) = agent.recv_timeout(Duration::from_millis(50)) {
            let service = batch.process.service_name;
            spans.extend(batch.spans.into_iter().map(|span| (service.clone(), span)));
        }
    }
    assert_eq!(spans.len(), n_spans, "{spans:?}");
    spans
}

/// Returns the only span of a service with this name.
fn span_of<'a>(spans: &'a [(String, Span)], service: &str, name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|(of, span)| of == service && span.operation_name == name);
    let (_, span) = found.next().unwrap_or_else(|| panic!("no {name} of {service} in {spans:?}"));
    assert!(found.next().is_none(), "{name} of {service} came twice");
    span
}

/// Checks that each span is a child of the one before.
#[track_caller]
fn assert_chain(spans: &[&Span]) {
    for pair in spans.windows(2) {
        let (parent, child) = (pair[0], pair[1]);
        let names = (&child.operation_name, &parent.operation_name);
        assert_eq!(child.parent_span_id, parent.span_id, "{names:?}");
        assert_eq!(
            (child.trace_id_high, child.trace_id_low),
            (parent.trace_id_high, parent.trace_id_low),
            "{names:?}"
        );
    }
}

/// Returns the values of a field in the logs of a span.
fn logged<'a>(span: &'a Span, key: &str) -> Vec<&'a TagValue> {
    let fields = span.logs.iter().flat_map(|log| &log.fields);
    fields.filter(|field| field.key == key).map(|field| &field.value).collect()
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
const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http_server");
const HTTP_CLIENT: &str = env!("CARGO_BIN_EXE_http_client");
const TUTORIAL: &str = env!("CARGO_BIN_EXE_tutorial");
const REQWEST_MIDDLEWARE: &str = env!("CARGO_BIN_EXE_reqwest_middleware");
const CONSOLE: &str = env!("CARGO_BIN_EXE_console");
const JAEGER: &str = env!("CARGO_BIN_EXE_jaeger");
const B3: &str = env!("CARGO_BIN_EXE_b3");
const CURRENT_SPAN: &str = env!("CARGO_BIN_EXE_current_span");
const ATTRIBUTES: &str = env!("CARGO_BIN_EXE_attributes");
const EVENTS: &str = env!("CARGO_BIN_EXE_events");
const RESOURCE: &str = env!("CARGO_BIN_EXE_resource");
const OTLP: &str = env!("CARGO_BIN_EXE_otlp");
const ALL: [&str; 14] = [
    QUICKSTART,
    HELLO_TRACE,
    HTTP_SERVER,
    HTTP_CLIENT,
    TUTORIAL,
    REQWEST_MIDDLEWARE,
    CONSOLE,
    JAEGER,
    B3,
    CURRENT_SPAN,
    ATTRIBUTES,
    EVENTS,
    RESOURCE,
    OTLP,
];
const WAIT: Duration = Duration::from_secs(60);
