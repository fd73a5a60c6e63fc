//! Sealing one entry, piece by piece.

use std::fmt;
use std::io;

use bytes::{Bytes, BytesMut};

use super::Recipient;
use super::layout::{CHUNK, chunks_size};
use super::payload::Payload;

/// Turns plain pieces into sealed ones.
pub struct Sealer {
    payload: Payload,
    /// What is sealed and was not taken yet, and behind it the beginning of a chunk.
    now: BytesMut,
    begun: usize,
    /// Memory in turns: what was taken last may still be on its way to the disk, and what was taken before that is gone.
    other: BytesMut,
    /// The number of the chunk that comes next.
    number: u64,
    /// How many plain bytes are to come.
    left: u64,
}

impl Sealer {
    /// Begins an entry of `plain_size` bytes, and returns how many bytes it will have sealed, exactly.
    ///
    /// # Errors
    /// Where age refuses the recipient.
    pub fn new(recipient: &Recipient, plain_size: u64) -> io::Result<(Self, u64)> {
        let (payload, head) = Payload::draw(&recipient.0)?;
        let size = (head.len() as u64).saturating_add(chunks_size(plain_size));
        let (now, other) = (BytesMut::from(&head[..]), BytesMut::new());
        let mut sealer = Self { payload, now, begun: 0, other, number: 0, left: plain_size };
        if plain_size == 0 {
            sealer.seal()?;
        }
        Ok((sealer, size))
    }

    /// Takes the next plain bytes, and returns what is sealed by now, which may be nothing.
    ///
    /// # Errors
    /// Where it is more than was announced.
    pub fn update(&mut self, plain: &[u8]) -> io::Result<Bytes> {
        self.update_all(&[plain])
    }

    /// The same of several pieces, one behind the other.
    ///
    /// # Errors
    /// Where they are more than was announced.
    pub fn update_all(&mut self, pieces: &[impl AsRef<[u8]>]) -> io::Result<Bytes> {
        let size: usize = pieces.iter().map(|piece| piece.as_ref().len()).sum();
        if size as u64 > self.left {
            return Err(differs("there is more content than was announced"));
        }
        self.make_room(size);
        pieces.iter().try_for_each(|piece| self.add(piece.as_ref()))?;
        Ok(self.take())
    }

    /// Returns what was not taken yet: all of an empty entry, of others nothing.
    ///
    /// # Errors
    /// Where less came than was announced.
    pub fn finish(mut self) -> io::Result<Bytes> {
        if self.left > 0 {
            return Err(differs("there is less content than was announced"));
        }
        Ok(self.take())
    }

    /// Makes room for that many plain bytes and what was kept back, at once. Where what was taken before is gone by now,
    /// its memory is used again.
    fn make_room(&mut self, plain: usize) {
        std::mem::swap(&mut self.now, &mut self.other);
        let sealed = chunks_size((self.begun + plain) as u64);
        self.now.reserve(self.other.len() + usize::try_from(sealed).unwrap_or(plain));
        self.now.extend_from_slice(&self.other);
        self.other.clear();
    }

    fn add(&mut self, mut plain: &[u8]) -> io::Result<()> {
        while !plain.is_empty() {
            let (now, later) = plain.split_at(plain.len().min(CHUNK as usize - self.begun));
            self.now.extend_from_slice(now);
            self.begun += now.len();
            self.left -= now.len() as u64;
            if self.begun == CHUNK as usize || self.left == 0 {
                self.seal()?;
            }
            plain = later;
        }
        Ok(())
    }

    /// Seals the chunk that was begun.
    fn seal(&mut self) -> io::Result<()> {
        let start = self.now.len() - self.begun;
        let tag = self.payload.seal(self.number, self.left == 0, &mut self.now[start..])?;
        self.now.extend_from_slice(tag.as_ref());
        self.begun = 0;
        self.number += 1;
        Ok(())
    }

    fn take(&mut self) -> Bytes {
        self.now.split_to(self.now.len() - self.begun).freeze()
    }
}

fn differs(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("left", &self.left).finish_non_exhaustive()
    }
}
