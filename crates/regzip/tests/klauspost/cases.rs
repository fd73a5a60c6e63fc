//! The inputs of the golden vectors of klauspost's encoders.

use super::inputs::{KINDS, Kind, make};

/// An input, made anew wherever it is needed.
#[derive(Clone, Copy)]
pub struct Case {
    pub kind: Kind,
    pub len: usize,
}

impl Case {
    pub fn plain(&self) -> Vec<u8> {
        make(self.kind, self.len, self.len as u64)
    }
}

/// The sizes of the blocks of pgzip that are tried; 0 is gzip.
pub const BLOCKS: [usize; 3] = [0, 20_000, 1 << 20];

/// Large inputs only where blocks are.
pub fn cases(block: usize) -> Vec<Case> {
    let small = [0, 1, 12, 13, 32, 33, 127, 128, 1000, 65_535, 65_536];
    let small = small.map(|len| Case { kind: Kind::Text, len });
    let each = KINDS.map(|kind| Case { kind, len: 65_535 + 77 });
    let large = (block == 1 << 20).then_some(Case { kind: Kind::Mixed, len: (1 << 20) + 70_000 });
    small.into_iter().chain(each).chain(large).collect()
}
