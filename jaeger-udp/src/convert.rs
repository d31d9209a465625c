//! The border: OpenTelemetry's span, from its record, as Jaeger's Thrift `Span`.
//!
//! # Decisions
//!
//! | topic | [`Dialect::Otel`] | [`Dialect::JaegerClient`] |
//! | --- | --- | --- |
//! | ids | big-endian numbers as `i64`; the first eight bytes of a trace id are `traceIdHigh` | same |
//! | flags | computed: SAMPLED always, DEBUG and FIREHOSE where set; W3C's byte is never copied | same |
//! | times | microseconds, both ends rounded down; a duration of 0 becomes 1, since Jaeger 2 calls 0 a negative duration | same |
//! | parent | `parentSpanId` | same |
//! | links | references FOLLOWS_FROM, or CHILD_OF where attribute `opentracing.ref_type` says `child_of`; a CHILD_OF to the parent is left out | the same types, all of them, in order |
//! | kind | tag `span.kind` unless internal or set by the user | same |
//! | status Error | tag `error`=true in place of the user's, `otel.status_code`, `otel.status_description` | tag `error`=true unless set by the user |
//! | status Ok | `otel.status_code`=OK | nothing |
//! | scope | `otel.scope.name`, `.version`, and the same as `otel.library.…` for older readers; its attributes, but for keys that the span has | nothing |
//! | trace state | tag `w3c.tracestate` | nothing |
//! | dropped by limits | `otel.dropped_…_count` on span and logs | a last log `dropped Span logs` with their number |
//! | event | field `event` with its name, unless it has such an attribute; then its attributes | its attributes; field `event` only where it has none |
//! | array, map | compact JSON text | same |
//! | no value | empty text | same |
//! | link attributes | nothing, since a `SpanRef` has no place for them; where asked for, a log `link` at the span's start | same |
//! | event `exception` | its attributes as they are | same; where asked for, with OpenTracing's keys |
//!
//! A derived tag is left out where the user set one of its key, `error` aside as above: each key goes out once.

use otel_core::record::{Attribute, Attributes, EventView, LinkView, SpanView, ValueView};
use otel_core::{Resource, SpanId, StatusCode, TraceFlags, TraceId};

use crate::codec::jaeger_thrift as wire;
use crate::codec::{Buffer, Cursor, ThriftProtocol};
use crate::json;
use crate::trim::{Trim, cut_text};

/// Which conventions spans follow on the wire: what becomes of kind, status, scope, events and links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// OpenTelemetry's mapping to Jaeger, for users of `otel-core`.
    ///
    /// Source: `open-telemetry/opentelemetry-specification:specification/trace/sdk_exporters/jaeger.md`.
    #[default]
    Otel,
    /// What Jaeger's own clients sent: tags and logs as they were given, no `otel.…` tags.
    ///
    /// Source: `jaegertracing/jaeger-client-go:jaeger_thrift_span.go`.
    JaegerClient,
}

/// What goes out besides, where it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    /// A log for each link with attributes.
    pub(crate) link_logs: bool,
    /// OpenTracing's keys for those of an `exception`, in the Jaeger clients' dialect.
    pub(crate) opentracing_errors: bool,
}

/// Writes spans, all in one protocol; holds what it needs for one after another.
#[derive(Debug)]
pub(crate) struct SpanConverter {
    dialect: Dialect,
    extras: Extras,
    trace: EncodedTraceId,
    /// The JSON text of one value: its length goes out before it.
    json: Vec<u8>,
}

impl SpanConverter {
    pub(crate) fn new(dialect: Dialect, extras: Extras) -> Self {
        Self { dialect, extras, trace: EncodedTraceId::default(), json: Vec::new() }
    }

