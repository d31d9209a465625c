//! The cases of W3C's test suite for Trace Context (`w3c/trace-context:test/test.py`), a row for each request: through the
//! program with `POST /test`, and through the propagator with a text map and with headers whose names lose their case.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use examples::json_server::{Request, serve};
use otel_core::propagation::{Extractor, IgnoreCase, Injector, Propagator, TraceContextPropagator};
use otel_core::{Baggage, SpanContext, SpanId, TraceFlags, TraceId};
use serde_json::{Value, json};

use super::peer::{Peer, WAIT};

#[test]
fn a_trace_goes_on_where_traceparent_is_valid_and_a_new_one_begins_where_it_is_not() {
    let ways = Ways::new();
    let valid = format!("00-{IDS}-01");
    let one = |value: &str| vec![("traceparent", value.to_owned())];
    let named = |name: &'static str| vec![(name, valid.clone())];
    let two = |first: &str, second: &str| [one(first), one(second)].concat();
    for (what, headers, goes_on) in [
        ("nothing", vec![], false),
        ("no trace state", one(&valid), true),
        ("twice", two(&format!("00-12345678901234567890123456789011-{SPAN_ID}-01"), &valid), false),
        ("twice the same", two(&valid, &valid), false),
        ("another name", named("trace-parent"), false),
        ("another name", named("trace.parent"), false),
        ("the name in mixed case", named("TraceParent"), true),
        ("the name in mixed case", named("TrAcEpArEnT"), true),
        ("the name in upper case", named("TRACEPARENT"), true),
        ("version 00 and a point", one(&format!("{valid}.")), false),
        ("version 00 and more", one(&format!("{valid}-what-the-future-will-be-like")), false),
        ("version cc", one(&format!("cc-{IDS}-01")), true),
        ("version cc and more", one(&format!("cc-{IDS}-01-what-the-future-will-be-like")), true),
        (
            "version cc and a point",
            one(&format!("cc-{IDS}-01.what-the-future-will-be-like")),
            false,
        ),
        ("version ff", one(&format!("ff-{IDS}-01")), false),
        ("a point in the version", one(&format!(".0-{IDS}-01")), false),
        ("a point in the version", one(&format!("0.-{IDS}-01")), false),
        ("a version of 3 digits", one(&format!("000-{IDS}-01")), false),
        ("a version of 4 digits", one(&format!("0000-{IDS}-01")), false),
        ("a version of 1 digit", one(&format!("0-{IDS}-01")), false),
        ("a zero trace id", one(&format!("00-{}-{SPAN_ID}-01", "0".repeat(32))), false),
        ("a point in the trace id", one(&format!("00-.{}-{SPAN_ID}-01", &TRACE_ID[1..])), false),
        ("a point in the trace id", one(&format!("00-{}.-{SPAN_ID}-01", &TRACE_ID[..31])), false),
        ("a trace id of 33 digits", one(&format!("00-{TRACE_ID}3-{SPAN_ID}-01")), false),
        ("a trace id of 31 digits", one(&format!("00-{}-{SPAN_ID}-01", &TRACE_ID[..31])), false),
        ("a zero parent id", one(&format!("00-{TRACE_ID}-0000000000000000-01")), false),
        ("a point in the parent id", one(&format!("00-{TRACE_ID}-.{}-01", &SPAN_ID[1..])), false),
        ("a point in the parent id", one(&format!("00-{TRACE_ID}-{}.-01", &SPAN_ID[..15])), false),
        ("a parent id of 17 digits", one(&format!("00-{IDS}7-01")), false),
        ("a parent id of 15 digits", one(&format!("00-{TRACE_ID}-{}-01", &SPAN_ID[..15])), false),
        ("a point in the flags", one(&format!("00-{IDS}-.0")), false),
        ("a point in the flags", one(&format!("00-{IDS}-0.")), false),
        ("flags of 3 digits", one(&format!("00-{IDS}-001")), false),
        ("flags of 1 digit", one(&format!("00-{IDS}-1")), false),
        ("a space before", one(&format!(" {valid}")), true),
        ("a tab before", one(&format!("\t{valid}")), true),
        ("a space behind", one(&format!("{valid} ")), true),
        ("a tab behind", one(&format!("{valid}\t")), true),
        ("both on both sides", one(&format!("\t {valid} \t")), true),
        ("the random flag", one(&format!("00-{IDS}-02")), true),
        ("both flags", one(&format!("00-{IDS}-03")), true),
        ("no flags", one(&format!("00-{IDS}-00")), true),
        ("unknown flags", one(&format!("00-{IDS}-fc")), true),
        ("upper-case digits", one(&format!("00-{}A-{SPAN_ID}-01", &TRACE_ID[..31])), false),
    ] {
        let case = format!("{what}: {headers:?}");
        for sent in ways.all(&headers) {
            assert_eq!(sent.trace_id() == TRACE_ID, goes_on, "{case}: {sent:?}");
            assert_eq!(sent.trace_state, None, "{case}: {sent:?}");
            if goes_on {
                // The flags as they came, without those that nobody knows.
                let flags = headers[0].1.split('-').nth(3).unwrap().trim_ascii();
                let known = u8::from_str_radix(flags, 16).unwrap() & 0b11;
                assert_eq!(sent.flags(), known, "{case}: {sent:?}");
            }
        }
    }
}

