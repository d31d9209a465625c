//! The one place with unsafe code: what a bench earned, behind safe interfaces.

#![expect(
    unsafe_code,
    reason = "reading the time-stamp counter is worth 40 ns a span, and a ring without a lock 20"
)]

mod ring;
mod tsc;

pub(crate) use ring::{Consumer, Producer, ring};
pub(crate) use tsc::TimeStampCounter;
