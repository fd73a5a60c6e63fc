//! `sealift.report/1`: what became of a run.

use schemars::JsonSchema;
use sealift_mirror::{ImageReport, Outcome};
use serde::Serialize;

use super::common::{Failure, Place, VERSION, milliseconds};
use crate::commands::Transfer;
use crate::ends::Ends;
use crate::errors::{CommandError, Exit};

const SCHEMA: &str = "sealift.report/1";

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
    /// Where the images come from; null for a list of images, and where the run failed before that was
    /// settled.
    source: Option<Place>,
    /// Where they go; null where the run failed before that was settled.
    target: Option<Place>,
    /// Whether the run was stopped before its end.
    interrupted: bool,
    /// Every image that was looked for, release by release, older releases first.
    images: Vec<Image>,
    /// What the run came to.
    totals: Totals,
    /// Why images failed, and which the source lacks, each reason once.
    failures: Vec<Failure>,
}

/// What became of one image.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Image {
    /// The image's name.
    name: String,
    /// The release that it belongs to: the tag at the source; null for images of a list.
    release: Option<String>,
    /// Its repository and tag at the source; for images of a list with the registry.
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

impl Report {
    pub(crate) fn new(ends: &Ends, transfer: &Transfer, exit: Exit) -> Self {
        let report = &transfer.report;
        let (failures, lacking) = (transfer.failures(ends), transfer.lacking(ends));
        Self {
            schema: SCHEMA,
            version: VERSION,
            exit_code: exit.code(),
            source: Place::of_source(ends),
            target: Some(Place::of_target(ends)),
            interrupted: report.interrupted,
            images: report.images.iter().map(|it| Image::of(ends, it, transfer.is_refused)).collect(),
            totals: Totals::of(report),
            failures: lacking.iter().chain(&failures).map(|it| Failure::of(ends, it)).collect(),
        }
    }

    /// A run that failed before there was anything to report.
    pub(crate) fn of_error(error: &CommandError) -> Self {
        Self {
            schema: SCHEMA,
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
        let document: serde_json::Value = serde_json::from_str(&text(&Report::of_error(&error))).unwrap();
        assert_eq!(document["exitCode"], 2);
        assert_eq!(document["failures"][0]["kind"], "usage");
        assert_eq!(document["images"], serde_json::json!([]));
    }
}
