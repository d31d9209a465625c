//! From the agent's name to its addresses.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use otel_core::exporter::ForkRecipe;

/// Finds the addresses of a host. Called on the exporter's thread, and may take its time.
pub trait Resolve: fmt::Debug + Send + 'static {
    /// Returns the addresses in the order in which they are to be tried.
    ///
    /// # Errors
    ///
    /// Where the name has none, or nobody could be asked.
    fn resolve(&mut self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    /// Returns how to make a resolver for the child of a `fork`.
    ///
    /// Default: none. Spans that end in the child are then lost and counted.
    fn fork_recipe(&self) -> Option<ForkRecipe<dyn Resolve>> {
        None
    }
}

/// Asks the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&mut self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        (host, port).to_socket_addrs().map(Iterator::collect)
    }

    fn fork_recipe(&self) -> Option<ForkRecipe<dyn Resolve>> {
        Some(ForkRecipe::new(|| -> Box<dyn Resolve> { Box::new(Self) }))
    }
}
