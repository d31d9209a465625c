//! What takes datagrams: the one place that touches a socket, and doubles of it for tests.

use std::fmt;

use otel_core::exporter::ForkRecipe;

use crate::error::SendError;

mod in_memory;
mod pacer;
mod receiver_drops;
mod resolve;
mod udp;

pub use in_memory::{Datagrams, InMemoryTransport};
pub(crate) use pacer::Pacer;
pub use resolve::{Resolve, SystemResolver};
pub(crate) use udp::UdpTransport;

/// Takes one datagram after another.
///
/// The other side can refuse a datagram only after it was taken. So a refusal answers a later call, and says something
/// about the datagram **before**: the last one for which `send` answered Ok.
pub trait Transport: fmt::Debug + Send + 'static {
    /// Gives a datagram to the system.
    ///
    /// # Errors
    ///
    /// The datagram at hand was not sent. [`SendError::Refused`] says that the one before was lost; the caller books
    /// that, and sends the one at hand again.
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError>;

    /// Tells what is known by now of the last datagram.
    ///
    /// # Errors
    ///
    /// [`SendError::Refused`] where the last datagram was refused; others are of no consequence to it.
    fn confirm(&mut self) -> Result<(), SendError> {
        Ok(())
    }

    /// Returns how many datagrams a receiver on this machine is known to have dropped, whoever sent them: what came
    /// faster than it could take.
    fn receiver_dropped_datagrams(&self) -> u64 {
        0
    }

    /// Is told that no datagram will follow: a last look at the receiver is due.
    fn close(&mut self) {}

    /// Returns how to make a transport for the child of a `fork`, which shares no socket with this one.
    ///
    /// Default: none. Spans that end in the child are then lost and counted.
    fn fork_recipe(&self) -> Option<ForkRecipe<dyn Transport>> {
        None
    }
}
