//! Where the same bytes stood before in a window, as chains of positions, and the longest match among them.

use super::token::{MAX_DISTANCE, MAX_MATCH};
use crate::words::{load_u32, load_u64};

/// The shortest match that is looked for.
pub(super) const MIN_MATCH: usize = 4;
/// A match of that length is taken only from nearby.
const NEAR: usize = 4096;

pub(super) const WINDOW: usize = 2 * MAX_DISTANCE;
/// With so much behind it that the last index can be read from like any other.
pub(super) type Window = [u8; WINDOW + 8];

/// A number for each position that tells it from those of one window's length before and behind. It stays when the
/// window slides.
type Place = u16;
const PLACES: usize = 1 << Place::BITS;

/// What arrays are filled with at first.
pub(super) trait Zero {
    const ZERO: Self;
}

impl Zero for u8 {
    const ZERO: Self = 0;
}

impl Zero for Table {
    const ZERO: Self = [0; PLACES];
}

/// An array that never lies on the stack.
pub(super) fn boxed<T: Copy + Zero, const N: usize>() -> Box<[T; N]> {
    #[allow(clippy::expect_used, reason = "the slice has just been made with that length")]
    vec![T::ZERO; N].into_boxed_slice().try_into().ok().expect("N items")
}

/// Four bytes at an index of the window.
#[inline(always)]
fn four(window: &Window, at: usize) -> u32 {
    load_u32(window, at % WINDOW)
}

/// How many bytes from two indices on are equal, up to `max`.
#[inline(always)]
fn equal(window: &Window, a: usize, b: usize, max: usize) -> usize {
    for at in (0..max).step_by(8) {
        let differ = load_u64(window, (a + at) % WINDOW) ^ load_u64(window, (b + at) % WINDOW);
        if differ != 0 {
            return (at + (differ.trailing_zeros() / 8) as usize).min(max);
        }
    }
    max
}

/// How a match is looked for.
pub(super) struct Query<'a> {
    window: &'a Window,
    /// Where the bytes stand that are looked for.
    at: usize,
    /// A match has to be longer, and is not longer than `most`.
    least: usize,
    most: usize,
    /// A match of this length is good enough.
    nice: usize,
    /// How many candidates are looked at.
    tries: usize,
    /// How far back a match may lie.
    reach: usize,
}

impl<'a> Query<'a> {
    /// Looks from a position that has been noted, `ahead` bytes before the end of what the window has.
    #[inline(always)]
    pub(super) fn new(
        window: &'a Window,
        (at, ahead): (usize, usize),
        least: usize,
        nice: usize,
        tries: usize,
    ) -> Self {
        let most = ahead.min(MAX_MATCH);
        Self { window, at, least, most, nice: nice.min(most), tries, reach: at.min(MAX_DISTANCE) }
    }

    /// Whether the same four bytes as at the position stand so far before it.
    #[inline(always)]
    fn agrees(&self, distance: usize) -> bool {
        four(self.window, self.at - distance) == four(self.window, self.at)
    }
}

/// The longest match so far, and what a longer one has to agree in first: its last four bytes.
struct Best<'a> {
    query: &'a Query<'a>,
    length: usize,
    distance: usize,
    tail: u32,
    tail_at: usize,
}

impl<'a> Best<'a> {
    /// Nothing yet, and nothing that is not longer than `least` is to come.
    #[inline(always)]
    fn new(query: &'a Query<'a>, least: usize) -> Self {
        let tail_at = query.at + least + 1 - MIN_MATCH;
        Self { query, length: least, distance: 0, tail: four(query.window, tail_at), tail_at }
    }

    /// The length of the match so far back, if it is longer than the best.
    #[inline(always)]
    fn longer(&self, distance: usize) -> Option<usize> {
        if four(self.query.window, self.tail_at - distance) != self.tail {
            return None;
        }
        let length = equal(self.query.window, self.query.at - distance, self.query.at, self.query.most);
        (length > self.length).then_some(length)
    }

    #[inline(always)]
    fn take(&mut self, length: usize, distance: usize) {
        (self.length, self.distance) = (length, distance);
        self.tail_at = self.query.at + length + 1 - MIN_MATCH;
        self.tail = four(self.query.window, self.tail_at);
    }

    fn found(&self) -> Option<(usize, usize)> {
        (self.distance > 0).then_some((self.length, self.distance))
    }
}

/// The positions of a window, of which those with the same first bytes hang together.
pub(super) trait Links: Send {
    fn new() -> Self;

    /// Notes a position that is not noted yet, and that four bytes follow.
    fn note(&mut self, window: &Window, at: usize);

