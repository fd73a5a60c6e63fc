//! `sealift mirror`: survey, plan, run, report.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sealift_mirror::{
    ImageReport, ImageRequest, Journal, Outcome, Plan, Report, Spool, State, Survey, Surveyed,
};
use sealift_store::Pace;

use super::creation::Creation;
use super::documents::check_directory;
use super::dry_run::DryRun;
use super::job::{Goal, Job};
use super::record::Outlet;
use super::{Result, dry_run, save};
use crate::args::{BundleLimitArgs, Format, MirrorArgs};
use crate::ends::{Ends, SourceEnd};
use crate::environment::Environment;
use crate::errors::{Advice, CommandError, Exit, exit_of};
use crate::journal::{DiskJournal, default_directory};
use crate::output::failures::{self, Failure};
use crate::output::json::BundleFacts;
use crate::output::units::count;
use crate::output::{json, report};
use crate::places::Connection;
use crate::size::{Rate, Size};
use crate::spool::DiskSpool;
use crate::stop::Stop;
use crate::ui::Ui;

/// Mirrors releases from one registry into another.
pub(crate) async fn run(ui: &Arc<Ui>, args: MirrorArgs, environment: &mut Environment) -> Result<Exit> {
    let outlet = Outlet::settle("mirror", args.output.output, &args.record, args.dry_run)?;
    let mirrored = mirror(ui, &args, &outlet, environment).await;
    report_errors(ui, mirrored, &outlet, args.dry_run)
}

/// A run that failed early is a document, too, where one was asked for.
pub(super) fn report_errors(ui: &Ui, done: Result<Exit>, outlet: &Outlet, is_dry_run: bool) -> Result<Exit> {
    match &done {
        Err(error) if !is_dry_run => outlet.tell(ui, &json::Report::of_error(outlet.run(), error))?,
        Err(error) if outlet.format == Format::Json => {
            write(ui, &json::text(&json::PlanReport::of_error(error)))?;
        }
        _ => {}
    }
    done.map(|exit| outlet.ending(exit))
}

async fn mirror(
    ui: &Arc<Ui>,
    args: &MirrorArgs,
    outlet: &Outlet,
    environment: &mut Environment,
) -> Result<Exit> {
    args.save.as_deref().map(save::check).transpose()?;
    let stop = Stop::listen(ui);
    let connection = Connection::read(&args.connection, environment)?;
    let settled = Job::settle(ui, &args.answers, &args.what, &connection, environment, Goal::Registry);
    let mut job = stop.unless_asked(settled).await??;
    args.save.as_deref().map(|path| save::save(ui, path, &job.kept, &args.connection)).transpose()?;
    job.mirror.options.recheck = args.recheck;
    if args.foreign_urls {
        job.mirror.options.foreign = Some(connection.foreign_layers(job.foreign_registry()?)?);
    }
    job.mirror.options.bandwidth = args.bandwidth.map(|Rate(rate)| Arc::new(pace(rate)));
    check_kept(args)?;
    if args.dry_run {
        let limits = BundleLimitArgs {
            dry_run: true,
            max_bytes: args.max_bytes,
            bandwidth: args.bandwidth,
            memory: None,
        };
        let wish = DryRun { limits, format: args.output.output, bundle: None, room: None };
        return dry_run::show(ui, &job, &wish, &stop).await;
    }
    let creation = args.create_repositories.then(|| Creation::new(&job, &connection, &environment.variables));
    job.mirror.options.journal = journal(ui, args.state.as_deref(), environment)?;
    job.mirror.options.spool = args.spool.as_deref().map(|it| spool(it, args.spool_max)).transpose()?;
    let terms = Terms {
        allow_missing: args.allow_missing,
        max_bytes: args.max_bytes,
        creation: creation.transpose()?,
        outlet: outlet.clone(),
    };
    transfer(ui, &job, terms, &stop).await
}

/// Refuses directories that were named and cannot be used; a dry run does, too, and makes none.
fn check_kept(args: &MirrorArgs) -> Result<()> {
    if let Some(state) = args.state.as_deref().filter(|it| *it != Path::new("none")) {
        check_directory(&DiskJournal::directory(state)).map_err(|error| unusable_state(state, &error))?;
    }
    let spool = args.spool.as_deref();
    spool.map_or(Ok(()), |it| check_directory(it).map_err(|error| unusable_spool(it, &error)))
}

fn unusable_state(directory: &Path, error: &io::Error) -> CommandError {
    CommandError::usage(
        format_args!("--state {}: {error}", directory.display()),
        "Name a directory to write to; `--state none` remembers nothing.",
    )
}

fn unusable_spool(directory: &Path, error: &io::Error) -> CommandError {
    CommandError::usage(
        format_args!("--spool {}: {error}", directory.display()),
        "Name a directory to write to.",
    )
}

