//! The report: what became of every image.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sealift_oci::{Descriptor, Digest, Manifest, Platform, RepositoryName, Tag};
use sealift_store::{Error, ErrorKind, Side};

use crate::ImageRequest;

/// What became of everything that was wanted.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every image, in the order of the selection.
    pub images: Vec<ImageReport>,
    /// Every distinct blob that was planned, in the order in which they were taken.
    pub blobs: Vec<BlobReport>,
    /// What the run came to.
    pub totals: Totals,
    /// The run was stopped before its end.
    pub interrupted: bool,
}

/// What became of one image.
#[derive(Clone, Debug)]
pub struct ImageReport {
    /// The wish.
    pub request: ImageRequest,
    /// The group that it belongs to.
    pub group: Option<String>,
    /// The digest of its root, where it is known.
    pub digest: Option<Digest>,
    /// The platforms that it is for, where they are known; an image that was there already is not read.
    pub platforms: Vec<Platform>,
    /// What became of it.
    pub outcome: Outcome,
    /// Bytes of blobs that were fetched for this image. A blob that several images share is counted with
    /// the first of them.
    pub moved: u64,
    /// Bytes of blobs that were linked from another repository of the target.
    pub mounted: u64,
    /// Bytes of blobs that the target's repository had already, or got with another image.
    pub present: u64,
    /// How long the transfers that were counted with this image took, one after the other.
    pub elapsed: Duration,
    /// Foreign layers that the source does not have and that were left out.
    pub skipped: Vec<Digest>,
    /// What came with it: signatures, attestations, SBOMs.
    pub attachments: Vec<Attached>,
}

/// What became of one distinct blob.
#[derive(Clone, Debug)]
pub struct BlobReport {
    /// The blob.
    pub descriptor: Descriptor,
    /// The images that need it, by position in [`Report::images`]; those that were there already are not read, so
    /// they are not among them.
    pub images: Vec<usize>,
    /// How it came into each repository of the target that has it now.
    pub carried: BTreeMap<RepositoryName, Carried>,
}

/// Something that is attached to an image: a signature, an attestation, an SBOM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The digest of its manifest.
    pub digest: Digest,
    /// What it is: its artifact type, else its media type.
    pub kind: String,
    /// The tag that it hangs on; without one it names its subject itself.
    pub tag: Option<Tag>,
}

/// What became of an image.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It arrived, and was verified on its way.
    Arrived,
    /// The target had it.
    AlreadyThere,
    /// It is not part of this release.
    NotPart,
    /// The source does not have it.
    Missing,
    /// It arrived, but its tag was not set because other images of its group are not there.
    Withheld,
    /// It failed.
    Failed(Failure),
    /// The run was stopped before it arrived.
    Interrupted,
}

/// Why an image failed; one error can be the reason for several images.
pub type Failure = Arc<Error>;

/// How a blob came into a repository of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Its bytes were fetched from the source.
    Moved,
    /// It was linked from another repository of the target.
    Mounted,
    /// Its bytes were read back from another repository of the target, because a link was refused.
    ReadBack,
    /// It was there.
    Present,
    /// It is a foreign layer that the source does not have; it was left out.
    Skipped,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Distinct blobs that were fetched from the source.
    pub blobs_moved: usize,
    /// Their bytes.
    pub bytes_moved: u64,
    /// Bytes that a link saved.
    pub bytes_mounted: u64,
    /// Bytes that were read back from the target.
    pub bytes_read_back: u64,
    /// Bytes that were there.
    pub bytes_present: u64,
    /// From the first request to the last.
    pub elapsed: Duration,
}

impl Report {
    /// Goes through the images that count: all but those that are not part of their release.
    pub fn wanted(&self) -> impl Iterator<Item = &ImageReport> {
        self.images.iter().filter(|image| !matches!(image.outcome, Outcome::NotPart))
    }

    /// Goes through the errors, one for each image that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.images.iter().filter_map(|image| match &image.outcome {
            Outcome::Failed(failure) => Some(failure),
            _ => None,
        })
    }
}

impl Attached {
    pub(crate) fn new(manifest: &Manifest, tag: Option<Tag>) -> Self {
        let Descriptor { artifact_type, media_type, .. } = &manifest.descriptor;
        let kind = artifact_type.as_ref().unwrap_or(media_type).clone();
        Self { digest: manifest.digest(), kind, tag }
    }
}

impl ImageReport {
    pub(crate) fn new(request: ImageRequest, group: Option<String>, outcome: Outcome) -> Self {
        Self {
            request,
            group,
            digest: None,
            platforms: Vec::new(),
            outcome,
            moved: 0,
            mounted: 0,
            present: 0,
            elapsed: Duration::ZERO,
            skipped: Vec::new(),
            attachments: Vec::new(),
        }
    }

    /// Tells whether the target has the image under its tag now.
    #[must_use]
    pub fn is_there(&self) -> bool {
        matches!(self.outcome, Outcome::Arrived | Outcome::AlreadyThere)
    }

    /// Tells whether the image could not come because the source lacks it or a part of it.
    #[must_use]
    pub fn lacks_source(&self) -> bool {
        match &self.outcome {
            Outcome::Missing => true,
            Outcome::Failed(error) => {
                error.kind() == ErrorKind::NotFound && error.side() == Some(Side::Source)
            }
            _ => false,
        }
    }
}
