//! Making a delta, and the proof that it can be undone.

use std::io;

use bytes::Bytes;
use regzip::{IdentifyError, Recipe};
use sealift_oci::{Algorithm, Digest};

use super::base::{Joined, Runs};
use super::cut::{Cutter, Frames, Index};
use super::decode::decode;
use super::encode::encode;
use super::parameters::{Frame, PLAIN_LIMIT, RECIPE_LIMIT, Run};
use super::{Delta, DeltaBase, Unplanned};
use crate::catalogue::Encoding;

/// Of how many parts of content a delta has to save one.
const GAIN: usize = 50;

/// How hard zstd tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As fast as disks are.
    Fast,
    /// Smaller by a tenth, in three times the time.
    Better,
    /// As small as it gets, at a few MB a second.
    Best,
}

impl Level {
    pub(super) fn number(self) -> i32 {
        match self {
            Self::Fast => 3,
            Self::Better => 10,
            Self::Best => 19,
        }
    }

    /// How much memory its tables take, at most, beside those that grow with the window.
    pub(super) fn tables(self) -> u64 {
        match self {
            Self::Fast => 8 << 20,
            Self::Better => 64 << 20,
            Self::Best => 160 << 20,
        }
    }
}

/// A delta that is proved.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) carried: Bytes,
    pub(crate) encoding: Encoding,
    /// What it builds on.
    pub(crate) bases: Vec<Digest>,
}

impl Made {
    fn new(carried: Vec<u8>, delta: &Delta) -> Self {
        let bases = delta.bases.iter().map(|base| base.digest).collect();
        Self { carried: Bytes::from(carried), encoding: delta.encoding(), bases }
    }
}

/// Why content is carried as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Raw {
    /// Nothing was tried.
    #[error(transparent)]
    Unplanned(#[from] Unplanned),
    /// What it would build on cannot be read.
    #[error("what it would build on cannot be read: {0}")]
    NoBase(sealift_store::Error),
    /// Its gzip stream cannot be written again.
    #[error("{0}")]
    NoRecipe(IdentifyError),
    /// It does not fit into the memory that deltas may take.
    #[error("a delta would take more memory than deltas may")]
    TooLarge,
    /// None of those that it might build on has anything of it.
    #[error("nothing that the other side has is like it")]
    Unlike,
    /// There is nothing to win.
    #[error("a delta would hardly be smaller")]
    NotSmaller,
    /// The proof failed, or zstd did.
    #[error("a delta did not stand the proof: {0}")]
    Unproved(String),
}

/// Content of which a delta is to be made, whole and verified.
pub(super) struct New<'a> {
    pub(super) blob: &'a Bytes,
    pub(super) level: Level,
}

/// All plain bytes of bases, one behind the other.
#[derive(Default)]
pub(super) struct Old {
    bases: Vec<DeltaBase>,
    begins: Vec<u64>,
    plain: Vec<u8>,
}

impl Old {
    /// Adds a base. The best comes last: what is near is found best.
    pub(super) fn add(&mut self, digest: Digest, is_gzip: bool, plain: Vec<u8>) {
        self.bases.push(DeltaBase { digest, plain: plain.len() as u64, is_gzip });
        self.begins.push(self.len());
        match self.plain.is_empty() {
            true => self.plain = plain,
            false => self.plain.extend_from_slice(&plain),
        }
    }

    /// How many bytes they are.
    pub(super) fn len(&self) -> u64 {
        self.plain.len() as u64
    }

    /// All of each base.
    fn runs(&self) -> Vec<Run> {
        let all = self.bases.iter().enumerate();
        all.map(|(number, base)| Run { base: number, offset: 0, size: base.plain }).collect()
    }
}

