//! Programs made at random, and what the agent gets of them.

use std::mem;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use jaeger_udp::model::{Span as SentSpan, Tag, TagValue};
use opentracing_api::{OwnedValue, Span, SpanContext, StartSpanOptions, Value};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{Service, check_account, leak};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_agent_gets_what_a_program_finished_and_nothing_else(program in vec(step(), 1..120)) {
        let mut run = Run::start();
        for step in program {
            run.take(step);
        }
        run.close();
    }
}

/// A step of a program. A span is one of those that live, a parent one of all that ever started.
#[derive(Clone, Debug)]
enum Step {
    Start { name: String, parent: Option<Index>, tags: Vec<(usize, OwnedValue)> },
    Tag { span: Index, key: usize, value: OwnedValue },
    Log { span: Index, fields: Vec<(usize, OwnedValue)> },
    Rename { span: Index, name: String },
    End { span: Index, end: End, thread: usize },
    Leak { span: Index },
    Flush,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Finish,
    Drop,
}

impl End {
    fn of(self, span: Span) {
        match self {
            Self::Finish => span.finish(),
            Self::Drop => drop(span),
        }
    }
}

/// Few, so that they come again.
const KEYS: [&str; 5] = ["a", "http.url", "error.kind", " ", "ключ"];

/// Beside the program's own, which has number 0.
const N_THREADS: usize = 3;

fn name() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z ]{0,12}", 1 => "\\PC{0,40}"]
}

fn value() -> impl Strategy<Value = OwnedValue> {
    prop_oneof![
        any::<bool>().prop_map(OwnedValue::Bool),
        any::<i64>().prop_map(OwnedValue::I64),
        (i64::MAX as u64 + 1..).prop_map(OwnedValue::U64),
        any::<f64>().prop_map(OwnedValue::F64),
        "\\PC{0,60}".prop_map(OwnedValue::Str),
        "[a-z]{300,2000}".prop_map(OwnedValue::Str),
        vec(any::<u8>(), 0..40).prop_map(OwnedValue::Bytes),
    ]
}

fn field() -> impl Strategy<Value = (usize, OwnedValue)> {
    (0..KEYS.len(), value())
}

fn step() -> impl Strategy<Value = Step> {
    let span = any::<Index>;
    prop_oneof![
        4 => (name(), option::of(span()), vec(field(), 0..3))
            .prop_map(|(name, parent, tags)| Step::Start { name, parent, tags }),
        4 => (span(), field()).prop_map(|(span, (key, value))| Step::Tag { span, key, value }),
        2 => (span(), vec(field(), 1..4)).prop_map(|(span, fields)| Step::Log { span, fields }),
        1 => (span(), name()).prop_map(|(span, name)| Step::Rename { span, name }),
        3 => (span(), prop_oneof![Just(End::Finish), Just(End::Drop)], 0..=N_THREADS)
            .prop_map(|(span, end, thread)| Step::End { span, end, thread }),
        1 => span().prop_map(|span| Step::Leak { span }),
        1 => Just(Step::Flush),
    ]
}

/// A program at work.
struct Run {
    service: Service,
    others: Others,
    /// All spans that started, as they should look to the agent.
    all: Vec<Expected>,
    /// Those of them that live, by number.
    live: Vec<(usize, Span)>,
}

impl Run {
    fn start() -> Self {
        Self { service: Service::start(), others: Others::start(), all: vec![], live: vec![] }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Start { name, parent, tags } => self.start_span(name, parent, tags),
            Step::Tag { span, key, value } => {
                if let Some((span, expected)) = self.find(&span) {
                    span.set_tag(KEYS[key], &value);
                    expected.set_tag(KEYS[key], value);
                }
            }
            Step::Log { span, fields } => {
                if let Some((span, expected)) = self.find(&span) {
                    span.log_kv(fields.iter().map(|(key, value)| (KEYS[*key], Value::from(value))));
                    expected.logs.push(named(fields));
                }
            }
            Step::Rename { span, name } => {
                if let Some((span, expected)) = self.find(&span) {
                    span.set_operation_name(&name);
                    expected.name = name;
                }
            }
            Step::End { span, end, thread } => {
                if let Some((number, span)) = self.remove(&span) {
                    self.all[number].is_finished = true;
                    match thread {
                        0 => end.of(span),
                        _ => self.others.end(thread - 1, span, end),
                    }
                }
            }
            Step::Leak { span } => {
                if let Some((_, span)) = self.remove(&span) {
                    leak(span);
                }
            }
            Step::Flush => {
                self.others.wait();
                self.service.deliver();
                check_account(self.service.tracer.counts(), self.n_finished());
            }
        }
    }

    fn start_span(&mut self, name: String, parent: Option<Index>, tags: Vec<(usize, OwnedValue)>) {
        // It may have ended or been leaked: its context is what counts.
        let parent = parent.filter(|_| !self.all.is_empty()).map(|parent| parent.get(&self.all));
        let parent = parent.map(|parent| parent.context.clone());
        let options = StartSpanOptions::new().child_of(&parent);
        let options = options.tags(tags.iter().map(|(key, value)| (KEYS[*key], value)));
        let span = self.service.tracer.start_span_with(&name, options);
        let mut expected =
            Expected { name, context: span.context(), parent, ..Expected::default() };
        if expected.parent.is_none() {
            expected.set_tag("sampler.type", OwnedValue::Str("const".to_owned()));
            expected.set_tag("sampler.param", OwnedValue::Bool(true));
        }
        named(tags).into_iter().for_each(|(key, value)| expected.set_tag(key, value));
        self.live.push((self.all.len(), span));
        self.all.push(expected);
    }

    /// Finds a live span, if there is one.
    fn find(&mut self, span: &Index) -> Option<(&mut Span, &mut Expected)> {
        if self.live.is_empty() {
            return None;
        }
        let (number, span) = span.get_mut(&mut self.live);
        Some((span, &mut self.all[*number]))
    }

    /// Takes a live span out, if there is one.
    fn remove(&mut self, span: &Index) -> Option<(usize, Span)> {
        (!self.live.is_empty()).then(|| self.live.swap_remove(span.index(self.live.len())))
    }

    fn n_finished(&self) -> usize {
        self.all.iter().filter(|span| span.is_finished).count()
    }

    /// Drops what still lives, and compares all that arrived with what was recorded.
    fn close(mut self) {
        for (number, span) in self.live.drain(..) {
            self.all[number].is_finished = true;
            drop(span);
        }
        self.others.wait();
        // As many as finished, and none twice.
        let arrived = self.service.close(self.n_finished());
        for expected in self.all.iter().filter(|span| span.is_finished) {
            let span_id = expected.context.span_id() as i64;
            let sent = arrived.iter().find(|sent| sent.span_id == span_id);
            expected.check(sent.expect("a finished span arrives"));
        }
    }
}

