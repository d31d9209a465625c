//! What no caller should do and some will: nothing panics, no other span is harmed, and what is lost or misused is
//! counted where there is a count.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentracing_api::{
    Extract, InSpan, Inject, Scope, SharedSpan, Span, SpanContext, StartSpanOptions, Value,
    child_of, fields, follows_from,
};
use opentracing_shim::jaeger::{Config, JaegerTracer, Sampler};

use crate::subject::Subject;

against_every_tracer! {
    contexts_of_other_tracers_are_parents_and_can_be_injected
    names_and_keys_may_be_empty
    names_keys_and_values_may_be_a_mebibyte_long
    names_keys_and_values_may_be_any_characters
    carriers_of_ten_thousand_entries_are_read
    carriers_of_nonsense_are_no_context_or_an_error
    a_span_finishes_once_by_whichever_paths
    what_is_set_after_the_finish_is_not_there
    scopes_close_in_every_order
    scopes_of_lent_spans_close_in_every_order
    leaked_spans_and_scopes_harm_no_others
    times_may_be_anything
    values_that_fail_to_format_are_kept_as_far_as_they_came
    a_panic_in_the_callers_code_leaves_the_tracer_usable
    a_thousand_tags_and_logs_and_ten_thousand_references_are_taken
    a_context_is_its_own_parent_if_it_says_so
}

fn contexts_of_other_tracers_are_parents_and_can_be_injected(tracer: &Subject) {
    let others = Subject::recording();
    let mut n_spans = 0;
    for other in &others {
        let mut foreign = other.start_span("foreign");
        foreign.set_baggage_item("user", "ann");
        let child = tracer.start_span_with("child", child_of(&foreign).follows_from(&foreign));
        let mut carrier = HashMap::new();
        tracer.inject(&foreign, Inject::TextMap(&mut carrier)).unwrap();
        if tracer.records() {
            assert_eq!(child.context().trace_id(), foreign.context().trace_id(), "{other:?}");
            assert_eq!(child.baggage_item("user"), Some("ann"), "{other:?}");
            let extracted = tracer.extract(Extract::TextMap(&carrier)).unwrap().unwrap();
            assert_eq!(extracted.span_id(), foreign.context().span_id(), "{other:?}");
        }
        // A scope of one tracer, asked for by another on the same thread: it is active for both, where both look for the
        // active span in the same place, or for one alone.
        let scope = other.start_active_span("foreign scope");
        let implicit = tracer.start_span("implicit");
        let is_child = tracer.active_span().as_ref() == Some(scope.span());
        if tracer.records() {
            let is_in_trace = implicit.context().trace_id() == scope.context().trace_id();
            assert_eq!(is_in_trace, is_child, "{other:?}");
        }
        n_spans += 2;
    }
    tracer.finished(n_spans);
}

fn names_and_keys_may_be_empty(tracer: &Subject) {
    let options = StartSpanOptions::new().tag("", "").tag("", 1);
    let mut span = tracer.start_span_with("", options);
    span.set_operation_name("").set_tag("", "").log_event("").log_kv([("", "")]);
    span.log_kv(Vec::<(&str, &str)>::new())
        .set_baggage_item("", "value")
        .set_baggage_item("key", "");
    assert_eq!(span.baggage_item(""), None, "an empty key is ignored");
    assert_eq!(span.baggage_item("missing"), None);
    let mut carrier = HashMap::new();
    let _ = tracer.inject(&span, Inject::HttpHeaders(&mut carrier));
    span.finish();
    if tracer.records() {
        let spans = tracer.finished(1);
        // The Jaeger clients log each item of baggage that is set.
        let n_logs = if tracer.is_jaeger() { 4 } else { 3 };
        assert_eq!((spans.names(), spans.0[0].logs.len()), (vec![""], n_logs));
    }
}

