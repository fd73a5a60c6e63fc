//! The search for matches, quick and lazy, and when blocks end.

use super::{
    bits::BitWriter,
    block::{Block, EarlyEnd, write_empty_fixed, write_stored},
    level::Level,
    tables::MIN_MATCH,
    window::{LAST_SEARCH, MAX_DISTANCE, Match, Window},
};

/// A lazy search drops matches of three bytes that are farther than this.
const TOO_FAR: usize = 4096;
/// What is in hand where no match is.
const NO_MATCH: Match = Match { distance: 0, length: MIN_MATCH - 1 };

/// In what the relatives of zlib differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Strings are hashed to so many bits.
    pub(crate) hash_bits: u32,
    /// Blocks have at most so many symbols.
    pub(crate) block_symbols: usize,
    /// When blocks end before that.
    pub(crate) early_end: EarlyEnd,
    /// Whether the search runs over the end of the input, and cuts the match it finds there.
    pub(crate) searches_past_end: bool,
}

/// What follows the plain bytes that were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// More of them.
    More,
    /// The end of a block.
    EndOfBlock,
    /// The end of the stream.
    EndOfStream,
}

/// A stream being written.
#[derive(Debug)]
pub(crate) struct Deflater {
    rules: Rules,
    level: Level,
    window: Window,
    block: Block,
    bits: BitWriter,
    /// The match found one byte before, and whether that byte waits for it.
    hand: Match,
    literal_waits: bool,
    /// The input has ended, and the window knows.
    ended: bool,
}

impl Deflater {
    pub(crate) fn new(level: Level, rules: Rules) -> Self {
        Self {
            rules,
            level,
            window: Window::new(rules.hash_bits),
            block: Block::new(rules.block_symbols, rules.early_end),
            bits: BitWriter::default(),
            hand: NO_MATCH,
            literal_waits: false,
            ended: false,
        }
    }

    /// Begins anew, at a whole byte, behind bytes that matches may refer to.
    pub(super) fn restart(&mut self, dictionary: &[u8]) {
        self.window.preset(dictionary);
        (self.hand, self.literal_waits) = (NO_MATCH, false);
    }

    /// As [`Deflater::restart`] behind what was just written.
    pub(super) fn restart_here(&mut self) {
        let history = self.window.history().to_vec();
        self.restart(&history);
    }

