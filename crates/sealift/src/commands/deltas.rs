//! Which new layers `pack` carries as deltas: each of the layer at the same place of an earlier image of its repository,
//! which the other side holds. Where there is no such place, each is of what it has most in common with, among some layers
//! of about its size. The earlier layers' bytes come from what `--base` names, or from the source.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use sealift_bundle::{Bases, DeltaLevel, DeltaPlan, Held, Memory};
use sealift_mirror::{ImageRequest, Plan, PlannedRoot, Step};
use sealift_oci::{Digest, Manifest, ManifestRef, RepositoryName};

use super::alike::{self, Choice, Image};
use super::delta_sums::DeltasPlanned;
use super::dry_run;
use super::earlier::{Counted, Earlier, Shelves};
use super::job::Job;
use crate::args::{DeltaArg, PackArgs};
use crate::errors::CommandError;
use crate::output::units::bytes;
use crate::size::Size;
use crate::stop::Stop;

/// What all deltas that are made or undone at the same time may take where nothing is said.
const MEMORY: u64 = 2 << 30;
/// What a run takes beside its deltas, out of what it is allowed.
const BESIDE: u64 = 96 << 20;
/// How many earlier manifests of a repository are looked at.
const EARLIER_LIMIT: usize = 256;
/// How many are read at the same time.
const CONCURRENCY: usize = 8;

/// The deltas of a run, and what is told of them at its end.
#[derive(Debug)]
pub(super) struct Deltas {
    pub(super) plan: Arc<DeltaPlan>,
    /// What they may come to.
    pub(super) promise: DeltasPlanned,
    earlier: Arc<Earlier>,
}

impl Deltas {
    /// How many bytes of earlier layers were read at the source.
    pub(super) fn read(&self) -> u64 {
        self.earlier.read()
    }
}

/// How much memory deltas may take, as one of some parts.
pub(super) fn memory(asked: Option<Size>, parts: u64) -> Memory {
    let all = asked.map_or(MEMORY, |Size(size)| size);
    Memory::new((all - BESIDE.min(all / 4)) / parts.max(1))
}

/// How many threads write one gzip stream.
pub(super) fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Plans deltas for what the other side lacks; `None` where nothing is known of the other side.
pub(super) async fn plan(
    job: &Job,
    plan: &Plan,
    since: &Held,
    shelves: Shelves,
    args: &PackArgs,
) -> Option<Deltas> {
    let level = match args.delta {
        DeltaArg::Off => return None,
        DeltaArg::Fast => DeltaLevel::Fast,
        DeltaArg::Better => DeltaLevel::Better,
        DeltaArg::Best => DeltaLevel::Best,
    };
    let mut known: HashMap<&RepositoryName, Vec<Image>> = HashMap::new();
    for (_, request) in copies(plan) {
        if !known.contains_key(&request.target) {
            known.insert(&request.target, earlier_images(job, request, since, &shelves).await);
        }
    }
    let memory = shelves.memory.clone();
    let mut earlier = Earlier::new(shelves, Arc::clone(&job.mirror.source));
    for image in known.values().flatten() {
        for base in image.bases(since) {
            earlier.note(base, &image.name, &image.source).await;
        }
    }
    let choices = choose(plan, &known, since, &earlier);
    if args.since.is_empty() || choices.is_empty() {
        return None;
    }
    let promise = promise(plan, &choices);
    let earlier = Arc::new(earlier);
    let lookup = Arc::new(Counted(Arc::clone(&earlier)));
    let with = Bases { lookup, memory, threads: threads() };
    Some(Deltas { plan: Arc::new(DeltaPlan::new(choices, level, with)), promise, earlier })
}

/// Chooses what each new layer may build on.
fn choose(
    plan: &Plan,
    known: &HashMap<&RepositoryName, Vec<Image>>,
    since: &Held,
    earlier: &Earlier,
) -> HashMap<Digest, Choice> {
    let mut choices: HashMap<Digest, Choice> = HashMap::new();
    for (root, request) in copies(plan) {
        let own = known.get(&request.target).map_or(&[][..], Vec::as_slice);
        let manifests = root.manifests.iter().map(Arc::as_ref);
        for new in Image::all(&request.target, &request.source, manifests) {
            for (layer, choice) in alike::choose(&new, own, known.values().flatten(), since, earlier) {
                if choices.get(&layer).is_none_or(|known| alike::is_better(&choice, known)) {
                    choices.insert(layer, choice);
                }
            }
        }
    }
    choices
}

/// Lists the images that are to be packed.
fn copies(plan: &Plan) -> impl Iterator<Item = (&PlannedRoot, &ImageRequest)> {
    plan.groups.iter().flat_map(|group| &group.images).filter_map(|image| match &image.step {
        Step::Copy { root, .. } => Some((root, &image.request)),
        _ => None,
    })
}

/// What is read at most: a base that several deltas build on is read for each of them.
fn promise(plan: &Plan, choices: &HashMap<Digest, Choice>) -> DeltasPlanned {
    let mut sum = DeltasPlanned::default();
    for blob in &plan.blobs {
        let Some(Ok(candidates)) = choices.get(&blob.descriptor.digest) else { continue };
        sum.layers += 1;
        sum.whole = sum.whole.saturating_add(blob.descriptor.size);
        sum.earlier = sum.earlier.saturating_add(candidates.reads());
    }
    sum
}

/// Refuses what fetches too much, together with the earlier layers that deltas are made of.
pub(super) async fn hold(
    job: &Job,
    plan: &mut Plan,
    deltas: Option<&Deltas>,
    limit: Option<Size>,
    stop: &Stop,
) -> super::Result<()> {
    let (Some(Size(limit)), Some(deltas)) = (limit, deltas) else { return Ok(()) };
    let earlier = deltas.promise.earlier;
    let held = dry_run::hold(job, plan, Some(Size(limit.saturating_sub(earlier))), stop).await;
    held.map_err(|error| match error {
        CommandError::Refused { .. } => CommandError::Refused {
            message: format!(
                "with {} of earlier layers, which deltas are made from, more would be fetched than the {} that --max-bytes allows; nothing was moved",
                bytes(earlier),
                bytes(limit)
            ),
            hint: "Do without deltas, by --delta off, take less, or raise --max-bytes.".to_owned(),
        },
        other => other,
    })
}

/// Reads the images of a repository that the other side has. What is nowhere any more is no base.
async fn earlier_images(job: &Job, request: &ImageRequest, since: &Held, shelves: &Shelves) -> Vec<Image> {
    let source = job.mirror.source.source(&request.source);
    let digests = since.manifests(&request.target).take(EARLIER_LIMIT);
    let reads = digests.map(|digest| {
        let source = Arc::clone(&source);
        async move {
            match shelves.manifest(&request.target, digest).await {
                Some(manifest) => Some(manifest),
                None => source.manifest(&ManifestRef::from(*digest)).await.ok(),
            }
        }
    });
    let reads: Vec<_> = reads.collect();
    let read: Vec<Option<Manifest>> = stream::iter(reads).buffered(CONCURRENCY).collect().await;
    let manifests: Vec<Manifest> = read.into_iter().flatten().collect();
    Image::all(&request.target, &request.source, manifests.iter())
}
