//! Jaeger's own headers: `uber-trace-id` with its baggage and debug headers.

use std::borrow::Cow;

use super::environment;
use super::hex::{self, StackText};
use super::text::{self, Plus};
use super::{Extracted, Extractor, Injector, Propagator};
use crate::baggage::{Baggage, BaggageItem};
use crate::diagnostics;
use crate::id::{SpanId, TraceId};
use crate::span_context::{SpanContext, TraceFlags};

/// Reads and writes what the Jaeger clients exchange.
///
/// | header | written | read |
/// | --- | --- | --- |
/// | `uber-trace-id` | `{trace}:{span}:0:{flags}`: 16 digits, or 32 of a 128-bit trace id; 16; flags 0, 1 or 3 | 1–32, 1–16, 0–16 (the parent, unused) and 1–2 hexadecimal digits of either case |
/// | `uberctx-{key}` | one for each name of the baggage | the key in lower case |
/// | `jaeger-baggage` | never | `k1=v1, k2=v2`, from people at their terminals |
/// | `jaeger-debug-id` | never | as [`Extracted::debug_id`], 256 bytes at the most |
///
/// Flags are hexadecimal: 1 is sampled, 2 debug, 8 firehose, others are passed over. Debug without sampled counts as
/// neither; a debug context is written as sampled. The flag 2 has nothing to do with W3C's random flag. A zero trace or
/// span id means that there is no trace; a value that cannot be read, or several different ones, count in
/// [`Extracted::malformed_headers`]. Where `:` is missing, `%XX` is decoded first, once.
///
/// Baggage is read and written up to 64 entries and 8192 bytes of names and values, as they are in the headers; entries that
/// do not fit are left out, one by one. In the mode for headers, names that cannot be part of a header's name are not
/// written. What is not written is warned about.
///
/// ```
/// use otel_core::propagation::{IgnoreCase, JaegerPropagator, Propagator};
///
/// // As the clients of other languages write it, and as HTTP hands it on.
/// let headers = vec![("Uber-Trace-Id", "4ecc0a29c7a9a1c5:3d1f:0:1"), ("Uberctx-User", "ann%20b")];
/// let jaeger = JaegerPropagator::new();
/// let found = jaeger.extract(&IgnoreCase(&headers));
/// assert_eq!(found.baggage.get("user"), Some("ann b"));
///
/// let mut sent: Vec<(String, String)> = Vec::new();
/// jaeger.inject(&found.span_context.unwrap(), &found.baggage, &mut sent);
/// assert_eq!(sent[0].1, "4ecc0a29c7a9a1c5:0000000000003d1f:0:1");
/// assert_eq!(sent[1], ("uberctx-user".to_owned(), "ann%20b".to_owned()));
///
/// // Somebody wants this request traced, whatever the sampler says.
/// let wanted = jaeger.extract(&vec![("jaeger-debug-id", "ticket-7")]);
/// assert_eq!((wanted.span_context, wanted.debug_id.as_deref()), (None, Some("ticket-7")));
/// ```
///
/// Source: `jaegertracing/jaeger-client-go:propagation.go`, `jaegertracing/jaeger-client-java:…/TextMapCodec.java`,
/// `open-telemetry/opentelemetry-java:…/JaegerPropagator.java` (limits).
#[derive(Clone, Debug)]
pub struct JaegerPropagator {
    mode: JaegerMode,
    trace_context_header: Cow<'static, str>,
    baggage_prefix: Cow<'static, str>,
    debug_header: Cow<'static, str>,
    baggage_header: Cow<'static, str>,
}

/// What kind of carrier Jaeger's headers travel in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JaegerMode {
    /// Pairs of any text: baggage is written as it is, names are compared exactly.
    TextMap,
    /// HTTP headers: values of baggage are percent-coded, names are compared without regard to ASCII case (the carrier
    /// sees to that for whole names). A space is written as `%20` and read as that or `+`; a value that cannot be
    /// decoded is taken as it is.
    #[default]
    HttpHeaders,
}

