//! Levels 2 to 9: chains of positions with the same hash, and from level 4 on lazy matching.

use super::block::BlockWriter;
use super::token::{MAX_DISTANCE, MAX_MATCH, Token};
use crate::raw::RawEncoder;
use crate::words::{equal_bytes, load_u32};

/// The shortest match that is looked for.
const MIN_MATCH: usize = 4;
/// A match of this length is taken only from nearby.
const NEAR: usize = 4096;
/// Without so much to look ahead, searching waits for more.
const LOOK_AHEAD: usize = MIN_MATCH + MAX_MATCH;
/// The most tokens of a block.
const MAX_TOKENS: usize = 1 << 14;

const WINDOW: usize = 2 * MAX_DISTANCE;
/// With so much behind it that the last index can be read from like any other.
type Window = [u8; WINDOW + 4];
const HASH_BITS: u32 = 17;
/// How hard a level tries.
#[derive(Clone, Copy)]
pub(super) struct Policy {
    /// After a match of this length none is looked for at the next byte.
    lazy: usize,
    /// A match of this length is good enough.
    nice: usize,
    /// How many candidates are looked at.
    tries: usize,
    /// For levels that take each match at once: inside longer ones no positions are noted.
    skip: Option<usize>,
}

impl Policy {
    /// What a level does, from 2 to 9. (Go's fifth number, `good`, has no effect there.)
    pub(super) fn of(level: i8) -> Option<Self> {
        let (lazy, nice, tries, skip) = match level {
            2 => (0, 16, 8, Some(5)),
            3 => (0, 32, 32, Some(6)),
            4 => (4, 16, 16, None),
            5 => (16, 32, 32, None),
            6 => (16, 128, 128, None),
            7 => (32, 128, 256, None),
            8 => (128, 258, 1024, None),
            9 => (258, 258, 4096, None),
            _ => return None,
        };
        Some(Self { lazy, nice, tries, skip })
    }
}

/// The encoder of levels 2 to 9.
pub(super) struct Chain {
    policy: Policy,
    /// What matches may reach, then what is not yet searched.
    window: Box<Window>,
    end: usize,
    /// Where the search goes on.
    index: usize,
    links: Links,
    /// The match at the byte before, which waits whether this byte has a longer one.
    length: usize,
    distance: usize,
    /// Whether the byte before still waits to become a token.
    waiting: bool,
    /// Where the plain bytes of the tokens begin, while they are in the window.
    start: Option<usize>,
    tokens: Vec<Token>,
    blocks: BlockWriter,
}

impl Chain {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            window: boxed(),
            end: 0,
            index: 0,
            links: Links::new(),
            length: MIN_MATCH - 1,
            distance: 0,
            waiting: false,
            start: Some(0),
            tokens: Vec::with_capacity(MAX_TOKENS),
            blocks: BlockWriter::new(),
        }
    }

    /// Makes room for half a window.
    fn slide(&mut self) {
        self.window.copy_within(MAX_DISTANCE..WINDOW, 0);
        self.index -= MAX_DISTANCE;
        self.end -= MAX_DISTANCE;
        self.start = self.start.and_then(|it| it.checked_sub(MAX_DISTANCE));
        self.links.slide();
    }

    /// Searches as far as the look-ahead allows, or to the end.
    fn search(&mut self, last: bool, out: &mut Vec<u8>) {
        match self.policy.skip {
            Some(skip) => self.greedy(skip, last, out),
            None => self.lazy(last, out),
        }
    }

    /// Whether the search goes on at the index with so much to look ahead.
    fn goes_on(ahead: usize, last: bool) -> bool {
        ahead >= LOOK_AHEAD || last && ahead > 0
    }

    /// Takes every match at once.
    fn greedy(&mut self, skip: usize, last: bool, out: &mut Vec<u8>) {
        while Self::goes_on(self.end - self.index, last) {
            let at = self.index;
            let found = self.note(at).and_then(|back| self.find(at, back));
            if let Some((length, distance)) = found {
                self.tokens.push(Token::copy(length, distance));
                if length <= skip {
                    self.note_all(at + 1, at + length);
                }
                self.index += length;
            } else {
                self.tokens.push(Token::literal(self.window[at]));
                self.index += 1;
            }
            self.block_if_full(self.index, out);
        }
    }

    /// Takes a match only if the next byte has no longer one.
    fn lazy(&mut self, last: bool, out: &mut Vec<u8>) {
        while Self::goes_on(self.end - self.index, last) {
            let at = self.index;
            let back = self.note(at);
            let (length, distance) = (self.length, self.distance);
            let worth = length < self.policy.lazy && self.end - at > length;
            let found = back.filter(|_| worth).and_then(|back| self.find(at, back));
            (self.length, self.distance) = found.unwrap_or((MIN_MATCH - 1, 0));
            if length >= MIN_MATCH && self.length <= length {
                self.tokens.push(Token::copy(length, distance));
                self.index = at + length - 1;
                self.note_all(at + 1, self.index);
                self.waiting = false;
                self.length = MIN_MATCH - 1;
                self.block_if_full(self.index, out);
            } else {
                if self.waiting {
                    self.tokens.push(Token::literal(self.window[at - 1]));
                    self.block_if_full(at, out);
                }
                self.waiting = true;
                self.index = at + 1;
            }
        }
    }

    /// Notes a position, and returns how far back the last one with the same hash is, if a match may reach it.
    #[inline]
    fn note(&mut self, at: usize) -> Option<usize> {
        if at + MIN_MATCH > self.end {
            return None;
        }
        let back = self.links.note(&self.window, at);
        (back <= at.min(MAX_DISTANCE)).then_some(back)
    }

    /// Notes the positions of a match.
    fn note_all(&mut self, from: usize, to: usize) {
        for at in from..to.min((self.end + 1).saturating_sub(MIN_MATCH)) {
            self.links.note(&self.window, at);
        }
    }

    /// The longest match at an index among the candidates of its chain, the nearest of several: its length and distance.
    /// The first candidate is `back` before the index.
    #[inline]
    fn find(&self, at: usize, back: usize) -> Option<(usize, usize)> {
        let window = &*self.window;
        let most = (self.end - at).min(MAX_MATCH);
        let nice = self.policy.nice.min(most);
        let reach = at.min(MAX_DISTANCE);
        let mut best = (MIN_MATCH - 1, 0);
        let mut distance = back;
        // What a longer match has to agree in: its last four bytes so far.
        let mut tail = four(window, at);
        let mut tail_at = at;
        for _ in 0..self.policy.tries {
            if four(window, tail_at - distance) == tail {
                let length = equal_bytes(window, at - distance, at, most);
                if length > best.0 && (length > MIN_MATCH || distance <= NEAR) {
                    best = (length, distance);
                    if length >= nice {
                        break;
                    }
                    tail_at = at + length - (MIN_MATCH - 1);
                    tail = four(window, tail_at);
                }
            }
            distance += self.links.before(at - distance);
            if distance > reach {
                break;
            }
        }
        (best.0 >= MIN_MATCH).then_some(best)
    }

    /// Writes a block when it has as many tokens as it may have; they stand for what is before `end`.
    #[inline]
    fn block_if_full(&mut self, end: usize, out: &mut Vec<u8>) {
        if self.tokens.len() == MAX_TOKENS {
            self.block(end, out);
        }
    }

    fn block(&mut self, end: usize, out: &mut Vec<u8>) {
        let plain = self.start.and_then(|start| self.window.get(start..end));
        self.blocks.shortest(&self.tokens, plain, out);
        self.start = Some(end);
        self.tokens.clear();
    }
}

