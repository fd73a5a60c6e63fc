//! `sealift.report/1`: what became of a run.

use std::path::Path;

use schemars::JsonSchema;
use sealift_bundle::{Bundle, Finished, ListedDelta};
use sealift_mirror::{ImageReport, Outcome};
use serde::Serialize;

use super::common::{Failure, Place, VERSION, milliseconds};
use super::layers::{Coverage, Delta};
use super::run::{Attached, Blob, Check, CheckName, Run};
use crate::commands::Transfer;
use crate::ends::Ends;
use crate::errors::{CommandError, Exit};
use crate::output::units::{bytes, count};

const SCHEMA: &str = "sealift.report/1";

/// What `sealift mirror --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.report/1")]
pub(crate) struct Report {
    /// Always `sealift.report/1`.
    schema: &'static str,
    /// The version of sealift that wrote the document.
    pub(in crate::output) version: &'static str,
    /// Who ran what, and when.
    #[serde(flatten)]
    pub(in crate::output) run: Run,
    /// What the process ends with.
    pub(in crate::output) exit_code: u8,
    /// Where the images come from; null for a list of images, and where the run failed before that was
    /// settled.
    pub(in crate::output) source: Option<Place>,
    /// Where they go; null where the run failed before that was settled.
    pub(in crate::output) target: Option<Place>,
    /// Whether the run was stopped before its end.
    pub(in crate::output) interrupted: bool,
    /// Every image that was looked for, release by release, older releases first.
    pub(in crate::output) images: Vec<Image>,
    /// The bundles that were written or read; empty where there are none.
    pub(in crate::output) bundles: Vec<BundleFacts>,
    /// Every distinct blob of the images that were read, and which of them share it. Images that were there already are
    /// not read.
    pub(in crate::output) content: Vec<Blob>,
    /// How what was carried was checked.
    pub(in crate::output) checks: Vec<Check>,
    /// What the run came to.
    pub(in crate::output) totals: Totals,
    /// Why images failed, and which the source lacks, each reason once.
    pub(in crate::output) failures: Vec<Failure>,
}

/// What became of one image.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Image {
    /// The image's name.
    pub(in crate::output) name: String,
    /// The release that it belongs to: the tag at the source; null for images of a list.
    pub(in crate::output) release: Option<String>,
    /// Its repository and tag at the source; for images of a list with the registry.
    pub(in crate::output) source: String,
    /// Its repository and tag at the target.
    pub(in crate::output) target: String,
    /// What became of it.
    pub(in crate::output) outcome: OutcomeName,
    /// The digest of its root manifest, where it is known.
    pub(in crate::output) digest: Option<String>,
    /// The platforms that it is for, where they are known: not of images that were there already.
    pub(in crate::output) platforms: Vec<String>,
    /// Bytes that were fetched from the source and are counted with this image.
    pub(in crate::output) bytes_moved: u64,
    /// Bytes that were linked from, or read back from, another repository of the target.
    pub(in crate::output) bytes_mounted: u64,
    /// Bytes that the target's repository had already.
    pub(in crate::output) bytes_present: u64,
    /// How long the transfers that are counted with this image took, one after the other.
    pub(in crate::output) elapsed_milliseconds: u64,
    /// How many attachments came with it: signatures, attestations, SBOMs.
    pub(in crate::output) attachments: usize,
    /// What they are.
    pub(in crate::output) attached: Vec<Attached>,
    /// Digests of foreign layers that the source lacks and that were left out.
    pub(in crate::output) skipped_foreign_layers: Vec<String>,
}

