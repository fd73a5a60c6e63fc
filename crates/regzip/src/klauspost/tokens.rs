//! What matching found in a block, and how often each symbol occurs in it.

use crate::go::block::LITERAL_CODES;
use crate::go::token::{
    DISTANCE_CODES, LENGTH_CODE, LENGTH_EXTRA, MAX_MATCH, Token, distance_code, distance_extra,
};

/// Ends a block.
pub(super) const END: usize = 256;
/// The shortest match that DEFLATE can express.
const MIN_LENGTH: usize = 3;
/// What the end of a block counts for in an estimate.
const END_ESTIMATE: f32 = 15.0;

/// How often each symbol occurs.
#[derive(Clone)]
pub(super) struct Counts {
    pub(super) literals: [u32; LITERAL_CODES],
    pub(super) distances: [u32; DISTANCE_CODES],
}

impl Counts {
    fn new() -> Self {
        Self { literals: [0; LITERAL_CODES], distances: [0; DISTANCE_CODES] }
    }

    /// How many bits follow codes.
    pub(super) fn extra(&self) -> usize {
        let lengths = self.literals[END + 1..]
            .iter()
            .zip(LENGTH_EXTRA)
            .map(|(&n, extra)| n as usize * usize::from(extra));
        let distances =
            self.distances.iter().enumerate().map(|(code, &n)| n as usize * distance_extra(code) as usize);
        lengths.sum::<usize>() + distances.sum::<usize>()
    }
}

/// The tokens of a block.
pub(super) struct Tokens {
    list: Vec<Token>,
    counts: Counts,
    ended: bool,
}

impl Tokens {
    /// Has room for `room` tokens without asking for more.
    pub(super) fn new(room: usize) -> Self {
        Self { list: Vec::with_capacity(room), counts: Counts::new(), ended: false }
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.counts = Counts::new();
        self.ended = false;
    }

    /// How many there are, the end of the block among them.
    pub(super) fn len(&self) -> usize {
        self.list.len() + usize::from(self.ended)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn list(&self) -> &[Token] {
        &self.list
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    #[inline]
    pub(super) fn literal(&mut self, byte: u8) {
        self.counts.literals[usize::from(byte)] += 1;
        self.list.push(Token::literal(byte));
    }

    #[inline]
    pub(super) fn literals(&mut self, plain: &[u8]) {
        self.list.extend(plain.iter().map(|byte| Token::literal(*byte)));
        for byte in plain {
            self.counts.literals[usize::from(*byte)] += 1;
        }
    }

    /// A copy of 3 to 258 bytes.
    #[inline]
    pub(super) fn copy(&mut self, length: usize, distance: usize) {
        let kind = distance_code((distance - 1) as u16);
        self.copy_of_kind(length, distance, kind);
    }

    /// A copy of 4 bytes or more, cut so that no piece is shorter than DEFLATE can express.
    #[inline]
    pub(super) fn long_copy(&mut self, mut length: usize, distance: usize) {
        let kind = distance_code((distance - 1) as u16);
        while length > 0 {
            let piece = match length {
                0..=MAX_MATCH => length,
                _ if length > MAX_MATCH + MIN_LENGTH => MAX_MATCH,
                _ => MAX_MATCH - MIN_LENGTH,
            };
            length -= piece;
            self.copy_of_kind(piece, distance, kind);
        }
    }

    #[inline]
    fn copy_of_kind(&mut self, length: usize, distance: usize, kind: usize) {
        let length_code = usize::from(LENGTH_CODE[(length - MIN_LENGTH) & 255]);
        self.counts.literals[END + 1 + length_code] += 1;
        self.counts.distances[kind.min(DISTANCE_CODES - 1)] += 1;
        self.list.push(Token::copy(length, distance));
    }

    /// Counts the end of the block.
    pub(super) fn end(&mut self) {
        self.counts.literals[END] += 1;
        self.ended = true;
    }

    /// The bits that a code of their own would take, by their entropy, with the bits that follow codes.
    ///
    /// The order of the additions is the original's: floating point tells them apart.
    pub(super) fn estimate(&self) -> usize {
        let each = 1.0 / self.len() as f32;
        let (literals, lengths) = self.counts.literals.split_at(END + 1);
        let mut bits = entropy(0.0, &literals[..END], each) + END_ESTIMATE;
        bits = entropy(bits, lengths, each);
        let copies: u32 = lengths.iter().sum();
        if copies > 0 {
            bits = entropy(bits, &self.counts.distances, 1.0 / copies as f32);
        }
        bits as usize + self.counts.extra()
    }
}

/// Adds to `bits` what symbols of these counts take, where `each` is the share of one of them.
fn entropy(bits: f32, counts: &[u32], each: f32) -> f32 {
    counts.iter().filter(|it| **it > 0).fold(bits, |bits, &count| {
        let count = count as f32;
        bits + (-fast_log2(count * each)).clamp(1.0, 15.0) * count
    })
}

/// The logarithm to base 2, by a parabola between powers of two.
fn fast_log2(value: f32) -> f32 {
    let bits = value.to_bits();
    let power = ((bits >> 23) & 255) as i32 - 128;
    let fraction = f32::from_bits((bits & 0x807f_ffff) + (127 << 23));
    power as f32 + ((-0.344_848_43 * fraction + 2.024_665_8) * fraction - 0.674_877_6)
}
