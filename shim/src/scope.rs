//! The active span of OpenTracing and the core's current context, kept as one.

use std::borrow::Cow;
use std::cell::RefCell;
use std::mem;
use std::sync::OnceLock;
use std::time::SystemTime;

use opentracing_api::backend::{
    ScopeManager, SpanBackend, ThreadLocalScopes, TracerId, recorder_mut,
};
use opentracing_api::{SharedSpan, SpanContext, Value};
use otel_core::{Baggage, Context, ContextGuard, ForeignSpan, RecordingSpan, WeakSpan};

use crate::convert::{
    Extension, Semantics, Tag, ids_from_core, to_core, with_extension, write_log, write_tag,
};
use crate::propagation::{from_core_baggage, to_core_baggage};
use crate::span::SpanShim;

/// Keeps track of the active span: with the core, or apart from it.
#[derive(Clone, Debug)]
pub(crate) struct ShimScopes {
    pub(crate) shares_context: bool,
    pub(crate) has_implicit_parent: bool,
    pub(crate) semantics: Semantics,
    pub(crate) tracer: OnceLock<TracerId>,
}

impl ShimScopes {
    pub(crate) fn new() -> Self {
        Self {
            shares_context: false,
            has_implicit_parent: true,
            semantics: Semantics::default(),
            tracer: OnceLock::new(),
        }
    }

    /// Returns the manager that does what the settings say; the usual one is called without a detour.
    pub(crate) fn manager(&self) -> &dyn ScopeManager {
        if self.has_implicit_parent && !self.shares_context { &ThreadLocalScopes } else { self }
    }

    /// Returns OpenTracing's handle on a span of the core: always the same one, so that baggage set through it is seen by
    /// all.
    fn shared_with_core(&self, span: &otel_core::SharedSpan, baggage: &Baggage) -> SharedSpan {
        let make = || {
            let Some(tracer) = self.tracer.get() else { return noop() };
            let recorder = CoreSpan { span: span.downgrade(), semantics: self.semantics };
            let context = context_of_core(span, baggage);
            // Not `is_recording`, which waits for who works on the span: that may be this thread.
            let is_recorded = span.is_recorded();
            tracer.adopt(context, is_recorded.then(|| Box::new(recorder) as _)).into_shared()
        };
        span.companion(make).cloned().unwrap_or_else(make)
    }
}

impl ScopeManager for ShimScopes {
    fn active(&self) -> Option<SharedSpan> {
        if !self.shares_context {
            return ThreadLocalScopes.active();
        }
        let context = Context::current();
        match context.span().filter(|span| span.context().is_valid()) {
            Some(span) => Some(self.shared_with_core(span, context.baggage())),
            None if context.baggage().is_empty() => None,
            None => {
                let only_baggage = from_core_baggage(SpanContext::default(), context.baggage());
                Some(self.tracer.get()?.adopt(only_baggage, None).into_shared())
            }
        }
    }

    fn active_context(&self) -> Option<SpanContext> {
        match (self.has_implicit_parent, self.shares_context) {
            (false, _) => None,
            (true, true) => self.active().map(|span| span.context()),
            (true, false) => ThreadLocalScopes.active_context(),
        }
    }

    fn enter(&self, span: Option<SharedSpan>) -> u64 {
        if !self.shares_context {
            return ThreadLocalScopes.enter(span);
        }
        // Whatever else is in the context stays; the baggage is the span's, even if it has none.
        let current = Context::current();
        let context = match span {
            Some(span) => {
                let baggage = to_core_baggage(&span.context());
                current.with_shared_span(to_core_span(span)).with_baggage(baggage)
            }
            None => current
                .with_span_context(otel_core::SpanContext::invalid())
                .with_baggage(Baggage::new()),
        };
        let guard = context.attach();
        let mut guard = Some(guard);
        let number = STACK.try_with(|stack| {
            let stack = &mut *stack.borrow_mut();
            stack.n_opened += 1;
            let number = stack.n_opened;
            stack.slots.push(Slot { number, guard: guard.take(), is_closed: false, finish: None });
            number
        });
        // Where the thread is ending and its stack is gone, no slot has the number.
        number.unwrap_or(u64::MAX)
    }

    fn exit(&self, scope: u64, finish: Option<SharedSpan>) {
        if !self.shares_context {
            return ThreadLocalScopes.exit(scope, finish);
        }
        let mut finish = finish;
        let guard = STACK.try_with(|stack| {
            let slots = &mut stack.borrow_mut().slots;
            let place = slots.binary_search_by_key(&scope, |slot| slot.number).ok()?;
            let slot = &mut slots[place];
            slot.is_closed = true;
            mem::swap(&mut slot.finish, &mut finish);
            slot.guard.take()
        });
        // Each outside the borrow: a context and a span's end may run code that opens scopes itself.
        drop(guard);
        if let Some(span) = finish {
            span.finish_with_scope();
        }
        while let Some(slot) = STACK.try_with(pop_closed).ok().flatten() {
            if let Some(span) = &slot.finish {
                span.finish_with_scope();
            }
        }
    }
}

thread_local! {
    /// The scopes of a thread, innermost last, beside the core's own stack: they say which span finishes when. Scopes are
    /// numbered as they open, so slots are sorted by number.
    static STACK: RefCell<Stack> = const { RefCell::new(Stack { slots: Vec::new(), n_opened: 0 }) };
}

