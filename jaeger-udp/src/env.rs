//! Where the agent is, from OpenTelemetry's environment variables.

use std::net::Ipv6Addr;

use otel_core::env::{Environment, Variable, parse};

use crate::exporter::{JaegerExporter, JaegerExporterBuilder};
use crate::packer::Protocol;

impl JaegerExporter {
    /// Makes an exporter as the environment says: what `OTEL_TRACES_EXPORTER=jaeger` is to stand for.
    ///
    /// ```
    /// use jaeger_udp::JaegerExporter;
    /// use otel_core::TracerProvider;
    /// use otel_core::env::Environment;
    ///
    /// let environment = Environment::of_process().exporter("jaeger", JaegerExporter::from_environment);
    /// let provider = TracerProvider::from_environment(environment).build();
    /// println!("{}", provider.configuration());
    /// ```
    ///
    /// [`JaegerExporterBuilder::from_env`] lists the variables.
    pub fn from_environment(environment: &mut Environment) -> Self {
        JaegerExporterBuilder::from_environment(environment).build()
    }
}

impl JaegerExporterBuilder {
    /// Takes the settings from the environment variables of this process; setters that follow win.
    ///
    /// | variable | meaning | default | allowed |
    /// | --- | --- | --- | --- |
    /// | `OTEL_EXPORTER_JAEGER_AGENT_HOST` | [`agent_host`](Self::agent_host) | `localhost` | a host name or an address, without a port |
    /// | `OTEL_EXPORTER_JAEGER_AGENT_PORT` | [`agent_port`](Self::agent_port) | `6831`, or `6832` for the binary protocol | 1 to 65535 |
    /// | `OTEL_EXPORTER_JAEGER_PROTOCOL` | [`protocol`](Self::protocol) | `udp/thrift.compact`; OpenTelemetry's own is `http/thrift.binary` | `udp/thrift.compact`, `udp/thrift.binary` |
    /// | `OTEL_EXPORTER_JAEGER_ENDPOINT` | nothing: spans go to an agent and not to a collector, which is warned about | none | |
    ///
    /// What cannot be used is warned about, with its name, its value and what is allowed, and counts as not set.
    ///
    /// ```
    /// use jaeger_udp::{Dialect, JaegerExporterBuilder};
    ///
    /// let exporter = JaegerExporterBuilder::from_env().dialect(Dialect::JaegerClient).build();
    /// ```
    ///
    /// Source: `open-telemetry/opentelemetry-specification:specification/configuration/sdk-environment-variables.md`, as it was
    /// before its Jaeger exporter was removed in 2023.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_environment(&mut Environment::of_process())
    }

    /// As [`from_env`](Self::from_env), with variables that are looked up elsewhere.
    #[must_use]
    pub fn from_environment(environment: &mut Environment) -> Self {
        // To be refused, whatever it holds.
        environment.read(&ENDPOINT, |_| None::<()>);
        let mut builder = Self::default();
        if let Some(agent_host) = environment.read(&AGENT_HOST, host) {
            builder = builder.agent_host(&agent_host);
        }
        let protocol = environment.read(&PROTOCOL, protocol);
        if let Some(protocol) = protocol {
            builder = builder.protocol(protocol);
        }
        let port = if protocol == Some(Protocol::Binary) { BINARY_PORT } else { COMPACT_PORT };
        if let Some(agent_port) = environment.read(&port, parse::port) {
            builder = builder.agent_port(agent_port);
        }
        builder
    }
}

fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(text);
    let is_name = |text: &str| {
        !text.contains(|character: char| {
            character.is_whitespace() || character.is_control() || "/:@[]".contains(character)
        })
    };
    let is_host = is_name(text) && text.len() <= MAX_NAME_BYTES || bare.parse::<Ipv6Addr>().is_ok();
    is_host.then(|| text.to_owned())
}

fn protocol(text: &str) -> Option<Protocol> {
    match text.to_ascii_lowercase().as_str() {
        "udp/thrift.compact" => Some(Protocol::Compact),
        "udp/thrift.binary" => Some(Protocol::Binary),
        _ => None,
    }
}

const AGENT_HOST: Variable = Variable::new(
    "OTEL_EXPORTER_JAEGER_AGENT_HOST",
    "localhost",
    "a host name or an address, without a port",
);
const COMPACT_PORT: Variable = port("6831");
const BINARY_PORT: Variable = port("6832");
const PROTOCOL: Variable = Variable::new(
    "OTEL_EXPORTER_JAEGER_PROTOCOL",
    "udp/thrift.compact",
    "udp/thrift.compact or udp/thrift.binary",
);
const ENDPOINT: Variable = Variable::new(
    "OTEL_EXPORTER_JAEGER_ENDPOINT",
    "",
    "nothing, since spans go to an agent: OTEL_EXPORTER_JAEGER_AGENT_HOST",
);

