//! Making a delta, and the proof that it can be undone.

use std::num::NonZeroUsize;

use bytes::Bytes;
use regzip::{IdentifyError, Recipe};
use sealift_oci::{Algorithm, Digest, Hasher};
use sealift_store::Expected;

use super::base::Plain;
use super::decode::rebuild;
use super::encode::encode;
use super::parameters::{Frame, PLAIN_LIMIT, RECIPE_LIMIT, Run};
use super::{Delta, DeltaBase};
use crate::catalogue::Encoding;

/// How hard zstd tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As fast as disks are.
    Fast,
    /// As small as it gets, at a few MB a second.
    Best,
}

impl Level {
    fn number(self) -> i32 {
        match self {
            Self::Fast => 3,
            Self::Best => 19,
        }
    }

    /// How much memory its tables take, at most, beside those that grow with the window.
    pub(super) fn tables(self) -> u64 {
        match self {
            Self::Fast => 8 << 20,
            Self::Best => 160 << 20,
        }
    }
}

/// A delta that is proved.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) carried: Bytes,
    pub(crate) encoding: Encoding,
    pub(crate) base: Digest,
}

/// Why content is carried as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Raw {
    /// What it would build on cannot be read.
    #[error("what it would build on cannot be read: {0}")]
    NoBase(sealift_store::Error),
    /// Its gzip stream cannot be written again.
    #[error("{0}")]
    NoRecipe(IdentifyError),
    /// It does not fit into the memory that deltas may take.
    #[error("a delta would take more memory than deltas may")]
    TooLarge,
    /// There is nothing to win.
    #[error("a delta would not be smaller")]
    NotSmaller,
    /// The proof failed, or zstd did.
    #[error("a delta did not stand the proof: {0}")]
    Unproved(String),
}

/// Makes a delta of content that is whole. Its plain bytes may be `limit` at most.
pub(super) fn make(
    wanted: &Expected,
    blob: &Bytes,
    base: (Digest, Plain),
    level: Level,
    threads: NonZeroUsize,
    limit: u64,
) -> Result<Made, Raw> {
    let (digest, base) = base;
    let (gzip, plain) = inflate(blob, limit.min(PLAIN_LIMIT))?;
    let text = gzip.as_ref().map_or(0, |recipe| recipe.to_string().len());
    if text > RECIPE_LIMIT {
        return Err(Raw::NotSmaller);
    }
    let room = blob.len().checked_sub(text).ok_or(Raw::NotSmaller)?;
    let carried = encode(&base.bytes, &plain, level.number(), room).map_err(Raw::Unproved)?;
    let carried = carried.ok_or(Raw::NotSmaller)?;
    let (plain_size, base_size) = (plain.len() as u64, base.bytes.len() as u64);
    let delta = Delta {
        plain: plain_size,
        plain_digest: Digest::of(Algorithm::Sha256, &plain),
        carried_digest: Digest::of(Algorithm::Sha256, &carried),
        gzip,
        bases: vec![DeltaBase { digest, plain: base_size, is_gzip: base.is_gzip }],
        frames: vec![Frame {
            plain: plain_size,
            size: carried.len() as u64,
            window: Frame::window(base_size.max(plain_size)),
            prefix: vec![Run { base: 0, offset: 0, size: base_size }],
        }],
    };
    // The decoder is about to need as much.
    drop(plain);
    prove(&delta, wanted, &[base.bytes], &carried, threads)?;
    Ok(Made { carried: Bytes::from(carried), encoding: delta.encoding(), base: digest })
}

/// Takes content apart: its recipe, if it is gzip, and its plain bytes.
fn inflate(blob: &Bytes, limit: u64) -> Result<(Option<Recipe>, Vec<u8>), Raw> {
    let mut plain = Vec::new();
    let take = |piece: &[u8]| {
        plain.extend_from_slice(piece);
        Ok(())
    };
    match regzip::identify(&blob[..], limit, take) {
        Ok(recipe) => Ok((Some(recipe), plain)),
        Err(IdentifyError::NotGzip) if blob.len() as u64 <= limit => Ok((None, blob.to_vec())),
        Err(IdentifyError::NotGzip | IdentifyError::TooLarge { .. }) => Err(Raw::TooLarge),
        Err(error) => Err(Raw::NoRecipe(error)),
    }
}

/// Undoes the delta as the other side will, and compares the digest.
fn prove(
    delta: &Delta,
    wanted: &Expected,
    bases: &[Vec<u8>],
    carried: &[u8],
    threads: NonZeroUsize,
) -> Result<(), Raw> {
    let mut hasher = Hasher::new(wanted.digest.algorithm());
    let done = rebuild(delta, wanted.size, bases, carried, threads, |piece| {
        hasher.update(piece);
        Ok(())
    });
    done.map_err(|error| Raw::Unproved(error.to_string()))?;
    match hasher.finish() {
        digest if digest == wanted.digest => Ok(()),
        digest => Err(Raw::Unproved(format!("what came out has the digest {digest}"))),
    }
}
