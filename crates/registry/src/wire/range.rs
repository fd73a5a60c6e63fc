//! The four forms of ranges: of a blob that is asked for and answered (RFC 9110, section 14), of a chunk
//! that is sent, and of what an upload has received ("Pushing a blob in chunks"). The last two have no unit.

use std::fmt;

/// The part of a blob that a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=first-last`, or `bytes=first-` to the end.
    From {
        /// The first byte.
        first: u64,
        /// The last byte, itself included.
        last: Option<u64>,
    },
    /// `bytes=-length`: that many bytes at the end.
    Suffix(u64),
}

impl ByteRange {
    /// Reads a `Range` header. `None` means that it is to be ignored: other units, several ranges and
    /// nonsense are answered with the whole, which RFC 9110 allows. A range that ends before it begins is
    /// read, and has no byte of any blob.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (unit, range) = text.trim().split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        if first.is_empty() {
            return number(last).map(Self::Suffix);
        }
        let first = number(first)?;
        let last = if last.is_empty() { None } else { Some(number(last)?) };
        Some(Self::From { first, last })
    }

    /// Finds the part of a blob of `size` bytes; `None` where no byte of it is asked for (416).
    #[must_use]
    pub fn resolve(self, size: u64) -> Option<ContentRange> {
        let end = size.checked_sub(1)?;
        let (first, last) = match self {
            Self::From { first, last } => (first, last.map_or(end, |last| last.min(end))),
            Self::Suffix(0) => return None,
            Self::Suffix(length) => (size.saturating_sub(length), end),
        };
        (first <= last).then_some(ContentRange { first, last, size: Some(size) })
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From { first, last: Some(last) } => write!(f, "bytes={first}-{last}"),
            Self::From { first, last: None } => write!(f, "bytes={first}-"),
            Self::Suffix(length) => write!(f, "bytes=-{length}"),
        }
    }
}

/// The part of a blob that an answer carries: `Content-Range: bytes first-last/size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub first: u64,
    /// The last byte, itself included.
    pub last: u64,
    /// The length of the whole, where it is known.
    pub size: Option<u64>,
}

impl ContentRange {
    /// Reads a `Content-Range` header of a 206.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        let (range, size) = rest.trim().split_once('/')?;
        let ChunkRange { first, last } = ChunkRange::parse(range)?;
        let size = if size == "*" { None } else { Some(number(size)?) };
        let fine = unit.eq_ignore_ascii_case("bytes") && size.is_none_or(|size| last < size);
        fine.then_some(Self { first, last, size })
    }

    /// Returns how many bytes it has; `None` where that is more than a number holds.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        ChunkRange { first: self.first, last: self.last }.length()
    }

    /// Returns the header of a 416: the length of the whole alone.
    #[must_use]
    pub fn unsatisfied(size: u64) -> String {
        format!("bytes */{size}")
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {}-{}/", self.first, self.last)?;
        match self.size {
            Some(size) => write!(f, "{size}"),
            None => f.write_str("*"),
        }
    }
}

/// Where a chunk stands in its blob: `Content-Range: first-last` of a PATCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /// The first byte.
    pub first: u64,
    /// The last byte, itself included; so an empty chunk cannot be written.
    pub last: u64,
}

impl ChunkRange {
    /// Reads `first-last`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.trim().split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        (first <= last).then_some(Self { first, last })
    }

    /// Returns how many bytes it has; `None` where that is more than a number holds.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.last.checked_sub(self.first)?.checked_add(1)
    }
}

impl fmt::Display for ChunkRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// How much an upload has received: `Range: 0-last` of the answers to POST, PATCH and GET.
///
/// The last byte is included, so nothing cannot be written; Docker's registry writes `0-0` for it, as if it
/// were one byte, and clients expect that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received(Option<u64>);

impl Received {
    /// Says that there are `length` bytes.
    #[must_use]
    pub fn new(length: u64) -> Self {
        Self((length > 1).then_some(length))
    }

