//! The clients that people have, against `sealift serve`: each pushes and pulls over plain HTTP and over TLS with
//! a password, pulls without one where everybody may and pushes with one, and pulls from a bundle; and every digest is
//! what it has to be.

mod containerd;
mod docker;
mod podman;
mod served;
mod skopeo;

use sealift_testbed::images::{RELEASE_TAG, Size};
use sealift_testbed::peers::interop_wanted;

use crate::site::{self, SOURCE, Site};
use served::Served;

/// One image of each kind: Docker's, OCI's, and an index.
const NAMES: [&str; 3] = ["arc-controller", "arc-sqlmi", "arc-service-proxy"];

/// A client, as people call it.
trait Client {
    /// Pulls an image, and returns the digest that the client takes it to have.
    async fn pull(&self, served: &Served, image: &str) -> String;

    /// Pushes what was pulled as `from` to `to`, and returns the digest that the client says it has there.
    async fn push(&self, served: &Served, from: &str, to: &str) -> String;

    /// Tells whether a push fails.
    async fn is_refused(&self, served: &Served, from: &str, to: &str) -> bool;

    /// Forgets every image.
    async fn forget(&self);
}

/// Pushes and pulls everything everywhere.
async fn use_everywhere(client: &impl Client) {
    let site = Site::new(Size::Small).await;
    for is_secured in [false, true] {
        let served = Served::writable(is_secured).await;
        for name in NAMES {
            push_and_pull(client, &site, &served, name).await;
        }
    }
    pull_from_bundle(client, &site).await;
    pull_as_nobody(client, &site).await;
}

/// With `--anonymous-pull`: reading needs nothing, writing a password.
async fn pull_as_nobody(client: &impl Client, site: &Site) {
    let mut served = Served::readable().await;
    let (name, from) = (NAMES[0], format!("{SOURCE}/{}", NAMES[0]));
    let expected = site.set.image(name).unwrap().manifest.digest().to_string();
    served.take(&format!("{}/{from}:{RELEASE_TAG}", site.source.address()), &from, RELEASE_TAG).await;
    let image = format!("{}/{from}:{RELEASE_TAG}", served.address);
    let to = format!("{}/pushed/image:v1", served.address);
    served.has_password = false;
    assert_eq!(client.pull(&served, &image).await, expected);
    assert!(client.is_refused(&served, &image, &to).await);
    served.has_password = true;
    let pushed = client.push(&served, &image, &to).await;
    client.forget().await;
    served.has_password = false;
    assert_eq!(served.digest("pushed/image", "v1").await, pushed);
    assert_eq!(client.pull(&served, &to).await, pushed);
    client.forget().await;
}

async fn push_and_pull(client: &impl Client, site: &Site, served: &Served, name: &str) {
    let expected = site.set.image(name).unwrap().manifest.digest().to_string();
    let from = format!("{SOURCE}/{name}");
    served.take(&format!("{}/{from}:{RELEASE_TAG}", site.source.address()), &from, RELEASE_TAG).await;
    let image = format!("{}/{from}:{RELEASE_TAG}", served.address);
    assert_eq!(client.pull(served, &image).await, expected, "{name}");

    let to = format!("{}/pushed/{name}:v1", served.address);
    let pushed = client.push(served, &image, &to).await;
    assert_eq!(served.digest(&format!("pushed/{name}"), "v1").await, pushed, "{name}");
    client.forget().await;
    assert_eq!(client.pull(served, &to).await, pushed, "{name}");
    client.forget().await;
}

async fn pull_from_bundle(client: &impl Client, site: &Site) {
    let medium = tempfile::tempdir().unwrap();
    let bundle = medium.path().join("release");
    let (source, list) = (site.source.address().to_string(), medium.path().join("images"));
    let images = NAMES.map(|name| format!("{source}/{SOURCE}/{name}:{RELEASE_TAG}\n"));
    std::fs::write(&list, images.concat()).unwrap();
    let from = ["--images-file", list.to_str().unwrap(), "--plain-http", &source];
    let to = ["--to", bundle.to_str().unwrap(), "--volume-size", "2MiB"];
    site::run([&["pack"], &from[..], &to].concat(), &[]).await.expect(0);
    let served = Served::bundle(&bundle).await;
    for name in NAMES {
        let image = format!("{}/{SOURCE}/{name}:{RELEASE_TAG}", served.address);
        let expected = site.set.image(name).unwrap().manifest.digest().to_string();
        assert_eq!(client.pull(&served, &image).await, expected, "{name}");
    }
    let image = format!("{}/{SOURCE}/{}:{RELEASE_TAG}", served.address, NAMES[0]);
    let to = format!("{}/pushed/image:v1", served.address);
    assert!(client.is_refused(&served, &image, &to).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_pushes_and_pulls() {
    if interop_wanted() {
        use_everywhere(&skopeo::Skopeo::new()).await;
    }
}

/// Pushes go to the directory alone, so they need no upstream that answers.
#[tokio::test(flavor = "multi_thread")]
async fn skopeo_pushes_while_the_link_is_down() {
    if !interop_wanted() {
        return;
    }
    let (site, served) = (Site::new(Size::Small).await, Served::cut_off().await);
    for name in NAMES {
        push_and_pull(&skopeo::Skopeo::new(), &site, &served, name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_pushes_and_pulls() {
    if interop_wanted() {
        use_everywhere(&podman::PodmanClient::new()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_pushes_and_pulls_by_the_hosts_toml_that_is_printed() {
    if interop_wanted() {
        use_everywhere(&containerd::Ctr::start().await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_pushes_and_pulls() {
    if interop_wanted() {
        use_everywhere(&docker::DockerClient::start().await).await;
    }
}