    /// Writes a span as Thrift struct.
    pub(crate) fn write_span<P: ThriftProtocol>(
        &mut self,
        out: &mut Cursor<'_>,
        span: &SpanView<'_>,
        trim: &Trim,
    ) {
        let place = out;
        let out = &mut place.take();
        let n_references = self.n_references(span).min(trim.n_references);
        self.trace.write::<P>(out, span.trace_id());
        wire::span_head::<P>(
            out,
            span.span_id().as_u64() as i64,
            span.parent_span_id().as_u64() as i64,
            cut_text(span.name().as_bytes(), trim.name_bytes),
            n_references,
        );
        if n_references > 0 {
            out.lend(|out| self.write_references::<P>(out, span, n_references));
        }

        let plan = TagPlan::new(span, self.dialect, trim);
        let start_time_micros = micros(span.start_unix_nanos());
        let middle = wire::SpanMiddle {
            has_references: n_references > 0,
            flags: flags_of(span.flags()),
            start_time_micros,
            // From the two ends, each cut to microseconds: cut by itself, the duration of a parent could come out a
            // microsecond shorter than that of a child which ends with it, and Jaeger warns of skewed clocks.
            duration_micros: (micros(span.end_unix_nanos()) - start_time_micros).max(1),
            n_tags: plan.n_tags,
        };
        wire::span_middle::<P>(out, middle);
        if plan.keeps_all {
            for attribute in span.attributes() {
                self.write_tag::<P>(out, attribute, trim.value_bytes);
            }
        } else {
            out.lend(|out| self.write_kept_tags::<P>(out, span, &plan, trim));
        }
        if plan.derived != 0 {
            out.lend(|out| {
                write_derived::<P>(out, span, &plan, trim);
                self.write_scope_attributes::<P>(out, span, &plan, trim);
            });
        }

        let has_link_logs = self.extras.link_logs && span.n_links() > 0;
        if span.n_events() > 0 || span.dropped_events() > 0 || has_link_logs {
            out.lend(|out| self.write_logs::<P>(out, span, plan.n_tags > 0, trim));
        }
        P::stop(out);
        *place = out.take();
    }

    /// Appends a Process as Thrift struct: the service, and all other attributes of the resource that fit the budget.
    ///
    /// Returns how many tags were cut or left out; the name counts as one.
    pub(crate) fn write_process<P: ThriftProtocol>(
        &mut self,
        out: &mut Buffer,
        resource: &Resource,
        max_bytes: usize,
    ) -> usize {
        let start = out.len();
        let service_name = cut_text(resource.service_name().as_bytes(), max_bytes / 2);
        let tags = || resource.attributes().filter(|attribute| attribute.key != "service.name");
        out.append(|out| {
            wire::process_head::<P>(out, service_name, tags().count());
            tags().for_each(|tag| self.write_tag::<P>(out, tag, usize::MAX));
            P::stop(out);
        });
        let mut n_cut = usize::from(service_name.len() < resource.service_name().len());
        if out.len() - start <= max_bytes {
            return n_cut;
        }
        // Too long: values are shortened, and then the tags that still go beyond the budget are left out.
        out.truncate(start);
        let (mut kept_tags, mut n_kept) = (Buffer::new(), 0);
        let budget = max_bytes.saturating_sub(service_name.len() + PROCESS_OVERHEAD);
        for tag in tags() {
            let mut encoded = Buffer::new();
            encoded.append(|out| self.write_tag::<P>(out, tag, usize::MAX));
            let whole_len = encoded.len();
            encoded.clear();
            encoded.append(|out| self.write_tag::<P>(out, tag, PROCESS_VALUE_BYTES));
            let fits = kept_tags.len() + encoded.len() <= budget;
            n_cut += usize::from(!fits || encoded.len() < whole_len);
            if fits {
                kept_tags.extend_from_slice(&encoded);
                n_kept += 1;
            }
        }
        out.append(|out| {
            wire::process_head::<P>(out, service_name, n_kept);
            out.copy(&kept_tags);
            P::stop(out);
        });
        self.shrink();
        n_cut
    }

    /// Gives back memory that an unusually large value took.
    pub(crate) fn shrink(&mut self) {
        self.json.clear();
        self.json.shrink_to(MAX_KEPT_JSON_BYTES);
    }

    /// Returns how many references go out.
    #[inline]
    fn n_references(&self, span: &SpanView<'_>) -> usize {
        if span.n_links() == 0 { 0 } else { self.references(span).count() }
    }

