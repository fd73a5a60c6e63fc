//! Uploads and mounts: addresses in every form, and answers that are lost, late or wrong.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_store::{BlobBody, Error, ErrorKind, LinkOutcome, Operation, Upload};

use super::peer::{BASIC, Peer, Reply, reply};
use super::{CONTENT, blob, digest, target};
use crate::client::ClientConfig;

const START: &str = "POST /v2/a/b/blobs/uploads/";

fn body() -> BlobBody {
    let pieces = CONTENT.chunks(4).map(|piece| Ok(Bytes::from_static(piece)));
    BlobBody::from_stream(Some(CONTENT.len() as u64), stream::iter(pieces.collect::<Vec<_>>()).boxed())
}

fn finish(target: &str) -> String {
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("PUT {target}{separator}digest=sha256%3A{}", digest().hex())
}

/// A registry that wants a password, and has opened an upload at `location`.
async fn opened(location: &str) -> (Peer, Box<dyn Upload>) {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(401).header("www-authenticate", "Basic realm=x"));
    let location = location.replace("PEER", &peer.url());
    peer.on(START, reply(202).header("location", location).header("range", "0-0"));
    let upload = target(&peer.user()).begin_upload(None).await.unwrap();
    let seen = peer.finish();
    assert_eq!((seen[1].authorization(), seen[1].header("content-length")), (BASIC, "0"));
    (peer, upload)
}

#[tokio::test]
async fn an_upload_is_one_patch_and_an_empty_put() {
    for (location, at) in [
        ("/v2/a/b/blobs/uploads/1?_state=x%2Fy", "/v2/a/b/blobs/uploads/1?_state=x%2Fy"),
        ("PEER/u/1", "/u/1"),
        ("1", "/v2/a/b/blobs/uploads/1"),
    ] {
        for status in [201, 202, 204] {
            let (peer, mut upload) = opened(location).await;
            assert_eq!((upload.offset(), upload.id().as_str()), (0, at));
            peer.on(
                &format!("PATCH {at}"),
                reply(status).header("range", "0-9").header("location", "/next?s=1"),
            );
            peer.on(&finish("/next?s=1"), reply(201).header("docker-content-digest", digest().to_string()));
            assert_eq!(upload.append(body()).await.unwrap(), 10);
            assert_eq!((upload.offset(), upload.id().as_str()), (10, "/next?s=1"));
            upload.finish(&digest()).await.unwrap();
            let seen = peer.finish();
            assert_eq!(seen[0].body, CONTENT);
            assert_eq!(seen[0].header("content-length"), "10");
            assert_eq!(seen[0].header("content-type"), "application/octet-stream");
            assert_eq!((seen[0].header("content-range"), seen[0].header("transfer-encoding")), ("", ""));
            assert_eq!(seen[1].header("content-length"), "0");
            assert!(seen.iter().all(|seen| seen.authorization() == BASIC));
        }
    }
}

#[tokio::test]
async fn an_address_at_another_host_gets_no_credentials() {
    let storage = Peer::plain().await;
    let at = format!("{}/u?sig=1", storage.url());
    let (peer, mut upload) = opened(&at).await;
    assert_eq!(upload.id().as_str(), at);
    storage.on("PATCH /u?sig=1", reply(202));
    storage.on(&finish("/u?sig=1"), reply(204));
    upload.append(body()).await.unwrap();
    upload.finish(&digest()).await.unwrap();
    let seen = storage.finish();
    assert_eq!(
        (seen[0].body.as_ref(), seen[0].header("content-type")),
        (CONTENT, "application/octet-stream")
    );
    assert!(seen.iter().all(|seen| seen.authorization().is_empty()));
    peer.finish();
}

