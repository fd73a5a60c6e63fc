//! containerd by `ctr`, which is told of the registry by nothing but the `hosts.toml` that the server prints.

use std::io;

use sealift_testbed::containerd::Containerd;

use super::Client;
use super::served::Served;

/// A registry that is not there, and that the images are named after: the node asks the server instead.
const ELSEWHERE: &str = "registry.invalid";

pub struct Ctr {
    containerd: Containerd,
}

impl Ctr {
    pub async fn start() -> Self {
        Self { containerd: Containerd::start().await.unwrap() }
    }

    async fn run(&self, command: &[&str], served: &Served, rest: &[&str]) -> io::Result<()> {
        let hosts = served.write_hosts(ELSEWHERE).await.display().to_string();
        let user = served.credentials();
        let user: &[&str] = if served.has_password { &["--user", &user] } else { &[] };
        let options = [&["--hosts-dir", &hosts], user].concat();
        self.containerd.ctr(&[&["images"], command, &options, rest].concat()).await.map(drop)
    }

    async fn pull_as(&self, served: &Served, image: &str) -> String {
        let pull = ["pull", "--snapshotter", "native", "--all-platforms"];
        self.run(&pull, served, &[image]).await.unwrap();
        self.digest(image).await
    }

    /// The third word of a line is the digest: `REF TYPE DIGEST SIZE PLATFORMS LABELS`.
    async fn digest(&self, image: &str) -> String {
        let listed = self.containerd.ctr(&["images", "list", &format!("name=={image}")]).await.unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let line = listed.lines().find(|line| line.starts_with(image)).unwrap();
        line.split_whitespace().nth(2).unwrap().to_owned()
    }
}

impl Client for Ctr {
    async fn pull(&self, served: &Served, image: &str) -> String {
        let elsewhere = image.replace(&served.address, ELSEWHERE);
        let digest = self.pull_as(served, &elsewhere).await;
        assert_eq!(self.pull_as(served, image).await, digest, "{image}");
        digest
    }

    async fn push(&self, served: &Served, from: &str, to: &str) -> String {
        self.run(&["push"], served, &[to, from]).await.unwrap();
        self.digest(from).await
    }

    async fn is_refused(&self, served: &Served, from: &str, to: &str) -> bool {
        self.run(&["push"], served, &[to, from]).await.is_err()
    }

    async fn forget(&self) {
        let listed = self.containerd.ctr(&["images", "list", "--quiet"]).await.unwrap();
        for image in String::from_utf8(listed.stdout).unwrap().lines() {
            self.containerd.ctr(&["images", "remove", "--sync", image]).await.unwrap();
        }
    }
}
