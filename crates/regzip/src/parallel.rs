//! Several blocks of a stream at once, for encoders that work block by block.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::Encoder;
use crate::encoder::{BlockWriter, Blocks};

/// How many plain bytes there are for each thread before all begin, so that none waits long for the others.
const SHARE: usize = 4 << 20;

/// A stream of blocks that several threads encode.
pub(crate) struct Parallel {
    blocks: Blocks,
    writers: Vec<BlockWriter>,
    /// Plain bytes that are still to come.
    remaining: u64,
    /// The end of what was encoded, then what waits.
    plain: Vec<u8>,
    known: usize,
    /// How many bytes may wait: whole blocks.
    room: usize,
}

impl Parallel {
    /// Encodes `plain` bytes on so many threads; nothing if that is one, or if the encoder cannot.
    pub(crate) fn new(encoder: &Encoder, plain: u64, threads: NonZeroUsize) -> Option<Self> {
        let blocks = encoder.blocks().filter(|it| threads.get() > 1 && plain > it.size as u64)?;
        let writers: Option<Vec<_>> = (0..threads.get()).map(|_| blocks.writer()).collect();
        let each = (SHARE / blocks.size).max(1) * blocks.size;
        let room = each.saturating_mul(threads.get());
        Some(Self { blocks, writers: writers?, remaining: plain, plain: Vec::new(), known: 0, room })
    }

    pub(crate) fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            let (now, later) = plain.split_at(plain.len().min(self.room - self.waiting()));
            self.plain.extend_from_slice(now);
            self.remaining -= now.len() as u64;
            plain = later;
            if self.waiting() == self.room && self.remaining > 0 {
                self.encode(false, out);
            }
        }
    }

    pub(crate) fn finish(mut self, out: &mut Vec<u8>) {
        self.encode(true, out);
    }

    fn waiting(&self) -> usize {
        self.plain.len() - self.known
    }

    /// Encodes all that waits, which is the end of the stream or whole blocks.
    fn encode(&mut self, last: bool, out: &mut Vec<u8>) {
        let mut writers = std::mem::take(&mut self.writers);
        let pieces = self.pieces(last);
        let next = AtomicUsize::new(0);
        let done = Mutex::new(vec![Vec::new(); pieces.len()]);
        thread::scope(|scope| {
            for writer in &mut writers {
                scope.spawn(|| {
                    while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut encoded = Vec::new();
                        writer.encode(piece.before, piece.plain, piece.last, &mut encoded);
                        // A thread that panicked ends the scope by a panic anyway.
                        done.lock().unwrap_or_else(PoisonError::into_inner)[piece.number] = encoded;
                    }
                });
            }
        });
        done.into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .for_each(|it| out.extend_from_slice(it));
        self.writers = writers;
        self.known = self.plain.len().min(Blocks::REACH);
        self.plain.drain(..self.plain.len() - self.known);
    }

    fn pieces(&self, last: bool) -> Vec<Piece<'_>> {
        let waiting = self.waiting();
        let whole = waiting / self.blocks.size;
        let rest = !waiting.is_multiple_of(self.blocks.size) || (last && self.blocks.ends_short);
        let count = whole + usize::from(rest);
        let piece = |number: usize| {
            let start = self.known + number * self.blocks.size;
            let end = (start + self.blocks.size).min(self.plain.len());
            let before = &self.plain[start.saturating_sub(Blocks::REACH)..start];
            Piece { number, before, plain: &self.plain[start..end], last: last && number + 1 == count }
        };
        (0..count).map(piece).collect()
    }
}

/// One block.
struct Piece<'a> {
    number: usize,
    before: &'a [u8],
    plain: &'a [u8],
    last: bool,
}

impl fmt::Debug for Parallel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parallel").field("threads", &self.writers.len()).finish_non_exhaustive()
    }
}
