//! What every place on this machine asks of a manifest before it takes it; and how messages name an object.

use std::fmt;

use bytes::Bytes;
use sealift_oci::{Descriptor, Digest, MANIFEST_LIMIT, Manifest, ManifestRef, RepositoryName};

use crate::{Error, ErrorKind, Operation, Result};

/// Checks that the bytes are what the descriptor says, since a [`Manifest`] is a plain value.
///
/// # Errors
/// [`ErrorKind::Mismatch`] where they are not; [`ErrorKind::Invalid`] where they are too many.
pub fn check_bytes(manifest: &Manifest) -> Result<()> {
    let Descriptor { digest, size, .. } = &manifest.descriptor;
    if manifest.bytes.len() > MANIFEST_LIMIT {
        return Err(Error::new(ErrorKind::Invalid, Operation::PushManifest)
            .because(format_args!("it has more than {MANIFEST_LIMIT} bytes")));
    }
    let actual = Digest::of(digest.algorithm(), &manifest.bytes);
    if actual != *digest || manifest.bytes.len() as u64 != *size {
        return Err(Error::new(ErrorKind::Mismatch, Operation::PushManifest)
            .because(format_args!("its bytes have the digest {actual}, not {digest}")));
    }
    Ok(())
}

/// Lists the blobs that must be in the repository before the manifest. Publishers of foreign layers forbid
/// copies, so those may be absent.
pub fn required_blobs(manifest: &Manifest) -> impl Iterator<Item = Digest> + '_ {
    let blobs = manifest.links.blobs.iter();
    blobs.filter(|blob| !blob.is_foreign_layer()).map(|blob| blob.digest)
}

/// Lists the manifests that must be in the repository before the manifest.
pub fn required_manifests(manifest: &Manifest) -> impl Iterator<Item = Digest> + '_ {
    manifest.links.manifests.iter().map(|child| child.digest)
}

/// What a place takes although it lacks something that is linked to ("sparse" manifests). The distribution
/// specification leaves that to the registry, except for subjects, which may always be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sparse {
    /// Nothing.
    #[default]
    Refused,
    /// Indexes without some of their manifests, as of platforms that nobody wants.
    Indexes,
    /// Every manifest.
    Everything,
}

/// Checks that everything that must be in the repository before the manifest is there.
///
/// # Errors
/// [`ErrorKind::NotFound`] where something is missing; what asking fails with.
pub fn check_links(
    manifest: &Manifest,
    sparse: Sparse,
    has_blob: impl Fn(&Digest) -> Result<bool>,
    has_manifest: impl Fn(&Digest) -> Result<bool>,
) -> Result<()> {
    for blob in required_blobs(manifest).filter(|_| sparse < Sparse::Everything) {
        if !has_blob(&blob)? {
            return Err(missing_link("blob", &blob));
        }
    }
    for child in required_manifests(manifest).filter(|_| sparse < Sparse::Indexes) {
        if !has_manifest(&child)? {
            return Err(missing_link("manifest", &child));
        }
    }
    Ok(())
}

/// Reads a manifest out of the bytes of its file.
///
/// # Errors
/// [`ErrorKind::Invalid`] where they are no manifest; [`ErrorKind::Mismatch`] where they have another digest.
pub fn stored_manifest(descriptor: &Descriptor, bytes: Bytes) -> Result<Manifest> {
    let (algorithm, operation) = (descriptor.digest.algorithm(), Operation::FetchManifest);
    let mut manifest = Manifest::parse_as(algorithm, Some(&descriptor.media_type), bytes)
        .map_err(|error| Error::new(ErrorKind::Invalid, operation).because(error))?;
    if manifest.digest() != descriptor.digest {
        let reason = format!("its file has the digest {}", manifest.digest());
        return Err(Error::new(ErrorKind::Mismatch, operation).because(reason));
    }
    manifest.descriptor.media_type.clone_from(&descriptor.media_type);
    Ok(manifest)
}

/// Says that a manifest came before something that it links to.
#[must_use]
pub fn missing_link(what: &str, digest: &Digest) -> Error {
    Error::new(ErrorKind::NotFound, Operation::PushManifest)
        .because(format_args!("the {what} {digest} is not in the repository"))
}

/// Prints as `repository:tag` or `repository@digest`.
#[derive(Debug)]
pub struct ObjectName<'a>(pub &'a RepositoryName, pub &'a ManifestRef);

impl fmt::Display for ObjectName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = match self.1 {
            ManifestRef::Tag(_) => ':',
            ManifestRef::Digest(_) => '@',
        };
        write!(f, "{}{separator}{}", self.0, self.1)
    }
}
