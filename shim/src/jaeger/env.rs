//! The Jaeger clients' environment variables.

use std::time::Duration;

use otel_core::diagnostics;

use super::config::{Config, Sampler, Setting};
use super::error::ConfigProblem;
use super::propagation::{self, Propagation};

/// Reads a configuration from variables that `lookup` knows.
pub(super) fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Config {
    let mut reader = Reader { lookup, config: Config::unnamed() };
    reader.read_service_name();
    reader.read_agent();
    reader.read_sampler();
    reader.read_reporter();
    reader.read_tags();
    let set_width =
        |config: &mut Config, is_long| config.trace_id_bits = if is_long { 128 } else { 64 };
    reader.parse(
        "JAEGER_TRACEID_128BIT",
        Setting::TraceIdBits,
        ALLOWED_BOOL,
        parse_bool,
        set_width,
    );
    let set_propagation = |config: &mut Config, list| config.propagation = list;
    reader.parse(
        "JAEGER_PROPAGATION",
        Setting::Propagation,
        propagation::ALLOWED,
        Propagation::parse_list,
        set_propagation,
    );
    let set_disabled = |config: &mut Config, is_disabled| config.is_disabled = is_disabled;
    reader.parse("JAEGER_DISABLED", Setting::Disabled, ALLOWED_BOOL, parse_bool, set_disabled);
    reader.config
}

pub(super) const ALLOWED_SERVICE_NAME: &str = "a name that is not empty (JAEGER_SERVICE_NAME)";
pub(super) const ALLOWED_PORT: &str = "1 to 65535";
pub(super) const ALLOWED_QUEUE_SPANS: &str = "a whole number above zero";
const ALLOWED_BOOL: &str = "true, false, 1 or 0";
const ALLOWED_DURATION: &str = "500ms, 2s, 1m, or a number of milliseconds, above zero";

struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    config: Config,
}

impl Reader<'_> {
    fn read_service_name(&mut self) {
        if let Some(name) =
            self.get("JAEGER_SERVICE_NAME").or_else(|| self.get("OTEL_SERVICE_NAME"))
        {
            self.config.service_name = name;
        }
    }

    fn read_agent(&mut self) {
        if let Some(host) =
            self.get("JAEGER_AGENT_HOST").or_else(|| self.get("OTEL_EXPORTER_JAEGER_AGENT_HOST"))
        {
            self.config.agent_host = host;
        }
        let set_port = |config: &mut Config, port| config.agent_port = port;
        if self.get("JAEGER_AGENT_PORT").is_some() {
            self.parse("JAEGER_AGENT_PORT", Setting::AgentPort, ALLOWED_PORT, parse_port, set_port);
        } else {
            self.parse_or_warn(
                "OTEL_EXPORTER_JAEGER_AGENT_PORT",
                ALLOWED_PORT,
                parse_port,
                set_port,
            );
        }
    }

    fn read_sampler(&mut self) {
        if let Some(sampler_type) =
            self.get("JAEGER_SAMPLER_TYPE").filter(|name| !name.eq_ignore_ascii_case("const"))
        {
            self.note("JAEGER_SAMPLER_TYPE", Setting::SamplerType, sampler_type, "const");
        }
        let set_const = |config: &mut Config, is_on| config.sampler = Sampler::Const(is_on);
        self.parse(
            "JAEGER_SAMPLER_PARAM",
            Setting::SamplerParam,
            "0 or 1 (sampler type const)",
            parse_switch,
            set_const,
        );
    }

    fn read_reporter(&mut self) {
        let set_log_spans = |config: &mut Config, log_spans| config.log_spans = log_spans;
        self.parse(
            "JAEGER_REPORTER_LOG_SPANS",
            Setting::LogSpans,
            ALLOWED_BOOL,
            parse_bool,
            set_log_spans,
        );
        let set_interval = |config: &mut Config, interval| config.flush_interval = interval;
        let interval = "JAEGER_REPORTER_FLUSH_INTERVAL";
        self.parse(
            interval,
            Setting::FlushInterval,
            ALLOWED_DURATION,
            parse_duration,
            set_interval,
        );
        let set_queue = |config: &mut Config, n_spans| config.max_queue_spans = Some(n_spans);
        let queue = "JAEGER_REPORTER_MAX_QUEUE_SIZE";
        self.parse(queue, Setting::MaxQueueSpans, ALLOWED_QUEUE_SPANS, parse_count, set_queue);
    }

    /// Takes the pairs of `JAEGER_TAGS`; one that is none is left out and logged, since a typo in a tag is no reason
    /// for a service not to start.
    fn read_tags(&mut self) {
        let Some(pairs) = self.get("JAEGER_TAGS") else { return };
        for pair in pairs.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
                Some((key, value)) if !key.is_empty() => {
                    let value = self.expand(value);
                    self.config =
                        std::mem::replace(&mut self.config, Config::unnamed()).tag(key, value);
                }
                _ => diagnostics::warn(
                    "config.tags",
                    format_args!(
                        "JAEGER_TAGS has {pair:?}, which is left out, allowed: key=value with commas between pairs"
                    ),
                ),
            }
        }
    }

    /// Replaces `${NAME:default}` by the variable's value, or the default where it is unset or empty.
    fn expand(&self, value: &str) -> String {
        let Some(reference) = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
        else {
            return value.to_owned();
        };
        let (name, default) = reference.split_once(':').unwrap_or((reference, ""));
        self.get(name).unwrap_or_else(|| default.to_owned())
    }

    /// Reads a variable of the Jaeger clients': a value that cannot be read is a problem.
    fn parse<T>(
        &mut self,
        key: &'static str,
        setting: Setting,
        allowed: &'static str,
        parse: fn(&str) -> Option<T>,
        set: impl FnOnce(&mut Config, T),
    ) {
        let Some(value) = self.get(key) else { return };
        match parse(&value) {
            Some(parsed) => set(&mut self.config, parsed),
            None => self.note(key, setting, value, allowed),
        }
    }

    /// Reads a variable of OpenTelemetry's: a value that cannot be read is warned about and left out.
    fn parse_or_warn<T>(
        &mut self,
        key: &'static str,
        allowed: &'static str,
        parse: fn(&str) -> Option<T>,
        set: impl FnOnce(&mut Config, T),
    ) {
        let Some(value) = self.get(key) else { return };
        match parse(&value) {
            Some(parsed) => set(&mut self.config, parsed),
            None => diagnostics::warn(
                key,
                format_args!("{key} is {value:?}, which is left out, allowed: {allowed}"),
            ),
        }
    }

    fn note(&mut self, key: &'static str, setting: Setting, value: String, allowed: &'static str) {
        self.config.problems.insert(setting, ConfigProblem { key, value, allowed });
    }

    /// Returns a variable's value without the space around it; an empty one counts as none.
    fn get(&self, key: &str) -> Option<String> {
        (self.lookup)(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Some(true),
        "false" | "f" | "0" => Some(false),
        _ => None,
    }
}

/// Reads the parameter of the const sampler: a truth value, or a number that is one of the two.
fn parse_switch(text: &str) -> Option<bool> {
    parse_bool(text).or_else(|| match text.parse::<f64>() {
        Ok(0.0) => Some(false),
        Ok(1.0) => Some(true),
        _ => None,
    })
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

fn parse_count(text: &str) -> Option<usize> {
    text.parse().ok().filter(|count| *count != 0)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits_end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let seconds_of_one = match unit {
        "ms" | "" => 0.001,
        "us" | "µs" => 0.000_001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * seconds_of_one;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}
