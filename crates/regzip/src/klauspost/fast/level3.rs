//! Level 3: two places for each hash of five bytes.

use super::Matcher;
use super::run::{LEAST_MATCH, Match, Run};
use super::table::LastTwo;
use crate::go::token::MAX_DISTANCE;
use crate::klauspost::hash::hash5;
use crate::klauspost::tokens::Tokens;

const BITS: u32 = 16;
/// The longer nothing is found, the more is skipped.
const SKIP: u32 = 7;
/// How far back a match may lie on this level.
const REACH: u32 = (MAX_DISTANCE - 4) as u32;

pub(super) struct Level3 {
    table: LastTwo<{ 1 << BITS }>,
}

/// Where the search stands: at `at`, with the bytes there; `next` is where it goes on to look.
struct Place {
    at: usize,
    next: usize,
    bytes: u64,
}

impl Level3 {
    pub(super) fn new() -> Self {
        Self { table: LastTwo::new() }
    }

    /// Looks for the next match.
    #[inline(always)]
    fn seek(&mut self, run: &Run<'_>, place: &mut Place) -> Option<Match> {
        place.next = place.at;
        loop {
            let hash = hash5::<BITS>(place.bytes);
            place.at = place.next;
            place.next = place.at + 1 + ((place.at - run.done) >> SKIP);
            if place.next > run.limit {
                return None;
            }
            let ahead = run.eight(place.next);
            let last = self.table.push(hash, run.entry(place.at));
            if let Some(from) = choose(run, place, last) {
                return Some(run.follow_all(place.at, from));
            }
            place.bytes = ahead;
        }
    }

    /// Remembers some of the bytes of a match of this length that ended at `place.at`.
    #[inline(always)]
    fn remember(&mut self, run: &Run<'_>, place: &Place, length: usize) {
        let mut at = place.at - length + 2;
        while at + 5 < place.at {
            self.table.push(hash5::<BITS>(run.eight(at)), run.entry(at));
            at += 6;
        }
    }

    /// Remembers the end of a match, and tells whether another begins right there.
    #[inline(always)]
    fn go_on(&mut self, run: &Run<'_>, place: &mut Place) -> Option<Match> {
        let bytes = run.eight(place.at - 2);
        self.table.push(hash5::<BITS>(bytes), run.entry(place.at - 2));
        self.table.push(hash5::<BITS>(bytes >> 8), run.entry(place.at - 1));
        place.bytes = bytes >> 16;
        let last = self.table.push(hash5::<BITS>(place.bytes), run.entry(place.at));
        let nearest = run.entry(place.at) - REACH;
        for entry in last {
            if entry <= nearest {
                break;
            }
            if let Some(from) = hit(run, place, entry) {
                return Some(run.follow_all(place.at, from));
            }
        }
        place.bytes >>= 8;
        place.at += 1;
        None
    }
}

/// The place of an entry if the same bytes are there.
#[inline(always)]
fn hit(run: &Run<'_>, place: &Place, entry: u32) -> Option<usize> {
    run.near(entry, place.at).filter(|it| run.has(*it, place.bytes))
}

/// The place of the two that has the longer match.
#[inline(always)]
fn choose(run: &Run<'_>, place: &Place, [last, before]: [u32; 2]) -> Option<usize> {
    let nearest = run.entry(place.at) - REACH;
    if last < nearest {
        // Then the one before is out of reach as well.
        return None;
    }
    let Some(first) = hit(run, place, last) else {
        return if before > nearest { hit(run, place, before) } else { None };
    };
    if before < nearest {
        return Some(first);
    }
    let second = hit(run, place, before).filter(|it| {
        run.same(place.at + LEAST_MATCH, it + LEAST_MATCH)
            > run.same(place.at + LEAST_MATCH, first + LEAST_MATCH)
    });
    Some(second.unwrap_or(first))
}

impl Matcher for Level3 {
    fn find(&mut self, src: &[u8], start: usize, first: u32, tokens: &mut Tokens) {
        let mut run = Run::new(src, start, first, tokens);
        let mut place = Place { at: start, next: start, bytes: run.eight(start) };
        while let Some(found) = self.seek(&run, &mut place) {
            let mut next = Some(found);
            while let Some(mut found) = next {
                run.widen(&mut found);
                place.at = run.take(found);
                if place.next >= place.at {
                    place.at = place.next + 1;
                }
                if place.at >= run.limit {
                    let end = found.from + found.length;
                    if end + 8 < run.end() && end > 0 {
                        self.table.push(hash5::<BITS>(run.eight(end)), run.entry(end));
                    }
                    return run.finish();
                }
                self.remember(&run, &place, found.length);
                next = self.go_on(&run, &mut place);
            }
        }
        run.finish();
    }

    fn rebase(&mut self, by: u32) {
        self.table.rebase(by);
    }
}
