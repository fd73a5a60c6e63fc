//! A whole DEFLATE stream of a level.

use crate::raw::RawEncoder;

use super::block::BlockWriter;
use super::fast::Fast;
use super::lazy::Lazy;
use super::plain::Plain;
use super::{DEFAULT, HUFFMAN_ONLY, Revision};

/// Cuts plain bytes into blocks.
pub(super) trait Compressor: Send {
    /// Takes more plain bytes.
    fn write(&mut self, plain: &[u8], writer: &mut BlockWriter, out: &mut Vec<u8>);

    /// Writes all that is pending.
    fn sync(&mut self, writer: &mut BlockWriter, out: &mut Vec<u8>);

    /// Begins a new stream that may refer to a dictionary. What was pending is lost.
    fn reset(&mut self, dictionary: &[u8]);
}

/// A stream as `flate.Writer` and klauspost's own `gzip.Writer` write it.
pub(crate) struct Stream {
    compressor: Box<dyn Compressor>,
    writer: BlockWriter,
}

impl Stream {
    /// None for a level that there is not.
    pub(crate) fn new(revision: Revision, level: i8) -> Option<Self> {
        let (penalty, compressor): (_, Box<dyn Compressor>) = match level {
            -1 => return Self::new(revision, DEFAULT),
            HUFFMAN_ONLY => (10, Box::new(Plain::huffman())),
            0 => (0, Box::new(Plain::stored())),
            1..=6 => (7, Box::new(Fast::new(revision, level)?)),
            _ => (8, Box::new(Lazy::new(revision, level)?)),
        };
        Some(Self { compressor, writer: BlockWriter::new(penalty, revision) })
    }

    /// Writes all that is pending, and the empty stored block that makes the last byte whole.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        self.compressor.sync(&mut self.writer, out);
        self.writer.stored(&[], out);
    }

    /// Begins a new stream that may refer to a dictionary.
    pub(super) fn reset(&mut self, dictionary: &[u8]) {
        self.writer.reset();
        self.compressor.reset(dictionary);
    }
}

impl RawEncoder for Stream {
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.compressor.write(plain, &mut self.writer, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.compressor.sync(&mut self.writer, out);
        self.writer.end(out);
    }
}
