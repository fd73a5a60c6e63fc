//! The engine against places in memory, whole and broken.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails shall say so")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod attachments;
mod beside;
mod depth;
mod faults;
mod hosts;
mod platforms;
mod property;
mod resume;
mod run;
mod verify;
mod weigh;
mod world;