#[test]
fn a_trace_state_goes_on_as_a_whole_or_not_at_all() {
    let ways = Ways::new();
    let key_characters = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (' '..='~').filter(|character| !matches!(character, ',' | '=')).collect();
    let (plain, with_at) =
        (format!("{key_characters}={value}"), format!("{key_characters}@a-z0-9_-*/={value}"));
    let [key_256, key_257] = [256, 257].map(|n_chars| format!("{}=1", "z".repeat(n_chars)));
    let at_256 = format!("{}@{}=1", "t".repeat(241), "v".repeat(14));
    let at_short = format!("{}@v=1", "t".repeat(242));
    let at_early = format!("t@{}=1", "v".repeat(15));
    let ten = |from: usize, to: usize| -> String {
        (from..=to).map(|n| format!("bar{n:02}={n:02}")).collect::<Vec<_>>().join(",")
    };
    let (tens, two, three) = ([ten(1, 10), ten(11, 20), ten(21, 30)], ten(31, 32), ten(31, 33));
    let all_32 = ten(1, 32);
    let together = |key: &str| format!("foo=1,{key}");
    let name = "tracestate";
    for (what, headers, expected) in [
        ("two members", &[(name, "foo=1,bar=2")][..], "foo=1,bar=2"),
        ("another name", &[("trace-state", "foo=1")], ""),
        ("another name", &[("trace.state", "foo=1")], ""),
        ("the name in mixed case", &[("TraceState", "foo=1")], "foo=1"),
        ("the name in mixed case", &[("TrAcEsTaTe", "foo=1")], "foo=1"),
        ("the name in upper case", &[("TRACESTATE", "foo=1")], "foo=1"),
        ("an empty one", &[(name, "")], ""),
        ("an empty one behind", &[(name, "foo=1"), (name, "")], "foo=1"),
        ("an empty one before", &[(name, ""), (name, "foo=1")], "foo=1"),
        (
            "several headers",
            &[(name, "foo=1,bar=2"), (name, "rojo=1,congo=2"), (name, "baz=3")],
            "foo=1,bar=2,rojo=1,congo=2,baz=3",
        ),
        ("a member twice", &[(name, "foo=1,foo=1")], "foo=1"),
        ("a key twice", &[(name, "foo=1,foo=2")], "foo=1"),
        ("a member twice in two headers", &[(name, "foo=1"), (name, "foo=1")], "foo=1"),
        ("a key twice in two headers", &[(name, "foo=1"), (name, "foo=2")], "foo=1"),
        ("all characters", &[(name, &plain)], &plain),
        ("all characters, with a vendor", &[(name, &with_at)], &with_at),
        ("blanks around", &[(name, "foo=1 \t , \t bar=2, \t baz=3")], "foo=1,bar=2,baz=3"),
        ("blanks around", &[(name, "foo=1\t \t,\t \tbar=2,\t \tbaz=3")], "foo=1,bar=2,baz=3"),
        ("a space before", &[(name, " foo=1")], "foo=1"),
        ("a tab before", &[(name, "\tfoo=1")], "foo=1"),
        ("a space behind", &[(name, "foo=1 ")], "foo=1"),
        ("a tab behind", &[(name, "foo=1\t")], "foo=1"),
        ("both on both sides", &[(name, "\t foo=1 \t")], "foo=1"),
        ("a space in the key", &[(name, "foo =1")], ""),
        ("an upper-case key", &[(name, "FOO=1")], ""),
        ("a point in the key", &[(name, "foo.bar=1")], ""),
        ("an at sign at the end", &[(name, "foo@=1,bar=2")], "foo@=1,bar=2"),
        ("an at sign in front", &[(name, "@foo=1,bar=2")], ""),
        ("two at signs", &[(name, "foo@@bar=1,bar=2")], "foo@@bar=1,bar=2"),
        ("two vendors", &[(name, "foo@bar@baz=1,bar=2")], "foo@bar@baz=1,bar=2"),
        (
            "32 members",
            &[(name, &tens[0]), (name, &tens[1]), (name, &tens[2]), (name, &two)],
            &all_32,
        ),
        ("33 members", &[(name, &tens[0]), (name, &tens[1]), (name, &tens[2]), (name, &three)], ""),
        ("a key of 256", &[(name, "foo=1"), (name, &key_256)], &together(&key_256)),
        ("a key of 257", &[(name, "foo=1"), (name, &key_257)], ""),
        ("a vendor's key of 256", &[(name, "foo=1"), (name, &at_256)], &together(&at_256)),
        ("a long tenant", &[(name, "foo=1"), (name, &at_short)], &together(&at_short)),
        ("a long vendor", &[(name, "foo=1"), (name, &at_early)], &together(&at_early)),
        ("a second equals sign", &[(name, "foo=bar=baz")], ""),
        ("no value", &[(name, "foo=,bar=3")], ""),
    ] {
        let pairs = || headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let with_parent: Vec<_> =
            [("traceparent", format!("00-{IDS}-00"))].into_iter().chain(pairs()).collect();
        for sent in ways.all(&with_parent) {
            assert_eq!(sent.trace_id(), TRACE_ID, "{what}: {sent:?}");
            assert_eq!(sent.trace_state.as_deref().unwrap_or(""), expected, "{what}: {sent:?}");
        }
        // Without a trace, or with one that cannot be read, it means nothing.
        let broken = [("traceparent", format!("00-{IDS}-0"))].into_iter();
        for headers in [pairs().collect::<Vec<_>>(), broken.chain(pairs()).collect()] {
            for sent in ways.all(&headers) {
                assert_ne!(sent.trace_id(), TRACE_ID, "{what}: {sent:?}");
                assert_eq!(sent.trace_state, None, "{what}: {sent:?}");
            }
        }
    }
}

