//! Shows finished spans: as JSON, in the shapes that OpenTelemetry's Python SDK prints, or as trees.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::trace_tree::TreeStyle;
use super::{ExportError, ForkRecipe, SpanBatch, SpanExporter};
use crate::diagnostics;

mod held;
mod json;
mod python;
mod trees;

use trees::TreeWriter;

/// Writes spans as text, to standard output unless told otherwise; [`ConsoleFormat`] says how they look.
///
/// As JSON a span is one write, as a tree a trace is, and standard output is locked for it, so that lines of other threads do
/// not come in between. A closed pipe is an [`ExportError`], never a panic. As JSON the whole batch then counts as lost, though
/// its first spans may have been written; of trees those count that could not be written.
///
/// ```
/// use otel_core::exporter::{ConsoleExporter, ConsoleFormat};
/// use otel_core::{SimpleProcessor, TracerProvider};
///
/// let exporter = ConsoleExporter::new().format(ConsoleFormat::Tree);
/// let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter)).build();
/// let tracer = provider.tracer("shop");
/// tracer.in_span("HTTP GET", |_| tracer.in_span("connect", |_| {}));
/// ```
pub struct ConsoleExporter {
    out: Box<dyn Write + Send>,
    format: ConsoleFormat,
    text: String,
    trees: TreeWriter,
    is_standard: bool,
    is_closed: bool,
}

impl ConsoleExporter {
    /// Makes an exporter that writes to standard output.
    pub fn new() -> Self {
        let mut exporter = Self { is_standard: true, ..Self::to_writer(io::stdout()) };
        exporter.trees.style = TreeStyle::of_stdout();
        exporter
    }

    /// Makes an exporter that writes to a file, a buffer, or whatever can be written to.
    pub fn to_writer(out: impl Write + Send + 'static) -> Self {
        Self {
            out: Box::new(out),
            format: ConsoleFormat::default(),
            text: String::new(),
            trees: TreeWriter::new(MAX_HELD_BYTES),
            is_standard: false,
            is_closed: false,
        }
    }

    /// Sets how spans are shown. Default: [`ConsoleFormat::Current`].
    pub fn format(mut self, format: ConsoleFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets where the lines of a tree are cut. Unit: characters. At the least 20.
    ///
    /// Default on standard output: the variable `COLUMNS`, or 100 where it is a terminal. Otherwise lines are as long as they
    /// are.
    pub fn width(mut self, columns: usize) -> Self {
        self.trees.style = self.trees.style.width(columns);
        self
    }

    /// Sets whether a tree has colours.
    ///
    /// Default on standard output: where it is a terminal, but never with `NO_COLOR` in the environment, and always with
    /// `CLICOLOR_FORCE`, unless that is 0. Otherwise none.
    pub fn colors(mut self, has_colors: bool) -> Self {
        self.trees.style = self.trees.style.colors(has_colors);
        self
    }

    fn write_json(&mut self, batch: &SpanBatch<'_>) -> io::Result<()> {
        for span in batch.spans() {
            self.text.clear();
            python::write_span(self.format, &span, batch.resource(), &mut self.text);
            self.text.push('\n');
            self.out.write_all(self.text.as_bytes())?;
        }
        // A large span gives its memory back.
        self.text.clear();
        self.text.shrink_to(MAX_KEPT_BYTES);
        self.out.flush()
    }
}

impl Default for ConsoleExporter {
    fn default() -> Self {
        Self::new()
    }
}

impl SpanExporter for ConsoleExporter {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        if self.is_closed {
            return Err(ExportError::Closed);
        }
        if self.format != ConsoleFormat::Tree {
            return self.write_json(batch).map_err(ExportError::failed);
        }
        // A tree has spans of several batches: what cannot be written is counted, and it is not this batch that is lost.
        if let Err(error) = self.trees.take(batch, &mut self.out) {
            diagnostics::warn(
                "console.write",
                format_args!("spans cannot be written to the console: {error}"),
            );
        }
        Ok(())
    }

    fn flush(&mut self, _: Duration) -> Result<(), ExportError> {
        self.trees.write_all(&mut self.out).map_err(ExportError::failed)
    }

    /// Trees that are not complete wait on.
    fn tick(&mut self, _: Duration) -> Result<(), ExportError> {
        self.trees.write_complete(&mut self.out).map_err(ExportError::failed)
    }

    fn close(&mut self, timeout: Duration) -> Result<(), ExportError> {
        self.is_closed = true;
        self.flush(timeout)
    }

    fn lost_spans(&self) -> u64 {
        self.trees.lost_spans()
    }

    fn held_spans(&self) -> u64 {
        self.trees.held_spans()
    }

    /// Standard output is the child's as well; any other writer is the parent's alone. What is held is the parent's too.
    fn fork_recipe(&self) -> Option<ForkRecipe<dyn SpanExporter>> {
        let (format, style) = (self.format, self.trees.style);
        let make = move || -> Box<dyn SpanExporter> {
            let mut exporter = Self::new().format(format);
            exporter.trees.style = style;
            Box::new(exporter)
        };
        self.is_standard.then(|| ForkRecipe::new(make))
    }
}

impl fmt::Debug for ConsoleExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleExporter")
            .field("format", &self.format)
            .field("style", &self.trees.style)
            .finish_non_exhaustive()
    }
}

/// How a [`ConsoleExporter`] shows spans.
///
/// JSON has an object for each span as it ends, with an indent of four. Ids are `"0x"` and hexadecimal digits, times are UTC with six
/// digits of a second and `null` for the epoch itself, empty objects and arrays stand on one line, and what is not ASCII is
/// written `\uXXXX`. Two things are other than Python's: not-a-number and infinities are quoted, since bare they are no JSON, and bytes
/// that are no text are written as hexadecimal digits.
///
/// Source: `opentelemetry-python:opentelemetry-sdk/src/opentelemetry/sdk/trace/__init__.py`, `to_json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConsoleFormat {
    /// JSON as of May 2020: the status is a `canonical_code`, `OK` where nobody set it and `UNKNOWN` for an error; the trace
    /// state is a dictionary, and there is no resource.
    Python2020,
    /// JSON as the guide of October 2021 shows it: the status is a `status_code`, `OK` where nobody set it; the trace state is a
    /// dictionary, and there is no resource.
    Python2021,
    /// JSON as of February 2021, which the Lightstep launcher shows when it debugs: the status may be `UNSET`, the trace state
    /// is a list, and the resource is its attributes.
    Launcher,
    /// JSON as of today: like [`Launcher`](Self::Launcher), but the resource has `attributes` and a `schema_url`.
    #[default]
    Current,
    /// A tree for people: children below their parent, with durations, errors, attributes and events.
    ///
    /// Spans end before their parents do, so they wait until one comes that has no parent in this process, and behind a batch
    /// processor until the end of its interval. What ends after its parent was drawn comes as a tree of its own. Flush and
    /// close draw what still waits. Past 4 MiB what has waited longest is drawn as it is. What waits counts as pending, and
    /// what cannot be written as undelivered.
    Tree,
}

/// Several thousand spans.
const MAX_HELD_BYTES: usize = 4 << 20;
const MAX_KEPT_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests;
