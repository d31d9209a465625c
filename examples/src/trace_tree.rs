//! Received spans, drawn as trees: one for a trace, a line for a span, children below their parent and further right.
//!
//! Everything drawn comes from outside, so nothing in it is trusted: not that parents exist or go up to a root, not
//! that names are harmless to a terminal.

use std::collections::HashMap;
use std::fmt::{self, Write};

use jaeger_udp::model::{Batch, Span, SpanRef, SpanRefType, Tag, TagValue};

/// Spans by trace. Its text is the drawing, empty for no spans.
///
/// ```
/// use examples::trace_tree::TraceTrees;
/// use jaeger_udp::model::{Batch, Process, Span, Tag};
///
/// let first = Span {
///     trace_id_low: 0xabc,
///     span_id: 1,
///     operation_name: "first-span".to_owned(),
///     duration: 1250,
///     tags: vec![Tag::new("first-tag", "100".into())],
///     ..Span::default()
/// };
/// let process = Process { service_name: "first-service".to_owned(), tags: Vec::new() };
/// let mut trees = TraceTrees::default();
/// trees.add(Batch { process, spans: vec![first], ..Batch::default() });
/// assert_eq!(
///     trees.to_string(),
///     "trace 0000000000000abc, 1 span
///   first-service: first-span    1.25 ms  first-tag=\"100\"\n"
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct TraceTrees {
    traces: Vec<Trace>,
    positions: HashMap<TraceId, usize>,
}

impl TraceTrees {
    /// Adds the spans of a batch, each to its trace.
    pub fn add(&mut self, batch: Batch) {
        for span in batch.spans {
            let trace_id = TraceId { high: span.trace_id_high, low: span.trace_id_low };
            let position = *self.positions.entry(trace_id).or_insert_with(|| {
                self.traces.push(Trace { trace_id, spans: Vec::new() });
                self.traces.len() - 1
            });
            let service_name = batch.process.service_name.clone();
            self.traces[position].spans.push(ServiceSpan { service_name, span });
        }
    }
}

impl fmt::Display for TraceTrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut traces: Vec<&Trace> = self.traces.iter().collect();
        traces.sort_by_key(|trace| {
            trace.spans.iter().map(|service_span| service_span.span.start_time).min()
        });
        traces.into_iter().try_for_each(|trace| trace.draw(f))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TraceId {
    high: i64,
    low: i64,
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.high {
            0 => write!(f, "{:016x}", self.low),
            high => write!(f, "{high:016x}{:016x}", self.low),
        }
    }
}

/// The spans of a trace as they arrived.
#[derive(Clone, Debug)]
struct Trace {
    trace_id: TraceId,
    spans: Vec<ServiceSpan>,
}

#[derive(Clone, Debug)]
struct ServiceSpan {
    service_name: String,
    span: Span,
}

impl Trace {
    fn draw(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_spans = self.spans.len();
        let noun = if n_spans == 1 { "span" } else { "spans" };
        writeln!(f, "trace {}, {n_spans} {noun}", self.trace_id)?;
        let lines = self.lines();
        let widest = lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
        lines.iter().try_for_each(|line| line.draw(widest.min(MAX_LABEL_WIDTH), f))
    }

    /// Puts the spans into the order in which they are drawn: every one once, whatever the parents are.
    fn lines(&self) -> Vec<Line<'_>> {
        let family = Family::of(self);
        let is_drawn = vec![false; self.spans.len()];
        let mut walk = Walk { trace: self, family: &family, is_drawn, lines: Vec::new() };
        for &root in &family.roots {
            let remark = match parent_span_id(&self.spans[root].span) {
                0 => String::new(),
                parent => format!("  (its parent {parent:016x} is not here)"),
            };
            walk.draw_from(root, remark);
        }
        // What no root leads to stands in a circle, or below one.
        for &in_circle in &family.by_start {
            if !walk.is_drawn[in_circle] {
                walk.draw_from(in_circle, "  (its parents go in a circle)".to_owned());
            }
        }
        walk.lines
    }
}

/// Who is above whom, in positions in the trace.
struct Family {
    by_start: Vec<usize>,
    roots: Vec<usize>,
    children: Vec<Vec<usize>>,
}

impl Family {
    fn of(trace: &Trace) -> Self {
        let spans: Vec<&Span> = trace.spans.iter().map(|service_span| &service_span.span).collect();
        let mut by_start: Vec<usize> = (0..spans.len()).collect();
        by_start.sort_by_key(|&position| spans[position].start_time);
        let mut by_id = HashMap::new();
        for (position, span) in spans.iter().enumerate() {
            // Of several spans with an id the first has the children.
            by_id.entry(span.span_id).or_insert(position);
        }
        let (mut roots, mut children) = (Vec::new(), vec![Vec::new(); spans.len()]);
        for &position in &by_start {
            let parent = parent_span_id(spans[position]);
            match by_id.get(&parent).filter(|_| parent != 0) {
                Some(&parent) => children[parent].push(position),
                None => roots.push(position),
            }
        }
        Self { by_start, roots, children }
    }
}

