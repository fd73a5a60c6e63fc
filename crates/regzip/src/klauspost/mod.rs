//! The encoders of `github.com/klauspost/compress/flate`, as `pgzip` (podman, buildah, skopeo) and klauspost's own
//! `gzip` use them.
//!
//! The algorithms are those of klauspost/compress (`flate/deflate.go`, `fast_encoder.go`, `level1.go` to `level6.go`,
//! `huffman_bit_writer.go`, `huffman_code.go`, `token.go`) and of klauspost/pgzip (`gzip.go`), read in the versions
//! 1.15.12, 1.18.0, 1.18.2 and 1.20.3 of the one and 1.2.5 and 1.2.6 of the other. Copyright 2012 The Go Authors,
//! 2015 and 2019 Klaus Post, under the BSD licence that `crates/regzip/NOTICE` repeats.
//!
//! # The header
//!
//! Both write `1f 8b 08`, the flags (00 unless a name, comment or extra field was set), four bytes of time, XFL and
//! OS. What is written when no time was set tells them from Go's own `compress/gzip`, which writes 0: they write the
//! seconds of Go's zero time cut to 32 bits, `00 09 6e 88`. XFL is 02 for level 9, 04 for level 1 and 00 for all others,
//! OS is ff. So both begin with `1f8b0800 00096e88 00ff` at the default level. What tells the two apart is the stream:
//! pgzip writes an empty stored block (`00 00 ff ff` behind the last bits) after each piece of 1 MiB and after the last,
//! so all of its streams end with `00 00 ff ff 03 00` and the eight bytes of the trailer; those of gzip end with a
//! block of ten bits (`03 00` if the bits before it are whole bytes). A time that was set stands there as everywhere.
//!
//! # What is not here
//!
//! - The stateless level (-3), whose blocks are the calls of `Write`, so that the stream cannot be told from its bytes.
//! - `NewWriterWindow`, and `Flush` in the middle of a stream.
//! - Encoders on machines that fuse multiplication and addition (arm64, ppc64le, s390x, riscv64): up to 1.18 at least,
//!   Go computes the estimate of a new code's size with other roundings there, and now and then chooses otherwise.
//!   Since 1.20.3 it is the same everywhere.

mod block;
mod fast;
mod hash;
mod lazy;
mod pgzip;
mod plain;
mod stream;
mod tokens;

#[cfg(test)]
mod tests;

pub(crate) use pgzip::{BLOCK_SIZE, BlockEncoder, DICTIONARY, Pgzip};
pub(crate) use stream::Stream;

/// `HuffmanOnly`: no matches at all.
pub(crate) const HUFFMAN_ONLY: i8 = -2;
/// `DefaultCompression` is this level.
pub(crate) const DEFAULT: i8 = 5;

/// Which versions of klauspost/compress: each of these wrote otherwise than the one before, on some levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Revision {
    /// 1.15.12 to 1.15.14.
    V1_15_12,
    /// 1.15.15 to 1.17.11: differs on levels 7 to 9.
    V1_15_15,
    /// 1.18.0: differs on level 4.
    V1_18_0,
    /// From 1.18.2 on: differs on levels 1 to 9. (1.18.1 was withdrawn; it writes the same but for rare blocks.)
    V1_18_2,
    /// With the repair of dictionaries (September 2026), as in 1.20.3: differs in pgzip on levels 7 to 9.
    V1_20,
}

impl Revision {
    /// All of them, the oldest first.
    pub(crate) const ALL: [Self; 5] =
        [Self::V1_15_12, Self::V1_15_15, Self::V1_18_0, Self::V1_18_2, Self::V1_20];

    /// The first revision that writes a level as this one does.
    pub(crate) fn canonical(self, level: i8) -> Self {
        match level {
            7..=9 if self == Self::V1_18_0 => Self::V1_15_15,
            7..=9 => self,
            1..=6 | -1 if self >= Self::V1_18_2 => Self::V1_18_2,
            4 if self == Self::V1_18_0 => self,
            _ => Self::V1_15_12,
        }
    }

    /// Whether the end of a block counts as a symbol before a block is known to end.
    fn ends_every_count(self) -> bool {
        self >= Self::V1_18_2
    }

    /// Whether level 4 takes a distance for a place when it compares two matches, as a slip of the pen would have it.
    fn mistakes_distances(self) -> bool {
        self >= Self::V1_18_0
    }

    /// Whether level 9 counts only the first bytes of a window.
    fn counts_less(self) -> bool {
        self >= Self::V1_18_2
    }

    /// Whether a match that was found by its end is extended back to its beginning, byte by byte.
    fn extends_matches_back(self) -> bool {
        self >= Self::V1_15_15
    }

    /// What the first match of a search has to save on level 9.
    fn least_gain(self) -> i32 {
        if self >= Self::V1_15_15 { 4 + 3 } else { 6 }
    }

    /// Whether the first block begins behind the dictionary.
    fn leaves_dictionary_out(self) -> bool {
        self >= Self::V1_20
    }
}