    /// The longest match among the candidates: the last `tries` positions whose first four bytes have the same hash. Of
    /// several the nearest: its length and distance.
    fn find(&self, query: &Query<'_>) -> Option<(usize, usize)>;

    /// Follows the window by half of it.
    fn slide(&mut self);
}

/// Numbers for each place. Several such tables lie together, so that one address leads to all.
type Table = [u16; PLACES];

/// Notes an index in a chain: `head` has, for its hash, the last index of the window counted from 1, or 0 for none. (No
/// position at the very end of the window is noted, so 16 bits suffice.) `before` has for each place the one before it in
/// its chain, or one farther than the window reaches if there is none. Returns that place.
#[inline(always)]
fn link(head: &mut u16, before: &mut Table, place: Place, at: usize) -> Place {
    let count = at as u16 + 1;
    let back = count - std::mem::replace(head, count);
    let last = place.wrapping_sub(back);
    before[usize::from(place)] = last;
    last
}

/// Lets the heads of chains follow the window by half of it.
fn slide_heads(heads: &mut [u16]) {
    heads.iter_mut().for_each(|it| *it = it.saturating_sub(MAX_DISTANCE as u16));
}

/// The distances of the places of a chain, one greater than the other. Those that matches cannot reach mean nothing.
struct Walk<'a> {
    before: &'a Table,
    place: Place,
    next: Place,
    distance: usize,
}

impl<'a> Walk<'a> {
    /// Goes along the chain of a place that has been noted.
    #[inline(always)]
    fn new(before: &'a Table, place: Place) -> Self {
        Self { before, place, next: before[usize::from(place)], distance: 0 }
    }

    /// Goes along a chain from the place of an index that has not been noted.
    #[inline(always)]
    fn enter(head: u16, before: &'a Table, place: Place, at: usize) -> Self {
        Self { before, place, next: place.wrapping_sub(at as u16 + 1).wrapping_add(head), distance: 0 }
    }

    #[inline(always)]
    fn next(&mut self) -> usize {
        self.distance += usize::from(self.place.wrapping_sub(self.next));
        self.place = self.next;
        self.next = self.before[usize::from(self.place)];
        self.distance
    }
}

/// The chains that Go has: of four bytes.
pub(super) struct ShortLinks {
    tables: Box<[Table; 3]>,
    /// The place of the window's first byte.
    first: Place,
}

const SHORT_BITS: u32 = 17;

/// The hash of four bytes. Go reads them as a number with the first the highest.
#[inline(always)]
fn short_hash(bytes: u32) -> usize {
    (bytes.swap_bytes().wrapping_mul(0x1e35_a7bd) >> (32 - SHORT_BITS)) as usize
}

impl Links for ShortLinks {
    fn new() -> Self {
        Self { tables: boxed(), first: 0 }
    }

    #[inline(always)]
    fn note(&mut self, window: &Window, at: usize) {
        let place = self.first.wrapping_add(at as u16);
        let [heads @ .., before] = &mut *self.tables;
        link(&mut heads.as_flattened_mut()[short_hash(four(window, at))], before, place, at);
    }

    #[inline]
    fn find(&self, query: &Query<'_>) -> Option<(usize, usize)> {
        let mut best = Best::new(query, query.least);
        let mut walk = Walk::new(&self.tables[2], self.first.wrapping_add(query.at as u16));
        for _ in 0..query.tries {
            let distance = walk.next();
            if distance > query.reach {
                break;
            }
            let Some(length) = best.longer(distance) else { continue };
            if length > MIN_MATCH || distance <= NEAR {
                best.take(length, distance);
                if length >= query.nice {
                    break;
                }
            }
        }
        best.found()
    }

    fn slide(&mut self) {
        slide_heads(self.tables[..2].as_flattened_mut());
        self.first = self.first.wrapping_add(MAX_DISTANCE as u16);
    }
}

/// Besides those, shorter chains: of five bytes. All but the shortest matches are found there, and sooner. As Go looks
/// only at so many candidates of its own chains, each position has a number there that tells how far along it is.
pub(super) struct LongLinks {
    /// In this order: heads and chains of five bytes, the numbers, chains of four bytes and their heads.
    tables: Box<[Table; 6]>,
    /// The place of the window's first byte.
    first: Place,
}

const LONG_BITS: u32 = 16;
/// After so many steps along a chain it pays to change to another.
const SOON: usize = 8;

/// A hash of five bytes, the lowest of a number.
#[inline(always)]
fn long_hash(bytes: u64) -> usize {
    ((bytes << 24).wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - LONG_BITS)) as usize
}

/// Why a walk along a chain ended.
#[derive(PartialEq)]
enum End {
    /// There is nothing more.
    Reach,
    /// What follows is of no use.
    Settled,
    /// It was long.
    Patience,
}

