use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

use super::*;

/// Answers in turn with lists of addresses, and goes on with the last.
#[derive(Debug)]
struct Double {
    answers: Vec<io::Result<Vec<SocketAddr>>>,
    n_asked: Arc<Mutex<usize>>,
}

impl Resolve for Double {
    fn resolve(&mut self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut n_asked = self.n_asked.lock().unwrap();
        let answer = &self.answers[(*n_asked).min(self.answers.len() - 1)];
        *n_asked += 1;
        answer.as_ref().map_err(|error| io::Error::from(error.kind())).cloned()
    }
}

fn transport(
    host: &str,
    answers: Vec<io::Result<Vec<SocketAddr>>>,
) -> (UdpTransport, Arc<Mutex<usize>>) {
    let n_asked = Arc::new(Mutex::new(0));
    let resolver = Double { answers, n_asked: n_asked.clone() };
    (UdpTransport::new(host.to_owned(), 6831, Box::new(resolver), 65_000), n_asked)
}

const AT_ONCE: Intervals =
    Intervals { usual: Duration::from_secs(3600), with_reason: Duration::ZERO };

fn listener() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// An address at which nobody listens.
fn closed() -> SocketAddr {
    listener().1
}

fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 100];
    let len = socket.recv(&mut buffer).expect("a datagram");
    buffer[..len].to_vec()
}

/// Sends until it is taken, as the exporter does, and returns how many refusals came in between.
fn send(transport: &mut UdpTransport, datagram: &[u8]) -> usize {
    for n_refusals in 0..10 {
        match transport.send(datagram) {
            Ok(()) => return n_refusals,
            Err(SendError::Refused(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("refused for ever")
}

/// Waits for the refusal of the last datagram.
fn await_refusal(transport: &mut UdpTransport) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while transport.confirm().is_ok() {
        assert!(Instant::now() < deadline, "no refusal");
    }
}

#[test]
fn nothing_is_resolved_before_the_first_datagram() {
    let (_transport, n_asked) = transport("agent", vec![Ok(vec![closed()])]);
    assert_eq!(*n_asked.lock().unwrap(), 0);
}

#[test]
fn of_localhost_the_address_of_ipv4_comes_first() {
    let (socket, address) = listener();
    let v6 = SocketAddr::new("::1".parse().unwrap(), address.port());
    for host in ["localhost", "LOCALHOST", "agent.localhost"] {
        let (mut transport, _) = transport(host, vec![Ok(vec![v6, address])]);
        assert_eq!(send(&mut transport, b"first"), 0);
        assert_eq!(received(&socket), b"first");
        assert!(transport.confirm().is_ok());
    }
}

#[test]
fn an_address_where_nobody_listens_gives_way_to_the_next() {
    let (socket, address) = listener();
    let v6 = SocketAddr::new("::1".parse().unwrap(), address.port());
    let (mut transport, n_asked) = transport("agent.test", vec![Ok(vec![v6, address])]);
    send(&mut transport, b"first");
    // Where the machine has no IPv6, it has arrived; otherwise it is refused, and sent once more.
    let deadline = Instant::now() + Duration::from_secs(5);
    while transport.current == 0 {
        assert!(transport.confirm().is_ok(), "what was refused is not lost");
        assert!(Instant::now() < deadline, "the first address is not left");
    }
    assert_eq!(send(&mut transport, b"second"), 0);
    assert_eq!((received(&socket), received(&socket)), (b"first".to_vec(), b"second".to_vec()));
    assert_eq!((*n_asked.lock().unwrap(), transport.current), (1, 1));
}

#[test]
fn what_every_address_refuses_is_lost_once() {
    let answers = vec![Ok(vec![closed(), closed(), closed()])];
    let (mut transport, _) = transport("agent.test", answers);
    assert_eq!(send(&mut transport, b"lost"), 0);
    await_refusal(&mut transport);
    assert!(transport.confirm().is_ok(), "and not a second time");
}

#[test]
fn a_refusal_leads_to_the_next_address_and_then_to_new_ones() {
    let (first, second) = (listener(), listener());
    let answers = vec![Ok(vec![closed(), first.1]), Ok(vec![second.1])];
    let (transport, n_asked) = transport("agent.test", answers);
    let mut transport = transport.with_intervals(AT_ONCE);
    assert_eq!(send(&mut transport, b"refused"), 0);
    assert_eq!(send(&mut transport, b"a"), 0, "the next address gets what the first refused");
    assert_eq!((received(&first.0), received(&first.0)), (b"refused".to_vec(), b"a".to_vec()));
    assert_eq!(*n_asked.lock().unwrap(), 1);

    // The last address goes as well: the name is asked again.
    drop(first);
    assert_eq!(send(&mut transport, b"lost"), 0);
    await_refusal(&mut transport);
    assert_eq!(send(&mut transport, b"b"), 0);
    assert_eq!(received(&second.0), b"b");
    assert_eq!(*n_asked.lock().unwrap(), 2);
}

#[test]
fn a_single_address_recovers_when_somebody_listens_there_again() {
    let address = closed();
    let (mut transport, _) = transport("agent.test", vec![Ok(vec![address])]);
    send(&mut transport, b"lost");
    await_refusal(&mut transport);
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    send(&mut transport, b"found");
    assert_eq!(received(&socket), b"found");
}

#[test]
fn a_name_without_an_address_is_asked_for_again() {
    let (socket, address) = listener();
    let answers = vec![Err(io::ErrorKind::TimedOut.into()), Ok(Vec::new()), Ok(vec![address])];
    let (transport, _) = transport("agent.test", answers);
    let mut transport = transport.with_intervals(AT_ONCE);
    for expected in [io::ErrorKind::TimedOut, io::ErrorKind::NotFound] {
        match transport.send(b"lost") {
            Err(SendError::Unresolved { host, source }) => {
                assert_eq!((host.as_str(), source.kind()), ("agent.test", expected));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(send(&mut transport, b"found"), 0);
    assert_eq!(received(&socket), b"found");
}

#[test]
fn a_name_is_asked_for_at_most_once_an_interval() {
    let (mut transport, n_asked) =
        transport("agent.test", vec![Err(io::ErrorKind::TimedOut.into())]);
    for _ in 0..100 {
        assert!(transport.send(b"lost").is_err());
    }
    assert_eq!(*n_asked.lock().unwrap(), 1);
}

#[test]
fn addresses_that_change_are_followed_and_those_that_stay_keep_the_socket() {
    let (first, second) = (listener(), listener());
    let answers = vec![Ok(vec![first.1]), Ok(vec![second.1, first.1]), Ok(vec![second.1])];
    let (transport, _) = transport("agent.test", answers);
    let every_time = Intervals { usual: Duration::ZERO, with_reason: Duration::ZERO };
    let mut transport = transport.with_intervals(every_time);
    for (datagram, socket) in [(b"a", &first.0), (b"b", &first.0), (b"c", &second.0)] {
        send(&mut transport, datagram);
        assert_eq!(received(socket), datagram);
    }
}

#[test]
fn a_datagram_longer_than_udp_can_carry_is_told_apart() {
    let (_socket, address) = listener();
    let (mut transport, _) = transport("agent.test", vec![Ok(vec![address])]);
    assert!(matches!(transport.send(&[0; 70_000]), Err(SendError::TooLong(_))));
    // The system's own resolver knows an address when it sees one.
    assert_eq!(
        super::super::SystemResolver.resolve("127.0.0.1", 7).unwrap(),
        ["127.0.0.1:7".parse().unwrap()]
    );
}
