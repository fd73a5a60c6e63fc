//! The crate as others use it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails shall say so")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod golden;
mod inputs;
mod recipes;
mod streams;
