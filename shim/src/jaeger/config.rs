//! Settings of a tracer that reports to Jaeger.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use jaeger_udp::{Dialect, JaegerExporter, StatsHandle};
use opentracing_api::{Tracer, TracerGuard, set_global_tracer};
use otel_core::sampler::{ConstSampler, ParentBasedSampler};
use otel_core::{
    BatchProcessor, KeyValue, OwnedValue, RandomIdGenerator, SpanCounts, SpanLimits, TracerProvider,
};

use super::error::{ConfigError, ConfigProblem};
use super::propagation::Propagation;
use super::{env, process};
use crate::convert::Semantics;
use crate::propagation::Formats;
use crate::tracer::TracerShim;

/// Settings of a tracer that reports to a Jaeger agent, with the Jaeger clients' defaults and conventions.
///
/// [`Config::new`] is code alone; [`Config::from_env`] reads the environment first. Every setting is checked when the
/// tracer is made, and all that is wrong is told at once. An agent that is not there is no error: the tracer works, what
/// is lost is counted, and delivery begins when the agent appears.
#[derive(Clone, Debug)]
#[must_use = "a configuration does nothing until `init_tracer` or `build`"]
pub struct Config {
    pub(super) service_name: String,
    pub(super) sampler: Sampler,
    pub(super) agent_host: String,
    pub(super) agent_port: u16,
    pub(super) log_spans: bool,
    pub(super) tags: Vec<KeyValue>,
    pub(super) flush_interval: Duration,
    pub(super) max_queue_bytes: usize,
    pub(super) max_queue_spans: Option<usize>,
    pub(super) max_packet_bytes: Option<usize>,
    pub(super) max_value_length: Option<usize>,
    pub(super) trace_id_bits: u32,
    /// None: the default.
    pub(super) propagation: Vec<Propagation>,
    pub(super) is_disabled: bool,
    pub(super) formats: Formats,
    /// What was wrong with a setting when it was read, until a setter gives it another value.
    pub(super) problems: BTreeMap<Setting, ConfigProblem>,
}

/// Names a setting whose value can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    ServiceName,
    SamplerType,
    SamplerParam,
    AgentHost,
    AgentPort,
    LogSpans,
    FlushInterval,
    MaxQueueBytes,
    MaxQueueSpans,
    MaxPacketBytes,
    TraceIdBits,
    Propagation,
    Disabled,
}

impl Config {
    /// Begins with the defaults and a service name, which must not be empty.
    pub fn new(service_name: impl Into<String>) -> Self {
        Self { service_name: service_name.into(), ..Self::unnamed() }
    }

    /// Begins with what the environment says: `JAEGER_*` over `OTEL_*`, see the [module](super).
    pub fn from_env() -> Self {
        // Bytes that are no text show as such in the error that they lead to.
        env::read(&|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    pub(super) fn unnamed() -> Self {
        Self {
            service_name: String::new(),
            sampler: Sampler::Const(true),
            agent_host: "localhost".to_owned(),
            agent_port: 6831,
            log_spans: false,
            tags: Vec::new(),
            flush_interval: Duration::from_secs(1),
            max_queue_bytes: 16 << 20,
            max_queue_spans: None,
            max_packet_bytes: None,
            max_value_length: None,
            trace_id_bits: 128,
            propagation: Vec::new(),
            is_disabled: false,
            formats: Formats::jaeger(),
            problems: BTreeMap::new(),
        }
    }

    /// Sets which new traces are kept; a trace that began elsewhere is kept as it was there.
    ///
    /// Default: all, `Sampler::Const(true)`. Environment: `JAEGER_SAMPLER_TYPE`, `JAEGER_SAMPLER_PARAM`.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = sampler;
        self.problems.remove(&Setting::SamplerType);
        self.problems.remove(&Setting::SamplerParam);
        self
    }

    /// Sets the agent's host: a name or an address, without a port. A name is resolved again every 30 seconds.
    ///
    /// Default: `localhost`. Environment: `JAEGER_AGENT_HOST`.
    pub fn agent_host(mut self, agent_host: impl Into<String>) -> Self {
        self.agent_host = agent_host.into();
        self.problems.remove(&Setting::AgentHost);
        self
    }

    /// Sets the agent's UDP port for compact Thrift.
    ///
    /// Default: 6831. Environment: `JAEGER_AGENT_PORT`.
    pub fn agent_port(mut self, agent_port: u16) -> Self {
        self.agent_port = agent_port;
        self.problems.remove(&Setting::AgentPort);
        self
    }

    /// Has a line logged for each span that is reported, through [`otel_core::diagnostics`]: standard error by default.
    ///
    /// Default: false. Environment: `JAEGER_REPORTER_LOG_SPANS`.
    pub fn log_spans(mut self, log_spans: bool) -> Self {
        self.log_spans = log_spans;
        self.problems.remove(&Setting::LogSpans);
        self
    }

    /// Adds a tag to the process; the last value of a key wins, also over `hostname` and `ip`.
    ///
    /// Default: `jaeger.version`, `hostname`, `ip` and `client-uuid`. Environment: `JAEGER_TAGS`.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<OwnedValue>) -> Self {
        let tag = KeyValue::new(key, value);
        self.tags.retain(|present| present.key != tag.key);
        self.tags.push(tag);
        self
    }

