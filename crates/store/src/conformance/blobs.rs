//! What the contract says of blobs.

use bytes::Bytes;
use sealift_oci::Digest;

use super::fixture::{noise, push_blob};
use super::{assert_blob, assert_kind, assert_no_blob, fresh, target};
use crate::{BlobBody, ErrorKind, Expected, LinkOutcome, Store};

/// Enough for several pieces of a file or of a response.
const SEVERAL_PIECES: usize = 700_000;

/// A blob can be opened at any offset up to its end, as often as one likes.
pub async fn blob_ranges(store: &dyn Store) {
    let repository = fresh("blob-ranges");
    let content = noise(repository.as_str(), SEVERAL_PIECES);
    let digest = push_blob(target(store, &repository).as_ref(), &content).await;
    let source = store.source(&repository);
    for offset in [0, 1, 300_000, SEVERAL_PIECES - 1, SEVERAL_PIECES] {
        let body = source.open_blob(&digest, offset as u64).await.unwrap();
        let rest = &content[offset..];
        assert!(body.length().is_none_or(|length| length == rest.len() as u64), "{offset}");
        assert!(body.collect(SEVERAL_PIECES).await.unwrap() == rest, "the bytes from {offset} on differ");
    }
    assert_kind(source.open_blob(&digest, SEVERAL_PIECES as u64 + 1).await, ErrorKind::Invalid);
}

/// A blob may be empty.
pub async fn empty_blob(store: &dyn Store) {
    let repository = fresh("empty-blob");
    push_blob(target(store, &repository).as_ref(), &Bytes::new()).await;
    assert_blob(store, &repository, b"").await;
}

/// A blob is linked from another repository or found in the own one; where it is in neither, nothing changes.
pub async fn linking(store: &dyn Store) {
    let (here, there) = (fresh("linking-here"), fresh("linking-there"));
    let content = noise(there.as_str(), 1000);
    let digest = push_blob(target(store, &there).as_ref(), &content).await;
    assert_no_blob(store, &here, &digest).await;

    let missing = Digest::sha256(here.as_str().as_bytes());
    let target = target(store, &here);
    for from in [&here, &there] {
        let outcome = target.link_blob(&missing, from).await.unwrap();
        match outcome {
            LinkOutcome::Linked => panic!("what is nowhere was linked"),
            LinkOutcome::Upload(upload) => upload.cancel().await.unwrap(),
            LinkOutcome::Refused => {}
        }
        assert_no_blob(store, &here, &missing).await;
    }

    match target.link_blob(&digest, &there).await.unwrap() {
        LinkOutcome::Linked => {}
        // A place may refuse every link; the upload that it opens instead must take the blob.
        LinkOutcome::Upload(mut upload) => {
            upload.append(BlobBody::from(content.clone())).await.unwrap();
            upload.finish(&digest).await.unwrap();
        }
        LinkOutcome::Refused => {
            push_blob(target.as_ref(), &content).await;
        }
    }
    assert_blob(store, &here, &content).await;
    let again = target.link_blob(&digest, &here).await.unwrap();
    assert!(matches!(again, LinkOutcome::Linked | LinkOutcome::Upload(_)), "{again:?}");
    assert_blob(store, &here, &content).await;
}

/// Content that has another digest than promised is refused and never seen, under neither digest.
pub async fn wrong_digest_stays_invisible(store: &dyn Store) {
    let repository = fresh("wrong-digest");
    let content = noise(repository.as_str(), 1000);
    let (right, wrong) = (Digest::sha256(&content), Digest::sha256(b"something else"));
    let target = target(store, &repository);
    let expected = Expected::new(wrong, content.len() as u64);
    let mut upload = target.begin_upload(Some(expected)).await.unwrap();
    upload.append(BlobBody::from(content.clone())).await.unwrap();
    assert_no_blob(store, &repository, &right).await;
    assert_kind(upload.finish(&wrong).await, ErrorKind::Mismatch);
    for digest in [right, wrong] {
        assert_no_blob(store, &repository, &digest).await;
    }
    push_blob(target.as_ref(), &content).await;
    assert_blob(store, &repository, &content).await;
}
