//! What the API itself costs, with nothing behind it and with the least that can be behind it: a backend that pools its
//! spans and keeps nothing.
//!
//! ```sh
//! cargo bench -p opentracing-api --bench face
//! ```

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use criterion::Criterion;
use opentracing_api::backend::{SpanBackend, StartRequest, TracerBackend};
use opentracing_api::{
    Extract, ExtractError, Inject, InjectError, Span, SpanContext, Tracer, Value, child_of,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench_tracer(&mut criterion, "face/noop", &Tracer::noop());
    bench_tracer(&mut criterion, "face/recorded", &Tracer::new(PooledBackend::default()));
    bench_context(&mut criterion);
    criterion.final_summary();
}

fn bench_tracer(criterion: &mut Criterion, group: &str, tracer: &Tracer) {
    let mut group = criterion.benchmark_group(group);
    let mut span = tracer.start_span("parent");

    group.bench_function("start_finish", |b| {
        b.iter(|| tracer.start_span(black_box("work")).finish());
    });
    group.bench_function("start_child_of_finish", |b| {
        b.iter(|| tracer.start_span_with(black_box("work"), child_of(&span)).finish());
    });
    group.bench_function("start_active_span_close", |b| {
        b.iter(|| tracer.start_active_span(black_box("work")).close());
    });
    group.bench_function("in_span", |b| {
        b.iter(|| tracer.in_span(black_box("work"), |span| span.is_recording()));
    });
    {
        let _scope = tracer.start_active_span("active");
        group.bench_function("active_span", |b| b.iter(|| tracer.active_span()));
        group.bench_function("with_active_span", |b| {
            b.iter(|| tracer.with_active_span(|span| span.is_recording()));
        });
    }

    group.bench_function("set_tag_str", |b| {
        b.iter(|| span.set_tag(black_box("key"), black_box("value")).is_recording());
    });
    group.bench_function("set_tag_bool", |b| {
        b.iter(|| span.set_tag(black_box("key"), black_box(true)).is_recording());
    });
    group.bench_function("set_tag_i64", |b| {
        b.iter(|| span.set_tag(black_box("key"), black_box(-1_i64)).is_recording());
    });
    group.bench_function("set_tag_u64", |b| {
        b.iter(|| span.set_tag(black_box("key"), black_box(u64::MAX)).is_recording());
    });
    group.bench_function("set_tag_f64", |b| {
        b.iter(|| span.set_tag(black_box("key"), black_box(0.5)).is_recording());
    });
    group.bench_function("set_tag_bytes", |b| {
        b.iter(|| span.set_tag(black_box("key"), black_box(&[1_u8; 16])).is_recording());
    });

    group.bench_function("inject_hash_map", |b| {
        let mut headers: HashMap<String, String> = HashMap::new();
        b.iter(|| tracer.inject(&span, Inject::HttpHeaders(&mut headers)));
    });
    group.finish();
}

fn bench_context(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("face/context");
    let context = SpanContext::new(1, 2, SpanContext::SAMPLED);
    group.bench_function("clone", |b| b.iter(|| black_box(&context).clone()));
    let with_baggage =
        context.with_baggage_item("tenant", "acme").with_baggage_item("user", "4711");
    group.bench_function("clone_with_baggage", |b| b.iter(|| black_box(&with_baggage).clone()));
    group.finish();
}

/// Records every span in a box from the thread's pool.
#[derive(Default)]
struct PooledBackend {
    last_id: AtomicU64,
}

impl TracerBackend for PooledBackend {
    fn start_span(&self, request: &StartRequest<'_>) -> Span {
        // Relaxed: only that each number is given once matters.
        let span_id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        black_box(request.operation_name());
        let backend: Box<dyn SpanBackend> = POOL.take().unwrap_or_default();
        let mut context = match request.parent() {
            Some(parent) => parent.child(span_id),
            None => SpanContext::new(u128::from(span_id), span_id, SpanContext::SAMPLED),
        };
        request.inherit_baggage(&mut context);
        request.span(context, Some(backend))
    }

    fn inject(&self, context: &SpanContext, into: Inject<'_>) -> Result<(), InjectError> {
        match into {
            Inject::TextMap(carrier) | Inject::HttpHeaders(carrier) => {
                black_box(context);
                carrier.set("ids", "1:2");
                Ok(())
            }
            _ => Err(InjectError::UnsupportedFormat),
        }
    }

    fn extract(&self, _: Extract<'_>) -> Result<Option<SpanContext>, ExtractError> {
        Err(ExtractError::UnsupportedFormat)
    }
}

/// A span that looks at what it gets, and keeps how often.
#[derive(Default)]
struct PooledSpan {
    n_calls: u64,
}

impl PooledSpan {
    fn count<T>(&mut self, key: &str, value: T) {
        black_box((key, value));
        self.n_calls += 1;
    }
}

impl SpanBackend for PooledSpan {
    fn set_operation_name(&mut self, operation_name: &str) {
        self.count("", operation_name);
    }

    fn set_str_tag(&mut self, _: &mut SpanContext, key: &str, value: &str) {
        self.count(key, value);
    }

    fn set_bool_tag(&mut self, _: &mut SpanContext, key: &str, value: bool) {
        self.count(key, value);
    }

    fn set_i64_tag(&mut self, _: &mut SpanContext, key: &str, value: i64) {
        self.count(key, value);
    }

    fn set_u64_tag(&mut self, _: &mut SpanContext, key: &str, value: u64) {
        self.count(key, value);
    }

    fn set_f64_tag(&mut self, _: &mut SpanContext, key: &str, value: f64) {
        self.count(key, value);
    }

    fn set_bytes_tag(&mut self, _: &mut SpanContext, key: &str, value: &[u8]) {
        self.count(key, value);
    }

    fn log(
        &mut self,
        _: Option<SystemTime>,
        fields: &mut dyn Iterator<Item = (Cow<'_, str>, Value<'_>)>,
    ) {
        fields.for_each(|(key, value)| self.count(&key, value));
    }

    fn finish(self: Box<Self>, _: Option<SystemTime>) {
        POOL.set(Some(self));
    }
}

thread_local! {
    /// One box is enough where spans finish in the order of a stack, and none is kept for long.
    static POOL: RefCell<Option<Box<PooledSpan>>> = const { RefCell::new(None) };
}
