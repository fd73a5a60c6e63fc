//! The body of a blob on its way: a stream, a piece of memory, or a file that may stay a file.

use std::fmt;
use std::io::{Seek, SeekFrom};

use bytes::{Bytes, BytesMut};
use futures_util::future;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use crate::{Error, ErrorKind, Operation, Result, RunningHash, read_pieces};

/// A stream of pieces of a blob.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// The bytes of a blob, or of its end from some offset on.
pub struct BlobBody {
    length: Option<u64>,
    content: Content,
    /// Set by who hashes the bytes on their way, as long as they are passed on unchanged.
    hashed: Option<RunningHash>,
}

enum Content {
    Bytes(Bytes),
    /// Positioned at the first byte to read; `length` bytes belong to the body.
    File(std::fs::File),
    Stream(ByteStream),
}

impl BlobBody {
    fn new(length: Option<u64>, content: Content) -> Self {
        Self { length, content, hashed: None }
    }

    /// Wraps a stream; `length` is how many bytes it will give, where that is known.
    #[must_use]
    pub fn from_stream(length: Option<u64>, stream: ByteStream) -> Self {
        Self::new(length, Content::Stream(stream))
    }

    /// Wraps the part of a file from `offset` to its end.
    ///
    /// # Errors
    /// When the file's length cannot be read.
    pub fn from_file(mut file: std::fs::File, offset: u64) -> std::io::Result<Self> {
        let end = file.seek(SeekFrom::End(0))?;
        let start = file.seek(SeekFrom::Start(offset.min(end)))?;
        Ok(Self::new(Some(end - start), Content::File(file)))
    }

    /// Returns how many bytes will come, where that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Keeps the first `limit` bytes only.
    #[must_use]
    pub fn take(self, limit: u64) -> Self {
        let length = self.length.map(|length| length.min(limit));
        let content = match self.content {
            Content::Bytes(bytes) => {
                let end = usize::try_from(limit).unwrap_or(usize::MAX).min(bytes.len());
                Content::Bytes(bytes.slice(..end))
            }
            Content::File(file) => Content::File(file),
            Content::Stream(stream) => Content::Stream(take(stream, limit)),
        };
        Self::new(length, content)
    }

    /// Leaves out the first `count` bytes.
    #[must_use]
    pub fn skip(self, count: u64) -> Self {
        if count == 0 {
            return self;
        }
        let length = self.length.map(|length| length.saturating_sub(count));
        Self::new(length, Content::Stream(skip(self.into_stream(), count)))
    }

    /// Breaks off with [`ErrorKind::Mismatch`] where the bytes end before `length`, or go on behind it.
    #[must_use]
    pub fn exactly(self, length: u64) -> Self {
        Self::new(Some(length), Content::Stream(bounded(self.into_stream(), length, length)))
    }

    /// Breaks off with [`ErrorKind::Mismatch`] where more than `limit` bytes come.
    #[must_use]
    pub fn at_most(self, limit: u64) -> Self {
        let length = self.length;
        Self::new(length, Content::Stream(bounded(self.into_stream(), 0, limit)))
    }

    /// Returns the hash that is made of all bytes of this body as they are read. Whoever has the hash of what comes
    /// before them need not make it once more.
    #[must_use]
    pub fn running_hash(&self) -> Option<&RunningHash> {
        self.hashed.as_ref()
    }

    /// Says that every byte that is read goes into `hash`.
    pub(crate) fn hashed_by(self, hash: RunningHash) -> Self {
        Self { hashed: Some(hash), ..self }
    }

    /// Puts another error in the place of the one that the body breaks off with.
    #[must_use]
    pub fn map_error(self, change: impl FnMut(Error) -> Error + Send + 'static) -> Self {
        let (length, hashed) = (self.length, self.hashed.clone());
        let stream = self.into_stream().map_err(change);
        Self { length, content: Content::Stream(stream.boxed()), hashed }
    }

    /// Shows every piece as it is read.
    #[must_use]
    pub fn inspect(self, mut show: impl FnMut(&Bytes) + Send + 'static) -> Self {
        let (length, hashed) = (self.length, self.hashed.clone());
        let stream = self.into_stream().inspect_ok(move |piece| show(piece));
        Self { length, content: Content::Stream(stream.boxed()), hashed }
    }

    /// Turns the body into a stream.
    #[must_use]
    pub fn into_stream(self) -> ByteStream {
        match self.content {
            Content::Bytes(bytes) if bytes.is_empty() => stream::empty().boxed(),
            Content::Bytes(bytes) => stream::once(async { Ok(bytes) }).boxed(),
            Content::File(file) => read_pieces(file, self.length.unwrap_or_default()),
            Content::Stream(stream) => stream,
        }
    }

