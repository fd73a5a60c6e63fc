//! Reading a repository on disk.

use std::fs::File;
use std::io;
use std::time::SystemTime;

use async_trait::async_trait;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};

use super::repository::{Handle, Repository};
use crate::{BlobBody, Error, ErrorKind, Operation, Page, PageRequest, Result, Source};

#[async_trait]
impl Source for Handle {
    fn repository(&self) -> &RepositoryName {
        &self.repository.name
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        let asked = reference.clone();
        let find = move |repository: &Repository| find(repository, Operation::Resolve, &asked);
        self.blocking(Operation::Resolve, find).await.map_err(self.name(reference))
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        let asked = reference.clone();
        let read = move |repository: &Repository| {
            let descriptor = find(repository, Operation::FetchManifest, &asked)?;
            repository.read_manifest(&descriptor)
        };
        self.blocking(Operation::FetchManifest, read).await.map_err(self.name(reference))
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        let (asked, operation) = (*digest, Operation::CheckBlob);
        let stat = move |repository: &Repository| {
            let size = repository
                .rely_on(&asked, SystemTime::now())
                .map_err(|error| Error::of_file(operation, error))?;
            size.ok_or_else(|| Error::new(ErrorKind::NotFound, operation))
        };
        self.blocking(operation, stat).await.map_err(self.name(&(*digest).into()))
    }

    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        let asked = *digest;
        let open = move |repository: &Repository| {
            open(repository, &asked, offset).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput => {
                    Error::new(ErrorKind::Invalid, Operation::FetchBlob).because(error)
                }
                _ => Error::of_file(Operation::FetchBlob, error),
            })
        };
        self.blocking(Operation::FetchBlob, open).await.map_err(self.name(&(*digest).into()))
    }

    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>> {
        let (page, operation) = (page.clone(), Operation::ListTags);
        let list = move |repository: &Repository| {
            let index = repository.index().map_err(|error| Error::of_file(operation, error))?;
            let index = index.ok_or_else(|| Error::new(ErrorKind::NotFound, operation))?;
            Ok(Page::of_sorted(index.tags().cloned(), &page, ToString::to_string))
        };
        let listed = self.blocking(operation, list).await;
        listed.map_err(|error| error.at(&self.repository.place).object(&self.repository.name))
    }

    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        let (asked, page, wanted) = (*subject, page.clone(), artifact_type.map(str::to_owned));
        let list = move |repository: &Repository| referrers(repository, &asked, wanted.as_deref(), &page);
        self.blocking(Operation::ListReferrers, list).await.map_err(self.name(&(*subject).into()))
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        false
    }
}

fn find(repository: &Repository, operation: Operation, reference: &ManifestRef) -> Result<Descriptor> {
    let found = repository.find(reference).map_err(|error| Error::of_file(operation, error))?;
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, operation))
}

/// The file is handed out as it is: whoever reads it verifies it.
fn open(repository: &Repository, digest: &Digest, offset: u64) -> io::Result<BlobBody> {
    let file = File::open(repository.paths.blob(digest))?;
    let length = file.metadata()?.len();
    if offset > length {
        let reason = format!("it has {length} bytes and none at {offset}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    BlobBody::from_file(file, offset)
}

/// Type and annotations of a referrer stand in its own bytes, so those of one page are read.
fn referrers(
    repository: &Repository,
    subject: &Digest,
    artifact_type: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Descriptor>> {
    let index = repository.index().map_err(|error| Error::of_file(Operation::ListReferrers, error))?;
    let attached = index.map(|index| index.attached_to(subject)).unwrap_or_default();
    let behind = |it: &Descriptor| page.after.as_ref().is_none_or(|after| it.digest.to_string() > *after);
    let described = attached
        .iter()
        .filter(|descriptor| behind(descriptor))
        // One that cannot be read is not listed: fetching it would fail too, and then says why.
        .filter_map(|descriptor| Some(repository.read_manifest(descriptor).ok()?.descriptor))
        .filter(|it| artifact_type.is_none() || it.artifact_type.as_deref() == artifact_type);
    Ok(Page::of_sorted(described, page, |descriptor| descriptor.digest.to_string()))
}
