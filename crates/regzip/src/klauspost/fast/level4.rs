//! Level 4: one place for each hash of four bytes, and one for each hash of seven.

use super::Matcher;
use super::run::{LEAST_MATCH, Match, Run};
use super::table::Last;
use crate::klauspost::hash::{hash4, hash7};
use crate::klauspost::tokens::Tokens;

const BITS: u32 = 15;
/// The longer nothing is found, the more is skipped.
const SKIP: u32 = 6;

pub(super) struct Level4 {
    short: Last<{ 1 << BITS }>,
    long: Last<{ 1 << BITS }>,
    /// Whether a distance is taken for a place where two matches are compared.
    mistakes_distances: bool,
}

/// Where the search stands: at `at`, with the bytes there; `next` is where it goes on to look.
struct Place {
    at: usize,
    next: usize,
    bytes: u64,
}

impl Level4 {
    pub(super) fn new(mistakes_distances: bool) -> Self {
        Self { short: Last::new(), long: Last::new(), mistakes_distances }
    }

    /// Looks for the next match.
    #[inline(always)]
    fn seek(&mut self, run: &Run<'_>, place: &mut Place) -> Option<Match> {
        place.next = place.at;
        loop {
            place.at = place.next;
            place.next = place.at + 1 + ((place.at - run.done) >> SKIP);
            if place.next > run.limit {
                return None;
            }
            let short = self.short.replace(hash4::<BITS>(place.bytes), run.entry(place.at));
            let long = self.long.replace(hash7::<BITS>(place.bytes), run.entry(place.at));
            if let Some(from) = run.near(long, place.at).filter(|it| run.has(*it, place.bytes)) {
                return Some(run.follow_all(place.at, from));
            }
            let ahead = run.eight(place.next);
            if let Some(from) = run.near(short, place.at).filter(|it| run.has(*it, place.bytes)) {
                return Some(self.or_next(run, place, from, ahead));
            }
            place.bytes = ahead;
        }
    }

    /// The match of four bytes that was found, or a longer one of the bytes that are next.
    #[inline(always)]
    fn or_next(&self, run: &Run<'_>, place: &Place, from: usize, ahead: u64) -> Match {
        let found = run.follow_all(place.at, from);
        let long = self.long.get(hash7::<BITS>(ahead));
        let Some(from) = run.near(long, place.next).filter(|it| run.has(*it, ahead)) else { return found };
        let compared = if self.mistakes_distances { place.next - from } else { from };
        if run.same(place.next + LEAST_MATCH, compared + LEAST_MATCH) + LEAST_MATCH > found.length {
            run.follow_all(place.next, from)
        } else {
            found
        }
    }

    /// Remembers all places from `place.next` on, and the last of the match.
    #[inline(always)]
    fn remember(&mut self, run: &Run<'_>, place: &Place) -> u64 {
        let mut at = place.next;
        while at + 1 < place.at {
            let bytes = run.eight(at);
            self.long.set(hash7::<BITS>(bytes), run.entry(at));
            self.long.set(hash7::<BITS>(bytes >> 8), run.entry(at + 1));
            self.short.set(hash4::<BITS>(bytes >> 8), run.entry(at + 1));
            at += 3;
        }
        let bytes = run.eight(place.at - 1);
        self.short.set(hash4::<BITS>(bytes), run.entry(place.at - 1));
        self.long.set(hash7::<BITS>(bytes), run.entry(place.at - 1));
        bytes >> 8
    }

    /// Remembers the place behind the last match.
    fn remember_end(&mut self, run: &Run<'_>, at: usize) {
        if at + 8 < run.end() {
            let bytes = run.eight(at);
            self.short.set(hash4::<BITS>(bytes), run.entry(at));
            self.long.set(hash7::<BITS>(bytes), run.entry(at));
        }
    }
}

impl Matcher for Level4 {
    fn find(&mut self, src: &[u8], start: usize, first: u32, tokens: &mut Tokens) {
        let mut run = Run::new(src, start, first, tokens);
        let mut place = Place { at: start, next: start, bytes: run.eight(start) };
        while let Some(mut found) = self.seek(&run, &mut place) {
            run.widen(&mut found);
            place.at = run.take(found);
            if place.next >= place.at {
                place.at = place.next + 1;
            }
            if place.at >= run.limit {
                self.remember_end(&run, place.at);
                break;
            }
            place.bytes = self.remember(&run, &place);
        }
        run.finish();
    }

    fn rebase(&mut self, by: u32) {
        self.short.rebase(by);
        self.long.rebase(by);
    }
}
