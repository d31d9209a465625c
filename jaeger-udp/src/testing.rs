//! What the tests of several modules share.

use otel_core::record::{SpanBuf, SpanIds, SpanTimes, SpanView};
use otel_core::{
    InstrumentationScope, KeyValue, SpanContext, SpanId, SpanKind, SpanLimits, StatusCode,
    TraceFlags, TraceId, Value,
};

use crate::Dialect;
use crate::agent::decode_message;
use crate::codec::jaeger_thrift as wire;
use crate::codec::{Buffer, Compact, ThriftProtocol};
use crate::convert::{Extras, SpanConverter};
use crate::model;
use crate::trim::Trim;

/// A span in the making.
#[derive(Clone, Debug)]
pub(crate) struct TestSpan {
    buf: SpanBuf,
    finished: SpanBuf,
    pub(crate) context: SpanContext,
    pub(crate) parent_id: SpanId,
    pub(crate) times: SpanTimes,
    pub(crate) scope: InstrumentationScope,
    pub(crate) limits: SpanLimits,
    pub(crate) extras: Extras,
}

impl TestSpan {
    pub(crate) fn new(name: &str) -> Self {
        let mut buf = SpanBuf::new();
        buf.start(name, SpanKind::Internal, SpanIds::default());
        Self {
            buf,
            finished: SpanBuf::new(),
            context: SpanContext::new(
                TraceId::from_parts(0, 1),
                SpanId::new(2),
                TraceFlags::SAMPLED,
            ),
            parent_id: SpanId::INVALID,
            times: SpanTimes { start_unix_nanos: 1_000_000_000, duration_nanos: 10_000 },
            scope: InstrumentationScope::default(),
            limits: SpanLimits::UNLIMITED,
            extras: Extras::default(),
        }
    }

    pub(crate) fn ids(mut self, trace_id: TraceId, span_id: u64, parent_id: u64) -> Self {
        self.context = SpanContext::new(trace_id, SpanId::new(span_id), self.context.flags());
        self.parent_id = SpanId::new(parent_id);
        self
    }

    pub(crate) fn flags(mut self, flags: TraceFlags) -> Self {
        self.context = self.context.with_flags(flags);
        self
    }

    pub(crate) fn kind(mut self, kind: SpanKind) -> Self {
        self.buf.set_kind(kind);
        self
    }

    pub(crate) fn status(mut self, status: StatusCode, description: &str) -> Self {
        self.buf.set_status(status, description);
        self
    }

    pub(crate) fn trace_state(mut self, trace_state: &str) -> Self {
        self.buf.set_trace_state(trace_state);
        self
    }

    pub(crate) fn times(mut self, start_unix_nanos: u64, duration_nanos: u64) -> Self {
        self.times = SpanTimes { start_unix_nanos, duration_nanos };
        self
    }

    pub(crate) fn scope(mut self, name: &str, version: &str) -> Self {
        self.scope = InstrumentationScope::new(name, version);
        self
    }

    pub(crate) fn scope_attributes(mut self, attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes.iter().map(|(key, value)| KeyValue::new(*key, *value));
        self.scope = self.scope.with_attributes(attributes);
        self
    }

    pub(crate) fn attribute<'v>(mut self, key: &str, value: impl Into<Value<'v>>) -> Self {
        self.buf.set_attribute(key, value.into(), &self.limits);
        self
    }

    pub(crate) fn event(
        mut self,
        name: &str,
        unix_nanos: u64,
        fields: &[(&str, Value<'_>)],
    ) -> Self {
        self.buf.add_event(name, unix_nanos, fields, &self.limits);
        self
    }

    pub(crate) fn link(
        mut self,
        trace_id: TraceId,
        span_id: u64,
        fields: &[(&str, Value<'_>)],
    ) -> Self {
        let context = SpanContext::new(trace_id, SpanId::new(span_id), TraceFlags::SAMPLED);
        self.buf.add_link(&context, fields, &self.limits);
        self
    }

    pub(crate) fn view(&mut self) -> SpanView<'_> {
        self.finished = self.buf.clone();
        self.finished.set_ids(SpanIds::new(&self.context, self.parent_id));
        self.finished.finish(self.times, &self.scope)
    }

    /// Returns the span's bytes.
    pub(crate) fn encoded<P: ThriftProtocol>(&mut self, dialect: Dialect) -> Vec<u8> {
        self.encoded_trimmed::<P>(dialect, &Trim::NOTHING)
    }

    pub(crate) fn encoded_trimmed<P: ThriftProtocol>(
        &mut self,
        dialect: Dialect,
        trim: &Trim,
    ) -> Vec<u8> {
        let mut encoded = Buffer::new();
        let (mut converter, span) = (SpanConverter::new(dialect, self.extras), self.view());
        encoded.append(|out| converter.write_span::<P>(out, &span, trim));
        encoded.to_vec()
    }

    /// Returns what a receiver makes of the span.
    pub(crate) fn decoded(&mut self, dialect: Dialect) -> model::Span {
        decode_span::<Compact>(&self.encoded::<Compact>(dialect))
    }
}

/// Decodes a span that was encoded alone. It may be longer than a datagram, so long values are the test's own affair.
pub(crate) fn decode_span<P: ThriftProtocol>(span: &[u8]) -> model::Span {
    let message = decode_message(&message_of::<P>(span)).expect("a decodable span");
    assert_eq!(message.trailing_bytes, 0);
    let [span] = message.batch.spans.try_into().expect("one span");
    span
}

/// Puts an encoded span into a message of its own.
pub(crate) fn message_of<P: ThriftProtocol>(span: &[u8]) -> Vec<u8> {
    let mut message = Buffer::new();
    message.append(|out| {
        wire::message_head::<P>(out, 1);
        wire::process_head::<P>(out, b"svc", 0);
        P::stop(out);
        wire::spans_head::<P>(out, 1);
        out.copy(span);
        wire::message_tail::<P>(out, None, None);
    });
    message.to_vec()
}