fn named(fields: Vec<(usize, OwnedValue)>) -> Vec<(&'static str, OwnedValue)> {
    fields.into_iter().map(|(key, value)| (KEYS[key], value)).collect()
}

/// The other threads of a program, which end the spans that they are sent.
struct Others {
    inboxes: [Sender<(Span, End)>; N_THREADS],
    has_ended: Receiver<()>,
    n_away: usize,
}

impl Others {
    fn start() -> Self {
        let (ended, has_ended) = channel();
        let inboxes = std::array::from_fn(|_| {
            let ((inbox, spans), ended) = (channel::<(Span, End)>(), ended.clone());
            thread::spawn(move || {
                for (span, end) in spans {
                    end.of(span);
                    ended.send(()).unwrap();
                }
            });
            inbox
        });
        Self { inboxes, has_ended, n_away: 0 }
    }

    fn end(&mut self, thread: usize, span: Span, end: End) {
        self.inboxes[thread].send((span, end)).unwrap();
        self.n_away += 1;
    }

    /// Waits until all spans that were sent have ended.
    fn wait(&mut self) {
        for _ in 0..mem::take(&mut self.n_away) {
            self.has_ended.recv().unwrap();
        }
    }
}

/// What a span should look like to the agent.
#[derive(Debug, Default)]
struct Expected {
    context: SpanContext,
    parent: Option<SpanContext>,
    name: String,
    /// In the order in which their keys came first.
    tags: Vec<(&'static str, OwnedValue)>,
    logs: Vec<Vec<(&'static str, OwnedValue)>>,
    is_finished: bool,
}

impl Expected {
    fn set_tag(&mut self, key: &'static str, value: OwnedValue) {
        match self.tags.iter_mut().find(|(present, _)| *present == key) {
            Some((_, present)) => *present = value,
            None => self.tags.push((key, value)),
        }
    }

    /// Checks a span that arrived against this.
    fn check(&self, sent: &SentSpan) {
        assert_eq!(sent.operation_name, self.name);
        let trace_id = (sent.trace_id_high as u64, sent.trace_id_low as u64);
        assert_eq!(trace_id, (self.context.trace_id_high(), self.context.trace_id_low()));
        let parent = self.parent.clone().unwrap_or_default();
        assert_eq!(sent.parent_span_id as u64, parent.span_id());
        assert!(self.parent.is_none() || parent.trace_id_low() == self.context.trace_id_low());
        assert!(sent.references.is_empty());
        check_tags(&sent.tags, &self.tags);
        assert_eq!(sent.logs.len(), self.logs.len());
        for (sent, expected) in sent.logs.iter().zip(&self.logs) {
            check_tags(&sent.fields, expected);
        }
    }
}

fn check_tags(sent: &[Tag], expected: &[(&'static str, OwnedValue)]) {
    let keys: Vec<&str> = sent.iter().map(|tag| tag.key.as_str()).collect();
    let expected_keys: Vec<&str> = expected.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, expected_keys);
    for (sent, (_, expected)) in sent.iter().zip(expected) {
        let is_same = match (&sent.value, expected) {
            (TagValue::Bool(sent), OwnedValue::Bool(expected)) => sent == expected,
            (TagValue::Long(sent), OwnedValue::I64(expected)) => sent == expected,
            (TagValue::Double(sent), OwnedValue::F64(expected)) => {
                sent.to_bits() == expected.to_bits()
            }
            (TagValue::String(sent), OwnedValue::Str(expected)) => sent == expected,
            (TagValue::String(sent), OwnedValue::U64(expected)) => *sent == expected.to_string(),
            (TagValue::Binary(sent), OwnedValue::Bytes(expected)) => sent == expected,
            _ => false,
        };
        assert!(is_same, "{sent:?} instead of {expected:?}");
    }
}
