//! Where finished spans go.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::foreign;
use crate::instrumentation_scope::InstrumentationScope;
use crate::record::SpanView;
use crate::resource::Resource;

mod console;
mod in_memory;
mod noop;
#[cfg(feature = "otlp")]
pub mod otlp;
mod trace_tree;

pub use console::{ConsoleExporter, ConsoleFormat};
pub use in_memory::InMemoryExporter;
pub use noop::NoopExporter;
pub use trace_tree::TraceTrees;

/// Takes finished spans out of the process, or shows them.
///
/// An exporter is called by one thread at a time, which may be the batch processor's worker. It must come back: a slow
/// exporter holds up the queue, and a full queue drops spans.
///
/// # Accounts
///
/// `export` answering Ok takes over all spans of the batch; those it cannot deliver after all are to be counted in
/// [`lost_spans`](Self::lost_spans). An error means that the whole batch is lost. So a processor always knows:
/// finished = delivered + lost.
///
/// ```
/// use otel_core::exporter::{ExportError, SpanBatch, SpanExporter};
///
/// /// Prints names only.
/// #[derive(Debug)]
/// struct NameExporter;
///
/// impl SpanExporter for NameExporter {
///     fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
///         for span in batch.spans() {
///             println!("{} took {} ns", span.name(), span.duration_nanos());
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait SpanExporter: fmt::Debug + Send + 'static {
    /// Takes the spans of a batch.
    ///
    /// # Errors
    ///
    /// An error means that none of them was delivered or ever will be.
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError>;

    /// Sends what is still held back, and counts what turns out to be lost.
    ///
    /// # Errors
    ///
    /// [`ExportError::Later`] where the rest can only be tried again after a while: whoever flushes waits that long, unless a
    /// close comes in between, and asks again. An exporter itself does not sleep here.
    ///
    /// Where something could not be sent, unless the exporter said so itself: the error is logged. What was lost by it is
    /// in [`lost_spans`](Self::lost_spans).
    fn flush(&mut self, timeout: Duration) -> Result<(), ExportError> {
        let _ = timeout;
        Ok(())
    }

    /// Sends what is still held back at the end of an interval, when nobody waits for it: an exporter that would have to
    /// wait itself, as before it tries once more, comes back at once and is asked again after the next interval.
    ///
    /// Default: [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// As for [`flush`](Self::flush).
    fn tick(&mut self, timeout: Duration) -> Result<(), ExportError> {
        self.flush(timeout)
    }

    /// Sends what is still held back, and lets go of what the exporter holds. Later batches are refused.
    ///
    /// # Errors
    ///
    /// As for [`flush`](Self::flush).
    fn close(&mut self, timeout: Duration) -> Result<(), ExportError> {
        self.flush(timeout)
    }

    /// Returns how many of the spans taken over since the start were lost after all.
    fn lost_spans(&self) -> u64 {
        0
    }

    /// Returns how many of the spans taken over wait to be sent: until a flush, or the close where a flush had not enough
    /// time.
    fn held_spans(&self) -> u64 {
        0
    }

    /// Tells that the queue dropped spans before they came here: their number since the start. An exporter whose
    /// protocol has a place for the number hands it on.
    fn note_queue_drops(&mut self, dropped_spans: u64) {
        let _ = dropped_spans;
    }

    /// Returns how to make an exporter for the child of a `fork`, with connections and counts of its own. Processors ask for
    /// it when they are made.
    ///
    /// This exporter itself is out of the child's reach: it is with a thread that is not there, perhaps in the middle of
    /// something. So the recipe takes nothing from it that changes, and no lock.
    ///
    /// Default: none. Spans that end in the child are then lost, and counted in
    /// [`SpanCounts::failed_spans`](crate::SpanCounts::failed_spans).
    fn fork_recipe(&self) -> Option<ForkRecipe<dyn SpanExporter>> {
        None
    }
}

/// Makes an exporter, or a part of one, in the child of a `fork`; see [`SpanExporter::fork_recipe`].
///
/// ```
/// use otel_core::exporter::{ConsoleExporter, ForkRecipe, SpanExporter};
///
/// let make = || -> Box<dyn SpanExporter> { Box::new(ConsoleExporter::new()) };
/// let recipe = ForkRecipe::new(make);
/// assert_eq!(recipe.make().lost_spans(), 0);
/// ```
pub struct ForkRecipe<T: ?Sized> {
    make: Arc<dyn Fn() -> Box<T> + Send + Sync>,
}

impl<T: ?Sized> ForkRecipe<T> {
    /// Keeps a function to be called in the child, or in the child's child.
    pub fn new(make: impl Fn() -> Box<T> + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make) }
    }

    /// Calls the function.
    pub fn make(&self) -> Box<T> {
        (self.make)()
    }
}

impl<T: ?Sized> Clone for ForkRecipe<T> {
    fn clone(&self) -> Self {
        Self { make: Arc::clone(&self.make) }
    }
}

impl<T: ?Sized> fmt::Debug for ForkRecipe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForkRecipe").finish_non_exhaustive()
    }
}

/// Makes an exporter for this process, which was forked; without a recipe that works, one that refuses every batch.
pub(crate) fn for_child(recipe: Option<&ForkRecipe<dyn SpanExporter>>) -> Box<dyn SpanExporter> {
    recipe
        .and_then(|recipe| foreign::call(|| recipe.make()))
        .unwrap_or_else(|| Box::new(NoExporter))
}

/// Stands where an exporter cannot follow.
#[derive(Debug)]
struct NoExporter;

impl SpanExporter for NoExporter {
    fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
        Err(ExportError::failed("there is no exporter for the child of a fork"))
    }
}

