//! Chunks whose borders follow from the content, so that two releases have the same ones where they are the same,
//! wherever that lies. The hash that finds borders is a gear hash, as in FastCDC (Xia and others, 2016).
//!
//! Chunks only help to guess what is like what: nothing is believed because of one.

/// The fewest bytes of a chunk.
const SMALLEST: usize = 4 << 10;
/// How many bytes back the gear hash reaches: what was before them was shifted out.
const REACH: usize = u64::BITS as usize;
/// The most.
pub(super) const LARGEST: usize = 64 << 10;
/// Which bits of the gear hash are zero at a border: one place in 8 KiB is one.
const BORDER: u64 = 0x1fff << 51;
/// A number for each byte, without any order.
const GEAR: [u64; 256] = gear();

const fn gear() -> [u64; 256] {
    let (mut table, mut state, mut at) = ([0; 256], 0x5ea1_1f70_u64, 0);
    while at < table.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        table[at] = spread(state);
        at += 1;
    }
    table
}

/// Spreads a number over all bits, as SplitMix64 does (Steele, Lea and Flood, 2014).
const fn spread(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The hash of its last 64 bytes, unless it is the last and short, and its size. Where only the date of a file
    /// changed, it is the same.
    pub(super) hash: u64,
    /// How many they are.
    pub(super) size: u64,
}

/// Cuts bytes, which come in any pieces, into chunks.
#[derive(Debug)]
pub(super) struct Chunker {
    gear: u64,
    size: usize,
}

impl Chunker {
    pub(super) fn new() -> Self {
        Self { gear: 0, size: 0 }
    }

    /// Takes bytes up to the next border, and returns how many, and the chunk that ends there. Without a chunk, all were taken.
    pub(super) fn next(&mut self, bytes: &[u8]) -> (usize, Option<Chunk>) {
        let roll = |gear: u64, byte: &u8| (gear << 1).wrapping_add(GEAR[usize::from(*byte)]);
        // Where no border can be, only what the first one depends on is looked at.
        let short = bytes.len().min((SMALLEST - 1).saturating_sub(self.size));
        let (short, rest) = bytes.split_at(short);
        let unseen = short.len().min((SMALLEST - REACH).saturating_sub(self.size));
        self.gear = short[unseen..].iter().fold(self.gear, roll);
        self.size += short.len();
        let within = &rest[..rest.len().min(LARGEST - self.size)];
        let mut gear = self.gear;
        let border = within.iter().position(|byte| {
            gear = roll(gear, byte);
            gear & BORDER == 0
        });
        self.gear = gear;
        let taken = border.map_or(within.len(), |at| at + 1);
        self.size += taken;
        let is_whole = border.is_some() || self.size == LARGEST;
        (short.len() + taken, if is_whole { self.end() } else { None })
    }

    /// Ends the last chunk, if there is one.
    pub(super) fn end(&mut self) -> Option<Chunk> {
        let Self { gear, size } = std::mem::replace(self, Self::new());
        (size > 0).then_some(Chunk { hash: spread(gear ^ size as u64), size: size as u64 })
    }

    /// Takes all bytes, and hands over each chunk that ends in them.
    pub(super) fn all(&mut self, mut bytes: &[u8], mut take: impl FnMut(Chunk)) {
        while !bytes.is_empty() {
            let (taken, chunk) = self.next(bytes);
            chunk.into_iter().for_each(&mut take);
            bytes = &bytes[taken..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::noise;
    use super::*;

    fn chunks(bytes: &[u8], piece: usize) -> Vec<Chunk> {
        let (mut chunker, mut all) = (Chunker::new(), Vec::new());
        bytes.chunks(piece).for_each(|it| chunker.all(it, |chunk| all.push(chunk)));
        all.extend(chunker.end());
        all
    }

    #[test]
    fn borders_follow_from_the_content() {
        let bytes = noise(1, 2_000_000);
        let all = chunks(&bytes, usize::MAX);
        assert_eq!(all.iter().map(|chunk| chunk.size).sum::<u64>(), 2_000_000);
        assert_eq!(all, chunks(&bytes, 1000));
        assert!((100..500).contains(&all.len()), "{}", all.len());
        let moved = chunks(&[b"in front", &bytes[..]].concat(), usize::MAX);
        let known: std::collections::HashSet<u64> = all.iter().map(|chunk| chunk.hash).collect();
        let again = moved.iter().filter(|chunk| known.contains(&chunk.hash)).count();
        assert!(again > all.len() * 9 / 10, "{again} of {}", all.len());
        assert!(chunks(&[0; 1_000_000], usize::MAX)[0].size == LARGEST as u64);
        assert_eq!(chunks(b"", 1), []);
    }
}
