//! The run: does what the plan says, in the one order that never shows anything half done.
//!
//! All missing blobs first, each once; then, group by group, the manifests below the roots; then the
//! roots with their tags; and last the gate, if all others of its group are there. A run that is stopped
//! has moved no tag of a group that is not complete.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_oci::{Descriptor, Manifest, Platform, RepositoryName, media_type};
use sealift_store::{Error, ErrorKind, Operation, Result, Side, Target};
use serde_json::Value;
use tokio::sync::{SetOnce, watch};
use tokio::task::JoinSet;

use crate::blobs::Placed;
use crate::copy::CONFIG_LIMIT;
use crate::meter::Meter;
use crate::retry::open;
use crate::{
    Attached, BlobReport, Carried, Event, ImageReport, ImageRequest, Mirror, Outcome, Plan, PlannedGroup,
    PlannedImage, PlannedRoot, Report, Step, Totals,
};

/// How many images are finished at the same time; each needs a few small requests.
const FINISH_CONCURRENCY: usize = 16;

/// The blobs, each in its repository, that were counted with some image.
type Claimed = HashSet<(usize, RepositoryName)>;

/// A plan at work: each blob's place fills when it is decided what became of it.
#[derive(Debug)]
struct Work {
    plan: Plan,
    placed: Vec<SetOnce<Placed>>,
}

/// What becomes of a blob is decided when this goes, also by a panic: nobody shall wait for ever. A blob that is in
/// no repository then lets the target refuse the manifests that need it.
struct Decided<'a>(&'a SetOnce<Placed>);

impl Drop for Decided<'_> {
    fn drop(&mut self) {
        // It is set already, if all went well.
        let _ = self.0.set(Placed::default());
    }
}

impl Mirror {
    /// Runs a plan to its end, or until `stop` becomes true. What fails stops nothing else.
    pub async fn run(&self, plan: Plan, stop: watch::Receiver<bool>) -> Report {
        let began = Instant::now();
        self.observer.notice(&Event::RunStarted { totals: plan.totals() });
        let placed = plan.blobs.iter().map(|_| SetOnce::new()).collect();
        let work = Arc::new(Work { plan, placed });
        let mut workers = self.start(&work);
        let mut report = Report::default();
        let mut claimed = HashSet::new();
        for group in &work.plan.groups {
            let images = self.finish_group(&work, group, &mut claimed, &stop).await;
            report.images.extend(images);
        }
        // Blobs that no image needs are wanted for themselves: a repair is made of them.
        let mut asked = stop.clone();
        tokio::select! {
            () = work.all_placed() => {}
            // A sender that is gone will never say stop.
            Ok(_) = asked.wait_for(|stop| *stop) => {}
        }
        report.interrupted = *stop.borrow();
        workers.abort_all();
        report.blobs = work.blobs();
        report.totals = Totals { elapsed: work.plan.surveyed + began.elapsed(), ..work.totals() };
        self.observer.notice(&Event::RunFinished);
        report
    }

    /// Starts those who bring the blobs; they end when they are dropped.
    fn start(&self, work: &Arc<Work>) -> JoinSet<()> {
        let meter = Arc::new(Meter::new(self, &work.plan));
        let metered = Self { observer: Arc::clone(&meter) as _, ..self.clone() };
        let mut workers = JoinSet::new();
        for _ in 0..self.options.transfers.clamp(1, work.plan.blobs.len().max(1)) {
            workers.spawn(metered.clone().work(Arc::clone(work), Arc::clone(&meter)));
        }
        workers.spawn(async move { meter.watch().await });
        workers
    }

    async fn work(self, work: Arc<Work>, meter: Arc<Meter>) {
        while let Some(turn) = meter.next().await {
            let at = turn.position;
            if let (Some(blob), Some(placed)) = (work.plan.blobs.get(at), work.placed.get(at)) {
                let decided = Decided(placed);
                // Only the worker that took a position fills its place.
                let _ = decided.0.set(self.place(blob).await);
            }
            meter.leave(turn);
        }
    }

