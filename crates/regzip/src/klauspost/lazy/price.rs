//! What bytes would cost as literals, for level 9.

use crate::go::huffman::Huffman;

/// As many bytes are counted at most, from [`Revision::counts_less`](super::Revision::counts_less) on.
const COUNTED: usize = 1 << 15;

/// The bits that all bytes of a window take as literals up to each place.
pub(super) struct Prices {
    code: Huffman<256>,
    sums: Vec<u32>,
}

impl Prices {
    pub(super) fn new(window: usize) -> Self {
        Self { code: Huffman::new(), sums: vec![0; window + 1] }
    }

    /// Sets the prices of `window[start..]` by what occurs there.
    pub(super) fn set(&mut self, window: &[u8], start: usize, counts_less: bool) {
        let plain = &window[start..];
        let counted = if counts_less { plain.len().min(COUNTED) } else { plain.len() };
        let mut counts = [0u32; 256];
        plain[..counted].iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        // The original counts in 16 bits.
        counts.iter_mut().for_each(|it| *it &= 0xffff);
        self.code.fit(&counts, 15);
        let mut sum = 0;
        let (first, sums) = self.sums[start..].split_at_mut(1);
        first[0] = 0;
        for (it, byte) in sums.iter_mut().zip(plain) {
            sum += u32::from(self.code.codes[usize::from(*byte)].len);
            *it = sum;
        }
    }

    /// What these bytes take.
    #[inline]
    pub(super) fn of(&self, start: usize, length: usize) -> i32 {
        self.sums[start + length] as i32 - self.sums[start] as i32
    }
}
