//! The mock's carriers: text, HTTP headers and bytes.

use std::borrow::Cow;

use crate::error::{ExtractError, InjectError};
use crate::propagation::{TextMapReader, TextMapWriter};
use crate::span_context::SpanContext;

pub(super) fn inject_text(context: &SpanContext, carrier: &mut dyn TextMapWriter) {
    inject_ids(context, carrier);
    for (key, value) in context.baggage() {
        carrier.set(&format!("{BAGGAGE_PREFIX}{key}"), value);
    }
}

pub(super) fn inject_headers(context: &SpanContext, carrier: &mut dyn TextMapWriter) {
    inject_ids(context, carrier);
    for (key, value) in context.baggage() {
        carrier.set(&format!("{BAGGAGE_PREFIX}{}", escape(key)), &escape(value));
    }
}

/// Appends the ids, the flags, the number of baggage items, and each item's key and value with
/// their lengths before them; all numbers big endian.
pub(super) fn inject_bytes(context: &SpanContext, bytes: &mut Vec<u8>) -> Result<(), InjectError> {
    let texts = || context.baggage().flat_map(|(key, value)| [key, value]);
    if texts().any(|text| u32::try_from(text.len()).is_err()) {
        return Err(InjectError::Other("a baggage item takes 4 GiB or more".into()));
    }
    bytes.extend(context.trace_id().to_be_bytes());
    bytes.extend(context.span_id().to_be_bytes());
    bytes.extend(context.flags().to_be_bytes());
    bytes.extend((context.baggage().count() as u32).to_be_bytes());
    for text in texts() {
        bytes.extend((text.len() as u32).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    Ok(())
}

pub(super) fn extract_text(
    carrier: &dyn TextMapReader,
) -> Result<Option<SpanContext>, ExtractError> {
    let context = extract_ids(|key| carrier.get(key))?;
    let mut baggage = Vec::new();
    carrier.for_each(&mut |key, value| {
        if let Some(key) = key.strip_prefix(BAGGAGE_PREFIX) {
            baggage.push((key, value));
        }
    });
    Ok(not_empty(context.with_baggage(baggage)))
}

pub(super) fn extract_headers(
    carrier: &dyn TextMapReader,
) -> Result<Option<SpanContext>, ExtractError> {
    let context = extract_ids(|key| carrier.get_ignore_ascii_case(key))?;
    let mut baggage = Vec::new();
    carrier.for_each(&mut |key, value| {
        let prefix = key.get(..BAGGAGE_PREFIX.len());
        if prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(BAGGAGE_PREFIX)) {
            // Whatever passes through HTTP may change the case of a header's name.
            let key = key[BAGGAGE_PREFIX.len()..].to_ascii_lowercase();
            baggage.push((unescape(&key).into_owned(), unescape(value).into_owned()));
        }
    });
    Ok(not_empty(context.with_baggage(baggage)))
}

pub(super) fn extract_bytes(bytes: &[u8]) -> Result<Option<SpanContext>, ExtractError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let context = Reader(bytes).context();
    context.map(not_empty).ok_or_else(|| corrupted("bytes that are no context of the mock"))
}

fn inject_ids(context: &SpanContext, carrier: &mut dyn TextMapWriter) {
    if context.is_valid() {
        carrier.set(TRACE_ID, &format!("{:x}", context.trace_id()));
        carrier.set(SPAN_ID, &format!("{:x}", context.span_id()));
        carrier.set(SAMPLED, if context.is_sampled() { "true" } else { "false" });
    }
}

/// Reads the ids; an empty context where there are none.
fn extract_ids<'c>(
    get: impl Fn(&'static str) -> Option<&'c str>,
) -> Result<SpanContext, ExtractError> {
    let (trace_id, span_id) = match (get(TRACE_ID), get(SPAN_ID)) {
        (Some(trace_id), Some(span_id)) => (trace_id, span_id),
        (None, None) => return Ok(SpanContext::default()),
        (None, _) => return Err(corrupted("no trace id")),
        (_, None) => return Err(corrupted("no span id")),
    };
    let trace_id = parse_hex(trace_id).ok_or_else(|| corrupted("the trace id is no number"))?;
    let span_id = parse_hex(span_id).and_then(|id| u64::try_from(id).ok());
    let span_id = span_id.ok_or_else(|| corrupted("the span id is no number of 64 bits"))?;
    let flags = match get(SAMPLED) {
        None | Some("true") => SpanContext::SAMPLED,
        Some("false") => 0,
        Some(_) => return Err(corrupted("the sampled flag is neither true nor false")),
    };
    let context = SpanContext::new(trace_id, span_id, flags);
    context.is_valid().then_some(context).ok_or_else(|| corrupted("an id is 0"))
}

fn parse_hex(text: &str) -> Option<u128> {
    // `from_str_radix` takes a sign too.
    let is_hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

fn not_empty(context: SpanContext) -> Option<SpanContext> {
    (!context.is_empty()).then_some(context)
}

fn corrupted(what: &'static str) -> ExtractError {
    ExtractError::SpanContextCorrupted { what: Cow::Borrowed(what) }
}

/// Percent-encodes all but what a header's name keeps in any case. Capitals are encoded too, since
/// names of headers lose theirs.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02x}"));
        }
    }
    escaped
}

/// Takes percent-encoding away; what is no such encoding, or no text behind it, stays.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(parse_hex).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte as u8); // Two digits.
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Bytes that are read from the front; `None` where they end too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn context(mut self) -> Option<SpanContext> {
        let trace_id = u128::from_be_bytes(self.array()?);
        let span_id = u64::from_be_bytes(self.array()?);
        let context = SpanContext::new(trace_id, span_id, u32::from_be_bytes(self.array()?));
        let n_items = u32::from_be_bytes(self.array()?);
        let mut baggage = Vec::new();
        for _ in 0..n_items {
            baggage.push((self.text()?, self.text()?));
        }
        self.0.is_empty().then(|| context.with_baggage(baggage))
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = u32::from_be_bytes(self.array()?);
        let (text, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }
}

const TRACE_ID: &str = "ot-tracer-traceid";
const SPAN_ID: &str = "ot-tracer-spanid";
const SAMPLED: &str = "ot-tracer-sampled";
const BAGGAGE_PREFIX: &str = "ot-baggage-";
