//! One repository in memory, to read and to write.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};

use super::upload::{Session, Upload};
use super::{Repository, Shared, plain};
use crate::accept::{ObjectName, check_bytes, missing_link, required_blobs, required_manifests};
use crate::{
    BlobBody, Error, ErrorKind, Expected, LinkOutcome, Operation, Page, PageRequest, Result, Source, Target,
    UploadId,
};

/// One repository of a place in memory.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
    pub(super) name: RepositoryName,
}

impl Handle {
    /// Reads the repository; one that is not there reads as an empty one.
    fn read<T>(&self, read: impl FnOnce(&Repository) -> T) -> T {
        match self.shared.lock().get(&self.name) {
            Some(repository) => read(repository),
            None => read(&Repository::default()),
        }
    }

    /// Changes the repository, in one step for everybody else.
    pub(super) fn write<T>(&self, write: impl FnOnce(&mut Repository) -> T) -> T {
        write(self.shared.lock().entry(self.name.clone()).or_default())
    }

    /// Puts place and object on an error.
    fn name<'a>(&'a self, reference: &'a ManifestRef) -> impl Fn(Error) -> Error + 'a {
        move |error| error.at(&self.shared.place).object(ObjectName(&self.name, reference))
    }

    fn find_manifest(&self, operation: Operation, reference: &ManifestRef) -> Result<Manifest> {
        let found = self.read(|repository| repository.find(reference).cloned());
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, operation)).map_err(self.name(reference))
    }

    fn find_blob(&self, operation: Operation, digest: &Digest) -> Result<Bytes> {
        let found = self.read(|repository| repository.blobs.get(digest).cloned());
        found
            .ok_or_else(|| Error::new(ErrorKind::NotFound, operation))
            .map_err(self.name(&ManifestRef::from(*digest)))
    }
}

impl Repository {
    fn find(&self, reference: &ManifestRef) -> Option<&Manifest> {
        let digest = match reference {
            ManifestRef::Tag(tag) => self.tags.get(tag)?,
            ManifestRef::Digest(digest) => digest,
        };
        self.manifests.get(digest)
    }

    fn check_links(&self, manifest: &Manifest) -> Result<()> {
        if let Some(blob) = required_blobs(manifest).find(|blob| !self.blobs.contains_key(blob)) {
            return Err(missing_link("blob", &blob));
        }
        match required_manifests(manifest).find(|child| !self.manifests.contains_key(child)) {
            Some(child) => Err(missing_link("manifest", &child)),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Source for Handle {
    fn repository(&self) -> &RepositoryName {
        &self.name
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        self.find_manifest(Operation::Resolve, reference).map(|manifest| plain(&manifest.descriptor))
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        self.find_manifest(Operation::FetchManifest, reference)
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        self.find_blob(Operation::CheckBlob, digest).map(|blob| blob.len() as u64)
    }

    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        let blob = self.find_blob(Operation::FetchBlob, digest)?;
        match usize::try_from(offset) {
            Ok(offset) if offset <= blob.len() => Ok(BlobBody::from(blob.slice(offset..))),
            _ => Err(Error::new(ErrorKind::Invalid, Operation::FetchBlob)
                .because(format_args!("it has {} bytes and none at {offset}", blob.len())))
            .map_err(self.name(&ManifestRef::from(*digest))),
        }
    }

    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>> {
        let (is_visible, tags) = self.read(|repository| {
            let tags = Page::of_sorted(repository.tags.keys().cloned(), page, ToString::to_string);
            (repository.is_visible(), tags)
        });
        if is_visible {
            return Ok(tags);
        }
        let error = Error::new(ErrorKind::NotFound, Operation::ListTags);
        Err(error.at(&self.shared.place).object(&self.name))
    }

    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        let is_wanted = |manifest: &&Manifest| {
            manifest.links.subject.as_ref().is_some_and(|it| it.digest == *subject)
                && artifact_type
                    .is_none_or(|wanted| manifest.descriptor.artifact_type.as_deref() == Some(wanted))
        };
        Ok(self.read(|repository| {
            let all = repository.manifests.values().filter(is_wanted).map(|it| it.descriptor.clone());
            Page::of_sorted(all, page, |descriptor| descriptor.digest.to_string())
        }))
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        false
    }
}

#[async_trait]
impl Target for Handle {
    fn repository(&self) -> &RepositoryName {
        &self.name
    }

    async fn stat_manifest(&self, reference: &ManifestRef) -> Result<Option<Descriptor>> {
        Ok(self.read(|repository| repository.find(reference).map(|manifest| plain(&manifest.descriptor))))
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>> {
        Ok(self.read(|repository| repository.blobs.get(digest).map(|blob| blob.len() as u64)))
    }

    async fn link_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<LinkOutcome> {
        let mut all = self.shared.lock();
        let has = |name| all.get(name).and_then(|it: &Repository| it.blobs.get(digest).cloned());
        let Some(blob) = has(&self.name).or_else(|| has(from)) else { return Ok(LinkOutcome::Refused) };
        all.entry(self.name.clone()).or_default().blobs.insert(*digest, blob);
        Ok(LinkOutcome::Linked)
    }

    async fn begin_upload(&self, _expected: Option<Expected>) -> Result<Box<dyn crate::Upload>> {
        let id = crate::random::upload_id().map_err(|error| error.at(&self.shared.place))?;
        self.write(|repository| repository.uploads.insert(id.as_str().to_owned(), Upload::default()));
        Ok(Box::new(Session::new(self.clone(), id, 0)))
    }

    async fn resume_upload(&self, id: &UploadId) -> Result<Box<dyn crate::Upload>> {
        let found = self.read(|repository| repository.uploads.get(id.as_str()).map(Upload::state));
        let (offset, is_busy) = found.ok_or_else(|| self.upload_error(ErrorKind::NotFound))?;
        if is_busy {
            return Err(self.upload_error(ErrorKind::Busy));
        }
        Ok(Box::new(Session::new(self.clone(), id.clone(), offset)))
    }

    async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let digest = manifest.digest();
        let reference = tag.cloned().map_or(ManifestRef::from(digest), ManifestRef::from);
        let put = check_bytes(manifest).and_then(|()| {
            self.write(|repository| {
                repository.check_links(manifest)?;
                repository.manifests.insert(digest, manifest.clone());
                if let Some(tag) = tag {
                    repository.tags.insert(tag.clone(), digest);
                }
                Ok(())
            })
        });
        put.map_err(self.name(&reference))
    }
}

impl Handle {
    pub(super) fn upload_error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, Operation::PushBlob).at(&self.shared.place).object(format_args!("to {}", self.name))
    }
}
