//! Blobs: ranges in every form that servers give them, and answers that are not to be trusted.

use sealift_store::{BlobBody, ErrorKind, Result};

use super::peer::{Peer, Reply, reply};
use super::{CONTENT, blob, digest, source};

async fn open(offset: u64, answer: Reply) -> Result<BlobBody> {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on(&blob("GET"), answer);
    let body = source(&peer.client()).open_blob(&digest(), offset).await;
    let seen = peer.finish();
    let range = if offset == 0 { String::new() } else { format!("bytes={offset}-") };
    assert_eq!(seen[1].header("range"), range);
    body
}

fn part(range: &str, body: &'static [u8]) -> Reply {
    reply(206).header("content-range", range).body(body)
}

#[tokio::test]
async fn a_blob_is_read_from_any_offset() {
    let end = |told: &str| reply(416).header("content-range", told);
    let cases = [
        (0, reply(200).body(CONTENT)),
        (4, part("bytes 4-9/10", &CONTENT[4..])),
        (4, part("bytes 4-9/*", &CONTENT[4..])),
        (4, reply(200).body(CONTENT)),
        (4, reply(200).header("content-encoding", "identity").body(CONTENT)),
        (10, reply(200).body(CONTENT)),
        (10, end("bytes */10")),
    ];
    for (offset, answer) in cases {
        let body = open(offset, answer.clone()).await.unwrap();
        let rest = &CONTENT[usize::try_from(offset).unwrap()..];
        assert_eq!(body.length(), Some(rest.len() as u64), "{answer:?}");
        assert_eq!(body.collect(10).await.unwrap(), rest, "{answer:?}");
    }
}

#[tokio::test]
async fn wrong_answers_to_a_range_are_refused() {
    let cases = [
        (4, part("bytes 3-9/10", &CONTENT[3..])),
        (4, part("bytes 4-8/10", &CONTENT[4..9])),
        (4, part("bytes 4-9/10", &CONTENT[5..])),
        (4, reply(206).body(&CONTENT[4..])),
        (0, part("bytes 0-9/10", CONTENT)),
        (11, reply(200).body(CONTENT)),
        (11, reply(416).header("content-range", "bytes */10")),
        (4, reply(200).header("content-encoding", "gzip").body(CONTENT)),
        (0, reply(204)),
    ];
    for (offset, answer) in cases {
        let error = open(offset, answer.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{answer:?}");
    }
    let missing = open(4, reply(404).error("BLOB_UNKNOWN", "gone")).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_body_that_is_cut_is_unavailable() {
    let cut = reply(200).header("content-length", "10").body(&CONTENT[..4]).cut();
    let body = open(0, cut).await.unwrap();
    assert_eq!(body.length(), Some(10));
    let error = body.collect(10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains(&format!("a/b@{}", digest())), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_body_that_stalls_is_unavailable() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on(&blob("GET"), Reply::silent());
    let mut config = peer.config();
    (config.stall_timeout, config.retry.attempts) = (std::time::Duration::from_millis(200), 1);
    config.plain_http = true;
    let error = source(&peer.client_with(config)).open_blob(&digest(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    peer.finish();
}

#[tokio::test]
async fn the_size_is_found_out_where_head_does_not_tell() {
    for answer in [reply(405), reply(501)] {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", reply(200));
        peer.on(&blob("HEAD"), answer);
        peer.on(&blob("GET"), reply(200).body(CONTENT));
        assert_eq!(source(&peer.client()).stat_blob(&digest()).await.unwrap(), 10);
        peer.finish();
    }
    let (peer, storage) = (Peer::plain().await, Peer::plain().await);
    peer.on("GET /v2/", reply(200));
    for method in ["HEAD", "GET"] {
        peer.on(&blob(method), reply(307).header("location", format!("{}/x", storage.url())));
    }
    storage.on("HEAD /x", reply(403));
    storage.on("GET /x", reply(200).body(CONTENT));
    assert_eq!(source(&peer.client()).stat_blob(&digest()).await.unwrap(), 10);
    peer.finish();
    storage.finish();
}
