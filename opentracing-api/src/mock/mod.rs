//! A tracer for tests: keeps spans in memory, for a test to look at. Behind the feature `mock`.
//!
//! A library that takes a [`Tracer`](crate::Tracer) is tested by handing it this one:
//!
//! ```
//! use opentracing_api::mock::MockTracer;
//! use opentracing_api::{Tracer, child_of, tags};
//!
//! fn place_order(tracer: &Tracer, cents: u64) {
//!     let order = tracer.start_span("order");
//!     let mut charge = tracer.start_span_with("charge", child_of(&order));
//!     charge.set_tag(tags::SPAN_KIND, "client").set_tag("cents", cents).log_event("accepted");
//! }
//!
//! let mock = MockTracer::new();
//! place_order(&mock, 1999);
//!
//! let charge = mock.span("charge");
//! assert_eq!(charge.tags["cents"], 1999);
//! assert_eq!(charge.log_lines(), ["event=accepted"]);
//! mock.assert_child_of("charge", "order");
//! mock.assert_all_finished();
//! ```
//!
//! What fails says so with all spans as a tree ([`MockTracer::tree`]).

mod tracer;

mod span;

mod propagation;

mod tree;

pub use span::{MockLog, MockSpan};
pub use tracer::{MockError, MockTracer, MockTracerBuilder};

#[cfg(test)]
pub(crate) mod tests;
