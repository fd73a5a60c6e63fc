//! The inputs of the golden vectors of zlib, pigz and GNU gzip.

use super::inputs::{KINDS, Kind, Numbers, make};

/// An input, made anew wherever it is needed.
#[derive(Clone, Copy)]
pub struct Case {
    pub kind: Kind,
    pub length: usize,
    /// Whether it ends as it went on before, so that the search meets the end.
    pub repeats: bool,
}

impl Case {
    pub fn plain(&self) -> Vec<u8> {
        let mut plain = make(self.kind, self.length, self.length as u64);
        if self.repeats {
            repeat_end(&mut plain, &mut Numbers::new(self.length as u64));
        }
        plain
    }
}

/// Makes the input end with what it had some bytes before.
pub fn repeat_end(plain: &mut [u8], numbers: &mut Numbers) {
    let (length, distance) = (1 + numbers.below(300), 1 + numbers.scaled(15));
    let from = plain.len().saturating_sub(length).max(distance.min(plain.len()));
    (from..plain.len()).for_each(|at| plain[at] = plain[at - distance]);
}

pub fn cases() -> Vec<Case> {
    let case = |kind, length, repeats| Case { kind, length, repeats };
    let small = [0, 1, 2, 3, 4, 300].map(|length| case(Kind::Text, length, false));
    let each = KINDS.map(|kind| case(kind, 33_333, false));
    // Where the window slides, and where GNU gzip ends without that.
    let ends = [65_274, 65_275, 65_400, 65_535, 65_536, 98_200].map(|length| case(Kind::Few, length, true));
    // A block of pigz that is full, and one byte more.
    let blocks = [131_072, 131_073].map(|length| case(Kind::Mixed, length, false));
    let large = [
        case(Kind::Random, 70_000, false),
        case(Kind::Mixed, 300_000, true),
        case(Kind::Edge, 140_000, true),
    ];
    small.into_iter().chain(each).chain(ends).chain(blocks).chain(large).collect()
}

/// The first digits of the digest of a stream.
pub fn digest(stream: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(stream)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
