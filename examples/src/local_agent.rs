//! An agent for a machine on which none listens: it takes the agent's port and keeps what arrives.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use jaeger_udp::agent::Agent;

use crate::trace_tree::TraceTrees;

/// Listens where a Jaeger agent of this machine would.
#[derive(Debug)]
pub struct LocalAgent {
    agents: Vec<Agent>,
    service_name: String,
    received_spans: u64,
}

impl LocalAgent {
    /// Takes a port of the loopback interface, in IPv4 and, where the machine has it, IPv6.
    ///
    /// # Errors
    ///
    /// Where the system refuses the port for another reason than that somebody has it.
    pub fn bind(service_name: &str, port: u16) -> io::Result<PortHolder> {
        let mut agents = Vec::new();
        for host in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            match Agent::bind((host, port)) {
                Ok(agent) => agents.push(agent),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Ok(PortHolder::Somebody(SocketAddr::new(host, port)));
                }
                Err(error) if host.is_ipv6() && is_ipv6_absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let service_name = service_name.to_owned();
        Ok(PortHolder::Us(Self { agents, service_name, received_spans: 0 }))
    }

    /// Returns how many spans of the service have arrived since the start.
    pub fn received_spans(&self) -> u64 {
        self.received_spans
    }

    /// Waits until so many spans of the service have arrived since the start, and returns whatever came meanwhile,
    /// from other services too. It gives up after `timeout`.
    pub fn receive(&mut self, expected_spans: u64, timeout: Duration) -> TraceTrees {
        let deadline = Instant::now() + timeout;
        let mut trees = TraceTrees::default();
        loop {
            let is_complete = self.received_spans >= expected_spans;
            let wait = if is_complete { Duration::ZERO } else { POLL };
            let mut is_quiet = true;
            for agent in &mut self.agents {
                if let Some(batch) = agent.recv_timeout(wait) {
                    is_quiet = false;
                    if batch.process.service_name == self.service_name {
                        self.received_spans += batch.spans.len() as u64;
                    }
                    trees.add(batch);
                }
            }
            // Behind what completes the account, other services' spans may be waiting: they are taken along.
            if (is_complete && is_quiet) || Instant::now() >= deadline {
                return trees;
            }
        }
    }
}

/// Who has the agent's port.
#[derive(Debug)]
pub enum PortHolder {
    /// It was free, and is ours now.
    Us(LocalAgent),
    /// Somebody listens at this address: where both families are taken, the one of IPv4.
    Somebody(SocketAddr),
}

/// Tells whether a machine has no IPv6: the loopback address is missing, or the whole family.
fn is_ipv6_absent(error: &io::Error) -> bool {
    // EAFNOSUPPORT, which has no kind: Linux, macOS, Windows.
    let is_family_unknown = matches!(error.raw_os_error(), Some(97 | 47 | 10047));
    error.kind() == io::ErrorKind::AddrNotAvailable || is_family_unknown
}

/// How long one socket is listened to before the other has its turn.
const POLL: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use opentracing_shim::jaeger::Config;

    use super::*;

    #[test]
    fn a_port_that_somebody_has_in_either_family_is_left_to_them() {
        for host in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let Ok(somebody) = UdpSocket::bind((host, 0)) else { continue };
            let address = somebody.local_addr().unwrap();
            let holder = LocalAgent::bind("service", address.port()).unwrap();
            assert!(matches!(holder, PortHolder::Somebody(at) if at == address), "{holder:?}");
        }
    }

    #[test]
    fn spans_of_the_service_are_waited_for_and_counted() {
        let mut agent = agent_of("ours");
        let addresses: Vec<_> = agent.agents.iter().map(Agent::local_addr).collect();
        for (n_agents, address) in addresses.iter().enumerate() {
            for service in ["theirs", "ours"] {
                let config = Config::new(service)
                    .agent_host(address.ip().to_string())
                    .agent_port(address.port());
                let tracer = config.build().unwrap();
                tracer.start_span("work").finish();
                tracer.close(Duration::from_secs(5)).unwrap();
            }
            let trees = agent.receive(n_agents as u64 + 1, Duration::from_secs(10)).to_string();
            assert!(trees.contains("theirs: work") && trees.contains("ours: work"), "{trees}");
            assert_eq!(agent.received_spans(), n_agents as u64 + 1);
        }
    }

    #[test]
    fn spans_that_never_come_are_given_up() {
        let mut agent = agent_of("ours");
        let trees = agent.receive(1, Duration::from_millis(20));
        assert_eq!((trees.to_string().as_str(), agent.received_spans()), ("", 0));
    }

    #[test]
    fn a_machine_without_ipv6_is_recognised() {
        for (error, expected) in [
            (io::ErrorKind::AddrNotAvailable.into(), true),
            (io::Error::from_raw_os_error(97), cfg!(target_os = "linux")),
            (io::ErrorKind::PermissionDenied.into(), false),
        ] {
            if cfg!(target_os = "linux") {
                assert_eq!(is_ipv6_absent(&error), expected, "{error}");
            }
        }
    }

    fn agent_of(service_name: &str) -> LocalAgent {
        match LocalAgent::bind(service_name, 0).unwrap() {
            PortHolder::Us(agent) => agent,
            PortHolder::Somebody(address) => panic!("{address} was to be free"),
        }
    }
}
