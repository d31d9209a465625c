//! From `start_span` to the decoded datagram.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use integration_tests::Receiver;
use jaeger_udp::model::{Log, Span, SpanRefType, Tag, TagValue};
use opentracing_api::{SpanContext, Tracer, child_of, fields, follows_from, global_tracer};
use opentracing_shim::jaeger::{Config, JaegerTracer, Sampler};

const LONG: Duration = Duration::from_secs(60);

fn config_for(receiver: &Receiver) -> Config {
    // The interval is longer than any test: what arrives was flushed.
    Config::new("end-to-end")
        .agent_host("127.0.0.1")
        .agent_port(receiver.port())
        .flush_interval(Duration::from_secs(600))
}

/// Runs a program against a receiver, and returns the spans that arrived, by name.
fn spans_of(program: impl FnOnce(&Tracer)) -> impl Fn(&str) -> Span {
    let receiver = Receiver::start();
    let tracer = config_for(&receiver).build().unwrap();
    program(&tracer);
    let flushed = tracer.close(LONG).unwrap();
    assert!(receiver.wait_for_spans(flushed.reported_spans as usize, LONG));
    let spans = receiver.spans();
    move |name| {
        spans
            .iter()
            .find(|span| span.operation_name == name)
            .unwrap_or_else(|| panic!("no span {name}"))
            .clone()
    }
}

fn text(value: &str) -> TagValue {
    TagValue::String(value.to_owned())
}

#[test]
fn no_span_is_lost_or_doubled_between_four_threads_and_the_agent() {
    const N_THREADS: usize = 4;
    const N_SPANS: usize = 50_000;
    const N_BETWEEN_FLUSHES: usize = 2_000;
    let receiver = Receiver::start();
    let tracer = config_for(&receiver).build().unwrap();
    let barrier = std::sync::Barrier::new(N_THREADS);
    std::thread::scope(|scope| {
        for thread in 0..N_THREADS {
            let (tracer, receiver, barrier) = (&tracer, &receiver, &barrier);
            scope.spawn(move || {
                for round in 1..=N_SPANS / N_BETWEEN_FLUSHES {
                    for _ in 0..N_BETWEEN_FLUSHES {
                        let mut span = tracer.start_span("work");
                        span.set_tag("thread", thread).set_tag("round", round);
                        span.finish();
                    }
                    tracer.flush(LONG).unwrap();
                    barrier.wait();
                    assert!(receiver.wait_for_spans(round * N_BETWEEN_FLUSHES * N_THREADS, LONG));
                    barrier.wait();
                }
            });
        }
    });
    let flushed = tracer.close(LONG).unwrap();
    let n_all = N_THREADS * N_SPANS;
    assert_eq!((flushed.reported_spans, flushed.lost_spans), (n_all as u64, 0));
    let spans = receiver.spans();
    let ids: HashSet<(i64, i64)> =
        spans.iter().map(|span| (span.trace_id_low, span.span_id)).collect();
    assert_eq!((spans.len(), ids.len()), (n_all, n_all));
    let mut n_of_thread = [0; N_THREADS];
    for span in &spans {
        let Some(TagValue::Long(thread)) = span.tag("thread") else { panic!("{span:?}") };
        n_of_thread[*thread as usize] += 1;
    }
    assert_eq!(n_of_thread, [N_SPANS; N_THREADS]);
    let seq_nos: Vec<i64> = receiver.batches().iter().filter_map(|batch| batch.seq_no).collect();
    assert_eq!(seq_nos, (1..=seq_nos.len() as i64).collect::<Vec<_>>());
}

#[test]
fn a_child_names_its_parent_and_shares_its_trace() {
    let span = spans_of(|tracer| {
        let parent = tracer.start_span("parent");
        tracer.start_span_with("child", child_of(&parent)).finish();
        tracer.start_span("stranger").finish();
        parent.finish();
    });
    let (parent, child, stranger) = (span("parent"), span("child"), span("stranger"));
    assert_eq!((child.parent_span_id, child.trace_id_low), (parent.span_id, parent.trace_id_low));
    assert_eq!((parent.parent_span_id, stranger.parent_span_id), (0, 0));
    assert_eq!(child.trace_id_high, parent.trace_id_high);
    assert_ne!(stranger.trace_id_low, parent.trace_id_low);
    assert!(child.references.is_empty(), "parentSpanId says it all");
    assert_eq!((parent.flags, child.flags), (1, 1));
}

#[test]
fn more_than_one_reference_goes_out_in_order_beside_the_parents_id() {
    let span = spans_of(|tracer| {
        let (one, two) = (tracer.start_span("one"), tracer.start_span("two"));
        tracer.start_span_with("joined", follows_from(&one).child_of(&two)).finish();
        tracer.start_span_with("caused", follows_from(&one)).finish();
    });
    let (one, two, joined, caused) = (span("one"), span("two"), span("joined"), span("caused"));
    assert_eq!((joined.parent_span_id, joined.trace_id_low), (two.span_id, two.trace_id_low));
    let references: Vec<_> =
        joined.references.iter().map(|to| (to.ref_type, to.span_id, to.trace_id_low)).collect();
    let expected = [
        (SpanRefType::FollowsFrom, one.span_id, one.trace_id_low),
        (SpanRefType::ChildOf, two.span_id, two.trace_id_low),
    ];
    assert_eq!(references, expected);
    assert_eq!(caused.parent_span_id, one.span_id);
    assert_eq!(caused.references[0].ref_type, SpanRefType::FollowsFrom);
}

