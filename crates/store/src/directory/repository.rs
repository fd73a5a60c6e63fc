//! One repository on disk: its index, read once and kept while the file is the same, and changed under a
//! lock. Everything here blocks; [`Handle::blocking`] takes it off the async threads.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use sealift_oci::{Descriptor, Digest, MANIFEST_LIMIT, Manifest, ManifestRef, RepositoryName};

use super::index::Index;
use super::paths::Paths;
use crate::accept::{ObjectName, stored_manifest};
use crate::index_json::MARKER;
use crate::nested;
use crate::sync::lock;
use crate::{Error, ErrorKind, Operation, Result, atomic};

/// The largest `index.json` that is read, in bytes: more than 200000 entries of the usual 300 bytes.
const INDEX_LIMIT: u64 = 64 * 1024 * 1024;

/// One repository, shared by everybody in this process who uses it.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) name: RepositoryName,
    pub(super) place: Arc<str>,
    pub(super) paths: Paths,
    pub(super) is_swept: AtomicBool,
    /// One writer of the index at a time in this process; other processes are kept out by a file's lock.
    pub(super) writing: Arc<tokio::sync::Mutex<()>>,
    kept: Mutex<Option<(Stamp, Arc<Index>)>>,
}

/// What tells one version of a file from the next. Each version is a new file that is renamed into place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { modified: metadata.modified().ok(), length: metadata.len(), inode }
    }
}

impl Repository {
    pub(super) fn new(root: &Path, place: &Arc<str>, name: &RepositoryName) -> Self {
        Self {
            name: name.clone(),
            place: Arc::clone(place),
            paths: Paths::new(root, name),
            is_swept: AtomicBool::new(false),
            writing: Arc::default(),
            kept: Mutex::new(None),
        }
    }

    /// Returns the list of manifests; `None` where there is no repository.
    pub(super) fn index(&self) -> io::Result<Option<Arc<Index>>> {
        let path = self.paths.index();
        let Some(metadata) = found(fs::metadata(&path))? else { return Ok(None) };
        if let Some((stamp, index)) = &*lock(&self.kept)
            && *stamp == Stamp::of(&metadata)
        {
            return Ok(Some(Arc::clone(index)));
        }
        let Some(file) = found(File::open(&path))? else { return Ok(None) };
        let stamp = Stamp::of(&file.metadata()?);
        let index = Index::parse(&read_bounded(file, INDEX_LIMIT)?)?;
        Ok(Some(self.keep(stamp, index)))
    }

    fn keep(&self, stamp: Stamp, index: Index) -> Arc<Index> {
        let index = Arc::new(index);
        *lock(&self.kept) = Some((stamp, Arc::clone(&index)));
        index
    }

    /// Changes the index, in one step for everybody; `change` returns `None` where nothing is to be done.
    pub(super) fn update(&self, change: impl FnOnce(&Index) -> Option<Index>) -> io::Result<()> {
        let _lock = self.lock()?;
        self.make_layout()?;
        let index = self.index()?.ok_or(io::ErrorKind::NotFound)?;
        match change(&index) {
            Some(changed) => self.write_index(changed),
            None => Ok(()),
        }
    }

    fn write_index(&self, index: Index) -> io::Result<()> {
        let (path, bytes) = (self.paths.index(), index.to_bytes()?);
        if bytes.len() as u64 > INDEX_LIMIT {
            return Err(too_long(INDEX_LIMIT));
        }
        atomic::write(&path, &bytes)?;
        self.keep(Stamp::of(&fs::metadata(&path)?), index);
        Ok(())
    }

    /// Makes the layout where it is missing.
    pub(super) fn ensure_layout(&self) -> io::Result<()> {
        if self.paths.index().exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        self.make_layout()
    }

    /// The index comes last: it is what makes a repository visible.
    fn make_layout(&self) -> io::Result<()> {
        if self.paths.index().exists() {
            return Ok(());
        }
        atomic::create_dir_all(&self.paths.layout().join("blobs"))?;
        if !self.paths.marker().exists() {
            atomic::write(&self.paths.marker(), MARKER.1.as_bytes())?;
        }
        atomic::write(&self.paths.index(), &Index::empty().to_bytes()?)
    }

    /// Waits until no other process changes the index. The lock ends with the file.
    fn lock(&self) -> io::Result<File> {
        atomic::create_dir_all(self.paths.repository())?;
        let path = self.paths.lock();
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.lock() {
            // Some network file systems have no locks; one process alone is still safe there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
            other => other.map(|()| file),
        }
    }

    /// Finds what a reference points at, if its bytes are there too.
    pub(super) fn find(&self, reference: &ManifestRef) -> io::Result<Option<Descriptor>> {
        let Some(index) = self.index()? else { return Ok(None) };
        let descriptor = match reference {
            ManifestRef::Tag(tag) => index.tagged(tag),
            ManifestRef::Digest(digest) => index.listed(digest),
        };
        let digest = match (&descriptor, reference) {
            (Some(descriptor), _) => descriptor.digest,
            (None, ManifestRef::Digest(digest)) => *digest,
            (None, ManifestRef::Tag(_)) => return Ok(None),
        };
        if self.blob_size(&digest)?.is_none() {
            return Ok(None);
        }
        Ok(descriptor.or_else(|| self.find_nested(&index, &digest)))
    }

    fn find_nested(&self, index: &Index, digest: &Digest) -> Option<Descriptor> {
        let read = |descriptor: &Descriptor| self.read_manifest(descriptor).ok();
        index.nested.get_or_init(|| nested::find_all(index.manifests(), read)).get(digest).cloned()
    }

    /// Reads a manifest; one whose bytes have another digest is an error.
    pub(super) fn read_manifest(&self, descriptor: &Descriptor) -> Result<Manifest> {
        let operation = Operation::FetchManifest;
        let bytes = File::open(self.paths.blob(&descriptor.digest))
            .and_then(|file| read_bounded(file, MANIFEST_LIMIT as u64))
            .map_err(|error| Error::of_file(operation, error))?;
        stored_manifest(descriptor, Bytes::from(bytes))
    }

    /// Returns the size of a blob; `None` where it is not there.
    pub(super) fn blob_size(&self, digest: &Digest) -> io::Result<Option<u64>> {
        let metadata = found(fs::metadata(self.paths.blob(digest)))?;
        Ok(metadata.filter(Metadata::is_file).map(|it| it.len()))
    }
}

/// A file that is not there is no error where one asks whether it is.
pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_bounded(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_long(limit)) } else { Ok(bytes) }
}

fn too_long(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the file has more than {limit} bytes"))
}

/// A repository in the hands of a caller, to read or to write.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) repository: Arc<Repository>,
}

impl Handle {
    /// Does blocking work on a thread that may block.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Repository) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let repository = Arc::clone(&self.repository);
        let done = tokio::task::spawn_blocking(move || work(&repository)).await;
        done.unwrap_or_else(|error| Err(Error::new(ErrorKind::Io, operation).caused_by(error)))
    }

    /// Puts place and object on an error.
    pub(super) fn name<'a>(&'a self, reference: &'a ManifestRef) -> impl Fn(Error) -> Error + 'a {
        move |error| error.at(&self.repository.place).object(ObjectName(&self.repository.name, reference))
    }
}
