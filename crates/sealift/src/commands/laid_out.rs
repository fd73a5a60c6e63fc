//! An OCI image layout that is served as it is: what the page and the figures tell of it is what lies there, and what its
//! names say.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sealift_bundle::LayoutStore;
use sealift_oci::{Digest, RepositoryName, Tag};
use sealift_registry::server::{Keeper, Origin};
use sealift_store::{Error, ErrorKind, Operation, PageRequest, Store as _, Usage};

use super::carried::file_name;

/// A layout, and where it lies: a directory, or an archive.
#[derive(Clone, Debug)]
pub(crate) struct LaidOut {
    layout: LayoutStore,
    path: PathBuf,
}

impl LaidOut {
    pub(crate) fn new(layout: LayoutStore, path: &Path) -> Self {
        Self { layout, path: path.to_owned() }
    }

    /// When the list of images was written here, or copied here.
    fn written(&self) -> Option<SystemTime> {
        let index = if self.path.is_dir() { self.path.join("index.json") } else { self.path.clone() };
        fs::metadata(index).and_then(|it| it.modified()).ok()
    }
}

/// Counts the bytes of blobs, or of the archive.
fn bytes(path: &Path) -> std::io::Result<u64> {
    if !path.is_dir() {
        return fs::metadata(path).map(|it| it.len());
    }
    let mut sum: u64 = 0;
    for algorithm in fs::read_dir(path.join("blobs"))? {
        for blob in fs::read_dir(algorithm?.path())? {
            sum = sum.saturating_add(blob?.metadata()?.len());
        }
    }
    Ok(sum)
}

#[async_trait]
impl Keeper for LaidOut {
    async fn usage(&self) -> sealift_store::Result<Usage> {
        let (admin, mut page) = (self.layout.admin(), PageRequest::first());
        let mut repositories = 0;
        loop {
            let found = admin.repositories(&page).await?;
            repositories += found.items.len() as u64;
            page.after = match found.next {
                Some(next) => Some(next),
                None => break,
            };
        }
        let (path, failed) = (self.path.clone(), |error| Error::io(Operation::ListRepositories, error));
        let counted = tokio::task::spawn_blocking(move || bytes(&path)).await;
        let bytes = counted.map_err(std::io::Error::other).and_then(|bytes| bytes).map_err(failed)?;
        Ok(Usage { repositories, bytes, uploads: 0 })
    }

    async fn check_writable(&self) -> sealift_store::Result<()> {
        Err(Error::new(ErrorKind::ReadOnly, Operation::PushBlob))
    }

    async fn origin(&self, repository: &RepositoryName, _: &Digest) -> Origin {
        let kept = self.clone();
        let arrived = tokio::task::spawn_blocking(move || kept.written()).await.ok().flatten();
        Origin {
            within: Some(format!("the OCI image layout {}", file_name(&self.path))),
            arrived,
            source: self.layout.source_of(repository),
            ..Origin::default()
        }
    }

    async fn age(&self, _: &RepositoryName, _: &Tag) -> Option<Duration> {
        None
    }
}
