//! Levels 2 to 9: chains of positions with the same hash, and from level 4 on lazy matching.

use super::block::BlockWriter;
use super::links::{Links, MIN_MATCH, Query, WINDOW, Window, boxed};
use super::token::{MAX_DISTANCE, MAX_MATCH, Token};
use crate::raw::RawEncoder;

/// Without so much to look ahead, searching waits for more.
const LOOK_AHEAD: usize = MIN_MATCH + MAX_MATCH;
/// The most tokens of a block.
const MAX_TOKENS: usize = 1 << 14;

/// Stands for no match.
const NO_MATCH: (usize, usize) = (MIN_MATCH - 1, 0);

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
pub(super) struct Chain<L> {
    policy: Policy,
    /// What matches may reach, then what is not yet searched.
    window: Box<Window>,
    end: usize,
    /// Where the search goes on.
    index: usize,
    links: L,
    /// The length and distance of the match at the byte before, which waits whether this byte has a longer one.
    before: (usize, usize),
    /// Whether the byte before still waits to become a token.
    waiting: bool,
    /// Where the plain bytes of the tokens begin, while they are in the window.
    start: Option<usize>,
    tokens: Vec<Token>,
    blocks: BlockWriter,
}

impl<L: Links> Chain<L> {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            window: boxed(),
            end: 0,
            index: 0,
            links: L::new(),
            before: NO_MATCH,
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
        match (self.policy.skip, last) {
            (Some(skip), false) => self.greedy::<false>(skip, out),
            (Some(skip), true) => self.greedy::<true>(skip, out),
            (None, false) => self.lazy::<false>(out),
            (None, true) => self.lazy::<true>(out),
        }
    }

    /// How much a search at an index can look ahead, as far as it matters, if it is to go on there.
    #[inline(always)]
    fn ahead<const LAST: bool>(&self, at: usize) -> Option<usize> {
        let ahead = self.end - at;
        match LAST {
            true => (ahead > 0).then_some(ahead),
            // What is the same for almost all bytes need not be found out for each.
            false => (ahead >= LOOK_AHEAD).then_some(LOOK_AHEAD),
        }
    }

    /// Takes every match at once.
    fn greedy<const LAST: bool>(&mut self, skip: usize, out: &mut Vec<u8>) {
        let mut at = self.index;
        while let Some(ahead) = self.ahead::<LAST>(at) {
            let found = if self.note(at, ahead) { self.find(at, ahead, MIN_MATCH - 1) } else { None };
            if let Some((length, distance)) = found {
                self.tokens.push(Token::copy(length, distance));
                if length <= skip {
                    self.note_all(at + 1, at + length);
                }
                at += length;
            } else {
                self.tokens.push(Token::literal(self.window[at % WINDOW]));
                at += 1;
            }
            self.block_if_full(at, out);
        }
        self.index = at;
    }

    /// Takes a match only if the next byte has no longer one.
    fn lazy<const LAST: bool>(&mut self, out: &mut Vec<u8>) {
        let (mut at, mut waiting, (mut length, mut distance)) = (self.index, self.waiting, self.before);
        while let Some(ahead) = self.ahead::<LAST>(at) {
            let worth = self.note(at, ahead) && length < self.policy.lazy && ahead > length;
            // (Go finds matches that are not longer, too, and then does not use them.)
            let found = if worth { self.find(at, ahead, length) } else { None };
            if length >= MIN_MATCH && found.is_none() {
                self.tokens.push(Token::copy(length, distance));
                let end = at + length - 1;
                self.note_all(at + 1, end);
                at = end;
                waiting = false;
                (length, distance) = NO_MATCH;
                self.block_if_full(at, out);
            } else {
                if waiting {
                    self.tokens.push(Token::literal(self.window[(at - 1) % WINDOW]));
                    self.block_if_full(at, out);
                }
                waiting = true;
                at += 1;
                (length, distance) = found.unwrap_or(NO_MATCH);
            }
        }
        (self.index, self.waiting, self.before) = (at, waiting, (length, distance));
    }

    /// Notes a position, if a match is long enough that begins there.
    #[inline(always)]
    fn note(&mut self, at: usize, ahead: usize) -> bool {
        let noted = ahead >= MIN_MATCH;
        if noted {
            self.links.note(&self.window, at);
        }
        noted
    }

    /// Notes the positions of a match.
    #[inline(always)]
    fn note_all(&mut self, from: usize, to: usize) {
        for at in from..to.min((self.end + 1).saturating_sub(MIN_MATCH)) {
            self.links.note(&self.window, at);
        }
    }

    /// The longest match at an index, if it is longer than `least`: its length and distance.
    #[inline(always)]
    fn find(&self, at: usize, ahead: usize, least: usize) -> Option<(usize, usize)> {
        let Policy { nice, tries, .. } = self.policy;
        self.links.find(&Query::new(&self.window, (at, ahead), least, nice, tries))
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

impl<L: Links> RawEncoder for Chain<L> {
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
