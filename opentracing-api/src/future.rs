//! Futures in spans: a span is active whenever its future runs, on whichever thread.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::thread;

use crate::failure::Failure;
use crate::scope::{Activation, Scopes};
use crate::shared_span::SharedSpan;
#[cfg(feature = "tower")]
use crate::{span::Span, tracer::Tracer};

/// Runs a future in a span; there for every future.
///
/// A [`Span`](crate::Span) given by value finishes when the future completes or is dropped before;
/// a [`SharedSpan`] is only active meanwhile. Give a clone of it: with a reference the new future
/// borrows the span.
///
/// ```
/// # use opentracing_api::{child_of, InSpan, Tracer};
/// # let tracer = Tracer::noop();
/// async fn pick(item: u32) -> u32 {
///     item
/// }
///
/// let order = tracer.start_span("order").into_shared();
/// let pick_span = tracer.start_span_with("pick", child_of(&order));
/// let work = async {
///     pick(7).in_span(pick_span).await // `pick_span` finishes here
/// };
/// let task = work.in_span(order.clone());
/// ```
pub trait InSpan: Future + Sized {
    /// Makes `span` active during every poll.
    fn in_span(self, span: impl Into<Activation>) -> impl Future<Output = Self::Output>;

    /// As [`InSpan::in_span`] for a fallible future: an error is recorded on the span and returned.
    fn try_in_span<T, E: Display>(
        self,
        span: impl Into<Activation>,
    ) -> impl Future<Output = Result<T, E>>
    where
        Self: Future<Output = Result<T, E>>;
}

impl<F: Future> InSpan for F {
    fn in_span(self, span: impl Into<Activation>) -> impl Future<Output = Self::Output> {
        let attached = Attached::from(span.into());
        async move {
            // Moved in as a whole, so that it finishes its span also if the future is dropped
            // before its first poll.
            let attached = attached;
            attached.run(self).await
        }
    }

    fn try_in_span<T, E: Display>(
        self,
        span: impl Into<Activation>,
    ) -> impl Future<Output = Result<T, E>>
    where
        Self: Future<Output = Result<T, E>>,
    {
        let attached = Attached::from(span.into());
        async move {
            let attached = attached;
            let result = attached.run(self).await;
            result.inspect_err(|error| attached.span.log_failure(|| Failure::of_display(error)))
        }
    }
}

/// A span that belongs to a future.
pub(crate) struct Attached {
    pub(crate) span: SharedSpan,
    finishes_span: bool,
    scopes: Scopes,
}

impl Attached {
    /// Attaches a span of this tracer, which finishes with the future.
    #[cfg(feature = "tower")]
    pub(crate) fn of_tracer(tracer: &Tracer, span: Span) -> Self {
        // A span finds its tracer under a lock that all threads share; whoever started it knows.
        Self { span: span.into_shared(), finishes_span: true, scopes: tracer.scopes() }
    }

    /// Makes the span active until the end of what is returned.
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered::new(self)
    }

    async fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let _entered = self.enter();
            future.as_mut().poll(context)
        })
        .await
    }
}

impl From<Activation> for Attached {
    fn from(activation: Activation) -> Self {
        let Activation { span, finishes_span } = activation;
        let scopes = span.tracer().scopes();
        Self { span, finishes_span, scopes }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.finishes_span {
            if thread::panicking() {
                self.span.mark_panicked();
            }
            self.span.finish_with_scope();
        }
    }
}

/// One poll, in which the span is active; ends also by a panic.
pub(crate) struct Entered<'a> {
    scopes: &'a Scopes,
    number: u64,
}

impl<'a> Entered<'a> {
    fn new(attached: &'a Attached) -> Self {
        Self { scopes: &attached.scopes, number: attached.scopes.enter(Some(&attached.span)) }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.scopes.exit(self.number, None);
    }
}

#[cfg(test)]
mod tests;
