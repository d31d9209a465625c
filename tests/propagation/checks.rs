//! What holds of every parser, whatever it is given. The properties here run it with chance, and the fuzz targets of
//! `tests/fuzz`, which take this file along, with what leads to new ways through the code.

use std::cell::Cell;
use std::collections::BTreeMap;

use jaeger_udp::agent::decode_message;
use otel_core::propagation::{
    B3Propagator, BaggagePropagator, CompositePropagator, EnvironmentCarrier, Extracted, Extractor,
    IgnoreCase, Injector, JaegerBinaryPropagator, JaegerMode, JaegerPropagator, OtPropagator,
    Propagator, TraceContextPropagator, from_names,
};
use otel_core::{Baggage, SpanContext, TraceFlags, TraceState};

use super::measure::measured;

/// Takes any bytes, and panics where something does not hold.
pub(crate) type Check = fn(&[u8]);

/// All checks by the names of their fuzz targets.
pub(crate) const ALL: [(&str, Check); 9] = [
    ("trace_context", trace_context),
    ("baggage", baggage),
    ("b3", b3),
    ("jaeger", jaeger),
    ("jaeger_binary", jaeger_binary),
    ("ot", ot),
    ("environment", environment),
    ("all_formats", all_formats),
    ("thrift", thrift),
];

/// `traceparent` and `tracestate`; and a trace state alone.
pub(crate) fn trace_context(bytes: &[u8]) {
    let pairs = pairs(bytes, "traceparent");
    goes_round(&TraceContextPropagator::new(), &pairs, TraceFlags::NONE);
    for (_, value) in &pairs {
        let Some(state) = measured(value.len(), || TraceState::parse(value)) else { continue };
        assert_eq!(TraceState::parse(&state.to_string()).as_ref(), Some(&state));
        assert!(state.iter().count() <= 32 && state.header().len() <= 513, "{state}");
        assert!(TraceState::parse(&state.header()).is_some(), "{state}");
        if let Some((key, value)) = state.iter().last() {
            assert_eq!(state.with(key, value).iter().next(), Some((key, value)));
            assert_eq!(state.without(key).get(key), None);
        }
    }
}

/// W3C's `baggage`.
pub(crate) fn baggage(bytes: &[u8]) {
    goes_round(&BaggagePropagator::new(), &pairs(bytes, "baggage"), TraceFlags::NONE);
}

/// B3 in both its forms.
pub(crate) fn b3(bytes: &[u8]) {
    let pairs = pairs(bytes, "b3");
    for propagator in [
        B3Propagator::single(),
        B3Propagator::multi(),
        B3Propagator::single().short_trace_ids(true),
    ] {
        let found = goes_round(&propagator, &pairs, TraceFlags::NONE);
        assert!(found.span_context.is_none() || found.decision.is_none());
    }
}

/// Jaeger's headers, for HTTP and for text maps.
pub(crate) fn jaeger(bytes: &[u8]) {
    let pairs = pairs(bytes, "uber-trace-id");
    let found = goes_round(&JaegerPropagator::new(), &pairs, TraceFlags::FIREHOSE);
    let text_map = JaegerPropagator::new().mode(JaegerMode::TextMap);
    goes_round(&text_map, &pairs, TraceFlags::FIREHOSE);
    assert!(found.debug_id.is_none_or(|debug_id| (1..=256).contains(&debug_id.len())));
}

/// Jaeger's binary form.
pub(crate) fn jaeger_binary(bytes: &[u8]) {
    let found = measured(bytes.len(), || JaegerBinaryPropagator.extract(bytes));
    let Ok(found) = found else { return };
    let (mut sent, span_context) = (Vec::new(), found.span_context.clone().unwrap_or_default());
    JaegerBinaryPropagator.inject(&span_context, &found.baggage, &mut sent);
    assert!(sent.len() <= bytes.len(), "{sent:?} from {bytes:?}");
    assert_eq!(JaegerBinaryPropagator.extract(&sent).as_ref(), Ok(&found), "{bytes:?}");
}

