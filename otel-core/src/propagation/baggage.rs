//! W3C Baggage: the `baggage` header.

use super::text;
use super::{Extracted, Extractor, Injector, Propagator};
use crate::baggage::{Baggage, BaggageItem};
use crate::diagnostics;
use crate::span_context::SpanContext;

/// Reads and writes W3C's `baggage`, with or without a span.
///
/// Values are percent-coded: a space is `%20` and a plus `%2B` when written, and a `+` is a plus when read. What W3C calls properties is kept as [`BaggageItem::metadata`] and written
/// as it came. Both ways at most 180 members and 8192 bytes (W3C asks for 64 and 8192): a member that does not fit is
/// left out whole. Members that cannot be read are passed over; of a repeated name the last value stays; several
/// headers make one baggage. Names that are no tokens (RFC 7230) are not written, and warned about.
///
/// ```
/// use otel_core::propagation::{BaggagePropagator, Propagator};
/// use otel_core::{Baggage, SpanContext};
///
/// let baggage = Baggage::new().with("tenant", "acme, north").with_metadata("user", "4711", "ttl=30");
/// let mut headers: Vec<(String, String)> = Vec::new();
/// BaggagePropagator::new().inject(&SpanContext::invalid(), &baggage, &mut headers);
/// assert_eq!(headers[0].1, "tenant=acme%2C%20north,user=4711;ttl=30");
/// assert_eq!(BaggagePropagator::new().extract(&headers).baggage, baggage);
/// ```
///
/// Source: `w3c/baggage:baggage/HTTP_HEADER_FORMAT.md`.
#[derive(Clone, Copy, Debug, Default)]
pub struct BaggagePropagator(());

impl BaggagePropagator {
    /// Makes the propagator.
    pub const fn new() -> Self {
        Self(())
    }
}

impl Propagator for BaggagePropagator {
    fn inject(&self, _: &SpanContext, baggage: &Baggage, carrier: &mut dyn Injector) {
        let mut header = String::new();
        let mut n_members = 0;
        for item in baggage.iter() {
            let n_bytes_before = header.len();
            if !text::is_token(&item.name) {
                warn_not_sent(&item.name, "the name is no token");
            } else if n_members == MAX_MEMBERS {
                warn_not_sent(&item.name, "there are 180 others");
            } else {
                push_member(&mut header, item);
                n_members += 1;
                if header.len() > MAX_BYTES {
                    header.truncate(n_bytes_before);
                    n_members -= 1;
                    warn_not_sent(&item.name, "8192 bytes are full");
                }
            }
        }
        if !header.is_empty() {
            carrier.set(BAGGAGE, &header);
        }
    }

    fn extract(&self, carrier: &dyn Extractor) -> Extracted {
        let (mut items, mut n_bytes) = (Vec::new(), 0);
        carrier.get_all(BAGGAGE, &mut |header| {
            for member in header.split(',') {
                let fits = items.len() < MAX_MEMBERS && n_bytes + member.len() <= MAX_BYTES;
                if let Some(item) = fits.then(|| parse_member(member)).flatten() {
                    // With the comma.
                    n_bytes += member.len() + 1;
                    items.push(item);
                }
            }
        });
        Extracted { baggage: items.into_iter().collect(), ..Extracted::default() }
    }

    fn fields(&self) -> Vec<&str> {
        vec![BAGGAGE]
    }
}

fn push_member(header: &mut String, item: &BaggageItem) {
    if !header.is_empty() {
        header.push(',');
    }
    header.push_str(&item.name);
    header.push('=');
    text::push_percent_encoded(header, &item.value, is_plain);
    let metadata = text::trimmed(&item.metadata);
    if !metadata.is_empty() && metadata.bytes().all(is_metadata_byte) {
        header.push(';');
        header.push_str(metadata);
    }
}

fn parse_member(member: &str) -> Option<BaggageItem> {
    let (pair, metadata) = member.split_once(';').unwrap_or((member, ""));
    let (name, value) = pair.split_once('=')?;
    let (name, value) = (text::trimmed(name), text::trimmed(value));
    text::is_token(name).then(|| BaggageItem {
        name: name.to_owned(),
        value: text::percent_decoded_lossy(value).into_owned(),
        metadata: text::trimmed(metadata).to_owned(),
    })
}

fn warn_not_sent(name: &str, reason: &str) {
    diagnostics::warn("w3c baggage", format_args!("baggage {name:?} is not sent: {reason}"));
}

/// W3C's `baggage-octet`, without the percent sign, and without the plus: Python's propagator reads that as a space. W3C
/// lets everything be coded, so that every reader gets the plus back.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\%+".contains(&byte)
}

/// Metadata is the carrier's own text: it goes out as it came, unless it would break out of its member.
fn is_metadata_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t') && byte != b','
}

const BAGGAGE: &str = "baggage";

const MAX_MEMBERS: usize = 180;

/// Of a header on its way out, and of all members with their commas on their way in.
const MAX_BYTES: usize = 8192;

#[cfg(test)]
mod tests;
