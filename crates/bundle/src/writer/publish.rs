//! The names that make a bundle of what was written: the files beside the volumes, and, last of all, the one that says
//! that all is there.
//!
//! Each step can be the last one of a process that is killed. What it leaves has a name that the next process knows: a
//! file beside the volumes is written under the name of an unfinished one, and as long as there is a journal, nothing
//! is finished.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use sealift_oci::Digest;
use sealift_store::atomic;

use super::behind;
use super::finish::{Finished, Sign, written};
use super::sealing::Sealing;
use super::volumes::Closed;
use crate::catalogue::Catalogue;
use crate::error::{BundleError, Result};
use crate::names::{CHECKSUM, CHECKSUMS, FILE_JOURNAL, JOURNAL, KEY, LOCK, SIGNATURE, UNFINISHED};

/// Prints a checksum as `sha256sum` does.
pub(super) fn checksum_line(sha256: &str, path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    format!("{sha256}  {}\n", name.display())
}

/// The list of checksums comes last: it is what makes the directory a bundle.
pub(super) fn directory(
    directory: &Path,
    catalogue: Catalogue,
    closed: &[Closed],
    sealing: Option<&Sealing>,
    sign: Option<&Sign<'_>>,
) -> Result<Finished> {
    let mut sums = String::new();
    let mut volumes = Vec::new();
    for (volume, written) in catalogue.volumes.iter().zip(closed) {
        let path = directory.join(&volume.name);
        fs::rename(&written.path, &path).map_err(BundleError::io(&path))?;
        sums.push_str(&checksum_line(&written.sha256, &path));
        volumes.push((path, written.size));
    }
    let catalogue_file = written(&catalogue, sealing).map_err(BundleError::io(directory))?;
    let key = sealing.map(|sealing| (KEY, sealing.key.clone()));
    for (name, bytes) in key.into_iter().chain([catalogue_file]) {
        let path = directory.join(name);
        write(&path, &bytes)?;
        sums.push_str(&checksum_line(&Digest::sha256(&bytes).hex(), &path));
    }
    write_checksums(&directory.join(CHECKSUMS), &sums, sign)?;
    remove(&directory.join(JOURNAL))?;
    sync(directory)?;
    Ok(Finished { catalogue, volumes, checksum: None })
}

/// The file gets its name last.
pub(super) fn file(
    file: &Path,
    catalogue: Catalogue,
    closed: &[Closed],
    sign: Option<&Sign<'_>>,
) -> Result<Finished> {
    let finished = Finished::new(catalogue, closed, file);
    if let Some(line) = &finished.checksum {
        write_checksums(&behind(file, CHECKSUM), line, sign)?;
    }
    for written in closed {
        fs::rename(&written.path, file).map_err(BundleError::io(file))?;
    }
    sync(parent(file))?;
    remove(&behind(file, FILE_JOURNAL))?;
    // Last of all: who found the journal beside the file, and nobody at work, would take the file back.
    remove(&behind(file, LOCK))?;
    sync(parent(file))?;
    Ok(finished)
}

/// The signature comes first, so that what is signed is never seen without. One that a process before this one left
/// behind, which was to sign, goes away.
fn write_checksums(path: &Path, sums: &str, sign: Option<&Sign<'_>>) -> Result<()> {
    let beside = behind(path, SIGNATURE);
    match sign {
        Some(sign) => write(&beside, sign(path, sums.as_bytes())?.as_bytes())?,
        None => {
            remove(&beside)?;
            remove(&behind(&beside, UNFINISHED))?;
        }
    }
    write(path, sums.as_bytes())
}

/// Writes a whole file.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let unfinished = behind(path, UNFINISHED);
    // What lies there under that name is a rest, or a trap.
    remove(&unfinished)?;
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
        file.write_all(content)?;
        atomic::publish(&file, &unfinished, path)
    };
    write().map_err(BundleError::io(path))
}

/// Takes back the list of checksums of a directory whose journal says that nobody was told that it is finished.
pub(super) fn take_back_directory(directory: &Path) -> Result<()> {
    let is_unfinished = |name: &str| name.ends_with(UNFINISHED);
    let mut entries = fs::read_dir(directory).map_err(BundleError::io(directory))?;
    let list = directory.join(CHECKSUMS);
    // With volumes that are still written, the list is none of this bundle.
    let is_other =
        entries.any(|entry| entry.is_ok_and(|it| it.file_name().to_str().is_some_and(is_unfinished)));
    if is_other || !directory.join(JOURNAL).exists() || list.symlink_metadata().is_err() {
        return Ok(());
    }
    remove(&list)?;
    remove(&behind(&list, SIGNATURE))?;
    sync(directory)
}

/// Does the same with one file: it gets the name of an unfinished one back.
pub(super) fn take_back_file(file: &Path) -> Result<()> {
    let unfinished = behind(file, UNFINISHED);
    let is_other = unfinished.symlink_metadata().is_ok();
    if is_other || !behind(file, FILE_JOURNAL).exists() || file.symlink_metadata().is_err() {
        return Ok(());
    }
    fs::rename(file, unfinished).map_err(BundleError::io(file))?;
    sync(parent(file))
}

fn parent(file: &Path) -> &Path {
    file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync(directory: &Path) -> Result<()> {
    atomic::sync_directory(directory).map_err(BundleError::io(directory))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BundleError::io(path)(error)),
        _ => Ok(()),
    }
}
