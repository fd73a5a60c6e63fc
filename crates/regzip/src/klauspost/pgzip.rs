//! pgzip: pieces that are compressed by themselves, each with the end of the one before as its dictionary.

use crate::raw::RawEncoder;

use super::Revision;
use super::stream::Stream;

/// How many plain bytes a piece has, unless the program set something else.
pub(crate) const BLOCK_SIZE: usize = 1 << 20;
/// How much of a piece is the dictionary of the next. After a piece that is no longer there is none.
pub(crate) const DICTIONARY: usize = 16384;

/// Writes pieces in any order, one at a time.
pub(crate) struct BlockEncoder {
    stream: Stream,
}

impl BlockEncoder {
    /// None for a level that there is not.
    pub(crate) fn new(revision: Revision, level: i8) -> Option<Self> {
        Some(Self { stream: Stream::new(revision, level)? })
    }

    /// Appends a piece. Its dictionary are the last 16384 bytes of the piece before, if that had more bytes; the last
    /// piece may be empty, and is the one that has less than [`BLOCK_SIZE`].
    pub(crate) fn encode(&mut self, dictionary: &[u8], plain: &[u8], last: bool, out: &mut Vec<u8>) {
        self.stream.reset(dictionary);
        self.stream.write(plain, out);
        self.stream.flush(out);
        if last {
            self.stream.finish(out);
        }
    }
}

/// Writes one piece after the other.
pub(crate) struct Pgzip {
    stream: Stream,
    block_size: usize,
    /// How many bytes of the piece came.
    taken: usize,
    /// The last bytes that came.
    tail: Vec<u8>,
}

impl Pgzip {
    /// None for a level that there is not, and for pieces that are not longer than [`DICTIONARY`].
    pub(crate) fn new(revision: Revision, level: i8, block_size: usize) -> Option<Self> {
        let stream = Stream::new(revision, level)?;
        let tail = Vec::with_capacity(2 * DICTIONARY);
        (block_size > DICTIONARY).then_some(Self { stream, block_size, taken: 0, tail })
    }

    /// Keeps the end of what came, and up to as much again, so that it is seldom moved.
    fn remember(&mut self, plain: &[u8]) {
        let plain = &plain[plain.len().saturating_sub(DICTIONARY)..];
        if self.tail.len() + plain.len() > 2 * DICTIONARY {
            self.tail.drain(..self.tail.len() - DICTIONARY);
        }
        self.tail.extend_from_slice(plain);
    }
}

impl RawEncoder for Pgzip {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            let (now, later) = plain.split_at(plain.len().min(self.block_size - self.taken));
            self.stream.write(now, out);
            self.remember(now);
            self.taken += now.len();
            if self.taken == self.block_size {
                self.stream.flush(out);
                self.stream.reset(&self.tail[self.tail.len().saturating_sub(DICTIONARY)..]);
                self.taken = 0;
            }
            plain = later;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.stream.flush(out);
        self.stream.finish(out);
    }
}