    async fn finish_group(
        &self,
        work: &Work,
        group: &PlannedGroup,
        claimed: &mut Claimed,
        stop: &watch::Receiver<bool>,
    ) -> Vec<ImageReport> {
        let mut reports: Vec<ImageReport> = stream::iter(&group.images)
            .map(|image| self.prepare(work, group, image, stop.clone()))
            .buffered(FINISH_CONCURRENCY.min(self.options.transfers.max(1)))
            .collect()
            .await;
        for (image, report) in group.images.iter().zip(&mut reports) {
            work.account(image, report, claimed);
        }
        self.tag(group, &mut reports, false, stop).await;
        let is_complete = |report: &ImageReport| {
            report.request.gate || report.is_there() || matches!(report.outcome, Outcome::NotPart)
        };
        if reports.iter().all(is_complete) {
            self.tag(group, &mut reports, true, stop).await;
        }
        for report in &reports {
            self.observer.notice(&Event::ImageFinished { report });
        }
        reports
    }

    /// Brings everything of an image but its root: blobs, children, attachments.
    async fn prepare(
        &self,
        work: &Work,
        group: &PlannedGroup,
        image: &PlannedImage,
        mut stop: watch::Receiver<bool>,
    ) -> ImageReport {
        let report = ImageReport::new(image.request.clone(), group.name.clone(), Outcome::Interrupted);
        match &image.step {
            Step::Copy { .. } | Step::Keep(_) => tokio::select! {
                report = self.bring(work, image, report.clone()) => report,
                // A sender that is gone will never say stop.
                Ok(_) = stop.wait_for(|stop| *stop) => report,
            },
            Step::Missing => ImageReport { outcome: Outcome::Missing, ..report },
            Step::NotPart => ImageReport { outcome: Outcome::NotPart, ..report },
            Step::Failed(error) => ImageReport { outcome: Outcome::Failed(Arc::clone(error)), ..report },
        }
    }

    async fn bring(&self, work: &Work, image: &PlannedImage, mut report: ImageReport) -> ImageReport {
        for blob in image.blobs() {
            work.placed[blob].wait().await;
        }
        let brought = match work.failure(image) {
            Some(error) => Err(error),
            None => self.push_below(image).await.map_err(|error| Arc::new(error.on(Side::Target))),
        };
        let is_whole = brought.is_ok();
        if let Step::Keep(root) = &image.step {
            report.digest = Some(root.digest);
            report.outcome = Outcome::AlreadyThere;
        }
        if let Step::Copy { root, platforms } = &image.step {
            report.digest = root.manifests.last().map(|root| root.digest());
            report.outcome = Outcome::Withheld;
            report.platforms = match platforms.as_slice() {
                [] if is_whole => self.read_platforms(work, &image.request, &root.blobs).await,
                platforms => platforms.to_vec(),
            };
        }
        match brought {
            Ok(()) => {
                report.attachments = image.attachments.iter().filter_map(attached).collect();
                if matches!(image.step, Step::Copy { .. }) {
                    self.observer.notice(&Event::ImageReady { request: &image.request });
                }
            }
            Err(error) => report.outcome = Outcome::Failed(error),
        }
        report
    }

    /// Pushes the children of the root, and what is attached: a cluster that asks for signatures shall
    /// find them when it sees the tag.
    async fn push_below(&self, image: &PlannedImage) -> Result<()> {
        let target = self.target.target(&image.request.target)?;
        if let Step::Copy { root, .. } = &image.step {
            let children = root.manifests.split_last().map_or(&[][..], |(_, children)| children);
            push_all(target.as_ref(), children).await?;
        }
        for attached in &image.attachments {
            let Some((root, children)) = attached.manifests.split_last() else { continue };
            let pushed = async {
                push_all(target.as_ref(), children).await?;
                target.put_manifest(root, attached.tag.as_ref()).await
            };
            pushed.await.map_err(|error| refused(error, &image.request, root))?;
        }
        Ok(())
    }