    /// Takes plain bytes that more will follow.
    pub(crate) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.run(plain, Then::More, out);
    }

    /// Ends the stream.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.run(&[], Then::EndOfStream, out);
    }

    /// Ends the block, if anything is in it, within a byte or not.
    pub(super) fn end_block(&mut self, out: &mut Vec<u8>) {
        self.run(&[], Then::EndOfBlock, out);
    }

    /// How many bits the last byte has so far; zero if it is whole.
    pub(super) fn beyond_byte(&self) -> u32 {
        self.bits.beyond_byte()
    }

    /// Writes an empty stored block, which ends with a whole byte.
    pub(super) fn put_empty_stored(&mut self, out: &mut Vec<u8>) {
        write_stored(&[], false, &mut self.bits, out);
    }

    /// Writes empty blocks of ten bits up to a whole byte, which an even number of bits reaches.
    pub(super) fn put_empty_fixed(&mut self, out: &mut Vec<u8>) {
        while self.bits.beyond_byte() != 0 {
            write_empty_fixed(&mut self.bits, out);
        }
        self.bits.align(out);
    }

    fn run(&mut self, mut plain: &[u8], then: Then, out: &mut Vec<u8>) {
        let complete = if self.level.is_lazy() {
            self.search_lazily(&mut plain, then, out)
        } else {
            self.search_quickly(&mut plain, then, out)
        };
        if !complete {
            return;
        }
        self.window.waiting = self.window.place.min(MIN_MATCH - 1);
        if then == Then::EndOfStream || !self.block.is_empty() {
            self.write_block(then == Then::EndOfStream, out);
        }
    }

    /// Whether the search may go on: enough bytes are ahead, or no more will come.
    #[inline(always)]
    fn is_ready(&mut self, plain: &mut &[u8], then: Then) -> bool {
        self.window.is_ready() || self.refill(plain, then)
    }

    /// The window always takes all it has room for before the search goes on: so does zlib when it is given everything at
    /// once, and then nothing depends on how the bytes arrive.
    fn refill(&mut self, plain: &mut &[u8], then: Then) -> bool {
        if !self.rules.searches_past_end {
            return self.fill(plain, then).is_some();
        }
        while !self.window.is_ready() && !self.ended {
            match self.fill(plain, then) {
                None => return false,
                Some(taken) => self.ended = !taken,
            }
            if self.ended {
                self.window.blank_end();
            }
        }
        true
    }

    /// Fills the window once, and says whether anything came; nothing if more has to come.
    fn fill(&mut self, plain: &mut &[u8], then: Then) -> Option<bool> {
        let full = self.window.fill(plain);
        (full || then != Then::More).then(|| self.window.filled())
    }

    /// Takes the first match that is found. False where it waits for more bytes.
    fn search_quickly(&mut self, plain: &mut &[u8], then: Then, out: &mut Vec<u8>) -> bool {
        loop {
            if !self.is_ready(plain, then) {
                return false;
            }
            if self.window.ahead == 0 {
                return true;
            }
            let found = self.search(NO_MATCH);
            let full = if found.length >= MIN_MATCH {
                let full = self.reference(found);
                self.step_over(found.length);
                full
            } else {
                let full = self.literal(self.window.byte());
                self.window.step(1);
                full
            };
            if full {
                self.write_block(false, out);
            }
        }
    }

    /// Goes behind a match; the strings in a long one enter no chain.
    fn step_over(&mut self, length: usize) {
        let place = self.window.place;
        self.window.step(length);
        if length <= self.level.lazy && self.window.ahead >= MIN_MATCH {
            for string in place + 1..place + length {
                self.window.enter(string);
            }
        }
    }

    /// Takes a match only if the next place has none that is longer. False where it waits for more bytes.
    fn search_lazily(&mut self, plain: &mut &[u8], then: Then, out: &mut Vec<u8>) -> bool {
        loop {
            if !self.is_ready(plain, then) {
                return false;
            }
            if self.window.ahead == 0 {
                break;
            }
            let found = self.search_nearer();
            if self.hand.length >= MIN_MATCH && found.length <= self.hand.length {
                self.take_hand(out);
                continue;
            }
            if self.literal_waits && self.literal(self.window.last_byte()) {
                self.write_block(false, out);
            }
            (self.hand, self.literal_waits) = (found, true);
            self.window.step(1);
        }
        if std::mem::take(&mut self.literal_waits) {
            self.literal(self.window.last_byte());
        }
        true
    }

    /// Searches for a match longer than the one in hand, but none that is both short and far.
    #[inline(always)]
    fn search_nearer(&mut self) -> Match {
        let found = self.search(self.hand);
        if found.length == MIN_MATCH && found.distance > TOO_FAR { NO_MATCH } else { found }
    }

    /// Writes the match found one byte before, and goes behind it.
    fn take_hand(&mut self, out: &mut Vec<u8>) {
        let hand = std::mem::replace(&mut self.hand, NO_MATCH);
        self.literal_waits = false;
        let place = self.window.place;
        let full = self.reference(hand);
        let whole = (place + self.window.ahead).saturating_sub(MIN_MATCH);
        self.window.step(hand.length - 1);
        for string in place + 1..self.window.place.min(whole + 1) {
            self.window.enter(string);
        }
        if full {
            self.write_block(false, out);
        }
    }

    /// Enters the string at the place, and searches for a match longer than the one in hand, if that is not long enough.
    #[inline(always)]
    fn search(&mut self, hand: Match) -> Match {
        let (place, ahead) = (self.window.place, self.window.ahead);
        if ahead < MIN_MATCH && !self.rules.searches_past_end {
            return NO_MATCH;
        }
        let first = self.window.enter(place);
        let is_good = self.level.is_lazy() && hand.length >= self.level.lazy;
        if first == 0 || place - first > MAX_DISTANCE || is_good || place > LAST_SEARCH {
            return NO_MATCH;
        }
        let enough = if self.rules.searches_past_end { self.level.nice } else { self.level.nice.min(ahead) };
        let found = self.window.longest(first, hand, &self.level, enough);
        Match { length: found.length.min(ahead), ..found }
    }

    #[inline(always)]
    fn literal(&mut self, byte: u8) -> bool {
        self.block.literal(byte) || self.block.ends_early(self.window.block_length())
    }

    #[inline(always)]
    fn reference(&mut self, found: Match) -> bool {
        // A match has at most 258 bytes.
        let full = self.block.reference(found.distance, (found.length - MIN_MATCH) as u8);
        full || self.block.ends_early(self.window.block_length())
    }

    fn write_block(&mut self, last: bool, out: &mut Vec<u8>) {
        let (plain, length) = self.window.block();
        self.block.write(plain, length, last, &mut self.bits, out);
        self.window.begin_block();
    }
}
