//! Which new content is to be a delta, and of what.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use sealift_oci::Digest;
use sealift_store::{BlobBody, Error, ErrorKind, Expected, Operation, lock, verified};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::base::{Plain, Streams, in_full};
use super::cut::Index;
use super::make::{Made, New, Old, Raw};
use super::memory::Share;
use super::parameters::{Frame, PLAIN_LIMIT};
use super::sketch::Sketch;
use super::{Bases, DeltaBase, Level, OpenBase};

/// Which content a writer makes deltas of. Whatever does not work is carried as it is.
#[derive(Debug)]
pub struct DeltaPlan {
    bases: HashMap<Digest, Vec<PlannedBase>>,
    level: Level,
    with: Bases,
    /// What is known of bases that were looked at.
    sketches: tokio::sync::Mutex<HashMap<Digest, Arc<Sketch>>>,
    /// What is carried as it is though it has a base, and why.
    raw: Mutex<BTreeMap<Digest, String>>,
}

/// Content of the other side that new content is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedBase {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Content that is gathered in memory, because it may become a delta.
#[derive(Debug)]
pub(crate) struct Reserved {
    bases: Vec<PlannedBase>,
    share: Option<Share>,
}

impl DeltaPlan {
    /// Plans deltas: new content by digest, and what each may build on. Where that is more than one, those are read that it
    /// has most in common with.
    #[must_use]
    pub fn new(bases: HashMap<Digest, Vec<PlannedBase>>, level: Level, with: Bases) -> Self {
        Self { bases, level, with, sketches: tokio::sync::Mutex::default(), raw: Mutex::default() }
    }

    /// Returns what is carried as it is though it has a base, and why.
    #[must_use]
    pub fn raw(&self) -> BTreeMap<Digest, String> {
        lock(&self.raw).clone()
    }

    /// Waits for the memory that content needs on its way; `None` of what is to be carried as it is.
    pub(crate) async fn reserve(&self, expected: &Expected) -> Option<Reserved> {
        let bases = self.bases.get(&expected.digest)?;
        let smallest = bases.iter().map(|base| base.size).min()?;
        if !self.with.memory.holds(expected.size.saturating_add(smallest)) {
            self.note(expected, &Raw::TooLarge);
            return None;
        }
        Some(Reserved { bases: bases.clone(), share: self.with.memory.take(expected.size).await })
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
        lock(&self.raw).insert(expected.digest, raw.to_string());
    }

    async fn try_make(&self, expected: &Expected, blob: Bytes, reserved: Reserved) -> Result<Made, Raw> {
        let Reserved { bases, share } = reserved;
        let bases = match bases.as_slice() {
            [_] => bases,
            several => self.choose(expected, &blob, several).await?,
        };
        // Nobody waits for memory while holding some.
        drop(share);
        let size = bases.iter().fold(0, |sum: u64, base| sum.saturating_add(base.size));
        let need = Need::of(&blob, size, self.level);
        if self.with.memory.holds(need.fixed.saturating_add(need.base)) {
            match self.whole(&blob, &bases, &need).await {
                Err(Raw::TooLarge) => {}
                done => return done,
            }
        }
        self.cut(blob, *bases.last().ok_or(Raw::Unlike)?).await
    }

