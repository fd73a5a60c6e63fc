//! A blob on its way into a bundle.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_oci::{Digest, Hasher, RepositoryName};
use sealift_store::batch::{self, BatchSink, Failed};
use sealift_store::{BlobBody, Error, ErrorKind, Expected, Operation, Result, Upload, UploadId};
use tokio::sync::{Mutex, MutexGuard};

use super::Shared;
use super::blob::Blob;

/// What has arrived of a blob; kept until it is finished or cancelled.
#[derive(Debug)]
pub(super) struct Arriving {
    expected: Expected,
    /// `None` before the first byte, and when the upload is over.
    blob: Option<Blob>,
    hasher: Hasher,
    offset: u64,
    is_over: bool,
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
    pub(super) fn new(expected: Expected) -> Self {
        let hasher = Hasher::new(expected.digest.algorithm());
        Self { expected, blob: None, hasher, offset: 0, is_over: false }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }
}

impl Session {
    fn name(&self, error: Error) -> Error {
        error.at(&self.shared.place).object(format_args!("to {}", self.repository))
    }

    fn failed(&self, error: std::io::Error) -> Error {
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

    fn forget(&self) {
        self.shared.forget(&self.repository, &self.id);
    }
}

/// Content goes into the hash of the blob and into the volume.
struct Sink<'a> {
    arriving: &'a mut Arriving,
}

impl BatchSink for Sink<'_> {
    async fn append(&mut self, pieces: Arc<[Bytes]>) -> std::io::Result<()> {
        let size: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        let Arriving { blob, hasher, offset, expected, .. } = &mut *self.arriving;
        if size > expected.size - *offset {
            return Err(std::io::Error::other(format!("more than its {} bytes came", expected.size)));
        }
        let Some(blob) = blob else { return Err(std::io::Error::other("the upload is over")) };
        let (content, mut hash) = (Arc::clone(&pieces), hasher.clone());
        let hashing = tokio::task::spawn_blocking(move || {
            content.iter().for_each(|piece| hash.update(piece));
            hash
        });
        let written = blob.write(pieces).await;
        *hasher = hashing.await?;
        written?;
        *offset += size;
        Ok(())
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

    /// The first piece is waited for before a volume is taken, so that a source that is slow to begin holds up
    /// nobody else.
    async fn append(&mut self, body: BlobBody) -> Result<u64> {
        let mut held = self.hold()?;
        let mut body = body.into_stream();
        if let Some(first) = body.next().await {
            let all = stream::iter([first]).chain(body).boxed();
            if held.blob.is_none() {
                let opened = self.shared.open_blob(&held.expected).await;
                held.blob = Some(opened.map_err(|error| self.failed(error))?);
            }
            let copied = batch::copy(all, &mut Sink { arriving: &mut held }).await;
            if let Err(error) = copied {
                let offset = held.offset;
                drop(held);
                self.offset = offset;
                return Err(match error {
                    Failed::Reading(error) => error,
                    Failed::Writing(error) => self.failed(error),
                });
            }
        }
        let offset = held.offset;
        drop(held);
        self.offset = offset;
        Ok(offset)
    }

    async fn finish(self: Box<Self>, digest: &Digest) -> Result<()> {
        self.forget();
        let mut held = self.hold()?;
        held.is_over = true;
        let Expected { digest: expected, size } = held.expected;
        let blob = match held.blob.take() {
            Some(blob) => blob,
            None => {
                let opened = self.shared.open_blob(&held.expected).await;
                opened.map_err(|error| self.failed(error))?
            }
        };
        let actual = held.hasher.clone().finish();
        let is_there = self.shared.has_content(digest);
        if actual != *digest || expected != *digest || held.offset != size || is_there {
            blob.cut().map_err(|error| self.failed(error))?;
        } else {
            self.shared.keep(blob, &held.expected).await.map_err(|error| self.failed(error))?;
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
        match held.blob.take() {
            Some(blob) => blob.cut().map_err(|error| self.failed(error)),
            None => Ok(()),
        }
    }
}
