//! The spool: the beginnings of blobs that were on their way when a process ended, for targets that forget
//! unfinished uploads.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use sealift_oci::Digest;
use sealift_store::BlobBody;

/// Keeps the beginnings of blobs, within its own bounds. It may forget any of them at any time. What it
/// fails with is its own affair: the bytes then come from the source.
#[async_trait]
pub trait Spool: Debug + Send + Sync + 'static {
    /// Opens what is kept of a blob, from its first byte on. The implementation has verified that these are
    /// the bytes that it was given.
    async fn recall(&self, digest: &Digest) -> Option<BlobBody>;

    /// Takes note of a piece that came from the source. Pieces of one blob come in their order; one that
    /// does not continue what is kept is left out.
    async fn keep(&self, digest: &Digest, offset: u64, piece: &Bytes);

    /// Forgets a blob: it is at the target now, or its bytes were wrong.
    async fn forget(&self, digest: &Digest);
}
