//! A containerd of its own, with root, state and socket in a temporary directory: what pulls in a cluster.
//!
//! It needs the rights of root, since unpacking a layer mounts. The snapshotter is `native`, which copies
//! directories and works on every file system, so the images to pull should be small.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::peers::{self, Output};

/// A containerd that runs, until the value is dropped.
#[derive(Debug)]
pub struct Containerd {
    socket: PathBuf,
    daemon: Daemon,
    /// Removed after the daemon has ended.
    _directory: TempDir,
}

impl Containerd {
    /// Starts a containerd and waits until it serves.
    ///
    /// # Errors
    /// When it or `ctr` is not installed, or does not come up.
    pub async fn start() -> io::Result<Self> {
        peers::require("containerd")?;
        peers::require("ctr")?;
        // Not in the project: a socket's path has at most 107 bytes.
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("socket");
        let file = directory.path().join("config.toml");
        fs::write(&file, configuration(directory.path()))?;
        let mut command = Command::new("containerd");
        command.arg("--config").arg(&file);
        let mut daemon = Daemon::start(&mut command, directory.path())?;
        let booted = |daemon: &Daemon| daemon.stderr().ok()?.contains("successfully booted").then_some(());
        daemon.wait_for(booted).await?;
        Ok(Self { socket, daemon, _directory: directory })
    }

    /// Runs `ctr` against it, which must end well.
    ///
    /// # Errors
    /// As [`peers::run_well`].
    pub async fn ctr(&self, arguments: &[&str]) -> io::Result<Output> {
        let socket = self.socket.to_string_lossy();
        peers::run_well("ctr", &[&["--address", &socket], arguments].concat()).await
    }

    /// Pulls and unpacks `reference` for this machine's platform. `options` are those of `ctr images pull`,
    /// such as `--plain-http`, `--user USER:PASSWORD`, `--tlscacert FILE` or `--hosts-dir DIRECTORY`.
    ///
    /// # Errors
    /// When that fails.
    pub async fn pull(&self, reference: &str, options: &[&str]) -> io::Result<Output> {
        let pull = ["images", "pull", "--snapshotter", "native"];
        self.ctr(&[&pull, options, &[reference]].concat()).await
    }

    /// Returns what it wrote to its log, for a test that fails to show.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> io::Result<String> {
        self.daemon.stderr()
    }
}

/// Nothing is shared with a containerd that the machine may run, and none of Kubernetes' part is needed.
fn configuration(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "version = 2
root = \"{directory}/root\"
state = \"{directory}/state\"
disabled_plugins = [\"io.containerd.grpc.v1.cri\"]
[grpc]
  address = \"{directory}/socket\"
[plugins.\"io.containerd.internal.v1.opt\"]
  path = \"{directory}/opt\"
"
    )
}

/// Writes the `hosts.toml` that sends pulls from `registry` to `mirror`, a URL, and returns the directory for
/// `--hosts-dir`; `authority` is the file of the authority that the mirror's certificate is of.
///
/// # Errors
/// When the file cannot be written.
pub fn write_hosts(
    directory: &Path,
    registry: &str,
    mirror: &str,
    authority: Option<&Path>,
) -> io::Result<PathBuf> {
    let hosts = directory.join("hosts");
    fs::create_dir_all(hosts.join(registry))?;
    let authority = authority.map(|file| format!("  ca = \"{}\"\n", file.display())).unwrap_or_default();
    let text = format!(
        "server = \"https://{registry}\"
[host.\"{mirror}\"]
  capabilities = [\"pull\", \"resolve\"]
{authority}"
    );
    fs::write(hosts.join(registry).join("hosts.toml"), text)?;
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker_registry::{DockerRegistry, RegistryOptions};
    use crate::images::{ImageSet, ReleaseOptions, Size, cache_directory, release_set};
    use crate::pushing::seed_docker_registry;
    use crate::tls::{Authority, Flaw};

    fn small() -> ImageSet {
        release_set(&ReleaseOptions::new(Size::Small), &cache_directory()).unwrap()
    }

    /// A plain image and an index, of both styles, arrive whole and are unpacked.
    #[tokio::test]
    async fn containerd_pulls_and_unpacks() {
        if !peers::interop_wanted() {
            return;
        }
        let storage = tempfile::tempdir().unwrap();
        let set = small();
        seed_docker_registry(storage.path(), "arcdata", &set).unwrap();
        let options =
            RegistryOptions { storage: Some(storage.path().to_owned()), ..RegistryOptions::default() };
        let registry = DockerRegistry::start(&options).await.unwrap();
        let containerd = Containerd::start().await.unwrap();
        for name in ["arc-sqlmi", "arc-service-proxy"] {
            let image = set.image(name).unwrap();
            let reference = format!("{}/arcdata/{name}:{}", registry.address(), image.tag);
            containerd.pull(&reference, &["--plain-http"]).await.unwrap();
            let check = containerd.ctr(&["images", "check", "--snapshotter", "native"]).await.unwrap();
            let check = String::from_utf8(check.stdout).unwrap();
            let line = check.lines().find(|line| line.starts_with(&reference)).unwrap();
            assert!(line.contains(" complete (") && line.trim_end().ends_with("true"), "{check}");
            assert!(line.contains(&image.manifest.digest().to_string()), "{check}");
        }
    }

    /// A pull from a registry that is not there is served by its mirror, over TLS.
    #[tokio::test]
    async fn containerd_pulls_through_a_mirror() {
        if !peers::interop_wanted() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let storage = directory.path().join("storage");
        let set = small();
        seed_docker_registry(&storage, "arcdata", &set).unwrap();
        let authority = Authority::new(directory.path()).unwrap();
        let server = authority.server(Flaw::None).unwrap();
        let (storage, tls) = (Some(storage), Some((server.certificate, server.key)));
        let options = RegistryOptions { storage, tls, ..RegistryOptions::default() };
        let registry = DockerRegistry::start(&options).await.unwrap();
        let trusted = authority.certificate();
        let hosts = write_hosts(directory.path(), "registry.invalid", &registry.url(), Some(&trusted));
        let hosts = hosts.unwrap().display().to_string();
        let containerd = Containerd::start().await.unwrap();
        let image = set.image("arc-bootstrapper").unwrap();
        let reference = format!("registry.invalid/arcdata/{}:{}", image.name, image.tag);
        containerd.pull(&reference, &["--hosts-dir", &hosts]).await.unwrap();
        assert!(containerd.pull(&reference, &["--plain-http"]).await.is_err());
    }
}
