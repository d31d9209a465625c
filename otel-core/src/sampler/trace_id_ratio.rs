//! Sampling by the trace id: all services of a trace agree without talking.

use super::{Sampler, SamplingInput, SamplingRate, SamplingResult};

/// Keeps a fixed share of traces, as their ids say; the parent is not asked.
///
/// What a lower rate keeps, a higher one keeps as well. The decision is that of OpenTelemetry's Go and Rust libraries, for any
/// id of theirs; those of other languages compute it in other ways. Usually it is the root of a
/// [`ParentBasedSampler`](super::ParentBasedSampler), so that a trace is kept as a whole.
///
/// ```
/// use otel_core::TracerProvider;
/// use otel_core::sampler::{ParentBasedSampler, SamplingRate, TraceIdRatioSampler};
///
/// let rate = SamplingRate::new(0.01).ok_or("a rate is a number from 0 to 1")?;
/// let provider = TracerProvider::builder()
///     .sampler(ParentBasedSampler::new(TraceIdRatioSampler::new(rate)))
///     .build();
/// # Ok::<(), &str>(())
/// ```
///
/// Source: `open-telemetry/opentelemetry-go:sdk/trace/sampling.go`, `TraceIDRatioBased`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceIdRatioSampler {
    rate: SamplingRate,
    /// Traces below are kept.
    boundary: u64,
}

impl TraceIdRatioSampler {
    /// Makes a sampler that keeps `rate` of all traces.
    pub fn new(rate: SamplingRate) -> Self {
        Self { rate, boundary: (rate.as_f64() * MAX_BOUNDARY) as u64 }
    }
}

impl Sampler for TraceIdRatioSampler {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        if input.trace_id.low() >> 1 < self.boundary {
            SamplingResult::record_and_sample()
        } else {
            SamplingResult::drop()
        }
    }

    fn description(&self) -> String {
        format!("TraceIdRatioBased{{{:.6}}}", self.rate.as_f64())
    }
}

/// Two to the power of 63: no trace id reaches it once its lowest bit is gone.
const MAX_BOUNDARY: f64 = (1_u64 << 63) as f64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SpanId, TraceId};
    use crate::sampler::SamplingDecision::{Drop, RecordAndSample};
    use crate::span_context::{SpanContext, TraceFlags};

    fn sampler(rate: f64) -> TraceIdRatioSampler {
        TraceIdRatioSampler::new(SamplingRate::new(rate).unwrap())
    }

    fn is_kept(sampler: &TraceIdRatioSampler, high: u64, low: u64) -> bool {
        let input = SamplingInput::new(TraceId::from_parts(high, low), "span");
        sampler.should_sample(&input).decision == RecordAndSample
    }

    /// Low halves all over the range, and its borders.
    fn low_halves() -> impl Iterator<Item = u64> {
        let spread = (0..1000_u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        spread.chain([0, 1, u64::MAX - 1, u64::MAX, 1 << 63, (1 << 63) - 1])
    }

    #[test]
    fn the_low_half_decides_as_in_the_go_and_rust_libraries() {
        let half = sampler(0.5);
        for (low, expected) in
            [(0, true), ((1 << 63) - 1, true), (1 << 63, false), (u64::MAX, false)]
        {
            assert_eq!(is_kept(&half, u64::MAX, low), expected, "low {low:x}");
        }
        // A quarter of 2^63, doubled again by the bit that is not looked at.
        let quarter = sampler(0.25);
        assert!(is_kept(&quarter, 0, (1 << 62) - 1) && !is_kept(&quarter, 0, 1 << 62));
    }

    #[test]
    fn all_keeps_every_trace_and_none_keeps_no_trace() {
        for low in low_halves() {
            assert!(is_kept(&sampler(1.0), 0, low), "low {low:x}");
            assert!(!is_kept(&sampler(0.0), 0, low), "low {low:x}");
        }
    }

    #[test]
    fn a_higher_rate_keeps_all_that_a_lower_one_keeps_and_about_its_share() {
        let rates = [0.0, 0.001, 0.1, 0.25, 0.3, 0.999, 1.0];
        for pair in rates.windows(2) {
            let (lower, higher) = (sampler(pair[0]), sampler(pair[1]));
            assert!(low_halves().all(|low| !is_kept(&lower, 0, low) || is_kept(&higher, 0, low)));
        }
        let n_kept = low_halves().filter(|low| is_kept(&sampler(0.3), 0, *low)).count();
        assert!((290..=310).contains(&n_kept), "{n_kept} of a thousand");
    }

    #[test]
    fn the_parent_is_not_asked() {
        let parent = |flags| SpanContext::new(TraceId::from_parts(0, 1), SpanId::new(1), flags);
        let decide = |rate, parent: &SpanContext| {
            let mut input = SamplingInput::new(parent.trace_id(), "span");
            input.parent = Some(parent);
            sampler(rate).should_sample(&input).decision
        };
        assert_eq!(decide(1.0, &parent(TraceFlags::NONE)), RecordAndSample);
        assert_eq!(decide(0.0, &parent(TraceFlags::SAMPLED)), Drop);
        assert!(!sampler(0.5).local_children_follow());
    }

    #[test]
    fn the_description_has_six_digits() {
        assert_eq!(sampler(0.0001).description(), "TraceIdRatioBased{0.000100}");
        assert_eq!(sampler(1.0).description(), "TraceIdRatioBased{1.000000}");
    }
}