    /// Sets how often spans are sent without being asked for.
    ///
    /// Default: 1 s; zero is not allowed. Environment: `JAEGER_REPORTER_FLUSH_INTERVAL`, as `500ms`, `2s`, or a number
    /// of milliseconds.
    pub fn flush_interval(mut self, flush_interval: Duration) -> Self {
        self.flush_interval = flush_interval;
        self.problems.remove(&Setting::FlushInterval);
        self
    }

    /// Sets how much may wait to be sent. Spans past it are dropped and counted.
    ///
    /// Unit: bytes of records, about 200 for a span with three tags. Default: 16 MiB. At least 64 KiB. Each thread that
    /// finishes spans takes 128 KiB of it for itself while it lives, and more under pressure, up to three quarters in all.
    pub fn max_queue_bytes(mut self, max_queue_bytes: usize) -> Self {
        self.max_queue_bytes = max_queue_bytes;
        self.problems.remove(&Setting::MaxQueueBytes);
        self
    }

    /// Sets how many spans may wait to be sent, beside the limit in bytes.
    ///
    /// Default: no such limit. Environment: `JAEGER_REPORTER_MAX_QUEUE_SIZE`.
    pub fn max_queue_spans(mut self, max_queue_spans: usize) -> Self {
        self.max_queue_spans = Some(max_queue_spans);
        self.problems.remove(&Setting::MaxQueueSpans);
        self
    }

    /// Sets the largest datagram to send: smaller where fragments are lost on the way, as 1,472 on plain Ethernet.
    ///
    /// Unit: bytes of UDP payload. Default: 65,000, the agent's own. From 512 to 65,507.
    pub fn max_packet_bytes(mut self, max_packet_bytes: usize) -> Self {
        self.max_packet_bytes = Some(max_packet_bytes);
        self.problems.remove(&Setting::MaxPacketBytes);
        self
    }

    /// Sets how long values of tags and log fields may be: what is longer is cut, at the end of a character.
    ///
    /// Unit: characters of a text, bytes of a byte array. Default: no limit; Jaeger's Go client has 256.
    ///
    /// Source: `jaeger-client-go:constants.go`, `DefaultMaxTagValueLength`.
    pub fn max_value_length(mut self, max_value_length: usize) -> Self {
        self.max_value_length = Some(max_value_length);
        self
    }

    /// Sets how long the ids of new traces are: 64 or 128 bits.
    ///
    /// Default: 128. Environment: `JAEGER_TRACEID_128BIT`.
    pub fn trace_id_bits(mut self, trace_id_bits: u32) -> Self {
        self.trace_id_bits = trace_id_bits;
        self.problems.remove(&Setting::TraceIdBits);
        self
    }

    /// Sets which headers and other carriers hold contexts, and how: more freely than
    /// [`propagation`](Self::propagation), which it replaces.
    ///
    /// Default: [`Formats::jaeger`].
    pub fn formats(mut self, formats: Formats) -> Self {
        self.formats = formats;
        self.propagation.clear();
        self.problems.remove(&Setting::Propagation);
        self
    }

    /// Sets in which formats contexts cross processes: all of them are written, and the first one that is there is read.
    ///
    /// Default, also of an empty list: Jaeger's is written and read, and W3C's `traceparent` is read where that is absent.
    /// Environment: `JAEGER_PROPAGATION`.
    pub fn propagation(mut self, formats: impl IntoIterator<Item = Propagation>) -> Self {
        self.propagation = formats.into_iter().collect();
        self.problems.remove(&Setting::Propagation);
        self
    }

