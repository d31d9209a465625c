//! Forks while it traces: the program that the tests in `fork` start, since a test's own process has other threads.
//!
//! `forks SCENARIO PORT`: each process prints one line with its role and its account, and exits 0 where all went well.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    unix::main()
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod unix {
    use std::collections::HashMap;
    use std::io::Write;
    use std::process::ExitCode;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use opentracing_api::{Extract, Inject, child_of};
    use opentracing_shim::jaeger::{Config, JaegerTracer};
    use otel_core::exporter::otlp::OtlpExporter;
    use otel_core::exporter::{ExportError, InMemoryExporter, SpanBatch, SpanExporter};
    use otel_core::{
        BatchProcessor, SimpleProcessor, SpanCounts, SpanProcessor, TracerProvider, diagnostics,
    };

    pub(super) fn main() -> ExitCode {
        let arguments: Vec<String> = std::env::args().collect();
        let port = arguments.get(2).and_then(|port| port.parse().ok()).unwrap_or_default();
        match arguments.get(1).map(String::as_str) {
            Some("pending") => pending(port),
            Some("busy") => busy(port),
            Some("engine") => engine(),
            Some("worker") => worker(),
            Some("collector") => collector(port),
            other => panic!("no such scenario: {other:?}"),
        }
        ExitCode::SUCCESS
    }

    /// Forks with spans in the rings of four threads and one span alive; the child forks once more.
    fn pending(port: u16) {
        let tracer = tracer_for(port);
        let (ready, over) = (Barrier::new(4), Barrier::new(4));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    finish_roots(&tracer, "before", 100);
                    ready.wait();
                    over.wait();
                });
            }
            finish_roots(&tracer, "before", 100);
            ready.wait();
            let mut live = tracer.start_span("live");
            live.set_tag("begun", "before the fork");
            let Some(child) = fork() else { pending_in_child(&tracer, live) };
            finish_roots(&tracer, "parent", 60);
            live.finish();
            expect_success(child);
            close_and_print(&tracer, "parent");
            over.wait();
        });
    }

    fn pending_in_child(tracer: &JaegerTracer, live: opentracing_api::Span) -> ! {
        let mut headers = HashMap::<String, String>::new();
        tracer.inject(&live, Inject::HttpHeaders(&mut headers)).expect("a live span is injected");
        let remote = tracer.extract(Extract::HttpHeaders(&headers)).expect("what we wrote is read");
        tracer.start_span_with("of the live one", child_of(&remote)).finish();
        live.finish();
        finish_roots(tracer, "child", 50);
        std::thread::scope(|scope| {
            scope.spawn(|| finish_roots(tracer, "child", 50));
        });
        let Some(grandchild) = fork() else {
            finish_roots(tracer, "grandchild", 30);
            close_and_print(tracer, "grandchild");
            leave()
        };
        finish_roots(tracer, "child", 20);
        expect_success(grandchild);
        close_and_print(tracer, "child");
        leave()
    }

    /// Forks many times while other threads end spans, flush, make providers and have something to say.
    fn busy(port: u16) {
        let tracer = tracer_for(port);
        diagnostics::set_logger(|_, _| {});
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        finish_roots(&tracer, "busy", 20);
                        tracer.flush(LONG).expect("a flush has the time that it needs");
                    }
                });
            }
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let exporter = InMemoryExporter::new();
                    let processor = BatchProcessor::new(exporter.clone());
                    let provider = TracerProvider::builder().processor(processor).build();
                    provider.add_processor(SimpleProcessor::new(exporter));
                    provider.tracer("short-lived").start("busy").end();
                    diagnostics::warn("forks", format_args!("said by a thread that is not forked"));
                }
            });
            for _ in 0..N_BUSY_FORKS {
                let live = tracer.start_span("live");
                let Some(child) = fork() else {
                    drop(live);
                    diagnostics::warn("forks", format_args!("said by a child"));
                    finish_roots(&tracer, "child", 5);
                    let flushed = tracer.flush(LONG).expect("a flush has the time that it needs");
                    assert_eq!(flushed.reported_spans + flushed.lost_spans, 5 + 1);
                    close_and_print(&tracer, "child");
                    leave()
                };
                live.finish();
                expect_success(child);
            }
            is_over.store(true, Ordering::Relaxed);
        });
        close_and_print(&tracer, "parent");
    }

    /// What the engine does by itself: each of its processors, with exporters that can and cannot follow.
    fn engine() {
        diagnostics::set_logger(|_, _| {});
        let kept = [InMemoryExporter::new(), InMemoryExporter::new()];
        let follows = [
            provider_of(SimpleProcessor::new(kept[0].clone())),
            provider_of(BatchProcessor::new(kept[1].clone())),
        ];
        let stays = provider_of(BatchProcessor::new(Stays));
        let unused = provider_of(BatchProcessor::new(InMemoryExporter::new()));
        let closed = provider_of(BatchProcessor::new(Stays));
        let late = closed.tracer("test").start("late");
        closed.close(LONG).expect("a close has the time that it needs");
        let live = [0, 1].map(|index| follows[index].tracer("test").start("live"));

        let child = fork();
        let is_child = child.is_none();
        drop((live, late));
        for provider in follows.iter().chain([&stays]) {
            provider.tracer("test").start("after").end();
            provider.flush(LONG).expect("a flush has the time that it needs");
        }
        let (n_parents, n_childs) = (u64::from(!is_child), u64::from(is_child));
        for (provider, kept) in follows.iter().zip(&kept) {
            let (counts, mut names) = (provider.counts(), vec!["after"]);
            assert_eq!(counts.exported_spans, 1 + 2 * n_parents);
            assert_eq!((counts.inherited_spans, counts.lost_spans()), (n_childs, n_childs));
            if !is_child {
                names.splice(0..0, ["before", "live"]);
            }
            let spans = kept.finished_spans();
            assert_eq!(spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), names);
        }
        let counts = stays.counts();
        assert_eq!((counts.exported_spans, counts.failed_spans), (2 * n_parents, n_childs));
        // Closed before the fork is closed after it.
        assert!(!closed.tracer("test").start("after").is_recording());
        let (flushed, counts) = (closed.close(LONG).expect("it is closed"), closed.counts());
        assert_eq!((flushed.exported_spans, flushed.lost_spans), (n_parents, 1));
        assert_eq!((counts.closed_spans, counts.inherited_spans), (n_parents, n_childs));
        if is_child {
            assert_eq!(unused.counts(), SpanCounts::default());
            assert_eq!(unused.flush(LONG).expect("there is nothing to wait for").lost_spans, 0);
        }
        drop((follows, stays, unused, closed));
        match child {
            Some(child) => expect_success(child),
            None => leave(),
        }
    }

    /// Takes every batch, and cannot be made again.
    #[derive(Debug)]
    struct Stays;

    impl SpanExporter for Stays {
        fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
            Ok(())
        }
    }

    /// Sets up a provider that has had a span.
    fn provider_of(processor: impl SpanProcessor) -> TracerProvider {
        let provider = TracerProvider::builder().processor(processor).build();
        provider.tracer("test").start("before").end();
        provider
    }

    /// Forks in an exporter, so that the child's one thread is the worker: the rest of the queue is not the child's.
    fn worker() {
        let forks = Forks { process_id: std::process::id(), has_forked: false };
        let processor = BatchProcessor::builder(forks).interval(LONG).build();
        let provider = TracerProvider::builder().processor(processor).build();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| provider.tracer("test").start("of a thread of its own").end());
            }
        });
        let flushed = provider.close(2 * LONG).expect("a close has the time that it needs");
        assert_eq!((flushed.exported_spans, flushed.lost_spans), (2, 0));
    }

    /// Forks with a connection to a Collector open, and spans in the queue and in the exporter's hands.
    fn collector(port: u16) {
        let exporter = OtlpExporter::builder().endpoint(&format!("http://127.0.0.1:{port}"));
        // Every request that is full goes out at once, the others wait for a flush.
        let exporter = exporter.max_request_bytes(300).build().expect("the configuration is fine");
        let stats = exporter.stats();
        let processor = BatchProcessor::builder(exporter).interval(Duration::from_secs(600));
        let provider = TracerProvider::builder().processor(processor.build()).build();
        let end_roots = |name: &str, n_spans: usize| {
            let tracer = provider.tracer("test");
            (0..n_spans).for_each(|_| tracer.span_builder(name).root().start().end());
        };
        end_roots("of-parent", 10);
        provider.flush(LONG).expect("a flush has the time that it needs");
        end_roots("of-parent", 20);
        let child = fork();
        let (name, n_exported) = if child.is_some() { ("of-parent", 37) } else { ("of-child", 7) };
        end_roots(name, 7);
        let flushed = provider.close(LONG).expect("a close has the time that it needs");
        assert_eq!((flushed.exported_spans, flushed.lost_spans), (n_exported, 0));
        assert_eq!(stats.snapshot().delivered_spans, n_exported);
        match child {
            Some(child) => expect_success(child),
            None => leave(),
        }
    }

    #[derive(Debug)]
    struct Forks {
        process_id: u32,
        has_forked: bool,
    }

    impl SpanExporter for Forks {
        fn export(&mut self, _: &SpanBatch<'_>) -> Result<(), ExportError> {
            self.flush(LONG)?;
            let is_first = !std::mem::replace(&mut self.has_forked, true);
            if let Some(child) = is_first.then(fork).flatten() {
                expect_success(child);
            }
            Ok(())
        }

        fn flush(&mut self, _: Duration) -> Result<(), ExportError> {
            if self.process_id != std::process::id() {
                std::process::exit(3);
            }
            Ok(())
        }
    }

    fn tracer_for(port: u16) -> JaegerTracer {
        let config = Config::new("forks").agent_host("127.0.0.1").agent_port(port);
        config.flush_interval(Duration::from_secs(600)).build().expect("the configuration is fine")
    }

    fn finish_roots(tracer: &JaegerTracer, operation_name: &str, n_spans: usize) {
        for _ in 0..n_spans {
            tracer.start_span(operation_name).finish();
        }
    }

    fn close_and_print(tracer: &JaegerTracer, role: &str) {
        let flushed = tracer.close(LONG).expect("a close has the time that it needs");
        let (counts, stats) = (tracer.counts(), tracer.stats());
        assert_eq!(counts.finished_spans, counts.exported_spans + counts.lost_spans());
        assert_eq!(flushed.reported_spans, counts.exported_spans);
        assert_eq!(stats.sent_spans, counts.exported_spans);
        let line = format!(
            "{role} {} {} {} {}\n",
            counts.exported_spans,
            counts.inherited_spans,
            counts.lost_spans(),
            stats.receiver_dropped_datagrams
        );
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).expect("somebody reads");
    }

    /// Forks, and returns the child's process id to the parent.
    fn fork() -> Option<libc::pid_t> {
        // SAFETY: the call itself has no precondition. The child goes on in a copy of this process where the other
        // threads are gone, and uses nothing that they may have left locked but what is tested here, and the allocator,
        // which the C library keeps in order.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "the system does not fork");
        (pid > 0).then_some(pid)
    }

    /// Ends a child. The usual way waits for a lock of the standard library that another thread of the parent may have held.
    fn leave() -> ! {
        // SAFETY: the call has no precondition, and does not return.
        unsafe { libc::_exit(0) }
    }

    /// Waits until a child has exited well; one that hangs is killed. Otherwise this process ends at once, since a panic would
    /// wait for its other threads.
    fn expect_success(child: libc::pid_t) {
        let deadline = Instant::now() + 2 * LONG;
        let mut status = 0;
        // SAFETY: the status is a valid place to write to, and the child is ours.
        while unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
            if Instant::now() >= deadline {
                // SAFETY: a signal to a child that was not waited for, so the id is still its own.
                unsafe { libc::kill(child, libc::SIGKILL) };
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if status != 0 {
            let _ = writeln!(std::io::stderr(), "the child's status is {status}: 9 where it hung");
            std::process::exit(1);
        }
    }

    const N_BUSY_FORKS: usize = 100;
    const LONG: Duration = Duration::from_secs(20);
}
