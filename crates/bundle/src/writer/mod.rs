//! Writing a bundle: content streams straight into volumes, each distinct blob once, and at the end comes the
//! catalogue. The engine knows it as a place to write to.

mod blob;
mod entry;
mod finish;
mod flush;
mod journal;
mod leftover;
mod place;
mod prefetch;
mod publish;
mod sealing;
mod state;
mod target;
mod upload;
mod volumes;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_oci::{Digest, ManifestRef, RepositoryName};
use sealift_store::{
    Admin, BlobBody, Error, ErrorKind, Expected, FILE_CHUNK, Operation, Page, PageRequest, Result, Source,
    Store, Target, Upload, UploadId, cannot_delete, lock,
};

use crate::catalogue::Content;
use crate::delta::{DeltaPlan, Made, Reserved};
use crate::error::{BundleError, Result as BundleResult};
use crate::held::Held;
use crate::names::{FILE_JOURNAL, JOURNAL, UNFINISHED};
use crate::reader::open_file;
use crate::seal::Lock;

pub(crate) use finish::layout;
pub use finish::{Contents, Finished, Sign};
pub use volumes::count_volumes;

use blob::Blob;
use journal::{Head, Journal};
use place::{Place, refuse_finished};
use prefetch::Prefetch;
use sealing::{KeptSealing, Sealing};
use state::State;
use target::Handle;
use upload::{Arriving, Session};
use volumes::{Output, Volumes};

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

    /// Finds what forbids to write a bundle at the destination, before anything is made there. What is unfinished is gone
    /// on with, so [`BundleWriter::open`] is the judge of that.
    ///
    /// # Errors
    /// [`BundleError::NotABundle`] where a finished bundle lies there, or volumes of another one.
    pub fn check(destination: &Destination) -> BundleResult<()> {
        let (place, journal) = match destination {
            Destination::Directory(path) => (Place::Directory(path.clone()), path.join(JOURNAL)),
            Destination::File(path) => (Place::File(path.clone()), behind(path, FILE_JOURNAL)),
            Destination::Pipe(_) => return Ok(()),
        };
        let is_new = matches!(&place, Place::Directory(path) if !path.is_dir());
        if is_new || journal.exists() { Ok(()) } else { place.refuse_others() }
    }

    /// Begins a bundle, or goes on with one that is unfinished at the destination.
    ///
    /// # Errors
    /// [`BundleError::NotABundle`] where something else lies there; [`BundleError::Io`] where nothing can be
    /// written.
    pub async fn open(destination: Destination, options: WriterOptions) -> BundleResult<Self> {
        let opened = tokio::task::spawn_blocking(move || open(destination, options)).await;
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

fn open(destination: Destination, options: WriterOptions) -> BundleResult<BundleWriter> {
    let (place, output, journal_path, limit, writers) = match destination {
        Destination::Directory(path) => {
            sealift_store::atomic::create_dir_all(&path).map_err(BundleError::io(&path))?;
            let journal = path.join(JOURNAL);
            (
                Place::Directory(path.clone()),
                Output::Directory(path),
                Some(journal),
                options.volume_size,
                options.writers,
            )
        }
        Destination::File(path) => {
            let (part, journal) = (behind(&path, UNFINISHED), behind(&path, FILE_JOURNAL));
            // Beside a finished bundle nothing is made, not even for a moment.
            if !journal.exists() {
                refuse_finished(&path, &path)?;
            }
            (Place::File(path), Output::File(part), Some(journal), None, 1)
        }
        Destination::Pipe(pipe) => (Place::Pipe, Output::Pipe(Arc::new(pipe)), None, None, 1),
    };
    let name = match &place {
        Place::Directory(path) | Place::File(path) => path.display().to_string(),
        Place::Pipe => "-".to_owned(),
    };
    let volumes = Volumes::new(output, limit, writers.max(1));
    let mut state = State { base: options.base, ..State::default() };
    let draw = |lock: &Lock| KeptSealing::draw(Path::new(&name), lock);
    let mut head = Head::new(&options.id, limit, options.lock.as_ref().map(draw).transpose()?);
    let mut entries = 0;
    let mut journal = None;
    let held = place.hold()?;
    place.take_back()?;
    place.refuse_others()?;
    if let Some(path) = &journal_path {
        journal = Some(Mutex::new(
            match journal::take_up(path, volumes.directory(), |number| volumes.path(number))? {
                Some(left) => {
                    check_same(path, &left.head, &head, options.lock.as_ref())?;
                    entries = left.entries;
                    // A delta is of no use where nothing says any more who has what it builds on.
                    let is_usable = |it: &Content| it.bases.iter().all(|base| state.base.get(base).is_some());
                    let usable = left.content.into_iter().filter(is_usable);
                    state.content = usable.map(|content| (content.digest, content)).collect();
                    volumes.adopt(left.volumes);
                    head = left.head;
                    Journal::append_to(path)?
                }
                None => Journal::create(path, &head)?,
            },
        ));
    }
    let shared = Shared {
        place: name,
        destination: place,
        id: head.id,
        volumes: Arc::new(volumes),
        sealing: head.sealing.map(|kept| kept.take_up(entries)).transpose()?,
        state: Mutex::new(state),
        journal,
        uploads: Mutex::default(),
        deltas: options.deltas,
        prefetch: Prefetch::new(prefetch::LIMIT),
        counter: AtomicU64::new(1),
        manifests: tokio::sync::Mutex::default(),
        _held: held,
    };
    Ok(BundleWriter { shared: Arc::new(shared) })
}

fn check_same(path: &Path, left: &Head, wanted: &Head, lock: Option<&Lock>) -> BundleResult<()> {
    let is_same_lock = match (&left.sealing, lock) {
        (Some(kept), Some(lock)) => kept.is_for(path, lock)?,
        (None, None) => true,
        _ => false,
    };
    if left.volume_size == wanted.volume_size && is_same_lock {
        return Ok(());
    }
    let (mut there, mut asked) = (Vec::new(), Vec::new());
    if left.volume_size != wanted.volume_size {
        there.push(size_words(left.volume_size));
        asked.push(size_words(wanted.volume_size));
    }
    if !is_same_lock {
        let [left, wanted] = [left, wanted].map(|head| head.sealing.as_ref().map(KeptSealing::words));
        let is_like = left == wanted;
        there.push(left.unwrap_or_else(|| "not encrypted".to_owned()));
        asked.push(wanted.map_or("not encrypted".to_owned(), |it| {
            if is_like { format!("{it}, another one") } else { it }
        }));
    }
    let (there, asked) = (there.join(" and "), asked.join(" and "));
    let reason = format!(
        "the unfinished bundle there is {there}, and what is asked for is {asked}; go on with what it is, or delete it"
    );
    Err(BundleError::NotABundle { path: path.to_owned(), reason })
}

fn size_words(size: Option<u64>) -> String {
    match size {
        Some(size) => format!("in volumes of {size} bytes"),
        None => "in volumes of no set size".to_owned(),
    }
}

/// Puts something behind a file's name.
pub(crate) fn behind(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn has_content(&self, digest: &Digest) -> bool {
        self.state().content.get(digest).is_some_and(|content| !content.at.is_empty())
    }

    fn link(&self, repository: &RepositoryName, digest: &Digest) -> bool {
        self.state().link(repository, digest)
    }

    async fn begin(
        self: &Arc<Self>,
        repository: &RepositoryName,
        expected: Expected,
    ) -> Result<Box<dyn Upload>> {
        let name = self.counter.fetch_add(1, Ordering::Relaxed).to_string();
        let reserved = match &self.deltas {
            Some(deltas) => deltas.reserve(&expected).await,
            None => None,
        };
        let arriving = Arc::new(tokio::sync::Mutex::new(Arriving::new(expected, reserved)));
        lock(&self.uploads).insert((repository.clone(), name.clone()), Arc::clone(&arriving));
        self.session(repository, &name, 0, arriving)
    }

    fn resume(self: &Arc<Self>, repository: &RepositoryName, id: &UploadId) -> Result<Box<dyn Upload>> {
        let key = (repository.clone(), id.as_str().to_owned());
        let refused = |kind| {
            Error::new(kind, Operation::PushBlob).at(&self.place).object(format_args!("to {repository}"))
        };
        let found = lock(&self.uploads).get(&key).cloned();
        let arriving = found.ok_or_else(|| refused(ErrorKind::NotFound))?;
        let offset = arriving.try_lock().map_err(|_| refused(ErrorKind::Busy))?.resumable();
        let offset = offset.ok_or_else(|| refused(ErrorKind::NotFound))?;
        self.session(repository, id.as_str(), offset, arriving)
    }

    fn session(
        self: &Arc<Self>,
        repository: &RepositoryName,
        name: &str,
        offset: u64,
        arriving: Arc<tokio::sync::Mutex<Arriving>>,
    ) -> Result<Box<dyn Upload>> {
        let id = name
            .parse()
            .map_err(|error| Error::new(ErrorKind::Invalid, Operation::PushBlob).because(error))?;
        let shared = Arc::clone(self);
        Ok(Box::new(Session { shared, repository: repository.clone(), id, offset, arriving }))
    }

    fn forget(&self, repository: &RepositoryName, id: &UploadId) {
        lock(&self.uploads).remove(&(repository.clone(), id.as_str().to_owned()));
    }

    async fn open_blob(&self, expected: &Expected) -> io::Result<Blob> {
        let Expected { digest, size } = *expected;
        match &self.sealing {
            Some(sealing) => {
                Blob::open_sealed(&self.volumes, &sealing.recipient, sealing.number(), size).await
            }
            None => Blob::open(&self.volumes, &crate::entry::name(&digest), size).await,
        }
    }

    /// Opens the entry of what is carried of a blob that is a delta.
    async fn open_delta(&self, digest: &Digest, size: u64) -> io::Result<Blob> {
        match &self.sealing {
            Some(sealing) => {
                Blob::open_sealed(&self.volumes, &sealing.recipient, sealing.number(), size).await
            }
            None => Blob::open(&self.volumes, &crate::entry::delta_name(digest), size).await,
        }
    }

    /// Keeps content that was gathered in memory and is verified: as a delta, or as it is where that does not work.
    async fn keep_gathered(&self, expected: &Expected, content: Bytes, reserved: Reserved) -> io::Result<()> {
        let made = match &self.deltas {
            Some(deltas) => deltas.make(expected, content.clone(), reserved).await,
            None => None,
        };
        let listed = Content::elsewhere(expected.digest, expected.size);
        let Some(Made { carried, encoding, base }) = made else {
            return self.fill(self.open_blob(expected).await?, content, listed).await;
        };
        drop(content);
        let blob = self.open_delta(&expected.digest, carried.len() as u64).await?;
        self.fill(blob, carried, Content { encoding: Some(encoding), bases: vec![base], ..listed }).await
    }

    /// Writes all of an entry and keeps it.
    async fn fill(&self, mut blob: Blob, mut bytes: Bytes, listed: Content) -> io::Result<()> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(FILE_CHUNK));
            if let Err(error) = blob.write(Arc::from([piece])).await {
                blob.cut()?;
                return Err(error);
            }
        }
        self.keep(blob, listed).await
    }

    /// Closes an entry, notes it and shows it; `listed` is what the catalogue says besides where it lies.
    async fn keep(&self, blob: Blob, listed: Content) -> io::Result<()> {
        let sealed = blob.sealed;
        let written = blob.close().await?;
        let digest = listed.digest;
        let content = Content { at: written.at, sealed, ..listed };
        if let Some(journal) = &self.journal {
            lock(journal).note(&content, &written.marks)?;
        }
        self.state().content.insert(digest, content);
        Ok(())
    }

    /// Writes content that is in memory, unless it is there.
    async fn write_whole(&self, expected: &Expected, content: Bytes) -> io::Result<()> {
        let _one = self.manifests.lock().await;
        if self.has_content(&expected.digest) {
            return Ok(());
        }
        let blob = self.open_blob(expected).await?;
        self.fill(blob, content, Content::elsewhere(expected.digest, expected.size)).await
    }

    /// Reads back what was written.
    fn read(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        let operation = Operation::FetchBlob;
        let content = self.state().content.get(digest).cloned();
        let content = content.ok_or_else(|| Error::new(ErrorKind::NotFound, operation))?;
        if offset > content.size {
            let reason = format_args!("it has {} bytes and none at {offset}", content.size);
            return Err(Error::new(ErrorKind::Invalid, operation).because(reason));
        }
        if content.at.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, operation).because("the other side has it"));
        }
        if content.encoding.is_some() {
            return Err(Error::new(ErrorKind::Unsupported, operation).because("it is carried as a delta"));
        }
        if self.sealing.is_some() {
            return Err(Error::new(ErrorKind::Unsupported, operation).because("it is sealed already"));
        }
        if self.volumes.is_pipe() {
            return Err(Error::new(ErrorKind::Unsupported, operation).because("a pipe cannot be read back"));
        }
        let parts = content.at.iter().map(|extent| {
            let (file, _) = open_file(&self.volumes.path(extent.volume))?;
            Ok(BlobBody::from_file(file, extent.offset)?.take(extent.size))
        });
        let parts: Vec<BlobBody> =
            parts.collect::<io::Result<_>>().map_err(|error| Error::io(operation, error))?;
        let all = stream::iter(parts).flat_map(BlobBody::into_stream).boxed();
        Ok(BlobBody::from_stream(Some(content.size), all).skip(offset))
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
