//! Links: other spans that a span has to do with.

use crate::attribute::Value;
use crate::span_context::SpanContext;

/// Another span, with what is to be said about the connection.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Link<'a> {
    /// The other span.
    pub context: SpanContext,
    /// What is said about it.
    pub attributes: &'a [(&'a str, Value<'a>)],
}

impl<'a> Link<'a> {
    /// Links to a span.
    pub const fn new(context: SpanContext) -> Self {
        Self { context, attributes: &[] }
    }

    /// Returns the link with attributes in the place of any others.
    #[must_use]
    pub const fn with_attributes(mut self, attributes: &'a [(&'a str, Value<'a>)]) -> Self {
        self.attributes = attributes;
        self
    }
}
