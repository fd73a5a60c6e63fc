//! What the levels have in common: one run over a block.

use crate::go::token::{MAX_DISTANCE, MAX_MATCH};

use super::super::tokens::Tokens;
use crate::words::{equal_bytes, load_u32, load_u64};

/// So close to the end of a block no match begins, so that eight bytes can be read.
pub(super) const MARGIN: usize = 12 - 1;
/// How far a match is followed before it is chosen.
const FOLLOWED: usize = MAX_MATCH - LEAST_MATCH;
/// The bytes that every match has.
pub(super) const LEAST_MATCH: usize = 4;

/// How many bytes at the beginning of a match may differ where it is looked for by its end.
const SKIPPED: usize = 2;

/// A match: `length` bytes at `at` are the same as those at `from`.
#[derive(Clone, Copy)]
pub(super) struct Match {
    pub(super) at: usize,
    pub(super) from: usize,
    pub(super) length: usize,
}

/// A run over a block.
pub(super) struct Run<'a> {
    src: &'a [u8],
    tokens: &'a mut Tokens,
    /// Where `src[0]` stands.
    first: u32,
    /// Up to here tokens were made.
    pub(super) done: usize,
    /// From here on no match begins.
    pub(super) limit: usize,
}

impl<'a> Run<'a> {
    pub(super) fn new(src: &'a [u8], start: usize, first: u32, tokens: &'a mut Tokens) -> Self {
        Self { src, tokens, first, done: start, limit: src.len().saturating_sub(MARGIN) }
    }

    /// The end of the block.
    pub(super) fn end(&self) -> usize {
        self.src.len()
    }

    /// What a table keeps of a place.
    #[inline(always)]
    pub(super) fn entry(&self, at: usize) -> u32 {
        self.first.wrapping_add(at as u32)
    }

    /// The place of an entry if it is less than the greatest distance before `at`.
    #[inline(always)]
    pub(super) fn near(&self, entry: u32, at: usize) -> Option<usize> {
        let distance = self.entry(at).wrapping_sub(entry) as usize;
        if distance < MAX_DISTANCE { at.checked_sub(distance) } else { None }
    }

    /// The place of an entry if it is no more than the greatest distance before `at`.
    #[inline(always)]
    pub(super) fn within(&self, entry: u32, at: usize) -> Option<usize> {
        let distance = self.entry(at).wrapping_sub(entry) as usize;
        if distance <= MAX_DISTANCE { at.checked_sub(distance) } else { None }
    }

    /// The eight bytes from `at` on.
    #[inline(always)]
    pub(super) fn eight(&self, at: usize) -> u64 {
        load_u64(self.src, at)
    }

    /// Whether the four bytes from `at` on are the lowest of `bytes`.
    #[inline(always)]
    pub(super) fn has(&self, at: usize, bytes: u64) -> bool {
        load_u32(self.src, at) == bytes as u32
    }

    /// How many bytes from `at` and `from` on are the same, up to the end.
    #[inline(always)]
    pub(super) fn same(&self, at: usize, from: usize) -> usize {
        equal_bytes(self.src, from, at, self.end() - at)
    }

    /// A match of which four bytes are known, followed as far as it is for a choice.
    #[inline(always)]
    pub(super) fn follow(&self, at: usize, from: usize) -> Match {
        let end = self.end().min(at + LEAST_MATCH + FOLLOWED);
        let more = equal_bytes(self.src, from + LEAST_MATCH, at + LEAST_MATCH, end - at - LEAST_MATCH);
        Match { at, from, length: more + LEAST_MATCH }
    }

    /// A match of which four bytes are known, followed to its end.
    #[inline(always)]
    pub(super) fn follow_all(&self, at: usize, from: usize) -> Match {
        Match { at, from, length: self.same(at + LEAST_MATCH, from + LEAST_MATCH) + LEAST_MATCH }
    }

    /// The longer one of two matches, as far as they are followed. The second one may be missing.
    #[inline(always)]
    pub(super) fn longer(&self, at: usize, from: usize, other: Option<usize>) -> Match {
        let Some(other) = other else { return self.follow_all(at, from) };
        let (first, second) = (self.follow(at, from), self.follow(at, other));
        if second.length > first.length { second } else { first }
    }

    /// A match that was followed as far as it is for a choice, followed to its end.
    #[inline(always)]
    pub(super) fn whole(&self, mut it: Match) -> Match {
        if it.length == MAX_MATCH {
            it.length += self.same(it.at + MAX_MATCH, it.from + MAX_MATCH);
        }
        it
    }

    /// A match that ends where an entry says: at `at + length`, which is where it was looked up. The first bytes from
    /// `at` on need not be the same.
    #[inline(always)]
    pub(super) fn ending(&self, entry: u32, at: usize, length: usize) -> Option<Match> {
        let distance = self.entry(at + length).wrapping_sub(entry) as usize;
        if distance == 0 || distance >= MAX_DISTANCE {
            return None;
        }
        let at = at + SKIPPED;
        let from = at.checked_sub(distance)?;
        Some(Match { at, from, length: self.same(at, from) })
    }

    /// Begins a match as early as it can.
    #[inline(always)]
    pub(super) fn widen(&self, it: &mut Match) {
        while it.from > 0 && it.at > self.done && self.src[it.from - 1] == self.src[it.at - 1] {
            it.from -= 1;
            it.at -= 1;
            it.length += 1;
        }
    }

    /// Makes tokens of a match and of what is before it, and gives the place behind it.
    #[inline(always)]
    pub(super) fn take(&mut self, it: Match) -> usize {
        self.tokens.literals(&self.src[self.done..it.at]);
        self.tokens.long_copy(it.length, it.at - it.from);
        self.done = it.at + it.length;
        self.done
    }

    /// Makes literals of the rest, unless nothing was matched at all.
    pub(super) fn finish(self) {
        if !self.tokens.is_empty() {
            self.tokens.literals(&self.src[self.done..]);
        }
    }
}
