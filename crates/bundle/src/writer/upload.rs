//! A blob on its way into a bundle.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_oci::{Digest, Hasher, RepositoryName};
use sealift_store::batch::{self, BatchSink, Failed};
use sealift_store::{
    BlobBody, ByteStream, Error, ErrorKind, Expected, Operation, Result, RunningHash, Upload, UploadId,
};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::spawn_blocking;

use super::Shared;
use super::blob::Blob;
use crate::catalogue::Content;
use crate::delta::Reserved;

/// What has arrived of a blob; kept until it is finished or cancelled.
#[derive(Debug)]
pub(super) struct Arriving {
    expected: Expected,
    /// `None` before the first byte, where the content is gathered, and when the upload is over.
    blob: Option<Blob>,
    /// What may become a delta is gathered first.
    gathered: Option<Gathered>,
    /// The hash of what has arrived; `None` while who sends it keeps the hash, and for good where what was sent and
    /// what has arrived came apart.
    hasher: Option<Hasher>,
    offset: u64,
    is_over: bool,
}

/// Content that is gathered in memory.
#[derive(Debug)]
struct Gathered {
    bytes: Vec<u8>,
    reserved: Reserved,
}

/// A caller's hold of an upload.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) repository: RepositoryName,
    pub(super) id: UploadId,
    pub(super) offset: u64,
    pub(super) arriving: Arc<Mutex<Arriving>>,
}

impl Arriving {
    /// Begins with nothing. Where memory is reserved, the content is gathered there.
    pub(super) fn new(expected: Expected, reserved: Option<Reserved>) -> Self {
        let hasher = Some(Hasher::new(expected.digest.algorithm()));
        // Memory is reserved for all of it. Only what is written is ever touched.
        let room = usize::try_from(expected.size).unwrap_or(0);
        let gathered = reserved.map(|reserved| Gathered { bytes: Vec::with_capacity(room), reserved });
        Self { expected, blob: None, gathered, hasher, offset: 0, is_over: false }
    }

    /// Returns where the upload can be gone on with, if it can.
    pub(super) fn resumable(&self) -> Option<u64> {
        self.hasher.as_ref().map(|_| self.offset)
    }

    /// Leaves the hash to the body, where that makes the same one of the same bytes.
    fn borrow_hash(&mut self, body: &BlobBody) -> Option<RunningHash> {
        let running = body.running_hash()?;
        let now = running.now();
        let is_same = |own: &Hasher| now.offset == self.offset && now.hasher.save() == own.save();
        self.hasher.take_if(|own| is_same(own)).map(|_| running.clone())
    }

    /// Takes the hash over, if all that went into it has arrived. Else nothing can be gone on with.
    async fn take_hash(&mut self, running: &RunningHash) -> io::Result<()> {
        let now = running.now();
        self.hasher = (now.offset == self.offset).then_some(now.hasher);
        match &self.hasher {
            Some(_) => Ok(()),
            None => self.cut().await,
        }
    }

    async fn cut(&mut self) -> io::Result<()> {
        self.gathered = None;
        match self.blob.take() {
            Some(blob) => blob.cut().await,
            None => Ok(()),
        }
    }
}

impl Session {
    fn name(&self, error: Error) -> Error {
        error.at(&self.shared.place).object(format_args!("to {}", self.repository))
    }

    fn failed(&self, error: io::Error) -> Error {
        self.name(Error::io(Operation::PushBlob, error))
    }