/// Opens the journal. Only a directory that was named has to be usable.
fn journal(ui: &Ui, state: Option<&Path>, environment: &Environment) -> Result<Option<Arc<dyn Journal>>> {
    let default = default_directory(&environment.variables);
    let Some(directory) = state.or(default.as_deref()).filter(|it| *it != Path::new("none")) else {
        return Ok(None);
    };
    match DiskJournal::open(directory, SystemTime::now()) {
        Ok(journal) => Ok(Some(Arc::new(journal))),
        Err(error) if state.is_some() => Err(unusable_state(directory, &error)),
        Err(error) => {
            ui.detail(format_args!(
                "{}: {error}; unfinished uploads are not remembered",
                directory.display()
            ));
            Ok(None)
        }
    }
}

fn spool(directory: &Path, limit: Size) -> Result<Arc<dyn Spool>> {
    match DiskSpool::open(directory, limit.0, SystemTime::now()) {
        Ok(spool) => Ok(Arc::new(spool)),
        Err(error) => Err(unusable_spool(directory, &error)),
    }
}

/// How late a piece may come without slowing the rest down: timers and busy machines are no better.
const LATENESS: Duration = Duration::from_millis(50);

/// No line is so fast that a float would lose bytes.
#[allow(clippy::cast_precision_loss)]
pub(super) fn pace(bytes_per_second: u64) -> Pace {
    Pace::new(bytes_per_second as f64).with_slack(LATENESS)
}

/// Under which terms a transfer is done.
#[derive(Debug)]
pub(super) struct Terms {
    /// Go on without images that the source lacks.
    pub(super) allow_missing: bool,
    /// How much may be fetched.
    pub(super) max_bytes: Option<Size>,
    /// What makes the target's repositories, where that is wanted.
    pub(super) creation: Option<Creation>,
    /// Where it tells what came of it.
    pub(super) outlet: Outlet,
}

/// What came of a transfer.
pub(crate) struct Transfer {
    pub(crate) report: Report,
    /// Nothing was begun: images are missing at the source, or nothing could be found out.
    pub(crate) is_refused: bool,
}

/// Brings everything that is selected, and tells what came of it.
pub(super) async fn transfer(ui: &Ui, job: &Job, mut terms: Terms, stop: &Stop) -> Result<Exit> {
    let Begun { missing, plan } = begin(ui, job, &mut terms, stop).await?;
    let transfer = match plan {
        Err(refused) => refused,
        Ok(plan) => {
            if let Some(creation) = &mut terms.creation {
                stop.unless_asked(creation.make(ui, &plan)).await??;
            }
            Transfer { report: job.mirror.run(plan, stop.receiver()).await, is_refused: false }
        }
    };
    tell(ui, job, &transfer, &missing, Vec::new(), &terms.outlet)
}

/// What is found before anything moves.
pub(super) struct Begun {
    /// The images that the source lacks.
    pub(super) missing: Vec<ImageRequest>,
    /// What is to be done; or that nothing is.
    pub(super) plan: std::result::Result<Plan, Transfer>,
}

/// Finds out what is to be done, and whether the terms allow it.
pub(super) async fn begin(ui: &Ui, job: &Job, terms: &mut Terms, stop: &Stop) -> Result<Begun> {
    let mut survey = survey(ui, job, stop).await?;
    let missing: Vec<ImageRequest> = survey.missing().cloned().collect();
    let is_short = !missing.is_empty() && !terms.allow_missing;
    if let Some(creation) = terms.creation.as_mut().filter(|_| !is_short) {
        survey = creation.admit(ui, job, survey, terms.max_bytes, stop).await?;
    }
    let plan = match is_short || is_hopeless(&survey) {
        true => Err(Transfer { report: refusal(survey), is_refused: true }),
        false => Ok(plan(job, survey, terms.max_bytes, stop).await?),
    };
    Ok(Begun { missing, plan })
}

/// Tells what came of a transfer, and how the process ends.
pub(super) fn tell(
    ui: &Ui,
    job: &Job,
    transfer: &Transfer,
    missing: &[ImageRequest],
    bundles: Vec<BundleFacts>,
    outlet: &Outlet,
) -> Result<Exit> {
    let has_table = outlet.format == Format::Text && !transfer.is_refused;
    if has_table {
        write(ui, &report::text(&transfer.report, ui.width()))?;
    }
    tell_reports(ui, job, transfer, bundles, outlet)?;
    // The table names them.
    Ok(tell_failures(ui, job, transfer, missing, has_table))
}

