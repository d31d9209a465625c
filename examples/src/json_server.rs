//! A small HTTP server for programs that talk to each other on one machine: GET and POST alone, JSON alone, a thread for
//! each connection.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// The path, decoded.
    pub path: String,
    /// The pairs of the query, decoded, in their order.
    pub query: Vec<(String, String)>,
    /// The headers in their order, names as they came; what is not UTF-8 is replaced.
    pub headers: Vec<(String, String)>,
    /// What follows the headers; empty where they announce nothing.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads a request's head.
    ///
    /// # Errors
    ///
    /// A sentence for the client, where this is neither a GET nor a POST request. Lines that are no headers are passed
    /// over.
    pub fn parse(head: &[u8]) -> Result<Self, String> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let first = lines.next().unwrap_or_default();
        let mut words = first.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("this is no request".to_owned());
        };
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            _ => return Err("this is neither a GET nor a POST request".to_owned()),
        };
        if !version.starts_with("HTTP/1.") {
            return Err("this is not HTTP/1".to_owned());
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Ok(Self {
            method,
            path: decoded(path),
            query: pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
                .collect(),
            body: Vec::new(),
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

    /// Visits all values of a header, whose name is found in any case.
    pub fn header_all(&self, name: &str) -> impl Iterator<Item = &str> {
        let is_it = move |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().filter(is_it).map(|(_, value)| value.as_str())
    }
}

/// What a client wants to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// To see something.
    #[default]
    Get,
    /// To have the request's body dealt with.
    Post,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
        })
    }
}

/// Answers requests until the listener fails. Every answer is `200 OK` with JSON; what cannot be read is answered with
/// an object that has an `error`.
///
/// At most 128 connections are answered at once, the others wait. A client has five seconds to say what it wants, in a
/// head and a body of at most a MiB each, and as long to take the answer.
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
    let request = Incoming::new(&mut connection).request();
    let body = match request {
        Ok(request) => answer(&request),
        Err(error) => json!({ "error": error }),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    send(&mut connection, &[head.as_bytes(), body.as_bytes()].concat())?;
    connection.shutdown(Shutdown::Write)?;
    drain(&mut connection)
}

/// What a client sends, as far as it was read.
struct Incoming<'c> {
    connection: &'c mut TcpStream,
    deadline: Instant,
    bytes: Vec<u8>,
    /// How many of the bytes were made use of.
    n_used: usize,
}

impl<'c> Incoming<'c> {
    fn new(connection: &'c mut TcpStream) -> Self {
        Self {
            connection,
            deadline: Instant::now() + REQUEST_TIMEOUT,
            bytes: Vec::new(),
            n_used: 0,
        }
    }

    fn request(&mut self) -> Result<Request, String> {
        let mut request = Request::parse(self.head()?)?;
        request.body = self.body(&request)?;
        Ok(request)
    }

    /// Reads up to the empty line.
    fn head(&mut self) -> Result<&[u8], String> {
        loop {
            // The end may lie across the border of two reads; what was searched before is not searched again.
            let n_searched = self.bytes.len().saturating_sub(2);
            self.read_more()?;
            if let Some((place, n_end)) = find_end(&self.bytes[n_searched..]) {
                self.n_used = n_searched + place + n_end;
                return Ok(&self.bytes[..n_searched + place]);
            }
            if self.bytes.len() > MAX_HEAD_BYTES {
                return Err(format!("the head is longer than {MAX_HEAD_BYTES} bytes"));
            }
        }
    }

    /// Reads what the headers announce.
    fn body(&mut self, request: &Request) -> Result<Vec<u8>, String> {
        let is_chunked = request.header_all("transfer-encoding").next().is_some();
        let mut lengths = request.header_all("content-length");
        let length = lengths.next();
        if lengths.any(|other| Some(other) != length) {
            return Err("there are several lengths of the body".to_owned());
        }
        let n_bytes = match length {
            _ if is_chunked => None,
            Some(digits) => Some(number(digits, 10).ok_or("the length of the body is no number")?),
            None => return Ok(Vec::new()),
        };
        if request.header_all("expect").any(|what| what.eq_ignore_ascii_case("100-continue")) {
            send(self.connection, b"HTTP/1.1 100 Continue\r\n\r\n").map_err(|_| TOO_EARLY)?;
        }
        match n_bytes {
            None => self.chunks(request),
            Some(n_bytes) if n_bytes > MAX_BODY_BYTES => Err(body_is_too_long()),
            Some(n_bytes) => Ok(self.take(n_bytes)?.to_vec()),
        }
    }

