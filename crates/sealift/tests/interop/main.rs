//! The binary against Debian's real registry, `skopeo` and containerd, on images made of this machine's files.
//!
//! No test here is skipped in silence: without its peer it fails, unless `SEALIFT_NO_INTEROP=1` is set.

mod faults;
mod round_trip;
mod secured;
mod site;
