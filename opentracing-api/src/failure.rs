//! An error as a span records it: the tag `error` and a log with what is known about it.

use std::any::type_name;
use std::error::Error;
use std::fmt::{Display, Write};

use crate::value::text_of;

/// What is known about an error, formatted before any lock is taken.
pub(crate) struct Failure {
    pub(crate) message: String,
    /// The type's name; `None` where it is hidden behind a trait object.
    pub(crate) kind: Option<&'static str>,
    /// The causes, one a line, innermost last.
    pub(crate) stack: Option<String>,
}

impl Failure {
    pub(crate) fn of_error<E: Error + ?Sized>(error: &E) -> Self {
        let mut stack = String::new();
        let mut cause = error.source();
        for _ in 0..MAX_CAUSES {
            let Some(error) = cause else { break };
            if !stack.is_empty() {
                stack.push('\n');
            }
            // Writing to a String fails only if the error's own Display does; what came until then
            // is kept.
            let _ = write!(stack, "caused by: {error}");
            cause = error.source();
        }
        Self {
            message: text_of(error),
            kind: kind_of::<E>(),
            stack: (!stack.is_empty()).then_some(stack),
        }
    }

    pub(crate) fn of_display<E: Display + ?Sized>(error: &E) -> Self {
        Self { message: text_of(error), kind: kind_of::<E>(), stack: None }
    }
}

fn kind_of<E: ?Sized>() -> Option<&'static str> {
    // `Box<dyn Error>` says nothing about the error.
    Some(type_name::<E>()).filter(|name| !name.contains("dyn "))
}

/// Enough for every real chain; a chain that bites its tail ends here.
const MAX_CAUSES: usize = 32;
