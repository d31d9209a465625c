//! B3, Zipkin's headers: all in one, `b3`, or a header for each part, `x-b3-…`.

use super::hex::{self, StackText};
use super::text;
use super::{Extracted, Extractor, Injector, Propagator};
use crate::baggage::Baggage;
use crate::id::{SpanId, TraceId};
use crate::span_context::{SpanContext, TraceFlags};

/// Reads both forms of B3, and writes the one that was chosen.
///
/// | header | written | read |
/// | --- | --- | --- |
/// | `b3` | `{trace}-{span}-{0, 1 or d}` | the same, with or without the end, or with a parent (unused) behind it; or `0`, `1` or `d` alone |
/// | `x-b3-traceid`, `x-b3-spanid` | 32 and 16 digits | 16 or 32, and 16 |
/// | `x-b3-sampled` | 0 or 1 | these, and `true` or `false` |
/// | `x-b3-flags` | 1 for debug, and then no `x-b3-sampled` | 1, over `x-b3-sampled`; others mean nothing |
/// | `x-b3-parentspanid` | never | 16 digits, unused |
///
/// The header `b3` comes first; where it is absent or cannot be read, the others are looked at. Digits are read in either
/// case and written in lower case. Without a sampling state the decision is left to the local sampler,
/// [`TraceFlags::DEFERRED`], and is left out again where such a context is handed on. A sampling state without ids is
/// [`Extracted::decision`]. What cannot be read, ids of zero and one id without the other count in
/// [`Extracted::malformed_headers`]. B3 has no baggage.
///
/// ```
/// use otel_core::propagation::{B3Propagator, Propagator};
///
/// let headers = vec![("b3", "00000000000000ab-00000000000000cd-d")];
/// let caller = B3Propagator::single().extract(&headers).span_context.unwrap();
/// assert!(caller.is_sampled() && caller.flags().is_debug());
/// ```
///
/// Source: `openzipkin/b3-propagation:README.md`.
#[derive(Clone, Debug)]
pub struct B3Propagator {
    is_single: bool,
    is_multi: bool,
    are_trace_ids_short: bool,
}

impl B3Propagator {
    /// Makes a propagator that writes `b3`.
    pub const fn single() -> Self {
        Self { is_single: true, is_multi: false, are_trace_ids_short: false }
    }

    /// Makes a propagator that writes a header for each part.
    pub const fn multi() -> Self {
        Self { is_single: false, is_multi: true, are_trace_ids_short: false }
    }

    /// Makes a propagator that writes both forms, for a time in which some callees know only one.
    pub const fn single_and_multi() -> Self {
        Self { is_single: true, is_multi: true, are_trace_ids_short: false }
    }

    /// Sets whether trace ids of 64 bits are written with 16 digits, for callees that know no longer ones. Default:
    /// false, always 32.
    #[must_use]
    pub fn short_trace_ids(mut self, are_trace_ids_short: bool) -> Self {
        self.are_trace_ids_short = are_trace_ids_short;
        self
    }

    fn push_trace_id<const N: usize>(&self, trace_id: TraceId, into: &mut StackText<N>) {
        if trace_id.high() != 0 || !self.are_trace_ids_short {
            into.push_u64(trace_id.high());
        }
        into.push_u64(trace_id.low());
    }

    fn inject_single(&self, span_context: &SpanContext, carrier: &mut dyn Injector) {
        let mut value = StackText::<MAX_WRITTEN_BYTES>::new();
        self.push_trace_id(span_context.trace_id(), &mut value);
        value.push(b"-");
        value.push_u64(span_context.span_id().as_u64());
        value.push(match Sampling::of(span_context.flags()) {
            Sampling::Deferred => b"",
            Sampling::Dropped => b"-0",
            Sampling::Kept => b"-1",
            Sampling::Debug => b"-d",
        });
        carrier.set(SINGLE, value.as_str());
    }

