//! Spans drawn for a terminal: a tree for a trace, a line for a span, children below their parent and further right.
//!
//! What is drawn may come from anywhere, so nothing in it is trusted: not that parents exist or go up to a root, not that
//! names are harmless to a terminal, and not that anything is short.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::id::{SpanId, TraceId};
use crate::record::SpanView;

mod line;
mod span;
mod style;

use line::Line;
pub(super) use span::TreeSpan;
pub(super) use style::TreeStyle;

/// Finished spans by trace. Its text is the drawing, empty for no spans: traces and children in the order of their starts.
///
/// [`ConsoleFormat::Tree`](super::ConsoleFormat::Tree) draws what a program records; this draws spans wherever they come from.
///
/// ```
/// use otel_core::exporter::TraceTrees;
/// use otel_core::record::{SpanBuf, SpanIds, SpanTimes};
/// use otel_core::{InstrumentationScope, SpanId, SpanKind, SpanLimits, TraceId};
///
/// let ids = SpanIds {
///     trace_id: TraceId::from_parts(0, 0xabc),
///     span_id: SpanId::new(1),
///     ..SpanIds::default()
/// };
/// let mut buf = SpanBuf::new();
/// buf.start("first-span", SpanKind::Client, ids);
/// buf.set_attribute("first-tag", "100".into(), &SpanLimits::UNLIMITED);
/// let times = SpanTimes { start_unix_nanos: 0, duration_nanos: 1_250_000 };
/// let mut trees = TraceTrees::new();
/// trees.add("first-service", &buf.finish(times, &InstrumentationScope::default()));
/// assert_eq!(
///     trees.to_string(),
///     "trace 0000000000000abc, 1 span
///   first-service: first-span    1.25 ms  client  first-tag=\"100\"\n"
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct TraceTrees {
    traces: Vec<Trace>,
    positions: HashMap<TraceId, usize>,
    style: TreeStyle,
    last_service_name: Arc<str>,
}

impl TraceTrees {
    /// Makes a drawing with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets where lines are cut. Unit: characters. At the least 20. Default: nowhere.
    #[must_use]
    pub fn width(mut self, columns: usize) -> Self {
        self.style = self.style.width(columns);
        self
    }

    /// Sets whether there are colours. Default: none.
    #[must_use]
    pub fn colors(mut self, has_colors: bool) -> Self {
        self.style = self.style.colors(has_colors);
        self
    }

    /// Sets what suits standard output: lines as wide as the variable `COLUMNS` says, or 100 where it is a terminal, and colours
    /// where it is one.
    ///
    /// `NO_COLOR` with any text in it means no colours, and `CLICOLOR_FORCE`, unless it is 0, means colours for whatever is
    /// at the other end.
    #[must_use]
    pub fn for_stdout(mut self) -> Self {
        self.style = TreeStyle::of_stdout();
        self
    }

    /// Adds a span of a service to its trace. What is too long to be drawn is not kept.
    pub fn add(&mut self, service_name: &str, span: &SpanView<'_>) {
        if *self.last_service_name != *service_name {
            self.last_service_name = service_name.into();
        }
        let trace_id = span.trace_id();
        let position = *self.positions.entry(trace_id).or_insert_with(|| {
            self.traces.push(Trace { trace_id, spans: Vec::new() });
            self.traces.len() - 1
        });
        self.traces[position].spans.push(TreeSpan::new(&self.last_service_name, span));
    }

    /// Tells whether there are no spans.
    pub fn is_empty(&self) -> bool {
        self.traces.is_empty()
    }
}

impl fmt::Display for TraceTrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut traces: Vec<&Trace> = self.traces.iter().collect();
        traces.sort_by_key(|trace| trace.spans.iter().map(|span| span.start_unix_nanos).min());
        traces.into_iter().try_for_each(|trace| trace.draw(self.style, f))
    }
}

/// Spans of a trace as they arrived.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) trace_id: TraceId,
    pub(super) spans: Vec<TreeSpan>,
}

impl Trace {
    /// Draws the spans, with a line about the trace above.
    pub(super) fn draw(&self, style: TreeStyle, out: &mut impl fmt::Write) -> fmt::Result {
        let n_spans = self.spans.len();
        let noun = if n_spans == 1 { "span" } else { "spans" };
        let mut head = Line::default();
        head.bold(format!("trace {}, {n_spans} {noun}", TraceName(self.trace_id)));
        // Whoever looks for the trace elsewhere needs the whole id.
        head.draw(style.width(usize::MAX), out)?;
        let rows = self.rows();
        let widest = rows.iter().map(Row::n_label_chars).max().unwrap_or(0);
        let n_label_chars = widest.min(style.max_label_chars());
        rows.iter().try_for_each(|row| row.draw(n_label_chars, style, out))
    }

    /// Puts the spans into the order in which they are drawn: every one once, whatever the parents are.
    fn rows(&self) -> Vec<Row<'_>> {
        let family = Family::of(&self.spans);
        let is_drawn = vec![false; self.spans.len()];
        let mut walk = Walk { spans: &self.spans, family: &family, is_drawn, rows: Vec::new() };
        for &root in &family.roots {
            walk.draw_from(root, root_remark(&self.spans[root]));
        }
        // What no root leads to stands in a circle, or below one.
        for &in_circle in &family.by_start {
            if !walk.is_drawn[in_circle] {
                walk.draw_from(in_circle, "(its parents go in a circle)".to_owned());
            }
        }
        walk.rows
    }
}

