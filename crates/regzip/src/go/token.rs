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

const IS_MATCH: u32 = 1 << 30;
const LENGTH_SHIFT: u32 = 16;

/// A literal byte, or a length with a distance.
#[derive(Clone, Copy)]
pub(crate) struct Token(u32);

impl Token {
    pub(crate) fn literal(byte: u8) -> Self {
        Self(u32::from(byte))
    }

    /// `length` is 3 to 258, `distance` 1 to 32768.
    pub(crate) fn copy(length: usize, distance: usize) -> Self {
        debug_assert!((BASE_LENGTH..=MAX_MATCH).contains(&length) && (1..=MAX_DISTANCE).contains(&distance));
        Self(IS_MATCH | ((length - BASE_LENGTH) as u32) << LENGTH_SHIFT | (distance - 1) as u32)
    }

    pub(crate) fn is_copy(self) -> bool {
        self.0 & IS_MATCH != 0
    }

    /// The byte of a literal.
    pub(crate) fn byte(self) -> u8 {
        self.0 as u8
    }

    /// The length of a copy, less 3.
    pub(crate) fn extra_length(self) -> u8 {
        (self.0 >> LENGTH_SHIFT) as u8
    }

    /// The distance of a copy, less 1.
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

/// The code of a distance less 1: its two highest bits and their place.
#[inline]
pub(crate) fn distance_code(distance: u16) -> usize {
    if distance < 2 {
        return usize::from(distance);
    }
    let high = 15 - distance.leading_zeros();
    (2 * high + u32::from(distance >> (high - 1) & 1)) as usize
}
