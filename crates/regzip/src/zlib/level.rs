//! How hard each level searches.

/// The parameters of one level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// Which of the nine.
    pub(super) number: u8,
    /// A match of this length in hand makes the search for a better one four times shorter.
    pub(super) good: usize,
    /// Lazy levels look no further behind a match of this length; fast levels enter the strings inside longer matches
    /// into no chain.
    pub(super) lazy: usize,
    /// A match of this length ends the search.
    pub(super) nice: usize,
    /// So many strings are looked at.
    pub(super) chain: u32,
}

/// zlib and GNU gzip agree in these.
const LEVELS: [Level; 9] = [
    Level { number: 1, good: 4, lazy: 4, nice: 8, chain: 4 },
    Level { number: 2, good: 4, lazy: 5, nice: 16, chain: 8 },
    Level { number: 3, good: 4, lazy: 6, nice: 32, chain: 32 },
    Level { number: 4, good: 4, lazy: 4, nice: 16, chain: 16 },
    Level { number: 5, good: 8, lazy: 16, nice: 32, chain: 32 },
    Level { number: 6, good: 8, lazy: 16, nice: 128, chain: 128 },
    Level { number: 7, good: 8, lazy: 32, nice: 128, chain: 256 },
    Level { number: 8, good: 32, lazy: 128, nice: 258, chain: 1024 },
    Level { number: 9, good: 32, lazy: 258, nice: 258, chain: 4096 },
];

impl Level {
    /// Level 1 to 9; nothing for others. Level 0 stores, and how it cuts depends on the buffers of who calls it.
    pub(crate) fn new(number: u8) -> Option<Self> {
        LEVELS.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Whether a match waits until the next position has none that is longer.
    pub(super) fn is_lazy(self) -> bool {
        self.number > 3
    }
}
