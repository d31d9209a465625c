//! What happens to a span when it starts and when it ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::account::{FlushError, Flushed, SpanCounts};
use crate::clock::ProviderClock;
use crate::context::Context;
use crate::instrumentation_scope::InstrumentationScope;
use crate::record::SpanView;
use crate::resource::Resource;
use crate::span::RecordingSpan;
use crate::sync::BriefMutex;

mod batch;
mod simple;
mod list;
mod queue;
mod tickets;
mod per_process;

pub use batch::{BatchProcessor, BatchProcessorBuilder};
pub(crate) use list::ProcessorList;
pub use simple::SimpleProcessor;

/// Is told of each recording span of a provider when it starts and when it ends, on the thread of the caller.
///
/// Neither call may wait or panic; a panic costs this processor its call, and nobody else anything. Several processors are told in
/// the order of their registration.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use otel_core::record::SpanView;
/// use otel_core::SpanProcessor;
///
/// /// Counts spans that took longer than a second.
/// #[derive(Debug, Default)]
/// struct SlowSpans(AtomicU64);
///
/// impl SpanProcessor for SlowSpans {
///     fn on_end(&self, span: &SpanView<'_>) {
///         if span.duration_nanos() > 1_000_000_000 {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait SpanProcessor: fmt::Debug + Send + Sync + 'static {
    /// Is told once, before any span, whose spans will come.
    fn attach(&self, pipeline: &Pipeline) {
        let _ = pipeline;
    }

    /// Tells whether `on_start` wants to be called: finding the parent's context is not free. Asked when the processor comes to
    /// its provider, and then may be at each start.
    fn observes_start(&self) -> bool {
        false
    }

    /// Is told that a span started; `parent` holds its parent and its baggage. The span may be written to.
    fn on_start(&self, span: &mut RecordingSpan, parent: &Context) {
        let _ = (span, parent);
    }

    /// Tells whether `on_ending` wants to be called. Asked when the processor comes to its provider, and then may be at each end.
    fn observes_ending(&self) -> bool {
        false
    }

    /// Is told that a span is about to end: its times are fixed, and this is the last moment to write to it. All processors
    /// are told before any is told of the [end](Self::on_end).
    ///
    /// ```
    /// use otel_core::record::SpanView;
    /// use otel_core::{RecordingSpan, SpanProcessor};
    ///
    /// /// Keeps the keys of customers out of span names.
    /// #[derive(Debug)]
    /// struct HidesKeys;
    ///
    /// impl SpanProcessor for HidesKeys {
    ///     fn observes_ending(&self) -> bool {
    ///         true
    ///     }
    ///
    ///     fn on_ending(&self, span: &mut RecordingSpan) {
    ///         if let Some((name, _)) = span.name().split_once("?key=") {
    ///             let name = name.to_owned();
    ///             span.update_name(&name);
    ///         }
    ///     }
    ///
    ///     fn on_end(&self, _: &SpanView<'_>) {}
    /// }
    /// ```
    fn on_ending(&self, span: &mut RecordingSpan) {
        let _ = span;
    }

    /// Is told that a span ended.
    fn on_end(&self, span: &SpanView<'_>);

    /// Is told, in the child of a `fork` and in place of [`on_end`](Self::on_end), that a span ended which started in the
    /// parent. The parent has the same span: exported by both, it would be there twice.
    fn on_inherited_end(&self, span: &SpanView<'_>) {
        let _ = span;
    }

    /// Exports what ended before the call, and answers what became of it.
    ///
    /// # Errors
    ///
    /// Where time runs out.
    fn flush(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        let _ = timeout;
        Ok(Flushed::default())
    }

    /// Exports what ended before the call and stops; a second call does nothing and answers the same.
    ///
    /// # Errors
    ///
    /// Where time runs out.
    fn close(&self, timeout: Duration) -> Result<Flushed, FlushError> {
        self.flush(timeout)
    }

    /// Returns what was counted since the start.
    fn counts(&self) -> SpanCounts {
        SpanCounts::default()
    }
}

/// Whose spans a processor gets.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub(crate) resource: Resource,
    pub(crate) scopes: Scopes,
    pub(crate) clock: ProviderClock,
}

impl Pipeline {
    /// Returns what the spans are about.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }
}

/// The instrumentation scopes of a provider, each at its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scopes(Arc<BriefMutex<Vec<InstrumentationScope>>>);

impl Scopes {
    /// Returns the same scope with its place in the list. Past 65,535 of them the last is shared.
    pub(crate) fn find_or_add(&self, scope: &InstrumentationScope) -> InstrumentationScope {
        self.0.with(|scopes| {
            if let Some(known) = scopes.iter().find(|known| *known == scope) {
                return known.clone();
            }
            let Ok(index) = u16::try_from(scopes.len()) else {
                return scopes[usize::from(u16::MAX)].clone();
            };
            let scope = scope.with_index(index);
            scopes.push(scope.clone());
            scope
        })
    }

    /// Brings a copy of the list up to date.
    pub(crate) fn copy_into(&self, copy: &mut Vec<InstrumentationScope>) {
        self.0.with(|scopes| {
            if copy.len() < scopes.len() {
                copy.clone_from(scopes);
            }
        });
    }
}
