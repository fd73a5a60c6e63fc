//! What a reader gives, as a stream: read on a thread that may block, one piece ahead of who takes them, into memory
//! that is used again when a piece was let go. Fresh memory costs as much as the bytes that are put into it.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{ByteStream, Error, ErrorKind, Operation, Result, lock};

/// How much is read of a file at once, in bytes: large enough that system calls do not count, and small enough that what
/// many clients are sent at the same time does not leave the processor's cache before it is sent.
pub const FILE_CHUNK: usize = 128 * 1024;
/// How much it is while few streams are under way: then the cache has room for it, and what counts is how often one thread
/// waits for another.
const LARGE_CHUNK: usize = 2 * FILE_CHUNK;
/// How many streams are few.
const FEW: usize = 4;

/// How many streams of this process are under way.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Memory for pieces, which is used again when a piece was let go. There is never more of it than was under way at once.
/// Clones are the same memory.
#[derive(Clone, Debug, Default)]
pub struct PieceMemory(Arc<Mutex<Vec<Vec<u8>>>>);

impl PieceMemory {
    /// Reads a piece of `wanted` bytes, or of what is left.
    ///
    /// # Errors
    /// What reading fails with.
    fn read(&self, reader: &mut impl Read, wanted: usize) -> io::Result<Bytes> {
        self.fill(wanted, |room| {
            let mut filled = 0;
            while filled < room.len() {
                match reader.read(&mut room[filled..]) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(0..filled)
        })
    }

    /// Has a piece made in `room` bytes, in which anything may stand; `fill` says where in them the piece lies.
    ///
    /// # Errors
    /// What `fill` fails with.
    pub fn fill<E>(
        &self,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> std::result::Result<Range<usize>, E>,
    ) -> std::result::Result<Bytes, E> {
        let memory = lock(&self.0).pop().unwrap_or_default();
        let mut piece = Piece { memory, filled: 0..0, spare: self.clone() };
        if piece.memory.len() < room {
            piece.memory = vec![0; room];
        }
        piece.filled = fill(&mut piece.memory[..room])?;
        Ok(Bytes::from_owner(piece))
    }
}

/// Streams what a reader gives, at most `length` bytes.
#[must_use]
pub fn read_pieces<R: Read + Send + 'static>(reader: R, length: u64) -> ByteStream {
    let reading = Reading { reader, left: length, memory: PieceMemory::default(), _counted: Counted::new() };
    stream::try_unfold(State::Fresh(reading), |state| async move {
        let reading = match state {
            State::Fresh(reading) => reading.ahead(),
            State::Ahead(reading) => reading,
            State::Done => return Ok(None),
        };
        let died = |error| Error::new(ErrorKind::Io, Operation::FetchBlob).caused_by(error);
        let (piece, reading) = reading.await.map_err(died)??;
        if piece.is_empty() {
            return Ok(None);
        }
        let next = if reading.left > 0 { State::Ahead(reading.ahead()) } else { State::Done };
        Ok(Some((piece, next)))
    })
    .boxed()
}

enum State<R> {
    /// Nothing is read before somebody asks.
    Fresh(Reading<R>),
    Ahead(JoinHandle<Result<(Bytes, Reading<R>)>>),
    Done,
}

struct Reading<R> {
    reader: R,
    left: u64,
    memory: PieceMemory,
    _counted: Counted,
}

/// A stream, as long as it is under way.
struct Counted;

impl Counted {
    fn new() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns how much to read now.
fn chunk() -> usize {
    if UNDER_WAY.load(Ordering::Relaxed) <= FEW { LARGE_CHUNK } else { FILE_CHUNK }
}

impl<R: Read + Send + 'static> Reading<R> {
    /// Begins to read the next piece.
    fn ahead(mut self) -> JoinHandle<Result<(Bytes, Self)>> {
        spawn_blocking(move || {
            let piece = self.read().map_err(|error| Error::io(Operation::FetchBlob, error))?;
            Ok((piece, self))
        })
    }

    /// Reads a whole piece, or what is left.
    fn read(&mut self) -> io::Result<Bytes> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(chunk());
        let piece = self.memory.read(&mut self.reader, wanted)?;
        self.left = if piece.len() < wanted { 0 } else { self.left - wanted as u64 };
        Ok(piece)
    }
}

/// A piece on its way, which gives its memory back.
struct Piece {
    memory: Vec<u8>,
    filled: Range<usize>,
    spare: PieceMemory,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.filled.clone()]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        lock(&self.spare.0).push(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;

    /// A reader that gives no more than a few bytes at once.
    struct Slow<R>(R, usize);

    impl<R: Read> Read for Slow<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order() {
        let content: Vec<u8> = (0..3 * LARGE_CHUNK + 77).map(|at| (at % 251) as u8).collect();
        for (length, step) in [
            (0, 9),
            (1, 9),
            (FILE_CHUNK, 1000),
            (LARGE_CHUNK, 1000),
            (2 * LARGE_CHUNK + 5, 100_000),
            (content.len() + 9, usize::MAX),
        ] {
            let reader = Slow(io::Cursor::new(content.clone()), step);
            let mut stream = read_pieces(reader, length as u64);
            let mut all = Vec::new();
            while let Some(piece) = stream.try_next().await.unwrap() {
                assert!(!piece.is_empty() && piece.len() <= LARGE_CHUNK);
                all.extend_from_slice(&piece);
            }
            assert!(all == content[..length.min(content.len())], "{length}");
        }
    }

    /// Whoever keeps all pieces keeps the bytes, too.
    #[tokio::test]
    async fn memory_is_used_again_only_when_it_was_let_go() {
        let content: Vec<u8> = (0..8 * FILE_CHUNK).map(|at| (at / FILE_CHUNK) as u8).collect();
        let kept: Vec<Bytes> =
            read_pieces(io::Cursor::new(content.clone()), u64::MAX).try_collect().await.unwrap();
        assert!(kept.concat() == content);
        let mut places = std::collections::BTreeSet::new();
        let mut stream = read_pieces(io::Cursor::new(content), u64::MAX);
        while let Some(piece) = stream.try_next().await.unwrap() {
            places.insert(piece.as_ptr() as usize);
        }
        assert!(places.len() <= 3, "{places:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_an_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::PermissionDenied.into())
            }
        }
        let error = read_pieces(Broken, 5).try_next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
    }
}