    /// Makes a tracer that does nothing, for a program that is to run without tracing.
    ///
    /// Default: false. Environment: `JAEGER_DISABLED`.
    pub fn disabled(mut self, is_disabled: bool) -> Self {
        self.is_disabled = is_disabled;
        self.problems.remove(&Setting::Disabled);
        self
    }

    /// Makes the tracer and sets it as the global one. Dropping the guard closes it, within two seconds.
    ///
    /// For the numbers behind its account (what was refused, dropped, trimmed, and why) use [`build`](Self::build), which
    /// returns a [`JaegerTracer`], and hand a clone of it to [`set_global_tracer`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the settings, at once. Nothing was started then.
    pub fn init_tracer(self) -> Result<TracerGuard, ConfigError> {
        let tracer = self.build()?;
        set_global_tracer(tracer.clone());
        Ok(tracer.into_guard())
    }

    /// Makes the tracer, and leaves the global one alone.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the settings, at once. Nothing was started then.
    pub fn build(self) -> Result<JaegerTracer, ConfigError> {
        self.check()?;
        if self.is_disabled {
            return Ok(JaegerTracer { tracer: Tracer::noop(), pipeline: None });
        }
        let mut exporter = JaegerExporter::builder()
            .agent_host(self.agent_host.trim())
            .agent_port(self.agent_port)
            .dialect(Dialect::JaegerClient);
        if let Some(max_packet_bytes) = self.max_packet_bytes {
            exporter = exporter.max_packet_bytes(max_packet_bytes);
        }
        let exporter = exporter.build();
        let stats = exporter.stats();
        let mut processor = BatchProcessor::builder(exporter)
            .interval(self.flush_interval)
            .max_queue_bytes(self.max_queue_bytes);
        if let Some(max_queue_spans) = self.max_queue_spans {
            processor = processor.max_queue_spans(max_queue_spans);
        }
        let id_generator = match self.trace_id_bits {
            64 => RandomIdGenerator::with_64_bit_trace_ids(),
            _ => RandomIdGenerator::new(),
        };
        let Sampler::Const(is_on) = self.sampler;
        let provider = TracerProvider::builder()
            .resource(process::resource(&self.service_name, self.tags))
            .sampler(ParentBasedSampler::new(ConstSampler::new(is_on)))
            .id_generator(id_generator)
            .limits(SpanLimits::UNLIMITED.value_length(self.max_value_length.unwrap_or(usize::MAX)))
            .processor(processor.build())
            .build();
        let formats = match self.propagation[..] {
            [] => self.formats,
            ref list => Propagation::formats(list),
        };
        let mut shim =
            TracerShim::new(provider.clone()).semantics(Semantics::Jaeger).formats(formats.clone());
        if self.log_spans {
            shim = shim.log_spans(&self.service_name);
        }
        Ok(JaegerTracer {
            tracer: Tracer::new(shim.clone()),
            pipeline: Some(PipelineHandle { provider, stats, formats, shim }),
        })
    }

    /// Collects what is wrong: what was found when a setting was read, and what its value now says.
    fn check(&self) -> Result<(), ConfigError> {
        if self.is_disabled && !self.problems.contains_key(&Setting::Disabled) {
            // Whatever is wrong with the rest, nobody will use it.
            return Ok(());
        }
        let mut problems = self.problems.clone();
        let mut check = |setting, is_fine: bool, key, value: String, allowed| {
            if !is_fine {
                problems.entry(setting).or_insert(ConfigProblem { key, value, allowed });
            }
        };
        let is_named = !self.service_name.trim().is_empty();
        check(
            Setting::ServiceName,
            is_named,
            "service name",
            self.service_name.clone(),
            env::ALLOWED_SERVICE_NAME,
        );
        let host = self.agent_host.clone();
        check(Setting::AgentHost, is_host(&host), "agent host", host, ALLOWED_HOST);
        check(
            Setting::AgentPort,
            self.agent_port != 0,
            "agent port",
            self.agent_port.to_string(),
            env::ALLOWED_PORT,
        );
        let interval = self.flush_interval;
        check(
            Setting::FlushInterval,
            !interval.is_zero(),
            "flush interval",
            format!("{interval:?}"),
            "more than zero",
        );
        let (queue, queue_bytes) = (Setting::MaxQueueBytes, self.max_queue_bytes);
        check(
            queue,
            queue_bytes >= MIN_QUEUE_BYTES,
            "max queue bytes",
            queue_bytes.to_string(),
            "65536 or more",
        );
        let queue_spans = self.max_queue_spans;
        let (queue, shown) = (Setting::MaxQueueSpans, format!("{}", queue_spans.unwrap_or(0)));
        check(queue, queue_spans != Some(0), "max queue spans", shown, env::ALLOWED_QUEUE_SPANS);
        let packet = self.max_packet_bytes;
        let fits = packet.is_none_or(|bytes| PACKET_BYTES.contains(&bytes));
        check(
            Setting::MaxPacketBytes,
            fits,
            "max packet bytes",
            packet.unwrap_or(0).to_string(),
            "512 to 65507",
        );
        let bits = self.trace_id_bits;
        check(
            Setting::TraceIdBits,
            matches!(bits, 64 | 128),
            "trace id bits",
            bits.to_string(),
            "64 or 128",
        );
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::new(problems.into_values().collect()))
        }
    }
}

