//! `sealift gc`: removes from the directory of a registry what nothing links to.

use std::sync::Arc;
use std::time::SystemTime;

use sealift_store::{DirectoryStore, Swept, Wish};

use super::Result;
use super::mirror::write;
use crate::args::GcArgs;
use crate::errors::{CommandError, Exit};
use crate::output::units::{bytes, count};
use crate::stop::Stop;
use crate::ui::Ui;

/// Sweeps a directory.
pub(crate) async fn run(ui: &Arc<Ui>, args: &GcArgs) -> Result<Exit> {
    let stop = Stop::listen(ui);
    let directory = DirectoryStore::open(&args.directory)?;
    let is_known = directory.is_in_use() || directory.is_begun();
    let is_empty = args.directory.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    // Who misspells it would believe that all was swept.
    if !is_known && !is_empty {
        return Err(CommandError::usage(
            format_args!("{}: it is not the directory of a registry", args.directory.display()),
            "Name the directory that `sealift serve` or `sealift load --into` was given.",
        ));
    }
    let wish = Wish {
        grace: args.grace.0,
        untagged: args.untagged,
        upload_lifetime: args.upload_lifetime.0,
        is_dry_run: args.dry_run,
        now: SystemTime::now(),
    };
    let swept = stop.unless_asked(directory.sweep(wish)).await??;
    for (repository, reason) in &swept.skipped {
        ui.error(format_args!("{repository}: {reason}"));
    }
    write(ui, &text(&swept, args.dry_run))?;
    if swept.skipped.is_empty() {
        return Ok(Exit::Success);
    }
    ui.note(format_args!(
        "Hint: nobody knows what a manifest links to that cannot be read, so nothing went from {}. Push it again, or delete it.",
        if swept.skipped.len() == 1 { "that repository" } else { "those repositories" }
    ));
    Ok(Exit::Failed)
}

fn text(swept: &Swept, is_dry_run: bool) -> String {
    let number = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    let verb = if is_dry_run { "would go" } else { "gone" };
    format!(
        "{} {verb}, {} free; {} without a tag, {}.\n",
        count(number(swept.files), "file"),
        bytes(swept.bytes),
        count(number(swept.manifests), "manifest"),
        count(number(swept.uploads), "old upload"),
    )
}
