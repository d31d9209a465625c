//! An error as a span records it: the tag `error` and a log with what is known about it.

use std::any::type_name;
use std::error::Error;
use std::fmt::{Display, Write};

use crate::shared_span::SharedSpan;
use crate::span::Span;
use crate::value::{Value, text_of};
use crate::{log, tags};

impl Span {
    /// As [`Span::log_error`], with fields of one's own in the same log.
    ///
    /// ```
    /// # use opentracing_api::{fields, Tracer};
    /// # let mut span = Tracer::noop().start_span("read");
    /// if let Err(error) = std::fs::read("/no/such/file") {
    ///     span.log_error_with(&error, fields! { "path" => "/no/such/file", "attempt" => 2 });
    /// }
    /// ```
    pub fn log_error_with<'f>(
        &mut self,
        error: &(impl Error + ?Sized),
        fields: impl IntoIterator<Item = (&'f str, Value<'f>)>,
    ) -> &mut Self {
        if self.is_recording() {
            let failure = Failure::of_error(error);
            self.set_tag(tags::ERROR, true).log_kv(failure.fields().into_iter().chain(fields));
        }
        self
    }

    /// Records an error of which only a text is known: a `String`, an `anyhow::Error`, a message. As
    /// [`Span::log_error`], without the causes.
    ///
    /// ```
    /// # use opentracing_api::Tracer;
    /// # let mut span = Tracer::noop().start_span("charge");
    /// span.log_error_text("card declined");
    /// ```
    pub fn log_error_text(&mut self, error: &(impl Display + ?Sized)) -> &mut Self {
        if self.is_recording() {
            let failure = Failure { kind: None, ..Failure::of_display(error) };
            self.log_failure(failure);
        }
        self
    }
}

impl SharedSpan {
    /// As [`SharedSpan::log_error`], with fields of one's own in the same log.
    pub fn log_error_with<'f>(
        &self,
        error: &(impl Error + ?Sized),
        fields: impl IntoIterator<Item = (&'f str, Value<'f>)>,
    ) -> &Self {
        // Formatted and collected before the lock is taken: both run code of the caller.
        let prepare = || -> Vec<_> {
            let fields = fields.into_iter().map(|(key, value)| (key, value.formatted()));
            Failure::of_error(error).fields().into_iter().chain(fields).collect()
        };
        self.record("log_error_with", prepare, |span, fields| {
            span.set_tag(tags::ERROR, true).log_kv(fields);
        })
    }

    /// As [`Span::log_error_text`].
    pub fn log_error_text(&self, error: &(impl Display + ?Sized)) -> &Self {
        self.log_failure(|| Failure { kind: None, ..Failure::of_display(error) });
        self
    }
}

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

    /// Returns the fields of the log; what is not known has no value and is left out.
    pub(crate) fn fields(self) -> [(&'static str, Value<'static>); 4] {
        [
            (log::EVENT, "error".into()),
            (log::MESSAGE, self.message.into()),
            (log::ERROR_KIND, self.kind.into()),
            (log::STACK, self.stack.into()),
        ]
    }
}

fn kind_of<E: ?Sized>() -> Option<&'static str> {
    // `Box<dyn Error>` says nothing about the error.
    Some(type_name::<E>()).filter(|name| !name.contains("dyn "))
}

/// Enough for every real chain; a chain that bites its tail ends here.
const MAX_CAUSES: usize = 32;

#[cfg(test)]
mod tests {
    use std::io;

    use crate::fields;
    use crate::mock::tests::recording;

    #[test]
    fn an_error_is_logged_with_fields_of_ones_own_behind_it() {
        let (mock, tracer) = recording();
        let error = io::Error::other("inner");
        let own = || fields! { "path" => "/etc", "none" => None::<u8>, "attempt" => 2 };
        let mut span = tracer.start_span("owned");
        span.log_error_with(&error, own());
        span.finish();
        let shared = tracer.start_span("shared").into_shared();
        shared.log_error_with(&error, own()).finish();
        for name in ["owned", "shared"] {
            let span = mock.span(name);
            assert_eq!(*span.tag("error").unwrap(), true);
            let kind = "error.kind=std::io::error::Error";
            let expected = format!("event=error message=inner {kind} path=/etc attempt=2");
            assert_eq!(span.log_lines(), [expected]);
        }
    }

    #[test]
    fn an_error_that_is_only_text_is_logged_as_its_message() {
        let (mock, tracer) = recording();
        let mut span = tracer.start_span("owned");
        span.log_error_text("declined").log_error_text(&String::from("again"));
        span.finish();
        tracer.start_span("shared").into_shared().log_error_text("declined").finish();
        assert_eq!(*mock.span("owned").tag("error").unwrap(), true);
        let logged = mock.span("owned").log_lines();
        assert_eq!(logged, ["event=error message=declined", "event=error message=again"]);
        assert_eq!(mock.span("shared").log_lines(), ["event=error message=declined"]);
    }
}
