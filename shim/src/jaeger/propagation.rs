//! Which headers a tracer of the Jaeger clients' configuration speaks.

use otel_core::propagation::{
    B3Propagator, BaggagePropagator, CompositePropagator, JaegerMode, JaegerPropagator,
    TraceContextPropagator,
};

use crate::propagation::Formats;

/// A format of headers, as the Jaeger clients name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Propagation {
    /// `jaeger`: `uber-trace-id` and `uberctx-…`.
    Jaeger,
    /// `b3`: Zipkin's `x-b3-…`, and `b3` where that comes in. It has no baggage.
    B3,
    /// `w3c`: `traceparent`, `tracestate` and `baggage`.
    W3c,
}

impl Propagation {
    /// Reads a list with commas between the names, whatever their case; `None` where one is unknown, or there is none.
    pub(super) fn parse_list(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(|name| Self::parse(name.trim())).collect()
    }

    fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "jaeger" => Some(Self::Jaeger),
            "b3" => Some(Self::B3),
            "w3c" => Some(Self::W3c),
            _ => None,
        }
    }

    /// Makes what writes all formats of a list, and reads the first one that is there.
    pub(super) fn formats(list: &[Self]) -> Formats {
        let of_mode = |mode| {
            list.iter().fold(CompositePropagator::first_found(), |composite, format| match format {
                Self::Jaeger => composite.propagator(JaegerPropagator::new().mode(mode)),
                Self::B3 => composite.propagator(B3Propagator::multi()),
                Self::W3c => composite
                    .propagator(TraceContextPropagator::new())
                    .propagator(BaggagePropagator::new()),
            })
        };
        Formats::new(of_mode(JaegerMode::TextMap), of_mode(JaegerMode::HttpHeaders))
    }
}

pub(super) const ALLOWED: &str = "jaeger, b3 and w3c, one or several with commas between them";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use opentracing_api::{Extract, Inject, SpanContext};

    use super::*;

    fn injected(list: &[Propagation]) -> BTreeMap<String, String> {
        let context =
            SpanContext::new(0xab, 0xcd, SpanContext::SAMPLED).with_baggage_item("k", "v");
        let mut headers = BTreeMap::new();
        Propagation::formats(list).inject(&context, Inject::HttpHeaders(&mut headers)).unwrap();
        headers
    }

    #[test]
    fn a_list_is_names_with_commas_between_them() {
        use Propagation::{B3, Jaeger, W3c};
        for (text, expected) in [
            ("jaeger", Some(vec![Jaeger])),
            ("b3", Some(vec![B3])),
            ("W3C, b3 ,jaeger", Some(vec![W3c, B3, Jaeger])),
            ("", None),
            ("jaeger,", None),
            ("jaeger b3", None),
            ("jaeger,zipkin", None),
        ] {
            assert_eq!(Propagation::parse_list(text), expected, "text {text:?}");
        }
    }

    #[test]
    fn all_formats_of_a_list_are_written() {
        for (list, expected) in [
            (&[Propagation::Jaeger][..], &["uber-trace-id", "uberctx-k"][..]),
            (&[Propagation::B3], &["x-b3-sampled", "x-b3-spanid", "x-b3-traceid"]),
            (&[Propagation::W3c], &["baggage", "traceparent"]),
            (
                &[Propagation::W3c, Propagation::Jaeger],
                &["baggage", "traceparent", "uber-trace-id", "uberctx-k"],
            ),
        ] {
            let headers = injected(list);
            assert_eq!(headers.keys().collect::<Vec<_>>(), expected, "{list:?}");
        }
    }

    #[test]
    fn of_several_formats_the_first_that_is_there_is_read() {
        let formats = Propagation::formats(&[Propagation::B3, Propagation::Jaeger]);
        let read = |headers: &[(&str, &str)]| {
            let headers: BTreeMap<String, String> =
                headers.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
            formats.extract(Extract::HttpHeaders(&headers)).unwrap().map(|found| found.trace_id())
        };
        let (b3, jaeger) =
            (("b3", "00000000000000ab-00000000000000cd-1"), ("uber-trace-id", "ef:1:0:1"));
        assert_eq!(read(&[b3, jaeger]), Some(0xab));
        assert_eq!(read(&[jaeger]), Some(0xef));
        assert_eq!(read(&[("b3", "what"), jaeger]), Some(0xef));
        assert_eq!(
            read(&[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]),
            None
        );
    }
}
