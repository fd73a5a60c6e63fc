//! One repository on disk: its index, read once and kept while the file is the same, and changed under a
//! lock. Everything here blocks; [`Handle::blocking`] takes it off the async threads.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sealift_oci::{Descriptor, Digest, MANIFEST_LIMIT, Manifest, ManifestRef, RepositoryName};

use super::index::Index;
use super::paths::Paths;
use crate::accept::{ObjectName, stored_manifest};
use crate::index_json::MARKER;
use crate::nested;
use crate::sync::lock;
use crate::{Error, ErrorKind, Operation, Result, atomic, platform};

/// The largest `index.json` that is read, in bytes: more than 200000 entries of the usual 300 bytes.
const INDEX_LIMIT: u64 = 64 * 1024 * 1024;

/// How old a blob may be that somebody relies on before that is noted; no sweep takes what is younger than
/// twice that (`super::sweep`).
pub(super) const RENEWAL: Duration = Duration::from_secs(5 * 60);

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
    file: Option<(u64, u64)>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let file = platform::file_id(metadata);
        Self { modified: metadata.modified().ok(), length: metadata.len(), file }
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
        self.hold(&self.paths.lock(), File::lock)
    }

    fn hold(&self, path: &Path, lock: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
        atomic::create_dir_all(self.paths.repository())?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match lock(&file) {
            // Some network file systems have no locks; one process alone is still safe there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
            other => other.map(|()| file),
        }
    }

    /// Keeps sweepers out while content is added that nothing links to yet. The lock ends with the file.
    pub(super) fn adding(&self) -> io::Result<File> {
        self.hold(&self.paths.sweep(), File::lock_shared)
    }

    /// Waits until nobody adds, and keeps everybody from it. The lock ends with the file.
    pub(super) fn removing(&self) -> io::Result<File> {
        self.hold(&self.paths.sweep(), File::lock)
    }

    /// Tells whether there is a repository that can be seen.
    pub(super) fn is_there(&self) -> bool {
        self.paths.index().exists()
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
        Ok(self.blob_metadata(digest)?.map(|it| it.len()))
    }

    fn blob_metadata(&self, digest: &Digest) -> io::Result<Option<Metadata>> {
        Ok(found(fs::metadata(self.paths.blob(digest)))?.filter(Metadata::is_file))
    }

    /// Returns the size of a blob on which somebody is going to rely, such as for a manifest to come: whoever
    /// sweeps takes it for new from now on.
    pub(super) fn rely_on(&self, digest: &Digest, now: SystemTime) -> io::Result<Option<u64>> {
        let Some(metadata) = self.blob_metadata(digest)? else { return Ok(None) };
        if !is_older(&metadata, RENEWAL, now) {
            return Ok(Some(metadata.len()));
        }
        // Where nothing can be written, nobody sweeps either.
        let Ok(_adding) = self.adding() else { return Ok(Some(metadata.len())) };
        let _ = File::open(self.paths.blob(digest)).and_then(|file| file.set_modified(now));
        self.blob_size(digest)
    }
}

/// Tells whether a file got its content and its name longer ago than that. A link to it in another repository
/// counts as its name, too: the bytes are the same.
pub(super) fn is_older(metadata: &Metadata, age: Duration, now: SystemTime) -> bool {
    let times = [metadata.modified().ok(), platform::changed(metadata)];
    // A time that cannot be told, or is to come, is as good as now.
    times
        .into_iter()
        .all(|time| time.is_some_and(|time| now.duration_since(time).is_ok_and(|passed| passed > age)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_relies_on_is_young_again() {
        let root = tempfile::tempdir().unwrap();
        let repository = Repository::new(root.path(), &"place".into(), &"a".parse().unwrap());
        let digests = ["asked for", "left alone"].map(|content| Digest::sha256(content.as_bytes()));
        let blob = |digest| repository.paths.blob(digest);
        repository.ensure_layout().unwrap();
        fs::create_dir_all(repository.paths.blobs(digests[0].algorithm())).unwrap();
        digests.iter().for_each(|digest| fs::write(blob(digest), "x").unwrap());
        let now = SystemTime::now();
        assert_eq!(repository.rely_on(&digests[0], now).unwrap(), Some(1));
        assert_eq!(repository.rely_on(&digests[0], now + 10 * RENEWAL).unwrap(), Some(1));
        assert_eq!(repository.rely_on(&Digest::sha256(b"none"), now).unwrap(), None);
        for (digest, expected) in digests.iter().zip([false, true]) {
            let metadata = fs::metadata(blob(digest)).unwrap();
            assert_eq!(is_older(&metadata, 2 * RENEWAL, now + 11 * RENEWAL), expected);
            assert!(!is_older(&metadata, 2 * RENEWAL, now));
        }
    }
}
