//! Several propagators as one.

use super::{Extracted, Extractor, Injector, Propagator};
use crate::baggage::Baggage;
use crate::span_context::SpanContext;

/// Runs several propagators in their order. Without any, it does nothing.
///
/// All of them write. How what they read is put together is chosen at the start:
///
/// | found by several | [`new`](Self::new), OpenTelemetry's rule | [`first_found`](Self::first_found), Jaeger's rule |
/// | --- | --- | --- |
/// | span context | the last one | the first one |
/// | baggage | the last one that is not empty, as a whole | all together; of a name, the first value |
/// | debug id, decision | the last one | the first one |
/// | malformed headers | added up | added up |
///
/// ```
/// use otel_core::propagation::{BaggagePropagator, CompositePropagator, Propagator, TraceContextPropagator};
///
/// let propagator = CompositePropagator::new()
///     .propagator(TraceContextPropagator::new())
///     .propagator(BaggagePropagator::new());
/// assert_eq!(propagator.fields(), ["traceparent", "tracestate", "baggage"]);
/// ```
///
/// Source: `open-telemetry/opentelemetry-specification:specification/context/api-propagators.md`, Composite
/// Propagator; `jaegertracing/jaeger-client-java:…/CompositeCodec.java`.
#[derive(Debug)]
pub struct CompositePropagator {
    members: Vec<Member>,
    merge: fn(Extracted, Extracted) -> Extracted,
}

#[derive(Debug)]
struct Member {
    propagator: Box<dyn Propagator>,
    role: Role,
}

impl Member {
    fn new(propagator: impl Propagator, role: Role) -> Self {
        Self { propagator: Box::new(propagator), role }
    }
}

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Both,
    Reader,
    Fallback,
}

impl CompositePropagator {
    /// Makes a propagator without members by OpenTelemetry's rule: what is found later overrides.
    pub fn new() -> Self {
        Self { members: Vec::new(), merge: prefer_later }
    }

    /// Makes a propagator without members by Jaeger's rule: the first span context that is found stays.
    pub fn first_found() -> Self {
        Self { members: Vec::new(), merge: prefer_earlier }
    }

    /// Adds a propagator that writes and reads.
    #[must_use]
    pub fn propagator(mut self, propagator: impl Propagator) -> Self {
        self.members.push(Member::new(propagator, Role::Both));
        self
    }

    /// Adds a propagator that only reads: a format that callers still use, and we no longer do.
    #[must_use]
    pub fn extractor(mut self, propagator: impl Propagator) -> Self {
        self.members.push(Member::new(propagator, Role::Reader));
        self
    }

    /// Adds a propagator that only reads, and only carriers in which those before it found no span context.
    #[must_use]
    pub fn fallback(mut self, propagator: impl Propagator) -> Self {
        self.members.push(Member::new(propagator, Role::Fallback));
        self
    }

    fn injecting(&self) -> impl Iterator<Item = &dyn Propagator> {
        let writers = self.members.iter().filter(|member| member.role == Role::Both);
        writers.map(|member| &*member.propagator)
    }
}

impl Default for CompositePropagator {
    fn default() -> Self {
        Self::new()
    }
}

impl Propagator for CompositePropagator {
    fn inject(&self, span_context: &SpanContext, baggage: &Baggage, carrier: &mut dyn Injector) {
        self.injecting().for_each(|propagator| propagator.inject(span_context, baggage, carrier));
    }

    fn extract(&self, carrier: &dyn Extractor) -> Extracted {
        let mut members = self.members.iter();
        let Some(first) = members.next() else { return Extracted::default() };
        let mut found = first.propagator.extract(carrier);
        for member in members {
            if member.role != Role::Fallback || found.span_context.is_none() {
                found = (self.merge)(found, member.propagator.extract(carrier));
            }
        }
        found
    }

    fn fields(&self) -> Vec<&str> {
        self.injecting().flat_map(Propagator::fields).collect()
    }
}

fn prefer_later(earlier: Extracted, later: Extracted) -> Extracted {
    Extracted {
        span_context: later.span_context.or(earlier.span_context),
        baggage: if later.baggage.is_empty() { earlier.baggage } else { later.baggage },
        debug_id: later.debug_id.or(earlier.debug_id),
        decision: later.decision.or(earlier.decision),
        malformed_headers: earlier.malformed_headers.saturating_add(later.malformed_headers),
    }
}

fn prefer_earlier(earlier: Extracted, later: Extracted) -> Extracted {
    Extracted {
        span_context: earlier.span_context.or(later.span_context),
        baggage: merged_baggage(earlier.baggage, later.baggage),
        debug_id: earlier.debug_id.or(later.debug_id),
        decision: earlier.decision.or(later.decision),
        malformed_headers: earlier.malformed_headers.saturating_add(later.malformed_headers),
    }
}

