//! Weighing a plan: what each image would cost, before a byte moves.
//!
//! The target is asked about every blob that is to come, in every repository, which a run does not do: there the
//! wish to link is the question. What is learnt can be put into the plan, so that a repository that has a blob leads. Of
//! images that are there already only the manifests are read, to add up what they consist of.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, future, stream};
use sealift_oci::{Descriptor, RepositoryName};
use sealift_store::{Result, Side};

use crate::walk::{Graph, Manifests};
use crate::{ImageRequest, Mirror, Plan, PlannedBlob, PlannedGroup, PlannedImage, Step};

/// How many blobs, or images, are asked about at the same time.
const CONCURRENCY: usize = 16;
/// Requests for a blob that is fetched: the wish to link, the source's bytes, the upload, its end.
const FETCH_REQUESTS: u64 = 4;

/// Which of the repositories that need a blob gets it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// The one that the plan names, so that what is weighed is what a run of the plan as it stands comes to: it
    /// fetches what that repository lacks.
    AsPlanned,
    /// One that has it already, if there is one: the plan is changed to that.
    WhoHasIt,
}

/// What something costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Bytes to fetch from the source.
    pub fetch: u64,
    /// Blobs to fetch from the source.
    pub blobs: u64,
    /// Bytes to link from another repository of the target.
    pub mount: u64,
    /// Bytes that are there.
    pub present: u64,
    /// Requests to both places for blobs and manifests, if nothing breaks.
    pub requests: u64,
}

/// What a plan costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// Each image of each group, in the order of the plan. A blob that several images share is counted as
    /// fetched with the first of them.
    pub groups: Vec<Vec<Weight>>,
    /// All together.
    pub total: Weight,
}

impl Mirror {
    /// Weighs a plan, also what is there of images to which nothing is to be done.
    ///
    /// # Errors
    /// When the target cannot be asked, or neither place tells what such an image consists of.
    pub async fn weigh(&self, plan: &mut Plan, lead: Lead) -> Result<Weights> {
        let mut weights = self.weigh_copies(plan, lead).await?;
        let known = &Manifests::default();
        for (group, weights_of_group) in plan.groups.iter().zip(&mut weights.groups) {
            let kept =
                group.images.iter().zip(weights_of_group).filter_map(|(image, weight)| match &image.step {
                    Step::Keep(root) => Some((&image.request, root, weight)),
                    _ => None,
                });
            let sized = stream::iter(kept)
                .map(async |(request, root, weight)| Ok((self.size(known, request, root).await?, weight)))
                .buffer_unordered(CONCURRENCY);
            sized
                .try_for_each(|(size, weight)| {
                    weight.present += size;
                    weights.total.present += size;
                    future::ready(Ok(()))
                })
                .await?;
        }
        Ok(weights)
    }

    /// Weighs what a plan moves, and no more.
    ///
    /// # Errors
    /// When the target cannot be asked.
    pub async fn weigh_copies(&self, plan: &mut Plan, lead: Lead) -> Result<Weights> {
        let held: Vec<Vec<RepositoryName>> = stream::iter(plan.blobs.clone())
            .map(|blob| async move { self.holders(&blob).await })
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        if lead == Lead::WhoHasIt {
            for (blob, holders) in plan.blobs.iter_mut().zip(&held) {
                blob.targets.sort_by_key(|repository| !holders.contains(repository));
            }
        }
        let mut absent = HashSet::new();
        for (position, blob) in plan.blobs.iter().enumerate() {
            // Foreign layers are left out where the source does not have them.
            if blob.descriptor.is_foreign_layer() && self.origins(blob).await?.is_none() {
                absent.insert(position);
            }
        }
        Ok(Scale { absent, ..Scale::new(plan, &held) }.weigh(&plan.groups))
    }

