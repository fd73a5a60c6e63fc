//! What matching leaves behind: literals, and references to earlier bytes.

/// The shortest match that DEFLATE can express; lengths are kept as the difference to it.
const BASE_LENGTH: usize = 3;
/// The longest match that DEFLATE can express.
pub(crate) const MAX_MATCH: usize = 258;
/// How far back a match may lie.
pub(crate) const MAX_DISTANCE: usize = 1 << 15;

/// The kinds of lengths, and of distances.
pub(crate) const LENGTH_CODES: usize = 29;
pub(crate) const DISTANCE_CODES: usize = 30;

/// Symbols that tokens begin with: bytes, then lengths less 3.
pub(crate) const SYMBOLS: usize = 512;
/// The first symbol of a length.
pub(crate) const LENGTH_SYMBOLS: usize = 256;
const SYMBOL_SHIFT: u32 = 16;
/// What a literal has for a distance.
const NO_DISTANCE: u32 = 0xffff;

/// A literal byte, or a length with a distance.
#[derive(Clone, Copy)]
pub(crate) struct Token(u32);

impl Token {
    #[inline(always)]
    pub(crate) fn literal(byte: u8) -> Self {
        Self(u32::from(byte) << SYMBOL_SHIFT | NO_DISTANCE)
    }

    /// `length` is 3 to 258, `distance` 1 to 32768.
    #[inline(always)]
    pub(crate) fn copy(length: usize, distance: usize) -> Self {
        debug_assert!((BASE_LENGTH..=MAX_MATCH).contains(&length) && (1..=MAX_DISTANCE).contains(&distance));
        let symbol = LENGTH_SYMBOLS + length - BASE_LENGTH;
        Self((symbol as u32) << SYMBOL_SHIFT | (distance - 1) as u32)
    }

    /// The byte of a literal, or what stands for the length of a copy.
    #[inline(always)]
    pub(crate) fn symbol(self) -> usize {
        (self.0 >> SYMBOL_SHIFT) as usize % SYMBOLS
    }

    /// The distance of a copy, less 1. A literal has one whose code is [`NO_DISTANCE_CODE`].
    #[inline(always)]
    pub(crate) fn extra_distance(self) -> u16 {
        self.0 as u16
    }
}

/// How many more bits follow each length code.
pub(crate) const LENGTH_EXTRA: [u8; LENGTH_CODES] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

/// The shortest length, less 3, of each length code.
pub(crate) const LENGTH_BASE: [u8; LENGTH_CODES] = {
    let mut bases = [0; LENGTH_CODES];
    let mut code = 1;
    while code < LENGTH_CODES - 1 {
        bases[code] = bases[code - 1] + (1 << LENGTH_EXTRA[code - 1]);
        code += 1;
    }
    // The longest length has a code of its own.
    bases[LENGTH_CODES - 1] = 255;
    bases
};

/// The code of each length less 3.
pub(crate) const LENGTH_CODE: [u8; 256] = {
    let mut codes = [0; 256];
    let mut length = 0;
    let mut code = 0;
    while length < 256 {
        if code + 1 < LENGTH_CODES && LENGTH_BASE[code + 1] as usize <= length {
            code += 1;
        }
        codes[length] = code as u8;
        length += 1;
    }
    codes
};

/// How many more bits follow a distance code.
pub(crate) fn distance_extra(code: usize) -> u32 {
    (code as u32 / 2).saturating_sub(1)
}

/// Room for the codes of all distances, and of [`NO_DISTANCE_CODE`].
pub(crate) const ALL_DISTANCE_CODES: usize = 32;
/// The code of the distance of a literal, which has none.
#[cfg(test)]
const NO_DISTANCE_CODE: usize = 31;

/// The code of a distance less 1: its two highest bits and their place. There is no branch in it.
#[inline(always)]
pub(crate) fn distance_code(distance: u16) -> usize {
    let distance = u32::from(distance);
    let high = (distance | 1).ilog2();
    // One bit more behind a distance of 1 makes it look like the others.
    let second = (distance << 1 | 1) >> high & 1;
    (2 * high + second) as usize - usize::from(distance == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_as_many_distances_as_its_bits_tell() {
        let mut codes = (0..1 << 15).map(distance_code);
        for code in 0..DISTANCE_CODES {
            let count = 1 << distance_extra(code);
            assert!(codes.by_ref().take(count).all(|it| it == code), "{code}");
        }
        assert_eq!(codes.next(), None);
        assert_eq!(distance_code(Token::literal(0).extra_distance()), NO_DISTANCE_CODE);
    }
}
