//! All that the environment says about a provider.

use super::{
    Configuration, Environment, Source, Variable, exporters, limits, parse, resource, sampler,
};
use crate::diagnostics::{self, Level};
use crate::processor::SpanProcessor;
use crate::propagation;
use crate::resource::Resource;
use crate::sampler::Sampler;
use crate::span::SpanLimits;

/// What a provider is built of.
pub(crate) struct PipelineSettings {
    pub(crate) is_disabled: bool,
    pub(crate) resource: Resource,
    pub(crate) sampler: Box<dyn Sampler>,
    pub(crate) limits: SpanLimits,
    pub(crate) processors: Vec<Box<dyn SpanProcessor>>,
    pub(crate) configuration: Configuration,
}

impl PipelineSettings {
    /// Reads everything.
    pub(crate) fn read(mut environment: Environment) -> Self {
        // First, since what comes after has things to say.
        if let Some(level) = environment.read(&LOG_LEVEL, level) {
            diagnostics::set_min_level(level);
        }
        // To be refused, whatever it holds.
        environment.read(&CONFIG_FILE, |_| None::<()>);
        let is_disabled = environment.read(&DISABLED, parse::flag).unwrap_or(false);
        let resource = resource::read(&mut environment);
        let sampler = sampler::read(&mut environment);
        let limits = limits::read(&mut environment);
        // Whoever wants the propagators makes them; what they are belongs into the list all the same.
        propagation::from_environment(&mut environment);
        let processors = exporters::read(&mut environment);
        let configuration = environment.into_configuration();
        Self { is_disabled, resource, sampler, limits, processors, configuration }
    }
}

impl Configuration {
    /// Says that the program switched tracing off or on.
    pub(crate) fn set_disabled(&mut self, is_disabled: bool) {
        self.set(DISABLED.name(), is_disabled.to_string(), Source::Code);
    }

    /// Says what holds where nobody has said anything.
    pub(crate) fn set_defaults(&mut self, resource: &Resource, limits: &SpanLimits) {
        self.set_default(DISABLED.name(), DISABLED.default_text());
        self.set_default_resource(resource);
        self.set_default_sampler();
        self.set_default_limits(limits);
    }
}

/// Reads a level, or none at all: then nothing is said.
fn level(text: &str) -> Option<Option<Level>> {
    match text.to_ascii_lowercase().as_str() {
        "all" | "trace" | "verbose" | "debug" => Some(Some(Level::Debug)),
        "info" => Some(Some(Level::Info)),
        "warn" | "warning" => Some(Some(Level::Warning)),
        // Nothing that is said here is worse than a warning.
        "error" | "none" | "off" => Some(None),
        _ => None,
    }
}

const LOG_LEVEL: Variable =
    Variable::new("OTEL_LOG_LEVEL", "info", "debug, info, warn, error or none");
