//! Takes finished spans and does nothing with them.

use std::time::Duration;

use super::{ExportError, ForkRecipe, SpanBatch, SpanExporter};

/// Takes all spans as delivered, and forgets them: to measure what comes before, or to switch an exporter off.
///
/// ```
/// use std::time::Duration;
///
/// use otel_core::exporter::NoopExporter;
/// use otel_core::{BatchProcessor, TracerProvider};
///
/// let provider = TracerProvider::builder().processor(BatchProcessor::new(NoopExporter::new())).build();
/// provider.tracer("test").start("work").end();
/// assert_eq!(provider.close(Duration::from_secs(5))?.exported_spans, 1);
/// # Ok::<(), otel_core::FlushError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopExporter {
    is_closed: bool,
}

impl NoopExporter {
    /// Makes the exporter.
    pub const fn new() -> Self {
        Self { is_closed: false }
    }
}

impl SpanExporter for NoopExporter {
    fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
        if self.is_closed { Err(ExportError::Closed) } else { Ok(()) }
    }

    fn close(&mut self, _: Duration) -> Result<(), ExportError> {
        self.is_closed = true;
        Ok(())
    }

    fn fork_recipe(&self) -> Option<ForkRecipe<dyn SpanExporter>> {
        Some(ForkRecipe::new(|| -> Box<dyn SpanExporter> { Box::new(Self::new()) }))
    }
}
