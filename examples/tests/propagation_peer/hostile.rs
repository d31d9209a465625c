//! Whatever a peer is asked, and whoever it is to call, it answers with JSON.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use serde_json::json;

use super::peer::{Peer, encoded, read_answer};

#[test]
fn whatever_is_asked_the_answer_is_json() {
    let peer = Peer::start();
    let long = "x".repeat(300_000);
    for (request, has_error) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /context HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /context?format=zipkin HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /context?format=%ff%zz HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /start?format=b3 HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /start?format=b3&sampled=2&to=x HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /start?format=b3&bits=32&to=x HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"POST /context?format=b3 HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"GET /test HTTP/1.1\r\n\r\n".to_vec(), true),
        (b"\r\n\r\n".to_vec(), true),
        (b"\xff\xfe\0\r\n\r\n".to_vec(), true),
        (b"GET /context?format=w3c HTTP/1.1\nb3: 0\n\n".to_vec(), false),
        (b"GET /context?format=w3c HTTP/1.1\r\n".to_vec(), true), // and then nothing more
        ([b"GET /".to_vec(), vec![b'x'; 3 << 20], b" HTTP/1.1\r\n\r\n".to_vec()].concat(), true),
        (b"GET /context?format=w3c HTTP/1.1\r\ntraceparent: \xff\xfe\0\r\nno header\r\n: x\r\n\r\n".to_vec(), false),
        (format!("GET /context?format=jaeger HTTP/1.1\r\nuberctx-a: {long}\r\nuber-trace-id: {long}\r\n\r\n").into_bytes(), false),
        (format!("GET /context?format=w3c HTTP/1.1\r\n{}\r\n", "tracestate: a=1\r\n".repeat(10_000)).into_bytes(), false),
        (format!("GET /context?format=w3c HTTP/1.1\r\nbaggage: {}\r\n\r\n", "a=1,".repeat(50_000)).into_bytes(), false),
    ] {
        let answer = peer.ask(&request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(80)]).into_owned();
        assert_eq!(answer.get("error").is_some(), has_error, "{shown}: {answer}");
        if !has_error {
            assert!(answer["span"]["traceId"].is_string(), "{shown}: {answer}");
        }
    }
}

#[test]
fn who_cannot_be_called_is_told_and_the_span_is_there_all_the_same() {
    let peer = Peer::start();
    for to in ["", "x", "http://127.0.0.1:1/", "ftp://127.0.0.1/", "http://[/"] {
        let answer = peer.get(&format!("/start?format=w3c&to={}", encoded(to)));
        assert!(answer["there"]["error"].is_string(), "{to}: {answer}");
        assert!(answer["headers"]["traceparent"].is_string(), "{to}: {answer}");
        assert_eq!(answer["span"]["sampled"], json!(true), "{to}: {answer}");
    }
}

#[test]
fn a_body_is_read_as_its_headers_say() {
    let peer = Peer::start();
    let nested = "[".repeat(100_000);
    let post = |headers: &str, body: &str| format!("POST /test HTTP/1.1\r\n{headers}\r\n{body}");
    let sized = |body: &str| post(&format!("Content-Length: {}\r\n", body.len()), body);
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    for (request, expected) in [
        (sized("[]"), "calls"),
        (post("content-length: 2\r\nContent-Length: 2\r\n", "[] and more"), "calls"),
        (chunked("1\r\n[\r\n1;name=value\r\n]\r\n0\r\nTrailer: x\r\n\r\n"), "calls"),
        (chunked(&format!("{}2\n[]\n0\n\n", "01\r\n \r\n".repeat(20_000))), "calls"),
        (post("", ""), "not JSON"),
        (sized("null"), "not a list"),
        (sized("{}"), "not a list"),
        (sized("[{}]"), "no url"),
        (sized("[{\"url\": 1}]"), "no url"),
        (sized("[null]"), "no url"),
        (sized(&nested), "not JSON"),
        (sized(&format!("[{}{{}}]", "{},".repeat(100))), "more than 100 calls"),
        (sized(&"[".repeat((1 << 20) + 1)), "longer than 1048576 bytes"),
        (post("Content-Length: 3\r\n", "[]"), "too early"),
        (post("Content-Length: +2\r\n", "[]"), "no number"),
        (post("Content-Length: \r\n", "[]"), "no number"),
        (post("Content-Length: 99999999999999999999999\r\n", "[]"), "no number"),
        (post("Content-Length: 18446744073709551615\r\n", "[]"), "longer than"),
        (post("Content-Length: 2\r\nContent-Length: 3\r\n", "[]"), "several lengths"),
        (post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), "coding"),
        (chunked("x\r\n"), "no number"),
        (chunked("fffffffffffffffff\r\n"), "no number"),
        (chunked("ffffffffffffffff\r\n"), "longer than"),
        (chunked("2\r\n[]]\r\n0\r\n"), "longer than it says"),
        (chunked("2\r\n[]"), "too early"),
        (chunked(&"0".repeat(10_000)), "too long"),
    ] {
        let answer = peer.ask(request.as_bytes());
        let is_done = answer["calls"] == json!([]);
        let said = if is_done { "calls" } else { answer["error"].as_str().unwrap() };
        let shown = &request[..request.len().min(120)];
        assert!(said.contains(expected), "{shown:?}: {said:?}, not {expected:?}");
    }
}

