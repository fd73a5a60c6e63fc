//! Podman makes what it pushes anew from what it has unpacked: its digest is its own.

use std::io;

use sealift_testbed::podman::Podman;

use super::Client;
use super::served::Served;

pub struct PodmanClient {
    podman: Podman,
    files: tempfile::TempDir,
}

impl PodmanClient {
    pub fn new() -> Self {
        Self { podman: Podman::new().unwrap(), files: tempfile::tempdir().unwrap() }
    }

    async fn run(&self, command: &[&str], served: &Served, rest: &[&str]) -> io::Result<String> {
        let options = served.options("");
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let output = self.podman.podman(&[command, &options, rest].concat()).await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Client for PodmanClient {
    async fn pull(&self, served: &Served, image: &str) -> String {
        let id = self.run(&["pull", "--quiet"], served, &[image]).await.unwrap();
        // An image may be known by the digest of an index, too; this is the one that was asked for.
        let inspect = ["image", "inspect", "--format", "{{join .RepoDigests \" \"}}", &id];
        let digests = String::from_utf8(self.podman.podman(&inspect).await.unwrap().stdout).unwrap();
        let repository = image.rsplit_once(':').unwrap().0;
        let asked =
            served.digest(repository.split_once('/').unwrap().1, image.rsplit_once(':').unwrap().1).await;
        let named = format!("{repository}@{asked}");
        digests.split_whitespace().find(|it| *it == named).map_or(digests.clone(), |_| asked)
    }

    async fn push(&self, served: &Served, from: &str, to: &str) -> String {
        let file = self.files.path().join("digest").display().to_string();
        self.run(&["push", "--quiet", "--digestfile", &file], served, &[from, to]).await.unwrap();
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }

    async fn is_refused(&self, served: &Served, from: &str, to: &str) -> bool {
        self.run(&["push", "--quiet"], served, &[from, to]).await.is_err()
    }

    async fn forget(&self) {
        self.podman.podman(&["rmi", "--all", "--force"]).await.unwrap();
    }
}
