//! The share of traces that a sampler keeps.

/// Share of traces to keep: from 0.0, none, to 1.0, all.
///
/// ```
/// use otel_core::sampler::SamplingRate;
///
/// assert_eq!(SamplingRate::new(0.25).map(SamplingRate::as_f64), Some(0.25));
/// assert_eq!(SamplingRate::new(1.5), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct SamplingRate(f64);

impl SamplingRate {
    /// No trace.
    pub const NONE: Self = Self(0.0);
    /// Every trace.
    pub const ALL: Self = Self(1.0);

    /// Accepts 0.0 ..= 1.0; `None` for anything else, NaN included.
    pub fn new(rate: f64) -> Option<Self> {
        // Adding zero turns a negative zero into the usual one.
        (0.0..=1.0).contains(&rate).then_some(Self(rate + 0.0))
    }

    /// Returns the rate as a plain number.
    pub const fn as_f64(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_out_of_range_is_none_at_all() {
        for rate in [-0.1, -f64::MIN_POSITIVE, 1.0 + f64::EPSILON, 2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(SamplingRate::new(rate), None, "rate {rate}");
        }
        for rate in [0.0, -0.0, f64::MIN_POSITIVE, 0.5, 1.0] {
            assert_eq!(
                SamplingRate::new(rate).map(SamplingRate::as_f64),
                Some(rate),
                "rate {rate}"
            );
        }
    }
}
