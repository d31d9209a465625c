//! What surrounds a piece of work: its span, its baggage, and whatever else somebody put there.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::baggage::Baggage;
use crate::span::{SharedSpan, Span};
use crate::span_context::SpanContext;

mod future;

pub use future::FutureContext;

/// An immutable set of values that belong together; changing it makes a new one. Cheap to clone.
///
/// ```
/// use otel_core::{Baggage, Context};
///
/// let outer = Context::current().with_baggage(Baggage::new().with("tenant", "7"));
/// {
///     let _guard = outer.clone().attach();
///     assert_eq!(Context::current().baggage().get("tenant"), Some("7"));
/// }
/// assert!(Context::current().baggage().is_empty());
/// ```
#[derive(Clone, Default)]
pub struct Context {
    inner: Option<Arc<Inner>>,
}

#[derive(Clone, Default)]
struct Inner {
    span: Option<SharedSpan>,
    baggage: Baggage,
    is_suppressed: bool,
    values: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
}

impl Context {
    /// Makes a context that holds nothing.
    pub const fn new() -> Self {
        Self { inner: None }
    }

    /// Returns the context of this thread.
    pub fn current() -> Self {
        // The stack is gone while a thread's locals are being dropped: then nothing is current.
        STACK.try_with(|stack| stack.borrow().current()).unwrap_or_default()
    }

    /// Makes this the context of the thread until the guard is dropped.
    pub fn attach(self) -> ContextGuard {
        let id = STACK.try_with(|stack| stack.borrow_mut().push(self)).unwrap_or(NO_ENTRY);
        ContextGuard { id, not_send: PhantomData }
    }

    /// Returns a context in which this is the span.
    #[must_use]
    pub fn with_span(&self, span: Span) -> Self {
        self.with_shared_span(SharedSpan::new(span))
    }

    /// Returns a context in which this is the span.
    #[must_use]
    pub fn with_shared_span(&self, span: SharedSpan) -> Self {
        self.changed(|inner| inner.span = Some(span))
    }

    /// Returns a context whose span is known by its context alone: one from another process, usually.
    #[must_use]
    pub fn with_span_context(&self, span_context: SpanContext) -> Self {
        self.with_span(Span::non_recording(span_context))
    }

    /// Returns a context with this baggage in the place of any other.
    #[must_use]
    pub fn with_baggage(&self, baggage: Baggage) -> Self {
        self.changed(|inner| inner.baggage = baggage)
    }

    /// Returns a context with a value of the caller's, found again by its type.
    #[must_use]
    pub fn with_value<T: Any + Send + Sync>(&self, value: T) -> Self {
        self.changed(|inner| {
            inner.values.retain(|(type_id, _)| *type_id != TypeId::of::<T>());
            inner.values.push((TypeId::of::<T>(), Arc::new(value)));
        })
    }

    /// Returns a context in which no span is started: for exporters, whose own work must make none.
    #[must_use]
    pub fn with_suppression(&self) -> Self {
        self.changed(|inner| inner.is_suppressed = true)
    }

    /// Returns the span.
    pub fn span(&self) -> Option<&SharedSpan> {
        self.inner.as_deref()?.span.as_ref()
    }

    /// Returns the context of the span; `None` where there is no span.
    pub fn span_context(&self) -> Option<SpanContext> {
        self.span().map(SharedSpan::context)
    }

    /// Returns the baggage.
    pub fn baggage(&self) -> &Baggage {
        static NO_BAGGAGE: Baggage = Baggage::new();
        self.inner.as_deref().map_or(&NO_BAGGAGE, |inner| &inner.baggage)
    }

    /// Returns the value of this type.
    pub fn value<T: Any + Send + Sync>(&self) -> Option<&T> {
        let values = &self.inner.as_deref()?.values;
        values.iter().find(|(type_id, _)| *type_id == TypeId::of::<T>())?.1.downcast_ref()
    }

    /// Tells whether spans are not to be started.
    pub fn is_suppressed(&self) -> bool {
        self.inner.as_deref().is_some_and(|inner| inner.is_suppressed)
    }

    fn changed(&self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = self.inner.as_deref().cloned().unwrap_or_default();
        change(&mut inner);
        Self { inner: Some(Arc::new(inner)) }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("span", &self.span_context())
            .field("baggage", self.baggage())
            .finish_non_exhaustive()
    }
}

