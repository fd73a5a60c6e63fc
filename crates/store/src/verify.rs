//! Verification: no content from outside becomes visible before its digest and its size were checked.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sealift_oci::{Algorithm, Digest, Hasher};

use crate::{BlobBody, ByteStream, Error, ErrorKind, Expected, Operation, Result, Target, lock};

/// How far a blob was hashed, and what came of it: enough to go on from there.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// How many bytes were hashed.
    pub offset: u64,
    /// The state of the hash behind them.
    pub hasher: Hasher,
}

impl Checkpoint {
    /// Stands before the first byte of a blob.
    #[must_use]
    pub fn start(algorithm: Algorithm) -> Self {
        Self { offset: 0, hasher: Hasher::new(algorithm) }
    }
}

/// The hash of a body that is being read: who writes the bytes to this machine's own disk takes it over, in place of
/// making it a second time.
#[derive(Clone, Debug)]
pub struct RunningHash(Arc<Mutex<Checkpoint>>);

impl RunningHash {
    fn new(from: Checkpoint) -> Self {
        Self(Arc::new(Mutex::new(from)))
    }

    /// Returns how it stands behind what was read so far.
    #[must_use]
    pub fn now(&self) -> Checkpoint {
        lock(&self.0).clone()
    }
}

/// Hashes a body as it streams by, from its first byte on. The stream ends with an error where the bytes
/// are not the `size` bytes that `digest` promises, and never gives more than `size` bytes.
#[must_use]
pub fn verified(body: BlobBody, digest: Digest, size: u64) -> BlobBody {
    verified_from(body, Checkpoint::start(digest.algorithm()), digest, size, |_| {})
}

/// As [`verified`], for a body that goes on where `from` stands. `passed` is told after every piece how far
/// the hash has come.
#[must_use]
pub fn verified_from(
    body: BlobBody,
    from: Checkpoint,
    digest: Digest,
    size: u64,
    passed: impl FnMut(&Checkpoint) + Send + 'static,
) -> BlobBody {
    let length = size.saturating_sub(from.offset);
    let hash = RunningHash::new(from.clone());
    let state = Check { stream: body.into_stream(), point: from, shared: hash.clone(), passed };
    let stream = stream::try_unfold(Some(state), move |state| next(state, digest, size));
    BlobBody::from_stream(Some(length), stream.boxed()).hashed_by(hash)
}

struct Check<P> {
    stream: ByteStream,
    point: Checkpoint,
    /// How the hash stands behind the pieces that were given.
    shared: RunningHash,
    passed: P,
}

async fn next<P: FnMut(&Checkpoint)>(
    state: Option<Check<P>>,
    digest: Digest,
    size: u64,
) -> Result<Option<(Bytes, Option<Check<P>>)>> {
    let Some(mut check) = state else { return Ok(None) };
    let piece = loop {
        match check.stream.try_next().await? {
            Some(piece) if piece.is_empty() => {}
            Some(piece) => break piece,
            None if check.point.offset < size => return Err(wrong_size(digest, size, check.point.offset)),
            None => return finished(check.point.hasher, digest),
        }
    };
    check.point.offset += piece.len() as u64;
    if check.point.offset > size {
        return Err(wrong_size(digest, size, check.point.offset));
    }
    check.point.hasher.update(&piece);
    (check.passed)(&check.point);
    if check.point.offset < size {
        check.share();
        return Ok(Some((piece, Some(check))));
    }
    // The last piece is given only when the whole is right and nothing follows it.
    while let Some(extra) = check.stream.try_next().await? {
        if !extra.is_empty() {
            return Err(wrong_size(digest, size, size + extra.len() as u64));
        }
    }
    finished::<()>(check.point.hasher.clone(), digest)?;
    check.share();
    Ok(Some((piece, None)))
}

impl<P> Check<P> {
    fn share(&self) {
        *lock(&self.shared.0) = self.point.clone();
    }
}

fn finished<T>(hasher: Hasher, digest: Digest) -> Result<Option<T>> {
    let actual = hasher.finish();
    if actual == digest {
        return Ok(None);
    }
    Err(mismatch(digest, format_args!("its bytes have the digest {actual}, not {digest}")))
}

fn wrong_size(digest: Digest, expected: u64, actual: u64) -> Error {
    let more = if actual > expected { "at least " } else { "" };
    mismatch(digest, format_args!("it has {more}{actual} bytes where {expected} were announced"))
}

fn mismatch(digest: Digest, reason: std::fmt::Arguments<'_>) -> Error {
    Error::new(ErrorKind::Mismatch, Operation::FetchBlob).object(digest).because(reason)
}

