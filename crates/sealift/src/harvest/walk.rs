//! Walking a directory: which files and charts are there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sealift_catalog::images::Role;

/// The most files and directories that are looked at: a repository with everything that a site deploys has some thousand.
const ENTRY_LIMIT: usize = 50_000;
/// The most directories in each other.
const DEPTH_LIMIT: usize = 32;

/// Something to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A file of its own.
    File(PathBuf),
    /// A chart: its directory, or its package.
    Chart(PathBuf),
}

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// What is to be read, in the order of names.
    pub(super) items: Vec<Item>,
    /// How many links were left alone: one could lead out of the directory, or around in it.
    pub(super) links: usize,
    entries: usize,
}

/// Finds everything at and below a path. What is named itself is read whatever it is called.
pub(super) fn walk(path: &Path) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let meta = fs::metadata(path)?;
    if meta.is_dir() {
        walked.directory(path, 0)?;
    } else if meta.is_file() {
        let item = if is_package(path) { Item::Chart } else { Item::File };
        walked.items.push(item(path.to_owned()));
    } else {
        return Err(io::Error::other("it is neither a file nor a directory"));
    }
    Ok(walked)
}

impl Walked {
    fn directory(&mut self, directory: &Path, depth: usize) -> io::Result<()> {
        if directory.join("Chart.yaml").is_file() {
            self.items.push(Item::Chart(directory.to_owned()));
            return Ok(());
        }
        if depth > DEPTH_LIMIT {
            return Err(io::Error::other(format!("more than {DEPTH_LIMIT} directories are in each other")));
        }
        for (path, kind) in sorted(directory)? {
            self.entries += 1;
            if self.entries > ENTRY_LIMIT {
                return Err(io::Error::other(format!("more than {ENTRY_LIMIT} files are below it")));
            }
            if kind.is_symlink() {
                self.links += 1;
            } else if kind.is_dir() {
                self.directory(&path, depth + 1)?;
            } else if kind.is_file() && is_package(&path) {
                self.items.push(Item::Chart(path));
            } else if kind.is_file() && Role::of_file(&path.to_string_lossy()).is_some() {
                self.items.push(Item::File(path));
            }
        }
        Ok(())
    }
}

/// Lists a directory by name, without what is hidden: `.git` has no manifests.
pub(super) fn sorted(directory: &Path) -> io::Result<Vec<(PathBuf, fs::FileType)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)?.take(ENTRY_LIMIT + 1) {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push((entry.path(), entry.file_type()?));
        }
    }
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(entries)
}

/// Tells whether a file is a packaged chart, by its name.
pub(super) fn is_package(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".tgz") || name.ends_with(".tar.gz")
}
