//! OpenTracing's formats and carriers, over the core's propagators.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentracing_api::{
    Extract, ExtractError, Inject, InjectError, SpanContext, TextMapReader, TextMapWriter,
};
use otel_core::propagation::{
    CompositePropagator, Extracted, Extractor, Injector, JaegerMode, JaegerPropagator, Propagator,
    TraceContextPropagator,
};
use otel_core::{Baggage, BaggageItem};

use crate::convert::{Extension, ids_from_core, to_core, with_extension};

/// Which propagator carries contexts in which of OpenTracing's formats. Cheap to clone.
///
/// The default writes Jaeger's `uber-trace-id` and `uberctx-…`, and reads these, else W3C's `traceparent`.
#[derive(Clone)]
pub struct Formats {
    text_map: Arc<dyn Propagator>,
    http_headers: Arc<dyn Propagator>,
    malformed_headers: Arc<AtomicU64>,
}

impl Formats {
    /// Carries contexts as the Jaeger clients do, and reads W3C's headers where theirs are absent.
    pub fn jaeger() -> Self {
        let of_mode = |mode| {
            CompositePropagator::first_found()
                .propagator(JaegerPropagator::new().mode(mode))
                .extractor(TraceContextPropagator::new())
        };
        Self::new(of_mode(JaegerMode::TextMap), of_mode(JaegerMode::HttpHeaders))
    }

    /// Carries contexts with one propagator in text maps and another in HTTP headers.
    pub fn new(text_map: impl Propagator, http_headers: impl Propagator) -> Self {
        Self {
            text_map: Arc::new(text_map),
            http_headers: Arc::new(http_headers),
            malformed_headers: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Returns how many headers that name a span could not be read; each began a new trace instead.
    pub fn malformed_headers(&self) -> u64 {
        self.malformed_headers.load(Ordering::Relaxed)
    }

    pub(crate) fn inject(
        &self,
        context: &SpanContext,
        into: Inject<'_>,
    ) -> Result<(), InjectError> {
        let (propagator, carrier) = match into {
            Inject::TextMap(carrier) => (&self.text_map, carrier),
            Inject::HttpHeaders(carrier) => (&self.http_headers, carrier),
            _ => return Err(InjectError::UnsupportedFormat),
        };
        if !context.is_valid() && !context.has_baggage() {
            return Err(InjectError::InvalidSpanContext);
        }
        propagator.inject(&to_core(context), &to_core_baggage(context), &mut Writer(carrier));
        Ok(())
    }

    pub(crate) fn extract(&self, from: Extract<'_>) -> Result<Option<SpanContext>, ExtractError> {
        let extracted = match from {
            Extract::TextMap(carrier) => self.text_map.extract(&ExactReader(carrier)),
            Extract::HttpHeaders(carrier) => self.http_headers.extract(&HeaderReader(carrier)),
            _ => return Err(ExtractError::UnsupportedFormat),
        };
        if extracted.malformed_headers > 0 {
            // Relaxed: a statistic that guards no other memory.
            self.malformed_headers
                .fetch_add(u64::from(extracted.malformed_headers), Ordering::Relaxed);
        }
        Ok(from_extracted(extracted))
    }
}

impl Default for Formats {
    fn default() -> Self {
        Self::jaeger()
    }
}

impl fmt::Debug for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Formats")
            .field("text_map", &self.text_map)
            .field("http_headers", &self.http_headers)
            .finish_non_exhaustive()
    }
}

/// Turns what was found into a context; `None` where there is nothing that a span could take over.
fn from_extracted(extracted: Extracted) -> Option<SpanContext> {
    let Extracted { span_context, baggage, debug_id, .. } = extracted;
    // A debug id asks for a new trace, so it says nothing about one that is there.
    let debug_id = debug_id.filter(|_| span_context.is_none());
    let core = span_context.unwrap_or_default();
    let trace_state = core.trace_state().clone();
    let context = with_extension(ids_from_core(&core), Extension { trace_state, debug_id });
    let context = match baggage.is_empty() {
        true => context,
        false => context.with_baggage(baggage.iter().map(|item| (&item.name, &item.value))),
    };
    (!context.is_empty()).then_some(context)
}

/// Turns the baggage of an OpenTracing context into the core's.
pub(crate) fn to_core_baggage(context: &SpanContext) -> Baggage {
    if !context.has_baggage() {
        return Baggage::new();
    }
    let item = |(name, value): (&str, &str)| BaggageItem {
        name: name.to_owned(),
        value: value.to_owned(),
        metadata: String::new(),
    };
    context.baggage().map(item).collect()
}

struct Writer<'c>(&'c mut dyn TextMapWriter);

impl Injector for Writer<'_> {
    fn set(&mut self, key: &str, value: &str) {
        self.0.set(key, value);
    }
}

/// A text map: keys are compared exactly.
struct ExactReader<'c>(&'c dyn TextMapReader);

impl Extractor for ExactReader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)
    }

    fn get_all<'a>(&'a self, key: &str, visit: &mut dyn FnMut(&'a str)) {
        self.0.get_all(key, visit);
    }

    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.0.for_each(visit);
    }

    fn for_each_key<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.0.for_each_key(visit);
    }
}

/// HTTP headers: names are compared without regard to case, whatever the carrier does by itself.
struct HeaderReader<'c>(&'c dyn TextMapReader);

impl Extractor for HeaderReader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get_ignore_ascii_case(key)
    }

    fn get_all<'a>(&'a self, key: &str, visit: &mut dyn FnMut(&'a str)) {
        self.0.get_all_ignore_ascii_case(key, visit);
    }

    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.0.for_each(visit);
    }

    fn for_each_key<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.0.for_each_key(visit);
    }
}
