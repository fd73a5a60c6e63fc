//! `NoCompression` and `HuffmanOnly`: blocks without matches.

use crate::go::block::MAX_STORED;

use super::block::BlockWriter;
use super::stream::Compressor;

/// The most bytes of a block of literals.
const MAX_LITERALS: usize = 32 << 10;

/// The compressor of one of these levels.
pub(super) struct Plain {
    pending: Vec<u8>,
    most: usize,
    write: fn(&mut BlockWriter, &[u8], bool, &mut Vec<u8>),
}

impl Plain {
    pub(super) fn stored() -> Self {
        Self::new(MAX_STORED, |writer, plain, _, out| writer.stored(plain, out))
    }

    pub(super) fn huffman() -> Self {
        Self::new(MAX_LITERALS, BlockWriter::literals)
    }

    fn new(most: usize, write: fn(&mut BlockWriter, &[u8], bool, &mut Vec<u8>)) -> Self {
        Self { pending: Vec::with_capacity(most), most, write }
    }

    fn block(&mut self, sync: bool, writer: &mut BlockWriter, out: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            (self.write)(writer, &self.pending, sync, out);
            self.pending.clear();
        }
    }
}

impl Compressor for Plain {
    fn write(&mut self, mut plain: &[u8], writer: &mut BlockWriter, out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.pending.len() == self.most {
                self.block(false, writer, out);
            }
            let (now, later) = plain.split_at(plain.len().min(self.most - self.pending.len()));
            self.pending.extend_from_slice(now);
            plain = later;
        }
    }

    fn sync(&mut self, writer: &mut BlockWriter, out: &mut Vec<u8>) {
        self.block(true, writer, out);
    }

    fn reset(&mut self, _: &[u8]) {
        self.pending.clear();
    }
}
