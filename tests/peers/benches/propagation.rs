//! What it costs to write a span's context into headers and to read it back, beside the propagators of OpenTelemetry's Rust
//! crates: `opentelemetry_sdk` and `opentelemetry-zipkin` 0.33, `opentelemetry-jaeger-propagator` 0.32.
//!
//! ```sh
//! cargo bench --manifest-path tests/peers/Cargo.toml --bench propagation
//! # Instructions: the difference of two counts, divided by the difference of the rounds.
//! valgrind --tool=callgrind PROGRAM --rounds 1000 extract_traceparent/slots/ours
//! ```
//!
//! Each runs with two carriers: `slots`, headers whose names and places are known and whose values are written over, so
//! that the propagator alone is measured; and `map`, a new `HashMap` for each request, as most programs have it.

#![expect(
    deprecated,
    reason = "OpenTelemetry gives up Jaeger's and Zipkin's headers, and has nothing else for them"
)]

use std::collections::HashMap;
use std::hint::black_box;

use criterion::Criterion;
use otel_core::propagation::{
    B3Propagator, Extractor, Injector, JaegerPropagator, Propagator, TraceContextPropagator,
};
use otel_core::{Baggage, SpanContext, SpanId, TraceFlags, TraceId};
use otel32::trace::TraceContextExt as _;
use otel33::trace::TraceContextExt as _;

fn main() {
    let mut cases = cases();
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, "--rounds", n_rounds, name] =
        arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let case = cases.iter_mut().find(|case| case.name == name).expect("a case of this name");
        for _ in 0..n_rounds.parse::<u32>().expect("a number of rounds") {
            (case.run)();
        }
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("propagation");
    for case in &mut cases {
        group.bench_function(&case.name, |b| b.iter(|| (case.run)()));
    }
    group.finish();
    criterion.final_summary();
}

/// One thing that is measured.
struct Case {
    name: String,
    run: Box<dyn FnMut()>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    ours(&mut cases, "traceparent", TraceContextPropagator::new());
    peer33(
        &mut cases,
        "traceparent",
        "opentelemetry_sdk",
        otel33_sdk::propagation::TraceContextPropagator::new(),
    );
    ours(&mut cases, "uber_trace_id", JaegerPropagator::new());
    peer32(
        &mut cases,
        "uber_trace_id",
        "opentelemetry-jaeger-propagator",
        otel32_jaeger::Propagator::new(),
    );
    ours(&mut cases, "b3_single", B3Propagator::single());
    let b3 = |encoding| otel33_zipkin::Propagator::with_encoding(encoding);
    let single = b3(otel33_zipkin::B3Encoding::SingleHeader);
    peer33(&mut cases, "b3_single", "opentelemetry-zipkin", single);
    ours(&mut cases, "b3_multi", B3Propagator::multi());
    let multi = b3(otel33_zipkin::B3Encoding::MultipleHeader);
    peer33(&mut cases, "b3_multi", "opentelemetry-zipkin", multi);
    cases
}

fn ours(cases: &mut Vec<Case>, header: &str, propagator: impl Propagator + Clone) {
    let context = SpanContext::new(
        TraceId::from_parts(TRACE_ID_HIGH, TRACE_ID_LOW),
        SpanId::new(SPAN_ID),
        TraceFlags::SAMPLED,
    );
    let nothing = Baggage::new();
    let mut slots = Slots::default();
    propagator.inject(&context, &nothing, &mut slots);
    let map: HashMap<String, String> = slots.pairs().collect();
    let read = slots.clone();
    push(cases, format!("inject_{header}/slots/ours"), {
        let (propagator, context) = (propagator.clone(), context.clone());
        move || propagator.inject(black_box(&context), &nothing, &mut slots)
    });
    push(cases, format!("inject_{header}/map/ours"), {
        let propagator = propagator.clone();
        move || {
            let mut map: HashMap<String, String> = HashMap::new();
            propagator.inject(black_box(&context), &Baggage::new(), &mut map);
            black_box(map);
        }
    });
    assert!(propagator.extract(&read).span_context.is_some(), "{header}");
    push(cases, format!("extract_{header}/slots/ours"), {
        let propagator = propagator.clone();
        move || {
            black_box(propagator.extract(black_box(&read)));
        }
    });
    push(cases, format!("extract_{header}/map/ours"), move || {
        black_box(propagator.extract(black_box(&map)));
    });
}

