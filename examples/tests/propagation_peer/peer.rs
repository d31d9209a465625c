//! The program under test, and how to talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A program that listens on a port of its own until it is dropped.
pub(crate) struct Peer {
    program: Child,
    pub(crate) address: SocketAddr,
}

impl Peer {
    pub(crate) fn start() -> Self {
        let mut program = Command::new(PROGRAM)
            .arg("0")
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("Listening on http://").unwrap().parse().unwrap();
        Self { program, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: peer\r\n\r\n").as_bytes())
    }

    /// Sends bytes, and reads the JSON that they are answered with.
    pub(crate) fn ask(&self, request: &[u8]) -> Value {
        let mut connection = self.connect();
        connection.write_all(request).unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        read_answer(&mut connection)
    }

    /// Posts a body, with more headers than it needs.
    pub(crate) fn post(&self, path: &str, headers: &str, body: &str) -> Value {
        let n_bytes = body.len();
        let request =
            format!("POST {path} HTTP/1.1\r\n{headers}Content-Length: {n_bytes}\r\n\r\n{body}");
        self.ask(request.as_bytes())
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(WAIT)).unwrap();
        connection
    }
}

/// Reads to the end, and checks that this is 200 and JSON.
pub(crate) fn read_answer(connection: &mut TcpStream) -> Value {
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("Content-Type: application/json"), "{head}");
    serde_json::from_str(body).unwrap()
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Codes a text for a query.
pub(crate) fn encoded(text: &str) -> String {
    let code = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(code).collect()
}

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_propagation_peer");
pub(crate) const WAIT: Duration = Duration::from_secs(60);
