//! Keeping the answers of a run in a profile.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sealift_catalog::SIZE_LIMIT;
use sealift_catalog::profile::{Kind, Profile};
use sealift_store::atomic;

use super::Result;
use super::documents::check_writable;
use crate::args::ConnectionArgs;
use crate::errors::CommandError;
use crate::ui::Ui;

/// What stands above the answers.
const HEAD: &str =
    "# Written by sealift mirror --save, for sealift mirror --profile. It never holds a password.\n";

/// Makes sure, before anything else is done, that a profile can be written there and takes the place of no other file.
pub(super) fn check(path: &Path) -> Result<()> {
    let refuse = |reason: &str, hint: &str| {
        Err(CommandError::usage(format_args!("--save {}: {reason}", path.display()), hint))
    };
    if path == Path::new("-") {
        return refuse("standard output is for the report", "Name a file.");
    }
    if let Err(error) = check_writable(path) {
        return refuse(&error.to_string(), "Name a file in a place that can be written to.");
    }
    match content(path) {
        Ok(text) if text.trim().is_empty() => Ok(()),
        Ok(text) if Kind::of(&text) == Kind::Profile && Profile::parse(&text).is_ok() => Ok(()),
        Ok(_) => refuse(
            "a file is there that is no profile, and is not overwritten",
            "Name another file, or move that one away. Nothing was done.",
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => refuse(&error.to_string(), "Name another file. Nothing was done."),
    }
}

/// Reads what is there. What is no text, or too long for a profile, is none.
fn content(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Ok("-".to_owned());
    }
    let mut content = Vec::new();
    file.take(SIZE_LIMIT as u64 + 1).read_to_end(&mut content)?;
    Ok(String::from_utf8(content).unwrap_or_else(|_| "-".to_owned()))
}

/// Writes the answers.
pub(super) fn save(ui: &Ui, path: &Path, profile: &Profile, connection: &ConnectionArgs) -> Result<()> {
    let refuse = |error: &dyn std::fmt::Display| {
        let hint = "Check the disk and the rights on it. Nothing was moved.";
        CommandError::usage(format_args!("--save {}: {error}", path.display()), hint)
    };
    let yaml = profile.to_yaml().map_err(|error| refuse(&error))?;
    let is_there = path.exists();
    atomic::write(path, format!("{HEAD}{}\n", yaml.trim_end()).as_bytes()).map_err(|error| refuse(&error))?;
    let before = if is_there { ", in place of those that were there" } else { "" };
    ui.status(format_args!("{}: the answers of this run, without passwords{before}", path.display()));
    if profile.releases().is_some_and(|it| it.tags.is_empty() && it.from.is_none()) {
        ui.status("It names no release, so each run with it takes the newest.");
    }
    if has_own_ways(connection) {
        ui.status("Flags about the connection are not in it; give them again with --profile.");
    }
    Ok(())
}

/// Tells whether a run without the flags about the connection might not find its way.
fn has_own_ways(connection: &ConnectionArgs) -> bool {
    let ConnectionArgs { plain_http, ca_files, client_cert, resolve, .. } = connection;
    !(plain_http.is_empty() && ca_files.is_empty() && client_cert.is_none() && resolve.is_empty())
}
