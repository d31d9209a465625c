//! Who makes spans: a library or an application part, by name and version.

use std::sync::Arc;

use crate::attribute::KeyValue;
use crate::record::{Attributes, encode_attributes};

/// Names the code that a tracer belongs to. Immutable, cheap to clone.
///
/// ```
/// use otel_core::{InstrumentationScope, KeyValue, TracerProvider};
///
/// let scope = InstrumentationScope::new("shop.payments", "1.2.0")
///     .with_schema_url("https://opentelemetry.io/schemas/1.27.0")
///     .with_attributes([KeyValue::new("team", "money")]);
/// let tracer = TracerProvider::builder().build().scoped_tracer(&scope);
/// ```
#[derive(Clone, Debug, Default)]
pub struct InstrumentationScope {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    name: String,
    version: String,
    schema_url: String,
    attributes: Vec<KeyValue>,
    /// The same attributes in a record's layout, for exporters to read like a span's.
    encoded: Vec<u8>,
    index: u16,
}

impl InstrumentationScope {
    /// Makes a scope of a name and a version, either of which may be empty.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        let inner = Inner { name: name.into(), version: version.into(), ..Inner::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Returns this scope with the address of the conventions that its spans keep to.
    #[must_use]
    pub fn with_schema_url(&self, schema_url: impl Into<String>) -> Self {
        Self {
            inner: Arc::new(Inner { schema_url: schema_url.into(), ..Inner::clone(&self.inner) }),
        }
    }

    /// Returns this scope with attributes in the place of any others; of a key, the last value.
    #[must_use]
    pub fn with_attributes(&self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        let mut unique: Vec<KeyValue> = Vec::new();
        for attribute in attributes {
            match unique.iter_mut().find(|present| present.key == attribute.key) {
                Some(present) => present.value = attribute.value,
                None => unique.push(attribute),
            }
        }
        let encoded = encode_attributes(&unique);
        let inner = Inner { attributes: unique, encoded, ..Inner::clone(&self.inner) };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns the version.
    pub fn version(&self) -> &str {
        &self.inner.version
    }

    /// Returns the address of the conventions that the spans keep to; empty where none was given.
    pub fn schema_url(&self) -> &str {
        &self.inner.schema_url
    }

    /// Visits what else is said about the code, as the attributes of a span are visited.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::of(&self.inner.encoded)
    }

    /// Tells whether anything else is said about the code.
    pub fn has_attributes(&self) -> bool {
        !self.inner.encoded.is_empty()
    }

    /// Returns the same scope with the place it has in its provider's list.
    pub(crate) fn with_index(&self, index: u16) -> Self {
        Self { inner: Arc::new(Inner { index, ..Inner::clone(&self.inner) }) }
    }

    /// Returns the place it has in its provider's list.
    pub(crate) fn index(&self) -> u16 {
        self.inner.index
    }

    /// Tells whether two handles are of one scope, without comparing them.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl PartialEq for InstrumentationScope {
    /// Two scopes are equal when all that they say is equal.
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
            && self.version() == other.version()
            && self.schema_url() == other.schema_url()
            && self.inner.attributes == other.inner.attributes
    }
}
