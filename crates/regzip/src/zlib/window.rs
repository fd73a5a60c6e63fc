//! The plain bytes that matches refer to, and the chains of strings with the same hash.
//!
//! As in zlib the window has twice 32 KiB, and slides by half when its place comes near to the end. That is not only a matter
//! of memory: a string at the window's very start is never matched, and bytes that have left the window cannot be stored.

use super::{
    level::Level,
    tables::{MAX_MATCH, MIN_MATCH},
};
use crate::words::equal_bytes;

/// How far a match reaches back, before zlib's own margin.
pub(super) const HALF: usize = 1 << 15;
const WHOLE: usize = 2 * HALF;
/// With so many bytes ahead the search never meets the end.
pub(super) const MIN_LOOKAHEAD: usize = MAX_MATCH + MIN_MATCH + 1;
/// Matches are at most so far.
pub(super) const MAX_DISTANCE: usize = HALF - MIN_LOOKAHEAD;
/// Behind this place nothing is searched: only GNU gzip gets there, as it does not slide any more when the input has ended.
pub(super) const LAST_SEARCH: usize = WHOLE - MIN_LOOKAHEAD;
/// Room behind the window, for comparisons that begin within it. As much as the window has: the compiler then sees that a
/// place and a length stay below.
const MARGIN: usize = WHOLE + 1;

/// A place in the plain bytes, what was before, and what is known to follow.
pub(super) struct Window {
    bytes: Box<[u8; WHOLE + MARGIN]>,
    /// The last string of each hash, 0 for none.
    head: Box<[u16; 1 << 16]>,
    /// The string before each one with the same hash.
    before: Box<[u16; HALF]>,
    hash_bits: u32,
    /// Where the search is.
    pub(super) place: usize,
    /// How many bytes are known from the place on.
    pub(super) ahead: usize,
    /// Strings before the place that wait for a byte to be entered into a chain.
    pub(super) waiting: usize,
    /// Where the block began; negative when that has left the window.
    block_start: isize,
    /// While bytes are taken in: how many were known before.
    filling: Option<usize>,
}

/// How far back a match is, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub(super) distance: usize,
    pub(super) length: usize,
}

