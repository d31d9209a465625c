//! Propagators by the names that OpenTelemetry's environment has for them.

use super::{
    B3Propagator, BaggagePropagator, CompositePropagator, JaegerPropagator, OtPropagator,
    Propagator, TraceContextPropagator,
};
use crate::env::{Environment, Variable};

/// Makes the propagators that the environment variable `OTEL_PROPAGATORS` names, in its order.
///
/// | name | propagator |
/// | --- | --- |
/// | `tracecontext` | [`TraceContextPropagator`] |
/// | `baggage` | [`BaggagePropagator`] |
/// | `b3` | [`B3Propagator::single`] |
/// | `b3multi` | [`B3Propagator::multi`] |
/// | `jaeger` | [`JaegerPropagator`] |
/// | `ottrace` | [`OtPropagator`] |
/// | `none` | none at all; only alone |
///
/// Names stand between commas, their case does not matter, and a repeated one counts once. Others are warned about and
/// passed over. Default, also where no name is known: `tracecontext,baggage`.
///
/// ```
/// use otel_core::propagation::{self, Propagator};
///
/// let propagator = propagation::from_env();
/// # if std::env::var_os("OTEL_PROPAGATORS").is_none() {
/// assert_eq!(propagator.fields(), ["traceparent", "tracestate", "baggage"]);
/// # }
/// ```
///
/// Source: `open-telemetry/opentelemetry-specification:specification/configuration/sdk-environment-variables.md`.
pub fn from_env() -> CompositePropagator {
    from_environment(&mut Environment::of_process())
}

/// As [`from_env`], from variables at hand.
///
/// ```
/// use otel_core::env::Environment;
/// use otel_core::propagation::{self, Propagator};
///
/// let mut environment = Environment::from_pairs([("OTEL_PROPAGATORS", "b3,baggage")]);
/// assert_eq!(propagation::from_environment(&mut environment).fields(), ["b3", "baggage"]);
/// ```
pub fn from_environment(environment: &mut Environment) -> CompositePropagator {
    let known = NAMES.map(|(name, _)| name);
    match environment.read_names(&PROPAGATORS, &known, PROPAGATORS.allowed()) {
        Some(chosen) => compose(&chosen),
        None => compose(&DEFAULT),
    }
}

/// As [`from_env`], with the list of names at hand.
///
/// ```
/// use otel_core::propagation::{self, Propagator};
///
/// let propagator = propagation::from_names("b3,tracecontext");
/// assert_eq!(propagator.fields(), ["b3", "traceparent", "tracestate"]);
/// assert!(propagation::from_names("none").fields().is_empty());
/// ```
pub fn from_names(names: &str) -> CompositePropagator {
    from_environment(&mut Environment::from_pairs([(PROPAGATORS.name(), names)]))
}

fn compose(chosen: &[&str]) -> CompositePropagator {
    let known = NAMES.iter().filter(|(name, _)| chosen.contains(name));
    let propagator_of = |wanted: &&str| known.clone().find(|(name, _)| name == wanted);
    chosen
        .iter()
        .filter_map(propagator_of)
        .fold(CompositePropagator::new(), |composite, (_, make)| composite.propagator(make()))
}

type Make = fn() -> Box<dyn Propagator>;

const NAMES: [(&str, Make); 6] = [
    ("tracecontext", || Box::new(TraceContextPropagator::new())),
    ("baggage", || Box::new(BaggagePropagator::new())),
    ("b3", || Box::new(B3Propagator::single())),
    ("b3multi", || Box::new(B3Propagator::multi())),
    ("jaeger", || Box::new(JaegerPropagator::new())),
    ("ottrace", || Box::new(OtPropagator::new())),
];

const DEFAULT: [&str; 2] = ["tracecontext", "baggage"];

const PROPAGATORS: Variable = Variable::new(
    "OTEL_PROPAGATORS",
    "tracecontext,baggage",
    "tracecontext, baggage, b3, b3multi, jaeger, ottrace with commas between them, or none alone",
);

#[cfg(test)]
mod tests {
    use super::*;

    const W3C: [&str; 3] = ["traceparent", "tracestate", "baggage"];

    fn fields_of(value: Option<&str>) -> Vec<String> {
        let mut environment =
            Environment::from_pairs(value.map(|value| ("OTEL_PROPAGATORS", value)));
        from_environment(&mut environment).fields().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_variable_names_propagators_in_their_order() {
        let multi = ["x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"];
        let ot = ["ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"];
        for (value, expected) in [
            ("tracecontext", &W3C[..2]),
            ("baggage", &W3C[2..]),
            ("tracecontext,baggage", &W3C),
            ("baggage,tracecontext", &["baggage", "traceparent", "tracestate"]),
            ("b3", &["b3"]),
            ("b3multi", &multi),
            ("jaeger", &["uber-trace-id"]),
            ("ottrace", &ot),
            (" B3 ,, Jaeger,b3 ", &["b3", "uber-trace-id"]),
            ("none", &[]),
            (" NONE ,none", &[]),
        ] {
            assert_eq!(fields_of(Some(value)), expected, "value {value:?}");
        }
    }

    #[test]
    fn without_a_name_that_is_known_the_default_is_taken() {
        for value in
            [None, Some(""), Some(" , "), Some("xray"), Some("b3 multi"), Some("none,xray")]
        {
            assert_eq!(fields_of(value), W3C, "value {value:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_passed_over_and_none_counts_only_alone() {
        for (value, expected) in
            [("xray,b3", "b3"), ("b3,none", "b3"), ("none,b3", "b3"), ("b3,\u{1F600}", "b3")]
        {
            assert_eq!(fields_of(Some(value)), [expected], "value {value:?}");
        }
        assert_eq!(fields_of(Some(&"x,".repeat(100_000))), W3C);
    }
}