impl RawEncoder for Chain {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.end == WINDOW {
                self.search(false, out);
                self.slide();
            }
            let (now, later) = plain.split_at(plain.len().min(WINDOW - self.end));
            self.window[self.end..self.end + now.len()].copy_from_slice(now);
            self.end += now.len();
            plain = later;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.search(true, out);
        if self.waiting {
            self.tokens.push(Token::literal(self.window[self.index - 1]));
            self.waiting = false;
        }
        if !self.tokens.is_empty() {
            self.block(self.index, out);
        }
        self.blocks.end(out);
    }
}

/// Four bytes at an index of the window.
#[inline(always)]
fn four(window: &Window, at: usize) -> u32 {
    load_u32(window, at % WINDOW)
}

/// The place of four bytes in the table of hashes. Go reads them as a number with the first the highest.
#[inline(always)]
fn hash(bytes: u32) -> usize {
    (bytes.swap_bytes().wrapping_mul(0x1e35_a7bd) >> (32 - HASH_BITS)) as usize
}

/// An array that never lies on the stack.
fn boxed<T: Copy + Default, const N: usize>() -> Box<[T; N]> {
    #[allow(clippy::expect_used, reason = "the slice has just been made with that length")]
    vec![T::default(); N].into_boxed_slice().try_into().ok().expect("N items")
}

/// Which positions have the same hash.
struct Links {
    /// The last index of the window with each hash, counted from 1; 0 for none. (No position at the very end of the window is
    /// noted, so 16 bits suffice.)
    head: Box<[u16; 1 << HASH_BITS]>,
    /// For the positions that matches may reach, how far the one before with the same hash is; farther than the window
    /// reaches if there is none.
    back: Box<[u16; MAX_DISTANCE]>,
}

impl Links {
    fn new() -> Self {
        Self { head: boxed(), back: boxed() }
    }

    /// Notes a position that four bytes follow, and returns how far back the last one with the same hash is.
    #[inline(always)]
    fn note(&mut self, window: &Window, at: usize) -> usize {
        let here = at as u16 + 1;
        let back = here - std::mem::replace(&mut self.head[hash(four(window, at))], here);
        self.back[at % MAX_DISTANCE] = back;
        usize::from(back)
    }

    /// How far before a position the next one of its chain is.
    #[inline(always)]
    fn before(&self, at: usize) -> usize {
        usize::from(self.back[at % MAX_DISTANCE])
    }

    /// Follows the window by half of it.
    fn slide(&mut self) {
        self.head.iter_mut().for_each(|it| *it = it.saturating_sub(MAX_DISTANCE as u16));
    }
}