/// What DNS takes.
const MAX_NAME_BYTES: usize = 255;

const fn port(default: &'static str) -> Variable {
    Variable::new("OTEL_EXPORTER_JAEGER_AGENT_PORT", default, "1 to 65535")
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use otel_core::TracerProvider;
    use otel_core::env::Source;

    use super::*;

    fn read_of(pairs: &[(&str, &str)]) -> (JaegerExporterBuilder, Environment) {
        let mut environment = Environment::from_pairs(pairs.iter().copied());
        (JaegerExporterBuilder::from_environment(&mut environment), environment)
    }

    fn shown(environment: &Environment, name: &str) -> (String, Source) {
        let setting = environment.configuration().get(name).unwrap();
        (setting.value.clone(), setting.source)
    }

    #[test]
    fn spans_go_where_the_environment_says_in_the_protocol_that_it_says() {
        for (protocol, first_byte) in
            [("", 0x82), ("udp/thrift.compact", 0x82), (" UDP/Thrift.Binary ", 0x80)]
        {
            let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
            agent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let port = agent.local_addr().unwrap().port().to_string();
            let environment = Environment::from_pairs([
                ("OTEL_TRACES_EXPORTER", "jaeger"),
                ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "127.0.0.1"),
                ("OTEL_EXPORTER_JAEGER_AGENT_PORT", &port),
                ("OTEL_EXPORTER_JAEGER_PROTOCOL", protocol),
            ]);
            let environment = environment.exporter("jaeger", JaegerExporter::from_environment);
            let provider = TracerProvider::from_environment(environment).build();
            provider.tracer("test").start("work").end();
            provider.flush(Duration::from_secs(20)).unwrap();
            let mut datagram = [0; 65_536];
            let len = agent.recv(&mut datagram).unwrap();
            assert_eq!(datagram[0], first_byte, "{protocol:?}");
            assert!(datagram[..len].windows(4).any(|bytes| bytes == b"work"));
            let configuration = provider.configuration();
            let setting = configuration.get("OTEL_EXPORTER_JAEGER_AGENT_PORT").unwrap();
            assert_eq!(setting.value, port);
            assert_eq!(configuration.problems(), []);
        }
    }

    #[test]
    fn the_default_is_the_agents_port_for_the_protocol() {
        for (protocol, port) in
            [("", "6831"), ("udp/thrift.compact", "6831"), ("udp/thrift.binary", "6832")]
        {
            let (builder, environment) = read_of(&[("OTEL_EXPORTER_JAEGER_PROTOCOL", protocol)]);
            let default = (port.to_owned(), Source::Default);
            assert_eq!(shown(&environment, "OTEL_EXPORTER_JAEGER_AGENT_PORT"), default);
            let shown = format!("{:?}", builder.build());
            assert!(shown.contains("localhost") && shown.contains(port), "{shown}");
        }
    }

    #[test]
    fn a_protocol_that_is_not_spoken_here_is_told_with_those_that_are() {
        for protocol in ["http/thrift.binary", "grpc", "udp", "compact", "udp/thrift.compact,grpc"]
        {
            let (_, environment) = read_of(&[("OTEL_EXPORTER_JAEGER_PROTOCOL", protocol)]);
            let problems = environment.configuration().problems();
            assert_eq!(problems.len(), 1);
            assert_eq!(
                problems[0].to_string(),
                format!(
                    "OTEL_EXPORTER_JAEGER_PROTOCOL: {protocol:?} is left out, allowed: udp/thrift.compact or udp/thrift.binary"
                )
            );
            let default = ("udp/thrift.compact".to_owned(), Source::Default);
            assert_eq!(shown(&environment, "OTEL_EXPORTER_JAEGER_PROTOCOL"), default);
        }
    }

    #[test]
    fn a_destination_that_is_none_is_told_and_the_default_holds() {
        for (name, value) in [
            ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "0"),
            ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "65536"),
            ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "-1"),
            ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "99999999999999999999"),
            ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "http"),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "agent:6831"),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "udp://agent"),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "two agents"),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "[agent]"),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "me@agent"),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "a\u{0}b"),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", &"a".repeat(256)),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", &"a".repeat(1 << 20)),
            ("OTEL_EXPORTER_JAEGER_ENDPOINT", "http://localhost:14268/api/traces"),
        ] {
            let (_, environment) = read_of(&[(name, value)]);
            let problems = environment.configuration().problems();
            assert_eq!(problems.len(), 1, "{name}={value}");
            assert_eq!(problems[0].name, name);
            assert_eq!(shown(&environment, name).1, Source::Default);
        }
        for host in ["agent", "10.0.0.1", "::1", "[::1]", "agent.example.", "a_b-c"] {
            let (_, environment) = read_of(&[("OTEL_EXPORTER_JAEGER_AGENT_HOST", host)]);
            assert_eq!(environment.configuration().problems(), [], "{host}");
        }
    }
}
