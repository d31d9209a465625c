//! Flags of the example programs: `--flag VALUE` or `--flag=VALUE`, and `--help`; some take a command as well.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The flags that a program was started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    values: Vec<(&'static str, String)>,
    command: Option<&'static str>,
}

impl Flags {
    /// Reads the arguments after the program's name; `None` when they ask for help.
    ///
    /// # Errors
    ///
    /// Where a flag is not among the known ones, comes twice, or has no value.
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        known: &[&'static str],
    ) -> Result<Option<Self>, UsageError> {
        Self::parse_with_commands(arguments, known, &[])
    }

    /// As [`Flags::parse`], for a program that can be told with a word what to do.
    ///
    /// # Errors
    ///
    /// As [`Flags::parse`], and where there is more than one command.
    pub fn parse_with_commands(
        arguments: impl IntoIterator<Item = OsString>,
        known: &[&'static str],
        commands: &[&'static str],
    ) -> Result<Option<Self>, UsageError> {
        let mut arguments =
            arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned());
        let mut flags = Self::default();
        while let Some(argument) = arguments.next() {
            if matches!(argument.as_str(), "--help" | "-h") {
                return Ok(None);
            }
            if let Some(&command) = commands.iter().find(|command| **command == argument) {
                match flags.command.replace(command) {
                    Some(_) => return Err(UsageError::Repeated { flag: "the command" }),
                    None => continue,
                }
            }
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let Some(&flag) = known.iter().find(|flag| **flag == name) else {
                let known = commands.iter().chain(known).copied().collect();
                return Err(UsageError::UnknownFlag { given: argument, known });
            };
            if flags.value(flag).is_some() {
                return Err(UsageError::Repeated { flag });
            }
            let value = value.or_else(|| arguments.next().filter(|next| !next.starts_with("--")));
            flags.values.push((flag, value.ok_or(UsageError::MissingValue { flag })?));
        }
        Ok(Some(flags))
    }

    /// Returns the value of a flag.
    pub fn value(&self, flag: &str) -> Option<&str> {
        self.values.iter().find(|(name, _)| *name == flag).map(|(_, value)| value.as_str())
    }

    /// Returns the command.
    pub fn command(&self) -> Option<&'static str> {
        self.command
    }

    /// Returns the value of `--port`; 0 has the system choose one.
    ///
    /// # Errors
    ///
    /// Where it is no number up to 65535.
    pub fn port(&self) -> Result<Option<u16>, UsageError> {
        self.parsed(PORT, "a port from 0 to 65535")
    }

    /// Returns the value of a flag in another form, which is said to be `allowed`.
    ///
    /// # Errors
    ///
    /// Where it is not of that form.
    pub fn parsed<T: FromStr>(
        &self,
        flag: &'static str,
        allowed: &str,
    ) -> Result<Option<T>, UsageError> {
        let parse = |value: &str| {
            value.parse().map_err(|_| UsageError::InvalidValue {
                flag,
                value: value.to_owned(),
                allowed: allowed.to_owned(),
            })
        };
        self.value(flag).map(parse).transpose()
    }

    /// Returns the value of `--agent`.
    ///
    /// # Errors
    ///
    /// Where it is no address.
    pub fn agent(&self) -> Result<Option<AgentAddress>, UsageError> {
        self.value(AGENT).map(str::parse).transpose()
    }
}

/// Where an agent listens: a name or an address, and a UDP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentAddress {
    host: String,
    port: u16,
}

impl AgentAddress {
    /// Returns the host, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, which is never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns where a Jaeger all-in-one with this agent shows its traces.
    pub fn ui_url(&self) -> String {
        let is_here = self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let host = if is_here { "localhost" } else { &self.host };
        format!("http://{}", Self { host: host.to_owned(), port: 16686 })
    }
}

impl Default for AgentAddress {
    /// Where the Jaeger agent of this machine listens for compact Thrift.
    fn default() -> Self {
        Self { host: "localhost".to_owned(), port: 6831 }
    }
}

