//! A layout as it is read, wherever its bytes lie: its list of images, and what can be found through it.
//! Everything here blocks; [`Handle::blocking`] takes it off the async threads.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sealift_oci::{Algorithm, Descriptor, Digest, MANIFEST_LIMIT, Manifest, ManifestRef, RepositoryName};
use sealift_store::accept::{ObjectName, stored_manifest};
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result, lock, nested};

use super::graph::mislabelled;
use super::index::Index;
use super::store::INDEX;
use crate::entry;
use crate::reader::open_file;

/// Where some bytes lie.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// Where a layout's blobs lie.
pub(super) trait Medium: Debug + Send + Sync + 'static {
    /// Finds a blob or a manifest; `None` where it is not there.
    fn find(&self, digest: &Digest) -> io::Result<Option<Piece>>;

    /// Lists everything that lies there under the name of a digest.
    fn all(&self) -> io::Result<Vec<Digest>>;

    /// Returns the file that has the list of images.
    fn index_file(&self) -> PathBuf;
}

/// A layout that is a directory.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) root: PathBuf,
}

impl Directory {
    /// Returns the path of a blob.
    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join(entry::name(digest))
    }
}

impl Medium for Directory {
    fn find(&self, digest: &Digest) -> io::Result<Option<Piece>> {
        find_file(&self.blob(digest))
    }

    fn all(&self) -> io::Result<Vec<Digest>> {
        let mut all = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let entries = match fs::read_dir(self.root.join("blobs").join(algorithm.as_str())) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            for entry in entries {
                let name = entry?.file_name();
                all.extend(
                    name.to_str()
                        .and_then(|hex| format!("{}:{hex}", algorithm.as_str()).parse::<Digest>().ok()),
                );
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    fn index_file(&self) -> PathBuf {
        self.root.join(INDEX)
    }
}

/// Finds a file. A link could lead anywhere, and a pipe would be waited for, so neither is opened.
pub(super) fn find_file(path: &Path) -> io::Result<Option<Piece>> {
    match open_file(path) {
        Ok((_, size)) => Ok(Some(Piece { path: path.to_owned(), offset: 0, size })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Err(malformed(format!("{}: {error}", path.display())))
        }
        Err(error) => Err(error),
    }
}

pub(super) fn malformed(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl Piece {
    /// Opens the bytes from `offset` on; whoever reads them verifies them.
    pub(super) fn open(&self, offset: u64) -> io::Result<BlobBody> {
        let left = self.size.checked_sub(offset).ok_or_else(|| {
            let reason = format!("it has {} bytes and none at {offset}", self.size);
            io::Error::new(io::ErrorKind::InvalidInput, reason)
        })?;
        Ok(BlobBody::from_file(open_file(&self.path)?.0, self.offset.saturating_add(offset))?.take(left))
    }

    /// Opens the bytes to be read by who may block.
    pub(super) fn reader(&self) -> io::Result<io::Take<File>> {
        let (mut file, _) = open_file(&self.path)?;
        file.seek(io::SeekFrom::Start(self.offset))?;
        Ok(file.take(self.size))
    }

    /// Returns where the bytes begin in a file that has more than them.
    pub(super) fn position(&self) -> Option<u64> {
        Some(self.offset).filter(|offset| *offset > 0)
    }

    /// Reads the bytes, at most `limit` of them.
    pub(super) fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader()?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(malformed(format!("{} has more than {limit} bytes", self.path.display())));
        }
        Ok(bytes)
    }
}

/// A layout that is open.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) place: Arc<str>,
    medium: Box<dyn Medium>,
    index: Mutex<Arc<Index>>,
    /// What each listed manifest is attached to, once it was read.
    subjects: Mutex<HashMap<Digest, Option<Digest>>>,
    /// The repositories of what was written since the layout was opened.
    claims: Mutex<HashMap<Digest, BTreeSet<RepositoryName>>>,
    is_written: bool,
}

impl Layout {
    pub(super) fn new(path: &Path, medium: impl Medium, index: Index, is_written: bool) -> Self {
        Self {
            place: path.display().to_string().into(),
            medium: Box::new(medium),
            index: Mutex::new(Arc::new(index)),
            subjects: Mutex::default(),
            claims: Mutex::default(),
            is_written,
        }
    }

    /// Returns a repository, which need not be there.
    pub(super) fn handle(self: &Arc<Self>, repository: &RepositoryName) -> Handle {
        Handle { layout: Arc::clone(self), repository: repository.clone() }
    }

    /// Returns the list of images as it is now.
    pub(super) fn index(&self) -> Arc<Index> {
        Arc::clone(&lock(&self.index))
    }

    /// Puts another list in the place of the one that was read.
    pub(super) fn keep(&self, index: Index) {
        *lock(&self.index) = Arc::new(index);
    }

    /// Finds a blob as a repository sees it.
    pub(super) fn blob(&self, repository: &RepositoryName, digest: &Digest) -> io::Result<Option<Piece>> {
        let is_seen = match lock(&self.claims).get(digest) {
            Some(repositories) => repositories.contains(repository),
            None => self.is_written || self.index().held(repository).is_some(),
        };
        if is_seen { self.medium.find(digest) } else { Ok(None) }
    }

