//! The span context: what identifies a span to its children, in this process and in others.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What identifies a span: trace id, span id, flags, baggage, and what an implementation adds.
///
/// It is plain data and never changes: a span whose baggage is set makes a new one, and copies
/// taken before keep the old. Copying it allocates nothing. Two contexts are equal if their ids and
/// flags are; baggage does not count.
///
/// ```
/// use opentracing_api::SpanContext;
///
/// let context = SpanContext::new(0xabc, 0xdef, SpanContext::SAMPLED).with_baggage_item("user", "42");
/// assert!(context.is_valid() && context.is_sampled());
/// assert_eq!(context.to_trace_id(), "0000000000000abc");
/// assert_eq!(context.baggage_item("user"), Some("42"));
/// ```
// The pair of halves is for the processor. A context is copied right after it was written, and what was written in two
// pieces cannot be forwarded to a read of both at once: that costs 4 ns each time. So the trace id is always copied as
// one piece of 16 bytes.
#[derive(Clone, Default)]
#[repr(C)]
pub struct SpanContext {
    /// High and low half: a `u128` would make 48 bytes of 40.
    trace_id: [u64; 2],
    span_id: u64,
    flags: u32,
    attachment: Option<Arc<Attachment>>,
}

impl SpanContext {
    /// The flag for "this span is recorded", bit 0. The flags that have no name here belong to the implementation.
    pub const SAMPLED: u32 = 1;

    /// The flag for "nobody has decided yet whether the trace is recorded", bit 10: a tracer that takes the context over
    /// as a parent asks its sampler, as for a new trace, and disregards flags of its own that ask for one.
    pub const UNDECIDED: u32 = 1 << 10;

    /// Creates a context without baggage. An id of 0 means that there is none.
    #[inline]
    pub const fn new(trace_id: u128, span_id: u64, flags: u32) -> Self {
        Self::from_parts((trace_id >> 64) as u64, trace_id as u64, span_id, flags)
    }

    /// Creates a context from the two halves of its trace id; a 64-bit trace id has a high half of
    /// 0.
    #[inline]
    pub const fn from_parts(
        trace_id_high: u64,
        trace_id_low: u64,
        span_id: u64,
        flags: u32,
    ) -> Self {
        Self { trace_id: [trace_id_high, trace_id_low], span_id, flags, attachment: None }
    }

    /// Returns the trace id, 0 if there is none.
    #[inline]
    pub fn trace_id(&self) -> u128 {
        u128::from(self.trace_id_high()) << 64 | u128::from(self.trace_id_low())
    }

    /// Returns the upper 64 bits of the trace id, 0 for a 64-bit trace id.
    #[inline]
    pub fn trace_id_high(&self) -> u64 {
        self.trace_id[0]
    }

    /// Returns the lower 64 bits of the trace id.
    #[inline]
    pub fn trace_id_low(&self) -> u64 {
        self.trace_id[1]
    }

    /// Returns the span id, 0 if there is none.
    #[inline]
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// Returns the flags: [`SpanContext::SAMPLED`], [`SpanContext::UNDECIDED`], and those that belong to
    /// the implementation.
    #[inline]
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Tells whether the span is recorded.
    #[inline]
    pub fn is_sampled(&self) -> bool {
        self.flags & Self::SAMPLED != 0
    }

    /// Tells whether both ids are there.
    #[inline]
    pub fn is_valid(&self) -> bool {
        self.span_id != 0 && self.trace_id != [0; 2]
    }

