//! Tables of where bytes were seen last.

/// The last place for each hash of `1 << BITS`.
pub(super) struct Last<const SIZE: usize>(Box<[u32; SIZE]>);

impl<const SIZE: usize> Last<SIZE> {
    pub(super) fn new() -> Self {
        Self(Box::new([0; SIZE]))
    }

    #[inline(always)]
    pub(super) fn get(&self, hash: usize) -> u32 {
        self.0[hash & (SIZE - 1)]
    }

    #[inline(always)]
    pub(super) fn set(&mut self, hash: usize, entry: u32) {
        self.0[hash & (SIZE - 1)] = entry;
    }

    /// Sets the last place, and gives the one before.
    #[inline(always)]
    pub(super) fn replace(&mut self, hash: usize, entry: u32) -> u32 {
        std::mem::replace(&mut self.0[hash & (SIZE - 1)], entry)
    }

    pub(super) fn rebase(&mut self, by: u32) {
        self.0.iter_mut().for_each(|it| *it = it.saturating_sub(by));
    }
}

/// The last place for each hash of `1 << BITS`, and the one before.
pub(super) struct LastTwo<const SIZE: usize>(Box<[[u32; 2]; SIZE]>);

impl<const SIZE: usize> LastTwo<SIZE> {
    pub(super) fn new() -> Self {
        Self(Box::new([[0; 2]; SIZE]))
    }

    #[inline(always)]
    pub(super) fn get(&self, hash: usize) -> [u32; 2] {
        self.0[hash & (SIZE - 1)]
    }

    /// Adds a place, and gives the two that were there.
    #[inline(always)]
    pub(super) fn push(&mut self, hash: usize, entry: u32) -> [u32; 2] {
        let slot = &mut self.0[hash & (SIZE - 1)];
        let were = *slot;
        *slot = [entry, were[0]];
        were
    }

    pub(super) fn rebase(&mut self, by: u32) {
        self.0.iter_mut().flatten().for_each(|it| *it = it.saturating_sub(by));
    }
}
