//! A caller's hold of an upload: its name and offset. The bytes are on disk, see [`super::data`].

use std::io;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use async_trait::async_trait;
use sealift_oci::Digest;

use super::data::Data;
use super::paths::UploadPaths;
use super::repository::{Handle, Repository, failure};
use super::sweep;
use crate::batch::{self, Failed};
use crate::{BlobBody, Error, ErrorKind, Operation, Result, UploadId, atomic};

/// A caller's hold of an upload.
#[derive(Debug)]
pub(super) struct Session {
    handle: Handle,
    id: UploadId,
    paths: UploadPaths,
    offset: u64,
}

impl Session {
    /// Names an upload; it need not be there. What is no name of this place is "not found".
    pub(super) fn new(handle: Handle, id: UploadId) -> Result<Self> {
        match handle.repository.paths.upload(id.as_str()) {
            Some(paths) => Ok(Self { handle, id, paths, offset: 0 }),
            None => Err(name(&handle.repository, Error::new(ErrorKind::NotFound, Operation::PushBlob))),
        }
    }

    /// Makes the upload; the first one of a process also removes what was left behind.
    pub(super) async fn create(&self) -> Result<()> {
        let paths = self.paths.clone();
        self.blocking(move |repository| {
            if !repository.is_swept.swap(true, Ordering::Relaxed) {
                sweep::sweep(&repository.paths, SystemTime::now());
            }
            Data::create(&paths)
        })
        .await
    }

    /// Finds out how much is there.
    pub(super) async fn resume(&mut self) -> Result<()> {
        let paths = self.paths.clone();
        let open = move |_: &Repository| {
            let mut data = Data::open(&paths)?;
            data.save();
            data.length()
        };
        self.offset = self.blocking(open).await?;
        Ok(())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Repository) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let work = move |repository: &Repository| work(repository).map_err(upload_failure);
        let done = self.handle.blocking(Operation::PushBlob, work).await;
        done.map_err(|error| name(&self.handle.repository, error))
    }
}

#[async_trait]
impl crate::Upload for Session {
    fn id(&self) -> &UploadId {
        &self.id
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    async fn append(&mut self, body: BlobBody) -> Result<u64> {
        let (paths, offset) = (self.paths.clone(), self.offset);
        let open = move |_: &Repository| {
            let data = Data::open(&paths)?;
            // Another length means that somebody else has appended since this offset was told.
            if data.length()? == offset { Ok(data) } else { Err(io::ErrorKind::WouldBlock.into()) }
        };
        let mut data = self.blocking(open).await?;
        let appended = batch::copy(body.into_stream(), &mut data).await;
        let close = move |_: &Repository| {
            data.save();
            data.length()
        };
        self.offset = self.blocking(close).await?;
        appended.map(|()| self.offset).map_err(|failed| match failed {
            Failed::Reading(error) => error,
            Failed::Writing(error) => name(&self.handle.repository, upload_failure(error)),
        })
    }

    async fn finish(self: Box<Self>, digest: &Digest) -> Result<()> {
        let (paths, digest) = (self.paths.clone(), *digest);
        let finish = move |repository: &Repository| finish(repository, &paths, &digest);
        let wrong = self.blocking(finish).await?;
        wrong.map_or(Ok(()), |actual| {
            let error = Error::new(ErrorKind::Mismatch, Operation::PushBlob);
            let error = error.because(format_args!("what was uploaded has the digest {actual}"));
            Err(self.handle.name(&digest.into())(error))
        })
    }

    async fn cancel(self: Box<Self>) -> Result<()> {
        let paths = self.paths.clone();
        self.blocking(move |_| Data::open(&paths)?.remove()).await
    }
}

/// Makes the blob visible. Returns the true digest, and forgets the bytes, where it is another one.
fn finish(repository: &Repository, paths: &UploadPaths, digest: &Digest) -> io::Result<Option<Digest>> {
    let data = Data::open(paths)?;
    let actual = data.digest(digest.algorithm())?;
    if actual != *digest {
        return data.remove().map(|()| Some(actual));
    }
    repository.ensure_layout()?;
    atomic::create_dir_all(&repository.paths.blobs(digest.algorithm()))?;
    // In place of what was there: these bytes are verified, those may have rotted.
    data.publish(&repository.paths.blob(digest))?;
    Ok(None)
}

fn upload_failure(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            Error::new(ErrorKind::Busy, Operation::PushBlob).because("somebody else is appending to it")
        }
        _ => failure(Operation::PushBlob, error),
    }
}

fn name(repository: &Repository, error: Error) -> Error {
    error.at(&repository.place).object(format_args!("to {}", repository.name))
}
