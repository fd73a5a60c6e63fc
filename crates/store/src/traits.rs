//! What a place can do. The contract stands on each trait; [`crate::conformance`] proves every sentence of
//! it for every place and every wrapper.

use std::fmt::{self, Debug};
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};

use crate::{BlobBody, Page, PageRequest, Result};

/// A named set of repositories: a registry, a directory, a bundle.
///
/// # Contract
/// Clones of an `Arc` and repeated calls give the same data. Handles are cheap and do no I/O when they are
/// made. Asking for a target on a place that is read-only fails with [`crate::ErrorKind::ReadOnly`]
/// here, once, and not at each write.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Returns what people call the place; it stands in front of every message.
    fn place(&self) -> &str;

    /// Returns a repository to read. It need not exist.
    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source>;

    /// Returns a repository to write. It need not exist; the first write makes it where the place can.
    ///
    /// # Errors
    /// [`crate::ErrorKind::ReadOnly`] where the place cannot be written.
    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>>;

    /// Returns the view of who keeps the place.
    fn admin(&self) -> Arc<dyn Admin>;
}

/// One repository to read.
///
/// # Contract
/// What is not there, the repository included, is [`crate::ErrorKind::NotFound`]. A manifest asked for by
/// digest has that digest, whatever the place sent; a tag is resolved by the place. The body of a blob is
/// **not** verified: who reads it passes it through [`crate::verified`].
#[async_trait]
pub trait Source: Debug + Send + Sync + 'static {
    /// Returns the repository's name.
    fn repository(&self) -> &RepositoryName;

    /// Finds what a tag points at, or whether a digest is there, without reading the manifest.
    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor>;

    /// Reads a manifest; at most [`sealift_oci::MANIFEST_LIMIT`] bytes.
    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest>;

    /// Returns the size of a blob in bytes.
    async fn stat_blob(&self, digest: &Digest) -> Result<u64>;

    /// Opens a blob from byte `offset` on; an offset at the end gives an empty body, one behind it is
    /// [`crate::ErrorKind::Invalid`]. A place that cannot be asked is not asked again: who reads the body has to
    /// be ready for that anyway.
    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody>;

    /// Lists tags, in the place's order (lexical where the place is sealift's).
    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>>;

    /// Lists the manifests whose subject is `subject`; only those of `artifact_type` where one is given.
    /// Nothing attached is an empty page, whether or not the subject is there.
    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>>;

    /// Tells whether an earlier call of [`Source::referrers`] found that the place leaves the lists of
    /// referrers to its clients, who keep each as an index under the tag `<algorithm>-<hash>` of the subject
    /// (OCI distribution 1.1, "Referrers Tag Schema"). Who has listed the tags need not ask again then.
    fn keeps_referrers_in_tags(&self) -> bool;
}

/// One repository to write. It is not a [`Source`]: a pipe cannot be read back.
///
/// # Contract
/// No reader ever sees content that is not whole and verified: a blob appears when
/// [`Upload::finish`] returns and not before; a manifest and its tag appear in one step. After a crash
/// everything that was acknowledged is there, and nothing else is visible. Writing again what is there
/// succeeds and changes nothing.
#[async_trait]
pub trait Target: Debug + Send + Sync + 'static {
    /// Returns the repository's name.
    fn repository(&self) -> &RepositoryName;

    /// Finds what a tag points at, or whether a digest is there; `None` where it is not.
    async fn stat_manifest(&self, reference: &ManifestRef) -> Result<Option<Descriptor>>;

    /// Returns the size of a blob that is there in this repository.
    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>>;

    /// Links a blob from another repository of the same place, or finds that it is here already: `from`
    /// may be this very repository. Where it is in neither, nothing changes.
    async fn link_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<LinkOutcome>;

    /// Begins an upload at offset 0. Who knows what is coming says so: a place that lays content out in
    /// order needs it ([`crate::ErrorKind::Unsupported`] without), and every place may refuse to finish
    /// what turns out to be something else.
    async fn begin_upload(&self, expected: Option<Expected>) -> Result<Box<dyn Upload>>;

    /// Goes on with an upload of this repository; [`crate::ErrorKind::NotFound`] where the place has
    /// forgotten it, [`crate::ErrorKind::Busy`] where somebody is appending to it.
    async fn resume_upload(&self, id: &UploadId) -> Result<Box<dyn Upload>>;

    /// Writes a manifest under its digest and, in the same step, under `tag`. What it links to must be in
    /// this repository (else [`crate::ErrorKind::NotFound`]), except its subject, foreign layers, and the
    /// children of an index where the place allows that.
    async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()>;
}

