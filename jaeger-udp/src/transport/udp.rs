//! UDP to an agent: one connected socket, and every address that the agent's name has.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use otel_core::exporter::ForkRecipe;
use socket2::{Domain, Protocol, Socket, Type};

use super::receiver_drops::ReceiverDrops;
use super::{Resolve, Transport};
use crate::error::SendError;

/// Sends datagrams to one of an agent's addresses, and goes on to the next where one refuses. What the first datagram of
/// an address is refused, the next address is given.
///
/// Nothing is resolved or opened before the first datagram: an agent that is absent at the start is no error.
#[derive(Debug)]
pub(crate) struct UdpTransport {
    host: String,
    port: u16,
    resolver: Box<dyn Resolve>,
    /// What the socket's send buffer must hold.
    max_packet_bytes: usize,
    addresses: Vec<SocketAddr>,
    /// Which of the addresses is in use.
    current: usize,
    socket: Option<Socket>,
    resolved_at: Option<Instant>,
    /// All addresses were tried since they were resolved.
    wants_resolving: bool,
    resolve_error: Option<io::Error>,
    /// The first datagram that the current address was given, until it is known that the address does not refuse: the
    /// next address gets it otherwise. Empty where the address is proven, or is the only one.
    first_datagram: Vec<u8>,
    is_proven: bool,
    intervals: Intervals,
    receiver_drops: ReceiverDrops,
}

/// How often a name is resolved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intervals {
    /// Always, after this time.
    pub(crate) usual: Duration,
    /// Where there is a reason: the name had no address, or all of them refused.
    pub(crate) with_reason: Duration,
}

impl Default for Intervals {
    /// Source of the usual one: `jaeger-client-go:utils/reconnecting_udp_conn.go`.
    fn default() -> Self {
        Self { usual: Duration::from_secs(30), with_reason: Duration::from_secs(1) }
    }
}

impl UdpTransport {
    pub(crate) fn new(
        host: String,
        port: u16,
        resolver: Box<dyn Resolve>,
        max_packet_bytes: usize,
    ) -> Self {
        Self {
            host,
            port,
            resolver,
            max_packet_bytes,
            addresses: Vec::new(),
            current: 0,
            socket: None,
            resolved_at: None,
            wants_resolving: false,
            resolve_error: None,
            first_datagram: Vec::new(),
            is_proven: false,
            intervals: Intervals::default(),
            receiver_drops: ReceiverDrops::default(),
        }
    }

    #[cfg(all(test, feature = "agent"))]
    pub(crate) fn with_intervals(self, intervals: Intervals) -> Self {
        Self { intervals, ..self }
    }

    fn resolve_if_due(&mut self) {
        if let Some(resolved_at) = self.resolved_at {
            let has_reason = self.wants_resolving || self.addresses.is_empty();
            let interval =
                if has_reason { self.intervals.with_reason } else { self.intervals.usual };
            if resolved_at.elapsed() < interval {
                return;
            }
        }
        let resolved = self.resolver.resolve(&self.host, self.port);
        // The time is taken afterwards: a resolver that takes long is not to be asked again at once.
        self.resolved_at = Some(Instant::now());
        self.wants_resolving = false;
        match resolved {
            Ok(addresses) if addresses.is_empty() => {
                self.resolve_error =
                    Some(io::Error::new(io::ErrorKind::NotFound, "the answer is empty"));
            }
            Ok(addresses) => self.use_addresses(addresses),
            // Addresses known from before stay in use.
            Err(error) => self.resolve_error = Some(error),
        }
    }

    fn use_addresses(&mut self, mut addresses: Vec<SocketAddr>) {
        if is_localhost(&self.host) {
            // An agent on this machine mostly listens on IPv4 alone, while many systems name ::1 first.
            addresses.sort_by_key(SocketAddr::is_ipv6);
        }
        if addresses == self.addresses {
            return;
        }
        let in_use = self.socket.as_ref().and_then(|_| self.addresses.get(self.current));
        match addresses.iter().position(|address| Some(address) == in_use) {
            Some(index) => self.current = index,
            None => {
                self.current = 0;
                self.socket = None;
            }
        }
        self.addresses = addresses;
    }

    /// Returns a socket that is connected to the first usable address, from the current one on.
    fn connected(&mut self) -> Result<&Socket, SendError> {
        if self.socket.is_none() {
            self.socket = Some(self.connect()?);
        }
        self.socket.as_ref().ok_or_else(|| SendError::Failed(io::ErrorKind::NotConnected.into()))
    }

    fn connect(&mut self) -> Result<Socket, SendError> {
        let mut last_error = None;
        for _ in 0..self.addresses.len() {
            match open(self.addresses[self.current], self.max_packet_bytes) {
                Ok(socket) => {
                    self.look_at_receiver(false);
                    return Ok(socket);
                }
                Err(error) => {
                    last_error = Some(error);
                    self.go_on();
                }
            }
        }
        Err(last_error.map_or_else(|| self.unresolved(), SendError::Failed))
    }

    fn look_at_receiver(&mut self, is_due: bool) {
        let address = self.addresses.get(self.current);
        if let Some(address) = address.filter(|address| address.ip().is_loopback()) {
            self.receiver_drops.update(address.port(), is_due);
        }
    }

