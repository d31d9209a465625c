//! Futures in a context: it is current whenever the future runs, on whichever thread.

use std::future::{Future, poll_fn};
use std::pin::pin;

use super::Context;

/// Takes a context along with a future; there for every future.
///
/// A task inherits nothing from who spawns it. A guard cannot stand in: one that is held over an `.await` would leave its context
/// to whatever runs on the thread meanwhile, and so cannot be sent to another.
///
/// ```
/// use otel_core::{Context, FutureContext, SharedSpan, TracerProvider};
///
/// async fn pick(item: i64) {
///     SharedSpan::current().set_attribute("item", item);
/// }
///
/// let tracer = TracerProvider::builder().build().tracer("shop");
/// let span = tracer.start("pick");
/// // The span ends with the future, unless somebody else has a handle on it.
/// let task = pick(7).with_context(Context::current().with_span(span));
/// # fn spawn(_: impl Future<Output = ()> + Send + 'static) {}
/// spawn(task);
/// ```
pub trait FutureContext: Future + Sized {
    /// Makes `context` current during every poll.
    fn with_context(self, context: Context) -> impl Future<Output = Self::Output>;

    /// Keeps what is current now current during every poll.
    fn with_current_context(self) -> impl Future<Output = Self::Output> {
        self.with_context(Context::current())
    }
}

impl<F: Future> FutureContext for F {
    async fn with_context(self, context: Context) -> F::Output {
        let mut future = pin!(self);
        poll_fn(move |task| {
            let _guard = context.clone().attach();
            future.as_mut().poll(task)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::{self, Poll, Waker};
    use std::thread;

    use super::*;
    use crate::baggage::Baggage;

    fn tenant() -> Option<String> {
        Context::current().baggage().get("tenant").map(str::to_owned)
    }

    fn with_tenant(tenant: &str) -> Context {
        Context::new().with_baggage(Baggage::new().with("tenant", tenant))
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut task::Context::from_waker(Waker::noop()))
    }

    /// Is ready the second time.
    async fn yield_once() {
        let mut is_second = false;
        poll_fn(|_| {
            if std::mem::replace(&mut is_second, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn seen() -> [Option<String>; 2] {
        let before = tenant();
        yield_once().await;
        [before, tenant()]
    }

    #[test]
    fn a_context_is_current_during_each_poll_on_any_thread_and_not_between() {
        let mut future = Box::pin(seen().with_context(with_tenant("task")));
        assert!(poll(future.as_mut()).is_pending());
        assert_eq!(tenant(), None);
        let answer = thread::spawn(move || {
            let _other = with_tenant("thread").attach();
            let answer = poll(future.as_mut());
            assert_eq!(tenant().as_deref(), Some("thread"));
            answer
        });
        let expected = [Some("task".to_owned()), Some("task".to_owned())];
        assert_eq!(answer.join().unwrap(), Poll::Ready(expected));
    }

    #[test]
    fn what_is_current_can_be_kept_and_futures_be_nested() {
        let future = {
            let _guard = with_tenant("outer").attach();
            async {
                let inner = seen().with_context(with_tenant("inner")).await;
                (inner, tenant())
            }
            .with_current_context()
        };
        let mut future = pin!(future);
        assert!(poll(future.as_mut()).is_pending());
        let Poll::Ready((inner, outer)) = poll(future) else { panic!("it was polled twice") };
        assert_eq!((inner[1].as_deref(), outer.as_deref()), (Some("inner"), Some("outer")));
    }

    #[test]
    fn a_panic_in_a_poll_leaves_nothing_current() {
        let mut future =
            pin!(async { panic!("an application's bug") }.with_context(with_tenant("task")));
        let polled = catch_unwind(AssertUnwindSafe(|| poll::<_>(future.as_mut()).is_pending()));
        assert!(polled.is_err());
        assert_eq!(tenant(), None);
    }

    #[test]
    fn contexts_go_to_other_threads_and_are_one_pointer() {
        fn is_send_and_sync<T: Send + Sync>() {}
        fn is_send<T: Send>(_: &T) {}
        is_send_and_sync::<Context>();
        is_send(&seen().with_context(Context::new()));
        assert_eq!(size_of::<Context>(), size_of::<usize>());
    }
}