    #[inline(never)]
    fn write_references<P: ThriftProtocol>(
        &self,
        out: &mut Cursor<'_>,
        span: &SpanView<'_>,
        n_references: usize,
    ) {
        for Reference { ref_type, trace_id, span_id } in self.references(span).take(n_references) {
            let trace_id = (trace_id.high() as i64, trace_id.low() as i64);
            wire::span_ref::<P>(out, ref_type, trace_id, span_id.as_u64() as i64);
        }
    }

    /// Visits what goes out as references.
    fn references<'a>(&self, span: &SpanView<'a>) -> impl Iterator<Item = Reference> + use<'a> {
        let parent =
            (self.dialect == Dialect::Otel).then_some((span.trace_id(), span.parent_span_id()));
        span.links().map(Reference::from).filter(move |reference| {
            reference.ref_type != wire::CHILD_OF
                || Some((reference.trace_id, reference.span_id)) != parent
        })
    }

    #[inline(never)]
    fn write_kept_tags<P: ThriftProtocol>(
        &mut self,
        out: &mut Cursor<'_>,
        span: &SpanView<'_>,
        plan: &TagPlan,
        trim: &Trim,
    ) {
        for (index, attribute) in span.attributes().enumerate() {
            if plan.keeps(index, &attribute) {
                self.write_tag::<P>(out, attribute, trim.value_bytes);
            }
        }
    }

    fn write_scope_attributes<P: ThriftProtocol>(
        &mut self,
        out: &mut Cursor<'_>,
        span: &SpanView<'_>,
        plan: &TagPlan,
        trim: &Trim,
    ) {
        if plan.derived & derived::SCOPE_ATTRIBUTES != 0 {
            for attribute in scope_attributes(span) {
                self.write_tag::<P>(out, attribute, trim.value_bytes);
            }
        }
    }

    #[inline(never)]
    fn write_logs<P: ThriftProtocol>(
        &mut self,
        out: &mut Cursor<'_>,
        span: &SpanView<'_>,
        has_tags: bool,
        trim: &Trim,
    ) {
        let n_events = span.n_events().min(trim.n_logs);
        let tells_dropped = self.dialect == Dialect::JaegerClient && trim.n_logs > 0;
        let n_dropped = if tells_dropped { span.dropped_events() } else { 0 };
        let n_link_logs = self.told_links(span, trim).count();
        let n_logs = n_link_logs + n_events + usize::from(n_dropped > 0);
        wire::logs_head::<P>(out, n_logs, has_tags);
        if n_logs == 0 {
            return;
        }
        for link in self.told_links(span, trim) {
            self.write_link_log::<P>(out, micros(span.start_unix_nanos()), &link, trim.value_bytes);
        }
        for event in span.events().skip(span.n_events() - n_events) {
            self.write_log::<P>(out, &event, trim.value_bytes);
        }
        if n_dropped > 0 {
            wire::log_head::<P>(out, micros(span.end_unix_nanos()), 3);
            wire::string_tag::<P>(out, EVENT, b"dropped Span logs");
            wire::long_tag::<P>(out, b"dropped_log_count", i64::from(n_dropped));
            wire::string_tag::<P>(out, b"component", b"jaeger-client");
            P::stop(out);
        }
    }

    /// Visits the links that get a log: those that say more than a reference can. When logs have to go, these go first.
    fn told_links<'a>(
        &self,
        span: &SpanView<'a>,
        trim: &Trim,
    ) -> impl Iterator<Item = LinkView<'a>> + use<'a> {
        let is_told = self.extras.link_logs && trim.n_logs == usize::MAX;
        let n_links = if is_told { span.n_links() } else { 0 };
        span.links().take(n_links).filter(|link| link_fields(link).next().is_some())
    }

    #[cold]
    fn write_link_log<P: ThriftProtocol>(
        &mut self,
        out: &mut Cursor<'_>,
        timestamp_micros: i64,
        link: &LinkView<'_>,
        max_bytes: usize,
    ) {
        wire::log_head::<P>(out, timestamp_micros, 3 + link_fields(link).count());
        wire::string_tag::<P>(out, EVENT, b"link");
        wire::string_tag::<P>(out, b"trace_id", link.trace_id().to_string().as_bytes());
        wire::string_tag::<P>(out, b"span_id", link.span_id().to_string().as_bytes());
        for attribute in link_fields(link) {
            self.write_tag::<P>(out, attribute, max_bytes);
        }
        P::stop(out);
    }

    fn write_log<P: ThriftProtocol>(
        &mut self,
        out: &mut Cursor<'_>,
        event: &EventView<'_>,
        max_bytes: usize,
    ) {
        let n_attributes = event.n_attributes();
        let is_error = self.dialect == Dialect::JaegerClient
            && self.extras.opentracing_errors
            && event.name() == "exception";
        if is_error {
            return self.write_error_log::<P>(out, event, max_bytes);
        }
        let (writes_event, n_dropped) = match self.dialect {
            Dialect::Otel => {
                let writes_event = !event.name().is_empty() && !has_key(event.attributes(), EVENT);
                let n_dropped = event.dropped_attributes();
                let tells_dropped =
                    n_dropped > 0 && !has_key(event.attributes(), DROPPED_ATTRIBUTES_COUNT);
                (writes_event, if tells_dropped { n_dropped } else { 0 })
            }
            Dialect::JaegerClient => (n_attributes == 0 && !event.name().is_empty(), 0),
        };
        let n_fields = n_attributes + usize::from(writes_event) + usize::from(n_dropped > 0);
        wire::log_head::<P>(out, micros(event.unix_nanos()), n_fields);
        if writes_event {
            wire::string_tag::<P>(out, EVENT, cut_text(event.name().as_bytes(), max_bytes));
        }
        for attribute in event.attributes() {
            self.write_tag::<P>(out, attribute, max_bytes);
        }
        if n_dropped > 0 {
            wire::long_tag::<P>(out, DROPPED_ATTRIBUTES_COUNT, i64::from(n_dropped));
        }
        P::stop(out);
    }

    /// Writes an `exception` as the Jaeger clients' users log an error; a key that is there already is not given twice.
    #[cold]
    fn write_error_log<P: ThriftProtocol>(
        &mut self,
        out: &mut Cursor<'_>,
        event: &EventView<'_>,
        max_bytes: usize,
    ) {
        let writes_event = !has_key(event.attributes(), EVENT);
        let n_fields = event.n_attributes() + usize::from(writes_event);
        wire::log_head::<P>(out, micros(event.unix_nanos()), n_fields);
        if writes_event {
            wire::string_tag::<P>(out, EVENT, b"error");
        }
        let names = ERROR_KEYS.map(|(ours, theirs)| {
            (ours, if has_key(event.attributes(), theirs.as_bytes()) { ours } else { theirs })
        });
        for Attribute { key, value } in event.attributes() {
            let renamed = names.into_iter().find(|(ours, _)| key == *ours);
            let key = renamed.map_or(key.as_bytes(), |(_, name)| name.as_bytes());
            self.write_keyed::<P>(out, key, value, max_bytes);
        }
        P::stop(out);
    }

    /// Appends an attribute as Tag; text and bytes are cut after `max_bytes`.
    #[inline(always)]
    fn write_tag<P: ThriftProtocol>(
        &mut self,
        out: &mut Cursor<'_>,
        attribute: Attribute<'_>,
        max_bytes: usize,
    ) {
        self.write_keyed::<P>(out, attribute.key.as_bytes(), attribute.value, max_bytes);
    }

    #[inline(always)]
    fn write_keyed<P: ThriftProtocol>(
        &mut self,
        out: &mut Cursor<'_>,
        key: &[u8],
        value: ValueView<'_>,
        max_bytes: usize,
    ) {
        match value {
            ValueView::Str(value) => {
                wire::string_tag::<P>(out, key, cut_text(value.as_bytes(), max_bytes))
            }
            ValueView::I64(value) => wire::long_tag::<P>(out, key, value),
            ValueView::Bool(value) => wire::bool_tag::<P>(out, key, value),
            ValueView::F64(value) => wire::double_tag::<P>(out, key, value),
            ValueView::Bytes(value) => {
                wire::binary_tag::<P>(out, key, &value[..value.len().min(max_bytes)])
            }
            ValueView::Array(_) | ValueView::Map(_) => {
                let json = self.json_of(value);
                wire::string_tag::<P>(out, key, cut_text(json, max_bytes));
            }
            _ => wire::string_tag::<P>(out, key, b""),
        }
    }

    #[cold]
    fn json_of(&mut self, value: ValueView<'_>) -> &[u8] {
        self.json.clear();
        json::write_value(&mut self.json, value);
        &self.json
    }
}