/// The headers of OpenTracing's basic tracers.
pub(crate) fn ot(bytes: &[u8]) {
    goes_round(&OtPropagator::new(), &pairs(bytes, "ot-tracer-traceid"), TraceFlags::NONE);
}

/// The environment as a carrier, and the names of propagators, which come from there.
pub(crate) fn environment(bytes: &[u8]) {
    let pairs = pairs(bytes, "traceparent");
    let (mut written, read) = (EnvironmentCarrier::new(), pairs.iter().cloned().collect());
    // Propagators write a few; how many are read is up to others.
    let few = &pairs[..pairs.len().min(100)];
    for (key, value) in few {
        written.set(key, value);
        let is_lost = key.is_empty() || value.contains('\0');
        assert!(is_lost || written.get(key) == Some(value), "{key:?}, {value:?}: {written:?}");
    }
    let is_name = |(name, _): (&str, &str)| {
        let is_part = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
        !name.is_empty() && name.bytes().all(is_part) && !name.as_bytes()[0].is_ascii_digit()
    };
    assert!(written.iter().chain(EnvironmentCarrier::iter(&read)).all(is_name), "{written:?}");
    for (_, value) in few {
        let propagator = measured(value.len(), || from_names(value));
        let (mut again, found) = (EnvironmentCarrier::new(), extracted(&propagator, &written));
        let span_context = found.span_context.unwrap_or_default();
        propagator.inject(&span_context, &found.baggage, &mut again);
        assert!(again.iter().all(is_name), "{again:?}");
        let fields = propagator.fields();
        assert!(fields.iter().all(|field| is_header_safe(field)), "{fields:?}");
    }
}

/// All formats at once, as a program that knows them all reads them.
pub(crate) fn all_formats(bytes: &[u8]) {
    let everything = CompositePropagator::first_found()
        .propagator(JaegerPropagator::new())
        .propagator(TraceContextPropagator::new())
        .propagator(BaggagePropagator::new())
        .propagator(B3Propagator::single_and_multi())
        .propagator(OtPropagator::new());
    let pairs = pairs(bytes, "uber-trace-id");
    let first = extracted(&everything, &IgnoreCase(&pairs));
    let sent = injected(&everything, &first);
    let second = extracted(&everything, &IgnoreCase(&sent));
    // Jaeger's header has no room for these, and comes first.
    let unwritten = TraceFlags::FIREHOSE.with(TraceFlags::RANDOM | TraceFlags::DEFERRED, true);
    assert_eq!(span_of(&second, unwritten), span_of(&first, unwritten), "{sent:?} from {pairs:?}");
    assert_eq!(second.malformed_headers, 0, "{sent:?} from {pairs:?}");
}

/// What clients send to an agent.
pub(crate) fn thrift(bytes: &[u8]) {
    let Ok(message) = decode_message(bytes) else { return };
    let spans = &message.batch.spans;
    let in_span = |span: &jaeger_udp::model::Span| {
        let fields = span.logs.iter().map(|log| log.fields.len() + 1).sum::<usize>();
        1 + span.tags.len() + span.references.len() + fields
    };
    // Each takes a byte at the least.
    let n_parts = spans.iter().map(in_span).sum::<usize>() + message.batch.process.tags.len();
    assert!(n_parts + message.trailing_bytes <= bytes.len(), "{bytes:?}");
}