fn merged_baggage(earlier: Baggage, later: Baggage) -> Baggage {
    match (earlier.is_empty(), later.is_empty()) {
        (_, true) => return earlier,
        (true, false) => return later,
        (false, false) => {}
    }
    // A name keeps its first place and its last value: so the earlier ones go in at both ends.
    earlier.iter().chain(later.iter()).chain(earlier.iter()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{extracted, injected, span_context};
    use super::super::{BaggagePropagator, JaegerPropagator, TraceContextPropagator};
    use super::*;
    use crate::span_context::TraceFlags;

    const JAEGER: (&str, &str) = ("uber-trace-id", "a:b:0:1");
    const W3C: (&str, &str) =
        ("traceparent", "00-0000000000000000000000000000000c-000000000000000d-00");

    fn trace_id_low(extracted: &Extracted) -> Option<u64> {
        extracted.span_context.as_ref().map(|span_context| span_context.trace_id().low())
    }

    fn pair(composite: CompositePropagator) -> CompositePropagator {
        composite.propagator(JaegerPropagator::new()).propagator(TraceContextPropagator::new())
    }

    #[test]
    fn the_rule_says_which_span_context_stays() {
        let (later_wins, first_wins) =
            (pair(CompositePropagator::new()), pair(CompositePropagator::first_found()));
        for (headers, later, first) in [
            (&[JAEGER, W3C][..], Some(0xc), Some(0xa)),
            (&[JAEGER], Some(0xa), Some(0xa)),
            (&[W3C], Some(0xc), Some(0xc)),
            (&[JAEGER, ("traceparent", "00-1-2-01")], Some(0xa), Some(0xa)),
            (&[("uber-trace-id", "what"), W3C], Some(0xc), Some(0xc)),
            (&[("uber-trace-id", "0:0:0:0"), W3C], Some(0xc), Some(0xc)),
            (&[], None, None),
        ] {
            assert_eq!(trace_id_low(&extracted(&later_wins, headers)), later, "later: {headers:?}");
            assert_eq!(trace_id_low(&extracted(&first_wins, headers)), first, "first: {headers:?}");
        }
    }

    #[test]
    fn malformed_headers_of_all_formats_are_added_up() {
        let headers = [("uber-trace-id", "what"), ("traceparent", "ever")];
        for composite in [CompositePropagator::new(), CompositePropagator::first_found()] {
            let extracted = extracted(&pair(composite), &headers);
            assert_eq!((extracted.malformed_headers, extracted.span_context), (2, None));
        }
    }

    #[test]
    fn the_rule_of_jaeger_merges_baggage_and_debug_id_from_all() {
        let headers = [
            W3C,
            ("jaeger-debug-id", "find me"),
            ("uberctx-both", "jaeger"),
            ("baggage", "w3c=1,both=w3c"),
        ];
        let members =
            |composite: CompositePropagator| pair(composite).propagator(BaggagePropagator::new());
        let merged = extracted(&members(CompositePropagator::first_found()), &headers);
        assert_eq!(merged.debug_id.as_deref(), Some("find me"));
        assert_eq!(merged.baggage, Baggage::new().with("both", "jaeger").with("w3c", "1"));
        assert_eq!(trace_id_low(&merged), Some(0xc));
        let overridden = extracted(&members(CompositePropagator::new()), &headers);
        assert_eq!(overridden.baggage, Baggage::new().with("w3c", "1").with("both", "w3c"));
        assert_eq!(overridden.debug_id.as_deref(), Some("find me"));
    }

    #[test]
    fn all_members_write_but_those_that_only_read() {
        let composite = CompositePropagator::first_found()
            .propagator(JaegerPropagator::new())
            .extractor(TraceContextPropagator::new())
            .propagator(BaggagePropagator::new());
        assert_eq!(composite.fields(), ["uber-trace-id", "baggage"]);
        let headers = injected(
            &composite,
            &span_context(1, TraceFlags::SAMPLED),
            &Baggage::new().with("a", "1"),
        );
        let names: Vec<&str> = headers.keys().map(String::as_str).collect();
        assert_eq!(names, ["baggage", "uber-trace-id", "uberctx-a"]);
    }

    #[test]
    fn a_fallback_reads_only_where_nothing_was_found_and_never_writes() {
        let composite = CompositePropagator::first_found()
            .propagator(JaegerPropagator::new())
            .fallback(TraceContextPropagator::new());
        assert_eq!(composite.fields(), ["uber-trace-id"]);
        assert_eq!(trace_id_low(&extracted(&composite, &[W3C])), Some(0xc));
        let garbage = ("traceparent", "garbage");
        let found = extracted(&composite, &[JAEGER, garbage]);
        assert_eq!((trace_id_low(&found), found.malformed_headers), (Some(0xa), 0));
        let not_found = extracted(&composite, &[garbage]);
        assert_eq!((trace_id_low(&not_found), not_found.malformed_headers), (None, 1));
        let unreadable = extracted(&composite, &[("uber-trace-id", "garbage"), W3C]);
        assert_eq!((trace_id_low(&unreadable), unreadable.malformed_headers), (Some(0xc), 1));
    }

    #[test]
    fn without_members_nothing_is_written_and_nothing_found() {
        let baggage = Baggage::new().with("a", "1");
        for composite in [CompositePropagator::default(), CompositePropagator::first_found()] {
            assert!(
                injected(&composite, &span_context(1, TraceFlags::SAMPLED), &baggage).is_empty()
            );
            assert_eq!(extracted(&composite, &[JAEGER, W3C]), Extracted::default());
            assert!(composite.fields().is_empty());
        }
    }

    #[test]
    fn a_composite_can_be_a_member() {
        let inner: Box<dyn Propagator> = Box::new(pair(CompositePropagator::new()));
        let outer =
            CompositePropagator::new().propagator(inner).propagator(BaggagePropagator::new());
        assert_eq!(outer.fields(), ["uber-trace-id", "traceparent", "tracestate", "baggage"]);
        assert_eq!(trace_id_low(&extracted(&outer, &[JAEGER, W3C])), Some(0xc));
    }
}
