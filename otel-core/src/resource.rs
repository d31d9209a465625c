//! What spans are about: the service, the host, the process.

use std::sync::Arc;

use crate::attribute::{KeyValue, OwnedValue};
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
        Self::of(Vec::new())
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
        Self::of(merged)
    }

    /// Returns this resource overlaid by another, whose values win.
    #[must_use]
    pub fn merge(&self, updating: &Self) -> Self {
        self.with(updating.inner.attributes.iter().cloned())
    }

    /// Returns the value of an attribute.
    pub fn get(&self, key: &str) -> Option<&OwnedValue> {
        self.inner
            .attributes
            .iter()
            .find(|attribute| attribute.key == key)
            .map(|attribute| &attribute.value)
    }

    /// Returns the service's name, never empty: `unknown_service` where none was given.
    pub fn service_name(&self) -> &str {
        let name = self.get(SERVICE_NAME).and_then(OwnedValue::as_str).unwrap_or_default();
        if name.is_empty() { "unknown_service" } else { name }
    }

    /// Visits the attributes as those of a span are visited.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::of(&self.inner.encoded)
    }

    /// Tells whether two resources are one and the same, without comparing them.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn of(attributes: Vec<KeyValue>) -> Self {
        let encoded = encode_attributes(&attributes);
        Self { inner: Arc::new(Inner { attributes, encoded }) }
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
        Self::of(vec![
            KeyValue::new("telemetry.sdk.name", env!("CARGO_PKG_NAME")),
            KeyValue::new("telemetry.sdk.language", "rust"),
            KeyValue::new("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new(SERVICE_NAME, service_name),
        ])
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.inner.attributes == other.inner.attributes
    }
}

const SERVICE_NAME: &str = "service.name";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_names_the_sdk_and_an_unknown_service() {
        let resource = Resource::default();
        assert_eq!(resource.get("telemetry.sdk.language").unwrap(), &"rust");
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
}
