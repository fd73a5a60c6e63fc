//! Manifests: what HEAD tells and what has to be read, and digests that must agree.

use bytes::Bytes;
use sealift_oci::{Descriptor, Digest, MANIFEST_LIMIT, Manifest, ManifestRef, media_type};
use sealift_store::{ErrorKind, Result};
use serde_json::json;

use super::peer::{Peer, Reply, reply};
use super::{source, target};

fn manifest() -> Manifest {
    let config = Descriptor::of(media_type::OCI_CONFIG, b"{}");
    let value =
        json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": []});
    Manifest::parse(None, Bytes::from(value.to_string())).unwrap()
}

fn told(manifest: &Manifest) -> Reply {
    reply(200)
        .header("content-type", media_type::OCI_MANIFEST)
        .header("docker-content-digest", manifest.digest().to_string())
        .body(manifest.bytes.clone())
}

fn tag() -> ManifestRef {
    "v1".parse().unwrap()
}

async fn ask(exchanges: Vec<(&str, Reply)>) -> (Peer, crate::client::RegistryClient) {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    for (request, reply) in exchanges {
        peer.on(request, reply);
    }
    let client = peer.client();
    (peer, client)
}

async fn resolve(exchanges: Vec<(&str, Reply)>) -> Result<Descriptor> {
    let (peer, client) = ask(exchanges).await;
    let resolved = source(&client).resolve(&tag()).await;
    let seen = peer.finish();
    for kind in media_type::MANIFESTS {
        assert!(seen[1].header("accept").contains(kind));
    }
    resolved
}

const HEAD: &str = "HEAD /v2/a/b/manifests/v1";
const GET: &str = "GET /v2/a/b/manifests/v1";

#[tokio::test]
async fn head_is_enough_where_it_tells_all() {
    let manifest = manifest();
    let found = resolve(vec![(HEAD, told(&manifest))]).await.unwrap();
    assert_eq!(found.digest, manifest.digest());
    assert_eq!(found.size, manifest.descriptor.size);
    assert_eq!(found.media_type, media_type::OCI_MANIFEST);
}

#[tokio::test]
async fn what_head_does_not_tell_is_read() {
    let manifest = manifest();
    let bytes = || manifest.bytes.clone();
    let heads = [
        reply(200).header("content-type", media_type::OCI_MANIFEST).body(bytes()),
        reply(200).header("docker-content-digest", manifest.digest().to_string()).body(bytes()),
        told(&manifest).replace("content-type", "text/plain"),
        reply(405),
        reply(404),
    ];
    for head in heads {
        let found = resolve(vec![(HEAD, head), (GET, told(&manifest))]).await.unwrap();
        assert_eq!((found.digest, found.size), (manifest.digest(), manifest.descriptor.size));
    }
}

