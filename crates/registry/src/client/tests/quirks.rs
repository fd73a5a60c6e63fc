//! What registries do that the protocol does not say, learnt from their answers: one server for each.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_oci::Digest;
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result, Target};

use super::peer::{Peer, Reply, Seen, reply};
use super::target;
use crate::client::{ClientConfig, RegistryClient};

const MIB: usize = 1024 * 1024;
const START: &str = "POST /v2/a/b/blobs/uploads/";
const PATCH: &str = "PATCH /u";

/// A registry, and a handle on a repository of it through which it is learnt.
async fn registry() -> (Peer, Arc<dyn Target>) {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    let target = target(&peer.client());
    (peer, target)
}

/// A registry that goes by a name whose limits are known from the start.
async fn known(host: &str) -> (Peer, Arc<dyn Target>) {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    let resolve = vec![(host.to_owned(), peer.address.ip())];
    let config = ClientConfig { resolve, plain_http: true, ..peer.config() };
    let registry = format!("{host}:{}", peer.address.port()).parse().unwrap();
    let target = target(&RegistryClient::new(registry, config).unwrap());
    (peer, target)
}

/// So many bytes that differ, in pieces that fit no chunk.
fn body(size: usize) -> (BlobBody, Digest) {
    let content = Bytes::from((0..size).map(|at| (at % 251) as u8).collect::<Vec<_>>());
    let digest = Digest::sha256(&content);
    let pieces = (0..size).step_by(777_777).map(move |at| Ok(content.slice(at..size.min(at + 777_777))));
    (BlobBody::from_stream(Some(size as u64), stream::iter(pieces.collect::<Vec<_>>()).boxed()), digest)
}

fn put(digest: &Digest) -> String {
    format!("PUT /u?digest=sha256%3A{}", digest.hex())
}

/// Uploads a blob of `size` bytes whose PATCHes are answered so; it is to be ended if none is refused.
async fn push(peer: &Peer, target: &dyn Target, size: usize, answers: Vec<Reply>) -> Result<Vec<Seen>> {
    push_from(peer, target, size, reply(202), answers).await
}

async fn push_from(
    peer: &Peer,
    target: &dyn Target,
    size: usize,
    start: Reply,
    answers: Vec<Reply>,
) -> Result<Vec<Seen>> {
    let (body, digest) = body(size);
    peer.on(START, start.header("location", "/u"));
    for answer in answers {
        peer.on(PATCH, answer);
    }
    let mut upload = target.begin_upload(None).await.unwrap();
    if let Err(error) = upload.append(body).await {
        peer.finish();
        return Err(error);
    }
    assert_eq!(upload.offset(), size as u64);
    peer.on(&put(&digest), reply(201));
    upload.finish(&digest).await?;
    Ok(peer.finish().into_iter().filter(|seen| !seen.body.is_empty()).collect())
}

fn ranges(seen: &[Seen]) -> Vec<(&str, usize)> {
    seen.iter().map(|seen| (seen.header("content-range"), seen.body.len() / MIB)).collect()
}

fn is_learnt(outcome: Result<Vec<Seen>>) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().ends_with("; it is sent again in another way"), "{error}");
}

fn kept() -> Reply {
    reply(202)
}

