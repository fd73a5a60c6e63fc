//! Which new content is to be a delta, and of what.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use sealift_oci::Digest;
use sealift_store::{BlobBody, Error, ErrorKind, Expected, Operation, lock};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::base::{Joined, Plain, Streams, in_full};
use super::cut::Index;
use super::make::{Made, New, Raw};
use super::memory::{Gathered, Share, give_back};
use super::sketch::Sketch;
use super::{Bases, Level, OpenBase};

mod candidates;
mod room;

use candidates::Allowance;
pub use candidates::{Candidates, PlannedBase, Unplanned};
use room::{Need, Room};

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

/// Memory for content that is gathered because it may become a delta: until this is dropped, and the content with it.
#[derive(Debug)]
pub(crate) struct Reserved {
    candidates: Candidates,
    _gathered: Gathered,
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
        let room = Room::new(&self.with.memory, expected.size, self.level, self.with.threads);
        if !room.is_any(candidates.smallest()) {
            self.note(expected, &Raw::TooLarge);
            return None;
        }
        Some(Reserved { candidates, _gathered: self.with.memory.gather(expected.size).await })
    }

    /// Makes a delta of content that is whole and verified; `None` where it is to be carried as it is.
    pub(crate) async fn make(&self, expected: &Expected, blob: Bytes, reserved: &Reserved) -> Option<Made> {
        match self.try_make(expected, blob, &reserved.candidates).await {
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

    async fn try_make(&self, expected: &Expected, blob: Bytes, candidates: &Candidates) -> Result<Made, Raw> {
        let mut allowance = candidates.allowance();
        let others = candidates.others.as_slice();
        if let Some(first) = candidates.first {
            match self.build(&blob, &[first], &mut allowance).await {
                Err(Raw::NoBase(_) | Raw::NotSmaller) if !others.is_empty() => {}
                done => return done,
            }
        }
        let bases = match others {
            [one] => vec![*one],
            several => self.choose(expected, &blob, several, &mut allowance).await?,
        };
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

    /// Makes a delta of bases, the best of which is the last: their plain bytes are kept, or, where that is too much, the
    /// best is, as it is. Each base is read once.
    async fn build(
        &self,
        blob: &Bytes,
        bases: &[PlannedBase],
        allowance: &mut Allowance,
    ) -> Result<Made, Raw> {
        let Some(best) = bases.last() else { return Err(Raw::Unlike) };
        if let Some(need) = self.room(blob).plain(blob, bases) {
            allowance.spend(bases)?;
            let share = self.with.memory.take(need.all()).await;
            return self.of_plain(blob.clone(), bases.to_vec(), need, share).await;
        }
        let need = self.room(blob).kept(best.size).ok_or(Raw::TooLarge)?;
        allowance.spend(&[*best])?;
        let share = self.with.memory.take(need.all()).await;
        self.of_kept(blob.clone(), *best, need, share).await
    }

    fn room(&self, blob: &Bytes) -> Room {
        Room::new(&self.with.memory, blob.len() as u64, self.level, self.with.threads)
    }

    /// Makes a delta with the plain bytes of the bases in memory.
    async fn of_plain(
        &self,
        blob: Bytes,
        bases: Vec<PlannedBase>,
        need: Need,
        mut share: Option<Share>,
    ) -> Result<Made, Raw> {
        let (handle, lookup, level) = (Handle::current(), Arc::clone(&self.with.lookup), self.level);
        blocking(move || {
            let (mut index, mut plain) = (Index::default(), Vec::new());
            for PlannedBase { digest, size, .. } in bases {
                let body = handle.block_on(lookup.open(&digest)).map_err(Raw::NoBase)?;
                let base = Plain::new(body, digest, size, handle.clone()).map_err(Raw::NoBase)?;
                let left = need.bases.saturating_sub(plain.len() as u64);
                let read = index.read((digest, base), left, |piece| plain.extend_from_slice(piece));
                read.map_err(Raw::NoBase)?;
            }
            plain.shrink_to_fit();
            let unused = need.bases.saturating_sub(plain.len() as u64);
            share.iter_mut().for_each(|share| give_back(share, unused));
            let joined = Joined { plain: &plain, begins: &index.begins };
            let made = New { blob: &blob, level }.cut(&index, joined, need.segment);
            drop((plain, share));
            made
        })
        .await
    }

    /// Makes a delta with the base in memory as it is. It is inflated again for each segment that lies before another.
    async fn of_kept(
        &self,
        blob: Bytes,
        base: PlannedBase,
        need: Need,
        share: Option<Share>,
    ) -> Result<Made, Raw> {
        let room = usize::try_from(base.size).map_err(|_| Raw::TooLarge)?;
        let body = self.with.lookup.open(&base.digest).await.map_err(Raw::NoBase)?;
        let kept = Kept { base, bytes: body.collect(room).await.map_err(Raw::NoBase)? };
        let (handle, level) = (Handle::current(), self.level);
        blocking(move || {
            let mut index = Index::default();
            let plain = kept.plain(&handle)?;
            index.read((base.digest, plain), u64::MAX, |_| {}).map_err(Raw::NoBase)?;
            let streams = Streams::new(kept, index.bases.clone(), None);
            let made = New { blob: &blob, level }.cut(&index, streams, need.segment);
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

#[cfg(test)]
mod tests;