#[test]
fn every_call_goes_out_with_a_parent_of_its_own() {
    let ways = Ways::new();
    for (header, expected) in [
        (format!("traceparent: 00-{IDS}-01\r\n"), Some(TRACE_ID)),
        (format!("traceparent: 00-{}-{SPAN_ID}-01\r\n", "0".repeat(32)), None),
        (String::new(), None),
    ] {
        let sent = ways.through_the_peer(&header, 3);
        let trace_ids: HashSet<&str> = sent.iter().map(Sent::trace_id).collect();
        let parents: HashSet<&str> = sent.iter().map(Sent::parent_id).collect();
        assert_eq!((trace_ids.len(), parents.len()), (1, 3), "{header}: {sent:?}");
        assert_eq!(trace_ids.contains(TRACE_ID), expected.is_some(), "{header}: {sent:?}");
        assert!(!parents.contains(SPAN_ID), "{header}: {sent:?}");
    }
}

#[test]
fn what_is_to_be_posted_arrives_and_calls_may_be_nested() {
    let (ways, second) = (Ways::new(), Peer::start());
    let inner = json!([{ "url": ways.url, "arguments": { "any": ["thing", 1, null] } }]);
    let list = json!([{ "url": second.url("/test"), "arguments": inner }, { "url": ways.url }]);
    let header = format!("traceparent: 00-{IDS}-01\r\ntracestate: foo=1\r\n");
    let answer = ways.peer.post("/test", &header, &list.to_string());
    assert_eq!(answer["extracted"]["spanId"], json!(SPAN_ID), "{answer}");
    let statuses = answer["calls"].as_array().unwrap().iter().map(|call| call["status"].clone());
    assert_eq!(statuses.collect::<Vec<_>>(), [200, 200], "{answer}");
    let bodies = [json!({ "any": ["thing", 1, null] }), json!([])];
    for body in bodies {
        let request = ways.next_call();
        assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), body);
        let sent = Sent::of(&request.headers);
        assert_eq!((sent.trace_id(), sent.trace_state.as_deref()), (TRACE_ID, Some("foo=1")));
    }
}

