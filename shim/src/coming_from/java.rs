//! From `io.opentracing` 0.33 and `jaeger-client-java`.
//!
//! | Java | here |
//! | --- | --- |
//! | `Configuration.fromEnv("shop").getTracer()` | [`Config::from_env().build()?`](crate::jaeger::Config::build), the name from `JAEGER_SERVICE_NAME` |
//! | `GlobalTracer.registerIfAbsent(tracer)` | [`set_global_tracer_if_absent(tracer)`](opentracing_api::set_global_tracer_if_absent) |
//! | `GlobalTracer.get()`, `GlobalTracer.isRegistered()` | [`global_tracer()`](opentracing_api::global_tracer), [`is_global_tracer_registered()`](opentracing_api::is_global_tracer_registered) |
//! | `tracer.buildSpan("work").asChildOf(parent).withTag("k", 1).start()` | [`tracer.start_span_with("work", child_of(&parent).tag("k", 1))`](opentracing_api::Tracer::start_span_with) |
//! | `.addReference(References.FOLLOWS_FROM, context)` | [`.follows_from(&context)`](opentracing_api::StartSpanOptions::follows_from) |
//! | `.ignoreActiveSpan()`, `.withStartTimestamp(micros)` | `.ignore_active_span()`, `.start_time(time)` |
//! | `span.setTag(Tags.HTTP_STATUS, 200)` | `span.set_tag(tags::HTTP_STATUS_CODE, 200)`: names in [`tags`](opentracing_api::tags) |
//! | `span.log(Map.of("event", "hit"))`, `span.log("hit")` | [`span.log_kv(fields! { … })`](opentracing_api::fields), `span.log_event("hit")` |
//! | `span.log(micros, fields)` | [`span.log_kv_at(time, fields)`](opentracing_api::Span::log_kv_at) |
//! | `span.setBaggageItem`, `span.getBaggageItem` | `set_baggage_item`, [`baggage_item`](opentracing_api::Span::baggage_item), an `Option` |
//! | `span.context().toTraceId()` | `span.context().to_trace_id()` |
//! | `span.finish()`, `span.finish(micros)` | `span.finish()`, [`span.finish_at(time)`](opentracing_api::Span::finish_at) |
//! | `try (Scope s = tracer.activateSpan(span)) { … } finally { span.finish(); }` | `let scope = tracer.activate(span);`, which finishes it; with a shared span it does not |
//! | `tracer.scopeManager().activate(null)` | [`tracer.activate_none()`](opentracing_api::Tracer::activate_none) |
//! | `tracer.activeSpan()` | [`tracer.active_span()`](opentracing_api::Tracer::active_span) |
//! | a `ScopeManager` of one's own | [`backend::ScopeManager`](opentracing_api::backend::ScopeManager) |
//! | `catch (Exception e) { Tags.ERROR.set(span, true); … }` | [`tracer.try_in_span("work", …)`](opentracing_api::Tracer::try_in_span), [`span.log_error(&error)`](opentracing_api::Span::log_error) |
//! | `TracedRunnable`, `TracedCallable` | [`span.wrap(closure)`](opentracing_api::Span::wrap), [`shared.wrap_callback(closure)`](opentracing_api::SharedSpan::wrap_callback) |
//! | `tracer.inject(context, Format.Builtin.TEXT_MAP, carrier)` | [`tracer.inject(&span, Inject::TextMap(&mut map))?`](opentracing_api::Tracer::inject) |
//! | `Format.Builtin.BINARY` | [`Inject::Binary(&mut bytes)`](opentracing_api::Inject::Binary) |
//! | `registerInjector(format, codec)` | [`Formats::custom(name, format)`](crate::Formats::custom) |
//! | `tracer.close()` | [`tracer.close(timeout)?`](opentracing_api::Tracer::close) |
//!
//! ```
//! use std::collections::HashMap;
//! use std::time::{Duration, SystemTime};
//!
//! use opentracing_api::{Extract, Inject, StartSpanOptions, child_of, set_global_tracer_if_absent, tags};
//! use opentracing_shim::jaeger::Config;
//!
//! let tracer = Config::new("shop").agent_host("127.0.0.1").build()?;
//! assert!(set_global_tracer_if_absent(tracer.clone()));
//!
//! let mut parent = tracer.start_span("parent");
//! parent.set_tag(tags::HTTP_STATUS_CODE, 200).log_event("hit");
//! let options = child_of(&parent).follows_from(&None::<opentracing_api::Span>).tag("k", 1);
//! tracer.start_span_with("child", options.start_time(SystemTime::now())).finish();
//!
//! let scope = tracer.activate(parent);
//! assert_eq!(tracer.active_span().as_ref(), Some(scope.span()));
//! let none = tracer.activate_none();
//! assert!(tracer.active_span().is_none());
//! none.close();
//! tracer.start_span_with("root", StartSpanOptions::new().ignore_active_span()).finish();
//!
//! let mut map = HashMap::new();
//! tracer.inject(&scope, Inject::TextMap(&mut map))?;
//! assert!(map.contains_key("uber-trace-id"));
//! assert!(tracer.extract(Extract::TextMap(&map))?.is_some());
//! scope.close(); // finishes the parent
//!
//! let watch = tracer.start_span("watch").into_shared();
//! let mut on_change = watch.wrap_callback(|n: u32| n + 1);
//! assert_eq!(on_change(1), 2);
//! watch.finish();
//!
//! let account = tracer.close(Duration::from_secs(2))?;
//! assert_eq!(account.reported_spans + account.lost_spans, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
