//! The frame around DEFLATE: members with a header and a trailer (RFC 1952).

use flate2::Crc;

/// The longest header that is read. Names and comments have no bound of their own.
pub(crate) const MAX_HEADER: usize = 80 << 10;
/// A checksum, and the length.
pub(crate) const TRAILER: usize = 8;

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
const FIXED: usize = 10;
const HAS_CHECKSUM: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

/// What bytes say about a header at their beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// It has so many bytes.
    Whole(usize),
    /// More bytes are needed.
    Cut,
    /// There is none, or one of a later version.
    None,
}

/// Looks for the end of the header that bytes begin with.
pub(crate) fn header(bytes: &[u8]) -> Header {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] || bytes.get(3).is_some_and(|flags| flags & RESERVED != 0) {
        return Header::None;
    }
    match end_of_header(bytes) {
        Some(end) if end <= MAX_HEADER => Header::Whole(end),
        None if bytes.len() <= MAX_HEADER => Header::Cut,
        _ => Header::None,
    }
}

fn end_of_header(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    let mut end = FIXED;
    if flags & HAS_EXTRA != 0 {
        let len = bytes.get(end..)?.first_chunk()?;
        end += 2 + usize::from(u16::from_le_bytes(*len));
    }
    for flag in [HAS_NAME, HAS_COMMENT] {
        if flags & flag != 0 {
            end += 1 + bytes.get(end..)?.iter().position(|it| *it == 0)?;
        }
    }
    if flags & HAS_CHECKSUM != 0 {
        end += 2;
    }
    (end <= bytes.len()).then_some(end)
}

/// What a header gives away about the encoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hints {
    /// When the file was changed, in seconds since 1970; encoders differ in what they write if they do not know.
    pub(crate) time: u32,
    /// How hard the encoder tried: 2 for the most, 4 for the least.
    pub(crate) effort: u8,
    /// The system it ran on.
    pub(crate) system: u8,
}

impl Hints {
    /// Reads the fixed part of a header.
    pub(crate) fn of(header: &[u8]) -> Self {
        let at = |at: usize| header.get(at).copied().unwrap_or(0);
        Self { time: u32::from_le_bytes([at(4), at(5), at(6), at(7)]), effort: at(8), system: at(9) }
    }
}

/// Gathers what a trailer says.
#[derive(Debug, Default)]
pub(crate) struct Tally(Crc);

impl Tally {
    pub(crate) fn add(&mut self, plain: &[u8]) {
        self.0.update(plain);
    }

    pub(crate) fn trailer(&self) -> [u8; TRAILER] {
        let [a, b, c, d] = self.0.sum().to_le_bytes();
        let [e, f, g, h] = self.0.amount().to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_where_its_flags_say() {
        let fixed = |flags: u8, rest: &[u8]| [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255], rest].concat();
        let cases: &[(Vec<u8>, Header)] = &[
            (vec![], Header::Cut),
            (vec![0x1f, 0x8b], Header::Cut),
            (vec![0x1f, 0x8c], Header::None),
            (b"PK".to_vec(), Header::None),
            (fixed(0, b"x"), Header::Whole(10)),
            (fixed(0x20, b""), Header::None),
            (fixed(HAS_NAME, b"a.tar"), Header::Cut),
            (fixed(HAS_NAME, b"a.tar\0x"), Header::Whole(16)),
            (fixed(HAS_NAME | HAS_COMMENT, b"a\0bc\0"), Header::Whole(15)),
            (fixed(HAS_EXTRA, &[3, 0, 1, 2]), Header::Cut),
            (fixed(HAS_EXTRA | HAS_CHECKSUM, &[3, 0, 1, 2, 3, 9, 9, 7]), Header::Whole(17)),
            (fixed(HAS_NAME, &[b'a'; MAX_HEADER]), Header::None),
            (fixed(HAS_NAME, &[&[b'a'; MAX_HEADER][..], &[0]].concat()), Header::None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(header(bytes), *expected, "{:?}", &bytes[..bytes.len().min(20)]);
        }
    }

    #[test]
    fn a_trailer_has_the_checksum_and_the_length() {
        let mut tally = Tally::default();
        tally.add(b"1234");
        tally.add(b"56789");
        assert_eq!(tally.trailer(), [0x26, 0x39, 0xf4, 0xcb, 9, 0, 0, 0]);
    }
}
