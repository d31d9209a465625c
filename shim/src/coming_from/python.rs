//! From `opentracing` 2.x and `jaeger_client` for Python.
//!
//! | Python | here |
//! | --- | --- |
//! | `Config(config={…}, service_name='shop').initialize_tracer()` | [`Config::new("shop").init_tracer()?`](crate::jaeger::Config::init_tracer) |
//! | `'sampler': {'type': 'const', 'param': 1}` | [`.sampler(Sampler::Const(true))`](crate::jaeger::Config::sampler) |
//! | `'logging': True` | [`.log_spans(true)`](crate::jaeger::Config::log_spans) |
//! | `'local_agent': {'reporting_host': 'jaeger'}` | [`.agent_host("jaeger")`](crate::jaeger::Config::agent_host) |
//! | `opentracing.tracer`, `opentracing.global_tracer()` | [`global_tracer()`](opentracing_api::global_tracer) |
//! | `opentracing.set_global_tracer(tracer)` | [`set_global_tracer(tracer)`](opentracing_api::set_global_tracer) |
//! | `with tracer.start_span('work') as span:` | `let mut span = tracer.start_span("work");`, which ends with its block |
//! | `tracer.start_span('work', child_of=span)` | [`tracer.start_span_with("work", child_of(&span))`](opentracing_api::Tracer::start_span_with) |
//! | `references=[follows_from(context)]` | [`follows_from(&context)`](opentracing_api::follows_from), and more with `.follows_from(…)` |
//! | `start_child_span(span, 'work')` | `span.tracer().start_span_with("work", child_of(&span))` |
//! | `tags={'k': 1}`, `start_time=…`, `ignore_active_span=True` | `.tag("k", 1)`, `.start_time(…)`, `.ignore_active_span()` |
//! | `with tracer.start_active_span('work') as scope:` | [`let scope = tracer.start_active_span("work");`](opentracing_api::Tracer::start_active_span), or [`tracer.in_span("work", …)`](opentracing_api::Tracer::in_span) |
//! | `finish_on_close=False` | [`tracer.activate(&shared)`](opentracing_api::Tracer::activate) of a shared span |
//! | `tracer.active_span`, `tracer.scope_manager.activate(span, True)` | [`tracer.active_span()`](opentracing_api::Tracer::active_span), `tracer.activate(span)` |
//! | `span.set_tag('k', 1)`, `span.set_operation_name('w')` | the same |
//! | `span.log_kv({'event': 'hit', 'n': 3})` | [`span.log_kv(fields! { "event" => "hit", "n" => 3 })`](opentracing_api::fields) |
//! | `span.log_event('hit')` | the same; a payload is a field |
//! | `span.set_baggage_item('k', 'v')`, `span.get_baggage_item('k')` | the same, and [`span.baggage_item("k")`](opentracing_api::Span::baggage_item) |
//! | an exception that leaves a `with` | [`tracer.try_in_span("work", …)`](opentracing_api::Tracer::try_in_span) for errors; a panic marks the span by itself |
//! | `tracer.inject(span, Format.HTTP_HEADERS, headers)` | [`tracer.inject(&span, Inject::HttpHeaders(&mut headers))?`](opentracing_api::Tracer::inject) |
//! | `tracer.extract(Format.HTTP_HEADERS, headers)` | [`tracer.extract(Extract::HttpHeaders(&headers))?`](opentracing_api::Tracer::extract), an `Option` to give to `child_of` |
//! | `async with`, `contextvars` | [`future.in_span(span)`](opentracing_api::InSpan) |
//! | `tracer.close()`, and a wait for the reporter | [`tracer.close(timeout)?`](opentracing_api::TracerGuard::close), which waits itself |
//!
//! What differs: a span that starts inside a block of another has that one as parent only if it is active, as in Python
//! with `start_active_span`; threads and tasks inherit nothing by themselves, see [`Span::wrap`](opentracing_api::Span::wrap).
//! With several references the first child-of is the parent wherever it stands.
//!
//! ```
//! use std::collections::HashMap;
//! use std::time::Duration;
//!
//! use opentracing_api::{Extract, Inject, child_of, fields, follows_from};
//! use opentracing_shim::jaeger::{Config, Sampler};
//!
//! let tracer = Config::new("shop").sampler(Sampler::Const(true)).agent_host("127.0.0.1").init_tracer()?;
//! {
//!     let mut span = tracer.start_span("work");
//!     span.set_tag("k", 1).log_kv(fields! { "event" => "hit", "n" => 3 });
//!     span.set_baggage_item("user", "ann").log_event("paid");
//!     let child = tracer.start_span_with("step", child_of(&span).tag("first", true));
//!     tracer.start_span_with("after", follows_from(&child.context())).finish();
//! } // both finish here
//!
//! let scope = tracer.start_active_span("request");
//! tracer.start_span("its child").finish();
//! scope.close();
//!
//! let kept = tracer.start_span("kept").into_shared();
//! tracer.activate(&kept).close(); // does not finish it
//! kept.finish();
//!
//! let port = tracer.try_in_span("parse", |_| "80".parse::<u16>())?; // an error would be on the span
//! assert_eq!(port, 80);
//!
//! let mut headers = HashMap::new();
//! let call = tracer.start_span("call");
//! tracer.inject(&call, Inject::HttpHeaders(&mut headers))?;
//! let caller = tracer.extract(Extract::HttpHeaders(&headers))?;
//! tracer.start_span_with("served", child_of(&caller)).finish();
//! call.finish();
//!
//! let account = tracer.close(Duration::from_secs(2))?;
//! assert_eq!(account.reported_spans + account.lost_spans, 9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