/// A bundle that was written or read.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BundleFacts {
    /// Its path.
    pub(in crate::output) path: String,
    /// What receipts and later bundles call it.
    pub(in crate::output) id: String,
    /// When it was packed, UTC (RFC 3339).
    pub(in crate::output) created: String,
    /// It was signed; or, where it was read, the key that `--trust` named has signed it.
    pub(in crate::output) is_signed: bool,
    /// Its content is encrypted.
    pub(in crate::output) is_encrypted: bool,
    /// The files that it consists of.
    pub(in crate::output) volumes: Vec<VolumeFacts>,
    /// SHA-256 of one file that is the whole bundle, where it was written.
    pub(in crate::output) sha256: Option<String>,
    /// Where it was made with deltas: every blob that was packed, or that was loaded from it, and how it carries that.
    pub(in crate::output) deltas: Vec<Delta>,
    /// How many of those layers are deltas; null where it was made without.
    pub(in crate::output) coverage: Option<Coverage>,
    /// How many bytes of earlier layers `pack` read at the source to make deltas; null of a bundle that was read.
    pub(in crate::output) bytes_of_earlier_layers: Option<u64>,
}

/// One file of a bundle.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct VolumeFacts {
    /// Its name.
    pub(in crate::output) name: String,
    /// Its size; null where it is not known.
    pub(in crate::output) bytes: Option<u64>,
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::output) enum OutcomeName {
    /// It arrived, and every byte of it was checked.
    Arrived,
    /// The target had it.
    AlreadyThere,
    /// The source does not have it and need not: it is not part of this release.
    NotPart,
    /// The source does not have it, and should; `failures` tells what to do.
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
pub(in crate::output) struct Totals {
    /// How many images were wanted: all but those that are not part of their release.
    pub(in crate::output) images: usize,
    /// How many of them are at the target now, under their tags.
    pub(in crate::output) images_there: usize,
    /// Distinct blobs that were fetched from the source.
    pub(in crate::output) blobs_moved: usize,
    /// Their bytes.
    pub(in crate::output) bytes_moved: u64,
    /// Bytes that were linked within the target instead of moved.
    pub(in crate::output) bytes_mounted: u64,
    /// Bytes that were read back from the target because it refused a link.
    pub(in crate::output) bytes_read_back: u64,
    /// Bytes that the target had.
    pub(in crate::output) bytes_present: u64,
    /// From the first byte to the last tag.
    pub(in crate::output) elapsed_milliseconds: u64,
}

impl Report {
    pub(crate) fn new(run: Run, ends: &Ends, transfer: &Transfer, exit: Exit) -> Self {
        let report = &transfer.report;
        let (failures, lacking) = (transfer.failures(ends), transfer.lacking(ends));
        Self {
            exit_code: exit.code(),
            source: Place::of_source(ends),
            target: Some(Place::of_target(ends)),
            interrupted: report.interrupted,
            images: report.images.iter().map(|it| Image::of(ends, it, transfer.is_refused)).collect(),
            content: report.blobs.iter().map(Blob::of).collect(),
            checks: checks(report),
            totals: Totals::of(report),
            failures: lacking.iter().chain(&failures).map(|it| Failure::of(ends, it)).collect(),
            ..Self::empty(run)
        }
    }

    /// A run that failed before there was anything to report.
    pub(crate) fn of_error(run: Run, error: &CommandError) -> Self {
        Self {
            exit_code: error.exit().code(),
            interrupted: error.exit() == Exit::Interrupted,
            failures: vec![Failure::of_command(error)],
            ..Self::empty(run)
        }
    }

    /// Adds the bundles.
    pub(crate) fn with_bundles(self, bundles: Vec<BundleFacts>) -> Self {
        Self { bundles, ..self }
    }

    fn empty(run: Run) -> Self {
        Self {
            schema: SCHEMA,
            version: VERSION,
            run,
            exit_code: 0,
            source: None,
            target: None,
            interrupted: false,
            images: Vec::new(),
            bundles: Vec::new(),
            content: Vec::new(),
            checks: Vec::new(),
            totals: Totals::default(),
            failures: Vec::new(),
        }
    }
}

/// Says how what was carried was checked; nothing where nothing was.
fn checks(report: &sealift_mirror::Report) -> Vec<Check> {
    let totals = &report.totals;
    let mut checks = Vec::new();
    if totals.blobs_moved > 0 {
        let (blobs, moved) = (count(totals.blobs_moved, "blob"), bytes(totals.bytes_moved));
        let message = format!(
            "{blobs} ({moved}) were hashed on their way, and count as carried only with the digest that their manifest names."
        );
        checks.push(Check::new(CheckName::HashedOnTheWay, message));
    }
    let is = |wanted: fn(&Outcome) -> bool| report.images.iter().any(|image| wanted(&image.outcome));
    if is(|outcome| matches!(outcome, Outcome::Arrived | Outcome::Withheld)) {
        let message = "Manifests went over byte for byte, and each was checked against its digest, so the digests of the images are the same on both sides.";
        checks.push(Check::new(CheckName::ManifestsChecked, message));
        let message = "Each tag was set only when all content of its image, and what is attached to it, was at the target.";
        checks.push(Check::new(CheckName::TagsLast, message));
    }
    if is(|outcome| matches!(outcome, Outcome::AlreadyThere)) {
        let message = "Images that were there already were found by the digest that their tag points at; their content was not read back.";
        checks.push(Check::new(CheckName::TagsCompared, message));
    }
    checks
}

impl BundleFacts {
    /// A bundle that was written.
    pub(crate) fn of_written(path: &Path, finished: &Finished, is_signed: bool, is_encrypted: bool) -> Self {
        let deltas = finished.catalogue.deltas();
        let volumes = finished.volumes.iter().map(|(path, size)| VolumeFacts {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: Some(*size),
        });
        let checksum = finished.checksum.as_deref().and_then(|line| line.split_whitespace().next());
        Self {
            path: path.display().to_string(),
            id: finished.catalogue.id.clone(),
            created: finished.catalogue.created.clone(),
            is_signed,
            is_encrypted,
            volumes: volumes.collect(),
            sha256: checksum.map(str::to_owned),
            deltas: deltas.iter().map(Delta::of).collect(),
            coverage: Coverage::of(&deltas),
            bytes_of_earlier_layers: Some(0),
        }
    }

    /// The same, and how much of earlier layers was read for it.
    pub(crate) fn with_earlier(self, bytes: u64) -> Self {
        Self { bytes_of_earlier_layers: Some(bytes), ..self }
    }

    /// A bundle that was read, and what was loaded from it.
    pub(crate) fn of_read(bundle: &Bundle, loaded: &[ListedDelta]) -> Self {
        Self {
            path: bundle.path().display().to_string(),
            id: bundle.catalogue().id.clone(),
            created: bundle.catalogue().created.clone(),
            is_signed: bundle.is_trusted(),
            is_encrypted: bundle.catalogue().sealed,
            volumes: Vec::new(),
            sha256: None,
            deltas: loaded.iter().map(Delta::of).collect(),
            coverage: Coverage::of(loaded),
            bytes_of_earlier_layers: None,
        }
    }
}

impl Image {
    fn of(ends: &Ends, image: &ImageReport, is_refused: bool) -> Self {
        let request = &image.request;
        Self {
            name: request.name.clone(),
            release: image.group.clone(),
            source: ends.names.of(request),
            target: request.target_name(),
            outcome: OutcomeName::of(&image.outcome, is_refused),
            digest: image.digest.map(|digest| digest.to_string()),
            platforms: image.platforms.iter().map(ToString::to_string).collect(),
            bytes_moved: image.moved,
            bytes_mounted: image.mounted,
            bytes_present: image.present,
            elapsed_milliseconds: milliseconds(image.elapsed),
            attachments: image.attachments.len(),
            attached: image.attachments.iter().map(Attached::of).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json::text;

    #[test]
    fn a_run_that_failed_early_is_a_document_too() {
        let error = CommandError::usage("the target registry is not given", "Set it.");
        let document: serde_json::Value =
            serde_json::from_str(&text(&Report::of_error(Run::default(), &error))).unwrap();
        assert_eq!(document["exitCode"], 2);
        assert_eq!(document["failures"][0]["kind"], "usage");
        assert_eq!(document["images"], serde_json::json!([]));
    }
}
