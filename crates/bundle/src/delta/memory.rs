//! How much memory all deltas that are made or undone at the same time may take together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// In what memory is counted.
const UNIT: u64 = 1024 * 1024;
/// Which part of it content may take that is gathered, in tenths: the rest is always there for those that work on theirs,
/// so that these end whoever waits.
const GATHERED: u32 = 4;
/// How many deltas are undone at the same time at most. Each is a thread that waits for what it builds on, which others of
/// the runtime's 512 have to read.
pub(super) const UNDONE_AT_ONCE: usize = 128;

/// Memory that is shared. Clones are the same memory.
#[derive(Clone, Debug)]
pub struct Memory {
    free: Arc<Semaphore>,
    total: u32,
    gathered: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

/// Memory that somebody has until this is dropped.
pub(crate) type Share = OwnedSemaphorePermit;

/// What a chain of deltas is undone with, until this is dropped.
#[derive(Debug)]
pub(crate) struct Undoing {
    _memory: Option<Share>,
    _threads: Option<OwnedSemaphorePermit>,
}

impl Memory {
    /// Begins with that many bytes, at least a MiB.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).clamp(1, MOST);
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            free: semaphore(total as usize),
            total,
            gathered: semaphore(for_gathered(total) as usize),
            threads: semaphore(UNDONE_AT_ONCE),
        }
    }

    /// Tells whether so much is ever there at once.
    pub(crate) fn holds(&self, bytes: u64) -> bool {
        bytes.div_ceil(UNIT) <= u64::from(self.total)
    }

    /// Returns how much there is when nobody has any.
    pub(super) fn total(&self) -> u64 {
        u64::from(self.total) * UNIT
    }

    /// Waits until content of so many bytes may be gathered. Who has gathered some may wait for more, though at most for
    /// what is left [`beside`](Self::beside) it.
    pub(super) async fn gather(&self, bytes: u64) -> Gathered {
        let units = units(bytes).min(for_gathered(self.total));
        let turn = Arc::clone(&self.gathered).acquire_many_owned(units).await.ok();
        Gathered { _share: self.take(bytes).await, _turn: turn }
    }

    /// Returns how much there is for sure where content of so many bytes was gathered, once those end who work on theirs.
    pub(super) fn beside(&self, bytes: u64) -> u64 {
        let gathered = units(bytes).max(for_gathered(self.total));
        u64::from(self.total.saturating_sub(gathered)) * UNIT
    }

    /// Waits until so much is free, and takes it. Who wants more than there is gets all of it, and is alone then.
    pub(super) async fn take(&self, bytes: u64) -> Option<Share> {
        let units = units(bytes).min(self.total);
        // It is never closed.
        Arc::clone(&self.free).acquire_many_owned(units).await.ok()
    }

    /// Waits until a chain of so many deltas can be undone that takes so much. It is taken at once: who had a part and
    /// waited for more could wait for others who do the same.
    pub(crate) async fn take_for(&self, deltas: usize, bytes: u64) -> Undoing {
        let count = u32::try_from(deltas.min(UNDONE_AT_ONCE)).unwrap_or(u32::MAX);
        let threads = Arc::clone(&self.threads).acquire_many_owned(count).await.ok();
        Undoing { _memory: self.take(bytes).await, _threads: threads }
    }
}

/// Memory in which content is gathered, until this is dropped.
#[derive(Debug)]
pub(super) struct Gathered {
    _share: Option<Share>,
    _turn: Option<OwnedSemaphorePermit>,
}

/// Gives so much of a share back.
pub(super) fn give_back(share: &mut Share, bytes: u64) {
    let units = usize::try_from(bytes / UNIT).unwrap_or(usize::MAX).min(share.num_permits());
    drop(share.split(units));
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

fn for_gathered(total: u32) -> u32 {
    (total / 10 * GATHERED).max(1)
}

/// The most units: 1 TiB, which any semaphore can count.
const MOST: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_wants_more_than_there_is_waits_for_all_of_it() {
        let memory = Memory::new(10 * UNIT);
        assert!(memory.holds(10 * UNIT) && !memory.holds(10 * UNIT + 1));
        let small = memory.take(1).await.unwrap();
        assert_eq!(memory.free.available_permits(), 9);
        let mut large = Box::pin(memory.take(u64::MAX));
        assert!(futures_util::poll!(&mut large).is_pending());
        drop(small);
        let all = large.await.unwrap();
        assert_eq!((all.num_permits(), memory.free.available_permits()), (10, 0));
    }

    /// However much is gathered, who gathered some gets what is left beside it.
    #[tokio::test]
    async fn who_gathered_can_go_on() {
        let memory = Memory::new(100 * UNIT);
        let first = memory.gather(30 * UNIT).await;
        let mut second = Box::pin(memory.gather(20 * UNIT));
        assert!(futures_util::poll!(&mut second).is_pending(), "more than may be gathered");
        assert_eq!(memory.beside(30 * UNIT), 60 * UNIT);
        let mut share = memory.take(60 * UNIT).await.unwrap();
        give_back(&mut share, 10 * UNIT);
        assert_eq!(memory.free.available_permits(), 20);
        drop((first, share));
        drop(second.await);
        // What is larger than all that may be gathered takes from the rest.
        let large = memory.gather(70 * UNIT).await;
        assert_eq!(memory.beside(70 * UNIT), 30 * UNIT);
        assert_eq!(memory.free.available_permits(), 30);
        let mut other = Box::pin(memory.gather(1));
        assert!(futures_util::poll!(&mut other).is_pending());
        drop(large);
        drop(other.await);
        assert_eq!(memory.free.available_permits(), 100);
    }
}
