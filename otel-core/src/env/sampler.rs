//! Who decides which traces are kept, from the environment.

use std::sync::Arc;

use super::{Configuration, Environment, Source, Variable, parse};
use crate::foreign;
use crate::sampler::{
    AlwaysOffSampler, AlwaysOnSampler, ParentBasedSampler, Sampler, SamplingRate,
    TraceIdRatioSampler,
};

/// Reads the sampler. One that is named and not there is warned about, and the default stands in.
pub(super) fn read(environment: &mut Environment) -> Box<dyn Sampler> {
    match environment.read(&SAMPLER, parse::text) {
        None => Box::new(ParentBasedSampler::default()),
        Some(name) => named(environment, &name).unwrap_or_else(|| {
            let allowed = allowed(environment);
            environment.refuse_as(&SAMPLER, &name, &allowed);
            environment.unset(&SAMPLER);
            Box::new(ParentBasedSampler::default())
        }),
    }
}

fn named(environment: &mut Environment, name: &str) -> Option<Box<dyn Sampler>> {
    let name = name.to_ascii_lowercase();
    let (is_parent_based, root) = match name.strip_prefix(PARENT_BASED) {
        Some(root) => (true, root),
        None => (false, name.as_str()),
    };
    // What the program brings may stand in for what is here.
    if let Some(sampler) = environment.make_sampler(root) {
        let sampler: Arc<dyn Sampler> = Arc::from(sampler);
        return Some(boxed(sampler, is_parent_based));
    }
    match root {
        "always_on" => Some(boxed(AlwaysOnSampler, is_parent_based)),
        "always_off" => Some(boxed(AlwaysOffSampler, is_parent_based)),
        "traceidratio" => {
            let rate = environment.read(&RATE, |text| SamplingRate::new(parse::ratio(text)?));
            let sampler = TraceIdRatioSampler::new(rate.unwrap_or(SamplingRate::ALL));
            Some(boxed(sampler, is_parent_based))
        }
        _ => None,
    }
}

fn boxed(root: impl Sampler, is_parent_based: bool) -> Box<dyn Sampler> {
    if is_parent_based { Box::new(ParentBasedSampler::new(root)) } else { Box::new(root) }
}

/// Lists the names, with the one that OpenTelemetry has and only a program can bring.
fn allowed(environment: &Environment) -> String {
    let registered = environment.sampler_names();
    let mut allowed = ROOTS.join(", ");
    for name in &registered {
        allowed.push_str(&format!(", {name}"));
    }
    allowed.push_str(", and each behind parentbased_");
    if !registered.contains(&JAEGER_REMOTE) {
        allowed.push_str(&format!("; {JAEGER_REMOTE} only where the program brings it"));
    }
    allowed
}

impl Configuration {
    /// Says which sampler the program chose.
    pub(crate) fn set_sampler(&mut self, sampler: &dyn Sampler) {
        // Code that is not ours, which may panic.
        let description = foreign::call(|| sampler.description()).unwrap_or_default();
        self.set(SAMPLER.name(), description, Source::Code);
        self.remove(RATE.name());
    }

    /// Says which sampler decides where nobody has said anything yet.
    pub(crate) fn set_default_sampler(&mut self) {
        self.set_default(SAMPLER.name(), SAMPLER.default_text());
    }
}

const SAMPLER: Variable =
    Variable::new("OTEL_TRACES_SAMPLER", "parentbased_always_on", "the name of a sampler");
