//! W3C Trace Context: `traceparent` and `tracestate`.

use std::sync::Arc;

use super::hex::{self, StackText};
use super::text;
use super::{Extracted, Extractor, Injector, Propagator};
use crate::baggage::Baggage;
use crate::id::{SpanId, TraceId};
use crate::span_context::{SpanContext, TraceFlags};
use crate::trace_state::{TraceState, TraceStateParser};

/// Reads and writes W3C's `traceparent` and `tracestate`, Level 2.
///
/// Written is version 00 with the sampled and the random flag; `tracestate` only if there is one, cut as
/// [`TraceState::header`] says. Read is version 00, and of any later version the part that is the same. A `traceparent`
/// that is malformed, has a zero id or comes twice counts in [`Extracted::malformed_headers`], and `tracestate` is then
/// not looked at; a malformed `tracestate` is passed over. Baggage has a propagator of its own.
///
/// ```
/// use otel_core::Baggage;
/// use otel_core::propagation::{Propagator, TraceContextPropagator};
///
/// let headers = vec![
///     ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
///     ("tracestate", "congo=t61rcWkgMzE"),
/// ];
/// let w3c = TraceContextPropagator::new();
/// let caller = w3c.extract(&headers).span_context.unwrap();
/// assert!(caller.is_remote() && caller.is_sampled());
/// assert_eq!(caller.trace_state().get("congo"), Some("t61rcWkgMzE"));
///
/// let mut sent: Vec<(String, String)> = Vec::new();
/// w3c.inject(&caller, &Baggage::new(), &mut sent);
/// assert_eq!(sent[0].1, headers[0].1);
///
/// // What cannot be read is not there, and is counted.
/// let broken = w3c.extract(&vec![("traceparent", "00-0af7-b7ad-01")]);
/// assert_eq!((broken.span_context, broken.malformed_headers), (None, 1));
/// ```
///
/// Source: `w3c/trace-context:spec/20-http_request_header_format.md`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceContextPropagator(());

impl TraceContextPropagator {
    /// Makes the propagator.
    pub const fn new() -> Self {
        Self(())
    }
}

impl Propagator for TraceContextPropagator {
    fn inject(&self, span_context: &SpanContext, _: &Baggage, carrier: &mut dyn Injector) {
        if !span_context.is_valid() {
            return;
        }
        carrier.set(TRACEPARENT, traceparent(span_context).as_str());
        if !span_context.trace_state().is_empty() {
            carrier.set(TRACESTATE, &span_context.trace_state().header());
        }
    }

    fn extract(&self, carrier: &dyn Extractor) -> Extracted {
        let (mut value, mut n_values) = (None, 0_usize);
        carrier.get_all(TRACEPARENT, &mut |header| {
            value = Some(header);
            n_values += 1;
        });
        let only_value = value.filter(|_| n_values == 1);
        let ids = only_value.and_then(|value| parse_traceparent(text::trimmed(value)));
        Extracted {
            malformed_headers: u32::from(n_values > 0 && ids.is_none()),
            span_context: ids.map(|(trace_id, span_id, flags)| {
                SpanContext::remote(trace_id, span_id, flags, extract_trace_state(carrier))
            }),
            ..Extracted::default()
        }
    }

    fn fields(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

/// Reads a value without whitespace around it; `None` for a malformed one, or a zero id.
#[inline]
fn parse_traceparent(value: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let (value, rest) = value.as_bytes().split_at_checked(TRACEPARENT_BYTES)?;
    let [v0, v1, b'-', ids_and_flags @ ..] = value else { return None };
    match (hex::read_lower::<2>(&[*v0, *v1])?, rest) {
        // Version 00 ends here; a later one may go on behind a dash; ff will never be one.
        (0, []) | (1..=0xfe, [] | [b'-', ..]) => {}
        _ => return None,
    }
    let (trace_id, rest) = ids_and_flags.split_at_checked(32)?;
    let (high, low) = trace_id.split_at(16);
    let (span_id, flags) = rest.strip_prefix(b"-")?.split_at_checked(16)?;
    let trace_id = TraceId::from_parts(hex::read_lower::<16>(high)?, hex::read_lower::<16>(low)?);
    let span_id = SpanId::new(hex::read_lower::<16>(span_id)?);
    let flags = hex::read_lower::<2>(flags.strip_prefix(b"-")?)?;
    let is_valid = trace_id.is_valid() && span_id.is_valid();
    is_valid.then(|| (trace_id, span_id, TraceFlags::from_w3c(flags as u8)))
}

/// Returns `None` also for a list that is empty or malformed.
fn extract_trace_state(carrier: &dyn Extractor) -> Option<Arc<TraceState>> {
    let mut parser: Option<TraceStateParser> = None;
    carrier.get_all(TRACESTATE, &mut |header| {
        parser.get_or_insert_with(TraceStateParser::default).push_header(header);
    });
    // Nearly always there is none.
    parser?.finish().filter(|trace_state| !trace_state.is_empty()).map(Arc::new)
}

fn traceparent(span_context: &SpanContext) -> StackText<WRITTEN_BYTES> {
    let mut value = StackText::new();
    value.push(b"00-");
    value.push_u64(span_context.trace_id().high());
    value.push_u64(span_context.trace_id().low());
    value.push(b"-");
    value.push_u64(span_context.span_id().as_u64());
    value.push(b"-");
    value.push_u8(span_context.flags().to_w3c());
    value
}

const TRACEPARENT: &str = "traceparent";

const TRACESTATE: &str = "tracestate";

/// 2, 32, 16 and 2 digits, and the dashes.
const TRACEPARENT_BYTES: usize = 55;

/// Room for these.
const WRITTEN_BYTES: usize = 64;

#[cfg(test)]
mod tests;
