//! A layout that is written: one directory for the images of many repositories.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use sealift_oci::{Algorithm, Digest, RepositoryName};
use sealift_store::index_json::MARKER;
use sealift_store::upload::{Data, Keeper};
use sealift_store::{Admin, Error, Result as StoreResult, Source, Store, Target, atomic, sweep};

use super::index::{INDEX_LIMIT, Index};
use super::names::LayoutNames;
use super::reader::{Directory, Handle, Layout, find_file, malformed};
use super::store::{INDEX, open_directory};
use crate::reader::open_file;
use crate::{BundleError, Result};

/// Where uploads are. No file of a layout has such a name.
const UPLOADS: &str = "_uploads";

/// How many files of a layout are counted before anything is written; more are as good as none for that.
const LEFT_LIMIT: usize = 1_000_000;

/// A plain OCI image layout to write, and to read meanwhile. Several processes may write to one at the same time.
#[derive(Debug)]
pub struct LayoutWriter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) directory: Directory,
    pub(super) layout: Arc<Layout>,
    pub(super) names: LayoutNames,
    /// One writer of the index at a time in this process; other processes are kept out by a file's lock.
    pub(super) writing: Arc<tokio::sync::Mutex<()>>,
}

impl LayoutWriter {
    /// Opens a layout, which is made where the directory is missing or empty. Images whose name says no
    /// repository are in `main`; `names` says which names are written.
    ///
    /// # Errors
    /// Where the directory holds something else, or cannot be written.
    pub async fn create(
        directory: impl Into<PathBuf>,
        main: &RepositoryName,
        names: LayoutNames,
    ) -> Result<Self> {
        let (root, main) = (directory.into(), main.clone());
        let path = root.clone();
        let done = tokio::task::spawn_blocking(move || {
            make(&root, &main)?;
            let index = open_directory(&root, &main)?;
            let directory = Directory { root: root.clone() };
            let layout = Arc::new(Layout::new(&root, directory.clone(), index, true));
            Ok(Self { shared: Arc::new(Shared { directory, layout, names, writing: Arc::default() }) })
        })
        .await;
        done.unwrap_or_else(|error| Err(BundleError::Io { path, source: io::Error::other(error) }))
    }

    /// Returns what seems to be in a directory, as its files are called. Nothing is proven, and nothing is changed.
    #[must_use]
    pub fn left(directory: &Path) -> BTreeMap<Digest, u64> {
        let blobs = directory.join("blobs");
        let files = Algorithm::ALL.into_iter().flat_map(|algorithm| {
            let entries = fs::read_dir(blobs.join(algorithm.as_str())).into_iter().flatten();
            entries.filter_map(move |entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let digest = format!("{}:{name}", algorithm.as_str()).parse().ok()?;
                let metadata = entry.metadata().ok()?;
                metadata.is_file().then_some((digest, metadata.len()))
            })
        });
        files.take(LEFT_LIMIT).collect()
    }

    /// Removes what processes that were killed have left behind more than a week ago. It blocks.
    pub fn sweep(&self, now: SystemTime) {
        let root = &self.shared.directory.root;
        let blobs = Algorithm::ALL.map(|algorithm| root.join("blobs").join(algorithm.as_str()));
        for uploads in self.shared.all_uploads() {
            sweep::sweep_uploads(&uploads, now, sweep::LIFETIME);
        }
        sweep::sweep_stages(blobs.iter().chain([root]), now);
    }

    fn handle(&self, repository: &RepositoryName) -> Handle {
        self.shared.layout.handle(repository)
    }
}

impl Store for LayoutWriter {
    fn place(&self) -> &str {
        &self.shared.layout.place
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        Arc::new(self.handle(repository))
    }

    fn target(&self, repository: &RepositoryName) -> StoreResult<Arc<dyn Target>> {
        Ok(Arc::new(Writer { handle: self.handle(repository), shared: Arc::clone(&self.shared) }))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(self.handle(self.shared.layout.index().main()))
    }
}

/// One repository to write.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) handle: Handle,
    pub(super) shared: Arc<Shared>,
}

/// The index comes last: with it the directory is a layout.
fn make(root: &Path, main: &RepositoryName) -> Result<()> {
    atomic::create_dir_all(root).map_err(BundleError::io(root))?;
    if root.join(INDEX).exists() {
        return Ok(());
    }
    let is_ours = root.join(MARKER.0).exists();
    if !is_ours && fs::read_dir(root).map_err(BundleError::io(root))?.next().is_some() {
        let reason = "it is not empty and no OCI image layout; give a new directory".to_owned();
        return Err(BundleError::NotABundle { path: root.to_owned(), reason });
    }
    let write = || {
        atomic::create_dir_all(&root.join("blobs"))?;
        atomic::write(&root.join(MARKER.0), MARKER.1.as_bytes())?;
        atomic::write(&root.join(INDEX), &Index::empty(main).to_bytes()?)
    };
    write().map_err(BundleError::io(root))
}

impl Shared {
    /// The directory of a repository's uploads: those of one are not found through another.
    pub(super) fn uploads(&self, repository: &RepositoryName) -> PathBuf {
        self.directory.root.join(UPLOADS).join(repository.as_str().replace('/', "+"))
    }

    /// The directories of all uploads.
    fn all_uploads(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(self.directory.root.join(UPLOADS));
        entries.into_iter().flatten().flatten().map(|entry| entry.path())
    }

    /// Changes the index, in one step for everybody; `change` returns `None` where nothing is to be done.
    pub(super) fn update(&self, change: impl FnOnce(&Index) -> Option<Index>) -> io::Result<()> {
        let _lock = self.lock()?;
        let path = self.directory.root.join(INDEX);
        let piece = find_file(&path)?.ok_or(io::ErrorKind::NotFound)?;
        // Another process may have written it since.
        let index = Index::parse(&piece.read(INDEX_LIMIT)?, self.layout.index().main())?;
        let changed = change(&index);
        if let Some(changed) = &changed {
            let bytes = changed.to_bytes()?;
            if bytes.len() as u64 > INDEX_LIMIT {
                return Err(malformed(format!("{INDEX} would have more than {INDEX_LIMIT} bytes")));
            }
            atomic::write(&path, &bytes)?;
        }
        self.layout.keep(changed.unwrap_or(index));
        Ok(())
    }

    /// Waits until no other process changes the index. The lock is on the file that never changes, and ends with
    /// this hold of it.
    fn lock(&self) -> io::Result<File> {
        let (file, _) = open_file(&self.directory.root.join(MARKER.0))?;
        match file.lock() {
            // Some network file systems have no locks; one process alone is still safe there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
            other => other.map(|()| file),
        }
    }
}

/// The directories of uploads are no part of a layout; they stay where an upload is unfinished.
impl Drop for Shared {
    fn drop(&mut self) {
        for uploads in self.all_uploads() {
            let _ = fs::remove_dir(uploads);
        }
        let _ = fs::remove_dir(self.directory.root.join(UPLOADS));
    }
}

impl Keeper for Writer {
    fn name(&self, error: Error) -> Error {
        error.at(&self.handle.layout.place).object(format_args!("to {}", self.handle.repository))
    }

    fn publish(&self, data: Data, digest: &Digest) -> io::Result<()> {
        let path = self.shared.directory.blob(digest);
        if let Some(directory) = path.parent() {
            atomic::create_dir_all(directory)?;
        }
        self.handle.layout.claim(&self.handle.repository, digest)?;
        data.publish(&path)
    }
}

#[cfg(test)]
mod tests;
