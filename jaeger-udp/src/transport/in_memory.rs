//! Keeps datagrams for a test to look at.

use std::sync::{Arc, Mutex, PoisonError};

use super::Transport;
use crate::error::SendError;

/// Keeps datagrams in memory instead of sending them. Nothing bounds it: for tests alone.
///
/// ```
/// use jaeger_udp::{InMemoryTransport, JaegerExporter};
///
/// let transport = InMemoryTransport::new();
/// let datagrams = transport.datagrams();
/// let exporter = JaegerExporter::builder().transport(transport).build();
/// # drop(exporter);
/// assert!(datagrams.take().is_empty());
/// ```
#[derive(Debug, Default)]
pub struct InMemoryTransport {
    datagrams: Datagrams,
}

impl InMemoryTransport {
    /// Makes an empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns where the datagrams are kept.
    pub fn datagrams(&self) -> Datagrams {
        self.datagrams.clone()
    }
}

impl Transport for InMemoryTransport {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.datagrams.kept.lock().unwrap_or_else(PoisonError::into_inner).push(datagram.to_vec());
        Ok(())
    }
}

/// What an [`InMemoryTransport`] keeps.
#[derive(Clone, Debug, Default)]
pub struct Datagrams {
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Datagrams {
    /// Takes out what was kept up to now.
    pub fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
