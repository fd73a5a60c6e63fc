//! `sealift.plan/1`: what would be moved.

use std::time::Duration;

use schemars::JsonSchema;
use sealift_mirror::{PlannedImage, Step, Weight};
use serde::Serialize;

use super::common::{Failure, Place, VERSION, milliseconds};
use crate::commands::{Proposal, Volumes};
use crate::ends::Ends;
use crate::errors::{CommandError, Exit};

const SCHEMA: &str = "sealift.plan/1";

/// What `sealift mirror --dry-run --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.plan/1")]
pub(crate) struct PlanReport {
    /// Always `sealift.plan/1`.
    schema: &'static str,
    /// The version of sealift that wrote the document.
    version: &'static str,
    /// What the process ends with.
    exit_code: u8,
    /// Where the images would come from; null for a list of images, and where planning failed before that
    /// was settled.
    source: Option<Place>,
    /// Where they would go; null where planning failed before that was settled.
    target: Option<Place>,
    /// Every image that was looked for, release by release, older releases first.
    images: Vec<Image>,
    /// What the plan comes to.
    totals: Totals,
    /// At how many bytes a second the time is told.
    bytes_per_second: u64,
    /// Whether that rate is only assumed.
    is_rate_assumed: bool,
    /// How long fetching takes at that rate.
    estimated_milliseconds: u64,
    /// How many volumes the bundle takes at least, or the bundles have that would be loaded; null without a bundle.
    volumes: Option<usize>,
    /// How many of those cannot be read; null where no bundle would be loaded.
    unreadable_volumes: Option<usize>,
    /// The layers that travel as deltas; null where there are none.
    deltas: Option<Deltas>,
    /// Why images cannot be planned, and which the source lacks, each reason once.
    failures: Vec<Failure>,
}

/// Layers that travel as deltas.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Deltas {
    /// How many layers; of a bundle that would be packed, how many there are at most.
    layers: usize,
    /// How many bytes they have.
    bytes: u64,
    /// How many bytes the bundles carry of them; null of a bundle that would be packed.
    bytes_carried: Option<u64>,
    /// How many bytes of earlier layers packing reads besides `bytesToFetch`; null where a bundle would be loaded.
    bytes_of_earlier_layers: Option<u64>,
}

/// What one image costs.
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
    /// What would be done.
    step: StepName,
    /// The digest of its root manifest, where it is known.
    digest: Option<String>,
    /// How many attachments would come with it.
    attachments: usize,
    /// Bytes to fetch from the source; a blob that images share is counted with the first of them.
    bytes_to_fetch: u64,
    /// Bytes to link from another repository of the target.
    bytes_to_mount: u64,
    /// Bytes that are there, or come with an earlier image of the same repository; of an image that is there,
    /// all of its blobs but foreign layers.
    bytes_present: u64,
    /// Requests to both places for its blobs and manifests, if nothing breaks.
    requests: u64,
    /// How long fetching `bytesToFetch` takes at `bytesPerSecond`.
    estimated_milliseconds: u64,
}

/// What would be done with an image.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum StepName {
    /// It would be copied.
    Copy,
    /// The target has it.
    AlreadyThere,
    /// The source does not have it and need not: it is not part of this release.
    NotPart,
    /// The source does not have it, and should.
    Missing,
    /// It cannot be planned; `failures` tells why.
    Failed,
}

/// What a plan comes to.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Totals {
    /// How many images would be copied.
    images_to_copy: usize,
    /// How many distinct blobs they need.
    blobs: usize,
    /// How many of them are to be fetched from the source.
    blobs_to_fetch: u64,
    /// Bytes to fetch from the source.
    bytes_to_fetch: u64,
    /// Bytes to link within the target.
    bytes_to_mount: u64,
    /// Bytes that are there.
    bytes_present: u64,
    /// Requests to both places, if nothing breaks.
    requests: u64,
    /// How many of them look up what there is; they are in no image's number.
    requests_to_look_up: u64,
}

