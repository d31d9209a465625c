use std::sync::Arc;

use super::super::SpanCount;
use super::python::utc_time;
use super::*;
use crate::ManualClock;
use crate::attribute::Value;
use crate::processor::SimpleProcessor;
use crate::provider::TracerProvider;
use crate::resource::Resource;
use crate::sync::Mutex;

mod trees;

/// A writer whose writes a test can read.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<String>>>);

impl Page {
    fn text(&self) -> String {
        self.0.lock().concat()
    }

    fn n_writes(&self) -> usize {
        self.0.lock().len()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fails from a call on: a write or a flush.
struct Fails {
    n_calls_before: usize,
}

impl Fails {
    fn call(&mut self) -> io::Result<()> {
        match self.n_calls_before.checked_sub(1) {
            Some(left) => self.n_calls_before = left,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(())
    }
}

impl Write for Fails {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call().map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call()
    }
}

/// Shows a value as the only attribute of a span.
fn shown(value: Value<'_>) -> String {
    let page = Page::default();
    let provider = TracerProvider::builder()
        .processor(SimpleProcessor::new(ConsoleExporter::to_writer(page.clone())))
        .build();
    let mut span = provider.tracer("test").start("work");
    span.set_attribute("key", value);
    span.end();
    let text = page.text();
    let (_, value) = text.split_once("        \"key\": ").unwrap();
    value.split_once("\n    },").unwrap().0.to_owned()
}

#[test]
fn values_that_json_has_no_number_for_are_quoted() {
    for (value, expected) in [
        (Value::F64(f64::NAN), "\"NaN\""),
        (Value::F64(-f64::NAN), "\"NaN\""),
        (Value::F64(f64::INFINITY), "\"Infinity\""),
        (Value::F64(f64::NEG_INFINITY), "\"-Infinity\""),
        (Value::F64(f64::MAX), "1.7976931348623157e+308"),
        (Value::F64(f64::from_bits(1)), "5e-324"),
        (Value::F64(9_999_999_999_999_998.0), "9999999999999998.0"),
        (Value::F64(0.0001), "0.0001"),
        (Value::F64(0.00001), "1e-05"),
        (Value::I64(i64::MIN), "-9223372036854775808"),
        (Value::Empty, "null"),
        (Value::Str(""), "\"\""),
        (Value::Bytes(b"text"), "\"text\""),
        (Value::Bytes(b"\xff\x00"), "\"0xff00\""),
    ] {
        assert_eq!(shown(value), expected, "{value:?}");
    }
}

#[test]
fn characters_outside_ascii_are_escaped_and_those_past_16_bits_in_two() {
    for (text, expected) in [
        ("\0\u{1f}\u{7f}", r#""\u0000\u001f\u007f""#),
        ("\"\\/\n\r\t\u{8}\u{c}", r#""\"\\/\n\r\t\b\f""#),
        ("ä\u{ffff}", r#""\u00e4\uffff""#),
        ("\u{10000}\u{10ffff}", r#""\ud800\udc00\udbff\udfff""#),
        ("\u{1b}[31m", r#""\u001b[31m""#),
    ] {
        assert_eq!(shown(text.into()), expected, "{text:?}");
    }
}

#[test]
fn empty_containers_stand_on_one_line_and_others_have_a_line_for_each_item() {
    let empty = [Value::Array(&[]), Value::Map(&[])];
    assert_eq!(shown(Value::Array(&[])), "[]");
    assert_eq!(shown(Value::Map(&[])), "{}");
    assert_eq!(
        shown(Value::Array(&[Value::Array(&empty), Value::Map(&[("k", Value::Array(&empty))])])),
        "\
[
            [
                [],
                {}
            ],
            {
                \"k\": [
                    [],
                    {}
                ]
            }
        ]"
    );
}

#[test]
fn values_as_deep_as_a_record_holds_are_shown() {
    fn nested(depth: usize, value: Value<'_>) -> String {
        if depth == 0 { shown(value) } else { nested(depth - 1, Value::Array(&[value])) }
    }
    let text = nested(101, Value::I64(7));
    assert_eq!((text.matches('[').count(), text.matches(']').count()), (65, 65), "{text}");
    assert!(text.contains("[]") && !text.contains('7'), "{text}");
}

#[test]
fn a_time_that_was_never_set_is_null() {
    let page = Page::default();
    let provider = TracerProvider::builder()
        .clock(Arc::new(ManualClock::at_unix_nanos(0)))
        .processor(SimpleProcessor::new(ConsoleExporter::to_writer(page.clone())))
        .build();
    provider.tracer("test").start("work").end();
    let text = page.text();
    for key in ["parent_id", "start_time", "end_time"] {
        assert!(text.contains(&format!("\n    \"{key}\": null,\n")), "{key} in {text}");
    }
}

#[test]
fn a_writer_that_fails_loses_the_span_whose_write_or_flush_it_is() {
    for (n_calls_before, expected_losses) in [(0, 4), (1, 4), (2, 3), (3, 3), (4, 2), (8, 0)] {
        let provider = TracerProvider::builder()
            .processor(SimpleProcessor::new(ConsoleExporter::to_writer(Fails { n_calls_before })))
            .build();
        (0..4).for_each(|_| provider.tracer("test").start("work").end());
        let counts = provider.counts();
        assert_eq!((counts.finished_spans, counts.failed_spans), (4, expected_losses));
        assert_eq!(counts.exported_spans, 4 - expected_losses);
    }
}

#[test]
fn a_closed_exporter_refuses_what_comes_later() {
    let page = Page::default();
    let mut exporter = ConsoleExporter::to_writer(page.clone());
    exporter.close(Duration::ZERO).unwrap();
    let (resource, n_spans) = (Resource::empty(), SpanCount::known(0));
    let batch = SpanBatch::new(&resource, &[], &[], &n_spans);
    assert!(matches!(exporter.export(&batch), Err(ExportError::Closed)));
    assert_eq!(page.text(), "");
}

#[test]
fn the_child_of_a_fork_has_an_exporter_only_where_it_shares_the_output() {
    let standard = ConsoleExporter::new().format(ConsoleFormat::Launcher);
    let child = standard.fork_recipe().unwrap().make();
    assert_eq!(format!("{child:?}"), format!("{standard:?}"));
    assert!(ConsoleExporter::to_writer(Page::default()).fork_recipe().is_none());
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