/// Some finished spans of one provider, in the order in which they were queued.
#[derive(Clone, Copy)]
pub struct SpanBatch<'a> {
    resource: &'a Resource,
    scopes: &'a [InstrumentationScope],
    frames: &'a [u8],
    n_spans: &'a SpanCount,
}

impl<'a> SpanBatch<'a> {
    /// Puts a batch together of frames that stand one after another.
    pub(crate) fn new(
        resource: &'a Resource,
        scopes: &'a [InstrumentationScope],
        frames: &'a [u8],
        n_spans: &'a SpanCount,
    ) -> Self {
        Self { resource, scopes, frames, n_spans }
    }

    /// Returns what the spans are about: their service, host and process.
    pub fn resource(&self) -> &'a Resource {
        self.resource
    }

    /// Visits the spans.
    pub fn spans(&self) -> impl Iterator<Item = SpanView<'a>> + use<'a> {
        let (mut spans, count) = (SpanView::all_in(self.frames, self.scopes), self.n_spans);
        let mut n_visited = 0;
        std::iter::from_fn(move || {
            let span = spans.next();
            match span {
                Some(_) => n_visited += 1,
                None => count.set(n_visited),
            }
            span
        })
    }

    /// Tells whether the batch is one span that is exported as it ends, with nobody to come and ask for more in a while: a simple
    /// processor's. A batch processor's are counted by whoever visits them, and have not been.
    pub(crate) fn comes_alone(&self) -> bool {
        self.n_spans.get() == Some(1)
    }

    /// Returns how many spans there are. Counts them, unless all were visited before.
    pub fn len(&self) -> usize {
        self.n_spans.get().unwrap_or_else(|| self.spans().count())
    }

    /// Tells whether there are no spans.
    pub fn is_empty(&self) -> bool {
        self.spans().next().is_none()
    }
}

impl fmt::Debug for SpanBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanBatch").field("spans", &self.len()).finish_non_exhaustive()
    }
}

/// How many spans a batch has, once somebody has counted them. To count them ahead of the export would be a second walk over
/// all records, which comes to a tenth of what the export costs.
pub(crate) struct SpanCount(AtomicUsize);

impl SpanCount {
    pub(crate) fn unknown() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }

    pub(crate) fn known(n_spans: usize) -> Self {
        Self(AtomicUsize::new(n_spans))
    }

    // Relaxed, here and below: a number that guards no other memory, and the same whoever writes it.
    fn get(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|n_spans| *n_spans != usize::MAX)
    }

    fn set(&self, n_spans: usize) {
        self.0.store(n_spans, Ordering::Relaxed);
    }
}

/// Why a batch was not delivered.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExportError {
    /// The exporter was closed before.
    Closed,
    /// There was not enough time.
    TimedOut,
    /// What is left can be tried again after so much time. Nothing is lost by it.
    Later(Duration),
    /// The exporter says why.
    Failed(Box<dyn Error + Send + Sync>),
}

impl ExportError {
    /// Wraps an exporter's own reason.
    pub fn failed(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(reason.into())
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the exporter is closed"),
            Self::TimedOut => f.write_str("the exporter had not enough time"),
            Self::Later(wait) => {
                write!(f, "the exporter tries again in {} ms", wait.as_millis())
            }
            Self::Failed(reason) => write!(f, "the exporter failed: {reason}"),
        }
    }
}

impl Error for ExportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(reason) => Some(reason.as_ref()),
            Self::Closed | Self::TimedOut | Self::Later(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{SpanBuf, SpanIds, SpanTimes};
    use crate::span::SpanKind;

    #[test]
    fn a_batch_knows_its_length_however_much_of_it_was_visited() {
        let (mut buf, scope) = (SpanBuf::new(), InstrumentationScope::default());
        buf.start("span", SpanKind::Internal, SpanIds::default());
        let one = buf.finish(SpanTimes::default(), &scope).frame().to_vec();
        let resource = Resource::empty();
        for n_spans in 0..4 {
            let mut frames = one.repeat(n_spans);
            // What is left of a ring's end follows.
            frames.extend([0xFF; 4]);
            frames.extend([7; 200]);
            for n_visited in 0..6 {
                let count = SpanCount::unknown();
                let batch = SpanBatch::new(&resource, &[], &frames, &count);
                assert_eq!(batch.spans().take(n_visited).count(), n_visited.min(n_spans));
                assert_eq!((batch.len(), batch.is_empty()), (n_spans, n_spans == 0));
                assert_eq!(batch.spans().count(), n_spans);
            }
        }
    }

    #[test]
    fn a_closed_exporter_refuses_batches_and_keeps_what_it_has() {
        let (mut buf, scope) = (SpanBuf::new(), InstrumentationScope::default());
        buf.start("span", SpanKind::Internal, SpanIds::default());
        let frames = buf.finish(SpanTimes::default(), &scope).frame().to_vec();
        let (resource, count) = (Resource::empty(), SpanCount::known(1));
        let batch = SpanBatch::new(&resource, &[], &frames, &count);
        let kept = InMemoryExporter::new();
        let exporters: [Box<dyn SpanExporter>; 2] =
            [Box::new(kept.clone()), Box::new(NoopExporter::new())];
        for mut exporter in exporters {
            exporter.export(&batch).unwrap();
            exporter.close(Duration::from_secs(1)).unwrap();
            assert!(matches!(exporter.export(&batch), Err(ExportError::Closed)), "{exporter:?}");
            exporter.flush(Duration::from_secs(1)).unwrap();
            exporter.close(Duration::from_secs(1)).unwrap();
        }
        assert_eq!(kept.finished_spans().len(), 1);
        kept.clear();
        assert!(kept.finished_spans().is_empty());
    }
}