    fn inject_multi(&self, span_context: &SpanContext, carrier: &mut dyn Injector) {
        let (mut trace_id, mut span_id) = (StackText::<32>::new(), StackText::<16>::new());
        self.push_trace_id(span_context.trace_id(), &mut trace_id);
        span_id.push_u64(span_context.span_id().as_u64());
        carrier.set(TRACE_ID, trace_id.as_str());
        carrier.set(SPAN_ID, span_id.as_str());
        match Sampling::of(span_context.flags()) {
            Sampling::Deferred => {}
            Sampling::Dropped => carrier.set(SAMPLED, "0"),
            Sampling::Kept => carrier.set(SAMPLED, "1"),
            Sampling::Debug => carrier.set(FLAGS, "1"),
        }
    }
}

impl Default for B3Propagator {
    fn default() -> Self {
        Self::single()
    }
}

impl Propagator for B3Propagator {
    fn inject(&self, span_context: &SpanContext, _: &Baggage, carrier: &mut dyn Injector) {
        if !span_context.is_valid() {
            return;
        }
        if self.is_single {
            self.inject_single(span_context, carrier);
        }
        if self.is_multi {
            self.inject_multi(span_context, carrier);
        }
    }

    fn extract(&self, carrier: &dyn Extractor) -> Extracted {
        let single = header(carrier, SINGLE).map(|value| parse_single(value).ok_or(Malformed));
        let is_single_malformed = matches!(single, Some(Err(Malformed)));
        let found = match single {
            Some(Ok(found)) => Ok(Some(found)),
            Some(Err(Malformed)) | None => read_multi(carrier),
        };
        let malformed_headers = u32::from(is_single_malformed) + u32::from(found.is_err());
        let Ok(Some(Found { ids, sampling })) = found else {
            return Extracted { malformed_headers, ..Extracted::default() };
        };
        let context = |(trace_id, span_id)| {
            SpanContext::new(trace_id, span_id, sampling.flags()).with_remote(true)
        };
        let is_decided_alone = ids.is_none() && sampling != Sampling::Deferred;
        Extracted {
            span_context: ids.map(context),
            decision: is_decided_alone.then(|| sampling.flags()),
            malformed_headers,
            ..Extracted::default()
        }
    }

    fn fields(&self) -> Vec<&str> {
        let single = [SINGLE].into_iter().filter(|_| self.is_single);
        let multi = [TRACE_ID, SPAN_ID, SAMPLED, FLAGS].into_iter().filter(|_| self.is_multi);
        single.chain(multi).collect()
    }
}

/// What the headers say.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// Both valid; `None` where there is a sampling state alone.
    ids: Option<(TraceId, SpanId)>,
    sampling: Sampling,
}

/// Headers are there, and cannot be read.
#[derive(Debug)]
struct Malformed;

/// B3's sampling state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sampling {
    Deferred,
    Dropped,
    Kept,
    Debug,
}

impl Sampling {
    fn of(flags: TraceFlags) -> Self {
        match (flags.is_deferred(), flags.is_debug(), flags.is_sampled()) {
            // Whatever else is set then, nobody trusts it.
            (true, _, _) => Self::Deferred,
            (false, true, _) => Self::Debug,
            (false, false, true) => Self::Kept,
            (false, false, false) => Self::Dropped,
        }
    }

    fn flags(self) -> TraceFlags {
        match self {
            Self::Deferred => TraceFlags::DEFERRED,
            Self::Dropped => TraceFlags::NONE,
            Self::Kept => TraceFlags::SAMPLED,
            Self::Debug => TraceFlags::SAMPLED | TraceFlags::DEBUG,
        }
    }

    fn parse(state: &[u8]) -> Option<Self> {
        match state {
            b"0" => Some(Self::Dropped),
            b"1" => Some(Self::Kept),
            b"d" => Some(Self::Debug),
            _ => None,
        }
    }
}

