//! Level 1, `BestSpeed`: one candidate for each hash, in the manner of Snappy.

use super::block::{BlockWriter, MAX_STORED};
use super::token::{MAX_DISTANCE, MAX_MATCH, Token};
use crate::raw::RawEncoder;
use crate::words::{equal_bytes, load_u32, load_u64};

const TABLE_BITS: u32 = 14;
const TABLE_SIZE: usize = 1 << TABLE_BITS;
/// Near the end of a block nothing is looked for.
const MARGIN: usize = 15;
/// Positions are moved down before they reach this.
const MOVE_AT: u32 = 1 << 31;
/// The position of the first byte. What a table is filled with at first lies too far back.
const FIRST: u32 = MAX_STORED as u32;

/// Four bytes, and where they stand.
#[derive(Clone, Copy, Default)]
struct Entry {
    value: u32,
    at: u32,
}

/// The encoder of level 1.
pub(super) struct Fast {
    /// As many bytes as a match may reach back, then the block that is gathered.
    window: Vec<u8>,
    /// The position of the block's first byte in the stream, more or less: positions only count as differences.
    cur: u32,
    table: Box<[Entry]>,
    tokens: Vec<Token>,
    blocks: BlockWriter,
}

impl Fast {
    pub(super) fn new() -> Self {
        let mut window = Vec::with_capacity(MAX_DISTANCE + MAX_STORED);
        window.resize(MAX_DISTANCE, 0);
        Self {
            window,
            cur: FIRST,
            table: vec![Entry::default(); TABLE_SIZE].into_boxed_slice(),
            tokens: Vec::with_capacity(MAX_STORED),
            blocks: BlockWriter::new(),
        }
    }

    /// How many bytes the block has.
    fn gathered(&self) -> usize {
        self.window.len() - MAX_DISTANCE
    }

    /// Writes what is gathered as one block, and keeps as much of it as matches can reach.
    fn block(&mut self, out: &mut Vec<u8>) {
        let len = self.gathered();
        self.find();
        let block = &self.window[MAX_DISTANCE..];
        // What saves less than one symbol in 16 is written as literals.
        if self.tokens.len() > len - (len >> 4) {
            self.blocks.literals(block, out);
        } else {
            self.blocks.own(&self.tokens, block, out);
        }
        self.cur += len as u32;
        self.window.drain(..len);
    }

    /// Turns the block into tokens.
    fn find(&mut self) {
        if self.cur >= MOVE_AT {
            self.move_down();
        }
        self.tokens.clear();
        let Self { window, cur, table, tokens, .. } = self;
        let mut search = Search { window, base: cur.wrapping_sub(MAX_DISTANCE as u32), table, tokens };
        let done = if window.len() > MAX_DISTANCE + MARGIN + 1 { search.run() } else { MAX_DISTANCE };
        search.literals(done, window.len());
    }

    /// Makes positions small again. What is too far back for a match stays too far back.
    fn move_down(&mut self) {
        let by = self.cur - FIRST;
        self.table.iter_mut().for_each(|it| it.at = it.at.saturating_sub(by));
        self.cur = FIRST;
    }
}

impl RawEncoder for Fast {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.gathered() == MAX_STORED {
                self.block(out);
            }
            let (now, later) = plain.split_at(plain.len().min(MAX_STORED - self.gathered()));
            self.window.extend_from_slice(now);
            plain = later;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self.gathered() {
            0 => {}
            1..=16 => self.blocks.stored(&self.window[MAX_DISTANCE..], false, out),
            17..128 => self.blocks.literals(&self.window[MAX_DISTANCE..], out),
            _ => self.block(out),
        }
        self.window.truncate(MAX_DISTANCE);
        self.blocks.end(out);
    }
}

/// The search through one block.
struct Search<'a> {
    window: &'a [u8],
    /// What is added to an index to have a position.
    base: u32,
    table: &'a mut [Entry],
    tokens: &'a mut Vec<Token>,
}

impl Search<'_> {
    /// Looks for matches up to the block's margin, and returns where the rest begins that is only literals.
    fn run(&mut self) -> usize {
        let limit = self.window.len() - MARGIN;
        let mut done = MAX_DISTANCE;
        let mut at = MAX_DISTANCE;
        loop {
            let Some((start, mut distance)) = self.next_match(at, limit) else { return done };
            self.literals(done, start);
            at = start;
            loop {
                let most = (self.window.len() - at).min(MAX_MATCH);
                let length = 4 + equal_bytes(self.window, at - distance + 4, at + 4, most - 4);
                self.tokens.push(Token::copy(length, distance));
                at += length;
                done = at;
                if at >= limit {
                    return done;
                }
                // The byte before and this one are noted, those inside the match are not.
                let bytes = load_u64(self.window, at - 1);
                self.swap(bytes as u32, at - 1);
                match self.swap((bytes >> 8) as u32, at) {
                    Some(it) => distance = it,
                    None => break,
                }
            }
            at += 1;
        }
    }

    /// Looks for the next four bytes that stood before, in steps that grow while nothing is found.
    fn next_match(&mut self, mut at: usize, limit: usize) -> Option<(usize, usize)> {
        let mut skip = 32;
        loop {
            let step = skip >> 5;
            skip += step;
            if at + step > limit {
                return None;
            }
            if let Some(distance) = self.swap(load_u32(self.window, at), at) {
                return Some((at, distance));
            }
            at += step;
        }
    }

    /// Notes where four bytes stand, and returns how far back the same ones stood, if that is known and near enough.
    #[inline]
    fn swap(&mut self, value: u32, at: usize) -> Option<usize> {
        let here = self.base.wrapping_add(at as u32);
        let slot = self.table.get_mut((value.wrapping_mul(0x1e35_a7bd) >> (32 - TABLE_BITS)) as usize)?;
        let before = std::mem::replace(slot, Entry { value, at: here });
        let distance = here.wrapping_sub(before.at);
        (before.value == value && distance as usize <= MAX_DISTANCE).then_some(distance as usize)
    }

    fn literals(&mut self, from: usize, to: usize) {
        self.tokens.extend(self.window[from..to].iter().map(|it| Token::literal(*it)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_positions_down_changes_nothing() {
        // Blocks that repeat what lies 30,000 and 40,000 bytes back: the one within reach, the other not.
        let plain: Vec<u8> =
            (0..400_000u32).map(|at| (at % 30_000 % 251) as u8 ^ (at / 40_000) as u8).collect();
        let encode = |mut fast: Fast| {
            let mut out = Vec::new();
            fast.write(&plain, &mut out);
            fast.finish(&mut out);
            out
        };
        let near = Fast { cur: MOVE_AT - 100_000, ..Fast::new() };
        assert_eq!(encode(near), encode(Fast::new()));
    }
}
