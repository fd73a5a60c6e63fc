//! zlib's own output at levels 1 to 9, and that of `pigz`, which gives zlib its input block by block.
//!
//! # Why not the C library
//!
//! An encoder here has to write the same bytes for ever, as long as a bundle can be read. The C library may change what it
//! writes with any version, and distributions ship others in its place (zlib-ng, hardware); what would be linked is not for
//! us to freeze. Rust reaches it through `flate2` or through `libz-sys`. `flate2` has one backend in a whole program: with
//! the feature `zlib` on, every other user of it would inflate with C, and no longer with `zlib-rs`; and it can set neither the
//! memory level nor a dictionary with the place in mind, both of which pigz and Perl need. `libz-sys` is `unsafe` to call,
//! which this workspace forbids. And GNU gzip is no library at all, but has the same ancestor: [`Rules`] is all in which it
//! differs.
//!
//! So this is written anew in safe Rust from zlib's algorithms (`deflate` and `trees`; the notice is in `NOTICE` beside
//! this file) and compared with zlib 1.2.13, and less with 1.3.2, which wrote the same. Windows have 32 KiB and the strategy is
//! the default one. Level 0 is not there: how it cuts depends on its caller's buffers. Chromium's zlib, which Node has, writes
//! otherwise at each level that was tried (1, 6, 9).
//!
//! # What arrives in pieces
//!
//! The window takes all it has room for before the search goes on, as in zlib when everything is given at once. A program
//! that gives zlib pieces may differ in one rare case: where the window slides at another place. Pieces that divide
//! 32 KiB, and those of `tar`, slide at the same places as far as was seen.
//!
//! # Headers of gzip
//!
//! | producer | MTIME | XFL | OS | name |
//! |---|---|---|---|---|
//! | zlib itself (`windowBits` 31), `gzip.compress(…, mtime=0)` of Python 3.11 | 0 | 4 at level 1, 2 at 9, else 0 | 3 | no |
//! | Python's `gzip` and `tarfile` (`w:gz`) | now | 4 at level 1, 2 at 9, else 0 | 255 | file's, if known |
//! | Python's `tarfile` (`w\|gz`) | now | 2 | 255 | file's |
//! | Perl's `IO::Compress::Gzip` | now | 0 | 3 | if asked |
//! | `pigz` of a file (`-n`: neither time nor name) | file's | 4 at level 1, 2 from 9, else 0 | 3 | file's |
//! | `pigz` of a pipe | now; 0 with `-n` | as above | 3 | no |
//!
//! Memory level 8 is what all of these use but Perl, whose default is 9. A stream of pigz that is longer than a block tells
//! itself: it has a block's end at a whole byte there.

mod bits;
mod block;
mod deflate;
mod header;
mod level;
mod pigz;
mod tables;
#[cfg(test)]
mod tests;
mod tree;
mod window;

pub(crate) use block::EarlyEnd;
pub(crate) use deflate::{Deflater, Rules};
pub(crate) use level::Level;
pub(crate) use pigz::{Blocks, MIN_BLOCK, PigzBlocks, encoder as pigz};

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
