//! The binary against Debian's real registry, `skopeo`, podman, containerd and Docker, on images made of this machine's files.
//!
//! No test here is skipped in silence: without its peer it fails, unless `SEALIFT_NO_INTEROP=1` is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails shall say so")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod attachments;
mod bundles;
mod clients;
mod doctor;
mod faults;
mod kit;
mod page;
mod report;
mod round_trip;
mod secured;
mod shells;
mod site;
mod spool;
