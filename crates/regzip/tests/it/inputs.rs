//! Inputs that are the same on every machine, made from a number.

/// A small generator of numbers (splitmix64), whose sequence must never change: golden vectors hang on it.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A number of at most `bits` bits: small ones as often as large ones.
    pub fn scaled(&mut self, bits: usize) -> usize {
        let end = 1 << self.below(bits);
        self.below(end)
    }
}

/// What inputs are made of.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Bytes without any pattern.
    Random,
    /// Words, the first of them often.
    Text,
    /// One byte only.
    Zeros,
    /// Copies of earlier bytes from near the edge of what DEFLATE reaches, with new bytes between them.
    Edge,
    /// Copies of earlier bytes from anywhere.
    Copies,
    /// Numbers that count, as in tables of programs.
    Records,
    /// A few values only.
    Few,
    /// Parts of all of these.
    Mixed,
}

pub const KINDS: [Kind; 8] =
    [Kind::Random, Kind::Text, Kind::Zeros, Kind::Edge, Kind::Copies, Kind::Records, Kind::Few, Kind::Mixed];

/// An input of some length.
pub fn make(kind: Kind, len: usize, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers::new(seed);
    let mut bytes = Vec::with_capacity(len + 300);
    while bytes.len() < len {
        let part = match kind {
            Kind::Mixed => KINDS[numbers.below(KINDS.len() - 1)],
            kind => kind,
        };
        let end = match kind {
            Kind::Mixed => bytes.len() + 1 + numbers.below(100_000),
            _ => len,
        };
        while bytes.len() < end.min(len) {
            grow(part, &mut bytes, &mut numbers);
        }
    }
    bytes.truncate(len);
    bytes
}

fn grow(kind: Kind, bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    match kind {
        Kind::Random | Kind::Mixed => bytes.extend_from_slice(&numbers.next().to_le_bytes()),
        Kind::Text => word(bytes, numbers),
        Kind::Zeros => bytes.extend_from_slice(&[0; 64]),
        Kind::Edge => {
            let spread = [6, 300][numbers.below(2)];
            let distance = 32_768 + 3 - numbers.below(spread);
            copy(bytes, distance, 3 + numbers.below(300));
            let new = 1 + numbers.below(40);
            (0..new).for_each(|_| bytes.push(numbers.next() as u8));
        }
        Kind::Copies => {
            let distance = 1 + numbers.scaled(18);
            copy(bytes, distance, 2 + numbers.scaled(10));
            let new = numbers.below(12);
            (0..=new).for_each(|_| bytes.push(numbers.next() as u8));
        }
        Kind::Records => {
            let count = (bytes.len() / 16) as u32;
            bytes.extend_from_slice(&count.to_le_bytes());
            bytes.extend_from_slice(&(count.wrapping_mul(48) | 0x0040_0000).to_le_bytes());
            bytes.extend_from_slice(&[
                0,
                0,
                0,
                numbers.below(4) as u8,
                0xff,
                0xff,
                0,
                numbers.below(200) as u8,
            ]);
        }
        Kind::Few => bytes.push(b"ACGT"[numbers.below(4)]),
    }
}

/// Copies bytes from further back, or makes new ones where there are none yet.
fn copy(bytes: &mut Vec<u8>, distance: usize, len: usize) {
    for _ in 0..len {
        let at = bytes.len().checked_sub(distance);
        bytes.push(at.map_or(bytes.len() as u8 ^ (bytes.len() >> 8) as u8, |at| bytes[at]));
    }
}

fn word(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    let rank = numbers.scaled(13);
    let mut letters = Numbers::new(rank as u64);
    for _ in 0..2 + letters.below(8) {
        bytes.push(b'a' + (letters.below(26) * letters.below(26) / 26) as u8);
    }
    bytes.push(if numbers.below(12) == 0 { b'\n' } else { b' ' });
}

/// What golden inputs are made from, and how long they are.
#[allow(dead_code, reason = "not every test that uses the generator has these inputs")]
pub const GOLDEN_SEED: u64 = 7;
#[allow(dead_code, reason = "only who makes golden vectors needs them")]
pub const GOLDEN_LENGTHS: [usize; 4] = [100, 17_000, 65_536, 300_001];