/// Writes the document, and the reports that are kept.
pub(super) fn tell_reports(
    ui: &Ui,
    job: &Job,
    transfer: &Transfer,
    bundles: Vec<BundleFacts>,
    outlet: &Outlet,
) -> Result<()> {
    let document = json::Report::new(outlet.run(), &job.ends, transfer, transfer.exit());
    outlet.tell(ui, &document.with_bundles(bundles))
}

/// Tells what went wrong, and how the process ends.
pub(super) fn tell_failures(
    ui: &Ui,
    job: &Job,
    transfer: &Transfer,
    missing: &[ImageRequest],
    is_named: bool,
) -> Exit {
    let exit = transfer.exit();
    tell_platforms(ui, job, &transfer.report);
    tell_missing(ui, job, missing, is_named, transfer);
    failures::tell(ui, &transfer.failures(&job.ends));
    if exit == Exit::Interrupted {
        ui.error("interrupted");
        ui.note("Hint: run the same command again to go on: what arrived is not moved again.");
    }
    exit
}

/// Looks up what both places have.
pub(super) async fn survey(ui: &Ui, job: &Job, stop: &Stop) -> Result<Survey> {
    job.announce(ui);
    stop.unless_asked(job.mirror.survey(&job.selection)).await
}

/// Plans what was found, within the limit.
async fn plan(job: &Job, survey: Survey, limit: Option<Size>, stop: &Stop) -> Result<Plan> {
    let mut plan = Plan::new(survey);
    dry_run::hold(job, &mut plan, limit, stop).await?;
    Ok(plan)
}

pub(super) fn write(ui: &Ui, text: &str) -> Result<()> {
    ui.data(text).map_err(|error| CommandError::Machine("standard output cannot be written", error))
}

/// Tells whether no image can come: a place that does not answer fails them all.
fn is_hopeless(survey: &Survey) -> bool {
    let mut states = survey.groups.iter().flat_map(|group| &group.images).map(|image| &image.state);
    let has_failed = states.clone().any(|state| matches!(state, State::Failed(_)));
    has_failed && !states.any(|state| matches!(state, State::Found(_)))
}

/// Reports on a survey after which nothing was begun.
fn refusal(survey: Survey) -> Report {
    let groups = survey.groups.into_iter();
    let images = groups.flat_map(|group| {
        let name = group.name;
        group.images.into_iter().map(move |image| surveyed(image, name.clone()))
    });
    Report { images: images.collect(), ..Report::default() }
}

fn surveyed(image: Surveyed, group: Option<String>) -> ImageReport {
    let mut digest = None;
    let outcome = match image.state {
        State::Found(found) => {
            digest = Some(found.root.digest);
            if found.graph.is_some() { Outcome::Interrupted } else { Outcome::AlreadyThere }
        }
        State::Missing => Outcome::Missing,
        State::NotPart => Outcome::NotPart,
        State::Failed(error) => Outcome::Failed(error),
    };
    let zero = std::time::Duration::ZERO;
    let (platforms, skipped) = (Vec::new(), Vec::new());
    ImageReport {
        request: image.request,
        group,
        digest,
        platforms,
        outcome,
        moved: 0,
        mounted: 0,
        present: 0,
        elapsed: zero,
        attachments: Vec::new(),
        skipped,
    }
}

/// Warns of images for one platform that is not the one that was asked for: `--platform` only chooses among
/// several.
fn tell_platforms(ui: &Ui, job: &Job, report: &Report) {
    let Some(wanted) = &job.mirror.options.platform else { return };
    let is_other = |image: &&ImageReport| {
        !image.platforms.is_empty() && !image.platforms.iter().any(|offered| wanted.accepts(offered))
    };
    for image in report.images.iter().filter(is_other) {
        let platforms: Vec<String> = image.platforms.iter().map(ToString::to_string).collect();
        let name = job.ends.names.of(&image.request);
        ui.warning(format_args!("{name} is for {}, not for {wanted}", platforms.join(", ")));
    }
}

fn tell_missing(ui: &Ui, job: &Job, missing: &[ImageRequest], is_named: bool, transfer: &Transfer) {
    if missing.is_empty() {
        return;
    }
    let registries = job.ends.source.registries();
    let what = if transfer.is_refused { "; nothing was moved" } else { "" };
    ui.error(format_args!("{} missing at the source {registries}{what}", are(missing.len())));
    for image in missing.iter().filter(|_| !is_named) {
        ui.note(job.ends.names.of(image));
    }
    if let Some(hint) = missing_hint(&job.ends, transfer) {
        ui.note(format_args!("Hint: {hint}"));
    }
}