impl LongLinks {
    #[inline(always)]
    fn place(&self, at: usize) -> Place {
        self.first.wrapping_add(at as u16)
    }

    /// Whether what is so far back, with the same first bytes, is among the candidates.
    #[inline(always)]
    fn is_candidate(&self, query: &Query<'_>, distance: usize) -> bool {
        let [_, _, numbers, ..] = &*self.tables;
        let here = self.place(query.at);
        let there = here.wrapping_sub(distance as Place);
        let number = |place: Place| numbers[usize::from(place)];
        usize::from(number(here).wrapping_sub(number(there))) <= query.tries
    }

    /// Looks for longer matches along a chain, the nearest first, for so many steps and as far as `reach`.
    #[inline(always)]
    fn scan(&self, walk: &mut Walk<'_>, steps: usize, reach: usize, best: &mut Best<'_>) -> End {
        let query = best.query;
        for _ in 0..steps {
            let distance = walk.next();
            if distance > reach {
                return End::Reach;
            }
            let Some(length) = best.longer(distance) else { continue };
            if !self.is_candidate(query, distance) {
                return End::Settled;
            }
            best.take(length, distance);
            if length >= query.nice {
                return End::Settled;
            }
        }
        End::Patience
    }

    /// The longest match that is longer than `least`, which is four or more.
    ///
    /// A match that is longer than the best so far agrees in five bytes at the end of that, too: so it is also in the chain
    /// of those, which is a shorter one, as the best ended before the last of them. What begins so near that its own five
    /// are not noted yet is found in the chain of the first bytes.
    #[inline]
    fn find_long(&self, query: &Query<'_>, least: usize) -> Option<(usize, usize)> {
        let (mut best, reach) = (Best::new(query, least), query.reach);
        let [heads, before, ..] = &*self.tables;
        let mut walk = Walk::new(before, self.place(query.at));
        if least == MIN_MATCH && self.scan(&mut walk, SOON, reach, &mut best) != End::Patience {
            return best.found();
        }
        let tail = best.length - MIN_MATCH;
        // As many steps lead at least as far.
        if walk.distance < tail
            && self.scan(&mut walk, tail, (tail - 1).min(reach), &mut best) == End::Settled
        {
            return best.found();
        }
        if tail > 0 {
            let tail = query.at + tail;
            let head = heads[long_hash(load_u64(query.window, tail % WINDOW))];
            let mut tails = Walk::enter(head, before, self.place(tail), tail);
            if self.scan(&mut tails, query.tries, reach, &mut best) != End::Patience {
                return best.found();
            }
        }
        // The other chain may be the longer one, or there is none: all of the first bytes' one, then, up to the last candidate.
        walk = Walk::new(before, self.place(query.at));
        while self.scan(&mut walk, query.tries, reach, &mut best) == End::Patience {
            if query.agrees(walk.distance) && !self.is_candidate(query, walk.distance) {
                break;
            }
        }
        best.found()
    }

    /// The nearest match of four bytes, where there is no longer one.
    #[inline]
    fn find_short(&self, query: &Query<'_>) -> Option<(usize, usize)> {
        let (mut walk, reach) = (Walk::new(&self.tables[3], self.place(query.at)), query.reach.min(NEAR));
        for _ in 0..query.tries {
            let distance = walk.next();
            if distance > reach {
                break;
            }
            if query.agrees(distance) {
                return Some((MIN_MATCH, distance));
            }
        }
        None
    }
}

impl Links for LongLinks {
    fn new() -> Self {
        Self { tables: boxed(), first: 0 }
    }

    #[inline(always)]
    fn note(&mut self, window: &Window, at: usize) {
        let place = self.place(at);
        let [long_heads, long_before, numbers, before, heads @ ..] = &mut *self.tables;
        let bytes = load_u64(window, at % WINDOW);
        let last = link(&mut heads.as_flattened_mut()[short_hash(bytes as u32)], before, place, at);
        numbers[usize::from(place)] = numbers[usize::from(last)].wrapping_add(1);
        link(&mut long_heads[long_hash(bytes)], long_before, place, at);
    }

    #[inline]
    fn find(&self, query: &Query<'_>) -> Option<(usize, usize)> {
        let least = query.least.max(MIN_MATCH);
        let long = if query.most > least { self.find_long(query, least) } else { None };
        if long.is_some() || query.least >= MIN_MATCH {
            return long;
        }
        self.find_short(query)
    }

    fn slide(&mut self) {
        let [long_heads, _, _, _, heads @ ..] = &mut *self.tables;
        slide_heads(long_heads);
        slide_heads(heads.as_flattened_mut());
        self.first = self.first.wrapping_add(MAX_DISTANCE as u16);
    }
}
