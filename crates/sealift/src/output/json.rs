//! The documents for programs. docs/REPORT.md explains every field and what is promised of them; the
//! schemas beside it are made from the types here, and a test says when they differ.

use schemars::JsonSchema;
use sealift_mirror::{Finding, ImageReport, ImageVerdict, Outcome, Verdict, Verification};
use serde::Serialize;

use super::failures;
use super::verification::sentence;
use crate::commands::{Places, Transfer};
use crate::errors::{Advice, CommandError, Exit, causes};

/// What `sealift mirror --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.report/1")]
pub(crate) struct Report {
    /// Always `sealift.report/1`.
    schema: &'static str,
    /// The version of sealift that wrote the document.
    version: &'static str,
    /// What the process ends with.
    exit_code: u8,
    /// Where the images come from; null where the run failed before that was settled.
    source: Option<Place>,
    /// Where they go; null where the run failed before that was settled.
    target: Option<Place>,
    /// Whether the run was stopped before its end.
    interrupted: bool,
    /// Every image that was looked for, release by release, older releases first.
    images: Vec<Image>,
    /// What the run came to.
    totals: Totals,
    /// Why images failed, each reason once.
    failures: Vec<Failure>,
}

/// One end of a transfer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    /// The registry's address.
    registry: String,
    /// The repository below which the images are.
    repository: String,
}

/// What became of one image.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Image {
    /// The image's name.
    name: String,
    /// The release that it belongs to: the tag at the source.
    release: Option<String>,
    /// Its repository and tag at the source.
    source: String,
    /// Its repository and tag at the target.
    target: String,
    /// What became of it.
    outcome: OutcomeName,
    /// The digest of its root manifest, where it is known.
    digest: Option<String>,
    /// The platforms that it is for, where they are known: not of images that were there already.
    platforms: Vec<String>,
    /// Bytes that were fetched from the source and are counted with this image.
    bytes_moved: u64,
    /// Bytes that were linked from, or read back from, another repository of the target.
    bytes_mounted: u64,
    /// Bytes that the target's repository had already.
    bytes_present: u64,
    /// How long the transfers that are counted with this image took, one after the other.
    elapsed_milliseconds: u64,
    /// How many attachments came with it: signatures, attestations, SBOMs.
    attachments: usize,
    /// Digests of foreign layers that the source lacks and that were left out.
    skipped_foreign_layers: Vec<String>,
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum OutcomeName {
    /// It arrived, and every byte of it was checked.
    Arrived,
    /// The target had it.
    AlreadyThere,
    /// The source does not have it and need not: it is not part of this release.
    NotPart,
    /// The source does not have it, and should.
    Missing,
    /// It has its content at the target and not its tag, because others of its release are not there.
    Withheld,
    /// It failed; `failures` tells why.
    Failed,
    /// The run was stopped before it arrived.
    Interrupted,
    /// It was not begun: others are missing at the source, or a place did not answer.
    NotBegun,
}

/// What a run came to.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Totals {
    /// How many images were wanted: all but those that are not part of their release.
    images: usize,
    /// How many of them are at the target now, under their tags.
    images_there: usize,
    /// Distinct blobs that were fetched from the source.
    blobs_moved: usize,
    /// Their bytes.
    bytes_moved: u64,
    /// Bytes that were linked within the target instead of moved.
    bytes_mounted: u64,
    /// Bytes that were read back from the target because it refused a link.
    bytes_read_back: u64,
    /// Bytes that the target had.
    bytes_present: u64,
    /// From the first byte to the last tag.
    elapsed_milliseconds: u64,
}

/// One reason why images failed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Failure {
    /// What kind of error it is.
    kind: String,
    /// On which side: `source` or `target`.
    side: Option<String>,
    /// Where: a registry's address.
    place: Option<String>,
    /// What was being done.
    operation: Option<String>,
    /// What went wrong, of the first image.
    message: String,
    /// What that comes from, nearest first.
    causes: Vec<String>,
    /// What to do next.
    hint: String,
    /// The images that failed for this reason: their repositories and tags at the source.
    images: Vec<String>,
}

/// What `sealift verify --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.verification/1")]
pub(crate) struct VerificationReport {
    /// Always `sealift.verification/1`.
    schema: &'static str,
    /// The version of sealift that wrote the document.
    version: &'static str,
    /// What the process ends with.
    exit_code: u8,
    /// What the target was compared with; null where the run failed before that was settled.
    source: Option<Place>,
    /// What was looked at; null where the run failed before that was settled.
    target: Option<Place>,
    /// Whether every blob was read back and hashed; else presence and size were compared.
    deep: bool,
    /// Every image that was looked for, release by release, older releases first.
    images: Vec<VerifiedImage>,
    /// The distinct blobs and manifests at the target that are wrong or not there, sorted.
    damaged: Vec<String>,
    /// How many blobs were looked at, each once in each repository.
    blobs: usize,
    /// How many bytes were read back and hashed.
    bytes_read: u64,
    /// From the first request to the last.
    elapsed_milliseconds: u64,
    /// Why images could not be compared, each reason once.
    failures: Vec<Failure>,
}