#[test]
fn every_type_of_tag_arrives_as_what_it_is() {
    let span = spans_of(|tracer| {
        let mut span = tracer.start_span("span");
        span.set_tag("str", "größe").set_tag("string", String::from("s")).set_tag("bool", true);
        span.set_tag("u8", 8_u8)
            .set_tag("i64", i64::MIN)
            .set_tag("u64", u64::MAX)
            .set_tag("usize", 7_usize);
        span.set_tag("f32", 0.5_f32).set_tag("f64", f64::MAX).set_tag("bytes", &[0_u8, 255]);
        span.set_tag("some", Some(1))
            .set_tag("none", None::<&str>)
            .set_tag("again", 1)
            .set_tag("again", "last");
        span.finish();
    })("span");
    for (key, expected) in [
        ("str", text("größe")),
        ("string", text("s")),
        ("bool", TagValue::Bool(true)),
        ("u8", TagValue::Long(8)),
        ("i64", TagValue::Long(i64::MIN)),
        ("u64", text("18446744073709551615")),
        ("usize", TagValue::Long(7)),
        ("f32", TagValue::Double(0.5)),
        ("f64", TagValue::Double(f64::MAX)),
        ("bytes", TagValue::Binary(vec![0, 255])),
        ("some", TagValue::Long(1)),
        ("again", text("last")),
        ("sampler.type", text("const")),
        ("sampler.param", TagValue::Bool(true)),
    ] {
        let found: Vec<&TagValue> =
            span.tags.iter().filter(|tag| tag.key == key).map(|tag| &tag.value).collect();
        assert_eq!(found, [&expected], "tag {key}");
    }
    assert!(span.tag("none").is_none());
    assert_eq!(span.tags.len(), 14, "{:?}", span.tags);
}

#[test]
fn special_tags_stay_as_they_were_given_and_come_once() {
    let span = spans_of(|tracer| {
        let options = opentracing_api::StartSpanOptions::new()
            .tag("span.kind", "client")
            .tag("error", "false");
        let mut span = tracer.start_span_with("span", options);
        span.set_tag("error", true).set_tag("span.kind", "SERVER");
        span.finish();
    })("span");
    let special: Vec<&Tag> =
        span.tags.iter().filter(|tag| !tag.key.starts_with("sampler.")).collect();
    assert_eq!(
        special,
        [&Tag::new("span.kind", text("SERVER")), &Tag::new("error", TagValue::Bool(true))]
    );
}

#[test]
fn logs_arrive_with_their_fields_types_and_times() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_600_000_000_123_456);
    let span = spans_of(|tracer| {
        let mut span = tracer.start_span("span");
        span.log_kv(fields! { "event" => "hit", "n" => 3, "ratio" => 0.5 });
        span.log_kv_at(time, fields! { "message" => "no event", "event" => "late" });
        span.log_event("error").log_kv([("only", "a field")]);
        span.finish();
    })("span");
    let fields: Vec<&[Tag]> = span.logs.iter().map(|log: &Log| log.fields.as_slice()).collect();
    let expected: [&[Tag]; 4] = [
        &[
            Tag::new("event", text("hit")),
            Tag::new("n", TagValue::Long(3)),
            Tag::new("ratio", TagValue::Double(0.5)),
        ],
        &[Tag::new("message", text("no event")), Tag::new("event", text("late"))],
        &[Tag::new("event", text("error"))],
        &[Tag::new("only", text("a field"))],
    ];
    assert_eq!(fields, expected);
    assert_eq!(span.logs[1].timestamp, 1_600_000_000_123_456);
    assert!((span.start_time..=span.start_time + span.duration).contains(&span.logs[0].timestamp));
}

#[test]
fn explicit_times_arrive_and_an_end_before_the_start_is_no_negative_duration() {
    let at = |micros| SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
    let span = spans_of(|tracer| {
        let options = || opentracing_api::StartSpanOptions::new().start_time(at(1_000_000));
        tracer.start_span_with("fine", options()).finish_at(at(1_000_250));
        tracer.start_span_with("backwards", options()).finish_at(at(1));
    });
    assert_eq!((span("fine").start_time, span("fine").duration), (1_000_000, 250));
    assert_eq!((span("backwards").start_time, span("backwards").duration), (1_000_000, 1));
}

