//! Level 1: one place for each hash of five bytes; every second byte is looked at.

use super::Matcher;
use super::run::{Match, Run};
use super::table::Last;
use crate::klauspost::hash::hash5;
use crate::klauspost::tokens::Tokens;

const BITS: u32 = 15;
/// The longer nothing is found, the more is skipped.
const SKIP: u32 = 5;

pub(super) struct Level1 {
    table: Last<{ 1 << BITS }>,
}

/// Where the search stands: at `at`, with the bytes there; `next` is where it went on to look.
struct Place {
    at: usize,
    next: usize,
    bytes: u64,
}

impl Level1 {
    pub(super) fn new() -> Self {
        Self { table: Last::new() }
    }

    /// Looks for the next match.
    #[inline(always)]
    fn seek(&mut self, run: &Run<'_>, place: &mut Place) -> Option<Match> {
        loop {
            let hash = hash5::<BITS>(place.bytes);
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
                self.table.set(hash, run.entry(place.next));
                return Some(run.follow_all(place.at, from));
            }
            place.bytes = ahead >> 8;
            place.at = place.next;
        }
    }

    /// Remembers the end of a match, and tells whether another begins right there.
    #[inline(always)]
    fn go_on(&mut self, run: &Run<'_>, place: &mut Place) -> Option<Match> {
        let bytes = run.eight(place.at - 2);
        self.table.set(hash5::<BITS>(bytes), run.entry(place.at - 2));
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

impl Matcher for Level1 {
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
                next = self.go_on(&run, &mut place);
            }
        }
        run.finish();
    }

    fn rebase(&mut self, by: u32) {
        self.table.rebase(by);
    }
}
