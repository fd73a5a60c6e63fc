//! An entry that is opened in several lanes: each opens one piece on a thread of its own, and the pieces are handed over
//! in their order. One processor opens less than a disk or a line gives.

use std::collections::VecDeque;
use std::io::{self, Read, Seek};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_store::{ByteStream, FILE_CHUNK, PieceMemory};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};

use super::opener::{Opened, died, failed};

/// The most lanes of one entry. Each has a piece of 128 KiB ahead.
pub(super) const LANES: usize = 4;
/// From how many bytes on an entry is worth more than one.
pub(super) const WORTH_A_LANE: u64 = 4 * 1024 * 1024;

/// The size of a piece. Pieces begin where chunks of the encryption do, as far as the offset allows.
const PIECE: u64 = FILE_CHUNK as u64;

/// An entry on its way, and the pieces of it that are being read.
pub(super) struct Lanes<R> {
    entry: Arc<Opened>,
    /// Where the next piece begins that nobody reads yet; `None` behind the last one.
    next: Option<u64>,
    reading: VecDeque<Reading<R>>,
    memory: PieceMemory,
    /// One for each lane but the first.
    _permits: Vec<OwnedSemaphorePermit>,
}

/// A piece that is being read, and who reads it.
struct Reading<R> {
    /// Where it begins, for messages.
    at: u64,
    task: JoinHandle<io::Result<(Bytes, R)>>,
}

impl<R: Read + Seek + Clone + Send + 'static> Lanes<R> {
    /// Begins to read at `offset`, in one lane more than there are permits.
    pub(super) fn new(entry: Opened, reader: R, offset: u64, permits: Vec<OwnedSemaphorePermit>) -> Self {
        let readers = vec![reader; permits.len() + 1];
        let mut lanes = Self {
            entry: Arc::new(entry),
            next: Some(offset),
            reading: VecDeque::with_capacity(readers.len()),
            memory: PieceMemory::default(),
            _permits: permits,
        };
        readers.into_iter().for_each(|reader| lanes.ahead(reader));
        lanes
    }

    /// Reads the next piece, if there is one. Behind the last byte it is an empty one, with which the end is proven.
    fn ahead(&mut self, mut reader: R) {
        let Some(at) = self.next else { return };
        let end = (at / PIECE + 1).saturating_mul(PIECE).min(self.entry.size);
        self.next = (end < self.entry.size).then_some(end);
        let (entry, memory) = (Arc::clone(&self.entry), self.memory.clone());
        let read = move || entry.read(&mut reader, &memory, at..end).map(|piece| (piece, reader));
        self.reading.push_back(Reading { at, task: spawn_blocking(read) });
    }

    /// No thread is held between pieces, so that who takes them slowly costs nothing.
    pub(super) fn into_stream(self) -> ByteStream {
        stream::try_unfold(self, |mut lanes| async move {
            let Some(Reading { at, task }) = lanes.reading.pop_front() else { return Ok(None) };
            let (piece, reader) = task.await.map_err(died)?.map_err(|error| failed(error, at))?;
            lanes.ahead(reader);
            Ok((!piece.is_empty()).then_some((piece, lanes)))
        })
        .boxed()
    }
}
