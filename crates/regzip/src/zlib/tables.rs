//! The alphabets of RFC 1951: which code a length or a distance has, and the fixed codes.

/// Codes below this are literals.
pub(super) const LITERALS: usize = 256;
/// The code that ends a block.
pub(super) const END_OF_BLOCK: usize = 256;
/// Literals, the end of a block, and 29 codes of lengths.
pub(super) const LITERAL_CODES: usize = LITERALS + 1 + 29;
/// Codes of distances.
pub(super) const DISTANCE_CODES: usize = 30;
/// Codes of the lengths of codes.
pub(super) const LENGTH_CODES: usize = 19;
/// The shortest match that has a code.
pub(super) const MIN_MATCH: usize = 3;
/// The longest match that has a code.
pub(super) const MAX_MATCH: usize = 258;

/// How many bits follow each code of a length.
pub(super) const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
/// How many bits follow each code of a distance.
pub(super) const DISTANCE_EXTRA: [u8; DISTANCE_CODES] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
/// How many bits follow each code of a code's length.
pub(super) const CODE_LENGTH_EXTRA: [u8; LENGTH_CODES] =
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7];
/// The order in which the lengths of the code lengths' own codes are sent.
pub(super) const CODE_LENGTH_ORDER: [usize; LENGTH_CODES] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The smallest length, less [`MIN_MATCH`], of each code.
pub(super) static LENGTH_BASE: [u8; 29] = length_bases();
/// The code of each length less [`MIN_MATCH`], counted from the first.
pub(super) static LENGTH_CODE: [u8; 256] = length_codes();
/// The smallest distance, less one, of each code.
pub(super) static DISTANCE_BASE: [u16; DISTANCE_CODES] = distance_bases();
/// The code of distances less one below 256; then, from 256 on, of those distances divided by 128.
static DISTANCE_CODE: [u8; 512] = distance_codes();

/// The lengths of the fixed codes of literals and lengths.
pub(super) static FIXED_LENGTHS: [u8; LITERAL_CODES] = fixed_lengths();
/// The fixed codes of literals and lengths, their first bit lowest.
pub(super) static FIXED_CODES: [u16; LITERAL_CODES] = fixed_codes();
/// The fixed codes of distances have one length.
pub(super) static FIXED_DISTANCE_LENGTHS: [u8; DISTANCE_CODES] = [5; DISTANCE_CODES];
/// The fixed codes of distances, their first bit lowest.
pub(super) static FIXED_DISTANCE_CODES: [u16; DISTANCE_CODES] = fixed_distance_codes();

/// The code of a distance less one.
pub(super) fn distance_code(less_one: u16) -> usize {
    let index = if less_one < 256 { less_one } else { 256 + (less_one >> 7) };
    usize::from(DISTANCE_CODE[usize::from(index & 511)])
}

const fn length_bases() -> [u8; 29] {
    let mut bases = [0; 29];
    let (mut code, mut length) = (0, 0_u8);
    while code < 28 {
        bases[code] = length;
        // The last of these steps would end at 256, which no code needs.
        length = length.wrapping_add(1 << LENGTH_EXTRA[code]);
        code += 1;
    }
    // The longest match has a code of its own, without more bits.
    bases[28] = 255;
    bases
}

const fn length_codes() -> [u8; 256] {
    let bases = length_bases();
    let mut codes = [0; 256];
    let (mut length, mut code) = (0, 0);
    while length < 256 {
        if code < 28 && length == bases[code + 1] as usize {
            code += 1;
        }
        codes[length] = code as u8;
        length += 1;
    }
    codes
}

const fn distance_bases() -> [u16; DISTANCE_CODES] {
    let mut bases = [0; DISTANCE_CODES];
    let mut code = 1;
    while code < DISTANCE_CODES {
        bases[code] = bases[code - 1] + (1 << DISTANCE_EXTRA[code - 1]);
        code += 1;
    }
    bases
}

const fn distance_codes() -> [u8; 512] {
    let bases = distance_bases();
    let mut codes = [0; 512];
    let (mut index, mut code) = (0, 0);
    while index < 512 {
        let less_one = if index < 256 { index } else { (index - 256) << 7 };
        if index == 256 {
            code = 0;
        }
        while code + 1 < DISTANCE_CODES && less_one >= bases[code + 1] as usize {
            code += 1;
        }
        codes[index] = code as u8;
        index += 1;
    }
    codes
}

const fn fixed_lengths() -> [u8; LITERAL_CODES] {
    let mut lengths = [8; LITERAL_CODES];
    let mut code = 144;
    while code < LITERAL_CODES {
        lengths[code] = match code {
            144..256 => 9,
            256..280 => 7,
            _ => 8,
        };
        code += 1;
    }
    lengths
}

const fn fixed_codes() -> [u16; LITERAL_CODES] {
    let mut codes = [0; LITERAL_CODES];
    let mut code = 0;
    while code < LITERAL_CODES {
        codes[code] = match code as u16 {
            symbol @ 0..144 => reversed(0x30 + symbol, 8),
            symbol @ 144..256 => reversed(0x190 + symbol - 144, 9),
            symbol @ 256..280 => reversed(symbol - 256, 7),
            symbol => reversed(0xc0 + symbol - 280, 8),
        };
        code += 1;
    }
    codes
}

const fn fixed_distance_codes() -> [u16; DISTANCE_CODES] {
    let mut codes = [0; DISTANCE_CODES];
    let mut code = 0;
    while code < DISTANCE_CODES {
        codes[code] = reversed(code as u16, 5);
        code += 1;
    }
    codes
}

/// The lowest `bits` of `code`, the other way round: codes are sent with their first bit first.
pub(super) const fn reversed(code: u16, bits: u32) -> u16 {
    code.reverse_bits() >> (u16::BITS - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zlib_codes_are_those_of_the_standard() {
        for (length, code) in [(3, 257), (10, 264), (11, 265), (18, 268), (257, 284), (258, 285)] {
            assert_eq!(usize::from(LENGTH_CODE[length - MIN_MATCH]) + 257, code, "length {length}");
        }
        for (distance, code) in
            [(1, 0), (4, 3), (5, 4), (256, 15), (257, 16), (24576, 28), (24577, 29), (32768, 29)]
        {
            assert_eq!(distance_code((distance - 1) as u16), code, "distance {distance}");
            assert!(usize::from(DISTANCE_BASE[code]) < distance);
        }
    }
}
