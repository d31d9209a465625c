//! A recording span of the core, behind OpenTracing's face.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;

use opentracing_api::backend::SpanBackend;
use opentracing_api::{SpanContext, Value};
use otel_core::record::SpanIds;
use otel_core::{RecordingSpan, diagnostics};

use crate::convert::{Semantics, SpecialTag, Tag, write_log, write_tag};

/// What an OpenTracing span writes to: the core's slot, in a box that goes back to the thread's pool.
pub(crate) struct SpanShim {
    pub(crate) recording: RecordingSpan,
    pub(crate) semantics: Semantics,
    /// The service to name in a line about each span that is reported; usually nobody asked for such lines.
    pub(crate) logged_service: Option<Arc<str>>,
}

impl SpanShim {
    /// Takes a box from this thread's pool.
    #[inline]
    pub(crate) fn take() -> Box<Self> {
        POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten().unwrap_or_else(|| {
            Box::new(Self {
                recording: RecordingSpan::new(),
                semantics: Semantics::default(),
                logged_service: None,
            })
        })
    }

    /// Gives a box back to this thread's pool, whichever thread took it.
    #[inline]
    fn keep(mut self: Box<Self>) {
        self.recording.shrink();
        let _ = POOL.try_with(move |pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < MAX_POOLED { pool.push(self) } else { drop((pool, self)) }
        });
    }

    #[inline]
    pub(crate) fn write_tag(&mut self, context: &mut SpanContext, key: &str, tag: Tag<'_>) {
        write_tag(&mut self.recording, context, self.semantics, key, tag);
    }
}

impl SpanBackend for SpanShim {
    fn set_operation_name(&mut self, operation_name: &str) {
        self.recording.update_name(operation_name);
    }

    #[inline]
    fn set_str_tag(&mut self, context: &mut SpanContext, key: &str, value: &str) {
        match SpecialTag::of(key) {
            None => self.recording.set_str(key, value),
            Some(_) => self.write_tag(context, key, Tag::Str(value)),
        }
    }

    #[inline]
    fn set_bool_tag(&mut self, context: &mut SpanContext, key: &str, value: bool) {
        self.write_tag(context, key, Tag::Bool(value));
    }

    #[inline]
    fn set_i64_tag(&mut self, context: &mut SpanContext, key: &str, value: i64) {
        match SpecialTag::of(key) {
            None => self.recording.set_i64(key, value),
            Some(_) => self.write_tag(context, key, Tag::I64(value)),
        }
    }

    fn set_u64_tag(&mut self, context: &mut SpanContext, key: &str, value: u64) {
        self.write_tag(context, key, Tag::U64(value));
    }

    fn set_f64_tag(&mut self, context: &mut SpanContext, key: &str, value: f64) {
        self.write_tag(context, key, Tag::F64(value));
    }

    fn set_bytes_tag(&mut self, context: &mut SpanContext, key: &str, value: &[u8]) {
        self.write_tag(context, key, Tag::Bytes(value));
    }

    fn log(
        &mut self,
        time: Option<SystemTime>,
        fields: &mut dyn Iterator<Item = (Cow<'_, str>, Value<'_>)>,
    ) {
        write_log(&mut self.recording, self.semantics, time, fields);
    }

    fn on_baggage_item(&mut self, _: &SpanContext, key: &str, value: &str, replaces: bool) {
        if self.semantics == Semantics::Jaeger {
            // The Jaeger clients log each item that is set, with text for truth.
            let fields = [
                ("event", "baggage".into()),
                ("key", key.into()),
                ("value", value.into()),
                ("override", "true".into()),
            ];
            self.recording.add_event("baggage", None, &fields[..if replaces { 4 } else { 3 }]);
        }
    }

    #[inline]
    fn finish(mut self: Box<Self>, time: Option<SystemTime>) {
        self.recording.end(time);
        if let Some(service) = self.logged_service.as_deref() {
            log_span(service, &self.recording);
        }
        self.keep();
    }

    fn as_any_mut(&mut self) -> Option<&mut dyn Any> {
        Some(self)
    }
}

/// Says that a span is on its way, as the Jaeger clients do.
#[cold]
fn log_span(service: &str, recording: &RecordingSpan) {
    let SpanIds { trace_id, span_id, parent_span_id, flags } = recording.ids();
    if !flags.is_sampled() {
        return;
    }
    let operation_name = recording.name();
    let trace_id = SpanContext::from_parts(trace_id.high(), trace_id.low(), 0, 0).to_trace_id();
    let parent_id = match parent_span_id {
        parent if parent.is_valid() => parent.to_string(),
        _ => "0".to_owned(),
    };
    let flags = u8::from(flags.is_sampled()) | u8::from(flags.is_debug()) << 1;
    diagnostics::info(format_args!(
        "Reporting span {trace_id}:{span_id}:{parent_id}:{flags} {service}.{operation_name}"
    ));
}

thread_local! {
    #[expect(clippy::vec_box, reason = "boxes are what spans hold: the pool hands them out as they are")]
    static POOL: RefCell<Vec<Box<SpanShim>>> = const { RefCell::new(Vec::new()) };
}

/// As many as the core keeps of its own.
const MAX_POOLED: usize = 256;
