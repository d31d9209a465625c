//! From the crates `rustracing` and `rustracing_jaeger`.
//!
//! | rustracing | here |
//! | --- | --- |
//! | `Tracer::new(AllSampler)`, which also returns a receiver | [`Config::new("shop").build()?`](crate::jaeger::Config::build): no channel to empty |
//! | `JaegerCompactReporter::new("shop")?`, `reporter.report(&spans)?` in a thread of one's own | nothing: a worker does it |
//! | `reporter.set_agent_addr(address)` | [`.agent_host("jaeger").agent_port(6831)`](crate::jaeger::Config::agent_host) |
//! | `reporter.add_service_tag(Tag::new("k", "v"))` | [`.tag("k", "v")`](crate::jaeger::Config::tag) |
//! | `AllSampler`, `NullSampler` | [`.sampler(Sampler::Const(true))`](crate::jaeger::Config::sampler), `Sampler::Const(false)` |
//! | `tracer.span("work").tag(Tag::new("k", 1)).start()` | [`tracer.start_span_with("work", StartSpanOptions::new().tag("k", 1))`](opentracing_api::Tracer::start_span_with) |
//! | `.child_of(&span)`, `.follows_from(&span)` | [`child_of(&span)`](opentracing_api::child_of), [`follows_from(&span)`](opentracing_api::follows_from); contexts and options of them too |
//! | `span.child("step", \|options\| options.start())` | `tracer.start_span_with("step", child_of(&span))` |
//! | `span.handle()` | [`span.context()`](opentracing_api::Span::context), or [`span.into_shared()`](opentracing_api::Span::into_shared) |
//! | `span.set_tag(\|\| Tag::new("k", 1))` | [`span.set_tag("k", 1)`](opentracing_api::Span::set_tag); what is expensive to make, after `is_recording()` |
//! | `span.log(\|log\| { log.std().message("hit"); })` | [`span.log_kv([("message", "hit")])`](opentracing_api::Span::log_kv) |
//! | `log.error().kind("Io").message("…")` | [`span.log_error(&error)`](opentracing_api::Span::log_error), [`span.log_error_text("…")`](opentracing_api::Span::log_error_text) |
//! | `span.set_baggage_item(\|\| BaggageItem::new("k", "v"))` | [`span.set_baggage_item("k", "v")`](opentracing_api::Span::set_baggage_item) |
//! | `span.set_finish_time(\|\| time)` | [`span.finish_at(time)`](opentracing_api::Span::finish_at) |
//! | `drop(span)` | the same, or [`span.finish()`](opentracing_api::Span::finish) |
//! | `Span::inactive()` | [`Span::noop()`](opentracing_api::Span::noop) |
//! | `context.inject_to_text_map(&mut map)?` | [`tracer.inject(&span, Inject::TextMap(&mut map))?`](opentracing_api::Tracer::inject) |
//! | `SpanContext::extract_from_http_header(&headers)?` | [`tracer.extract(Extract::HttpHeaders(&headers))?`](opentracing_api::Tracer::extract) |
//! | `inject_to_binary(&mut writer)?` | [`Inject::Binary(&mut bytes)`](opentracing_api::Inject::Binary), in the same layout |
//! | `try_take_spans` of a test's receiver | a provider with an in-memory exporter behind [`TracerShim`](crate::TracerShim) |
//!
//! New here: an [active span](opentracing_api::Tracer::activate), [futures in spans](opentracing_api::InSpan), and an account of what
//! was sent and what was lost.
//!
//! ```
//! use std::collections::HashMap;
//! use std::time::{Duration, SystemTime};
//!
//! use opentracing_api::{Extract, Inject, Span, StartSpanOptions, child_of};
//! use opentracing_shim::jaeger::{Config, Sampler};
//!
//! let config = Config::new("shop").sampler(Sampler::Const(true)).tag("zone", "west");
//! let tracer = config.agent_host("127.0.0.1").agent_port(6831).build()?;
//!
//! let mut span = tracer.start_span_with("work", StartSpanOptions::new().tag("k", 1));
//! span.log_kv([("message", "hit")]).log_error_text("declined").set_baggage_item("user", "ann");
//! if span.is_recording() {
//!     span.set_tag("primes", [2, 3, 5].iter().sum::<u32>());
//! }
//! tracer.start_span_with("step", child_of(&span)).finish_at(SystemTime::now());
//! assert!(!Span::noop().is_recording());
//!
//! let mut headers = HashMap::new();
//! tracer.inject(&span, Inject::HttpHeaders(&mut headers))?;
//! let caller = tracer.extract(Extract::HttpHeaders(&headers))?;
//! let served = tracer.start_span_with("served", child_of(&caller));
//! assert_eq!(served.baggage_item("user"), Some("ann"));
//! drop((served, span));
//!
//! let account = tracer.close(Duration::from_secs(2))?;
//! assert_eq!(account.reported_spans + account.lost_spans, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