impl JaegerPropagator {
    /// Makes a propagator for HTTP headers, with Jaeger's names.
    pub const fn new() -> Self {
        Self {
            mode: JaegerMode::HttpHeaders,
            trace_context_header: Cow::Borrowed("uber-trace-id"),
            baggage_prefix: Cow::Borrowed("uberctx-"),
            debug_header: Cow::Borrowed("jaeger-debug-id"),
            baggage_header: Cow::Borrowed("jaeger-baggage"),
        }
    }

    /// Sets the kind of carrier. Default: HTTP headers.
    #[must_use]
    pub fn mode(mut self, mode: JaegerMode) -> Self {
        self.mode = mode;
        self
    }

    /// Names the header of the span context; kept in lower case, an empty name changes nothing. Default:
    /// `uber-trace-id`.
    #[must_use]
    pub fn trace_context_header(mut self, name: &str) -> Self {
        set_name(&mut self.trace_context_header, name);
        self
    }

    /// Sets what the names of baggage headers start with; kept in lower case, an empty prefix changes nothing. Default:
    /// `uberctx-`.
    #[must_use]
    pub fn baggage_prefix(mut self, prefix: &str) -> Self {
        set_name(&mut self.baggage_prefix, prefix);
        self
    }

    /// Names the header of the debug id; kept in lower case, an empty name changes nothing. Default: `jaeger-debug-id`.
    #[must_use]
    pub fn debug_header(mut self, name: &str) -> Self {
        set_name(&mut self.debug_header, name);
        self
    }

    /// Names the header of baggage written by hand; kept in lower case, an empty name changes nothing. Default:
    /// `jaeger-baggage`.
    #[must_use]
    pub fn baggage_header(mut self, name: &str) -> Self {
        set_name(&mut self.baggage_header, name);
        self
    }

    fn inject_baggage(&self, baggage: &Baggage, carrier: &mut dyn Injector) {
        let (mut header, mut encoded) = (String::new(), String::new());
        let (mut n_written, mut n_bytes) = (0, 0);
        for BaggageItem { name, value, .. } in baggage.iter() {
            let value = match self.mode {
                JaegerMode::TextMap => value,
                JaegerMode::HttpHeaders if text::is_token(name) => {
                    encoded.clear();
                    text::push_percent_encoded(&mut encoded, value, is_unreserved);
                    &encoded
                }
                JaegerMode::HttpHeaders => {
                    diagnostics::warn(
                        "jaeger baggage name",
                        format_args!(
                            "baggage {name:?} is not sent: the name cannot be part of a header's name"
                        ),
                    );
                    continue;
                }
            };
            // As it goes out, since that is what the next one's limit is for.
            let item_bytes = name.len() + value.len();
            if n_written == MAX_BAGGAGE_ENTRIES || n_bytes + item_bytes > MAX_BAGGAGE_BYTES {
                diagnostics::warn(
                    "jaeger baggage limit",
                    format_args!(
                        "baggage {name:?} is not sent: past {MAX_BAGGAGE_ENTRIES} entries or {MAX_BAGGAGE_BYTES} bytes"
                    ),
                );
                continue;
            }
            (n_written, n_bytes) = (n_written + 1, n_bytes + item_bytes);
            header.clear();
            header.push_str(&self.baggage_prefix);
            header.push_str(name);
            carrier.set(&header, value);
        }
    }

