//! The words of OCI: digests, descriptors, names, references, platforms, manifests and their links.
//!
//! Everything here is a pure value. Each type is parsed once, at the edge, and is valid from then on;
//! nothing in this crate does I/O, and every parser takes a `&str` or bytes, so that it can be tested
//! and fuzzed alone. Where the text of a specification decides, its section is named.

mod descriptor;
mod digest;
mod manifest;
pub mod media_type;
mod name;
mod platform;
mod reference;
mod referrers;

pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, DigestError, HashStateError, Hasher};
pub use manifest::{Kind, Links, MANIFEST_LIMIT, Manifest, ManifestError};
pub use name::{NameError, Registry, RepositoryName, Tag};
pub use platform::{Platform, PlatformError};
pub use reference::{ManifestRef, Reference, ReferenceError};
pub use referrers::{is_referrers_tag, referrers_tag};
