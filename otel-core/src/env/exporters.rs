//! Where spans go, and how they wait until then, from the environment.

use std::time::Duration;

use super::{Configuration, Environment, Source, Variable, parse};
#[cfg(feature = "otlp")]
use crate::diagnostics;
#[cfg(feature = "otlp")]
use crate::exporter::otlp::OtlpExporterBuilder;
use crate::exporter::{ConsoleExporter, SpanExporter};
use crate::processor::{BatchProcessor, SimpleProcessor, SpanProcessor};

/// Reads which exporters there are, and makes each with its processor: what goes to a console goes there at once, and
/// everything else in batches.
pub(super) fn read(environment: &mut Environment) -> Vec<Box<dyn SpanProcessor>> {
    let batches = Batches::read(environment);
    let mut known = environment.exporter_names();
    for name in BUILT_IN {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    let allowed = allowed(&known);
    let names = environment.read_names(&EXPORTER, &known, &allowed).unwrap_or_else(|| {
        // What the program brings comes first, and a console is not for everybody.
        let default = known.iter().copied().find(|name| *name != CONSOLE);
        environment.configuration_mut().correct(EXPORTER.name(), default.unwrap_or(NONE));
        default.into_iter().collect()
    });
    let mut processors: Vec<Box<dyn SpanProcessor>> = Vec::new();
    for name in names {
        let exporter = environment.make_exporter(name).or_else(|| built_in(environment, name));
        match exporter {
            Some(exporter) if name == CONSOLE => {
                processors.push(Box::new(SimpleProcessor::of(exporter)));
            }
            Some(exporter) => processors.push(Box::new(batches.processor(exporter))),
            None => {}
        }
    }
    processors
}

/// Makes an exporter of this crate's.
#[cfg(feature = "otlp")]
fn built_in(environment: &mut Environment, name: &str) -> Option<Box<dyn SpanExporter>> {
    if name == CONSOLE {
        return Some(Box::new(ConsoleExporter::new()));
    }
    match OtlpExporterBuilder::from_environment(environment).build() {
        Ok(exporter) => Some(Box::new(exporter)),
        Err(error) => {
            diagnostics::warn("env.otlp", format_args!("no spans go to a Collector: {error}"));
            None
        }
    }
}

/// Makes an exporter of this crate's.
#[cfg(not(feature = "otlp"))]
fn built_in(_: &mut Environment, _: &str) -> Option<Box<dyn SpanExporter>> {
    Some(Box::new(ConsoleExporter::new()))
}

/// How spans wait for an exporter.
struct Batches {
    interval: Option<Duration>,
    export_timeout: Option<Duration>,
    max_queue_spans: Option<usize>,
    max_batch_spans: usize,
}

impl Batches {
    fn read(environment: &mut Environment) -> Self {
        let interval = environment.read(&SCHEDULE_DELAY, parse::interval);
        let export_timeout = environment.read(&EXPORT_TIMEOUT, parse::timeout);
        let above_zero = |text: &str| parse::count(text).filter(|count| *count != 0);
        let max_queue_spans = environment.read(&MAX_QUEUE_SIZE, above_zero);
        let max_batch_spans = environment.read(&MAX_EXPORT_BATCH_SIZE, above_zero);
        let most = max_queue_spans.unwrap_or(usize::MAX);
        if let Some(too_many) = max_batch_spans.filter(|batch| *batch > most) {
            let allowed = format!("{most} at the most, which is all that the queue holds");
            environment.refuse_as(&MAX_EXPORT_BATCH_SIZE, &too_many.to_string(), &allowed);
        }
        let max_batch_spans = max_batch_spans.unwrap_or(USUAL_BATCH_SPANS).min(most);
        let configuration = environment.configuration_mut();
        configuration.correct(MAX_EXPORT_BATCH_SIZE.name(), max_batch_spans.to_string());
        Self { interval, export_timeout, max_queue_spans, max_batch_spans }
    }

    fn processor(&self, exporter: Box<dyn SpanExporter>) -> BatchProcessor {
        let mut processor =
            BatchProcessor::builder_of(exporter).max_batch_spans(self.max_batch_spans);
        if let Some(interval) = self.interval {
            processor = processor.interval(interval);
        }
        if let Some(export_timeout) = self.export_timeout {
            processor = processor.export_timeout(export_timeout);
        }
        if let Some(max_queue_spans) = self.max_queue_spans {
            processor = processor.max_queue_spans(max_queue_spans);
        }
        processor.build()
    }
}

/// Lists the names, and says of those that OpenTelemetry has and nobody brought how they would come.
fn allowed(known: &[&str]) -> String {
    let mut allowed = format!("{} with commas between them, or {NONE} alone", known.join(", "));
    for (name, origin) in ELSEWHERE {
        if !known.contains(&name) {
            allowed.push_str(&format!("; {name} {origin}"));
        }
    }
    allowed
}

impl Configuration {
    /// Says that the program adds a processor of its own.
    pub(crate) fn add_processor(&mut self) {
        let n_before = self.get(PROCESSORS).and_then(|setting| setting.value.parse().ok());
        let n_processors = n_before.unwrap_or(0_usize) + 1;
        self.set(PROCESSORS, n_processors.to_string(), Source::Code);
    }
}

const EXPORTER: Variable = Variable::new("OTEL_TRACES_EXPORTER", NONE, "names of exporters");
const SCHEDULE_DELAY: Variable =
    Variable::new("OTEL_BSP_SCHEDULE_DELAY", "1000", "milliseconds, 1 to 86400000");
const EXPORT_TIMEOUT: Variable = Variable::new(
    "OTEL_BSP_EXPORT_TIMEOUT",
    "30000",
    "milliseconds, up to 86400000, or 0 for no limit",
);
const MAX_QUEUE_SIZE: Variable =
    Variable::new("OTEL_BSP_MAX_QUEUE_SIZE", "", "a whole number above zero");
const MAX_EXPORT_BATCH_SIZE: Variable =
    Variable::new("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512", "a whole number above zero");
const USUAL_BATCH_SPANS: usize = 512;
#[cfg(feature = "otlp")]
const BUILT_IN: [&str; 2] = ["otlp", CONSOLE];
#[cfg(not(feature = "otlp"))]
const BUILT_IN: [&str; 1] = [CONSOLE];
const CONSOLE: &str = "console";
const NONE: &str = "none";
/// No variable's name: processors come from code alone.
const PROCESSORS: &str = "processors besides";
const ELSEWHERE: [(&str, &str); 2] =
    [("otlp", "with the feature of that name"), ("jaeger", "only where the program brings it")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporter::InMemoryExporter;

    /// Reads, and tells of each processor what it is in front of.
    fn read_of(environment: Environment) -> (Vec<String>, Configuration) {
        let mut environment = environment;
        let shown = |processor: &dyn SpanProcessor| {
            let shown = format!("{processor:?}");
            let kind = shown.split([' ', '{']).next().unwrap_or_default();
            let exporters = ["ConsoleExporter", "InMemoryExporter", "OtlpExporter"];
            let exporter = exporters.into_iter().find(|exporter| shown.contains(exporter));
            format!("{kind} {}", exporter.unwrap_or("?"))
        };
        let processors = read(&mut environment);
        (
            processors.iter().map(|processor| shown(processor.as_ref())).collect(),
            environment.configuration().clone(),
        )
    }

    fn with_memory(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().copied())
            .exporter("memory", |_| InMemoryExporter::new())
    }

    const CONSOLE_AT_ONCE: &str = "SimpleProcessor ConsoleExporter";
    const MEMORY_IN_BATCHES: &str = "BatchProcessor InMemoryExporter";

    #[test]
    fn each_name_is_an_exporter_with_the_processor_that_suits_it() {
        for (value, expected, shown) in [
            ("console", &[CONSOLE_AT_ONCE][..], "console"),
            ("memory", &[MEMORY_IN_BATCHES], "memory"),
            ("", &[MEMORY_IN_BATCHES], "memory"),
            (" Memory ,, console,MEMORY", &[MEMORY_IN_BATCHES, CONSOLE_AT_ONCE], "memory,console"),
            ("none", &[], "none"),
            ("None,none", &[], "none"),
        ] {
            let (processors, configuration) =
                read_of(with_memory(&[("OTEL_TRACES_EXPORTER", value)]));
            assert_eq!(processors, expected, "{value:?}");
            assert_eq!(configuration.get("OTEL_TRACES_EXPORTER").unwrap().value, shown);
            assert_eq!(configuration.problems(), [], "{value:?}");
        }
    }

    #[cfg(not(feature = "otlp"))]
    #[test]
    fn where_nothing_was_brought_spans_go_nowhere_and_otlp_is_told_to_be_a_feature() {
        let (processors, configuration) = read_of(Environment::from_pairs([]));
        assert_eq!(processors, [""; 0], "a console is not for everybody");
        assert_eq!(configuration.get("OTEL_TRACES_EXPORTER").unwrap().value, "none");
        let variables = [("OTEL_TRACES_EXPORTER", "otlp")];
        let (processors, configuration) = read_of(Environment::from_pairs(variables));
        assert_eq!(processors, [""; 0]);
        let shown = configuration.problems()[0].to_string();
        assert!(shown.contains("; otlp with the feature of that name"), "{shown}");
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn where_nothing_was_brought_spans_go_to_a_collector() {
        for (value, expected) in [
            ("", &[COLLECTOR_IN_BATCHES][..]),
            ("otlp", &[COLLECTOR_IN_BATCHES]),
            ("console,OTLP", &[CONSOLE_AT_ONCE, COLLECTOR_IN_BATCHES]),
            ("none", &[]),
        ] {
            let (processors, configuration) = read_of(Environment::from_pairs([
                ("OTEL_TRACES_EXPORTER", value),
                ("OTEL_EXPORTER_OTLP_HEADERS", "key=hunter2"),
            ]));
            assert_eq!(processors, expected, "{value:?}");
            assert_eq!(configuration.problems(), []);
            let headers = configuration.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS");
            assert_eq!(headers.is_some(), expected.contains(&COLLECTOR_IN_BATCHES));
            assert!(!format!("{configuration} {configuration:?}").contains("hunter2"));
        }
        let (processors, _) = read_of(with_memory(&[]));
        assert_eq!(processors, [MEMORY_IN_BATCHES], "what the program brings comes first");
    }

    #[cfg(feature = "otlp")]
    const COLLECTOR_IN_BATCHES: &str = "BatchProcessor OtlpExporter";

    #[test]
    fn a_name_that_is_not_there_is_told_and_the_others_hold() {
        let many: String = (0..100).map(|index| format!("e{index},")).collect();
        for (value, expected, n_problems) in [
            ("jaeger,console", &[CONSOLE_AT_ONCE][..], 1),
            ("zipkin", &[MEMORY_IN_BATCHES], 1),
            ("zipkin,otlp2,zipkin", &[MEMORY_IN_BATCHES], 2),
            ("none,console", &[CONSOLE_AT_ONCE], 1),
            ("none,zipkin", &[MEMORY_IN_BATCHES], 2),
            (",", &[MEMORY_IN_BATCHES], 1),
            (&many, &[MEMORY_IN_BATCHES], 1),
            (&"x".repeat(1 << 20), &[MEMORY_IN_BATCHES], 1),
        ] {
            let (processors, configuration) =
                read_of(with_memory(&[("OTEL_TRACES_EXPORTER", value)]));
            assert_eq!(processors, expected, "{value:?}");
            assert_eq!(configuration.problems().len(), n_problems, "{value:?} {configuration}");
        }
        let (_, configuration) = read_of(with_memory(&[("OTEL_TRACES_EXPORTER", "jaeger")]));
        let shown = configuration.problems()[0].to_string();
        assert!(
            shown.starts_with("OTEL_TRACES_EXPORTER: \"jaeger\" is left out, allowed: memory, ")
        );
        assert!(shown.contains("jaeger only where the program brings it"), "{shown}");
    }

    #[test]
    fn batches_have_their_variables() {
        for (name, value, of) in [
            ("OTEL_BSP_SCHEDULE_DELAY", "250", (250, 30_000, usize::MAX, 512)),
            ("OTEL_BSP_EXPORT_TIMEOUT", "250", (1_000, 250, usize::MAX, 512)),
            ("OTEL_BSP_EXPORT_TIMEOUT", "0", (1_000, 86_400_000, usize::MAX, 512)),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "2048", (1_000, 30_000, 2048, 512)),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100", (1_000, 30_000, 100, 100)),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9", (1_000, 30_000, usize::MAX, 9)),
        ] {
            assert_eq!(settings_of(&[(name, value)]), (of, 0), "{name}={value}");
        }
        for name in [
            "OTEL_BSP_SCHEDULE_DELAY",
            "OTEL_BSP_EXPORT_TIMEOUT",
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        ] {
            for value in ["-1", "1s", "1.5", "99999999999999999999", "much"] {
                let expected = ((1_000, 30_000, usize::MAX, 512), 1);
                assert_eq!(settings_of(&[(name, value)]), expected, "{name}={value}");
            }
        }
        for name in
            ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"]
        {
            assert_eq!(settings_of(&[(name, "0")]), ((1_000, 30_000, usize::MAX, 512), 1));
        }
    }

    #[test]
    fn a_batch_that_the_queue_cannot_hold_is_told_and_gets_as_much_as_it_holds() {
        let both = [("OTEL_BSP_MAX_QUEUE_SIZE", "100"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "101")];
        assert_eq!(settings_of(&both), ((1_000, 30_000, 100, 100), 1));
        let (_, configuration) = read_of(Environment::from_pairs(both));
        let setting = configuration.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE").unwrap();
        assert_eq!(setting.value, "100");
        let shown = configuration.problems()[0].to_string();
        assert_eq!(
            shown,
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE: \"101\" is left out, allowed: 100 at the most, which is all that the queue holds"
        );
    }

    /// Milliseconds of the interval and the export timeout, spans in the queue and in a batch; and how many problems.
    fn settings_of(pairs: &[(&str, &str)]) -> ((u128, u128, usize, usize), usize) {
        let mut environment = Environment::from_pairs(pairs.iter().copied());
        let batches = Batches::read(&mut environment);
        let processor = batches.processor(Box::new(InMemoryExporter::new()));
        (processor.settings_for_tests(), environment.configuration().problems().len())
    }
}