/// The trace id of the last span, as it was written: spans of one trace mostly come one after another.
#[derive(Debug, Default)]
struct EncodedTraceId {
    trace_id: TraceId,
    /// The fields, and how many bytes of them count: none before the first span.
    fields: [u8; 32],
    len: usize,
}

impl EncodedTraceId {
    #[inline(always)]
    fn write<P: ThriftProtocol>(&mut self, out: &mut Cursor<'_>, trace_id: TraceId) {
        if self.trace_id != trace_id || self.len == 0 {
            self.encode::<P>(trace_id);
        }
        out.put_first(self.len, self.fields);
    }

    #[inline(never)]
    fn encode<P: ThriftProtocol>(&mut self, trace_id: TraceId) {
        let mut out = Cursor::new(&mut self.fields);
        wire::trace_id::<P>(&mut out, trace_id.low() as i64, trace_id.high() as i64);
        let n_left = out.n_left();
        self.len = self.fields.len() - n_left;
        self.trace_id = trace_id;
    }
}

/// A link on its way to a `SpanRef`.
struct Reference {
    ref_type: i32,
    trace_id: TraceId,
    span_id: SpanId,
}

impl From<LinkView<'_>> for Reference {
    fn from(link: LinkView<'_>) -> Self {
        let is_child_of = link.attributes().any(|attribute| {
            attribute.key == REF_TYPE
                && matches!(attribute.value, ValueView::Str(value) if value == "child_of")
        });
        let ref_type = if is_child_of { wire::CHILD_OF } else { wire::FOLLOWS_FROM };
        Self { ref_type, trace_id: link.trace_id(), span_id: link.span_id() }
    }
}