    /// Tells whether there is nothing in it at all: no ids, no flags, no baggage, no extension.
    ///
    /// That is the context of a no-op span. It names no span, so a reference to it is skipped.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // The span id alone tells nearly always.
        self.span_id == 0 && self.flags == 0 && self.trace_id == [0; 2] && self.attachment.is_none()
    }

    /// Returns the trace id as 32 hex digits, or 16 where the high half is 0; empty if there is no
    /// trace id.
    pub fn to_trace_id(&self) -> String {
        match self.trace_id {
            [0, 0] => String::new(),
            [0, low] => format!("{low:016x}"),
            [high, low] => format!("{high:016x}{low:016x}"),
        }
    }

    /// Returns the span id as 16 hex digits; empty if there is none.
    pub fn to_span_id(&self) -> String {
        match self.span_id {
            0 => String::new(),
            span_id => format!("{span_id:016x}"),
        }
    }

    /// Makes the context of a child in the same trace, with the same flags; baggage and extension are left behind.
    #[inline]
    pub const fn child(&self, span_id: u64) -> Self {
        Self { trace_id: self.trace_id, span_id, flags: self.flags, attachment: None }
    }

    /// Replaces the span id.
    #[inline]
    pub fn with_span_id(mut self, span_id: u64) -> Self {
        self.span_id = span_id;
        self
    }

    /// Replaces all flags.
    #[inline]
    pub fn with_flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self
    }

    /// Takes the sampling decision out of the context of a caller who is not to make it: see
    /// [`SpanContext::UNDECIDED`]. An empty context stays empty.
    ///
    /// ```
    /// # use opentracing_api::{child_of, SpanContext, Tracer};
    /// # let tracer = Tracer::noop();
    /// # let from_outside = SpanContext::new(1, 2, SpanContext::SAMPLED);
    /// let request = tracer.start_span_with("request", child_of(&from_outside.undecided()));
    /// ```
    pub fn undecided(mut self) -> Self {
        if !self.is_empty() {
            self.flags = self.flags & !Self::SAMPLED | Self::UNDECIDED;
        }
        self
    }

    /// Tells whether there is any baggage.
    #[inline]
    pub fn has_baggage(&self) -> bool {
        self.attachment.as_ref().is_some_and(|attachment| !attachment.baggage.is_empty())
    }

    /// Returns one item of the baggage.
    pub fn baggage_item(&self, key: &str) -> Option<&str> {
        self.baggage().find(|(candidate, _)| *candidate == key).map(|(_, value)| value)
    }

    /// Visits the baggage, in the order in which keys were first set.
    pub fn baggage(&self) -> impl Iterator<Item = (&str, &str)> {
        let items = self.attachment.as_ref().map_or(&[][..], |attachment| &attachment.baggage);
        items.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Sets one item of the baggage; the last value of a key wins, an empty key is ignored.
    pub fn with_baggage_item(mut self, key: &str, value: &str) -> Self {
        self.set_baggage_item(key, value);
        self
    }

    /// Sets many items of the baggage at once; the last value of a key wins, empty keys are
    /// ignored.
    ///
    /// Takes time in proportion to the number of items, whatever they are; a limit on their number
    /// and size is the caller's affair.
    pub fn with_baggage<K: AsRef<str>, V: AsRef<str>>(
        mut self,
        items: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut items = items.into_iter().filter(|(key, _)| !key.as_ref().is_empty()).peekable();
        if items.peek().is_some() {
            let attachment = self.attachment_mut();
            extend(
                &mut attachment.baggage,
                items.map(|(k, v)| (Arc::from(k.as_ref()), Arc::from(v.as_ref()))),
            );
        }
        self
    }

    /// Takes one item out of the baggage.
    pub fn without_baggage_item(mut self, key: &str) -> Self {
        if self.baggage_item(key).is_some() {
            self.attachment_mut().baggage.retain(|(candidate, _)| **candidate != *key);
            if self.attachment.as_ref().is_some_and(|attachment| attachment.is_empty()) {
                self.attachment = None;
            }
        }
        self
    }

    /// Attaches what an implementation needs beside ids and flags; replaces what was attached
    /// before.
    pub fn with_extension(mut self, extension: Arc<dyn Any + Send + Sync>) -> Self {
        self.attachment_mut().extension = Some(extension);
        self
    }

    /// Returns what an implementation attached, if it is a `T`.
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.attachment.as_ref()?.extension.as_ref()?.downcast_ref()
    }

    /// As [`SpanContext::with_baggage_item`], in place. Tells whether a value that was not empty is gone for it.
    pub(crate) fn set_baggage_item(&mut self, key: &str, value: &str) -> bool {
        if key.is_empty() {
            return false;
        }
        let baggage = &mut self.attachment_mut().baggage;
        match baggage.iter_mut().find(|(candidate, _)| **candidate == *key) {
            Some((_, old)) => !std::mem::replace(old, Arc::from(value)).is_empty(),
            None => {
                baggage.push((Arc::from(key), Arc::from(value)));
                false
            }
        }
    }

    /// Tells whether a child may have something to inherit: the check that the common case pays
    /// for.
    #[inline]
    pub(crate) fn has_attachment(&self) -> bool {
        self.attachment.is_some()
    }

    /// Takes the attachment of `parent` and adds the baggage of `others`; the parent wins, then the
    /// earlier.
    pub(crate) fn inherit<'a>(&mut self, parent: &Self, others: impl Iterator<Item = &'a Self>) {
        self.attachment.clone_from(&parent.attachment);
        for other in others.filter(|other| other.has_baggage()) {
            let Some(theirs) = &other.attachment else { continue };
            if self.attachment.as_ref().is_some_and(|ours| Arc::ptr_eq(ours, theirs)) {
                continue;
            }
            if self.attachment.is_none() && theirs.extension.is_none() {
                self.attachment = Some(Arc::clone(theirs));
                continue;
            }
            let ours = &mut self.attachment_mut().baggage;
            let mut merged = theirs.baggage.clone();
            extend(&mut merged, ours.drain(..));
            *ours = merged;
        }
    }

    /// Tells whether flags and attachment are the very same as in `other`; ids are not compared.
    #[inline]
    pub(crate) fn is_unchanged_from(&self, flags: u32, attachment: *const ()) -> bool {
        self.flags == flags && self.attachment_address() == attachment
    }

    /// Returns where the attachment lives: it tells one attachment from another while both exist.
    #[inline]
    pub(crate) fn attachment_address(&self) -> *const () {
        self.attachment
            .as_ref()
            .map_or(std::ptr::null(), |attachment| Arc::as_ptr(attachment).cast())
    }

    /// Takes the attachment out.
    #[inline]
    pub(crate) fn take_attachment(&mut self) -> Option<impl Sized + use<>> {
        self.attachment.take()
    }

    fn attachment_mut(&mut self) -> &mut Attachment {
        Arc::make_mut(self.attachment.get_or_insert_with(Arc::default))
    }
}

