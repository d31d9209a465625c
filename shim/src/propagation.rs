//! OpenTracing's formats and carriers, over the core's propagators.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentracing_api::{
    Extract, ExtractError, Inject, InjectError, SpanContext, TextMapReader, TextMapWriter,
};
use otel_core::propagation::{
    CompositePropagator, Extracted, Extractor, Injector, JaegerBinaryPropagator, JaegerMode,
    JaegerPropagator, Propagator, TraceContextPropagator,
};
use otel_core::{Baggage, BaggageItem};

use crate::convert::{BaggageMetadata, Extension, ids_from_core, to_core, with_extension};

/// Which propagator carries contexts in which of OpenTracing's formats. Cheap to clone.
///
/// The default writes Jaeger's `uber-trace-id` and `uberctx-…`, and reads these, else W3C's `traceparent`. Bytes hold
/// Jaeger's binary form. A format of one's own is added by name with [`Formats::custom`].
#[derive(Clone)]
pub struct Formats {
    text_map: Arc<dyn Propagator>,
    http_headers: Arc<dyn Propagator>,
    custom: Vec<(Cow<'static, str>, Arc<dyn CustomFormat>)>,
    is_strict: bool,
    malformed_headers: Arc<AtomicU64>,
}

impl Formats {
    /// Carries contexts as the Jaeger clients do, and reads W3C's headers where theirs are absent.
    pub fn jaeger() -> Self {
        let of_mode = |mode| {
            CompositePropagator::first_found()
                .propagator(JaegerPropagator::new().mode(mode))
                .fallback(TraceContextPropagator::new())
        };
        Self::new(of_mode(JaegerMode::TextMap), of_mode(JaegerMode::HttpHeaders))
    }

