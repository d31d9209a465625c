//! What the tests of all propagators need: carriers of both kinds, contexts, chance.

use std::collections::BTreeMap;

use super::{Extracted, Extractor, IgnoreCase, Injector, Propagator};
use crate::baggage::{Baggage, BaggageItem};
use crate::id::{SpanId, TraceId};
use crate::span_context::{SpanContext, TraceFlags};

/// Extracts from plain pairs, and from HTTP headers whose names came in other cases: both must say the same.
pub(super) fn extracted(propagator: &dyn Propagator, headers: &[(&str, &str)]) -> Extracted {
    let plain = extracted_exactly(propagator, headers);
    for mangle in [str::to_ascii_uppercase, title_case] {
        let headers: Vec<(String, &str)> =
            headers.iter().map(|(name, value)| (mangle(name), *value)).collect();
        assert_eq!(propagator.extract(&IgnoreCase(&headers)), plain, "headers {headers:?}");
    }
    plain
}

/// Extracts from plain pairs, as a list and (where no name is repeated) as a map.
pub(super) fn extracted_exactly(propagator: &dyn Propagator, pairs: &[(&str, &str)]) -> Extracted {
    let extracted = propagator.extract(&pairs.to_vec());
    let map: BTreeMap<&str, &str> = pairs.iter().copied().collect();
    if map.len() == pairs.len() {
        let mut from_map = propagator.extract(&map);
        // A map has an order of its own.
        assert_eq!(sorted(&from_map.baggage), sorted(&extracted.baggage), "pairs {pairs:?}");
        from_map.baggage = extracted.baggage.clone();
        assert_eq!(from_map, extracted, "pairs {pairs:?}");
    }
    extracted
}

/// Injects into a plain map, and into headers whose names do not keep their case: both must hold the same.
pub(super) fn injected(
    propagator: &dyn Propagator,
    span_context: &SpanContext,
    baggage: &Baggage,
) -> BTreeMap<String, String> {
    let (mut plain, mut headers) = (BTreeMap::new(), UpperCaseHeaders::default());
    propagator.inject(span_context, baggage, &mut plain);
    propagator.inject(span_context, baggage, &mut headers);
    let read = IgnoreCase(&headers.0);
    let is_same = plain.iter().all(|(name, value)| read.get(name) == Some(value));
    assert!(is_same && plain.len() == headers.0.len(), "{plain:?} is not {headers:?}");
    plain
}

pub(super) fn as_pairs(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub(super) fn span_context(trace_id: u128, flags: TraceFlags) -> SpanContext {
    SpanContext::new(TraceId::from(trace_id), SpanId::new(0xb), flags)
}

/// Returns ids as numbers and the flags, the shape of most tables.
pub(super) fn numbers(extracted: &Extracted) -> Option<(u128, u64, TraceFlags)> {
    let span_context = extracted.span_context.as_ref()?;
    assert!(span_context.is_valid() && span_context.is_remote());
    Some((span_context.trace_id().into(), span_context.span_id().as_u64(), span_context.flags()))
}

pub(super) fn sorted(baggage: &Baggage) -> Vec<&BaggageItem> {
    let mut items: Vec<&BaggageItem> = baggage.iter().collect();
    items.sort_by_key(|item| &item.name);
    items
}

/// A linear congruential generator: the same chance in every run.
#[derive(Debug)]
pub(super) struct Lcg(pub(super) u64);

impl Lcg {
    pub(super) fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The lower bits of such a generator repeat soon.
        self.0 >> 32 ^ self.0 << 32
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }

    /// Returns up to `max_chars` characters of the alphabet.
    pub(super) fn text(&mut self, alphabet: &str, max_chars: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..self.below(max_chars + 1)).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

#[derive(Debug, Default)]
struct UpperCaseHeaders(Vec<(String, String)>);

impl Injector for UpperCaseHeaders {
    fn set(&mut self, key: &str, value: &str) {
        self.0.set(&key.to_ascii_uppercase(), value);
    }
}

fn title_case(name: &str) -> String {
    let mut is_start = true;
    let changed = name.chars().map(|char| {
        let changed = if is_start { char.to_ascii_uppercase() } else { char };
        is_start = char == '-';
        changed
    });
    changed.collect()
}