    /// Chooses what content has most in common with, and one more before it where both have much more than one. Of what
    /// cannot be read nothing is chosen.
    async fn choose(
        &self,
        expected: &Expected,
        blob: &Bytes,
        bases: &[PlannedBase],
    ) -> Result<Vec<PlannedBase>, Raw> {
        let body = BlobBody::from(blob.clone());
        let new = sketch(body, expected.digest, expected.size).await.map_err(Raw::NoBase)?;
        let mut known = Vec::new();
        for base in bases {
            if let Ok(sketch) = self.sketch_of(base).await {
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
        let second = second.filter(|(_, sketch)| with(sketch) >= alone + WORTH_ANOTHER);
        Ok(second.map(|(base, _)| *base).into_iter().chain([*best]).collect())
    }

    /// Reads a base once, to know what it is like.
    async fn sketch_of(&self, base: &PlannedBase) -> sealift_store::Result<Arc<Sketch>> {
        let mut sketches = self.sketches.lock().await;
        if let Some(known) = sketches.get(&base.digest) {
            return Ok(Arc::clone(known));
        }
        let body = self.with.lookup.open(&base.digest).await?;
        let made = Arc::new(sketch(body, base.digest, base.size).await?);
        sketches.insert(base.digest, Arc::clone(&made));
        Ok(made)
    }

    /// Makes a delta with all plain bytes in memory.
    async fn whole(&self, blob: &Bytes, bases: &[PlannedBase], need: &Need) -> Result<Made, Raw> {
        let share = self.with.memory.take(need.fixed.saturating_add(need.base)).await;
        let all = share.as_ref().map_or(0, super::memory::bytes);
        let limit = all.saturating_sub(need.fixed).min(PLAIN_LIMIT);
        let mut bodies = Vec::new();
        for base in bases {
            bodies.push((*base, self.with.lookup.open(&base.digest).await.map_err(Raw::NoBase)?));
        }
        let (handle, level, blob) = (Handle::current(), self.level, blob.clone());
        blocking(move || {
            let mut old = Old::default();
            for (base, body) in bodies {
                let plain = Plain::new(body, base.digest, base.size, handle.clone()).map_err(Raw::NoBase)?;
                let is_gzip = plain.is_gzip;
                let left = limit.saturating_sub(old.len());
                let plain = plain.all(left).map_err(Raw::NoBase)?.ok_or(Raw::TooLarge)?;
                old.add(base.digest, is_gzip, plain);
            }
            let most = all.saturating_sub(old.len() + blob.len() as u64);
            let made = New { blob: &blob, level }.whole(&old, most);
            drop(share);
            made
        })
        .await
    }

    /// Makes a delta in segments. Content and base are in memory as they are, and the plain bytes of one segment.
    async fn cut(&self, blob: Bytes, base: PlannedBase) -> Result<Made, Raw> {
        let fixed = fixed_for_segments(blob.len() as u64, base.size, self.level);
        let total = self.with.memory.total();
        let most = (total.saturating_sub(fixed) / SHARES).min(LARGEST_SEGMENT);
        if most < SMALLEST_SEGMENT {
            return Err(Raw::TooLarge);
        }
        let share = self.with.memory.take(fixed + most * SHARES).await;
        let body = self.with.lookup.open(&base.digest).await.map_err(Raw::NoBase)?;
        let room = usize::try_from(base.size).map_err(|_| Raw::TooLarge)?;
        let kept = verified(body, base.digest, base.size).collect(room).await.map_err(Raw::NoBase)?;
        let (handle, level) = (Handle::current(), self.level);
        blocking(move || {
            let body = BlobBody::from(kept.clone());
            let plain = Plain::new(body, base.digest, base.size, handle).map_err(Raw::NoBase)?;
            let is_gzip = plain.is_gzip;
            let index = Index::read(plain).map_err(Raw::NoBase)?;
            let old = DeltaBase { digest: base.digest, plain: index.plain, is_gzip };
            let runs = Streams::new(Kept(kept), vec![old], None);
            let new = New { blob: &blob, level };
            let made = new.cut(old, &index, runs, usize::try_from(most).map_err(|_| Raw::TooLarge)?);
            drop(share);
            made
        })
        .await
    }
}

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
fn fixed_for_segments(size: u64, base: u64, level: Level) -> u64 {
    size.saturating_add(size / 2).saturating_add(base).saturating_add(level.tables())
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
struct Kept(Bytes);

#[async_trait]
impl OpenBase for Kept {
    async fn open(&self, _: &Digest) -> sealift_store::Result<(BlobBody, u64)> {
        Ok((BlobBody::from(self.0.clone()), self.0.len() as u64))
    }
}

/// How much memory a delta is going to take.
struct Need {
    /// The content, its plain bytes, and tables.
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
        Self { fixed: size + plain + window / 16 + level.tables(), base }
    }
}
