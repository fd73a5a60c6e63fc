use sealift_store::{Checkpoint, Store, Target, put_blob, verified, verified_from};
use tempfile::TempDir;

use super::super::{BundleWriter, Destination, Held, WriterOptions};
use super::*;

const CONTENT: &[u8] = b"0123456789";

/// One writer: a blob that is not given up keeps all others out.
async fn writer(place: &TempDir) -> (BundleWriter, Arc<dyn Target>) {
    let options = WriterOptions {
        id: "0123456789abcdef".repeat(2),
        volume_size: None,
        writers: 1,
        base: Held::default(),
        lock: None,
        deltas: None,
    };
    let destination = Destination::Directory(place.path().join("bundle"));
    let writer = BundleWriter::open(destination, options).await.unwrap();
    let target = writer.target(&"org/image".parse().unwrap()).unwrap();
    (writer, target)
}

fn body(content: &'static [u8]) -> BlobBody {
    let pieces: Vec<_> = content.chunks(4).map(|piece| Ok(Bytes::from_static(piece))).collect();
    BlobBody::from_stream(Some(content.len() as u64), stream::iter(pieces).boxed())
}

/// Eight bytes, and then the line breaks.
fn broken() -> BlobBody {
    let error = Error::new(ErrorKind::Unavailable, Operation::FetchBlob);
    let pieces = [Ok(CONTENT[..4].into()), Ok(CONTENT[4..8].into()), Err(error)];
    BlobBody::from_stream(None, stream::iter(pieces).boxed())
}

fn point(read: &[u8]) -> Checkpoint {
    let mut point = Checkpoint::start(sealift_oci::Algorithm::Sha256);
    point.hasher.update(read);
    point.offset = read.len() as u64;
    point
}

#[tokio::test]
async fn only_the_same_hash_is_left_to_the_body() {
    let digest = Digest::sha256(CONTENT);
    let mut arriving = Arriving::new(Expected::new(digest, 10), None);
    assert!(arriving.borrow_hash(&body(CONTENT)).is_none(), "nobody hashes it");
    let later = verified_from(body(&CONTENT[4..]), point(&CONTENT[..4]), digest, 10, |_| {});
    assert!(arriving.borrow_hash(&later).is_none(), "it begins elsewhere");
    let sha512 = Digest::of(sealift_oci::Algorithm::Sha512, CONTENT);
    assert!(arriving.borrow_hash(&verified(body(CONTENT), sha512, 10)).is_none(), "another algorithm");
    let running = arriving.borrow_hash(&verified(body(CONTENT), digest, 10)).unwrap();
    assert!(arriving.resumable().is_none(), "nobody knows the hash meanwhile");
    arriving.take_hash(&running).await.unwrap();
    assert_eq!(arriving.resumable(), Some(0));
    arriving.offset = 4;
    let other = verified_from(body(&CONTENT[4..]), point(b"012x"), digest, 10, |_| {});
    assert!(arriving.borrow_hash(&other).is_none(), "other bytes came before");
}

#[tokio::test]
async fn an_upload_that_broke_off_goes_on_with_the_hash_that_the_body_had() {
    let digest = Digest::sha256(CONTENT);
    let rest = || body(&CONTENT[8..]);
    let cases = [
        ("with the hash", verified_from(rest(), point(&CONTENT[..8]), digest, 10, |_| {}), true),
        ("without", rest(), true),
        ("with other bytes", body(b"xx"), false),
        (
            "with other bytes that are right for someone",
            {
                let other = Digest::sha256(b"01234567xx");
                verified_from(body(b"xx"), point(&CONTENT[..8]), other, 10, |_| {})
            },
            false,
        ),
    ];
    for (name, rest, is_right) in cases {
        let place = tempfile::tempdir().unwrap();
        let (_writer, target) = writer(&place).await;
        let mut upload = target.begin_upload(Some(Expected::new(digest, 10))).await.unwrap();
        let error = upload.append(verified(broken(), digest, 10)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}");
        let id = upload.id().clone();
        drop(upload);
        let mut upload = target.resume_upload(&id).await.unwrap();
        assert_eq!(upload.offset(), 8, "{name}");
        assert_eq!(upload.append(rest).await.unwrap(), 10, "{name}");
        let finished = upload.finish(&digest).await;
        assert_eq!(finished.is_ok(), is_right, "{name}");
        assert_eq!(target.stat_blob(&digest).await.unwrap().is_some(), is_right, "{name}");
    }
}

/// The piece that a body keeps back, since the whole is wrong, is in no hash.
#[tokio::test]
async fn an_upload_of_wrong_content_stands_where_the_body_stopped() {
    let place = tempfile::tempdir().unwrap();
    let (_writer, target) = writer(&place).await;
    let digest = Digest::sha256(CONTENT);
    let mut upload = target.begin_upload(Some(Expected::new(digest, 10))).await.unwrap();
    let error = upload.append(verified(body(b"01234567xx"), digest, 10)).await.unwrap_err();
    assert_eq!((error.kind(), upload.offset()), (ErrorKind::Mismatch, 8));
    assert_eq!(upload.append(body(b"89")).await.unwrap(), 10);
    upload.finish(&digest).await.unwrap();
}

/// Where bytes were hashed and not written, the hash is of no use: nothing is gone on with, and the next blob is not
/// kept waiting.
#[tokio::test]
async fn an_upload_that_could_not_be_written_is_taken_back_at_once() {
    let place = tempfile::tempdir().unwrap();
    let (_writer, target) = writer(&place).await;
    let (digest, longer) = (Digest::sha256(CONTENT), b"0123456789ab");
    let mut upload = target.begin_upload(Some(Expected::new(digest, 10))).await.unwrap();
    let too_much = verified(body(longer), Digest::sha256(longer), 12);
    assert_eq!(upload.append(too_much).await.unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(upload.append(body(CONTENT)).await.unwrap_err().kind(), ErrorKind::NotFound);
    let id = upload.id().clone();
    assert_eq!(target.resume_upload(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    put_blob(target.as_ref(), &digest, 10, body(CONTENT)).await.unwrap();
    upload.cancel().await.unwrap();
    assert_eq!(target.stat_blob(&digest).await.unwrap(), Some(10));
}
