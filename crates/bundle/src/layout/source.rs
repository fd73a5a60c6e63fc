//! Reading a repository of a layout.

use std::io;

use async_trait::async_trait;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Page, PageRequest, Result, Source};

use super::index::Held;
use super::reader::{Handle, Piece};

#[async_trait]
impl Source for Handle {
    fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        let (asked, operation) = (reference.clone(), Operation::Resolve);
        let find = move |it: &Self| present(operation, it.find(operation, &asked)?);
        self.blocking(operation, find).await.map_err(self.name(reference))
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        let (asked, operation) = (reference.clone(), Operation::FetchManifest);
        let read = move |it: &Self| {
            let descriptor = present(operation, it.find(operation, &asked)?)?;
            it.layout.read_manifest(&descriptor)
        };
        self.blocking(operation, read).await.map_err(self.name(reference))
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        self.piece(Operation::CheckBlob, digest).await.map(|piece| piece.size)
    }

    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        let piece = self.piece(Operation::FetchBlob, digest).await?;
        let open = move |_: &Self| {
            piece.open(offset).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput => {
                    Error::new(ErrorKind::Invalid, Operation::FetchBlob).because(error)
                }
                _ => Error::of_file(Operation::FetchBlob, error),
            })
        };
        self.blocking(Operation::FetchBlob, open).await.map_err(self.name(&(*digest).into()))
    }

    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>> {
        let index = self.layout.index();
        let Some(held) = index.held(&self.repository) else {
            let error = Error::new(ErrorKind::NotFound, Operation::ListTags);
            return Err(error.at(&self.layout.place).object(&self.repository));
        };
        Ok(Page::of_sorted(Held::tags(held).cloned(), page, ToString::to_string))
    }

    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        let (asked, page, wanted) = (*subject, page.clone(), artifact_type.map(str::to_owned));
        let list = move |it: &Self| Ok(it.attached(&asked, wanted.as_deref(), &page));
        self.blocking(Operation::ListReferrers, list).await.map_err(self.name(&(*subject).into()))
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        false
    }
}

impl Handle {
    async fn piece(&self, operation: Operation, digest: &Digest) -> Result<Piece> {
        let asked = *digest;
        let find = move |it: &Self| present(operation, it.blob(operation, &asked)?);
        self.blocking(operation, find).await.map_err(self.name(&(*digest).into()))
    }

    /// Type and annotations of a referrer stand in its own bytes, so those of one page are read.
    fn attached(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Page<Descriptor> {
        let index = self.layout.index();
        let is_attached = |it: &Descriptor| self.layout.subject(it).as_ref() == Some(subject);
        let mut attached: Vec<Descriptor> =
            index.manifests(&self.repository).filter(|it| is_attached(it)).collect();
        attached.sort_by_cached_key(|descriptor| descriptor.digest.to_string());
        attached.dedup_by_key(|descriptor| descriptor.digest);
        let is_behind =
            |it: &&Descriptor| page.after.as_ref().is_none_or(|after| it.digest.to_string() > *after);
        let described = attached
            .iter()
            .filter(is_behind)
            .filter_map(|descriptor| Some(self.layout.read_manifest(descriptor).ok()?.descriptor))
            .filter(|it| artifact_type.is_none() || it.artifact_type.as_deref() == artifact_type);
        Page::of_sorted(described, page, |descriptor| descriptor.digest.to_string())
    }
}

fn present<T>(operation: Operation, found: Option<T>) -> Result<T> {
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, operation))
}
