//! What a bundle left out must be at the target: it is looked for before anything moves. What is not there is asked for
//! in a repair request.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sealift_bundle::{
    Bundle, BundleStore, Content, MissingContent, RepairRequest, Repository, RepositorySource,
};
use sealift_mirror::{Plan, PlannedBlob, PlannedImage, Step};
use sealift_oci::{Descriptor, Digest, RepositoryName};
use sealift_store::{Error, ErrorKind, Operation, Side};

use super::documents::Documents;
use super::job::Job;
use super::{Result, bundle};
use crate::errors::CommandError;
use crate::output::units::{bytes, count};
use crate::ui::Ui;

/// How many blobs are asked about at the same time.
const CONCURRENCY: usize = 16;
/// How many digests a message names; a request can have many.
const NAMED: usize = 5;

/// What the target lacks.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// What has to come first.
    pub(super) content: Vec<MissingContent>,
    /// The blobs that cannot come without, and which of the content that is: itself, or what it builds on.
    blobs: HashMap<Digest, Digest>,
}

impl Missing {
    fn add(&mut self, blob: Digest, content: MissingContent) {
        self.blobs.insert(blob, content.digest);
        if self.content.iter().all(|known| known.digest != content.digest) {
            self.content.push(content);
        }
    }
}

/// Finds what the bundles left out at the target, lets the repository that has it lead, and returns what is nowhere.
pub(super) async fn prove(
    job: &Job,
    plan: &mut Plan,
    bundles: &[Bundle],
    below: Option<&RepositoryName>,
) -> Result<Missing> {
    let looked_for = plan.blobs.iter().enumerate().filter_map(|(position, blob)| {
        let content = left_out(bundles, &blob.descriptor.digest)?;
        Some((position, blob.clone(), content.clone()))
    });
    let looked_for: Vec<_> = looked_for.collect();
    let found: Vec<(usize, Option<RepositoryName>)> = stream::iter(looked_for)
        .map(|(position, blob, content)| async move {
            Ok::<_, CommandError>((position, holder(job, &blob, &content.held, below).await?))
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let mut missing = Missing::default();
    for (position, holder) in found {
        let blob = &mut plan.blobs[position];
        match holder {
            Some(holder) => {
                // Who holds it leads, also where nothing there needs it any more.
                blob.targets.retain(|repository| *repository != holder);
                blob.targets.insert(0, holder);
            }
            None => missing.add(blob.descriptor.digest, wanted(bundles, blob)),
        }
    }
    prove_bases(job, plan, bundles, below, &mut missing).await?;
    Ok(missing)
}

/// Looks for what deltas build on. Where the target has what a delta makes, it is not wanted.
async fn prove_bases(
    job: &Job,
    plan: &Plan,
    bundles: &[Bundle],
    below: Option<&RepositoryName>,
    missing: &mut Missing,
) -> Result<()> {
    let looked_for = plan.blobs.iter().flat_map(|blob| {
        let bases = delta_of(bundles, &blob.descriptor.digest).into_iter().flat_map(|it| &it.bases);
        bases.filter_map(move |base| Some((blob, left_out(bundles, base)?)))
    });
    let found: Vec<Option<(&PlannedBlob, &Content)>> = stream::iter(looked_for.collect::<Vec<_>>())
        .map(|(blob, base)| async move {
            let descriptor = Descriptor::new("", base.digest, base.size);
            let at_target =
                PlannedBlob { descriptor, sources: Vec::new(), targets: blob.targets.clone(), holder: None };
            let is_there = holder(job, &at_target, &base.held, below).await?.is_some()
                || holder(job, blob, &[], below).await?.is_some();
            Ok::<_, CommandError>((!is_there).then_some((blob, base)))
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    for (blob, base) in found.into_iter().flatten() {
        missing.add(blob.descriptor.digest, wanted_base(bundles, base, blob));
    }
    Ok(())
}

/// Returns content that is carried as a delta only.
pub(super) fn delta_of<'a>(bundles: &'a [Bundle], digest: &Digest) -> Option<&'a Content> {
    let known = bundles.iter().filter_map(|bundle| bundle.content(digest));
    let carried: Vec<&Content> = known.filter(|content| !content.at.is_empty()).collect();
    let is_delta = carried.iter().all(|content| content.encoding.is_some());
    carried.first().copied().filter(|_| is_delta)
}

/// Asks for what a delta builds on: for the repositories that had it, or those that need what is made of it.
fn wanted_base(bundles: &[Bundle], base: &Content, blob: &PlannedBlob) -> MissingContent {
    let repositories = || bundles.iter().flat_map(|bundle| &bundle.catalogue().repositories);
    let source = |it: &Repository| RepositorySource { name: it.name.clone(), source: it.source.clone() };
    let held: Vec<_> = repositories().filter(|it| base.held.contains(&it.name)).map(source).collect();
    let needing = || repositories().filter(|it| it.blobs.contains(&blob.descriptor.digest)).map(source);
    let repositories = if held.is_empty() { needing().collect() } else { held };
    MissingContent { digest: base.digest, size: base.size, repositories }
}

/// Returns content that no bundle carries.
fn left_out<'a>(bundles: &'a [Bundle], digest: &Digest) -> Option<&'a Content> {
    let mut known = bundles.iter().filter_map(|bundle| bundle.content(digest));
    let first = known.next()?;
    let is_carried = !first.at.is_empty() || known.any(|content| !content.at.is_empty());
    (!is_carried).then_some(first)
}

