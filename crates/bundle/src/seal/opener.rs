//! Opening a sealed entry from any of its plain bytes on.

use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;

use age::stream::StreamReader;
use age::x25519::Identity;
use age::{DecryptError, Decryptor};
use sealift_store::{BlobBody, Error, ErrorKind, Operation};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::BundleKey;
use super::lanes::{LANES, Lanes, WORTH_A_LANE};
use super::layout::{plain_size, read_header};

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
    pub async fn open<R>(&self, entry: R, offset: u64) -> Result<BlobBody, Error>
    where
        R: Read + Seek + Clone + Send + 'static,
    {
        let opener = self.clone();
        let opened = spawn_blocking(move || opener.open_lanes(entry, offset)).await.map_err(died)?;
        let (lanes, length) = opened.map_err(|error| error.into_store())?;
        Ok(BlobBody::from_stream(Some(length), lanes.into_stream()))
    }

    /// Opens an entry in as many lanes as are free, and returns how many bytes will come.
    fn open_lanes<R>(&self, entry: R, offset: u64) -> Result<(Lanes<R>, u64), OpenError>
    where
        R: Read + Seek + Clone + Send + 'static,
    {
        let (reader, size) = open(&self.key.0, entry.clone(), offset)?;
        let mut lanes = Lanes::new(reader, offset, size);
        while lanes.count() < LANES && size - offset >= WORTH_A_LANE {
            // Where all are taken, others keep the threads busy.
            let Ok(permit) = Arc::clone(&self.spare_lanes).try_acquire_owned() else { break };
            let (reader, _) = open(&self.key.0, entry.clone(), 0)?;
            lanes.add(reader, permit);
        }
        Ok((lanes.ready()?, size - offset))
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

/// An entry that is read.
pub(super) type Sealed<R> = StreamReader<BufReader<R>>;

/// Opens an entry, and returns how many plain bytes it has from its first one on.
pub(super) fn open<R: Read + Seek>(
    key: &Identity,
    mut entry: R,
    offset: u64,
) -> Result<(Sealed<R>, u64), OpenError> {
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
        reader.seek(SeekFrom::Start(offset)).map_err(not_sought)?;
    }
    Ok((reader, size))
}

/// Where age seeks, it also proves the end.
pub(super) fn not_sought(error: io::Error) -> OpenError {
    if is_altered(&error) { OpenError::Altered } else { OpenError::Io(error) }
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
