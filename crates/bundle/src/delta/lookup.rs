//! Where the content is that deltas build on.

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use sealift_oci::Digest;
use sealift_store::{BlobBody, Result};

use super::Memory;

/// A place that has content by digest, whatever repository it is in.
#[async_trait]
pub trait BlobLookup: Debug + Send + Sync + 'static {
    /// Opens content from its first byte on. It is verified by who reads it.
    ///
    /// # Errors
    /// [`sealift_store::ErrorKind::NotFound`] where it is nowhere, and those of reading.
    async fn open(&self, digest: &Digest) -> Result<BlobBody>;
}

/// What deltas are undone with.
#[derive(Clone, Debug)]
pub struct Bases {
    /// Where the content is that they build on.
    pub lookup: Arc<dyn BlobLookup>,
    /// What all that are undone at the same time may take.
    pub memory: Memory,
    /// How many threads write one gzip stream, where its encoder allows.
    pub threads: NonZeroUsize,
}
