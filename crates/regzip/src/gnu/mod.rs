//! GNU gzip at levels 1 to 9.
//!
//! gzip is where zlib came from, and its search is the same. How its output differs was found by comparing gzip 1.12 with
//! zlib over many inputs; its source was not read. Four things explain all of it:
//!
//! - a block has up to 32767 symbols, though strings are hashed as at zlib's memory level 8;
//! - from level 3 on a block may end early: each 4096 symbols, where it has few matches and has become half as long;
//! - the search does not stop where a match meets the end of the input, so a match further back may be taken that seems
//!   longer for what stands in the window behind the end;
//! - it reads a last time in vain before it knows the end, and from then on the window slides no more: where that leaves less
//!   than 262 bytes of the window behind a place, nothing is searched.
//!
//! gzip that reads a pipe gets its input in pieces, which may let the window slide at another place (see
//! [`crate::zlib`]); what is written here is what it writes of a file.
//!
//! # Headers
//!
//! XFL is 4 at level 1, 2 at 9, else 0; OS is 3. Of a file, MTIME and name are the file's; of standard input there is no name, and
//! MTIME is the file's if it is one, 0 of a pipe (`tar -z`); with `-n` neither is there.

use crate::{
    raw::RawEncoder,
    zlib::{Deflater, EarlyEnd, Level, Rules},
};

/// Begins a stream of GNU gzip at a level from 1 to 9; nothing for others.
pub(crate) fn encoder(level: u8) -> Option<Box<dyn RawEncoder>> {
    let rules = Rules {
        hash_bits: 15,
        block_symbols: 0x7fff,
        early_end: if level > 2 { EarlyEnd::Every(0x1000) } else { EarlyEnd::Never },
        searches_past_end: true,
    };
    Some(Box::new(Deflater::new(Level::new(level)?, rules)))
}
