//! What a Collector says about a request, in the body of its answer.
//!
//! Source: `open-telemetry/opentelemetry-proto:opentelemetry/proto/collector/trace/v1/trace_service.proto`, and
//! `googleapis/googleapis:google/rpc/status.proto`.

use std::borrow::Cow;

use super::protobuf::{Content, Fields};

/// Which spans of an accepted request were not accepted, and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartialSuccess<'a> {
    pub(super) rejected_spans: u64,
    /// Empty where nothing is wrong.
    pub(super) error_message: Cow<'a, str>,
}

impl<'a> PartialSuccess<'a> {
    /// Reads an `ExportTraceServiceResponse`; `None` where the body is none. An empty body says that all is well.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut partial_success = Self::default();
        let mut fields = Fields::of(body);
        for field in fields.by_ref() {
            if let (1, Content::Bytes(message)) = (field.number, field.content) {
                partial_success = Self::read_message(message)?;
            }
        }
        (!fields.is_broken()).then_some(partial_success)
    }

    fn read_message(message: &'a [u8]) -> Option<Self> {
        let mut partial_success = Self::default();
        let mut fields = Fields::of(message);
        for field in fields.by_ref() {
            match (field.number, field.content) {
                // A number below zero makes no sense, and rejects nothing.
                (1, Content::Number(number)) => {
                    partial_success.rejected_spans = u64::try_from(number as i64).unwrap_or(0);
                }
                (2, Content::Bytes(text)) => partial_success.error_message = shown(text),
                _ => {}
            }
        }
        (!fields.is_broken()).then_some(partial_success)
    }
}

/// Reads what is said about a request that failed: the message of a `google.rpc.Status`, or else the start of the body as
/// text, since proxies answer in whatever form they like.
pub(super) fn error_message(body: &[u8]) -> Cow<'_, str> {
    let mut fields = Fields::of(body);
    let message =
        fields.by_ref().fold(None, |message, field| match (field.number, field.content) {
            (2, Content::Bytes(text)) => Some(text),
            _ => message,
        });
    match message {
        Some(text) if !fields.is_broken() => shown(text),
        _ => shown(body),
    }
}

/// Makes a text from outside fit for one line of a log.
fn shown(text: &[u8]) -> Cow<'_, str> {
    // A character that is cut becomes U+FFFD.
    let text = &text[..text.len().min(MAX_SHOWN_BYTES)];
    match String::from_utf8_lossy(text) {
        text if text.contains(char::is_control) => text.replace(char::is_control, " ").into(),
        text => text,
    }
}

const MAX_SHOWN_BYTES: usize = 500;

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use prost::Message;

    use super::*;

    fn response(rejected_spans: i64, error_message: &str) -> Vec<u8> {
        let error_message = error_message.to_owned();
        let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
        ExportTraceServiceResponse { partial_success }.encode_to_vec()
    }

    #[test]
    fn a_partial_success_is_read() {
        for (rejected_spans, error_message) in [(0, ""), (3, "too old"), (0, "try another port")] {
            let body = response(rejected_spans, error_message);
            let expected = PartialSuccess {
                rejected_spans: rejected_spans as u64,
                error_message: error_message.into(),
            };
            assert_eq!(PartialSuccess::read(&body), Some(expected));
        }
        assert_eq!(PartialSuccess::read(b""), Some(PartialSuccess::default()));
        assert_eq!(PartialSuccess::read(&response(-1, "")), Some(PartialSuccess::default()));
        // A field that a later version may add is passed over.
        let later = [&response(2, "x")[..], &[0x9A, 6, 1, 7]].concat();
        assert_eq!(PartialSuccess::read(&later).unwrap().rejected_spans, 2);
    }

    #[test]
    fn a_body_that_is_something_else_is_none() {
        for body in [&b"<html>"[..], b"{}", b"\x0A", b"\x0A\x05\x08\x01", b"\x0A\x02\x08\xFF"] {
            assert_eq!(PartialSuccess::read(body), None, "{body:?}");
        }
    }

    #[test]
    fn why_a_request_failed_is_told_in_one_short_line() {
        for (body, expected) in [
            (&b"\x08\x03\x12\x08bad span"[..], "bad span"),
            (b"404 page not found\n", "404 page not found "),
            (b"<html>\r\n\x1B[31m</html>", "<html>   [31m</html>"),
            (b"\x12\x08cut", " \u{8}cut"),
            (b"", ""),
            (b"\xFF\xFE", "\u{FFFD}\u{FFFD}"),
        ] {
            let expected: String =
                expected.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            assert_eq!(error_message(body), expected, "{body:?}");
        }
        assert_eq!(error_message(&[b'x'; 100_000]).len(), 500);
    }
}
