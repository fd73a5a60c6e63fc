//! What is served: one large blob, as a registry's storage, as a directory, as a bundle and as an encrypted one; and
//! what is pushed.

use std::fs;
use std::io;
use std::path::PathBuf;

use sealift_testbed::images::{ImageSet, ReleaseOptions, Size, cache_directory, release_set, sparse_set};
use sealift_testbed::peers;
use sealift_testbed::pushing::seed_docker_registry;
use tempfile::TempDir;

use super::process::Server;
use crate::contenders::binary;

/// The size of the large blob, in bytes.
pub(super) const BLOB: u64 = 128_000_000;

pub(super) struct Yard {
    pub(super) release: ImageSet,
    /// Where the large blob is, on every server.
    pub(super) blob: String,
    /// A manifest by its tag, on every server.
    pub(super) manifest: String,
    directory: TempDir,
}

impl Yard {
    pub(super) async fn new() -> io::Result<Self> {
        let cache = cache_directory();
        let release = release_set(&ReleaseOptions::new(Size::Bench), &cache)?;
        let large = sparse_set(BLOB, &cache)?;
        let directory = tempfile::tempdir_in(&cache)?;
        let digest = large.blobs().into_iter().max_by_key(|blob| blob.size).map(|blob| blob.digest);
        let digest = digest.ok_or_else(|| io::Error::other("there is no blob"))?;
        let blob = format!("/v2/large/large/blobs/{digest}");
        let manifest = "/v2/large/large/manifests/v1".to_owned();
        let yard = Self { release, blob, manifest, directory };
        seed_docker_registry(&yard.path("docker"), "large", &large)?;
        yard.prepare().await?;
        Ok(yard)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes an empty directory.
    pub(super) fn empty(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        // What earlier runs wrote is not written back while the next one is measured.
        nix::unistd::sync();
        Ok(path)
    }

    /// Makes the directory and the bundles from the registry.
    async fn prepare(&self) -> io::Result<()> {
        let source = Server::docker(&self.path("docker")).await?;
        let address = source.address().to_string();
        let list = self.text("images");
        fs::write(&list, format!("{address}/large/large:v1\n"))?;
        peers::run_well("age-keygen", &["-o", &self.text("identity")]).await?;
        let recipient = peers::run_well("age-keygen", &["-y", &self.text("identity")]).await?.stdout;
        let recipient = String::from_utf8_lossy(&recipient).trim().to_owned();
        let (plain, sealed) = (self.text("plain"), self.text("sealed"));
        let pack = ["pack", "--images-file", &list, "--plain-http", &address, "--quiet", "--to"];
        sealift(&[&pack[..], &[&plain]].concat()).await?;
        sealift(&[&pack[..], &[&sealed, "--encrypt-to", &recipient]].concat()).await?;
        let receipt = self.text("receipt.json");
        sealift(&["load", &plain, "--into", &self.text("directory"), "--receipt", &receipt, "--quiet"]).await
    }
}

async fn sealift(arguments: &[&str]) -> io::Result<()> {
    peers::run_well(&binary().display().to_string(), arguments).await.map(drop)
}
