//! Which new layers `pack` carries as deltas: each of the layer at the same place of an earlier image of its repository,
//! which the other side holds. Where there is no such place, each is of what it has most in common with, among some layers
//! of about its size. The earlier layers' bytes come from the source.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use sealift_bundle::{Bases, BlobLookup, DeltaLevel, DeltaPlan, Finished, Held, Memory, PlannedBase};
use sealift_mirror::{ImageRequest, Plan, PlannedRoot, Step};
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, Platform, RepositoryName};
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Store};

use super::delta_sums::DeltasPlanned;
use super::dry_run;
use super::job::Job;
use crate::args::{DeltaArg, PackArgs};
use crate::errors::CommandError;
use crate::output::units::{bytes, count};
use crate::size::Size;
use crate::stop::Stop;
use crate::ui::Ui;

/// What all deltas that are made or undone at the same time may take where nothing is said.
const MEMORY: u64 = 2 << 30;
/// Smaller blobs are carried as they are: there is nothing to win.
const SMALLEST: u64 = 16 * 1024;
/// How many earlier manifests of a repository are looked at.
const EARLIER_LIMIT: usize = 256;
/// How many are read at the same time.
const CONCURRENCY: usize = 8;
/// Among how many layers the one is looked for that a new one has most in common with; each is read for that.
const CANDIDATES: usize = 4;
/// How many layers a message names.
const NAMED: usize = 5;

/// The deltas of a run, and what is told of them at its end.
#[derive(Debug)]
pub(super) struct Deltas {
    pub(super) plan: Arc<DeltaPlan>,
    /// What they may come to.
    pub(super) promise: DeltasPlanned,
    lookup: Arc<Earlier>,
}

/// The earlier layers, at the source.
#[derive(Debug)]
struct Earlier {
    source: Arc<dyn Store>,
    places: HashMap<Digest, RepositoryName>,
    read: AtomicU64,
}

/// An image that the other side has.
struct Image {
    /// Its repository at the source.
    source: RepositoryName,
    platform: Option<Platform>,
    blobs: Vec<Descriptor>,
}

/// How much memory deltas may take.
pub(super) fn memory(asked: Option<Size>) -> Memory {
    Memory::new(asked.map_or(MEMORY, |Size(size)| size))
}

/// How many threads write one gzip stream.
pub(super) fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Plans deltas for what the other side lacks; `None` where there are none to make.
pub(super) async fn plan(job: &Job, plan: &Plan, since: &Held, args: &PackArgs) -> Option<Deltas> {
    let level = match args.delta {
        DeltaArg::Off => return None,
        DeltaArg::Fast => DeltaLevel::Fast,
        DeltaArg::Better => DeltaLevel::Better,
        DeltaArg::Best => DeltaLevel::Best,
    };
    let mut known: HashMap<&RepositoryName, Vec<Image>> = HashMap::new();
    for (_, request) in copies(plan) {
        if !known.contains_key(&request.target) {
            known.insert(&request.target, earlier(job, request, since).await);
        }
    }
    let (mut bases, mut places) = (HashMap::<Digest, Vec<PlannedBase>>::new(), HashMap::new());
    for (root, request) in copies(plan) {
        let own = known.get(&request.target).map_or(&[][..], Vec::as_slice);
        let others = known.values().flatten();
        for new in images(&request.source, root.manifests.iter().map(Arc::as_ref)) {
            for (layer, found) in pairs(&new, own, others.clone(), since) {
                places.extend(found.iter().map(|(base, place)| (base.digest, (*place).clone())));
                let found: Vec<PlannedBase> = found.into_iter().map(|(base, _)| base).collect();
                // What is known by its place is better than what is to be looked for.
                match bases.get(&layer) {
                    Some(known) if known.len() <= found.len() => {}
                    _ => drop(bases.insert(layer, found)),
                }
            }
        }
    }
    if bases.is_empty() {
        return None;
    }
    let promise = promise(plan, &bases);
    let source = Arc::clone(&job.mirror.source);
    let lookup = Arc::new(Earlier { source, places, read: AtomicU64::new(0) });
    let from: Arc<dyn BlobLookup> = lookup.clone();
    let with = Bases { lookup: from, memory: memory(args.limits.memory), threads: threads() };
    Some(Deltas { plan: Arc::new(DeltaPlan::new(bases, level, with)), promise, lookup })
}

