//! The content check: what a peer sends is decoded and compared, field by field, with what was put in.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::UdpSocket;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jaeger_udp::agent::decode_message;
use jaeger_udp::model::{Span, Tag, TagValue};

use crate::os;
use crate::peers::{Entry, Settings};
use crate::workload::{LOGGING_CHILD, TRACE_SPANS, names};

/// What was found in the spans of a peer.
#[derive(Debug, Default)]
pub struct ContentCheck {
    spans: usize,
    /// Tags of the workload; those that a sampler adds are beside them.
    tags: usize,
    sampler_tags: usize,
    logs: usize,
    log_fields: usize,
    references: usize,
    datagrams: usize,
    /// Whole numbers that travel as text, of a peer that has no other type.
    numbers_as_text: usize,
    problems: Vec<String>,
}

impl ContentCheck {
    /// Tells whether all is as it was put in.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    fn is_wrong(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

impl fmt::Display for ContentCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} spans in {} datagrams, {} tags, {} logs, {} log fields",
            self.spans, self.datagrams, self.tags, self.logs, self.log_fields
        )?;
        for (n, what) in [
            (self.sampler_tags, "sampler tags"),
            (self.references, "explicit references"),
            (self.numbers_as_text, "numbers as text"),
        ] {
            if n > 0 {
                write!(f, ", {n} {what}")?;
            }
        }
        match self.is_good() {
            true => write!(f, ": good"),
            false => write!(f, ": BAD: {}", self.problems.join("; ")),
        }
    }
}

/// Has a peer send 1,000 spans and checks them.
///
/// # Errors
///
/// Where no socket can be had.
pub fn check(entry: &Entry) -> io::Result<ContentCheck> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    os::set_receive_buffer(&socket, RECEIVE_BUFFER_BYTES);
    let settings = Settings {
        agent_port: socket.local_addr()?.port(),
        is_sampled: true,
        max_queue_bytes: None,
    };
    let datagrams = receive(socket);
    let mut peer = (entry.build)(&settings);
    for _ in 0..N_TRACES {
        peer.trace();
    }
    peer.flush();
    let mut check = ContentCheck::default();
    let mut traces: HashMap<(i64, i64), Vec<Span>> = HashMap::new();
    let deadline = Instant::now() + PATIENCE;
    while check.spans < N_TRACES * TRACE_SPANS as usize {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(datagram) = datagrams.recv_timeout(left) else { break };
        check.datagrams += 1;
        match decode_message(&datagram) {
            Ok(message) if message.trailing_bytes > 0 => {
                check.is_wrong(format!("{} bytes after the message", message.trailing_bytes));
            }
            Ok(message) if message.batch.process.service_name != names::SERVICE => {
                check.is_wrong(format!("service {:?}", message.batch.process.service_name));
            }
            Ok(message) => {
                check.spans += message.batch.spans.len();
                for span in message.batch.spans {
                    traces.entry((span.trace_id_high, span.trace_id_low)).or_default().push(span);
                }
            }
            Err(error) => {
                check.is_wrong(format!("a datagram of {} bytes: {error}", datagram.len()))
            }
        }
    }
    for spans in traces.values() {
        check_trace(&mut check, spans);
    }
    let n_spans = N_TRACES * TRACE_SPANS as usize;
    for (what, found, expected) in [
        ("traces", traces.len(), N_TRACES),
        ("spans", check.spans, n_spans),
        ("tags", check.tags, 3 * n_spans),
        ("logs", check.logs, N_TRACES),
        ("log fields", check.log_fields, 2 * N_TRACES),
    ] {
        if found != expected {
            check.is_wrong(format!("{found} {what} instead of {expected}"));
        }
    }
    Ok(check)
}

/// Receives on a thread, so that the peer finds the buffer empty.
fn receive(socket: UdpSocket) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut datagram = vec![0; 65_536];
        while let Ok(len) = socket.recv(&mut datagram) {
            if sender.send(datagram[..len].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

fn check_trace(check: &mut ContentCheck, spans: &[Span]) {
    let Some(root) = spans.iter().find(|span| span.operation_name == names::ROOT) else {
        return check.is_wrong("a trace without its root".to_owned());
    };
    let mut seen = [false; TRACE_SPANS as usize];
    for span in spans {
        let index = check_tags(check, span);
        match seen.get_mut(index as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => check.is_wrong(format!("span {index} of a trace is missing, or there twice")),
        }
        let (name, parent) =
            if index == 0 { (names::ROOT, 0) } else { (names::CHILD, root.span_id) };
        if span.operation_name != name {
            check.is_wrong(format!("operation {:?} instead of {name:?}", span.operation_name));
        }
        if span.parent_span_id != parent || span.span_id == 0 {
            check.is_wrong(format!(
                "parent {:x} instead of {parent:x} in {:?}",
                span.parent_span_id, span.operation_name
            ));
        }
        check.references += span.references.len();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let is_recent = (span.start_time as u128).abs_diff(now) < MAX_AGE.as_micros();
        let is_brief = (0..MAX_AGE.as_micros() as i64).contains(&span.duration);
        if span.flags & 1 == 0 || !is_recent || !is_brief {
            check.is_wrong(format!(
                "flags {}, start {}, duration {}",
                span.flags, span.start_time, span.duration
            ));
        }
        check_logs(check, span, index);
    }
}

/// Checks the three tags of a span, and returns its place in the trace, which one of them tells.
fn check_tags(check: &mut ContentCheck, span: &Span) -> i64 {
    let mut status = -1;
    for Tag { key, value } in &span.tags {
        check.tags += 1;
        match (key.as_str(), value) {
            (names::COMPONENT_KEY, TagValue::String(value)) if value == names::COMPONENT => {}
            (names::URL_KEY, TagValue::String(value)) if value == names::URL => {}
            (names::STATUS_KEY, TagValue::Long(value)) => status = *value,
            (names::STATUS_KEY, TagValue::String(value)) => {
                check.numbers_as_text += 1;
                status = value.parse().unwrap_or(-1);
            }
            ("sampler.type" | "sampler.param", _) => {
                check.tags -= 1;
                check.sampler_tags += 1;
            }
            _ => check.is_wrong(format!("tag {key:?} is {value:?}")),
        }
    }
    status - 200
}

fn check_logs(check: &mut ContentCheck, span: &Span, index: i64) {
    check.logs += span.logs.len();
    if span.logs.len() != usize::from(index == LOGGING_CHILD) {
        check.is_wrong(format!("{} logs in span {index}", span.logs.len()));
    }
    for log in &span.logs {
        check.log_fields += log.fields.len();
        let lasts = span.start_time..=span.start_time + span.duration;
        // Two readings of two clocks, each cut to microseconds, may be one apart.
        if !(lasts.start() - 1..=lasts.end() + 1).contains(&log.timestamp) {
            check.is_wrong(format!("a log at {} in a span of {lasts:?}", log.timestamp));
        }
        for Tag { key, value } in &log.fields {
            match (key.as_str(), value) {
                // Some call the name of an event `event`, some `name`.
                ("event" | "name", TagValue::String(value)) if value == names::EVENT => {}
                (names::LOG_KEY, TagValue::String(value)) if value == names::LOG_VALUE => {}
                _ => check.is_wrong(format!("log field {key:?} is {value:?}")),
            }
        }
    }
}

const N_TRACES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(4);
const MAX_AGE: Duration = Duration::from_secs(60);
const MAX_PROBLEMS: usize = 5;
const RECEIVE_BUFFER_BYTES: i32 = 16 << 20;
