//! `sealift verify BUNDLE`: every byte of a bundle, at the speed of the disk.

use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use sealift_bundle::{Bundle, Finding, OpenOptions, Scope, Verified, verify, verify_open};

use super::mirror::write;
use super::{Result, bundle};
use crate::args::{Format, VerifyArgs};
use crate::environment::Environment;
use crate::errors::Exit;
use crate::output::json;
use crate::output::units::{bytes, count, seconds};
use crate::stop::Stop;
use crate::ui::Ui;

/// Checks a bundle and tells everything that is wrong with it.
pub(super) async fn run(
    ui: &Arc<Ui>,
    path: &Path,
    args: &VerifyArgs,
    environment: &mut Environment,
) -> Result<Exit> {
    let checked = check(ui, path, args, environment).await;
    let exit = match &checked {
        Ok(verified) => exit(verified),
        Err(error) => error.exit(),
    };
    if args.output.output == Format::Json {
        write(ui, &json::text(&json::BundleVerification::new(path, checked.as_ref(), exit)))?;
    }
    tell(ui, path, &checked?, args.output.output)?;
    Ok(exit)
}

async fn check(
    ui: &Arc<Ui>,
    path: &Path,
    args: &VerifyArgs,
    environment: &mut Environment,
) -> Result<Verified> {
    let stop = Stop::listen(ui);
    let is_interactive = environment.is_interactive;
    let cores = cores();
    let (began, told) = (Instant::now(), Arc::clone(ui));
    let check = async |options: &OpenOptions| {
        let options = match args.open.identity.is_empty() && !is_interactive {
            // Nothing can open what is encrypted: then the checksums are all that can be checked.
            true => &OpenOptions { unlock: None, ..options.clone() },
            false => options,
        };
        verify(path, options, cores, Arc::new(|_, _| {})).await
    };
    let verified = stop.unless_asked(bundle::with_keys(path, &args.open, environment, check)).await??;
    told.detail(format_args!("{} read in {}", bytes(verified.bytes), seconds(began.elapsed())));
    Ok(verified)
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Looks at every byte of a bundle that is open and tells what is wrong; returns whether anything is.
pub(super) async fn examine(ui: &Ui, opened: &Bundle) -> Result<bool> {
    let verified = verify_open(opened, cores(), Arc::new(|_, _| {})).await?;
    tell_findings(ui, &verified);
    Ok(!verified.findings.is_empty())
}

fn exit(verified: &Verified) -> Exit {
    match (verified.findings.is_empty(), verified.scope) {
        (false, _) => Exit::Difference,
        (true, Scope::Nothing) => Exit::Access,
        (true, _) => Exit::Success,
    }
}

/// Names what is wrong, where, and the images that it hits.
fn tell_findings(ui: &Ui, verified: &Verified) {
    let images: Vec<_> = verified.bundle.iter().flat_map(|opened| &opened.catalogue().images).collect();
    for finding in &verified.findings {
        ui.error(place(finding));
        for image in finding.images.iter().filter_map(|at| images.get(*at)) {
            ui.note(format_args!("hits {}", image.source));
        }
    }
}

fn tell(ui: &Ui, path: &Path, verified: &Verified, format: Format) -> Result<()> {
    tell_findings(ui, verified);
    let what = match verified.scope {
        Scope::Everything => "every byte is as it was packed",
        Scope::Checksums => "every file has its checksum; --identity lets the content be checked, too",
        Scope::Nothing => "it is encrypted and has no checksums: nothing could be checked without --identity",
    };
    match verified.findings.len() {
        0 if format == Format::Text => {
            write(ui, &format!("{}: {what} ({}).\n", path.display(), bytes(verified.bytes)))
        }
        0 => Ok(()),
        findings => {
            ui.note(format_args!(
                "Hint: {} found. Copy the files that are named again from where they came, or load what is whole: `sealift load` leaves out the images that are hit.",
                count(findings, "difference")
            ));
            Ok(())
        }
    }
}

fn place(finding: &Finding) -> String {
    let Finding { path, position, what, .. } = finding;
    match position {
        Some(position) => format!("{}: at byte {position}: {what}", path.display()),
        None => format!("{}: {what}", path.display()),
    }
}
