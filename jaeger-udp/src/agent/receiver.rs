//! The socket of an agent.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::AgentCounts;
use super::decode::{MAX_DATAGRAM_BYTES, decode_message};
use crate::model::{Batch, Message};

/// Listens for clients' datagrams and decodes them.
///
/// It has no thread: datagrams wait in the system's receive buffer until somebody calls `recv`. Dropping it closes the
/// port at once.
#[derive(Debug)]
pub struct Agent {
    socket: UdpSocket,
    local_addr: SocketAddr,
    buffer: Box<[u8]>,
    counts: AgentCounts,
    /// What the socket's timeout is set to.
    timeout: Option<Duration>,
}

impl Agent {
    /// Listens on an address; with port 0 the system chooses one, see [`local_addr`](Self::local_addr).
    ///
    /// Asks the system for a receive buffer of 4 MiB, 64 full datagrams. It may grant less: Linux stops at
    /// `net.core.rmem_max`, 208 KiB by default.
    ///
    /// # Errors
    ///
    /// Where the address cannot be bound, as when another agent has it.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let _ = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        let local_addr = socket.local_addr()?;
        let buffer = vec![0; MAX_DATAGRAM_BYTES].into_boxed_slice();
        Ok(Self { socket, local_addr, buffer, counts: AgentCounts::default(), timeout: None })
    }

    /// Returns the address that clients send to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns what was counted up to now.
    pub fn counts(&self) -> &AgentCounts {
        &self.counts
    }

    /// Waits for the next batch; bad datagrams are counted and passed over. `None` when time is up.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Option<Batch> {
        self.recv_message_timeout(timeout).map(|message| message.batch)
    }

    /// Waits for the next batch, and returns what stands around it as well. `None` when time is up.
    pub fn recv_message_timeout(&mut self, timeout: Duration) -> Option<Message> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match self.recv(left) {
                Ok(len) => {
                    if let Some(message) = self.decode(len) {
                        return Some(message);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // On Windows, an answer to something sent from here; otherwise the time is up.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(_) => return None,
            }
            if left == Some(Duration::ZERO) {
                return None;
            }
        }
    }

    fn recv(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        // The system takes no timeout of zero: it would mean for ever.
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_micros(1)));
        if self.timeout != timeout {
            self.socket.set_read_timeout(timeout)?;
            self.timeout = timeout;
        }
        self.socket.recv(&mut self.buffer)
    }

    fn decode(&mut self, len: usize) -> Option<Message> {
        let datagram = &self.buffer[..len];
        self.counts.packets += 1;
        self.counts.bytes += len as u64;
        match decode_message(datagram) {
            Ok(message) => {
                self.counts.note_batch(&message.batch, message.trailing_bytes);
                Some(message)
            }
            Err(error) => {
                self.counts.note_error(&error);
                None
            }
        }
    }
}

const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests;
