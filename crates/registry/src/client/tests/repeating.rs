//! What is repeated, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealift_store::{ErrorKind, PageRequest};

use super::peer::{Peer, Reply, reply};
use super::{CONTENT, blob, digest, source, target};
use crate::client::ClientConfig;

async fn peer() -> Peer {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    let peer = peer().await;
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    let waits = [(408, "0"), (429, past), (503, past), (503, "0")];
    for failure in waits.map(|(status, wait)| reply(status).header("retry-after", wait)) {
        peer.on(&blob("HEAD"), failure);
    }
    peer.on(&blob("HEAD"), reply(200).body(CONTENT));
    assert_eq!(source(&peer.client()).stat_blob(&digest()).await.unwrap(), 10);
    peer.finish();
}

/// What is asked again here is told; what fails tells of itself.
#[tokio::test]
async fn who_decides_how_much_is_asked_hears_of_what_is_asked_again() {
    let peer = peer().await;
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    let pushback = Arc::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let client = peer.client_with(ClientConfig { pushback: Some(pushback), ..peer.config() });
    client.connect().await.unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 0);
    for failure in [reply(429).header("retry-after", "0"), reply(503).header("retry-after", "0")] {
        peer.on(&blob("HEAD"), failure);
    }
    peer.on(&blob("HEAD"), reply(200).body(CONTENT));
    source(&client).stat_blob(&digest()).await.unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 2);
    peer.on(&blob("GET"), reply(503));
    source(&client).open_blob(&digest(), 0).await.unwrap_err();
    assert_eq!(told.load(Ordering::SeqCst), 2);
    peer.finish();
}

#[tokio::test]
async fn a_broken_connection_is_asked_again() {
    let peer = peer().await;
    for failure in [Reply::dropped(), reply(504)] {
        peer.on(&blob("HEAD"), failure);
    }
    peer.on(&blob("HEAD"), reply(200).body(CONTENT));
    source(&peer.client()).stat_blob(&digest()).await.unwrap();
    peer.finish();
}

/// Whoever reads a blob opens it again where it breaks off: two loops, one in the other, would multiply.
#[tokio::test]
async fn a_blob_is_opened_once() {
    for failure in [Reply::dropped(), reply(503), reply(429).header("retry-after", "0")] {
        let peer = peer().await;
        peer.on(&blob("GET"), failure);
        let error = source(&peer.client()).open_blob(&digest(), 0).await.unwrap_err();
        assert!(error.kind().is_transient(), "{error}");
        peer.finish();
    }
}

/// A peer that never answers is waited for by the first who wants something, and by others no more. The clock
/// stands still but for the waiting.
#[tokio::test]
async fn who_never_answers_is_not_waited_for_again_and_again() {
    let peer = peer().await;
    for _ in 0..20 {
        peer.on(&blob("HEAD"), Reply::silent());
    }
    let client = peer.client();
    client.connect().await.unwrap();
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        let error = source(&client).stat_blob(&digest()).await.unwrap_err();
        assert!(error.to_string().ends_with("nothing came for 60 seconds, again and again"), "{error}");
        assert_eq!(error.wait(), Some(Duration::MAX), "nobody is to try again");
    }
    assert_eq!(began.elapsed().as_secs(), 4 * 60);
}

/// A host that gives heads and nothing behind them costs the first blobs their patience, and the others none.
#[tokio::test]
async fn who_gives_a_head_and_nothing_more_is_not_waited_for_again_and_again() {
    let peer = peer().await;
    for _ in 0..6 {
        peer.on(&blob("GET"), reply(200).header("content-length", "10").body("12").stalled());
    }
    let client = peer.client();
    client.connect().await.unwrap();
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    for _ in 0..4 {
        let body = source(&client).open_blob(&digest(), 0).await.unwrap();
        let error = body.collect(10).await.unwrap_err();
        assert!(error.to_string().ends_with("nothing came for 60 seconds"), "{error}");
    }
    for _ in 0..2 {
        let error = source(&client).open_blob(&digest(), 0).await.unwrap_err();
        assert!(error.to_string().ends_with("nothing came for 60 seconds, again and again"), "{error}");
        assert_eq!(error.wait(), Some(Duration::MAX), "nobody is to try again");
    }
    assert_eq!(began.elapsed().as_secs(), 4 * 60);
    peer.finish();
}