impl Window {
    pub(super) fn new(hash_bits: u32) -> Self {
        Self {
            bytes: Box::new([0; WHOLE + MARGIN]),
            head: Box::new([0; 1 << 16]),
            before: Box::new([0; HALF]),
            hash_bits,
            place: 0,
            ahead: 0,
            waiting: 0,
            block_start: 0,
            filling: None,
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.head.fill(0);
        (self.place, self.ahead, self.waiting, self.block_start, self.filling) = (0, 0, 0, 0, None);
    }

    /// Makes room, and takes bytes until the window is full. False if it is not.
    pub(super) fn fill(&mut self, input: &mut &[u8]) -> bool {
        if self.filling.is_none() {
            if self.place >= HALF + MAX_DISTANCE {
                self.slide();
            }
            self.filling = Some(self.ahead);
        }
        let end = self.place + self.ahead;
        let (taken, rest) = input.split_at(input.len().min(WHOLE - end));
        self.bytes[end..end + taken.len()].copy_from_slice(taken);
        *input = rest;
        self.ahead += taken.len();
        end + taken.len() == WHOLE
    }

    /// Whether the search can go on without [`Window::fill`].
    #[inline(always)]
    pub(super) fn is_ready(&self) -> bool {
        self.ahead >= MIN_LOOKAHEAD && self.filling.is_none()
    }

    /// Ends what [`Window::fill`] began; false if nothing was taken.
    pub(super) fn filled(&mut self) -> bool {
        let before = self.filling.take();
        while self.waiting > 0 && self.ahead + self.waiting >= MIN_MATCH {
            self.enter(self.place - self.waiting);
            self.waiting -= 1;
        }
        before != Some(self.ahead)
    }

    fn slide(&mut self) {
        self.bytes.copy_within(HALF..WHOLE, 0);
        self.place -= HALF;
        self.block_start -= HALF as isize;
        let heads = 1 << self.hash_bits;
        for string in self.head[..heads].iter_mut().chain(self.before.iter_mut()) {
            *string = string.saturating_sub(HALF as u16);
        }
    }

    /// Zeros behind what is known, as GNU gzip has them at the end.
    pub(super) fn blank_end(&mut self) {
        let end = self.place + self.ahead;
        self.bytes[end..end + MIN_MATCH - 1].fill(0);
    }

    /// Takes at most the last 32 KiB of what came before, and enters all strings of it that are whole.
    pub(super) fn preset(&mut self, dictionary: &[u8]) {
        self.clear();
        let tail = &dictionary[dictionary.len().saturating_sub(HALF)..];
        self.bytes[..tail.len()].copy_from_slice(tail);
        let waiting = tail.len().min(MIN_MATCH - 1);
        (0..tail.len() - waiting).for_each(|string| {
            self.enter(string);
        });
        (self.place, self.waiting, self.block_start) = (tail.len(), waiting, tail.len() as isize);
    }

    /// The last 32 KiB before the place, or what there is.
    pub(super) fn history(&self) -> &[u8] {
        &self.bytes[self.place.saturating_sub(HALF)..self.place]
    }

    /// Enters a string into its chain, and gives the one before.
    #[inline(always)]
    pub(super) fn enter(&mut self, string: usize) -> usize {
        let string = string & (WHOLE - 1);
        let [a, b, c] = [0, 1, 2].map(|index| u32::from(self.bytes[string + index]));
        // Each further byte shifts the hash, so that the fourth byte back has left it.
        let shift = self.hash_bits.div_ceil(MIN_MATCH as u32);
        let hash = (a << (2 * shift) ^ b << shift ^ c) & ((1 << self.hash_bits) - 1);
        let head = &mut self.head[usize::from(hash as u16)];
        self.before[string & (HALF - 1)] = *head;
        usize::from(std::mem::replace(head, string as u16))
    }

    /// The byte at the place.
    #[inline]
    pub(super) fn byte(&self) -> u8 {
        self.bytes[self.place & (WHOLE - 1)]
    }

    /// The byte just before the place.
    #[inline]
    pub(super) fn last_byte(&self) -> u8 {
        self.bytes[(self.place - 1) & (WHOLE - 1)]
    }

    /// Goes on by so many bytes that are known.
    #[inline]
    pub(super) fn step(&mut self, count: usize) {
        self.place += count;
        self.ahead -= count;
    }

    /// Plain bytes of the block so far, if all are in the window, and how many there are.
    pub(super) fn block(&self) -> (Option<&[u8]>, usize) {
        let start = usize::try_from(self.block_start).ok();
        (start.map(|start| &self.bytes[start..self.place]), self.block_length())
    }

    /// How many plain bytes the block has so far.
    pub(super) fn block_length(&self) -> usize {
        (self.place as isize - self.block_start) as usize
    }

    /// A block begins here.
    pub(super) fn begin_block(&mut self) {
        self.block_start = self.place as isize;
    }

    /// The longest match along the chain from `first`, if longer than the one in hand; else that. The search ends with a
    /// match of `enough` bytes, which may be fewer than the level says near the end.
    #[inline]
    pub(super) fn longest(&self, first: usize, hand: Match, level: &Level, enough: usize) -> Match {
        let place = self.place & (WHOLE - 1);
        let limit = place.saturating_sub(MAX_DISTANCE);
        let mut rest = if hand.length >= level.good { level.chain >> 2 } else { level.chain };
        let mut best = hand;
        let mut candidate = first & (WHOLE - 1);
        // A longer match has these two bytes in common, and its first two.
        let mut last = (hand.length - 1) & 0x1ff;
        let (start, mut end) = (self.pair(place), self.pair(place + last));
        loop {
            if self.pair(candidate + last) == end && self.pair(candidate) == start {
                let length = equal_bytes(&self.bytes[..], place, candidate, MAX_MATCH);
                if length > best.length {
                    best = Match { distance: place - candidate, length };
                    if length >= enough {
                        break;
                    }
                    last = (length - 1) & 0x1ff;
                    end = self.pair(place + last);
                }
            }
            candidate = usize::from(self.before[candidate & (HALF - 1)]);
            rest -= 1;
            if candidate <= limit || rest == 0 {
                break;
            }
        }
        best
    }

    #[inline(always)]
    fn pair(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window")
            .field("place", &self.place)
            .field("ahead", &self.ahead)
            .finish_non_exhaustive()
    }
}
