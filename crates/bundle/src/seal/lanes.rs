//! An entry that is opened in several lanes: each opens every so many-th piece on a thread of its own, and the pieces are
//! handed over in their order. One processor opens less than a disk or a line gives.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_store::{ByteStream, FILE_CHUNK, PieceMemory};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};

use super::opener::{OpenError, Sealed, died, failed, not_sought};

/// The most lanes of one entry. Each holds about 300 KiB.
pub(super) const LANES: usize = 4;
/// From how many bytes on an entry is worth more than one, since each lane unseals the entry's key.
pub(super) const WORTH_A_LANE: u64 = 4 * 1024 * 1024;

/// The size of a piece. Pieces begin where chunks of the encryption do, as far as the offset allows.
const PIECE: u64 = FILE_CHUNK as u64;

/// All lanes of an entry, the one with the next piece first.
pub(super) struct Lanes<R> {
    lanes: Vec<Lane<R>>,
    memory: PieceMemory,
}

/// A lane, which reads one piece at a time.
pub(super) struct Lane<R> {
    reader: Sealed<R>,
    /// Where the next piece begins, and where the entry ends.
    at: u64,
    size: u64,
    /// How much lies between the pieces of this lane.
    gap: u64,
    memory: PieceMemory,
    /// The first lane needs none.
    _permit: Option<OwnedSemaphorePermit>,
}

/// A piece that is being read, and the lane that reads it.
struct Reading<R> {
    /// Where it begins, for messages.
    at: u64,
    task: JoinHandle<io::Result<(Bytes, Lane<R>)>>,
}

impl<R: Read + Seek + Send + 'static> Lanes<R> {
    /// Makes the first lane of a reader that stands at `offset`.
    pub(super) fn new(reader: Sealed<R>, offset: u64, size: u64) -> Self {
        let memory = PieceMemory::default();
        let first = Lane { reader, at: offset, size, gap: 0, memory: memory.clone(), _permit: None };
        Self { lanes: vec![first], memory }
    }

    pub(super) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// Adds a lane; its reader may stand anywhere.
    pub(super) fn add(&mut self, reader: Sealed<R>, permit: OwnedSemaphorePermit) {
        let last = self.lanes.last().map(|lane| (lane.end(), lane.size));
        if let Some((at, size)) = last {
            let (memory, permit) = (self.memory.clone(), Some(permit));
            self.lanes.push(Lane { reader, at, size, gap: 0, memory, _permit: permit });
        }
    }

    /// Brings every lane to its first piece.
    pub(super) fn ready(mut self) -> Result<Self, OpenError> {
        let gap = PIECE * (self.lanes.len() as u64 - 1);
        for lane in self.lanes.iter_mut() {
            lane.gap = gap;
        }
        for lane in self.lanes.iter_mut().skip(1) {
            lane.seek().map_err(not_sought)?;
        }
        Ok(self)
    }

    /// No thread is held between pieces, so that who takes them slowly costs nothing.
    pub(super) fn into_stream(self) -> ByteStream {
        let reading: VecDeque<_> = self.lanes.into_iter().map(Lane::ahead).collect();
        stream::try_unfold(reading, |mut reading| async move {
            let Some(Reading { at, task }) = reading.pop_front() else { return Ok(None) };
            let (piece, lane) = task.await.map_err(died)?.map_err(|error| failed(error, at))?;
            if lane.at < lane.size {
                reading.push_back(lane.ahead());
            }
            // An empty entry has one piece, of which nothing comes but the proof of its end.
            Ok((!piece.is_empty()).then_some((piece, reading)))
        })
        .boxed()
    }
}

impl<R: Read + Seek + Send + 'static> Lane<R> {
    /// Returns where the next piece ends.
    fn end(&self) -> u64 {
        (self.at / PIECE + 1).saturating_mul(PIECE).min(self.size)
    }

    fn seek(&mut self) -> io::Result<()> {
        self.reader.seek(SeekFrom::Start(self.at)).map(drop)
    }

    fn ahead(self) -> Reading<R> {
        Reading { at: self.at, task: spawn_blocking(move || self.read()) }
    }

    /// Reads a piece, and goes to the next one. Behind the last one the end is proven.
    fn read(mut self) -> io::Result<(Bytes, Self)> {
        let end = self.end();
        let wanted = usize::try_from(end - self.at).unwrap_or(FILE_CHUNK);
        let piece = self.memory.read(&mut self.reader, wanted)?;
        if piece.len() < wanted || (end == self.size && self.reader.read(&mut [0])? > 0) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at = end.saturating_add(self.gap);
        if self.gap > 0 && self.at < self.size {
            self.seek()?;
        }
        Ok((piece, self))
    }
}
