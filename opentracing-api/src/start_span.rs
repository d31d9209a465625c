//! What a span is started with: references, tags, a start time.

use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::time::SystemTime;

use crate::reference::{HasContext, Reference, ReferenceType};
use crate::span_context::SpanContext;
use crate::value::Value;

/// Begins options with a parent: [`StartSpanOptions::child_of`] on fresh options.
///
/// ```
/// # use opentracing_api::{child_of, Tracer};
/// # let tracer = Tracer::noop();
/// # let parent = tracer.start_span("parent");
/// let span = tracer.start_span_with("child", child_of(&parent).tag("span.kind", "client"));
/// ```
#[inline]
pub fn child_of<'a>(parent: &(impl HasContext + ?Sized)) -> StartSpanOptions<'a> {
    // A literal instead of a builder call: the options are built where they stay.
    StartSpanOptions {
        first_reference: to_reference(ReferenceType::ChildOf, parent),
        ..StartSpanOptions::new()
    }
}

/// Begins options with a cause that does not wait: [`StartSpanOptions::follows_from`] on fresh
/// options.
#[inline]
pub fn follows_from<'a>(cause: &(impl HasContext + ?Sized)) -> StartSpanOptions<'a> {
    StartSpanOptions {
        first_reference: to_reference(ReferenceType::FollowsFrom, cause),
        ..StartSpanOptions::new()
    }
}

/// What a span is started with. Allocates nothing up to one reference and four tags.
///
/// It borrows names and values of tags; contexts it copies.
/// With several references the first `child_of` is the parent, or the first reference if there is
/// none.
#[must_use = "options do nothing until they are given to `start_span_with`"]
#[derive(Clone, Debug, Default)]
pub struct StartSpanOptions<'a> {
    first_reference: Option<Reference>,
    more_references: Seldom<Vec<Reference>>,
    tags: Seldom<Tags<'a>>,
    pub(crate) start_time: Option<SystemTime>,
    pub(crate) ignores_active_span: bool,
}

impl<'a> StartSpanOptions<'a> {
    /// The options of `start_span`, which so need not be built.
    pub(crate) const NONE: &'static StartSpanOptions<'static> = &StartSpanOptions::new();

    /// Creates options that say nothing.
    #[inline]
    pub const fn new() -> Self {
        Self {
            first_reference: None,
            more_references: Seldom::none(),
            tags: Seldom::none(),
            start_time: None,
            ignores_active_span: false,
        }
    }

    /// Adds a parent: something that depends on the new span. Skipped if it has no context.
    #[inline]
    pub fn child_of(self, parent: &(impl HasContext + ?Sized)) -> Self {
        self.reference(ReferenceType::ChildOf, parent)
    }

    /// Adds a cause that does not depend on the new span. Skipped if it has no context.
    #[inline]
    pub fn follows_from(self, cause: &(impl HasContext + ?Sized)) -> Self {
        self.reference(ReferenceType::FollowsFrom, cause)
    }

    /// Adds a reference of either type. Skipped if `to` has no context, or an empty one as a no-op
    /// span has.
    #[inline]
    pub fn reference(
        mut self,
        reference_type: ReferenceType,
        to: &(impl HasContext + ?Sized),
    ) -> Self {
        if let Some(reference) = to_reference(reference_type, to) {
            if self.first_reference.as_ref().is_none_or(|first| first.context.is_empty()) {
                self.first_reference = Some(reference);
            } else {
                self.more_references.get_or_default().push(reference);
            }
        }
        self
    }

    /// Sets a tag from the start, so that a sampler sees it; the last value of a key wins.
    #[inline]
    pub fn tag(mut self, key: &'a str, value: impl Into<Value<'a>>) -> Self {
        self.push_tag(key, value.into());
        self
    }

    /// Sets many tags; [`fields!`](crate::fields) makes an array of mixed types.
    #[inline]
    pub fn tags<V: Into<Value<'a>>>(
        mut self,
        tags: impl IntoIterator<Item = (&'a str, V)>,
    ) -> Self {
        tags.into_iter().for_each(|(key, value)| self.push_tag(key, value.into()));
        self
    }

    /// Sets when the work began. Default: now.
    #[inline]
    pub fn start_time(mut self, start_time: SystemTime) -> Self {
        self.start_time = Some(start_time);
        self
    }

    /// Does not take the active span as parent: without a reference the span begins a trace.
    #[inline]
    pub fn ignore_active_span(mut self) -> Self {
        self.ignores_active_span = true;
        self
    }

    /// Makes options with a parent, or none, and no regard to the active span unless `takes_active`; with four tags.
    ///
    /// In one go: a builder's calls move the tags each time, which for four costs about 50 ns.
    #[cfg(feature = "tower")]
    #[inline]
    pub(crate) fn of_request(
        parent: Option<SpanContext>,
        takes_active: bool,
        tags: [(&'a str, Value<'a>); 4],
    ) -> Self {
        Self {
            first_reference: parent.map(|parent| Reference::new(ReferenceType::ChildOf, parent)),
            tags: Seldom::some(Tags { first: tags.map(Some), more: Vec::new() }),
            ignores_active_span: !takes_active,
            ..Self::new()
        }
    }

    #[inline]
    pub(crate) fn has_no_tags(&self) -> bool {
        self.tags.get().is_none()
    }

