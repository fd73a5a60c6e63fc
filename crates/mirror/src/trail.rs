//! The trail of an upload: how the hash stood at some bytes, so that the upload can go on from where the
//! target has it; and the journal that keeps trails for the next process.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use sealift_oci::{Algorithm, Digest, Hasher, RepositoryName};
use sealift_store::{Checkpoint, UploadId, lock};

/// How far checkpoints lie apart, in bytes: so much is read again at most when an upload goes on.
const SPACING: u64 = 1024 * 1024;
/// How many checkpoints are kept. A target lags behind by what lies in buffers, which is far less.
const KEPT: usize = 64;
/// Blobs from this size on are journaled. A smaller one has no checkpoint, so that all of it would be read
/// again however much of it the target had.
pub(crate) const JOURNALED_FROM: u64 = SPACING;
/// The journal is told at each power of two, and from here on at each multiple of this: about half of what
/// has come, and never much more than this, is fetched again after a kill.
const JOURNAL_SPACING: u64 = 16 * 1024 * 1024;

/// An upload that was not finished, as the journal keeps it.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// The upload's name at the target.
    pub upload: UploadId,
    /// How the hash stood at some offsets, ascending.
    pub points: Vec<(u64, Vec<u8>)>,
}

/// What an upload is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadKey {
    /// The target's place.
    pub place: String,
    /// The repository there.
    pub repository: RepositoryName,
    /// The blob.
    pub digest: Digest,
}

/// Keeps unfinished uploads for the next process. It may forget any of them at any time: then a blob begins
/// again. It must return soon; what it fails with is its own affair.
pub trait Journal: Debug + Send + Sync + 'static {
    /// Returns what was kept.
    fn recall(&self, key: &UploadKey) -> Option<Unfinished>;
    /// Keeps an upload in the place of what was kept before.
    fn keep(&self, key: &UploadKey, unfinished: &Unfinished);
    /// Forgets an upload.
    fn forget(&self, key: &UploadKey);
}

/// The page of the journal on which one upload stands.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) key: UploadKey,
}

impl Page {
    pub(crate) fn recall(&self) -> Option<Unfinished> {
        self.journal.recall(&self.key)
    }

    pub(crate) fn keep(&self, unfinished: &Unfinished) {
        self.journal.keep(&self.key, unfinished);
    }

    pub(crate) fn forget(&self) {
        self.journal.forget(&self.key);
    }
}

/// How the hash stood along the way of one upload.
#[derive(Debug)]
pub(crate) struct Trail {
    algorithm: Algorithm,
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    points: VecDeque<Checkpoint>,
    journaled: u64,
}

impl Trail {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, marks: Mutex::default() }
    }

    /// Takes up the trail of an earlier process; what cannot be read is left out.
    pub(crate) fn restore(algorithm: Algorithm, unfinished: &Unfinished) -> Self {
        let point = |(offset, state): &(u64, Vec<u8>)| {
            Hasher::restore(algorithm, state).ok().map(|hasher| Checkpoint { offset: *offset, hasher })
        };
        let points: VecDeque<Checkpoint> = unfinished.points.iter().filter_map(point).collect();
        let journaled = points.back().map_or(0, |point| point.offset);
        Self { algorithm, marks: Mutex::new(Marks { points, journaled }) }
    }

    /// Takes note of how far the hash has come; tells whether it is time to tell the journal.
    pub(crate) fn pass(&self, point: &Checkpoint) -> bool {
        let mut marks = lock(&self.marks);
        if point.offset < marks.points.back().map_or(0, |last| last.offset) + SPACING {
            return false;
        }
        if marks.points.len() >= KEPT {
            marks.points.pop_front();
        }
        marks.points.push_back(point.clone());
        let is_time = point.offset >= next_note(marks.journaled);
        if is_time {
            marks.journaled = point.offset;
        }
        is_time
    }

    /// Returns the last checkpoint that is not behind `offset`.
    pub(crate) fn before(&self, offset: u64) -> Checkpoint {
        let mut marks = lock(&self.marks);
        // What lies behind it belongs to bytes that come again.
        while marks.points.back().is_some_and(|point| point.offset > offset) {
            marks.points.pop_back();
        }
        marks.journaled = marks.journaled.min(marks.points.back().map_or(0, |point| point.offset));
        marks.points.back().cloned().unwrap_or_else(|| Checkpoint::start(self.algorithm))
    }

    pub(crate) fn clear(&self) {
        *lock(&self.marks) = Marks::default();
    }

    /// Returns what the journal keeps.
    pub(crate) fn unfinished(&self, upload: &UploadId) -> Unfinished {
        let points = lock(&self.marks).points.iter().map(|it| (it.offset, it.hasher.save())).collect();
        Unfinished { upload: upload.clone(), points }
    }
}

/// The first byte behind `last` at which the journal is told again.
fn next_note(last: u64) -> u64 {
    if last < JOURNAL_SPACING {
        return (last + 1).next_power_of_two().max(SPACING);
    }
    (last / JOURNAL_SPACING + 1) * JOURNAL_SPACING
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn point(offset: u64) -> Checkpoint {
        Checkpoint { offset, ..Checkpoint::start(Algorithm::Sha256) }
    }

    #[test]
    fn checkpoints_are_kept_apart_and_bounded() {
        let trail = Trail::new(Algorithm::Sha256);
        for offset in (0..200 * MIB).step_by(MIB as usize / 4) {
            trail.pass(&point(offset));
        }
        assert_eq!(lock(&trail.marks).points.len(), KEPT);
        assert_eq!(trail.before(199 * MIB + 5).offset, 199 * MIB);
        assert_eq!(trail.before(150 * MIB - 1).offset, 149 * MIB);
        assert_eq!(trail.before(3 * MIB).offset, 0, "what is too old begins again");
    }

    #[test]
    fn the_journal_is_told_now_and_then() {
        let trail = Trail::new(Algorithm::Sha256);
        let told = |from: u64| -> Vec<u64> {
            (from..100).filter(|number| trail.pass(&point(number * MIB))).collect()
        };
        assert_eq!(told(0), [1, 2, 4, 8, 16, 32, 48, 64, 80, 96]);
        assert_eq!(trail.before(70 * MIB).offset, 70 * MIB);
        assert_eq!(told(71), [80, 96], "it is told anew of what comes again");
        trail.before(0);
        assert_eq!(told(1), [1, 2, 4, 8, 16, 32, 48, 64, 80, 96]);
    }

    #[test]
    fn a_trail_survives_the_journal() {
        let trail = Trail::new(Algorithm::Sha256);
        let mut walked = Checkpoint::start(Algorithm::Sha256);
        walked.hasher.update(b"some bytes");
        walked.offset = 2 * MIB;
        trail.pass(&walked);
        let unfinished = trail.unfinished(&"upload".parse().unwrap());
        let restored = Trail::restore(Algorithm::Sha256, &unfinished).before(5 * MIB);
        assert_eq!(restored.offset, 2 * MIB);
        assert_eq!(restored.hasher.finish(), Digest::sha256(b"some bytes"));
        let broken = Unfinished { points: vec![(7, vec![1, 2])], ..unfinished };
        assert_eq!(Trail::restore(Algorithm::Sha256, &broken).before(9).offset, 0);
    }
}
