//! Closures in spans: threads and callbacks, which inherit no active span by themselves.

use crate::shared_span::SharedSpan;
use crate::span::Span;

impl Span {
    /// Puts the span around a closure that runs later, on whichever thread: it is active meanwhile and finishes after it,
    /// or when the closure is dropped without having run.
    ///
    /// ```
    /// # use opentracing_api::{child_of, Tracer};
    /// # let tracer = Tracer::noop();
    /// let order = tracer.start_span("order");
    /// let pack = tracer.start_span_with("pack", child_of(&order));
    /// let in_thread = tracer.clone();
    /// let packed = std::thread::spawn(pack.wrap(move || {
    ///     in_thread.start_span("child of pack").finish();
    ///     7
    /// }));
    /// assert_eq!(packed.join().unwrap(), 7);
    /// ```
    pub fn wrap<R>(self, f: impl FnOnce() -> R) -> impl FnOnce() -> R {
        move || {
            let _scope = self.tracer().activate(self);
            f()
        }
    }
}

impl SharedSpan {
    /// Puts the span around a closure that runs later, on whichever thread: it is active meanwhile.
    pub fn wrap<R, F: FnOnce() -> R>(&self, f: F) -> impl FnOnce() -> R + use<R, F> {
        let span = self.clone();
        move || {
            let _scope = span.tracer().activate(&span);
            f()
        }
    }

    /// Puts the span around a closure that is called again and again: it is active during each call.
    ///
    /// ```
    /// # use opentracing_api::Tracer;
    /// # let tracer = Tracer::noop();
    /// let watch = tracer.start_span("watch").into_shared();
    /// let mut on_line = watch.wrap_callback(|line: &str| line.len());
    /// assert_eq!(on_line("one") + on_line("three"), 8);
    /// watch.finish();
    /// ```
    pub fn wrap_callback<A, R, F: FnMut(A) -> R>(
        &self,
        mut f: F,
    ) -> impl FnMut(A) -> R + use<A, R, F> {
        let span = self.clone();
        move |argument| {
            let _scope = span.tracer().activate(&span);
            f(argument)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::thread;

    use crate::mock::tests::recording;

    #[test]
    fn a_wrapped_closure_runs_in_its_span_on_another_thread_and_finishes_it() {
        let (mock, tracer) = recording();
        let in_thread = tracer.clone();
        let work = tracer.start_span("work").wrap(move || {
            let kept = in_thread.active_span();
            in_thread.start_span("child").finish();
            kept
        });
        assert_eq!(tracer.active_span(), None);
        let kept = thread::spawn(work).join().unwrap().unwrap();
        assert!(!kept.is_recording(), "finished though somebody holds it");
        assert_eq!(mock.finished_names(), ["child", "work"]);
        mock.assert_child_of("child", "work");
    }

    #[test]
    fn a_closure_that_never_runs_finishes_its_span_and_one_that_panics_marks_it() {
        let (mock, tracer) = recording();
        drop(tracer.start_span("never").wrap(|| ()));
        let panics = tracer.start_span("panics").wrap(|| resume_unwind(Box::new(())));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(tracer.active_span(), None);
        assert_eq!(mock.finished_names(), ["never", "panics"]);
        assert_eq!(mock.span("never").tag("error"), None);
        assert_eq!(mock.span("panics").log_lines(), ["event=error message=panic"]);
    }

    #[test]
    fn a_shared_span_is_active_in_every_call_of_a_callback_and_finishes_when_it_is_told() {
        let (mock, tracer) = recording();
        let watch = tracer.start_span("watch").into_shared();
        let mut callback = watch.wrap_callback(|name: &str| {
            tracer.start_span(name).finish();
            tracer.active_span()
        });
        for name in ["first", "second"] {
            assert_eq!(callback(name).as_ref(), Some(&watch));
            assert_eq!(tracer.active_span(), None);
            assert_eq!(mock.span(name).parent_id, Some(watch.context().span_id()));
        }
        assert_eq!(watch.wrap(|| tracer.active_span())().as_ref(), Some(&watch));
        assert!(watch.is_recording());
    }

    #[test]
    fn a_new_thread_inherits_no_active_span_by_itself() {
        let (mock, tracer) = recording();
        let _scope = tracer.start_active_span("here");
        thread::spawn(move || tracer.start_span("there").finish()).join().unwrap();
        mock.assert_root("there");
    }
}