/// Asks the repositories that need the blob, and those where it was when the bundle was packed. The first that has it
/// is enough: the others link it.
async fn holder(
    job: &Job,
    blob: &PlannedBlob,
    held: &[RepositoryName],
    below: Option<&RepositoryName>,
) -> Result<Option<RepositoryName>> {
    let elsewhere = held.iter().filter_map(|path| match below {
        Some(below) => below.join(path.as_str()).ok(),
        None => Some(path.clone()),
    });
    for repository in blob.targets.iter().cloned().chain(elsewhere) {
        let target = job.mirror.target.target(&repository).map_err(|error| error.on(Side::Target))?;
        let there = target.stat_blob(&blob.descriptor.digest).await;
        let there = there.map_err(|error| job.ends.refusal(error.on(Side::Target)))?;
        if there == Some(blob.descriptor.size) {
            return Ok(Some(repository));
        }
    }
    Ok(None)
}

fn wanted(bundles: &[Bundle], blob: &PlannedBlob) -> MissingContent {
    let digest = blob.descriptor.digest;
    let repositories = bundles.iter().flat_map(|bundle| &bundle.catalogue().repositories);
    let holding = repositories.filter(|repository| repository.blobs.contains(&digest));
    let source = |it: &sealift_bundle::Repository| RepositorySource {
        name: it.name.clone(),
        source: it.source.clone(),
    };
    MissingContent { digest, size: blob.descriptor.size, repositories: holding.map(source).collect() }
}

/// Finds what lies in volumes that cannot be read and is not at the target either, and why it cannot be read.
pub(super) async fn unreadable(
    job: &Job,
    plan: &Plan,
    store: &BundleStore,
    below: Option<&RepositoryName>,
) -> Result<HashMap<Digest, Error>> {
    let mut lost = HashMap::new();
    for blob in &plan.blobs {
        let digest = blob.descriptor.digest;
        let Err(error) = store.check(&digest) else { continue };
        if holder(job, blob, &[], below).await?.is_none() {
            lost.insert(digest, error.on(Side::Source));
        }
    }
    Ok(lost)
}

/// Tells what the target lacks, and which bundles and receipts it should have had it from.
pub(super) fn tell(ui: &Ui, missing: &[MissingContent], bundles: &[Bundle]) {
    let Some(first) = bundles.first() else { return };
    let size = missing.iter().map(|content| content.size).sum();
    ui.error(format_args!(
        "{}: the target lacks {} ({}) that the bundle builds on",
        first.path().display(),
        count(missing.len(), "blob"),
        bytes(size)
    ));
    for content in missing.iter().take(NAMED) {
        let names: Vec<&str> = content.repositories.iter().map(|it| it.name.as_str()).collect();
        ui.note(format_args!("{} of {}", content.digest, names.join(", ")));
    }
    if missing.len() > NAMED {
        ui.note(format_args!("and {} more", missing.len() - NAMED));
    }
    let given: HashSet<&str> = bundles.iter().map(|it| it.catalogue().id.as_str()).collect();
    let bases = bundles.iter().flat_map(|it| &it.catalogue().builds_on);
    let mut bases: Vec<&str> = bases.map(String::as_str).filter(|id| !given.contains(id)).collect();
    bases.sort_unstable();
    bases.dedup();
    if !bases.is_empty() {
        ui.note(format_args!("It builds on the bundles or receipts {}.", named(&bases)));
    }
}

