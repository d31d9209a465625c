//! The exporter against a Collector that each test makes up, and its bytes against the `prost` crate.

use std::thread;
use std::time::{Duration, Instant};

use super::{OtlpExporter, OtlpExporterBuilder};
use crate::exporter::{ExportError, SpanBatch, SpanCount, SpanExporter};
use crate::record::SpanIds;
use crate::{InstrumentationScope, Resource, SpanContext, SpanId, SpanKind, TraceFlags, TraceId};

mod collector;
mod environment;
mod faults;
mod golden;
mod posts;
mod requests;
mod second_opinion;

/// Has an exporter take a batch of so many spans, all with one name.
fn export(exporter: &mut OtlpExporter, name: &str, n_spans: usize) -> Result<(), ExportError> {
    let mut buf = crate::record::SpanBuf::new();
    let scope = InstrumentationScope::new("tests", "1.0");
    let mut frames = Vec::new();
    for index in 0..n_spans {
        let (trace_id, span_id) = (TraceId::from_parts(1, 2), SpanId::new(index as u64 + 1));
        let context = SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED);
        buf.start(name, SpanKind::Internal, SpanIds::new(&context, SpanId::INVALID));
        frames.extend(buf.finish(Default::default(), &scope).frame());
    }
    let (resource, n_spans) = (Resource::empty(), SpanCount::unknown());
    exporter.export(&SpanBatch::new(&resource, &[scope], &frames, &n_spans))
}

/// Flushes as a processor does: waits where the exporter would have to, as long as the time allows.
fn flush(exporter: &mut OtlpExporter, timeout: Duration) {
    let start = Instant::now();
    let left = || timeout.saturating_sub(start.elapsed());
    loop {
        match exporter.flush(left()) {
            Err(ExportError::Later(wait)) if wait < left() => thread::sleep(wait),
            Ok(()) | Err(ExportError::Later(_)) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Checks that every span is somewhere.
fn assert_account(exporter: &OtlpExporter, n_spans: usize) {
    let stats = exporter.stats().snapshot();
    let known = stats.delivered_spans + stats.lost_spans() + exporter.held_spans();
    assert_eq!(known, n_spans as u64, "{stats:?}, {} held", exporter.held_spans());
    assert_eq!(exporter.lost_spans(), stats.lost_spans());
}

/// An exporter that does not wait for long before it tries again.
fn impatient() -> OtlpExporterBuilder {
    OtlpExporter::builder().retry_wait(Duration::from_millis(1), Duration::from_millis(4))
}

/// More than anything here takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// Enough for an attempt, or for none: a test must not care which.
const SHORT: Duration = Duration::from_millis(50);
