//! The border between OpenTracing's words and the core's: contexts, tags, logs.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;

use opentracing_api::{SpanContext, Value, log, tags};
use otel_core::{
    AttributeSource, BaggageItem, RecordingSpan, SpanId, SpanKind, StatusCode, TraceFlags, TraceId,
    TraceState, WeakSpan,
};

/// Which rules translate tags and logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Semantics {
    /// OpenTelemetry's compatibility rules: `error` becomes the status, `span.kind` the kind, and a log of an error an
    /// `exception` event.
    #[default]
    OpenTelemetry,
    /// The Jaeger clients' rules: tags and logs stay as they were given, and set status and kind besides.
    Jaeger,
}

/// What a context carries for the core beside ids and flags.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extension {
    pub(crate) trace_state: TraceState,
    /// Somebody asked for the next trace, and gave it this name.
    pub(crate) debug_id: Option<String>,
    pub(crate) baggage_metadata: BaggageMetadata,
    /// The core's span, where the context is that of one which the core started.
    pub(crate) core_span: Option<WeakSpan>,
}

impl Extension {
    fn is_empty(&self) -> bool {
        self.trace_state.is_empty()
            && self.debug_id.is_none()
            && self.baggage_metadata.is_empty()
            && self.core_span.is_none()
    }
}

/// What carriers said about values of baggage, for those values alone: one that is set anew has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct BaggageMetadata(Vec<BaggageItem>);

impl BaggageMetadata {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn find(&self, name: &str, value: &str) -> Option<&str> {
        let item = self.0.iter().find(|item| item.name == name && item.value == value)?;
        Some(&item.metadata)
    }

    /// Adds what another context knows of the values that `context` has.
    pub(crate) fn extend(&mut self, other: &Self, context: &SpanContext) {
        for item in &other.0 {
            let is_current = context.baggage_item(&item.name) == Some(item.value.as_str());
            if is_current && self.find(&item.name, &item.value).is_none() {
                self.0.push(item.clone());
            }
        }
    }
}

impl FromIterator<BaggageItem> for BaggageMetadata {
    fn from_iter<I: IntoIterator<Item = BaggageItem>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

/// Turns an OpenTracing context into the core's.
#[inline]
pub(crate) fn to_core(context: &SpanContext) -> otel_core::SpanContext {
    let (trace_id, span_id, flags) = core_ids(context);
    let core =
        otel_core::SpanContext::new(trace_id, span_id, flags).with_remote(is_remote(context));
    match context.extension::<Extension>() {
        Some(extension) if !extension.trace_state.is_empty() => {
            core.with_trace_state(extension.trace_state.clone())
        }
        _ => core,
    }
}

/// Returns what the core calls an OpenTracing context's ids and flags.
#[inline]
pub(crate) fn core_ids(context: &SpanContext) -> (TraceId, SpanId, TraceFlags) {
    let trace_id = TraceId::from_parts(context.trace_id_high(), context.trace_id_low());
    (trace_id, SpanId::new(context.span_id()), TraceFlags::from_bits(context.flags() as u16))
}

/// Tells whether a context came from another process.
#[inline]
pub(crate) fn is_remote(context: &SpanContext) -> bool {
    context.flags() & REMOTE != 0
}

/// Returns the context of a new span in this process whose parent may be in another one.
#[inline]
pub(crate) fn child_of(parent: &SpanContext, span_id: SpanId) -> SpanContext {
    let child = parent.child(span_id.as_u64());
    if is_remote(parent) { child.with_flags(parent.flags() & !REMOTE) } else { child }
}

/// Turns the core's context into an OpenTracing one, without the trace state.
#[inline]
pub(crate) fn ids_from_core(context: &otel_core::SpanContext) -> SpanContext {
    let remote = if context.is_remote() { REMOTE } else { 0 };
    let (trace_id, span_id) = (context.trace_id(), context.span_id());
    let flags = u32::from(context.flags().bits()) | remote;
    SpanContext::from_parts(trace_id.high(), trace_id.low(), span_id.as_u64(), flags)
}

/// Adds what the core knows of a context beside ids and flags.
pub(crate) fn with_extension(context: SpanContext, extension: Extension) -> SpanContext {
    if extension.is_empty() {
        return context;
    }
    context.with_extension(Arc::new(extension))
}

/// The core's flags fill the lower 16 bits, with those that OpenTracing knows at its places.
const REMOTE: u32 = 1 << 16;

const _: () = assert!(TraceFlags::SAMPLED.bits() as u32 == SpanContext::SAMPLED);
const _: () = assert!(TraceFlags::DEFERRED.bits() as u32 == SpanContext::UNDECIDED);

/// A tag's value as the core takes it, or what `sampling.priority` and the like make of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tag<'a> {
    Str(&'a str),
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Bytes(&'a [u8]),
}

impl<'a> Tag<'a> {
    /// Borrows a value; one that is formatted late gets its text from `text`.
    pub(crate) fn of(value: &'a Value<'_>, text: &'a mut String) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::I64(value) => Self::I64(*value),
            Value::U64(value) => Self::U64(*value),
            Value::F64(value) => Self::F64(*value),
            Value::Str(value) => Self::Str(value),
            Value::Bytes(value) => Self::Bytes(value),
            Value::None => return None,
            formatted => {
                use std::fmt::Write;
                text.clear();
                let _ = write!(text, "{formatted}");
                Self::Str(text)
            }
        })
    }

