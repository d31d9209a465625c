//! Settings from environment variables, by the names that OpenTelemetry has for them.
//!
//! ```
//! use otel_core::env::{Environment, Source, Variable, parse};
//!
//! const ATTEMPTS: Variable = Variable::new("SHOP_ATTEMPTS", "3", "a whole number");
//!
//! // A program has `Environment::of_process()` here.
//! let mut environment = Environment::from_pairs([("SHOP_ATTEMPTS", " 5 ")]);
//! assert_eq!(environment.read(&ATTEMPTS, parse::count).unwrap_or(3), 5);
//! let setting = environment.configuration().get("SHOP_ATTEMPTS").unwrap();
//! assert_eq!((setting.value.as_str(), setting.source), ("5", Source::Environment("SHOP_ATTEMPTS")));
//! ```
//!
//! A variable that is empty counts as one that is not set. One that cannot be used is warned about, once, with its name, its
//! value and what is allowed, and counts as not set: a typo is no reason for a program not to start. Names in values are read
//! in any case, space around them is taken off.
//!
//! [`TracerProvider::from_env`](crate::TracerProvider::from_env) sets a provider up by what stands here, and
//! [`TracerProvider::configuration`](crate::TracerProvider::configuration) shows what it came to.
//! [`propagation::from_env`](crate::propagation::from_env) makes the propagators.
//!
//! | variable | meaning | default | allowed |
//! | --- | --- | --- | --- |
//! | `OTEL_SDK_DISABLED` | nothing is recorded; contexts are handed on all the same | `false` | `true` or `false` |
//! | `OTEL_LOG_LEVEL` | what the library says about itself, in the whole process; `debug` shows the configuration | `info` | `debug`, `info`, `warn`, `error` (which is nothing, since it only warns), `none` |
//! | `OTEL_CONFIG_FILE` | nothing: files are not read, which is warned about, and the variables hold | none | |
//! | `OTEL_SERVICE_NAME` | the resource's `service.name` | that in `OTEL_RESOURCE_ATTRIBUTES`, else `unknown_service:` and the program's name | text |
//! | `OTEL_RESOURCE_ATTRIBUTES` | what spans are about | none | `key=value` with commas between pairs, percent-coded; one bad pair spoils all |
//! | `OTEL_PROPAGATORS` | formats in which contexts cross processes | `tracecontext,baggage` | `tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, `ottrace` with commas between them, or `none` |
//! | `OTEL_TRACES_SAMPLER` | which traces are kept | `parentbased_always_on` | `always_on`, `always_off`, `traceidratio`, those behind `parentbased_`, and what [`Environment::sampler`] brings, as `jaeger_remote` |
//! | `OTEL_TRACES_SAMPLER_ARG` | the share of traces that `traceidratio` keeps; others have their own | `1` | 0 to 1 |
//! | `OTEL_TRACES_EXPORTER` | where spans go | the first that [`Environment::exporter`] brings, else `otlp` where it is there, else `none` | `console`, at once; `otlp` with the feature of that name, and what is brought, as `jaeger`, in batches; with commas between them, or `none` |
//! | `OTEL_BSP_SCHEDULE_DELAY` | how often batches go out, in milliseconds | `1000`; OpenTelemetry's own is 5000 | 1 to 86400000 |
//! | `OTEL_BSP_EXPORT_TIMEOUT` | how long an exporter may take, in milliseconds | `30000` | up to 86400000, or 0 for no limit |
//! | `OTEL_BSP_MAX_QUEUE_SIZE` | how many spans may wait | none: 16 MiB of records may wait, set or not; OpenTelemetry's own is 2048 | a whole number above zero |
//! | `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` | how many spans an exporter is given at once | `512`, or what the queue holds | a whole number above zero |
//! | `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` | feature `otlp`: where spans are posted to, as it is | `OTEL_EXPORTER_OTLP_ENDPOINT` and `/v1/traces` | a URL |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | where the Collector is | `http://localhost:4318` | a URL; `https://` with the feature `otlp-tls` |
//! | `OTEL_EXPORTER_OTLP_TRACES_HEADERS` | headers of each request, which are shown nowhere | `OTEL_EXPORTER_OTLP_HEADERS`, else none | `name=value` with commas between them, percent-coded |
//! | `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT` | how long a request may take, in milliseconds | `OTEL_EXPORTER_OTLP_TIMEOUT`, else `10000` | up to 86400000, or 0 for no limit |
//! | `OTEL_EXPORTER_OTLP_TRACES_COMPRESSION` | how requests are made smaller | `OTEL_EXPORTER_OTLP_COMPRESSION`, else `none` | `gzip` or `none` |
//! | `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` | what is spoken | `OTEL_EXPORTER_OTLP_PROTOCOL`, else `http/protobuf` | that alone |
//! | `OTEL_EXPORTER_OTLP_CERTIFICATE`, `…_CLIENT_KEY`, `…_CLIENT_CERTIFICATE`, those with `_TRACES_` too | nothing: they are not read, which is warned about | none | |
//! | `OTEL_EXPORTER_JAEGER_…` | those of the crate `jaeger-udp`, where its `JaegerExporterBuilder::from_env` lists them | | |
//! | `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT` | attributes of a span | `OTEL_ATTRIBUTE_COUNT_LIMIT`, else `128` | a whole number, zero too; more than 65535 counts as that |
//! | `OTEL_ATTRIBUTE_COUNT_LIMIT` | the same where that is not set | `128` | as above |
//! | `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT` | characters of a text, bytes of a byte array | `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`, else no limit | a whole number, zero too |
//! | `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` | the same where that is not set | no limit | as above |
//! | `OTEL_SPAN_EVENT_COUNT_LIMIT` | events of a span | `128` | as for attributes |
//! | `OTEL_SPAN_LINK_COUNT_LIMIT` | links of a span | `128` | as for attributes |
//! | `OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT` | attributes of an event | `128` | as for attributes |
//! | `OTEL_LINK_ATTRIBUTE_COUNT_LIMIT` | attributes of a link | `128` | as for attributes |
//!
//! Source: `open-telemetry/opentelemetry-specification:specification/configuration/sdk-environment-variables.md`.

mod environment;
mod variable;
pub mod parse;
mod configuration;
mod pipeline;
mod resource;
mod sampler;
mod limits;
mod exporters;

pub use configuration::{Configuration, Problem, Setting, Source};
pub use environment::Environment;
pub(crate) use pipeline::PipelineSettings;
pub use variable::Variable;
#[cfg(feature = "otlp")]
pub(crate) use variable::host_start;