/// Lists the images that are to be packed.
fn copies(plan: &Plan) -> impl Iterator<Item = (&PlannedRoot, &ImageRequest)> {
    plan.groups.iter().flat_map(|group| &group.images).filter_map(|image| match &image.step {
        Step::Copy { root, .. } => Some((root, &image.request)),
        _ => None,
    })
}

/// A base that several deltas build on is read for each of them, and once more where it has to be found among others.
fn promise(plan: &Plan, bases: &HashMap<Digest, Vec<PlannedBase>>) -> DeltasPlanned {
    let mut sum = DeltasPlanned::default();
    for blob in &plan.blobs {
        let Some(bases) = bases.get(&blob.descriptor.digest) else { continue };
        sum.layers += 1;
        sum.whole = sum.whole.saturating_add(blob.descriptor.size);
        let all = bases.iter().fold(0, |sum: u64, base| sum.saturating_add(base.size));
        let again = bases.iter().skip(1).map(|base| base.size).max().unwrap_or_default();
        sum.earlier = sum.earlier.saturating_add(all).saturating_add(again);
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

/// Reads the images of a repository that the other side has. What the source has no more is no base.
async fn earlier(job: &Job, request: &ImageRequest, since: &Held) -> Vec<Image> {
    let source = job.mirror.source.source(&request.source);
    let digests = since.manifests(&request.target).take(EARLIER_LIMIT);
    let reads = digests.map(|digest| {
        let (source, reference) = (Arc::clone(&source), ManifestRef::from(*digest));
        async move { source.manifest(&reference).await.ok() }
    });
    let reads: Vec<_> = reads.collect();
    let read: Vec<Option<Manifest>> = stream::iter(reads).buffered(CONCURRENCY).collect().await;
    let manifests: Vec<Manifest> = read.into_iter().flatten().collect();
    images(&request.source, manifests.iter())
}

/// Finds the images among manifests, with the platforms that the indexes among them tell.
fn images<'a>(source: &RepositoryName, manifests: impl Iterator<Item = &'a Manifest> + Clone) -> Vec<Image> {
    let children = manifests.clone().flat_map(|manifest| &manifest.links.manifests);
    let platforms: HashMap<Digest, Platform> =
        children.filter_map(|child| Some((child.digest, child.platform.clone()?))).collect();
    let images = manifests.filter(|manifest| !manifest.links.blobs.is_empty());
    let image = |manifest: &Manifest| Image {
        source: source.clone(),
        platform: platforms.get(&manifest.digest()).cloned(),
        blobs: manifest.links.blobs.clone(),
    };
    images.map(image).collect()
}

/// A base, and its repository at the source.
type Found<'a> = (PlannedBase, &'a RepositoryName);

/// Finds for the new layers of an image what each may build on: `own` are earlier images of its repository, `others` of
/// all repositories.
fn pairs<'a>(
    new: &Image,
    own: &'a [Image],
    others: impl Iterator<Item = &'a Image>,
    since: &Held,
) -> Vec<(Digest, Vec<Found<'a>>)> {
    let old = own.iter().max_by_key(|old| likeness(new, old));
    let pool: Vec<&Image> = match old {
        Some(old) => vec![old],
        None => others.filter(|other| other.platform == new.platform).collect(),
    };
    let by_place = old.filter(|old| old.blobs.len() == new.blobs.len());
    let mut pairs = Vec::new();
    // The first blob is the configuration.
    for (number, layer) in new.blobs.iter().enumerate().skip(1) {
        if since.get(&layer.digest).is_some() || !is_worth_it(layer) {
            continue;
        }
        let same_place = by_place.and_then(|old| Some((old.blobs.get(number)?, &old.source)));
        let found = match same_place.filter(|(base, _)| is_base(base, since)) {
            Some((base, source)) => vec![(planned(base), source)],
            None => like(layer, &pool, since),
        };
        if !found.is_empty() {
            pairs.push((layer.digest, found));
        }
    }
    pairs
}

