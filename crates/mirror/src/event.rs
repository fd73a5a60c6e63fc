//! What happens on the way, told to whoever draws it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use sealift_oci::Digest;
use sealift_store::Error;

use crate::{Carried, ImageReport, ImageRequest, Passage, PlanTotals};

/// Something that happened. How far one blob is stands in its [`Passage`], to be read at any time.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The source is asked for so many images.
    SurveyStarted {
        /// How many.
        images: usize,
    },
    /// The target is compared with the source, image by image.
    ComparisonStarted {
        /// How many images there are.
        images: usize,
    },
    /// The plan is made and its first byte is about to move.
    RunStarted {
        /// What the plan comes to.
        totals: PlanTotals,
    },
    /// A blob is being fetched, read back or read again.
    BlobStarted {
        /// How far it is.
        passage: &'a Arc<Passage>,
    },
    /// So many more bytes of a blob came in from the source: who paces the run wants to know at once.
    BlobProgress {
        /// The blob.
        digest: Digest,
        /// How many bytes.
        bytes: u64,
    },
    /// A blob is in a repository of the target now.
    BlobFinished {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// How it got there.
        carried: Carried,
    },
    /// Something broke and is tried again.
    Retrying {
        /// What broke.
        error: &'a Error,
        /// How long the engine waits first.
        wait: Duration,
    },
    /// Something is listed as attached at the source, and is not there any more; it is left out.
    AttachmentGone {
        /// The image.
        request: &'a ImageRequest,
        /// What is not there.
        digest: Digest,
        /// What it was attached to: the image, a part of it, or something attached.
        subject: Digest,
    },
    /// All that an image needs is at the target, but for its own manifest and tag; or it is compared.
    ImageReady {
        /// The image.
        request: &'a ImageRequest,
    },
    /// It is decided what becomes of an image.
    ImageFinished {
        /// What became of it.
        report: &'a ImageReport,
    },
    /// Nothing moves any more.
    RunFinished,
}

/// Who is told. It is called often and from several threads: it must return at once.
pub trait Observer: Debug + Send + Sync + 'static {
    /// Takes note of `event`.
    fn notice(&self, event: &Event<'_>);
}

/// Nobody is told.
impl Observer for () {
    fn notice(&self, _: &Event<'_>) {}
}