#[tokio::test]
async fn what_is_missing_is_not_found() {
    let missing = || reply(404).error("MANIFEST_UNKNOWN", "no such tag");
    let error = resolve(vec![(HEAD, missing())]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("cannot look up a/b:v1"), "{error}");
    let error = resolve(vec![(HEAD, reply(404)), (GET, missing())]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let (peer, client) = ask(vec![(HEAD, missing())]).await;
    assert_eq!(target(&client).stat_manifest(&tag()).await.unwrap(), None);
    peer.finish();
    let error = resolve(vec![(HEAD, reply(403))]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn digests_must_agree() {
    let manifest = manifest();
    let other = Digest::sha256(b"other");
    let by_digest = |digest: &Digest| format!("GET /v2/a/b/manifests/{digest}");
    let lying = || {
        reply(200)
            .header("content-type", media_type::OCI_MANIFEST)
            .header("docker-content-digest", other.to_string())
            .body(manifest.bytes.clone())
    };
    let cases = [
        (tag(), GET.to_owned(), lying()),
        (other.into(), by_digest(&other), reply(200).body(manifest.bytes.clone())),
        (manifest.digest().into(), by_digest(&manifest.digest()), lying()),
    ];
    for (reference, request, answer) in cases {
        let (peer, client) = ask(vec![(&request, answer.clone()), (&request, answer.clone())]).await;
        let error = source(&client).manifest(&reference).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
        peer.finish();
        // What a line spoiled is right the second time.
        let right = reply(200).header("content-type", media_type::OCI_MANIFEST).body(manifest.bytes.clone());
        let (peer, client) = ask(vec![(&request, answer), (&request, right)]).await;
        let read = source(&client).manifest(&reference).await;
        assert_eq!(read.is_ok(), reference != other.into(), "{read:?}");
        peer.finish();
    }
    let head = format!("HEAD /v2/a/b/manifests/{}", manifest.digest());
    let (peer, client) = ask(vec![(&head, lying())]).await;
    let error = source(&client).resolve(&manifest.digest().into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
    peer.finish();
}

#[tokio::test]
async fn what_cannot_be_carried_is_refused() {
    let large = Bytes::from(vec![b' '; MANIFEST_LIMIT + 1]);
    let cases = [
        (reply(200).body(r#"{"schemaVersion":1,"fsLayers":[]}"#), ErrorKind::Unsupported, "schema 1"),
        (reply(200).body("<html>"), ErrorKind::Invalid, "not a manifest"),
        (reply(200).body(large), ErrorKind::Invalid, "4194304 bytes"),
    ];
    for (answer, kind, words) in cases {
        let (peer, client) = ask(vec![(GET, answer)]).await;
        let error = source(&client).manifest(&tag()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(words), "{error}");
        peer.finish();
    }
    let schema_1 = told(&manifest())
        .replace("content-type", "application/vnd.docker.distribution.manifest.v1+prettyjws");
    let error = resolve(vec![(HEAD, schema_1)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_manifest_that_is_cut_is_read_again() {
    let manifest = manifest();
    let cut = told(&manifest).header("content-length", "5000").cut();
    let (peer, client) = ask(vec![(GET, cut), (GET, told(&manifest))]).await;
    assert_eq!(source(&client).manifest(&tag()).await.unwrap(), manifest);
    peer.finish();
}

#[tokio::test]
async fn a_manifest_is_written_as_it_is() {
    let manifest = manifest();
    for status in [200, 201, 202, 204] {
        let exchanges = vec![("PUT /v2/a/b/manifests/v1", reply(status)), (HEAD, told(&manifest))];
        let (peer, client) = ask(exchanges).await;
        let tag = "v1".parse().unwrap();
        target(&client).put_manifest(&manifest, Some(&tag)).await.unwrap();
        let seen = peer.finish().remove(1);
        assert_eq!(seen.body, manifest.bytes);
        assert_eq!(seen.header("content-type"), media_type::OCI_MANIFEST);
    }
    // A proxy that says yes to everything has stored nothing.
    let page = ("PUT /v2/a/b/manifests/v1", reply(200).body("<html>"));
    let missing = (HEAD, reply(404).error("MANIFEST_UNKNOWN", ""));
    let (peer, client) = ask(vec![page.clone(), missing.clone(), page, missing]).await;
    let error = target(&client).put_manifest(&manifest, Some(&"v1".parse().unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    peer.finish();
    let untagged = format!("PUT /v2/a/b/manifests/{}", manifest.digest());
    let stored_other = reply(201).header("docker-content-digest", Digest::sha256(b"x").to_string());
    let missing = reply(400).error("MANIFEST_BLOB_UNKNOWN", "push it first");
    for (answer, kind) in [(stored_other, ErrorKind::Mismatch), (missing, ErrorKind::NotFound)] {
        let (peer, client) = ask(vec![(&untagged, answer.clone()), (&untagged, answer.clone())]).await;
        let error = target(&client).put_manifest(&manifest, None).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        peer.finish();
        let (peer, client) = ask(vec![(&untagged, answer), (&untagged, reply(201))]).await;
        target(&client).put_manifest(&manifest, None).await.unwrap();
        peer.finish();
    }
}

/// A registry takes what comes under a tag for what was meant, whatever a line made of it.
#[tokio::test]
async fn no_tag_stays_at_what_a_line_made_of_a_manifest() {
    let (manifest, spoiled) = (manifest(), Digest::sha256(b"spoiled"));
    let put = "PUT /v2/a/b/manifests/v1";
    let says = |digest: &Digest| reply(201).header("docker-content-digest", digest.to_string());
    let (right, wrong) = (says(&manifest.digest()), says(&spoiled));
    let asked = told(&manifest).replace("docker-content-digest", &spoiled.to_string());
    let garbled = reply(400).error("MANIFEST_INVALID", "no JSON");
    let cases = [
        (vec![(put, wrong.clone()), (put, right.clone())], true),
        (vec![(put, reply(201)), (HEAD, asked.clone()), (put, right.clone())], true),
        (vec![(put, garbled), (put, right)], true),
        (vec![(put, wrong.clone()), (put, wrong)], false),
        (vec![(put, reply(201)), (HEAD, asked.clone()), (put, reply(201)), (HEAD, asked)], false),
    ];
    for (exchanges, is_right) in cases {
        let (peer, client) = ask(exchanges).await;
        let put = target(&client).put_manifest(&manifest, Some(&"v1".parse().unwrap())).await;
        if let Err(error) = &put {
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Mismatch, "{text}");
            let told =
                [format!("the tag is wrong now, it points at {spoiled}"), manifest.digest().to_string()];
            assert!(told.iter().all(|told| text.contains(told)), "{text}");
        }
        assert_eq!(put.is_ok(), is_right, "{put:?}");
        assert!(peer.finish().iter().skip(1).all(|it| it.body.is_empty() || it.body == manifest.bytes));
    }
}

/// Some registries call an index a manifest, or text; what is written in it counts.
#[tokio::test]
async fn an_index_under_a_wrong_type_is_an_index() {
    let child = manifest();
    for media_type in [Some(media_type::OCI_INDEX), None] {
        let inner = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [child.descriptor]});
        let inner = Manifest::parse(None, Bytes::from(inner.to_string())).unwrap();
        let outer = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [inner.descriptor]});
        let outer = Manifest::parse(None, Bytes::from(outer.to_string())).unwrap();
        for wrong in ["text/plain; charset=utf-8", "application/json", ""] {
            let answer = told(&outer).replace("content-type", wrong);
            let (peer, client) = ask(vec![(GET, answer)]).await;
            let found = source(&client).manifest(&tag()).await.unwrap();
            assert_eq!(found.descriptor.media_type, media_type::OCI_INDEX, "{wrong}");
            assert_eq!(found.links.manifests[0].digest, inner.digest());
            peer.finish();
        }
    }
}

#[tokio::test]
async fn a_manifest_may_have_four_mebibytes() {
    let small = manifest();
    let mut bytes = small.bytes.to_vec();
    bytes.resize(MANIFEST_LIMIT, b' ');
    let large = Manifest::parse(None, Bytes::from(bytes)).unwrap();
    let stored = reply(201).header("docker-content-digest", large.digest().to_string());
    let (peer, client) = ask(vec![(GET, told(&large)), ("PUT /v2/a/b/manifests/v1", stored)]).await;
    let read = source(&client).manifest(&tag()).await.unwrap();
    assert_eq!(read.bytes.len(), MANIFEST_LIMIT);
    target(&client).put_manifest(&read, Some(&"v1".parse().unwrap())).await.unwrap();
    assert_eq!(peer.finish()[2].body, large.bytes);
}

#[tokio::test]
async fn a_manifest_that_comes_packed_is_told_so() {
    let packed = told(&manifest()).header("content-encoding", "gzip").body("\u{1f}packed");
    let (peer, client) = ask(vec![(GET, packed.clone()), (GET, packed)]).await;
    let error = source(&client).manifest(&tag()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.to_string().ends_with("; it comes encoded by gzip, which nobody asked for"), "{error}");
    peer.finish();
}
