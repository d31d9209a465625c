//! From `opentracing-go` and `jaeger-client-go`.
//!
//! | Go | here |
//! | --- | --- |
//! | `config.FromEnv()`, `cfg.NewTracer()` | [`Config::from_env().build()?`](crate::jaeger::Config::build) |
//! | `defer closer.Close()` | the guard that [`init_tracer`](crate::jaeger::Config::init_tracer) returns, or [`close(timeout)`](opentracing_api::TracerGuard::close), which tells what became of the spans |
//! | `opentracing.SetGlobalTracer(tracer)`, `opentracing.GlobalTracer()` | [`set_global_tracer(tracer)`](opentracing_api::set_global_tracer), [`global_tracer()`](opentracing_api::global_tracer) |
//! | `tracer.StartSpan("work", opentracing.ChildOf(span.Context()))` | [`tracer.start_span_with("work", child_of(&span))`](opentracing_api::Tracer::start_span_with) |
//! | `opentracing.FollowsFrom(context)` | [`follows_from(&context)`](opentracing_api::follows_from) |
//! | `opentracing.Tag{"k", 1}`, `opentracing.StartTime(t)` | `.tag("k", 1)`, `.start_time(t)` |
//! | `ext.SpanKindRPCClient`, `ext.HTTPStatusCode.Set(span, 200)` | `span.set_tag(tags::SPAN_KIND, tags::SPAN_KIND_CLIENT)`: names in [`tags`](opentracing_api::tags) |
//! | `ext.LogError(span, err, fields…)` | [`span.log_error_with(&error, fields! { … })`](opentracing_api::Span::log_error_with) |
//! | `span.LogFields(log.String("event", "hit"), log.Int("n", 3))` | [`span.log_kv(fields! { "event" => "hit", "n" => 3 })`](opentracing_api::fields) |
//! | `log.Lazy(…)` | [`Value::display(&x)`](opentracing_api::Value::display), formatted only if the span records |
//! | `log.Noop()` | `None` |
//! | `span.SetTag`, `span.SetOperationName`, `span.SetBaggageItem` | the same, in lower case |
//! | `span.BaggageItem("k")` | [`span.baggage_item("k")`](opentracing_api::Span::baggage_item), an `Option` |
//! | `context.ForeachBaggageItem(f)` | [`context.baggage()`](opentracing_api::SpanContext::baggage), an iterator |
//! | `span.Finish()` | [`span.finish()`](opentracing_api::Span::finish), or the end of its block |
//! | `span.FinishWithOptions(…)` | [`log_kv_at`](opentracing_api::Span::log_kv_at) for each record, then [`finish_at`](opentracing_api::Span::finish_at) |
//! | `opentracing.ContextWithSpan(ctx, span)` | [`tracer.activate(&shared)`](opentracing_api::Tracer::activate), [`future.in_span(span)`](opentracing_api::InSpan); a `ctx` is not handed around |
//! | `opentracing.StartSpanFromContext(ctx, "work")` | [`tracer.start_active_span("work")`](opentracing_api::Tracer::start_active_span) |
//! | `opentracing.SpanFromContext(ctx)` | [`tracer.active_span()`](opentracing_api::Tracer::active_span) |
//! | `go f()` with the span in its `ctx` | [`thread::spawn(span.wrap(f))`](opentracing_api::Span::wrap), `spawn(future.in_span(span))` |
//! | `tracer.Inject(context, opentracing.HTTPHeaders, carrier)` | [`tracer.inject(&span, Inject::HttpHeaders(&mut headers))?`](opentracing_api::Tracer::inject) |
//! | `opentracing.ErrSpanContextNotFound` | `Ok(None)` |
//! | `opentracing.ErrSpanContextCorrupted` | counted, or the error [`SpanContextCorrupted`](opentracing_api::ExtractError) with [`Formats::strict`](crate::Formats::strict) |
//! | `opentracing.Binary` | [`Inject::Binary(&mut bytes)`](opentracing_api::Inject::Binary), in the same layout |
//!
//! ```
//! use std::time::Duration;
//!
//! use opentracing_api::{Inject, Extract, Value, child_of, fields, tags};
//! use opentracing_shim::jaeger::Config;
//!
//! fn fetch() -> Result<(), std::io::Error> {
//!     Err(std::io::Error::other("refused"))
//! }
//!
//! let tracer = Config::new("shop").agent_host("127.0.0.1").build()?.into_guard();
//! let mut span = tracer.start_span("work");
//! span.set_tag(tags::SPAN_KIND, tags::SPAN_KIND_CLIENT).set_tag(tags::HTTP_STATUS_CODE, 200);
//! if let Err(error) = fetch() {
//!     span.log_error_with(&error, fields! { "attempt" => 2, "skipped" => None::<u8> });
//! }
//! span.log_kv(fields! { "event" => "state", "late" => Value::debug(&[1, 2]) });
//! span.set_baggage_item("user", "ann");
//! assert_eq!(span.context().baggage().collect::<Vec<_>>(), [("user", "ann")]);
//!
//! let in_thread = tracer.clone();
//! let step = tracer.start_span_with("step", child_of(&span));
//! let thread = std::thread::spawn(step.wrap(move || in_thread.start_span("inside").finish()));
//! thread.join().unwrap();
//!
//! let mut message = Vec::new();
//! tracer.inject(&span, Inject::Binary(&mut message))?;
//! let caller = tracer.extract(Extract::Binary(&message))?.ok_or("no context")?;
//! assert_eq!(caller.baggage_item("user"), Some("ann"));
//!
//! span.finish();
//! let account = tracer.close(Duration::from_secs(2))?;
//! assert_eq!(account.reported_spans + account.lost_spans, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
