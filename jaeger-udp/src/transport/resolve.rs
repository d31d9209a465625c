//! From the agent's name to its addresses.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// Finds the addresses of a host. Called on the exporter's thread, and may take its time.
pub trait Resolve: fmt::Debug + Send + 'static {
    /// Returns the addresses in the order in which they are to be tried.
    ///
    /// # Errors
    ///
    /// Where the name has none, or nobody could be asked.
    fn resolve(&mut self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// Asks the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&mut self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        (host, port).to_socket_addrs().map(Iterator::collect)
    }
}
