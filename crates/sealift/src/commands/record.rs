//! The reports that are kept of a run, beside what it writes to standard output. Whether they can be written is found out
//! before anything moves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use sealift_store::atomic;
use serde::Serialize;

use super::Result;
use super::documents::check_writable;
use crate::args::{Format, RecordArgs};
use crate::errors::{CommandError, Exit};
use crate::output::html::{self, Page};
use crate::output::json::{self, Run};
use crate::ui::Ui;

/// Where a run tells what came of it.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    /// How it is written to standard output.
    pub(super) format: Format,
    record: Arc<Record>,
}

/// The files, and what the reports in them begin with.
#[derive(Debug)]
struct Record {
    files: Vec<(PathBuf, Kind)>,
    command: &'static str,
    operator: Option<String>,
    began: SystemTime,
    has_failed: AtomicBool,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Page,
    Document,
}

impl Outlet {
    /// Standard output alone.
    pub(super) fn plain(command: &'static str, format: Format) -> Self {
        let record = Record {
            files: Vec::new(),
            command,
            operator: None,
            began: SystemTime::now(),
            has_failed: AtomicBool::new(false),
        };
        Self { format, record: Arc::new(record) }
    }

    /// Standard output, and the files that are asked for.
    pub(super) fn settle(
        command: &'static str,
        format: Format,
        args: &RecordArgs,
        is_rehearsal: bool,
    ) -> Result<Self> {
        if is_rehearsal && !args.reports.is_empty() {
            return Err(CommandError::usage(
                "--report: a dry run carries nothing that could be reported",
                "Leave --report or --dry-run out; --output json writes the plan.",
            ));
        }
        let files = args.reports.iter().map(|path| Ok((path.clone(), kind(path)?)));
        let files: Vec<(PathBuf, Kind)> = files.collect::<Result<_>>()?;
        for (path, _) in &files {
            check_writable(path).map_err(|error| {
                let hint = "Name a place that can be written to with --report; nothing was moved.";
                CommandError::usage(format_args!("--report {}: {error}", path.display()), hint)
            })?;
        }
        let operator = args.operator.clone();
        let (began, has_failed) = (SystemTime::now(), AtomicBool::new(false));
        let record = Record { files, command, operator, began, has_failed };
        Ok(Self { format, record: Arc::new(record) })
    }

    /// Says who ran what, and from when to when.
    pub(super) fn run(&self) -> Run {
        let Record { command, operator, began, .. } = &*self.record;
        Run::new(command, operator.clone(), *began, SystemTime::now())
    }

    /// Writes the document: to standard output where that is the format, and into the files. Text is up to the caller.
    pub(super) fn tell<D: Serialize + Page>(&self, ui: &Ui, document: &D) -> Result<()> {
        if self.format == Format::Json {
            super::mirror::write(ui, &json::text(document))?;
        }
        for (path, kind) in &self.record.files {
            let text = match kind {
                Kind::Page => html::text(document),
                Kind::Document => json::text(document),
            };
            match write(path, text.as_bytes()) {
                Ok(()) => ui.status(format_args!("{}: the report", path.display())),
                // What was carried is there all the same, so the others are written.
                Err(error) => {
                    ui.error(format_args!("{}: the report cannot be written: {error}", path.display()));
                    self.record.has_failed.store(true, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }

    /// Says how a run ends: with a report that could not be written it is no success.
    pub(super) fn ending(&self, exit: Exit) -> Exit {
        let is_lacking = self.record.has_failed.load(Ordering::Relaxed);
        if is_lacking && exit == Exit::Success { Exit::Failed } else { exit }
    }
}

/// A file is put in place of another; a device or a pipe is written to.
fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => std::fs::write(path, content),
        _ => atomic::write(path, content),
    }
}

fn kind(path: &Path) -> Result<Kind> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "html" | "htm" => Ok(Kind::Page),
        "json" => Ok(Kind::Document),
        _ => Err(CommandError::usage(
            format_args!("--report {}: its name ends in neither .html nor .json", path.display()),
            "Let it end in .html for a page, or in .json for the document.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_what_a_file_holds() {
        for (name, expected) in [
            ("report.html", Some(Kind::Page)),
            ("report.HTM", Some(Kind::Page)),
            ("a.b/report.json", Some(Kind::Document)),
            ("report", None),
            ("report.pdf", None),
            ("html", None),
        ] {
            assert_eq!(kind(Path::new(name)).ok(), expected, "{name}");
        }
    }

    #[test]
    fn a_report_that_cannot_be_written_ends_the_run_before_it_begins() {
        let root = tempfile::tempdir().unwrap();
        let settle = |name: &str, is_rehearsal| {
            let args = RecordArgs { reports: vec![root.path().join(name)], operator: None };
            Outlet::settle("mirror", Format::Text, &args, is_rehearsal).is_ok()
        };
        for (name, is_rehearsal, expected) in [
            ("report.html", false, true),
            ("report.html", true, false),
            ("none/report.html", false, false),
            ("report.txt", false, false),
        ] {
            assert_eq!(settle(name, is_rehearsal), expected, "{name}");
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "nothing is written yet");
    }
}