impl From<SocketAddr> for AgentAddress {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl FromStr for AgentAddress {
    type Err = UsageError;

    /// Reads `HOST:PORT`; an IPv6 address stands in brackets, since it has colons of its own.
    fn from_str(text: &str) -> Result<Self, UsageError> {
        let address = text.rsplit_once(':').and_then(|(host, port)| {
            let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                Some(ipv6) => {
                    ipv6.split('%').next()?.parse::<Ipv6Addr>().is_ok().then_some(ipv6)?
                }
                None => is_host(host).then_some(host)?,
            };
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|port| is_number && *port != 0)?;
            Some(Self { host: host.to_owned(), port })
        });
        address.ok_or_else(|| UsageError::InvalidValue {
            flag: AGENT,
            value: text.to_owned(),
            allowed: "HOST:PORT, as localhost:6831 or [::1]:6831".to_owned(),
        })
    }
}

impl fmt::Display for AgentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn is_host(host: &str) -> bool {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte) || !byte.is_ascii();
    !host.is_empty() && host.bytes().all(is_allowed)
}

/// Why a program does not run as it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageError {
    /// The program does not have this flag.
    UnknownFlag {
        /// The argument as it was given.
        given: String,
        /// The commands and flags that there are, but for `--help`.
        known: Vec<&'static str>,
    },
    /// A flag came twice.
    Repeated {
        /// Which one.
        flag: &'static str,
    },
    /// A flag came without a value.
    MissingValue {
        /// Which one.
        flag: &'static str,
    },
    /// A flag has a value that makes no sense.
    InvalidValue {
        /// Which one.
        flag: &'static str,
        /// The value as it was given.
        value: String,
        /// What would make sense.
        allowed: String,
    },
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFlag { given, known } if known.is_empty() => {
                write!(f, "there is no flag {given:?}; there is --help")
            }
            Self::UnknownFlag { given, known } => {
                write!(f, "there is no flag {given:?}; there are {}, --help", known.join(", "))
            }
            Self::Repeated { flag } => write!(f, "{flag} comes twice"),
            Self::MissingValue { flag } => write!(f, "{flag} needs a value; see --help"),
            Self::InvalidValue { flag, value, allowed } => {
                write!(f, "{flag} cannot be {value:?}; it can be {allowed}")
            }
        }
    }
}

impl Error for UsageError {}

/// The flag that says where to send spans.
pub const AGENT: &str = "--agent";

/// The flag that says on which port to listen.
pub const PORT: &str = "--port";