/// Visits the attributes of a link that a reference has no place for.
fn link_fields<'a>(link: &LinkView<'a>) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
    link.attributes().filter(|attribute| attribute.key != REF_TYPE)
}

/// Which tags of a span go out: their number stands before them.
struct TagPlan {
    n_tags: usize,
    /// How many attributes stay, by their place.
    n_attributes: usize,
    /// Bits of [`derived`].
    derived: u16,
    /// The derived `error` takes the place of the user's.
    replaces_error: bool,
    /// No attribute is left out.
    keeps_all: bool,
}

impl TagPlan {
    #[inline(always)]
    fn new(span: &SpanView<'_>, dialect: Dialect, trim: &Trim) -> Self {
        let derived = derived::of(span, dialect, trim);
        let n_attributes = span.n_attributes();
        if derived == 0 && !trim.is_trimmed() {
            return Self {
                n_tags: n_attributes,
                n_attributes,
                derived,
                replaces_error: false,
                keeps_all: true,
            };
        }
        Self::with_derived(span, dialect, trim, derived)
    }

    #[inline(never)]
    fn with_derived(span: &SpanView<'_>, dialect: Dialect, trim: &Trim, derived: u16) -> Self {
        let set_by_user = span
            .attributes()
            .fold(0, |bits, attribute| bits | derived::bit_of(attribute.key.as_bytes()));
        let replaces_error =
            dialect == Dialect::Otel && derived & set_by_user & derived::ERROR != 0;
        let overridden = if replaces_error { derived::ERROR } else { 0 };
        let mut plan = Self {
            n_tags: 0,
            n_attributes: trim.n_tags,
            derived: derived & (!set_by_user | overridden),
            replaces_error,
            keeps_all: !trim.is_trimmed() && !replaces_error,
        };
        let kept = if plan.keeps_all {
            span.n_attributes()
        } else {
            let attributes = span.attributes().enumerate();
            attributes.filter(|(index, attribute)| plan.keeps(*index, attribute)).count()
        };
        let has_scope_attributes = plan.derived & derived::SCOPE_ATTRIBUTES != 0;
        let n_scope_attributes =
            if has_scope_attributes { scope_attributes(span).count() } else { 0 };
        let n_derived = (plan.derived & !derived::SCOPE_ATTRIBUTES).count_ones() as usize;
        plan.n_tags = kept + n_derived + n_scope_attributes;
        plan
    }

