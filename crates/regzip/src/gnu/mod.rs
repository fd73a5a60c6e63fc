//! GNU gzip.
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