/// What was found of one image.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct VerifiedImage {
    /// The image's name.
    name: String,
    /// The release that it belongs to: the tag at the source.
    release: Option<String>,
    /// Its repository and tag at the source.
    source: String,
    /// Its repository and tag at the target.
    target: String,
    /// The digest of its root manifest at the source, where it is known.
    digest: Option<String>,
    /// The verdict.
    verdict: VerdictName,
    /// What differs.
    findings: Vec<FindingEntry>,
}

/// The verdict over one image.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum VerdictName {
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
struct FindingEntry {
    /// What kind of difference it is.
    finding: FindingName,
    /// What it is about: a tag, or a digest.
    object: String,
    /// The difference as a sentence.
    message: String,
}

/// The kind of a difference.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum FindingName {
    /// The target has no such tag or manifest.
    NoManifest,
    /// The target's tag points at another digest.
    WrongTag,
    /// The target has no such blob.
    NoBlob,
    /// The target has the manifest or blob with wrong bytes, or a wrong length.
    WrongContent,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPORT: &str = "sealift.report/1";
const VERIFICATION: &str = "sealift.verification/1";

/// Writes a document, indented, for people look at it as well.
pub(crate) fn text(document: &impl Serialize) -> String {
    // Plain fields with text keys can always be written.
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

impl Report {
    pub(crate) fn new(places: Places<'_>, transfer: &Transfer, exit: Exit) -> Self {
        let report = &transfer.report;
        let failures = transfer.failures();
        Self {
            schema: REPORT,
            version: VERSION,
            exit_code: exit.code(),
            source: Some(Place::of(places.source)),
            target: Some(Place::of(places.target)),
            interrupted: report.interrupted,
            images: report.images.iter().map(|image| Image::of(image, transfer.is_refused)).collect(),
            totals: Totals::of(report),
            failures: failures.iter().map(Failure::of).collect(),
        }
    }

    /// A run that failed before there was anything to report.
    pub(crate) fn of_error(error: &CommandError) -> Self {
        Self {
            schema: REPORT,
            version: VERSION,
            exit_code: error.exit().code(),
            source: None,
            target: None,
            interrupted: error.exit() == Exit::Interrupted,
            images: Vec::new(),
            totals: Totals::default(),
            failures: vec![Failure::of_command(error)],
        }
    }
}

impl Place {
    fn of(settings: &crate::settings::PlaceSettings) -> Self {
        Self { registry: settings.registry.to_string(), repository: settings.repository.to_string() }
    }
}

impl Image {
    fn of(image: &ImageReport, is_refused: bool) -> Self {
        let request = &image.request;
        Self {
            name: request.name.clone(),
            release: image.group.clone(),
            source: request.source_name(),
            target: request.target_name(),
            outcome: OutcomeName::of(&image.outcome, is_refused),
            digest: image.digest.map(|digest| digest.to_string()),
            platforms: image.platforms.iter().map(ToString::to_string).collect(),
            bytes_moved: image.moved,
            bytes_mounted: image.mounted,
            bytes_present: image.present,
            elapsed_milliseconds: milliseconds(image.elapsed),
            attachments: image.attachments,
            skipped_foreign_layers: image.skipped.iter().map(ToString::to_string).collect(),
        }
    }
}

impl OutcomeName {
    fn of(outcome: &Outcome, is_refused: bool) -> Self {
        match outcome {
            Outcome::Arrived => Self::Arrived,
            Outcome::AlreadyThere => Self::AlreadyThere,
            Outcome::NotPart => Self::NotPart,
            Outcome::Missing => Self::Missing,
            Outcome::Withheld => Self::Withheld,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Interrupted if is_refused => Self::NotBegun,
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

impl Totals {
    fn of(report: &sealift_mirror::Report) -> Self {
        let totals = &report.totals;
        Self {
            images: report.wanted().count(),
            images_there: report.wanted().filter(|image| image.is_there()).count(),
            blobs_moved: totals.blobs_moved,
            bytes_moved: totals.bytes_moved,
            bytes_mounted: totals.bytes_mounted,
            bytes_read_back: totals.bytes_read_back,
            bytes_present: totals.bytes_present,
            elapsed_milliseconds: milliseconds(totals.elapsed),
        }
    }
}

impl Failure {
    fn of(failure: &failures::Failure<'_>) -> Self {
        let images = failure.images.iter().map(|image| image.source_name()).collect();
        Self { images, ..Self::of_error(&failure.error) }
    }

    fn of_error(error: &sealift_store::Error) -> Self {
        Self {
            kind: kebab(&format!("{:?}", error.kind())),
            side: error.side().map(|side| side.to_string()),
            place: error.place().map(str::to_owned),
            operation: Some(kebab(&format!("{:?}", error.operation()))),
            message: error.to_string(),
            causes: causes(error),
            hint: Advice::of(error).hint,
            images: Vec::new(),
        }
    }

    fn of_command(error: &CommandError) -> Self {
        let plain = |kind: &str, message: &str, causes: Vec<String>, hint: &str| Self {
            kind: kind.to_owned(),
            side: None,
            place: None,
            operation: None,
            message: message.to_owned(),
            causes,
            hint: hint.to_owned(),
            images: Vec::new(),
        };
        match error {
            CommandError::Place(error) => Self::of_error(error),
            CommandError::Usage { message, hint } => plain("usage", message, Vec::new(), hint),
            CommandError::Interrupted => plain("interrupted", "interrupted", Vec::new(), "Run again."),
            CommandError::Machine(what, error) => plain("io", what, vec![error.to_string()], ""),
        }
    }
}

impl VerificationReport {
    pub(crate) fn new(places: Places<'_>, verification: &Verification, deep: bool, exit: Exit) -> Self {
        let failed = failures::gather(verification.images.iter().filter_map(|image| match &image.verdict {
            Verdict::Failed(error) => Some((&image.request, error)),
            _ => None,
        }));
        let mut damaged: Vec<String> = verification.damaged().iter().map(ToString::to_string).collect();
        damaged.sort();
        Self {
            source: Some(Place::of(places.source)),
            target: Some(Place::of(places.target)),
            images: verification.images.iter().map(VerifiedImage::of).collect(),
            damaged,
            blobs: verification.blobs,
            bytes_read: verification.bytes_read,
            elapsed_milliseconds: milliseconds(verification.elapsed),
            failures: failed.iter().map(Failure::of).collect(),
            ..Self::empty(deep, exit)
        }
    }

    /// A run that failed before there was anything to report.
    pub(crate) fn of_error(error: &CommandError, deep: bool) -> Self {
        Self { failures: vec![Failure::of_command(error)], ..Self::empty(deep, error.exit()) }
    }

    fn empty(deep: bool, exit: Exit) -> Self {
        Self {
            schema: VERIFICATION,
            version: VERSION,
            exit_code: exit.code(),
            source: None,
            target: None,
            deep,
            images: Vec::new(),
            damaged: Vec::new(),
            blobs: 0,
            bytes_read: 0,
            elapsed_milliseconds: 0,
            failures: Vec::new(),
        }
    }
}

impl VerifiedImage {
    fn of(image: &ImageVerdict) -> Self {
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
            source: request.source_name(),
            target: request.target_name(),
            digest: image.digest.map(|digest| digest.to_string()),
            verdict,
            findings: findings.iter().map(|finding| FindingEntry::of(image, finding)).collect(),
        }
    }
}

impl FindingEntry {
    fn of(image: &ImageVerdict, finding: &Finding) -> Self {
        let (name, object) = match finding {
            Finding::NoManifest(reference) => (FindingName::NoManifest, reference.to_string()),
            Finding::WrongTag { .. } => {
                let tag = image.request.tag.as_ref().map(ToString::to_string);
                (FindingName::WrongTag, tag.unwrap_or_default())
            }
            Finding::NoBlob(digest) => (FindingName::NoBlob, digest.to_string()),
            Finding::WrongContent(digest, _) => (FindingName::WrongContent, digest.to_string()),
        };
        Self { finding: name, object, message: sentence(finding) }
    }
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Writes `NotFound` as `not-found`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_with_hyphens() {
        assert_eq!(kebab("NotFound"), "not-found");
        assert_eq!(kebab("Io"), "io");
    }

    /// `UPDATE_SNAPSHOTS=1` writes the schemas anew.
    #[test]
    fn the_published_schemas_are_those_of_the_types() {
        for (file, schema) in [
            ("report.schema.json", schemars::schema_for!(Report)),
            ("verification.schema.json", schemars::schema_for!(VerificationReport)),
        ] {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/").to_owned() + file;
            let current = text(&schema);
            if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
                std::fs::write(&path, &current).unwrap();
            }
            let published = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(published == current, "docs/{file} is old; UPDATE_SNAPSHOTS=1 cargo test -p sealift");
        }
    }

    #[test]
    fn a_run_that_failed_early_is_a_document_too() {
        let error = CommandError::usage("the target registry is not given", "Set it.");
        let document: serde_json::Value = serde_json::from_str(&text(&Report::of_error(&error))).unwrap();
        assert_eq!(document["exitCode"], 2);
        assert_eq!(document["failures"][0]["kind"], "usage");
        assert_eq!(document["images"], serde_json::json!([]));
    }
}
