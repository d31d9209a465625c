//! What the tests share: a receiver that stands in for an agent.

mod receiver;

pub use receiver::Receiver;
