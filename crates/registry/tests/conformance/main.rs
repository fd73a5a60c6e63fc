//! What the conformance suite of the OCI distribution specification asks of a registry, asked here group by
//! group, so that a change that would fail it fails first here. The suite is a program in Go
//! (`opencontainers/distribution-spec/conformance`, read in the version of 2026 that is driven by `config.go`,
//! `run.go`, `api.go` and `testdata.go`); the groups and their cases have its names. What is asked beyond its
//! setting 1.1 (cancelling, digests in every answer, tags as parameters) is its setting `dev`.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod api;
mod blobs;
mod data;
mod sets;

use std::sync::Arc;

use reqwest::Method;
use sealift_oci::{Algorithm, Digest};
use sealift_registry::server::{RunningServer, Server, ServerConfig};
use sealift_store::accept::Sparse;
use sealift_store::conformance::fixture;
use sealift_store::{DirectoryStore, MemoryStore, ReadOnly, Store};
use tokio::net::TcpListener;

use api::{Api, Repository};
use data::Data;

struct Registry {
    api: Api,
    _server: RunningServer,
}

impl Registry {
    async fn over(store: Arc<dyn Store>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = ServerConfig { deletes: true, ..ServerConfig::default() };
        let server = Server::new(store, config).serve(listener).unwrap();
        let api = Api::new(server.local_addr());
        Self { api, _server: server }
    }

    fn repository(&self, name: &str) -> Repository<'_> {
        Repository { api: &self.api, name: name.to_owned() }
    }
}

/// The place that `sealift serve` has.
async fn directory() -> (tempfile::TempDir, Registry) {
    let root = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(root.path()).unwrap().taking(Sparse::Indexes);
    let registry = Registry::over(Arc::new(store)).await;
    (root, registry)
}

