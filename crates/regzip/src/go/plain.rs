//! The levels that look for no matches: `NoCompression` (0) and `HuffmanOnly` (-2).

use super::block::{BlockWriter, MAX_STORED};
use crate::raw::RawEncoder;

/// Cuts the plain bytes into blocks of one size.
pub(super) struct Plain {
    waiting: Vec<u8>,
    huffman: bool,
    blocks: BlockWriter,
}

impl Plain {
    pub(super) fn stored() -> Self {
        Self { waiting: Vec::with_capacity(MAX_STORED), huffman: false, blocks: BlockWriter::new() }
    }

    pub(super) fn huffman() -> Self {
        Self { huffman: true, ..Self::stored() }
    }

    fn block(&mut self, out: &mut Vec<u8>) {
        if self.huffman {
            self.blocks.literals(&self.waiting, out);
        } else {
            self.blocks.stored(&self.waiting, false, out);
        }
        self.waiting.clear();
    }
}

impl RawEncoder for Plain {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.waiting.len() == MAX_STORED {
                self.block(out);
            }
            let (now, later) = plain.split_at(plain.len().min(MAX_STORED - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            plain = later;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.waiting.is_empty() {
            self.block(out);
        }
        self.blocks.end(out);
    }
}
