//! Sampling by wish: OpenTracing's `sampling.priority`.

use super::{Sampler, SamplingInput, SamplingResult, ask};
use crate::attribute::Value;

/// Heeds the attribute `sampling.priority` of a span that starts, and asks another sampler where there is none.
///
/// Above zero the span is kept and marked as one that somebody wants ([`TraceFlags::DEBUG`](crate::TraceFlags::DEBUG)); with any
/// other number it is dropped. The number may come as text; what is none counts as absent. The sampler is asked for each
/// span, also for those with a parent in this process.
///
/// ```
/// use otel_core::TracerProvider;
/// use otel_core::sampler::{ParentBasedSampler, SamplingPrioritySampler};
///
/// let sampler = SamplingPrioritySampler::new(ParentBasedSampler::default());
/// let tracer = TracerProvider::builder().sampler(sampler).build().tracer("shop");
/// let span = tracer.span_builder("work").attributes(&[("sampling.priority", 0.into())]).start();
/// assert!(!span.is_recording());
/// ```
///
/// Source: `opentracing/specification:semantic_conventions.md`, `sampling.priority`.
#[derive(Debug)]
pub struct SamplingPrioritySampler {
    other: Box<dyn Sampler>,
}

impl SamplingPrioritySampler {
    /// Makes a sampler that asks `other` about spans without the attribute.
    pub fn new(other: impl Sampler) -> Self {
        Self { other: Box::new(other) }
    }
}

impl Sampler for SamplingPrioritySampler {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let mut is_wanted = None;
        input.attributes.for_each(&mut |key, value| {
            if key == SAMPLING_PRIORITY {
                is_wanted = priority_of(value);
            }
        });
        match is_wanted {
            Some(true) => SamplingResult::record_and_sample().with_debug(true),
            Some(false) => SamplingResult::drop().with_debug(false),
            None => ask(self.other.as_ref(), input),
        }
    }

    fn description(&self) -> String {
        format!("SamplingPriority{{{}}}", self.other.description())
    }
}

/// Tells whether a priority is above zero; `None` for what is no number.
fn priority_of(value: Value<'_>) -> Option<bool> {
    match value {
        Value::I64(number) => Some(number > 0),
        Value::F64(number) => (!number.is_nan()).then_some(number > 0.0),
        Value::Bool(flag) => Some(flag),
        Value::Str(text) => priority_of(Value::F64(text.trim().parse().ok()?)),
        _ => None,
    }
}

const SAMPLING_PRIORITY: &str = "sampling.priority";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SpanId, TraceId};
    use crate::sampler::SamplingDecision::{Drop, RecordAndSample};
    use crate::sampler::{AlwaysOffSampler, ParentBasedSampler};
    use crate::span_context::{SpanContext, TraceFlags};

    fn decide(sampler: impl Sampler, priority: Value<'_>) -> SamplingResult {
        let attributes = [("other", Value::I64(1)), (SAMPLING_PRIORITY, priority)];
        let mut input = SamplingInput::new(TraceId::from_parts(1, 1), "span");
        input.attributes = &attributes;
        SamplingPrioritySampler::new(sampler).should_sample(&input)
    }

    #[test]
    fn a_priority_above_zero_keeps_and_marks_the_span_and_another_drops_it() {
        for (priority, expected) in [
            (Value::I64(1), true),
            (Value::I64(i64::MAX), true),
            (Value::F64(0.5), true),
            (Value::Str(" 1 "), true),
            (Value::Bool(true), true),
            (Value::I64(0), false),
            (Value::I64(-1), false),
            (Value::F64(0.0), false),
            (Value::Str("0"), false),
            (Value::Bool(false), false),
        ] {
            let result = decide(ParentBasedSampler::default(), priority);
            let expected_decision = if expected { RecordAndSample } else { Drop };
            assert_eq!(result.decision, expected_decision, "{priority:?}");
            assert_eq!(result.is_debug, Some(expected), "{priority:?}");
        }
    }

    #[test]
    fn without_a_number_the_other_sampler_is_asked() {
        for priority in [Value::F64(f64::NAN), Value::Str("high"), Value::Empty, Value::Bytes(b"1")]
        {
            let result = decide(AlwaysOffSampler, priority);
            assert_eq!((result.decision, result.is_debug), (Drop, None), "{priority:?}");
        }
    }

    #[test]
    fn a_sampler_that_children_follow_is_not_asked_for_them_here_either() {
        /// Says no to whomever asks.
        #[derive(Debug)]
        struct Follows {
            is_local: bool,
            is_remote: bool,
        }
        impl Sampler for Follows {
            fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
                SamplingResult::drop()
            }
            fn description(&self) -> String {
                "Follows".to_owned()
            }
            fn local_children_follow(&self) -> bool {
                self.is_local
            }
            fn remote_children_follow(&self) -> bool {
                self.is_remote
            }
        }
        let parent =
            SpanContext::new(TraceId::from_parts(1, 1), SpanId::new(1), TraceFlags::SAMPLED);
        let remote = parent.clone().with_remote(true);
        let deferred = parent.clone().with_flags(TraceFlags::SAMPLED | TraceFlags::DEFERRED);
        let decide = |is_local, is_remote, parent: Option<&SpanContext>| {
            let mut input = SamplingInput::new(TraceId::from_parts(1, 1), "span");
            input.parent = parent;
            let sampler = SamplingPrioritySampler::new(Follows { is_local, is_remote });
            sampler.should_sample(&input).decision
        };
        for (is_local, is_remote) in [(true, false), (false, true), (true, true), (false, false)] {
            let followed = |follows| if follows { RecordAndSample } else { Drop };
            assert_eq!(decide(is_local, is_remote, Some(&parent)), followed(is_local));
            assert_eq!(decide(is_local, is_remote, Some(&remote)), followed(is_remote));
            assert_eq!(decide(is_local, is_remote, Some(&deferred)), Drop);
            assert_eq!(decide(is_local, is_remote, None), Drop);
        }
    }
}
