//! Bytes that do not compress and are the same in every run: a small generator, not a source of secrets.

use std::io::{self, Read};

/// An endless stream of pseudo-random bytes (xorshift64*, Marsaglia 2003 and Vigna 2016).
#[derive(Clone, Debug)]
pub struct Filler {
    state: u64,
}

impl Filler {
    /// Starts the stream that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // A state of zero would stay zero for ever; the odd constant is 2^64 divided by the golden ratio.
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// Returns the next number.
    pub fn next_number(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Returns the next `count` bytes.
    #[must_use]
    pub fn take_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next_number().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

impl Read for Filler {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill(buffer);
        Ok(buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(Filler::new(7).take_bytes(100), Filler::new(7).take_bytes(100));
        assert_ne!(Filler::new(7).take_bytes(100), Filler::new(8).take_bytes(100));
        assert_ne!(Filler::new(0).take_bytes(8), [0; 8]);
    }
}