impl New<'_> {
    /// Makes a delta in one piece. The plain bytes may be `limit` at most.
    pub(super) fn whole(&self, old: &Old, limit: u64) -> Result<Made, Raw> {
        let mut plain = Vec::new();
        let gzip = self.inflate(limit.min(PLAIN_LIMIT), |piece| {
            plain.extend_from_slice(piece);
            Ok(())
        })?;
        let level = self.level.number();
        let carried = encode(&old.plain, &plain, level, self.room(gzip.as_ref())?).map_err(Raw::Unproved)?;
        let carried = carried.ok_or(Raw::NotSmaller)?;
        let (plain_size, base_size) = (plain.len() as u64, old.len());
        let delta = Delta {
            plain: plain_size,
            plain_digest: Digest::of(Algorithm::Sha256, &plain),
            carried_digest: Digest::of(Algorithm::Sha256, &carried),
            gzip,
            bases: old.bases.clone(),
            frames: vec![Frame {
                plain: plain_size,
                size: carried.len() as u64,
                window: Frame::window(base_size.max(plain_size)),
                prefix: old.runs(),
            }],
        };
        // The decoder is about to need as much.
        drop(plain);
        let mut bases = Joined { plain: &old.plain, begins: &old.begins };
        prove(&delta, &mut bases, &carried)?;
        Ok(Made::new(carried, &delta))
    }

    /// Makes a delta in segments of `most` plain bytes. The base, which is `old`, is read as often as that takes.
    pub(super) fn cut(
        &self,
        old: DeltaBase,
        index: &Index,
        runs: impl Runs,
        most: usize,
    ) -> Result<Made, Raw> {
        let mut cutter = Cutter::new(index, runs, self.level.number(), most, self.room(None)?);
        let mut failed = None;
        let gzip = self.inflate(u64::MAX, |piece| {
            cutter.take(piece).map_err(|raw| {
                failed = Some(raw);
                io::Error::other("the content is carried as it is")
            })
        });
        let gzip = gzip.map_err(|raw| failed.take().unwrap_or(raw))?;
        let (Frames { frames, carried, plain, plain_digest }, mut runs) = cutter.end()?;
        if carried.len() > self.room(gzip.as_ref())? {
            return Err(Raw::NotSmaller);
        }
        let carried_digest = Digest::of(Algorithm::Sha256, &carried);
        let delta = Delta { plain, plain_digest, carried_digest, gzip, bases: vec![old], frames };
        prove(&delta, &mut runs, &carried)?;
        Ok(Made::new(carried, &delta))
    }

    /// How many bytes a delta may have at most: with a recipe it has to be smaller than the content, and not just by what
    /// zstd saves where nothing is alike.
    fn room(&self, gzip: Option<&Recipe>) -> Result<usize, Raw> {
        let text = gzip.map_or(0, |recipe| recipe.to_string().len());
        match text > RECIPE_LIMIT {
            true => Err(Raw::NotSmaller),
            false => (self.blob.len() - self.blob.len() / GAIN).checked_sub(text).ok_or(Raw::NotSmaller),
        }
    }

    /// Takes the content apart: its recipe, if it is gzip, and its plain bytes, which may be `limit` at most.
    ///
    /// A recipe is the proof that the plain bytes become the content again: the whole content was written from them, and
    /// compared byte by byte with what came, whose digest is the right one.
    fn inflate(
        &self,
        limit: u64,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Option<Recipe>, Raw> {
        match regzip::identify(&self.blob[..], limit, &mut take) {
            Ok(recipe) => Ok(Some(recipe)),
            Err(IdentifyError::NotGzip) if self.blob.len() as u64 <= limit => {
                take(self.blob).map_err(|error| Raw::Unproved(error.to_string()))?;
                Ok(None)
            }
            Err(IdentifyError::NotGzip | IdentifyError::TooLarge { .. }) => Err(Raw::TooLarge),
            Err(error) => Err(Raw::NoRecipe(error)),
        }
    }
}

/// Decodes the frames as the other side will, and compares the digest of the plain bytes. That these become the content
/// is proved by then.
fn prove(delta: &Delta, bases: &mut impl Runs, carried: &[u8]) -> Result<(), Raw> {
    decode(delta, bases, carried, |_| Ok(())).map_err(|error| Raw::Unproved(error.to_string()))
}