#[tokio::test(flavor = "multi_thread")]
async fn ping_and_empty() {
    let (_root, registry) = directory().await;
    registry.api.ask(Method::GET, "/v2/").await.expect(200);
    let repository = registry.repository("conformance/repo1");
    let tags = repository.get("tags/list").await;
    assert!([200, 404].contains(&tags.status), "{tags:?}");
    let none = repository.referrers(&Digest::sha256(b"nothing"), None).await;
    assert_eq!(none, Vec::<serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_of_every_algorithm() {
    let (_root, registry) = directory().await;
    let repositories = ["repo1", "repo2"].map(|name| registry.repository(&format!("conformance/{name}")));
    for algorithm in Algorithm::ALL {
        blobs::all(&repositories, algorithm).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_data() {
    let (_root, registry) = directory().await;
    let repository = registry.repository("conformance/repo1");
    let sets = sets::all();
    for set in &sets {
        push(&repository, set).await;
        list(&repository, set).await;
        head_and_pull(&repository, set).await;
        referrers(&repository, set).await;
        delete(&repository, set).await;
    }
    assert_eq!(sets.len(), 22, "a group is missing");
}

/// The suite's `sparse` images lack layers; its setting for that is off, and so is the place's.
#[tokio::test(flavor = "multi_thread")]
async fn sparse_images_where_they_are_taken() {
    let root = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(root.path()).unwrap().taking(Sparse::Everything);
    let registry = Registry::over(Arc::new(store)).await;
    let (mut set, repository) = (sets::image("sparse-image"), registry.repository("sparse"));
    set.blobs.pop();
    push(&repository, &set).await;
    head_and_pull(&repository, &set).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifest_errors() {
    let (_root, registry) = directory().await;
    let repository = registry.repository("conformance/repo1");
    let set = sets::image("invalid-digest");
    for (digest, content) in &set.blobs {
        repository.push_blob(digest, content).await;
    }
    let missing = format!("manifests/{}", Digest::sha256(b"none"));
    repository.get(&missing).await.expect(404);
    repository.get("manifests/missing-tag").await.expect(404);
    let bytes = &set.manifests[0].bytes;
    repository.put("manifests/sha256:baddigeststring", bytes).await.expect(400);
    let got = repository.get("manifests/sha256:baddigeststring").await;
    assert!([400, 404].contains(&got.status), "{got:?}");
}

/// With the pushes switched off and the content named, as for a registry that is read-only.
#[tokio::test(flavor = "multi_thread")]
async fn read_only() {
    let memory = Arc::new(MemoryStore::new("memory"));
    let image = fixture::image("x");
    let artifact = fixture::artifact("y", &image.manifest, "application/x");
    for (one, tag) in [(&image, "image"), (&artifact, "artifact")] {
        one.push(memory.as_ref(), &"conformance/repo1".parse().unwrap(), Some(tag)).await;
    }
    let registry = Registry::over(Arc::new(ReadOnly::new(memory))).await;
    let repository = registry.repository("conformance/repo1");
    let tags = repository.get("tags/list").await.expect(200).json();
    assert_eq!(tags["tags"], serde_json::json!(["artifact", "image"]));
    for one in [&image, &artifact] {
        repository.assert_manifest(&one.digest().to_string(), one.digest(), &one.manifest.bytes).await;
        for blob in &one.blobs {
            repository.assert_blob(&Digest::sha256(blob), blob).await;
        }
    }
    let listed = repository.referrers(&image.digest(), Some("application/x")).await;
    assert_eq!(listed.len(), 1);
    let none = registry.repository("conformance/none");
    assert!(none.referrers(&image.digest(), None).await.is_empty(), "a list is never missing");
    let uploads = format!("/v2/{}/blobs/uploads/", repository.name);
    for refused in [
        repository.delete("manifests/image").await,
        repository.delete(&format!("manifests/{}", image.digest())).await,
        repository.delete(&format!("blobs/{}", Digest::sha256(&image.blobs[0]))).await,
        repository.put("manifests/image", &image.manifest.bytes).await,
        registry.api.ask(Method::POST, &uploads).await,
    ] {
        assert!(refused.expect(405).headers.contains_key("allow"));
    }
}

/// `TestPush`: blobs, then manifests by their digest, with tags as parameters where that is the group, then tags.
async fn push(repository: &Repository<'_>, set: &Data) {
    for (digest, content) in &set.blobs {
        repository.push_blob(digest, content).await;
    }
    for manifest in &set.manifests {
        let tags = set.tags_of(&manifest.digest);
        let mut target = format!("manifests/{}", manifest.digest);
        if set.tags_as_parameters {
            let parameters: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
            target = format!("{target}?{}", parameters.join("&"));
        }
        let put = repository.put_manifest(&target, manifest).await;
        if set.is_wrong {
            put.expect(400);
            continue;
        }
        put.assert_created(repository, manifest).await;
        let told = put.all("oci-tag");
        match set.tags_as_parameters {
            true => assert_eq!(told, tags, "{}", set.name),
            false => {
                for tag in tags {
                    let put = repository.put_manifest(&format!("manifests/{tag}"), manifest).await;
                    put.assert_created(repository, manifest).await;
                }
            }
        }
    }
}

/// `TestList`: every tag, and those behind one.
async fn list(repository: &Repository<'_>, set: &Data) {
    let tags = repository.tags("").await;
    for (tag, _) in &set.tags {
        assert!(tags.contains(tag), "{}: {tag} is not in {tags:?}", set.name);
    }
    assert!(tags.is_sorted());
    let Some(last) = tags.get((tags.len() / 2).wrapping_sub(1)) else { return };
    assert_eq!(repository.tags(&format!("?last={last}")).await, tags[tags.len() / 2..]);
}

/// `TestHead` and `TestPull`.
async fn head_and_pull(repository: &Repository<'_>, set: &Data) {
    for manifest in set.manifests.iter().filter(|_| !set.is_wrong) {
        let by = manifest.digest.to_string();
        for reference in [by.as_str()].into_iter().chain(set.tags_of(&manifest.digest)) {
            let answer = repository.assert_manifest(reference, manifest.digest, &manifest.bytes).await;
            assert_eq!(answer.header("content-type"), manifest.media_type, "{}", set.name);
        }
    }
    for (digest, content) in &set.blobs {
        repository.assert_blob(digest, content).await;
    }
}

/// `TestReferrers`: all that is attached, then each type alone.
async fn referrers(repository: &Repository<'_>, set: &Data) {
    for (subject, expected) in &set.referrers {
        let all = repository.referrers(subject, None).await;
        for one in expected {
            assert!(all.contains(one), "{}: {one} is not in {all:?}", set.name);
        }
        for one in expected {
            let wanted = one["artifactType"].as_str();
            let found = repository.referrers(subject, wanted).await;
            assert!(found.contains(one) || wanted.is_none(), "{}", set.name);
            let is_other = |it: &&serde_json::Value| it["artifactType"].as_str() != wanted;
            assert!(wanted.is_none() || !found.iter().any(|it| is_other(&it)), "{found:?}");
        }
    }
}

/// `TestDelete`: tags, manifests from the last to the first, blobs; each is gone at once.
async fn delete(repository: &Repository<'_>, set: &Data) {
    let tags = set.tags.iter().map(|(tag, _)| format!("manifests/{tag}"));
    let manifests = set.manifests.iter().rev().map(|it| format!("manifests/{}", it.digest));
    let blobs = set.blobs.iter().map(|(digest, _)| format!("blobs/{digest}"));
    for target in tags.chain(manifests).chain(blobs) {
        let deleted = repository.delete(&target).await;
        assert!(deleted.status == 202 || (set.is_wrong && deleted.status == 404), "{target}: {deleted:?}");
        repository.head(&target).await.expect(404);
    }
}
