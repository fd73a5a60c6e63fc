//! The half for other systems, which is neither built nor tested yet. What a system cannot tell counts as not known.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Rights are those of the directory.
pub fn set_mode(_: &mut OpenOptions, _: u32) {}

/// Whoever opens looks at the kind before and after.
pub fn never_follow(_: &mut OpenOptions) {}

/// Makes a directory, and those above it, with the rights of the one they are in.
///
/// # Errors
/// Those of making a directory.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Rights are those of the directory that it is in.
///
/// # Errors
/// None.
pub fn keep_private(_: &Path) -> io::Result<()> {
    Ok(())
}

/// There are none.
#[must_use]
pub fn mode(_: &Metadata) -> u32 {
    0
}

/// The name decides that.
#[must_use]
pub fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file()
}

/// Owners stay as they are.
///
/// # Errors
/// None.
pub fn keep_owner(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Names what is neither file, directory nor link.
#[must_use]
pub fn special_kind(_: FileType) -> &'static str {
    "a device"
}

/// It is not known.
#[must_use]
pub fn file_id(_: &Metadata) -> Option<(u64, u64)> {
    None
}

/// It is not known, so a file counts as its name's own unless it is empty, and then it costs nothing.
#[must_use]
pub fn has_several_names(metadata: &Metadata) -> bool {
    metadata.len() == 0
}

/// Only when the content changed is known.
#[must_use]
pub fn changed(metadata: &Metadata) -> Option<SystemTime> {
    metadata.modified().ok()
}

/// A directory cannot be opened there, and need not be.
///
/// # Errors
/// None.
pub fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Finds out whether what is there may be written to.
///
/// # Errors
/// Where it may not, or nothing is there.
pub fn writable(path: &Path) -> io::Result<()> {
    match path.metadata()?.permissions().readonly() {
        true => Err(io::ErrorKind::PermissionDenied.into()),
        false => Ok(()),
    }
}

/// It is not known.
#[must_use]
pub fn free_space(_: &Path) -> Option<u64> {
    None
}

/// It is not known.
#[must_use]
pub fn largest_file(_: &Path) -> Option<u64> {
    None
}