struct Stack {
    slots: Vec<Slot>,
    n_opened: u64,
}

impl Drop for Stack {
    /// Finishes the spans of scopes that wait for one above them, which closes too late or never.
    fn drop(&mut self) {
        for slot in self.slots.drain(..).rev() {
            if let Some(span) = &slot.finish {
                span.finish_with_scope();
            }
        }
    }
}

struct Slot {
    number: u64,
    /// Taken when the scope closes: what was current before is current again, unless a later scope is still open.
    guard: Option<ContextGuard>,
    is_closed: bool,
    finish: Option<SharedSpan>,
}

/// Takes the innermost slot if it is closed, or the oldest that waits where too many do: a row of scopes, each opened
/// before the one before it closed, has no end.
fn pop_closed(stack: &RefCell<Stack>) -> Option<Slot> {
    let slots = &mut stack.borrow_mut().slots;
    if slots.last()?.is_closed {
        return slots.pop();
    }
    let mut waiting = slots.iter().enumerate().filter(|(_, slot)| slot.is_closed);
    let oldest = waiting.next()?.0;
    (waiting.count() >= MAX_WAITING).then(|| slots.remove(oldest))
}

/// As many as in the scopes that have nothing to do with the core.
const MAX_WAITING: usize = 64;

/// Finds the core's span behind one of OpenTracing, or shows that one to the core.
fn to_core_span(span: SharedSpan) -> otel_core::SharedSpan {
    let context = span.context();
    let core_span =
        context.extension::<Extension>().and_then(|known| known.core_span.as_ref()?.upgrade());
    core_span.unwrap_or_else(|| {
        let shown = otel_core::SharedSpan::foreign(ShownSpan { span: span.clone() });
        shown.companion(|| span);
        shown
    })
}

fn context_of_core(span: &otel_core::SharedSpan, baggage: &Baggage) -> SpanContext {
    let core = span.context();
    let extension = Extension {
        trace_state: core.trace_state().clone(),
        core_span: Some(span.downgrade()),
        ..Extension::default()
    };
    let context = with_extension(ids_from_core(&core), extension);
    from_core_baggage(context, baggage)
}

fn noop() -> SharedSpan {
    opentracing_api::Span::noop().into_shared()
}

/// OpenTracing's span, as the core sees it.
struct ShownSpan {
    span: SharedSpan,
}

impl ForeignSpan for ShownSpan {
    fn context(&self) -> otel_core::SpanContext {
        to_core(&self.span.context())
    }

    fn is_recording(&self) -> bool {
        self.span.is_recording()
    }

    fn with_recording(&self, use_it: &mut dyn FnMut(&mut RecordingSpan)) {
        self.span.with(|span| {
            if let Some(shim) = recorder_mut::<SpanShim>(span) {
                use_it(&mut shim.recording);
            }
        });
    }

    fn end(&self, time: Option<SystemTime>) {
        match time {
            Some(time) => self.span.finish_at(time),
            None => self.span.finish(),
        }
    }
}

/// The core's span, as OpenTracing sees it. It keeps the core's span from nothing: that one ends when the core says so,
/// or when it is finished through this one.
struct CoreSpan {
    span: WeakSpan,
    semantics: Semantics,
}

impl CoreSpan {
    fn with_recording(&self, mut use_it: impl FnMut(&mut RecordingSpan)) {
        if let Some(span) = self.span.upgrade() {
            span.with(|span| {
                if let Some(recording) = span.recording_mut() {
                    use_it(recording);
                }
            });
        }
    }

    fn write_tag(&self, context: &mut SpanContext, key: &str, tag: Tag<'_>) {
        self.with_recording(|recording| write_tag(recording, context, self.semantics, key, tag));
    }
}

impl SpanBackend for CoreSpan {
    fn set_operation_name(&mut self, operation_name: &str) {
        self.with_recording(|recording| recording.update_name(operation_name));
    }

    fn set_str_tag(&mut self, context: &mut SpanContext, key: &str, value: &str) {
        self.write_tag(context, key, Tag::Str(value));
    }

    fn set_bool_tag(&mut self, context: &mut SpanContext, key: &str, value: bool) {
        self.write_tag(context, key, Tag::Bool(value));
    }

    fn set_i64_tag(&mut self, context: &mut SpanContext, key: &str, value: i64) {
        self.write_tag(context, key, Tag::I64(value));
    }

    fn set_u64_tag(&mut self, context: &mut SpanContext, key: &str, value: u64) {
        self.write_tag(context, key, Tag::U64(value));
    }

    fn set_f64_tag(&mut self, context: &mut SpanContext, key: &str, value: f64) {
        self.write_tag(context, key, Tag::F64(value));
    }

    fn set_bytes_tag(&mut self, context: &mut SpanContext, key: &str, value: &[u8]) {
        self.write_tag(context, key, Tag::Bytes(value));
    }

    fn log(
        &mut self,
        time: Option<SystemTime>,
        fields: &mut dyn Iterator<Item = (Cow<'_, str>, Value<'_>)>,
    ) {
        self.with_recording(|recording| write_log(recording, self.semantics, time, fields));
    }

    fn finish(self: Box<Self>, time: Option<SystemTime>) {
        match (self.span.upgrade(), time) {
            (Some(span), Some(time)) => span.end_at(time),
            (Some(span), None) => span.end(),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests;
