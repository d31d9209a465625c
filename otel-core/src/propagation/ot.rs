//! The headers of OpenTracing's basic tracers: `ot-tracer-…`.

use super::hex::{self, StackText};
use super::text;
use super::{Extracted, Extractor, Injector, Propagator};
use crate::baggage::{Baggage, BaggageItem};
use crate::diagnostics;
use crate::id::{SpanId, TraceId};
use crate::span_context::{SpanContext, TraceFlags};

/// Reads and writes what OpenTracing's basic tracers, and Lightstep's, exchange.
///
/// | header | written | read |
/// | --- | --- | --- |
/// | `ot-tracer-traceid` | the lower half of the id, 16 digits | 16 or 32 digits |
/// | `ot-tracer-spanid` | 16 digits | 16 digits |
/// | `ot-tracer-sampled` | `true` or `false` | these, 1 or 0; nothing is `false` |
/// | `ot-baggage-{key}` | one for each name, the value as it is | the key in lower case |
///
/// A trace id of 128 bits is cut to its lower half, which tears the trace in two: that is warned about. Baggage goes with
/// a span alone; it is read and written up to 64 entries and 8192 bytes, and what no header can hold is not written, and
/// warned about. What cannot be read, ids of zero and one id without the other count in
/// [`Extracted::malformed_headers`].
///
/// ```
/// use otel_core::propagation::{OtPropagator, Propagator};
///
/// let headers = vec![
///     ("ot-tracer-traceid", "64fe8b2a57d3eff7"),
///     ("ot-tracer-spanid", "e457b5a2e4d86bd1"),
///     ("ot-tracer-sampled", "true"),
///     ("ot-baggage-user", "ann"),
/// ];
/// let found = OtPropagator::new().extract(&headers);
/// assert!(found.span_context.unwrap().is_sampled());
/// assert_eq!(found.baggage.get("user"), Some("ann"));
/// ```
///
/// Source: `opentracing/basictracer-go:propagation_ot.go`,
/// `open-telemetry/opentelemetry-java:…/OtTracePropagator.java`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OtPropagator(());

impl OtPropagator {
    /// Makes the propagator.
    pub const fn new() -> Self {
        Self(())
    }
}

impl Propagator for OtPropagator {
    fn inject(&self, span_context: &SpanContext, baggage: &Baggage, carrier: &mut dyn Injector) {
        if !span_context.is_valid() {
            return;
        }
        let trace_id = span_context.trace_id();
        if trace_id.low() == 0 {
            diagnostics::warn(
                "ot trace id",
                format_args!("trace {trace_id} is not sent: its lower half is 0"),
            );
            return;
        }
        if trace_id.high() != 0 {
            diagnostics::warn(
                "ot trace id",
                format_args!("of trace {trace_id} only the lower half is sent"),
            );
        }
        carrier.set(TRACE_ID, digits(trace_id.low()).as_str());
        carrier.set(SPAN_ID, digits(span_context.span_id().as_u64()).as_str());
        carrier.set(SAMPLED, if span_context.is_sampled() { "true" } else { "false" });
        if !baggage.is_empty() {
            inject_baggage(baggage, carrier);
        }
    }

    fn extract(&self, carrier: &dyn Extractor) -> Extracted {
        let header = |name| carrier.get(name).map(text::trimmed);
        let span_context = match (header(TRACE_ID), header(SPAN_ID)) {
            (None, None) => return Extracted::default(),
            (Some(trace_id), Some(span_id)) => {
                parse(trace_id.as_bytes(), span_id.as_bytes(), header(SAMPLED))
            }
            _ => None,
        };
        match span_context {
            None => Extracted { malformed_headers: 1, ..Extracted::default() },
            Some(span_context) => Extracted {
                span_context: Some(span_context.with_remote(true)),
                baggage: extract_baggage(carrier),
                ..Extracted::default()
            },
        }
    }

    fn fields(&self) -> Vec<&str> {
        vec![TRACE_ID, SPAN_ID, SAMPLED]
    }
}

fn inject_baggage(baggage: &Baggage, carrier: &mut dyn Injector) {
    let mut header = String::new();
    let (mut n_written, mut n_bytes) = (0, 0);
    for BaggageItem { name, value, .. } in baggage.iter() {
        let item_bytes = name.len() + value.len();
        if !text::is_token(name) || !value.bytes().all(is_header_byte) {
            diagnostics::warn(
                "ot baggage",
                format_args!("baggage {name:?} is not sent: no header can hold it"),
            );
        } else if n_written == MAX_BAGGAGE_ENTRIES || n_bytes + item_bytes > MAX_BAGGAGE_BYTES {
            diagnostics::warn(
                "ot baggage",
                format_args!("baggage {name:?} is not sent: there is too much"),
            );
        } else {
            (n_written, n_bytes) = (n_written + 1, n_bytes + item_bytes);
            header.clear();
            header.push_str(BAGGAGE_PREFIX);
            header.push_str(name);
            carrier.set(&header, value);
        }
    }
}

fn extract_baggage(carrier: &dyn Extractor) -> Baggage {
    let (mut items, mut n_bytes) = (Vec::new(), 0);
    carrier.for_each(&mut |header, value| {
        let Some((prefix, name)) = header.split_at_checked(BAGGAGE_PREFIX.len()) else { return };
        let item_bytes = name.len() + value.len();
        if prefix.eq_ignore_ascii_case(BAGGAGE_PREFIX)
            && items.len() < MAX_BAGGAGE_ENTRIES
            && n_bytes + item_bytes <= MAX_BAGGAGE_BYTES
            && !name.is_empty()
        {
            n_bytes += item_bytes;
            items.push(BaggageItem {
                name: name.to_ascii_lowercase(),
                value: value.to_owned(),
                metadata: String::new(),
            });
        }
    });
    if items.is_empty() { Baggage::new() } else { items.into_iter().collect() }
}

/// Reads what the headers say; `None` where they cannot be read, or an id is zero.
fn parse(trace_id: &[u8], span_id: &[u8], sampled: Option<&str>) -> Option<SpanContext> {
    let (high, low) = match trace_id.len() {
        16 => (0, hex::read_u64(trace_id)?),
        32 => (hex::read_u64(&trace_id[..16])?, hex::read_u64(&trace_id[16..])?),
        _ => return None,
    };
    let span_id = if span_id.len() == 16 { hex::read_u64(span_id)? } else { return None };
    let is_sampled = match sampled {
        None | Some("0" | "") => false,
        Some("1") => true,
        Some(word) if word.eq_ignore_ascii_case("true") => true,
        Some(word) if word.eq_ignore_ascii_case("false") => false,
        Some(_) => return None,
    };
    let flags = TraceFlags::NONE.with(TraceFlags::SAMPLED, is_sampled);
    let span_context =
        SpanContext::new(TraceId::from_parts(high, low), SpanId::new(span_id), flags);
    span_context.is_valid().then_some(span_context)
}

fn digits(number: u64) -> StackText<16> {
    let mut digits = StackText::new();
    digits.push_u64(number);
    digits
}

fn is_header_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t')
}

const TRACE_ID: &str = "ot-tracer-traceid";
const SPAN_ID: &str = "ot-tracer-spanid";
const SAMPLED: &str = "ot-tracer-sampled";
const BAGGAGE_PREFIX: &str = "ot-baggage-";

const MAX_BAGGAGE_ENTRIES: usize = 64;

/// Of names and values together.
const MAX_BAGGAGE_BYTES: usize = 8192;

#[cfg(test)]
mod tests;
