//! Where the images of a directory came from, as far as the receipts of `sealift load` tell.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealift_bundle::{RECEIPT_LIMIT, Receipt};
use sealift_oci::{Digest, RepositoryName, Tag};
use sealift_registry::server::{Keeper, Origin};
use sealift_store::{DirectoryStore, Error, ErrorKind, Operation, ReadThrough, Usage};

use super::{Result, since};

/// A directory, and what is known of its images.
#[derive(Debug)]
pub(crate) struct Origins {
    directory: Arc<DirectoryStore>,
    is_read_only: bool,
    /// The bundles and the repository that a manifest came from. It may lie in a repository of another name
    /// here, so only its digest counts.
    known: HashMap<Digest, (String, String)>,
    /// Knows how old tags are that come from elsewhere.
    through: Option<ReadThrough>,
}

impl Origins {
    pub(crate) fn read(directory: Arc<DirectoryStore>, receipts: &[PathBuf]) -> Result<Self> {
        let mut known = HashMap::new();
        for path in receipts {
            let content = since::signed(path, RECEIPT_LIMIT, None)?;
            add(&mut known, &Receipt::parse(path, &content)?);
        }
        Ok(Self { directory, is_read_only: false, known, through: None })
    }

    /// Says that nothing is meant to be written there.
    pub(crate) fn read_only(self) -> Self {
        Self { is_read_only: true, ..self }
    }

    /// Asks this, too, how old tags are.
    pub(crate) fn behind(self, through: Option<ReadThrough>) -> Self {
        Self { through, ..self }
    }
}

/// The first receipt that tells of a manifest tells when it came.
fn add(known: &mut HashMap<Digest, (String, String)>, receipt: &Receipt) {
    let bundles = receipt.bundles.join(", ");
    for repository in &receipt.repositories {
        for manifest in &repository.manifests {
            known.entry(manifest.digest).or_insert_with(|| (bundles.clone(), repository.source.clone()));
        }
    }
}

#[async_trait]
impl Keeper for Origins {
    async fn usage(&self) -> sealift_store::Result<Usage> {
        self.directory.usage().await
    }

    async fn check_writable(&self) -> sealift_store::Result<()> {
        if self.is_read_only {
            return Err(Error::new(ErrorKind::ReadOnly, Operation::PushBlob));
        }
        self.directory.check_writable().await
    }

    async fn origin(&self, repository: &RepositoryName, digest: &Digest) -> Origin {
        let (bundle, source) = self.known.get(digest).cloned().unzip();
        let arrived = self.directory.arrived(repository, digest).await;
        Origin { within: None, arrived, written: None, bundle, source }
    }

    async fn age(&self, repository: &RepositoryName, tag: &Tag) -> Option<Duration> {
        self.through.as_ref()?.age(repository, tag).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn receipts_tell_where_images_came_from() {
        let place = tempfile::tempdir().unwrap();
        let digest = Digest::sha256(b"manifest");
        let [october, november] = ["a", "b"].map(|digit| digit.repeat(32));
        let receipt = |bundle: &str| {
            format!(
                r#"{{"format":"sealift-receipt","version":1,"id":"{bundle}","created":"2026-11-21T10:00:00Z","tool":"sealift","target":"x","bundles":["{bundle}"],"repositories":[{{"name":"arcdata/x","source":"mcr.example/arcdata/x","manifests":[{{"digest":"{digest}","size":1,"media_type":"m"}}],"blobs":[],"tags":{{}}}}]}}"#
            )
        };
        let paths = [&october, &november].map(|bundle| {
            let path = place.path().join(bundle);
            std::fs::write(&path, receipt(bundle)).unwrap();
            path
        });
        let directory = Arc::new(DirectoryStore::create(place.path().join("store")).unwrap());
        let origins = Origins::read(Arc::clone(&directory), &paths).unwrap();
        let repository = "elsewhere/x".parse().unwrap();
        let found = origins.origin(&repository, &digest).await;
        assert_eq!(found.bundle.as_deref(), Some(october.as_str()));
        assert_eq!(found.source.as_deref(), Some("mcr.example/arcdata/x"));
        assert_eq!(found.arrived, None);
        let other = origins.origin(&repository, &Digest::sha256(b"other")).await;
        assert_eq!(other, Origin::default());
        std::fs::write(&paths[0], "{}").unwrap();
        assert!(Origins::read(directory, &paths).is_err());
    }
}
