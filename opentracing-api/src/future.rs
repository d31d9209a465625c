//! Futures in spans: a span is active whenever its future runs, on whichever thread.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;

use crate::failure::Failure;
use crate::global::global_tracer;
use crate::scope::{Activation, Lent, Scopes};
use crate::shared_span::SharedSpan;
#[cfg(feature = "tower")]
use crate::span::Span;
use crate::tracer::Tracer;

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
    /// Makes `span` active during every poll, and while a future that has begun is dropped.
    fn in_span(self, span: impl Into<Activation>) -> impl Future<Output = Self::Output>;

    /// As [`InSpan::in_span`] for a fallible future: an error is recorded on the span and returned.
    fn try_in_span<T, E: Display>(
        self,
        span: impl Into<Activation>,
    ) -> impl Future<Output = Result<T, E>>
    where
        Self: Future<Output = Result<T, E>>;

    /// Makes `span` active during every poll and leaves its end to others: [`InSpan::in_span`] of a shared span, by another name.
    fn with_active(self, span: SharedSpan) -> impl Future<Output = Self::Output> {
        self.in_span(span)
    }

    /// Keeps the span that is active now, by the global tracer, active during every poll: for a future that is handed to
    /// another task, which inherits nothing by itself. Where none is active, none is in the future.
    ///
    /// With a tracer at hand: [`Tracer::in_current_span`].
    fn in_current_span(self) -> impl Future<Output = Self::Output> {
        global_tracer().in_current_span(self)
    }
}

impl<F: Future> InSpan for F {
    fn in_span(self, span: impl Into<Activation>) -> impl Future<Output = Self::Output> {
        Attached::from(span.into()).around(self)
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
            let mut attached = attached;
            let result = attached.run(self).await;
            result.inspect_err(|error| attached.span.log_failure(|| Failure::of_display(error)))
        }
    }
}

impl Tracer {
    /// Keeps the span that is active now active during every poll of a future that is handed to another task, which
    /// inherits nothing by itself. Where none is active, none is in the future.
    ///
    /// ```
    /// # use opentracing_api::Tracer;
    /// # let tracer = Tracer::noop();
    /// # fn spawn(_: impl Future<Output = ()> + Send + 'static) {}
    /// let scope = tracer.start_active_span("request");
    /// let in_task = tracer.clone();
    /// spawn(tracer.in_current_span(async move {
    ///     in_task.start_span("child of request").finish();
    /// }));
    /// ```
    pub fn in_current_span<F: Future>(
        &self,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let scopes = self.scopes();
        let span = scopes.active();
        let is_active = span.is_some();
        let span = span.unwrap_or_else(SharedSpan::of_noop);
        Attached { span, is_active, finishes_span: false, scopes }.around(future)
    }
}

/// A span that belongs to a future or a stream.
pub(crate) struct Attached {
    pub(crate) span: SharedSpan,
    /// Whether it is the active one meanwhile; else none is.
    is_active: bool,
    finishes_span: bool,
    scopes: Scopes,
}

impl Attached {
    /// Attaches a span of this tracer, which finishes with the future.
    #[cfg(feature = "tower")]
    pub(crate) fn of_tracer(tracer: &Tracer, span: Span) -> Self {
        // A span finds its tracer under a lock that all threads share; whoever started it knows.
        let (span, scopes) = (span.into_shared(), tracer.scopes());
        Self { span, is_active: true, finishes_span: true, scopes }
    }

    /// Makes the span active until the end of what is returned.
    #[inline]
    pub(crate) fn enter(&mut self) -> Entered<'_> {
        let lent = if self.is_active {
            self.scopes.lend(&mut self.span)
        } else {
            Lent::without_span(self.scopes.enter(None))
        };
        Entered { lent, attached: self }
    }

    /// Holds the span as a whole, so that it finishes also if the future is dropped before its first poll.
    async fn around<F: Future>(mut self, future: F) -> F::Output {
        self.run(future).await
    }

    async fn run<F: Future>(&mut self, future: F) -> F::Output {
        let mut running = Running { attached: self, future: pin!(Some(future)) };
        poll_fn(|context| running.poll(context)).await
    }
}

/// A future that has begun; its span is active also while it is dropped, so that what it does then belongs to the span.
struct Running<'a, F> {
    attached: &'a mut Attached,
    /// `None` once it was dropped.
    future: Pin<&'a mut Option<F>>,
}

impl<F: Future> Running<'_, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = self.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let _entered = self.attached.enter();
        future.poll(context)
    }
}

impl<F> Drop for Running<'_, F> {
    fn drop(&mut self) {
        let _entered = self.attached.enter();
        self.future.set(None);
    }
}

impl From<Activation> for Attached {
    fn from(activation: Activation) -> Self {
        let Activation { span, finishes_span } = activation;
        let scopes = span.tracer().scopes();
        Self { span, is_active: true, finishes_span, scopes }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.finishes_span {
            if thread::panicking() {
                self.span.mark_panicked();
            }
            mem::replace(&mut self.span, SharedSpan::of_noop()).finish_and_drop();
        }
    }
}

/// One poll, in which the span is active; ends also by a panic.
pub(crate) struct Entered<'a> {
    lent: Lent,
    attached: &'a mut Attached,
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        let Attached { scopes, span, .. } = &mut *self.attached;
        scopes.take_back(&mut self.lent, span);
    }
}

#[cfg(test)]
mod tests;
