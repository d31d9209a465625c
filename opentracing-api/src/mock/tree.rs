//! Spans drawn as a tree.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::span::MockSpan;

/// All spans of a mock, to be drawn: a line for a trace, below it its spans, children indented.
pub(super) struct Tree<'a> {
    spans: &'a [MockSpan],
}

impl<'a> Tree<'a> {
    pub(super) fn new(spans: &'a [MockSpan]) -> Self {
        Self { spans }
    }

    /// Lists the spans of each trace with their depths, parents before children.
    fn rows(&self) -> Vec<Row<'a>> {
        let mut rows = Vec::new();
        let mut traces: Vec<Vec<&MockSpan>> = Vec::new();
        let mut places = HashMap::new();
        for span in self.spans {
            let place = *places.entry(span.trace_id()).or_insert(traces.len());
            if place == traces.len() {
                traces.push(Vec::new());
            }
            traces[place].push(span);
        }
        for trace in traces {
            rows.push(Row::Trace(trace[0].trace_id()));
            rows.extend(rows_of_trace(&trace));
        }
        rows
    }
}

impl fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.spans.is_empty() {
            return f.write_str("no spans");
        }
        let rows = self.rows();
        for row in rows.iter().take(MAX_LINES) {
            writeln!(f, "{row}")?;
        }
        match rows.len().saturating_sub(MAX_LINES) {
            0 => Ok(()),
            n_more => writeln!(f, "… and {n_more} lines more"),
        }
    }
}

fn rows_of_trace<'a>(trace: &[&'a MockSpan]) -> Vec<Row<'a>> {
    let ids: HashMap<u64, ()> = trace.iter().map(|span| (span.span_id(), ())).collect();
    let mut children: HashMap<u64, Vec<&MockSpan>> = HashMap::new();
    let mut waiting: BTreeMap<u64, &MockSpan> = BTreeMap::new();
    let mut tops = Vec::new();
    for &span in trace {
        waiting.insert(span.span_id(), span);
        match span.parent_id {
            Some(parent_id) if ids.contains_key(&parent_id) => {
                children.entry(parent_id).or_default().push(span);
            }
            _ => tops.push(span),
        }
    }
    let mut rows = Vec::new();
    // A stack of our own: a trace may be deeper than the thread's.
    let mut stack: Vec<_> = tops.into_iter().rev().map(|span| (1, span)).collect();
    loop {
        while let Some((depth, span)) = stack.pop() {
            if waiting.remove(&span.span_id()).is_some() {
                rows.push(Row::Span { depth, span });
                let below = children.remove(&span.span_id()).unwrap_or_default();
                stack.extend(below.into_iter().rev().map(|child| (depth + 1, child)));
            }
        }
        // A context from outside may make a span its own ancestor; the circle is cut anywhere.
        match waiting.first_key_value() {
            Some((_, span)) => stack.push((1, *span)),
            None => return rows,
        }
    }
}

enum Row<'a> {
    Trace(u128),
    Span { depth: usize, span: &'a MockSpan },
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (depth, span) = match self {
            Self::Trace(trace_id) => return write!(f, "trace {trace_id:x}"),
            Self::Span { depth, span } => (*depth, span),
        };
        let indent = 2 * depth.min(MAX_INDENT);
        write!(f, "{:indent$}{} ({:x}", "", Short(&span.operation_name), span.span_id())?;
        match span.parent_id {
            Some(parent_id) if depth == 1 => write!(f, ", child of {parent_id:x}")?,
            _ => {}
        }
        f.write_str(if span.finish_time.is_none() { ", unfinished)" } else { ")" })?;
        span.tags
            .iter()
            .try_for_each(|(key, value)| write!(f, " {}={}", Short(key), Short(&value.to_string())))
    }
}

/// Text on one line: shortened, and what does not print is escaped.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(MAX_CHARS).map_or(self.0.len(), |(end, _)| end);
        write!(f, "{}{}", self.0[..end].escape_debug(), if end < self.0.len() { "…" } else { "" })
    }
}

const MAX_LINES: usize = 500;
const MAX_CHARS: usize = 60;
/// A deeper span is drawn no further to the right.
const MAX_INDENT: usize = 40;
