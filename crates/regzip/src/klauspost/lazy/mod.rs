//! Levels 7 to 9: a match is taken only if none that begins a byte later is longer.

mod chain;
mod price;

use crate::go::token::{LENGTH_CODE, LENGTH_EXTRA, MAX_DISTANCE, MAX_MATCH, distance_code, distance_extra};

use self::chain::{Chains, HASHED};
use self::price::Prices;
use super::Revision;
use super::block::BlockWriter;
use super::stream::Compressor;
use super::tokens::Tokens;
use crate::words::equal_bytes;

const WINDOW: usize = 2 * MAX_DISTANCE;
/// The most tokens of a block.
const BLOCK: usize = 1 << 15;
/// The shortest match.
const LEAST_MATCH: usize = 4;
/// With fewer bytes ahead, more are awaited.
const AHEAD: usize = LEAST_MATCH + MAX_MATCH;
/// How many bytes at the beginning of a match may differ where it is looked for by its end.
const SKIPPED: usize = 2;

/// How hard a level tries.
#[derive(Clone, Copy)]
struct Effort {
    /// A match of this length is taken at once.
    lazy: usize,
    /// A match of this length is not followed by a search for a better one.
    nice: usize,
    /// How many places of a chain are looked at.
    chain: usize,
    /// Whether a match is weighed against what its bytes cost as literals.
    weighs: bool,
}

impl Effort {
    fn of(level: i8) -> Option<Self> {
        let (lazy, nice, chain) = match level {
            7 => (12, 16, 24),
            8 => (30, 40, 64),
            9 => (258, 258, 1024),
            _ => return None,
        };
        Some(Self { lazy, nice, chain, weighs: level == 9 })
    }
}

/// A match with what was at a place before.
#[derive(Clone, Copy)]
struct Found {
    length: usize,
    distance: usize,
}

const NOTHING: Found = Found { length: LEAST_MATCH - 1, distance: 0 };

/// The compressor of one of these levels.
pub(super) struct Lazy {
    effort: Effort,
    revision: Revision,
    window: Vec<u8>,
    chains: Chains,
    prices: Prices,
    tokens: Tokens,
    /// Where the block began, if that is still in the window.
    block: Option<usize>,
    /// Where the search stands.
    at: usize,
    /// Up to here places can be hashed.
    hashable: usize,
    found: Found,
    /// Whether the byte before `at` is not among the tokens yet.
    owed: bool,
    /// For how many bytes nothing was found. Meant to overflow.
    unmatched: u16,
}

/// Where a step writes to.
struct Output<'a> {
    writer: &'a mut BlockWriter,
    sync: bool,
    out: &'a mut Vec<u8>,
}

impl Lazy {
    /// None for a level that is not one of these.
    pub(super) fn new(revision: Revision, level: i8) -> Option<Self> {
        Some(Self {
            effort: Effort::of(level)?,
            revision,
            window: Vec::with_capacity(WINDOW),
            chains: Chains::new(),
            prices: Prices::new(WINDOW),
            tokens: Tokens::new(BLOCK),
            block: Some(0),
            at: 0,
            hashable: 0,
            found: NOTHING,
            owed: false,
            unmatched: 0,
        })
    }

    /// Makes room in the window once the search is near its end.
    fn slide(&mut self) {
        if self.at >= WINDOW - AHEAD {
            self.window.copy_within(MAX_DISTANCE.., 0);
            self.window.truncate(self.window.len() - MAX_DISTANCE);
            self.at -= MAX_DISTANCE;
            self.block = self.block.and_then(|it| it.checked_sub(MAX_DISTANCE));
            self.chains.slide(MAX_DISTANCE);
        }
    }

    /// Writes the tokens as a block, if they are `full` or if `all` are to be written.
    fn write_block(&mut self, to: &mut Output<'_>) {
        let plain = self.block.and_then(|start| self.window.get(start..self.at));
        to.writer.tokens(&mut self.tokens, plain, to.sync, to.out);
        self.block = Some(self.at);
        self.tokens.clear();
    }

    fn write_full_block(&mut self, to: &mut Output<'_>) {
        if self.tokens.len() == BLOCK {
            self.write_block(to);
        }
    }