    /// Returns the only value of the header, or the one they all have; `Err` where they differ.
    fn trace_context_value<'a>(
        &self,
        carrier: &'a dyn Extractor,
    ) -> Result<Option<&'a str>, Malformed> {
        let (mut first, mut is_ambiguous) = (None, false);
        carrier.get_all(&self.trace_context_header, &mut |value| {
            is_ambiguous |= *first.get_or_insert(value) != value;
        });
        if is_ambiguous { Err(Malformed) } else { Ok(first) }
    }

    fn extract_ids(&self, carrier: &dyn Extractor) -> Result<Option<Ids>, Malformed> {
        match self.trace_context_value(carrier)? {
            Some(value) => parse_uber_trace_id(value.as_bytes()).map(Some).ok_or(Malformed),
            None => Ok(None),
        }
    }

    /// Looks which of the headers are there at all, by their keys alone: most carriers have none or one of them, and many
    /// other headers with long values.
    fn present(&self, carrier: &dyn Extractor) -> Present {
        let ours = [
            &self.trace_context_header,
            &self.debug_header,
            &self.baggage_header,
            &self.baggage_prefix,
        ];
        // A bit for each letter, in either case, that one of ours begins with: spares most headers a closer look.
        let first_letter =
            |name: &str| name.bytes().next().map_or(0, |letter| 1_u32 << (letter & 31));
        let first_letters = ours.iter().fold(0, |letters, name| letters | first_letter(name));
        let mut present = Present::default();
        carrier.for_each_key(&mut |key| {
            if first_letter(key) & first_letters == 0 && !key.starts_with(is_variables_first) {
                return;
            }
            present.trace_context |= is_header(key, &self.trace_context_header);
            present.debug |= is_header(key, &self.debug_header);
            present.baggage |=
                is_header(key, &self.baggage_header) || self.baggage_name(key).is_some();
        });
        present
    }

    fn extract_baggage(&self, carrier: &dyn Extractor) -> Baggage {
        let mut collected = CollectedBaggage::default();
        carrier.get_all(&self.baggage_header, &mut |header| {
            for pair in self.decoded(header).split(',') {
                // A second `=` makes a pair malformed: the clients keep none of it.
                if let Some((name, value)) =
                    pair.split_once('=').filter(|(_, value)| !value.contains('='))
                {
                    collected.push(text::trimmed(name), text::trimmed(value), Cow::Borrowed);
                }
            }
        });
        // After what was written by hand: of two values for a name, the last one stays.
        carrier.for_each(&mut |header, value| {
            if let Some(name) = self.baggage_name(header) {
                collected.push(name, value, |value| self.decoded(value));
            }
        });
        // Nearly always there is none.
        if collected.items.is_empty() {
            return Baggage::new();
        }
        collected.items.into_iter().collect()
    }

    fn baggage_name<'a>(&self, header: &'a str) -> Option<&'a str> {
        let (prefix, name) = header.split_at_checked(self.baggage_prefix.len())?;
        let is_ours = match self.mode {
            JaegerMode::TextMap => prefix == self.baggage_prefix,
            // The ends first: `uber-trace-id` begins as `uberctx-` does.
            JaegerMode::HttpHeaders => {
                prefix.bytes().last().map(|last| last.to_ascii_lowercase())
                    == self.baggage_prefix.bytes().last()
                    && prefix.eq_ignore_ascii_case(&self.baggage_prefix)
            }
        };
        is_ours.then_some(name)
    }

    fn decoded<'a>(&self, value: &'a str) -> Cow<'a, str> {
        match self.mode {
            JaegerMode::TextMap => Cow::Borrowed(value),
            JaegerMode::HttpHeaders => {
                text::percent_decoded(value, Plus::Space).unwrap_or(Cow::Borrowed(value))
            }
        }
    }
}

impl Default for JaegerPropagator {
    fn default() -> Self {
        Self::new()
    }
}

impl Propagator for JaegerPropagator {
    fn inject(&self, span_context: &SpanContext, baggage: &Baggage, carrier: &mut dyn Injector) {
        if span_context.is_valid() {
            carrier.set(&self.trace_context_header, uber_trace_id(span_context).as_str());
        }
        if !baggage.is_empty() {
            self.inject_baggage(baggage, carrier);
        }
    }

    fn extract(&self, carrier: &dyn Extractor) -> Extracted {
        let present = self.present(carrier);
        let ids = if present.trace_context { self.extract_ids(carrier) } else { Ok(None) };
        let debug_id = if present.debug { carrier.get(&self.debug_header) } else { None };
        let debug_id = debug_id.filter(|debug_id| !debug_id.is_empty());
        Extracted {
            malformed_headers: u32::from(ids.is_err()),
            span_context: ids.unwrap_or_default().and_then(Ids::into_span_context),
            baggage: if present.baggage { self.extract_baggage(carrier) } else { Baggage::new() },
            debug_id: debug_id
                .map(|debug_id| cut(&self.decoded(debug_id), MAX_DEBUG_ID_BYTES).to_owned()),
            decision: None,
        }
    }

    fn fields(&self) -> Vec<&str> {
        vec![&self.trace_context_header]
    }
}

