//! Which new content is to be a delta, and of what.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use sealift_oci::Digest;
use sealift_store::{BlobBody, Expected, lock, verified};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::base::{Plain, Streams};
use super::cut::Index;
use super::make::{Made, New, Old, Raw};
use super::memory::Share;
use super::parameters::{Frame, PLAIN_LIMIT};
use super::{Bases, DeltaBase, Level, OpenBase};

/// Which content a writer makes deltas of. Whatever does not work is carried as it is.
#[derive(Debug)]
pub struct DeltaPlan {
    bases: HashMap<Digest, PlannedBase>,
    level: Level,
    with: Bases,
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
    base: PlannedBase,
    share: Option<Share>,
}

impl DeltaPlan {
    /// Plans deltas: new content by digest, and what each builds on.
    #[must_use]
    pub fn new(bases: HashMap<Digest, PlannedBase>, level: Level, with: Bases) -> Self {
        Self { bases, level, with, raw: Mutex::default() }
    }

    /// Returns what is carried as it is though it has a base, and why.
    #[must_use]
    pub fn raw(&self) -> BTreeMap<Digest, String> {
        lock(&self.raw).clone()
    }

    /// Waits for the memory that content needs on its way; `None` of what is to be carried as it is.
    pub(crate) async fn reserve(&self, expected: &Expected) -> Option<Reserved> {
        let base = *self.bases.get(&expected.digest)?;
        if !self.with.memory.holds(expected.size.saturating_add(base.size)) {
            self.note(expected, &Raw::TooLarge);
            return None;
        }
        Some(Reserved { base, share: self.with.memory.take(expected.size).await })
    }

    /// Makes a delta of content that is whole and verified; `None` where it is to be carried as it is.
    pub(crate) async fn make(&self, expected: &Expected, blob: Bytes, reserved: Reserved) -> Option<Made> {
        match self.try_make(blob, reserved).await {
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

    async fn try_make(&self, blob: Bytes, reserved: Reserved) -> Result<Made, Raw> {
        let Reserved { base, share } = reserved;
        // Nobody waits for memory while holding some.
        drop(share);
        let need = Need::of(&blob, base.size, self.level);
        if self.with.memory.holds(need.fixed.saturating_add(need.base)) {
            match self.whole(&blob, base, &need).await {
                Err(Raw::TooLarge) => {}
                done => return done,
            }
        }
        self.cut(blob, base).await
    }

    /// Makes a delta with all plain bytes in memory.
    async fn whole(&self, blob: &Bytes, base: PlannedBase, need: &Need) -> Result<Made, Raw> {
        let share = self.with.memory.take(need.fixed.saturating_add(need.base)).await;
        let all = share.as_ref().map_or(0, super::memory::bytes);
        let limit = all.saturating_sub(need.fixed).min(PLAIN_LIMIT);
        let body = self.with.lookup.open(&base.digest).await.map_err(Raw::NoBase)?;
        let (handle, level, blob) = (Handle::current(), self.level, blob.clone());
        blocking(move || {
            let plain = Plain::new(body, base.digest, base.size, handle).map_err(Raw::NoBase)?;
            let is_gzip = plain.is_gzip;
            let plain = plain.all(limit).map_err(Raw::NoBase)?.ok_or(Raw::TooLarge)?;
            let most = all.saturating_sub(plain.len() as u64 + blob.len() as u64);
            let old = Old { digest: base.digest, is_gzip, plain };
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
