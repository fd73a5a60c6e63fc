//! Docker by its own daemon. On loopback it speaks TLS where the registry does, and trusts any certificate.

use std::io;

use sealift_testbed::docker::Docker;

use super::Client;
use super::served::{PASSWORD, Served, USER};

pub struct DockerClient {
    docker: Docker,
}

impl DockerClient {
    pub async fn start() -> Self {
        Self { docker: Docker::start().await.unwrap() }
    }

    /// Signs in where that is wanted, or out, and runs a command.
    async fn run(&self, served: &Served, command: &[&str]) -> io::Result<String> {
        let (login, logout) = (
            ["login", "--username", USER, "--password", PASSWORD, &served.address],
            ["logout", &served.address],
        );
        self.docker.docker(if served.has_password { &login } else { &logout }).await?;
        let output = self.docker.docker(command).await?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn try_push(&self, served: &Served, from: &str, to: &str) -> io::Result<String> {
        self.docker.docker(&["tag", from, to]).await?;
        self.run(served, &["push", to]).await
    }
}

/// Finds a digest in what the client prints, as `v1: digest: sha256:… size: 949` or `Digest: sha256:…`.
fn digest(printed: &str) -> String {
    let (_, rest) = printed.split_once("igest: ").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

impl Client for DockerClient {
    async fn pull(&self, served: &Served, image: &str) -> String {
        digest(&self.run(served, &["pull", image]).await.unwrap())
    }

    async fn push(&self, served: &Served, from: &str, to: &str) -> String {
        digest(&self.try_push(served, from, to).await.unwrap())
    }

    async fn is_refused(&self, served: &Served, from: &str, to: &str) -> bool {
        self.try_push(served, from, to).await.is_err()
    }

    async fn forget(&self) {
        self.docker.docker(&["image", "prune", "--all", "--force"]).await.unwrap();
    }
}
