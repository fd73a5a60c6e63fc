//! This machine: whether the directories that a run writes to can be written, and have room.

use std::path::Path;
use std::time::SystemTime;

use sealift_store::platform::free_space;

use super::advice;
use super::findings::{Check, Part};
use crate::args::DoctorArgs;
use crate::environment::Environment;
use crate::errors::Exit;
use crate::journal::{DiskJournal, default_directory};
use crate::output::units::bytes;
use crate::spool::DiskSpool;

/// What the journal of a large release needs, many times over.
const STATE_ROOM: u64 = 100_000_000;
/// A layer of the usual size.
const SPOOL_ROOM: u64 = 2_000_000_000;

/// Looks at the directories.
pub(super) fn examine(args: &DoctorArgs, environment: &Environment) -> Part {
    let mut part = Part::new("machine", "this machine");
    let default = default_directory(&environment.variables);
    let state = args.state.as_deref().or(default.as_deref()).filter(|it| *it != Path::new("none"));
    part.checks.push(match state {
        Some(directory) => {
            let opened = DiskJournal::open(directory, SystemTime::now()).map(drop);
            directory_check("state", directory, opened, STATE_ROOM, free_space(directory))
        }
        None => {
            Check::warn("state", "unfinished uploads are not remembered", "Name a directory with --state.")
        }
    });
    if let Some(directory) = args.spool.as_deref() {
        let opened = DiskSpool::open(directory, SPOOL_ROOM, SystemTime::now()).map(drop);
        part.checks.push(directory_check("spool", directory, opened, SPOOL_ROOM, free_space(directory)));
    }
    part
}

fn directory_check(
    name: &'static str,
    directory: &Path,
    opened: std::io::Result<()>,
    room: u64,
    free: Option<u64>,
) -> Check {
    let place = directory.display();
    match (opened, free) {
        (Err(error), _) => {
            let next =
                format!("Make {place} a directory that you can write to, or name another with --{name}.");
            Check::fail(name, format!("{place}: {error}"), advice(Exit::Usage, &next))
        }
        (Ok(()), Some(free)) if free < room => Check::warn(
            name,
            format!("{place}: only {} are free", bytes(free)),
            "Make room on that disk, or name a directory on another.",
        ),
        (Ok(()), Some(free)) => Check::ok(name, format!("{place}: {} are free", bytes(free))),
        (Ok(()), None) => Check::ok(name, format!("{place}: can be written")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    #[test]
    fn a_full_disk_is_a_warning_and_a_directory_that_is_none_a_failure() {
        let broken = || Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied));
        for (opened, free, verdict, words) in [
            (Ok(()), Some(STATE_ROOM), Verdict::Ok, "are free"),
            (Ok(()), Some(5_000_000), Verdict::Warn, "only 5.00 MB are free"),
            (Ok(()), None, Verdict::Ok, "can be written"),
            (broken(), Some(STATE_ROOM), Verdict::Fail, "permission denied"),
        ] {
            let check = directory_check("state", Path::new("/state"), opened, STATE_ROOM, free);
            assert_eq!(check.verdict, verdict, "{words}");
            assert!(check.found.starts_with("/state: ") && check.found.contains(words), "{}", check.found);
        }
    }
}