#[test]
fn who_asks_whether_to_send_a_body_is_told_so() {
    let peer = Peer::start();
    let mut connection = peer.connect();
    let head = b"POST /test HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
    connection.write_all(head).unwrap();
    let mut go_on = [0; 25];
    connection.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(b"[]").unwrap();
    assert_eq!(read_answer(&mut connection)["calls"], json!([]));
}

#[test]
fn who_answers_badly_is_told_of() {
    let peer = Peer::start();
    let whole = |body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    for (answer, is_posted) in [
        (Vec::new(), false),
        (b"\0\xff\xfe\r\n\r\n".to_vec(), false),
        (b"HTTP/1.1 200 OK\r\n".to_vec(), false),
        ([b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(100_000)].concat(), false),
        (whole(b""), true),
        (whole(b"what"), true),
        (whole(b"\"\xff\xfe\""), true),
        (whole(&b"[".repeat(100_000)), true),
        (whole(&b" ".repeat(2 << 20)), true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}".to_vec(), true),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
                .to_vec(),
            true,
        ),
    ] {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(80)]).into_owned();
        let url = answers_twice(answer);
        let got = peer.get(&format!("/start?format=w3c&to={}", encoded(&url)));
        assert!(got["there"]["error"].is_string(), "{shown}: {got}");
        assert!(got["span"]["traceId"].is_string(), "{shown}: {got}");
        let posted = peer.post("/test", "", &json!([{ "url": url }]).to_string());
        assert_eq!(posted["calls"][0]["status"].is_number(), is_posted, "{shown}: {posted}");
    }
}

#[test]
fn who_does_not_answer_at_all_is_told_of() {
    let peer = Peer::start();
    // Connections are taken and left alone.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let list = json!([{ "url": url }, { "url": url }]).to_string();
    let (got, posted) = thread::scope(|scope| {
        let posted = scope.spawn(|| peer.post("/test", "", &list));
        let got = peer.get(&format!("/start?format=b3&to={}", encoded(&url)));
        (got, posted.join().unwrap())
    });
    assert!(got["there"]["error"].is_string() && got["headers"]["b3"].is_string(), "{got}");
    for call in posted["calls"].as_array().unwrap() {
        assert!(call["status"]["error"].is_string(), "{posted}");
    }
}

#[test]
fn the_largest_baggage_arrives_as_far_as_its_format_goes() {
    let (first, second) = (Peer::start(), Peer::start());
    let baggage: String =
        (0..200).map(|n| format!("&baggage=key{n}={}", "v".repeat(100))).collect();
    for (format, n_arrived) in [("jaeger", 64), ("w3c", 76), ("b3", 0)] {
        let to = encoded(&second.url(&format!("/context?format={format}")));
        let answer = first.get(&format!("/start?format={format}&to={to}{baggage}"));
        let found = answer["there"]["extracted"]["baggage"].as_object();
        assert_eq!(found.map(|found| found.len()), Some(n_arrived), "{format}");
        assert_eq!(answer["there"]["extracted"]["spanId"], answer["span"]["spanId"], "{format}");
    }
}

#[test]
fn idle_clients_and_many_at_once_are_all_answered() {
    let peer = Peer::start();
    let idle: Vec<TcpStream> = (0..130)
        .map(|_| {
            let mut connection = peer.connect();
            connection.write_all(b"GET /formats HTTP/1.1\r\n").unwrap();
            connection
        })
        .collect();
    let to = encoded(&peer.url("/context?format=b3"));
    thread::scope(|scope| {
        let ask = || peer.get(&format!("/start?format=b3&to={to}"));
        for answer in [(); 50].map(|()| scope.spawn(ask)) {
            let answer = answer.join().unwrap();
            assert_eq!(answer["there"]["span"]["traceId"], answer["span"]["traceId"], "{answer}");
        }
    });
    for mut connection in idle {
        assert!(read_answer(&mut connection)["error"].is_string());
    }
}

/// Returns the URL of somebody who reads requests and answers so, two times.
fn answers_twice(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for _ in 0..2 {
            let (mut connection, _) = listener.accept().unwrap();
            let answer = answer.clone();
            thread::spawn(move || {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"[]") {
                    let mut chunk = [0; 4096];
                    match connection.read(&mut chunk) {
                        Ok(n_bytes @ 1..) => request.extend_from_slice(&chunk[..n_bytes]),
                        Ok(0) | Err(_) => break,
                    }
                }
                // Who has seen enough goes away; until then, nothing that was sent is taken back.
                let sent = connection.write_all(&answer);
                let _ = sent.and_then(|()| connection.shutdown(Shutdown::Write));
                let _ = connection.read_to_end(&mut request);
            });
        }
    });
    url
}
