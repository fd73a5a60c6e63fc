//! Opening a sealed entry from any of its plain bytes on.

use std::collections::VecDeque;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;

use age::stream::StreamReader;
use age::x25519::Identity;
use age::{DecryptError, Decryptor};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use sealift_store::{BlobBody, ByteStream, Error, ErrorKind, FILE_CHUNK, Operation};
use tokio::task::{JoinHandle, spawn_blocking};

use super::BundleKey;
use super::layout::{plain_size, read_header};

/// The largest header of an entry that is read, in bytes. One recipient takes some hundred.
const HEADER_LIMIT: u64 = 4096;
/// How much is read ahead for the sake of the header, in bytes. Chunks are larger, and so they are read past this room
/// to where they are opened: more of it would be one more copy of every byte.
const HEADER_ROOM: usize = 1024;

/// Opens the entries of a bundle.
#[derive(Clone, Debug)]
pub struct Opener {
    key: Arc<BundleKey>,
}

impl Opener {
    /// Makes an opener for what is sealed to the key.
    #[must_use]
    pub fn new(key: BundleKey) -> Self {
        Self { key: Arc::new(key) }
    }

    /// Opens an entry, whose sealed bytes are all that `entry` has, from the plain byte `offset` on. It is read off the async
    /// threads, and one piece ahead of who takes them. Place and object are for the caller to add to errors.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] where it is no age file or ends before `offset`; [`ErrorKind::Mismatch`] where it does
    /// not fit the key; what reading fails with. The body fails with [`ErrorKind::Mismatch`] where it was altered or cut.
    pub async fn open<R>(&self, entry: R, offset: u64) -> Result<BlobBody, Error>
    where
        R: Read + Seek + Send + 'static,
    {
        let key = Arc::clone(&self.key);
        let opened = spawn_blocking(move || open(&key.0, entry, offset)).await.map_err(died)?;
        let (reader, size) = opened.map_err(|error| error.into_store())?;
        let pieces = Pieces { next: next_piece(PieceReader::new(reader)), at: offset };
        Ok(BlobBody::from_stream(Some(size - offset), pieces.into_stream()))
    }
}

/// Why an entry does not open.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("it is no age file")]
    NotAge,
    #[error("it does not open with the bundle's key: it was altered, or belongs to another bundle")]
    OtherKey,
    #[error("it has {0} bytes and none at {1}")]
    Beyond(u64, u64),
    #[error("its encryption does not fit: it was altered or cut")]
    Altered,
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl OpenError {
    fn into_store(self) -> Error {
        let kind = match self {
            Self::NotAge | Self::Beyond(..) => ErrorKind::Invalid,
            Self::OtherKey | Self::Altered => ErrorKind::Mismatch,
            Self::Io(error) => return Error::io(Operation::FetchBlob, error),
        };
        Error::new(kind, Operation::FetchBlob).because(self)
    }
}

/// Opens an entry, and returns how many plain bytes it has from its first one on.
pub(super) fn open<R: Read + Seek>(
    key: &Identity,
    mut entry: R,
    offset: u64,
) -> Result<(StreamReader<BufReader<R>>, u64), OpenError> {
    let end = entry.seek(SeekFrom::End(0))?;
    entry.rewind()?;
    let mut entry = BufReader::with_capacity(HEADER_ROOM, entry);
    let header = read_header(&mut entry, HEADER_LIMIT)?.ok_or(OpenError::NotAge)?.len();
    let size = end.checked_sub(header as u64).and_then(plain_size).ok_or(OpenError::Altered)?;
    // age's reader would break down there.
    if offset > size {
        return Err(OpenError::Beyond(size, offset));
    }
    // A header is short.
    entry.seek_relative(-(header as i64))?;
    let decryptor = Decryptor::new_buffered(entry).map_err(|_| OpenError::NotAge)?;
    let mut reader = decryptor.decrypt(std::iter::once(key as _)).map_err(refused)?;
    if offset > 0 {
        reader
            .seek(SeekFrom::Start(offset))
            .map_err(|error| if is_altered(&error) { OpenError::Altered } else { OpenError::Io(error) })?;
    }
    Ok((reader, size))
}

/// Opens an entry that cannot be read twice.
pub(super) fn stream<R: Read>(key: &Identity, entry: R) -> Result<impl Read, OpenError> {
    let mut entry = BufReader::with_capacity(HEADER_ROOM, entry);
    let header = read_header(&mut entry, HEADER_LIMIT)?.ok_or(OpenError::NotAge)?;
    let decryptor =
        Decryptor::new_buffered(Cursor::new(header).chain(entry)).map_err(|_| OpenError::NotAge)?;
    decryptor.decrypt(std::iter::once(key as _)).map_err(refused)
}

fn refused(error: DecryptError) -> OpenError {
    match error {
        DecryptError::Io(error) => OpenError::Io(error),
        _ => OpenError::OtherKey,
    }
}

/// Tells what age says of content from what the file system says.
fn is_altered(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// How many pieces are on their way at once: one that is read, and those that its reader still holds. Fresh memory for
/// each piece would cost more than what is read.
const BUFFERS: usize = 4;

/// Reads pieces, each into the memory of one that is gone by then.
struct PieceReader<R> {
    reader: R,
    buffers: VecDeque<BytesMut>,
}

impl<R: Read> PieceReader<R> {
    fn new(reader: R) -> Self {
        Self { reader, buffers: VecDeque::from(vec![BytesMut::new(); BUFFERS]) }
    }

    /// Reads a piece, which is short at the end only.
    fn read(&mut self) -> io::Result<Bytes> {
        let mut buffer = self.buffers.pop_front().unwrap_or_default();
        // This takes the buffer's own memory again unless somebody holds what was in it.
        buffer.resize(FILE_CHUNK, 0);
        let mut filled = 0;
        while filled < FILE_CHUNK {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let piece = buffer.split_to(filled).freeze();
        buffer.clear();
        self.buffers.push_back(buffer);
        Ok(piece)
    }
}

/// A piece that is being read, and what the next one is read with.
type Reading<R> = JoinHandle<(io::Result<Bytes>, PieceReader<R>)>;

/// Reads one piece; no thread is held between pieces, so that who takes them slowly costs nothing.
fn next_piece<R: Read + Send + 'static>(mut reader: PieceReader<R>) -> Reading<R> {
    spawn_blocking(move || (reader.read(), reader))
}

struct Pieces<R> {
    next: Reading<R>,
    /// Where the next piece begins, for messages.
    at: u64,
}

impl<R: Read + Send + 'static> Pieces<R> {
    fn into_stream(self) -> ByteStream {
        stream::try_unfold(Some(self), |pieces| async move {
            let Some(Self { next, at }) = pieces else { return Ok(None) };
            let (piece, reader) = next.await.map_err(died)?;
            let piece = piece.map_err(|error| failed(error, at))?;
            if piece.is_empty() {
                return Ok(None);
            }
            let at = at + piece.len() as u64;
            // A short piece is the last one: the end was found, and checked.
            let rest = (piece.len() == FILE_CHUNK).then(|| Self { next: next_piece(reader), at });
            Ok(Some((piece, rest)))
        })
        .boxed()
    }
}

fn failed(error: io::Error, at: u64) -> Error {
    if !is_altered(&error) {
        return Error::io(Operation::FetchBlob, error);
    }
    let reason = format_args!("its encryption does not fit behind byte {at}: it was altered or cut");
    Error::new(ErrorKind::Mismatch, Operation::FetchBlob).because(reason).caused_by(error)
}

fn died(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Io, Operation::FetchBlob).caused_by(error)
}