/// What a program exits with when it was started with arguments that make no sense.
pub const USAGE_EXIT_CODE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Flags>, UsageError> {
        Flags::parse(arguments.iter().map(OsString::from), &[AGENT, "--program"])
    }

    #[test]
    fn flags_have_their_value_behind_a_space_or_an_equals_sign() {
        for arguments in [
            &["--agent", "localhost:6831", "--program", "jobs"][..],
            &["--agent=localhost:6831", "--program=jobs"],
            &["--program", "jobs", "--agent=localhost:6831"],
        ] {
            let flags = parse(arguments).unwrap().unwrap();
            assert_eq!(flags.value("--program"), Some("jobs"), "{arguments:?}");
            assert_eq!(flags.agent(), Ok(Some(AgentAddress::default())), "{arguments:?}");
        }
        let none = parse(&[]).unwrap().unwrap();
        assert_eq!((none.value("--program"), none.agent()), (None, Ok(None)));
    }

    #[test]
    fn help_is_found_among_other_flags() {
        for arguments in [&["--help"][..], &["-h"], &["--program", "jobs", "--help"]] {
            assert_eq!(parse(arguments), Ok(None), "{arguments:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_explained() {
        for (arguments, expected) in [
            (
                &["--agnet", "x"][..],
                "there is no flag \"--agnet\"; there are --agent, --program, --help",
            ),
            (&["jobs"], "there is no flag \"jobs\"; there are --agent, --program, --help"),
            (&[""], "there is no flag \"\"; there are --agent, --program, --help"),
            (
                &["\u{1b}[31m"],
                "there is no flag \"\\u{1b}[31m\"; there are --agent, --program, --help",
            ),
            (&["--program", "jobs", "--program=first"], "--program comes twice"),
            (&["--program"], "--program needs a value; see --help"),
            (&["--agent", "--program"], "--agent needs a value; see --help"),
        ] {
            assert_eq!(parse(arguments).unwrap_err().to_string(), expected, "{arguments:?}");
        }
        let none_known = Flags::parse([OsString::from("--agent")], &[]).unwrap_err();
        assert_eq!(none_known.to_string(), "there is no flag \"--agent\"; there is --help");
    }

    #[test]
    fn a_command_stands_anywhere_among_the_flags() {
        let parse = |arguments: &[&str]| {
            let arguments = arguments.iter().map(OsString::from);
            Flags::parse_with_commands(arguments, &[PORT], &["serve", "ask"])
        };
        for (arguments, command, port) in [
            (&[][..], None, None),
            (&["serve"], Some("serve"), None),
            (&["serve", "--port", "0"], Some("serve"), Some(0)),
            (&["--port=80", "ask"], Some("ask"), Some(80)),
        ] {
            let flags = parse(arguments).unwrap().unwrap();
            assert_eq!((flags.command(), flags.port()), (command, Ok(port)), "{arguments:?}");
        }
        for (arguments, expected) in [
            (&["serve", "ask"][..], "the command comes twice"),
            (&["wait"], "there is no flag \"wait\"; there are serve, ask, --port, --help"),
        ] {
            assert_eq!(parse(arguments).unwrap_err().to_string(), expected, "{arguments:?}");
        }
        for port in ["", "-1", "65536", "http"] {
            let error = parse(&[&format!("--port={port}")]).unwrap().unwrap().port().unwrap_err();
            let expected = format!("--port cannot be {port:?}; it can be a port from 0 to 65535");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_argument_that_is_not_utf_8_is_an_unknown_flag() {
        use std::os::unix::ffi::OsStringExt;

        let argument = OsString::from_vec(vec![b'-', 0xff]);
        assert!(matches!(Flags::parse([argument], &[AGENT]), Err(UsageError::UnknownFlag { .. })));
    }

    #[test]
    fn an_agent_is_a_host_and_a_port() {
        for (text, expected) in [
            ("localhost:6831", Some(("localhost", 6831))),
            ("127.0.0.1:1", Some(("127.0.0.1", 1))),
            ("[::1]:6831", Some(("::1", 6831))),
            ("[fe80::1%eth0]:65535", Some(("fe80::1%eth0", 65535))),
            ("jaeger_agent.example.com:6831", Some(("jaeger_agent.example.com", 6831))),
            ("", None),
            (":", None),
            (":6831", None),
            ("localhost", None),
            ("localhost:", None),
            ("localhost:0", None),
            ("localhost:+1", None),
            ("localhost:65536", None),
            ("localhost:port", None),
            ("http://localhost:6831", None),
            ("::1:6831", None), // where does the address end?
            ("[::1]", None),
            ("[::1:6831", None),
            ("[localhost]:6831", None),
            ("[]:6831", None),
            ("local host:6831", None),
        ] {
            let address = text.parse::<AgentAddress>().ok();
            assert_eq!(
                address.as_ref().map(|agent| (agent.host(), agent.port())),
                expected,
                "{text:?}"
            );
            if let Some(address) = address {
                assert_eq!(address.to_string(), text);
            }
        }
    }

    #[test]
    fn traces_are_shown_on_the_agents_machine() {
        for (agent, expected) in [
            ("localhost:6831", "http://localhost:16686"),
            ("127.0.0.1:6831", "http://localhost:16686"),
            ("[::1]:7000", "http://localhost:16686"),
            ("jaeger:6831", "http://jaeger:16686"),
            ("[fd00::1]:6831", "http://[fd00::1]:16686"),
        ] {
            assert_eq!(agent.parse::<AgentAddress>().unwrap().ui_url(), expected);
        }
    }
}