const RATE: Variable = Variable::new("OTEL_TRACES_SAMPLER_ARG", "1", "a number from 0 to 1");
const ROOTS: [&str; 3] = ["always_on", "always_off", "traceidratio"];
const PARENT_BASED: &str = "parentbased_";
const JAEGER_REMOTE: &str = "jaeger_remote";

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn read_of(name: &str, argument: &str) -> (String, Configuration) {
        let mut environment = Environment::from_pairs([
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ]);
        (read(&mut environment).description(), environment.configuration().clone())
    }

    fn parent_based(root: &str) -> String {
        format!("ParentBased{{root:{root},")
    }

    #[test]
    fn each_name_is_its_sampler() {
        for (name, argument, expected) in [
            ("", "", parent_based("AlwaysOnSampler")),
            ("always_on", "", "AlwaysOnSampler".to_owned()),
            ("always_off", "", "AlwaysOffSampler".to_owned()),
            ("traceidratio", "0.25", "TraceIdRatioBased{0.250000}".to_owned()),
            ("traceidratio", "", "TraceIdRatioBased{1.000000}".to_owned()),
            ("traceidratio", "0", "TraceIdRatioBased{0.000000}".to_owned()),
            ("parentbased_always_on", "0.5", parent_based("AlwaysOnSampler")),
            ("parentbased_always_off", "", parent_based("AlwaysOffSampler")),
            ("parentbased_traceidratio", "0.5", parent_based("TraceIdRatioBased{0.500000}")),
            (" ParentBased_Always_Off ", "", parent_based("AlwaysOffSampler")),
        ] {
            let (sampler, configuration) = read_of(name, argument);
            assert!(sampler.starts_with(&expected), "{name:?} {argument:?} gives {sampler}");
            assert_eq!(configuration.problems(), [], "{name:?}");
        }
    }

    #[test]
    fn a_ratio_that_is_none_is_told_and_everything_is_kept() {
        for argument in ["1.5", "-1", "NaN", "half", "0,5", "1e999", &"9".repeat(1 << 20)] {
            let (sampler, configuration) = read_of("traceidratio", argument);
            assert_eq!(sampler, "TraceIdRatioBased{1.000000}", "{argument:?}");
            let problem = &configuration.problems()[0];
            assert_eq!(problem.name, "OTEL_TRACES_SAMPLER_ARG");
            assert!(problem.allowed.starts_with("a number from 0 to 1"), "{problem}");
            assert_eq!(configuration.get("OTEL_TRACES_SAMPLER_ARG").unwrap().value, "1");
        }
    }

    #[test]
    fn a_sampler_that_is_not_there_is_told_by_its_name_and_the_default_decides() {
        for name in ["jaeger_remote", "parentbased_jaeger_remote", "xray", "parentbased_", "a,b"] {
            let (sampler, configuration) = read_of(name, "endpoint=http://localhost:14250");
            assert!(sampler.starts_with(&parent_based("AlwaysOnSampler")), "{name:?}");
            let [problem] = configuration.problems() else { panic!("{configuration}") };
            assert_eq!(
                problem.to_string(),
                format!(
                    "OTEL_TRACES_SAMPLER: {name:?} is left out, allowed: always_on, always_off, traceidratio, and each behind parentbased_; jaeger_remote only where the program brings it"
                )
            );
            let setting = configuration.get("OTEL_TRACES_SAMPLER").unwrap();
            assert_eq!(
                (&*setting.value, setting.source),
                ("parentbased_always_on", Source::Default)
            );
        }
    }

    #[test]
    fn what_the_program_brings_reads_its_own_argument() {
        const ARGUMENT: Variable = Variable::new("OTEL_TRACES_SAMPLER_ARG", "", "settings");

        for (name, expected) in [
            ("jaeger_remote", "AlwaysOffSampler".to_owned()),
            ("parentbased_jaeger_remote", parent_based("AlwaysOffSampler")),
        ] {
            let seen = Arc::new(Mutex::new(None));
            let read_argument = Arc::clone(&seen);
            let mut environment = Environment::from_pairs([
                ("OTEL_TRACES_SAMPLER", name),
                (
                    "OTEL_TRACES_SAMPLER_ARG",
                    "endpoint=http://localhost:14250,pollingIntervalMs=5000,initialSamplingRate=0.25",
                ),
            ])
            .sampler("jaeger_remote", move |environment| {
                *read_argument.lock().unwrap() = environment.read(&ARGUMENT, parse::remote_sampling);
                AlwaysOffSampler
            });
            assert!(read(&mut environment).description().starts_with(&expected));
            let seen = seen.lock().unwrap().clone().unwrap();
            assert_eq!(seen.endpoint.as_deref(), Some("http://localhost:14250"));
            assert_eq!(environment.configuration().problems(), []);
        }
        for name in ["MySampler", "mysampler", "parentbased_MYSAMPLER"] {
            let mut environment = Environment::from_pairs([("OTEL_TRACES_SAMPLER", name)])
                .sampler("MySampler", |_| AlwaysOffSampler);
            assert!(read(&mut environment).description().contains("AlwaysOffSampler"), "{name}");
            assert_eq!(environment.configuration().problems(), [], "{name}");
        }
        let mut environment = Environment::from_pairs([("OTEL_TRACES_SAMPLER", "xray")])
            .sampler("jaeger_remote", |_| AlwaysOffSampler);
        read(&mut environment);
        let allowed = &environment.configuration().problems()[0].allowed;
        assert_eq!(
            allowed,
            "always_on, always_off, traceidratio, jaeger_remote, and each behind parentbased_"
        );
    }
}