#[tokio::test]
async fn who_takes_no_patch_gets_one_put() {
    for refusal in [reply(405), reply(501), reply(404).body("<html>"), reply(405).error("UNSUPPORTED", "")] {
        let (peer, target) = registry().await;
        is_learnt(push(&peer, target.as_ref(), MIB, vec![refusal]).await);
        for _ in 0..2 {
            let seen = push(&peer, target.as_ref(), MIB, vec![]).await.unwrap();
            assert_eq!(seen.len(), 1);
            assert_eq!(Digest::sha256(&seen[0].body), body(MIB).1);
            let headers = ["content-length", "content-type", "content-range", "transfer-encoding"];
            let expected = ["1048576", "application/octet-stream", "", ""];
            assert_eq!(headers.map(|name| seen[0].header(name)), expected);
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_gone_is_no_refusal_of_patch() {
    let (peer, target) = registry().await;
    let gone = reply(404).error("BLOB_UPLOAD_UNKNOWN", "");
    let error = push(&peer, target.as_ref(), MIB, vec![gone]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    push(&peer, target.as_ref(), MIB, vec![kept()]).await.unwrap();
}

#[tokio::test]
async fn the_body_of_a_put_waits_for_the_digest() {
    let (peer, target) = registry().await;
    is_learnt(push(&peer, target.as_ref(), MIB, vec![reply(405)]).await);
    let start = |answer: Reply| peer.on(START, answer.header("location", "/u"));

    // Several are one.
    start(reply(202));
    let digest = Digest::sha256(b"0123456789");
    peer.on(&put(&digest), reply(201));
    let mut upload = target.begin_upload(None).await.unwrap();
    for (part, offset) in [(&b"0123"[..], 4), (b"", 4), (b"456789", 10)] {
        assert_eq!(upload.append(BlobBody::from(Bytes::from_static(part))).await.unwrap(), offset);
        assert_eq!(upload.offset(), offset);
    }
    upload.finish(&digest).await.unwrap();
    assert_eq!(peer.finish().last().unwrap().body, "0123456789");

    // A refusal of the one way that is left is told as it is.
    start(reply(202));
    peer.on(&put(&digest), reply(413));
    let mut upload = target.begin_upload(None).await.unwrap();
    upload.append(BlobBody::from(Bytes::from_static(b"0123456789"))).await.unwrap();
    let error = upload.finish(&digest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().ends_with("takes no body of 10 bytes)"), "{error}");
    peer.finish();

    // The error of the source comes out at the end; how much of the request the registry saw is open.
    start(reply(202));
    let mut upload = target.begin_upload(None).await.unwrap();
    let broken = Error::new(ErrorKind::Denied, Operation::FetchBlob).at("the source");
    let pieces = vec![Ok(Bytes::from_static(b"0123")), Err(broken)];
    let offset = upload.append(BlobBody::from_stream(Some(10), stream::iter(pieces).boxed())).await.unwrap();
    assert_eq!(offset, 10);
    peer.on(&put(&Digest::sha256(b"x")), reply(201));
    let error = upload.finish(&Digest::sha256(b"x")).await.unwrap_err();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Denied, Some("the source")));
}

/// What nginx answers: a page, and no error of the protocol.
fn too_large() -> Reply {
    reply(413)
        .header("content-type", "text/html")
        .body("<html><head><title>413 Request Entity Too Large</title></head></html>")
}

#[tokio::test]
async fn who_takes_no_large_body_gets_chunks() {
    let (peer, target) = registry().await;
    is_learnt(push(&peer, target.as_ref(), 21 * MIB, vec![too_large()]).await);
    let answers = ["0-10485759", "0-20971519", "0-22020095"].map(|range| reply(202).header("range", range));
    let seen = push(&peer, target.as_ref(), 21 * MIB, answers.to_vec()).await.unwrap();
    let expected = [("0-10485759", 10), ("10485760-20971519", 10), ("20971520-22020095", 1)];
    assert_eq!(ranges(&seen), expected);
    let all = seen.iter().flat_map(|seen| seen.body.iter().copied()).collect::<Vec<_>>();
    assert_eq!(Digest::sha256(&all), body(21 * MIB).1);
    assert_eq!(seen[1].header("content-length"), "10485760");
    // What fits into one request goes as before.
    let seen = push(&peer, target.as_ref(), 3 * MIB, vec![kept()]).await.unwrap();
    assert_eq!(ranges(&seen), [("", 3)]);
}

#[tokio::test]
async fn chunks_become_smaller_until_there_is_nothing_smaller() {
    let (peer, target) = registry().await;
    // GHCR says it with another number.
    for refusal in [too_large(), reply(416).error("RANGE_INVALID", "4.00MiB"), too_large()] {
        is_learnt(push(&peer, target.as_ref(), 11 * MIB, vec![refusal]).await);
    }
    let seen = push(&peer, target.as_ref(), 2 * MIB, vec![kept(), kept()]).await.unwrap();
    assert_eq!(ranges(&seen), [("0-1048575", 1), ("1048576-2097151", 1)]);
    let error = push(&peer, target.as_ref(), 2 * MIB, vec![too_large()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().ends_with("takes no body of 1048576 bytes)"), "{error}");
}

#[tokio::test]
async fn a_quota_is_no_reason_for_chunks() {
    let (peer, target) = registry().await;
    let full = reply(413).error("DENIED", "the quota is exceeded");
    let error = push(&peer, target.as_ref(), 11 * MIB, vec![full]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    let seen = push(&peer, target.as_ref(), 11 * MIB, vec![kept()]).await.unwrap();
    assert_eq!(ranges(&seen), [("", 11)]);
}

#[tokio::test]
async fn who_wants_a_range_gets_one() {
    for refusal in [
        reply(416),
        reply(400).error("RANGE_INVALID", "no range"),
        reply(400).error("BAD_REQUEST", "Content-Range is missing"),
    ] {
        let (peer, target) = registry().await;
        is_learnt(push(&peer, target.as_ref(), MIB, vec![refusal.clone()]).await);
        let seen = push(&peer, target.as_ref(), MIB, vec![kept()]).await.unwrap();
        assert_eq!(ranges(&seen), [("0-1048575", 1)]);
        let refused = push(&peer, target.as_ref(), MIB, vec![reply(400).error("RANGE_INVALID", "")]).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn the_least_length_of_a_chunk_is_honoured() {
    let (peer, target) = registry().await;
    let start = || reply(202).header("oci-chunk-min-length", "12582912");
    is_learnt(push_from(&peer, target.as_ref(), 13 * MIB, start(), vec![too_large()]).await);
    let seen = push_from(&peer, target.as_ref(), 13 * MIB, start(), vec![kept(), kept()]).await.unwrap();
    assert_eq!(ranges(&seen), [("0-12582911", 12), ("12582912-13631487", 1)]);
}

/// ECR (containers-roadmap issue 2831): 201 for a chunk, and a `Range` that stays where the first one ended.
#[tokio::test]
async fn a_range_that_does_not_move_is_not_believed() {
    let (peer, target) = registry().await;
    is_learnt(push(&peer, target.as_ref(), 31 * MIB, vec![too_large()]).await);
    let stuck = || reply(201).header("range", "0-10485759");
    let seen =
        push(&peer, target.as_ref(), 31 * MIB, vec![stuck(), stuck(), stuck(), stuck()]).await.unwrap();
    let last = seen.last().unwrap();
    assert_eq!((seen.len(), last.header("content-range")), (4, "31457280-32505855"));
    // So what it says of an upload that broke off cannot be believed either.
    let error = target.resume_upload(&"/u".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    peer.finish();
}

#[tokio::test]
async fn a_chunk_that_was_not_kept_is_told() {
    let (peer, target) = registry().await;
    is_learnt(push(&peer, target.as_ref(), 21 * MIB, vec![too_large()]).await);
    let answers = ["0-10485759", "0-15728639"].map(|range| reply(202).header("range", range));
    let error = push(&peer, target.as_ref(), 21 * MIB, answers.to_vec()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().ends_with("it kept 15728640 of 20971520 bytes"), "{error}");
    // A later chunk that does not fit says nothing of the size.
    let error = push(&peer, target.as_ref(), 21 * MIB, vec![kept(), reply(416)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn addresses_change_between_chunks() {
    let (peer, target) = registry().await;
    is_learnt(push(&peer, target.as_ref(), 11 * MIB, vec![too_large()]).await);
    let (body, digest) = body(11 * MIB);
    peer.on(START, reply(202).header("location", "/u?s=1"));
    peer.on("PATCH /u?s=1", reply(202).header("location", format!("{}/u?s=2&x=y", peer.url())));
    // Some leave it out and mean the one before.
    peer.on("PATCH /u?s=2&x=y", reply(202));
    peer.on(&put(&digest).replace('?', "?s=2&x=y&"), reply(201));
    let mut upload = target.begin_upload(None).await.unwrap();
    upload.append(body).await.unwrap();
    upload.finish(&digest).await.unwrap();
    peer.finish();
}

/// Parts, but the last, have at least 5 MB, and are answered with 201.
#[tokio::test]
async fn at_ecr_no_part_is_too_small() {
    let (peer, target) = known("123456789012.dkr.ecr.eu-west-1.amazonaws.com").await;
    is_learnt(push(&peer, target.as_ref(), 21 * MIB, vec![too_large()]).await);
    let part = || reply(201).header("range", "0-10485759");
    let seen = push(&peer, target.as_ref(), 21 * MIB, vec![part(), part(), part()]).await.unwrap();
    assert_eq!(ranges(&seen).iter().map(|(_, size)| *size).collect::<Vec<_>>(), [10, 10, 1]);
    is_learnt(push(&peer, target.as_ref(), 21 * MIB, vec![too_large()]).await);
    let part = || reply(201).header("range", "0-5242879");
    let seen = push(&peer, target.as_ref(), 6 * MIB, vec![part(), part()]).await.unwrap();
    assert_eq!(ranges(&seen), [("0-5242879", 5), ("5242880-6291455", 1)]);
    // Smaller ones it would refuse with LayerPartTooSmallException.
    let error = push(&peer, target.as_ref(), 21 * MIB, vec![too_large()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// One PATCH with a range may have 4 MiB, and one without any length.
#[tokio::test]
async fn at_ghcr_no_range_is_too_large() {
    let (peer, target) = known("ghcr.io").await;
    let seen = push(&peer, target.as_ref(), 9 * MIB, vec![kept()]).await.unwrap();
    assert_eq!(ranges(&seen), [("", 9)]);
    is_learnt(push(&peer, target.as_ref(), 9 * MIB, vec![too_large()]).await);
    let seen = push(&peer, target.as_ref(), 9 * MIB, vec![kept(), kept(), kept()]).await.unwrap();
    assert_eq!(ranges(&seen), [("0-4194303", 4), ("4194304-8388607", 4), ("8388608-9437183", 1)]);
}

/// Google's registries take no chunks ("must use monolithic uploads"): a blob goes in one piece or not at all.
#[tokio::test]
async fn at_google_nothing_is_cut() {
    for host in ["europe-docker.pkg.dev", "eu.gcr.io"] {
        let (peer, target) = known(host).await;
        let seen = push(&peer, target.as_ref(), 11 * MIB, vec![kept()]).await.unwrap();
        assert_eq!(ranges(&seen), [("", 11)]);
        let error = push(&peer, target.as_ref(), 11 * MIB, vec![too_large()]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        is_learnt(push(&peer, target.as_ref(), 11 * MIB, vec![reply(416)]).await);
        let seen = push(&peer, target.as_ref(), 11 * MIB, vec![]).await.unwrap();
        assert_eq!(ranges(&seen), [("", 11)]);
    }
}
