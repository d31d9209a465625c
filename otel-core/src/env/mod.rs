//! Settings from environment variables, by the names that OpenTelemetry has for them.
//!
//! ```
//! use otel_core::env::{Environment, Source, Variable, parse};
//!
//! const ATTEMPTS: Variable = Variable::new("SHOP_ATTEMPTS", "3", "a whole number");
//!
//! // A program has `Environment::of_process()` here.
//! let mut environment = Environment::from_pairs([("SHOP_ATTEMPTS", " 5 ")]);
//! assert_eq!(environment.read(&ATTEMPTS, parse::count).unwrap_or(3), 5);
//! let setting = environment.configuration().get("SHOP_ATTEMPTS").unwrap();
//! assert_eq!((setting.value.as_str(), setting.source), ("5", Source::Environment("SHOP_ATTEMPTS")));
//! ```
//!
//! A variable that is empty counts as one that is not set. One that cannot be used is warned about, once, with its name, its
//! value and what is allowed, and counts as not set: a typo is no reason for a program not to start.

mod environment;
mod variable;
pub mod parse;
mod configuration;

pub use configuration::{Configuration, Problem, Setting, Source};
pub use environment::Environment;
pub use variable::Variable;
