//! Keeps finished spans for a test to look at.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{ExportError, SpanBatch, SpanExporter};
use crate::record::SpanData;

/// Keeps finished spans in memory. Clones share what they keep, so a test holds on to one of them.
///
/// Nothing bounds it: for tests alone.
///
/// ```
/// use otel_core::exporter::InMemoryExporter;
/// use otel_core::{SimpleProcessor, TracerProvider};
///
/// let exporter = InMemoryExporter::new();
/// let provider = TracerProvider::builder().processor(SimpleProcessor::new(exporter.clone())).build();
/// provider.tracer("test").start("work").end();
/// assert_eq!(exporter.finished_spans()[0].name, "work");
/// ```
#[derive(Clone, Debug, Default)]
pub struct InMemoryExporter {
    spans: Arc<Mutex<Vec<SpanData>>>,
}

impl InMemoryExporter {
    /// Makes an exporter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the spans that arrived, in that order.
    pub fn finished_spans(&self) -> Vec<SpanData> {
        self.spans.lock().clone()
    }

    /// Forgets the spans that arrived.
    pub fn clear(&self) {
        self.spans.lock().clear();
    }
}

impl SpanExporter for InMemoryExporter {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        self.spans.lock().extend(batch.spans().map(SpanData::from));
        Ok(())
    }
}
