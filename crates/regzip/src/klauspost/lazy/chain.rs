//! Where the same bytes were seen before, as chains through a window, newest first.

use crate::go::token::MAX_DISTANCE;
use crate::klauspost::hash::hash4;
use crate::words::load_u32;

const BITS: u32 = 17;
/// From here on, positions are counted anew.
const LAST: usize = 1 << 28;

/// The bytes that are hashed.
pub(super) const HASHED: usize = 4;

/// The places of hashes in a window. An entry is a place more `offset`; 0 stands for none.
pub(super) struct Chains {
    head: Box<[u32]>,
    before: Box<[u32]>,
    offset: usize,
    /// The entry that was found for the place inserted last, if it was inserted to be looked up.
    found: isize,
}

impl Chains {
    pub(super) fn new() -> Self {
        let (head, before) = (vec![0; 1 << BITS].into(), vec![0; MAX_DISTANCE].into());
        Self { head, before, offset: 1, found: -1 }
    }

    pub(super) fn clear(&mut self) {
        self.head.fill(0);
        self.before.fill(0);
        self.offset = 1;
        self.found = -1;
    }

    /// Follows the window, whose first bytes went away.
    pub(super) fn slide(&mut self, by: usize) {
        self.offset += by;
        if self.offset > LAST {
            let gone = self.offset - 1;
            self.offset = 1;
            self.found -= gone as isize;
            for entry in self.head.iter_mut().chain(&mut self.before) {
                *entry = entry.saturating_sub(gone as u32);
            }
        }
    }

    /// Inserts a place.
    #[inline]
    pub(super) fn insert(&mut self, window: &[u8], at: usize) -> u32 {
        let head = &mut self.head[hash(window, at)];
        let before = std::mem::replace(head, (at + self.offset) as u32);
        self.before[at % MAX_DISTANCE] = before;
        before
    }

    /// Inserts a place whose chain is to be followed.
    #[inline]
    pub(super) fn look_up(&mut self, window: &[u8], at: usize) {
        self.found = self.insert(window, at) as isize;
    }

    /// Where the chain of the place begins that was looked up last: below 0 if there is none.
    #[inline]
    pub(super) fn first(&self) -> isize {
        self.found - self.offset as isize
    }

    /// The newest place with the bytes at `at`: below 0 if there is none.
    #[inline]
    pub(super) fn newest(&self, window: &[u8], at: usize) -> isize {
        self.head[hash(window, at)] as isize - self.offset as isize
    }

    /// The place before `at` in its chain: below 0 if there is none.
    #[inline]
    pub(super) fn next(&self, at: usize) -> isize {
        self.before[at % MAX_DISTANCE] as isize - self.offset as isize
    }
}

#[inline]
fn hash(window: &[u8], at: usize) -> usize {
    hash4::<BITS>(u64::from(load_u32(window, at)))
}
