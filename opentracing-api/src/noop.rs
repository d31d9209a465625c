//! The tracer that does nothing, for when tracing is off: no allocation, no clock, no baggage.

use crate::error::{ExtractError, InjectError};
use crate::propagation::{Extract, Inject};
use crate::span::Span;
use crate::span_context::SpanContext;
use crate::tracer::{Tracer, TracerKind, TracerNumber};

impl Tracer {
    /// Returns the tracer that does nothing. Under it no span is ever active.
    #[inline]
    pub const fn noop() -> Self {
        Self(TracerKind::Noop)
    }
}

impl Span {
    /// Returns a span that does nothing; its context is empty.
    #[inline]
    pub const fn noop() -> Self {
        Self {
            context: SpanContext::from_parts(0, 0, 0, 0),
            backend: None,
            tracer: TracerNumber::NOOP,
        }
    }
}

/// Writes nothing; a custom format is unknown here as it is to every tracer that was not told.
pub(crate) fn inject(into: &Inject<'_>) -> Result<(), InjectError> {
    match into {
        Inject::Custom(..) => Err(InjectError::UnsupportedFormat),
        _ => Ok(()),
    }
}

/// Finds nothing; a custom format is unknown here as it is to every tracer that was not told.
pub(crate) fn extract(from: &Extract<'_>) -> Result<Option<SpanContext>, ExtractError> {
    match from {
        Extract::Custom(..) => Err(ExtractError::UnsupportedFormat),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{InSpan, StartSpanOptions, child_of};

    #[test]
    fn every_call_on_the_noop_tracer_does_nothing() {
        let tracer = Tracer::noop();
        let mut span = tracer.start_span_with(
            "s",
            StartSpanOptions::new().tag("k", 1).start_time(SystemTime::now()),
        );
        span.set_tag("k", 1)
            .log_event("e")
            .set_operation_name("t")
            .log_kv_at(SystemTime::now(), [("k", 1)]);
        span.set_baggage_item("k", "v");
        assert_eq!(span.baggage_item("k"), None);
        assert!(span.context().is_empty() && !span.is_recording() && span.tracer() == tracer);
        tracer.start_span_with("child", child_of(&span)).finish_at(SystemTime::now());

        let shared = span.into_shared();
        shared
            .set_tag("k", 1)
            .log_event("e")
            .set_baggage_item("k", "v")
            .with(|span| span.is_recording());
        assert_eq!((shared.baggage_item("k"), shared.tracer()), (None, Tracer::noop()));
        let scope = tracer.activate(&shared);
        assert_eq!((tracer.active_span(), scope.span()), (None, &shared));
        drop(async {}.in_span(&shared));
        scope.close();

        assert_eq!(tracer.try_in_span("parse", |_| "x".parse::<u8>()).ok(), None);
        assert!(tracer.flush(Duration::ZERO).is_ok() && tracer.close(Duration::ZERO).is_ok());
    }

    #[test]
    fn noop_inject_writes_nothing_and_extract_finds_nothing() {
        let (tracer, mut headers, mut bytes) = (Tracer::noop(), HashMap::new(), Vec::new());
        tracer.inject(&Span::noop(), Inject::HttpHeaders(&mut headers)).unwrap();
        tracer.inject(&SpanContext::new(1, 2, 3), Inject::Binary(&mut bytes)).unwrap();
        assert!(headers.is_empty() && bytes.is_empty());
        assert_eq!(tracer.extract(Extract::TextMap(&headers)).unwrap(), None);
    }

    #[test]
    fn the_noop_tracer_too_refuses_unknown_formats() {
        let injected = Tracer::noop().inject(&Span::noop(), Inject::Custom("own", &mut 1));
        assert!(matches!(injected, Err(InjectError::UnsupportedFormat)));
        let extracted = Tracer::noop().extract(Extract::Custom("own", &1));
        assert!(matches!(extracted, Err(ExtractError::UnsupportedFormat)));
    }
}
