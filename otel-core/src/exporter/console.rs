//! Shows finished spans: as JSON, in the shapes that OpenTelemetry's Python SDK prints, or as trees.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::{ExportError, ForkRecipe, SpanBatch, SpanExporter};

mod json;
mod python;

/// Writes each span as one JSON object with an indent of four spaces, to standard output unless told otherwise.
///
/// Ids are `"0x"` and hexadecimal digits, times are UTC with six digits of a second and `null` for the epoch itself, empty
/// objects and arrays stand on one line, and what is not ASCII is written `\uXXXX`. Two things are other than Python's: not-a-number
/// and infinities are quoted, since bare they are no JSON, and bytes that are no text are written as hexadecimal digits.
///
/// A span is one write, and standard output is locked for it, so that lines of other threads do not come in between. A closed
/// pipe is an [`ExportError`], never a panic; the batch then counts as lost, though its first spans may have been written.
///
/// ```
/// use otel_core::exporter::{ConsoleExporter, ConsoleFormat};
/// use otel_core::{SimpleProcessor, TracerProvider};
///
/// let exporter = ConsoleExporter::new().format(ConsoleFormat::Launcher);
/// let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter)).build();
/// provider.tracer("shop").start("HTTP GET").end();
/// ```
///
/// Source: `opentelemetry-python:opentelemetry-sdk/src/opentelemetry/sdk/trace/__init__.py`, `to_json`.
pub struct ConsoleExporter {
    out: Box<dyn Write + Send>,
    format: ConsoleFormat,
    text: String,
    is_standard: bool,
    is_closed: bool,
}

impl ConsoleExporter {
    /// Makes an exporter that writes to standard output.
    pub fn new() -> Self {
        Self { is_standard: true, ..Self::to_writer(io::stdout()) }
    }

    /// Makes an exporter that writes to a file, a buffer, or whatever can be written to.
    pub fn to_writer(out: impl Write + Send + 'static) -> Self {
        Self {
            out: Box::new(out),
            format: ConsoleFormat::default(),
            text: String::new(),
            is_standard: false,
            is_closed: false,
        }
    }

    /// Sets how spans are shown. Default: [`ConsoleFormat::Current`].
    pub fn format(mut self, format: ConsoleFormat) -> Self {
        self.format = format;
        self
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
        for span in batch.spans() {
            self.text.clear();
            python::write_span(self.format, &span, batch.resource(), &mut self.text);
            self.text.push('\n');
            self.out.write_all(self.text.as_bytes()).map_err(ExportError::failed)?;
        }
        self.out.flush().map_err(ExportError::failed)
    }

    fn flush(&mut self, _: Duration) -> Result<(), ExportError> {
        self.out.flush().map_err(ExportError::failed)
    }

    fn close(&mut self, timeout: Duration) -> Result<(), ExportError> {
        self.is_closed = true;
        self.flush(timeout)
    }

    /// Standard output is the child's as well; any other writer is the parent's alone.
    fn fork_recipe(&self) -> Option<ForkRecipe<dyn SpanExporter>> {
        let format = self.format;
        let make = move || -> Box<dyn SpanExporter> { Box::new(Self::new().format(format)) };
        self.is_standard.then(|| ForkRecipe::new(make))
    }
}

impl fmt::Debug for ConsoleExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleExporter").field("format", &self.format).finish_non_exhaustive()
    }
}

/// How a [`ConsoleExporter`] shows spans.
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
}

#[cfg(test)]
mod tests;
