//! What can fail: injecting, extracting and flushing. Span methods cannot.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::guard::Flushed;

/// Why a span context was not injected.
#[derive(Debug)]
#[non_exhaustive]
pub enum InjectError {
    /// The tracer does not know the format.
    UnsupportedFormat,
    /// The carrier is not of the type that the format needs.
    InvalidCarrier,
    /// There is no span context to inject: the span is a no-op span or the option is empty.
    InvalidSpanContext,
    /// Anything else.
    Other(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for InjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnsupportedFormat => "the tracer does not support the format",
            Self::InvalidCarrier => "the carrier does not fit the format",
            Self::InvalidSpanContext => "there is no span context to inject",
            Self::Other(_) => "the span context could not be injected",
        })
    }
}

impl Error for InjectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Other(cause) => Some(&**cause),
            _ => None,
        }
    }
}

/// Why a span context was not extracted. An empty carrier is no error.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExtractError {
    /// The tracer does not know the format.
    UnsupportedFormat,
    /// The carrier is not of the type that the format needs.
    InvalidCarrier,
    /// The carrier holds a span context that cannot be read.
    SpanContextCorrupted {
        /// What is wrong with it, in few words; what came from outside is shortened.
        what: Cow<'static, str>,
    },
    /// Anything else.
    Other(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for ExtractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedFormat => f.write_str("the tracer does not support the format"),
            Self::InvalidCarrier => f.write_str("the carrier does not fit the format"),
            Self::SpanContextCorrupted { what } => {
                write!(f, "the span context is corrupted: {what}")
            }
            Self::Other(_) => f.write_str("the span context could not be extracted"),
        }
    }
}

impl Error for ExtractError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Other(cause) => Some(&**cause),
            _ => None,
        }
    }
}

/// Why a flush or a close did not complete.
#[derive(Debug)]
#[non_exhaustive]
pub enum FlushError {
    /// The time was up before every span was reported or lost.
    TimedOut {
        /// What was done until then.
        so_far: Flushed,
        /// Spans that finished before the call and still wait.
        pending_spans: u64,
    },
    /// Nothing more can be reported.
    Failed(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { so_far, pending_spans } => write!(
                f,
                "time was up with {pending_spans} spans still waiting, {} reported and {} lost",
                so_far.reported_spans, so_far.lost_spans
            ),
            Self::Failed(_) => f.write_str("spans could not be reported"),
        }
    }
}

impl Error for FlushError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(cause) => Some(&**cause),
            Self::TimedOut { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_carry_the_numbers_and_the_cause() {
        let timed_out = FlushError::TimedOut { so_far: Flushed::new(7, 1), pending_spans: 3 };
        assert_eq!(
            timed_out.to_string(),
            "time was up with 3 spans still waiting, 7 reported and 1 lost"
        );
        let corrupted = ExtractError::SpanContextCorrupted { what: "no span id".into() };
        assert_eq!(corrupted.to_string(), "the span context is corrupted: no span id");
        for error in [
            &InjectError::Other("cause".into()) as &dyn Error,
            &ExtractError::Other("cause".into()),
            &FlushError::Failed("cause".into()),
        ] {
            assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("cause"));
        }
        for error in [
            &InjectError::UnsupportedFormat as &dyn Error,
            &ExtractError::InvalidCarrier,
            &timed_out,
        ] {
            assert!(error.source().is_none() && !error.to_string().is_empty());
        }
    }
}
