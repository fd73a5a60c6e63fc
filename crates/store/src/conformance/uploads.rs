//! What the contract says of uploads.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use sealift_oci::Digest;

use super::fixture::noise;
use super::{assert_blob, assert_kind, assert_no_blob, fresh, target};
use crate::{BlobBody, Error, ErrorKind, Expected, Operation, Result, Store, Target, Upload, UploadId};

/// How often an upload that is still occupied is asked for again, and how long apart: five seconds in all.
const BUSY_TRIES: u32 = 100;
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// A body that breaks off after `content`.
fn broken(content: &Bytes) -> BlobBody {
    let pieces: Vec<Result<Bytes>> = content
        .chunks(content.len().div_ceil(3))
        .map(|piece| Ok(content.slice_ref(piece)))
        .chain([Err(Error::new(ErrorKind::Unavailable, Operation::FetchBlob).because("it broke off"))])
        .collect();
    BlobBody::from_stream(None, stream::iter(pieces).boxed())
}

/// Resumes an upload; what was just broken off may occupy it a little longer.
async fn resume(target: &dyn Target, id: &UploadId) -> Result<Box<dyn Upload>> {
    for _ in 0..BUSY_TRIES {
        match target.resume_upload(id).await {
            Err(error) if error.kind() == ErrorKind::Busy => tokio::time::sleep(BUSY_WAIT).await,
            other => return other,
        }
    }
    target.resume_upload(id).await
}

/// Begins the upload of a blob.
async fn begin(target: &dyn Target, content: &[u8]) -> Box<dyn Upload> {
    let expected = Expected::new(Digest::sha256(content), content.len() as u64);
    target.begin_upload(Some(expected)).await.unwrap()
}

/// An upload takes several bodies and goes on under its name where another handle left it.
pub async fn uploads_resume(store: &dyn Store) {
    let repository = fresh("uploads-resume");
    let content = noise(repository.as_str(), 500_000);
    let digest = Digest::sha256(&content);
    let target = target(store, &repository);

    let mut upload = begin(target.as_ref(), &content).await;
    assert_eq!(upload.offset(), 0);
    assert_eq!(upload.append(BlobBody::from(content.slice(..200_000))).await.unwrap(), 200_000);
    assert_eq!(upload.offset(), 200_000);
    let id = upload.id().clone();
    drop(upload);

    let mut upload = resume(target.as_ref(), &id).await.unwrap();
    assert_eq!(upload.offset(), 200_000);
    assert_eq!(upload.append(BlobBody::from(content.slice(200_000..400_000))).await.unwrap(), 400_000);
    assert_eq!(upload.append(BlobBody::from(content.slice(400_000..))).await.unwrap(), 500_000);
    assert_no_blob(store, &repository, &digest).await;
    upload.finish(&digest).await.unwrap();
    assert_blob(store, &repository, &content).await;
}

/// An upload that broke off goes on from the offset that the place tells.
pub async fn broken_uploads_resume(store: &dyn Store) {
    let repository = fresh("broken-uploads");
    let content = noise(repository.as_str(), 500_000);
    let target = target(store, &repository);
    let mut upload = begin(target.as_ref(), &content).await;
    assert!(upload.append(broken(&content.slice(..300_000))).await.is_err());
    let id = upload.id().clone();
    drop(upload);
    let mut upload = match resume(target.as_ref(), &id).await {
        Ok(upload) => upload,
        // A place may forget what broke off, but then it says so.
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
            begin(target.as_ref(), &content).await
        }
    };
    let held = usize::try_from(upload.offset()).unwrap();
    assert!(held <= 300_000, "the place holds {held} bytes of 300000");
    assert_eq!(upload.append(BlobBody::from(content.slice(held..))).await.unwrap(), 500_000);
    upload.finish(&Digest::sha256(&content)).await.unwrap();
    assert_blob(store, &repository, &content).await;
}

/// An upload that ended, well or badly, is not there any more; nor is one that never was, or of another
/// repository.
pub async fn uploads_are_forgotten(store: &dyn Store) {
    let repository = fresh("uploads-forgotten");
    let (one, other) = (target(store, &repository), target(store, &fresh("uploads-forgotten")));
    let content = noise(repository.as_str(), 100);
    for digest in [None, Some(Digest::sha256(&content)), Some(Digest::sha256(b""))] {
        let mut upload = begin(one.as_ref(), &content).await;
        upload.append(BlobBody::from(content.clone())).await.unwrap();
        let id = upload.id().clone();
        assert_kind(other.resume_upload(&id).await, ErrorKind::NotFound);
        match digest {
            None => upload.cancel().await.unwrap(),
            Some(digest) => drop(upload.finish(&digest).await),
        }
        assert_kind(one.resume_upload(&id).await, ErrorKind::NotFound);
    }
    for name in ["x", "..", "../../etc", "00000000000000000000000000000000"] {
        assert_kind(one.resume_upload(&name.parse().unwrap()).await, ErrorKind::NotFound);
    }
}

/// What was appended stays to the last byte, also where appending broke off.
pub async fn nothing_appended_is_lost(store: &dyn Store) {
    let repository = fresh("nothing-lost");
    let content = noise(repository.as_str(), 100_000);
    let target = target(store, &repository);
    let mut upload = begin(target.as_ref(), &content).await;
    assert!(upload.append(broken(&content.slice(..70_000))).await.is_err());
    assert_eq!(upload.offset(), 70_000);
    let resumed = target.resume_upload(upload.id()).await.unwrap();
    assert_eq!(resumed.offset(), 70_000);
    upload.append(BlobBody::from(content.slice(70_000..))).await.unwrap();
    upload.finish(&Digest::sha256(&content)).await.unwrap();
    assert_blob(store, &repository, &content).await;
}

/// Of a body that is not what it was said to be nothing stays, and the upload goes on from where it was.
pub async fn lies_leave_nothing(store: &dyn Store) {
    let repository = fresh("lies");
    let content = noise(repository.as_str(), 3_000_000);
    let target = target(store, &repository);
    let mut upload = begin(target.as_ref(), &content).await;
    for (first, last) in [(0, 1_000), (1_000, content.len())] {
        for told in [last - first - 1, last - first + 1] {
            let lie = BlobBody::from(content.slice(first..last)).exactly(told as u64);
            assert_kind(upload.append(lie).await, ErrorKind::Mismatch);
            assert_eq!(upload.offset(), first as u64);
            assert_eq!(target.resume_upload(upload.id()).await.unwrap().offset(), first as u64);
        }
        upload.append(BlobBody::from(content.slice(first..last))).await.unwrap();
    }
    upload.finish(&Digest::sha256(&content)).await.unwrap();
    assert_blob(store, &repository, &content).await;
}
