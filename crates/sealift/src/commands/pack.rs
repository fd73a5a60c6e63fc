//! `sealift pack`: from registries into a bundle.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_bundle::{
    BundleWriter, Contents, Destination, Finished, Held, Image, LayoutNames, LayoutWriter, RepairRequest,
    SecretKey, Shape, WriterOptions,
};
use sealift_mirror::{ImageReport, ImageRequest, Outcome, Plan, Report};
use sealift_oci::{Digest, Registry, RepositoryName};

use super::Result;
use super::bundle::{self, Chest};
use super::delta_sums::{self, DeltasPlanned};
use super::deltas::{self, Deltas};
use super::dry_run::{self, DryRun, Packing};
use super::earlier::{self, Shelves};
use super::job::{Goal, Job};
use super::mirror::{
    Begun, Terms, Transfer, begin, pace, report_errors, survey, tell, tell_failures, tell_reports, write,
};
use super::record::Outlet;
use super::{fits, prefix, repair, since};
use crate::args::{AnswerArgs, Format, PackArgs};
use crate::ends::SourceEnd;
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::output::json::BundleFacts;
use crate::output::report;
use crate::output::units::{bytes, count};
use crate::places::Connection;
use crate::size::{Rate, VolumeSize};
use crate::stop::Stop;
use crate::ui::Ui;

/// How many volumes are written at the same time in a directory: as many as keep a disk and two cores busy.
const WRITERS: usize = 4;
/// What stands for a pipe.
pub(super) const PIPE: &str = "-";

/// Packs releases or a list of images.
pub(crate) async fn run(ui: &Arc<Ui>, args: PackArgs, environment: &mut Environment) -> Result<Exit> {
    let outlet = Outlet::settle("pack", args.output.output, &args.record, args.limits.dry_run)?;
    let packed = pack(ui, &args, &outlet, environment).await;
    report_errors(ui, packed, &outlet, args.limits.dry_run)
}

async fn pack(ui: &Arc<Ui>, args: &PackArgs, outlet: &Outlet, environment: &mut Environment) -> Result<Exit> {
    check(args, environment.stdout_width.is_some())?;
    let opened_by = Chest::check(args)?;
    if let Some(to) = args.to.as_deref().filter(|to| *to != Path::new(PIPE) && layout_of(to).is_none()) {
        let volume_size = args.volume_size.map(|VolumeSize(size)| size);
        BundleWriter::check(&on_disk(to), &Shape { volume_size, opened_by })?;
    }
    let stop = Stop::listen(ui);
    let connection = Connection::read(&args.connection, environment)?;
    let since = since::read(args, environment).await?;
    let shelves = earlier::open(ui, args, environment).await?;
    let request = args.repair.as_deref().map(|path| repair::read(path, args.trust.as_deref())).transpose()?;
    let id = bundle::random_id()?;
    let to = args.to.clone().unwrap_or_else(|| PathBuf::from("a bundle"));
    let mut there = since.clone();
    there.add_left(&left(args.to.as_deref()));
    let nothing = bundle::nothing_yet(&id, there.clone()).await?;
    let goal = Goal::Bundle { path: to.display().to_string(), store: nothing };
    let settled = settle(ui, args, request.as_ref(), &connection, environment, goal);
    let mut job = stop.unless_asked(settled).await??;
    job.mirror.options.bandwidth = args.limits.bandwidth.map(|Rate(rate)| Arc::new(pace(rate)));
    if args.limits.dry_run {
        return rehearse(ui, args, &job, (&since, shelves, request.as_ref()), &stop).await;
    }
    let chest = Chest::of(args, environment)?;
    let mut terms = Terms {
        allow_missing: args.allow_missing,
        max_bytes: args.limits.max_bytes,
        creation: None,
        outlet: outlet.clone(),
    };
    let Begun { missing, plan } = match &request {
        Some(request) => {
            repair::announce(ui, request);
            Begun { missing: Vec::new(), plan: Ok(repair::plan(request)) }
        }
        None => begin(ui, &job, &mut terms, &stop).await?,
    };
    let mut plan = match plan {
        Ok(plan) => plan,
        Err(refused) => return tell(ui, &job, &refused, &missing, Vec::new(), outlet),
    };
    // Where there is no room, nothing is made; and what was thought to be there may turn out to be spoilt.
    check_space(layout_of(&to).unwrap_or(&to), &plan, |digest| there.get(digest).is_some())?;
    if let Some(directory) = layout_of(&to) {
        let transfer =
            Transfer { report: fill_layout(&mut job, plan, directory, &stop).await?, is_refused: false };
        return tell(ui, &job, &transfer, &missing, Vec::new(), outlet);
    }
    let deltas = match request {
        Some(_) => None,
        None => stop.unless_asked(deltas::plan(&job, &plan, &since, shelves, args)).await?,
    };
    let may_be_less = deltas.as_ref().is_some_and(|deltas| deltas.promise.layers > 0);
    fits::check_volumes(args, &plan, &since, may_be_less)?;
    deltas::hold(&job, &mut plan, deltas.as_ref(), args.limits.max_bytes, &stop).await?;
    let base = (&since, deltas.as_ref());
    let writer = open(args, &to, &id, &chest, base, environment).await?;
    if writer.resumed() > 0 {
        ui.status(format_args!("{}: {} are there from before", to.display(), bytes(writer.resumed())));
    }
    check_space(&to, &plan, |digest| writer.has(digest))?;
    job.mirror.target = Arc::new(writer.clone());
    let report = job.mirror.run(plan, stop.receiver()).await;
    let packed = Packed { ui, job: &job, to: &to, request: request.as_ref(), outlet, chest: &chest };
    let finished = packed.finish(writer, &report, &since).await?;
    packed.tell(report, &missing, finished.as_ref(), deltas.as_ref())
}

