//! The place that travels: a bundle is a set of volumes with a catalogue of what lies where in them.
//!
//! What is on the medium, byte by byte: `docs/BUNDLE-FORMAT.md`. A bundle is a [`sealift_store::Store`] to
//! read and a [`sealift_store::Target`] to write; the engine knows it by nothing else.

mod catalogue;
mod delta;
mod document;
mod entry;
mod error;
#[cfg(test)]
mod fixture;
mod held;
mod key_file;
mod layout;
mod names;
mod passphrase;
mod reader;
mod receipt;
mod repair;
mod seal;
mod sign;
mod store;
mod verify;
mod writer;

pub use catalogue::{Catalogue, Content, Encoding, Extent, HeldManifest, Image, Repository, Volume};
pub use delta::{
    Bases, BlobLookup, Candidates, Delta, DeltaBase, DeltaPlan, Level as DeltaLevel, Memory, PlannedBase,
    Unplanned,
};
pub use error::{BundleError, Result};
pub use held::{Held, HeldContent};
pub use layout::{LayoutImage, LayoutNames, LayoutStore, LayoutWriter};
pub use passphrase::Passphrase;
pub use reader::{
    Bundle, Damage, ListedDelta, ListedImage, Listing, OpenOptions, Progress, Unlock, VolumeFile,
    bundles_below,
};
pub use receipt::{RECEIPT_LIMIT, Receipt, ReceivedBlob, ReceivedManifest, ReceivedRepository};
pub use repair::{MissingContent, REPAIR_LIMIT, RepairRequest, RepositorySource};
pub use seal::{BundleKey, Identities, Lock, Opener, Recipient, SEALED_KEY_LIMIT, SealedKey, Sealer};
pub use sign::{PublicKey, SIGNATURE_LIMIT, SecretKey, SecretKeyFile};
pub use store::BundleStore;
pub use verify::{Finding, Scope, Verified, verify, verify_open};
pub use writer::{
    BundleWriter, Contents, Destination, Finished, OpenedBy, Shape, Sign, WriterOptions, count_volumes,
};

/// What fuzz targets reach of the readers here. It is built for the fuzzer only (`--cfg fuzzing`).
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::delta::fuzzing::delta;
    pub use crate::layout::fuzzing::{layout_archive, layout_index};
    pub use crate::reader::fuzzing::{checksums, trailer, volume_bytes};
    pub use crate::seal::fuzzing::age;
    pub use crate::sign::fuzzing::minisign;
}
