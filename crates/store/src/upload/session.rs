//! A caller's hold of an upload: its name and offset. The bytes are on disk, see [`Data`].

use std::fmt::Debug;
use std::io;
use std::path::Path;

use async_trait::async_trait;
use sealift_oci::Digest;

use super::{Data, UploadPaths};
use crate::batch::{self, Failed};
use crate::{BlobBody, Error, ErrorKind, Operation, Result, UploadId, platform, random};

/// What a place adds to the uploads of one of its repositories.
pub trait Keeper: Clone + Debug + Send + Sync + 'static {
    /// Puts the place and the repository on an error.
    fn name(&self, error: Error) -> Error;

    /// Moves bytes that have this digest to their name as a blob, in place of what was there: these are
    /// verified, those may have rotted. It may block.
    ///
    /// # Errors
    /// Those of the file system.
    fn publish(&self, data: Data, digest: &Digest) -> io::Result<()>;
}

/// A caller's hold of an upload.
#[derive(Debug)]
pub struct Session<K> {
    keeper: K,
    id: UploadId,
    paths: UploadPaths,
    offset: u64,
}

impl<K: Keeper> Session<K> {
    /// Makes an upload in the directory of all uploads.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn begin(keeper: K, uploads: &Path) -> Result<Self> {
        let id = random::upload_id().map_err(|error| keeper.name(error))?;
        let session = Self::find(keeper, uploads, id)?;
        let paths = session.paths.clone();
        session.blocking(move |_| Data::create(&paths)).await?;
        Ok(session)
    }

    /// Goes on with an upload, and finds out how much is there.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where it is not there, or the name is none of this place;
    /// [`ErrorKind::Busy`] where somebody else has it.
    pub async fn resume(keeper: K, uploads: &Path, id: UploadId) -> Result<Self> {
        let mut session = Self::find(keeper, uploads, id)?;
        let paths = session.paths.clone();
        let open = move |_: &K| {
            let mut data = Data::open(&paths)?;
            data.save();
            data.length()
        };
        session.offset = session.blocking(open).await?;
        Ok(session)
    }

    fn find(keeper: K, uploads: &Path, id: UploadId) -> Result<Self> {
        match UploadPaths::below(uploads, id.as_str()) {
            Some(paths) => Ok(Self { keeper, id, paths, offset: 0 }),
            None => Err(keeper.name(Error::new(ErrorKind::NotFound, Operation::PushBlob))),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&K) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let keeper = self.keeper.clone();
        let done = tokio::task::spawn_blocking(move || work(&keeper).map_err(upload_failure)).await;
        let done =
            done.unwrap_or_else(|error| Err(Error::new(ErrorKind::Io, Operation::PushBlob).caused_by(error)));
        done.map_err(|error| self.keeper.name(error))
    }
}

#[async_trait]
impl<K: Keeper> crate::Upload for Session<K> {
    fn id(&self) -> &UploadId {
        &self.id
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    async fn append(&mut self, body: BlobBody) -> Result<u64> {
        let (paths, offset, length) = (self.paths.clone(), self.offset, body.length());
        let open = move |_: &K| {
            let data = Data::open(&paths)?;
            // What cannot fit does not fill the disk up first.
            let free = platform::free_space(paths.directory()).unwrap_or(u64::MAX);
            if length.is_some_and(|length| length > free) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            // Another length means that somebody else has appended since this offset was told.
            if data.length()? == offset { Ok(data) } else { Err(io::ErrorKind::WouldBlock.into()) }
        };
        let mut data = self.blocking(open).await?;
        let appended = batch::copy(body.into_stream(), &mut data).await;
        let is_lie = matches!(&appended, Err(Failed::Reading(error)) if error.kind() == ErrorKind::Mismatch);
        let close = move |_: &K| {
            if is_lie {
                data.take_back()?;
            }
            data.save();
            data.length()
        };
        self.offset = self.blocking(close).await?;
        appended.map(|()| self.offset).map_err(|failed| match failed {
            Failed::Reading(error) => error,
            Failed::Writing(error) => self.keeper.name(upload_failure(error)),
        })
    }

    async fn finish(self: Box<Self>, digest: &Digest) -> Result<()> {
        let (paths, digest) = (self.paths.clone(), *digest);
        let finish = move |keeper: &K| finish(keeper, &paths, &digest);
        let wrong = self.blocking(finish).await?;
        wrong.map_or(Ok(()), |actual| {
            let error = Error::new(ErrorKind::Mismatch, Operation::PushBlob);
            let error =
                error.because(format_args!("what was uploaded has the digest {actual}, not {digest}"));
            Err(self.keeper.name(error))
        })
    }

    async fn cancel(self: Box<Self>) -> Result<()> {
        let paths = self.paths.clone();
        self.blocking(move |_| Data::open(&paths)?.remove()).await
    }
}

/// Makes the blob visible. Returns the true digest, and forgets the bytes, where it is another one.
fn finish(keeper: &impl Keeper, paths: &UploadPaths, digest: &Digest) -> io::Result<Option<Digest>> {
    let data = Data::open(paths)?;
    let actual = data.digest(digest.algorithm())?;
    if actual != *digest {
        return data.remove().map(|()| Some(actual));
    }
    keeper.publish(data, digest)?;
    Ok(None)
}

fn upload_failure(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            Error::new(ErrorKind::Busy, Operation::PushBlob).because("somebody else is appending to it")
        }
        _ => Error::of_file(Operation::PushBlob, error),
    }
}
