//! Sampling as the parent was sampled.

use super::{AlwaysOffSampler, AlwaysOnSampler, Sampler, SamplingInput, SamplingResult};

/// Follows the parent's decision, and asks another sampler for roots. OpenTelemetry's default, with all roots kept.
///
/// Which sampler is asked for a parent of each kind can be set; by default a sampled parent means yes, another one no.
/// A parent without a decision of its own (B3's deferred state) counts as no parent.
#[derive(Debug)]
pub struct ParentBasedSampler {
    root: Box<dyn Sampler>,
    delegates: Delegates,
}

#[derive(Debug, Default)]
struct Delegates {
    remote_sampled: Option<Box<dyn Sampler>>,
    remote_not_sampled: Option<Box<dyn Sampler>>,
    local_sampled: Option<Box<dyn Sampler>>,
    local_not_sampled: Option<Box<dyn Sampler>>,
}

impl ParentBasedSampler {
    /// Makes a sampler that asks `root` for roots and follows all parents.
    pub fn new(root: impl Sampler) -> Self {
        Self { root: Box::new(root), delegates: Delegates::default() }
    }

    /// Sets who is asked for a sampled parent in another process. Default: always on.
    #[must_use]
    pub fn remote_sampled(mut self, sampler: impl Sampler) -> Self {
        self.delegates.remote_sampled = Some(Box::new(sampler));
        self
    }

    /// Sets who is asked for an unsampled parent in another process. Default: always off.
    #[must_use]
    pub fn remote_not_sampled(mut self, sampler: impl Sampler) -> Self {
        self.delegates.remote_not_sampled = Some(Box::new(sampler));
        self
    }

    /// Sets who is asked for a sampled parent in this process. Default: always on.
    #[must_use]
    pub fn local_sampled(mut self, sampler: impl Sampler) -> Self {
        self.delegates.local_sampled = Some(Box::new(sampler));
        self
    }

    /// Sets who is asked for an unsampled parent in this process. Default: always off.
    #[must_use]
    pub fn local_not_sampled(mut self, sampler: impl Sampler) -> Self {
        self.delegates.local_not_sampled = Some(Box::new(sampler));
        self
    }
}

impl Default for ParentBasedSampler {
    fn default() -> Self {
        Self::new(AlwaysOnSampler)
    }
}

impl Sampler for ParentBasedSampler {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let Some(parent) = input.parent.filter(|parent| !parent.flags().is_deferred()) else {
            return self.root.should_sample(input);
        };
        let delegate = match (parent.is_remote(), parent.is_sampled()) {
            (true, true) => &self.delegates.remote_sampled,
            (true, false) => &self.delegates.remote_not_sampled,
            (false, true) => &self.delegates.local_sampled,
            (false, false) => &self.delegates.local_not_sampled,
        };
        match delegate {
            Some(delegate) => delegate.should_sample(input),
            None => SamplingResult::as_sampled(parent),
        }
    }

    fn description(&self) -> String {
        let named = |sampler: &Option<Box<dyn Sampler>>, default: &dyn Sampler| {
            sampler.as_deref().unwrap_or(default).description()
        };
        format!(
            "ParentBased{{root:{},remoteParentSampled:{},remoteParentNotSampled:{},localParentSampled:{},localParentNotSampled:{}}}",
            self.root.description(),
            named(&self.delegates.remote_sampled, &AlwaysOnSampler),
            named(&self.delegates.remote_not_sampled, &AlwaysOffSampler),
            named(&self.delegates.local_sampled, &AlwaysOnSampler),
            named(&self.delegates.local_not_sampled, &AlwaysOffSampler),
        )
    }

    fn local_children_follow(&self) -> bool {
        self.delegates.local_sampled.is_none() && self.delegates.local_not_sampled.is_none()
    }

    fn remote_children_follow(&self) -> bool {
        self.delegates.remote_sampled.is_none() && self.delegates.remote_not_sampled.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SpanId, TraceId};
    use crate::sampler::SamplingDecision::{Drop, RecordAndSample};
    use crate::span_context::{SpanContext, TraceFlags};

    fn decide(
        sampler: &impl Sampler,
        parent: Option<&SpanContext>,
    ) -> crate::sampler::SamplingDecision {
        let mut input = SamplingInput::new(TraceId::from_parts(1, 1), "");
        input.parent = parent;
        sampler.should_sample(&input).decision
    }

    #[test]
    fn each_kind_of_parent_asks_its_own_delegate() {
        let context = |flags, is_remote| {
            SpanContext::new(TraceId::from_parts(1, 1), SpanId::new(1), flags)
                .with_remote(is_remote)
        };
        let defaults = ParentBasedSampler::new(AlwaysOffSampler);
        let inverted = ParentBasedSampler::new(AlwaysOnSampler)
            .remote_sampled(AlwaysOffSampler)
            .remote_not_sampled(AlwaysOnSampler)
            .local_sampled(AlwaysOffSampler)
            .local_not_sampled(AlwaysOnSampler);
        for (flags, is_remote, by_default) in [
            (TraceFlags::SAMPLED, true, RecordAndSample),
            (TraceFlags::NONE, true, Drop),
            (TraceFlags::SAMPLED, false, RecordAndSample),
            (TraceFlags::NONE, false, Drop),
        ] {
            let parent = context(flags, is_remote);
            assert_eq!(decide(&defaults, Some(&parent)), by_default, "{parent:?}");
            assert_ne!(decide(&inverted, Some(&parent)), by_default, "{parent:?}");
        }
        assert_eq!(decide(&defaults, None), Drop);
        assert_eq!(decide(&inverted, None), RecordAndSample);
        assert!(defaults.local_children_follow() && !inverted.local_children_follow());
        assert!(defaults.remote_children_follow() && !inverted.remote_children_follow());
    }

    #[test]
    fn the_description_names_all_five_delegates() {
        assert_eq!(
            ParentBasedSampler::default().description(),
            "ParentBased{root:AlwaysOnSampler,remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}"
        );
        let inverted = ParentBasedSampler::new(AlwaysOffSampler)
            .remote_sampled(AlwaysOffSampler)
            .remote_not_sampled(AlwaysOnSampler)
            .local_sampled(AlwaysOffSampler)
            .local_not_sampled(AlwaysOnSampler);
        assert_eq!(
            inverted.description(),
            "ParentBased{root:AlwaysOffSampler,remoteParentSampled:AlwaysOffSampler,remoteParentNotSampled:AlwaysOnSampler,localParentSampled:AlwaysOffSampler,localParentNotSampled:AlwaysOnSampler}"
        );
    }

    #[test]
    fn a_parent_that_left_the_decision_open_counts_as_none() {
        let parent =
            SpanContext::new(TraceId::from_parts(1, 1), SpanId::new(1), TraceFlags::DEFERRED);
        assert_eq!(
            decide(&ParentBasedSampler::new(AlwaysOnSampler), Some(&parent)),
            RecordAndSample
        );
        assert_eq!(decide(&ParentBasedSampler::new(AlwaysOffSampler), Some(&parent)), Drop);
    }
}