#[tokio::test]
async fn a_missing_or_wrong_address_is_invalid() {
    let wrong = reply(202).header("location", "ftp://x/");
    for answer in [reply(202), wrong, reply(200)] {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", reply(200));
        peer.on(START, answer);
        let error = target(&peer.client()).begin_upload(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        peer.finish();
    }
}

#[tokio::test]
async fn a_second_append_says_where_it_begins() {
    let (peer, mut upload) = opened("/u").await;
    peer.on("PATCH /u", reply(202).header("range", "0-9"));
    peer.on("PATCH /u", reply(202).header("range", "bytes=0-19"));
    upload.append(body()).await.unwrap();
    assert_eq!(upload.append(body()).await.unwrap(), 20);
    assert_eq!(upload.append(BlobBody::from(Bytes::new())).await.unwrap(), 20);
    assert_eq!(peer.finish()[1].header("content-range"), "10-19");
}

#[tokio::test]
async fn what_the_registry_did_not_keep_is_told() {
    let (peer, mut upload) = opened("/u").await;
    peer.on("PATCH /u", reply(202).header("range", "0-5"));
    let error = upload.append(body()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().ends_with("it kept 6 of 10 bytes"), "{error}");
    assert_eq!(upload.offset(), 6);
    assert_eq!(upload.append(body()).await.unwrap_err().kind(), ErrorKind::Invalid);
    peer.finish();
}

#[tokio::test]
async fn ranges_that_cannot_be_are_not_believed() {
    for range in ["0-0", "0-10", "nonsense"] {
        let (peer, mut upload) = opened("/u").await;
        peer.on("PATCH /u", reply(202).header("range", range));
        assert_eq!(upload.append(body()).await.unwrap(), 10, "{range}");
        peer.finish();
    }
}

#[tokio::test]
async fn the_error_of_the_source_comes_out() {
    let (peer, mut upload) = opened("/u").await;
    peer.on("PATCH /u", reply(202));
    let broken = Error::new(ErrorKind::Denied, Operation::FetchBlob).at("the source");
    let pieces = vec![Ok(Bytes::from_static(b"0123")), Err(broken)];
    let body = BlobBody::from_stream(Some(10), stream::iter(pieces).boxed());
    let error = upload.append(body).await.unwrap_err();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Denied, Some("the source")));
}

