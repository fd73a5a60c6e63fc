//! Where the steps work: a registry that has two releases, an empty one, and room on the disk.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sealift_oci::Digest;
use sealift_testbed::docker_registry::DockerRegistry;
use sealift_testbed::images::{Image, ImageSet, ReleaseOptions, Size, cache_directory, release_set};
use sealift_testbed::peers;
use sealift_testbed::pushing::seed_docker_registry;
use serde_json::Value;
use tempfile::TempDir;

use super::disk;
use super::next::Next;
use super::steps::{Part, Step};
use crate::contenders::Ends;
use crate::measure::{Cost, measure};
use crate::world::{settled, start};

pub(crate) struct Yard {
    pub(crate) set: ImageSet,
    pub(crate) next: Next,
    /// Whom encrypted bundles are for.
    pub(crate) recipient: String,
    directory: TempDir,
}

/// What one run of a step cost.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) cost: Cost,
    /// What its output and its scratch space took of the disk at the most, in bytes.
    pub(crate) peak: u64,
    /// How many bytes it wrote or read.
    pub(crate) size: u64,
}

impl Yard {
    pub(crate) async fn new() -> io::Result<Self> {
        let cache = cache_directory();
        let set = release_set(&ReleaseOptions::new(Size::Bench), &cache)?;
        let directory = tempfile::tempdir_in(&cache)?;
        let next = Next::build(&set, &cache, &directory.path().join("next-set"))?;
        let storage = directory.path().join("source");
        seed_docker_registry(&storage, "arcdata", &set)?;
        seed_docker_registry(&storage, "arcnext", &next.set)?;
        let identity = directory.path().join("identity").display().to_string();
        peers::run_well("age-keygen", &["-o", &identity]).await?;
        let recipient = peers::run_well("age-keygen", &["-y", &identity]).await?.stdout;
        let recipient = String::from_utf8_lossy(&recipient).trim().to_owned();
        let yard = Self { set, next, recipient, directory };
        fs::create_dir(yard.scratch())?;
        Ok(yard)
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Where the tools put what they need for a moment.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.path("scratch")
    }

    /// Runs a step once. The registries are new processes, and the target is empty.
    pub(crate) async fn run(&self, step: Step) -> io::Result<Run> {
        self.clear(step)?;
        let source = start(self.path("source")).await?;
        let target = start(self.path("target")).await?;
        let ends = Ends { source: source.address().to_string(), target: target.address().to_string() };
        let command = step.command(self, &ends)?;
        let (output, scratch) = (step.output(self), self.scratch());
        let watched: Vec<&Path> = output.iter().map(PathBuf::as_path).chain([scratch.as_path()]).collect();
        let (cost, peak) = disk::peak_during(&watched, measure(&command)).await;
        let mut cost = cost?;
        self.count(&source, &target, &mut cost).await?;
        if step == Step::PackNext {
            self.check_next(&self.path("next"))?;
        }
        let written = output.or_else(|| step.input(self));
        let size = written.map_or_else(|| self.set.size(), |path| disk::length(&path));
        Ok(Run { cost, peak, size })
    }

    /// Makes room for a step. What earlier ones wrote is not written back while it runs, and what it reads is in memory.
    fn clear(&self, step: Step) -> io::Result<()> {
        remove(&self.path("target"))?;
        remove(&self.path("receipt.json"))?;
        if let Some(output) = step.output(self) {
            remove(&output)?;
            // What stands beside a bundle in one file.
            remove(&output.with_extension("tar.sha256"))?;
        }
        nix::unistd::sync();
        match step.part() {
            Part::Pack => disk::warm(self.set.directory()),
            Part::Verify | Part::Load => {
                disk::warm(&step.input(self).unwrap_or(self.set.directory().to_owned()))
            }
        }
    }

    async fn count(
        &self,
        source: &DockerRegistry,
        target: &DockerRegistry,
        cost: &mut Cost,
    ) -> io::Result<()> {
        let (asked, written) = (settled(source).await?, settled(target).await?);
        cost.source_requests = asked.len();
        cost.source_bytes = asked.iter().filter(|it| it.method == "GET").map(|it| it.bytes).sum();
        cost.target_requests = written.len();
        Ok(())
    }

    /// Fails unless the bundle of the next release carries the layers and configurations that are new, and no
    /// others; its manifests are small and always there.
    fn check_next(&self, bundle: &Path) -> io::Result<()> {
        let catalogue: Value = serde_json::from_slice(&fs::read(bundle.join("catalogue.json"))?)?;
        let mut carried = BTreeSet::new();
        for content in catalogue["content"].as_array().into_iter().flatten() {
            if content["at"].as_array().is_some_and(|at| !at.is_empty()) {
                let digest: Digest =
                    content["digest"].as_str().unwrap_or_default().parse().map_err(io::Error::other)?;
                carried.insert(digest);
            }
        }
        for manifest in self.next.set.images().iter().flat_map(Image::manifests) {
            carried.remove(&manifest.digest());
        }
        if carried == self.next.fresh {
            return Ok(());
        }
        let (more, less) = (&carried - &self.next.fresh, &self.next.fresh - &carried);
        Err(io::Error::other(format!("the increment has {more:?} too much and lacks {less:?}")))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
