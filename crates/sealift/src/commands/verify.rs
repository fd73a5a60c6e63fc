//! `sealift verify`: looks at the target again and believes nothing that a run said.

use std::sync::Arc;

use sealift_mirror::{Verdict, Verification};

use super::job::{Goal, Job};
use super::mirror::write;
use super::record::Outlet;
use super::{Result, verify_bundle, verify_directory};
use crate::args::{Format, VerifyArgs};
use crate::ends::SourceEnd;
use crate::environment::Environment;
use crate::errors::{Advice, Exit, exit_of};
use crate::output::{failures, json, verification};
use crate::places::Connection;
use crate::stop::Stop;
use crate::ui::Ui;

/// Compares what the target has with the source, digest by digest.
pub(crate) async fn run(ui: &Arc<Ui>, args: VerifyArgs, environment: &mut Environment) -> Result<Exit> {
    if let Some(directory) = args.bundle.as_deref().filter(|path| verify_directory::is_one(path)) {
        return verify_directory::run(ui, directory, &args).await;
    }
    if let Some(bundle) = args.bundle.clone() {
        verify_directory::refuse_begun(&bundle)?;
        return verify_bundle::run(ui, &bundle, &args, environment).await;
    }
    let outlet = Outlet::settle("verify", args.output.output, &args.record, false)?;
    let verified = verify(ui, &args, &outlet, environment).await;
    if let Err(error) = &verified {
        outlet.tell(ui, &json::VerificationReport::of_error(outlet.run(), error, args.deep))?;
    }
    verified.map(|exit| outlet.ending(exit))
}

async fn verify(
    ui: &Arc<Ui>,
    args: &VerifyArgs,
    outlet: &Outlet,
    environment: &mut Environment,
) -> Result<Exit> {
    let stop = Stop::listen(ui);
    let connection = Connection::read(&args.connection, environment)?;
    let settled = Job::settle(ui, &args.answers, &args.what, &connection, environment, Goal::Registry);
    let job = stop.unless_asked(settled).await??;
    compare(ui, &job, args.deep, outlet, &stop).await
}

/// Compares everything that is selected, and tells what was found.
pub(super) async fn compare(ui: &Ui, job: &Job, deep: bool, outlet: &Outlet, stop: &Stop) -> Result<Exit> {
    job.announce(ui);
    let found = stop.unless_asked(job.mirror.verify(&job.selection, deep)).await?;
    let exit = exit(&found);
    if outlet.format == Format::Text {
        write(ui, &verification::text(&found, deep, ui.width()))?;
    }
    outlet.tell(ui, &json::VerificationReport::new(outlet.run(), &job.ends, &found, deep, exit))?;
    tell(ui, job, &found);
    Ok(exit)
}

fn tell(ui: &Ui, job: &Job, found: &Verification) {
    let failed = found.images.iter().filter_map(|image| match &image.verdict {
        Verdict::Failed(error) => Some((&image.request, error)),
        _ => None,
    });
    failures::tell(ui, &failures::gather(&job.ends, failed));
    let is = |wanted: fn(&Verdict) -> bool| found.images.iter().any(|image| wanted(&image.verdict));
    if is(|verdict| matches!(verdict, Verdict::Missing)) {
        ui.error(format_args!("images are missing at the source {}", job.ends.source.registries()));
        ui.note(match &job.ends.source {
            SourceEnd::Place(_) => "Hint: --image NAME names the images to look at.",
            SourceEnd::List(_) | SourceEnd::Repair(_) => "Hint: check their names.",
            SourceEnd::Bundle(_) => "Hint: `sealift inspect` shows what the bundle has.",
        });
    }
    if is(|verdict| matches!(verdict, Verdict::Wrong(_))) {
        ui.error(format_args!("the target {} differs from the source", job.ends.target.name()));
        ui.note("Hint: a tag or an attachment that is wrong or not there comes with `sealift mirror` and the same answers, and a blob that is not there with --recheck; what has wrong content must be deleted at the target first.");
    }
}

/// A difference is what was looked for, so it counts more than what could not be compared.
fn exit(found: &Verification) -> Exit {
    if found.images.iter().any(|image| matches!(image.verdict, Verdict::Wrong(_))) {
        return Exit::Difference;
    }
    exit_of(found.images.iter().filter_map(|image| match &image.verdict {
        Verdict::Failed(error) => Some(Advice::of(error).exit),
        Verdict::Missing => Some(Exit::Missing),
        Verdict::Right | Verdict::NotPart | Verdict::Wrong(_) => None,
    }))
}