    fn hold(&self) -> Result<MutexGuard<'_, Arriving>> {
        let busy = || Error::new(ErrorKind::Busy, Operation::PushBlob).because("somebody is appending to it");
        let held = self.arriving.try_lock().map_err(|_| self.name(busy()))?;
        if held.offset != self.offset {
            return Err(self.name(busy()));
        }
        if held.is_over {
            return Err(self.name(Error::new(ErrorKind::NotFound, Operation::PushBlob)));
        }
        Ok(held)
    }

    /// What was sent and what has arrived came apart.
    fn lost(&self) -> Error {
        self.name(Error::new(ErrorKind::NotFound, Operation::PushBlob))
    }

    /// The first piece is waited for before a volume is taken, so that a source that is slow to begin holds up
    /// nobody else.
    async fn receive(&self, held: &mut Arriving, mut body: ByteStream) -> Result<()> {
        let Some(first) = body.next().await else { return Ok(()) };
        let mut all = stream::iter([first]).chain(body).boxed();
        if held.blob.is_none() && held.gathered.is_none() {
            let (opened, rest) = self.shared.prefetch.until(self.shared.open_blob(&held.expected), all).await;
            held.blob = Some(opened.map_err(|error| self.failed(error))?);
            all = rest;
        }
        let copied = batch::copy(all, &mut Sink { arriving: held }).await;
        copied.map_err(|error| match error {
            Failed::Reading(error) => error,
            Failed::Writing(error) => self.failed(error),
        })
    }

    /// Keeps content that is whole.
    async fn keep(&self, held: &mut Arriving) -> io::Result<()> {
        let expected = held.expected;
        if let Some(Gathered { bytes, reserved }) = held.gathered.take() {
            return self.shared.keep_gathered(&expected, Bytes::from(bytes), reserved).await;
        }
        let blob = match held.blob.take() {
            Some(blob) => blob,
            None => self.shared.open_blob(&expected).await?,
        };
        self.shared.keep(blob, Content::elsewhere(expected.digest, expected.size)).await
    }

    fn forget(&self) {
        self.shared.forget(&self.repository, &self.id);
    }
}

/// Content goes into the hash of the blob and into the volume.
struct Sink<'a> {
    arriving: &'a mut Arriving,
}

impl BatchSink for Sink<'_> {
    async fn append(&mut self, pieces: Arc<[Bytes]>) -> io::Result<()> {
        let size: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        let Arriving { blob, gathered, hasher, offset, expected, .. } = &mut *self.arriving;
        if size > expected.size - *offset {
            return Err(io::Error::other(format!("more than its {} bytes came", expected.size)));
        }
        let write = async |pieces: Arc<[Bytes]>| match (gathered, blob) {
            (Some(gathered), _) => {
                pieces.iter().for_each(|piece| gathered.bytes.extend_from_slice(piece));
                Ok(())
            }
            (None, Some(blob)) => blob.write(pieces).await,
            (None, None) => Err(io::Error::other("the upload is over")),
        };
        match hasher {
            None => write(pieces).await?,
            Some(own) => {
                let hashing = spawn_blocking(hash(own.clone(), Arc::clone(&pieces)));
                let written = write(pieces).await;
                *hasher = Some(hashing.await?);
                written?;
            }
        }
        *offset += size;
        Ok(())
    }
}

fn hash(mut hasher: Hasher, pieces: Arc<[Bytes]>) -> impl FnOnce() -> Hasher {
    move || {
        pieces.iter().for_each(|piece| hasher.update(piece));
        hasher
    }
}

#[async_trait]
impl Upload for Session {
    fn id(&self) -> &UploadId {
        &self.id
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    async fn append(&mut self, body: BlobBody) -> Result<u64> {
        let mut held = self.hold()?;
        if held.hasher.is_none() {
            return Err(self.lost());
        }
        let running = held.borrow_hash(&body);
        let received = self.receive(&mut held, body.into_stream()).await;
        if let Some(running) = &running {
            held.take_hash(running).await.map_err(|error| self.failed(error))?;
        }
        let offset = held.offset;
        drop(held);
        self.offset = offset;
        received.map(|()| offset)
    }

    async fn finish(self: Box<Self>, digest: &Digest) -> Result<()> {
        self.forget();
        let mut held = self.hold()?;
        held.is_over = true;
        let Expected { digest: expected, size } = held.expected;
        let Some(hasher) = held.hasher.take() else {
            held.cut().await.map_err(|error| self.failed(error))?;
            return Err(self.lost());
        };
        let actual = hasher.finish();
        let is_there = self.shared.has_content(digest);
        if actual != *digest || expected != *digest || held.offset != size || is_there {
            held.cut().await.map_err(|error| self.failed(error))?;
        } else {
            self.keep(&mut held).await.map_err(|error| self.failed(error))?;
        }
        if actual != *digest {
            let error = Error::new(ErrorKind::Mismatch, Operation::PushBlob);
            return Err(
                self.name(error.because(format_args!("what came has the digest {actual}, not {digest}")))
            );
        }
        self.shared.link(&self.repository, digest);
        Ok(())
    }

    async fn cancel(self: Box<Self>) -> Result<()> {
        self.forget();
        let mut held = self.hold()?;
        held.is_over = true;
        held.cut().await.map_err(|error| self.failed(error))
    }
}

#[cfg(test)]
mod tests;
