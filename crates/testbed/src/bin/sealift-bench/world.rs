//! The two registries, and one run of a tool between them.

use std::io;
use std::path::PathBuf;

use sealift_testbed::docker_registry::{DockerRegistry, RegistryOptions, Request};
use sealift_testbed::images::{ImageSet, ReleaseOptions, Size, cache_directory, release_set};
use sealift_testbed::pushing::seed_docker_registry;
use sealift_testbed::tcp_proxy::TcpProxy;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::contenders::{Contender, Ends, Link};
use crate::measure::{Cost, measure};

pub(crate) struct World {
    pub(crate) set: ImageSet,
    storage: PathBuf,
    directory: TempDir,
    /// The target of the last run, for the tool that comes back to it.
    target: Mutex<Option<DockerRegistry>>,
}

impl World {
    pub(crate) async fn new() -> io::Result<Self> {
        let cache = cache_directory();
        let set = release_set(&ReleaseOptions::new(Size::Bench), &cache)?;
        let directory = tempfile::tempdir_in(&cache)?;
        let storage = directory.path().join("source");
        seed_docker_registry(&storage, "arcdata", &set)?;
        Ok(Self { set, storage, directory, target: Mutex::new(None) })
    }

    /// Runs a tool once. The registries are new processes, so that their logs hold this run alone.
    pub(crate) async fn measure(&self, contender: Contender, link: Link) -> io::Result<Cost> {
        let source = start(self.storage.clone()).await?;
        let target = self.target(contender).await?;
        let line = TcpProxy::start(source.address()).await?;
        if link == Link::Wan {
            line.faults().set_delay(Link::WAN_DELAY);
            line.faults().set_rate(Some(Link::WAN_RATE));
        }
        let from = if link == Link::Wan { line.address() } else { source.address() };
        let ends = Ends { source: from.to_string(), target: target.address().to_string() };
        let command = contender.command(&self.set, &ends, self.directory.path())?;
        let mut cost = measure(&command).await?;
        let (asked, written) = (settled(&source).await?, settled(&target).await?);
        cost.source_requests = asked.len();
        cost.source_bytes = asked.iter().filter(|it| it.method == "GET").map(|it| it.bytes).sum();
        cost.target_requests = written.len();
        self.target.lock().await.replace(target);
        Ok(cost)
    }

    async fn target(&self, contender: Contender) -> io::Result<DockerRegistry> {
        let storage = self.directory.path().join("target");
        // The registry of the last run ends before its files are touched.
        drop(self.target.lock().await.take());
        if contender.needs_empty_target() && storage.exists() {
            std::fs::remove_dir_all(&storage)?;
        }
        // What earlier runs wrote is not written back while the next one is measured.
        nix::unistd::sync();
        start(storage).await
    }
}

pub(crate) async fn start(storage: PathBuf) -> io::Result<DockerRegistry> {
    DockerRegistry::start(&RegistryOptions { storage: Some(storage), ..RegistryOptions::default() }).await
}

/// Reads the access log when nothing more comes: the registry writes a line a little after its answer.
pub(crate) async fn settled(registry: &DockerRegistry) -> io::Result<Vec<Request>> {
    let mut requests = registry.requests()?;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let more = registry.requests()?;
        if more.len() == requests.len() {
            return Ok(more);
        }
        requests = more;
    }
}
