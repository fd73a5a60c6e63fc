//! Making a delta, and the proof that it can be undone.

use std::io;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use regzip::{IdentifyError, Recipe};
use sealift_oci::{Algorithm, Digest};

use super::base::Runs;
use super::cut::{Cutter, Framer, Frames, Index};
use super::parameters::RECIPE_LIMIT;
use super::{Delta, Unplanned};
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

    /// How much memory its tables take: those of the level, and those for long matches, which grow with the window.
    pub(super) fn tables(self, window: u64) -> u64 {
        match self {
            Self::Fast => (8 << 20) + window / 16,
            Self::Better => (40 << 20) + window / 8,
            Self::Best => (112 << 20) + window / 2,
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

impl New<'_> {
    /// Makes a delta in segments of `most` plain bytes. They are encoded and proved by another thread than the one that
    /// inflates the content and proves its recipe.
    pub(super) fn cut(&self, index: &Index, base: impl Runs + Send, most: usize) -> Result<Made, Raw> {
        let framer = Framer::new(index, base, self.level.number(), (most as u64, self.room(None)?));
        let (gzip, frames) = thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel(0);
            let framing = scope.spawn(|| framer.all(receiver));
            let mut cutter = Cutter::new(index, most, sender);
            let gzip = self.inflate(|piece| cutter.take(piece)).and_then(|gzip| {
                cutter.end().map_err(|error| Raw::Unproved(error.to_string()))?;
                Ok(gzip)
            });
            let stopped = |_| Raw::Unproved("what encodes it broke off".to_owned());
            (gzip, framing.join().map_err(stopped).flatten())
        });
        // Where the frames failed, the inflating was broken off.
        let (Frames { frames, carried, plain, plain_digest }, gzip) = (frames?, gzip?);
        if carried.len() > self.room(gzip.as_ref())? {
            return Err(Raw::NotSmaller);
        }
        let carried_digest = Digest::of(Algorithm::Sha256, &carried);
        let delta = Delta { plain, plain_digest, carried_digest, gzip, bases: index.bases.clone(), frames };
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

    /// Takes the content apart: its recipe, if it is gzip, and its plain bytes.
    ///
    /// A recipe is the proof that the plain bytes become the content again: the whole content was written from them, and
    /// compared byte by byte with what came, whose digest is the right one.
    fn inflate(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> Result<Option<Recipe>, Raw> {
        match regzip::identify(&self.blob[..], u64::MAX, &mut take) {
            Ok(recipe) => Ok(Some(recipe)),
            Err(IdentifyError::NotGzip) => {
                take(self.blob).map_err(|error| Raw::Unproved(error.to_string()))?;
                Ok(None)
            }
            Err(error) => Err(Raw::NoRecipe(error)),
        }
    }
}
