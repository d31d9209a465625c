//! The active span: which one it is here and now, and the scopes that say so.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use crate::reference::HasContext;
use crate::shared_span::SharedSpan;
use crate::span::Span;
use crate::span_context::SpanContext;
use crate::tracer::TracerInner;

/// A stretch of code in which a span is active; it ends with [`Scope::close`] or when the scope is
/// dropped.
///
/// It belongs to its thread and cannot be held across an `.await` of a future that moves: use
/// [`InSpan`](crate::InSpan) there. Scopes close best in the reverse order of their opening. One
/// that closes while another opened later is still open changes nothing at that moment; its span
/// finishes when the later one closes, or with the thread, or when 64 that closed later wait as well.
/// So close a scope before the next one of a row is opened: `scope = tracer.start_active_span(…)` opens
/// the new one first, as a child of the old one, which then waits for it.
#[must_use = "a scope that is not kept closes at once"]
pub struct Scope {
    /// `None` for the no-op span and in a scope without one. The thread's stack has the same place, and the number means
    /// something on this thread only: a scope is not [`Send`].
    place: Option<Rc<SharedSpan>>,
    finishes_span: bool,
    scopes: Scopes,
    number: u64,
}

impl Scope {
    /// Returns the span; the no-op span in a scope without one.
    pub fn span(&self) -> &SharedSpan {
        self.place.as_deref().unwrap_or(&NOOP)
    }

    /// Ends the scope: what was active before is active again, and a span that was handed over
    /// finishes.
    #[inline]
    pub fn close(self) {
        drop(self);
    }

    /// The scope of a tracer that does nothing.
    #[inline]
    pub(crate) const fn noop() -> Self {
        Self { place: None, finishes_span: false, scopes: Scopes::Noop, number: u64::MAX }
    }

    pub(crate) fn enter(scopes: Scopes, activation: Activation) -> Self {
        let Activation { span, finishes_span } = activation;
        let (place, number) = match &scopes {
            Scopes::Noop if span == NOOP => return Self::noop(),
            Scopes::Noop => (place(span), u64::MAX),
            Scopes::ThreadLocal => {
                let place = place(span);
                let number = push(Some(Rc::clone(&place)));
                (place, number)
            }
            Scopes::Backend(tracer) => {
                let number = tracer.backend.scope_manager().enter(Some(span.clone()));
                (place(span), number)
            }
        };
        Self { place: Some(place), finishes_span, scopes, number }
    }

    pub(crate) fn enter_none(scopes: Scopes) -> Self {
        let number = scopes.enter(None);
        Self { place: None, finishes_span: false, scopes, number }
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        match (self.place.take(), &self.scopes) {
            (None, Scopes::Noop) => {}
            (None, scopes) => scopes.exit(self.number, None),
            (Some(place), scopes) => exit(scopes, self.number, place, self.finishes_span),
        }
    }
}

/// What a scope without a span shows.
static NOOP: SharedSpan = SharedSpan::of_noop();

/// Ends a scope that has a span.
fn exit(scopes: &Scopes, number: u64, place: Rc<SharedSpan>, finishes_span: bool) {
    if finishes_span && thread::panicking() {
        place.mark_panicked();
    }
    match scopes {
        Scopes::Noop => {}
        Scopes::ThreadLocal if pop_innermost(number).is_some() => {}
        _ => {
            // One that its owner has finished need not finish once more.
            let finish = finishes_span && !place.is_finished();
            scopes.exit(number, finish.then(|| SharedSpan::clone(&place)));
            return recycle(place);
        }
    }
    if finishes_span {
        finish_and_recycle(place);
    } else {
        recycle(place);
    }
}

impl Deref for Scope {
    type Target = SharedSpan;

    fn deref(&self) -> &SharedSpan {
        self.span()
    }
}

impl HasContext for Scope {
    fn to_context(&self) -> Option<SpanContext> {
        self.span().to_context()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("span", self.span())
            .field("finishes_span", &self.finishes_span)
            .finish_non_exhaustive()
    }
}

/// A span to make active. Made from a [`Span`], which then finishes with its scope or future, or
/// from a [`SharedSpan`], which does not.
#[derive(Debug)]
pub struct Activation {
    pub(crate) span: SharedSpan,
    pub(crate) finishes_span: bool,
}