/// A bundle behind its run.
struct Packed<'a> {
    ui: &'a Arc<Ui>,
    job: &'a Job,
    to: &'a Path,
    request: Option<&'a RepairRequest>,
    outlet: &'a Outlet,
    chest: &'a Chest,
}

impl Packed<'_> {
    /// Finishes the bundle, if what came is worth it.
    async fn finish(&self, writer: BundleWriter, report: &Report, since: &Held) -> Result<Option<Finished>> {
        let contents = match self.request {
            Some(request) if report.images.iter().all(ImageReport::is_there) && !report.interrupted => {
                repair::check(&writer, request).await?;
                repair::contents(request)?
            }
            None if is_worth_it(report) => contents(self.job, report, since)?,
            _ => return Ok(None),
        };
        finish(writer, contents, self.chest).await.map(Some)
    }

    fn tell(
        &self,
        report: Report,
        missing: &[ImageRequest],
        finished: Option<&Finished>,
        deltas: Option<&Deltas>,
    ) -> Result<Exit> {
        let is_to_pipe = self.to == Path::new(PIPE);
        let Chest { key, lock } = self.chest;
        let earlier = deltas.map_or(0, Deltas::read);
        let facts =
            |it| BundleFacts::of_written(self.to, it, key.is_some(), lock.is_some()).with_earlier(earlier);
        let bundles: Vec<BundleFacts> = finished.map(facts).into_iter().collect();
        let exit = match self.request {
            Some(_) => self.tell_repair(report, bundles, is_to_pipe)?,
            None => {
                let transfer = Transfer { report, is_refused: false };
                match is_to_pipe {
                    true => {
                        tell_reports(self.ui, self.job, &transfer, bundles, self.outlet)?;
                        tell_failures(self.ui, self.job, &transfer, missing, false)
                    }
                    false => tell(self.ui, self.job, &transfer, missing, bundles, self.outlet)?,
                }
            }
        };
        match finished {
            Some(finished) => {
                tell_finished(self.ui, self.to, finished);
                let is_shown = !is_to_pipe && self.outlet.format == Format::Text;
                delta_sums::tell(self.ui, &finished.catalogue.deltas(), is_shown)?;
                if earlier > 0 {
                    self.ui.status(format_args!(
                        "{} of earlier layers were read at the source for that",
                        bytes(earlier)
                    ));
                }
            }
            None => {
                self.ui.error(format_args!("{}: the bundle is not finished", self.to.display()));
                self.ui.note(match is_to_pipe {
                    true => "Hint: what came through the pipe is no bundle; begin anew.",
                    false => "Hint: run the same command again; what is whole in it is not fetched again.",
                });
            }
        }
        Ok(exit)
    }

    /// What came of each blob counts as an image; of those that came there is no more to tell than how many.
    fn tell_repair(&self, mut report: Report, bundles: Vec<BundleFacts>, is_to_pipe: bool) -> Result<Exit> {
        let summary = report::blobs(&report);
        report.images.retain(|image| !image.is_there());
        // They count images that are not told of any more.
        report.blobs.clear();
        let transfer = Transfer { report, is_refused: false };
        tell_reports(self.ui, self.job, &transfer, bundles, self.outlet)?;
        if !is_to_pipe && self.outlet.format == Format::Text {
            write(self.ui, &summary)?;
        }
        Ok(tell_failures(self.ui, self.job, &transfer, &[], false))
    }
}