fn missing_hint(ends: &Ends, transfer: &Transfer) -> Option<String> {
    let outcomes: Vec<&Outcome> = transfer.report.wanted().map(|image| &image.outcome).collect();
    if matches!(ends.source, SourceEnd::List(_)) {
        let hint = "check their names; --allow-missing goes on without them.";
        return transfer.is_refused.then(|| hint.to_owned());
    }
    if outcomes.iter().all(|outcome| matches!(outcome, Outcome::Missing)) {
        let registries = ends.source.registries();
        return Some(format!(
            "nothing has that tag there: check it; `sealift releases --source-registry {registries}` lists the releases that are there."
        ));
    }
    if transfer.is_refused {
        return Some(
            "--allow-missing goes on without them; --image NAME names the images to take.".to_owned(),
        );
    }
    let is_withheld = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Withheld));
    is_withheld.then(|| {
        "arc-controller gets its tag when all that is wanted of its release is there: name the wanted images with --image, without the missing ones.".to_owned()
    })
}

fn are(number: usize) -> String {
    format!("{} {}", count(number, "image"), if number == 1 { "is" } else { "are" })
}

impl Transfer {
    /// Puts images together that failed for the same reason.
    pub(crate) fn failures(&self, ends: &Ends) -> Vec<Failure<'_>> {
        failures::gather(
            ends,
            self.report.images.iter().filter_map(|image| match &image.outcome {
                Outcome::Failed(error) => Some((&image.request, error)),
                _ => None,
            }),
        )
    }

    /// Puts the images together that the source lacks.
    pub(crate) fn lacking(&self, ends: &Ends) -> Vec<Failure<'_>> {
        let images = self.report.images.iter().filter(|it| matches!(it.outcome, Outcome::Missing));
        let hint = missing_hint(ends, self);
        failures::lacking(ends, images.map(|image| &image.request), hint.as_deref())
    }

    pub(super) fn exit(&self) -> Exit {
        let is_short = |image: &ImageReport| !image.is_there();
        if self.report.interrupted && self.report.wanted().any(is_short) {
            return Exit::Interrupted;
        }
        let is_missing = |image: &ImageReport| matches!(image.outcome, Outcome::Missing);
        if self.is_refused && self.report.images.iter().any(is_missing) {
            return Exit::Missing;
        }
        let exit = exit_of(self.report.images.iter().filter_map(|image| match &image.outcome {
            Outcome::Failed(error) => Some(Advice::of(error).exit),
            Outcome::Missing => Some(Exit::Missing),
            _ => None,
        }));
        // What is withheld hangs on another image that failed; should it ever not, the run is no success.
        if exit == Exit::Success && self.report.wanted().any(is_short) { Exit::Failed } else { exit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_store::{Error, ErrorKind, Operation, Side};

    fn image(outcome: Outcome) -> ImageReport {
        let request = ImageRequest {
            name: "a".to_owned(),
            source: "s/a".parse().unwrap(),
            reference: "v1".parse().unwrap(),
            target: "t/a".parse().unwrap(),
            tag: None,
            optional: false,
            gate: false,
        };
        let state = State::Missing;
        ImageReport { outcome, ..surveyed(Surveyed { request, state }, None) }
    }

    fn failed(kind: ErrorKind, side: Side) -> Outcome {
        Outcome::Failed(Arc::new(Error::new(kind, Operation::FetchBlob).on(side)))
    }

    #[test]
    fn how_a_run_ends() {
        use ErrorKind::{Denied, Mismatch, NotFound, Unauthenticated, Unavailable};
        use Outcome::{AlreadyThere, Arrived, Interrupted, Missing, NotPart, Withheld};
        use Side::{Source, Target};
        let cases = [
            (vec![], false, Exit::Success),
            (vec![Arrived, AlreadyThere, NotPart], false, Exit::Success),
            (vec![Arrived, AlreadyThere], true, Exit::Success),
            (vec![Arrived, Interrupted], true, Exit::Interrupted),
            (vec![Arrived, Missing, Withheld], false, Exit::Missing),
            (vec![Arrived, failed(NotFound, Source), Withheld], false, Exit::Missing),
            (vec![failed(NotFound, Target)], false, Exit::Failed),
            (vec![failed(Denied, Target), failed(Unauthenticated, Target)], false, Exit::Access),
            (vec![failed(Mismatch, Source), Withheld], false, Exit::Difference),
            (vec![failed(Mismatch, Source), Missing], false, Exit::Failed),
            (vec![failed(Unavailable, Source)], false, Exit::Failed),
        ];
        for (outcomes, interrupted, expected) in cases {
            let images = outcomes.into_iter().map(image).collect();
            let report = Report { images, interrupted, ..Report::default() };
            let exit = Transfer { report, is_refused: false }.exit();
            assert_eq!(exit, expected);
        }
        let images = vec![image(Missing), image(failed(Unavailable, Source))];
        let report = Report { images, ..Report::default() };
        assert_eq!(Transfer { report, is_refused: true }.exit(), Exit::Missing);
    }
}
