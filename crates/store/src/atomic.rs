//! Files that are there whole or not at all, also after a pulled plug: stage, write, fsync, rename, fsync of
//! the directory. Every file that sealift promises to keep is written through this module. The functions
//! block; callers on an async thread move them off it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::platform;
pub use crate::platform::sync_directory;

/// How the names of stages begin. No file that anybody asks for has such a name, and what a killed process
/// left under one can be deleted.
pub const STAGE_PREFIX: &str = ".stage-";

/// A file that nobody sees under its name yet; dropping it removes it.
#[derive(Debug)]
pub struct Stage {
    file: File,
    path: PathBuf,
    is_published: bool,
}

impl Stage {
    /// Creates a stage in the directory where the file will be, since a rename cannot leave a file system.
    ///
    /// # Errors
    /// Those of creating a file.
    pub fn beside(target: &Path) -> io::Result<Self> {
        Self::create(target, OpenOptions::new().read(true).write(true).create_new(true))
    }

    /// Creates a stage that nobody but its owner can read, from its first moment on.
    ///
    /// # Errors
    /// Those of creating a file.
    pub fn private_beside(target: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        platform::set_mode(&mut options, platform::PRIVATE_FILE);
        Self::create(target, &options)
    }

    fn create(target: &Path, options: &OpenOptions) -> io::Result<Self> {
        let name = format!("{STAGE_PREFIX}{}", crate::random::hex_name()?);
        let path = parent(target).join(name);
        Ok(Self { file: options.open(&path)?, path, is_published: false })
    }

    /// Returns the file to write to.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Makes what was written durable and visible as `target`, in place of what was there.
    ///
    /// # Errors
    /// Those of syncing and renaming; `target` is then as it was.
    pub fn publish(mut self, target: &Path) -> io::Result<()> {
        publish(&self.file, &self.path, target)?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.is_published {
            // Nothing can be done about a failure here, and a stage that stays is harmless.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the content of an open file durable, then gives it the name `to` and makes that durable.
///
/// # Errors
/// Those of syncing and renaming.
pub fn publish(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(from, to)?;
    sync_directory(parent(to))
}

/// Writes a whole file.
///
/// # Errors
/// Those of writing; `target` is then as it was.
pub fn write(target: &Path, content: &[u8]) -> io::Result<()> {
    let mut stage = Stage::beside(target)?;
    stage.file().write_all(content)?;
    stage.publish(target)
}

/// Writes a whole file that may be lost when the power fails, but is never seen half by another process.
///
/// # Errors
/// Those of writing; `target` is then as it was.
pub fn write_unsynced(target: &Path, content: &[u8]) -> io::Result<()> {
    replace(Stage::beside(target)?, target, content)
}

/// Writes a whole file like [`write_unsynced`], and never lets anybody but its owner read it.
///
/// # Errors
/// Those of writing; `target` is then as it was.
pub fn write_unsynced_private(target: &Path, content: &[u8]) -> io::Result<()> {
    replace(Stage::private_beside(target)?, target, content)
}

fn replace(mut stage: Stage, target: &Path, content: &[u8]) -> io::Result<()> {
    stage.file().write_all(content)?;
    fs::rename(&stage.path, target)?;
    stage.is_published = true;
    Ok(())
}

/// Gives the file `from` a second name, or makes a copy where the file system cannot do that. A target that
/// is there already stays.
///
/// # Errors
/// Those of linking or copying; not found where `from` is not there.
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => sync_directory(parent(to)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        // Another file system, too many links, no links at all: file systems say it in many ways.
        Err(_) => copy(from, to),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut stage = Stage::beside(to)?;
    io::copy(&mut File::open(from)?, stage.file())?;
    stage.publish(to)
}

/// Creates a directory and those above it, so that they are still there after a pulled plug.
///
/// # Errors
/// Those of creating a directory.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    create_dir_all(above)?;
    match fs::create_dir(path) {
        Ok(()) => sync_directory(above),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_no_stage_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for content in ["long content", "short", ""] {
            write(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            write_unsynced(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(names(directory.path()), ["file"]);
    }

    /// The stage is looked at before anything is in it, so there is no moment at which others can read.
    #[cfg(unix)]
    #[test]
    fn a_private_file_is_private_from_its_first_moment() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let stage = Stage::private_beside(&path).unwrap();
        assert_eq!(mode(&stage.path), platform::PRIVATE_FILE);
        drop(stage);
        // Also in place of a file that everybody can read.
        write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_unsynced_private(&path, b"new").unwrap();
        assert_eq!((mode(&path), fs::read(&path).unwrap()), (platform::PRIVATE_FILE, b"new".to_vec()));
    }

    #[test]
    fn a_dropped_stage_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"old").unwrap();
        let mut stage = Stage::beside(&path).unwrap();
        stage.file().write_all(b"new").unwrap();
        assert_eq!(names(directory.path()).len(), 2);
        drop(stage);
        assert_eq!(names(directory.path()), ["file"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_publish_that_fails_leaves_no_stage() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        fs::create_dir_all(path.join("by a directory")).unwrap();
        assert!(write(&path, b"x").is_err());
        assert_eq!(names(directory.path()), ["taken"]);
    }

    #[test]
    fn links_and_copies_give_the_same_content() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        write(&at("from"), b"content").unwrap();
        for _ in 0..2 {
            link(&at("from"), &at("linked")).unwrap();
        }
        copy(&at("from"), &at("copied")).unwrap();
        for name in ["linked", "copied"] {
            assert_eq!(fs::read(at(name)).unwrap(), b"content");
        }
        assert_eq!(link(&at("missing"), &at("x")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn directories_are_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b/c");
        for _ in 0..2 {
            create_dir_all(&deep).unwrap();
        }
        assert!(deep.is_dir());
        write(&directory.path().join("file"), b"").unwrap();
        assert!(create_dir_all(&directory.path().join("file/below")).is_err());
    }
}