/// A trace id of 64 bits is shown as such, which is how Jaeger shows it too.
struct TraceName(TraceId);

impl fmt::Display for TraceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.high() {
            0 => write!(f, "{:016x}", self.0.low()),
            _ => write!(f, "{}", self.0),
        }
    }
}

fn root_remark(span: &TreeSpan) -> String {
    let place = match span.parent_span_id.is_valid() {
        false => return String::new(),
        true if span.is_parent_drawn => "was drawn before",
        true if span.has_remote_parent => "is elsewhere",
        true => "is not here",
    };
    format!("(its parent {} {place})", span.parent_span_id)
}

/// Who is above whom, in positions among the spans.
pub(super) struct Family {
    by_start: Vec<usize>,
    pub(super) roots: Vec<usize>,
    pub(super) children: Vec<Vec<usize>>,
}

impl Family {
    pub(super) fn of(spans: &[TreeSpan]) -> Self {
        let mut by_start: Vec<usize> = (0..spans.len()).collect();
        by_start.sort_by_key(|&position| spans[position].start_unix_nanos);
        let mut by_id: HashMap<SpanId, usize> = HashMap::new();
        for (position, span) in spans.iter().enumerate() {
            // Of several spans with an id the first has the children.
            by_id.entry(span.span_id).or_insert(position);
        }
        let (mut roots, mut children) = (Vec::new(), vec![Vec::new(); spans.len()]);
        for &position in &by_start {
            let parent = spans[position].parent_span_id;
            match by_id.get(&parent).filter(|_| parent.is_valid()) {
                Some(&parent) => children[parent].push(position),
                None => roots.push(position),
            }
        }
        Self { by_start, roots, children }
    }
}

/// Goes down the trees with a stack of its own: a trace may be deeper than a thread's.
struct Walk<'t, 'f> {
    spans: &'t [TreeSpan],
    family: &'f Family,
    is_drawn: Vec<bool>,
    rows: Vec<Row<'t>>,
}

impl<'t> Walk<'t, '_> {
    fn draw_from(&mut self, root: usize, mut remark: String) {
        self.is_drawn[root] = true;
        let mut open = vec![Place::root(root)];
        while let Some(place) = open.pop() {
            let n_open = open.len();
            // The first child ends up on top of the stack.
            for &child in self.family.children[place.position].iter().rev() {
                // A span in a circle would come back.
                if !std::mem::replace(&mut self.is_drawn[child], true) {
                    open.push(place.child(child, open.len() == n_open));
                }
            }
            let has_children = open.len() > n_open;
            self.rows.push(self.row(place, has_children, std::mem::take(&mut remark)));
        }
    }

    fn row(&self, place: Place, has_children: bool, remark: String) -> Row<'t> {
        let span = &self.spans[place.position];
        let parent = place.parent.map(|parent| &self.spans[parent]);
        // The service is named where it is another than the parent's.
        let names_service = parent.is_none_or(|parent| parent.service_name != span.service_name);
        Row { span, place, has_children, names_service, remark }
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

/// A span's lines in the drawing: its own, and one for each event.
struct Row<'t> {
    span: &'t TreeSpan,
    place: Place,
    has_children: bool,
    names_service: bool,
    remark: String,
}

impl Row<'_> {
    fn n_label_chars(&self) -> usize {
        let texts = [&self.place.indent, self.service_text(), self.service_end(), &self.span.name];
        texts.into_iter().map(|text| text.chars().count()).sum()
    }

    fn service_text(&self) -> &str {
        if self.names_service { &self.span.service_name } else { "" }
    }

    fn service_end(&self) -> &str {
        if self.names_service { ": " } else { "" }
    }

    fn draw(
        &self,
        n_label_chars: usize,
        style: TreeStyle,
        out: &mut impl fmt::Write,
    ) -> fmt::Result {
        let span = self.span;
        let mut line = Line::default();
        line.dim(&self.place.indent);
        line.cyan(self.service_text());
        line.dim(self.service_end());
        let max_chars = style.max_name_chars().saturating_sub(line.n_chars());
        let name = line::shortened(&span.name, max_chars.max(MIN_NAME_CHARS));
        if span.error.is_some() {
            line.red(name)
        } else {
            line.plain(name)
        }
        line.plain(" ".repeat(n_label_chars.saturating_sub(line.n_chars())));
        line.plain(format!("  {:>9}", span::duration_text(span.duration_nanos)));
        line.dim(after_two_spaces(span.kind_text()));
        line.red(after_two_spaces(span.error.as_deref().unwrap_or_default()));
        line.dim(after_two_spaces(&self.remark));
        line.plain(after_two_spaces(&span.details));
        line.draw(style, out)?;
        let below = if self.has_children { "│  " } else { "   " };
        for event in &span.events {
            let mut line = Line::default();
            line.dim(format!("{}{below}· ", self.place.indent_below));
            line.plain(event);
            line.draw(style, out)?;
        }
        Ok(())
    }
}

fn after_two_spaces(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("  {text}") }
}

const MAX_DEPTH: usize = 24;
/// However deep a span stands, so much of its name is there.
const MIN_NAME_CHARS: usize = 8;

#[cfg(test)]
mod tests;
