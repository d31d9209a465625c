//! What it costs to write a span's context and baggage into headers, and to read them back.
//!
//! ```sh
//! cargo bench -p otel-core --bench propagation
//! ```
//!
//! The carrier is a list of pairs that is written over again and again, so that an inject measures the propagator and a
//! look-up, and no allocation of the carrier's.

use std::hint::black_box;

use criterion::Criterion;
use otel_core::propagation::{
    B3Propagator, BaggagePropagator, JaegerPropagator, OtPropagator, Propagator,
    TraceContextPropagator,
};
use otel_core::{Baggage, SpanContext, SpanId, TraceFlags, TraceId};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let narrow = span_context(TraceId::from_parts(0, 0x5af7_183f_b1d4_cf5f));
    let wide = span_context(TraceId::from_parts(0x4bf9_2f35_77b3_4da6, 0xa3ce_929d_0e0e_4736));
    let nowhere = SpanContext::default();
    let nothing = Baggage::new();
    let baggage = Baggage::new().with("tenant", "acme gmbh").with("user", "4711");

    let jaeger = JaegerPropagator::new();
    bench(&mut criterion, "traceparent", &TraceContextPropagator::new(), &wide, &nothing);
    bench(&mut criterion, "uber_trace_id_64_bit", &jaeger, &narrow, &nothing);
    bench(&mut criterion, "uber_trace_id_128_bit", &jaeger, &wide, &nothing);
    bench(&mut criterion, "b3_single", &B3Propagator::single(), &wide, &nothing);
    bench(&mut criterion, "b3_multi", &B3Propagator::multi(), &wide, &nothing);
    bench(&mut criterion, "ot", &OtPropagator::new(), &narrow, &nothing);
    bench(&mut criterion, "baggage_2_entries", &BaggagePropagator::new(), &nowhere, &baggage);
    bench(&mut criterion, "uberctx_2_entries", &jaeger, &nowhere, &baggage);
    criterion.final_summary();
}

fn bench(
    criterion: &mut Criterion,
    name: &str,
    propagator: &dyn Propagator,
    span_context: &SpanContext,
    baggage: &Baggage,
) {
    let mut group = criterion.benchmark_group("propagation");
    let mut headers: Vec<(String, String)> = Vec::new();
    group.bench_function(format!("inject_{name}"), |b| {
        b.iter(|| propagator.inject(black_box(span_context), black_box(baggage), &mut headers));
    });
    // Written once more: the bench above may have been filtered out.
    propagator.inject(span_context, baggage, &mut headers);
    let extracted = propagator.extract(&headers);
    assert_eq!(extracted.span_context.is_some(), span_context.is_valid(), "{name}");
    assert_eq!(extracted.baggage.len(), baggage.len(), "{name}");
    group.bench_function(format!("extract_{name}"), |b| {
        b.iter(|| propagator.extract(black_box(&headers)));
    });
    group.finish();
}

fn span_context(trace_id: TraceId) -> SpanContext {
    SpanContext::new(trace_id, SpanId::new(0x00f0_67aa_0ba9_02b7), TraceFlags::SAMPLED)
}
