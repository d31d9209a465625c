//! When trees are drawn, and what becomes of spans that cannot be.

use std::thread;
use std::time::Instant;

use super::*;
use crate::context::Context;
use crate::exporter::trace_tree::TreeSpan;
use crate::processor::BatchProcessor;
use crate::span::Span;
use crate::tracer::Tracer;
use crate::{SpanContext, SpanId, TraceFlags, TraceId};

/// A provider that draws trees in a page, while time stands still.
fn drawing(exporter: ConsoleExporter) -> TracerProvider {
    provider_of(SimpleProcessor::new(exporter.format(ConsoleFormat::Tree)))
}

fn provider_of(processor: impl crate::SpanProcessor) -> TracerProvider {
    TracerProvider::builder()
        .resource(Resource::new("s"))
        .clock(Arc::new(ManualClock::at_unix_nanos(1)))
        .processor(processor)
        .build()
}

fn child_of(tracer: &Tracer, name: &str, parent: &Span) -> Span {
    let parent = Context::new().with_span_context(parent.context().clone());
    tracer.span_builder(name).parent(&parent).start()
}

fn called_from(tracer: &Tracer, name: &str, trace_id: TraceId, span_id: SpanId) -> Span {
    let caller = SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED).with_remote(true);
    tracer.span_builder(name).parent(&Context::new().with_span_context(caller)).start()
}

fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain");
        thread::yield_now();
    }
}

/// Leaves out what is by chance: ids.
fn without_ids(text: &str) -> String {
    let is_id =
        |word: &str| matches!(word.len(), 16 | 32) && word.chars().all(|c| c.is_ascii_hexdigit());
    let line = |line: &str| -> String {
        let words = line.split_inclusive(' ').map(|word| {
            let bare = word.trim_end_matches([' ', ',']);
            if is_id(bare) { word.replace(bare, "ID") } else { word.to_owned() }
        });
        words.collect()
    };
    text.split_inclusive('\n').map(line).collect()
}

#[test]
fn a_tree_is_drawn_in_one_write_when_its_root_has_ended() {
    let page = Page::default();
    let provider = drawing(ConsoleExporter::to_writer(page.clone()));
    let tracer = provider.tracer("test");
    let root = tracer.start("root");
    let (first, second) = (child_of(&tracer, "first", &root), child_of(&tracer, "second", &root));
    child_of(&tracer, "deep", &first).end();
    let other = tracer.start("another trace");
    first.end();
    second.end();
    assert_eq!((page.text().as_str(), provider.counts().pending_spans), ("", 3));
    other.end();
    root.end();
    assert_eq!(
        without_ids(&page.text()),
        "\
trace ID, 1 span
  s: another trace       0 ns
trace ID, 4 spans
  s: root          0 ns
  ├─ first         0 ns
  │  └─ deep       0 ns
  └─ second        0 ns
"
    );
    assert_eq!(page.n_writes(), 2);
    let counts = provider.counts();
    assert_eq!((counts.exported_spans, counts.pending_spans), (5, 0));
}

#[test]
fn a_span_that_was_called_from_elsewhere_has_nobody_above_it_here() {
    let page = Page::default();
    let provider = drawing(ConsoleExporter::to_writer(page.clone()));
    let tracer = provider.tracer("test");
    let served = called_from(&tracer, "serve", TraceId::from_parts(1, 2), SpanId::new(3));
    child_of(&tracer, "query", &served).end();
    served.end();
    assert_eq!(
        without_ids(&page.text()),
        "\
trace ID, 2 spans
  s: serve       0 ns  (its parent ID is elsewhere)
  └─ query       0 ns
"
    );
}

