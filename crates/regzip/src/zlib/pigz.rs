//! `pigz`, which gives each block of the input to a zlib of its own.
//!
//! Every block begins at a whole byte and knows the last 32 KiB before it, unless blocks are independent. What ends a block
//! is told by how many bits its last byte has: an even number is filled up with empty fixed blocks of ten bits, an odd one
//! by an empty stored block (five bytes, `00 00 FF FF` at the end); independent blocks end with two of these.
//!
//! With one thread (`-p 1`) the one zlib goes on instead of beginning anew behind a dictionary. Levels 1 to 3 show that, as
//! they enter fewer strings than a dictionary has.

use super::{Deflater, Level, zlib_rules};
use crate::raw::RawEncoder;

/// The memory level that `pigz` asks zlib for.
const MEMORY: u8 = 8;
/// `pigz -b` takes no less, so that a block always leaves a whole dictionary.
pub(crate) const MIN_BLOCK: u64 = 32 << 10;

/// What a block knows of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// The last 32 KiB, as a dictionary.
    Chained,
    /// Nothing (`-i`).
    Independent,
    /// All that its zlib has seen (`-p 1` without `-i`).
    Continued,
}

/// A stream of `pigz`, one block after the other.
#[derive(Debug)]
pub(crate) struct Pigz {
    deflater: Deflater,
    blocks: Blocks,
    size: u64,
    room: u64,
}

/// Begins a stream in blocks of `size` bytes (128 KiB unless `-b` says otherwise). Nothing for a level or size that `pigz`
/// does not have.
pub(crate) fn encoder(level: u8, blocks: Blocks, size: u64) -> Option<Box<dyn RawEncoder>> {
    let deflater = Deflater::new(Level::new(level)?, zlib_rules(MEMORY)?);
    (size >= MIN_BLOCK).then(|| Box::new(Pigz { deflater, blocks, size, room: size }) as Box<dyn RawEncoder>)
}

impl RawEncoder for Pigz {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.room == 0 {
                end_block(&mut self.deflater, self.blocks, out);
                self.restart();
                self.room = self.size;
            }
            let length = usize::try_from(self.room).unwrap_or(usize::MAX).min(plain.len());
            let (now, rest) = plain.split_at(length);
            self.deflater.write(now, out);
            self.room -= length as u64;
            plain = rest;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.deflater.finish(out);
    }
}

impl Pigz {
    fn restart(&mut self) {
        match self.blocks {
            Blocks::Chained => self.deflater.restart_here(),
            Blocks::Independent => self.deflater.restart(&[]),
            Blocks::Continued => {}
        }
    }
}

/// Writes single blocks of a stream, in any order: each on its own, so that many can be written at once.
#[derive(Debug)]
pub(crate) struct PigzBlocks {
    deflater: Deflater,
    blocks: Blocks,
}

impl PigzBlocks {
    /// Nothing for a level that `pigz` does not have, and for blocks that continue one another.
    pub(crate) fn new(level: u8, blocks: Blocks) -> Option<Self> {
        let deflater = Deflater::new(Level::new(level)?, zlib_rules(MEMORY)?);
        (blocks != Blocks::Continued).then_some(Self { deflater, blocks })
    }

    /// Appends one block. `before` is what comes before it in the stream, of which the last 32 KiB count.
    pub(crate) fn encode(&mut self, before: &[u8], plain: &[u8], last: bool, out: &mut Vec<u8>) {
        let known = if self.blocks == Blocks::Independent { &[] } else { before };
        self.deflater.restart(known);
        self.deflater.write(plain, out);
        if last {
            self.deflater.finish(out);
        } else {
            end_block(&mut self.deflater, self.blocks, out);
        }
    }
}

/// Ends a block that others follow, at a whole byte.
fn end_block(deflater: &mut Deflater, blocks: Blocks, out: &mut Vec<u8>) {
    deflater.end_block(out);
    if blocks == Blocks::Independent {
        deflater.put_empty_stored(out);
        deflater.put_empty_stored(out);
    } else if deflater.beyond_byte() % 2 == 1 {
        deflater.put_empty_stored(out);
    } else {
        deflater.put_empty_fixed(out);
    }
}
