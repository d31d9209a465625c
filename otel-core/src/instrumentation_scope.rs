//! Who makes spans: a library or an application part, by name and version.

use std::sync::Arc;

/// Names the code that a tracer belongs to.
#[derive(Clone, Debug, Default)]
pub struct InstrumentationScope {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    name: String,
    version: String,
    index: u16,
}

impl InstrumentationScope {
    /// Makes a scope of a name and a version, either of which may be empty.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { inner: Arc::new(Inner { name: name.into(), version: version.into(), index: 0 }) }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns the version.
    pub fn version(&self) -> &str {
        &self.inner.version
    }

    /// Returns the same scope with the place it has in its provider's list.
    pub(crate) fn with_index(&self, index: u16) -> Self {
        Self { inner: Arc::new(Inner { index, ..Inner::clone(&self.inner) }) }
    }

    /// Returns the place it has in its provider's list.
    pub(crate) fn index(&self) -> u16 {
        self.inner.index
    }
}

impl PartialEq for InstrumentationScope {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.version() == other.version()
    }
}

impl Eq for InstrumentationScope {}
