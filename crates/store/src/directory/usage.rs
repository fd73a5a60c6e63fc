//! How much a directory holds, for who watches it; and when something of it came.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};
use std::time::SystemTime;

use sealift_oci::{Algorithm, Digest, RepositoryName};

use super::paths::Paths;
use super::repository::found;
use super::{DirectoryStore, Shared, walk};
use crate::atomic::Stage;
use crate::{Error, ErrorKind, Operation, Result, platform};

/// What a place holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many repositories there are.
    pub repositories: u64,
    /// The bytes of all blobs and manifests; what several repositories share counts once.
    pub bytes: u64,
    /// How many uploads are unfinished.
    pub uploads: u64,
}

impl DirectoryStore {
    /// Counts what is there. It looks at every file, which takes a while for a large place.
    ///
    /// # Errors
    /// Where the place cannot be read.
    pub async fn usage(&self) -> Result<Usage> {
        self.shared.blocking(Operation::ListRepositories, count).await
    }

    /// Tries whether the place can be written, by a file that is gone again when this returns.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_writable(&self) -> Result<()> {
        if self.shared.is_read_only {
            return Err(Error::new(ErrorKind::ReadOnly, Operation::Connect).at(&self.shared.place));
        }
        let write = |shared: &Shared| Stage::beside(&shared.root.join("probe"))?.file().write_all(b"probe");
        self.shared.blocking(Operation::PushBlob, write).await
    }

    /// Tells when a manifest or blob was written here; `None` where it is not there.
    pub async fn arrived(&self, repository: &RepositoryName, digest: &Digest) -> Option<SystemTime> {
        let path = Paths::new(&self.shared.root, repository).blob(digest);
        let look = move |_: &Shared| fs::metadata(path)?.modified();
        self.shared.blocking(Operation::CheckBlob, look).await.ok()
    }
}

fn count(shared: &Shared) -> io::Result<Usage> {
    let mut usage = Usage::default();
    let mut seen = HashSet::new();
    for name in walk::repositories(&shared.root, |paths| walk::is_visible(paths) || paths.uploads().is_dir())?
    {
        let paths = Paths::new(&shared.root, &name);
        usage.repositories += u64::from(walk::is_visible(&paths));
        usage.uploads += found(fs::read_dir(paths.uploads()))?.map_or(0, |entries| entries.count() as u64);
        for algorithm in Algorithm::ALL {
            let Some(entries) = found(fs::read_dir(paths.blobs(algorithm)))? else { continue };
            for entry in entries {
                // What goes while it is counted is not counted.
                let Some(metadata) = found(entry?.metadata())? else { continue };
                if is_first(&metadata, &mut seen) {
                    usage.bytes += metadata.len();
                }
            }
        }
    }
    Ok(usage)
}

/// Tells whether a file was not seen yet under another name.
fn is_first(metadata: &fs::Metadata, seen: &mut HashSet<(u64, u64)>) -> bool {
    !platform::has_several_names(metadata) || platform::file_id(metadata).is_none_or(|id| seen.insert(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store as _;
    use crate::conformance::fixture;

    #[tokio::test]
    async fn what_is_shared_counts_once() {
        let root = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(root.path()).unwrap();
        assert_eq!(store.usage().await.unwrap(), Usage::default());
        let image = fixture::image("x");
        let links = image.manifest.links.blobs.iter().map(|blob| blob.size).sum::<u64>();
        let size = links + image.manifest.descriptor.size;
        image.push(&store, &"a".parse().unwrap(), Some("t")).await;
        let target = store.target(&"b/c".parse().unwrap()).unwrap();
        for blob in &image.manifest.links.blobs {
            target.link_blob(&blob.digest, &"a".parse().unwrap()).await.unwrap();
        }
        target.put_manifest(&image.manifest, None).await.unwrap();
        target.begin_upload(None).await.unwrap();
        let usage = store.usage().await.unwrap();
        assert_eq!((usage.repositories, usage.uploads), (2, 1));
        assert!((size..=size + image.manifest.descriptor.size).contains(&usage.bytes), "{usage:?} {size}");
        let digest = image.digest();
        assert!(store.arrived(&"a".parse().unwrap(), &digest).await.is_some());
        assert!(store.arrived(&"none".parse().unwrap(), &digest).await.is_none());
    }

    #[tokio::test]
    async fn writing_is_tried_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(root.path()).unwrap();
        store.check_writable().await.unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        fs::remove_dir(root.path()).unwrap();
        assert!(store.check_writable().await.is_err());
        fs::create_dir(root.path()).unwrap();
    }
}
