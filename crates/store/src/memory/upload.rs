//! Uploads in memory.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use sealift_oci::{Digest, ManifestRef};

use super::repository::Handle;
use crate::accept::ObjectName;
use crate::{BlobBody, ErrorKind, Result, UploadId};

/// What has arrived of a blob.
#[derive(Debug, Default)]
pub(super) struct Upload {
    pieces: Vec<Bytes>,
    length: u64,
    is_busy: bool,
}

impl Upload {
    /// Returns the offset, and whether somebody is appending.
    pub(super) fn state(&self) -> (u64, bool) {
        (self.length, self.is_busy)
    }

    /// One piece stays what it is; only several are copied together.
    fn into_bytes(mut self) -> Bytes {
        if self.pieces.len() == 1 {
            return self.pieces.remove(0);
        }
        let mut all = BytesMut::with_capacity(self.pieces.iter().map(Bytes::len).sum());
        self.pieces.iter().for_each(|piece| all.extend_from_slice(piece));
        all.freeze()
    }
}

/// A caller's hold of an upload.
#[derive(Debug)]
pub(super) struct Session {
    repository: Handle,
    id: UploadId,
    offset: u64,
}

impl Session {
    pub(super) fn new(repository: Handle, id: UploadId, offset: u64) -> Self {
        Self { repository, id, offset }
    }

    /// Changes the upload, if it is still there.
    fn write<T>(&self, write: impl FnOnce(&mut Upload) -> Result<T>) -> Result<T> {
        self.repository.write(|repository| match repository.uploads.get_mut(self.id.as_str()) {
            Some(upload) => write(upload),
            None => Err(self.repository.upload_error(ErrorKind::NotFound)),
        })
    }

    /// Nobody else may append until the guard is dropped.
    fn occupy(&self) -> Result<Occupied> {
        self.write(|upload| {
            if upload.is_busy || upload.length != self.offset {
                return Err(self
                    .repository
                    .upload_error(ErrorKind::Busy)
                    .because("somebody else is appending to it"));
            }
            upload.is_busy = true;
            Ok(())
        })?;
        Ok(Occupied { repository: self.repository.clone(), id: self.id.clone() })
    }

    async fn receive(&mut self, body: BlobBody) -> Result<()> {
        let mut stream = body.into_stream();
        while let Some(piece) = stream.try_next().await? {
            self.offset = self.write(|upload| {
                upload.length += piece.len() as u64;
                upload.pieces.push(piece);
                Ok(upload.length)
            })?;
        }
        Ok(())
    }

    fn take(&self) -> Result<Upload> {
        let taken = self.repository.write(|repository| repository.uploads.remove(self.id.as_str()));
        taken.ok_or_else(|| self.repository.upload_error(ErrorKind::NotFound))
    }
}

/// Frees the upload when appending ends, also where its future is dropped.
struct Occupied {
    repository: Handle,
    id: UploadId,
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.repository.write(|repository| {
            if let Some(upload) = repository.uploads.get_mut(self.id.as_str()) {
                upload.is_busy = false;
            }
        });
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
        let _occupied = self.occupy()?;
        let (count, begin) = self.write(|upload| Ok((upload.pieces.len(), upload.length)))?;
        let received = self.receive(body).await;
        if received.as_ref().is_err_and(|error| error.kind() == ErrorKind::Mismatch) {
            self.write(|upload| {
                upload.pieces.truncate(count);
                upload.length = begin;
                Ok(())
            })?;
            self.offset = begin;
        }
        received.map(|()| self.offset)
    }

    async fn finish(self: Box<Self>, digest: &Digest) -> Result<()> {
        let blob = self.take()?.into_bytes();
        let actual = Digest::of(digest.algorithm(), &blob);
        if actual != *digest {
            let error = crate::Error::new(ErrorKind::Mismatch, crate::Operation::PushBlob);
            return Err(error
                .at(&self.repository.shared.place)
                .object(ObjectName(&self.repository.name, &ManifestRef::from(*digest)))
                .because(format_args!("what was uploaded has the digest {actual}")));
        }
        self.repository.write(|repository| repository.blobs.insert(*digest, blob));
        Ok(())
    }

    async fn cancel(self: Box<Self>) -> Result<()> {
        self.take().map(drop)
    }
}
