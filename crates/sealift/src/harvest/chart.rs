//! The files of a chart, from its directory or from its package.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use sealift_catalog::images::Role;
use tar::Archive;

use super::bounded;
use super::walk::{is_package, sorted};

/// The most files of a chart, with those of charts within it.
const FILE_LIMIT: usize = 10_000;
/// The most bytes of them all.
const SIZE_LIMIT: usize = 64 * 1024 * 1024;
/// The most packages, or directories, in each other.
const DEPTH_LIMIT: usize = 16;

/// A file: its path in the chart, what it is, and what is in it.
type ChartFile = (String, Role, Vec<u8>);

/// Reads what may name images.
pub(super) fn files(chart: &Path) -> io::Result<Vec<ChartFile>> {
    let mut reading = Reading::default();
    if chart.is_dir() {
        reading.directory(chart, "", 0)?;
    } else {
        let unpacked = reading.package(File::open(chart)?, "", 0);
        unpacked.map_err(|error| io::Error::other(format!("it cannot be unpacked: {error}")))?;
    }
    if reading.files.iter().any(|(path, _, _)| path == "Chart.yaml") {
        return Ok(reading.files);
    }
    Err(io::Error::other("it has no Chart.yaml, so it is no chart"))
}

#[derive(Default)]
struct Reading {
    files: Vec<ChartFile>,
    entries: usize,
    size: usize,
}

impl Reading {
    fn directory(&mut self, directory: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        check_depth(depth)?;
        for (path, kind) in sorted(directory)? {
            self.count()?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let inner = format!("{prefix}{name}");
            // Links lead out of the chart.
            if kind.is_dir() {
                self.directory(&path, &format!("{inner}/"), depth + 1)?;
            } else if kind.is_file() && is_wanted(&inner) {
                self.file(&inner, File::open(&path)?, depth)?;
            }
        }
        Ok(())
    }

    /// Every path in a package begins with the name of the chart.
    fn package(&mut self, package: impl Read, prefix: &str, depth: usize) -> io::Result<()> {
        check_depth(depth)?;
        // What is not looked at is unpacked all the same, and a small package can have a lot of it.
        let unpacked = MultiGzDecoder::new(package).take(SIZE_LIMIT as u64 + 1);
        let mut archive = Archive::new(unpacked);
        for entry in archive.entries()? {
            let mut entry = entry?;
            self.count()?;
            let path = entry.path()?.to_string_lossy().into_owned();
            let Some((_, path)) = path.split_once('/') else { continue };
            let inner = format!("{prefix}{path}");
            if entry.header().entry_type().is_file() && is_wanted(&inner) {
                self.file(&inner, &mut entry, depth)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &str, reader: impl Read, depth: usize) -> io::Result<()> {
        let bytes = bounded(reader)?;
        self.size += bytes.len();
        if self.size > SIZE_LIMIT {
            return Err(io::Error::other(format!("its files have more than {SIZE_LIMIT} bytes")));
        }
        match Role::in_chart(path) {
            Some(role) => self.files.push((path.to_owned(), role, bytes)),
            None => self.package(bytes.as_slice(), &format!("{path}/"), depth + 1)?,
        }
        Ok(())
    }

    fn count(&mut self) -> io::Result<()> {
        self.entries += 1;
        match self.entries > FILE_LIMIT {
            true => Err(io::Error::other(format!("it has more than {FILE_LIMIT} files"))),
            false => Ok(()),
        }
    }
}

fn check_depth(depth: usize) -> io::Result<()> {
    match depth > DEPTH_LIMIT {
        true => {
            Err(io::Error::other(format!("more than {DEPTH_LIMIT} charts or directories are in each other")))
        }
        false => Ok(()),
    }
}

/// Charts that a chart depends on lie in it packed.
fn is_wanted(path: &str) -> bool {
    let is_dependency = path.rsplit_once('/').is_some_and(|(directory, _)| directory.ends_with("charts"));
    Role::in_chart(path).is_some() || (is_dependency && is_package(Path::new(path)))
}
