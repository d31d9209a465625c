use std::sync::Arc;

use super::*;
use crate::attribute::Value;
use crate::processor::SimpleProcessor;
use crate::provider::TracerProvider;
use crate::sync::Mutex;
use crate::{KeyValue, ManualClock};

/// A writer whose text a test can read.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_span_is_shown_as_python_shows_it() {
    let page = Page::default();
    let provider = TracerProvider::builder()
        .resource(Resource::empty().with([KeyValue::new("service.name", "shop")]))
        .clock(Arc::new(ManualClock::at_unix_nanos(1_588_862_392_906_272_999)))
        .processor(SimpleProcessor::new(ConsoleExporter::to_writer(page.clone())))
        .build();
    let mut span = provider.tracer("test").start("größe \u{1F980}");
    let (trace_id, span_id) = (span.context().trace_id(), span.context().span_id());
    let nested = [Value::F64(f64::NAN), Value::Map(&[("k", Value::Bool(true))])];
    span.set_attribute("n", 1)
        .set_attribute("f", 2.0)
        .set_attribute("list", &nested)
        .set_attribute("none", Value::Empty);
    span.add_event("hit", &[("key", "\"a\"\n".into())]);
    span.set_status(StatusCode::Error, "broken");
    span.end();
    let text = String::from_utf8(page.0.lock().clone()).unwrap();
    let expected = format!(
        r#"{{
    "name": "gr\u00f6\u00dfe \ud83e\udd80",
    "context": {{
        "trace_id": "0x{trace_id}",
        "span_id": "0x{span_id}",
        "trace_state": "[]"
    }},
    "kind": "SpanKind.INTERNAL",
    "parent_id": null,
    "start_time": "2020-05-07T14:39:52.906272Z",
    "end_time": "2020-05-07T14:39:52.906272Z",
    "status": {{
        "status_code": "ERROR",
        "description": "broken"
    }},
    "attributes": {{
        "n": 1,
        "f": 2.0,
        "list": [
            "NaN",
            {{
                "k": true
            }}
        ],
        "none": null
    }},
    "events": [
        {{
            "name": "hit",
            "timestamp": "2020-05-07T14:39:52.906272Z",
            "attributes": {{
                "key": "\"a\"\n"
            }}
        }}
    ],
    "links": [],
    "resource": {{
        "attributes": {{
            "service.name": "shop"
        }},
        "schema_url": ""
    }}
}}
"#
    );
    assert_eq!(text, expected);
}

#[test]
fn a_closed_pipe_is_a_loss_and_no_panic() {
    let provider = TracerProvider::builder()
        .processor(SimpleProcessor::new(ConsoleExporter::to_writer(ClosedPipe)))
        .build();
    provider.tracer("test").start("lost").end();
    assert_eq!((provider.counts().finished_spans, provider.counts().failed_spans), (1, 1));
}

#[test]
fn dates_are_right_around_leap_days_and_centuries() {
    for (unix_seconds, expected) in [
        (0, "1970-01-01T00:00:00.000000Z"),
        (951_782_400, "2000-02-29T00:00:00.000000Z"),
        (1_582_934_400, "2020-02-29T00:00:00.000000Z"),
        (4_107_542_399, "2100-02-28T23:59:59.000000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
    ] {
        assert_eq!(utc_time(unix_seconds * 1_000_000_000), expected);
    }
}
