//! Which new content is to be a delta, and of what.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use bytes::Bytes;
use sealift_oci::Digest;
use sealift_store::{Expected, lock};
use tokio::task::spawn_blocking;

use super::make::{Made, Raw, make};
use super::memory::Share;
use super::parameters::{Frame, PLAIN_LIMIT};
use super::{Bases, Level, base};

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
        if !self.with.memory.holds(expected.size.saturating_mul(2).saturating_add(base.size)) {
            self.note(expected, &Raw::TooLarge);
            return None;
        }
        Some(Reserved { base, share: self.with.memory.take(expected.size).await })
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
        let Reserved { base, share } = reserved;
        // Nobody waits for memory while holding some.
        drop(share);
        let Need { fixed, base: for_base } = Need::of(&blob, base.size, self.level);
        let memory = &self.with.memory;
        if !memory.holds(fixed.saturating_add(base.size)) {
            return Err(Raw::TooLarge);
        }
        let share = memory.take(fixed.saturating_add(for_base)).await;
        let all = share.as_ref().map_or(0, super::memory::bytes);
        let limit = all.saturating_sub(fixed).min(PLAIN_LIMIT);
        let body = self.with.lookup.open(&base.digest).await.map_err(Raw::NoBase)?;
        let plain = base::read(body, base.digest, base.size, limit).await.map_err(Raw::NoBase)?;
        let (expected, level, threads) = (*expected, self.level, self.with.threads);
        let most = all.saturating_sub(plain.bytes.len() as u64 + blob.len() as u64);
        let made = spawn_blocking(move || {
            let made = make(&expected, &blob, (base.digest, plain), level, threads, most);
            drop(share);
            made
        });
        made.await.map_err(|error| Raw::Unproved(error.to_string()))?
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
