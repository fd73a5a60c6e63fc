//! skopeo keeps nothing, so pulling is copying into a directory.

use std::io;

use sealift_oci::Digest;
use sealift_testbed::peers;
use tempfile::TempDir;

use super::Client;
use super::served::Served;

pub struct Skopeo {
    directory: TempDir,
}

impl Skopeo {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    async fn copy(&self, options: &[String], from: &str, to: &str) -> io::Result<()> {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let all = [&["copy", "--all", "--preserve-digests"], &options[..], &[from, to]].concat();
        peers::skopeo(&all).await.map(drop)
    }

    /// Copies an image from one name to another on the registry; the blobs come along where they are.
    async fn copy_there(&self, served: &Served, from: &str, to: &str) -> io::Result<()> {
        let options = [served.options("src-"), served.options("dest-")].concat();
        self.copy(&options, &format!("docker://{from}"), &format!("docker://{to}")).await
    }
}

impl Client for Skopeo {
    async fn pull(&self, served: &Served, image: &str) -> String {
        let target = tempfile::tempdir_in(self.directory.path()).unwrap();
        let to = format!("dir:{}", target.path().display());
        self.copy(&served.options("src-"), &format!("docker://{image}"), &to).await.unwrap();
        Digest::sha256(&std::fs::read(target.path().join("manifest.json")).unwrap()).to_string()
    }

    async fn push(&self, served: &Served, from: &str, to: &str) -> String {
        self.copy_there(served, from, to).await.unwrap();
        let options = served.options("");
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let inspect = [&["inspect", "--format", "{{.Digest}}"], &options[..], &[&format!("docker://{from}")]];
        let digest = peers::skopeo(&inspect.concat()).await.unwrap().stdout;
        String::from_utf8(digest).unwrap().trim().to_owned()
    }

    async fn is_refused(&self, served: &Served, from: &str, to: &str) -> bool {
        self.copy_there(served, from, to).await.is_err()
    }

    async fn forget(&self) {}
}
