//! References: what caused a span, and what can be referred to.

use std::sync::Arc;

use crate::span_context::SpanContext;

/// A reference from a new span to one that caused it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reference {
    /// In which way it caused the span.
    pub reference_type: ReferenceType,
    /// The context of what caused the span.
    pub context: SpanContext,
}

impl Reference {
    /// Creates a reference.
    #[inline]
    pub const fn new(reference_type: ReferenceType, context: SpanContext) -> Self {
        Self { reference_type, context }
    }
}

/// How one span causes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceType {
    /// The cause depends on the new span in some capacity: a caller waits for its call.
    ChildOf,
    /// The cause does not depend on the new span: a producer goes on while its message is consumed.
    FollowsFrom,
}

/// Whatever has a span context and can be referred to: a span, a scope, a context, an `Option` of
/// one.
///
/// A type that wraps a span implements it by forwarding:
/// ```
/// use opentracing_api::{child_of, HasContext, Span, SpanContext, Tracer};
///
/// struct Job { span: Span }
///
/// impl HasContext for Job {
///     fn to_context(&self) -> Option<SpanContext> {
///         self.span.to_context()
///     }
/// }
///
/// let tracer = Tracer::noop();
/// let job = Job { span: tracer.start_span("job") };
/// tracer.start_span_with("step", child_of(&job)).finish();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no span context",
    label = "this is neither a span nor a span context",
    note = "pass a reference to a `Span`, `SharedSpan`, `Scope`, `SpanContext` or to an `Option` of one"
)]
pub trait HasContext {
    /// Returns a copy of the context; `None` if there is none, and then the reference is skipped.
    fn to_context(&self) -> Option<SpanContext>;
}

impl HasContext for SpanContext {
    #[inline]
    fn to_context(&self) -> Option<SpanContext> {
        Some(self.clone())
    }
}

impl<T: HasContext> HasContext for Option<T> {
    #[inline]
    fn to_context(&self) -> Option<SpanContext> {
        self.as_ref().and_then(HasContext::to_context)
    }
}

macro_rules! forward_has_context {
    ($($pointer:ty)*) => { $(
        impl<T: HasContext + ?Sized> HasContext for $pointer {
            #[inline]
            fn to_context(&self) -> Option<SpanContext> {
                (**self).to_context()
            }
        }
    )* };
}

forward_has_context! { &T &mut T Box<T> Arc<T> }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_hold_a_context_has_one() {
        fn context_of(holder: impl HasContext) -> Option<SpanContext> {
            holder.to_context()
        }

        let mut context = SpanContext::new(1, 2, 3);
        let expected = Some(context.clone());
        assert_eq!(context_of(&context), expected);
        assert_eq!(context_of(&mut context), expected);
        assert_eq!(context_of(Some(&context)), expected);
        assert_eq!(context_of(Box::new(context.clone())), expected);
        assert_eq!(context_of(Arc::new(context) as Arc<dyn HasContext>), expected);
        assert_eq!(context_of(None::<SpanContext>), None);
    }

    #[test]
    fn there_are_two_types_of_references_and_no_third() {
        // A third type would not compile.
        let name = |reference_type| match reference_type {
            ReferenceType::ChildOf => "child_of",
            ReferenceType::FollowsFrom => "follows_from",
        };
        let context = SpanContext::new(1, 2, 1);
        let options = crate::follows_from(&context).child_of(&context);
        let names: Vec<_> = options.references().map(|to| name(to.reference_type)).collect();
        assert_eq!(names, ["follows_from", "child_of"]);
    }
}
