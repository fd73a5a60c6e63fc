//! How far one blob is on its way, for whoever draws it. The engine writes two numbers as the pieces come;
//! who wants to know reads them when it likes, so that drawing costs the transfer nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealift_oci::{Digest, RepositoryName};
use sealift_store::Side;

/// One blob on its way. The engine lets go of it when the transfer ends, however it ends: who is the last to
/// hold one need not draw it any more ([`Passage::is_over`]).
#[derive(Debug)]
pub struct Passage {
    digest: Digest,
    size: u64,
    repository: RepositoryName,
    side: Side,
    position: AtomicU64,
    moved: AtomicU64,
}

impl Passage {
    /// Begins the way of a blob that is read on `side`, for a repository.
    #[must_use]
    pub fn new(digest: Digest, size: u64, repository: RepositoryName, side: Side) -> Arc<Self> {
        let (position, moved) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { digest, size, repository, side, position, moved })
    }

    /// Takes note of `bytes` that came in, up to the offset `position` of the blob.
    pub fn advance(&self, position: u64, bytes: u64) {
        // Only one reader writes at a time, and nothing else hangs on the order.
        self.position.store(position, Ordering::Relaxed);
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the blob.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the repository of the target that it is for.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Returns the side on which it is read: the target for what is read back.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Returns how much of the blob has passed. It falls where the transfer begins again.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Returns how many bytes came in for it; more than its size where some came twice, less where some were
    /// there.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Tells whether the engine has let go of it.
    #[must_use]
    pub fn is_over(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_twice_counts_twice_and_the_last_holder_sees_the_end() {
        let repository = "site/app".parse().unwrap();
        let engine = Passage::new(Digest::sha256(b"x"), 10, repository, Side::Source);
        let watcher = Arc::clone(&engine);
        for (position, bytes) in [(4, 4), (8, 4), (4, 4)] {
            engine.advance(position, bytes);
        }
        assert_eq!((watcher.position(), watcher.moved(), watcher.is_over()), (4, 12, false));
        drop(engine);
        assert!(watcher.is_over());
    }
}
