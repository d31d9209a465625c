//! How much a span may hold, from the environment.

use super::{Configuration, Environment, Source, Variable, parse};
use crate::span::SpanLimits;

/// Reads the limits. Those of spans have general ones behind them.
pub(super) fn read(environment: &mut Environment) -> SpanLimits {
    let defaults = SpanLimits::default();
    let mut count = |variables: &[&Variable], default| {
        environment.read_first(variables, parse::count).unwrap_or(default)
    };
    let limits = defaults
        .attributes(count(&[&SPAN_ATTRIBUTE_COUNT, &ATTRIBUTE_COUNT], defaults.attributes))
        .value_length(count(&[&SPAN_VALUE_LENGTH, &VALUE_LENGTH], defaults.value_chars))
        .events(count(&[&EVENT_COUNT], defaults.events))
        .links(count(&[&LINK_COUNT], defaults.links))
        .attributes_per_event(count(&[&EVENT_ATTRIBUTE_COUNT], defaults.attributes_per_event))
        .attributes_per_link(count(&[&LINK_ATTRIBUTE_COUNT], defaults.attributes_per_link));
    // What is more than a record can hold counts as that.
    for (name, value) in rows(&limits) {
        environment.configuration_mut().correct(name, value);
    }
    limits
}

impl Configuration {
    /// Says which limits hold.
    pub(crate) fn set_limits(&mut self, limits: &SpanLimits) {
        for (name, value) in rows(limits) {
            self.set(name, value, Source::Code);
        }
    }

    /// Says which limits hold where nobody has said anything yet.
    pub(crate) fn set_default_limits(&mut self, limits: &SpanLimits) {
        for (name, value) in rows(limits) {
            self.set_default(name, value);
        }
    }
}

fn rows(limits: &SpanLimits) -> [(&'static str, String); 6] {
    let value_length = Some(limits.value_chars).filter(|value_chars| *value_chars != usize::MAX);
    [
        (SPAN_ATTRIBUTE_COUNT.name(), limits.attributes.to_string()),
        (SPAN_VALUE_LENGTH.name(), value_length.map_or_else(String::new, |n| n.to_string())),
        (EVENT_COUNT.name(), limits.events.to_string()),
        (LINK_COUNT.name(), limits.links.to_string()),
        (EVENT_ATTRIBUTE_COUNT.name(), limits.attributes_per_event.to_string()),
        (LINK_ATTRIBUTE_COUNT.name(), limits.attributes_per_link.to_string()),
    ]
}

const SPAN_ATTRIBUTE_COUNT: Variable = count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT");
const ATTRIBUTE_COUNT: Variable = count("OTEL_ATTRIBUTE_COUNT_LIMIT");
const EVENT_COUNT: Variable = count("OTEL_SPAN_EVENT_COUNT_LIMIT");
const LINK_COUNT: Variable = count("OTEL_SPAN_LINK_COUNT_LIMIT");
const EVENT_ATTRIBUTE_COUNT: Variable = count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT");
const LINK_ATTRIBUTE_COUNT: Variable = count("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT");
const SPAN_VALUE_LENGTH: Variable = length("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT");
const VALUE_LENGTH: Variable = length("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT");

const fn count(name: &'static str) -> Variable {
    Variable::new(name, "128", "a whole number, zero too")
}

const fn length(name: &'static str) -> Variable {
    Variable::new(name, "", "a whole number of characters, zero too")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(pairs: &[(&str, &str)]) -> SpanLimits {
        read(&mut Environment::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn each_limit_has_its_variable() {
        let defaults = SpanLimits::default();
        for (name, expected) in [
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", defaults.attributes(7)),
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", defaults.attributes(7)),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", defaults.events(7)),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", defaults.links(7)),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", defaults.attributes_per_event(7)),
            ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", defaults.attributes_per_link(7)),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", defaults.value_length(7)),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", defaults.value_length(7)),
        ] {
            assert_ne!(expected, defaults);
            assert_eq!(read_of(&[(name, "7")]), expected, "{name}");
            for value in ["", " ", "-1", "many", "99999999999999999999", "1.5"] {
                assert_eq!(read_of(&[(name, value)]), defaults, "{name} {value:?}");
            }
        }
        assert_eq!(read_of(&[]), defaults);
    }

    #[test]
    fn zero_is_a_limit_and_what_a_record_cannot_hold_is_none() {
        for (name, of) in [
            (
                "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
                SpanLimits::attributes as fn(SpanLimits, usize) -> _,
            ),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", SpanLimits::events),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", SpanLimits::links),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", SpanLimits::value_length),
        ] {
            assert_eq!(read_of(&[(name, "0")]), of(SpanLimits::default(), 0), "{name}");
        }
        let mut environment =
            Environment::from_pairs([("OTEL_SPAN_EVENT_COUNT_LIMIT", "2147483647")]);
        assert_eq!(read(&mut environment).events, 65_535);
        let setting = environment.configuration().get("OTEL_SPAN_EVENT_COUNT_LIMIT").unwrap();
        assert_eq!(setting.value, "65535");
        assert_eq!(environment.configuration().problems(), []);
    }

    #[test]
    fn what_is_said_of_spans_beats_what_is_said_in_general() {
        for (specific, general, expected) in [
            ("3", "9", 3),
            ("0", "9", 0),
            ("9", "3", 9),
            ("", "9", 9),
            ("none", "9", 9),
            ("none", "none", 128),
        ] {
            let limits = read_of(&[
                ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", specific),
                ("OTEL_ATTRIBUTE_COUNT_LIMIT", general),
            ]);
            assert_eq!(limits.attributes, expected, "{specific:?} over {general:?}");
        }
        let limits = read_of(&[
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "9"),
        ]);
        assert_eq!(limits.value_chars, 0);
    }
}