fn names_keys_and_values_may_be_a_mebibyte_long(tracer: &Subject) {
    let long = "ä".repeat(1 << 19);
    let mut span = tracer.start_span(&long);
    span.set_tag(&long, &long).set_tag("bytes", vec![0_u8; 1 << 20]).log_kv([(&*long, &*long)]);
    span.set_baggage_item(&long, &long);
    let child = tracer.start_span_with("child", child_of(&span));
    if tracer.records() {
        assert_eq!(child.baggage_item(&long), Some(&*long));
    }
    let (mut text, mut headers) = (HashMap::new(), HashMap::new());
    tracer.inject(&span, Inject::TextMap(&mut text)).or_else(ignore_limit).unwrap();
    tracer.inject(&span, Inject::HttpHeaders(&mut headers)).or_else(ignore_limit).unwrap();
    let _ = tracer.extract(Extract::TextMap(&text)).unwrap();
    let _ = tracer.extract(Extract::HttpHeaders(&headers)).unwrap();
    child.finish();
    span.finish();
    if tracer.is_jaeger() {
        // More than a datagram holds: what arrives is trimmed, with its ids and its parent as they were.
        let spans = tracer.finished(2);
        let parent = spans.0.iter().find(|span| span.operation_name != "child").unwrap();
        assert!(
            spans.named("child").is_child_of(parent)
                && long.starts_with(&parent.operation_name[..2])
        );
    } else if tracer.records() {
        let spans = tracer.finished(2);
        assert!(spans.named("child").is_child_of(spans.named(&long)));
        assert_eq!(spans.named(&long).tags[&long], long);
    }
}

fn names_keys_and_values_may_be_any_characters(tracer: &Subject) {
    let odd = [
        "nul\0nul",
        "\u{202e}tfel ot thgir",
        "\u{200b}",
        "line\r\nfeed: header",
        "\u{1f980}",
        "%zz%00",
        "=;,\"\\",
        "\u{feff}bom",
        "\u{10ffff}",
    ];
    for text in odd {
        let options = StartSpanOptions::new().tag(text, text);
        let mut span = tracer.start_span_with(text, options);
        span.log_kv([(text, text)]).set_baggage_item("key", text);
        for http in [false, true] {
            let mut carrier: HashMap<String, String> = HashMap::new();
            let (injected, extracted);
            if http {
                injected = tracer.inject(&span, Inject::HttpHeaders(&mut carrier));
                let is_header =
                    |text: &String| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
                assert!(carrier.values().all(is_header), "{text:?} in {carrier:?}");
                extracted = tracer.extract(Extract::HttpHeaders(&carrier));
            } else {
                injected = tracer.inject(&span, Inject::TextMap(&mut carrier));
                extracted = tracer.extract(Extract::TextMap(&carrier));
            }
            injected.unwrap();
            let context = extracted.unwrap();
            assert_eq!(context.is_some(), tracer.records(), "{text:?}");
            if let Some(context) = context {
                assert_eq!(context.baggage_item("key"), Some(text), "http: {http}");
            }
        }
    }
    if tracer.records() {
        let spans = tracer.finished(odd.len());
        for text in odd {
            let span = spans.named(text);
            assert_eq!((&span.tags[text], span.field(0, text)), (&text.into(), Some(&text.into())));
        }
    }
}

fn carriers_of_ten_thousand_entries_are_read(tracer: &Subject) {
    let mut carrier: HashMap<String, String> = HashMap::new();
    for n in 0..10_000 {
        for prefix in ["other-", "uberctx-", "ot-baggage-"] {
            carrier.insert(format!("{prefix}{n}"), "x".repeat(20));
        }
    }
    tracer.inject(&SpanContext::new(7, 8, 1), Inject::TextMap(&mut carrier)).unwrap();
    assert!(carrier.len() >= 30_000, "entries of others are left alone");
    for from in [Extract::TextMap(&carrier), Extract::HttpHeaders(&carrier)] {
        let format = format!("{from:?}");
        let extracted = tracer.extract(from).unwrap();
        assert_eq!(
            extracted.as_ref().map(SpanContext::span_id),
            tracer.records().then_some(8),
            "{format}"
        );
        // Baggage that is taken in is bounded; the mock takes what it is given.
        let n_items = extracted.map_or(0, |context| context.baggage().count());
        assert!(n_items <= 1_000 || tracer.as_mock().is_some(), "{n_items} items");
    }
}