impl From<Span> for Activation {
    fn from(span: Span) -> Self {
        Self { span: span.into_shared(), finishes_span: true }
    }
}

impl From<SharedSpan> for Activation {
    fn from(span: SharedSpan) -> Self {
        Self { span, finishes_span: false }
    }
}

impl From<&SharedSpan> for Activation {
    fn from(span: &SharedSpan) -> Self {
        Self::from(span.clone())
    }
}

/// Keeps track of the active span: on a thread, in a task, or however an implementation likes.
pub trait ScopeManager: Send + Sync {
    /// Returns the span that is active here.
    fn active(&self) -> Option<SharedSpan>;

    /// Returns the context of the span that is active here: what a span that starts now may have as
    /// parent.
    fn active_context(&self) -> Option<SpanContext> {
        self.active().map(|span| span.context())
    }

    /// Makes a span the active one, or none, and returns a number for [`ScopeManager::exit`].
    fn enter(&self, span: Option<SharedSpan>) -> u64;

    /// Ends what [`ScopeManager::enter`] began, on the same thread, and restores what was active
    /// before.
    ///
    /// Calls come in any order. A scope that is not the innermost is marked; it leaves with the one
    /// above it. `finish` is a span to finish ([`SharedSpan::finish_with_scope`]) when the scope has left.
    fn exit(&self, scope: u64, finish: Option<SharedSpan>);

    /// Tells whether this is [`ThreadLocalScopes`], which is then used without a virtual call.
    #[doc(hidden)]
    fn is_thread_local_scopes(&self) -> bool {
        false
    }
}

/// The usual scope manager: each thread has its own active span. All tracers that use it share it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadLocalScopes;

impl ScopeManager for ThreadLocalScopes {
    fn active(&self) -> Option<SharedSpan> {
        active_in_thread(|span| Some(SharedSpan::clone(span)))
    }

    fn active_context(&self) -> Option<SpanContext> {
        active_in_thread(|span| span.to_context())
    }

    fn enter(&self, span: Option<SharedSpan>) -> u64 {
        push(span.map(place))
    }

    fn exit(&self, scope: u64, finish: Option<SharedSpan>) {
        if let Some(slot) = pop_innermost(scope) {
            if let Some(span) = finish {
                span.finish_with_scope();
            }
            slot.recycle();
            return;
        }
        let mut finish = finish;
        // On failure `finish` still has the span, on success what the slot had before.
        let is_marked =
            STACK.try_with(|stack| stack.mark_closed(scope, &mut finish)).unwrap_or(false);
        if let Some(span) = finish {
            span.finish_with_scope();
        }
        if is_marked {
            // One by one, each outside the borrow: a span's end is foreign code that may open
            // scopes itself.
            let next = |stack: &Stack| stack.pop_closed().or_else(|| stack.remove_overdue());
            while let Some(slot) = STACK.try_with(next).ok().flatten() {
                if let Some(span) = &slot.finish {
                    span.finish_with_scope();
                }
                slot.recycle();
            }
        }
    }

    fn is_thread_local_scopes(&self) -> bool {
        true
    }
}

/// Tells whether any scope is open on this thread: one read of a thread-local, which every start
/// pays for.
#[inline]
pub(crate) fn has_scopes_in_thread() -> bool {
    DEPTH.get() != 0
}

/// Looks at the active span of this thread.
fn active_in_thread<R>(look: impl FnOnce(&Rc<SharedSpan>) -> Option<R>) -> Option<R> {
    if !has_scopes_in_thread() {
        return None;
    }
    let look = |stack: &Stack| {
        let slots = stack.slots.borrow();
        look(slots.iter().rev().find(|slot| !slot.is_closed)?.span.as_ref()?)
    };
    STACK.try_with(look).ok()?
}

/// Opens a scope on this thread.
fn push(span: Option<Rc<SharedSpan>>) -> u64 {
    // Where the thread is ending and its stack is gone, no slot has the number.
    STACK.try_with(|stack| stack.push(span)).unwrap_or(u64::MAX)
}