/// Goes down the trees with a stack of its own: a trace may be deeper than a thread's.
struct Walk<'t, 'f> {
    trace: &'t Trace,
    family: &'f Family,
    is_drawn: Vec<bool>,
    lines: Vec<Line<'t>>,
}

impl Walk<'_, '_> {
    fn draw_from(&mut self, root: usize, mut remark: String) {
        self.is_drawn[root] = true;
        let mut open = vec![Place::root(root)];
        while let Some(place) = open.pop() {
            self.lines.push(Line::new(self.trace, &place, std::mem::take(&mut remark)));
            let mut is_last = true;
            // The first child ends up on top of the stack.
            for &child in self.family.children[place.position].iter().rev() {
                // A span in a circle would come back.
                if !std::mem::replace(&mut self.is_drawn[child], true) {
                    open.push(place.child(child, is_last));
                    is_last = false;
                }
            }
        }
    }
}

/// Where a span stands in the drawing.
struct Place {
    position: usize,
    parent: Option<usize>,
    depth: usize,
    indent: String,
    indent_below: String,
}

impl Place {
    fn root(position: usize) -> Self {
        let indent = "  ".to_owned();
        Self { position, parent: None, depth: 0, indent_below: indent.clone(), indent }
    }

    fn child(&self, position: usize, is_last: bool) -> Self {
        let (corner, line) = match is_last {
            // Deeper down all stand on one column: a chain of thousands would otherwise be megabytes of indentation.
            _ if self.depth >= MAX_DEPTH => ("… ", ""),
            true => ("└─ ", "   "),
            false => ("├─ ", "│  "),
        };
        let indent = format!("{}{corner}", self.indent_below);
        let indent_below = format!("{}{line}", self.indent_below);
        Self { position, parent: Some(self.position), depth: self.depth + 1, indent, indent_below }
    }
}

/// A span's line in the drawing.
struct Line<'a> {
    label: String,
    span: &'a Span,
    remark: String,
}

impl<'a> Line<'a> {
    /// The service is named where it is another than the parent's.
    fn new(trace: &'a Trace, place: &Place, remark: String) -> Self {
        let ServiceSpan { service_name, span } = &trace.spans[place.position];
        let mut label = place.indent.clone();
        if place.parent.is_none_or(|parent| trace.spans[parent].service_name != *service_name) {
            label.push_str(&name_text(service_name));
            label.push_str(": ");
        }
        label.push_str(&name_text(&span.operation_name));
        Self { label, span, remark }
    }

    fn draw(&self, width: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:width$}  {:>9}", self.label, duration_text(self.span.duration))?;
        for (n_tags, tag) in self.span.tags.iter().enumerate() {
            write!(f, "{}{}", if n_tags == 0 { "  " } else { " " }, tag_text(tag))?;
        }
        match self.span.logs.len() {
            0 => {}
            1 => f.write_str("  (1 log)")?,
            n_logs => write!(f, "  ({n_logs} logs)")?,
        }
        writeln!(f, "{}", self.remark)
    }
}

/// Finds the parent in the same trace: some clients give it as a reference alone. 0 is none.
fn parent_span_id(span: &Span) -> i64 {
    let in_trace = |ref_type| {
        let is_parent = |reference: &&SpanRef| {
            let trace_id = (reference.trace_id_high, reference.trace_id_low);
            reference.ref_type == ref_type && trace_id == (span.trace_id_high, span.trace_id_low)
        };
        span.references.iter().find(is_parent).map(|reference| reference.span_id)
    };
    match span.parent_span_id {
        0 => in_trace(SpanRefType::ChildOf)
            .or_else(|| in_trace(SpanRefType::FollowsFrom))
            .unwrap_or(0),
        parent => parent,
    }
}

fn duration_text(micros: i64) -> String {
    match micros {
        ..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        1_000_000.. => format!("{:.2} s", micros as f64 / 1e6),
    }
}

fn tag_text(tag: &Tag) -> String {
    let mut text = name_text(&tag.key);
    text.push('=');
    match &tag.value {
        TagValue::String(value) => text.push_str(&quoted(value)),
        TagValue::Double(value) => text.push_str(&format!("{value:?}")),
        TagValue::Bool(value) => text.push_str(&value.to_string()),
        TagValue::Long(value) => text.push_str(&value.to_string()),
        TagValue::Binary(bytes) => {
            text.push_str("0x");
            for byte in bytes.iter().take(MAX_BYTES) {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
            if bytes.len() > MAX_BYTES {
                let _ = write!(text, "… ({} bytes)", bytes.len());
            }
        }
        _ => text.push('?'),
    }
    text
}

/// A name as it is where it is harmless, otherwise in quotes and escaped.
fn name_text(name: &str) -> String {
    let quoted = quoted(name);
    match quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(bare) if bare == name && !name.is_empty() => bare.to_owned(),
        _ => quoted,
    }
}

/// Text in quotes without anything that a terminal obeys: escapes, line ends, a change of direction.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}

/// Longer labels push their own line to the right and leave the others.
const MAX_LABEL_WIDTH: usize = 60;
const MAX_DEPTH: usize = 24;
const MAX_CHARS: usize = 120;
const MAX_BYTES: usize = 32;

#[cfg(test)]
mod tests;