/// Writes one blob, whole: begins an upload, appends the verified body and finishes it. Where that fails
/// the upload is cancelled.
///
/// # Errors
/// What the body or the target fails with.
pub async fn put_blob(target: &dyn Target, digest: &Digest, size: u64, body: BlobBody) -> Result<()> {
    let mut upload = target.begin_upload(Some(Expected::new(*digest, size))).await?;
    match upload.append(verified(body, *digest, size)).await {
        Ok(_) => upload.finish(digest).await,
        Err(error) => {
            // The first error tells more than one of the cleaning up.
            let _ = upload.cancel().await;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(content: &'static [u8], digest: Digest, size: u64) -> Result<Bytes> {
        let pieces: Vec<_> = content.chunks(4).map(|piece| Ok(Bytes::from_static(piece))).collect();
        let body = BlobBody::from_stream(None, stream::iter(pieces).boxed());
        verified(body, digest, size).collect(1000).await
    }

    #[tokio::test]
    async fn right_content_passes() {
        for content in [&b""[..], b"x", b"0123", b"0123456789"] {
            let read = read(content, Digest::sha256(content), content.len() as u64).await;
            assert_eq!(read.unwrap(), content);
        }
    }

    #[tokio::test]
    async fn wrong_content_never_ends_well() {
        let digest = Digest::sha256(b"0123456789");
        for (content, size) in [
            (&b"0123456780"[..], 10),
            (b"012345678", 10),
            (b"01234567890", 10),
            (b"", 10),
            (b"0123456789", 9),
        ] {
            let error = read(content, digest, size).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Mismatch, "{content:?}");
        }
        let error = read(b"", digest, 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
    }

    #[tokio::test]
    async fn verifying_goes_on_from_a_checkpoint() {
        let (content, points) = (&b"0123456789"[..], std::sync::Arc::new(std::sync::Mutex::new(Vec::new())));
        let (digest, start) = (Digest::sha256(content), Checkpoint::start(Algorithm::Sha256));
        let noted = std::sync::Arc::clone(&points);
        let note = move |point: &Checkpoint| noted.lock().unwrap().push(point.clone());
        let pieces: Vec<_> = content.chunks(4).map(|piece| Ok(Bytes::from_static(piece))).collect();
        let body = BlobBody::from_stream(None, stream::iter(pieces).boxed());
        verified_from(body, start, digest, 10, note).collect(10).await.unwrap();
        let points = points.lock().unwrap().clone();
        assert_eq!(points.iter().map(|point| point.offset).collect::<Vec<_>>(), [4, 8, 10]);
        for (tail, is_right) in [(&b"89"[..], true), (b"88", false), (b"8", false)] {
            let body = BlobBody::from(Bytes::from_static(tail));
            let rest = verified_from(body, points[1].clone(), digest, 10, |_| {});
            assert_eq!(rest.length(), Some(2));
            assert_eq!(rest.collect(10).await.is_ok(), is_right, "{tail:?}");
        }
    }

    /// What is left out of a body or lost on its way is in no hash that its reader could take over.
    #[tokio::test]
    async fn the_running_hash_is_that_of_what_was_read() {
        let content = &b"0123456789"[..];
        let body = || {
            let pieces: Vec<_> = content.chunks(4).map(|piece| Ok(Bytes::from_static(piece))).collect();
            verified(BlobBody::from_stream(None, stream::iter(pieces).boxed()), Digest::sha256(content), 10)
        };
        let loose = |body: BlobBody| BlobBody::from_stream(body.length(), body.into_stream());
        let cases = [
            (body(), true),
            (body().skip(0).map_error(|error| error).inspect(|_| {}), true),
            (body().skip(1), false),
            (body().take(9), false),
            (loose(body()), false),
        ];
        for (number, (body, is_kept)) in cases.into_iter().enumerate() {
            assert_eq!(body.running_hash().is_some(), is_kept, "{number}");
        }
        let body = body();
        let hash = body.running_hash().unwrap().clone();
        let mut stream = body.into_stream();
        for read in [0, 4, 8, 10] {
            let now = hash.now();
            assert_eq!((now.offset, now.hasher.finish()), (read as u64, Digest::sha256(&content[..read])));
            let _ = stream.try_next().await.unwrap();
        }
    }

    /// The last piece of wrong content is not given, so it is not in the hash either.
    #[tokio::test]
    async fn the_running_hash_stops_before_a_piece_that_is_kept_back() {
        let pieces = [Ok(Bytes::from_static(b"0123")), Ok(Bytes::from_static(b"4567"))];
        let body = BlobBody::from_stream(None, stream::iter(pieces).boxed());
        let body = verified(body, Digest::sha256(b"01234568"), 8);
        let hash = body.running_hash().unwrap().clone();
        body.collect(8).await.unwrap_err();
        assert_eq!(hash.now().offset, 4);
    }

    #[tokio::test]
    async fn the_last_piece_waits_for_the_verdict() {
        let body = BlobBody::from(Bytes::from_static(b"wrong"));
        let mut stream = verified(body, Digest::sha256(b"right"), 5).into_stream();
        assert!(stream.try_next().await.is_err());
    }
}