    /// Reads everything into memory, at most `limit` bytes.
    ///
    /// # Errors
    /// What the stream fails with; or [`ErrorKind::Invalid`] when there are more bytes.
    pub async fn collect(self, limit: usize) -> Result<Bytes> {
        let mut stream = self.into_stream();
        let mut all = BytesMut::new();
        while let Some(piece) = stream.try_next().await? {
            if all.len() + piece.len() > limit {
                return Err(Error::new(ErrorKind::Invalid, Operation::FetchBlob)
                    .because(format_args!("it has more than {limit} bytes")));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

impl From<Bytes> for BlobBody {
    fn from(bytes: Bytes) -> Self {
        Self::new(Some(bytes.len() as u64), Content::Bytes(bytes))
    }
}

impl fmt::Debug for BlobBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobBody").field("length", &self.length).finish_non_exhaustive()
    }
}

fn take(stream: ByteStream, limit: u64) -> ByteStream {
    stream
        .scan(limit, |left, piece| {
            let cut = piece.map(|bytes| {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= length as u64;
                bytes.slice(..length)
            });
            let is_end = matches!(&cut, Ok(bytes) if bytes.is_empty());
            async move { (!is_end).then_some(cut) }
        })
        .boxed()
}

fn bounded(stream: ByteStream, least: u64, most: u64) -> ByteStream {
    let wrong = || Error::new(ErrorKind::Mismatch, Operation::PushBlob);
    let pieces = stream::try_unfold((stream, 0), move |(mut stream, seen)| async move {
        match stream.try_next().await? {
            Some(piece) => {
                let seen = piece.len() as u64 + seen;
                let is_fine = seen <= most;
                if is_fine {
                    Ok(Some((piece, (stream, seen))))
                } else {
                    Err(wrong().because("more bytes came than may"))
                }
            }
            None if seen < least => Err(wrong().because("fewer bytes came than were told")),
            None => Ok(None),
        }
    });
    pieces.boxed()
}

fn skip(stream: ByteStream, count: u64) -> ByteStream {
    let rest = stream.scan(count, |left, piece| {
        let piece = piece.map(|mut bytes: Bytes| {
            let cut = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            *left -= cut as u64;
            bytes.split_off(cut)
        });
        future::ready(Some(piece))
    });
    rest.filter(|piece| future::ready(!matches!(piece, Ok(bytes) if bytes.is_empty()))).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn bodies(content: &'static [u8], offset: usize) -> Vec<BlobBody> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let tail = &content[offset..];
        let pieces = tail.chunks(3).map(|piece| Ok(Bytes::from_static(piece))).collect::<Vec<_>>();
        vec![
            BlobBody::from_file(file, offset as u64).unwrap(),
            BlobBody::from(Bytes::from_static(tail)),
            BlobBody::from_stream(Some(tail.len() as u64), stream::iter(pieces).boxed()),
        ]
    }

    #[tokio::test]
    async fn every_kind_of_body_gives_the_same_bytes() {
        for body in bodies(b"0123456789", 4) {
            assert_eq!(body.length(), Some(6));
            assert_eq!(body.collect(6).await.unwrap(), &b"456789"[..]);
        }
        for body in bodies(b"0123456789", 4) {
            let body = body.take(4);
            assert_eq!(body.length(), Some(4));
            assert_eq!(body.collect(100).await.unwrap(), &b"4567"[..]);
        }
        for (count, rest) in [(0, &b"456789"[..]), (1, b"56789"), (4, b"89"), (6, b""), (9, b"")] {
            for body in bodies(b"0123456789", 4) {
                let body = body.skip(count);
                assert_eq!(body.length(), Some(rest.len() as u64));
                assert_eq!(body.collect(100).await.unwrap(), rest);
            }
        }
        for body in bodies(b"0123", 4) {
            assert_eq!(body.collect(0).await.unwrap(), &b""[..]);
        }
    }

    #[tokio::test]
    async fn more_than_the_limit_is_an_error() {
        for body in bodies(b"0123456789", 0) {
            assert_eq!(body.collect(9).await.unwrap_err().kind(), ErrorKind::Invalid);
        }
    }

    #[tokio::test]
    async fn a_body_that_lies_about_its_length_is_found_out() {
        for (length, expected) in [
            (6, None),
            (5, Some(ErrorKind::Mismatch)),
            (7, Some(ErrorKind::Mismatch)),
            (0, Some(ErrorKind::Mismatch)),
        ] {
            for body in bodies(b"0123456789", 4) {
                let body = body.exactly(length);
                assert_eq!(body.length(), Some(length));
                assert_eq!(body.collect(100).await.map_err(|error| error.kind()).err(), expected, "{length}");
            }
            for body in bodies(b"0123456789", 4) {
                let expected = expected.filter(|_| length < 6);
                let read = body.at_most(length).collect(100).await;
                assert_eq!(read.map_err(|error| error.kind()).err(), expected, "{length}");
            }
        }
    }
}