    /// Reads a truth value as OpenTracing's `error` has it: also as text in any case.
    fn as_bool(self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(value),
            Self::Str(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Str(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// Reads a number, also from text: what `sampling.priority` may come as.
    pub(crate) fn as_priority(self) -> Option<bool> {
        match self {
            Self::I64(number) => Some(number > 0),
            Self::U64(number) => Some(number > 0),
            Self::F64(number) => Some(number > 0.0),
            Self::Bool(flag) => Some(flag),
            Self::Str(text) => text
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|number| !number.is_nan())
                .map(|number| number > 0.0),
            Self::Bytes(_) => None,
        }
    }

    /// Hands the value over in the core's form: unsigned numbers past its integers go as decimal text.
    #[inline]
    pub(crate) fn with_core<R>(self, use_it: impl FnOnce(otel_core::Value<'_>) -> R) -> R {
        match self {
            Self::Str(text) => use_it(otel_core::Value::Str(text)),
            Self::Bool(flag) => use_it(otel_core::Value::Bool(flag)),
            Self::I64(number) => use_it(otel_core::Value::I64(number)),
            Self::F64(number) => use_it(otel_core::Value::F64(number)),
            Self::Bytes(bytes) => use_it(otel_core::Value::Bytes(bytes)),
            Self::U64(number) => match i64::try_from(number) {
                Ok(number) => use_it(otel_core::Value::I64(number)),
                Err(_) => use_it(otel_core::Value::Str(&number.to_string())),
            },
        }
    }
}

/// What a tag does beside being an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpecialTag {
    Error,
    SpanKind,
    SamplingPriority,
}

impl SpecialTag {
    /// Finds the special tags by their length first: most keys are none.
    #[inline]
    pub(crate) fn of(key: &str) -> Option<Self> {
        match key.len() {
            5 if key == tags::ERROR => Some(Self::Error),
            9 if key == tags::SPAN_KIND => Some(Self::SpanKind),
            17 if key == tags::SAMPLING_PRIORITY => Some(Self::SamplingPriority),
            _ => None,
        }
    }
}

/// Writes a tag to a recording span.
#[inline]
pub(crate) fn write_tag(
    span: &mut RecordingSpan,
    context: &mut SpanContext,
    semantics: Semantics,
    key: &str,
    tag: Tag<'_>,
) {
    match SpecialTag::of(key) {
        None => tag.with_core(|value| span.set_attribute(key, value)),
        Some(special) => write_special_tag(span, context, semantics, (special, key), tag),
    }
}

#[cold]
fn write_special_tag(
    span: &mut RecordingSpan,
    context: &mut SpanContext,
    semantics: Semantics,
    (special, key): (SpecialTag, &str),
    tag: Tag<'_>,
) {
    let is_taken = match special {
        SpecialTag::Error => match (tag.as_bool(), semantics) {
            (Some(true), _) => {
                span.replace_status(StatusCode::Error, "");
                true
            }
            // "Not failed" is not "checked and fine"; OpenTelemetry's rules say Ok all the same.
            (Some(false), Semantics::OpenTelemetry) => {
                span.replace_status(StatusCode::Ok, "");
                true
            }
            (Some(false), Semantics::Jaeger) => {
                span.replace_status(StatusCode::Unset, "");
                true
            }
            (None, _) => false,
        },
        SpecialTag::SpanKind => match tag {
            Tag::Str(name) => SpanKind::from_name(name).map(|kind| span.set_kind(kind)).is_some(),
            _ => false,
        },
        SpecialTag::SamplingPriority => {
            let flags = TraceFlags::from_bits(context.flags() as u16);
            let flags = match tag.as_priority() {
                Some(true) => flags | TraceFlags::SAMPLED | TraceFlags::DEBUG,
                // A debug flag would keep the trace elsewhere: dropping means both.
                Some(false) => flags.with(TraceFlags::SAMPLED | TraceFlags::DEBUG, false),
                None => flags,
            };
            *context =
                context.clone().with_flags(context.flags() & !0xFFFF | u32::from(flags.bits()));
            span.set_flags(flags);
            tag.as_priority() == Some(false)
        }
    };
    let is_kept = match special {
        // The Jaeger clients record a priority that keeps the trace, and not one that drops it.
        SpecialTag::SamplingPriority => !is_taken,
        SpecialTag::Error | SpecialTag::SpanKind => !is_taken || semantics == Semantics::Jaeger,
    };
    if is_kept {
        tag.with_core(|value| span.set_attribute(key, value));
    }
}

/// Writes a log to a recording span as an event.
///
/// Its name is the text of the field `event`, and `log` where there is none. The fields stay as they are, but for a
/// log of an error under OpenTelemetry's rules, which becomes an `exception` event.
pub(crate) fn write_log(
    span: &mut RecordingSpan,
    semantics: Semantics,
    time: Option<SystemTime>,
    fields: &mut dyn Iterator<Item = (Cow<'_, str>, Value<'_>)>,
) {
    let mut fields = fields.peekable();
    // Nearly always the first field is the event, and the name is known before anything is written.
    if let Some(name) = fields.peek().and_then(event_name) {
        let name = name.clone();
        write_named_log(span, semantics, time, &name, &mut fields);
    } else if semantics == Semantics::OpenTelemetry {
        // What the fields are called depends on the name, so it has to be found first.
        let fields: Vec<_> = fields.collect();
        let name = fields.iter().find_map(event_name).cloned().unwrap_or(Cow::Borrowed(UNNAMED));
        write_named_log(span, semantics, time, &name, &mut fields.into_iter());
    } else {
        let fields = OnceFields::new(&mut fields, Event::Unnamed);
        span.add_event(UNNAMED, time, &fields);
        if let Some(name) = fields.late_name.into_inner() {
            span.set_last_event_name(&name);
        }
    }
}

fn write_named_log<'f, 'v>(
    span: &mut RecordingSpan,
    semantics: Semantics,
    time: Option<SystemTime>,
    name: &str,
    fields: &mut impl Iterator<Item = (Cow<'f, str>, Value<'v>)>,
) {
    let is_exception = name == "error" && semantics == Semantics::OpenTelemetry;
    let (name, event) =
        if is_exception { ("exception", Event::Exception) } else { (name, Event::Named) };
    span.add_event(name, time, &OnceFields::new(fields, event));
}

/// Returns the name of the event, if that is what the field says.
fn event_name<'a, 'v>(field: &'a (Cow<'_, str>, Value<'v>)) -> Option<&'a Cow<'v, str>> {
    match field {
        (key, Value::Str(name)) if key == log::EVENT && !name.is_empty() => Some(name),
        _ => None,
    }
}

/// The name of an event whose log has none.
const UNNAMED: &str = "log";

/// Fields that are read once, as the core writes them.
struct OnceFields<'i, I> {
    fields: RefCell<&'i mut I>,
    event: Event,
    /// The name of an event that has none yet, if a field tells it.
    late_name: RefCell<Option<String>>,
}

/// What is known of the event before its fields are read.
#[derive(Clone, Copy, PartialEq)]
enum Event {
    /// Its name.
    Named,
    /// Its name, and that the keys get the names which OpenTelemetry has for those of an exception.
    Exception,
    /// Nothing.
    Unnamed,
}

impl<'i, I> OnceFields<'i, I> {
    fn new(fields: &'i mut I, event: Event) -> Self {
        Self { fields: RefCell::new(fields), event, late_name: RefCell::new(None) }
    }
}

impl<'f, 'v, I: Iterator<Item = (Cow<'f, str>, Value<'v>)>> AttributeSource for OnceFields<'_, I> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, otel_core::Value<'_>)) {
        let Ok(mut fields) = self.fields.try_borrow_mut() else { return };
        let mut text = String::new();
        for field in &mut **fields {
            if let Some(name) = event_name(&field).filter(|_| self.event == Event::Unnamed) {
                self.late_name.borrow_mut().get_or_insert_with(|| name.to_string());
            }
            let (key, value) = &field;
            let Some(value) = Tag::of(value, &mut text) else { continue };
            let key = if self.event == Event::Exception { exception_key(key) } else { key };
            value.with_core(|value| visit(key, value));
        }
    }
}

/// OpenTelemetry's name for a field of a log of an error.
fn exception_key(key: &str) -> &str {
    match key {
        log::ERROR_KIND => "exception.type",
        log::MESSAGE => "exception.message",
        log::STACK => "exception.stacktrace",
        other => other,
    }
}