impl PartialEq for SpanContext {
    fn eq(&self, other: &Self) -> bool {
        (self.trace_id, self.span_id, self.flags) == (other.trace_id, other.span_id, other.flags)
    }
}

impl Eq for SpanContext {}

impl Hash for SpanContext {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.trace_id, self.span_id, self.flags).hash(state);
    }
}

impl fmt::Debug for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SpanContext");
        debug.field("trace_id", &format_args!("{}", self.to_trace_id()));
        debug.field("span_id", &format_args!("{}", self.to_span_id()));
        debug.field("flags", &self.flags);
        if self.has_baggage() {
            debug.field("baggage", &DebugBaggage(self));
        }
        debug.finish_non_exhaustive()
    }
}

struct DebugBaggage<'a>(&'a SpanContext);

impl fmt::Debug for DebugBaggage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.baggage()).finish()
    }
}

/// What few contexts have, behind one pointer so that all others stay small.
#[derive(Clone, Default)]
struct Attachment {
    baggage: Vec<BaggageItem>,
    extension: Option<Arc<dyn Any + Send + Sync>>,
}

impl Attachment {
    fn is_empty(&self) -> bool {
        self.baggage.is_empty() && self.extension.is_none()
    }
}

/// Key and value; `Arc`, so that a changed copy of a list copies pointers instead of text.
type BaggageItem = (Arc<str>, Arc<str>);

/// Adds items to a list of distinct keys; a key that is there gets the new value and keeps its
/// place.
fn extend(baggage: &mut Vec<BaggageItem>, items: impl Iterator<Item = BaggageItem>) {
    let mut index: Option<HashMap<Arc<str>, usize>> = None;
    for (key, value) in items {
        let position = if baggage.len() < SCANNED_ITEMS {
            baggage.iter().position(|(candidate, _)| *candidate == key)
        } else {
            // Baggage comes from outside: a scan for each of many items would be quadratic work.
            let index = index.get_or_insert_with(|| {
                baggage
                    .iter()
                    .enumerate()
                    .map(|(position, (key, _))| (Arc::clone(key), position))
                    .collect()
            });
            let known = index.get(&key).copied();
            if known.is_none() {
                index.insert(Arc::clone(&key), baggage.len());
            }
            known
        };
        match position {
            Some(position) => baggage[position].1 = value,
            None => baggage.push((key, value)),
        }
    }
}

