//! Real images, made of this machine's own files and kept in a directory for the next run.
//!
//! A [`SetPlan`] says what is wanted: layers by their size, and images by the layers they stand on. An
//! [`ImageSet`] is what came of it: an OCI image layout on disk, with every manifest at hand. Layers hold
//! programs, libraries and texts as published images do, so they compress, copy and unpack like those;
//! what a file contains differs from machine to machine, and so do the digests.
//!
//! Nothing here is asynchronous: a large set takes its time, and a test makes it before it starts its
//! runtime or waits for it.

mod build;
mod files;
mod filler;
mod layer;
mod plan;
mod release;
mod set;
mod sparse;
mod tiny;

pub use filler::Filler;
pub use plan::{ImagePlan, PlatformPlan, SetPlan, Style};
pub use release::{RELEASE_NAMES, RELEASE_TAG, ReleaseOptions, Size, release_plan, release_set};
pub use set::{Image, ImageSet};
pub use sparse::sparse_set;
pub use tiny::{tiny_plan, tiny_set};

use std::path::PathBuf;

/// Returns the directory in which all tests of this workspace keep their image sets: `target/testbed`.
#[must_use]
pub fn cache_directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let beside_the_crates = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target");
    target.unwrap_or_else(beside_the_crates).join("testbed")
}
