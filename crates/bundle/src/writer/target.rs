//! One repository of a bundle that is written; what is whole can be read back where the content is plain.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sealift_oci::{Descriptor, Digest, MANIFEST_LIMIT, Manifest, ManifestRef, RepositoryName, Tag};
use sealift_store::accept::{ObjectName, check_bytes};
use sealift_store::{
    BlobBody, Error, ErrorKind, Expected, LinkOutcome, Operation, Page, PageRequest, Result, Source, Target,
    Upload, UploadId,
};

use super::Shared;

/// A repository in the hands of a caller.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
    pub(super) name: RepositoryName,
}

impl Handle {
    fn named(&self, error: Error, reference: &ManifestRef) -> Error {
        error.at(&self.shared.place).object(ObjectName(&self.name, reference))
    }

    fn missing(&self, operation: Operation, reference: &ManifestRef) -> Error {
        self.named(Error::new(ErrorKind::NotFound, operation), reference)
    }

    fn find(&self, reference: &ManifestRef) -> Option<Descriptor> {
        let state = self.shared.state();
        let held = state.repositories.get(&self.name)?;
        let digest = match reference {
            ManifestRef::Tag(tag) => held.tags.get(tag)?,
            ManifestRef::Digest(digest) => digest,
        };
        let manifest = held.manifests.get(digest)?;
        Some(Descriptor::new(&manifest.media_type, *digest, manifest.size))
    }

    /// What is attached to a subject; each manifest is read for its type and annotations.
    async fn attached(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let candidates: Vec<Digest> = {
            let state = self.shared.state();
            let held = state.repositories.get(&self.name);
            let all = held.into_iter().flat_map(|held| &held.manifests);
            all.filter(|(_, manifest)| manifest.is_attached).map(|(digest, _)| *digest).collect()
        };
        let mut attached = Vec::new();
        for digest in candidates {
            let manifest = self.manifest(&digest.into()).await?;
            if manifest.links.subject.as_ref().is_some_and(|it| it.digest == *subject) {
                attached.push(manifest.descriptor);
            }
        }
        Ok(attached)
    }
}

#[async_trait]
impl Target for Handle {
    fn repository(&self) -> &RepositoryName {
        &self.name
    }

    async fn stat_manifest(&self, reference: &ManifestRef) -> Result<Option<Descriptor>> {
        Ok(self.find(reference))
    }

    /// What the other side has counts as here.
    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>> {
        let state = self.shared.state();
        let base = || state.base.get(digest).map(|held| held.size);
        Ok(state.blob_size(&self.name, digest).or_else(base))
    }

    /// Where the content lies says nothing about who may read it: a blob that is anywhere in the bundle is linked.
    async fn link_blob(&self, digest: &Digest, _from: &RepositoryName) -> Result<LinkOutcome> {
        Ok(if self.shared.link(&self.name, digest) { LinkOutcome::Linked } else { LinkOutcome::Refused })
    }

    async fn begin_upload(&self, expected: Option<Expected>) -> Result<Box<dyn Upload>> {
        let Some(expected) = expected else {
            let error = Error::new(ErrorKind::Unsupported, Operation::PushBlob);
            return Err(error.at(&self.shared.place).because("a bundle must be told size and digest first"));
        };
        self.shared.begin(&self.name, expected).await
    }

    async fn resume_upload(&self, id: &UploadId) -> Result<Box<dyn Upload>> {
        self.shared.resume(&self.name, id)
    }

    async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let reference = tag.cloned().map_or(ManifestRef::from(manifest.digest()), ManifestRef::from);
        let put = async {
            check_bytes(manifest)?;
            self.shared.state().check_links(&self.name, manifest)?;
            let expected = Expected::new(manifest.digest(), manifest.descriptor.size);
            let written = self.shared.write_whole(&expected, manifest.bytes.clone()).await;
            written.map_err(|error| Error::io(Operation::PushManifest, error))?;
            self.shared.state().show(&self.name, manifest, tag);
            Ok(())
        };
        put.await.map_err(|error| self.named(error, &reference))
    }
}

#[async_trait]
impl Source for Handle {
    fn repository(&self) -> &RepositoryName {
        &self.name
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        self.find(reference).ok_or_else(|| self.missing(Operation::Resolve, reference))
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        let operation = Operation::FetchManifest;
        let found = self.find(reference).ok_or_else(|| self.missing(operation, reference))?;
        let body = self.shared.read(&found.digest, 0).map_err(|error| self.named(error, reference))?;
        let bytes: Bytes =
            body.collect(MANIFEST_LIMIT).await.map_err(|error| self.named(error, reference))?;
        let parsed = Manifest::parse_as(found.digest.algorithm(), Some(&found.media_type), bytes);
        let mut manifest = parsed.map_err(|error| {
            self.named(Error::new(ErrorKind::Invalid, operation).because(error), reference)
        })?;
        manifest.descriptor.media_type = found.media_type;
        Ok(manifest)
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        let size = self.shared.state().blob_size(&self.name, digest);
        size.ok_or_else(|| self.missing(Operation::CheckBlob, &(*digest).into()))
    }

    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        let reference = ManifestRef::from(*digest);
        if self.shared.state().blob_size(&self.name, digest).is_none() {
            return Err(self.missing(Operation::FetchBlob, &reference));
        }
        self.shared.read(digest, offset).map_err(|error| self.named(error, &reference))
    }

    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>> {
        let state = self.shared.state();
        let Some(held) = state.repositories.get(&self.name) else {
            let error = Error::new(ErrorKind::NotFound, Operation::ListTags);
            return Err(error.at(&self.shared.place).object(&self.name));
        };
        Ok(Page::of_sorted(held.tags.keys().cloned(), page, ToString::to_string))
    }

    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        let attached = self.attached(subject).await?.into_iter();
        let wanted =
            attached.filter(|it| artifact_type.is_none() || it.artifact_type.as_deref() == artifact_type);
        Ok(Page::of_sorted(wanted, page, |descriptor| descriptor.digest.to_string()))
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        false
    }
}
