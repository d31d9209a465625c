//! What is kept of a span that is to be drawn: short texts that a terminal may be given.

use std::fmt::{self, Write};
use std::sync::Arc;

use super::line::shortened;
use crate::id::SpanId;
use crate::record::{Attributes, EventView, SpanView, ValueView};
use crate::span::{SpanKind, StatusCode};

/// A finished span, shortened.
#[derive(Clone, Debug)]
pub(in super::super) struct TreeSpan {
    pub(super) service_name: Arc<str>,
    pub(in super::super) span_id: SpanId,
    pub(in super::super) parent_span_id: SpanId,
    pub(in super::super) has_remote_parent: bool,
    pub(in super::super) is_parent_drawn: bool,
    pub(super) start_unix_nanos: u64,
    pub(super) duration_nanos: u64,
    kind: SpanKind,
    pub(super) name: String,
    /// What is said about an error; `None` where there was none.
    pub(super) error: Option<String>,
    /// The attributes, and how many links there are.
    pub(super) details: String,
    /// A line for each event.
    pub(super) events: Vec<String>,
}

impl TreeSpan {
    /// Copies what is drawn of a span. The service's name is taken as it is harmless to a terminal.
    pub(in super::super) fn new(service_name: &Arc<str>, span: &SpanView<'_>) -> Self {
        Self {
            service_name: harmless_name(service_name),
            span_id: span.span_id(),
            parent_span_id: span.parent_span_id(),
            has_remote_parent: span.has_remote_parent(),
            is_parent_drawn: false,
            start_unix_nanos: span.start_unix_nanos(),
            duration_nanos: span.duration_nanos(),
            kind: span.kind(),
            name: name_text(span.name().as_str()),
            error: error_text(span),
            details: details_text(span),
            events: event_texts(span),
        }
    }

    /// Returns how much memory the span takes, about.
    pub(in super::super) fn n_bytes(&self) -> usize {
        let texts = [&self.name, &self.details].into_iter().chain(&self.error).chain(&self.events);
        size_of::<Self>() + texts.map(|text| size_of::<String>() + text.capacity()).sum::<usize>()
    }

    /// Returns the kind, empty for the usual one.
    pub(super) fn kind_text(&self) -> &'static str {
        match self.kind {
            SpanKind::Internal => "",
            kind => kind.as_str(),
        }
    }
}

/// Shows a duration in a unit in which it has few digits.
pub(super) fn duration_text(nanos: u64) -> String {
    let with_hundredths =
        |unit: u64, name| format!("{}.{:02} {name}", nanos / unit, nanos % unit / (unit / 100));
    match nanos {
        ..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => with_hundredths(1_000_000, "ms"),
        1_000_000_000.. => with_hundredths(1_000_000_000, "s"),
    }
}

fn error_text(span: &SpanView<'_>) -> Option<String> {
    (span.status() == StatusCode::Error).then(|| match span.status_description() {
        none if none.is_empty() => "ERROR".to_owned(),
        description => format!("ERROR {}", name_text(description.as_str())),
    })
}

fn details_text(span: &SpanView<'_>) -> String {
    let mut text = attributes_text(span.attributes());
    let gap = if text.is_empty() { "" } else { "  " };
    match span.n_links() {
        0 => {}
        1 => text.push_str(&format!("{gap}(1 link)")),
        n_links => text.push_str(&format!("{gap}({n_links} links)")),
    }
    text
}

fn event_texts(span: &SpanView<'_>) -> Vec<String> {
    let shown = span.events().take(MAX_EVENTS);
    let mut texts: Vec<String> =
        shown.map(|event| event_text(&event, span.start_unix_nanos())).collect();
    match span.n_events() - texts.len() {
        0 => {}
        1 => texts.push("… 1 more event".to_owned()),
        n_more => texts.push(format!("… {n_more} more events")),
    }
    texts
}

fn event_text(event: &EventView<'_>, start_unix_nanos: u64) -> String {
    let after = event.unix_nanos().saturating_sub(start_unix_nanos);
    let mut text = format!("{}  +{}", name_text(event.name().as_str()), duration_text(after));
    let attributes = attributes_text(event.attributes());
    if !attributes.is_empty() {
        text.push_str("  ");
        text.push_str(&attributes);
    }
    text
}

fn attributes_text(attributes: Attributes<'_>) -> String {
    let mut short = ShortText::new(MAX_DETAILS_CHARS);
    // Writing fails where there is no more room: what was written until then is shown.
    let _ = write_attributes(&mut short, attributes, " ");
    short.text
}

fn write_attributes(short: &mut ShortText, attributes: Attributes<'_>, gap: &str) -> fmt::Result {
    for (n_before, attribute) in attributes.enumerate() {
        if n_before > 0 {
            short.write_str(gap)?;
        }
        short.write_str(&name_text(attribute.key.as_str()))?;
        short.write_str("=")?;
        write_value(short, attribute.value)?;
    }
    Ok(())
}

fn write_value(short: &mut ShortText, value: ValueView<'_>) -> fmt::Result {
    match value {
        ValueView::Empty => short.write_str("null"),
        ValueView::Bool(value) => write!(short, "{value}"),
        ValueView::I64(value) => write!(short, "{value}"),
        ValueView::F64(value) => write!(short, "{value:?}"),
        ValueView::Str(value) => short.write_str(&quoted(value.as_str())),
        ValueView::Bytes(bytes) => {
            short.write_str("0x")?;
            bytes.iter().take(MAX_BYTES).try_for_each(|byte| write!(short, "{byte:02x}"))?;
            match bytes.len() {
                ..=MAX_BYTES => Ok(()),
                n_bytes => write!(short, "… ({n_bytes} bytes)"),
            }
        }
        ValueView::Array(values) => {
            short.write_str("[")?;
            for (n_before, value) in values.enumerate() {
                if n_before > 0 {
                    short.write_str(", ")?;
                }
                write_value(short, value)?;
            }
            short.write_str("]")
        }
        ValueView::Map(entries) => {
            short.write_str("{")?;
            write_attributes(short, entries, ", ")?;
            short.write_str("}")
        }
    }
}

/// A text that ends in … where it becomes too long.
struct ShortText {
    text: String,
    n_chars_left: usize,
}

impl ShortText {
    fn new(max_chars: usize) -> Self {
        Self { text: String::new(), n_chars_left: max_chars }
    }
}

impl Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let n_chars = text.chars().count();
        if n_chars <= self.n_chars_left {
            self.n_chars_left -= n_chars;
            self.text.push_str(text);
            return Ok(());
        }
        self.text.push_str(&shortened(text, self.n_chars_left.max(1)));
        self.n_chars_left = 0;
        Err(fmt::Error)
    }
}

fn harmless_name(name: &Arc<str>) -> Arc<str> {
    let text = name_text(name);
    if *text == **name { Arc::clone(name) } else { text.into() }
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

/// Of a name, and of a value.
const MAX_CHARS: usize = 120;
const MAX_BYTES: usize = 32;
/// Of all attributes together.
const MAX_DETAILS_CHARS: usize = 1_000;
const MAX_EVENTS: usize = 8;
