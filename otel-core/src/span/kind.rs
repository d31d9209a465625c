//! What part a span plays between processes.

/// The role of a span in a remote or deferred call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum SpanKind {
    /// Work inside a process.
    #[default]
    Internal = 0,
    /// A request that waits for an answer.
    Client = 1,
    /// The handling of such a request.
    Server = 2,
    /// The start of work that somebody does later.
    Producer = 3,
    /// That work.
    Consumer = 4,
}

impl SpanKind {
    /// Returns the kind's name in lower case, as Jaeger's `span.kind` tag has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Client => "client",
            Self::Server => "server",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// Reads a kind's name in any case; `None` for a name that is none.
    pub fn from_name(name: &str) -> Option<Self> {
        let kinds = [Self::Server, Self::Client, Self::Producer, Self::Consumer, Self::Internal];
        // Spelled as it should be, a name is found without looking at each letter.
        let exact = kinds.into_iter().find(|kind| kind.as_str() == name);
        exact.or_else(|| kinds.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name)))
    }

    pub(crate) fn from_u8(byte: u8) -> Self {
        match byte {
            1 => Self::Client,
            2 => Self::Server,
            3 => Self::Producer,
            4 => Self::Consumer,
            _ => Self::Internal,
        }
    }
}
