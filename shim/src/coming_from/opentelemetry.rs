//! From the crates `opentelemetry` and `opentelemetry_sdk`.
//!
//! Two doors: the OpenTracing face, or the core itself, whose words are OpenTelemetry's. Both can be used in one program, with
//! [`TracerShim`](crate::TracerShim) over the core's provider: if it [shares the context](crate::TracerShim::shares_context),
//! the active span of the one is the current span of the other.
//!
//! | opentelemetry | the core (`otel_core`) | OpenTracing (`opentracing_api`) |
//! | --- | --- | --- |
//! | `SdkTracerProvider::builder().with_batch_exporter(exporter).build()` | [`TracerProvider::builder().processor(BatchProcessor::new(exporter)).build()`](otel_core::TracerProvider) | [`Config::new("shop").build()?`](crate::jaeger::Config::build) |
//! | `Resource::builder().with_service_name("shop")` | [`Resource::new("shop")`](otel_core::Resource::new) | the name in `Config::new` |
//! | `global::set_tracer_provider(provider)` | [`set_global_provider(provider)`](otel_core::set_global_provider) | [`set_global_tracer(tracer)`](opentracing_api::set_global_tracer) |
//! | `global::tracer("library")` | [`global_tracer("library")`](otel_core::global_tracer), or [`provider.tracer("library")`](otel_core::TracerProvider::tracer) | [`global_tracer()`](opentracing_api::global_tracer) |
//! | `tracer.start("work")` | the same | [`tracer.start_span("work")`](opentracing_api::Tracer::start_span) |
//! | `tracer.in_span("work", \|cx\| …)` | `tracer.in_span("work", \|span\| …)`, or [`tracer.start_as_current("work")`](otel_core::Tracer::start_as_current) | the same |
//! | `cx.span()` | [`SharedSpan::current()`](otel_core::SharedSpan::current) | [`tracer.active_span()`](opentracing_api::Tracer::active_span) |
//! | `tracer.span_builder("work").with_kind(…).start(&tracer)` | [`tracer.span_builder("work").kind(…).start()`](otel_core::Tracer::span_builder) | `.tag("span.kind", "client")` at the start |
//! | `tracer.start_with_context("work", &parent)` | `.parent(&context)` of the builder | [`child_of(&parent)`](opentracing_api::child_of) |
//! | `span.add_link(context, attributes)` | [`span.add_link(&link)`](otel_core::Span::add_link) | further references at the start |
//! | `span.set_attribute(KeyValue::new("k", 1))` | `span.set_attribute("k", 1)` | `span.set_tag("k", 1)` |
//! | `span.add_event("hit", vec![…])` | `span.add_event("hit", &[("n", 3.into())])` | `span.log_kv(fields! { "event" => "hit", "n" => 3 })` |
//! | `span.record_error(&error)` | the same | [`span.log_error(&error)`](opentracing_api::Span::log_error), which sets the error tag as well |
//! | `span.set_status(Status::error("…"))` | `span.set_status(StatusCode::Error, "…")` | `span.set_tag("error", true)` |
//! | `span.end()` | the same, or the end of the block | `span.finish()`, or the end of the block |
//! | `Context::current_with_span(span).attach()` | [`Context::current().with_span(span).attach()`](otel_core::Context) | [`tracer.activate(span)`](opentracing_api::Tracer::activate) |
//! | `future.with_context(cx)` | [the same](otel_core::FutureContext::with_context) | [`future.in_span(span)`](opentracing_api::InSpan), [`tracer.in_current_span(future)`](opentracing_api::Tracer::in_current_span) |
//! | `cx.baggage()`, `cx.with_baggage(…)` | the same | `span.baggage_item("k")`, `span.set_baggage_item("k", "v")` |
//! | `propagator.inject_context(&cx, &mut injector)` | [`propagation::inject_context`](otel_core::propagation::inject_context) | [`tracer.inject(&span, …)`](opentracing_api::Tracer::inject) |
//! | `propagator.extract(&extractor)` | [`propagation::extract_context`](otel_core::propagation::extract_context) | [`tracer.extract(…)`](opentracing_api::Tracer::extract) |
//! | `provider.shutdown()` | [`provider.close(timeout)?`](otel_core::TracerProvider::close), with an account | [`tracer.close(timeout)?`](opentracing_api::Tracer::close) |
//!
//! The end of the crate `opentelemetry-jaeger` left no way to an agent from there; here it is the default of
//! [`jaeger::Config`](crate::jaeger::Config), and [`JaegerExporter`](jaeger_udp::JaegerExporter) for a provider.
//!
//! ```
//! use std::collections::HashMap;
//! use std::time::Duration;
//!
//! use jaeger_udp::JaegerExporter;
//! use opentracing_api::{Inject, child_of, fields};
//! use opentracing_shim::TracerShim;
//! use otel_core::{BatchProcessor, Context, Resource, SpanKind, StatusCode, TracerProvider};
//!
//! let exporter = JaegerExporter::builder().agent_host("127.0.0.1").build();
//! let provider = TracerProvider::builder()
//!     .resource(Resource::new("shop"))
//!     .processor(BatchProcessor::new(exporter))
//!     .build();
//!
//! // The core.
//! let core = provider.tracer("library");
//! let mut span = core.span_builder("request").kind(SpanKind::Server).start();
//! span.set_attribute("k", 1).add_event("hit", &[("n", 3.into())]);
//! span.set_status(StatusCode::Error, "broken");
//! let guard = Context::current().with_span(span).attach();
//!
//! // OpenTracing, over the same provider: the core's current span is active here.
//! let shim = TracerShim::new(provider.clone()).shares_context(true);
//! let tracer = opentracing_api::Tracer::new(shim);
//! let request = tracer.active_span().ok_or("no span is active")?;
//! let mut step = tracer.start_span_with("step", child_of(&request).tag("span.kind", "client"));
//! step.log_kv(fields! { "event" => "hit", "n" => 3 }).set_tag("error", true);
//! let mut headers = HashMap::new();
//! tracer.inject(&step, Inject::HttpHeaders(&mut headers))?;
//!
//! // And the other way around.
//! let scope = tracer.activate(step);
//! core.start("inside").end();
//! scope.close();
//! drop(guard);
//!
//! let flushed = provider.close(Duration::from_secs(2))?;
//! assert_eq!(flushed.exported_spans + flushed.lost_spans, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
