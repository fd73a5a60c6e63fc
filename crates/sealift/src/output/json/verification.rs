//! `sealift.verification/1`: what verifying found.

use schemars::JsonSchema;
use sealift_mirror::{Finding, ImageVerdict, Verdict, Verification};
use serde::Serialize;

use super::common::{Failure, Place, VERSION, milliseconds};
use super::run::{Attached, Blob, Check, CheckName, Run};
use crate::ends::Ends;
use crate::errors::{CommandError, Exit};
use crate::output::failures;
use crate::output::units::{bytes, count};
use crate::output::verification::sentence;

const SCHEMA: &str = "sealift.verification/1";

/// What `sealift verify --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.verification/1")]
pub(crate) struct VerificationReport {
    /// Always `sealift.verification/1`.
    pub(in crate::output) schema: &'static str,
    /// The version of sealift that wrote the document.
    pub(in crate::output) version: &'static str,
    /// Who ran what, and when.
    #[serde(flatten)]
    pub(in crate::output) run: Run,
    /// What the process ends with.
    pub(in crate::output) exit_code: u8,
    /// What the target was compared with; null for a list of images, and where the run failed before that
    /// was settled.
    pub(in crate::output) source: Option<Place>,
    /// What was looked at; null where the run failed before that was settled.
    pub(in crate::output) target: Option<Place>,
    /// Whether every blob was read back and hashed; else presence and size were compared.
    pub(in crate::output) deep: bool,
    /// Every image that was looked for, release by release, older releases first.
    pub(in crate::output) images: Vec<VerifiedImage>,
    /// The distinct blobs and manifests at the target that are wrong or not there, sorted.
    pub(in crate::output) damaged: Vec<String>,
    /// Every distinct blob of the images and of what is attached, and which images share it.
    pub(in crate::output) content: Vec<Blob>,
    /// How it was checked.
    pub(in crate::output) checks: Vec<Check>,
    /// How many blobs were looked at, each once in each repository.
    pub(in crate::output) blobs: usize,
    /// How many bytes were read back and hashed.
    pub(in crate::output) bytes_read: u64,
    /// From the first request to the last.
    pub(in crate::output) elapsed_milliseconds: u64,
    /// Why images could not be compared, and which the source lacks, each reason once.
    pub(in crate::output) failures: Vec<Failure>,
}

/// What was found of one image.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct VerifiedImage {
    /// The image's name.
    pub(in crate::output) name: String,
    /// The release that it belongs to: the tag at the source; null for images of a list.
    pub(in crate::output) release: Option<String>,
    /// Its repository and tag at the source; for images of a list with the registry.
    pub(in crate::output) source: String,
    /// Its repository and tag at the target.
    pub(in crate::output) target: String,
    /// The digest of its root manifest at the source, where it is known.
    pub(in crate::output) digest: Option<String>,
    /// The verdict.
    pub(in crate::output) verdict: VerdictName,
    /// What differs.
    pub(in crate::output) findings: Vec<FindingEntry>,
    /// How many attachments of the source were looked for at the target: signatures, attestations, SBOMs.
    pub(in crate::output) attachments: usize,
    /// What they are.
    pub(in crate::output) attached: Vec<Attached>,
}

/// The verdict over one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::output) enum VerdictName {
    /// Everything is there and right.
    Right,
    /// The source does not have it and need not: it is not part of this release.
    NotPart,
    /// The source does not have it, and should.
    Missing,
    /// The target differs.
    Wrong,
    /// One of the places could not be asked; `failures` tells why.
    Failed,
}

/// One difference.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct FindingEntry {
    /// What kind of difference it is.
    pub(in crate::output) finding: FindingName,
    /// What it is about: a tag, or a digest.
    pub(in crate::output) object: String,
    /// The difference as a sentence.
    pub(in crate::output) message: String,
}

/// The kind of a difference.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::output) enum FindingName {
    /// The target has no such tag or manifest.
    NoManifest,
    /// The target's tag points at another digest.
    WrongTag,
    /// The target does not list the manifest among those that are attached to its subject.
    NotAttached,
    /// The target has no such blob.
    NoBlob,
    /// The target has the manifest or blob with wrong bytes, or a wrong length.
    WrongContent,
}

