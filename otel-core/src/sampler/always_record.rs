//! Recording also what is not kept.

use super::{Sampler, SamplingDecision, SamplingInput, SamplingResult, ask};

/// Has every span recorded, so that processors see it, and leaves to another sampler which are kept: what that one drops is
/// recorded for processors alone.
///
/// A span that is recorded costs what a sampled one costs its caller. The sampler is asked for each span, also for those with
/// a parent in this process.
///
/// ```
/// use otel_core::TracerProvider;
/// use otel_core::sampler::{AlwaysOffSampler, AlwaysRecordSampler};
///
/// let sampler = AlwaysRecordSampler::new(AlwaysOffSampler);
/// let span = TracerProvider::builder().sampler(sampler).build().tracer("shop").start("work");
/// assert!(span.is_recording() && !span.context().is_sampled());
/// ```
///
/// Source: `open-telemetry/opentelemetry-specification:specification/trace/sdk.md`, AlwaysRecord.
#[derive(Debug)]
pub struct AlwaysRecordSampler {
    root: Box<dyn Sampler>,
}

impl AlwaysRecordSampler {
    /// Makes a sampler that asks `root` which spans are kept.
    pub fn new(root: impl Sampler) -> Self {
        Self { root: Box::new(root) }
    }
}

impl Sampler for AlwaysRecordSampler {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let mut result = ask(self.root.as_ref(), input);
        if result.decision == SamplingDecision::Drop {
            result.decision = SamplingDecision::RecordOnly;
        }
        result
    }

    fn description(&self) -> String {
        format!("AlwaysRecordSampler{{{}}}", self.root.description())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TraceId;
    use crate::sampler::{AlwaysOffSampler, AlwaysOnSampler};

    #[test]
    fn what_is_dropped_is_recorded_and_other_decisions_stay() {
        let decide = |sampler: &dyn Sampler| {
            sampler.should_sample(&SamplingInput::new(TraceId::from_parts(1, 1), "span")).decision
        };
        let record_only = AlwaysRecordSampler::new(AlwaysOffSampler);
        assert_eq!(decide(&record_only), SamplingDecision::RecordOnly);
        assert_eq!(record_only.description(), "AlwaysRecordSampler{AlwaysOffSampler}");
        assert_eq!(decide(&AlwaysRecordSampler::new(record_only)), SamplingDecision::RecordOnly);
        let sample = AlwaysRecordSampler::new(AlwaysOnSampler);
        assert_eq!(decide(&sample), SamplingDecision::RecordAndSample);
    }
}
