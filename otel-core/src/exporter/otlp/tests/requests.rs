//! How spans are gathered.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::resource::v1 as resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::second_opinion::{Any, Case, case, check, decoded, key_values};
use crate::exporter::otlp::request::{OpenRequest, Request};
use crate::{InstrumentationScope, KeyValue, Resource};

/// A batch of spans with the resource and the scope of each, by their numbers.
type Spans = Vec<(usize, usize, Case)>;

#[test]
fn each_request_has_its_spans_by_resource_and_scope_and_none_is_too_long() {
    let spans = vec((0..3_usize, 0..4_usize, case()), 1..12);
    check((spans, 200..30_000_usize), 40, |(spans, max_bytes)| {
        let requests = requests_of(&spans, max_bytes);
        let mut sent = 0;
        for request in &requests {
            let n_spans = request.n_spans;
            prop_assert!(n_spans > 0);
            prop_assert!(request.body.len() <= max_bytes || n_spans == 1, "{}", request.body.len());
            let expected = expected_of(&spans[..sent + n_spans], sent);
            let decoded = decoded(&request.body).resource_spans;
            let expected = ExportTraceServiceRequest { resource_spans: expected };
            prop_assert!(request.body == expected.encode_to_vec(), "{decoded:?}");
            sent += n_spans;
        }
        prop_assert_eq!(sent, spans.len());
        Ok(())
    });
}

#[test]
fn a_span_that_is_larger_than_a_request_has_one_to_itself() {
    let large = Case { name: "x".repeat(10_000), ..Case::default() };
    let spans: Spans = [Case::default(), large.clone(), large, Case::default(), Case::default()]
        .map(|case| (0, 0, case))
        .into();
    let requests = requests_of(&spans, 1_000);
    let n_spans: Vec<usize> = requests.iter().map(|request| request.n_spans).collect();
    assert_eq!(n_spans, [1, 1, 1, 2]);
}

#[test]
fn a_request_may_be_as_large_as_it_likes() {
    let spans: Spans = [Case::default(), Case::default()].map(|case| (0, 0, case)).into();
    assert_eq!(requests_of(&spans, usize::MAX).len(), 1);
}

#[test]
fn many_scopes_are_not_kept() {
    let mut open = OpenRequest::new(1 << 20);
    for round in 0..3 {
        for index in 0..1_000 {
            let scope = InstrumentationScope::new(format!("scope {round} {index}"), "");
            let case = Case::default();
            let mut record = case.record();
            assert!(
                open.add(&Resource::empty(), &record.finish(case.span_times(), &scope)).is_none()
            );
        }
        let request = open.take().unwrap();
        assert_eq!(decoded(&request.body).resource_spans[0].scope_spans.len(), 1_000);
    }
    assert!(open.take().is_none());
}

fn requests_of(spans: &Spans, max_bytes: usize) -> Vec<Request> {
    let (mut open, mut requests) = (OpenRequest::new(max_bytes), Vec::new());
    for (resource, scope, case) in spans {
        let mut record = case.record();
        let scope = scope_of(*scope);
        requests
            .extend(open.add(&resource_of(*resource), &record.finish(case.span_times(), &scope)));
    }
    requests.extend(open.take());
    assert_eq!(open.n_spans(), 0);
    requests
}

fn resource_of(number: usize) -> Resource {
    let fields = resource_fields(number);
    let resource = Resource::empty().with(fields.iter().map(|(key, value)| owned(key, value)));
    resource.with_schema_url("http://resource".repeat(number))
}

fn resource_fields(number: usize) -> Vec<(String, Any)> {
    // The last one takes more than a length of one byte says, and has a list.
    let service = ("service.name".to_owned(), Any::Str(format!("service {number}")));
    let list = Any::Array(vec![Any::I64(1), Any::Empty, Any::Str("x".repeat(300))]);
    match number {
        0 => Vec::new(),
        1 => vec![service],
        _ => vec![service, ("list".to_owned(), list)],
    }
}

fn scope_of(number: usize) -> InstrumentationScope {
    let scope = InstrumentationScope::new("s".repeat(60 * number), "1".repeat(number));
    let fields = scope_fields(number);
    let scope = scope.with_schema_url("http://scope".repeat(number / 2));
    scope.with_attributes(fields.iter().map(|(key, value)| owned(key, value)))
}

fn scope_fields(number: usize) -> Vec<(String, Any)> {
    (0..number).map(|index| (format!("key {index}"), Any::I64(number as i64))).collect()
}

fn owned(key: &str, value: &Any) -> KeyValue {
    KeyValue::new(key, value.borrowed())
}

/// Groups the spans from the `n_sent`th on, in the order in which their resources and scopes first came.
fn expected_of(spans: &[(usize, usize, Case)], n_sent: usize) -> Vec<otlp::ResourceSpans> {
    let mut groups: Vec<(usize, Scopes)> = Vec::new();
    for (index, (resource, scope, case)) in spans.iter().enumerate() {
        let spans = place(place(&mut groups, *resource), *scope);
        spans.extend((index >= n_sent).then(|| case.expected()));
    }
    for (_, scopes) in &mut groups {
        scopes.retain(|(_, spans)| !spans.is_empty());
    }
    groups.retain(|(_, scopes)| !scopes.is_empty());
    groups.into_iter().map(|(resource, scopes)| expected_group(resource, scopes)).collect()
}

/// The spans of each scope, by its number.
type Scopes = Vec<(usize, Vec<otlp::Span>)>;

fn expected_group(resource: usize, scopes: Scopes) -> otlp::ResourceSpans {
    let scope_spans = scopes.into_iter().map(|(scope, spans)| otlp::ScopeSpans {
        scope: Some(common::InstrumentationScope {
            name: scope_of(scope).name().to_owned(),
            version: scope_of(scope).version().to_owned(),
            attributes: key_values(&scope_fields(scope)),
            ..Default::default()
        }),
        spans,
        schema_url: "http://scope".repeat(scope / 2),
    });
    otlp::ResourceSpans {
        resource: Some(resource::Resource {
            attributes: key_values(&resource_fields(resource)),
            ..Default::default()
        }),
        scope_spans: scope_spans.collect(),
        schema_url: "http://resource".repeat(resource),
    }
}

fn place<T: Default>(list: &mut Vec<(usize, T)>, number: usize) -> &mut T {
    let index = list.iter().position(|(present, _)| *present == number).unwrap_or_else(|| {
        list.push((number, T::default()));
        list.len() - 1
    });
    &mut list[index].1
}
