//! Shows finished spans as JSON, in the shape that OpenTelemetry's Python SDK prints.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::{ExportError, ForkRecipe, SpanBatch, SpanExporter};
use crate::record::{Attributes, EventView, LinkView, SpanView, ValueView};
use crate::resource::Resource;
use crate::span::{SpanKind, StatusCode};

/// Writes each span as one JSON object with an indent of four spaces, to standard output unless told otherwise.
///
/// Ids are `"0x"` and hexadecimal digits, times are UTC with six digits of a second, empty objects and arrays stand on
/// one line. Not-a-number and infinities are quoted, which Python's are not: bare, they are no JSON. A closed pipe is an
/// [`ExportError`], never a panic.
///
/// Source: `opentelemetry-python:opentelemetry-sdk/src/opentelemetry/sdk/trace/__init__.py`, `to_json`.
pub struct ConsoleExporter {
    out: Box<dyn Write + Send>,
    text: String,
    is_standard: bool,
}

impl ConsoleExporter {
    /// Makes an exporter that writes to standard output.
    pub fn new() -> Self {
        Self { is_standard: true, ..Self::to_writer(io::stdout()) }
    }

    /// Makes an exporter that writes to a file, a buffer, or whatever can be written to.
    pub fn to_writer(out: impl Write + Send + 'static) -> Self {
        Self { out: Box::new(out), text: String::new(), is_standard: false }
    }
}

impl Default for ConsoleExporter {
    fn default() -> Self {
        Self::new()
    }
}

impl SpanExporter for ConsoleExporter {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        for span in batch.spans() {
            self.text.clear();
            write_span(&mut Json::new(&mut self.text), &span, batch.resource());
            self.text.push('\n');
            // One write a span, so that lines of other threads do not come in between.
            self.out.write_all(self.text.as_bytes()).map_err(ExportError::failed)?;
        }
        self.out.flush().map_err(ExportError::failed)
    }

    fn flush(&mut self, _: Duration) -> Result<(), ExportError> {
        self.out.flush().map_err(ExportError::failed)
    }

    /// Standard output is the child's as well; any other writer is the parent's alone.
    fn fork_recipe(&self) -> Option<ForkRecipe<dyn SpanExporter>> {
        let make = || -> Box<dyn SpanExporter> { Box::new(Self::new()) };
        self.is_standard.then(|| ForkRecipe::new(make))
    }
}

impl fmt::Debug for ConsoleExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleExporter").finish_non_exhaustive()
    }
}

fn write_span(json: &mut Json<'_>, span: &SpanView<'_>, resource: &Resource) {
    json.object(|json| {
        json.key("name").text(span.name().as_str());
        json.key("context").object(|json| {
            json.key("trace_id").text(&format!("0x{}", span.trace_id()));
            json.key("span_id").text(&format!("0x{}", span.span_id()));
            json.key("trace_state").text(&trace_state_list(span.trace_state().as_str()));
        });
        json.key("kind").text(kind_name(span.kind()));
        match span.parent_span_id() {
            parent if parent.is_valid() => json.key("parent_id").text(&format!("0x{parent}")),
            _ => json.key("parent_id").bare("null"),
        }
        json.key("start_time").text(&utc_time(span.start_unix_nanos()));
        json.key("end_time").text(&utc_time(span.end_unix_nanos()));
        json.key("status").object(|json| {
            json.key("status_code").text(span.status().as_str());
            if span.status() == StatusCode::Error && !span.status_description().is_empty() {
                json.key("description").text(span.status_description().as_str());
            }
        });
        json.key("attributes").attributes(span.attributes());
        json.key("events").array(|json| span.events().for_each(|event| write_event(json, &event)));
        json.key("links").array(|json| span.links().for_each(|link| write_link(json, &link)));
        json.key("resource").object(|json| {
            json.key("attributes").attributes(resource.attributes());
            json.key("schema_url").text("");
        });
    });
}

fn write_event(json: &mut Json<'_>, event: &EventView<'_>) {
    json.item().object(|json| {
        json.key("name").text(event.name().as_str());
        json.key("timestamp").text(&utc_time(event.unix_nanos()));
        json.key("attributes").attributes(event.attributes());
    });
}

