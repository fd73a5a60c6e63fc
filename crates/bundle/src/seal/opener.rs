//! Opening a sealed entry from any of its plain bytes on.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use age::x25519::Identity;
use bytes::Bytes;
use sealift_store::{BlobBody, Error, ErrorKind, Operation, PieceMemory};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::BundleKey;
use super::lanes::{LANES, Lanes, WORTH_A_LANE};
use super::layout::{CHUNK, SEALED_CHUNK, chunk_count, chunks_size, plain_size, read_header};
use super::payload::Payload;

/// The largest header of an entry that is read, in bytes. One recipient takes some hundred.
const HEADER_LIMIT: u64 = 4096;
/// How much is read ahead for the sake of the header, in bytes. Chunks are larger, and so they are read past this room
/// to where they are opened: more of it would be one more copy of every byte.
const HEADER_ROOM: usize = 1024;

/// Opens the entries of a bundle. Clones share the threads that they may use.
#[derive(Clone, Debug)]
pub struct Opener {
    key: Arc<BundleKey>,
    /// How many lanes may be opened beside the one that each entry has.
    spare_lanes: Arc<Semaphore>,
}

impl Opener {
    /// Makes an opener for what is sealed to the key, which keeps that many threads busy even where a single entry is read.
    #[must_use]
    pub fn new(key: BundleKey, threads: usize) -> Self {
        let spare = threads.saturating_sub(1).min(Semaphore::MAX_PERMITS);
        Self { key: Arc::new(key), spare_lanes: Arc::new(Semaphore::new(spare)) }
    }

    /// Returns how many lanes nobody uses.
    #[cfg(test)]
    pub(super) fn spare_lanes(&self) -> usize {
        self.spare_lanes.available_permits()
    }

    /// Opens an entry, whose sealed bytes are all that `entry` has, from the plain byte `offset` on. It is read off the async
    /// threads, and one piece in each lane ahead of who takes them. Place and object are for the caller to add to errors.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] where it is no age file or ends before `offset`; [`ErrorKind::Mismatch`] where it does
    /// not fit the key; what reading fails with. The body fails with [`ErrorKind::Mismatch`] where it was altered or cut.
    pub async fn open<R>(&self, mut entry: R, offset: u64) -> Result<BlobBody, Error>
    where
        R: Read + Seek + Clone + Send + 'static,
    {
        let key = Arc::clone(&self.key);
        let open = move || Opened::sought(&key.0, &mut entry).map(|opened| (opened, entry));
        let (opened, entry) = spawn_blocking(open).await.map_err(died)?.map_err(OpenError::into_store)?;
        let length = opened.size.checked_sub(offset);
        let length = length.ok_or_else(|| OpenError::Beyond(opened.size, offset).into_store())?;
        let permits = self.lanes_beside(length);
        Ok(BlobBody::from_stream(Some(length), Lanes::new(opened, entry, offset, permits).into_stream()))
    }