impl VerificationReport {
    pub(crate) fn new(run: Run, ends: &Ends, verification: &Verification, deep: bool, exit: Exit) -> Self {
        let failed = failures::gather(
            ends,
            verification.images.iter().filter_map(|image| match &image.verdict {
                Verdict::Failed(error) => Some((&image.request, error)),
                _ => None,
            }),
        );
        let missing = verification.images.iter().filter(|it| matches!(it.verdict, Verdict::Missing));
        let lacking = failures::lacking(ends, missing.map(|image| &image.request), None);
        let mut damaged: Vec<String> = verification.damaged().iter().map(ToString::to_string).collect();
        damaged.sort();
        Self {
            source: Place::of_source(ends),
            target: Some(Place::of_target(ends)),
            images: verification.images.iter().map(|it| VerifiedImage::of(ends, it)).collect(),
            damaged,
            content: Blob::gather(verification.images.iter().map(|image| image.blobs.as_slice())),
            checks: vec![check(verification, deep)],
            blobs: verification.blobs,
            bytes_read: verification.bytes_read,
            elapsed_milliseconds: milliseconds(verification.elapsed),
            failures: lacking.iter().chain(&failed).map(|it| Failure::of(ends, it)).collect(),
            ..Self::empty(run, deep, exit)
        }
    }

    /// A run that failed before there was anything to report.
    pub(crate) fn of_error(run: Run, error: &CommandError, deep: bool) -> Self {
        Self { failures: vec![Failure::of_command(error)], ..Self::empty(run, deep, error.exit()) }
    }

    fn empty(run: Run, deep: bool, exit: Exit) -> Self {
        Self {
            schema: SCHEMA,
            version: VERSION,
            run,
            exit_code: exit.code(),
            source: None,
            target: None,
            deep,
            images: Vec::new(),
            damaged: Vec::new(),
            content: Vec::new(),
            checks: Vec::new(),
            blobs: 0,
            bytes_read: 0,
            elapsed_milliseconds: 0,
            failures: Vec::new(),
        }
    }
}

/// Says how the target was compared with the source.
fn check(verification: &Verification, deep: bool) -> Check {
    let blobs = count(verification.blobs, "blob");
    match deep {
        true => Check::new(
            CheckName::ReadBack,
            format!(
                "Every manifest and {blobs} ({}) were read back from the target and compared with their digests at the source.",
                bytes(verification.bytes_read)
            ),
        ),
        false => Check::new(
            CheckName::Compared,
            format!(
                "Every manifest was read back from the target and compared with its digest at the source; of {blobs} presence and size were compared."
            ),
        ),
    }
}

impl VerifiedImage {
    fn of(ends: &Ends, image: &ImageVerdict) -> Self {
        let request = &image.request;
        let (verdict, findings) = match &image.verdict {
            Verdict::Right => (VerdictName::Right, &[][..]),
            Verdict::NotPart => (VerdictName::NotPart, &[][..]),
            Verdict::Missing => (VerdictName::Missing, &[][..]),
            Verdict::Wrong(findings) => (VerdictName::Wrong, findings.as_slice()),
            Verdict::Failed(_) => (VerdictName::Failed, &[][..]),
        };
        Self {
            name: request.name.clone(),
            release: image.group.clone(),
            source: ends.names.of(request),
            target: request.target_name(),
            digest: image.digest.map(|digest| digest.to_string()),
            verdict,
            findings: findings.iter().map(FindingEntry::of).collect(),
            attachments: image.attachments.len(),
            attached: image.attachments.iter().map(Attached::of).collect(),
        }
    }
}

impl FindingEntry {
    fn of(finding: &Finding) -> Self {
        let (name, object) = match finding {
            Finding::NoManifest(reference) => (FindingName::NoManifest, reference.to_string()),
            Finding::WrongTag { tag, .. } => (FindingName::WrongTag, tag.to_string()),
            Finding::NotAttached { digest, .. } => (FindingName::NotAttached, digest.to_string()),
            Finding::NoBlob(digest) => (FindingName::NoBlob, digest.to_string()),
            Finding::WrongContent(digest, _) => (FindingName::WrongContent, digest.to_string()),
        };
        Self { finding: name, object, message: sentence(finding) }
    }
}
