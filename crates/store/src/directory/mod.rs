//! A place in a directory: one OCI image layout for each repository.
//!
//! ```text
//! <root>/<repository>/_layout/oci-layout
//! <root>/<repository>/_layout/index.json             every manifest, and the tags
//! <root>/<repository>/_layout/blobs/<algorithm>/<hex> blobs and manifests
//! <root>/<repository>/_uploads/<id>/{data,state}      what is on its way in
//! <root>/<repository>/_lock                           held while index.json changes
//! <root>/<repository>/_sweep                          held while content is removed, shared while it is added
//! ```
//!
//! Other tools read a repository as what it is: `skopeo inspect oci:<root>/<repository>/_layout:<tag>`.
//! (skopeo passes over manifests of Docker's types there; they stay what they are, for their digests' sake.)
//! A part of a repository's name never begins with `_`, so `a` and `a/b` cannot collide. Blobs that several
//! repositories have are hard links to one file, or copies where the file system has no links; so rights
//! on one directory say nothing about another.
//!
//! Several processes may use one root at the same time. Content that nothing links to stays until somebody
//! sweeps ([`DirectoryStore::sweep`]), which is safe beside writers: they share a lock which a sweep takes
//! alone, and what is young stays. [`DirectoryStore::check`] tells what is broken.

mod check;
mod index;
mod paths;
mod remove;
mod repository;
mod source;
mod sweep;
mod target;
mod usage;
mod walk;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sealift_oci::{Digest, ManifestRef, RepositoryName};

use crate::accept::Sparse;
use crate::sync::lock;
use crate::upload::UploadPaths;
use crate::{
    Admin, Error, ErrorKind, Operation, Page, PageRequest, Result, Source, Store, Target, UploadId, atomic,
};
use paths::Paths;
use repository::{Handle, Repository};
use target::Writer;

pub use check::{Check, Depth, Finding};
pub use sweep::{Swept, Wish};
pub use usage::Usage;

/// How many repositories are remembered while nobody uses them; a client that asks for ever new names must
/// not fill the memory.
const REMEMBERED: usize = 1024;

/// A place in a directory.
#[derive(Debug)]
pub struct DirectoryStore {
    shared: Arc<Shared>,
    sparse: Sparse,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    place: Arc<str>,
    is_read_only: bool,
    repositories: Mutex<HashMap<RepositoryName, Arc<Repository>>>,
}

impl DirectoryStore {
    /// Opens a directory that is there.
    ///
    /// # Errors
    /// Where there is no such directory, or it cannot be read.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let failed = |error| Error::io(Operation::Connect, error).at(root.display());
        let metadata = fs::metadata(&root).map_err(failed)?;
        if !metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::NotADirectory.into()));
        }
        let is_read_only = metadata.permissions().readonly();
        Ok(Self::new(root, is_read_only))
    }

    /// Opens a directory that need not be there yet: it is empty, and made when something is written.
    ///
    /// # Errors
    /// Where something else is in its place, or it cannot be read.
    pub fn planned(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        match fs::metadata(&root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::new(root, false)),
            _ => Self::open(root),
        }
    }

    fn new(root: PathBuf, is_read_only: bool) -> Self {
        let place = root.display().to_string().into();
        let shared = Shared { root, place, is_read_only, repositories: Mutex::default() };
        Self { shared: Arc::new(shared), sparse: Sparse::Refused }
    }

    /// Opens a directory, which is made where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        atomic::create_dir_all(&root)
            .map_err(|error| Error::io(Operation::Connect, error).at(root.display()))?;
        Self::open(root)
    }

    /// Returns the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Takes manifests although something that they link to is missing.
    #[must_use]
    pub fn taking(self, sparse: Sparse) -> Self {
        Self { sparse, ..self }
    }

    /// Returns the same place, which takes more manifests or fewer.
    #[must_use]
    pub fn also_taking(&self, sparse: Sparse) -> Self {
        Self { shared: Arc::clone(&self.shared), sparse }
    }

    /// Opens what has arrived of an upload to read, while somebody may be appending to it. When it has become a
    /// blob, what was opened is that.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such upload.
    pub async fn open_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<fs::File> {
        let uploads = Paths::new(&self.shared.root, repository).uploads();
        let paths = UploadPaths::below(&uploads, id.as_str());
        let open = move |_: &Shared| fs::File::open(paths.ok_or(std::io::ErrorKind::NotFound)?.data());
        let opened = self.shared.blocking(Operation::FetchBlob, open).await;
        opened.map_err(|error| error.object(repository))
    }

    /// Tells whether there is a repository in it that this kind of place has made.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        walk::repositories(&self.shared.root, walk::is_visible).is_ok_and(|all| !all.is_empty())
    }

    /// Tells whether something was on its way into a repository here.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        walk::repositories(&self.shared.root, |paths| paths.uploads().is_dir())
            .is_ok_and(|all| !all.is_empty())
    }

    fn handle(&self, name: &RepositoryName) -> Handle {
        self.shared.handle(name)
    }
}

