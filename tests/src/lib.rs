//! What the tests share: a receiver that stands in for an agent, and a trace with everything that a span can hold.

mod receiver;
pub mod rich_trace;

pub use receiver::Receiver;