/// Takes the slot of a scope that closes, if it is the innermost: the usual way.
fn pop_innermost(scope: u64) -> Option<Slot> {
    STACK.try_with(|stack| stack.pop_innermost(scope)).ok().flatten()
}

/// Puts a span in a place of its own.
fn place(span: SharedSpan) -> Rc<SharedSpan> {
    let spare = STACK.try_with(|stack| stack.spares.borrow_mut().pop()).ok().flatten();
    match spare {
        Some(mut place) => {
            // A spare place is nobody else's.
            *Rc::make_mut(&mut place) = span;
            place
        }
        None => Rc::new(span),
    }
}

/// Finishes the span of a place that is needed no more.
fn finish_and_recycle(mut place: Rc<SharedSpan>) {
    let Some(span) = Rc::get_mut(&mut place) else { return place.finish_with_scope() };
    mem::replace(span, SharedSpan::of_noop()).finish_and_drop();
    keep(place);
}

/// Drops the span of a place that is needed no more, unless somebody still looks at it.
fn recycle(mut place: Rc<SharedSpan>) {
    let Some(span) = Rc::get_mut(&mut place) else { return };
    drop(mem::replace(span, SharedSpan::of_noop()));
    keep(place);
}

/// Keeps an empty place for reuse.
fn keep(place: Rc<SharedSpan>) {
    // A full or vanished stack drops it.
    let _ = STACK.try_with(|stack| {
        let mut spares = stack.spares.borrow_mut();
        if spares.len() < MAX_SPARES {
            spares.push(place);
        }
    });
}

