//! Level 2: like level 1, with a larger table, and more is remembered of what was matched.

use super::Matcher;
use super::run::{Match, Run};
use super::table::Last;
use crate::klauspost::hash::hash5;
use crate::klauspost::tokens::Tokens;

const BITS: u32 = 17;
/// The longer nothing is found, the more is skipped.
const SKIP: u32 = 5;

pub(super) struct Level2 {
    table: Last<{ 1 << BITS }>,
}

/// Where the search stands: at `at`, with the bytes there; `next` is where it went on to look.
struct Place {
    at: usize,
    next: usize,
    bytes: u64,
}

impl Level2 {
    pub(super) fn new() -> Self {
        Self { table: Last::new() }
    }

    /// Looks for the next match.
    #[inline(always)]
    fn seek(&mut self, run: &Run<'_>, place: &mut Place) -> Option<Match> {
        place.next = place.at;
        loop {
            let hash = hash5::<BITS>(place.bytes);
            place.at = place.next;
            place.next = place.at + 2 + ((place.at - run.done) >> SKIP);
            if place.next > run.limit {
                return None;
            }
            let ahead = run.eight(place.next);
            let found = run.near(self.table.replace(hash, run.entry(place.at)), place.at);
            let hash = hash5::<BITS>(ahead);
            if let Some(from) = found.filter(|it| run.has(*it, place.bytes)) {
                self.table.set(hash, run.entry(place.next));
                return Some(run.follow_all(place.at, from));
            }
            // The next byte right away.
            place.bytes = ahead;
            place.at = place.next;
            place.next += 1;
            let found = run.near(self.table.replace(hash, run.entry(place.at)), place.at);
            if let Some(from) = found.filter(|it| run.has(*it, place.bytes)) {
                return Some(run.follow_all(place.at, from));
            }
            place.bytes = ahead >> 8;
        }
    }

    /// Remembers the bytes of a match of this length that ended at `place.at`, as far as that went.
    #[inline(always)]
    fn remember(&mut self, run: &Run<'_>, place: &Place, length: usize) {
        let mut at = place.at - length + 2;
        while at + 5 < place.at {
            let bytes = run.eight(at);
            for skipped in [0, 2, 4] {
                self.table.set(hash5::<BITS>(bytes >> (8 * skipped)), run.entry(at + skipped));
            }
            at += 7;
        }
    }

    /// Remembers the end of a match, and tells whether another begins right there.
    #[inline(always)]
    fn go_on(&mut self, run: &Run<'_>, place: &mut Place) -> Option<Match> {
        let bytes = run.eight(place.at - 2);
        self.table.set(hash5::<BITS>(bytes), run.entry(place.at - 2));
        self.table.set(hash5::<BITS>(bytes >> 8), run.entry(place.at - 1));
        let bytes = bytes >> 16;
        let last = self.table.replace(hash5::<BITS>(bytes), run.entry(place.at));
        if let Some(from) = run.within(last, place.at).filter(|it| run.has(*it, bytes)) {
            return Some(run.follow_all(place.at, from));
        }
        place.bytes = bytes >> 8;
        place.at += 1;
        None
    }
}

impl Matcher for Level2 {
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
                    if place.at + found.length + 8 < run.end() {
                        self.table.set(hash5::<BITS>(run.eight(place.at)), run.entry(place.at));
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
