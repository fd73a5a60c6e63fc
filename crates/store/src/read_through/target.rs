//! Writing, which goes to the directory alone.

use std::sync::Arc;

use async_trait::async_trait;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};

use super::Shared;
use crate::accept::required_blobs;
use crate::{Expected, LinkOutcome, Result, Target, Upload, UploadId};

/// A repository of which more is to be had elsewhere, to write.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) local: Arc<dyn Target>,
    pub(super) shared: Arc<Shared>,
}

impl Kept {
    /// Who pushes is told that a blob is there where an upstream has it, and does not send it then. So it is
    /// fetched before the manifest that links to it is taken; what cannot be had is missing, as it would be without.
    async fn complete(&self, manifest: &Manifest) -> Result<()> {
        for blob in required_blobs(manifest) {
            if self.local.stat_blob(&blob).await?.is_none() {
                let _ = self.shared.bring(self.repository(), &blob).await;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Target for Kept {
    fn repository(&self) -> &RepositoryName {
        self.local.repository()
    }

    async fn stat_manifest(&self, reference: &ManifestRef) -> Result<Option<Descriptor>> {
        self.local.stat_manifest(reference).await
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>> {
        self.local.stat_blob(digest).await
    }

    async fn link_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<LinkOutcome> {
        self.local.link_blob(digest, from).await
    }

    async fn begin_upload(&self, expected: Option<Expected>) -> Result<Box<dyn Upload>> {
        self.local.begin_upload(expected).await
    }

    async fn resume_upload(&self, id: &UploadId) -> Result<Box<dyn Upload>> {
        self.local.resume_upload(id).await
    }

    async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        self.complete(manifest).await?;
        self.local.put_manifest(manifest, tag).await?;
        if let Some(tag) = tag {
            // Who pushed it knows best, for a while.
            self.shared.ledger.answered(self.repository(), tag);
        }
        Ok(())
    }
}
