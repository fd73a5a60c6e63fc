//! Writing a bundle: content streams straight into volumes, each distinct blob once, and at the end comes the
//! catalogue. The engine knows it as a place to write to.

mod blob;
mod count;
mod desk;
mod entry;
mod finish;
mod flush;
mod journal;
mod leftover;
mod open;
mod place;
mod prefetch;
mod publish;
mod sealing;
mod shape;
mod shared;
mod state;
mod target;
mod upload;
mod volumes;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sealift_oci::{Digest, ManifestRef, RepositoryName};
use sealift_store::{Admin, Operation, Page, PageRequest, Result, Source, Store, Target, cannot_delete};

use crate::delta::DeltaPlan;
use crate::error::{BundleError, Result as BundleResult};
use crate::held::Held;
use crate::names::{FILE_JOURNAL, JOURNAL};
use crate::seal::Lock;

pub use count::count_volumes;
pub(crate) use finish::layout;
pub use finish::{Contents, Finished, Sign};
pub(crate) use open::behind;
pub use shape::{OpenedBy, Shape};

use journal::Journal;
use place::Place;
use prefetch::Prefetch;
use sealing::Sealing;
use state::State;
use target::Handle;
use upload::Arriving;
use volumes::Volumes;

/// Where a bundle goes.
#[derive(Debug)]
pub enum Destination {
    /// A directory; it is made where it is missing.
    Directory(PathBuf),
    /// One file.
    File(PathBuf),
    /// A pipe. What was written cannot be taken back there, so a blob that breaks off for good spoils it.
    Pipe(File),
}

/// How a bundle is written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// What receipts and later bundles call this one: 32 hexadecimal digits drawn at random. One that is gone on
    /// with keeps its own.
    pub id: String,
    /// The most bytes of a volume, in a directory.
    pub volume_size: Option<u64>,
    /// How many volumes are written at the same time, in a directory.
    pub writers: usize,
    /// What the other side has: it is left out.
    pub base: Held,
    /// Who can open it; without, its content lies open.
    pub lock: Option<Lock>,
    /// What is carried as what differs from content of the other side.
    pub deltas: Option<Arc<DeltaPlan>>,
}

/// A bundle that is being written.
#[derive(Clone, Debug)]
pub struct BundleWriter {
    shared: Arc<Shared>,
}

/// What all handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    place: String,
    destination: Place,
    id: String,
    volumes: Arc<Volumes>,
    sealing: Option<Sealing>,
    state: Mutex<State>,
    journal: Option<Mutex<Journal>>,
    uploads: Mutex<Uploads>,
    deltas: Option<Arc<DeltaPlan>>,
    prefetch: Prefetch,
    /// Gives uploads their names.
    counter: AtomicU64,
    /// One manifest at a time, so that equal ones are written once.
    manifests: tokio::sync::Mutex<()>,
    /// Keeps other processes away while this lives.
    _held: Option<File>,
}

/// What has arrived of each upload, by repository and name.
type Uploads = HashMap<(RepositoryName, String), Arc<tokio::sync::Mutex<Arriving>>>;

impl BundleWriter {
    /// Tells whether content is there already, or at the other side.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.shared.has_content(digest) || self.shared.state().base.get(digest).is_some()
    }

    /// Tells whether blobs of these sizes may fit into as many volumes as a bundle can have.
    pub fn fits(sizes: impl IntoIterator<Item = u64>, volume_size: Option<u64>) -> bool {
        count::fits(sizes, volume_size)
    }

    /// Finds what forbids to write a bundle of that shape at the destination, before anything is made there. Whether a
    /// passphrase is the one of what is unfinished there, only [`BundleWriter::open`] can tell.
    ///
    /// # Errors
    /// [`BundleError::NotABundle`] where a finished bundle lies there, volumes of another one, or an unfinished one of
    /// another shape.
    pub fn check(destination: &Destination, shape: &Shape) -> BundleResult<()> {
        open::check(destination, shape)
    }

    /// Begins a bundle, or goes on with one that is unfinished at the destination.
    ///
    /// # Errors
    /// [`BundleError::NotABundle`] where something else lies there; [`BundleError::Io`] where nothing can be
    /// written.
    pub async fn open(destination: Destination, options: WriterOptions) -> BundleResult<Self> {
        let opened = tokio::task::spawn_blocking(move || open::open(destination, options)).await;
        opened.unwrap_or_else(|error| {
            Err(BundleError::Io { path: PathBuf::new(), source: io::Error::other(error) })
        })
    }

    /// Returns what an unfinished bundle seems to hold that is gone on with at the destination: what its journal says.
    /// Nothing is proven, and nothing is changed.
    #[must_use]
    pub fn left(destination: &Destination) -> BTreeMap<Digest, u64> {
        let journal = match destination {
            Destination::Directory(path) => path.join(JOURNAL),
            Destination::File(path) => behind(path, FILE_JOURNAL),
            Destination::Pipe(_) => return BTreeMap::new(),
        };
        journal::noted(&journal).into_iter().map(|content| (content.digest, content.size)).collect()
    }

    /// Returns how many bytes an earlier process left behind that are gone on with.
    #[must_use]
    pub fn resumed(&self) -> u64 {
        self.shared.state().content.values().map(|content| content.size).sum()
    }
}

#[async_trait]
impl Store for BundleWriter {
    fn place(&self) -> &str {
        &self.shared.place
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        Arc::new(Handle { shared: Arc::clone(&self.shared), name: repository.clone() })
    }

    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>> {
        Ok(Arc::new(Handle { shared: Arc::clone(&self.shared), name: repository.clone() }))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Admin for BundleWriter {
    async fn repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>> {
        let state = self.shared.state();
        Ok(Page::of_sorted(state.repositories.keys().cloned(), page, ToString::to_string))
    }

    async fn delete_manifest(&self, _: &RepositoryName, _: &ManifestRef) -> Result<()> {
        Err(cannot_delete(self.place(), Operation::DeleteManifest))
    }

    async fn delete_blob(&self, _: &RepositoryName, _: &Digest) -> Result<()> {
        Err(cannot_delete(self.place(), Operation::DeleteBlob))
    }
}

#[cfg(test)]
mod tests;
