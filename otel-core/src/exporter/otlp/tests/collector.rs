//! A server on a free port that answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::LONG;

/// What the server does with a request.
#[derive(Clone)]
pub(super) enum Reply {
    /// Answers with a status, further headers and a body.
    Answer(u16, &'static str, Vec<u8>),
    /// Writes these bytes and closes.
    Bytes(Vec<u8>),
    /// Closes before the request is read, which resets the connection.
    Reset,
    /// Says nothing until the client has gone.
    Silence,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self::Answer(status, "", Vec::new())
    }
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) request_line: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(present, _)| present == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} came twice");
        value
    }
}

pub(super) struct Collector {
    address: SocketAddr,
    received: Receiver<Received>,
}

impl Collector {
    /// Starts a server that replies to one request after another, and with the last reply to all that follow.
    pub(super) fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = channel();
        let mut replies: Vec<Reply> = replies.into_iter().collect();
        replies.reverse();
        let replies = Arc::new(Mutex::new(replies));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (replies, sender) = (Arc::clone(&replies), sender.clone());
                let Ok(stream) = stream else { return };
                thread::spawn(move || serve(stream, &replies, &sender));
            }
        });
        Self { address, received }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the next request that was read.
    pub(super) fn receive(&self) -> Received {
        self.received.recv_timeout(LONG).expect("a request")
    }

    pub(super) fn has_received_nothing(&self) -> bool {
        self.received.try_recv().is_err()
    }
}

fn serve(stream: TcpStream, replies: &Mutex<Vec<Reply>>, sender: &Sender<Received>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    // Waits for the first byte: a connection that is only tried takes no reply.
    while reader.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
        let reply = {
            let mut replies = replies.lock().unwrap();
            if replies.len() > 1 { replies.pop() } else { replies.last().cloned() }
        };
        let Some(reply) = reply.filter(|reply| !matches!(reply, Reply::Reset)) else { return };
        let Some(received) = read_request(&mut reader) else { return };
        let _ = sender.send(received);
        match reply {
            Reply::Answer(status, headers, body) => {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n");
                if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
                    return;
                }
            }
            Reply::Bytes(bytes) => return drop(stream.write_all(&bytes)),
            Reply::Silence => return drop(reader.read(&mut [0])),
            Reply::Reset => return,
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Received> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let request_line = line()?;
    let mut headers = Vec::new();
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut received = Received { request_line, headers, body: Vec::new() };
    let length: usize = received.header("content-length")?.parse().ok()?;
    received.body.resize(length, 0);
    reader.read_exact(&mut received.body).ok()?;
    Some(received)
}
