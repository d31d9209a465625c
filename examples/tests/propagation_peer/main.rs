//! Chains of `propagation_peer`, each a process of its own, in all formats.

mod hostile;
mod peer;
mod trace_context;

use std::process::Command;

use serde_json::{Value, json};

use peer::{PROGRAM, Peer, encoded};

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