/// Shows what would be packed.
async fn rehearse(
    ui: &Ui,
    args: &PackArgs,
    job: &Job,
    (since, shelves, request): (&Held, Shelves, Option<&RepairRequest>),
    stop: &Stop,
) -> Result<Exit> {
    let layout = args.to.as_deref().and_then(layout_of);
    let wish = DryRun {
        limits: args.limits,
        format: args.output.output,
        bundle: None,
        room: layout.or(args.to.as_deref()),
    };
    let bundle = |deltas: Option<DeltasPlanned>| {
        layout.is_none().then_some(Packing { volume_size: args.volume_size, since, deltas })
    };
    let (plan, bundle) = match request {
        Some(request) => {
            repair::announce(ui, request);
            (repair::plan(request), bundle(None))
        }
        None => {
            let plan = Plan::new(survey(ui, job, stop).await?);
            let deltas = stop.unless_asked(deltas::plan(job, &plan, since, shelves, args)).await?;
            let deltas = deltas.map(|deltas| deltas.promise).filter(|promise| promise.layers > 0);
            fits::check_volumes(args, &plan, since, deltas.is_some())?;
            (plan, bundle(deltas))
        }
    };
    dry_run::pack(ui, job, plan, &DryRun { bundle, ..wish }, stop).await
}

/// Refuses a disk that has no room for what is not there yet.
fn check_space(to: &Path, plan: &Plan, is_there: impl Fn(&Digest) -> bool) -> Result<()> {
    let lacking = plan.blobs.iter().map(|blob| &blob.descriptor).filter(|blob| !is_there(&blob.digest));
    bundle::check_space(to, lacking.map(|blob| blob.size).sum())
}

/// Returns what an unfinished bundle or a layout holds that would be gone on with.
fn left(to: Option<&Path>) -> BTreeMap<Digest, u64> {
    let Some(to) = to.filter(|to| *to != Path::new(PIPE)) else { return BTreeMap::new() };
    match layout_of(to) {
        Some(directory) => LayoutWriter::left(directory),
        None => BundleWriter::left(&on_disk(to)),
    }
}

