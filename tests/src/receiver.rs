//! A receiver on a port of its own, which misses nothing that the kernel does not drop.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver as Datagrams, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jaeger_udp::agent::decode_message;
use jaeger_udp::model::{Batch, Span};

/// Receives datagrams on one thread and decodes them on another, so that a slow decoder fills no socket.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Received>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Received {
    batches: Mutex<Vec<Batch>>,
    changed: Condvar,
}

impl Receiver {
    /// Listens on a port of 127.0.0.1 that the system chooses.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    /// Listens on this address.
    pub fn start_at(address: &str) -> Self {
        let socket = UdpSocket::bind(address).expect("the address is free");
        // What an agent asks for: the default buffer holds three full datagrams.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket takes a timeout");
        let address = socket.local_addr().expect("a bound socket has an address");
        let (received, is_over) = (Arc::new(Received::default()), Arc::new(AtomicBool::new(false)));
        let (sender, datagrams) = mpsc::channel();
        let (over, decoded) = (Arc::clone(&is_over), Arc::clone(&received));
        let threads = vec![
            thread::spawn(move || receive(&socket, &sender, &over)),
            thread::spawn(move || decode(&datagrams, &decoded)),
        ];
        Self { address, received, is_over, threads }
    }

    /// Returns the port that clients send to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the batches that arrived.
    pub fn batches(&self) -> Vec<Batch> {
        self.received.batches.lock().unwrap().clone()
    }

    /// Returns the spans that arrived.
    pub fn spans(&self) -> Vec<Span> {
        self.batches().into_iter().flat_map(|batch| batch.spans).collect()
    }

    /// Waits until at least this many spans arrived, and tells whether they did in time.
    pub fn wait_for_spans(&self, n_spans: usize, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut batches = self.received.batches.lock().unwrap();
        loop {
            if batches.iter().map(|batch| batch.spans.len()).sum::<usize>() >= n_spans {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            batches = self.received.changed.wait_timeout(batches, left).unwrap().0;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn receive(socket: &UdpSocket, datagrams: &Sender<Vec<u8>>, is_over: &AtomicBool) {
    let mut buffer = vec![0; 65_536];
    while !is_over.load(Ordering::Relaxed) {
        if let Ok(len) = socket.recv(&mut buffer) {
            let _ = datagrams.send(buffer[..len].to_vec());
        }
    }
}

fn decode(datagrams: &Datagrams<Vec<u8>>, received: &Received) {
    while let Ok(datagram) = datagrams.recv() {
        assert!(datagram.len() <= 65_000, "a datagram of {} bytes", datagram.len());
        let message = decode_message(&datagram).expect("what we send can be decoded");
        assert_eq!(message.trailing_bytes, 0);
        received.batches.lock().unwrap().push(message.batch);
        received.changed.notify_all();
    }
}
