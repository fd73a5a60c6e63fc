//! What the tests and the bench stand on: real images, real registries, and proxies that fail on demand.
//!
//! Only tests use this crate, so its functions return a plain [`std::io::Result`] that a test unwraps, and
//! nothing of sealift but its words ([`sealift_oci`]) is used: what is tested must not test itself.
//! Everything stays on this machine: servers listen on the loopback address, on ports the system chose.
//!
//! - [`images`] makes images out of this machine's own files, and [`pushing`] puts them into a registry.
//! - [`docker_registry`], [`containerd`], [`docker`] and [`podman`] run Debian's daemons and clients, [`peers`] the
//!   other programs to get along with.
//! - [`http_proxy`] stands in front of a registry, counts requests, and answers or breaks chosen ones.
//! - [`tcp_proxy`] is a line that can be made slow, lossy or broken.
//! - [`small_disk`] is a disk that is soon full.
//! - [`tls`] makes certificates, good and bad ones, and [`htpasswd`] password files.

pub mod containerd;
mod daemon;
pub mod docker;
pub mod docker_registry;
pub mod htpasswd;
pub mod http_proxy;
pub mod images;
pub mod peers;
pub mod podman;
pub mod pushing;
pub mod small_disk;
pub mod tcp_proxy;
pub mod tls;