thread_local! {
    static STACK: Stack =
        const { Stack { slots: RefCell::new(Vec::new()), n_opened: Cell::new(0), spares: RefCell::new(Vec::new()) } };
    /// Number of slots in the stack. Apart, since a thread-local without destructor is read without further ado.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// The scopes of a thread, innermost last. Scopes are numbered as they open, so slots are sorted by
/// number.
struct Stack {
    slots: RefCell<Vec<Slot>>,
    n_opened: Cell<u64>,
    /// Places for spans, for reuse: opening a scope allocates nothing in a steady state.
    spares: RefCell<Vec<Rc<SharedSpan>>>,
}

struct Slot {
    number: u64,
    /// `None` means that no span is active, whatever is below. Counted within the thread, so that it can be looked at
    /// while scopes come and go, without the price of a count that threads share.
    span: Option<Rc<SharedSpan>>,
    is_closed: bool,
    finish: Option<SharedSpan>,
}

impl Slot {
    fn recycle(self) {
        if let Some(place) = self.span {
            recycle(place);
        }
    }
}

impl Stack {
    fn push(&self, span: Option<Rc<SharedSpan>>) -> u64 {
        let mut slots = self.slots.borrow_mut();
        let number = self.n_opened.get();
        self.n_opened.set(number + 1);
        slots.push(Slot { number, span, is_closed: false, finish: None });
        DEPTH.set(slots.len());
        number
    }

    /// Marks a slot and swaps in the span to finish; false if there is no such slot.
    fn mark_closed(&self, scope: u64, finish: &mut Option<SharedSpan>) -> bool {
        let mut slots = self.slots.borrow_mut();
        let Ok(position) = slots.binary_search_by_key(&scope, |slot| slot.number) else {
            return false;
        };
        let slot = &mut slots[position];
        slot.is_closed = true;
        mem::swap(&mut slot.finish, finish);
        true
    }

    /// Takes the slot if it is the innermost and nothing waits for it: the usual way of a scope.
    fn pop_innermost(&self, scope: u64) -> Option<Slot> {
        let mut slots = self.slots.borrow_mut();
        let below = match &slots[..] {
            [.., below, innermost] if innermost.number == scope && !below.is_closed => {
                slots.len() - 1
            }
            [innermost] if innermost.number == scope => 0,
            _ => return None,
        };
        DEPTH.set(below);
        slots.pop()
    }

    /// Takes the innermost slot if it is closed; the caller drops it after the borrow.
    fn pop_closed(&self) -> Option<Slot> {
        let mut slots = self.slots.borrow_mut();
        let slot = if slots.last()?.is_closed { slots.pop() } else { None };
        DEPTH.set(slots.len());
        slot
    }

    /// Takes the oldest slot that waits where too many do: a row of scopes, each opened before the one
    /// before it closed, has no end.
    fn remove_overdue(&self) -> Option<Slot> {
        let mut slots = self.slots.borrow_mut();
        if slots.iter().filter(|slot| slot.is_closed).count() <= MAX_WAITING {
            return None;
        }
        let oldest = slots.iter().position(|slot| slot.is_closed)?;
        let slot = slots.remove(oldest);
        DEPTH.set(slots.len());
        Some(slot)
    }
}

impl Drop for Stack {
    /// Finishes the spans of scopes that wait for one above them, which closes too late or never.
    fn drop(&mut self) {
        for slot in self.slots.get_mut().drain(..).rev() {
            if let Some(span) = &slot.finish {
                span.finish_with_scope();
            }
        }
    }
}

/// More scopes are open at once in few threads.
const MAX_SPARES: usize = 32;

/// Scopes that closed below others; more are no mix-up any more but a habit.
const MAX_WAITING: usize = 64;

/// A scope whose span is lent to it.
pub(crate) struct Lent {
    number: u64,
    place: Option<Rc<SharedSpan>>,
}

impl Lent {
    pub(crate) const fn without_span(number: u64) -> Self {
        Self { number, place: None }
    }
}

/// Where a tracer keeps its active span.
#[derive(Clone)]
pub(crate) enum Scopes {
    /// Nowhere: no span is ever active.
    Noop,
    ThreadLocal,
    Backend(Arc<TracerInner>),
}

impl Scopes {
    pub(crate) fn active(&self) -> Option<SharedSpan> {
        match self {
            Self::Noop => None,
            Self::ThreadLocal => ThreadLocalScopes.active(),
            Self::Backend(tracer) => tracer.backend.scope_manager().active(),
        }
    }

    pub(crate) fn with_active<R>(&self, look: impl FnOnce(&SharedSpan) -> R) -> Option<R> {
        match self {
            Self::Noop => None,
            Self::ThreadLocal => {
                let span = active_in_thread(|span| Some(Rc::clone(span)))?;
                Some(look(&span))
            }
            Self::Backend(tracer) => tracer.backend.scope_manager().active().map(|s| look(&s)),
        }
    }

    pub(crate) fn enter(&self, span: Option<&SharedSpan>) -> u64 {
        match self {
            Self::Noop => u64::MAX,
            Self::ThreadLocal => ThreadLocalScopes.enter(span.cloned()),
            Self::Backend(tracer) => tracer.backend.scope_manager().enter(span.cloned()),
        }
    }

    /// Opens a scope for a span that is somebody's again when it closes: the thread's stack takes the handle itself, since
    /// counting one more costs as much as all the rest.
    #[inline]
    pub(crate) fn lend(&self, span: &mut SharedSpan) -> Lent {
        if !matches!(self, Self::ThreadLocal) {
            return Lent::without_span(self.enter(Some(span)));
        }
        let place = place(mem::replace(span, SharedSpan::of_noop()));
        Lent { number: push(Some(Rc::clone(&place))), place: Some(place) }
    }

    /// Closes the scope, and gives the span back.
    #[inline]
    pub(crate) fn take_back(&self, lent: &mut Lent, span: &mut SharedSpan) {
        let Some(mut place) = lent.place.take() else { return self.exit(lent.number, None) };
        if pop_innermost(lent.number).is_none() {
            self.exit(lent.number, None);
        }
        match Rc::get_mut(&mut place) {
            Some(lent) => {
                *span = mem::replace(lent, SharedSpan::of_noop());
                keep(place);
            }
            // Somebody still looks at it, or a scope that opened later is still open.
            None => *span = SharedSpan::clone(&place),
        }
    }

    pub(crate) fn exit(&self, scope: u64, finish: Option<SharedSpan>) {
        match self {
            Self::Noop => {
                if let Some(span) = finish {
                    span.finish_with_scope();
                }
            }
            Self::ThreadLocal => ThreadLocalScopes.exit(scope, finish),
            Self::Backend(tracer) => tracer.backend.scope_manager().exit(scope, finish),
        }
    }
}

#[cfg(test)]
mod tests;