    /// Reads `0-last`. Some registries put `bytes=` in front, and some write `0--1` for nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let range = text.strip_prefix("bytes=").unwrap_or(text);
        match range.strip_prefix("0-")? {
            "-1" => Some(Self::new(0)),
            last => number(last)?.checked_add(1).map(Self::new),
        }
    }

    /// Returns the number of bytes; `None` where it is none or one, which look the same.
    #[must_use]
    pub fn length(self) -> Option<u64> {
        self.0
    }

    /// Tells whether it may mean `length` bytes.
    #[must_use]
    pub fn agrees_with(self, length: u64) -> bool {
        self == Self::new(length)
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0-{}", self.0.map_or(0, |length| length - 1))
    }
}

/// Reads digits alone; the standard parser takes a sign too.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_of_a_blob() {
        let cases = [
            ("bytes=0-3", Some((0, 3))),
            ("bytes=4-", Some((4, 9))),
            ("bytes=8-99", Some((8, 9))),
            ("bytes=-3", Some((7, 9))),
            ("bytes=-99", Some((0, 9))),
            ("BYTES=9-9", Some((9, 9))),
            ("bytes=10-", None),
            ("bytes=10-20", None),
            ("bytes=3-2", None),
            ("bytes=-0", None),
        ];
        for (text, expected) in cases {
            let range = ByteRange::parse(text).unwrap().resolve(10);
            let expected = expected.map(|(first, last)| ContentRange { first, last, size: Some(10) });
            assert_eq!(range, expected, "{text}");
        }
        assert_eq!(ByteRange::parse("bytes=0-").unwrap().resolve(0), None);
        assert_eq!(ContentRange::unsatisfied(10), "bytes */10");
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "bytes=a-b",
            "lines=0-1",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(ByteRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_an_upload_received() {
        let cases = [
            ("0-9", Some(Received::new(10))),
            ("bytes=0-9", Some(Received::new(10))),
            ("0-0", Some(Received::new(0))),
            ("0--1", Some(Received::new(0))),
            ("1-9", None),
            ("0-", None),
            ("0", None),
            ("0-18446744073709551615", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Received::parse(text), expected, "{text}");
        }
        assert!(Received::new(0).agrees_with(1) && !Received::new(2).agrees_with(1));
        assert_eq!((Received::new(1).length(), Received::new(2).length()), (None, Some(2)));
    }

    #[test]
    fn malformed_content_ranges_are_refused() {
        for text in ["", "bytes", "bytes 0-1", "bytes 2-1/5", "bytes 0-5/5", "bytes */5", "x 0-1/5"] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
        for text in ["", "-", "1-", "-1", "2-1", "bytes 0-1", "0-1/2"] {
            assert_eq!(ChunkRange::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_parses_back(a: u64, b: u64, more in 1_u64..1000, open: bool) {
            let (first, last) = (a.min(b), a.max(b));
            let range = ByteRange::From { first, last: (!open).then_some(last) };
            prop_assert_eq!(ByteRange::parse(&range.to_string()), Some(range));
            prop_assert_eq!(ByteRange::parse(&ByteRange::Suffix(a).to_string()), Some(ByteRange::Suffix(a)));
            let chunk = ChunkRange { first, last };
            prop_assert_eq!(ChunkRange::parse(&chunk.to_string()), Some(chunk));
            let content = ContentRange { first, last, size: last.checked_add(more) };
            prop_assert_eq!(ContentRange::parse(&content.to_string()), Some(content));
            prop_assert_eq!(Received::parse(&Received::new(a).to_string()), Some(Received::new(a)));
        }

        #[test]
        fn a_resolved_range_is_in_the_blob(first: u64, last: Option<u64>, size: u64) {
            for range in [ByteRange::From { first, last }, ByteRange::Suffix(first)] {
                if let Some(found) = range.resolve(size) {
                    prop_assert!(found.first <= found.last && found.last < size);
                }
            }
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,30}|(bytes[= ])?[0-9*]{0,22}-[0-9]{0,22}(/[0-9*]{0,22})?") {
            let _ = (ByteRange::parse(&text), ContentRange::parse(&text));
            let _ = (ChunkRange::parse(&text).map(|it| it.length()), Received::parse(&text));
        }
    }
}
