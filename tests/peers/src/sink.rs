//! The receiving side: a process that counts what arrives, and does as little else as it can.
//!
//! Spans are counted by the head of their Thrift list, behind the message's name and the Process. The numbers are in a
//! page that the sending process has mapped too, so to look at them costs it nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::os;

/// A sink in a process of its own, as its parent sees it. Dropping it ends the process.
pub struct Sink {
    process: Child,
    path: PathBuf,
    counters: &'static Counters,
}

/// What arrived at a sink.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrivals {
    /// Spans.
    pub spans: u64,
    /// Datagrams.
    pub datagrams: u64,
    /// Their payload in bytes.
    pub bytes: u64,
    /// Datagrams in which no list of spans was found.
    pub bad_datagrams: u64,
}

impl Sink {
    /// Starts the process and waits until it listens.
    ///
    /// # Errors
    ///
    /// Where the scratch file or the process cannot be made.
    pub fn start(is_pinned: bool) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("peers-sink-{}", std::process::id()));
        let counters = open(&path)?;
        let process = Command::new(std::env::current_exe()?)
            .arg("sink")
            .arg(&path)
            .arg(if is_pinned { "pinned" } else { "free" })
            .stdin(Stdio::piped())
            .spawn()?;
        let sink = Self { process, path, counters };
        let start = Instant::now();
        while sink.port() == 0 {
            if start.elapsed() > Duration::from_secs(5) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(sink)
    }

    /// Returns the port on 127.0.0.1 that it listens on.
    pub fn port(&self) -> u16 {
        self.counters[PORT].load(Ordering::Acquire) as u16
    }

    /// Returns how many spans have arrived.
    #[inline]
    pub fn spans(&self) -> u64 {
        // Relaxed, here and below: a number that guards no other memory.
        self.counters[SPANS].load(Ordering::Relaxed)
    }

    /// Returns all that has arrived.
    pub fn arrivals(&self) -> Arrivals {
        let read = |index: usize| self.counters[index].load(Ordering::Relaxed);
        Arrivals {
            spans: read(SPANS),
            datagrams: read(DATAGRAMS),
            bytes: read(BYTES),
            bad_datagrams: read(BAD_DATAGRAMS),
        }
    }

    /// Returns how many datagrams the kernel dropped at the sink's socket.
    pub fn kernel_drops(&self) -> u64 {
        let sockets = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
        let port = format!(":{:04X}", self.port());
        sockets
            .lines()
            .filter(|line| {
                line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port))
            })
            .filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok())
            .sum()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // The end of its input is its sign to stop; so it also stops where this process dies.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Is the sink: counts until its input ends.
///
/// # Errors
///
/// Where the scratch file or the socket cannot be opened.
pub fn run(path: &Path, is_pinned: bool) -> io::Result<()> {
    let counters = open(path)?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    os::set_receive_buffer(&socket, RECEIVE_BUFFER_BYTES);
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    if is_pinned {
        os::pin(0, 1);
    }
    counters[PORT].store(u64::from(socket.local_addr()?.port()), Ordering::Release);
    let mut datagram = vec![0; 65_536];
    loop {
        let len = match socket.recv(&mut datagram) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        counters[DATAGRAMS].fetch_add(1, Ordering::Relaxed);
        counters[BYTES].fetch_add(len as u64, Ordering::Relaxed);
        match count_spans(&datagram[..len]) {
            Some(n_spans) => counters[SPANS].fetch_add(n_spans, Ordering::Relaxed),
            None => counters[BAD_DATAGRAMS].fetch_add(1, Ordering::Relaxed),
        };
    }
}

fn open(path: &Path) -> io::Result<&'static Counters> {
    let file: File =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    os::share(&file)
}

/// Reads how many spans a datagram says that it has; `None` where it is no call in the compact protocol.
fn count_spans(datagram: &[u8]) -> Option<u64> {
    let mut reader = Reader { rest: datagram };
    if reader.byte()? != PROTOCOL_ID {
        return None;
    }
    reader.byte()?; // version and type
    reader.varint()?; // sequence id
    reader.text()?; // name of the method
    if reader.field()?.1 != STRUCT || reader.field()?.1 != STRUCT {
        return None; // arguments, and in them the batch: its first field is the Process
    }
    reader.rest_of_struct()?;
    if reader.field()? != (1, LIST) {
        return None;
    }
    Some(reader.list()?.0)
}

/// Goes over the compact protocol without keeping anything.
///
/// Source: `apache/thrift:doc/specs/thrift-compact-protocol.md`.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn skip(&mut self, n_bytes: usize) -> Option<()> {
        self.rest = self.rest.get(n_bytes..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift.min(63);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<()> {
        let len = usize::try_from(self.varint()?).ok()?;
        self.skip(len)
    }

    /// Reads the head of a field: how much its id is above the last one, and its type.
    fn field(&mut self) -> Option<(u8, u8)> {
        let head = self.byte()?;
        if head != STOP && head >> 4 == 0 {
            self.varint()?; // an id in full
        }
        Some((head >> 4, head & 0x0F))
    }

    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let len = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Some((len, head & 0x0F))
    }

    fn rest_of_struct(&mut self) -> Option<()> {
        loop {
            match self.field()? {
                (_, STOP) => return Some(()),
                (_, field_type) => self.value(field_type)?,
            }
        }
    }

    fn value(&mut self, field_type: u8) -> Option<()> {
        match field_type {
            1 | 2 => Some(()), // a boolean is in its head
            3 => self.skip(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.skip(8),
            8 => self.text(),
            LIST => {
                let (len, item_type) = self.list()?;
                (0..len).try_for_each(|_| self.value(item_type))
            }
            STRUCT => self.rest_of_struct(),
            _ => None,
        }
    }
}

/// The page that both sides have: one number in each place.
type Counters = [AtomicU64; 5];

const PORT: usize = 0;
const SPANS: usize = 1;
const DATAGRAMS: usize = 2;
const BYTES: usize = 3;
const BAD_DATAGRAMS: usize = 4;

/// Enough for a burst that nobody reads, where the process may have it.
const RECEIVE_BUFFER_BYTES: i32 = 256 << 20;

const PROTOCOL_ID: u8 = 0x82;
const STOP: u8 = 0;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_behind_a_process_with_tags() {
        let head =
            b"\x82\x81\0\x09emitBatch\x1C\x1C\x18\x03svc\x19\x1C\x18\x01k\x15\x06\x46\x02\0\0";
        for (list, expected) in [
            (&b"\x19\x2C"[..], Some(2)),
            (b"\x19\xFC\x90\x03", Some(400)),
            (b"\x19\xFC\x90\x83\0", Some(400)), // padded
            (b"\x29\x2C", None),                // not field 2
            (b"", None),
        ] {
            assert_eq!(count_spans(&[head, list].concat()), expected, "{list:x?}");
        }
        assert_eq!(count_spans(b"\x80\x01"), None);
    }
}