    fn keeps(&self, index: usize, attribute: &Attribute<'_>) -> bool {
        if index < self.n_attributes && !self.replaces_error {
            return true;
        }
        match derived::bit_of(attribute.key.as_bytes()) {
            derived::ERROR => !self.replaces_error,
            derived::KIND => true,
            _ => index < self.n_attributes,
        }
    }
}

/// Tags that stand for what a span has besides attributes: a bit for each.
mod derived {
    use super::*;

    pub(super) const KIND: u16 = 1;
    pub(super) const ERROR: u16 = 1 << 1;
    pub(super) const STATUS_CODE: u16 = 1 << 2;
    pub(super) const STATUS_DESCRIPTION: u16 = 1 << 3;
    pub(super) const TRACE_STATE: u16 = 1 << 4;
    pub(super) const SCOPE_NAME: u16 = 1 << 5;
    pub(super) const SCOPE_VERSION: u16 = 1 << 6;
    pub(super) const LIBRARY_NAME: u16 = 1 << 7;
    pub(super) const LIBRARY_VERSION: u16 = 1 << 8;
    pub(super) const DROPPED_ATTRIBUTES: u16 = 1 << 9;
    pub(super) const DROPPED_EVENTS: u16 = 1 << 10;
    pub(super) const DROPPED_LINKS: u16 = 1 << 11;
    pub(super) const TRIMMED: u16 = 1 << 12;
    /// Not one tag, but as many as the scope has attributes.
    pub(super) const SCOPE_ATTRIBUTES: u16 = 1 << 13;

    /// Those that stay when a span is trimmed down to no tags.
    const ESSENTIAL: u16 = KIND | ERROR | TRIMMED;

    /// Returns those due for a span, whatever its attributes.
    #[inline(always)]
    pub(super) fn of(span: &SpanView<'_>, dialect: Dialect, trim: &Trim) -> u16 {
        let when = |is_due: bool, bits: u16| if is_due { bits } else { 0 };
        let mut bits = when(span.kind() != otel_core::SpanKind::Internal, KIND)
            | when(span.status() == StatusCode::Error, ERROR)
            | when(trim.is_trimmed(), TRIMMED);
        if dialect == Dialect::Otel {
            bits |= when(span.status() != StatusCode::Unset, STATUS_CODE)
                | when(
                    span.status() == StatusCode::Error && !span.status_description().is_empty(),
                    STATUS_DESCRIPTION,
                )
                | when(!span.trace_state().is_empty(), TRACE_STATE)
                | when(!span.scope().name().is_empty(), SCOPE_NAME | LIBRARY_NAME)
                | when(!span.scope().version().is_empty(), SCOPE_VERSION | LIBRARY_VERSION)
                | when(span.scope().has_attributes(), SCOPE_ATTRIBUTES)
                | when(span.dropped_attributes() > 0, DROPPED_ATTRIBUTES)
                | when(span.dropped_events() > 0, DROPPED_EVENTS)
                | when(span.dropped_links() > 0, DROPPED_LINKS);
        }
        if trim.n_tags == 0 { bits & ESSENTIAL } else { bits }
    }

    /// Returns the bit of a key, 0 for a key that is nobody's.
    #[inline]
    pub(super) fn bit_of(key: &[u8]) -> u16 {
        // Most keys begin with none of these, and the names below are compared for few.
        if !matches!(key.first(), Some(b'e' | b'i' | b'o' | b's' | b'w')) {
            return 0;
        }
        KEYS.iter().find(|(_, name)| *name == key).map_or(0, |(bit, _)| *bit)
    }

