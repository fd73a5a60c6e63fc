//! What is known of a place beside what a [`Store`](sealift_store::Store) tells: by who keeps it.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sealift_oci::{Digest, RepositoryName, Tag};
use sealift_store::{DirectoryStore, Result, Usage};

/// Knows a place from behind.
#[async_trait]
pub trait Keeper: Debug + Send + Sync + 'static {
    /// Counts what is there; it may take a while.
    async fn usage(&self) -> Result<Usage>;

    /// Tries whether the place can be written.
    async fn check_writable(&self) -> Result<()>;

    /// Tells where a manifest came from.
    async fn origin(&self, repository: &RepositoryName, digest: &Digest) -> Origin;

    /// Tells how long ago it was known for certain what a tag points at, where that is decided elsewhere and
    /// nobody was asked just now.
    async fn age(&self, repository: &RepositoryName, tag: &Tag) -> Option<Duration>;
}

/// Where something came from, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// What it lies in, where that is nothing that the server writes.
    pub within: Option<String>,
    /// When it came.
    pub arrived: Option<SystemTime>,
    /// When the bundle was written that has it, as that says (RFC 3339).
    pub written: Option<String>,
    /// The bundle that brought it.
    pub bundle: Option<String>,
    /// The repository that it was taken from, elsewhere.
    pub source: Option<String>,
}

#[async_trait]
impl Keeper for DirectoryStore {
    async fn usage(&self) -> Result<Usage> {
        Self::usage(self).await
    }

    async fn check_writable(&self) -> Result<()> {
        Self::check_writable(self).await
    }

    async fn origin(&self, repository: &RepositoryName, digest: &Digest) -> Origin {
        Origin { arrived: self.arrived(repository, digest).await, ..Origin::default() }
    }

    async fn age(&self, _: &RepositoryName, _: &Tag) -> Option<Duration> {
        None
    }
}