/// The blob that an upload is going to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Expected {
    /// Describes a blob.
    #[must_use]
    pub fn new(digest: Digest, size: u64) -> Self {
        Self { digest, size }
    }
}

/// What became of a wish to link a blob.
#[derive(Debug)]
pub enum LinkOutcome {
    /// The blob is in the repository now.
    Linked,
    /// It is not; the place opened an upload instead.
    Upload(Box<dyn Upload>),
    /// It is not; begin an upload.
    Refused,
}

/// A blob on its way in. Dropping it neither finishes nor cancels it; a place forgets it after a while.
///
/// # Contract
/// What was appended stays, also where appending broke off: [`Target::resume_upload`] tells the offset.
#[async_trait]
pub trait Upload: Debug + Send + 'static {
    /// Returns the name under which the upload can be resumed.
    fn id(&self) -> &UploadId;

    /// Returns how many bytes the place holds.
    fn offset(&self) -> u64;

    /// Appends a body and returns the new offset. An error of the body comes back as it is, and what came
    /// before it stays; but of a body that is not what it was said to be ([`crate::ErrorKind::Mismatch`]) a
    /// place that can take bytes back keeps none. [`crate::ErrorKind::Busy`] where somebody else is appending, or has appended since
    /// this offset was told: then resume.
    async fn append(&mut self, body: BlobBody) -> Result<u64>;

    /// Makes the blob visible if all bytes together have `digest`, else fails with
    /// [`crate::ErrorKind::Mismatch`] and forgets them.
    async fn finish(self: Box<Self>, digest: &Digest) -> Result<()>;

    /// Forgets what was appended.
    async fn cancel(self: Box<Self>) -> Result<()>;
}

/// The view of who keeps a place: what is in it, and what is not to be in it any more.
///
/// # Contract
/// What was deleted is gone when the call returns, and stays gone after a crash. What is not there, the
/// repository included, is [`crate::ErrorKind::NotFound`]; a place that cannot delete says
/// [`crate::ErrorKind::Unsupported`]. Other repositories keep what they have.
#[async_trait]
pub trait Admin: Debug + Send + Sync + 'static {
    /// Lists the repositories, in lexical order where the place is sealift's.
    async fn repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>>;

    /// Takes a tag away, and the manifest stays; or deletes a manifest by its digest, with every tag that
    /// points at it. What it links to stays.
    async fn delete_manifest(&self, repository: &RepositoryName, reference: &ManifestRef) -> Result<()>;

    /// Deletes a blob from one repository, whether or not a manifest there needs it.
    async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<()>;
}

/// The name of an upload; only the place that gave it can read it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UploadId(String);

/// A text that no place would give as the name of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upload's name has 1 to 4096 printable characters")]
pub struct UploadIdError;

/// Long enough for the URLs that registries give, which carry signed state.
const UPLOAD_ID_LIMIT: usize = 4096;

impl UploadId {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> std::result::Result<Self, UploadIdError> {
        let fine = (1..=UPLOAD_ID_LIMIT).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fine { Ok(Self(text.to_owned())) } else { Err(UploadIdError) }
    }
}

/// An upload's name can be a URL with a signature in it, so it is not printed.
impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadId(…)")
    }
}