/// Refuses what makes no sense together, before anything is asked.
fn check(args: &PackArgs, is_terminal: bool) -> Result<()> {
    args.to.as_deref().map_or(Ok(()), prefix::refuse_foreign)?;
    args.to.as_deref().map_or(Ok(()), fits::refuse_compressed)?;
    let is_pipe = args.to.as_deref() == Some(Path::new(PIPE));
    let is_layout = args.to.as_deref().is_some_and(|to| layout_of(to).is_some());
    let is_closed = args.sign.is_some() || !args.encrypt_to.is_empty() || args.encrypt_passphrase;
    if is_layout
        && (is_closed || args.volume_size.is_some() || !args.since.is_empty() || args.repair.is_some())
    {
        return Err(CommandError::usage(
            "a plain OCI image layout has no volumes, no signature and no encryption, and leaves nothing out",
            "Name a bundle with --to, or leave those flags out.",
        ));
    }
    let is_directory = args.to.as_deref().is_some_and(|to| !is_pipe && !is_tar(to));
    if is_pipe && args.output.output == Format::Json {
        return Err(CommandError::usage(
            "the bundle and the report cannot both go to standard output",
            "Leave out --output json, or name a file with --to.",
        ));
    }
    if is_pipe && is_terminal && !args.limits.dry_run {
        return Err(CommandError::usage(
            "a bundle is not for a terminal",
            "Send it somewhere: `sealift pack --to - > FILE` or `| COMMAND`; or name a file or a directory with --to.",
        ));
    }
    if is_pipe && args.sign.is_some() {
        return Err(CommandError::usage(
            "a signature has no place in a pipe",
            "Name a file or a directory with --to, or sign the checksum that is told at the end.",
        ));
    }
    if args.volume_size.is_some() && args.to.is_some() && !is_directory {
        return Err(CommandError::usage(
            "one file has no volumes",
            "Name a directory with --to, or leave out --volume-size.",
        ));
    }
    Ok(())
}

/// `oci:DIRECTORY` is a plain layout, as other tools write it, too.
pub(super) fn layout_of(to: &Path) -> Option<&Path> {
    to.to_str()?.strip_prefix("oci:").map(Path::new)
}

/// Runs a plan into a plain layout.
async fn fill_layout(job: &mut Job, plan: Plan, directory: &Path, stop: &Stop) -> Result<Report> {
    job.mirror.target = Arc::new(layout(job, &plan, directory).await?);
    Ok(job.mirror.run(plan, stop.receiver()).await)
}

/// Opens a plain layout to write to; each image gets its full name at the source.
async fn layout(job: &Job, plan: &Plan, directory: &Path) -> Result<LayoutWriter> {
    let images = plan.groups.iter().flat_map(|group| &group.images).map(|image| &image.request);
    let full = |request: &ImageRequest| -> Option<(RepositoryName, (Registry, RepositoryName))> {
        let (_, repository) = source_names(job, request);
        let (host, path) = repository.split_once('/')?;
        Some((request.target.clone(), (host.parse().ok()?, path.parse().ok()?)))
    };
    let names = LayoutNames::Full(images.filter_map(full).collect());
    let main: RepositoryName = "image".parse().map_err(|error| CommandError::usage(error, "Report this."))?;
    Ok(LayoutWriter::create(directory, &main, names).await?)
}

fn is_tar(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tar"))
}

async fn settle(
    ui: &Arc<Ui>,
    args: &PackArgs,
    request: Option<&RepairRequest>,
    connection: &Connection,
    environment: &mut Environment,
    goal: Goal,
) -> Result<Job> {
    if let Some(request) = request {
        return repair::job(ui, args, request, connection, environment, goal).await;
    }
    let answers = AnswerArgs {
        source: args.source.clone(),
        source_tag: args.source_tag.clone(),
        ..AnswerArgs::default()
    };
    Job::settle(ui, &answers, &args.what, connection, environment, goal).await
}

async fn open(
    args: &PackArgs,
    to: &Path,
    id: &str,
    chest: &Chest,
    (since, deltas): (&Held, Option<&Deltas>),
    environment: &mut Environment,
) -> Result<BundleWriter> {
    let destination = match to {
        path if path == Path::new(PIPE) => {
            Destination::Pipe(environment.stdout_file.take().ok_or_else(|| {
                CommandError::usage("standard output is closed", "Name a file or a directory with --to.")
            })?)
        }
        path => on_disk(path),
    };
    let options = WriterOptions {
        id: id.to_owned(),
        volume_size: args.volume_size.map(|VolumeSize(size)| size),
        writers: WRITERS,
        base: since.clone(),
        lock: chest.lock.clone(),
        deltas: deltas.map(|deltas| Arc::clone(&deltas.plan)),
    };
    Ok(BundleWriter::open(destination, options).await?)
}

