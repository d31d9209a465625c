//! A small HTTP server for programs that talk to each other on one machine: GET alone, JSON alone, a thread for each
//! connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The path, decoded.
    pub path: String,
    /// The pairs of the query, decoded, in their order.
    pub query: Vec<(String, String)>,
    /// The headers in their order, names as they came; what is not UTF-8 is replaced.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// Reads a request's head.
    ///
    /// # Errors
    ///
    /// A sentence for the client, where this is not a GET request. Lines that are no headers are passed over.
    pub fn parse(head: &[u8]) -> Result<Self, String> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let first = lines.next().unwrap_or_default();
        let mut words = first.split(' ');
        let (Some("GET"), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("this is not a GET request".to_owned());
        };
        if !version.starts_with("HTTP/1.") {
            return Err("this is not HTTP/1".to_owned());
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Ok(Self {
            path: decoded(path),
            query: pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
                .collect(),
        })
    }

    /// Returns the first value of a name in the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query_all(name).next()
    }

    /// Visits all values of a name in the query.
    pub fn query_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Answers requests until the listener fails. Every answer is `200 OK` with JSON; what cannot be read is answered with
/// an object that has an `error`.
///
/// At most 128 connections are answered at once, the others wait. A client has five seconds to say what it wants, in at
/// most a MiB.
///
/// # Errors
///
/// Where the listener does not work any more.
pub fn serve(
    listener: &TcpListener,
    answer: impl Fn(&Request) -> Value + Send + Sync + 'static,
) -> io::Result<()> {
    let (answer, seats) = (Arc::new(answer), Arc::new(Seats::default()));
    loop {
        let seat = Seats::take(&seats);
        match listener.accept() {
            Ok((connection, _)) => {
                let answer = Arc::clone(&answer);
                let talk = move || {
                    let _seat = seat;
                    // A client who goes away is no reason to stop.
                    let _ = converse(connection, &*answer);
                };
                // Without a thread, the connection is closed by its drop.
                drop(thread::Builder::new().name("http".to_owned()).spawn(talk));
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            // Where files run out, the next attempt fails at once.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn converse(mut connection: TcpStream, answer: &dyn Fn(&Request) -> Value) -> io::Result<()> {
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    let value = match read_head(&mut connection, deadline)? {
        Head::Whole(head) => match Request::parse(&head) {
            Ok(request) => answer(&request),
            Err(error) => json!({ "error": error }),
        },
        Head::TooLong => {
            json!({ "error": format!("the head is longer than {MAX_HEAD_BYTES} bytes") })
        }
        Head::Cut => json!({ "error": "the request ends too early" }),
    };
    let body = value.to_string();
    connection.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    connection.shutdown(Shutdown::Write)?;
    drain(&mut connection)
}

/// What was read of a request.
enum Head {
    Whole(Vec<u8>),
    TooLong,
    Cut,
}

/// Reads a request up to the empty line.
fn read_head(connection: &mut TcpStream, deadline: Instant) -> io::Result<Head> {
    let (mut head, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Head::Cut);
        }
        connection.set_read_timeout(Some(left))?;
        let n_bytes = match connection.read(&mut chunk) {
            Ok(0) => return Ok(Head::Cut),
            Ok(n_bytes) => n_bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                return Ok(Head::Cut);
            }
            Err(error) => return Err(error),
        };
        // The end may lie across the border of two chunks; what was searched before is not searched again.
        let searched = head.len().saturating_sub(2);
        head.extend_from_slice(&chunk[..n_bytes]);
        if let Some(place) = find_end(&head[searched..]) {
            head.truncate(searched + place);
            return Ok(Head::Whole(head));
        }
        if head.len() > MAX_HEAD_BYTES {
            return Ok(Head::TooLong);
        }
    }
}

/// Finds the end of the line before the empty one, whose ends may lack the carriage return.
fn find_end(bytes: &[u8]) -> Option<usize> {
    let is_end = |place: &usize| {
        let rest = &bytes[*place..];
        rest.starts_with(b"\n\r\n") || rest.starts_with(b"\n\n")
    };
    (0..bytes.len()).find(is_end)
}

/// Reads what the client still sends, within limits: to close on unread bytes would take the answer from the client.
fn drain(connection: &mut TcpStream) -> io::Result<()> {
    let deadline = Instant::now() + DRAIN_TIMEOUT;
    let (mut n_drained, mut chunk) = (0, [0; 4096]);
    while n_drained < MAX_DRAINED_BYTES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        connection.set_read_timeout(Some(left))?;
        match connection.read(&mut chunk)? {
            0 => break,
            n_bytes => n_drained += n_bytes,
        }
    }
    Ok(())
}

/// Takes percent-coding off; a `+` is a space. A `%` before anything but two digits stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, escaped(after)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escaped(after: &[u8]) -> Option<u8> {
    let [high, low, ..] = after else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Counts the connections that are being answered.
#[derive(Debug, Default)]
struct Seats {
    n_taken: Mutex<usize>,
    is_freed: Condvar,
}

impl Seats {
    /// Waits until there is one.
    fn take(seats: &Arc<Self>) -> Seat {
        let n_taken = seats.n_taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut n_taken = seats
            .is_freed
            .wait_while(n_taken, |n_taken| *n_taken >= MAX_CONNECTIONS)
            .unwrap_or_else(PoisonError::into_inner);
        *n_taken += 1;
        Seat(Arc::clone(seats))
    }
}

/// A connection's place, freed by the drop.
#[derive(Debug)]
struct Seat(Arc<Seats>);

impl Drop for Seat {
    fn drop(&mut self) {
        *self.0.n_taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.is_freed.notify_one();
    }
}

const MAX_CONNECTIONS: usize = 128;
const MAX_HEAD_BYTES: usize = 1 << 20;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_DRAINED_BYTES: usize = 16 << 20;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_its_path_its_query_and_its_headers() {
        let request = Request::parse(
            b"GET /start?a=1&to=http%3A%2F%2Fx%2F%3Fb%3D2&a=b=c+d&e&%zz=%4 HTTP/1.1\r\nHost: x\r\nno header\r\nA:\t b: c \r\nb: \xff",
        );
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let request = request.unwrap();
        assert_eq!(request.path, "/start");
        assert_eq!(
            request.query,
            pairs(&[("a", "1"), ("to", "http://x/?b=2"), ("a", "b=c d"), ("e", ""), ("%zz", "%4")])
        );
        assert_eq!(request.headers, pairs(&[("Host", "x"), ("A", "b: c"), ("b", "\u{FFFD}")]));
        assert_eq!((request.query("a"), request.query("x")), (Some("1"), None));
        assert_eq!(request.query_all("a").collect::<Vec<_>>(), ["1", "b=c d"]);
    }

    #[test]
    fn what_is_no_get_request_is_an_error() {
        for head in [
            &b""[..],
            b"\r\n",
            b"GET",
            b"GET /",
            b"GET / HTTP/2",
            b"GET  / HTTP/1.1",
            b"GET / HTTP/1.1 x",
            b"POST / HTTP/1.1",
            b"\xff\xfe",
            b"get / HTTP/1.1",
        ] {
            assert!(Request::parse(head).is_err(), "head {head:?}");
        }
    }
}
