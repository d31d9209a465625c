//! The provider of the process, and handles on its tracers that may be older than it.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use super::slot::{LocalCopy, Slot};
use crate::instrumentation_scope::InstrumentationScope;
use crate::provider::{ProviderInner, TracerProvider};
use crate::tracer::Tracer;

/// Returns a handle that forwards each start of a span to a tracer of whatever is the global provider then.
///
/// It may be taken at any time, in a `static` too: once a provider is set, handles taken before lead to it. Until then a span
/// records nothing and hands on the context of its parent.
///
/// ```
/// use otel_core::{Tracer, TracerProvider, global_tracer, set_global_provider};
///
/// static TRACER: Tracer = global_tracer("checkout");
///
/// assert!(!TRACER.start("early").is_recording());
/// set_global_provider(TracerProvider::builder().build());
/// assert!(TRACER.start("late").is_recording());
/// ```
pub const fn global_tracer(name: &'static str) -> Tracer {
    Tracer::global(GlobalScope::Named(name))
}

/// As [`global_tracer`], for a scope that says more than a name, or one that is made at run time.
pub fn global_scoped_tracer(scope: InstrumentationScope) -> Tracer {
    Tracer::global(GlobalScope::Scoped(scope))
}

/// Makes a provider the global one, in the place of any before.
///
/// Spans that have started stay with their provider. The one before is closed here, within two seconds, unless somebody else
/// has a handle on it. Nobody closes the global provider at the end of the program: keep a handle and
/// [close](TracerProvider::close) it, lest spans that are queued be lost.
pub fn set_global_provider(provider: TracerProvider) {
    let before = GLOBAL.change(|current| current.replace(provider));
    // Its end may wait and is not ours: after the lock.
    drop(before);
}

/// Makes a provider the global one if there is none, and tells whether it did.
pub fn set_global_provider_if_absent(provider: TracerProvider) -> bool {
    let mut provider = Some(provider);
    GLOBAL.change(|current| {
        if current.is_none() {
            *current = provider.take();
        }
    });
    provider.is_none()
}

/// Returns the global provider, if one is set: to add a processor, to flush, to close.
///
/// ```
/// use otel_core::exporter::InMemoryExporter;
/// use otel_core::{SimpleProcessor, TracerProvider, global_provider, global_tracer, set_global_provider};
///
/// set_global_provider(TracerProvider::builder().build());
/// let exporter = InMemoryExporter::new();
/// if let Some(provider) = global_provider() {
///     provider.add_processor(SimpleProcessor::new(exporter.clone()));
/// }
/// global_tracer("shop").start("work").end();
/// assert_eq!(exporter.finished_spans().len(), 1);
/// ```
pub fn global_provider() -> Option<TracerProvider> {
    GLOBAL.read(Option::clone)
}

/// Takes the global provider away, and returns it: spans that start afterwards record nothing until another is set.
pub fn take_global_provider() -> Option<TracerProvider> {
    GLOBAL.change(Option::take)
}

/// Calls `use_it` with the tracer that a handle leads to now, which is never such a handle itself.
pub(crate) fn with_tracer<R>(scope: &GlobalScope, use_it: impl FnOnce(&Tracer) -> R) -> R {
    use_it(&GLOBAL.local(&LOCAL).tracer(scope))
}

/// What a handle asks the global provider for.
#[derive(Clone)]
pub(crate) enum GlobalScope {
    Named(&'static str),
    Scoped(InstrumentationScope),
}

impl GlobalScope {
    /// Tells whether two are one and the same, without comparing what they say.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named(one), Self::Named(other)) => std::ptr::eq(*one, *other),
            (Self::Scoped(one), Self::Scoped(other)) => one.is_same(other),
            _ => false,
        }
    }

    fn find(&self, provider: &Arc<ProviderInner>) -> Tracer {
        match self {
            Self::Named(name) => provider.tracer(&InstrumentationScope::new(*name, "")),
            Self::Scoped(scope) => provider.tracer(scope),
        }
    }
}

impl fmt::Debug for GlobalScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => fmt::Debug::fmt(name, f),
            Self::Scoped(scope) => fmt::Debug::fmt(scope, f),
        }
    }
}

/// The global provider as a thread knows it, with the tracers that it has asked for. It keeps no provider from closing.
#[derive(Debug)]
struct LocalProvider {
    provider: Option<Arc<ProviderInner>>,
    tracers: RefCell<Vec<(GlobalScope, Rc<Tracer>)>>,
}

impl LocalProvider {
    #[inline]
    fn tracer(&self, scope: &GlobalScope) -> Rc<Tracer> {
        let tracers = self.tracers.borrow();
        let known = tracers.iter().find(|(known, _)| known.is_same(scope));
        if let Some((_, tracer)) = known {
            return Rc::clone(tracer);
        }
        drop(tracers);
        self.add(scope)
    }

    #[cold]
    fn add(&self, scope: &GlobalScope) -> Rc<Tracer> {
        let tracer = self.provider.as_ref().map_or(Tracer::noop(), |provider| scope.find(provider));
        let tracer = Rc::new(tracer);
        let mut tracers = self.tracers.borrow_mut();
        // Programs have a few scopes; who makes new ones without end gets no list without end.
        let forgotten =
            if tracers.len() < MAX_TRACERS { Vec::new() } else { mem::take(&mut *tracers) };
        tracers.push((scope.clone(), Rc::clone(&tracer)));
        drop(tracers);
        drop(forgotten);
        tracer
    }
}

impl From<&Option<TracerProvider>> for LocalProvider {
    fn from(provider: &Option<TracerProvider>) -> Self {
        let provider = provider.as_ref().map(|provider| Arc::clone(provider.inner()));
        Self { provider, tracers: RefCell::default() }
    }
}

static GLOBAL: Slot<Option<TracerProvider>> = Slot::new(None);

thread_local! {
    static LOCAL: LocalCopy<LocalProvider> = const { RefCell::new(None) };
}

/// Of which a thread keeps tracers.
const MAX_TRACERS: usize = 64;

#[cfg(test)]
mod tests;
