//! How much memory a delta is going to take, and how large its segments are, so that as many are made at the same time as
//! there are threads.

use std::num::NonZeroUsize;

use super::super::parameters::Frame;
use super::super::{Level, Memory};
use super::PlannedBase;

const MIB: u64 = 1 << 20;
/// How large segments may be, the best first.
const SEGMENTS: [u64; 9] =
    [64 * MIB, 48 * MIB, 32 * MIB, 24 * MIB, 16 * MIB, 12 * MIB, 8 * MIB, 6 * MIB, 4 * MIB];
/// From which size on they are worth that others wait.
const ENOUGH: u64 = 16 * MIB;
/// What a segment takes, in its own size: the one that is encoded, its prefix, the window of who decodes it, and the next
/// one.
const SHARES: u64 = 4;
/// How much of content is carried, most likely; and of small content, at most.
const CARRIED: u64 = 4;
const SMALL: u64 = 48 * MIB;

/// The memory there is for content, beside the content itself.
pub(super) struct Room {
    size: u64,
    level: Level,
    /// What is there for sure.
    most: u64,
    /// What is there if every thread has as much.
    fair: u64,
}

/// What a delta takes, beside the content itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// What it builds on.
    pub(super) bases: u64,
    /// How large a segment may be.
    pub(super) segment: usize,
    /// Segments, tables, and what is carried.
    beside: u64,
}

impl Need {
    pub(super) fn all(self) -> u64 {
        self.bases.saturating_add(self.beside)
    }
}

impl Room {
    /// Tells what room there is for content of that size.
    pub(super) fn new(memory: &Memory, size: u64, level: Level, threads: NonZeroUsize) -> Self {
        let most = memory.beside(size);
        let fair = (memory.total() / threads.get() as u64).saturating_sub(size).min(most);
        Self { size, level, most, fair }
    }

    /// Tells what is needed where bases are kept as they are; `None` where that is too much, whatever plain bytes the
    /// content has.
    pub(super) fn kept(&self, bases: u64) -> Option<Need> {
        self.of_segments(bases, u64::MAX)
    }

    /// Tells whether there is any room for content that is no longer than its plain bytes.
    pub(super) fn is_any(&self, bases: u64) -> bool {
        self.of_segments(bases, self.size).is_some()
    }

    /// Tells what is needed for content of so many plain bytes, of which small content is one segment.
    fn of_segments(&self, bases: u64, plain: u64) -> Option<Need> {
        let one = (plain / 7).saturating_mul(8).saturating_add(MIB);
        let need = |segment: u64| self.need(bases, segment.min(one));
        let large = SEGMENTS.into_iter().filter(|segment| *segment >= ENOUGH).map(need);
        let small = SEGMENTS.into_iter().filter(|segment| *segment <= ENOUGH).map(need);
        large
            .filter(|need| need.all() <= self.fair)
            .chain(small.filter(|need| need.all() <= self.most))
            .next()
    }

    /// Tells what is needed where the plain bytes of bases are kept; `None` where that is too much, or nobody can tell.
    pub(super) fn plain(&self, blob: &[u8], bases: &[PlannedBase]) -> Option<Need> {
        let size = bases.iter().fold(0, |sum: u64, base| sum.saturating_add(base.size));
        // The last four bytes of a gzip stream are how many plain bytes its last member has. That may be a lie, so it
        // bounds nothing; where it is much less than the stream, there are other members, or four bytes cannot tell.
        let told = blob.last_chunk::<4>().filter(|_| blob.starts_with(&[0x1f, 0x8b]));
        let least = self.size - self.size / 64;
        let plain = told.map(|told| u64::from(u32::from_le_bytes(*told))).filter(|plain| *plain >= least)?;
        // Two releases are about as compressible.
        let alike = u128::from(size) * u128::from(plain) / u128::from(self.size.max(1));
        let alike = u64::try_from(alike + alike / 16).unwrap_or(u64::MAX);
        self.of_segments(alike.saturating_add(MIB), plain)
    }

    fn need(&self, bases: u64, segment: u64) -> Need {
        let carried = (self.size / CARRIED).max(self.size.min(SMALL));
        let tables = self.level.tables(1 << Frame::window(segment));
        // None is larger than the largest of the list.
        Need { bases, segment: segment as usize, beside: carried + segment * SHARES + tables }
    }
}