/// Which new traces are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Sampler {
    /// All of them, or none.
    Const(bool),
}

/// A tracer that reports to Jaeger, with its account. Dereferences to the [`Tracer`], of which `clone` makes another
/// handle. Spans are sent until [`Tracer::close`], or until the last handle is dropped.
///
/// ```
/// use std::time::Duration;
///
/// use opentracing_shim::jaeger::Config;
///
/// let tracer = Config::new("checkout").agent_host("127.0.0.1").build()?;
/// tracer.start_span("order").finish();
/// let flushed = tracer.flush(Duration::from_secs(5))?;
/// let counts = tracer.counts();
/// assert_eq!(flushed.reported_spans + flushed.lost_spans, counts.finished_spans);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JaegerTracer {
    tracer: Tracer,
    pipeline: Option<PipelineHandle>,
}

#[derive(Clone)]
struct PipelineHandle {
    provider: TracerProvider,
    stats: StatsHandle,
    formats: Formats,
    shim: TracerShim,
}

impl JaegerTracer {
    /// Returns what became of finished spans, by reason.
    pub fn counts(&self) -> SpanCounts {
        self.pipeline.as_ref().map(|pipeline| pipeline.provider.counts()).unwrap_or_default()
    }

    /// Returns what the exporter counted: datagrams, refusals, oversized spans.
    pub fn stats(&self) -> jaeger_udp::Stats {
        self.pipeline.as_ref().map(|pipeline| pipeline.stats.snapshot()).unwrap_or_default()
    }

    /// Returns how many headers of a trace could not be read, each of which began a new trace instead.
    pub fn malformed_headers(&self) -> u64 {
        self.pipeline
            .as_ref()
            .map(|pipeline| pipeline.formats.malformed_headers())
            .unwrap_or_default()
    }

    /// Returns how often a span was used after it had finished; each such call did nothing.
    pub fn uses_after_finish(&self) -> u64 {
        self.pipeline.as_ref().map(|pipeline| pipeline.shim.uses_after_finish()).unwrap_or_default()
    }

    /// Returns how many spans were given an end before their start; they are sent with the shortest duration there is.
    pub fn negative_durations(&self) -> u64 {
        self.pipeline
            .as_ref()
            .map(|pipeline| pipeline.provider.negative_durations())
            .unwrap_or_default()
    }

    /// Turns into a guard, whose drop closes the tracer within two seconds.
    pub fn into_guard(self) -> TracerGuard {
        TracerGuard::new(self.tracer, GUARD_TIMEOUT)
    }
}

impl Deref for JaegerTracer {
    type Target = Tracer;

    fn deref(&self) -> &Tracer {
        &self.tracer
    }
}

impl fmt::Debug for PipelineHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineHandle").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// Tells whether this can be a host: no port, no scheme, no path, which a name that is looked up could not have either.
fn is_host(text: &str) -> bool {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_name = !bare.contains(|character: char| {
        character.is_whitespace() || matches!(character, '/' | ':' | '[' | ']' | '\u{FFFD}')
    });
    !bare.is_empty() && (is_name || bare.parse::<std::net::Ipv6Addr>().is_ok())
}

const ALLOWED_HOST: &str = "a host name or an address, without a port";
const GUARD_TIMEOUT: Duration = Duration::from_secs(2);
const MIN_QUEUE_BYTES: usize = 64 << 10;
const PACKET_BYTES: std::ops::RangeInclusive<usize> = 512..=65_507;

#[cfg(test)]
mod tests;