fn carriers_of_nonsense_are_no_context_or_an_error(tracer: &Subject) {
    let values =
        ["", "\0", "::::", "1:2:3", "-1", "zz", "00-00-00-00", "\u{202e}", &"f".repeat(1 << 16)];
    for key in [
        "uber-trace-id",
        "traceparent",
        "ot-tracer-traceid",
        "ot-tracer-spanid",
        "uberctx-",
        "baggage",
    ] {
        for value in values {
            let carrier = [(key, value)];
            for from in [Extract::TextMap(&carrier), Extract::HttpHeaders(&carrier)] {
                // Each tracer has its own way to say that there is nothing; a context would be wrong.
                let extracted = tracer.extract(from).unwrap_or(None);
                assert!(!extracted.is_some_and(|context| context.is_valid()), "{key}: {value:?}");
            }
        }
    }
    // Zeros are no ids, and in other bytes the count of the baggage does not fit what follows.
    for len in [0, 1, 7, 16, 29, 33, 100, 1 << 16] {
        for byte in [0, 0x7f, 0xff] {
            let bytes = vec![byte; len];
            let extracted = tracer.extract(Extract::Binary(&bytes)).unwrap_or(None);
            assert!(!extracted.is_some_and(|context| context.is_valid()), "{len} times {byte}");
        }
    }
}

fn a_span_finishes_once_by_whichever_paths(tracer: &Subject) {
    let by_hand = tracer.start_span("by hand twice").into_shared();
    by_hand.finish();
    by_hand.finish_at(SystemTime::now() + Duration::from_secs(9));
    drop(by_hand);

    let in_scope = tracer.start_active_span("by hand, then by its scope");
    in_scope.finish();
    in_scope.close();

    let clones = [(); 3].map({
        let span = tracer.start_span("by hand, then by its last clone").into_shared();
        move |()| span.clone()
    });
    clones[1].finish();
    drop(clones);

    let shared = tracer.start_span("in a future, then by hand").into_shared();
    block_on_ready(async {}.in_span(shared.clone()));
    shared.finish();

    let taken = tracer.start_span("taken out, then by its holder").into_shared();
    let span = taken.with(|span| mem::replace(span, Span::noop()));
    taken.finish();
    span.finish();

    let closure = tracer.in_span("by hand in its closure", |span| {
        span.finish();
        span.clone()
    });
    closure.finish();

    let threads = tracer.start_span("by many threads").into_shared();
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| threads.finish()))));

    if tracer.records() {
        let spans = tracer.finished(7);
        let mut names = spans.names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 7, "each finished once");
    }
    if let Some(mock) = tracer.as_mock() {
        // By hand twice 1, the last clone 0, a future 0, the closure 1, eight threads 7.
        assert_eq!(mock.generated_errors().len(), 9, "{:?}", mock.generated_errors());
    }
}

fn what_is_set_after_the_finish_is_not_there(tracer: &Subject) {
    let span = tracer.start_span("finished").into_shared();
    let context = span.context();
    span.finish();
    span.set_tag("late", 1).set_operation_name("late").log_event("late");
    span.log_kv([("late", 1)]).log_error(&io::Error::other("late")).set_baggage_item("late", "1");
    span.with(|span| drop(span.set_tag("late", 1).context()));
    assert_eq!((span.context(), span.baggage_item("late")), (context, None));
    assert!(!span.is_recording());
    let child = tracer.start_span_with("child", child_of(&span));
    assert_eq!(child.context().trace_id(), span.context().trace_id());
    drop(child);
    if tracer.records() {
        let spans = tracer.finished(2);
        let span = spans.named("finished");
        assert!(span.tags.keys().all(|key| key != "late") && span.logs.is_empty(), "{span:?}");
        assert!(!span.is_error() && spans.named("child").is_child_of(span));
    }
}