/// Finds layers of about the same size.
fn like<'a>(layer: &Descriptor, pool: &[&'a Image], since: &Held) -> Vec<Found<'a>> {
    let layers = pool.iter().flat_map(|image| image.blobs.iter().skip(1).map(|blob| (blob, &image.source)));
    let mut found: Vec<_> = layers.filter(|(base, _)| is_base(base, since)).collect();
    found.sort_by_key(|(base, _)| (base.size.abs_diff(layer.size), base.digest));
    found.dedup_by_key(|(base, _)| base.digest);
    found.into_iter().take(CANDIDATES).map(|(base, source)| (planned(base), source)).collect()
}

fn planned(base: &Descriptor) -> PlannedBase {
    PlannedBase { digest: base.digest, size: base.size }
}

/// Tells whether the other side has a layer that is worth it.
fn is_base(base: &Descriptor, since: &Held) -> bool {
    since.get(&base.digest).is_some_and(|held| held.size == base.size) && is_worth_it(base)
}

fn is_worth_it(blob: &Descriptor) -> bool {
    blob.size >= SMALLEST && !blob.is_foreign_layer() && !blob.media_type.ends_with("zstd")
}

/// How much two images are alike: their platform, the layers that they share, how many they have, and how long.
fn likeness(new: &Image, old: &Image) -> (bool, usize, Reverse<usize>, Reverse<u64>) {
    let layers: HashSet<Digest> = new.blobs.iter().map(|blob| blob.digest).collect();
    let shared = old.blobs.iter().filter(|blob| layers.contains(&blob.digest)).count();
    let size = |image: &Image| image.blobs.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.size));
    (
        new.platform == old.platform,
        shared,
        Reverse(new.blobs.len().abs_diff(old.blobs.len())),
        Reverse(size(new).abs_diff(size(old))),
    )
}

#[async_trait]
impl BlobLookup for Earlier {
    async fn open(&self, digest: &Digest) -> Result<BlobBody, Error> {
        let missing = || Error::new(ErrorKind::NotFound, Operation::FetchBlob).object(digest);
        let repository = self.places.get(digest).ok_or_else(missing)?;
        let body = self.source.source(repository).open_blob(digest, 0).await?;
        self.read.fetch_add(body.length().unwrap_or_default(), Ordering::Relaxed);
        Ok(body)
    }
}

/// Tells what was carried as deltas, and what it took.
pub(super) fn tell(ui: &Ui, finished: &Finished, deltas: Option<&Deltas>) {
    let content = &finished.catalogue.content;
    let made: Vec<_> = content.iter().filter(|it| it.encoding.is_some()).collect();
    let carried: u64 = made.iter().flat_map(|it| &it.at).map(|at| at.size).sum();
    let raw = deltas.map(|deltas| deltas.plan.raw()).unwrap_or_default();
    let whole: u64 = made.iter().map(|it| it.size).sum();
    let all = made.len() + raw.len();
    if all > 0 {
        ui.status(format_args!(
            "{} of {} as deltas: {} in place of {}",
            made.len(),
            count(all, "layer"),
            bytes(carried),
            bytes(whole)
        ));
    }
    for (digest, reason) in raw.iter().take(NAMED) {
        ui.status(format_args!("{} is carried as it is: {reason}", digest.short()));
    }
    if raw.len() > NAMED {
        ui.status(format_args!("and {} more", raw.len() - NAMED));
    }
    let read = deltas.map_or(0, |deltas| deltas.lookup.read.load(Ordering::Relaxed));
    if read > 0 {
        ui.status(format_args!("{} of earlier layers were read at the source for that", bytes(read)));
    }
}
