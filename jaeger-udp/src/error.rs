//! What can go wrong on the way to an agent, and on the way in from a client.

use std::error::Error;
use std::fmt;
use std::io;

use otel_core::TraceId;

/// Why spans did not reach the agent.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReportError {
    /// One span fills more than a datagram even after trimming: raise `max_packet_bytes`, or shorten the process tags.
    SpanTooLarge {
        /// Which operation it was.
        operation_name: String,
        /// Which trace it belongs to.
        trace_id: TraceId,
        /// Its size on the wire, after trimming as far as it goes.
        encoded_bytes: usize,
        /// How many bytes there are for a span in a datagram of its own.
        limit_bytes: usize,
    },
    /// The transport did not deliver a datagram.
    Send {
        /// How many spans were in it.
        n_spans: usize,
        /// What the transport said.
        source: SendError,
    },
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SpanTooLarge { operation_name, trace_id, encoded_bytes, limit_bytes } => write!(
                f,
                "span {operation_name:?} of trace {trace_id} takes {encoded_bytes} bytes, and a datagram has {limit_bytes} for it"
            ),
            Self::Send { n_spans: 1, source } => write!(f, "1 span was lost: {source}"),
            Self::Send { n_spans, source } => write!(f, "{n_spans} spans were lost: {source}"),
        }
    }
}

impl Error for ReportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::SpanTooLarge { .. } => None,
            Self::Send { source, .. } => Some(source),
        }
    }
}

/// What a [`Transport`](crate::Transport) says about a datagram.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The datagram **before** was refused, since nothing listens there; the one at hand was not sent.
    Refused(io::Error),
    /// The datagram at hand is longer than the system takes; shorter ones may pass.
    TooLong(io::Error),
    /// The agent's name has no address; the datagram at hand was not sent.
    Unresolved {
        /// Which name it was.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The datagram at hand was not sent for another reason.
    Failed(io::Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(source) => write!(f, "nothing listens at the agent's address ({source})"),
            Self::TooLong(source) => {
                write!(f, "the datagram is longer than the system takes ({source})")
            }
            Self::Unresolved { host, source } => {
                write!(f, "the agent's name {host:?} has no address ({source})")
            }
            Self::Failed(source) => write!(f, "the system did not take the datagram ({source})"),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(source)
            | Self::TooLong(source)
            | Self::Unresolved { source, .. }
            | Self::Failed(source) => Some(source),
        }
    }
}

/// Why a datagram is no batch of a Jaeger client.
#[cfg(feature = "agent")]
#[derive(Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is longer than a datagram can be.
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The first byte is that of neither the compact nor the strict binary protocol.
    UnknownProtocol {
        /// The first byte; `None` where there is none.
        first_byte: Option<u8>,
    },
    /// It calls another method than `emitBatch`.
    UnknownMethod {
        /// Which method.
        name: String,
    },
    /// A field that `jaeger.thrift` requires is not there.
    MissingField {
        /// The struct and the field.
        field: &'static str,
    },
    /// A list says that it has more items than the datagram has bytes.
    ListTooLong {
        /// How many items it says it has.
        len: i64,
    },
    /// The bytes are no Thrift: cut off, too deeply nested, or of a wrong type.
    Thrift(thrift::Error),
}

#[cfg(feature = "agent")]
impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len } => write!(f, "{len} bytes are more than a datagram holds"),
            Self::UnknownProtocol { first_byte: Some(byte) } => {
                write!(f, "first byte {byte:#04x} is of neither Thrift protocol")
            }
            Self::UnknownProtocol { first_byte: None } => f.write_str("the datagram is empty"),
            Self::UnknownMethod { name } => write!(f, "method {name:?} is not emitBatch"),
            Self::MissingField { field } => write!(f, "field {field} is missing"),
            Self::ListTooLong { len } => {
                write!(f, "a list of {len} items does not fit the datagram")
            }
            Self::Thrift(source) => write!(f, "malformed Thrift: {source}"),
        }
    }
}

#[cfg(feature = "agent")]
impl Error for DecodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Thrift(source) => Some(source),
            _ => None,
        }
    }
}