fn scopes_close_in_every_order(tracer: &Subject) {
    let orders = permutations(4);
    for order in &orders {
        let mut scopes: Vec<Option<Scope>> =
            (0..4).map(|n| Some(tracer.start_active_span(&format!("scope {n}")))).collect();
        let spans: Vec<SharedSpan> =
            scopes.iter().flatten().map(|scope| scope.span().clone()).collect();
        for &closed in order {
            drop(scopes[closed].take());
            let innermost = scopes.iter().rposition(Option::is_some);
            let active = innermost.filter(|_| tracer.records()).map(|n| spans[n].clone());
            assert_eq!(tracer.active_span(), active, "{closed} closed in {order:?}");
            // A span finishes when its scope and all above it have closed.
            for (n, span) in spans.iter().enumerate() {
                let is_open = scopes[n..].iter().any(Option::is_some);
                assert_eq!(span.is_recording(), is_open && tracer.records(), "{n} in {order:?}");
            }
        }
    }
    assert_eq!(tracer.active_span(), None);
    tracer.finished(orders.len() * 4);
}

fn scopes_of_lent_spans_close_in_every_order(tracer: &Subject) {
    let spans: Vec<SharedSpan> =
        (0..3).map(|n| tracer.start_span(&format!("lent {n}")).into_shared()).collect();
    for order in permutations(5) {
        // The same span more than once, and a scope without any.
        let mut scopes = [
            Some(tracer.activate(&spans[0])),
            Some(tracer.activate(&spans[1])),
            Some(tracer.activate_none()),
            Some(tracer.activate(&spans[0])),
            Some(tracer.activate(&spans[2])),
        ];
        let which = [Some(0), Some(1), None, Some(0), Some(2)];
        for closed in order {
            drop(scopes[closed].take());
            let innermost = scopes.iter().rposition(Option::is_some).and_then(|n| which[n]);
            let active = innermost.filter(|_| tracer.records()).map(|n| spans[n].clone());
            assert_eq!(tracer.active_span(), active);
        }
    }
    tracer.finished(0);
    drop(spans);
    tracer.finished(3);
}

fn leaked_spans_and_scopes_harm_no_others(tracer: &Subject) {
    // On a thread of its own, whose active span stays what was leaked.
    std::thread::scope(|threads| {
        threads.spawn(|| {
            mem::forget(tracer.start_span("leaked"));
            mem::forget(tracer.start_span("leaked and shared").into_shared());
            let leaked = tracer.start_active_span("leaked scope");
            let outer = leaked.span().clone();
            mem::forget(leaked);
            tracer.start_active_span("above").close();
            assert_eq!(tracer.active_span(), tracer.records().then(|| outer.clone()));
            let options = StartSpanOptions::new().ignore_active_span();
            tracer.start_span_with("beside", options).finish();
        });
    });
    assert_eq!(tracer.active_span(), None, "on this thread");
    tracer.start_span("elsewhere").finish();
    if tracer.records() {
        let spans = tracer.finished(3);
        assert_eq!(spans.names(), ["above", "beside", "elsewhere"]);
        assert!(spans.named("above").parent_id.is_some());
        assert_eq!(spans.named("elsewhere").parent_id, None);
    }
    if let Some(mock) = tracer.as_mock() {
        assert_eq!(mock.unfinished_spans().len(), 3);
    }
}

