//! Deleting, where that is allowed.

use std::sync::Arc;

use sealift_oci::Digest;
use sealift_store::conformance::fixture;
use sealift_store::{MemoryStore, ReadOnly};

use super::super::ServerConfig;
use super::{Fixture, name};

fn allowed() -> ServerConfig {
    ServerConfig { deletes: true, ..ServerConfig::default() }
}

#[tokio::test]
async fn what_is_deleted_is_gone_at_once() {
    let fixture = Fixture::over(Arc::new(MemoryStore::new("memory")), allowed()).await;
    let (image, index) = (fixture::image("x"), fixture::index(&[fixture::image("y")]));
    image.push(fixture.store.as_ref(), &name("a"), Some("one")).await;
    image.push(fixture.store.as_ref(), &name("a"), Some("two")).await;
    image.push(fixture.store.as_ref(), &name("b"), Some("one")).await;
    index.push(fixture.store.as_ref(), &name("a"), Some("index")).await;
    let (digest, child) = (image.digest(), index.children[0].digest());
    let (blob, none) = (Digest::sha256(&image.blobs[0]), Digest::sha256(b"none"));
    let manifest = |reference: &dyn std::fmt::Display| format!("/v2/a/manifests/{reference}");
    let cases = [
        (manifest(&"none"), 404, "MANIFEST_UNKNOWN"),
        (manifest(&none), 404, "MANIFEST_UNKNOWN"),
        (manifest(&"sha256:12"), 400, "DIGEST_INVALID"),
        (manifest(&".bad"), 400, "MANIFEST_INVALID"),
        (manifest(&"one"), 202, ""),
        (manifest(&"one"), 404, "MANIFEST_UNKNOWN"),
        (manifest(&digest), 202, ""),
        (manifest(&"two"), 404, "MANIFEST_UNKNOWN"),
        (manifest(&child), 202, ""),
        (manifest(&index.digest()), 202, ""),
        (format!("/v2/a/blobs/{none}"), 404, "BLOB_UNKNOWN"),
        (format!("/v2/a/blobs/{blob}"), 202, ""),
        (format!("/v2/a/blobs/{blob}"), 404, "BLOB_UNKNOWN"),
        (format!("/v2/none/blobs/{blob}"), 404, "BLOB_UNKNOWN"),
    ];
    for (target, status, code) in cases {
        let reply = fixture.ask("DELETE", &target, "", b"").await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{target}");
        if status == 202 {
            assert_eq!(fixture.ask("HEAD", &target, "", b"").await.status, 404, "{target}");
        }
    }
    assert_eq!(fixture.get("/v2/a/tags/list").await.json()["tags"], serde_json::json!([]));
    assert_eq!(fixture.get("/v2/b/manifests/one").await.body, image.manifest.bytes);
    assert_eq!(fixture.get(&format!("/v2/b/blobs/{blob}")).await.body, image.blobs[0]);
    for (method, target, expected) in [
        ("POST", manifest(&"one"), "GET, HEAD, PUT, DELETE"),
        ("PUT", format!("/v2/a/blobs/{blob}"), "GET, HEAD, DELETE"),
    ] {
        assert_eq!(fixture.ask(method, &target, "", b"").await.header("allow"), expected);
    }
}

#[tokio::test]
async fn a_place_that_cannot_delete_says_so() {
    let store = Arc::new(MemoryStore::new("memory"));
    let image = fixture::image("x");
    image.push(store.as_ref(), &name("a"), Some("t")).await;
    let fixture = Fixture::over(Arc::new(ReadOnly::new(store)), allowed()).await;
    let blob = Digest::sha256(&image.blobs[0]);
    for target in [format!("/v2/a/blobs/{blob}"), "/v2/a/manifests/t".to_owned()] {
        let reply = fixture.ask("DELETE", &target, "", b"").await;
        assert_eq!((reply.status, reply.code().as_str()), (405, "UNSUPPORTED"), "{target}");
        assert_eq!(fixture.get(&target).await.status, 200);
    }
}
