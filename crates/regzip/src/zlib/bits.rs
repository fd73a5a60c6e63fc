//! Bits into bytes, the lowest first.

/// Collects bits until they are whole bytes.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    pending: u64,
    count: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits of `value`, at most 32; the others are zero.
    #[inline]
    pub(super) fn put(&mut self, value: u32, count: u32, out: &mut Vec<u8>) {
        self.pending |= u64::from(value) << self.count;
        self.count += count;
        if self.count >= 32 {
            out.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.count -= 32;
        }
    }

    /// How many bits the last byte has so far; zero if it is whole.
    pub(super) fn beyond_byte(&self) -> u32 {
        self.count % 8
    }

    /// Fills the last byte with zeros, and gives away all that was collected.
    pub(super) fn align(&mut self, out: &mut Vec<u8>) {
        let bytes = self.count.div_ceil(8) as usize;
        out.extend_from_slice(&self.pending.to_le_bytes()[..bytes]);
        *self = Self::default();
    }
}
