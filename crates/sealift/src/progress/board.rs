//! The board: what is known of a run, and the snapshot of it that is shown.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sealift_mirror::Passage;
use sealift_oci::Digest;
use sealift_store::Side;

use super::speed::Speed;

/// What a run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Blobs are brought.
    Moving,
    /// The target is compared with the source.
    Comparing,
    /// A file or a bundle is read.
    Reading,
}

/// What is known of a run.
#[derive(Debug)]
pub(crate) struct Board {
    phase: Phase,
    images: usize,
    images_done: usize,
    /// The sizes of all blobs that are to be brought, each once.
    planned: u64,
    /// Those of which it is decided what became of them, and their sizes.
    settled: HashSet<Digest>,
    settled_bytes: u64,
    /// What came in for transfers that are over.
    moved_before: u64,
    transfers: Vec<Transfer>,
    /// How far a file is read: bytes done, and of how many.
    reading: Arc<[AtomicU64; 2]>,
    retries: usize,
    total: Option<Speed>,
    began: Option<Duration>,
}

#[derive(Debug)]
struct Transfer {
    passage: Arc<Passage>,
    speed: Option<Speed>,
}

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) phase: Phase,
    pub(super) elapsed: Duration,
    pub(super) rows: Vec<Row>,
    pub(super) images: usize,
    pub(super) images_done: usize,
    /// How many bytes are planned; 0 where nobody knows.
    pub(super) planned: u64,
    /// How many of them need no more work.
    pub(super) done: u64,
    /// How many bytes came in.
    pub(super) moved: u64,
    pub(super) per_second: Option<u64>,
    pub(super) left: Option<Duration>,
    pub(super) retries: usize,
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) repository: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) position: u64,
    pub(super) per_second: Option<u64>,
    pub(super) left: Option<Duration>,
}

impl Board {
    /// Begins with what is planned: images, and bytes where that is known.
    pub(crate) fn new(phase: Phase, images: usize, planned: u64) -> Self {
        Self {
            phase,
            images,
            images_done: 0,
            planned,
            settled: HashSet::new(),
            settled_bytes: 0,
            moved_before: 0,
            transfers: Vec::new(),
            reading: Arc::default(),
            retries: 0,
            total: None,
            began: None,
        }
    }

    /// Begins with a file; what reads it writes how far it is, and of how much.
    pub(crate) fn reading(counters: Arc<[AtomicU64; 2]>) -> Self {
        Self { reading: counters, ..Self::new(Phase::Reading, 0, 0) }
    }

    /// A blob is on its way.
    pub(crate) fn started(&mut self, passage: &Arc<Passage>) {
        self.transfers.push(Transfer { passage: Arc::clone(passage), speed: None });
    }

    /// It is decided what became of a blob; of one that several repositories need, again and again.
    pub(crate) fn settled(&mut self, digest: Digest, size: u64) {
        if self.settled.insert(digest) {
            self.settled_bytes += size;
        }
    }

    /// An image has all it needs.
    pub(crate) fn image_done(&mut self) {
        self.images_done += 1;
    }

    /// Something is tried again.
    pub(crate) fn retried(&mut self) {
        self.retries += 1;
    }

    /// Returns what the run is at.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Tells how many images are done, of how many.
    pub(crate) fn images(&self) -> (usize, usize) {
        (self.images_done, self.images)
    }

    /// Looks at every transfer, and forgets those that are over.
    pub(super) fn sample(&mut self, now: Duration) -> Snapshot {
        let began = *self.began.get_or_insert(now);
        let mut moved = self.moved_before;
        self.transfers.retain(|it| {
            let is_over = it.passage.is_over();
            moved += it.passage.moved();
            if is_over {
                self.moved_before += it.passage.moved();
            }
            !is_over
        });
        let rows = self.transfers.iter_mut().map(|it| it.row(now)).collect();
        if self.phase == Phase::Reading {
            (moved, self.planned) = self.read();
        }
        let done = match self.phase {
            Phase::Moving => self.settled_bytes + self.on_its_way(),
            Phase::Comparing | Phase::Reading => moved,
        };
        let total = self.total.get_or_insert_with(|| Speed::new(now, moved));
        total.measure(now, moved);
        let left = if self.planned > 0 { total.left(self.planned.saturating_sub(done)) } else { None };
        let per_second = total.per_second();
        Snapshot {
            phase: self.phase,
            elapsed: now.saturating_sub(began),
            rows,
            images: self.images,
            images_done: self.images_done,
            planned: self.planned,
            done,
            moved,
            per_second,
            left,
            retries: self.retries,
        }
    }

