//! After a `fork`, parent and child each deliver their own spans, and neither the other's.
#![cfg(unix)]

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use integration_tests::Receiver;
use jaeger_udp::model::{Batch, TagValue};

const LONG: Duration = Duration::from_secs(60);

/// What a process said of itself.
#[derive(Debug)]
struct Account {
    role: String,
    exported_spans: usize,
    inherited_spans: usize,
    lost_spans: usize,
    /// By the receiver, as that process saw it.
    dropped_datagrams: usize,
}

/// Runs the program that forks, and returns what its processes said.
fn run(scenario: &str, port: u16) -> Vec<Account> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_forks"));
    let output = program.args([scenario, &port.to_string()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let account = |line: &str| {
        let (role, numbers) = line.split_once(' ').unwrap();
        let numbers: Vec<usize> =
            numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        let [exported_spans, inherited_spans, lost_spans, dropped_datagrams] = numbers[..] else {
            panic!("{line}");
        };
        Account {
            role: role.to_owned(),
            exported_spans,
            inherited_spans,
            lost_spans,
            dropped_datagrams,
        }
    };
    text.lines().map(account).collect()
}

fn client_uuid(batch: &Batch) -> &str {
    let tag = batch.process.tags.iter().find(|tag| tag.key == "client-uuid").unwrap();
    let TagValue::String(uuid) = &tag.value else { panic!("{tag:?}") };
    uuid
}

/// Looks for ids that came twice.
fn assert_all_differ(batches: &[Batch]) {
    let spans = || batches.iter().flat_map(|batch| &batch.spans);
    let span_ids: HashSet<i64> = spans().map(|span| span.span_id).collect();
    assert_eq!(span_ids.len(), spans().count(), "each span came once");
    let roots = || spans().filter(|span| span.parent_span_id == 0);
    let trace_ids: HashSet<(i64, i64)> =
        roots().map(|span| (span.trace_id_high, span.trace_id_low)).collect();
    assert_eq!(trace_ids.len(), roots().count(), "each root has a trace of its own");
}

#[test]
fn parent_child_and_grandchild_each_deliver_what_ended_in_them() {
    let receiver = Receiver::start();
    let mut accounts = run("pending", receiver.port());
    accounts.sort_by(|one, other| one.role.cmp(&other.role));
    let numbers = |account: &Account| {
        let Account { role, exported_spans, inherited_spans, lost_spans, .. } = account;
        (role.clone(), *exported_spans, *inherited_spans, *lost_spans)
    };
    assert_eq!(
        accounts.iter().map(numbers).collect::<Vec<_>>(),
        [
            ("child".to_owned(), 121, 1, 1),
            ("grandchild".to_owned(), 30, 0, 0),
            ("parent".to_owned(), 461, 0, 0),
        ]
    );
    assert!(receiver.wait_for_spans(612, LONG));
    let batches = receiver.batches();
    assert_all_differ(&batches);

    let mut n_spans = BTreeMap::<(&str, &str), usize>::new();
    let mut seq_nos = BTreeMap::<&str, Vec<i64>>::new();
    let mut uuid_of = BTreeMap::<&str, &str>::new();
    for batch in &batches {
        let uuid = client_uuid(batch);
        seq_nos.entry(uuid).or_default().push(batch.seq_no.unwrap());
        for span in &batch.spans {
            let name = span.operation_name.as_str();
            *n_spans.entry((uuid, name)).or_default() += 1;
            uuid_of.insert(name, uuid);
        }
    }
    let (parent, child, grandchild) = (uuid_of["parent"], uuid_of["child"], uuid_of["grandchild"]);
    let expected = [
        ((parent, "before"), 400),
        ((parent, "live"), 1),
        ((parent, "parent"), 60),
        ((child, "of the live one"), 1),
        ((child, "child"), 120),
        ((grandchild, "grandchild"), 30),
    ];
    assert_eq!(n_spans, BTreeMap::from(expected));
    assert_eq!(seq_nos.len(), 3, "three processes, each with a name of its own");
    for seq_nos in seq_nos.values() {
        assert_eq!(*seq_nos, (1..=seq_nos.len() as i64).collect::<Vec<_>>());
    }
    let spans = receiver.spans();
    let live = spans.iter().find(|span| span.operation_name == "live").unwrap();
    let follower = spans.iter().find(|span| span.operation_name == "of the live one").unwrap();
    assert_eq!(follower.parent_span_id, live.span_id);
}

#[test]
fn no_fork_hangs_and_no_span_comes_twice_while_other_threads_end_spans_and_flush() {
    let receiver = Receiver::start();
    let accounts = run("busy", receiver.port());
    let (children, parents): (Vec<Account>, Vec<Account>) =
        accounts.into_iter().partition(|account| account.role == "child");
    assert_eq!((children.len(), parents.len()), (100, 1));
    for child in &children {
        assert_eq!(
            (child.exported_spans, child.inherited_spans, child.lost_spans),
            (5, 1, 1),
            "{child:?}"
        );
    }
    assert_eq!((parents[0].inherited_spans, parents[0].lost_spans), (0, 0));
    // What the kernel dropped on the way, if the machine was that busy, is no fault of theirs.
    let n_exported = 500 + parents[0].exported_spans;
    if parents[0].dropped_datagrams == 0 {
        assert!(receiver.wait_for_spans(n_exported, LONG));
    }
    let batches = receiver.batches();
    assert_all_differ(&batches);
    assert!(batches.iter().map(|batch| batch.spans.len()).sum::<usize>() <= n_exported);
    let uuids: HashSet<&str> = batches.iter().map(client_uuid).collect();
    assert!(uuids.len() <= 101);
    assert!(uuids.len() == 101 || parents[0].dropped_datagrams > 0);
}

#[test]
fn the_engines_processors_begin_anew_in_a_child_with_or_without_an_exporter() {
    assert_eq!(run("engine", 0).len(), 0);
}

#[test]
fn the_child_of_a_fork_in_an_exporter_leaves_the_queue_to_its_parent() {
    assert_eq!(run("worker", 0).len(), 0);
}

#[test]
fn parent_and_child_each_send_their_own_spans_to_a_collector() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let received: Arc<Mutex<Vec<u8>>> = Arc::default();
    let bodies = Arc::clone(&received);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let bodies = Arc::clone(&bodies);
            std::thread::spawn(move || accept_posts(stream.unwrap(), &bodies));
        }
    });
    assert_eq!(run("collector", port).len(), 0);
    // Each was answered, so each is there.
    let received = received.lock().unwrap();
    for (name, expected) in [("of-parent", 37), ("of-child", 7)] {
        let n_spans = received.windows(name.len()).filter(|part| *part == name.as_bytes()).count();
        assert_eq!(n_spans, expected, "{name}");
    }
}

/// Answers the posts of a connection, and keeps their bodies.
fn accept_posts(stream: TcpStream, bodies: &Mutex<Vec<u8>>) {
    let (mut reader, mut stream) = (BufReader::new(stream.try_clone().unwrap()), stream);
    loop {
        let (mut line, mut n_bytes) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(length) = line.to_lowercase().strip_prefix("content-length:") {
                n_bytes = length.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; n_bytes];
        reader.read_exact(&mut body).unwrap();
        bodies.lock().unwrap().extend(body);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    }
}
