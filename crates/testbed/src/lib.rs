//! What the tests and the bench stand on: real images, real registries, and a proxy that fails on demand.
//!
//! Only tests use this crate, so its functions return a plain [`std::io::Result`] that a test unwraps, and
//! nothing of sealift but its words ([`sealift_oci`]) is used: what is tested must not test itself.
//! Everything stays on this machine: servers listen on the loopback address, on ports the system chose.
//!
//! - [`images`] makes images out of this machine's own files.

pub mod images;
