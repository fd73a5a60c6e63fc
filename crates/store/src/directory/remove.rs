//! Deleting from a repository. Who adds content keeps who removes it waiting, and the other way round, so that
//! nothing goes between the moment at which somebody finds it there and the one at which a manifest links to it.

use std::collections::HashSet;
use std::fs;
use std::io;

use sealift_oci::{Digest, ManifestRef, Tag};

use super::repository::{Repository, found};
use crate::{Error, ErrorKind, Operation, Result, atomic};

/// Takes a tag away, or deletes a manifest and its tags.
pub(super) fn manifest(repository: &Repository, reference: &ManifestRef) -> Result<()> {
    let io = |error| Error::of_file(Operation::DeleteManifest, error);
    if repository.find(reference).map_err(io)?.is_none() {
        return Err(Error::new(ErrorKind::NotFound, Operation::DeleteManifest));
    }
    let _removing = repository.removing().map_err(io)?;
    match reference {
        ManifestRef::Tag(tag) => untag(repository, tag),
        ManifestRef::Digest(digest) => delete(repository, digest).map_err(io),
    }
}

fn untag(repository: &Repository, tag: &Tag) -> Result<()> {
    let mut is_there = false;
    let take = |index: &super::index::Index| {
        let without = index.without_tag(tag);
        is_there = without.is_some();
        without
    };
    repository.update(take).map_err(|error| Error::of_file(Operation::DeleteManifest, error))?;
    // Somebody else may have been faster.
    if is_there { Ok(()) } else { Err(Error::new(ErrorKind::NotFound, Operation::DeleteManifest)) }
}

/// The list first: what is not in it is gone, whatever becomes of the bytes. They go too, since an index that
/// stays could still lead to them.
fn delete(repository: &Repository, digest: &Digest) -> io::Result<()> {
    repository.update(|index| index.without(&HashSet::from([*digest])))?;
    remove(repository, digest).map(|_| ())
}

/// Deletes a blob.
pub(super) fn blob(repository: &Repository, digest: &Digest) -> Result<()> {
    let io = |error| Error::of_file(Operation::DeleteBlob, error);
    let missing = || Error::new(ErrorKind::NotFound, Operation::DeleteBlob);
    if repository.blob_size(digest).map_err(io)?.is_none() {
        return Err(missing());
    }
    let _removing = repository.removing().map_err(io)?;
    let index = repository.index().map_err(io)?;
    if index.is_some_and(|index| index.listed(digest).is_some()) {
        let error = Error::new(ErrorKind::Unsupported, Operation::DeleteBlob);
        return Err(error.because("it is a manifest, which is deleted as one"));
    }
    if remove(repository, digest).map_err(io)? { Ok(()) } else { Err(missing()) }
}

fn remove(repository: &Repository, digest: &Digest) -> io::Result<bool> {
    if found(fs::remove_file(repository.paths.blob(digest)))?.is_none() {
        return Ok(false);
    }
    atomic::sync_directory(&repository.paths.blobs(digest.algorithm()))?;
    Ok(true)
}