/// The ways that a context can take.
struct Ways {
    peer: Peer,
    /// Whom the peer is to call, and what it said.
    url: String,
    calls: Receiver<Request>,
}

impl Ways {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (on_call, calls) = mpsc::channel();
        thread::spawn(move || {
            serve(&listener, move |request| json!(on_call.send(request.clone()).is_ok()))
        });
        Self { peer: Peer::start(), url, calls }
    }

    /// Sends headers all ways; returns what comes out of each.
    fn all(&self, headers: &[(&str, String)]) -> Vec<Sent> {
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut sent = self.through_the_peer(&lines.concat(), 1);
        if headers.iter().all(|(name, _)| name.bytes().all(|byte| !byte.is_ascii_uppercase())) {
            sent.push(crossed(&headers.to_vec()));
        }
        for change in [str::to_ascii_uppercase, str::to_ascii_lowercase] {
            let headers: Vec<(String, &str)> =
                headers.iter().map(|(name, value)| (change(name), value.as_str())).collect();
            sent.push(crossed(&IgnoreCase(&headers)));
        }
        sent
    }

    /// Has the peer call us several times.
    fn through_the_peer(&self, headers: &str, n_calls: usize) -> Vec<Sent> {
        let list = vec![json!({ "url": self.url, "arguments": [] }); n_calls];
        let answer = self.peer.post("/test", headers, &json!(list).to_string());
        assert_eq!(answer["calls"].as_array().unwrap().len(), n_calls, "{answer}");
        (0..n_calls).map(|_| Sent::of(&self.next_call().headers)).collect()
    }

    fn next_call(&self) -> Request {
        self.calls.recv_timeout(WAIT).unwrap()
    }
}

/// Extracts, and injects what was found; where that was nothing, a trace of our own.
fn crossed(carrier: &dyn Extractor) -> Sent {
    let (propagator, mut headers) = (TraceContextPropagator::new(), Headers::default());
    let found = propagator.extract(carrier).span_context;
    let new = || SpanContext::new(TraceId::from_parts(0, 7), SpanId::new(7), TraceFlags::NONE);
    propagator.inject(&found.unwrap_or_else(new), &Baggage::new(), &mut headers);
    Sent::of(&headers.0)
}

/// Headers whose names do not keep their case.
#[derive(Default)]
struct Headers(Vec<(String, String)>);

impl Injector for Headers {
    fn set(&mut self, key: &str, value: &str) {
        self.0.set(&key.to_ascii_uppercase(), value);
    }
}

/// What a callee gets to see.
#[derive(Debug)]
struct Sent {
    trace_parent: String,
    trace_state: Option<String>,
}

impl Sent {
    fn of(headers: &[(String, String)]) -> Self {
        let all = |name: &str| -> Vec<String> {
            let is_it = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
            headers.iter().filter(is_it).map(|(_, value)| value.clone()).collect()
        };
        let [trace_parent] = <[String; 1]>::try_from(all("traceparent")).unwrap();
        let mut trace_states = all("tracestate");
        assert!(trace_states.len() <= 1, "{trace_states:?}");
        let sent = Self { trace_parent, trace_state: trace_states.pop() };
        let [version, _, _, flags] = sent.parts();
        assert_eq!((sent.trace_parent.len(), version, flags.len()), (55, "00", 2), "{sent:?}");
        sent
    }

    fn parts(&self) -> [&str; 4] {
        self.trace_parent.split('-').collect::<Vec<_>>().try_into().unwrap()
    }

    fn trace_id(&self) -> &str {
        self.parts()[1]
    }

    fn parent_id(&self) -> &str {
        self.parts()[2]
    }

    fn flags(&self) -> u8 {
        u8::from_str_radix(self.parts()[3], 16).unwrap()
    }
}

const TRACE_ID: &str = "12345678901234567890123456789012";
const SPAN_ID: &str = "1234567890123456";
const IDS: &str = "12345678901234567890123456789012-1234567890123456";
