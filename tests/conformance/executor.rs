//! Where tasks run: each on a thread of its own, or on one of tokio's runtimes.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Runs each check under all executors, against all tracers that record: `check` becomes `threads::mock::check` and so
/// on, twelve in all.
macro_rules! under_every_executor {
    ($($check:ident)*) => {
        under_executor! { threads Threads $($check)* }
        under_executor! { current_thread CurrentThread $($check)* }
        under_executor! { multi_thread MultiThread $($check)* }
    };
}

macro_rules! under_executor {
    ($module:ident $executor:ident $($check:ident)*) => {
        mod $module {
            under_executor! { @against mock $executor $($check)* }
            under_executor! { @against shim $executor $($check)* }
            under_executor! { @against sharing $executor $($check)* }
            under_executor! { @against jaeger $executor $($check)* }
        }
    };
    (@against $tracer:ident $executor:ident $($check:ident)*) => {
        mod $tracer {
            $(
                #[test]
                fn $check() {
                    let executor = $crate::executor::Executor::$executor;
                    let tracer = std::sync::Arc::new($crate::subject::Subject::$tracer());
                    executor.run(super::super::$check(tracer, executor));
                }
            )*
        }
    };
}

/// A way to run tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executor {
    /// Each task has a thread of its own.
    Threads,
    /// All tasks share one thread.
    CurrentThread,
    /// Tasks move between the threads of a pool.
    MultiThread,
}

impl Executor {
    /// Runs the first task to its end.
    pub(crate) fn run<T: Send + 'static>(
        self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self {
            Self::Threads => block_on(task),
            Self::CurrentThread => Builder::new_current_thread().build().unwrap().block_on(task),
            Self::MultiThread => {
                let runtime = Builder::new_multi_thread().worker_threads(3).build().unwrap();
                // Spawned, so that it moves between threads too.
                runtime.block_on(runtime.spawn(task)).unwrap()
            }
        }
    }

    /// Begins another task.
    pub(crate) fn spawn<T: Send + 'static>(
        self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let (sender, receiver) = oneshot::channel();
        let task = async move {
            // Nobody may be waiting any more.
            let _ = sender.send(task.await);
        };
        match self {
            Self::Threads => drop(thread::spawn(|| block_on(task))),
            _ => drop(tokio::spawn(task)),
        }
        Task { receiver }
    }

    /// Begins another task that is a plain function.
    pub(crate) fn call<T: Send + 'static>(self, f: impl FnOnce() -> T + Send + 'static) -> Task<T> {
        self.spawn(async { f() })
    }
}

/// A task that has begun; awaiting it gives its result. Panics where the task did.
pub(crate) struct Task<T> {
    receiver: oneshot::Receiver<T>,
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let result = Pin::new(&mut self.receiver).poll(context);
        result.map(|result| result.expect("the task did not panic"))
    }
}

/// Lets other tasks run.
pub(crate) async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs a task on this thread, which sleeps while the task waits.
fn block_on<T>(task: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut task, mut context) = (pin!(task), Context::from_waker(&waker));
    loop {
        match task.as_mut().poll(&mut context) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}