/// Reads a value of `b3`. The lengths of its parts are fixed, so that each dash has a place.
fn parse_single(value: &str) -> Option<Found> {
    let value = value.as_bytes();
    if let Some(sampling) = Sampling::parse(value) {
        return Some(Found { ids: None, sampling });
    }
    let n_trace_id = if value.get(16) == Some(&b'-') { 16 } else { 32 };
    let (trace_id, rest) = value.split_at_checked(n_trace_id)?;
    let (span_id, rest) = rest.strip_prefix(b"-")?.split_at_checked(16)?;
    let sampling = match rest {
        [] => Sampling::Deferred,
        [b'-', state] => Sampling::parse(&[*state])?,
        [b'-', state, b'-', parent_id @ ..] => {
            read_u64(parent_id)?;
            Sampling::parse(&[*state])?
        }
        _ => return None,
    };
    Some(Found { ids: Some(read_ids(trace_id, span_id)?), sampling })
}

/// Reads the headers `x-b3-…`; `None` where there are none.
fn read_multi(carrier: &dyn Extractor) -> Result<Option<Found>, Malformed> {
    let ids = match (header(carrier, TRACE_ID), header(carrier, SPAN_ID)) {
        (None, None) => None,
        (Some(trace_id), Some(span_id)) => {
            Some(read_ids(trace_id.as_bytes(), span_id.as_bytes()).ok_or(Malformed)?)
        }
        _ => return Err(Malformed),
    };
    let sampling = match header(carrier, SAMPLED) {
        None => Sampling::Deferred,
        Some("1") => Sampling::Kept,
        Some("0") => Sampling::Dropped,
        Some(word) if word.eq_ignore_ascii_case("true") => Sampling::Kept,
        Some(word) if word.eq_ignore_ascii_case("false") => Sampling::Dropped,
        Some(_) => return Err(Malformed),
    };
    let is_debug = header(carrier, FLAGS) == Some("1");
    let sampling = if is_debug { Sampling::Debug } else { sampling };
    if ids.is_none() {
        return Ok((sampling != Sampling::Deferred).then_some(Found { ids, sampling }));
    }
    // Nobody needs the parent's parent; it only has to be a number.
    match header(carrier, PARENT_ID).map(|parent_id| read_u64(parent_id.as_bytes())) {
        Some(None) => Err(Malformed),
        Some(Some(_)) | None => Ok(Some(Found { ids, sampling })),
    }
}

/// Returns the first value of a header; an empty one is none.
fn header<'a>(carrier: &'a dyn Extractor, name: &str) -> Option<&'a str> {
    carrier.get(name).map(text::trimmed).filter(|value| !value.is_empty())
}

/// Reads 16 or 32 digits, and 16; `None` for anything else, and for zero.
fn read_ids(trace_id: &[u8], span_id: &[u8]) -> Option<(TraceId, SpanId)> {
    let (high, low) = match trace_id.len() {
        16 => (0, read_u64(trace_id)?),
        32 => (read_u64(&trace_id[..16])?, read_u64(&trace_id[16..])?),
        _ => return None,
    };
    let (trace_id, span_id) = (TraceId::from_parts(high, low), SpanId::new(read_u64(span_id)?));
    (trace_id.is_valid() && span_id.is_valid()).then_some((trace_id, span_id))
}

/// Reads exactly 16 digits of either case.
fn read_u64(digits: &[u8]) -> Option<u64> {
    if digits.len() == 16 { hex::read_u64(digits) } else { None }
}

const SINGLE: &str = "b3";
const TRACE_ID: &str = "x-b3-traceid";
const SPAN_ID: &str = "x-b3-spanid";
const PARENT_ID: &str = "x-b3-parentspanid";
const SAMPLED: &str = "x-b3-sampled";
const FLAGS: &str = "x-b3-flags";

/// 32, 16 and 1 characters and the dashes are 51.
const MAX_WRITTEN_BYTES: usize = 64;

#[cfg(test)]
mod tests;
