//! Where both months are, the place that gets them, and what is run between.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sealift_testbed::docker_registry::DockerRegistry;
use sealift_testbed::images::ImageSet;
use sealift_testbed::peers;
use sealift_testbed::pushing::seed_docker_registry;
use serde_json::Value;
use tempfile::TempDir;

use super::months::{Layer, images};
use crate::contenders::{binary, write};
use crate::measure::{Cost, measure};
use crate::world::{settled, start};

/// The second month as a bundle.
#[derive(Debug)]
pub(crate) struct Update {
    /// What `--delta` was.
    pub(crate) how: &'static str,
    pub(crate) cost: Cost,
    /// How many bytes are carried of each layer, and what made it, by digest.
    pub(crate) carried: BTreeMap<String, (u64, String)>,
}

pub(crate) struct Yard {
    source: DockerRegistry,
    target: DockerRegistry,
    directory: TempDir,
}

impl Yard {
    /// Starts a registry that has both months, and an empty one.
    pub(crate) async fn new(layers: &[Layer], cache: &Path) -> io::Result<Self> {
        let directory = tempfile::tempdir_in(cache)?;
        let storage = directory.path().join("source");
        let months: Vec<ImageSet> = (0..2)
            .map(|month| images(layers, month, &directory.path().join(format!("set-{month}"))))
            .collect::<io::Result<_>>()?;
        for set in &months {
            seed_docker_registry(&storage, "product", set)?;
        }
        let (source, target) = (start(storage).await?, start(directory.path().join("target")).await?);
        let yard = Self { source, target, directory };
        for (set, month) in months.iter().zip(["v1", "v2"]) {
            write(yard.directory.path(), month, &yard.list(set))?;
        }
        Ok(yard)
    }

    fn list(&self, set: &ImageSet) -> String {
        set.images().iter().fold(String::new(), |mut list, image| {
            // Writing to a string cannot fail.
            let _ = writeln!(list, "{}/product/{}:{}", self.source.address(), image.name, image.tag);
            list
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Packs a month.
    pub(crate) async fn pack(&self, month: &str, to: &str, more: &[&str]) -> io::Result<Cost> {
        let (list, from, to) = (self.text(month), self.source.address().to_string(), self.text(to));
        let command = ["pack", "--images-file", &list, "--plain-http", &from, "--to", &to, "--quiet"];
        nix::unistd::sync();
        let before = settled(&self.source).await?;
        let mut cost = measure(&sealift(&[&command[..], more].concat())).await?;
        let asked = settled(&self.source).await?;
        let new = asked.get(before.len()..).unwrap_or_default();
        cost.source_bytes = new.iter().filter(|it| it.method == "GET").map(|it| it.bytes).sum();
        Ok(cost)
    }

    /// Packs the second month as deltas of the first, which the target holds.
    pub(crate) async fn update(&self, how: &'static str) -> io::Result<Update> {
        let receipt = self.text("receipt.json");
        let cost = self.pack("v2", how, &["--since", &receipt, "--delta", how]).await?;
        let bundle = self.text(how);
        let sealift = binary().display().to_string();
        let told = peers::run_well(&sealift, &["inspect", &bundle, "--output", "json"]).await?;
        let told: Value = serde_json::from_slice(&told.stdout)?;
        let line = |it: &Value| {
            let encoder = it["encoder"].as_str().unwrap_or("as it is").to_owned();
            (
                it["digest"].as_str().unwrap_or_default().to_owned(),
                (it["bytesCarried"].as_u64().unwrap_or(0), encoder),
            )
        };
        let carried = told["deltas"].as_array().into_iter().flatten().map(line).collect();
        Ok(Update { how, cost, carried })
    }

    /// Loads a bundle.
    pub(crate) async fn load(&self, bundle: &str) -> io::Result<Cost> {
        let (bundle, to, receipt) =
            (self.text(bundle), self.target.address().to_string(), self.text("receipt.json"));
        let command = ["load", &bundle, "--target-registry", &to, "--plain-http", &to, "--quiet"];
        let more = ["--target-repository", "site", "--receipt", &receipt];
        nix::unistd::sync();
        measure(&sealift(&[&command[..], &more].concat())).await
    }

    /// Runs `zstd --patch-from` over the tars of a layer; returns the bytes that came out.
    pub(crate) async fn patch(&self, layer: &Layer, level: &str) -> io::Result<u64> {
        let patch = self.path("patch");
        let from = format!("--patch-from={}", layer.tars[0].display());
        let (new, to) = (layer.tars[1].display().to_string(), patch.display().to_string());
        peers::run_well("zstd", &["-q", "-f", level, "--memory=2047MB", &from, &new, "-o", &to]).await?;
        Ok(fs::metadata(patch)?.len())
    }

    /// What the proof needs and nothing else: inflates what is old, and of what is new inflates, encodes and compares it.
    pub(crate) async fn floor(&self, layers: &[Layer]) -> io::Result<Cost> {
        let list = layers.iter().fold(String::new(), |mut list, layer| {
            // Writing to a string cannot fail.
            let _ = writeln!(list, "{} {}", layer.blobs[0].display(), layer.blobs[1].display());
            list
        });
        let list = write(self.directory.path(), "pairs", &list)?.display().to_string();
        measure(&[prove(), "floor".to_owned(), list]).await
    }
}

/// Tells how long it takes to know the encoder of each layer, in seconds.
pub(crate) async fn recognise(layers: &[Layer]) -> io::Result<Vec<f64>> {
    let blobs: Vec<String> = layers.iter().map(|layer| layer.blobs[1].display().to_string()).collect();
    let arguments: Vec<&str> = ["recognise"].into_iter().chain(blobs.iter().map(String::as_str)).collect();
    let told = peers::run_well(&prove(), &arguments).await?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    text.lines().map(|line| line.parse().map_err(io::Error::other)).collect()
}

/// The example of regzip's that does what a proof needs.
fn prove() -> String {
    binary().with_file_name("examples").join("prove").display().to_string()
}

fn sealift(arguments: &[&str]) -> Vec<String> {
    let binary = binary().display().to_string();
    std::iter::once(binary.as_str()).chain(arguments.iter().copied()).map(str::to_owned).collect()
}
