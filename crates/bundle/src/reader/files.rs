//! Files of a bundle, opened with care: only regular ones, and never more of them than fits.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::error::{BundleError, Result};

/// Opens a regular file, and returns how many bytes it has. A link, a device, a pipe or a directory is refused
/// before it is opened: opening alone may wait for ever, or lead out of the bundle.
pub(crate) fn open(path: &Path) -> io::Result<(File, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// Reads a small file whole; `None` where there is none.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Ok((file, _)) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BundleError::io(path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(BundleError::io(path))?;
    if bytes.len() as u64 > limit {
        return Err(BundleError::damaged(path, format_args!("it has more than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// Reads a small file that must be there.
pub(crate) fn read_needed(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_small(path, limit)?.ok_or_else(|| BundleError::damaged(path, "the file is missing"))
}