fn named(ids: &[&str]) -> String {
    match ids.split_at_checked(NAMED) {
        Some((first, more)) if !more.is_empty() => format!("{} and {} more", first.join(", "), more.len()),
        _ => ids.join(", "),
    }
}

/// Writes a repair request.
pub(super) fn request(
    ui: &Ui,
    plan: &Plan,
    missing: &Missing,
    opened: &Bundle,
    documents: &Documents,
) -> Result<()> {
    let Some(path) = &documents.request else {
        ui.note(
            "Hint: a bundle before this one is not loaded yet: load it first. If it is lost, --repair-request FILE writes down what is missing.",
        );
        return Ok(());
    };
    let (target, id) = (documents.target.clone(), opened.catalogue().id.clone());
    let mut request = RepairRequest::new(bundle::random_id()?, bundle::now()?, target, id);
    let is_missing = |at: usize| missing.blobs.contains_key(&plan.blobs[at].descriptor.digest);
    let images = plan.groups.iter().flat_map(|group| &group.images);
    let hit = images.filter(|image| needs(image).any(is_missing));
    request.images = hit.map(|image| image.request.target_name()).collect();
    request.missing.clone_from(&missing.content);
    let comment = format!("sealift repair request of {}", request.created);
    bundle::write_signed(path, &request.to_bytes(), documents.key.as_ref(), &comment)?;
    ui.note(format_args!(
        "Hint: a bundle before this one is not loaded yet: load it first. If it is lost, take {} to the other side: `sealift pack --repair {}` makes what is missing, and `sealift load` takes both bundles together.",
        path.display(),
        path.display()
    ));
    Ok(())
}

/// Ends a run that was to load all or nothing; `request` says what is missing.
pub(super) fn refusal(request: Option<&Path>) -> CommandError {
    CommandError::Refused {
        message:
            "the target lacks what the bundle builds on, and --all-or-nothing is set; nothing was loaded"
                .to_owned(),
        hint: match request {
            Some(path) => format!("{} says what is missing.", path.display()),
            None => "Load the bundles first that it builds on.".to_owned(),
        },
    }
}

/// Says of each blob that is missing why it cannot come.
pub(super) fn lost(missing: &Missing, opened: &Bundle) -> HashMap<Digest, Error> {
    let error = |reason: String| {
        let error = Error::new(ErrorKind::NotFound, Operation::FetchBlob).at(opened.path().display());
        error.because(reason).on(Side::Source)
    };
    let reason = |(blob, content): (&Digest, &Digest)| match blob == content {
        true => "the bundle left it out, and the target lacks it".to_owned(),
        false => format!("it is carried as a delta, and the target lacks {content}, which that builds on"),
    };
    missing.blobs.iter().map(|pair| (*pair.0, error(reason(pair)))).collect()
}

/// Takes the images out of the plan that need what is lost: nothing of them moves, unless others need it, too.
pub(super) fn leave_out(plan: &mut Plan, lost: &HashMap<Digest, Error>) {
    let blobs = std::mem::take(&mut plan.blobs);
    let lacks = |at: usize| lost.get_key_value(&blobs[at].descriptor.digest);
    for image in plan.groups.iter_mut().flat_map(|group| &mut group.images) {
        let Some((digest, error)) = needs(image).find_map(lacks) else { continue };
        let error = error.clone().object(format_args!("{}@{digest}", image.request.source));
        image.step = Step::Failed(Arc::new(error));
        image.attachments.clear();
    }
    let images = plan.groups.iter().flat_map(|group| &group.images);
    let needed: HashSet<usize> = images.flat_map(needs).collect();
    plan.blobs = blobs;
    for (_, blob) in plan.blobs.iter_mut().enumerate().filter(|(at, _)| !needed.contains(at)) {
        blob.targets.clear();
    }
}

/// Goes through everything that an image needs, by position in the plan.
fn needs(image: &PlannedImage) -> impl Iterator<Item = usize> {
    let root = match &image.step {
        Step::Copy { root, .. } => root.blobs.as_slice(),
        _ => &[],
    };
    root.iter().chain(image.attachments.iter().flat_map(|attached| &attached.blobs)).copied()
}