#[test]
fn a_tree_has_spans_of_many_threads_whichever_of_them_is_asked_first() {
    let page = Page::default();
    let exporter = ConsoleExporter::to_writer(page.clone()).format(ConsoleFormat::Tree);
    let provider = provider_of(BatchProcessor::builder(exporter).interval(HOUR).build());
    let tracer = provider.tracer("test");
    // The thread of the root is known to the processor first, and last, in turns.
    for n_rounds in 1..=3 {
        let root = tracer.start("root");
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| child_of(&tracer, "child", &root).end());
            }
        });
        root.end();
        provider.flush(LONG).unwrap();
        let text = without_ids(&page.text());
        let expected = "\
trace ID, 4 spans
  s: root        0 ns
  ├─ child       0 ns
  ├─ child       0 ns
  └─ child       0 ns
";
        assert_eq!(text, expected.repeat(n_rounds));
    }
}

#[test]
fn a_program_that_calls_itself_has_one_tree_where_all_of_it_comes_together() {
    let page = Page::default();
    let exporter = ConsoleExporter::to_writer(page.clone()).format(ConsoleFormat::Tree);
    let provider = provider_of(BatchProcessor::builder(exporter).interval(HOUR).build());
    let tracer = provider.tracer("test");
    let root = tracer.start("root");
    let ask = child_of(&tracer, "ask", &root);
    let answer = called_from(&tracer, "answer", ask.context().trace_id(), ask.context().span_id());
    child_of(&tracer, "look up", &answer).end();
    answer.end();
    ask.end();
    root.end();
    provider.flush(LONG).unwrap();
    assert_eq!(
        without_ids(&page.text()),
        "\
trace ID, 4 spans
  s: root                0 ns
  └─ ask                 0 ns
     └─ answer           0 ns
        └─ look up       0 ns
"
    );
}

#[test]
fn an_answer_to_a_caller_that_waits_here_waits_with_it() {
    let page = Page::default();
    let provider = drawing(ConsoleExporter::to_writer(page.clone()));
    let tracer = provider.tracer("test");
    let root = tracer.start("root");
    let ask = child_of(&tracer, "ask", &root);
    let answer = called_from(&tracer, "late", ask.context().trace_id(), ask.context().span_id());
    ask.end();
    answer.end();
    assert_eq!((page.n_writes(), provider.counts().pending_spans), (0, 2));
    root.end();
    assert_eq!(
        without_ids(&page.text()),
        "\
trace ID, 3 spans
  s: root          0 ns
  └─ ask           0 ns
     └─ late       0 ns
"
    );
}

#[test]
fn what_is_below_an_open_span_waits_while_other_parts_of_its_trace_are_drawn() {
    let page = Page::default();
    let provider = drawing(ConsoleExporter::to_writer(page.clone()));
    let tracer = provider.tracer("test");
    let root = tracer.start("root");
    let open = child_of(&tracer, "open", &root);
    child_of(&tracer, "waits", &open).end();
    let caller = open.context().clone();
    called_from(&tracer, "answer", caller.trace_id(), caller.span_id()).end();
    root.end();
    open.end();
    assert_eq!(
        without_ids(&page.text()),
        "\
trace ID, 1 span
  s: answer       0 ns  (its parent ID is elsewhere)
trace ID, 1 span
  s: root       0 ns
trace ID, 2 spans
  s: open        0 ns  (its parent ID was drawn before)
  └─ waits       0 ns
"
    );
}

#[test]
fn flush_and_close_draw_what_waits_and_an_interval_what_is_complete() {
    let page = Page::default();
    let exporter = ConsoleExporter::to_writer(page.clone()).format(ConsoleFormat::Tree);
    let interval = Duration::from_millis(1);
    let provider = provider_of(BatchProcessor::builder(exporter).interval(interval).build());
    let tracer = provider.tracer("test");
    let root = tracer.start("root");
    child_of(&tracer, "flushed", &root).end();
    // Many intervals pass until the worker has taken the span over.
    wait_until(|| provider.counts().pending_spans == 1);
    tracer.start("whole").end();
    wait_until(|| page.n_writes() == 1);
    assert!(!page.text().contains("flushed"), "{}", page.text());
    let flushed = provider.flush(LONG).unwrap();
    assert_eq!((flushed.exported_spans, flushed.lost_spans), (2, 0));
    child_of(&tracer, "closed", &root).end();
    let closed = provider.close(LONG).unwrap();
    assert_eq!((closed.exported_spans, closed.lost_spans), (3, 0));
    assert_eq!(
        without_ids(&page.text()),
        "\
trace ID, 1 span
  s: whole       0 ns
trace ID, 1 span
  s: flushed       0 ns  (its parent ID is not here)
trace ID, 1 span
  s: closed       0 ns  (its parent ID is not here)
"
    );
}