fn times_may_be_anything(tracer: &Subject) {
    let epoch = SystemTime::UNIX_EPOCH;
    let times = [
        epoch,
        epoch - Duration::from_secs(1 << 32),
        epoch + Duration::from_secs(1 << 40),
        SystemTime::now() + Duration::from_secs(1 << 30),
    ];
    let name = |start, finish| format!("{start} to {finish}");
    let pairs = || (0..times.len()).flat_map(|start| (0..times.len()).map(move |end| (start, end)));
    for (start, finish) in pairs() {
        let options = StartSpanOptions::new().start_time(times[start]);
        let mut span = tracer.start_span_with(&name(start, finish), options);
        span.log_kv_at(times[finish], [("event", "e")]).log_kv_at(times[start], [("event", "s")]);
        span.finish_at(times[finish]);
    }
    if tracer.records() {
        let spans = tracer.finished(times.len() * times.len());
        assert!(spans.0.iter().all(|span| span.logs.len() == 2));
        for (start, finish) in pairs().filter(|_| tracer.as_mock().is_none()) {
            // What ends before it starts takes no time, or the microsecond that Jaeger shows at least, and not the rest of
            // all times.
            let span = spans.named(&name(start, finish));
            let takes_time = span.finish > span.start + Duration::from_micros(1);
            assert!(!takes_time || times[finish] > times[start], "{span:?}");
        }
    }
}

fn values_that_fail_to_format_are_kept_as_far_as_they_came(tracer: &Subject) {
    struct Fails;
    impl std::fmt::Display for Fails {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("so far")?;
            Err(std::fmt::Error)
        }
    }
    let mut span = tracer.start_span("span");
    span.set_tag("tag", Value::display(&Fails)).log_kv([("field", Value::display(&Fails))]);
    let span = span.into_shared();
    span.set_tag("shared", Value::display(&Fails)).log_kv([("field", Value::display(&Fails))]);
    span.finish();
    if tracer.records() {
        let spans = tracer.finished(1);
        let span = spans.named("span");
        assert_eq!((&span.tags["tag"], &span.tags["shared"]), (&"so far".into(), &"so far".into()));
        assert!((0..2).all(|log| span.field(log, "field") == Some(&"so far".into())));
    }
}

fn a_panic_in_the_callers_code_leaves_the_tracer_usable(tracer: &Subject) {
    struct Panics;
    impl std::fmt::Display for Panics {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("while formatting")
        }
    }
    let panics = |f: &mut dyn FnMut()| {
        let panicked = catch_unwind(AssertUnwindSafe(f)).is_err();
        assert_eq!(panicked, tracer.records(), "values are formatted where they are recorded");
    };
    let shared = tracer.start_span("shared").into_shared();
    let mut owned = tracer.start_span("owned");
    panics(&mut || drop(owned.set_tag("k", Value::display(&Panics)).context()));
    panics(&mut || drop(owned.log_kv([("k", Value::display(&Panics))]).context()));
    panics(&mut || drop(shared.set_tag("k", Value::display(&Panics)).context()));
    panics(&mut || drop(shared.log_kv([("k", Value::display(&Panics))]).context()));
    let lent = catch_unwind(AssertUnwindSafe(|| shared.with(|_| panic!("while lent"))));
    assert!(lent.is_err());
    let in_span =
        catch_unwind(AssertUnwindSafe(|| tracer.in_span("unwound", |_| panic!("in a span"))));
    assert!(in_span.is_err());
    assert_eq!(tracer.active_span(), None);
    shared.set_tag("after", 1).finish();
    owned.set_tag("after", 1);
    owned.finish();
    if tracer.records() {
        let spans = tracer.finished(3);
        assert!(spans.named("unwound").is_error());
        for name in ["shared", "owned"] {
            assert_eq!(spans.named(name).tags["after"], 1);
            assert!(!spans.named(name).is_error());
        }
    }
}

