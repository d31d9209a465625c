//! What the Jaeger clients say about the process that reports.

use std::net::UdpSocket;

use otel_core::{IdGenerator, KeyValue, RandomIdGenerator, Resource};

/// Describes the process: the service, the client, the host, and the tags that the configuration gives.
pub(super) fn resource(service_name: &str, tags: Vec<KeyValue>) -> Resource {
    let mut attributes = vec![
        KeyValue::new("service.name", service_name),
        KeyValue::new("jaeger.version", concat!("Rust-", env!("CARGO_PKG_VERSION"))),
    ];
    attributes.extend(host_name().map(|name| KeyValue::new("hostname", name)));
    attributes.push(KeyValue::new("ip", ip_address()));
    // Agents count a client's losses only where it names itself so, as text.
    attributes
        .push(KeyValue::new("client-uuid", RandomIdGenerator::new().new_span_id().to_string()));
    Resource::empty().with(attributes).with(tags)
}

/// Returns the host's name, as the kernel or the environment tells it.
fn host_name() -> Option<String> {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_environment =
        || ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name = from_kernel.or_else(from_environment)?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Returns the address that packets to the outside would leave from; the loopback address where there is no way out.
fn ip_address() -> String {
    // Connecting a UDP socket sends nothing: it only has the kernel choose a route and a source address.
    let chosen = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect(DOCUMENTATION_ADDRESS)?;
        socket.local_addr()
    });
    chosen.map_or_else(|_| "127.0.0.1".to_owned(), |address| address.ip().to_string())
}

/// An address that RFC 5737 keeps for documentation: routed like any other outside.
const DOCUMENTATION_ADDRESS: &str = "192.0.2.1:9";