/// Measures a propagator of a version of OpenTelemetry's crates.
macro_rules! peer {
    ($name:ident, $otel:ident) => {
        fn $name(
            cases: &mut Vec<Case>,
            header: &str,
            peer: &str,
            propagator: impl $otel::propagation::TextMapPropagator + Clone + 'static,
        ) {
            let span_context = $otel::trace::SpanContext::new(
                $otel::trace::TraceId::from(
                    u128::from(TRACE_ID_HIGH) << 64 | u128::from(TRACE_ID_LOW),
                ),
                $otel::trace::SpanId::from(SPAN_ID),
                $otel::trace::TraceFlags::SAMPLED,
                false,
                $otel::trace::TraceState::default(),
            );
            let context = $otel::Context::new().with_remote_span_context(span_context);
            let mut slots = Slots::default();
            propagator.inject_context(&context, &mut slots);
            let map: HashMap<String, String> = slots.pairs().collect();
            let (read, nobody) = (slots.clone(), $otel::Context::new());
            push(cases, format!("inject_{header}/slots/{peer}"), {
                let (propagator, context) = (propagator.clone(), context.clone());
                move || propagator.inject_context(black_box(&context), &mut slots)
            });
            push(cases, format!("inject_{header}/map/{peer}"), {
                let propagator = propagator.clone();
                move || {
                    let mut map: HashMap<String, String> = HashMap::new();
                    propagator.inject_context(black_box(&context), &mut map);
                    black_box(map);
                }
            });
            let found = propagator.extract_with_context(&nobody, &read);
            assert!(found.span().span_context().is_valid(), "{header}");
            push(cases, format!("extract_{header}/slots/{peer}"), {
                let (propagator, nobody) = (propagator.clone(), nobody.clone());
                move || {
                    black_box(propagator.extract_with_context(&nobody, black_box(&read)));
                }
            });
            push(cases, format!("extract_{header}/map/{peer}"), move || {
                black_box(propagator.extract_with_context(&nobody, black_box(&map)));
            });
        }

        impl $otel::propagation::Injector for Slots {
            fn set(&mut self, key: &str, value: String) {
                Injector::set(self, key, &value);
            }
        }

        impl $otel::propagation::Extractor for Slots {
            fn get(&self, key: &str) -> Option<&str> {
                Extractor::get(self, key)
            }

            fn keys(&self) -> Vec<&str> {
                self.0.iter().map(|(key, _)| *key).collect()
            }
        }
    };
}

peer!(peer33, otel33);
peer!(peer32, otel32);

fn push(cases: &mut Vec<Case>, name: String, run: impl FnMut() + 'static) {
    cases.push(Case { name, run: Box::new(run) });
}

/// A few headers with places of their own, whose values are written over.
#[derive(Clone, Debug, Default)]
struct Slots(Vec<(&'static str, String)>);

impl Slots {
    fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().map(|(key, value)| ((*key).to_owned(), value.clone()))
    }
}

impl Injector for Slots {
    fn set(&mut self, key: &str, value: &str) {
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((key.to_owned().leak(), value.to_owned())),
        }
    }
}

impl Extractor for Slots {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
    }

    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.0.iter().for_each(|(key, value)| visit(key, value));
    }
}

const TRACE_ID_HIGH: u64 = 0x4bf9_2f35_77b3_4da6;
const TRACE_ID_LOW: u64 = 0xa3ce_929d_0e0e_4736;
const SPAN_ID: u64 = 0x00f0_67aa_0ba9_02b7;
