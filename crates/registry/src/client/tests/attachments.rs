//! The list of referrers that clients keep themselves, where the registry keeps none.

use bytes::Bytes;
use sealift_oci::{Descriptor, Manifest, media_type};
use sealift_store::ErrorKind;
use sealift_store::conformance::fixture;
use serde_json::{Value, json};

use super::peer::{Peer, Reply, reply};
use super::target;

/// An artifact, and the requests for it and for the list that it belongs into.
fn artifact() -> (Manifest, String, String) {
    let subject = fixture::image("subject").manifest;
    let artifact = fixture::artifact("artifact", &subject, "application/vnd.example").manifest;
    let put = format!("PUT /v2/a/b/manifests/{}", artifact.digest());
    (artifact, put, format!("/v2/a/b/manifests/sha256-{}", subject.digest().hex()))
}

fn entry(manifest: &Manifest) -> Value {
    serde_json::to_value(&manifest.descriptor).unwrap()
}

fn list(entries: &[Value]) -> Bytes {
    let list = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries});
    Bytes::from(list.to_string())
}

fn told(list: &Bytes) -> Reply {
    reply(200).header("content-type", media_type::OCI_INDEX).body(list.clone())
}

/// Expects the artifact, and then what is done with the list, in this order; a PUT is taken.
async fn peer(put: &str, lists: &str, answers: Vec<Option<Reply>>) -> Peer {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on(put, reply(201));
    for answer in answers {
        match answer {
            Some(answer) => peer.on(&format!("GET {lists}"), answer),
            None => peer.on(&format!("PUT {lists}"), reply(201)),
        }
    }
    peer
}

#[tokio::test]
async fn what_another_client_writes_meanwhile_is_merged() {
    let (artifact, put, lists) = artifact();
    let other = serde_json::to_value(Descriptor::of(media_type::OCI_MANIFEST, b"other")).unwrap();
    let (theirs, both) = (list(std::slice::from_ref(&other)), list(&[other, entry(&artifact)]));
    let missing = reply(404).error("MANIFEST_UNKNOWN", "no such tag");
    // It is not there; then it is; it stays; and it holds both.
    let answers = vec![Some(missing), Some(told(&theirs)), Some(told(&theirs)), None, Some(told(&both))];
    let peer = peer(&put, &lists, answers).await;
    target(&peer.client()).put_manifest(&artifact, None).await.unwrap();
    let seen = peer.finish();
    let written: Value = serde_json::from_slice(&seen[5].body).unwrap();
    assert_eq!(written, serde_json::from_slice::<Value>(&both).unwrap());
}

#[tokio::test]
async fn what_was_overwritten_is_written_again() {
    let (artifact, put, lists) = artifact();
    let other = serde_json::to_value(Descriptor::of(media_type::OCI_MANIFEST, b"other")).unwrap();
    let (theirs, both) = (list(std::slice::from_ref(&other)), list(&[other, entry(&artifact)]));
    let missing = || reply(404).error("MANIFEST_UNKNOWN", "no such tag");
    // Ours is written, and another client's takes its place.
    let again = [Some(told(&theirs)), Some(told(&theirs)), None, Some(told(&both))];
    let answers = [Some(missing()), Some(missing()), None].into_iter().chain(again).collect();
    let peer = peer(&put, &lists, answers).await;
    target(&peer.client()).put_manifest(&artifact, None).await.unwrap();
    peer.finish();
}

#[tokio::test]
async fn a_list_that_is_none_is_an_error_and_stays() {
    let (artifact, put, lists) = artifact();
    let mut child = entry(&fixture::image("child").manifest);
    child["artifactType"].take();
    child["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let of_platforms = Manifest::parse(None, list(&[child])).unwrap();
    for image in [fixture::image("no list").manifest, of_platforms] {
        let answer = reply(200).header("content-type", &image.descriptor.media_type).body(image.bytes);
        let peer = peer(&put, &lists, vec![Some(answer)]).await;
        let error = target(&peer.client()).put_manifest(&artifact, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("it holds no list"), "{error}");
        peer.finish();
    }
}

/// What an index lists itself is not attached to it, although its tag can be the one of the list.
#[tokio::test]
async fn the_subject_itself_is_no_list() {
    let subject = Manifest::parse(None, list(&[entry(&fixture::image("child").manifest)])).unwrap();
    let artifact = fixture::artifact("artifact", &subject, "application/vnd.example").manifest;
    let lists = format!("/v2/a/b/manifests/sha256-{}", subject.digest().hex());
    let put = format!("PUT /v2/a/b/manifests/{}", artifact.digest());
    let peer = peer(&put, &lists, vec![Some(told(&subject.bytes))]).await;
    let error = target(&peer.client()).put_manifest(&artifact, None).await.unwrap_err();
    assert!(error.to_string().contains("it holds no list"), "{error}");
    peer.finish();
}

#[tokio::test]
async fn a_list_that_never_rests_is_given_up() {
    let (artifact, put, lists) = artifact();
    let other = |number: u32| {
        let content = number.to_string();
        told(&list(&[
            serde_json::to_value(Descriptor::of(media_type::OCI_MANIFEST, content.as_bytes())).unwrap()
        ]))
    };
    let peer = peer(&put, &lists, (0..9).map(other).map(Some).collect()).await;
    let error = target(&peer.client()).put_manifest(&artifact, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    peer.finish();
}
