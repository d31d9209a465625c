//! What the kernel dropped at a receiver on this machine, since its buffer was full.
//!
//! Nobody else could tell: to the sender such a datagram is sent, and the receiver never hears of it.

use std::fs;
use std::time::{Duration, Instant};

/// Watches the kernel's drop counter of a local port. Finds nothing on systems other than Linux.
#[derive(Debug, Default)]
pub(crate) struct ReceiverDrops {
    /// The port and its counter when it was last read.
    last: Option<(u16, u64)>,
    read_at: Option<Instant>,
    total: u64,
}

impl ReceiverDrops {
    /// Reads the counter, at the most once a second.
    pub(crate) fn update(&mut self, port: u16, is_due: bool) {
        if !cfg!(target_os = "linux")
            || !is_due && self.read_at.is_some_and(|read_at| read_at.elapsed() < INTERVAL)
        {
            return;
        }
        self.read_at = Some(Instant::now());
        let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"].map(fs::read_to_string);
        self.note(port, tables.iter().flatten().map(|table| drops_in(table, port)).sum());
    }

    /// Returns how many datagrams were dropped since the counter was first read.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    fn note(&mut self, port: u16, drops: u64) {
        self.total += match self.last {
            // A receiver that started again counts from zero.
            Some((last_port, last)) if last_port == port => {
                drops.checked_sub(last).unwrap_or(drops)
            }
            _ => 0,
        };
        self.last = Some((port, drops));
    }
}

/// Adds up the drops of the sockets that listen on a port, in a table as `/proc/net/udp` has it.
fn drops_in(table: &str, port: u16) -> u64 {
    let drops_of = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (_slot, local, remote, drops) =
            (fields.next()?, fields.next()?, fields.next()?, fields.next_back()?);
        let port_of = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
        // A socket with a remote port is a client's.
        (port_of(local)? == port && port_of(remote)? == 0).then(|| drops.parse::<u64>().ok())?
    };
    table.lines().skip(1).filter_map(drops_of).sum()
}

const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  213: 00000000:1AAF 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 30921 2 0000000000000000 17
  214: 0100007F:1AAF 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 30922 2 0000000000000000 3
  215: 0100007F:1AAF 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 30923 2 0000000000000000 100
  216: 00000000:1AB0 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 30924 2 0000000000000000 5
nonsense
";

    #[test]
    fn the_drops_of_sockets_that_listen_on_the_port_are_added_up() {
        assert_eq!(drops_in(TABLE, 6831), 20);
        assert_eq!(drops_in(TABLE, 6832), 5);
        assert_eq!(drops_in(TABLE, 53), 0);
        assert_eq!(drops_in("", 6831), 0);
    }

    #[test]
    fn what_was_dropped_before_the_first_look_is_not_ours() {
        let mut drops = ReceiverDrops::default();
        let totals =
            [(1, 100), (1, 103), (1, 103), (1, 2), (2, 50), (2, 51)].map(|(port, count)| {
                drops.note(port, count);
                drops.total()
            });
        assert_eq!(totals, [0, 3, 3, 5, 5, 6]);
    }
}
