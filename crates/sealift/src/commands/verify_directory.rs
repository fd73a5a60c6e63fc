//! `sealift verify DIRECTORY`: every byte of the directory of a registry, and whether everything is there that
//! its manifests link to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use sealift_bundle::bundles_below;
use sealift_store::{Check, Depth, DirectoryStore};

use super::Result;
use super::mirror::write;
use super::record::Outlet;
use crate::args::{Format, VerifyArgs};
use crate::errors::{CommandError, Exit};
use crate::output::json::DirectoryVerification;
use crate::output::units::{bytes, count};
use crate::stop::Stop;
use crate::ui::Ui;

/// How many bundles a message names; a directory can have many.
const NAMED: usize = 5;

/// Tells whether a path is a directory with repositories in it, and no bundle.
pub(super) fn is_one(path: &Path) -> bool {
    DirectoryStore::open(path).is_ok_and(|store| store.is_in_use())
}

/// Refuses the directory of a registry into which nothing has come whole.
pub(super) fn refuse_begun(path: &Path) -> Result<()> {
    match DirectoryStore::open(path).is_ok_and(|store| store.is_begun()) {
        true => Err(CommandError::usage(
            format_args!(
                "{}: it is the directory of a registry, and no image in it is whole yet",
                path.display()
            ),
            "Run `sealift load --into` again: it goes on where it was stopped.",
        )),
        false => Ok(()),
    }
}

/// Says what a directory is that is no bundle, where it is something else that is known.
pub(super) async fn instead(path: &Path) -> Option<CommandError> {
    let shown = path.display();
    if is_one(path) {
        return Some(CommandError::usage(
            format_args!("{shown}: it is the directory of a registry, and no bundle"),
            format_args!(
                "`sealift verify {shown}` checks it. To take images out of it, run `sealift serve {shown}`, and name that registry as the source of `sealift pack` or `sealift mirror`."
            ),
        ));
    }
    if let Err(begun) = refuse_begun(path) {
        return Some(begun);
    }
    let below = below(path).await;
    (!below.is_empty()).then(|| {
        CommandError::usage(
            format_args!("{shown}: it is no bundle itself; below it lie {}", listed(&below)),
            "Name what is meant.",
        )
    })
}

/// Lists bundles and layouts below a directory.
async fn below(path: &Path) -> Vec<PathBuf> {
    let root = path.to_owned();
    let found = tokio::task::spawn_blocking(move || bundles_below(&root).unwrap_or_default());
    found.await.unwrap_or_default()
}

fn listed(paths: &[PathBuf]) -> String {
    let named: Vec<String> = paths.iter().take(NAMED).map(|path| path.display().to_string()).collect();
    let more = paths.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

/// Checks a directory and tells everything that is wrong with it.
pub(super) async fn run(ui: &Arc<Ui>, path: &Path, args: &VerifyArgs) -> Result<Exit> {
    if args.open.trust.is_some() {
        return Err(CommandError::usage(
            format_args!("{} is the directory of a registry, which has no signature", path.display()),
            "Leave --trust out.",
        ));
    }
    let outlet = Outlet::settle("verify", args.output.output, &args.record, false)?;
    let checked = check(ui, path).await;
    let exit = match &checked {
        Ok(found) if found.findings.is_empty() => Exit::Success,
        Ok(_) => Exit::Difference,
        Err(error) => error.exit(),
    };
    outlet.tell(ui, &DirectoryVerification::new(outlet.run(), path, checked.as_ref(), exit))?;
    tell(ui, path, &checked?, outlet.format)?;
    let below = below(path).await;
    if !below.is_empty() {
        ui.warning(format_args!("bundles and layouts below it were not looked at: {}", listed(&below)));
        ui.note("Hint: `sealift verify` checks each of them by its own name.");
    }
    Ok(outlet.ending(exit))
}

async fn check(ui: &Arc<Ui>, path: &Path) -> Result<Check> {
    let stop = Stop::listen(ui);
    let directory = DirectoryStore::open(path)?;
    let threads = available_parallelism().map_or(1, usize::from);
    Ok(stop.unless_asked(directory.check(Depth::Thorough { threads })).await??)
}

fn tell(ui: &Ui, path: &Path, check: &Check, format: Format) -> Result<()> {
    for finding in &check.findings {
        ui.error(finding);
    }
    match check.findings.len() {
        0 if format == Format::Text => {
            let manifests = count(usize::try_from(check.manifests).unwrap_or(usize::MAX), "manifest");
            let (path, bytes) = (path.display(), bytes(check.bytes));
            write(ui, &format!("{path}: {manifests} and all they link to are whole ({bytes}).\n"))
        }
        0 => Ok(()),
        faults => {
            ui.note(format_args!(
                "Hint: {} found. Push the images that are hit again; `sealift load BUNDLE --into {} --recheck` brings back what bundles have.",
                count(faults, "fault"),
                path.display()
            ));
            Ok(())
        }
    }
}
