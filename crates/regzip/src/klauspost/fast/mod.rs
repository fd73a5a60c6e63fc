//! Levels 1 to 6: one pass over blocks of 64 KiB, with tables of where bytes were seen last.

mod level1;
mod level2;
mod level3;
mod level4;
mod level5;
mod level6;
mod run;
mod table;

use crate::go::block::MAX_STORED;
use crate::go::token::MAX_DISTANCE;

use super::Revision;
use super::block::BlockWriter;
use super::stream::Compressor;
use super::tokens::Tokens;

/// The most bytes of a block.
const BLOCK: usize = MAX_STORED;
/// How much is kept at most, to look back at and to look through. Level 4 has to know it: it takes distances for places.
const KEPT: usize = 5 * BLOCK;
/// Where the first byte stands: so far on that an empty entry of a table is out of reach.
const FIRST: u32 = 1 << 16;
/// From here on, positions are counted anew.
const LAST: u32 = 1 << 30;
/// A block that is flushed and shorter than this is not looked through.
const SHORT: usize = 128;
/// One that is no longer than this is stored.
const TINY: usize = 32;
/// With fewer bytes no level looks for matches.
const LEAST: usize = run::MARGIN + 2;

/// Finds the matches of one level.
trait Matcher: Send {
    /// Finds tokens for `src[start..]`, where what is before can be matched, and `src[0]` stands at `first`.
    fn find(&mut self, src: &[u8], start: usize, first: u32, tokens: &mut Tokens);

    /// Makes all positions `by` smaller; those that are smaller become 0.
    fn rebase(&mut self, by: u32);
}

/// The compressor of one of these levels.
pub(super) struct Fast {
    matcher: Box<dyn Matcher>,
    tokens: Tokens,
    /// What can be looked back at, and from `start` on the block that is not complete.
    kept: Vec<u8>,
    start: usize,
    /// Where `kept[0]` stands.
    first: u32,
}

impl Fast {
    /// None for a level that is not one of these.
    pub(super) fn new(revision: Revision, level: i8) -> Option<Self> {
        let matcher: Box<dyn Matcher> = match level {
            1 => Box::new(level1::Level1::new()),
            2 => Box::new(level2::Level2::new()),
            3 => Box::new(level3::Level3::new()),
            4 => Box::new(level4::Level4::new(revision.mistakes_distances())),
            5 => Box::new(level5::Level5::new()),
            6 => Box::new(level6::Level6::new()),
            _ => return None,
        };
        Some(Self {
            matcher,
            tokens: Tokens::new(BLOCK),
            kept: Vec::with_capacity(KEPT + BLOCK),
            start: 0,
            first: FIRST,
        })
    }

    /// Forgets all that was seen.
    fn forget(&mut self) {
        self.first += (MAX_DISTANCE + self.kept.len()) as u32;
        self.kept.clear();
        self.start = 0;
    }

    /// Moves what can be reached to the front, if the block went beyond [`KEPT`].
    fn make_room(&mut self) {
        if self.kept.len() <= KEPT {
            return;
        }
        let gone = self.start - MAX_DISTANCE;
        self.kept.copy_within(gone.., 0);
        self.kept.truncate(self.kept.len() - gone);
        self.start = MAX_DISTANCE;
        self.first += gone as u32;
        if self.first >= LAST {
            self.matcher.rebase(self.first - FIRST);
            self.first = FIRST;
        }
    }

    fn pending(&self) -> usize {
        self.kept.len() - self.start
    }

    /// Looks through the block.
    fn find(&mut self) {
        self.make_room();
        if self.pending() >= LEAST {
            self.matcher.find(&self.kept, self.start, self.first, &mut self.tokens);
        }
    }

    fn block(&mut self, sync: bool, writer: &mut BlockWriter, out: &mut Vec<u8>) {
        self.find();
        let plain = &self.kept[self.start..];
        if self.tokens.is_empty() {
            writer.stored(plain, out);
        } else if self.tokens.len() > plain.len() - (plain.len() >> 4) {
            writer.literals(plain, sync, out);
        } else {
            writer.tokens(&mut self.tokens, Some(plain), sync, out);
        }
        self.tokens.clear();
        self.start = self.kept.len();
    }

    fn short_block(&mut self, writer: &mut BlockWriter, out: &mut Vec<u8>) {
        let plain = &self.kept[self.start..];
        if plain.len() <= TINY {
            writer.stored(plain, out);
        } else {
            writer.literals(plain, true, out);
        }
        self.forget();
    }
}

impl Compressor for Fast {
    fn write(&mut self, mut plain: &[u8], writer: &mut BlockWriter, out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.pending() == BLOCK {
                self.block(false, writer, out);
            }
            let (now, later) = plain.split_at(plain.len().min(BLOCK - self.pending()));
            self.kept.extend_from_slice(now);
            plain = later;
        }
    }

    fn sync(&mut self, writer: &mut BlockWriter, out: &mut Vec<u8>) {
        match self.pending() {
            0 => {}
            1..SHORT => self.short_block(writer, out),
            _ => self.block(true, writer, out),
        }
    }

    fn reset(&mut self, dictionary: &[u8]) {
        self.forget();
        self.tokens.clear();
        self.kept.extend_from_slice(&dictionary[dictionary.len().saturating_sub(MAX_DISTANCE)..]);
        self.find();
        self.tokens.clear();
        self.start = self.kept.len();
    }
}
