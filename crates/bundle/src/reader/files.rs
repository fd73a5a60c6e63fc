//! Files of a bundle, opened with care: only regular ones, and never more of them than fits.
//!
//! Every file of a bundle or a layout is opened here, whoever reads or writes it. That a file keeps its identity from one
//! opening to the next is not looked at: FAT, which sticks have, numbers files anew. What is read is proven by its digest.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sealift_store::platform;

use crate::error::{BundleError, Result};

/// Opens a regular file, and returns how many bytes it has. A link, a device, a pipe or a directory is refused
/// before it is opened: opening alone may wait for ever, or lead out of the bundle.
pub(crate) fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = open_with(path, OpenOptions::new().read(true))?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// Opens a regular file in the same way, to do with it what the options say.
pub(crate) fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    check(fs::symlink_metadata(path)?.file_type())?;
    // Whatever takes its place now is neither followed nor waited for.
    platform::never_follow(options);
    let file = options.open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

fn check(kind: FileType) -> io::Result<()> {
    let other = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_symlink() => "a symbolic link; put the file itself there",
        kind if kind.is_dir() => "a directory",
        kind => platform::special_kind(kind),
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is no regular file but {other}")))
}

/// Follows a link that a person named to the file behind it. What lies in a bundle is never followed.
pub(crate) fn behind_link(path: &Path) -> Result<PathBuf> {
    match path.is_symlink() {
        true => path.canonicalize().map_err(BundleError::io(path)),
        false => Ok(path.to_owned()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_regular_files_are_opened_to_read_and_to_write() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::write(path("file"), "12345").unwrap();
        symlink(path("file"), path("link")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        fs::create_dir(path("directory")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _listener = UnixListener::bind(path("socket")).unwrap();
        assert_eq!(open(&path("file")).unwrap().1, 5);
        for (name, expected) in [
            ("link", "it is no regular file but a symbolic link; put the file itself there"),
            ("dangling", "it is no regular file but a symbolic link; put the file itself there"),
            ("directory", "it is no regular file but a directory"),
            ("pipe", "it is no regular file but a pipe"),
            ("socket", "it is no regular file but a socket"),
        ] {
            assert_eq!(open(&path(name)).unwrap_err().to_string(), expected);
            let written = open_with(&path(name), OpenOptions::new().write(true));
            assert_eq!(written.unwrap_err().to_string(), expected);
        }
        assert_eq!(
            open(Path::new("/dev/null")).unwrap_err().to_string(),
            "it is no regular file but a device"
        );
    }

    #[test]
    fn a_link_that_was_named_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let whole = place.path().canonicalize().unwrap();
        fs::write(whole.join("file"), "").unwrap();
        symlink("file", whole.join("link")).unwrap();
        symlink("nowhere", whole.join("dangling")).unwrap();
        assert_eq!(behind_link(&whole.join("link")).unwrap(), whole.join("file"));
        assert_eq!(behind_link(&whole.join("file")).unwrap(), whole.join("file"));
        assert!(behind_link(&whole.join("dangling")).is_err());
    }
}
