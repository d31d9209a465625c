use std::thread;

use super::*;
use crate::mock::tests::recording;

/// Lets one test at a time use the global tracer.
pub(crate) fn alone_with_the_global_tracer() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn the_global_tracer_forwards_to_what_is_set_at_the_time() {
    static EARLY: Tracer = global_tracer();
    let _alone = alone_with_the_global_tracer();
    let ((first, first_tracer), (second, second_tracer)) = (recording(), recording());

    // Nothing set: no-op.
    assert!(!is_global_tracer_registered());
    assert!(EARLY.start_span("lost").context().is_empty());
    assert!(
        !set_global_tracer_if_absent(global_tracer())
            && !set_global_tracer_if_absent(Tracer::noop())
    );

    // A handle taken before works after the first is set; a second does not take its place unless
    // it replaces it.
    assert!(set_global_tracer_if_absent(first_tracer.clone()));
    assert!(is_global_tracer_registered());
    assert!(!set_global_tracer_if_absent(second_tracer.clone()));
    let span = EARLY.start_span("first");
    assert_eq!(span.tracer(), first_tracer, "the concrete tracer");
    let scope = EARLY.start_active_span("scope");
    assert_eq!(EARLY.active_span().as_ref(), Some(scope.span()));

    set_global_tracer(second_tracer.clone());
    span.finish();
    EARLY.start_span("second").finish();
    scope.close();
    assert_eq!(first.finished_names(), ["first", "scope"]);
    assert_eq!(second.finished_names(), ["second"]);
    assert_eq!(
        second.span("second").parent_id,
        Some(first.span("scope").span_id()),
        "scopes are the thread's"
    );

    // Other threads see it too, and threads that have a copy of an older one.
    thread::spawn(|| Tracer::default().start_span("other thread").finish()).join().unwrap();
    assert_eq!(second.finished_names(), ["second", "other thread"]);

    // The forwarding handle is no tracer to forward to.
    set_global_tracer(global_tracer());
    EARLY.start_span("still second").finish();
    second.span("still second");

    // All methods forward.
    let mut headers = Vec::new();
    EARLY.inject(&crate::SpanContext::new(1, 2, 1), crate::Inject::TextMap(&mut headers)).unwrap();
    assert_eq!(EARLY.extract(crate::Extract::TextMap(&headers)).unwrap().unwrap().span_id(), 2);
    assert_eq!(EARLY.flush(std::time::Duration::ZERO).unwrap().reported_spans, 3);

    // The no-op tracer takes it away.
    set_global_tracer(Tracer::noop());
    assert!(!is_global_tracer_registered() && !EARLY.start_span("lost").is_recording());
    let span = second_tracer.start_span("last");
    drop((second, second_tracer));
    assert_eq!(span.tracer(), Tracer::noop(), "no copy keeps the tracer before");
}

#[test]
fn a_call_within_a_call_sees_a_tracer_too() {
    let _alone = alone_with_the_global_tracer();
    let seen = with_current(|_| with_current(|tracer| !matches!(tracer.0, TracerKind::Global)));
    assert!(seen);
}