    pub(super) const KEYS: [(u16, &[u8]); 13] = [
        (KIND, b"span.kind"),
        (ERROR, b"error"),
        (STATUS_CODE, b"otel.status_code"),
        (STATUS_DESCRIPTION, b"otel.status_description"),
        (TRACE_STATE, b"w3c.tracestate"),
        (SCOPE_NAME, b"otel.scope.name"),
        (SCOPE_VERSION, b"otel.scope.version"),
        (LIBRARY_NAME, b"otel.library.name"),
        (LIBRARY_VERSION, b"otel.library.version"),
        (DROPPED_ATTRIBUTES, DROPPED_ATTRIBUTES_COUNT),
        (DROPPED_EVENTS, b"otel.dropped_events_count"),
        (DROPPED_LINKS, b"otel.dropped_links_count"),
        (TRIMMED, b"internal.span.trimmed"),
    ];
}

/// Appends the derived tags of a plan, in the order of the table.
#[inline(never)]
fn write_derived<P: ThriftProtocol>(
    out: &mut Cursor<'_>,
    span: &SpanView<'_>,
    plan: &TagPlan,
    trim: &Trim,
) {
    for (bit, key) in derived::KEYS {
        if plan.derived & bit == 0 {
            continue;
        }
        let mut text =
            |value: &[u8]| wire::string_tag::<P>(out, key, cut_text(value, trim.value_bytes));
        match bit {
            derived::KIND => text(span.kind().as_str().as_bytes()),
            derived::STATUS_CODE => text(span.status().as_str().as_bytes()),
            derived::STATUS_DESCRIPTION => text(span.status_description().as_bytes()),
            derived::TRACE_STATE => text(span.trace_state().as_bytes()),
            derived::SCOPE_NAME | derived::LIBRARY_NAME => text(span.scope().name().as_bytes()),
            derived::SCOPE_VERSION | derived::LIBRARY_VERSION => {
                text(span.scope().version().as_bytes())
            }
            derived::DROPPED_ATTRIBUTES => {
                wire::long_tag::<P>(out, key, i64::from(span.dropped_attributes()))
            }
            derived::DROPPED_EVENTS => {
                wire::long_tag::<P>(out, key, i64::from(span.dropped_events()))
            }
            derived::DROPPED_LINKS => {
                wire::long_tag::<P>(out, key, i64::from(span.dropped_links()))
            }
            _ => wire::bool_tag::<P>(out, key, true),
        }
    }
}

/// Visits the attributes of a span's scope whose keys neither the span nor a derived tag has.
fn scope_attributes<'a>(span: &SpanView<'a>) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
    let of_span = span.attributes();
    span.scope().attributes().filter(move |attribute| {
        let key = attribute.key.as_bytes();
        derived::bit_of(key) == 0 && !has_key(of_span, key)
    })
}

fn has_key(mut attributes: Attributes<'_>, key: &[u8]) -> bool {
    attributes.any(|attribute| attribute.key.as_bytes() == key)
}

/// Computes Jaeger's flags. W3C's byte means something else: its bit 2 is *random*, not *debug*.
#[inline]
fn flags_of(flags: TraceFlags) -> i32 {
    let debug = if flags.contains(TraceFlags::DEBUG) { wire::DEBUG_FLAG } else { 0 };
    let firehose = if flags.contains(TraceFlags::FIREHOSE) { wire::FIREHOSE_FLAG } else { 0 };
    wire::SAMPLED_FLAG | debug | firehose
}

/// Rounds down; what goes to the wire as `i64` never gets that far.
#[inline]
fn micros(nanos: u64) -> i64 {
    (nanos / 1000) as i64
}

const EVENT: &[u8] = b"event";
const REF_TYPE: &str = "opentracing.ref_type";
/// What OpenTracing calls the attributes of an `exception`.
const ERROR_KEYS: [(&str, &str); 3] = [
    ("exception.type", "error.kind"),
    ("exception.message", "message"),
    ("exception.stacktrace", "stack"),
];
const DROPPED_ATTRIBUTES_COUNT: &[u8] = b"otel.dropped_attributes_count";
/// The longest value of a Process that does not fit as it is, in bytes.
const PROCESS_VALUE_BYTES: usize = 1024;
/// Room for what is in a Process beside its name and tags: heads, lengths, end.
const PROCESS_OVERHEAD: usize = 24;
const MAX_KEPT_JSON_BYTES: usize = 16 << 10;

#[cfg(all(test, feature = "agent"))]
mod tests;
