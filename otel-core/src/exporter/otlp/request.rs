//! Requests: spans gathered by resource and scope, up to so many bytes.

use super::encode::{self, resource_spans, traces_data};
use super::protobuf::{Wire, Writer, varint_len};
use crate::instrumentation_scope::InstrumentationScope;
use crate::record::SpanView;
use crate::resource::Resource;

/// The body of a request, and how many spans it holds: an `ExportTraceServiceRequest`, whose one field is that of
/// `TracesData`.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) body: Vec<u8>,
    pub(super) n_spans: usize,
}

/// The request that is being filled.
///
/// Spans are encoded at once, behind those of the same scope. What stands in front of them has its length, so it is
/// written when the request is full.
#[derive(Debug)]
pub(super) struct OpenRequest {
    resources: Vec<ResourceGroup>,
    max_bytes: usize,
    n_bytes: usize,
    n_spans: usize,
    /// Which group the last span went to.
    last: usize,
}

#[derive(Debug)]
struct ResourceGroup {
    resource: Resource,
    head: Writer,
    tail: Writer,
    scopes: Vec<ScopeGroup>,
    last: usize,
}

#[derive(Debug)]
struct ScopeGroup {
    scope: InstrumentationScope,
    head: Writer,
    spans: Writer,
    tail: Writer,
}

impl OpenRequest {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { resources: Vec::new(), max_bytes, n_bytes: 0, n_spans: 0, last: 0 }
    }

    pub(super) fn n_spans(&self) -> usize {
        self.n_spans
    }

    /// Adds a span. Where it does not fit any more, returns the request without it; it is then the first of the next one. A
    /// span that alone is larger than a request may be goes out in one of its own.
    pub(super) fn add(&mut self, resource: &Resource, span: &SpanView<'_>) -> Option<Request> {
        let group = self.group_of(resource, span.scope());
        let start = group.spans.len();
        encode::write_span(&mut group.spans, span);
        let span_bytes = group.spans.len() - start;
        if self.n_bytes + span_bytes > self.max_bytes && self.n_spans > 0 {
            return Some(self.seal_before(start, resource, span));
        }
        self.n_bytes += span_bytes;
        self.n_spans += 1;
        None
    }

    /// Takes what there is as a request; `None` where there are no spans.
    pub(super) fn take(&mut self) -> Option<Request> {
        if self.n_spans == 0 {
            return None;
        }
        let mut body = Vec::with_capacity(self.n_bytes);
        for group in &self.resources {
            group.append_to(&mut body);
        }
        let n_spans = self.n_spans;
        self.clear();
        Some(Request { body, n_spans })
    }

    /// Takes what stood there before the last span, and begins the next request with that span.
    #[cold]
    fn seal_before(&mut self, start: usize, resource: &Resource, span: &SpanView<'_>) -> Request {
        let group = self.group_of(resource, span.scope());
        let encoded = group.spans.as_bytes()[start..].to_vec();
        group.spans.truncate(start);
        let request = self.take().unwrap_or(Request { body: Vec::new(), n_spans: 0 });
        self.group_of(resource, span.scope()).spans.raw(&encoded);
        self.n_bytes += encoded.len();
        self.n_spans = 1;
        request
    }

    /// Finds the group of a resource and a scope: mostly that of the span before.
    #[inline]
    fn group_of(&mut self, resource: &Resource, scope: &InstrumentationScope) -> &mut ScopeGroup {
        let index = find(&self.resources, self.last, |group| group.resource == *resource)
            .unwrap_or_else(|| {
                self.resources.push(ResourceGroup::new(resource));
                self.resources.len() - 1
            });
        self.last = index;
        let group = &mut self.resources[index];
        if group.is_unused() {
            self.n_bytes += MAX_HEAD_BYTES + group.head.len() + group.tail.len();
        }
        let index =
            find(&group.scopes, group.last, |group| group.is_of(scope)).unwrap_or_else(|| {
                group.scopes.push(ScopeGroup::new(scope));
                group.scopes.len() - 1
            });
        group.last = index;
        let group = &mut group.scopes[index];
        if group.spans.len() == 0 {
            self.n_bytes += MAX_HEAD_BYTES + group.head.len() + group.tail.len();
        }
        group
    }

    /// Empties the groups, and keeps them for the next request, whose spans most likely are of the same scopes.
    fn clear(&mut self) {
        (self.n_bytes, self.n_spans) = (0, 0);
        let n_groups: usize = self.resources.iter().map(|group| group.scopes.len()).sum();
        if n_groups > MAX_KEPT_GROUPS {
            self.resources.clear();
            self.last = 0;
        }
        let kept_bytes = self.max_bytes.saturating_mul(2) / n_groups.max(1);
        for group in self.resources.iter_mut().flat_map(|group| &mut group.scopes) {
            group.spans.clear(kept_bytes);
        }
    }
}

impl ResourceGroup {
    fn new(resource: &Resource) -> Self {
        let (mut head, mut tail) = (Writer::default(), Writer::default());
        encode::write_resource(&mut head, resource);
        encode::write_resource_schema(&mut tail, resource);
        Self { resource: resource.clone(), head, tail, scopes: Vec::new(), last: 0 }
    }

    fn is_unused(&self) -> bool {
        self.scopes.iter().all(|group| group.spans.len() == 0)
    }

    /// Appends a `ResourceSpans` with the scopes that have spans, if any.
    fn append_to(&self, body: &mut Vec<u8>) {
        let scopes = || self.scopes.iter().filter(|group| group.spans.len() > 0);
        let scopes_len: usize = scopes().map(|group| 1 + message_len(group.len())).sum();
        if scopes_len == 0 {
            return;
        }
        let mut head = Writer::default();
        head.key(traces_data::RESOURCE_SPANS, Wire::Bytes);
        head.varint((self.head.len() + scopes_len + self.tail.len()) as u64);
        head.raw(self.head.as_bytes());
        body.extend_from_slice(head.as_bytes());
        for group in scopes() {
            head.truncate(0);
            head.key(resource_spans::SCOPE_SPANS, Wire::Bytes);
            head.varint(group.len() as u64);
            head.raw(group.head.as_bytes());
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(group.spans.as_bytes());
            body.extend_from_slice(group.tail.as_bytes());
        }
        body.extend_from_slice(self.tail.as_bytes());
    }
}

impl ScopeGroup {
    fn new(scope: &InstrumentationScope) -> Self {
        let (mut head, mut tail) = (Writer::default(), Writer::default());
        encode::write_scope(&mut head, scope);
        encode::write_scope_schema(&mut tail, scope);
        Self { scope: scope.clone(), head, spans: Writer::default(), tail }
    }

    #[inline]
    fn is_of(&self, scope: &InstrumentationScope) -> bool {
        self.scope.is_same(scope) || self.scope == *scope
    }

    fn len(&self) -> usize {
        self.head.len() + self.spans.len() + self.tail.len()
    }
}

/// Finds an item, of which the last one that was found is asked first.
#[inline]
fn find<T>(items: &[T], last: usize, is_it: impl Fn(&T) -> bool) -> Option<usize> {
    match items.get(last) {
        Some(item) if is_it(item) => Some(last),
        _ => items.iter().position(is_it),
    }
}

fn message_len(len: usize) -> usize {
    varint_len(len as u64) + len
}

/// What stands in front of a message at the most: its key, and a length.
const MAX_HEAD_BYTES: usize = 11;
/// A program has few scopes; one that makes them up as it goes is not to be kept.
const MAX_KEPT_GROUPS: usize = 64;
