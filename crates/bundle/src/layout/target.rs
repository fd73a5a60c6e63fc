//! Writing a repository of a layout.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};
use sealift_store::accept::{Sparse, check_bytes, check_links};
use sealift_store::upload::Session;
use sealift_store::{Error, Expected, LinkOutcome, Operation, Result, Target, Upload, UploadId, atomic};

use super::index::Addition;
use super::reader::Handle;
use super::writer::Writer;

#[async_trait]
impl Target for Writer {
    fn repository(&self) -> &RepositoryName {
        &self.handle.repository
    }

    async fn stat_manifest(&self, reference: &ManifestRef) -> Result<Option<Descriptor>> {
        let (asked, operation) = (reference.clone(), Operation::Resolve);
        let find = move |it: &Handle| it.find(operation, &asked);
        self.handle.blocking(operation, find).await.map_err(self.handle.name(reference))
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>> {
        let (asked, operation) = (*digest, Operation::CheckBlob);
        let stat = move |it: &Handle| Ok(it.blob(operation, &asked)?.map(|piece| piece.size));
        self.handle.blocking(operation, stat).await.map_err(self.handle.name(&(*digest).into()))
    }

    async fn link_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<LinkOutcome> {
        let (asked, other, operation) = (*digest, from.clone(), Operation::MountBlob);
        let link =
            move |it: &Handle| link(it, &asked, &other).map_err(|error| Error::of_file(operation, error));
        let linked = self.handle.blocking(operation, link).await;
        let linked = linked.map_err(self.handle.name(&(*digest).into()))?;
        Ok(if linked { LinkOutcome::Linked } else { LinkOutcome::Refused })
    }

    async fn begin_upload(&self, _expected: Option<Expected>) -> Result<Box<dyn Upload>> {
        Ok(Box::new(Session::begin(self.clone(), &self.uploads()).await?))
    }

    async fn resume_upload(&self, id: &UploadId) -> Result<Box<dyn Upload>> {
        Ok(Box::new(Session::resume(self.clone(), &self.uploads(), id.clone()).await?))
    }

    async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let reference = tag.cloned().map_or(ManifestRef::from(manifest.digest()), ManifestRef::from);
        let (writer, manifest, tag) = (self.clone(), manifest.clone(), tag.cloned());
        let guard = self.shared.writing.clone().lock_owned().await;
        let put = move |_: &Handle| {
            // The guard goes along: should the caller give up waiting, the work still ends in its turn.
            let _guard = guard;
            writer.put(&manifest, tag.as_ref())
        };
        self.handle.blocking(Operation::PushManifest, put).await.map_err(self.handle.name(&reference))
    }
}

/// All repositories share the bytes; what is linked is the right to them.
fn link(handle: &Handle, digest: &Digest, from: &RepositoryName) -> io::Result<bool> {
    let (layout, here) = (&handle.layout, &handle.repository);
    if layout.blob(here, digest)?.is_some() {
        return Ok(true);
    }
    if layout.blob(from, digest)?.is_none() {
        return Ok(false);
    }
    layout.claim(here, digest).map(|()| true)
}

impl Writer {
    fn uploads(&self) -> PathBuf {
        self.shared.uploads(&self.handle.repository)
    }

    /// The bytes are written first and seen by nobody; the index then shows the manifest and its tag at once.
    fn put(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let (handle, operation) = (&self.handle, Operation::PushManifest);
        check_bytes(manifest)?;
        check_links(
            manifest,
            Sparse::Refused,
            |blob| handle.blob(operation, blob).map(|found| found.is_some()),
            |child| handle.find(operation, &(*child).into()).map(|found| found.is_some()),
        )?;
        let io = |error| Error::of_file(operation, error);
        self.write_bytes(manifest).map_err(io)?;
        if tag.is_none() && handle.find(operation, &manifest.digest().into())?.is_some() {
            return Ok(());
        }
        self.list(manifest, tag).map_err(io)
    }

    fn write_bytes(&self, manifest: &Manifest) -> io::Result<()> {
        let digest = manifest.digest();
        let path = self.shared.directory.blob(&digest);
        // A file of the right length may still have wrong bytes; so the bytes decide. They are few.
        let is_whole = match self.handle.layout.bytes(&digest)? {
            Some(piece) if piece.size == manifest.bytes.len() as u64 => {
                piece.read(piece.size)? == manifest.bytes
            }
            _ => false,
        };
        self.handle.layout.claim(&self.handle.repository, &digest)?;
        if is_whole {
            return Ok(());
        }
        if let Some(directory) = path.parent() {
            atomic::create_dir_all(directory)?;
        }
        atomic::write(&path, &manifest.bytes)
    }

    /// Images of an index need no entry beside that of the index; what is attached to something always does.
    fn list(&self, manifest: &Manifest, tag: Option<&Tag>) -> io::Result<()> {
        let children = manifest.links.manifests.iter();
        let children = children.filter(|child| self.handle.layout.subject(child).is_none());
        let children: Vec<Digest> = children.map(|child| child.digest).collect();
        let addition = Addition {
            names: &self.shared.names,
            repository: &self.handle.repository,
            manifest: &manifest.descriptor,
            tag,
            children: &children,
        };
        self.shared.update(|index| index.with(&addition))
    }
}