/// Restores the context of the thread when it is dropped. Guards may go in any order: one that is not the newest takes
/// its own context out, and the newer ones stay.
#[must_use = "the context is current until the guard is dropped: `let _ =` drops it at once"]
#[derive(Debug)]
pub struct ContextGuard {
    id: u64,
    /// The stack belongs to the thread.
    not_send: PhantomData<*const ()>,
}

impl Drop for ContextGuard {
    fn drop(&mut self) {
        // What was removed is dropped after the borrow: a span in it may end, and look at the stack.
        let removed = STACK.try_with(|stack| stack.borrow_mut().remove(self.id));
        drop(removed);
    }
}

/// Tells whether the context of this thread suppresses spans: asked for at each start.
#[inline]
pub(crate) fn is_current_suppressed() -> bool {
    IS_SUPPRESSED.get()
}

#[derive(Default)]
struct Stack {
    entries: Vec<(u64, Context)>,
    last_id: u64,
}

impl Stack {
    fn current(&self) -> Context {
        self.entries.last().map(|(_, context)| context.clone()).unwrap_or_default()
    }

    fn push(&mut self, context: Context) -> u64 {
        self.last_id += 1;
        self.entries.push((self.last_id, context));
        self.note_suppression();
        self.last_id
    }

    fn remove(&mut self, id: u64) -> Option<Context> {
        let place = self.entries.iter().rposition(|(entry_id, _)| *entry_id == id)?;
        let removed = self.entries.remove(place).1;
        self.note_suppression();
        Some(removed)
    }

    fn note_suppression(&self) {
        IS_SUPPRESSED.set(self.entries.last().is_some_and(|(_, context)| context.is_suppressed()));
    }
}

thread_local! {
    static STACK: RefCell<Stack> = RefCell::default();
    /// What the newest entry says, where no borrow and no destructor stands in the way.
    static IS_SUPPRESSED: Cell<bool> = const { Cell::new(false) };
}

/// What a guard holds whose thread is ending.
const NO_ENTRY: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Option<String> {
        Context::current().baggage().get("tenant").map(str::to_owned)
    }

    fn attach(tenant: &str) -> ContextGuard {
        Context::current().with_baggage(Baggage::new().with("tenant", tenant)).attach()
    }

    #[test]
    fn guards_that_go_in_the_wrong_order_leave_the_newer_context_current() {
        let outer = attach("outer");
        let inner = attach("inner");
        drop(outer);
        assert_eq!(tenant().as_deref(), Some("inner"));
        drop(inner);
        assert_eq!(tenant(), None);
    }

    #[test]
    fn values_are_found_by_their_type_and_leave_the_old_context_alone() {
        let old = Context::new().with_value(1_u8);
        let new = old.with_value(2_u8).with_value("text");
        assert_eq!((old.value::<u8>(), old.value::<&str>()), (Some(&1), None));
        assert_eq!((new.value::<u8>(), new.value::<&str>()), (Some(&2), Some(&"text")));
    }

    #[test]
    fn setting_makes_a_new_context_and_leaves_the_old_one() {
        let old = Context::new().with_baggage(Baggage::new().with("tenant", "old"));
        let span_context = SpanContext::new(
            crate::id::TraceId::from_parts(1, 2),
            crate::id::SpanId::new(3),
            crate::span_context::TraceFlags::NONE,
        );
        let new = old
            .with_baggage(Baggage::new().with("tenant", "new"))
            .with_span_context(span_context.clone())
            .with_suppression();
        assert_eq!((old.baggage().get("tenant"), old.span_context()), (Some("old"), None));
        assert_eq!(
            (new.baggage().get("tenant"), new.span_context()),
            (Some("new"), Some(span_context))
        );
        assert!(new.is_suppressed() && !old.is_suppressed());
    }

    #[test]
    fn types_of_the_same_name_and_shape_are_different_keys() {
        mod other {
            #[derive(Debug, PartialEq)]
            pub(super) struct Tenant(pub(super) u8);
        }
        #[derive(Debug, PartialEq)]
        struct Tenant(u8);
        let context = Context::new().with_value(Tenant(1)).with_value(other::Tenant(2));
        assert_eq!(context.value::<Tenant>(), Some(&Tenant(1)));
        assert_eq!(context.value::<other::Tenant>(), Some(&other::Tenant(2)));
    }

    #[test]
    fn another_thread_has_a_context_of_its_own() {
        let _guard = attach("here");
        assert_eq!(std::thread::spawn(tenant).join().unwrap(), None);
    }
}
