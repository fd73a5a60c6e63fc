//! Go's `compress/flate`, as it was from Go 1.19 to 1.26.
//!
//! The algorithms are those of Go's standard library (`src/compress/flate`: `deflate.go`, `deflatefast.go`,
//! `huffman_bit_writer.go`, `huffman_code.go`, `token.go`), whose sources differ from 1.19 to 1.26 only in comments and
//! in the order of fields. Go 1.27 has another encoder. Copyright 2009 The Go Authors, under the BSD licence that
//! `crates/regzip/NOTICE` repeats.
//!
//! What comes out is what Go writes when it gets all plain bytes in one call and nobody flushes. Go itself
//! can write otherwise for pieces of odd sizes: whether one byte in 32768 may look back 32768 bytes or 262 less depends
//! on how full its window was. Pieces that are multiples of two, as `tar` and `io.Copy` make them, are not affected.

pub(crate) mod bits;
pub(crate) mod block;
mod chain;
mod fast;
pub(crate) mod huffman;
mod links;
mod plain;
pub(crate) mod table;
pub(crate) mod token;

use crate::raw::RawEncoder;

/// `HuffmanOnly`: no matches at all.
pub(crate) const HUFFMAN_ONLY: i8 = -2;
/// `DefaultCompression` is this level.
pub(crate) const DEFAULT: i8 = 6;

/// The encoder of a level as Go counts them, from `HuffmanOnly` (-2) to 9; none for other numbers.
pub(crate) fn encoder(level: i8) -> Option<Box<dyn RawEncoder>> {
    match level {
        HUFFMAN_ONLY => Some(Box::new(plain::Plain::huffman())),
        0 => Some(Box::new(plain::Plain::stored())),
        1 => Some(Box::new(fast::Fast::new())),
        -1 => encoder(DEFAULT),
        _ => {
            let policy = chain::Policy::of(level)?;
            // Where few candidates are looked at, more chains cost more than they save.
            Some(match level {
                ..=5 => Box::new(chain::Chain::<links::ShortLinks>::new(policy)),
                _ => Box::new(chain::Chain::<links::LongLinks>::new(policy)),
            })
        }
    }
}
