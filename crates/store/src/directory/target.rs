//! Writing a repository on disk.

use std::fs;
use std::io;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use async_trait::async_trait;
use sealift_oci::{Algorithm, Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};

use super::paths::Paths;
use super::repository::{Handle, Repository, found};
use crate::accept::{Sparse, check_bytes, check_links};
use crate::upload::{Data, Keeper, Session};
use crate::{Error, Expected, LinkOutcome, Operation, Result, Target, Upload, UploadId, atomic, sweep};

/// A handle that also knows where the other repositories are.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) handle: Handle,
    pub(super) root: std::path::PathBuf,
    pub(super) sparse: Sparse,
}

#[async_trait]
impl Target for Writer {
    fn repository(&self) -> &RepositoryName {
        &self.handle.repository.name
    }

    async fn stat_manifest(&self, reference: &ManifestRef) -> Result<Option<Descriptor>> {
        let (asked, operation) = (reference.clone(), Operation::Resolve);
        let find = move |repository: &Repository| {
            repository.find(&asked).map_err(|it| Error::of_file(operation, it))
        };
        self.handle.blocking(operation, find).await.map_err(self.handle.name(reference))
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>> {
        let (asked, operation) = (*digest, Operation::CheckBlob);
        let stat = move |repository: &Repository| {
            repository.rely_on(&asked, SystemTime::now()).map_err(|it| Error::of_file(operation, it))
        };
        self.handle.blocking(operation, stat).await.map_err(self.handle.name(&(*digest).into()))
    }

    async fn link_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<LinkOutcome> {
        let (asked, other) = (*digest, Paths::new(&self.root, from));
        let link = move |repository: &Repository| {
            link(repository, &asked, &other).map_err(|error| Error::of_file(Operation::MountBlob, error))
        };
        let linked = self.handle.blocking(Operation::MountBlob, link).await;
        let linked = linked.map_err(self.handle.name(&(*digest).into()))?;
        Ok(if linked { LinkOutcome::Linked } else { LinkOutcome::Refused })
    }

    async fn begin_upload(&self, _expected: Option<Expected>) -> Result<Box<dyn Upload>> {
        self.sweep_once().await?;
        let uploads = self.handle.repository.paths.uploads();
        Ok(Box::new(Session::begin(self.handle.clone(), &uploads).await?))
    }

    async fn resume_upload(&self, id: &UploadId) -> Result<Box<dyn Upload>> {
        let uploads = self.handle.repository.paths.uploads();
        Ok(Box::new(Session::resume(self.handle.clone(), &uploads, id.clone()).await?))
    }

    async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let reference = tag.cloned().map_or(ManifestRef::from(manifest.digest()), ManifestRef::from);
        let (manifest, tag, sparse) = (manifest.clone(), tag.cloned(), self.sparse);
        let guard = self.handle.repository.writing.clone().lock_owned().await;
        let put = move |repository: &Repository| {
            // The guard goes along: should the caller give up waiting, the work still ends in its turn.
            let _guard = guard;
            put_manifest(repository, &manifest, tag.as_ref(), sparse)
        };
        self.handle.blocking(Operation::PushManifest, put).await.map_err(self.handle.name(&reference))
    }
}

impl Writer {
    /// The first upload of a process removes what was left behind.
    async fn sweep_once(&self) -> Result<()> {
        let sweep = |repository: &Repository| {
            let (paths, blobs) = (&repository.paths, Algorithm::ALL.map(|it| repository.paths.blobs(it)));
            let now = SystemTime::now();
            sweep::sweep_uploads(&paths.uploads(), now, sweep::LIFETIME);
            sweep::sweep_stages(blobs.iter().chain([&paths.layout()]), now);
            Ok(())
        };
        if self.handle.repository.is_swept.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.handle.blocking(Operation::PushBlob, sweep).await
    }
}

impl Keeper for Handle {
    fn name(&self, error: Error) -> Error {
        error.at(&self.repository.place).object(format_args!("to {}", self.repository.name))
    }

    fn publish(&self, data: Data, digest: &Digest) -> io::Result<()> {
        self.repository.ensure_layout()?;
        atomic::create_dir_all(&self.repository.paths.blobs(digest.algorithm()))?;
        let _adding = self.repository.adding()?;
        data.publish(&self.repository.paths.blob(digest))
    }
}

fn link(repository: &Repository, digest: &Digest, other: &Paths) -> io::Result<bool> {
    if repository.rely_on(digest, SystemTime::now())?.is_some() {
        return Ok(true);
    }
    let from = other.blob(digest);
    if !from.is_file() {
        return Ok(false);
    }
    repository.ensure_layout()?;
    atomic::create_dir_all(&repository.paths.blobs(digest.algorithm()))?;
    let _adding = repository.adding()?;
    // It may have been deleted there meanwhile.
    Ok(found(atomic::link(&from, &repository.paths.blob(digest)))?.is_some())
}

/// The bytes are written first and seen by nobody; the index then shows the manifest and its tag at once.
fn put_manifest(
    repository: &Repository,
    manifest: &Manifest,
    tag: Option<&Tag>,
    sparse: Sparse,
) -> Result<()> {
    check_bytes(manifest)?;
    if !repository.is_there() {
        // A manifest that is refused leaves nothing behind.
        check(repository, manifest, sparse)?;
    }
    let io = |error| Error::of_file(Operation::PushManifest, error);
    let _adding = repository.adding().map_err(io)?;
    check(repository, manifest, sparse)?;
    repository.ensure_layout().map_err(io)?;
    write_bytes(repository, manifest).map_err(io)?;
    let subject = manifest.links.subject.as_ref().map(|subject| &subject.digest);
    repository.update(|index| index.with(&manifest.descriptor, subject, tag)).map_err(io)
}

fn check(repository: &Repository, manifest: &Manifest, sparse: Sparse) -> Result<()> {
    let io = |error| Error::of_file(Operation::PushManifest, error);
    check_links(
        manifest,
        sparse,
        |blob| repository.blob_size(blob).map(|size| size.is_some()).map_err(io),
        |child| repository.find(&(*child).into()).map(|found| found.is_some()).map_err(io),
    )
}

fn write_bytes(repository: &Repository, manifest: &Manifest) -> io::Result<()> {
    let digest = manifest.digest();
    let path = repository.paths.blob(&digest);
    // A file of the right length may still have wrong bytes; so the bytes decide. They are few.
    let is_whole = repository.blob_size(&digest)? == Some(manifest.bytes.len() as u64)
        && fs::read(&path)? == manifest.bytes;
    if is_whole {
        let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        return Ok(());
    }
    atomic::create_dir_all(&repository.paths.blobs(digest.algorithm()))?;
    atomic::write(&path, &manifest.bytes)
}
