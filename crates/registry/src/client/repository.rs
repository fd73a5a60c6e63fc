//! One repository of a registry, to read and to write. The work is in the modules beside this one; here
//! their faults become errors that name the registry.

use std::sync::Arc;

use async_trait::async_trait;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};
use sealift_store::{
    BlobBody, ErrorKind, Expected, LinkOutcome, Operation, Page, PageRequest, Result, Source, Target, Upload,
    UploadId,
};

use super::auth::Scopes;
use super::connection::Connection;
use super::fault::{Fault, Purpose};

/// What a handle on a repository is for, which decides what its tokens allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
}

/// One repository.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    pub(super) connection: Arc<Connection>,
    pub(super) name: RepositoryName,
    pub(super) scopes: Scopes,
}

impl Repository {
    pub(super) fn new(connection: Arc<Connection>, name: &RepositoryName, access: Access) -> Self {
        let scopes = match access {
            Access::Pull => Scopes::pull(name),
            Access::Push => Scopes::push(name),
        };
        Self { connection, name: name.clone(), scopes }
    }

    /// A purpose that concerns one object: `repository:tag` or `repository@digest`.
    pub(super) fn purpose(&self, operation: Operation, object: &ManifestRef) -> Purpose {
        match object {
            ManifestRef::Tag(tag) => Purpose::new(operation, format_args!("{}:{tag}", self.name)),
            ManifestRef::Digest(digest) => self.blob_purpose(operation, digest),
        }
    }

    pub(super) fn blob_purpose(&self, operation: Operation, digest: &Digest) -> Purpose {
        Purpose::new(operation, format_args!("{}@{digest}", self.name))
    }

    /// A purpose that concerns the repository as a whole.
    pub(super) fn own_purpose(&self, operation: Operation) -> Purpose {
        Purpose::new(operation, &self.name)
    }

    fn named<T>(&self, result: Result<T, Fault>) -> Result<T> {
        result.map_err(|fault| fault.at(self.connection.place()))
    }
}

/// Turns "it is not there" into an answer.
pub(super) fn found<T>(result: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.kind == ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[async_trait]
impl Source for Repository {
    fn repository(&self) -> &RepositoryName {
        &self.name
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        self.named(self.describe_manifest(reference).await)
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        self.named(self.fetch_manifest(reference, Operation::FetchManifest).await)
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        self.named(self.blob_size(digest).await)
    }

    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        self.named(self.read_blob(digest, offset).await)
    }

    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>> {
        self.named(self.list_tags(page).await)
    }

    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        self.named(self.list_referrers(subject, artifact_type, page).await)
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        self.connection.quirks().has_no_referrers
    }
}

#[async_trait]
impl Target for Repository {
    fn repository(&self) -> &RepositoryName {
        &self.name
    }

    async fn stat_manifest(&self, reference: &ManifestRef) -> Result<Option<Descriptor>> {
        self.named(found(self.describe_manifest(reference).await))
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>> {
        self.named(found(self.blob_size(digest).await))
    }

    async fn link_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<LinkOutcome> {
        self.named(self.mount(digest, from).await)
    }

    async fn begin_upload(&self, _expected: Option<Expected>) -> Result<Box<dyn Upload>> {
        self.named(self.start_upload().await)
    }

    async fn resume_upload(&self, id: &UploadId) -> Result<Box<dyn Upload>> {
        self.named(self.find_upload(id).await)
    }

    async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        self.named(self.push_manifest(manifest, tag).await)
    }
}
