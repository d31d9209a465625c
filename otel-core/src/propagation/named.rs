//! Propagators by the names that OpenTelemetry's environment has for them.

use super::{
    B3Propagator, BaggagePropagator, CompositePropagator, JaegerPropagator, OtPropagator,
    Propagator, TraceContextPropagator,
};
use crate::diagnostics;

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
    from_lookup(&|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
}

/// As [`from_env`], with the list of names at hand: `"b3,tracecontext"`.
pub fn from_names(names: &str) -> CompositePropagator {
    match read(names) {
        Some(chosen) => compose(&chosen),
        None => compose(&DEFAULT),
    }
}

fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> CompositePropagator {
    from_names(&lookup(VARIABLE).unwrap_or_default())
}

/// Reads a list; `None` where it says nothing.
fn read(names: &str) -> Option<Vec<Name>> {
    let (mut chosen, mut unknown, mut is_none) = (Vec::new(), Vec::new(), false);
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, known)) if chosen.contains(known) => {}
            Some((_, known)) => chosen.push(*known),
            None if name.eq_ignore_ascii_case(NONE) => is_none = true,
            None => unknown.push(name),
        }
    }
    if is_none && !(chosen.is_empty() && unknown.is_empty()) {
        unknown.push(NONE);
    }
    if !unknown.is_empty() {
        let shown: String = names.chars().take(MAX_SHOWN_CHARS).collect();
        diagnostics::warn(
            VARIABLE,
            format_args!(
                "{VARIABLE} is {shown:?}, of which {} are passed over, allowed: tracecontext, baggage, b3, b3multi, jaeger, ottrace with commas between them, or none alone",
                unknown.len()
            ),
        );
    }
    let is_empty_on_purpose = is_none && unknown.is_empty();
    (!chosen.is_empty() || is_empty_on_purpose).then_some(chosen)
}

fn compose(names: &[Name]) -> CompositePropagator {
    names
        .iter()
        .fold(CompositePropagator::new(), |composite, name| composite.propagator(name.propagator()))
}

/// A propagator that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    TraceContext,
    Baggage,
    B3,
    B3Multi,
    Jaeger,
    OtTrace,
}

impl Name {
    fn propagator(self) -> Box<dyn Propagator> {
        match self {
            Self::TraceContext => Box::new(TraceContextPropagator::new()),
            Self::Baggage => Box::new(BaggagePropagator::new()),
            Self::B3 => Box::new(B3Propagator::single()),
            Self::B3Multi => Box::new(B3Propagator::multi()),
            Self::Jaeger => Box::new(JaegerPropagator::new()),
            Self::OtTrace => Box::new(OtPropagator::new()),
        }
    }
}

const NAMES: [(&str, Name); 6] = [
    ("tracecontext", Name::TraceContext),
    ("baggage", Name::Baggage),
    ("b3", Name::B3),
    ("b3multi", Name::B3Multi),
    ("jaeger", Name::Jaeger),
    ("ottrace", Name::OtTrace),
];

const NONE: &str = "none";

const DEFAULT: [Name; 2] = [Name::TraceContext, Name::Baggage];

const VARIABLE: &str = "OTEL_PROPAGATORS";

/// Of a value in a warning.
const MAX_SHOWN_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const W3C: [&str; 3] = ["traceparent", "tracestate", "baggage"];

    fn fields_of(value: Option<&str>) -> Vec<String> {
        let lookup = |name: &str| value.filter(|_| name == "OTEL_PROPAGATORS").map(str::to_owned);
        from_lookup(&lookup).fields().into_iter().map(str::to_owned).collect()
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