    /// Tells whether there is at most one reference, which is a `ChildOf`.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.more_references.get().is_none()
            && self
                .first_reference
                .as_ref()
                .is_none_or(|only| only.reference_type == ReferenceType::ChildOf)
    }

    /// Returns the explicit parent.
    #[inline]
    pub(crate) fn parent(&self) -> Option<&SpanContext> {
        if self.more_references.get().is_none() {
            let context = &self.first_reference.as_ref()?.context;
            return (!context.is_empty()).then_some(context);
        }
        self.parent_of_many()
    }

    #[cold]
    fn parent_of_many(&self) -> Option<&SpanContext> {
        self.references()
            .find(|reference| reference.reference_type == ReferenceType::ChildOf)
            .or_else(|| self.references().next())
            .map(|reference| &reference.context)
    }

    #[inline]
    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        let more = self.more_references.get().into_iter().flatten();
        let all = self.first_reference.iter().chain(more);
        all.filter(|reference| !reference.context.is_empty())
    }

    #[inline]
    pub(crate) fn has_many_references(&self) -> bool {
        self.more_references.get().is_some()
    }

    #[inline]
    pub(crate) fn tag_pairs<'s>(&'s self) -> impl Iterator<Item = (&'s str, &'s Value<'s>)>
    where
        'a: 's,
    {
        let tags = self.tags.get();
        let first = tags.into_iter().flat_map(|tags| tags.first.iter().map_while(Option::as_ref));
        let more = tags.into_iter().flat_map(|tags| &tags.more);
        first.chain(more).map(|(key, value)| (*key, value))
    }

    #[inline]
    fn push_tag(&mut self, key: &'a str, value: Value<'a>) {
        if value.is_none() {
            return;
        }
        let tags = self.tags.get_or_default();
        match tags.first.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some((key, value)),
            None => tags.more.push((key, value)),
        }
    }
}

/// Tags, of which there are some. The first four take no heap.
#[derive(Clone, Debug, Default)]
struct Tags<'a> {
    first: [Option<Tag<'a>>; 4],
    more: Vec<Tag<'a>>,
}

type Tag<'a> = (&'a str, Value<'a>);

/// What most options do not have: when they are dropped, that it is absent is seen in place, without a call.
struct Seldom<T>(ManuallyDrop<Option<T>>);

impl<T> Seldom<T> {
    #[inline(always)]
    const fn none() -> Self {
        Self(ManuallyDrop::new(None))
    }

    #[cfg(feature = "tower")]
    #[inline]
    const fn some(value: T) -> Self {
        Self(ManuallyDrop::new(Some(value)))
    }

    #[inline]
    fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    #[inline]
    fn get_or_default(&mut self) -> &mut T
    where
        T: Default,
    {
        self.0.get_or_insert_default()
    }

    #[cold]
    #[inline(never)]
    fn clear(&mut self) {
        drop(ManuallyDrop::into_inner(mem::replace(&mut self.0, ManuallyDrop::new(None))));
    }
}

impl<T> Drop for Seldom<T> {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.clear();
        }
    }
}

impl<T: Clone> Clone for Seldom<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self::none()
    }
}

impl<T: fmt::Debug> fmt::Debug for Seldom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Copies the context and asks nothing of it: empty ones are passed over when references are read.
#[inline]
fn to_reference(
    reference_type: ReferenceType,
    to: &(impl HasContext + ?Sized),
) -> Option<Reference> {
    to.to_context().map(|context| Reference::new(reference_type, context))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    #[test]
    fn the_parent_is_the_first_child_of_or_else_the_first_reference() {
        let [a, b, c] = [1, 2, 3].map(|id| SpanContext::new(1, id, 1));
        for (options, parent) in [
            (StartSpanOptions::new(), None),
            (child_of(&a), Some(1)),
            (follows_from(&a), Some(1)),
            (follows_from(&a).child_of(&b).child_of(&c), Some(2)),
            (follows_from(&a).follows_from(&b), Some(1)),
            (child_of(&None::<SpanContext>).follows_from(&a).child_of(&b), Some(2)),
        ] {
            assert_eq!(options.parent().map(SpanContext::span_id), parent, "{options:?}");
        }
        let order: Vec<_> =
            follows_from(&a).child_of(&b).references().map(|r| r.context.span_id()).collect();
        assert_eq!(order, [1, 2]);
    }

    #[test]
    fn a_reference_to_nothing_is_skipped_and_one_to_baggage_alone_is_kept() {
        let baggage = SpanContext::default().with_baggage_item("k", "v");
        for (options, count) in [
            (child_of(&None::<SpanContext>), 0),
            (child_of(&SpanContext::default()), 0),
            (StartSpanOptions::new().follows_from(&SpanContext::default()), 0),
            (child_of(&baggage), 1),
            (child_of(&Some(&baggage)), 1),
        ] {
            assert_eq!(options.references().count(), count, "{options:?}");
        }
    }

    #[test]
    fn tags_keep_their_order_beyond_the_inline_four() {
        let options = StartSpanOptions::new()
            .tag("a", 1)
            .tag("skipped", None::<bool>)
            .tags([("b", "2"), ("c", "3")])
            .tags(fields! { "d" => 4, "e" => true })
            .tag("f", "6");
        let keys: String = options.tag_pairs().map(|(key, _)| key).collect();
        assert_eq!(keys, "abcdef");
    }
}
