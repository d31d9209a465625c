//! What is wrong with a configuration, all of it at once.

use std::error::Error;
use std::fmt;

/// Why a tracer could not be set up: every setting that is not usable, with its value and what is allowed.
///
/// `Debug` shows the same as `Display`, since that is what a `main` that returns the error prints.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

impl ConfigError {
    pub(crate) fn new(problems: Vec<ConfigProblem>) -> Self {
        Self { problems }
    }

    /// Returns the settings that are not usable, one at least.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {}

/// One setting that is not usable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// The setting: an environment variable, or what a method of [`Config`](super::Config) sets, as `agent port`.
    pub key: &'static str,
    /// The value that it has.
    pub value: String,
    /// What would do.
    pub allowed: &'static str,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {:?}, allowed: {}", self.key, self.value, self.allowed)
    }
}
