//! Level 6: the tables of level 5, of which more is remembered and looked at.

use super::Matcher;
use super::run::{Match, Run};
use super::table::{Last, LastTwo};
use crate::go::token::MAX_DISTANCE;
use crate::klauspost::hash::{hash4, hash7};
use crate::klauspost::tokens::Tokens;

const BITS: u32 = 15;
/// The longer nothing is found, the more is skipped.
const SKIP: u32 = 7;

pub(super) struct Level6 {
    short: Last<{ 1 << BITS }>,
    long: LastTwo<{ 1 << BITS }>,
}

/// Where the search stands: at `at`, with the bytes there; `next` is where it goes on to look.
struct Place {
    at: usize,
    next: usize,
    bytes: u64,
    /// The distance of the last match.
    repeat: usize,
}

impl Level6 {
    pub(super) fn new() -> Self {
        Self { short: Last::new(), long: LastTwo::new() }
    }

    /// Looks for the next match.
    #[inline(always)]
    fn seek(&mut self, run: &Run<'_>, place: &mut Place) -> Option<Match> {
        place.next = place.at;
        let mut hashes = (hash4::<BITS>(place.bytes), hash7::<BITS>(place.bytes));
        loop {
            place.at = place.next;
            place.next = place.at + 1 + ((place.at - run.done) >> SKIP);
            if place.next > run.limit {
                return None;
            }
            let ahead = run.eight(place.next);
            let short = self.short.replace(hashes.0, run.entry(place.at));
            let [last, before] = self.long.push(hashes.1, run.entry(place.at));
            hashes = (hash4::<BITS>(ahead), hash7::<BITS>(ahead));
            if let Some(from) = run.near(last, place.at) {
                let before = run.near(before, place.at).filter(|it| run.has(*it, place.bytes));
                if run.has(from, place.bytes) {
                    self.remember_next(run, place, hashes);
                    return Some(run.longer(place.at, from, before));
                }
                if let Some(from) = before {
                    self.remember_next(run, place, hashes);
                    return Some(run.follow_all(place.at, from));
                }
            }
            if let Some(from) = run.near(short, place.at).filter(|it| run.has(*it, place.bytes)) {
                let next = self.remember_next(run, place, hashes);
                return Some(or_next(run, place, from, ahead, next));
            }
            place.bytes = ahead;
        }
    }

    /// Remembers the place that is next, and gives the two that were there for the long hash.
    #[inline(always)]
    fn remember_next(&mut self, run: &Run<'_>, place: &Place, hashes: (usize, usize)) -> [u32; 2] {
        self.short.set(hashes.0, run.entry(place.next));
        self.long.push(hashes.1, run.entry(place.next))
    }

    /// A better match that is found by the bytes behind this one.
    #[inline(always)]
    fn improve(&self, run: &Run<'_>, found: Match) -> Match {
        let end = found.at + found.length;
        if end >= run.limit {
            return found;
        }
        let mut best = found;
        let [last, before] = self.long.get(hash7::<BITS>(run.eight(end)));
        // The place that is next may lie behind the match: then the distance is below zero, and the other is looked at.
        if run.entry(end).wrapping_sub(last).cast_signed() >= MAX_DISTANCE as i32 {
            return found;
        }
        for entry in [last, before] {
            // The second is looked for behind the length of the first, if that was better.
            if let Some(it) = run.ending(entry, found.at, best.length).filter(|it| it.length > best.length) {
                best = it;
            }
        }
        best
    }

    /// Remembers the places from behind `place.next` to the end of the match.
    #[inline(always)]
    fn remember(&mut self, run: &Run<'_>, place: &Place) {
        let mut at = place.next + 1;
        while at + 1 < place.at {
            let bytes = run.eight(at);
            self.short.set(hash4::<BITS>(bytes), run.entry(at));
            self.long.push(hash7::<BITS>(bytes), run.entry(at));
            self.long.push(hash7::<BITS>(bytes >> 8), run.entry(at + 1));
            at += 2;
        }
    }

    /// Remembers every second place from behind `place.next` to the end of the block.
    fn remember_end(&mut self, run: &Run<'_>, place: &Place) {
        let mut at = place.next + 1;
        while at + 8 < run.end() {
            let bytes = run.eight(at);
            self.short.set(hash4::<BITS>(bytes), run.entry(at));
            self.long.push(hash7::<BITS>(bytes), run.entry(at));
            at += 2;
        }
    }
}

/// The match of four bytes that was found, or a longer one: at the last distance and a byte later, or of the bytes that
/// are next.
#[inline(always)]
fn or_next(run: &Run<'_>, place: &Place, from: usize, ahead: u64, [last, before]: [u32; 2]) -> Match {
    let mut best = run.follow(place.at, from);
    let repeated = (place.at + 1).saturating_sub(place.repeat);
    if run.has(repeated, place.bytes >> 8) {
        let repeated = run.follow(place.at + 1, repeated);
        if repeated.length > best.length {
            return repeated;
        }
    }
    let Some(from) = run.near(last, place.next) else { return best };
    for from in [Some(from), run.near(before, place.next)].into_iter().flatten() {
        if run.has(from, ahead) {
            let next = run.follow(place.next, from);
            if next.length > best.length {
                best = next;
            }
        }
    }
    best
}

impl Matcher for Level6 {
    fn find(&mut self, src: &[u8], start: usize, first: u32, tokens: &mut Tokens) {
        let mut run = Run::new(src, start, first, tokens);
        let mut place = Place { at: start, next: start, bytes: run.eight(start), repeat: 1 };
        while let Some(found) = self.seek(&run, &mut place) {
            let mut found = self.improve(&run, run.whole(found));
            run.widen(&mut found);
            place.repeat = found.at - found.from;
            place.at = run.take(found);
            if place.next >= place.at {
                place.at = place.next + 1;
            }
            if place.at >= run.limit {
                self.remember_end(&run, &place);
                break;
            }
            self.remember(&run, &place);
            place.bytes = run.eight(place.at);
        }
        run.finish();
    }

    fn rebase(&mut self, by: u32) {
        self.short.rebase(by);
        self.long.rebase(by);
    }
}
