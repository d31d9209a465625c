//! What spans are about: the service, the host, the process.

use std::sync::Arc;

use crate::attribute::{KeyValue, OwnedValue};
use crate::diagnostics;
use crate::record::{Attributes, encode_attributes};

/// Attributes that all spans of a provider share; the most important is `service.name`. Immutable, cheap to clone.
///
/// ```
/// use otel_core::{KeyValue, Resource};
///
/// let resource = Resource::new("checkout").with([KeyValue::new("service.version", "2.0.0")]);
/// assert_eq!(resource.service_name(), "checkout");
/// ```
#[derive(Clone, Debug)]
pub struct Resource {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    attributes: Vec<KeyValue>,
    /// Empty for none.
    schema_url: String,
    /// The same attributes in a record's layout, for exporters to read like a span's.
    encoded: Vec<u8>,
}

impl Resource {
    /// Makes the default resource with this service name.
    pub fn new(service_name: impl Into<String>) -> Self {
        Self::default().with([KeyValue::new(SERVICE_NAME, service_name.into())])
    }

    /// Makes a resource with no attributes at all, not even a service name.
    pub fn empty() -> Self {
        Self::of(Vec::new(), String::new())
    }

    /// Returns this resource with more attributes; a key that is there gets the new value.
    #[must_use]
    pub fn with(&self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        let mut merged = self.inner.attributes.clone();
        for attribute in attributes {
            match merged.iter_mut().find(|present| present.key == attribute.key) {
                Some(present) => present.value = attribute.value,
                None => merged.push(attribute),
            }
        }
        Self::of(merged, self.inner.schema_url.clone())
    }

    /// Returns this resource with the URL of the schema that its attributes follow; an empty one takes it away.
    #[must_use]
    pub fn with_schema_url(&self, schema_url: impl Into<String>) -> Self {
        Self::of(self.inner.attributes.clone(), schema_url.into())
    }

    /// Returns this resource overlaid by another, whose values win, empty ones too.
    ///
    /// Where only one of them names a schema, so does the result. Where they name different ones the result names none,
    /// which is warned about: its attributes are of both.
    ///
    /// ```
    /// use otel_core::{KeyValue, Resource};
    ///
    /// let host = Resource::empty()
    ///     .with([KeyValue::new("host.name", "green"), KeyValue::new("zone", "a")])
    ///     .with_schema_url("https://opentelemetry.io/schemas/1.21.0");
    /// let merged = host.merge(&Resource::empty().with([KeyValue::new("zone", "")]));
    /// assert_eq!(merged.get("zone").unwrap(), &"");
    /// assert_eq!(merged.schema_url(), "https://opentelemetry.io/schemas/1.21.0");
    /// ```
    ///
    /// Source: `open-telemetry/opentelemetry-specification:specification/resource/sdk.md`.
    #[must_use]
    pub fn merge(&self, updating: &Self) -> Self {
        let merged = self.with(updating.inner.attributes.iter().cloned());
        match (self.schema_url(), updating.schema_url()) {
            (_, "") => merged,
            ("", new) => merged.with_schema_url(new),
            (old, new) if old == new => merged,
            (old, new) => {
                diagnostics::warn(
                    "resource.schema_url",
                    format_args!(
                        "a resource of schema {old:?} was merged with one of {new:?}, so the result names no schema"
                    ),
                );
                merged.with_schema_url("")
            }
        }
    }

    /// Returns the value of an attribute.
    pub fn get(&self, key: &str) -> Option<&OwnedValue> {
        self.inner
            .attributes
            .iter()
            .find(|attribute| attribute.key == key)
            .map(|attribute| &attribute.value)
    }

    /// Returns the URL of the schema that the attributes follow; empty for none.
    pub fn schema_url(&self) -> &str {
        &self.inner.schema_url
    }

    /// Returns the service's name, never empty: `unknown_service` where none was given.
    pub fn service_name(&self) -> &str {
        let name = self.get(SERVICE_NAME).and_then(OwnedValue::as_str).unwrap_or_default();
        if name.is_empty() { "unknown_service" } else { name }
    }

    pub(crate) fn key_values(&self) -> &[KeyValue] {
        &self.inner.attributes
    }

    /// Visits the attributes as those of a span are visited.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::of(&self.inner.encoded)
    }

    /// Tells whether two resources are one and the same, without comparing them.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn of(attributes: Vec<KeyValue>, schema_url: String) -> Self {
        let encoded = encode_attributes(&attributes);
        Self { inner: Arc::new(Inner { attributes, schema_url, encoded }) }
    }
}

impl Default for Resource {
    /// The SDK's own name, language and version, and `unknown_service:` with the program's name.
    fn default() -> Self {
        let executable = std::env::current_exe().ok();
        let program =
            executable.as_deref().and_then(|path| path.file_name()).and_then(|name| name.to_str());
        let service_name = program
            .map_or_else(|| "unknown_service".to_owned(), |name| format!("unknown_service:{name}"));
        let attributes = vec![
            KeyValue::new("telemetry.sdk.name", env!("CARGO_PKG_NAME")),
            KeyValue::new("telemetry.sdk.language", "rust"),
            KeyValue::new("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new(SERVICE_NAME, service_name),
        ];
        Self::of(attributes, String::new())
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
            || self.inner.attributes == other.inner.attributes
                && self.inner.schema_url == other.inner.schema_url
    }
}

const SERVICE_NAME: &str = "service.name";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_names_the_sdk_and_an_unknown_service() {
        let resource = Resource::default();
        assert_eq!(resource.get("telemetry.sdk.name").unwrap(), &"otel-core");
        assert_eq!(resource.get("telemetry.sdk.language").unwrap(), &"rust");
        assert_eq!(resource.get("telemetry.sdk.version").unwrap(), &env!("CARGO_PKG_VERSION"));
        assert_eq!(resource.schema_url(), "");
        assert!(resource.service_name().starts_with("unknown_service:"));
        assert_eq!(Resource::empty().service_name(), "unknown_service");
        assert_eq!(Resource::new("").service_name(), "unknown_service");
    }

    #[test]
    fn a_merge_takes_the_updating_value_of_each_key_even_an_empty_one() {
        let old = Resource::empty().with([KeyValue::new("a", "1"), KeyValue::new("b", "2")]);
        let merged =
            old.merge(&Resource::empty().with([KeyValue::new("b", ""), KeyValue::new("c", 3)]));
        let keys: Vec<String> =
            merged.attributes().map(|attribute| attribute.key.to_string()).collect();
        assert_eq!(keys, ["a", "b", "c"]);
        assert_eq!(merged.get("b").unwrap(), &"");
        assert_eq!(merged.get("c").unwrap(), &3);
    }

    #[test]
    fn a_merge_keeps_a_schema_that_nobody_contradicts() {
        let of = |schema_url: &str| {
            Resource::empty().with([KeyValue::new("from", schema_url)]).with_schema_url(schema_url)
        };
        for (old, updating, expected) in [
            ("", "", ""),
            ("v1", "", "v1"),
            ("", "v2", "v2"),
            ("v1", "v1", "v1"),
            ("v1", "v2", ""), // the attributes stay
        ] {
            let merged = of(old).merge(&of(updating));
            assert_eq!(merged.schema_url(), expected, "{old:?} and {updating:?}");
            assert_eq!(merged.get("from").unwrap(), &updating);
            assert_eq!(merged == of(updating), expected == updating, "{old:?} and {updating:?}");
        }
        assert_eq!(of("v1").with([]).schema_url(), "v1");
    }
}
