//! A Docker daemon of its own, with root and socket in a temporary directory: what developers pull with.
//!
//! It needs the rights of root. It has no network and no firewall rules, so it runs nothing; images are kept as
//! plain directories, which works on every file system, so the images to pull should be small.
//!
//! Docker trusts whatever certificate a registry on 127.0.0.0/8 has, and no option changes that.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::peers::{self, Output};

/// A Docker daemon that runs, until the value is dropped.
#[derive(Debug)]
pub struct Docker {
    socket: PathBuf,
    daemon: Daemon,
    /// Removed after the daemon has ended.
    directory: TempDir,
}

impl Docker {
    /// Starts a daemon and waits until it serves.
    ///
    /// # Errors
    /// When it or `docker` is not installed, or does not come up.
    pub async fn start() -> io::Result<Self> {
        peers::require("dockerd")?;
        peers::require("docker")?;
        // Not in the project: a socket's path has at most 107 bytes.
        let directory = tempfile::tempdir()?;
        let at = |name: &str| directory.path().join(name);
        let socket = at("socket");
        let mut command = Command::new("dockerd");
        command.args(["--iptables=false", "--bridge=none", "--storage-driver=vfs", "--group="]);
        command.arg("--host").arg(format!("unix://{}", socket.display()));
        for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            command.arg(option).arg(at(name));
        }
        // What the machine's own daemon is told is nothing to this one.
        std::fs::write(at("daemon.json"), "{}")?;
        command.arg("--config-file").arg(at("daemon.json"));
        let mut daemon = Daemon::start(&mut command, directory.path())?;
        let ready = |daemon: &Daemon| daemon.stderr().ok()?.contains("API listen on").then_some(());
        daemon.wait_for(ready).await?;
        Ok(Self { socket, daemon, directory })
    }

    /// Runs `docker` against it, which must end well.
    ///
    /// # Errors
    /// As [`peers::run_well`].
    pub async fn docker(&self, arguments: &[&str]) -> io::Result<Output> {
        let host = format!("unix://{}", self.socket.display());
        let config = self.directory.path().join("client").display().to_string();
        peers::run_well("docker", &[&["--config", &config, "--host", &host], arguments].concat()).await
    }

    /// Returns what it wrote to its log, for a test that fails to show.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> io::Result<String> {
        self.daemon.stderr()
    }
}

impl Drop for Docker {
    /// The daemon has a containerd, which ends with it only where it is asked to.
    fn drop(&mut self) {
        self.daemon.stop();
    }
}
