//! A blob on its way in, and who reads it meanwhile.
//!
//! The reader follows the file of the upload, so a hundred of them need the memory of one piece each, and one that
//! comes late begins at the beginning. The last piece is in the file only when the digest was right
//! ([`crate::verified`] holds it back), so nobody gets the whole of what is wrong.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{StreamExt, stream};
use sealift_oci::{Digest, RepositoryName};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::watch;

use super::Shared;
use super::flights::broke_off;
use crate::{BlobBody, Error, ErrorKind, FILE_CHUNK, Operation, Result, Store, UploadId};

/// How long a reader waits for word before it looks whether the file has grown.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How far a blob has come.
#[derive(Clone, Debug)]
pub(super) enum Arrival {
    /// Somebody is asked for it.
    Wanted,
    /// It is written to this upload, and will have this many bytes.
    Arriving(UploadId, u64),
    /// It is there.
    Here,
    /// It could not be had.
    Failed(Error),
}

impl Shared {
    /// Waits until a blob is there.
    pub(super) async fn bring(self: &Arc<Self>, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        let mut progress = self.fetch_blob(repository, digest)?;
        let end = progress.wait_for(|it| matches!(it, Arrival::Here | Arrival::Failed(_))).await;
        match &*end.map_err(|_| broke_off())? {
            Arrival::Failed(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Opens a blob that is not here yet, as soon as its first bytes are.
    pub(super) async fn follow(
        self: &Arc<Self>,
        repository: &RepositoryName,
        digest: &Digest,
        offset: u64,
    ) -> Result<BlobBody> {
        let mut progress = self.fetch_blob(repository, digest)?;
        loop {
            let arrival = progress.borrow_and_update().clone();
            match arrival {
                Arrival::Wanted => {}
                Arrival::Arriving(id, size) => match self.kept.open_upload(repository, &id).await {
                    Ok(file) => return tail(file, id, progress, offset, size).await,
                    // It has become a blob just now, or was given up; both are told next.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                },
                Arrival::Here => return self.kept.source(repository).open_blob(digest, offset).await,
                Arrival::Failed(error) => return Err(error),
            }
            progress.changed().await.map_err(|_| broke_off())?;
        }
    }
}

/// A reader behind a writer.
struct Tail {
    file: File,
    id: UploadId,
    progress: watch::Receiver<Arrival>,
    left: u64,
}

async fn tail(
    file: std::fs::File,
    id: UploadId,
    progress: watch::Receiver<Arrival>,
    offset: u64,
    size: u64,
) -> Result<BlobBody> {
    let Some(left) = size.checked_sub(offset) else {
        let reason = format_args!("it has {size} bytes and none at {offset}").to_string();
        return Err(Error::new(ErrorKind::Invalid, Operation::FetchBlob).because(reason));
    };
    let mut file = File::from_std(file);
    file.seek(std::io::SeekFrom::Start(offset)).await.map_err(unreadable)?;
    let tail = Tail { file, id, progress, left };
    let stream = stream::try_unfold(tail, Tail::next);
    Ok(BlobBody::from_stream(Some(left), stream.boxed()))
}

fn unreadable(error: std::io::Error) -> Error {
    Error::io(Operation::FetchBlob, error)
}

impl Tail {
    async fn next(mut self) -> Result<Option<(bytes::Bytes, Self)>> {
        while self.left > 0 {
            // How far it is counts from before the file is read: what comes between is told once more.
            let arrival = self.progress.borrow_and_update().clone();
            let size = usize::try_from(self.left).unwrap_or(FILE_CHUNK).min(FILE_CHUNK);
            let mut piece = BytesMut::with_capacity(size);
            let read = (&mut self.file).take(self.left).read_buf(&mut piece).await.map_err(unreadable)?;
            if read > 0 {
                self.left -= (read as u64).min(self.left);
                return Ok(Some((piece.freeze(), self)));
            }
            match arrival {
                Arrival::Arriving(id, _) if id == self.id => {}
                Arrival::Failed(error) => return Err(error),
                _ => return Err(broke_off()),
            }
            // What was announced last may have been written since, without another word.
            if let Ok(changed) = tokio::time::timeout(LOOK_AGAIN, self.progress.changed()).await {
                changed.map_err(|_| broke_off())?;
            }
        }
        Ok(None)
    }
}