    /// Carries contexts with one propagator in text maps and another in HTTP headers.
    pub fn new(text_map: impl Propagator, http_headers: impl Propagator) -> Self {
        Self {
            text_map: Arc::new(text_map),
            http_headers: Arc::new(http_headers),
            custom: Vec::new(),
            is_strict: false,
            malformed_headers: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Adds a format of one's own, found by the name in [`Inject::Custom`] and [`Extract::Custom`]; the last one of a name
    /// counts.
    ///
    /// ```
    /// use std::any::Any;
    ///
    /// use opentracing_api::{Extract, ExtractError, Inject, InjectError, SpanContext, Tracer};
    /// use opentracing_shim::{CustomFormat, Formats, TracerShim};
    /// use otel_core::TracerProvider;
    ///
    /// /// Carries the ids and nothing else, in two numbers.
    /// struct Numbers;
    ///
    /// impl CustomFormat for Numbers {
    ///     fn inject(&self, context: &SpanContext, carrier: &mut dyn Any) -> Result<(), InjectError> {
    ///         let numbers = carrier.downcast_mut::<(u128, u64)>().ok_or(InjectError::InvalidCarrier)?;
    ///         *numbers = (context.trace_id(), context.span_id());
    ///         Ok(())
    ///     }
    ///
    ///     fn extract(&self, carrier: &dyn Any) -> Result<Option<SpanContext>, ExtractError> {
    ///         let numbers = carrier.downcast_ref::<(u128, u64)>().ok_or(ExtractError::InvalidCarrier)?;
    ///         Ok(Some(SpanContext::new(numbers.0, numbers.1, SpanContext::SAMPLED)))
    ///     }
    /// }
    ///
    /// let formats = Formats::jaeger().custom("numbers", Numbers);
    /// let tracer = Tracer::new(TracerShim::new(TracerProvider::builder().build()).formats(formats));
    /// let span = tracer.start_span("call");
    /// let mut carrier = (0_u128, 0_u64);
    /// tracer.inject(&span, Inject::Custom("numbers", &mut carrier))?;
    /// let caller = tracer.extract(Extract::Custom("numbers", &carrier)).unwrap().unwrap();
    /// assert_eq!(caller.span_id(), span.context().span_id());
    /// # Ok::<(), InjectError>(())
    /// ```
    #[must_use]
    pub fn custom(mut self, name: impl Into<Cow<'static, str>>, format: impl CustomFormat) -> Self {
        let name = name.into();
        self.custom.retain(|(present, _)| *present != name);
        self.custom.push((name, Arc::new(format)));
        self
    }

    /// Sets whether a header that names a span and cannot be read is an error,
    /// [`ExtractError::SpanContextCorrupted`], where no other header tells the span. Default: false, and it is counted
    /// in [`Formats::malformed_headers`] alone, so that no caller can make a request fail. Bytes that cannot be read are
    /// always an error.
    #[must_use]
    pub fn strict(mut self, is_strict: bool) -> Self {
        self.is_strict = is_strict;
        self
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
        if let Inject::Custom(name, carrier) = into {
            let format = self.find_custom(name).ok_or(InjectError::UnsupportedFormat)?;
            return format.inject(context, carrier);
        }
        if !context.is_valid() && !context.has_baggage() {
            return Err(InjectError::InvalidSpanContext);
        }
        let (span_context, baggage) = (to_core(context), to_core_baggage(context));
        match into {
            Inject::TextMap(carrier) => {
                self.text_map.inject(&span_context, &baggage, &mut Writer(carrier));
            }
            Inject::HttpHeaders(carrier) => {
                self.http_headers.inject(&span_context, &baggage, &mut Writer(carrier));
            }
            Inject::Binary(bytes) => JaegerBinaryPropagator.inject(&span_context, &baggage, bytes),
            Inject::Custom(..) => return Err(InjectError::UnsupportedFormat),
        }
        Ok(())
    }

    pub(crate) fn extract(&self, from: Extract<'_>) -> Result<Option<SpanContext>, ExtractError> {
        let extracted = match from {
            Extract::TextMap(carrier) => self.text_map.extract(&ExactReader(carrier)),
            Extract::HttpHeaders(carrier) => self.http_headers.extract(&HeaderReader(carrier)),
            Extract::Binary(bytes) => JaegerBinaryPropagator.extract(bytes).map_err(|error| {
                ExtractError::SpanContextCorrupted { what: error.to_string().into() }
            })?,
            Extract::Custom(name, carrier) => {
                let format = self.find_custom(name).ok_or(ExtractError::UnsupportedFormat)?;
                return format.extract(carrier);
            }
        };
        if extracted.malformed_headers > 0 {
            // Relaxed: a statistic that guards no other memory.
            self.malformed_headers
                .fetch_add(u64::from(extracted.malformed_headers), Ordering::Relaxed);
            if self.is_strict && extracted.span_context.is_none() {
                let what = "a header that names a span cannot be read".into();
                return Err(ExtractError::SpanContextCorrupted { what });
            }
        }
        Ok(from_extracted(extracted))
    }

    fn find_custom(&self, name: &str) -> Option<&dyn CustomFormat> {
        let (_, format) = self.custom.iter().find(|(present, _)| present == name)?;
        Some(&**format)
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

/// A format of one's own, for carriers that are neither text nor bytes: see [`Formats::custom`].
pub trait CustomFormat: Send + Sync + 'static {
    /// Writes a context into a carrier. It is not empty, but its ids may be 0.
    ///
    /// # Errors
    /// [`InjectError::InvalidCarrier`] for a carrier of another type than the format's.
    fn inject(&self, context: &SpanContext, carrier: &mut dyn Any) -> Result<(), InjectError>;

    /// Reads a context from a carrier; `None` if there is none.
    ///
    /// # Errors
    /// [`ExtractError::InvalidCarrier`] for a carrier of another type than the format's,
    /// [`ExtractError::SpanContextCorrupted`] for a context that cannot be read.
    fn extract(&self, carrier: &dyn Any) -> Result<Option<SpanContext>, ExtractError>;
}

/// Turns what was found into a context; `None` where there is nothing that a span could take over.
fn from_extracted(extracted: Extracted) -> Option<SpanContext> {
    let parent = extracted.parent();
    let Extracted { span_context, baggage, debug_id, .. } = extracted;
    // A debug id asks for a new trace, so it says nothing about one that is there.
    let debug_id = debug_id.filter(|_| span_context.is_none());
    let core = parent.unwrap_or_default();
    let extension = Extension {
        trace_state: core.trace_state().clone(),
        debug_id,
        baggage_metadata: metadata_of(&baggage),
        core_span: None,
    };
    let context = from_core_baggage(with_extension(ids_from_core(&core), extension), &baggage);
    (!context.is_empty()).then_some(context)
}

/// Puts the core's baggage into an OpenTracing context.
pub(crate) fn from_core_baggage(context: SpanContext, baggage: &Baggage) -> SpanContext {
    match baggage.is_empty() {
        true => context,
        false => context.with_baggage(baggage.iter().map(|item| (&item.name, &item.value))),
    }
}

/// Turns the baggage of an OpenTracing context into the core's.
pub(crate) fn to_core_baggage(context: &SpanContext) -> Baggage {
    if !context.has_baggage() {
        return Baggage::new();
    }
    let metadata = context.extension::<Extension>().map(|extension| &extension.baggage_metadata);
    let item = |(name, value): (&str, &str)| BaggageItem {
        name: name.to_owned(),
        value: value.to_owned(),
        metadata: metadata.and_then(|all| all.find(name, value)).unwrap_or_default().to_owned(),
    };
    context.baggage().map(item).collect()
}

/// Collects what carriers said about values; most say nothing.
fn metadata_of(baggage: &Baggage) -> BaggageMetadata {
    baggage.iter().filter(|item| !item.metadata.is_empty()).cloned().collect()
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

#[cfg(test)]
mod tests;
