//! Podman with a storage of its own, so that nothing of the machine's images is seen or changed. Layers are kept
//! as plain directories, which works on every file system, so the images to pull should be small.

use std::io;

use tempfile::TempDir;

use crate::peers::{self, Output};

/// Podman over one storage, which goes with the value.
#[derive(Debug)]
pub struct Podman {
    directory: TempDir,
}

impl Podman {
    /// Makes an empty storage.
    ///
    /// # Errors
    /// When podman is not installed, or there is no room.
    pub fn new() -> io::Result<Self> {
        peers::require("podman")?;
        Ok(Self { directory: tempfile::tempdir()? })
    }

    /// Runs `podman` on it, which must end well.
    ///
    /// # Errors
    /// As [`peers::run_well`].
    pub async fn podman(&self, arguments: &[&str]) -> io::Result<Output> {
        let [root, run, temporary] =
            ["root", "run", "tmp"].map(|name| self.directory.path().join(name).display().to_string());
        let own = ["--root", &root, "--runroot", &run, "--tmpdir", &temporary, "--storage-driver", "vfs"];
        // It would look for systemd to write what happens, and to start what is never started here.
        let quiet = ["--events-backend", "none", "--cgroup-manager", "cgroupfs"];
        peers::run_well("podman", &[&own[..], &quiet, arguments].concat()).await
    }
}
