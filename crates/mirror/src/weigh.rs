//! Weighing a plan: what each image would cost, before a byte moves.
//!
//! The target is asked about every blob in every repository, which a run does not do: there the wish to
//! link is the question. What is learnt is put into the plan: a repository that has a blob leads.

use futures_util::{StreamExt, TryStreamExt, stream};
use sealift_oci::RepositoryName;
use sealift_store::{Result, Side};

use crate::{Mirror, Plan, PlannedBlob, PlannedGroup, PlannedImage, Step};

/// How many blobs are asked about at the same time.
const CONCURRENCY: usize = 16;
/// Requests for a blob that is fetched: the wish to link, the source's bytes, the upload, its end.
const FETCH_REQUESTS: u64 = 4;

/// What something costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Bytes to fetch from the source.
    pub fetch: u64,
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
    /// Weighs a plan.
    ///
    /// # Errors
    /// When the target cannot be asked.
    pub async fn weigh(&self, plan: &mut Plan) -> Result<Weights> {
        let held: Vec<Vec<RepositoryName>> = stream::iter(plan.blobs.clone())
            .map(|blob| async move { self.holders(&blob).await })
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        for (blob, holders) in plan.blobs.iter_mut().zip(&held) {
            blob.targets.sort_by_key(|repository| !holders.contains(repository));
        }
        Ok(Scale::new(plan, &held).weigh(&plan.groups))
    }

    async fn holders(&self, blob: &PlannedBlob) -> Result<Vec<RepositoryName>> {
        let mut holders = Vec::new();
        for repository in &blob.targets {
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
}

impl<'a> Scale<'a> {
    fn new(plan: &'a Plan, held: &'a [Vec<RepositoryName>]) -> Self {
        Self { plan, held, placed: held.to_vec() }
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
        let is_first = placed.is_empty();
        placed.push(repository.clone());
        match is_first {
            true => Weight { fetch: size, requests: FETCH_REQUESTS, ..Weight::default() },
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
        self.mount += other.mount;
        self.present += other.present;
        self.requests += other.requests;
    }
}
