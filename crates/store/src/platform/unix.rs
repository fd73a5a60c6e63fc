//! The half for Unix.

use std::fs::{self, DirBuilder, File, FileType, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::fcntl::OFlag;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

/// Gives a file that is made these rights from its first moment on.
pub fn set_mode(options: &mut OpenOptions, mode: u32) {
    options.mode(mode);
}

/// Lets opening neither follow a link nor wait for a pipe.
pub fn never_follow(options: &mut OpenOptions) {
    options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
}

/// Makes a directory, and those above it, that only its owner can look into.
///
/// # Errors
/// Those of making a directory.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(super::PRIVATE_DIRECTORY).create(path)
}

/// Lets nobody but its owner look into a directory that is there.
///
/// # Errors
/// Where this process may not.
pub fn keep_private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(super::PRIVATE_DIRECTORY))
}

/// Returns the rights of what is there.
#[must_use]
pub fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o777
}

/// Tells whether somebody may run it.
#[must_use]
pub fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

/// Gives a file the owner of another one.
///
/// # Errors
/// Where this process may not.
pub fn keep_owner(file: &File, there: &Metadata) -> io::Result<()> {
    if file.metadata()?.uid() == there.uid() {
        return Ok(());
    }
    fchown(file, Some(there.uid()), Some(there.gid()))
}

/// Names what is neither file, directory nor link.
#[must_use]
pub fn special_kind(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// Returns what is the same for all names of a file, and for no other file.
#[must_use]
pub fn file_id(metadata: &Metadata) -> Option<(u64, u64)> {
    Some((metadata.dev(), metadata.ino()))
}

/// Tells whether a file has several names.
#[must_use]
pub fn has_several_names(metadata: &Metadata) -> bool {
    metadata.nlink() > 1
}

/// Returns when a file, its names or its rights changed last.
#[must_use]
pub fn changed(metadata: &Metadata) -> Option<SystemTime> {
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Makes the names in a directory durable: a new name is only as durable as its directory.
///
/// # Errors
/// Those of opening and syncing.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Some network file systems cannot, and say so.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        other => other,
    }
}

/// Finds out whether this process may write there.
///
/// # Errors
/// Where it may not, or nothing is there.
pub fn writable(path: &Path) -> io::Result<()> {
    Ok(access(path, AccessFlags::W_OK)?)
}

/// Returns how many bytes there is room for, where that can be told.
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    let disk = statvfs(path).ok()?;
    // The widths of both differ from system to system.
    #[allow(clippy::useless_conversion, reason = "they are narrower elsewhere")]
    let free = u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()));
    Some(free)
}

/// Returns how many bytes the largest file may have there, where the file system is known to have such a bound: that of FAT
/// counts them in 32 bits.
#[cfg(target_os = "linux")]
#[must_use]
pub fn largest_file(path: &Path) -> Option<u64> {
    use nix::sys::statfs::{MSDOS_SUPER_MAGIC, statfs};
    let disk = statfs(path).ok()?;
    (disk.filesystem_type() == MSDOS_SUPER_MAGIC).then_some(u64::from(u32::MAX))
}

/// It is not known.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn largest_file(_: &Path) -> Option<u64> {
    None
}