/// Extracts, and checks that the same comes out of every kind of carrier; that what is found is valid and bounded; and
/// that it is written so that it is found again, but for `unwritten` flags. Returns what was found.
fn goes_round(
    propagator: &dyn Propagator,
    pairs: &[(String, String)],
    unwritten: TraceFlags,
) -> Extracted {
    let as_map = pairs.to_vec();
    let is_for_maps = format!("{propagator:?}").contains("TextMap");
    let found = if is_for_maps {
        extracted(propagator, &as_map)
    } else {
        let upper: Vec<(String, &str)> =
            pairs.iter().map(|(name, value)| (name.to_ascii_uppercase(), value.as_str())).collect();
        let found = extracted(propagator, &IgnoreCase(&as_map));
        assert_eq!(extracted(propagator, &IgnoreCase(&upper)), found, "{pairs:?}");
        found
    };
    assert!(found.baggage.len() <= 180, "{pairs:?}");
    assert!(found.malformed_headers as usize <= pairs.len(), "{pairs:?}");
    let sent = injected(propagator, &found);
    let is_safe = |(name, value): &(String, String)| is_header_safe(name) && is_header_safe(value);
    assert!(is_for_maps || sent.iter().all(is_safe), "{sent:?} from {pairs:?}");
    let again = if is_for_maps {
        extracted(propagator, &sent)
    } else {
        extracted(propagator, &IgnoreCase(&sent))
    };
    assert_eq!(again.malformed_headers, 0, "{sent:?} from {pairs:?}");
    let (kept, of_first) = (span_of(&again, unwritten), span_of(&found, unwritten));
    match of_first {
        // OpenTracing's headers have room for the lower half of a trace id.
        Some((trace_id, span_id, flags))
            if sent.iter().any(|(name, _)| name.starts_with("ot-")) =>
        {
            assert_eq!(kept, Some((trace_id & u128::from(u64::MAX), span_id, flags)), "{pairs:?}");
        }
        Some((trace_id, _, _)) if sent.is_empty() => assert_eq!(trace_id as u64, 0, "{pairs:?}"),
        _ => assert_eq!(kept, of_first, "{sent:?} from {pairs:?}"),
    }
    let of = |baggage: &Baggage| -> BTreeMap<String, String> {
        baggage.iter().map(|item| (item.name.clone(), item.value.clone())).collect()
    };
    let (all, kept) = (of(&found.baggage), of(&again.baggage));
    assert!(kept.iter().all(|(name, value)| all.get(name) == Some(value)), "{kept:?} of {all:?}");
    // Whatever was written is read, and so written again.
    assert_eq!(injected(propagator, &again), sent, "from {pairs:?}");
    found
}

/// Extracts, and checks what that took: memory, and how often the carrier was gone through.
fn extracted(propagator: &dyn Propagator, carrier: &dyn Extractor) -> Extracted {
    let mut n_bytes = 0;
    carrier.for_each(&mut |name, value| n_bytes += name.len() + value.len());
    let counted = Counted { carrier, n_lookups: Cell::new(0) };
    let found = measured(n_bytes, || propagator.extract(&counted));
    // Headers of all formats, each once or twice: however many others there are.
    assert!(counted.n_lookups.get() <= 20, "{}", counted.n_lookups.get());
    found
}

/// Counts how often a carrier is asked, each of which may go through all of it.
struct Counted<'c> {
    carrier: &'c dyn Extractor,
    n_lookups: Cell<usize>,
}

impl Counted<'_> {
    fn count(&self) -> &dyn Extractor {
        self.n_lookups.set(self.n_lookups.get() + 1);
        self.carrier
    }
}

impl Extractor for Counted<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.count().get(key)
    }

    fn get_all<'a>(&'a self, key: &str, visit: &mut dyn FnMut(&'a str)) {
        self.count().get_all(key, visit);
    }

    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.count().for_each(visit);
    }

    fn for_each_key<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.count().for_each_key(visit);
    }
}

fn injected(propagator: &dyn Propagator, found: &Extracted) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let span_context = found.span_context.clone().unwrap_or_default();
    propagator.inject(&span_context, &found.baggage, &mut headers);
    headers
}

/// Returns ids and flags of a context, which has to be valid and remote.
fn span_of(found: &Extracted, unwritten: TraceFlags) -> Option<(u128, u64, TraceFlags)> {
    let span_context: &SpanContext = found.span_context.as_ref()?;
    assert!(span_context.is_valid() && span_context.is_remote());
    let flags = span_context.flags().with(unwritten, false);
    Some((span_context.trace_id().into(), span_context.span_id().as_u64(), flags))
}

fn is_header_safe(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
}

/// Makes headers of bytes: a line for each, with `|` between name and value. A line without one is a value of
/// `main_header`.
fn pairs(bytes: &[u8], main_header: &str) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let pair = |line: &str| {
        let (name, value) = line.split_once('|').unwrap_or((main_header, line));
        (name.to_owned(), value.to_owned())
    };
    text.split('\n').map(pair).collect()
}
