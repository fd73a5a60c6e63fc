//! The header of a block that has its own codes: how long each code is, run by run, in a third code.

use super::{
    bits::BitWriter,
    tables::{CODE_LENGTH_EXTRA, CODE_LENGTH_ORDER, DISTANCE_CODES, LENGTH_CODES, LITERAL_CODES, LITERALS},
    tree::{Alphabet, Codes, Cost, Scratch},
};

/// The last length again, three to six times.
const AGAIN: u8 = 16;
/// Zero three to ten times, and eleven to 138 times.
const ZEROS: u8 = 17;
const MANY_ZEROS: u8 = 18;

static ALPHABET: Alphabet = Alphabet { fixed: &[], extra: &CODE_LENGTH_EXTRA, extra_base: 0, max_bits: 7 };

/// The lengths of a block's codes, run by run.
#[derive(Debug)]
pub(super) struct Header {
    /// A length, or one of the three that repeat, with the number that follows it.
    runs: Vec<(u8, u8)>,
    codes: Codes<LENGTH_CODES>,
    /// How many of the lengths' own codes are sent.
    sent: usize,
}

impl Header {
    pub(super) fn new() -> Self {
        Self { runs: Vec::with_capacity(LITERAL_CODES + DISTANCE_CODES), codes: Codes::new(), sent: 0 }
    }

    /// Makes the header for two codes, and adds its cost.
    pub(super) fn build(
        &mut self,
        literals: &Codes<LITERAL_CODES>,
        distances: &Codes<DISTANCE_CODES>,
        scratch: &mut Scratch,
        cost: &mut Cost,
    ) {
        self.runs.clear();
        self.codes.frequency.fill(0);
        self.scan(&literals.bits[..=literals.last]);
        self.scan(&distances.bits[..=distances.last]);
        // What the header takes is no part of a block with fixed codes.
        let mut header = Cost::default();
        self.codes.build(&ALPHABET, scratch, &mut header);
        let last = CODE_LENGTH_ORDER.iter().rposition(|&code| self.codes.bits[code] != 0);
        self.sent = last.map_or(4, |last| (last + 1).max(4));
        cost.own += header.own + 3 * self.sent as i64 + 5 + 5 + 4;
    }

    /// Cuts lengths into runs. A run of zeros has at most 138 of them, one that follows another length seven, or six if
    /// that is the same.
    fn scan(&mut self, lengths: &[u8]) {
        let (mut before, mut count) = (None, 0);
        let mut most = if lengths.first() == Some(&0) { 138 } else { 7 };
        for (index, &length) in lengths.iter().enumerate() {
            let next = lengths.get(index + 1).copied();
            count += 1;
            if count < most && next == Some(length) {
                continue;
            }
            self.run(length, count, before);
            (before, count) = (Some(length), 0);
            most = match next {
                Some(0) => 138,
                Some(next) if next == length => 6,
                _ => 7,
            };
        }
    }

    fn run(&mut self, length: u8, mut count: u8, before: Option<u8>) {
        let shortest = if length == 0 || before == Some(length) { 3 } else { 4 };
        if count < shortest {
            (0..count).for_each(|_| self.push(length, 0));
        } else if length == 0 {
            let (code, least) = if count <= 10 { (ZEROS, 3) } else { (MANY_ZEROS, 11) };
            self.push(code, count - least);
        } else {
            if before != Some(length) {
                self.push(length, 0);
                count -= 1;
            }
            self.push(AGAIN, count - 3);
        }
    }

    fn push(&mut self, code: u8, extra: u8) {
        self.codes.frequency[usize::from(code)] += 1;
        self.runs.push((code, extra));
    }

    /// Writes the header for codes up to these symbols.
    pub(super) fn write(
        &self,
        last_literal: usize,
        last_distance: usize,
        bits: &mut BitWriter,
        out: &mut Vec<u8>,
    ) {
        bits.put((last_literal - LITERALS) as u32, 5, out);
        bits.put(last_distance as u32, 5, out);
        bits.put((self.sent - 4) as u32, 4, out);
        for &code in &CODE_LENGTH_ORDER[..self.sent] {
            bits.put(u32::from(self.codes.bits[code]), 3, out);
        }
        for &(code, extra) in &self.runs {
            let code = usize::from(code);
            bits.put(u32::from(self.codes.code[code]), u32::from(self.codes.bits[code]), out);
            bits.put(u32::from(extra), u32::from(CODE_LENGTH_EXTRA[code]), out);
        }
    }
}
