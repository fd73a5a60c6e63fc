//! Bits into bytes, the lowest first.

/// How many bytes are gathered before they go to the output.
const CHUNK: usize = 4096;

/// Gathers bits. Between calls fewer than eight wait for their byte to become whole.
#[derive(Default)]
pub(crate) struct BitWriter {
    bits: u64,
    count: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits, 56 at most; those above must be zero.
    pub(crate) fn put(&mut self, bits: u64, count: u32, out: &mut Vec<u8>) {
        self.many(out, |pen| pen.put(bits, count));
    }

    /// Lets `write` append many bits at a time.
    pub(crate) fn many(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Pen<'_>)) {
        let mut pen = Pen { bits: self.bits, count: self.count, chunk: [0; CHUNK + 8], used: 0, out };
        write(&mut pen);
        pen.empty();
        (self.bits, self.count) = (pen.bits, pen.count);
    }

    /// Fills the last byte with zeros.
    pub(crate) fn align(&mut self, out: &mut Vec<u8>) {
        if self.count > 0 {
            out.push(self.bits as u8);
        }
        *self = Self::default();
    }
}

/// A writer of bits with a buffer of its own, so that the output is asked for room only now and then.
pub(crate) struct Pen<'a> {
    bits: u64,
    count: u32,
    chunk: [u8; CHUNK + 8],
    used: usize,
    out: &'a mut Vec<u8>,
}

impl Pen<'_> {
    /// Appends the lowest `count` bits, 56 at most; those above must be zero.
    #[inline]
    pub(crate) fn put(&mut self, bits: u64, count: u32) {
        self.bits |= bits << self.count;
        self.count += count;
        if let Some(room) = self.chunk.get_mut(self.used..).and_then(|it| it.first_chunk_mut()) {
            *room = self.bits.to_le_bytes();
        }
        self.used += (self.count >> 3) as usize;
        self.bits >>= self.count & !7;
        self.count &= 7;
        if self.used >= CHUNK {
            self.empty();
        }
    }

    fn empty(&mut self) {
        self.out.extend_from_slice(&self.chunk[..self.used]);
        self.used = 0;
    }
}
