//! Keeps finished spans for a test to look at.

use std::sync::Arc;
use std::time::Duration;

use super::{ExportError, ForkRecipe, SpanBatch, SpanExporter};
use crate::record::SpanData;
use crate::sync::BriefMutex;

/// Keeps finished spans in memory. Clones share what they keep, so a test holds on to one of them.
///
/// Nothing bounds it: for tests alone. Once closed, it keeps what it has, and takes no more.
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
    spans: Arc<BriefMutex<Vec<SpanData>>>,
    is_closed: bool,
}

impl InMemoryExporter {
    /// Makes an exporter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the spans that arrived, in that order.
    pub fn finished_spans(&self) -> Vec<SpanData> {
        self.spans.with(|spans| spans.clone())
    }

    /// Forgets the spans that arrived.
    pub fn clear(&self) {
        self.spans.with(Vec::clear);
    }
}

impl SpanExporter for InMemoryExporter {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        if self.is_closed {
            return Err(ExportError::Closed);
        }
        let mut exported = batch.spans().map(SpanData::from).collect();
        self.spans.with(|spans| spans.append(&mut exported));
        Ok(())
    }

    fn close(&mut self, _: Duration) -> Result<(), ExportError> {
        self.is_closed = true;
        Ok(())
    }

    /// Makes one that shares what this one's clones show, and forgets what is from the parent.
    fn fork_recipe(&self) -> Option<ForkRecipe<dyn SpanExporter>> {
        let kept = self.clone();
        Some(ForkRecipe::new(move || -> Box<dyn SpanExporter> {
            kept.clear();
            Box::new(kept.clone())
        }))
    }
}