    /// Takes as many lanes as are free and worth it.
    fn lanes_beside(&self, length: u64) -> Vec<OwnedSemaphorePermit> {
        let most = if length < WORTH_A_LANE { 0 } else { LANES - 1 };
        // Where all are taken, others keep the threads busy.
        (0..most).map_while(|_| Arc::clone(&self.spare_lanes).try_acquire_owned().ok()).collect()
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
    #[error("it has {0} bytes, and at most {1} are read")]
    TooLarge(u64, u64),
    #[error("its encryption does not fit: it was altered or cut")]
    Altered,
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl OpenError {
    fn into_store(self) -> Error {
        let kind = match self {
            Self::NotAge | Self::Beyond(..) | Self::TooLarge(..) => ErrorKind::Invalid,
            Self::OtherKey | Self::Altered => ErrorKind::Mismatch,
            Self::Io(error) => return Error::io(Operation::FetchBlob, error),
        };
        Error::new(kind, Operation::FetchBlob).because(self)
    }
}

/// An entry whose header was read.
pub(super) struct Opened {
    payload: Payload,
    /// Where its chunks begin.
    start: u64,
    /// How many plain bytes it has.
    pub(super) size: u64,
}

impl Opened {
    /// Opens an entry of `length` bytes whose header and nonce are `head`.
    fn new(key: &Identity, head: &[u8], length: u64) -> Result<Self, OpenError> {
        let start = head.len() as u64;
        let size = length.checked_sub(start).and_then(plain_size).ok_or(OpenError::Altered)?;
        Ok(Self { payload: Payload::unwrap(key, head)?, start, size })
    }

    /// Opens an entry that is all that `entry` has.
    fn sought<R: Read + Seek>(key: &Identity, entry: &mut R) -> Result<Self, OpenError> {
        let length = entry.seek(SeekFrom::End(0))?;
        entry.rewind()?;
        Self::new(key, &head_of(&mut BufReader::with_capacity(HEADER_ROOM, entry))?, length)
    }

    /// Returns the number of chunks.
    fn count(&self) -> u64 {
        chunk_count(self.size)
    }

    /// Reads the plain bytes of a range, which ends where a chunk does. The chunk behind which nothing comes must be sealed
    /// as the last one; where the range is empty, that is all that is found out.
    pub(super) fn read<R: Read + Seek>(
        &self,
        entry: &mut R,
        memory: &PieceMemory,
        range: Range<u64>,
    ) -> io::Result<Bytes> {
        let first = (range.start / CHUNK).min(self.count() - 1);
        let begin = first * CHUNK;
        let room = chunks_size(range.end - begin);
        // Ranges are pieces.
        let (skip, room) = ((range.start - begin) as usize, room as usize);
        entry.seek(SeekFrom::Start(self.start + first * SEALED_CHUNK as u64))?;
        memory.fill(room, |chunks| {
            entry.read_exact(chunks)?;
            let plain = self.payload.open(first, self.count(), chunks)?;
            Ok(skip..plain)
        })
    }
}

/// Reads the header and the nonce of an entry.
fn head_of(entry: &mut impl BufRead) -> Result<Vec<u8>, OpenError> {
    read_header(entry, HEADER_LIMIT)?.ok_or(OpenError::NotAge)
}

/// Opens an entry that is in memory, if it has at most `limit` plain bytes.
pub(super) fn open_whole(key: &Identity, sealed: &[u8], limit: u64) -> Result<Vec<u8>, OpenError> {
    let mut chunks = sealed;
    let opened = Opened::new(key, &head_of(&mut chunks)?, sealed.len() as u64)?;
    if opened.size > limit {
        return Err(OpenError::TooLarge(opened.size, limit));
    }
    let mut plain = chunks.to_vec();
    let size = opened.payload.open(0, opened.count(), &mut plain).map_err(|_| OpenError::Altered)?;
    plain.truncate(size);
    Ok(plain)
}

/// An entry that cannot be read twice, from its first byte to its last.
pub(crate) struct OpenedStream<R> {
    opened: Opened,
    entry: BufReader<R>,
    /// The number of the next chunk.
    next: u64,
    chunk: Vec<u8>,
}

impl<R: Read> OpenedStream<R> {
    /// Opens an entry that has `length` bytes sealed.
    pub(super) fn new(key: &Identity, entry: R, length: u64) -> Result<Self, OpenError> {
        let mut entry = BufReader::with_capacity(HEADER_ROOM, entry);
        let opened = Opened::new(key, &head_of(&mut entry)?, length)?;
        Ok(Self { opened, entry, next: 0, chunk: vec![0; SEALED_CHUNK] })
    }

    /// Returns how many plain bytes it has.
    pub(crate) fn size(&self) -> u64 {
        self.opened.size
    }

    /// Returns the plain bytes that come next; nothing behind the last ones.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let Self { opened, entry, next, chunk } = self;
        if *next == opened.count() {
            return Ok(None);
        }
        let left = chunks_size(opened.size - *next * CHUNK);
        let chunk = &mut chunk[..usize::try_from(left).unwrap_or(SEALED_CHUNK).min(SEALED_CHUNK)];
        entry.read_exact(chunk)?;
        let plain = opened.payload.open(*next, opened.count(), chunk)?;
        *next += 1;
        Ok(Some(&chunk[..plain]))
    }
}

/// Tells what is wrong with content from what the file system says.
fn is_altered(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

pub(super) fn failed(error: io::Error, at: u64) -> Error {
    if !is_altered(&error) {
        return Error::io(Operation::FetchBlob, error);
    }
    let reason = format_args!("its encryption does not fit behind byte {at}: it was altered or cut");
    Error::new(ErrorKind::Mismatch, Operation::FetchBlob).because(reason).caused_by(error)
}

pub(super) fn died(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Io, Operation::FetchBlob).caused_by(error)
}