    /// Pushes the roots with their tags: of the gate's images, or of all others. Up to here an image that
    /// has all it needs counts as withheld.
    async fn tag(
        &self,
        group: &PlannedGroup,
        reports: &mut [ImageReport],
        gate: bool,
        stop: &watch::Receiver<bool>,
    ) {
        let ready =
            |report: &ImageReport| report.request.gate == gate && matches!(report.outcome, Outcome::Withheld);
        let images = group.images.iter().zip(reports).filter(|(_, report)| ready(report));
        stream::iter(images)
            .for_each_concurrent(
                FINISH_CONCURRENCY.min(self.options.transfers.max(1)),
                |(image, report)| async {
                    let mut asked = stop.clone();
                    report.outcome = tokio::select! {
                        biased;
                        // A sender that is gone will never say stop.
                        Ok(_) = asked.wait_for(|stop| *stop) => Outcome::Interrupted,
                        outcome = self.tag_one(image, &mut report.request) => outcome,
                    };
                },
            )
            .await;
    }

    /// Sets the tag, which may be another than was wished for.
    async fn tag_one(&self, image: &PlannedImage, request: &mut ImageRequest) -> Outcome {
        let Step::Copy { root, .. } = &image.step else { return Outcome::AlreadyThere };
        // Blobs alone have nothing that could get a tag.
        let Some(manifest) = root.manifests.last() else { return Outcome::Arrived };
        let pushed = async {
            *request = self.beside_list(request).await?;
            self.target.target(&request.target)?.put_manifest(manifest, request.tag.as_ref()).await
        };
        match pushed.await {
            Ok(()) => Outcome::Arrived,
            Err(error) => Outcome::Failed(Arc::new(error.on(Side::Target))),
        }
    }

    /// Reads the platforms out of the configurations: of those that passed by, else from the target.
    async fn read_platforms(&self, work: &Work, request: &ImageRequest, blobs: &[usize]) -> Vec<Platform> {
        let mut platforms = Vec::new();
        for &position in blobs {
            let blob = &work.plan.blobs[position].descriptor;
            if !media_type::is_image_config(&blob.media_type) || blob.size > CONFIG_LIMIT {
                continue;
            }
            let passed = work.placed[position].get().and_then(|placed| placed.config.clone());
            let config = match passed {
                Some(config) => Some(config),
                None => self.read_config(request, blob).await.ok(),
            };
            platforms.extend(config.as_deref().and_then(platform_of));
        }
        platforms
    }

    async fn read_config(&self, request: &ImageRequest, blob: &Descriptor) -> Result<Bytes> {
        // A bundle cannot be read back everywhere, and leaves out what the other side has.
        let (target, retry) = (self.target.source(&request.target), &self.options.retry);
        let body = match open(target.as_ref(), &blob.digest, retry).await {
            Ok(body) => body,
            Err(_) => open(self.source.source(&request.source).as_ref(), &blob.digest, retry).await?,
        };
        // The limit was checked on the descriptor; a body that is longer is cut off here.
        body.collect(usize::try_from(CONFIG_LIMIT).unwrap_or(usize::MAX)).await
    }
}

/// Says that it is not the image itself that the target does not take.
fn refused(error: Error, request: &ImageRequest, attached: &Manifest) -> Error {
    if !matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unsupported) {
        return error;
    }
    let kind = attached.descriptor.artifact_type.as_deref().unwrap_or(&attached.descriptor.media_type);
    Error::new(error.kind(), Operation::PushManifest)
        .at(error.place().unwrap_or_default())
        .object(format_args!("{}@{}", request.target, attached.digest()))
        .because(format_args!("it is an attachment of {} ({kind}), and is refused", request.name))
        .caused_by(error)
}