    fn literal(&mut self, at: usize, to: &mut Output<'_>) {
        self.tokens.literal(self.window[at]);
        self.write_full_block(to);
    }

    fn look_up(&mut self) {
        if self.at < self.hashable {
            self.chains.look_up(&self.window, self.at);
        }
    }

    /// The first place that can still be reached.
    fn reach(&self) -> usize {
        self.at.saturating_sub(MAX_DISTANCE)
    }

    /// Looks through all that is there, or leaves [`AHEAD`] bytes.
    fn step(&mut self, to: &mut Output<'_>) {
        let end = self.window.len();
        if end - self.at < AHEAD && !to.sync {
            return;
        }
        if end != self.at && self.effort.weighs {
            self.prices.set(&self.window, self.at, self.revision.counts_less());
        }
        self.hashable = end.saturating_sub(HASHED - 1);
        while end - self.at >= AHEAD || to.sync && self.at < end {
            self.look_up();
            let before = std::mem::replace(&mut self.found, NOTHING);
            let ahead = end - self.at;
            if self.chains.first() >= self.reach() as isize
                && ahead > before.length
                && before.length < self.effort.lazy
            {
                self.found = self.search(self.chains.first() as usize, ahead).unwrap_or(NOTHING);
            }
            if before.length >= LEAST_MATCH && self.found.length <= before.length {
                self.take(before, ahead, to);
            } else {
                self.go_on(to);
            }
        }
        if to.sync {
            self.finish(to);
        }
    }

    /// Writes what is left.
    fn finish(&mut self, to: &mut Output<'_>) {
        if std::mem::take(&mut self.owed) {
            self.tokens.literal(self.window[self.at - 1]);
        }
        if !self.tokens.is_empty() {
            self.write_block(to);
        }
    }

    /// The best match in a chain that begins at `place`.
    fn search(&self, mut place: usize, ahead: usize) -> Option<Found> {
        let look = ahead.min(MAX_MATCH);
        let here = &self.window[self.at..self.at + look];
        let nice = self.effort.nice.min(look);
        let mut best = None;
        let mut length = NOTHING.length;
        let mut gain = self.revision.least_gain();
        for _ in 0..self.effort.chain {
            if self.window[place + length] == here[length] {
                let same = equal_bytes(&self.window, place, self.at, look);
                if same > length && self.accepts(Found { length: same, distance: self.at - place }, &mut gain)
                {
                    length = same;
                    best = Some(Found { length, distance: self.at - place });
                    if length >= nice {
                        break;
                    }
                }
            }
            if place <= self.reach() {
                // What is said of the place before it was overwritten.
                break;
            }
            match usize::try_from(self.chains.next(place)) {
                Ok(next) if next >= self.reach() => place = next,
                _ => break,
            }
        }
        best
    }

    /// Whether a longer match is a better one; then `gain` becomes what it saves.
    fn accepts(&self, found: Found, gain: &mut i32) -> bool {
        if !self.effort.weighs {
            return true;
        }
        // The original takes the distance itself, not one less, and only its lowest bits for the longest.
        let kind = if found.distance < MAX_DISTANCE { distance_code(found.distance as u16) } else { 14 };
        let extra = LENGTH_EXTRA[usize::from(LENGTH_CODE[found.length.wrapping_sub(3) & 255])];
        let cost = distance_extra(kind) as i32 + i32::from(extra);
        let saved = self.prices.of(self.at, found.length) - cost;
        let better = saved > *gain;
        if better {
            *gain = saved;
        }
        better
    }

    /// Takes the match that was found a byte before.
    fn take(&mut self, mut found: Found, ahead: usize, to: &mut Output<'_>) {
        if self.revision.extends_matches_back() {
            self.improve(&mut found, ahead, to);
        } else {
            self.improve_as_before(&mut found, ahead);
        }
        self.tokens.copy(found.length, found.distance);
        let end = self.at + found.length - 1;
        for at in self.at + 1..end.min(self.hashable) {
            self.chains.insert(&self.window, at);
        }
        self.at = end;
        self.found = NOTHING;
        self.owed = false;
        self.write_full_block(to);
        self.unmatched = 0;
    }