/// Up to here a scan is quicker than a hash map.
const SCANNED_ITEMS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_takes_40_bytes() {
        assert_eq!(size_of::<SpanContext>(), 40);
    }

    #[test]
    fn ids_are_written_in_hex_and_empty_when_missing() {
        for (high, low, span_id, trace_text, span_text) in [
            (0, 0, 0, "", ""),
            (0, 0xa, 0xb, "000000000000000a", "000000000000000b"),
            (1, 0xa, 0xb, "0000000000000001000000000000000a", "000000000000000b"),
            (u64::MAX, u64::MAX, u64::MAX, "ffffffffffffffffffffffffffffffff", "ffffffffffffffff"),
        ] {
            let context = SpanContext::from_parts(high, low, span_id, 0);
            assert_eq!(
                (context.to_trace_id().as_str(), context.to_span_id().as_str()),
                (trace_text, span_text)
            );
            assert_eq!(context.trace_id(), u128::from(high) << 64 | u128::from(low));
            assert_eq!(SpanContext::new(context.trace_id(), span_id, 0), context);
            assert_eq!((context.trace_id_high(), context.trace_id_low()), (high, low));
        }
    }

    #[test]
    fn a_context_is_valid_with_both_ids_and_empty_with_nothing() {
        for (context, valid, empty) in [
            (SpanContext::default(), false, true),
            (SpanContext::new(1, 0, 0), false, false),
            (SpanContext::new(0, 1, 0), false, false),
            (SpanContext::new(1 << 64, 1, 0), true, false),
            (SpanContext::new(0, 0, 2), false, false),
            (SpanContext::default().with_baggage_item("k", "v"), false, false),
            (SpanContext::default().with_baggage_item("", "v"), false, true),
            (SpanContext::default().with_extension(Arc::new(1_u8)), false, false),
        ] {
            assert_eq!((context.is_valid(), context.is_empty()), (valid, empty), "{context:?}");
        }
    }

    #[test]
    fn flags_and_span_id_are_replaced_whole() {
        let context = SpanContext::new(1, 2, 3).with_flags(4).with_span_id(5);
        assert_eq!((context.flags(), context.span_id(), context.is_sampled()), (4, 5, false));
        assert!(SpanContext::new(1, 2, 3).is_sampled());
    }

    #[test]
    fn an_undecided_context_is_not_sampled_and_keeps_the_rest() {
        let context = SpanContext::new(1, 2, SpanContext::SAMPLED | 2).with_baggage_item("k", "v");
        let undecided = context.undecided();
        assert_eq!(
            (undecided.flags(), undecided.is_sampled()),
            (SpanContext::UNDECIDED | 2, false)
        );
        assert_eq!((undecided.trace_id(), undecided.baggage_item("k")), (1, Some("v")));
        assert!(SpanContext::default().undecided().is_empty());
    }

    #[test]
    fn a_copy_keeps_the_baggage_it_was_taken_with() {
        let first = SpanContext::new(1, 2, 1).with_baggage_item("k", "old");
        let second = first.clone().with_baggage_item("k", "new").with_baggage_item("l", "2");
        assert_eq!(first.baggage().collect::<Vec<_>>(), [("k", "old")]);
        assert_eq!(second.baggage().collect::<Vec<_>>(), [("k", "new"), ("l", "2")]);
        assert_eq!(first, second, "baggage does not count");
        assert_eq!(second.without_baggage_item("k").baggage().collect::<Vec<_>>(), [("l", "2")]);
        assert!(!first.without_baggage_item("k").has_attachment());
    }

    #[test]
    fn many_items_are_set_at_once_and_the_last_value_wins() {
        let items = (0..1000).map(|n| (format!("k{}", n % 500), n.to_string()));
        let context = SpanContext::default().with_baggage(items).with_baggage([("", "ignored")]);
        assert_eq!(context.baggage().count(), 500);
        assert_eq!(context.baggage_item("k499"), Some("999"));
        assert_eq!(context.baggage_item("k3"), Some("503"));
        assert_eq!(context.baggage_item("missing"), None);
        assert!(!SpanContext::default().with_baggage([("", "")]).has_attachment());
    }

    #[test]
    fn a_walk_over_the_baggage_can_stop_early() {
        let context = SpanContext::default().with_baggage([("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(context.baggage().take(2).count(), 2);
    }

    #[test]
    fn an_extension_is_found_by_its_type() {
        let context = SpanContext::new(1, 2, 1).with_extension(Arc::new("state".to_owned()));
        assert_eq!(context.extension::<String>().map(String::as_str), Some("state"));
        assert_eq!(context.extension::<u8>(), None);
        assert_eq!(
            context.with_baggage_item("k", "v").extension::<String>().map(String::as_str),
            Some("state")
        );
    }

    #[test]
    fn debug_shows_ids_in_hex_and_the_baggage() {
        let context = SpanContext::new(0xabc, 0xdef, 1).with_baggage_item("k", "v");
        assert_eq!(
            format!("{context:?}"),
            "SpanContext { trace_id: 0000000000000abc, span_id: 0000000000000def, flags: 1, baggage: {\"k\": \"v\"}, .. }"
        );
    }
}
