//! From frames back to plain bytes, and to the content. Every bound of the parameters is enforced on the way.

use std::io::{self, Read as _};
use std::num::NonZeroUsize;

use regzip::{RebuildError, Rebuilder};
use sealift_oci::{Digest, Hasher};
use zstd::stream::read::Decoder;

use super::base::Runs;
use super::parameters::{Delta, Frame};

/// How many plain bytes are decoded at a time.
const PIECE: usize = 256 * 1024;

/// Why content cannot be made from a delta.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeltaError {
    /// A base is not what the catalogue says.
    #[error("what it builds on is not what the catalogue says")]
    Base,
    /// What it builds on cannot be read.
    #[error(transparent)]
    Unreadable(#[from] sealift_store::Error),
    /// The bytes of the bundle differ from what was packed.
    #[error("what the bundle carries of it has the digest {0}")]
    Carried(Digest),
    /// A frame cannot be decoded, or lies about its length.
    #[error("frame {0} is damaged: {1}")]
    Frame(usize, String),
    /// What came out is something else.
    #[error("its plain bytes have the digest {0}")]
    Plain(Digest),
    /// The recipe does not fit.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// More comes out than the content has.
    #[error("it becomes more than its {0} bytes")]
    TooMany(u64),
    /// Whoever took the bytes takes no more.
    #[error("nobody takes it")]
    Stopped,
}

type Result<T> = std::result::Result<T, DeltaError>;

/// Makes content of `size` bytes from what is carried of it and runs of its bases, and hands it to `take` piece by piece.
pub(super) fn rebuild(
    delta: &Delta,
    size: u64,
    bases: &mut impl Runs,
    carried: &[u8],
    threads: NonZeroUsize,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut left = size;
    let mut hand_over = move |piece: &[u8]| {
        left = left.checked_sub(piece.len() as u64).ok_or(DeltaError::TooMany(size))?;
        if piece.is_empty() { Ok(()) } else { take(piece) }
    };
    let Some(recipe) = &delta.gzip else { return decode(delta, bases, carried, hand_over) };
    let (mut rebuilder, mut out) = (Rebuilder::new(recipe, threads), Vec::new());
    decode(delta, bases, carried, |plain| {
        rebuilder.write(plain, &mut out)?;
        hand_over(&out)?;
        out.clear();
        Ok(())
    })?;
    rebuilder.finish(&mut out)?;
    hand_over(&out)
}

/// Decodes the plain bytes, whose digest is checked at the end.
pub(super) fn decode(
    delta: &Delta,
    bases: &mut impl Runs,
    carried: &[u8],
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let digest = Digest::of(delta.carried_digest.algorithm(), carried);
    if digest != delta.carried_digest {
        return Err(DeltaError::Carried(digest));
    }
    let mut hasher = Hasher::new(delta.plain_digest.algorithm());
    let mut rest = carried;
    for (frame, number) in delta.frames.iter().zip(1..) {
        let damaged = |reason: &str| DeltaError::Frame(number, reason.to_owned());
        let size = usize::try_from(frame.size).unwrap_or(usize::MAX);
        let (bytes, behind) = rest.split_at_checked(size).ok_or_else(|| damaged("it is cut off"))?;
        rest = behind;
        decode_frame(frame, number, &bases.read(&frame.prefix)?, bytes, |plain| {
            hasher.update(plain);
            take(plain)
        })?;
    }
    match hasher.finish() {
        digest if digest == delta.plain_digest => Ok(()),
        digest => Err(DeltaError::Plain(digest)),
    }
}

/// Decodes the plain bytes of one frame.
pub(super) fn decode_frame(
    frame: &Frame,
    number: usize,
    prefix: &[u8],
    bytes: &[u8],
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let damaged = |error: io::Error| DeltaError::Frame(number, error.to_string());
    let mut decoder = Decoder::with_ref_prefix(bytes, prefix).map_err(damaged)?.single_frame();
    decoder.window_log_max(frame.window).map_err(damaged)?;
    let (mut piece, mut left) = (vec![0; PIECE], frame.plain);
    loop {
        let count = decoder.read(&mut piece).map_err(damaged)?;
        if count == 0 {
            break;
        }
        let wrong = || DeltaError::Frame(number, format!("more than its {} plain bytes came", frame.plain));
        left = left.checked_sub(count as u64).ok_or_else(wrong)?;
        take(&piece[..count])?;
    }
    match (left, decoder.finish()) {
        (0, []) => Ok(()),
        (0, _) => Err(DeltaError::Frame(number, "something follows it".to_owned())),
        _ => Err(DeltaError::Frame(number, format!("{left} of its plain bytes did not come"))),
    }
}
