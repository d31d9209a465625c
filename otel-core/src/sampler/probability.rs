//! Sampling by randomness that a whole trace shares, with the probability written down for whoever comes later.

use std::sync::atomic::{AtomicBool, Ordering};

use super::ot_entry::OtEntry;
use super::{Sampler, SamplingInput, SamplingRate, SamplingResult};
use crate::diagnostics;

/// Keeps a fixed share of traces by OpenTelemetry's consistent probability sampling, the successor of
/// [`TraceIdRatioSampler`](super::TraceIdRatioSampler); the parent's decision is not asked for.
///
/// A trace has 56 random bits: those in its trace state (`ot=rv:…`), or the last seven bytes of its id. It is kept where they are
/// not below a threshold, which goes into the trace state (`ot=th:…`) of what is kept, so that later samplers and a backend
/// that counts know how likely that was. The rate is kept to four hexadecimal digits of the threshold, and more where it is
/// small. The randomness is never written, and what else stands in the trace state stays.
///
/// ```
/// use otel_core::TracerProvider;
/// use otel_core::sampler::{ParentBasedSampler, ProbabilitySampler, SamplingRate};
///
/// let sampler = ProbabilitySampler::new(SamplingRate::ALL);
/// let provider = TracerProvider::builder().sampler(ParentBasedSampler::new(sampler)).build();
/// let span = provider.tracer("shop").start("work");
/// assert_eq!(span.context().trace_state().to_string(), "ot=th:0");
/// ```
///
/// Source: `open-telemetry/opentelemetry-specification:specification/trace/tracestate-probability-sampling.md`.
#[derive(Debug)]
pub struct ProbabilitySampler {
    rate: SamplingRate,
    /// `None` where the rate is too small for 56 bits, which is never.
    threshold: Option<u64>,
    has_warned: AtomicBool,
}

impl ProbabilitySampler {
    /// Makes a sampler that keeps `rate` of all traces.
    pub fn new(rate: SamplingRate) -> Self {
        Self { rate, threshold: threshold_of(rate), has_warned: AtomicBool::new(false) }
    }

    fn randomness_of(&self, input: &SamplingInput<'_>, entry: OtEntry<'_>) -> u64 {
        if let Some(randomness) = entry.randomness() {
            return randomness;
        }
        let is_doubtful = input.parent.is_some_and(|parent| !parent.flags().is_random());
        // Relaxed: a flag that guards no other memory; a second line would do no harm.
        if is_doubtful && !self.has_warned.swap(true, Ordering::Relaxed) {
            diagnostics::warn(
                "sampler.randomness",
                format_args!(
                    "a trace came without the flag that its id is random: it is sampled as if it were, and others may decide otherwise"
                ),
            );
        }
        input.trace_id.low() & MAX_RANDOMNESS
    }
}

impl Sampler for ProbabilitySampler {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let trace_state = input.trace_state();
        let entry = OtEntry::of(trace_state);
        let randomness = self.randomness_of(input, entry);
        let threshold = self.threshold.filter(|threshold| randomness >= *threshold);
        let result = match threshold {
            Some(_) => SamplingResult::record_and_sample(),
            None => SamplingResult::drop(),
        };
        let parts = threshold.and_then(|threshold| entry.with_threshold(threshold));
        match parts {
            Some(parts) => result.with_trace_state(OtEntry::put(trace_state, &parts)),
            // Another sampler's threshold would say of this span what is not so.
            None if entry.has_threshold() => {
                result.with_trace_state(OtEntry::put(trace_state, &entry.without_threshold()))
            }
            None => result,
        }
    }

    fn description(&self) -> String {
        format!("ProbabilitySampler{{{:.6}}}", self.rate.as_f64())
    }
}

/// Returns below which randomness traces are dropped.
fn threshold_of(rate: SamplingRate) -> Option<u64> {
    // Exact for all that matters: a product with a power of two, and an integer below 2^53 or a rate near one.
    let n_kept = (rate.as_f64() * N_RANDOM as f64).round() as u64;
    if n_kept == 0 {
        return None;
    }
    let exact = N_RANDOM - n_kept;
    // Small rates have thresholds that begin with many digits f, which say nothing: they do not count as precision.
    let n_leading_f = ((exact << 8).leading_ones() / 4).min(N_DIGITS);
    let n_digits = (n_leading_f + PRECISION_DIGITS).min(N_DIGITS);
    let step = 1_u64 << (4 * (N_DIGITS - n_digits));
    let rounded = (exact + step / 2) / step * step;
    Some(rounded.min(N_RANDOM - step))
}

