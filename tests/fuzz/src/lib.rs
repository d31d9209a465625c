//! The checks of `tests/propagation`, for libFuzzer and for `steps`.

#[path = "../../propagation/checks.rs"]
mod checks;
#[path = "../../propagation/measure.rs"]
mod measure;

/// Runs the check of a target.
///
/// # Panics
///
/// Where something does not hold.
pub fn check(target: &str, bytes: &[u8]) {
    let is_it = |(name, _): &(&str, checks::Check)| *name == target;
    checks::ALL.into_iter().find(is_it).expect("a target without a check").1(bytes);
}

/// Lists the targets.
pub fn targets() -> impl Iterator<Item = &'static str> {
    checks::ALL.into_iter().map(|(name, _)| name)
}
