//! What fuzz targets reach of deltas. It is built for the fuzzer only (`--cfg fuzzing`).

use std::num::NonZeroUsize;

use sealift_oci::Digest;

use super::base::Joined;
use super::decode::rebuild;
use super::{Delta, ID};
use crate::catalogue::{Content, Encoding, Extent};

/// Reads text as the parameters of a delta; what is accepted is undone with `carried` and a base of zeros, and holds
/// what it says.
pub fn delta(parameters: &str, size: u64, carried: &[u8]) {
    let Ok(parameters) = serde_json::from_str(parameters) else { return };
    let at = vec![Extent { volume: 1, offset: 0, size: carried.len() as u64 }];
    let encoding = Some(Encoding { id: ID.to_owned(), parameters });
    let bases = vec![Digest::sha256(b"base")];
    let content = Content { at, encoding, bases, ..Content::elsewhere(Digest::sha256(b"new"), size) };
    let Some(Ok(delta)) = Delta::of(&content) else { return };
    assert_eq!(delta.carried(), carried.len() as u64);
    // Memory is bounded by the budget and not here.
    if delta.bases[0].plain > 1 << 20 || delta.plain > 1 << 24 {
        return;
    }
    let base = vec![0; delta.bases[0].plain as usize];
    let mut count = 0;
    let mut bases = Joined { plain: &base, begins: &[0] };
    let _ = rebuild(&delta, size, &mut bases, carried, NonZeroUsize::MIN, |piece| {
        count += piece.len() as u64;
        Ok(())
    });
    assert!(count <= size);
}
