//! A disk that is soon full: a file system of its own, in memory. Mounting it needs the rights of root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::peers::run_well;

/// The file that fills a disk.
const FILLER: &str = "filler";

/// A file system, mounted until the value is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    directory: TempDir,
}

impl SmallDisk {
    /// Mounts a disk with room for that many bytes.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub async fn new(bytes: u64) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let options = format!("size={bytes}");
        let target = directory.path().display().to_string();
        run_well("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &target]).await?;
        Ok(Self { directory })
    }

    /// Returns the directory that it is mounted at.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Takes all room that is left.
    ///
    /// # Errors
    /// When something other than the end of the room stops it.
    pub fn fill(&self) -> io::Result<()> {
        use std::io::Write as _;
        let mut file = fs::File::create(self.filler())?;
        loop {
            match file.write_all(&[0; 4096]) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                other => other?,
            }
        }
    }

    /// Gives back what [`fill`](Self::fill) took.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn empty(&self) -> io::Result<()> {
        fs::remove_file(self.filler())
    }

    fn filler(&self) -> PathBuf {
        self.path().join(FILLER)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::interop_wanted;

    #[tokio::test]
    async fn a_full_disk_has_room_again() {
        if !interop_wanted() {
            return;
        }
        let disk = SmallDisk::new(1_000_000).await.unwrap();
        let path = disk.path().join("some");
        fs::write(&path, [1; 100_000]).unwrap();
        disk.fill().unwrap();
        assert_eq!(fs::write(&path, [1; 200_000]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        disk.empty().unwrap();
        fs::write(&path, [1; 200_000]).unwrap();
    }
}