    fn read(&self) -> (u64, u64) {
        let [done, total] = self.reading.as_ref();
        (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed))
    }

    /// What has come of blobs that are fetched; what is read back counts for nothing, since the blob is there.
    fn on_its_way(&self) -> u64 {
        let mut first = BTreeMap::new();
        for Transfer { passage, .. } in &self.transfers {
            if passage.side() == Side::Source && !self.settled.contains(&passage.digest()) {
                first.entry(passage.digest()).or_insert(passage.position());
            }
        }
        first.values().sum()
    }
}

impl Transfer {
    fn row(&mut self, now: Duration) -> Row {
        let (position, size) = (self.passage.position(), self.passage.size());
        // Moved and not the position: what was there before came at no speed.
        let speed = self.speed.get_or_insert_with(|| Speed::new(now, self.passage.moved()));
        speed.measure(now, self.passage.moved());
        Row {
            repository: self.passage.repository().to_string(),
            digest: self.passage.digest(),
            size,
            position: position.min(size),
            per_second: speed.per_second(),
            left: speed.left(size.saturating_sub(position)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(content: &[u8], size: u64, side: Side) -> Arc<Passage> {
        Passage::new(Digest::sha256(content), size, "site/app".parse().unwrap(), side)
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_on_its_way_counts_until_it_is_settled_and_then_once() {
        let mut board = Board::new(Phase::Moving, 2, 1000);
        let one = passage(b"one", 600, Side::Source);
        board.started(&one);
        board.sample(at(0));
        one.advance(300, 300);
        let seen = board.sample(at(3));
        assert_eq!((seen.done, seen.moved, seen.per_second, seen.left), (300, 300, Some(100), Some(at(7))));
        assert_eq!((seen.rows.len(), seen.rows[0].position, seen.rows[0].left), (1, 300, Some(at(3))));
        one.advance(600, 300);
        board.settled(one.digest(), 600);
        board.settled(one.digest(), 600);
        assert_eq!(board.sample(at(6)).done, 600);
        drop(one);
        let seen = board.sample(at(7));
        assert_eq!((seen.rows.len(), seen.done, seen.moved), (0, 600, 600));
        // It is forgotten, and what it moved is not.
        assert_eq!(board.sample(at(8)).moved, 600);
    }

    #[test]
    fn what_is_there_or_read_back_is_done_without_having_moved() {
        let mut board = Board::new(Phase::Moving, 1, 1000);
        board.settled(Digest::sha256(b"there"), 400);
        let back = passage(b"there", 400, Side::Target);
        board.started(&back);
        back.advance(100, 100);
        let seen = board.sample(at(1));
        assert_eq!((seen.done, seen.moved, seen.rows.len()), (400, 100, 1));
    }

    /// What an earlier process uploaded is passed over.
    #[test]
    fn what_was_there_before_came_at_no_speed() {
        let mut board = Board::new(Phase::Moving, 1, 1000);
        let one = passage(b"one", 1000, Side::Source);
        board.started(&one);
        board.sample(at(0));
        one.advance(900, 0);
        let seen = board.sample(at(1));
        assert_eq!(
            (seen.rows[0].position, seen.rows[0].per_second, seen.per_second),
            (900, Some(0), Some(0))
        );
    }

    #[test]
    fn a_file_tells_how_far_it_is_read() {
        let counters: Arc<[AtomicU64; 2]> = Arc::default();
        let mut board = Board::reading(Arc::clone(&counters));
        assert_eq!(board.sample(at(0)).left, None);
        counters[0].store(500, Ordering::Relaxed);
        counters[1].store(2000, Ordering::Relaxed);
        let seen = board.sample(at(1));
        assert_eq!((seen.done, seen.planned, seen.left), (500, 2000, Some(at(3))));
    }
}
