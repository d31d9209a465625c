//! The environment of a child process as a carrier.

use std::collections::BTreeMap;

use super::{Extractor, Injector};

/// Environment variables as a carrier: a context for a program that this one starts, as `TRACEPARENT`.
///
/// Keys become names of variables: in upper case, everything but letters, digits and `_` as `_`, and with a `_` in front
/// of a digit. Values stay as they are. Only variables whose names have this form are read; so the formats that spread
/// baggage over a header for each name lose it here, and W3C's keeps it. What a variable cannot hold, a NUL or an empty
/// name, is not written.
///
/// ```
/// use std::process::Command;
///
/// use otel_core::propagation::{EnvironmentCarrier, Propagator, TraceContextPropagator};
/// use otel_core::{Baggage, SpanContext, SpanId, TraceFlags, TraceId};
///
/// let call = SpanContext::new(TraceId::from_parts(0, 1), SpanId::new(2), TraceFlags::SAMPLED);
/// let mut variables = EnvironmentCarrier::new();
/// TraceContextPropagator::new().inject(&call, &Baggage::new(), &mut variables);
/// let mut command = Command::new("some-program");
/// command.envs(variables.iter());
/// # assert_eq!(variables.iter().next().unwrap().0, "TRACEPARENT");
///
/// // And in the program that was started:
/// let caller = TraceContextPropagator::new().extract(&EnvironmentCarrier::of_process());
/// ```
///
/// Source: `open-telemetry/opentelemetry-specification:specification/context/env-carriers.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentCarrier {
    /// Sorted by name.
    variables: Vec<(String, String)>,
}

impl EnvironmentCarrier {
    /// Makes a carrier without variables, to be written.
    pub const fn new() -> Self {
        Self { variables: Vec::new() }
    }

    /// Copies the variables of this process; those that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let texts = |(name, value): (std::ffi::OsString, std::ffi::OsString)| match (
            name.into_string(),
            value.into_string(),
        ) {
            (Ok(name), Ok(value)) => Some((name, value)),
            _ => None,
        };
        std::env::vars_os().filter_map(texts).collect()
    }

    /// Visits names and values, sorted by name: what [`Command::envs`](std::process::Command::envs) takes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.variables.binary_search_by(|(name, _)| name.bytes().cmp(name_of(key)))
    }
}

impl FromIterator<(String, String)> for EnvironmentCarrier {
    /// Takes the variables whose names have the form of a carrier's; of a repeated name the last value stays.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        let variables: BTreeMap<String, String> =
            variables.into_iter().filter(|(name, _)| is_name(name)).collect();
        Self { variables: variables.into_iter().collect() }
    }
}

impl Injector for EnvironmentCarrier {
    fn set(&mut self, key: &str, value: &str) {
        if key.is_empty() || value.contains('\0') {
            return;
        }
        match self.find(key) {
            Ok(place) => value.clone_into(&mut self.variables[place].1),
            Err(place) => {
                let name = name_of(key).map(char::from).collect();
                self.variables.insert(place, (name, value.to_owned()));
            }
        }
    }
}

impl Extractor for EnvironmentCarrier {
    fn get(&self, key: &str) -> Option<&str> {
        self.find(key).ok().map(|place| self.variables[place].1.as_str())
    }

    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.iter().for_each(|(name, value)| visit(name, value));
    }
}

/// Returns the name of a key's variable, byte by byte.
fn name_of(key: &str) -> impl Iterator<Item = u8> {
    let digit_guard = key.starts_with(|first: char| first.is_ascii_digit()).then_some(b'_');
    let byte_of = |char: char| match char {
        'a'..='z' | 'A'..='Z' | '0'..='9' => char.to_ascii_uppercase() as u8,
        _ => b'_',
    };
    digit_guard.into_iter().chain(key.chars().map(byte_of))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && is_variable_of(name, name)
}

/// Tells whether a variable of this name holds the value of `key`.
pub(super) fn is_variable_of(name: &str, key: &str) -> bool {
    name.bytes().eq(name_of(key))
}

#[cfg(test)]
mod tests {
    use super::super::testing::span_context;
    use super::super::{
        B3Propagator, BaggagePropagator, CompositePropagator, JaegerMode, JaegerPropagator,
        OtPropagator, Propagator, TraceContextPropagator,
    };
    use super::*;
    use crate::baggage::Baggage;
    use crate::span_context::TraceFlags;