    /// Adds up the blobs of an image that is there. The target is asked first: it is near. Foreign layers need
    /// not be there.
    async fn size(&self, known: &Manifests, request: &ImageRequest, root: &Descriptor) -> Result<u64> {
        let graph = match self.walk_at_target(known, request, root).await {
            Ok(graph) => graph,
            // A place that is only written may not be readable.
            Err(_) => {
                let source = self.source.source(&request.source);
                let root = known.read(source.as_ref(), &root.digest).await?;
                Graph::walk(known, source.as_ref(), root).await?
            }
        };
        let blobs = graph.blobs.iter().filter(|blob| !blob.is_foreign_layer());
        Ok(blobs.map(|blob| blob.size).sum())
    }

    async fn holders(&self, blob: &PlannedBlob) -> Result<Vec<RepositoryName>> {
        let mut holders = Vec::new();
        for repository in blob.targets.iter().chain(&blob.holder) {
            let there = self.target.target(repository)?.stat_blob(&blob.descriptor.digest).await;
            if there.map_err(|error| error.on(Side::Target))? == Some(blob.descriptor.size) {
                holders.push(repository.clone());
            }
        }
        Ok(holders)
    }
}

struct Scale<'a> {
    plan: &'a Plan,
    held: &'a [Vec<RepositoryName>],
    /// Which repositories have each blob when the images so far are there.
    placed: Vec<Vec<RepositoryName>>,
    /// The blobs that nobody fetches.
    absent: HashSet<usize>,
    /// The blobs that need not be fetched any more: their leader has them, or an earlier image brings them.
    brought: HashSet<usize>,
}

impl<'a> Scale<'a> {
    fn new(plan: &'a Plan, held: &'a [Vec<RepositoryName>]) -> Self {
        let is_led = |&(blob, held): &(&PlannedBlob, &Vec<RepositoryName>)| {
            blob.targets.first().into_iter().chain(&blob.holder).any(|leader| held.contains(leader))
        };
        let blobs = plan.blobs.iter().zip(held).enumerate();
        let brought = blobs.filter(|(_, it)| is_led(it)).map(|(position, _)| position).collect();
        Self { plan, held, placed: held.to_vec(), absent: HashSet::new(), brought }
    }

    fn weigh(mut self, groups: &[PlannedGroup]) -> Weights {
        let mut weights = Weights::default();
        for group in groups {
            let images: Vec<Weight> = group.images.iter().map(|image| self.image(image)).collect();
            images.iter().for_each(|weight| weights.total.add(weight));
            weights.groups.push(images);
        }
        weights
    }

    fn image(&mut self, image: &PlannedImage) -> Weight {
        let mut weight = Weight { requests: manifests(image), ..Weight::default() };
        for position in image.blobs() {
            weight.add(&self.blob(position, &image.request.target));
        }
        weight
    }

    fn blob(&mut self, position: usize, repository: &RepositoryName) -> Weight {
        let size = self.plan.blobs[position].descriptor.size;
        let placed = &mut self.placed[position];
        if placed.contains(repository) {
            // One that is there is asked for once; one that came with an earlier image not again.
            let requests = u64::from(self.held[position].contains(repository));
            return Weight { present: size, requests, ..Weight::default() };
        }
        if self.absent.contains(&position) {
            return Weight::default();
        }
        placed.push(repository.clone());
        match self.brought.insert(position) {
            true => Weight { fetch: size, blobs: 1, requests: FETCH_REQUESTS, ..Weight::default() },
            false => Weight { mount: size, requests: 1, ..Weight::default() },
        }
    }
}

fn manifests(image: &PlannedImage) -> u64 {
    let root = match &image.step {
        Step::Copy { root, .. } => root.manifests.len(),
        _ => 0,
    };
    let attached = image.attachments.iter().map(|attached| attached.manifests.len());
    (root + attached.sum::<usize>()) as u64
}

impl Weight {
    fn add(&mut self, other: &Self) {
        self.fetch += other.fetch;
        self.blobs += other.blobs;
        self.mount += other.mount;
        self.present += other.present;
        self.requests += other.requests;
    }
}
