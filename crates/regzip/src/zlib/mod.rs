//! zlib's own output, and that of `pigz`.
mod bits;
mod block;
mod deflate;
mod header;
mod level;
mod pigz;
mod tables;
mod tree;
mod window;

pub(crate) use block::EarlyEnd;
pub(crate) use deflate::{Deflater, Rules};
pub(crate) use level::Level;
pub(crate) use pigz::{Blocks, PigzBlocks, encoder as pigz};

use crate::raw::RawEncoder;

/// Begins a stream of zlib at a level from 1 to 9 and a memory level from 1 to 9, of which 8 is the usual one.
/// Nothing for others.
pub(crate) fn encoder(level: u8, memory: u8) -> Option<Box<dyn RawEncoder>> {
    Some(Box::new(Deflater::new(Level::new(level)?, zlib_rules(memory)?)))
}

fn zlib_rules(memory: u8) -> Option<Rules> {
    (1..=9).contains(&memory).then(|| Rules {
        hash_bits: u32::from(memory) + 7,
        block_symbols: (1 << (memory + 6)) - 1,
        early_end: EarlyEnd::Never,
        searches_past_end: false,
    })
}

impl RawEncoder for Deflater {
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        Deflater::write(self, plain, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        Deflater::finish(self, out);
    }
}