    /// Reads a body that comes in chunks, each with its length in front.
    fn chunks(&mut self, request: &Request) -> Result<Vec<u8>, String> {
        let mut codings = request.header_all("transfer-encoding");
        if !codings.all(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Err("the body comes in a coding other than chunks".to_owned());
        }
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim_matches([' ', '\t']);
            let n_bytes = number(digits, 16).ok_or("the length of a chunk is no number")?;
            if n_bytes == 0 {
                return Ok(body);
            }
            if n_bytes > MAX_BODY_BYTES - body.len() {
                return Err(body_is_too_long());
            }
            body.extend_from_slice(self.take(n_bytes)?);
            if !self.line()?.is_empty() {
                return Err("a chunk is longer than it says".to_owned());
            }
        }
    }

    /// Takes a line, without its end.
    fn line(&mut self) -> Result<String, String> {
        let mut n_bytes = 0;
        loop {
            let unused = &self.bytes[self.n_used..];
            if let Some(place) = unused[n_bytes..].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&unused[..n_bytes + place]).into_owned();
                self.n_used += n_bytes + place + 1;
                return Ok(line.strip_suffix('\r').map(str::to_owned).unwrap_or(line));
            }
            n_bytes = unused.len();
            if n_bytes > MAX_LINE_BYTES {
                return Err("a line of the body is too long".to_owned());
            }
            self.read_more()?;
        }
    }

    fn take(&mut self, n_bytes: usize) -> Result<&[u8], String> {
        while self.bytes.len() - self.n_used < n_bytes {
            self.read_more()?;
        }
        let start = self.n_used;
        self.n_used += n_bytes;
        Ok(&self.bytes[start..self.n_used])
    }

    /// Reads at least one byte more.
    fn read_more(&mut self) -> Result<(), String> {
        // What was made use of goes once it is the larger part, so that each byte is moved once or twice.
        if self.n_used > self.bytes.len() / 2 {
            self.bytes.drain(..self.n_used);
            self.n_used = 0;
        }
        let mut chunk = [0; 4096];
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let is_ready = !left.is_zero() && self.connection.set_read_timeout(Some(left)).is_ok();
            match is_ready.then(|| self.connection.read(&mut chunk)) {
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                None | Some(Ok(0) | Err(_)) => return Err(TOO_EARLY.to_owned()),
                Some(Ok(n_bytes)) => {
                    self.bytes.extend_from_slice(&chunk[..n_bytes]);
                    return Ok(());
                }
            }
        }
    }
}

/// Writes all of it in a limited time, however slowly the client reads.
fn send(connection: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        connection.set_write_timeout(Some(left))?;
        match connection.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n_bytes) => bytes = &bytes[n_bytes..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Finds the end of the line before the empty one, whose ends may lack the carriage return; and how long that end is.
fn find_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = |place: usize| match &bytes[place..] {
        [b'\n', b'\r', b'\n', ..] => Some((place, 3)),
        [b'\n', b'\n', ..] => Some((place, 2)),
        _ => None,
    };
    (0..bytes.len()).find_map(end)
}

/// Reads digits and nothing else.
fn number(digits: &str, radix: u32) -> Option<usize> {
    let is_plain = digits.chars().all(|digit| digit.is_digit(radix));
    is_plain.then(|| usize::from_str_radix(digits, radix).ok()).flatten()
}

fn body_is_too_long() -> String {
    format!("the body is longer than {MAX_BODY_BYTES} bytes")
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
const MAX_BODY_BYTES: usize = 1 << 20;
/// Of what stands between the chunks of a body.
const MAX_LINE_BYTES: usize = 4096;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const TOO_EARLY: &str = "the request ends too early";
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
    fn what_is_neither_a_get_nor_a_post_request_is_an_error() {
        for head in [
            &b""[..],
            b"\r\n",
            b"GET",
            b"GET /",
            b"GET / HTTP/2",
            b"GET  / HTTP/1.1",
            b"GET / HTTP/1.1 x",
            b"PUT / HTTP/1.1",
            b"\xff\xfe",
            b"get / HTTP/1.1",
        ] {
            assert!(Request::parse(head).is_err(), "head {head:?}");
        }
    }
}