    fn unresolved(&self) -> SendError {
        let source = match &self.resolve_error {
            Some(error) => io::Error::new(error.kind(), error.to_string()),
            None => io::ErrorKind::NotFound.into(),
        };
        SendError::Unresolved { host: self.host.clone(), source }
    }

    /// Turns to the next address; after the last one it is time to ask for them again.
    fn go_on(&mut self) {
        self.current += 1;
        if self.current >= self.addresses.len() {
            self.current = 0;
            self.wants_resolving = true;
        }
        if self.addresses.len() > 1 {
            self.socket = None;
            self.is_proven = false;
        }
    }

    /// Remembers what an address is given first; one that has taken two without a word is proven.
    fn note_sent(&mut self, datagram: &[u8]) {
        if self.is_proven || self.addresses.len() == 1 {
            return;
        }
        self.is_proven = !self.first_datagram.is_empty();
        self.first_datagram.clear();
        if !self.is_proven {
            self.first_datagram.extend_from_slice(datagram);
        }
    }

    /// Turns to the next address, after a refusal; tells whether one of those that are left took what was refused.
    fn go_on_with_refused(&mut self) -> bool {
        self.go_on();
        let datagram = mem::take(&mut self.first_datagram);
        if datagram.is_empty() {
            return false;
        }
        for _ in 1..self.addresses.len() {
            let Ok(socket) = self.connected() else { return false };
            // On this machine a refusal is known at once; elsewhere it comes later, and finds the datagram still here.
            let is_taken = send_patiently(socket, &datagram).is_ok() && !is_refused(socket);
            if is_taken {
                self.first_datagram = datagram;
                return true;
            }
            self.go_on();
        }
        false
    }
}

impl Transport for UdpTransport {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.resolve_if_due();
        let mut last_error = None;
        // Once more than there are addresses: a refusal of the datagram before may come first.
        for _ in 0..=self.addresses.len() {
            match send_patiently(self.connected()?, datagram) {
                Ok(()) => {
                    self.note_sent(datagram);
                    return Ok(());
                }
                Err(error) if is_refusal(&error) => {
                    if !self.go_on_with_refused() {
                        return Err(SendError::Refused(error));
                    }
                }
                Err(error) if error.raw_os_error() == Some(EMSGSIZE) => {
                    return Err(SendError::TooLong(error));
                }
                Err(error) => {
                    last_error = Some(error);
                    self.go_on();
                    self.socket = None;
                }
            }
        }
        Err(SendError::Failed(last_error.unwrap_or_else(|| io::ErrorKind::NotConnected.into())))
    }

    fn confirm(&mut self) -> Result<(), SendError> {
        self.look_at_receiver(false);
        match self.socket.as_ref().map(Socket::take_error) {
            Some(Ok(Some(error))) if is_refusal(&error) && !self.go_on_with_refused() => {
                Err(SendError::Refused(error))
            }
            _ => Ok(()),
        }
    }

    fn receiver_dropped_datagrams(&self) -> u64 {
        self.receiver_drops.total()
    }

    fn close(&mut self) {
        // Whatever the interval: a program may send a burst, and close at once.
        self.look_at_receiver(true);
    }

    fn fork_recipe(&self) -> Option<ForkRecipe<dyn Transport>> {
        let resolver = self.resolver.fork_recipe()?;
        let (host, port) = (self.host.clone(), self.port);
        let (max_packet_bytes, intervals) = (self.max_packet_bytes, self.intervals);
        Some(ForkRecipe::new(move || -> Box<dyn Transport> {
            let transport = Self::new(host.clone(), port, resolver.make(), max_packet_bytes);
            Box::new(Self { intervals, ..transport })
        }))
    }
}

fn open(address: SocketAddr, max_packet_bytes: usize) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // A send buffer shorter than the datagram would refuse it as too long. Without the buffer shorter ones still pass.
    if socket.send_buffer_size().is_ok_and(|bytes| bytes < max_packet_bytes) {
        let _ = socket.set_send_buffer_size(max_packet_bytes);
    }
    // Connected: the system reports refusals, and each datagram costs 320 ns less.
    socket.connect(&address.into())?;
    Ok(socket)
}

/// Sends, and waits a little where the system's buffers are full: 13 ms all told.
fn send_patiently(socket: &Socket, datagram: &[u8]) -> io::Result<()> {
    let mut pause = Duration::from_micros(50);
    for _ in 0..8 {
        match socket.send(datagram) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock
                    || error.raw_os_error() == Some(ENOBUFS) =>
            {
                thread::sleep(pause);
                pause *= 2;
            }
            Err(error) => return Err(error),
        }
    }
    socket.send(datagram).map(drop)
}

/// Tells whether the last datagram is known to be refused by now.
fn is_refused(socket: &Socket) -> bool {
    matches!(socket.take_error(), Ok(Some(error)) if is_refusal(&error))
}

fn is_refusal(error: &io::Error) -> bool {
    // Windows reports a refused datagram as a reset connection.
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

/// The system's numbers of two errors that the standard library has no name for.
const EMSGSIZE: i32 = if cfg!(windows) {
    10_040
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    90
} else {
    40
};
const ENOBUFS: i32 = if cfg!(windows) {
    10_055
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    105
} else {
    55
};

#[cfg(all(test, feature = "agent"))]
mod tests;
