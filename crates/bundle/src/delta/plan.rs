//! Which new content is to be a delta, and of what.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use sealift_oci::Digest;
use sealift_store::{BlobBody, Error, ErrorKind, Expected, Operation, lock};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::base::{Plain, Streams, in_full};
use super::cut::Index;
use super::make::{Made, New, Old, Raw};
use super::memory::Share;
use super::parameters::{Frame, PLAIN_LIMIT};
use super::sketch::Sketch;
use super::{Bases, DeltaBase, Level, OpenBase};

mod candidates;

use candidates::Allowance;
pub use candidates::{Candidates, PlannedBase, Unplanned};

/// Which content a writer makes deltas of. Whatever does not work is carried as it is.
#[derive(Debug)]
pub struct DeltaPlan {
    choices: HashMap<Digest, Result<Candidates, Unplanned>>,
    level: Level,
    with: Bases,
    /// What is known of bases that were looked at.
    sketches: tokio::sync::Mutex<HashMap<Digest, Arc<Sketch>>>,
    /// Why content is carried as it is.
    raw: Mutex<BTreeMap<Digest, String>>,
}

/// Content that is gathered in memory, because it may become a delta.
#[derive(Debug)]
pub(crate) struct Reserved {
    candidates: Candidates,
    share: Option<Share>,
}

impl DeltaPlan {
    /// Plans deltas: new content by digest, and what each may build on, or why it is carried as it is.
    #[must_use]
    pub fn new(choices: HashMap<Digest, Result<Candidates, Unplanned>>, level: Level, with: Bases) -> Self {
        Self { choices, level, with, sketches: tokio::sync::Mutex::default(), raw: Mutex::default() }
    }

    /// Says why content is carried as it is, if it is.
    pub(crate) fn why_raw(&self, digest: &Digest) -> Option<String> {
        lock(&self.raw).get(digest).cloned()
    }

    /// Waits for the memory that content needs on its way; `None` of what is to be carried as it is.
    pub(crate) async fn reserve(&self, expected: &Expected) -> Option<Reserved> {
        let candidates = match self.choices.get(&expected.digest)? {
            Ok(candidates) => candidates.clone(),
            Err(why) => {
                self.note(expected, &Raw::Unplanned(*why));
                return None;
            }
        };
        if !self.with.memory.holds(expected.size.saturating_add(candidates.smallest())) {
            self.note(expected, &Raw::TooLarge);
            return None;
        }
        Some(Reserved { candidates, share: self.with.memory.take(expected.size).await })
    }

    /// Makes a delta of content that is whole and verified; `None` where it is to be carried as it is.
    pub(crate) async fn make(&self, expected: &Expected, blob: Bytes, reserved: Reserved) -> Option<Made> {
        match self.try_make(expected, blob, reserved).await {
            Ok(made) => Some(made),
            Err(raw) => {
                self.note(expected, &raw);
                None
            }
        }
    }

    fn note(&self, expected: &Expected, raw: &Raw) {
        // What a place says is in it, too.
        let words = raw.to_string().replace(char::is_control, " ").chars().take(WORDS).collect();
        lock(&self.raw).insert(expected.digest, words);
    }

    async fn try_make(&self, expected: &Expected, blob: Bytes, reserved: Reserved) -> Result<Made, Raw> {
        let Reserved { candidates, mut share } = reserved;
        let mut allowance = candidates.allowance();
        let others = candidates.others.as_slice();
        if let Some(first) = candidates.first {
            // Nobody waits for memory while holding some.
            drop(share);
            match self.build(&blob, &[first], &mut allowance).await {
                Err(Raw::NoBase(_) | Raw::NotSmaller) if !others.is_empty() => {}
                done => return done,
            }
            share = self.with.memory.take(expected.size).await;
        }
        let bases = match others {
            [one] => vec![*one],
            several => self.choose(expected, &blob, several, &mut allowance).await?,
        };
        drop(share);
        self.build(&blob, &bases, &mut allowance).await
    }