fn on_disk(to: &Path) -> Destination {
    if is_tar(to) { Destination::File(to.to_owned()) } else { Destination::Directory(to.to_owned()) }
}

/// A bundle is finished when it holds what was wanted and is at the source. One that failed half-way is gone on
/// with when the same command is run again.
fn is_worth_it(report: &Report) -> bool {
    let is_open = |image: &ImageReport| matches!(image.outcome, Outcome::Failed(_) | Outcome::Interrupted);
    !report.interrupted
        && !report.images.iter().any(is_open)
        && report.images.iter().any(ImageReport::is_there)
}

fn contents(job: &Job, report: &Report, since: &Held) -> Result<Contents> {
    let mut images: Vec<Image> = Vec::new();
    let mut sources: BTreeMap<RepositoryName, String> = BTreeMap::new();
    for image in report.images.iter().filter(|image| image.is_there()) {
        let Some(digest) = image.digest else { continue };
        let request = &image.request;
        let (source, repository) = source_names(job, &image.request);
        sources.insert(request.target.clone(), repository);
        images.push(Image {
            name: request.name.clone(),
            repository: request.target.clone(),
            tag: request.tag.clone(),
            digest,
            source,
            group: image.group.clone(),
            gate: request.gate,
            platforms: image.platforms.clone(),
        });
    }
    let builds_on = since.ids().map(str::to_owned).collect();
    Ok(Contents { created: bundle::now()?, tool: bundle::tool(), images, sources, builds_on })
}

async fn finish(writer: BundleWriter, contents: Contents, chest: &Chest) -> Result<Finished> {
    let comment = format!("sealift bundle of {}", contents.created);
    let sign = chest
        .key
        .as_ref()
        .map(|key: &SecretKey| move |path: &Path, sums: &[u8]| key.sign(path, sums, &comment));
    Ok(writer.finish(contents, sign.as_ref().map(|sign| sign as _)).await?)
}

/// Names an image and its repository at the source, with the registry.
fn source_names(job: &Job, request: &ImageRequest) -> (String, String) {
    let name = job.ends.names.of(request);
    let name = match &job.ends.source {
        SourceEnd::Place(place) => format!("{}/{name}", place.registry),
        _ => name,
    };
    let behind = request.reference.to_string().len() + 1;
    let repository = name[..name.len().saturating_sub(behind)].to_owned();
    (name, repository)
}

fn tell_finished(ui: &Ui, to: &Path, finished: &Finished) {
    let size = finished.volumes.iter().map(|(_, size)| size).sum();
    let catalogue = &finished.catalogue;
    let bases: HashSet<&Digest> = catalogue.content.iter().flat_map(|content| &content.bases).collect();
    let needed = catalogue.repositories.iter().flat_map(|repository| &repository.blobs);
    let needed: HashSet<&Digest> = needed.collect();
    // What only deltas build on is nothing that was left out.
    let is_needed = |digest: &Digest| needed.contains(digest) || !bases.contains(digest);
    let left_out = catalogue.content.iter().filter(|it| it.at.is_empty() && is_needed(&it.digest));
    let left_out: u64 = left_out.map(|content| content.size).sum();
    let volumes = count(finished.volumes.len(), "volume");
    ui.status(format_args!("{}: {volumes}, {}; bundle {}", to.display(), bytes(size), finished.catalogue.id));
    if left_out > 0 {
        ui.status(format_args!("{} are left out: the other side has them", bytes(left_out)));
    }
    if let Some(checksum) = &finished.checksum {
        ui.status(format_args!("SHA-256: {}", checksum.trim_end()));
    }
}
