//! Level 5, the default: one place for each hash of four bytes, and two for each hash of seven.

use super::Matcher;
use super::run::{Match, Run};
use super::table::{Last, LastTwo};
use crate::klauspost::hash::{hash4, hash7};
use crate::klauspost::tokens::Tokens;

const BITS: u32 = 15;
/// The longer nothing is found, the more is skipped.
const SKIP: u32 = 6;
/// A match of so many bytes is not improved.
const LONG: usize = 30;

pub(super) struct Level5 {
    short: Last<{ 1 << BITS }>,
    long: LastTwo<{ 1 << BITS }>,
}

/// Where the search stands: at `at`, with the bytes there; `next` is where it goes on to look.
struct Place {
    at: usize,
    next: usize,
    bytes: u64,
}

impl Level5 {
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
        if found.length >= LONG || end >= run.limit {
            return found;
        }
        let [last, _] = self.long.get(hash7::<BITS>(run.eight(end)));
        run.ending(last, found.at, found.length).filter(|it| it.length > found.length).unwrap_or(found)
    }

    /// Remembers places of a match of this length that ended at `place.at`.
    #[inline(always)]
    fn remember(&mut self, run: &Run<'_>, place: &Place, length: usize) -> u64 {
        let mut at = place.at - length + 1;
        if at + 1 < place.at {
            let bytes = run.eight(at);
            self.short.set(hash4::<BITS>(bytes), run.entry(at));
            self.long.push(hash7::<BITS>(bytes), run.entry(at));
            self.long.push(hash7::<BITS>(bytes >> 8), run.entry(at + 1));
            self.short.set(hash4::<BITS>(bytes >> 16), run.entry(at + 2));
            at += 4;
            while at + 1 < place.at {
                let bytes = run.eight(at);
                self.long.push(hash7::<BITS>(bytes), run.entry(at));
                self.short.set(hash4::<BITS>(bytes >> 8), run.entry(at + 1));
                at += 3;
            }
        }
        let bytes = run.eight(place.at - 1);
        self.short.set(hash4::<BITS>(bytes), run.entry(place.at - 1));
        self.long.push(hash7::<BITS>(bytes), run.entry(place.at - 1));
        bytes >> 8
    }
}

/// The match of four bytes that was found, or a longer one of the bytes that are next.
#[inline(always)]
fn or_next(run: &Run<'_>, place: &Place, from: usize, ahead: u64, [last, before]: [u32; 2]) -> Match {
    let found = run.follow(place.at, from);
    let Some(from) = run.near(last, place.next) else { return found };
    for from in [Some(from), run.near(before, place.next)].into_iter().flatten() {
        if run.has(from, ahead) {
            let next = run.follow(place.next, from);
            if next.length > found.length {
                return next;
            }
        }
    }
    found
}

impl Matcher for Level5 {
    fn find(&mut self, src: &[u8], start: usize, first: u32, tokens: &mut Tokens) {
        let mut run = Run::new(src, start, first, tokens);
        let mut place = Place { at: start, next: start, bytes: run.eight(start) };
        while let Some(found) = self.seek(&run, &mut place) {
            let mut found = self.improve(&run, run.whole(found));
            run.widen(&mut found);
            place.at = run.take(found);
            if place.next >= place.at {
                place.at = place.next + 1;
            }
            if place.at >= run.limit {
                break;
            }
            place.bytes = self.remember(&run, &place, found.length);
        }
        run.finish();
    }

    fn rebase(&mut self, by: u32) {
        self.short.rebase(by);
        self.long.rebase(by);
    }
}