#[test]
fn past_the_limit_what_has_waited_longest_is_drawn_as_it_is() {
    let page = Page::default();
    let trees = TreeWriter::new(MAX_TEST_BYTES);
    let exporter = ConsoleExporter { trees, ..ConsoleExporter::to_writer(page.clone()) };
    let provider = drawing(exporter);
    let tracer = provider.tracer("test");
    let roots: Vec<Span> = (0..100).map(|n| tracer.start(&format!("root {n}"))).collect();
    let mut n_drawn = 0;
    for (n, root) in roots.iter().enumerate() {
        child_of(&tracer, &format!("child {n}"), root).end();
        let n_held = usize::try_from(provider.counts().pending_spans).unwrap();
        n_drawn = page.n_writes();
        assert_eq!(n_drawn + n_held, n + 1);
        assert!(n_held * size_of::<TreeSpan>() < MAX_TEST_BYTES, "{n_held}");
    }
    assert!((50..100).contains(&n_drawn), "{n_drawn}");
    let text = page.text();
    let names: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("  s: ")?.split("  ").next()).collect();
    let expected: Vec<String> = (0..n_drawn).map(|n| format!("child {n}")).collect();
    assert_eq!(names, expected, "the oldest come first");
}

#[test]
fn one_trace_past_the_limit_is_drawn_in_parts() {
    let page = Page::default();
    let trees = TreeWriter::new(MAX_TEST_BYTES);
    let exporter = ConsoleExporter { trees, ..ConsoleExporter::to_writer(page.clone()) };
    let provider = drawing(exporter);
    let tracer = provider.tracer("test");
    let root = tracer.start("root");
    (0..1_000).for_each(|_| child_of(&tracer, "child", &root).end());
    root.end();
    assert!((10..500).contains(&page.n_writes()), "{}", page.n_writes());
    assert_eq!(page.text().matches("child").count(), 1_000);
    assert_eq!(provider.counts().pending_spans, 0);
}

#[test]
fn spans_of_trees_that_cannot_be_written_are_all_counted() {
    // Each of three exports flushes, and the last one writes the tree before: four calls for a trace.
    for (n_calls_before, expected_losses) in [(0, 6), (2, 6), (3, 6), (4, 3), (7, 3), (8, 0)] {
        let fails = Fails { n_calls_before };
        let provider = drawing(ConsoleExporter::to_writer(fails));
        let tracer = provider.tracer("test");
        for _ in 0..2 {
            let root = tracer.start("root");
            (0..2).for_each(|_| child_of(&tracer, "child", &root).end());
            root.end();
        }
        let counts = provider.counts();
        assert_eq!((counts.finished_spans, counts.pending_spans), (6, 0));
        assert_eq!(
            (counts.exported_spans, counts.undelivered_spans),
            (6 - expected_losses, expected_losses)
        );
    }
}

#[test]
fn spans_that_a_flush_cannot_write_are_all_counted() {
    let fails = Fails { n_calls_before: 0 };
    let exporter = ConsoleExporter::to_writer(fails).format(ConsoleFormat::Tree);
    let provider = provider_of(BatchProcessor::new(exporter));
    let tracer = provider.tracer("test");
    let root = tracer.start("root");
    (0..3).for_each(|_| child_of(&tracer, "child", &root).end());
    let closed = provider.close(LONG).unwrap();
    assert_eq!((closed.exported_spans, closed.lost_spans), (0, 3));
    assert_eq!(provider.counts().undelivered_spans, 3);
}

const LONG: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);
const MAX_TEST_BYTES: usize = 8_000;
