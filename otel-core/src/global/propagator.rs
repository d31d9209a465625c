//! The propagator of the process.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::slot::{LocalCopy, Slot};
use crate::baggage::Baggage;
use crate::propagation::{Extracted, Extractor, Injector, Propagator};
use crate::span_context::SpanContext;
use crate::sync::BriefMutex;

/// Returns a propagator that forwards each call to whatever is the global one then; until one is set, it writes nothing and
/// finds nothing.
///
/// ```
/// use std::collections::HashMap;
///
/// use otel_core::propagation::{extract_context, from_names};
/// use otel_core::{Context, global_propagator, set_global_propagator};
///
/// set_global_propagator(from_names("tracecontext,baggage"));
/// let headers = HashMap::from([("baggage".to_owned(), "tenant=7".to_owned())]);
/// let caller = extract_context(&global_propagator(), &Context::new(), &headers);
/// assert_eq!(caller.baggage().get("tenant"), Some("7"));
/// ```
pub const fn global_propagator() -> GlobalPropagator {
    GlobalPropagator(())
}

/// Makes a propagator the global one, in the place of any before.
pub fn set_global_propagator(propagator: impl Propagator) {
    let propagator: Arc<dyn Propagator> = Arc::new(propagator);
    let before = GLOBAL.change(|current| current.replace(propagator));
    // Its end is not ours: after the lock.
    drop(before);
}

/// Forwards to the global propagator: see [`global_propagator`].
#[derive(Clone, Copy, Debug)]
pub struct GlobalPropagator(());

impl Propagator for GlobalPropagator {
    fn inject(&self, span_context: &SpanContext, baggage: &Baggage, carrier: &mut dyn Injector) {
        forward(|propagator| propagator.inject(span_context, baggage, carrier));
    }

    fn extract(&self, carrier: &dyn Extractor) -> Extracted {
        forward(|propagator| propagator.extract(carrier)).unwrap_or_default()
    }

    /// Lists the headers of the propagator that is set now, which this handle may outlive: so each name is kept for good, up to
    /// a thousand of them.
    fn fields(&self) -> Vec<&str> {
        let fields =
            forward(|propagator| propagator.fields().into_iter().filter_map(kept).collect());
        fields.unwrap_or_default()
    }
}

/// Calls `use_it` with the global propagator; not at all where none is set, or where it is the global one itself that calls,
/// which would go on without end.
fn forward<R>(use_it: impl FnOnce(&dyn Propagator) -> R) -> Option<R> {
    let local = GLOBAL.local(&LOCAL);
    let propagator = local.0.as_deref()?;
    if IS_FORWARDING.replace(true) {
        return None;
    }
    let _end = EndOfForwarding;
    Some(use_it(propagator))
}

/// Comes also by a panic.
struct EndOfForwarding;

impl Drop for EndOfForwarding {
    fn drop(&mut self) {
        IS_FORWARDING.set(false);
    }
}

/// Returns the same name, to be kept for good.
fn kept(name: &str) -> Option<&'static str> {
    KEPT_NAMES.with(|names| {
        if let Some(known) = names.iter().find(|known| **known == name) {
            return Some(*known);
        }
        (names.len() < MAX_KEPT_NAMES).then(|| {
            let name: &'static str = Box::leak(Box::from(name));
            names.push(name);
            name
        })
    })
}

/// The global propagator as a thread knows it.
#[derive(Debug)]
struct LocalPropagator(Option<Arc<dyn Propagator>>);

impl From<&Option<Arc<dyn Propagator>>> for LocalPropagator {
    fn from(propagator: &Option<Arc<dyn Propagator>>) -> Self {
        Self(propagator.clone())
    }
}

static GLOBAL: Slot<Option<Arc<dyn Propagator>>> = Slot::new(None);
static KEPT_NAMES: BriefMutex<Vec<&'static str>> = BriefMutex::new(Vec::new());

thread_local! {
    static LOCAL: LocalCopy<LocalPropagator> = const { RefCell::new(None) };
    static IS_FORWARDING: Cell<bool> = const { Cell::new(false) };
}

const MAX_KEPT_NAMES: usize = 1000;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::id::{SpanId, TraceId};
    use crate::propagation::{CompositePropagator, JaegerPropagator, TraceContextPropagator};
    use crate::span_context::TraceFlags;

    fn injected() -> Vec<String> {
        let context = SpanContext::new(TraceId::from_parts(1, 2), SpanId::new(3), TraceFlags::NONE);
        let mut headers: HashMap<String, String> = HashMap::new();
        global_propagator().inject(&context, &Baggage::new(), &mut headers);
        let found = global_propagator().extract(&headers).span_context;
        assert_eq!(found, (!headers.is_empty()).then_some(context));
        headers.into_keys().collect()
    }

    #[test]
    fn the_global_propagator_forwards_to_what_is_set_at_the_time() {
        let early = global_propagator();
        assert!(injected().is_empty() && early.fields().is_empty());
        set_global_propagator(JaegerPropagator::new());
        assert_eq!(
            (injected(), early.fields()),
            (vec!["uber-trace-id".to_owned()], vec!["uber-trace-id"])
        );
        std::thread::spawn(|| assert_eq!(injected(), ["uber-trace-id"])).join().unwrap();
        set_global_propagator(TraceContextPropagator::new());
        assert_eq!(injected(), ["traceparent"]);
        assert_eq!(early.fields(), ["traceparent", "tracestate"]);
        // One that forwards to itself comes to an end.
        let own_member = CompositePropagator::new()
            .propagator(global_propagator())
            .propagator(JaegerPropagator::new());
        set_global_propagator(own_member);
        assert_eq!(injected(), ["uber-trace-id"]);
        assert_eq!(early.fields(), ["uber-trace-id"]);
    }

    #[test]
    fn names_are_kept_once_each() {
        let name = String::from("x-header-of-this-test");
        let kept_once = kept(&name).unwrap();
        assert_eq!(kept_once, name);
        assert!(std::ptr::eq(kept_once, kept(&name).unwrap()));
    }
}