const CONFIG_FILE: Variable = Variable::new(
    "OTEL_CONFIG_FILE",
    "",
    "nothing, since files are not read and the variables hold",
);
const DISABLED: Variable = Variable::new("OTEL_SDK_DISABLED", "false", "true or false");

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;
    use crate::context::Context;
    use crate::exporter::InMemoryExporter;
    use crate::id::{SpanId, TraceId};
    use crate::propagation::{extract_context, from_environment, inject_context};
    use crate::sampler::{AlwaysOffSampler, AlwaysOnSampler};
    use crate::span_context::{SpanContext, TraceFlags};
    use crate::{KeyValue, SimpleProcessor, TracerProvider};

    fn with_memory<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> (Environment, InMemoryExporter) {
        let exporter = InMemoryExporter::new();
        let kept = exporter.clone();
        (Environment::from_pairs(pairs).exporter("memory", |_| kept), exporter)
    }

    fn shown(provider: &TracerProvider, name: &str) -> (String, Source) {
        let setting = provider.configuration().get(name).unwrap();
        (setting.value.clone(), setting.source)
    }

    #[test]
    fn a_whole_pipeline_comes_from_the_environment() {
        let (environment, exporter) = with_memory([
            ("OTEL_SERVICE_NAME", "checkout"),
            ("OTEL_RESOURCE_ATTRIBUTES", "zone=a"),
            ("OTEL_TRACES_EXPORTER", "memory"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
            ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ]);
        let provider = TracerProvider::from_environment(environment).build();
        let mut span = provider.tracer("test").start("work");
        span.set_attribute("kept", true);
        span.set_attribute("dropped", true);
        span.end();
        provider.flush(Duration::from_secs(20)).unwrap();
        let spans = exporter.finished_spans();
        assert_eq!((spans.len(), spans[0].attributes.len()), (1, 1));
        assert_eq!(provider.resource().service_name(), "checkout");
        assert_eq!(provider.resource().get("zone").unwrap(), &"a");
        assert_eq!(provider.configuration().problems(), []);
    }

    #[test]
    fn what_the_program_sets_afterwards_wins_and_is_shown() {
        let (environment, exporter) = with_memory([
            ("OTEL_SERVICE_NAME", "from-environment"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "7"),
            ("OTEL_SDK_DISABLED", "true"),
        ]);
        let besides = InMemoryExporter::new();
        let provider = TracerProvider::from_environment(environment)
            .disabled(false)
            .resource(Resource::new("from-code").with([KeyValue::new("n", 3)]))
            .sampler(AlwaysOnSampler)
            .limits(SpanLimits::default().attributes(5))
            .processor(SimpleProcessor::new(besides.clone()))
            .build();
        provider.tracer("test").start("work").end();
        provider.flush(Duration::from_secs(20)).unwrap();
        assert_eq!((exporter.finished_spans().len(), besides.finished_spans().len()), (1, 1));
        for (name, value) in [
            ("OTEL_SDK_DISABLED", "false"),
            ("OTEL_SERVICE_NAME", "from-code"),
            ("OTEL_RESOURCE_ATTRIBUTES", "n=3"),
            ("OTEL_TRACES_SAMPLER", "AlwaysOnSampler"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "5"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "128"),
            ("processors besides", "1"),
        ] {
            assert_eq!(shown(&provider, name), (value.to_owned(), Source::Code), "{name}");
        }
        assert_eq!(provider.configuration().get("OTEL_TRACES_SAMPLER_ARG"), None);
    }

    #[test]
    fn a_provider_made_without_the_environment_shows_its_settings_too() {
        let provider = TracerProvider::builder().sampler(AlwaysOffSampler).build();
        let code = ("AlwaysOffSampler".to_owned(), Source::Code);
        assert_eq!(shown(&provider, "OTEL_TRACES_SAMPLER"), code);
        let default = ("128".to_owned(), Source::Default);
        assert_eq!(shown(&provider, "OTEL_SPAN_LINK_COUNT_LIMIT"), default);
        let provider = TracerProvider::builder().build();
        let unknown = (Resource::default().service_name().to_owned(), Source::Default);
        assert_eq!(shown(&provider, "OTEL_SERVICE_NAME"), unknown);
    }

    #[test]
    fn a_disabled_provider_records_nothing_and_contexts_cross_it_all_the_same() {
        for (value, is_disabled, n_problems) in [
            ("true", true, 0),
            (" TRUE ", true, 0),
            ("false", false, 0),
            ("", false, 0),
            ("1", false, 1),
            ("yes", false, 1),
        ] {
            let (environment, exporter) = with_memory([("OTEL_SDK_DISABLED", value)]);
            let provider = TracerProvider::from_environment(environment).build();
            assert_eq!(provider.configuration().problems().len(), n_problems, "{value:?}");
            assert_eq!(provider.is_closed(), is_disabled, "{value:?}");

            let propagator = from_environment(&mut Environment::from_pairs([
                ("OTEL_SDK_DISABLED", value),
                ("OTEL_PROPAGATORS", "b3"),
            ]));
            let caller =
                SpanContext::new(TraceId::from_parts(1, 2), SpanId::new(3), TraceFlags::SAMPLED);
            let mut headers = HashMap::new();
            let context = Context::new().with_span_context(caller);
            inject_context(&propagator, &context, &mut headers);
            let arrived = extract_context(&propagator, &Context::new(), &headers);
            let _current = arrived.attach();
            let span = provider.tracer("test").start("work");
            assert_eq!(span.is_recording(), !is_disabled, "{value:?}");
            assert_eq!(span.context().trace_id(), TraceId::from_parts(1, 2));
            assert_eq!(span.context().span_id() == SpanId::new(3), is_disabled);
            span.end();
            provider.flush(Duration::from_secs(20)).unwrap();
            assert_eq!(exporter.finished_spans().is_empty(), is_disabled, "{value:?}");
        }
    }

    #[test]
    fn a_configuration_file_is_told_to_be_of_no_use_and_the_variables_hold() {
        let (environment, _) = with_memory([
            ("OTEL_CONFIG_FILE", "/etc/otel.yaml"),
            ("OTEL_SERVICE_NAME", "checkout"),
        ]);
        let provider = TracerProvider::from_environment(environment).build();
        assert_eq!(provider.resource().service_name(), "checkout");
        let [problem] = provider.configuration().problems() else { panic!() };
        assert_eq!(
            problem.to_string(),
            "OTEL_CONFIG_FILE: \"/etc/otel.yaml\" is left out, allowed: nothing, since files are not read and the variables hold"
        );
    }

    #[test]
    fn every_level_has_its_name() {
        for (text, expected) in [
            ("debug", Some(Some(Level::Debug))),
            ("INFO", Some(Some(Level::Info))),
            ("Warn", Some(Some(Level::Warning))),
            ("error", Some(None)),
            ("none", Some(None)),
            ("loud", None),
            ("1", None),
        ] {
            assert_eq!(level(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_documentation_lists_every_variable_with_its_default() {
        let pairs = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_SERVICE_NAME", "checkout")];
        let provider = TracerProvider::from_environment(Environment::from_pairs(pairs)).build();
        let docs = include_str!("mod.rs");
        let rows: Vec<Vec<&str>> = docs
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `OTEL_"))
            .map(|row| row.split('|').map(str::trim).collect())
            .collect();
        for setting in provider.configuration().settings() {
            let name = setting.name.strip_prefix("OTEL_").unwrap();
            // Certificates have one row for all.
            if name.starts_with("EXPORTER_OTLP_") && name.contains("_C") && !name.contains("_COMP")
            {
                assert!(docs.contains("`OTEL_EXPORTER_OTLP_CERTIFICATE`"));
                continue;
            }
            let row = rows.iter().find(|row| row[0] == format!("{name}`"));
            let row = row.unwrap_or_else(|| panic!("{} has no row", setting.name));
            if setting.source == Source::Default && !setting.value.is_empty() {
                assert!(
                    row[2].contains(&format!("`{}`", setting.value)),
                    "{}: {row:?}",
                    setting.name
                );
            }
        }
    }
}
