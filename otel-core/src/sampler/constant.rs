//! Samplers that have made up their mind.

use std::sync::Arc;

use super::{Sampler, SamplingInput, SamplingResult};
use crate::attribute::KeyValue;

/// Keeps every span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlwaysOnSampler;

impl Sampler for AlwaysOnSampler {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::record_and_sample()
    }

    fn description(&self) -> String {
        "AlwaysOnSampler".to_owned()
    }
}

/// Keeps no span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlwaysOffSampler;

impl Sampler for AlwaysOffSampler {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::drop()
    }

    fn description(&self) -> String {
        "AlwaysOffSampler".to_owned()
    }
}

/// The Jaeger clients' `const` sampler: all or nothing, with `sampler.type` and `sampler.param` on what it keeps.
///
/// Source: `jaeger-client-go:sampler.go`, `ConstSampler`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstSampler {
    is_on: bool,
    attributes: Arc<[KeyValue]>,
}

impl ConstSampler {
    /// Makes a sampler that keeps everything or nothing.
    pub fn new(is_on: bool) -> Self {
        let attributes =
            [KeyValue::new("sampler.type", "const"), KeyValue::new("sampler.param", is_on)];
        Self { is_on, attributes: Arc::new(attributes) }
    }
}

impl Sampler for ConstSampler {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        if self.is_on {
            SamplingResult::record_and_sample().with_attributes(Arc::clone(&self.attributes))
        } else {
            SamplingResult::drop()
        }
    }

    fn description(&self) -> String {
        format!("ConstSampler{{{}}}", self.is_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TraceId;
    use crate::sampler::SamplingDecision::{Drop, RecordAndSample};

    #[test]
    fn each_keeps_everything_or_nothing_and_says_who_it_is() {
        let samplers: [(&dyn Sampler, _, _); 4] = [
            (&AlwaysOnSampler, RecordAndSample, "AlwaysOnSampler"),
            (&AlwaysOffSampler, Drop, "AlwaysOffSampler"),
            (&ConstSampler::new(true), RecordAndSample, "ConstSampler{true}"),
            (&ConstSampler::new(false), Drop, "ConstSampler{false}"),
        ];
        for (sampler, decision, description) in samplers {
            for trace_id in [TraceId::from_parts(0, 1), TraceId::from_parts(u64::MAX, u64::MAX)] {
                let result = sampler.should_sample(&SamplingInput::new(trace_id, "span"));
                assert_eq!(result.decision, decision, "{description}");
            }
            assert_eq!(sampler.description(), description);
        }
    }
}
