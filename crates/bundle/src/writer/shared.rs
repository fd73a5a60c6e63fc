//! What all handles of a bundle that is written do: uploads, entries, and reading back.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_oci::{Digest, RepositoryName};
use sealift_store::{
    BlobBody, Error, ErrorKind, Expected, FILE_CHUNK, Operation, Result, Upload, UploadId, lock,
};

use super::Shared;
use super::blob::Blob;
use super::entry::Written;
use super::state::State;
use super::upload::{Arriving, Session};
use crate::catalogue::Content;
use crate::delta::{Made, Reserved};
use crate::reader::open_file;

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn has_content(&self, digest: &Digest) -> bool {
        self.state().content.get(digest).is_some_and(|content| !content.at.is_empty())
    }

    pub(super) fn link(&self, repository: &RepositoryName, digest: &Digest) -> bool {
        self.state().link(repository, digest)
    }

    pub(super) async fn begin(
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

    pub(super) fn resume(
        self: &Arc<Self>,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Box<dyn Upload>> {
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

    pub(super) fn forget(&self, repository: &RepositoryName, id: &UploadId) {
        lock(&self.uploads).remove(&(repository.clone(), id.as_str().to_owned()));
    }

    pub(super) async fn open_blob(&self, expected: &Expected) -> io::Result<Blob> {
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
    pub(super) async fn keep_gathered(
        &self,
        expected: &Expected,
        content: Bytes,
        reserved: Reserved,
    ) -> io::Result<()> {
        let made = match &self.deltas {
            Some(deltas) => deltas.make(expected, content.clone(), &reserved).await,
            None => None,
        };
        let listed = Content::elsewhere(expected.digest, expected.size);
        let Some(Made { carried, encoding, bases }) = made else {
            return self.fill(self.open_blob(expected).await?, content, listed).await;
        };
        drop(content);
        let blob = self.open_delta(&expected.digest, carried.len() as u64).await?;
        self.fill(blob, carried, Content { encoding: Some(encoding), bases, ..listed }).await
    }

    /// Writes all of an entry and keeps it.
    async fn fill(&self, mut blob: Blob, mut bytes: Bytes, listed: Content) -> io::Result<()> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(FILE_CHUNK));
            if let Err(error) = blob.write(Arc::from([piece])).await {
                blob.cut().await?;
                return Err(error);
            }
        }
        self.keep(blob, listed).await
    }

    /// Closes an entry, notes it and shows it; `listed` is what the catalogue says besides where it lies.
    pub(super) async fn keep(&self, blob: Blob, listed: Content) -> io::Result<()> {
        let (sealed, digest) = (blob.sealed, listed.digest);
        let deltas = self.deltas.as_ref().filter(|_| listed.encoding.is_none());
        let why_whole = deltas.and_then(|deltas| deltas.why_raw(&digest));
        let content = Content { sealed, why_whole, ..listed };
        let note = |written: &Written| match &self.journal {
            Some(journal) => {
                let content = Content { at: written.at.clone(), ..content.clone() };
                lock(journal).note(&content, &written.marks)
            }
            None => Ok(()),
        };
        let at = blob.close(note).await?.at;
        self.state().content.insert(digest, Content { at, ..content });
        Ok(())
    }

    /// Writes content that is in memory, unless it is there.
    pub(super) async fn write_whole(&self, expected: &Expected, content: Bytes) -> io::Result<()> {
        let _one = self.manifests.lock().await;
        if self.has_content(&expected.digest) {
            return Ok(());
        }
        let blob = self.open_blob(expected).await?;
        self.fill(blob, content, Content::elsewhere(expected.digest, expected.size)).await
    }

    /// Reads back what was written.
    pub(super) fn read(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
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
