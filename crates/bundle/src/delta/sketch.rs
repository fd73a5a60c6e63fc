//! What content is like: a small sample of its chunks. Samples of different contents hold the same chunks where these are
//! the same, because the lowest hashes are kept (bottom-k sampling), so two of them tell how much both have in common.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::chunks::{Chunk, Chunker};

/// The most chunks of a sample. With chunks of some 8 KiB, what is smaller than 32 MiB is known entirely.
const MOST: usize = 4096;
/// How many plain bytes are read at a time.
const PIECE: usize = 256 << 10;

/// A sample of the chunks of some content: their hashes and sizes.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    chunks: BTreeMap<u64, u64>,
}

impl Sketch {
    /// Reads all plain bytes.
    pub(super) fn read(mut plain: impl Read) -> io::Result<Self> {
        let (mut sketch, mut chunker, mut piece) = (Self::default(), Chunker::new(), vec![0; PIECE]);
        loop {
            let count = plain.read(&mut piece)?;
            if count == 0 {
                break;
            }
            chunker.all(&piece[..count], |chunk| sketch.add(chunk));
        }
        chunker.end().into_iter().for_each(|chunk| sketch.add(chunk));
        Ok(sketch)
    }

    fn add(&mut self, chunk: Chunk) {
        self.chunks.insert(chunk.hash, chunk.size);
        if self.chunks.len() > MOST {
            self.chunks.pop_last();
        }
    }

    /// Up to which hash all chunks are known.
    fn bound(&self) -> u64 {
        let last = self.chunks.last_key_value().map_or(u64::MAX, |(hash, _)| *hash);
        if self.chunks.len() < MOST { u64::MAX } else { last }
    }

    /// Estimates how many of a thousand bytes of this are in one of the others.
    pub(super) fn shared(&self, others: &[&Self]) -> u64 {
        let bound = others.iter().map(|other| other.bound()).fold(self.bound(), u64::min);
        let sampled = || self.chunks.range(..=bound);
        let is_there = |hash: &u64| others.iter().any(|other| other.chunks.contains_key(hash));
        let all: u64 = sampled().map(|(_, size)| *size).sum();
        let there: u64 = sampled().filter(|(hash, _)| is_there(hash)).map(|(_, size)| *size).sum();
        there * 1000 / all.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::noise;
    use super::*;

    fn sketch(bytes: &[u8]) -> Sketch {
        Sketch::read(bytes).unwrap()
    }

    #[test]
    fn it_tells_how_much_is_shared() {
        let all = noise(1, 60_000_000);
        let (new, half) = (sketch(&all), sketch(&all[..30_000_000]));
        let (rest, other) = (sketch(&all[30_000_000..]), sketch(&noise(2, 1_000_000)));
        assert_eq!(new.chunks.len(), MOST);
        assert_eq!(new.shared(&[&new]), 1000);
        assert!((450..550).contains(&new.shared(&[&half])), "{}", new.shared(&[&half]));
        assert!(half.shared(&[&new]) > 980 && new.shared(&[&half, &rest]) > 980);
        assert_eq!(new.shared(&[&other]), 0);
        assert_eq!(new.shared(&[]) + sketch(b"").shared(&[&new]), 0);
    }
}