    /// Chooses what content has most in common with, and one more before it where both have much more than one. Of what
    /// cannot be read nothing is chosen.
    async fn choose(
        &self,
        expected: &Expected,
        blob: &Bytes,
        bases: &[PlannedBase],
        allowance: &mut Allowance,
    ) -> Result<Vec<PlannedBase>, Raw> {
        let body = BlobBody::from(blob.clone());
        let new = sketch(body, expected.digest, expected.size).await.map_err(Raw::NoBase)?;
        let mut known = Vec::new();
        for base in bases {
            if let Ok(sketch) = self.sketch_of(base, allowance).await {
                known.push((*base, sketch));
            }
        }
        let best = known.iter().max_by_key(|(_, sketch)| new.shared(&[sketch]));
        let Some((best, of_best)) = best else { return Err(Raw::Unlike) };
        let alone = new.shared(&[of_best]);
        if alone < LEAST_SHARED {
            return Err(Raw::Unlike);
        }
        let with = |other: &Sketch| new.shared(&[of_best, other]);
        let others = known.iter().filter(|(base, _)| base.digest != best.digest);
        let second = others.max_by_key(|(_, sketch)| with(sketch));
        let second = second.filter(|(base, sketch)| {
            with(sketch) >= alone + WORTH_ANOTHER && allowance.covers(&[*base, *best])
        });
        Ok(second.map(|(base, _)| *base).into_iter().chain([*best]).collect())
    }

    /// Reads a base once, to know what it is like.
    async fn sketch_of(&self, base: &PlannedBase, allowance: &mut Allowance) -> Result<Arc<Sketch>, Raw> {
        let mut sketches = self.sketches.lock().await;
        if let Some(known) = sketches.get(&base.digest) {
            return Ok(Arc::clone(known));
        }
        allowance.spend(&[*base])?;
        let body = self.with.lookup.open(&base.digest).await.map_err(Raw::NoBase)?;
        let made = Arc::new(sketch(body, base.digest, base.size).await.map_err(Raw::NoBase)?);
        sketches.insert(base.digest, Arc::clone(&made));
        Ok(made)
    }

    /// Makes a delta of bases, the best of which is the last: with all plain bytes in memory, or, of the best alone, in
    /// segments. Each base is read once.
    async fn build(
        &self,
        blob: &Bytes,
        bases: &[PlannedBase],
        allowance: &mut Allowance,
    ) -> Result<Made, Raw> {
        let Some(best) = bases.last() else { return Err(Raw::Unlike) };
        let size = bases.iter().fold(0, |sum: u64, base| sum.saturating_add(base.size));
        let need = Need::of(blob, size, self.level);
        let mut kept = Vec::new();
        if self.with.memory.holds(need.all()) {
            let share = self.with.memory.take(need.all()).await;
            for base in bases {
                kept.push(self.fetch(base, allowance).await?);
            }
            match self.whole(blob, kept.clone(), &need, share).await {
                Err(Raw::TooLarge) => {}
                done => return done,
            }
        }
        let most = self.segment(blob, best)?;
        let share = self.with.memory.take(fixed_for_segments(blob, best, self.level) + most * SHARES).await;
        let kept = match kept.pop() {
            Some(kept) => kept,
            None => self.fetch(best, allowance).await?,
        };
        self.cut(blob.clone(), kept, most, share).await
    }

    /// Reads a base. It is verified when it is inflated.
    async fn fetch(&self, base: &PlannedBase, allowance: &mut Allowance) -> Result<Kept, Raw> {
        allowance.spend(&[*base])?;
        let room = usize::try_from(base.size).map_err(|_| Raw::TooLarge)?;
        let body = self.with.lookup.open(&base.digest).await.map_err(Raw::NoBase)?;
        Ok(Kept { base: *base, bytes: body.collect(room).await.map_err(Raw::NoBase)? })
    }

    /// Makes a delta with all plain bytes in memory.
    async fn whole(
        &self,
        blob: &Bytes,
        kept: Vec<Kept>,
        need: &Need,
        share: Option<Share>,
    ) -> Result<Made, Raw> {
        let all = share.as_ref().map_or(0, super::memory::bytes);
        let limit = all.saturating_sub(need.fixed).min(PLAIN_LIMIT);
        let (handle, level, blob) = (Handle::current(), self.level, blob.clone());
        blocking(move || {
            let mut old = Old::default();
            for kept in &kept {
                let plain = kept.plain(&handle)?;
                let is_gzip = plain.is_gzip;
                let left = limit.saturating_sub(old.len());
                let plain = plain.all(left).map_err(Raw::NoBase)?.ok_or(Raw::TooLarge)?;
                old.add(kept.base.digest, is_gzip, plain);
            }
            let kept_size: u64 = kept.iter().map(|kept| kept.base.size).sum();
            let most = all.saturating_sub(old.len() + blob.len() as u64 + kept_size);
            let made = New { blob: &blob, level }.whole(&old, most);
            drop((kept, share));
            made
        })
        .await
    }

    /// How large the segments of content are that does not fit into memory.
    fn segment(&self, blob: &Bytes, base: &PlannedBase) -> Result<u64, Raw> {
        let fixed = fixed_for_segments(blob, base, self.level);
        let most = (self.with.memory.total().saturating_sub(fixed) / SHARES).min(LARGEST_SEGMENT);
        if most < SMALLEST_SEGMENT { Err(Raw::TooLarge) } else { Ok(most) }
    }

