//! What lies where a bundle is to be written, and who else writes there.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use sealift_store::platform;

use super::{behind, publish};
use crate::error::{BundleError, Result};
use crate::names::{self, CHECKSUMS, JOURNAL, LOCK};
use crate::reader::open_file_with;

/// How often the file that is locked may be gone when it is held: each time, somebody has ended a bundle there.
const LOCK_TRIES: usize = 3;

/// Where the files beside the volumes go.
#[derive(Debug)]
pub(super) enum Place {
    Directory(PathBuf),
    File(PathBuf),
    Pipe,
}

impl Place {
    /// Names it for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Directory(path) | Self::File(path) => path.display().to_string(),
            Self::Pipe => "-".to_owned(),
        }
    }

    /// Where a process before this one was stopped behind its last step and before it could say so, that step is undone.
    pub(super) fn take_back(&self) -> Result<()> {
        match self {
            Self::Directory(directory) => publish::take_back_directory(directory),
            Self::File(file) => publish::take_back_file(file),
            Self::Pipe => Ok(()),
        }
    }

    /// A finished bundle is not written over, and volumes of another one, which may lie there alone, are not mixed up
    /// with these.
    pub(super) fn refuse_others(&self) -> Result<()> {
        let directory = match self {
            Self::Directory(directory) => directory,
            Self::File(file) => return refuse_finished(file, file),
            Self::Pipe => return Ok(()),
        };
        refuse_finished(directory, &directory.join(CHECKSUMS))?;
        if directory.join(JOURNAL).exists() {
            return Ok(());
        }
        let entries = std::fs::read_dir(directory).map_err(BundleError::io(directory))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        match names.into_iter().find(|name| names::is_volume(name)) {
            Some(name) => Err(BundleError::NotABundle {
                path: directory.join(name),
                reason: "it is a volume of another bundle; name another directory".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Keeps other processes away: a directory is locked itself, a file by another beside it.
    pub(super) fn hold(&self) -> Result<Option<File>> {
        let (path, open): (_, fn(&Path) -> io::Result<File>) = match self {
            Self::Directory(path) => (path.clone(), |path| File::open(path)),
            Self::File(path) => (behind(path, LOCK), open_lock),
            Self::Pipe => return Ok(None),
        };
        for _ in 0..LOCK_TRIES {
            let file = open(&path).map_err(BundleError::io(&path))?;
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                break;
            }
            // Some file systems have no locks; one process alone is still safe there.
            if is_at(&file, &path) {
                return Ok(Some(file));
            }
        }
        let reason = "another process is writing a bundle there".to_owned();
        Err(BundleError::NotABundle { path, reason })
    }
}

/// Tells whether a name still stands for an open file. Who had the lock may have ended and taken its file away.
fn is_at(file: &File, path: &Path) -> bool {
    let id = |metadata: io::Result<Metadata>| Some(platform::file_id(&metadata.ok()?));
    let (open, named) = (id(file.metadata()), id(path.metadata()));
    named.is_some() && open == named
}

/// Opens the file that is locked, or makes it. A link there is not followed: it may lead anywhere.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    platform::never_follow(&mut options);
    let made = options.open(path);
    // What else lies there is told by its kind.
    made.or_else(|_| open_file_with(path, OpenOptions::new().write(true)))
}

/// A finished bundle is not written over.
pub(super) fn refuse_finished(path: &Path, mark: &Path) -> Result<()> {
    match mark.symlink_metadata() {
        Ok(_) => Err(BundleError::NotABundle {
            path: path.to_owned(),
            reason: "a finished bundle is there already".to_owned(),
        }),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_taken_away_is_no_lock() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("release.tar.lock");
        let first = open_lock(&path).unwrap();
        assert!(is_at(&first, &path));
        std::fs::remove_file(&path).unwrap();
        assert!(!is_at(&first, &path));
        let next = open_lock(&path).unwrap();
        assert!(is_at(&next, &path) && !is_at(&first, &path));
    }
}