/// Compares a carrier's key with the name of a header; most are spelled alike, which is found out eight bytes at a time.
/// Variables of the environment have a spelling of their own.
fn is_header(key: &str, name: &str) -> bool {
    let is_alike = key.len() == name.len() && (key == name || key.eq_ignore_ascii_case(name));
    is_alike || key.starts_with(is_variables_first) && environment::is_variable_of(key, name)
}

fn is_variables_first(first: char) -> bool {
    matches!(first, 'A'..='Z' | '_')
}

/// Which headers a carrier has.
#[derive(Clone, Copy, Debug, Default)]
struct Present {
    trace_context: bool,
    debug: bool,
    baggage: bool,
}

/// The header is there, and cannot be read.
#[derive(Debug)]
struct Malformed;

/// What the header says: plain numbers, made into a context once and in place.
#[derive(Clone, Copy, Debug)]
struct Ids {
    trace_id: TraceId,
    span_id: SpanId,
    flags: TraceFlags,
}

impl Ids {
    /// Returns `None` if an id is zero: that names no trace.
    #[inline]
    fn into_span_context(self) -> Option<SpanContext> {
        let span_context = SpanContext::new(self.trace_id, self.span_id, self.flags);
        span_context.is_valid().then(|| span_context.with_remote(true))
    }
}

/// Reads the value of the header; its ids may be zero. `None` for a malformed one.
#[inline]
fn parse_uber_trace_id(value: &[u8]) -> Option<Ids> {
    parse_padded(value).or_else(|| parse_unpadded(value))
}

/// Reads the form that most clients write: padded, the parent and the flags of one digit each.
#[inline]
fn parse_padded(value: &[u8]) -> Option<Ids> {
    let (trace_id, rest) = value.split_at_checked(value.len().checked_sub(PADDED_BYTES)?)?;
    let [b':', span_id @ .., b':', parent_id, b':', flags] = rest else { return None };
    let (high, low) = match trace_id.len() {
        16 => (0, hex::read_u64(trace_id)?),
        32 => (hex::read_u64(&trace_id[..16])?, hex::read_u64(&trace_id[16..])?),
        _ => return None,
    };
    hex::digit(*parent_id)?;
    Some(Ids {
        trace_id: TraceId::from_parts(high, low),
        span_id: SpanId::new(hex::read_u64(span_id)?),
        flags: flags_from_jaeger(u64::from(hex::digit(*flags)?)),
    })
}

/// Reads every other form.
#[cold]
fn parse_unpadded(value: &[u8]) -> Option<Ids> {
    match split_at_colon(value) {
        Some((trace_id, rest)) => parse_fields(trace_id, rest),
        None => {
            let decoded = percent_decoded(value)?;
            let (trace_id, rest) = split_at_colon(decoded.as_bytes())?;
            parse_fields(trace_id, rest)
        }
    }
}

#[inline]
fn parse_fields(trace_id: &[u8], rest: &[u8]) -> Option<Ids> {
    let (span_id, rest) = split_at_colon(rest)?;
    let (parent_id, flags) = split_at_colon(rest)?;
    // A fifth field would be in the flags, with its colon.
    if trace_id.is_empty() || span_id.is_empty() || !matches!(flags.len(), 1..=2) {
        return None;
    }
    let (high, low) = trace_id.split_at(trace_id.len().saturating_sub(16));
    let trace_id = TraceId::from_parts(hex::read_u64(high)?, hex::read_u64(low)?);
    let span_id = SpanId::new(hex::read_u64(span_id)?);
    // Nobody needs the parent's parent; it only has to be a number.
    hex::read_u64(parent_id)?;
    let flags = flags_from_jaeger(hex::read_u64(flags)?);
    Some(Ids { trace_id, span_id, flags })
}

fn split_at_colon(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let place = value.iter().position(|byte| *byte == b':')?;
    Some((&value[..place], &value[place + 1..]))
}

pub(super) fn flags_from_jaeger(bits: u64) -> TraceFlags {
    let is_sampled = bits & JAEGER_SAMPLED != 0;
    TraceFlags::NONE
        .with(TraceFlags::SAMPLED, is_sampled)
        // The flag alone would come out of the next process as debug and sampled: a decision nobody made.
        .with(TraceFlags::DEBUG, is_sampled && bits & JAEGER_DEBUG != 0)
        .with(TraceFlags::FIREHOSE, bits & JAEGER_FIREHOSE != 0)
}