    /// Makes a delta in segments. Content and base are in memory as they are, and the plain bytes of one segment.
    async fn cut(&self, blob: Bytes, kept: Kept, most: u64, share: Option<Share>) -> Result<Made, Raw> {
        let (handle, level) = (Handle::current(), self.level);
        blocking(move || {
            let plain = kept.plain(&handle)?;
            let is_gzip = plain.is_gzip;
            let index = Index::read(plain).map_err(Raw::NoBase)?;
            let old = DeltaBase { digest: kept.base.digest, plain: index.plain, is_gzip };
            let runs = Streams::new(kept, vec![old], None);
            let new = New { blob: &blob, level };
            let made = new.cut(old, &index, runs, usize::try_from(most).map_err(|_| Raw::TooLarge)?);
            drop(share);
            made
        })
        .await
    }
}

/// How long it may be what a catalogue says why something is carried as it is.
const WORDS: usize = 300;
/// How many of a thousand bytes have to be shared, so that a base is one.
const LEAST_SHARED: u64 = 20;
/// How many more have to be shared with two bases than with one.
const WORTH_ANOTHER: u64 = 100;
/// The smallest and the largest segment of content that does not fit into memory.
const SMALLEST_SEGMENT: u64 = 4 << 20;
const LARGEST_SEGMENT: u64 = 512 << 20;
/// What a segment takes, in its own size: its plain bytes, its prefix, and tables.
const SHARES: u64 = 3;

/// How much memory content takes that is cut, beside its segments: it and its base as they are, and what is carried,
/// which is likely to be less than half of it.
fn fixed_for_segments(blob: &Bytes, base: &PlannedBase, level: Level) -> u64 {
    let size = blob.len() as u64;
    size.saturating_add(size / 2).saturating_add(base.size).saturating_add(level.tables())
}

/// Reads content, which must have this digest and size, and tells what it is like.
async fn sketch(body: BlobBody, digest: Digest, size: u64) -> sealift_store::Result<Sketch> {
    let handle = Handle::current();
    let made = spawn_blocking(move || Sketch::read(Plain::new(body, digest, size, handle)?).map_err(in_full));
    made.await.map_err(|error| Error::new(ErrorKind::Io, Operation::FetchBlob).caused_by(error))?
}

async fn blocking(work: impl FnOnce() -> Result<Made, Raw> + Send + 'static) -> Result<Made, Raw> {
    spawn_blocking(work).await.map_err(|error| Raw::Unproved(error.to_string()))?
}

/// A base that is kept as it is.
#[derive(Clone)]
struct Kept {
    base: PlannedBase,
    bytes: Bytes,
}

impl Kept {
    fn plain(&self, handle: &Handle) -> Result<Plain, Raw> {
        let PlannedBase { digest, size, .. } = self.base;
        Plain::new(BlobBody::from(self.bytes.clone()), digest, size, handle.clone()).map_err(Raw::NoBase)
    }
}

#[async_trait]
impl OpenBase for Kept {
    async fn open(&self, _: &Digest) -> sealift_store::Result<(BlobBody, u64)> {
        Ok((BlobBody::from(self.bytes.clone()), self.base.size))
    }
}

/// How much memory a delta is going to take.
struct Need {
    /// The content, its plain bytes, the base as it is, and tables.
    fixed: u64,
    /// The plain bytes of the base, guessed.
    base: u64,
}

impl Need {
    /// The last four bytes of a gzip stream are how many plain bytes it has. That may be a lie, so it bounds nothing.
    fn of(blob: &[u8], base_size: u64, level: Level) -> Self {
        let size = blob.len() as u64;
        let plain = match blob.last_chunk::<4>() {
            Some(told) if blob.starts_with(&[0x1f, 0x8b]) => u64::from(u32::from_le_bytes(*told)),
            _ => size,
        };
        let plain = plain.max(size);
        let alike = u128::from(base_size) * u128::from(plain) / u128::from(size.max(1));
        let base = u64::try_from(alike + alike / 4).unwrap_or(u64::MAX).saturating_add(1 << 20);
        let window = 1_u64 << Frame::window(plain.max(base));
        let kept = size.saturating_add(base_size);
        Self { fixed: kept.saturating_add(plain + window / 16 + level.tables()), base }
    }

    fn all(&self) -> u64 {
        self.fixed.saturating_add(self.base)
    }
}

#[cfg(test)]
mod tests;