/// How many values 56 bits have.
const N_RANDOM: u64 = 1 << 56;
const MAX_RANDOMNESS: u64 = N_RANDOM - 1;
const N_DIGITS: u32 = 14;
const PRECISION_DIGITS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SpanId, TraceId};
    use crate::sampler::SamplingDecision::{Drop, RecordAndSample};
    use crate::span_context::{SpanContext, TraceFlags};
    use crate::trace_state::TraceState;

    fn sampler(rate: f64) -> ProbabilitySampler {
        ProbabilitySampler::new(SamplingRate::new(rate).unwrap())
    }

    fn parent(trace_state: &str) -> SpanContext {
        let flags = TraceFlags::SAMPLED | TraceFlags::RANDOM;
        SpanContext::new(TraceId::from_parts(7, 0xAB00_0000_0000_0000), SpanId::new(1), flags)
            .with_trace_state(TraceState::parse(trace_state).unwrap())
    }

    fn decide(sampler: &ProbabilitySampler, parent: &SpanContext) -> SamplingResult {
        let mut input = SamplingInput::new(parent.trace_id(), "span");
        input.parent = Some(parent);
        sampler.should_sample(&input)
    }

    fn new_trace_state(sampler: &ProbabilitySampler, parent: &SpanContext) -> Option<String> {
        decide(sampler, parent).trace_state.map(|state| state.to_string())
    }

    #[test]
    fn the_threshold_is_written_as_opentelemetry_computes_it() {
        for (rate, expected) in [
            (1.0, "0"),
            (0.5, "8"),
            (1.0 / 3.0, "aaab"),
            (0.25, "c"),
            (0.2, "cccd"),
            (0.125, "e"),
            (0.1, "e666"),
            (0.0625, "f"),
            (0.01, "fd70a"),
            (0.001, "ffbe77"),
            (0.0001, "fff9724"),
            (0.00001, "ffff583a"),
            (0.000001, "ffffef39"),
            (f64::from_bits((1023 - 56) << 52), "ffffffffffffff"), // 2^-56, the least there is
            (0.999_999_99, "0"),
        ] {
            let threshold = sampler(rate).threshold.unwrap();
            let digits = format!("{threshold:014x}");
            let digits = digits.trim_end_matches('0');
            assert_eq!(if digits.is_empty() { "0" } else { digits }, expected, "rate {rate}");
        }
        assert_eq!(sampler(0.0).threshold, None);
        assert_eq!(sampler(f64::MIN_POSITIVE).threshold, None);
    }

    #[test]
    fn the_last_seven_bytes_of_the_trace_id_decide() {
        let half = sampler(0.5);
        for (low, expected) in [
            (0x0080_0000_0000_0000, RecordAndSample),
            (0x007F_FFFF_FFFF_FFFF, Drop),
            (0xFF7F_FFFF_FFFF_FFFF, Drop),
            (0x00FF_FFFF_FFFF_FFFF, RecordAndSample),
        ] {
            let trace_id = TraceId::from_parts(u64::MAX, low);
            let result = half.should_sample(&SamplingInput::new(trace_id, "span"));
            assert_eq!(result.decision, expected, "low {low:x}");
            let is_kept = expected == RecordAndSample;
            assert_eq!(
                result.trace_state.map(|state| state.to_string()),
                is_kept.then(|| "ot=th:8".to_owned())
            );
        }
        let every = SamplingInput::new(TraceId::from_parts(0, 0), "span");
        assert_eq!(sampler(1.0).should_sample(&every).decision, RecordAndSample);
        let last = SamplingInput::new(TraceId::from_parts(0, u64::MAX), "span");
        assert_eq!(sampler(0.0).should_sample(&last).decision, Drop);
    }

    #[test]
    fn randomness_in_the_trace_state_comes_before_the_trace_id_and_is_never_changed() {
        let half = sampler(0.5);
        let kept = parent("foo=1,ot=a:b;rv:80000000000000;th:c,bar=2");
        assert_eq!(
            new_trace_state(&half, &kept).as_deref(),
            Some("ot=th:8;a:b;rv:80000000000000,foo=1,bar=2")
        );
        let dropped = parent("foo=1,ot=a:b;rv:7fffffffffffff;th:c,bar=2");
        assert_eq!(decide(&half, &dropped).decision, Drop);
        assert_eq!(
            new_trace_state(&half, &dropped).as_deref(),
            Some("ot=a:b;rv:7fffffffffffff,foo=1,bar=2"),
            "what is dropped has no threshold"
        );
        assert_eq!(new_trace_state(&half, &parent("ot=th:0,foo=1")).as_deref(), Some("foo=1"));
        assert_eq!(decide(&half, &parent("foo=1")).trace_state, None, "nothing to change");
        // Half a randomness is none.
        assert_eq!(decide(&half, &parent("ot=rv:ff")).decision, Drop);
    }

    #[test]
    fn a_threshold_that_finds_no_room_is_left_out() {
        let long = format!("ot=rv:ffffffffffffff;th:c;a:{}", "x".repeat(230));
        let sampler = sampler(1.0 / 3.0);
        let result = decide(&sampler, &parent(&long));
        assert_eq!(result.decision, RecordAndSample);
        let expected = format!("ot=rv:ffffffffffffff;a:{}", "x".repeat(230));
        assert_eq!(result.trace_state.unwrap().to_string(), expected);
    }

    #[test]
    fn a_higher_rate_keeps_all_that_a_lower_one_keeps() {
        let rates = [0.0, 1e-9, 0.001, 0.1, 0.5, 0.9, 1.0].map(sampler);
        for n in 0..1000_u64 {
            let low = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let input = SamplingInput::new(TraceId::from_parts(0, low), "span");
            let is_kept = rates
                .each_ref()
                .map(|sampler| sampler.should_sample(&input).decision == RecordAndSample);
            assert!(is_kept.is_sorted(), "low {low:x}: {is_kept:?}");
        }
    }
}