#[test]
fn the_process_says_who_sends() {
    let receiver = Receiver::start();
    let tracer =
        config_for(&receiver).tag("deployment", "blue").tag("ip", "10.0.0.1").build().unwrap();
    tracer.start_span("span").finish();
    tracer.close(LONG).unwrap();
    assert!(receiver.wait_for_spans(1, LONG));
    let batch = &receiver.batches()[0];
    let tags: Vec<&str> = batch.process.tags.iter().map(|tag| tag.key.as_str()).collect();
    assert_eq!(batch.process.service_name, "end-to-end");
    assert_eq!(tags, ["jaeger.version", "hostname", "ip", "client-uuid", "deployment"]);
    assert_eq!(batch.process.tags[2].value, text("10.0.0.1"));
    let stats = batch.stats.unwrap();
    assert_eq!(
        (batch.seq_no, stats.full_queue_dropped_spans, stats.failed_to_emit_spans),
        (Some(1), 0, 0)
    );
}

#[test]
fn unsampled_spans_are_real_and_are_not_sent() {
    let receiver = Receiver::start();
    let tracer = config_for(&receiver).sampler(Sampler::Const(false)).build().unwrap();
    let mut root = tracer.start_span("root");
    root.set_tag("key", "value").log_event("event").set_baggage_item("user", "ann");
    let child = tracer.start_span_with("child", child_of(&root));
    assert!(!root.is_recording() && root.context().is_valid() && !root.context().is_sampled());
    assert_eq!(child.context().trace_id(), root.context().trace_id());
    assert_eq!(child.baggage_item("user"), Some("ann"));
    drop((child, root));
    let flushed = tracer.close(LONG).unwrap();
    assert_eq!((flushed.reported_spans, flushed.lost_spans), (0, 0));
}

#[test]
fn sampling_priority_overrules_the_sampler_both_ways() {
    let run = |is_on: bool, priority: i64| {
        let receiver = Receiver::start();
        let tracer = config_for(&receiver).sampler(Sampler::Const(is_on)).build().unwrap();
        let options = opentracing_api::StartSpanOptions::new().tag("sampling.priority", priority);
        let root = tracer.start_span_with("root", options);
        tracer.start_span_with("child", child_of(&root)).finish();
        root.finish();
        let flushed = tracer.close(LONG).unwrap();
        assert!(receiver.wait_for_spans(flushed.reported_spans as usize, LONG));
        receiver.spans()
    };
    let kept = run(false, 1);
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|span| span.flags == 3), "sampled and debug");
    assert!(run(true, 0).is_empty());
}

#[test]
fn a_priority_set_later_drops_the_span_and_what_comes_after_it() {
    let receiver = Receiver::start();
    let tracer = config_for(&receiver).build().unwrap();
    let mut root = tracer.start_span("root");
    root.set_tag("sampling.priority", 0);
    tracer.start_span_with("child", child_of(&root)).finish();
    root.finish();
    tracer.start_span("kept").finish();
    assert_eq!(tracer.close(LONG).unwrap().reported_spans, 1);
    assert!(receiver.wait_for_spans(1, LONG));
    assert_eq!(receiver.spans()[0].operation_name, "kept");
}

#[test]
fn trace_ids_are_128_bits_long_unless_64_are_asked_for() {
    let ids_of = |bits: u32| {
        let receiver = Receiver::start();
        let tracer = config_for(&receiver).trace_id_bits(bits).build().unwrap();
        let context: SpanContext = tracer.start_span("span").context();
        (context.trace_id_high() != 0, context.to_trace_id().len())
    };
    assert_eq!(ids_of(128), (true, 32));
    assert_eq!(ids_of(64), (false, 16));
}

#[test]
fn init_tracer_sets_the_global_tracer_and_its_guard_flushes_on_drop() {
    let receiver = Receiver::start();
    let early = global_tracer();
    let guard = config_for(&receiver).init_tracer().unwrap();
    early.start_span("through a handle from before").finish();
    drop(guard);
    assert!(receiver.wait_for_spans(1, LONG));
    let late = global_tracer().start_span("late");
    assert!(!late.is_recording(), "after the close spans are usable and record nothing");
}

#[test]
fn a_disabled_tracer_needs_no_name_and_does_nothing() {
    let tracer: JaegerTracer = Config::new("").disabled(true).build().unwrap();
    let span = tracer.start_span("span");
    assert!(!span.is_recording() && !span.context().is_valid());
    assert_eq!(tracer.close(LONG).unwrap().reported_spans, 0);
}

#[test]
fn spans_that_need_more_room_than_a_datagram_arrive_trimmed_and_marked() {
    let receiver = Receiver::start();
    let tracer = config_for(&receiver).build().unwrap();
    let mut span = tracer.start_span("large");
    span.set_tag("statement", "x".repeat(1 << 20)).set_tag("error", true).set_tag("small", 1);
    span.finish();
    tracer.start_span("neighbour").finish();
    let flushed = tracer.flush(LONG).unwrap();
    assert_eq!((flushed.reported_spans, flushed.lost_spans), (2, 0));
    assert!(receiver.wait_for_spans(2, LONG));
    let spans = receiver.spans();
    assert_eq!(spans[0].tag("internal.span.trimmed"), Some(&TagValue::Bool(true)));
    assert_eq!(spans[0].tag("error"), Some(&TagValue::Bool(true)));
    assert_eq!(spans[1].operation_name, "neighbour");
    assert_eq!(tracer.stats().trimmed_spans, 1);
}