    /// Finds a blob or manifest, whoever has it.
    pub(super) fn bytes(&self, digest: &Digest) -> io::Result<Option<Piece>> {
        self.medium.find(digest)
    }

    /// Lists everything that lies there under the name of a digest.
    pub(super) fn all(&self) -> io::Result<Vec<Digest>> {
        self.medium.all()
    }

    /// Returns the file that has the list of images.
    pub(super) fn index_file(&self) -> PathBuf {
        self.medium.index_file()
    }

    /// Notes that what is going to be there, or is there already, belongs to a repository. What was there before
    /// the layout was opened belongs to all.
    pub(super) fn claim(&self, repository: &RepositoryName, digest: &Digest) -> io::Result<()> {
        let mut claims = lock(&self.claims);
        if claims.contains_key(digest) || self.medium.find(digest)?.is_none() {
            claims.entry(*digest).or_default().insert(repository.clone());
        }
        Ok(())
    }

    /// Finds what a reference points at, if its bytes are there too.
    pub(super) fn find(
        &self,
        repository: &RepositoryName,
        reference: &ManifestRef,
    ) -> io::Result<Option<Descriptor>> {
        let index = self.index();
        let Some(held) = index.held(repository) else { return Ok(None) };
        let listed = match reference {
            ManifestRef::Tag(tag) => index.tagged(repository, tag),
            ManifestRef::Digest(digest) => index.listed(repository, digest),
        };
        let digest = match (&listed, reference) {
            (Some(listed), _) => listed.digest,
            (None, ManifestRef::Digest(digest)) => *digest,
            (None, ManifestRef::Tag(_)) => return Ok(None),
        };
        if self.medium.find(&digest)?.is_none() {
            return Ok(None);
        }
        let read = |descriptor: &Descriptor| self.read_manifest(descriptor).ok();
        let below = || nested::find_all(index.manifests(repository), read);
        Ok(listed.or_else(|| held.nested.get_or_init(below).get(&digest).cloned()))
    }

    /// Reads a manifest; one whose bytes have another digest is an error.
    pub(super) fn read_manifest(&self, descriptor: &Descriptor) -> Result<Manifest> {
        let operation = Operation::FetchManifest;
        let piece = self.medium.find(&descriptor.digest).map_err(|it| Error::of_file(operation, it))?;
        let piece = piece.ok_or_else(|| Error::new(ErrorKind::NotFound, operation))?;
        let bytes = piece.read(MANIFEST_LIMIT as u64).map_err(|it| Error::of_file(operation, it))?;
        let manifest = stored_manifest(descriptor, Bytes::from(bytes))?;
        match mislabelled(&manifest) {
            Some(what) => Err(Error::new(ErrorKind::Invalid, operation).because(what)),
            None => Ok(manifest),
        }
    }

    /// Finds what a manifest is attached to. One that cannot be read is attached to nothing: fetching it would
    /// fail too, and then says why.
    pub(super) fn subject(&self, descriptor: &Descriptor) -> Option<Digest> {
        if let Some(known) = lock(&self.subjects).get(&descriptor.digest) {
            return *known;
        }
        let subject = self.read_manifest(descriptor).ok()?.links.subject.map(|subject| subject.digest);
        lock(&self.subjects).insert(descriptor.digest, subject);
        subject
    }

    /// Tells whether a repository holds anything but what is attached to images of other ones.
    pub(super) fn is_repository(&self, index: &Index, repository: &RepositoryName) -> bool {
        let has_own = || index.held(repository).is_some_and(super::index::Held::has_own);
        let is_image = |descriptor: Descriptor| self.subject(&descriptor).is_none();
        repository != index.main() || has_own() || index.unnamed().any(is_image)
    }
}

/// A repository of a layout in the hands of a caller.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) layout: Arc<Layout>,
    pub(super) repository: RepositoryName,
}

impl Handle {
    /// Does blocking work on a thread that may block.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let handle = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&handle)).await;
        done.unwrap_or_else(|error| Err(Error::new(ErrorKind::Io, operation).caused_by(error)))
    }

    /// Puts place and object on an error.
    pub(super) fn name<'a>(&'a self, reference: &'a ManifestRef) -> impl Fn(Error) -> Error + 'a {
        move |error| error.at(&self.layout.place).object(ObjectName(&self.repository, reference))
    }

    /// Finds a manifest.
    pub(super) fn find(&self, operation: Operation, reference: &ManifestRef) -> Result<Option<Descriptor>> {
        self.layout.find(&self.repository, reference).map_err(|error| Error::of_file(operation, error))
    }

    /// Finds a blob.
    pub(super) fn blob(&self, operation: Operation, digest: &Digest) -> Result<Option<Piece>> {
        self.layout.blob(&self.repository, digest).map_err(|error| Error::of_file(operation, error))
    }
}