#[tokio::test]
async fn a_stream_is_never_sent_twice() {
    for (answer, kind) in [
        (reply(503), ErrorKind::Unavailable),
        (reply(429).header("retry-after", "7"), ErrorKind::Busy),
        (reply(413), ErrorKind::Unsupported),
        (reply(507), ErrorKind::NoSpace),
        (reply(307).header("location", "/other"), ErrorKind::Invalid),
        (Reply::dropped(), ErrorKind::Unavailable),
    ] {
        let (peer, mut upload) = opened("/u?_state=secret").await;
        peer.on("PATCH /u?_state=secret", answer);
        let error = upload.append(body()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        peer.finish();
    }
}

#[tokio::test]
async fn an_upload_that_stalls_is_unavailable() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on(START, reply(202).header("location", "/u"));
    peer.on("PATCH /u", Reply::silent());
    let stall_timeout = std::time::Duration::from_millis(200);
    let config = ClientConfig { plain_http: true, stall_timeout, ..peer.config() };
    let mut upload = target(&peer.client_with(config)).begin_upload(None).await.unwrap();
    let error = upload.append(body()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // All was sent, so it is waited for as long as for the answer to the end of an upload.
    assert!(error.to_string().ends_with(": nothing came for 1 seconds"), "{error}");
    peer.finish();
}

#[tokio::test]
async fn a_wrong_end_is_a_mismatch() {
    let other = sealift_oci::Digest::sha256(b"other").to_string();
    for answer in [
        reply(400).error("DIGEST_INVALID", "provided digest did not match uploaded content"),
        reply(201).header("docker-content-digest", other),
    ] {
        let (peer, upload) = opened("/u").await;
        peer.on(&finish("/u"), answer);
        let error = upload.finish(&digest()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert!(error.to_string().contains(&format!("a/b@{}", digest())), "{error}");
        peer.finish();
    }
}

#[tokio::test]
async fn an_end_whose_answer_is_lost_is_looked_up() {
    for (found, fine) in [(reply(200).body(CONTENT), true), (reply(404), false)] {
        for lost in [Reply::dropped(), reply(502)] {
            let (peer, upload) = opened("/u").await;
            peer.on(&finish("/u"), lost);
            peer.on(&blob("HEAD"), found.clone());
            let outcome = upload.finish(&digest()).await;
            assert_eq!(
                outcome.map_err(|error| error.kind()).err(),
                (!fine).then_some(ErrorKind::Unavailable)
            );
            peer.finish();
        }
    }
}

#[tokio::test]
async fn an_upload_is_resumed_where_the_registry_says() {
    for (range, offset) in [(Some("0-5"), 6), (Some("0-0"), 0), (None, 0)] {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", reply(200));
        let answer = reply(204).header("location", "/v2/a/b/blobs/uploads/1?s=2");
        let answer = match range {
            Some(range) => answer.header("range", range),
            None => answer,
        };
        peer.on("GET /v2/a/b/blobs/uploads/1?s=1", answer);
        let id = "/v2/a/b/blobs/uploads/1?s=1".parse().unwrap();
        let upload = target(&peer.client()).resume_upload(&id).await.unwrap();
        assert_eq!((upload.offset(), upload.id().as_str()), (offset, "/v2/a/b/blobs/uploads/1?s=2"));
        peer.finish();
    }
}

#[tokio::test]
async fn an_upload_that_is_not_there_is_not_found() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on("GET /u", reply(404).error("BLOB_UPLOAD_UNKNOWN", ""));
    peer.on("GET /u", reply(416).error("BLOB_UPLOAD_INVALID", ""));
    let target = target(&peer.client());
    for id in ["/u", "/u", "x", "..", "../../etc", "/v2/other/blobs/uploads/1", "ftp://x/"] {
        let error = target.resume_upload(&id.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{id}");
    }
    peer.finish();
}

#[tokio::test]
async fn cancelling_is_not_insisted_on() {
    for status in [204, 404, 405, 500] {
        let (peer, upload) = opened("/u").await;
        peer.on("DELETE /u", reply(status));
        upload.cancel().await.unwrap();
        assert_eq!(peer.finish()[0].authorization(), BASIC);
    }
}

#[tokio::test]
async fn a_mount_that_fails_in_any_way_means_upload() {
    let own = format!("{START}?mount={}&from=a%2Fb", digest());
    let answers = [400, 401, 403, 404, 405, 500, 502, 503].map(reply);
    let lying = reply(201).header("docker-content-digest", sealift_oci::Digest::sha256(b"x").to_string());
    let redirected = reply(307).header("location", "/elsewhere");
    let more = [lying, redirected, Reply::dropped(), reply(202)];
    for answer in answers.into_iter().chain(more) {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", reply(200));
        peer.on(&own, answer.clone());
        let outcome = target(&peer.client()).link_blob(&digest(), &super::name()).await.unwrap();
        assert!(matches!(outcome, LinkOutcome::Refused), "{answer:?}");
        peer.finish();
    }
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on(&own, reply(202).header("location", "/u"));
    let outcome = target(&peer.client()).link_blob(&digest(), &super::name()).await.unwrap();
    let LinkOutcome::Upload(upload) = outcome else { panic!("{outcome:?}") };
    assert_eq!(upload.id().as_str(), "/u");
    peer.finish();
}

/// A registry that breaks wherever it is asked to mount costs a few attempts, and not one for each blob.
#[tokio::test]
async fn a_registry_that_breaks_at_mounts_is_not_asked_again_and_again() {
    let own = format!("{START}?mount={}&from=a%2Fb", digest());
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    let linked = async |client: &crate::client::RegistryClient| {
        target(client).link_blob(&digest(), &super::name()).await.unwrap()
    };
    let client = peer.client();
    // One that works in between shows that it can; so does one that is refused.
    let broken = [reply(500), Reply::dropped(), reply(503)];
    for answer in broken.iter().chain([&reply(201)]).chain(&broken).chain([&reply(405)]).chain(&broken) {
        peer.on(&own, answer.clone());
        linked(&client).await;
    }
    peer.on(&own, reply(504));
    for _ in 0..3 {
        assert!(matches!(linked(&client).await, LinkOutcome::Refused));
    }
    peer.finish();
}