    /// Looks for a longer match by the bytes behind this one, whose first bytes may differ.
    fn improve(&mut self, found: &mut Found, ahead: usize, to: &mut Output<'_>) {
        let start = self.at - 1;
        if found.length >= MAX_MATCH - SKIPPED || start + found.length >= self.hashable {
            return;
        }
        let end = start + ahead.min(MAX_MATCH + SKIPPED);
        let place = self.chains.newest(&self.window, start + found.length) - found.length as isize;
        let Ok(place) = usize::try_from(place) else { return };
        if place <= self.reach() + SKIPPED || start - place == found.distance {
            return;
        }
        let length = equal_bytes(&self.window, place + SKIPPED, start + SKIPPED, end - start - SKIPPED);
        if length <= found.length {
            return;
        }
        *found = Found { length, distance: start - place };
        for skipped in (0..SKIPPED).rev() {
            if found.length >= MAX_MATCH || self.window[start + skipped] != self.window[place + skipped] {
                return self.skip(start..=start + skipped, to);
            }
            found.length += 1;
        }
    }

    /// Makes literals of bytes before a match.
    fn skip(&mut self, places: std::ops::RangeInclusive<usize>, to: &mut Output<'_>) {
        for at in places {
            self.literal(at, to);
            self.at += 1;
            self.look_up();
        }
    }

    /// What [`improve`](Self::improve) was at first.
    fn improve_as_before(&self, found: &mut Found, ahead: usize) {
        let start = self.at - 1;
        if start + found.length + SKIPPED >= self.hashable {
            return;
        }
        let end = start + ahead.min(MAX_MATCH);
        let back = found.length - (LEAST_MATCH - SKIPPED);
        let Ok(place) = usize::try_from(self.chains.newest(&self.window, start + back) - back as isize)
        else {
            return;
        };
        if place > self.reach() {
            let length = equal_bytes(&self.window, place, start, end - start);
            if length > found.length {
                *found = Found { length, distance: start - place };
            }
        }
    }

    /// Goes on by a byte, or by more if nothing was found for long.
    fn go_on(&mut self, to: &mut Output<'_>) {
        if self.found.length >= LEAST_MATCH {
            self.unmatched = 0;
        }
        if !self.owed {
            self.at += 1;
            self.owed = true;
            return;
        }
        self.unmatched = self.unmatched.wrapping_add(1);
        self.literal(self.at - 1, to);
        self.at += 1;
        let Some(more @ 1..) = usize::from(self.unmatched).checked_sub(self.effort.chain) else { return };
        for _ in 0..1 + (more >> 6) {
            if self.at + 1 >= self.window.len() {
                break;
            }
            self.literal(self.at - 1, to);
            self.look_up();
            self.at += 1;
        }
        self.owed = false;
        self.literal(self.at - 1, to);
    }
}

impl Compressor for Lazy {
    fn write(&mut self, mut plain: &[u8], writer: &mut BlockWriter, out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.window.len() == WINDOW {
                self.step(&mut Output { writer, sync: false, out });
            }
            self.slide();
            let (now, later) = plain.split_at(plain.len().min(WINDOW - self.window.len()));
            self.window.extend_from_slice(now);
            plain = later;
        }
    }

    fn sync(&mut self, writer: &mut BlockWriter, out: &mut Vec<u8>) {
        self.step(&mut Output { writer, sync: true, out });
    }

    fn reset(&mut self, dictionary: &[u8]) {
        self.chains.clear();
        self.tokens.clear();
        (self.found, self.owed, self.unmatched, self.hashable) = (NOTHING, false, 0, 0);
        self.window.clear();
        self.window.extend_from_slice(&dictionary[dictionary.len().saturating_sub(MAX_DISTANCE)..]);
        self.at = self.window.len();
        for at in 0..(self.at + 1).saturating_sub(HASHED) {
            self.chains.insert(&self.window, at);
        }
        self.block = Some(if self.revision.leaves_dictionary_out() { self.at } else { 0 });
    }
}
