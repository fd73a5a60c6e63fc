//! Who ran what, and when; and what the run carried, blob by blob. Reports and verifications share it.

use std::time::SystemTime;

use schemars::JsonSchema;
use sealift_mirror::{Attached as EngineAttached, BlobReport, Carried};
use sealift_oci::{Descriptor, Digest};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Who ran what, and when.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    /// The command: `mirror`, `pack`, `load` or `verify`.
    pub(in crate::output) command: &'static str,
    /// Who ran it, as `--operator` says.
    pub(in crate::output) operator: Option<String>,
    /// When it began, UTC (RFC 3339).
    pub(in crate::output) started_at: Option<String>,
    /// When it was over.
    pub(in crate::output) finished_at: Option<String>,
}

/// Something that is attached to an image.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Attached {
    /// The digest of its manifest.
    pub(in crate::output) digest: String,
    /// What it is: its artifact type, else its media type.
    pub(in crate::output) kind: String,
    /// The tag that it hangs on; null where it names its subject itself.
    pub(in crate::output) tag: Option<String>,
}

/// One distinct blob: a layer, a configuration, the content of an attachment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Blob {
    /// Its digest.
    pub(in crate::output) digest: String,
    /// Its media type.
    pub(in crate::output) media_type: String,
    /// Its size.
    pub(in crate::output) bytes: u64,
    /// The images that need it, by position in `images`.
    pub(in crate::output) images: Vec<usize>,
    /// How it came into the repositories of the target; null in a verification, which carries nothing.
    pub(in crate::output) repositories: Option<Ways>,
}

/// Into how many repositories of the target a blob came, and how.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Ways {
    /// Fetched from the source.
    pub(in crate::output) moved: usize,
    /// Linked from another repository.
    pub(in crate::output) mounted: usize,
    /// Read back from another repository, because the target refused a link.
    pub(in crate::output) read_back: usize,
    /// It was there.
    pub(in crate::output) present: usize,
    /// A foreign layer that the source lacks, left out.
    pub(in crate::output) skipped: usize,
}

/// How something was checked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Check {
    /// Which check it was.
    pub(in crate::output) check: CheckName,
    /// The same as a sentence.
    pub(in crate::output) message: String,
}

/// The kind of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::output) enum CheckName {
    /// Every blob that moved was hashed on its way.
    HashedOnTheWay,
    /// Manifests went over byte for byte, each checked against its digest.
    ManifestsChecked,
    /// What was at the target already was found by the digest that its tag points at.
    TagsCompared,
    /// Tags were set only behind all content.
    TagsLast,
    /// Every blob of the target was read back and hashed.
    ReadBack,
    /// Presence and size of every blob of the target were compared.
    Compared,
    /// Every byte of a bundle was compared with its checksums and digests.
    BundleRead,
    /// Every byte of the directory of a registry was compared with its digest, and what manifests link to looked for.
    DirectoryRead,
}

impl Run {
    pub(crate) fn new(
        command: &'static str,
        operator: Option<String>,
        began: SystemTime,
        ended: SystemTime,
    ) -> Self {
        Self { command, operator, started_at: rfc3339(began), finished_at: rfc3339(ended) }
    }
}

/// A clock that is too far off for a date has none to tell.
fn rfc3339(time: SystemTime) -> Option<String> {
    OffsetDateTime::from(time).replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

impl Attached {
    pub(super) fn of(attached: &EngineAttached) -> Self {
        let EngineAttached { digest, kind, tag } = attached;
        Self { digest: digest.to_string(), kind: kind.clone(), tag: tag.as_ref().map(ToString::to_string) }
    }
}

impl Blob {
    pub(super) fn of(blob: &BlobReport) -> Self {
        let mut ways = Ways::default();
        for carried in blob.carried.values() {
            *match carried {
                Carried::Moved => &mut ways.moved,
                Carried::Mounted => &mut ways.mounted,
                Carried::ReadBack => &mut ways.read_back,
                Carried::Present => &mut ways.present,
                Carried::Skipped => &mut ways.skipped,
            } += 1;
        }
        Self { images: blob.images.clone(), repositories: Some(ways), ..Self::bare(&blob.descriptor) }
    }

    /// Puts the blobs of several images together, each once, in the order in which they are met.
    pub(super) fn gather<'a>(images: impl Iterator<Item = &'a [Descriptor]>) -> Vec<Self> {
        let mut blobs: Vec<Self> = Vec::new();
        let mut known: std::collections::HashMap<Digest, usize> = std::collections::HashMap::new();
        for (number, needed) in images.enumerate() {
            for blob in needed {
                let position = *known.entry(blob.digest).or_insert_with(|| {
                    blobs.push(Self::bare(blob));
                    blobs.len() - 1
                });
                blobs[position].images.push(number);
            }
        }
        blobs
    }

    fn bare(blob: &Descriptor) -> Self {
        Self {
            digest: blob.digest.to_string(),
            media_type: blob.media_type.clone(),
            bytes: blob.size,
            images: Vec::new(),
            repositories: None,
        }
    }
}

impl Check {
    pub(super) fn new(check: CheckName, message: impl Into<String>) -> Self {
        Self { check, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_those_of_greenwich() {
        let began = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_219_200_500);
        let run = Run::new("mirror", None, began, began + Duration::from_secs(61));
        assert_eq!(run.started_at.as_deref(), Some("2026-11-21T00:00:00Z"));
        assert_eq!(run.finished_at.as_deref(), Some("2026-11-21T00:01:01Z"));
    }

    #[test]
    fn blobs_of_several_images_are_put_together() {
        let blob = |text: &str| Descriptor::of("application/octet-stream", text.as_bytes());
        let images = [vec![blob("a"), blob("b")], vec![], vec![blob("b"), blob("c")]];
        let gathered = Blob::gather(images.iter().map(Vec::as_slice));
        let images: Vec<&[usize]> = gathered.iter().map(|blob| blob.images.as_slice()).collect();
        assert_eq!(images, [&[0][..], &[0, 2], &[2]]);
    }
}
