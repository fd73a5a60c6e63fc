//! `sealift verify BUNDLE`: every byte of a bundle or a plain OCI image layout, at the speed of the disk.

use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use sealift_bundle::{Finding, OpenOptions, Scope, Verified, verify, verify_open};

use super::freight::Freight;
use super::mirror::write;
use super::record::Outlet;
use super::{Result, bundle, freight};
use crate::args::{Format, VerifyArgs};
use crate::environment::Environment;
use crate::errors::Exit;
use crate::observe::reading;
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
    let outlet = Outlet::settle("verify", args.output.output, &args.record, false)?;
    let checked = check(ui, path, args, environment).await;
    let exit = match &checked {
        Ok(verified) => exit(verified),
        Err(error) => error.exit(),
    };
    outlet.tell(ui, &json::BundleVerification::new(outlet.run(), path, checked.as_ref(), exit))?;
    tell(ui, path, &checked?, args.output.output)?;
    Ok(outlet.ending(exit))
}

async fn check(
    ui: &Arc<Ui>,
    path: &Path,
    args: &VerifyArgs,
    environment: &mut Environment,
) -> Result<Verified> {
    let stop = Stop::listen(ui);
    freight::refuse_unreadable(path)?;
    let is_interactive = environment.is_interactive;
    let cores = cores();
    let (began, told) = (Instant::now(), Arc::clone(ui));
    let work = async {
        // What is a bundle as well is looked at as one: nothing else finds every byte that is wrong.
        let path = freight::bundle_named(ui, path).await?.unwrap_or(path);
        let check = async |options: &OpenOptions| {
            let options = match args.open.identity.is_empty() && !is_interactive {
                // Nothing can open what is encrypted: then the checksums are all that can be checked.
                true => &OpenOptions { unlock: None, ..options.clone() },
                false => options,
            };
            let options = &OpenOptions { progress: Some(reading(ui)), ..options.clone() };
            verify(path, options, cores, reading(ui)).await
        };
        let verified = match freight::is_layout_named(path) {
            true => Err(freight::no_bundle(path)),
            false => bundle::with_keys(path, &args.open, environment, check).await,
        };
        match verified {
            Ok(verified) => Ok(verified),
            Err(error) => {
                let layout = freight::layout_instead(path, error, &args.open).await?;
                Ok(layout.verify(cores, reading(ui)).await?)
            }
        }
    };
    let verified: Result<Verified> = stop.unless_asked(work).await?;
    let verified = verified?;
    told.detail(format_args!("{} read in {}", bytes(verified.bytes), seconds(began.elapsed())));
    Ok(verified)
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Looks at every byte of what is open and tells what is wrong; returns whether anything is.
pub(super) async fn examine(ui: &Arc<Ui>, freight: &Freight) -> Result<bool> {
    let mut all = Vec::new();
    match freight {
        Freight::Bundles(bundles) => {
            for opened in bundles {
                all.push(verify_open(opened, cores(), reading(ui)).await?);
            }
        }
        Freight::Layout(layout) => all.push(layout.verify(cores(), reading(ui)).await?),
    }
    all.iter().for_each(|verified| tell_findings(ui, verified));
    Ok(all.iter().any(|verified| !verified.findings.is_empty()))
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
    if let Some(opened) = &verified.bundle {
        bundle::tell_passed_over(ui, opened);
        if let Some(name) = opened.other_name() {
            let path = opened.path().display();
            ui.warning(format_args!(
                "{path}.sha256: it names {name:?}, so `sha256sum -c` does not find {path}: one of the two was renamed, or altered"
            ));
        }
    }
    for finding in &verified.findings {
        ui.error(place(finding));
        for image in finding.images.iter().filter_map(|at| verified.images.get(*at)) {
            ui.note(format_args!("hits {image}"));
        }
    }
}

fn tell(ui: &Ui, path: &Path, verified: &Verified, format: Format) -> Result<()> {
    tell_findings(ui, verified);
    let what = match verified.scope {
        Scope::Everything if verified.bundle.is_none() => "every byte has its digest",
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
