//! The one place with unsafe code: what a bench earned, behind safe interfaces.

#![expect(unsafe_code, reason = "reading the time-stamp counter is worth 40 ns a span")]

mod tsc;

pub(crate) use tsc::TimeStampCounter;