impl PlanReport {
    pub(crate) fn new(ends: &Ends, proposal: &Proposal, exit: Exit) -> Self {
        let total = &proposal.weights.total;
        let plan = proposal.plan.totals();
        let (failures, lacking) = (proposal.failures(ends), proposal.lacking(ends));
        Self {
            schema: SCHEMA,
            version: VERSION,
            exit_code: exit.code(),
            source: Place::of_source(ends),
            target: Some(Place::of_target(ends)),
            images: Image::all(ends, proposal),
            totals: Totals {
                images_to_copy: plan.images,
                blobs: plan.blobs,
                blobs_to_fetch: total.blobs,
                bytes_to_fetch: total.fetch,
                bytes_to_mount: total.mount,
                bytes_present: total.present,
                requests: proposal.requests(),
                requests_to_look_up: proposal.survey_requests,
            },
            bytes_per_second: proposal.rate.0,
            is_rate_assumed: proposal.is_assumed,
            estimated_milliseconds: milliseconds(proposal.time(total)),
            volumes: proposal.volumes.map(count),
            unreadable_volumes: proposal.volumes.and_then(unreadable),
            deltas: proposal.volumes.and_then(deltas),
            failures: lacking.iter().chain(&failures).map(|it| Failure::of(ends, it)).collect(),
        }
    }

    /// Planning that failed before there was anything to show.
    pub(crate) fn of_error(error: &CommandError) -> Self {
        Self {
            schema: SCHEMA,
            version: VERSION,
            exit_code: error.exit().code(),
            source: None,
            target: None,
            images: Vec::new(),
            totals: Totals::default(),
            bytes_per_second: 0,
            is_rate_assumed: false,
            estimated_milliseconds: 0,
            volumes: None,
            unreadable_volumes: None,
            deltas: None,
            failures: vec![Failure::of_command(error)],
        }
    }
}

fn count(volumes: Volumes) -> usize {
    match volumes {
        Volumes::Needed { least: all, .. } | Volumes::Present { all, .. } => all,
    }
}

fn unreadable(volumes: Volumes) -> Option<usize> {
    match volumes {
        Volumes::Needed { .. } => None,
        Volumes::Present { unreadable, .. } => Some(unreadable),
    }
}

fn deltas(volumes: Volumes) -> Option<Deltas> {
    match volumes {
        Volumes::Needed { deltas, .. } => deltas.map(|it| Deltas {
            layers: it.layers,
            bytes: it.whole,
            bytes_carried: None,
            bytes_of_earlier_layers: Some(it.earlier),
        }),
        Volumes::Present { deltas, .. } => deltas.map(|it| Deltas {
            layers: it.deltas,
            bytes: it.whole,
            bytes_carried: Some(it.carried),
            bytes_of_earlier_layers: None,
        }),
    }
}

impl Image {
    fn all(ends: &Ends, proposal: &Proposal) -> Vec<Self> {
        let images = proposal.images();
        images.map(|(group, image, it)| Self::of(ends, group, image, it, proposal.time(it))).collect()
    }

    fn of(ends: &Ends, group: Option<&str>, image: &PlannedImage, weight: &Weight, time: Duration) -> Self {
        let request = &image.request;
        let (step, digest) = match &image.step {
            Step::Copy { root, .. } => (StepName::Copy, root.manifests.last().map(|root| root.digest())),
            Step::Keep(root) => (StepName::AlreadyThere, Some(root.digest)),
            Step::Missing => (StepName::Missing, None),
            Step::NotPart => (StepName::NotPart, None),
            Step::Failed(_) => (StepName::Failed, None),
        };
        Self {
            name: request.name.clone(),
            release: group.map(str::to_owned),
            source: ends.names.of(request),
            target: request.target_name(),
            step,
            digest: digest.map(|digest| digest.to_string()),
            attachments: image.attachments.len(),
            bytes_to_fetch: weight.fetch,
            bytes_to_mount: weight.mount,
            bytes_present: weight.present,
            requests: weight.requests,
            estimated_milliseconds: milliseconds(time),
        }
    }
}
