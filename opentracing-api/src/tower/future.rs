//! The future of a response: the span is active while it runs and ends with it.

use std::fmt::{self, Display};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use http::Response;
use pin_project_lite::pin_project;

use super::head::ResponseHead;
use super::layer::{OnResponse, Settings};
use crate::failure::Failure;
use crate::future::{Attached, Entered};
use crate::shared_span::SharedSpan;
use crate::span::Span;
use crate::tags;

pin_project! {
    /// The response of a [`Trace`](super::Trace).
    pub struct ResponseFuture<F> {
        // `None` once it was dropped.
        #[pin]
        future: Option<F>,
        call: Option<Call>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // The span is active meanwhile, and ends afterwards: what a cancelled service does belongs to it.
            let mut this = this.project();
            let _entered = this.call.as_mut().map(Call::enter);
            this.future.set(None);
        }
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn traced(future: F, call: Call) -> Self {
        Self { future: Some(future), call: Some(call) }
    }

    pub(super) fn untraced(future: F) -> Self {
        Self { future: Some(future), call: None }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Display,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(future) = this.future.as_pin_mut() else { return Poll::Pending };
        let mut turn = Turn { call: this.call, is_pending: false };
        let Some(call) = &mut *turn.call else { return future.poll(context) };
        let polled = {
            let _entered = call.enter();
            future.poll(context)
        };
        match &polled {
            Poll::Pending => turn.is_pending = true,
            Poll::Ready(Ok(response)) => call.answer(&ResponseHead::of(response)),
            Poll::Ready(Err(error)) => call.fail(error),
        }
        polled
    }
}

/// One poll; the span ends with it if there is a response, or if the service or a hook panics. A panic that a layer outside
/// catches is seen only here: the future is dropped later, when nobody panics any more.
struct Turn<'a> {
    call: &'a mut Option<Call>,
    is_pending: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_pending {
            *self.call = None;
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("span", &self.call.as_ref().map(Call::span))
            .finish_non_exhaustive()
    }
}

/// A request that is under way; its span ends when this is dropped.
pub(super) struct Call {
    attached: Attached,
    on_response: Option<Arc<OnResponse>>,
    is_over: bool,
}

impl Call {
    pub(super) fn new(settings: &Settings, span: Span) -> Self {
        let attached = Attached::of_tracer(&settings.tracer, span);
        Self { attached, on_response: settings.on_response.clone(), is_over: false }
    }

    pub(super) fn span(&self) -> &SharedSpan {
        &self.attached.span
    }

    pub(super) fn enter(&mut self) -> Entered<'_> {
        self.attached.enter()
    }

    fn answer(&mut self, response: &ResponseHead<'_>) {
        let status = response.status().as_u16();
        let span = self.span();
        span.set_tag(tags::HTTP_STATUS_CODE, status);
        if status >= FIRST_SERVER_ERROR {
            span.set_tag(tags::ERROR, true);
        }
        if let Some(hook) = &self.on_response {
            hook(response, span);
        }
        self.is_over = true;
    }

    fn fail(&mut self, error: &impl Display) {
        self.span().log_failure(|| Failure::of_display(error));
        self.is_over = true;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // A panic is told by the span itself, when it ends.
        if !self.is_over && !thread::panicking() {
            self.span().set_tag(CANCELLED, true);
        }
    }
}

/// Statuses go up to 999; those above 599 are nobody's, and no success.
const FIRST_SERVER_ERROR: u16 = 500;

/// The tag of a span whose request nobody waited for to the end.
const CANCELLED: &str = "cancelled";