/// Says what an attachment is.
fn attached(planned: &PlannedRoot) -> Option<Attached> {
    planned.manifests.last().map(|root| Attached::new(root, planned.tag.clone()))
}

async fn push_all(target: &dyn Target, manifests: &[Arc<Manifest>]) -> Result<()> {
    for manifest in manifests {
        target.put_manifest(manifest, None).await?;
    }
    Ok(())
}

/// Reads the platform that an image configuration names.
fn platform_of(config: &[u8]) -> Option<Platform> {
    let config: Value = serde_json::from_slice(config).ok()?;
    let text = |field: &str| config.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut platform = Platform::new(text("os")?, text("architecture")?);
    platform.variant = text("variant").map(str::to_owned);
    Some(platform)
}

impl Work {
    /// Waits until it is decided what became of every blob.
    async fn all_placed(&self) {
        for placed in &self.placed {
            placed.wait().await;
        }
    }

    /// Finds why an image cannot be complete: the first of its blobs that is not in its repository.
    fn failure(&self, image: &PlannedImage) -> Option<Arc<Error>> {
        image.blobs().find_map(|position| {
            let placement = self.placed[position].get()?.repositories.get(&image.request.target)?;
            let error = placement.outcome.as_ref().err()?;
            Some(self.plan.blobs[position].error_for(&image.request, error))
        })
    }

    /// Counts what came for one image. A blob counts as moved or mounted with the first image that wants
    /// it in its repository, and as present with every other.
    fn account(&self, image: &PlannedImage, report: &mut ImageReport, claimed: &mut Claimed) {
        for position in image.blobs() {
            let blob = &self.plan.blobs[position].descriptor;
            let placed = self.placed[position].get();
            let placement = placed.and_then(|placed| placed.repositories.get(&image.request.target));
            let Some(Ok(carried)) = placement.map(|placement| placement.outcome.clone()) else { continue };
            let is_first = claimed.insert((position, image.request.target.clone()));
            match carried {
                Carried::Skipped => report.skipped.push(blob.digest),
                Carried::Moved if is_first => report.moved += blob.size,
                Carried::Mounted | Carried::ReadBack if is_first => report.mounted += blob.size,
                _ => report.present += blob.size,
            }
            if is_first {
                report.elapsed += placement.map_or(Duration::ZERO, |placement| placement.elapsed);
            }
        }
    }

    /// Tells of each blob who needs it and how it came.
    fn blobs(&self) -> Vec<BlobReport> {
        let mut images = vec![Vec::new(); self.plan.blobs.len()];
        let planned = self.plan.groups.iter().flat_map(|group| &group.images);
        for (number, image) in planned.enumerate() {
            let needed: BTreeSet<usize> = image.blobs().collect();
            needed.into_iter().for_each(|blob| images[blob].push(number));
        }
        let blobs = self.plan.blobs.iter().zip(&self.placed).zip(images);
        let report = blobs.map(|((blob, placed), images)| BlobReport {
            descriptor: blob.descriptor.clone(),
            images,
            carried: placed.get().map(Placed::carried).unwrap_or_default(),
        });
        report.collect()
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (blob, placed) in self.plan.blobs.iter().zip(&self.placed) {
            let placements = placed.get().into_iter().flat_map(|placed| placed.repositories.values());
            for carried in placements.filter_map(|placement| placement.outcome.as_ref().ok()) {
                let size = blob.descriptor.size;
                match carried {
                    Carried::Moved => {
                        totals.blobs_moved += 1;
                        totals.bytes_moved += size;
                    }
                    Carried::Mounted => totals.bytes_mounted += size,
                    Carried::ReadBack => totals.bytes_read_back += size,
                    Carried::Present => totals.bytes_present += size,
                    Carried::Skipped => {}
                }
            }
        }
        totals
    }
}
