//! Many clients at once, at a server over a directory: one blob, one tag, and deletes against pulls.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use reqwest::{Client, Method, RequestBuilder};
use sealift_oci::Digest;
use sealift_registry::server::{RunningServer, Server, ServerConfig};
use sealift_store::conformance::fixture;
use sealift_store::{Depth, DirectoryStore, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;

const CLIENTS: usize = 16;

struct Registry {
    store: Arc<DirectoryStore>,
    client: Client,
    server: RunningServer,
    _root: TempDir,
}

impl Registry {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Arc::new(DirectoryStore::open(root.path()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = ServerConfig { deletes: true, ..ServerConfig::default() };
        let server = Server::new(Arc::clone(&store) as Arc<dyn Store>, config).serve(listener).unwrap();
        Self { store, client: Client::builder().no_proxy().build().unwrap(), server, _root: root }
    }

    fn request(&self, method: Method, target: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{target}", self.server.local_addr()))
    }

    async fn status(&self, method: Method, target: &str) -> u16 {
        self.request(method, target).send().await.unwrap().status().as_u16()
    }

    async fn assert_whole(&self) {
        let check = self.store.check(Depth::Thorough { threads: 2 }).await.unwrap();
        assert_eq!(check.findings, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_blob_is_pushed_by_many() {
    let registry = Registry::new().await;
    let content = fixture::noise("one blob", 700_000);
    let digest = Digest::sha256(&content);
    let push = |number: usize| {
        let (registry, content) = (&registry, content.clone());
        async move {
            // Half of them in one request, half in two.
            if number.is_multiple_of(2) {
                let target = format!("/v2/a/blobs/uploads/?digest={digest}");
                return registry.request(Method::POST, &target).body(content).send().await.unwrap().status();
            }
            let begun = registry.request(Method::POST, "/v2/a/blobs/uploads/").send().await.unwrap();
            let location = begun.headers()["location"].to_str().unwrap().to_owned();
            let put = format!("{location}?digest={digest}");
            registry.request(Method::PUT, &put).body(content).send().await.unwrap().status()
        }
    };
    for status in join_all((0..CLIENTS).map(push)).await {
        assert_eq!(status, 201);
    }
    let got = registry.request(Method::GET, &format!("/v2/a/blobs/{digest}")).send().await.unwrap();
    assert!(got.bytes().await.unwrap() == content);
    registry.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tag_is_set_by_many() {
    let registry = Registry::new().await;
    let target = registry.store.target(&"a".parse().unwrap()).unwrap();
    let images: Vec<_> = (0..CLIENTS).map(|number| fixture::image(&number.to_string())).collect();
    for image in &images {
        image.push_content(target.as_ref()).await;
    }
    let put = |bytes: Bytes| registry.request(Method::PUT, "/v2/a/manifests/t").body(bytes).send();
    for answer in join_all(images.iter().map(|image| put(image.manifest.bytes.clone()))).await {
        assert_eq!(answer.unwrap().status(), 201);
    }
    let tagged = registry.request(Method::GET, "/v2/a/manifests/t").send().await.unwrap();
    let tagged = tagged.bytes().await.unwrap();
    assert!(images.iter().any(|image| image.manifest.bytes == tagged), "it is one of them, whole");
    for image in &images {
        let target = format!("/v2/a/manifests/{}", image.digest());
        assert_eq!(registry.status(Method::HEAD, &target).await, 200, "all of them are there");
    }
    registry.assert_whole().await;
}

/// Who has begun to read a blob reads it to its end; who comes later finds nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_has_begun_outlives_a_delete() {
    let registry = Registry::new().await;
    let content = fixture::noise("pulled", 8_000_000);
    let target = registry.store.target(&"a".parse().unwrap()).unwrap();
    let digest = fixture::push_blob(target.as_ref(), &content).await;
    let blob = format!("/v2/a/blobs/{digest}");
    let mut body = registry.request(Method::GET, &blob).send().await.unwrap().bytes_stream();
    let mut pulled = body.next().await.unwrap().unwrap().to_vec();
    let deletes = (0..CLIENTS).map(|_| registry.status(Method::DELETE, &blob));
    let mut statuses = join_all(deletes).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![202], vec![404; CLIENTS - 1]].concat(), "one of them deletes it");
    assert_eq!(registry.status(Method::GET, &blob).await, 404);
    while let Some(piece) = body.next().await {
        pulled.extend(piece.unwrap());
    }
    assert!(pulled == content);
}

/// Pushes, deletes and pulls of the same image: each ends with what it says, and what is there at last is whole.
#[tokio::test(flavor = "multi_thread")]
async fn pushes_and_deletes_of_one_image_leave_it_whole_or_gone() {
    let registry = Registry::new().await;
    let image = fixture::image("to and fro");
    let manifest = format!("/v2/a/manifests/{}", image.digest());
    let one = |number: usize| {
        let (registry, image, manifest) = (&registry, &image, &manifest);
        async move {
            for _ in 0..5 {
                if number.is_multiple_of(4) {
                    let status = registry.status(Method::DELETE, manifest).await;
                    assert!([202, 404].contains(&status), "{status}");
                    continue;
                }
                for blob in &image.blobs {
                    let target = format!("/v2/a/blobs/uploads/?digest={}", Digest::sha256(blob));
                    let pushed = registry.request(Method::POST, &target).body(blob.clone()).send();
                    assert_eq!(pushed.await.unwrap().status(), 201);
                }
                let put =
                    registry.request(Method::PUT, "/v2/a/manifests/t").body(image.manifest.bytes.clone());
                assert_eq!(put.send().await.unwrap().status(), 201);
            }
        }
    };
    join_all((0..CLIENTS).map(one)).await;
    registry.assert_whole().await;
    let by_tag = registry.status(Method::GET, "/v2/a/manifests/t").await;
    assert_eq!(by_tag, registry.status(Method::GET, &manifest).await, "both or none");
}