fn a_thousand_tags_and_logs_and_ten_thousand_references_are_taken(tracer: &Subject) {
    let others: Vec<Span> = (0..100).map(|_| tracer.start_span("other")).collect();
    let mut options = follows_from(&None::<SpanContext>);
    for n in 0..10_000 {
        options = options.follows_from(&others[n % 100]);
    }
    let keys: Vec<String> = (0..1_000).map(|n| format!("key {n}")).collect();
    let options = options.tags(keys.iter().map(|key| (key.as_str(), 1)));
    let mut span = tracer.start_span_with("large", options);
    for key in &keys {
        span.set_tag(key, 2).log_kv(fields! { "event" => key, "n" => 1 });
    }
    span.finish();
    if tracer.records() && !tracer.is_jaeger() {
        let spans = tracer.finished(1);
        let span = spans.named("large");
        // The core has limits and counts what is past them; the mock has none.
        assert!(span.tags.len() >= 128 && span.logs.len() >= 128 && span.references.len() >= 128);
        assert!(span.tags.values().all(|value| *value == 2), "the last value of a key");
    } else if tracer.is_jaeger() {
        // More than a datagram: trimmed, and there.
        assert_eq!(tracer.finished(1).names(), ["large"]);
    }
    drop(others);
}

fn a_context_is_its_own_parent_if_it_says_so(tracer: &Subject) {
    // From outside, with the ids that a mock would count up to.
    for id in 1..4 {
        let context = SpanContext::new(1, id, 1);
        tracer.start_span_with("child", child_of(&context).child_of(&context)).finish();
    }
    if let Some(mock) = tracer.as_mock() {
        assert_eq!(mock.tree().lines().count(), 4);
    }
    if tracer.records() {
        assert!(tracer.finished(3).0.iter().all(|span| span.trace_id == 1));
    }
}

/// What is used after its finish is counted by the tracer that reports to Jaeger.
#[test]
fn uses_after_the_finish_are_counted() {
    let jaeger = quiet(Sampler::Const(true));
    let scope = jaeger.start_active_span("span");
    scope.finish();
    scope.set_tag("late", 1).finish();
    scope.close();
    assert_eq!(jaeger.uses_after_finish(), 2);
    assert_eq!(jaeger.counts().finished_spans, 1);
}

/// Unsampled spans take all of it as well.
#[test]
fn unsampled_spans_take_whatever_is_done_to_them() {
    let jaeger = Arc::new(quiet(Sampler::Const(false)));
    let span = jaeger.start_span("span").into_shared();
    span.set_tag("k", 1).log_event("e").set_baggage_item("user", "ann").finish();
    span.set_tag("late", 1).finish();
    assert_eq!(span.baggage_item("user").as_deref(), Some("ann"));
    for order in permutations(3) {
        let mut scopes: Vec<_> = (0..3).map(|_| Some(jaeger.start_active_span("scope"))).collect();
        order.into_iter().for_each(|closed| drop(scopes[closed].take()));
        assert_eq!(jaeger.active_span(), None);
    }
    assert_eq!(jaeger.counts().finished_spans, 0);
}

/// A tracer that sends nothing before its end.
fn quiet(sampler: Sampler) -> JaegerTracer {
    let config = Config::new("bad-input").agent_host("127.0.0.1").sampler(sampler);
    config.flush_interval(Duration::from_secs(600)).build().unwrap()
}

/// Polls a future that is ready at once.
fn block_on_ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(result) => result,
        std::task::Poll::Pending => unreachable!("the future is ready"),
    }
}

/// A context too large to be injected may be refused; any other error is a fault.
fn ignore_limit(error: opentracing_api::InjectError) -> Result<(), opentracing_api::InjectError> {
    match error {
        opentracing_api::InjectError::Other(_) => Ok(()),
        other => Err(other),
    }
}

/// Returns all orders of `0..n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    match n {
        0 => vec![Vec::new()],
        n => permutations(n - 1)
            .into_iter()
            .flat_map(|shorter| {
                (0..n).map(move |place| {
                    let mut longer = shorter.clone();
                    longer.insert(place, n - 1);
                    longer
                })
            })
            .collect(),
    }
}