fn write_link(json: &mut Json<'_>, link: &LinkView<'_>) {
    json.item().object(|json| {
        json.key("context").object(|json| {
            json.key("trace_id").text(&format!("0x{}", link.trace_id()));
            json.key("span_id").text(&format!("0x{}", link.span_id()));
            json.key("trace_state").text(&trace_state_list(link.trace_state().as_str()));
        });
        json.key("attributes").attributes(link.attributes());
    });
}

fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "SpanKind.INTERNAL",
        SpanKind::Client => "SpanKind.CLIENT",
        SpanKind::Server => "SpanKind.SERVER",
        SpanKind::Producer => "SpanKind.PRODUCER",
        SpanKind::Consumer => "SpanKind.CONSUMER",
    }
}

/// Shows a trace state as Python shows the list of its entries.
fn trace_state_list(trace_state: &str) -> String {
    let entries: Vec<String> = trace_state
        .split(',')
        .filter_map(|member| member.split_once('='))
        .map(|(key, value)| format!("'{{key={key}, value={value}}}'"))
        .collect();
    format!("[{}]", entries.join(", "))
}

/// Shows a moment as `2020-05-07T14:39:52.906272Z`.
fn utc_time(unix_nanos: u64) -> String {
    let (seconds, micros) = (unix_nanos / 1_000_000_000, unix_nanos % 1_000_000_000 / 1_000);
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) =
        (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Returns year, month and day, of days since 1970-01-01, in the Gregorian calendar.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Counted from 1 March of the year 0, so that a leap day is the last of its year.
    let days = days + 719_468;
    let era = days / DAYS_OF_400_YEARS;
    let day_of_era = days % DAYS_OF_400_YEARS;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

const DAYS_OF_400_YEARS: u64 = 146_097;

/// Writes JSON with an indent of four, as Python's `json.dumps(…, indent=4)` does.
struct Json<'a> {
    out: &'a mut String,
    depth: usize,
    /// Nothing stands in the innermost object or array yet.
    is_empty: bool,
}

impl<'a> Json<'a> {
    fn new(out: &'a mut String) -> Self {
        Self { out, depth: 0, is_empty: true }
    }

    fn key(&mut self, key: &str) -> &mut Self {
        self.item();
        self.text(key);
        self.out.push_str(": ");
        self
    }

    /// Begins the next value of an array, or the next key of an object.
    fn item(&mut self) -> &mut Self {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        self.new_line();
        self
    }

    fn object(&mut self, write: impl FnOnce(&mut Json<'_>)) {
        self.enclosed('{', '}', write);
    }

    fn array(&mut self, write: impl FnOnce(&mut Json<'_>)) {
        self.enclosed('[', ']', write);
    }

    fn enclosed(&mut self, open: char, close: char, write: impl FnOnce(&mut Json<'_>)) {
        self.out.push(open);
        let mut inner = Json { out: self.out, depth: self.depth + 1, is_empty: true };
        write(&mut inner);
        if !inner.is_empty {
            self.new_line();
        }
        self.out.push(close);
    }

    fn attributes(&mut self, attributes: Attributes<'_>) {
        self.object(|json| {
            for attribute in attributes {
                json.key(attribute.key.as_str()).value(attribute.value);
            }
        });
    }

    fn value(&mut self, value: ValueView<'_>) {
        match value {
            ValueView::Empty => self.bare("null"),
            ValueView::Bool(value) => self.bare(if value { "true" } else { "false" }),
            ValueView::I64(value) => self.bare(&value.to_string()),
            ValueView::F64(value) if value.is_finite() => self.bare(&format!("{value:?}")),
            ValueView::F64(value) if value.is_nan() => self.text("NaN"),
            ValueView::F64(value) => self.text(if value > 0.0 { "Infinity" } else { "-Infinity" }),
            ValueView::Str(value) => self.text(value.as_str()),
            ValueView::Bytes(value) => self.text(&String::from_utf8_lossy(value)),
            ValueView::Array(values) => {
                self.array(|json| values.for_each(|value| json.item().value(value)))
            }
            ValueView::Map(entries) => self.attributes(entries),
        }
    }

    fn bare(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                ' '..='~' => self.out.push(character),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        self.out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        self.out.push('"');
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', 4 * self.depth));
    }
}

#[cfg(test)]
mod tests;