    fn carrier(variables: &[(&str, &str)]) -> EnvironmentCarrier {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keys_become_names_of_variables() {
        for (key, expected) in [
            ("traceparent", "TRACEPARENT"),
            ("x-b3-traceid", "X_B3_TRACEID"),
            ("uberctx-größe", "UBERCTX_GR__E"),
            ("a.b c=d", "A_B_C_D"),
            ("0day", "_0DAY"),
            ("_x", "_X"),
        ] {
            let mut variables = EnvironmentCarrier::new();
            variables.set(key, "first");
            variables.set(key, "second");
            assert_eq!(variables.iter().collect::<Vec<_>>(), [(expected, "second")]);
            assert_eq!(variables.get(key), Some("second"), "key {key:?}");
        }
    }

    #[test]
    fn what_no_variable_can_hold_is_not_written() {
        let mut variables = EnvironmentCarrier::new();
        variables.set("", "1");
        variables.set("a", "1\0");
        assert_eq!(variables, EnvironmentCarrier::new());
        // A child takes it, whatever the values are.
        variables.set("a", "größe = \n\"1\"");
        assert_eq!(variables.get("a"), Some("größe = \n\"1\""));
    }

    #[test]
    fn only_variables_with_the_name_of_a_key_are_read() {
        let variables = [
            ("traceparent", "lower"),
            ("TraceParent", "mixed"),
            ("TRACE-PARENT", "dash"),
            ("0DAY", "digit"),
            ("", "nameless"),
            ("PATH", "/bin"),
            ("TRACESTATE", "first"),
            ("TRACESTATE", "last"),
        ];
        let carrier = carrier(&variables);
        assert_eq!(carrier.get("traceparent"), None);
        assert_eq!(carrier.get("0day"), None);
        let mut read = Vec::new();
        carrier.for_each(&mut |name, value| read.push((name, value)));
        assert_eq!(read, [("PATH", "/bin"), ("TRACESTATE", "last")]);
    }

    #[test]
    fn a_context_reaches_a_child_through_its_environment() {
        let propagator = CompositePropagator::new()
            .propagator(TraceContextPropagator::new())
            .propagator(BaggagePropagator::new());
        let (context, baggage) =
            (span_context(7, TraceFlags::SAMPLED), Baggage::new().with("a", "b c"));
        let mut variables = carrier(&[("PATH", "/bin"), ("TRACEPARENT", "of our own caller")]);
        propagator.inject(&context, &baggage, &mut variables);
        assert_eq!(
            variables.iter().collect::<Vec<_>>(),
            [
                ("BAGGAGE", "a=b%20c"),
                ("PATH", "/bin"),
                ("TRACEPARENT", "00-00000000000000000000000000000007-000000000000000b-01"),
            ]
        );
        let found = propagator.extract(&variables);
        assert_eq!((found.span_context, found.baggage), (Some(context), baggage));
    }

    #[test]
    fn every_format_finds_its_trace_in_the_environment_again() {
        let jaeger = JaegerPropagator::new();
        let propagators: [Box<dyn Propagator>; 7] = [
            Box::new(TraceContextPropagator::new()),
            Box::new(B3Propagator::single()),
            Box::new(B3Propagator::multi()),
            Box::new(OtPropagator::new()),
            Box::new(jaeger.clone()),
            Box::new(jaeger.clone().mode(JaegerMode::TextMap)),
            Box::new(jaeger.clone().trace_context_header("0größe")),
        ];
        let context = span_context(7, TraceFlags::SAMPLED);
        for propagator in propagators {
            let mut variables = carrier(&[("PATH", "/bin"), ("X", "1"), ("_", "2")]);
            propagator.inject(&context, &Baggage::new(), &mut variables);
            let found = propagator.extract(&variables);
            assert_eq!(
                found.span_context.as_ref(),
                Some(&context),
                "{propagator:?}: {variables:?}"
            );
        }
        let by_hand = carrier(&[("JAEGER_DEBUG_ID", "find me"), ("JAEGER_BAGGAGE", "a=1")]);
        let found = jaeger.extract(&by_hand);
        assert_eq!(
            (found.debug_id.as_deref(), found.baggage.get("a")),
            (Some("find me"), Some("1"))
        );
    }

    #[test]
    fn the_environment_of_the_process_can_be_read() {
        let of_process = EnvironmentCarrier::of_process();
        let is_expected = |(name, value): (&str, &str)| std::env::var(name).as_deref() == Ok(value);
        assert!(of_process.iter().all(is_expected), "{of_process:?}");
        assert_eq!(of_process.get("path").is_some(), std::env::var("PATH").is_ok());
    }
}