/// The same of what is read at once.
#[tokio::test]
async fn a_list_that_never_comes_is_not_waited_for_again_and_again() {
    let peer = peer().await;
    for _ in 0..5 {
        let answer = reply(200).header("content-length", "100").body("{").stalled();
        peer.on("GET /v2/a/b/tags/list?n=1000", answer);
    }
    let client = peer.client();
    client.connect().await.unwrap();
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = source(&client).tags(&PageRequest::first()).await.unwrap_err();
    assert!(error.to_string().ends_with("nothing came for 60 seconds, again and again"), "{error}");
    assert_eq!(began.elapsed().as_secs(), 4 * 60);
    peer.finish();
}

/// A registry that has been out of order for a stall timeout is not asked five times for every blob.
#[tokio::test]
async fn who_is_out_of_order_is_not_asked_again_and_again() {
    let peer = peer().await;
    for _ in 0..10 {
        peer.on("POST /v2/a/b/blobs/uploads/", reply(503));
    }
    let client = peer.client();
    client.connect().await.unwrap();
    tokio::time::pause();
    for _ in 0..2 {
        let error = target(&client).begin_upload(None).await.unwrap_err();
        assert!(error.to_string().ends_with("it answers 503"), "{error}");
        tokio::time::advance(Duration::from_secs(30)).await;
    }
    peer.on("POST /v2/a/b/blobs/uploads/", reply(503));
    for _ in 0..3 {
        let error = target(&client).begin_upload(None).await.unwrap_err();
        assert!(error.to_string().ends_with("it answers 503, again and again"), "{error}");
    }
    // Later it may be back.
    tokio::time::advance(Duration::from_secs(60)).await;
    peer.on("POST /v2/a/b/blobs/uploads/", reply(202).header("location", "/u"));
    target(&client).begin_upload(None).await.unwrap();
    peer.finish();
}

#[tokio::test]
async fn attempts_come_to_an_end() {
    let peer = peer().await;
    for _ in 0..5 {
        peer.on("GET /v2/a/b/tags/list?n=1000", reply(503).error("UNAVAILABLE", "later"));
    }
    let error = source(&peer.client()).tags(&PageRequest::first()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().ends_with("it answers 503 UNAVAILABLE: later"), "{error}");
    peer.finish();
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_told() {
    let later = std::time::SystemTime::now() + Duration::from_secs(3600);
    for (wait, least) in [("600".to_owned(), 600), (httpdate::fmt_http_date(later), 3590)] {
        let peer = peer().await;
        peer.on(&blob("GET"), reply(429).header("retry-after", wait).error("TOOMANYREQUESTS", "slow down"));
        let error = source(&peer.client()).open_blob(&digest(), 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.wait().is_some_and(|wait| wait.as_secs() >= least), "{:?}", error.wait());
        peer.finish();
    }
}

#[tokio::test]
async fn an_upload_is_opened_again() {
    let peer = peer().await;
    peer.on("POST /v2/a/b/blobs/uploads/", reply(503));
    peer.on("POST /v2/a/b/blobs/uploads/", reply(202).header("location", "/u"));
    target(&peer.client()).begin_upload(None).await.unwrap();
    peer.finish();
}

#[tokio::test]
async fn what_will_not_change_is_asked_once() {
    for status in [400, 403, 404, 410, 418, 501] {
        let peer = peer().await;
        peer.on(&blob("GET"), reply(status));
        source(&peer.client()).open_blob(&digest(), 0).await.unwrap_err();
        peer.finish();
    }
}

#[tokio::test]
async fn the_first_question_is_repeated_too() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(503));
    peer.on("GET /v2/", reply(200));
    peer.client().connect().await.unwrap();
    peer.finish();
}

#[tokio::test]
async fn a_pace_is_kept() {
    let peer = peer().await;
    for _ in 0..3 {
        peer.on(&blob("HEAD"), reply(200).body(CONTENT));
    }
    let pace = std::sync::Arc::new(sealift_store::Pace::new(20.0));
    let client = peer.client_with(ClientConfig { pace: Some(pace), ..peer.config() });
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        source(&client).stat_blob(&digest()).await.unwrap();
    }
    // The ping and three requests: the last one has waited for the three before it, at least.
    assert!(began.elapsed() >= Duration::from_millis(150));
    peer.finish();
}
