//! How much memory all deltas that are made or undone at the same time may take together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// In what memory is counted.
const UNIT: u64 = 1024 * 1024;

/// Memory that is shared. Clones are the same memory.
#[derive(Clone, Debug)]
pub struct Memory {
    free: Arc<Semaphore>,
    total: u32,
}

/// Memory that somebody has until this is dropped.
pub(crate) type Share = OwnedSemaphorePermit;

impl Memory {
    /// Begins with that many bytes, at least a MiB.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).clamp(1, MOST);
        Self { free: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Tells whether so much is ever there at once.
    pub(super) fn holds(&self, bytes: u64) -> bool {
        bytes.div_ceil(UNIT) <= u64::from(self.total)
    }

    /// Returns how much there is when nobody has any.
    pub(super) fn total(&self) -> u64 {
        u64::from(self.total) * UNIT
    }

    /// Waits until so much is free, and takes it. Who wants more than there is gets all of it, and is alone then.
    pub(super) async fn take(&self, bytes: u64) -> Option<Share> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.total);
        // It is never closed.
        Arc::clone(&self.free).acquire_many_owned(units).await.ok()
    }
}

/// Returns how many bytes a share is.
pub(super) fn bytes(share: &Share) -> u64 {
    share.num_permits() as u64 * UNIT
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
}
