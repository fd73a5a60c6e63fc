//! A directory in front of other places: what it lacks is fetched from them once, kept, and served from here
//! from then on, also while they cannot be reached.
//!
//! Content is looked for here first, then at the upstreams in their order. However many ask for an object at the
//! same moment, one flight fetches it (`flights`); who leaves does not end it for the others. A blob is
//! written as an upload of the directory, so nobody sees it before it is whole and right; who waits for it reads the
//! file while it grows (`arrival`), without the last piece until the digest is right. A manifest is kept before
//! its blobs are, which come when somebody wants them.
//!
//! What is named by a digest is never asked for again. A tag is, after [`Terms::tag_ttl`]; where
//! nobody can be asked the kept one is served, and [`ReadThrough::age`] tells how old that knowledge is. What
//! could not be had is remembered for seconds only ([`Terms::refusal`]).
//!
//! Whether a caller may read is decided before a place is asked, so no upstream is asked for who may not. What is
//! written goes to the directory alone; lists of repositories show what is kept.

#![deny(clippy::missing_trait_methods)]

mod arrival;
mod fetch;
mod flights;
mod ledger;
mod lists;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod upstream;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sealift_oci::{Digest, ManifestRef, RepositoryName, Tag};
use tokio::sync::Semaphore;

use crate::accept::Sparse;
use crate::{Admin, Backoff, DirectoryStore, Result, Source, Store, Target};
use arrival::Arrival;
use flights::{Answered, Flights};
use ledger::Ledger;
use source::Through;
use target::Kept;

pub use upstream::Upstream;

/// How long what is kept counts, and how much is fetched at once.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How long a tag is believed before its upstream is asked again.
    pub tag_ttl: Duration,
    /// How long it is remembered that an object could not be had.
    pub refusal: Duration,
    /// How long an upstream may think about what is kept here, too, before the kept one is served.
    pub patience: Duration,
    /// How long an upstream that cannot be reached is not asked about what is kept here, too.
    pub rest: Duration,
    /// How many blobs are fetched at the same time.
    pub transfers: usize,
    /// How often a blob that breaks off is gone on with.
    pub attempts: u32,
    /// The waits between those.
    pub backoff: Backoff,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            tag_ttl: Duration::from_secs(5 * 60),
            refusal: Duration::from_secs(2),
            patience: Duration::from_secs(5),
            rest: Duration::from_secs(10),
            transfers: 16,
            attempts: 5,
            backoff: Backoff::default(),
        }
    }
}

/// A directory that fetches what it lacks.
#[derive(Clone, Debug)]
pub struct ReadThrough {
    /// Where callers write; it takes what they may write.
    local: Arc<DirectoryStore>,
    shared: Arc<Shared>,
}

/// What all flights need.
#[derive(Debug)]
struct Shared {
    /// The same directory, which takes manifests before their blobs.
    kept: DirectoryStore,
    upstreams: Vec<Upstream>,
    terms: Terms,
    ledger: Ledger,
    manifests: Arc<Flights<(RepositoryName, ManifestRef), Answered<()>>>,
    sizes: Arc<Flights<(RepositoryName, Digest), Answered<u64>>>,
    blobs: Arc<Flights<(RepositoryName, Digest), Arrival>>,
    transfers: Semaphore,
}

impl ReadThrough {
    /// Puts a directory in front of upstreams, the first to be asked first.
    #[must_use]
    pub fn new(local: Arc<DirectoryStore>, upstreams: Vec<Upstream>, terms: Terms) -> Self {
        let shared = Shared {
            kept: local.also_taking(Sparse::Everything),
            upstreams,
            ledger: Ledger::default(),
            manifests: Arc::new(Flights::new(terms.refusal)),
            sizes: Arc::new(Flights::new(terms.refusal)),
            blobs: Arc::new(Flights::new(terms.refusal)),
            transfers: Semaphore::new(terms.transfers.max(1)),
            terms,
        };
        Self { local, shared: Arc::new(shared) }
    }

    /// Tells how long ago an upstream said what this tag points at, where that was not just now; `None` for what no
    /// upstream was asked about.
    pub async fn age(&self, repository: &RepositoryName, tag: &Tag) -> Option<Duration> {
        let asked = self.shared.ledger.get(repository, tag)?;
        let Some(answered) = asked.answered else { return Some(self.age_on_disk(repository, tag).await) };
        let age = answered.elapsed();
        (asked.is_stale || age >= Duration::from_secs(1)).then_some(age)
    }

    /// What an earlier process was told is written down as the time of the manifest's file.
    async fn age_on_disk(&self, repository: &RepositoryName, tag: &Tag) -> Duration {
        let found = self.local.source(repository).resolve(&tag.clone().into()).await;
        let written = match found {
            Ok(found) => self.local.arrived(repository, &found.digest).await,
            Err(_) => None,
        };
        written.and_then(|written| SystemTime::now().duration_since(written).ok()).unwrap_or_default()
    }
}

impl Store for ReadThrough {
    fn place(&self) -> &str {
        self.local.place()
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        let (local, shared) = (self.local.source(repository), Arc::clone(&self.shared));
        if shared.is_served(repository) { Arc::new(Through { local, shared }) } else { local }
    }

    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>> {
        let (local, shared) = (self.local.target(repository)?, Arc::clone(&self.shared));
        Ok(if shared.is_served(repository) { Arc::new(Kept { local, shared }) } else { local })
    }

    fn admin(&self) -> Arc<dyn Admin> {
        self.local.admin()
    }
}
