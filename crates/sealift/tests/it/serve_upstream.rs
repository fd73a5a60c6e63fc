//! A registry that fetches what it lacks, with the link up, down, and up again.

use std::path::Path;

use sealift_oci::{ManifestRef, RepositoryName};
use sealift_registry::client::{ClientConfig, Credentials, RegistryClient, Secret};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{DirectoryStore, Store};
use sealift_testbed::docker_registry::{DockerRegistry, RegistryOptions};
use sealift_testbed::htpasswd::write_htpasswd;
use sealift_testbed::peers;

use crate::serve::Registry;

/// Who may ask upstream.
const USER: (&str, &str) = ("ship", "secret-word");

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn named(tag: &str) -> ManifestRef {
    fixture::tag(tag).into()
}

/// Pulls everything of an image.
async fn pull(store: &dyn Store, repository: &str, tag: &str, image: &Image) {
    let source = store.source(&repository.parse().unwrap());
    assert_eq!(source.manifest(&named(tag)).await.unwrap(), image.manifest);
    for child in &image.children {
        assert_eq!(source.manifest(&child.digest().into()).await.unwrap(), child.manifest);
    }
    for blob in image.blobs.iter().chain(image.children.iter().flat_map(|child| &child.blobs)) {
        let digest = sealift_oci::Digest::sha256(blob);
        let body = source.open_blob(&digest, 0).await.unwrap();
        assert_eq!(body.collect(blob.len()).await.unwrap(), blob);
    }
}

/// The value of `Age` of a manifest that is asked for, where there is one.
async fn age(registry: &Registry, path: &str) -> Option<u64> {
    let request = format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = registry.raw(&request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let lines = answer.lines().filter_map(|line| line.split_once(": "));
    let mut ages = lines.filter(|(name, _)| name.eq_ignore_ascii_case("age"));
    ages.next().map(|(_, value)| value.parse().unwrap())
}

/// Pushes as the user of the far side.
async fn push(upstream: &DockerRegistry, repository: &str, tag: &str, image: &Image) {
    let credentials = Credentials::Basic { username: USER.0.to_owned(), password: Secret::new(USER.1) };
    let config = ClientConfig { plain_http: true, credentials, ..ClientConfig::default() };
    let client = RegistryClient::new(upstream.address().to_string().parse().unwrap(), config).unwrap();
    image.push(&client, &repository.parse().unwrap(), Some(tag)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_is_served_while_the_link_is_down() {
    if !peers::interop_wanted() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let users = write_htpasswd(place.path(), &[USER]).unwrap();
    let far = place.path().join("far");
    let options = RegistryOptions { storage: Some(far), htpasswd: Some(users), ..RegistryOptions::default() };
    let upstream = DockerRegistry::start(&options).await.unwrap();
    let address = upstream.address();
    let old = fixture::index(&[fixture::image("a"), fixture::docker_image("b")]);
    let new = fixture::image("new");
    push(&upstream, "team/app", "v1", &old).await;

    // Credentials are found where Docker keeps them.
    let config =
        format!(r#"{{"auths": {{"{address}": {{"username": "{}", "password": "{}"}}}}}}"#, USER.0, USER.1);
    std::fs::write(place.path().join("config.json"), config).unwrap();
    let variables = [("DOCKER_CONFIG", text(place.path()))];
    let directory = place.path().join("store");
    let (plain, mapped) = (address.to_string(), format!("far={address}/team"));
    let args = [text(&directory), "--upstream", &mapped, "--plain-http", &plain, "--tag-ttl", "0s"];
    let registry = Registry::start_with(&args, &variables).await;
    let client = registry.client();
    pull(client.as_ref(), "far/app", "v1", &old).await;
    assert_eq!(age(&registry, "/v2/far/app/manifests/v1").await, None, "it was asked just now");
    assert_eq!(registry.ask("GET", "/v2/far/app/manifests/none").await, 404);
    assert_eq!(registry.ask("GET", "/v2/team/app/manifests/v1").await, 404, "it is not mapped");
    push(&upstream, "team/app", "v1", &new).await;
    pull(client.as_ref(), "far/app", "v1", &new).await;

    drop(upstream);
    pull(client.as_ref(), "far/app", "v1", &new).await;
    assert!(age(&registry, "/v2/far/app/manifests/v1").await.is_some());
    pull_by_digest(client.as_ref(), "far/app", &old).await;
    assert_eq!(registry.ask("GET", "/v2/far/app/manifests/none").await, 503, "nobody knows");
    let (code, _) = registry.stop().await;
    assert_eq!(code, Some(0));

    // The next process knows as much.
    let registry = Registry::start_with(&args, &variables).await;
    pull(registry.client().as_ref(), "far/app", "v1", &new).await;
    assert!(age(&registry, "/v2/far/app/manifests/v1").await.is_some());
    registry.kill().await;
    let kept = DirectoryStore::open(&directory).unwrap();
    pull(&kept, "far/app", "v1", &new).await;
}

/// An image that no tag leads to any more stays.
async fn pull_by_digest(store: &dyn Store, repository: &str, image: &Image) {
    let name: RepositoryName = repository.parse().unwrap();
    assert_eq!(store.source(&name).manifest(&image.digest().into()).await.unwrap(), image.manifest);
}

/// Nobody makes the server fetch anything who may not read there.
#[tokio::test(flavor = "multi_thread")]
async fn upstream_is_asked_only_for_who_may_read() {
    if !peers::interop_wanted() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let upstream = DockerRegistry::start(&RegistryOptions::default()).await.unwrap();
    let image = fixture::image("x");
    push(&upstream, "team/app", "v1", &image).await;
    push(&upstream, "public/app", "v1", &image).await;
    let address = upstream.address().to_string();
    let users = write_htpasswd(place.path(), &[USER]).unwrap();
    let directory = place.path().join("store");
    let registry = Registry::start(&[
        text(&directory),
        "--upstream",
        &address,
        "--htpasswd",
        text(&users),
        "--anonymous-pull=public",
    ])
    .await;
    let reads = |requests: &[sealift_testbed::docker_registry::Request], name: &str| {
        requests
            .iter()
            .any(|it| it.path.starts_with(&format!("/v2/{name}/manifests/v1")) && it.method == "GET")
    };
    assert_eq!(registry.ask("GET", "/v2/team/app/manifests/v1").await, 401);
    assert_eq!(registry.ask("GET", "/repository/public/app").await, 404, "pages show what is kept");
    assert_eq!(registry.ask("GET", "/v2/public/app/manifests/v1").await, 200);
    assert_eq!(registry.ask("GET", "/repository/public/app").await, 200);
    let requests = upstream.wait_for_requests(|all| reads(all, "public/app")).await.unwrap();
    assert!(!reads(&requests, "team/app"));
    assert!(!directory.join("team").exists());
}