/// Returns all of Jaeger's flags; debug is sampled as well.
pub(super) fn flags_to_jaeger(flags: TraceFlags) -> u8 {
    let sampled = if flags.is_sampled() || flags.is_debug() { JAEGER_SAMPLED } else { 0 };
    let debug = if flags.is_debug() { JAEGER_DEBUG } else { 0 };
    let firehose = if flags.contains(TraceFlags::FIREHOSE) { JAEGER_FIREHOSE } else { 0 };
    (sampled | debug | firehose) as u8
}

/// Takes percent-coding off; `None` for a value too long to be a span context afterwards, or with a stray `%`.
fn percent_decoded(mut value: &[u8]) -> Option<StackText<DECODED_BYTES>> {
    let mut decoded = StackText::new();
    while let [byte, after @ ..] = value {
        if decoded.as_bytes().len() == MAX_READ_BYTES {
            return None;
        }
        if *byte == b'%' {
            decoded.push(&[text::escaped_byte(after)?]);
            value = &after[2..];
        } else {
            decoded.push(&[*byte]);
            value = after;
        }
    }
    Some(decoded)
}

/// Writes the value of the header. The Go client reads flags as decimal, so they stay below ten: firehose is left out.
fn uber_trace_id(span_context: &SpanContext) -> StackText<MAX_WRITTEN_BYTES> {
    let mut value = StackText::new();
    let (trace_id, flags) = (span_context.trace_id(), span_context.flags());
    if trace_id.high() != 0 {
        value.push_u64(trace_id.high());
    }
    value.push_u64(trace_id.low());
    value.push(b":");
    value.push_u64(span_context.span_id().as_u64());
    value.push(match (flags.is_debug(), flags.is_sampled()) {
        (true, _) => b":0:3",
        (false, true) => b":0:1",
        (false, false) => b":0:0",
    });
    value
}

/// Baggage on its way in, within the limits.
#[derive(Debug, Default)]
struct CollectedBaggage {
    items: Vec<BaggageItem>,
    n_bytes: usize,
}

impl CollectedBaggage {
    /// Takes one more, if it fits as it came: a value that does not is not decoded either.
    fn push<'a>(
        &mut self,
        name: &str,
        value: &'a str,
        decode: impl FnOnce(&'a str) -> Cow<'a, str>,
    ) {
        let n_bytes = self.n_bytes + name.len() + value.len();
        if self.items.len() < MAX_BAGGAGE_ENTRIES
            && n_bytes <= MAX_BAGGAGE_BYTES
            && !name.is_empty()
        {
            self.n_bytes = n_bytes;
            let (name, value) = (name.to_ascii_lowercase(), decode(value).into_owned());
            self.items.push(BaggageItem { name, value, metadata: String::new() });
        }
    }
}

fn set_name(name: &mut Cow<'static, str>, new: &str) {
    if !new.is_empty() {
        *name = Cow::Owned(new.to_ascii_lowercase());
    }
}

/// RFC 3986's unreserved characters: what every client's own coding leaves alone.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

const JAEGER_SAMPLED: u64 = 1;

const JAEGER_DEBUG: u64 = 2;

const JAEGER_FIREHOSE: u64 = 8;

/// What follows the trace id: 16, 1 and 1 digits, and the colons.
const PADDED_BYTES: usize = 21;

/// 32, 16, 16 and 2 digits, and the colons.
const MAX_READ_BYTES: usize = 69;

/// Room for these.
const DECODED_BYTES: usize = 80;

/// 32, 16, 1 and 1 digits and the colons are 53.
const MAX_WRITTEN_BYTES: usize = 64;

const MAX_BAGGAGE_ENTRIES: usize = 64;

/// Of names and values together, as they come and go.
const MAX_BAGGAGE_BYTES: usize = 8192;

/// Cuts a text at the border of a character.
fn cut(text: &str, max_bytes: usize) -> &str {
    let end = (0..=max_bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// A debug id is for somebody to search by; a longer one is cut, since it becomes a tag of a trace that is kept for sure.
const MAX_DEBUG_ID_BYTES: usize = 256;

#[cfg(test)]
mod tests;