impl Shared {
    fn handle(&self, name: &RepositoryName) -> Handle {
        let mut all = lock(&self.repositories);
        if all.len() >= REMEMBERED {
            all.retain(|_, repository| Arc::strong_count(repository) > 1);
        }
        let new = || Arc::new(Repository::new(&self.root, &self.place, name));
        Handle { repository: Arc::clone(all.entry(name.clone()).or_insert_with(new)) }
    }

    /// Does blocking work on the whole place.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        operation: Operation,
        work: impl FnOnce(&Self) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        let done = done.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        done.map_err(|error| Error::of_file(operation, error).at(&self.place))
    }
}

impl Store for DirectoryStore {
    fn place(&self) -> &str {
        &self.shared.place
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        Arc::new(self.handle(repository))
    }

    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>> {
        if self.shared.is_read_only {
            return Err(Error::new(ErrorKind::ReadOnly, Operation::Connect).at(&self.shared.place));
        }
        let (handle, root) = (self.handle(repository), self.shared.root.clone());
        Ok(Arc::new(Writer { handle, root, sparse: self.sparse }))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::clone(&self.shared) as Arc<dyn Admin>
    }
}

#[async_trait]
impl Admin for Shared {
    async fn repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>> {
        let (root, page, operation) = (self.root.clone(), page.clone(), Operation::ListRepositories);
        let list = move || {
            let all = walk::repositories(&root, walk::is_visible)
                .map_err(|error| Error::of_file(operation, error))?;
            Ok(Page::of_sorted(all.into_iter(), &page, ToString::to_string))
        };
        let listed = tokio::task::spawn_blocking(list).await;
        let listed =
            listed.unwrap_or_else(|error| Err(Error::new(ErrorKind::Io, operation).caused_by(error)));
        listed.map_err(|error| error.at(&self.place))
    }

    async fn delete_manifest(&self, name: &RepositoryName, reference: &ManifestRef) -> Result<()> {
        let (handle, asked) = (self.handle(name), reference.clone());
        let delete = move |repository: &Repository| remove::manifest(repository, &asked);
        handle.blocking(Operation::DeleteManifest, delete).await.map_err(handle.name(reference))
    }

    async fn delete_blob(&self, name: &RepositoryName, digest: &Digest) -> Result<()> {
        let (handle, asked) = (self.handle(name), *digest);
        let delete = move |repository: &Repository| remove::blob(repository, &asked);
        handle.blocking(Operation::DeleteBlob, delete).await.map_err(handle.name(&(*digest).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let root = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(DirectoryStore::open(root.path()).unwrap());
        conformance::all(&store).await;
        conformance::strict(&store).await;
        conformance::lies_leave_nothing(store.as_ref()).await;
        conformance::deleting(store.as_ref()).await;
    }

    #[tokio::test]
    async fn what_is_no_directory_is_not_opened() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("missing");
        assert_eq!(DirectoryStore::open(&missing).unwrap_err().kind(), ErrorKind::NotFound);
        DirectoryStore::create(missing.join("deep")).unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        assert!(DirectoryStore::open(root.path().join("file")).is_err());
    }

    #[tokio::test]
    async fn what_is_planned_is_made_when_something_is_written() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("missing/deep");
        let store: Arc<dyn Store> = Arc::new(DirectoryStore::planned(&root).unwrap());
        let (name, image) = ("a".parse().unwrap(), conformance::fixture::image("planned"));
        assert_eq!(store.target(&name).unwrap().stat_blob(&image.digest()).await.unwrap(), None);
        let asked = store.source(&name).resolve(&image.digest().into()).await;
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(!parent.path().join("missing").exists());
        image.push(store.as_ref(), &name, None).await;
        assert!(root.is_dir());
        fs::write(parent.path().join("file"), "").unwrap();
        for wrong in ["file", "file/below"] {
            assert!(DirectoryStore::planned(parent.path().join(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_that_nobody_uses_are_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(root.path()).unwrap();
        let kept = store.handle(&"kept".parse().unwrap());
        for number in 0..3 * REMEMBERED {
            store.handle(&format!("a{number}").parse().unwrap());
        }
        assert!(store.shared.repositories.lock().unwrap().len() <= REMEMBERED);
        let again = store.handle(&"kept".parse().unwrap());
        assert!(Arc::ptr_eq(&kept.repository, &again.repository));
    }
}
