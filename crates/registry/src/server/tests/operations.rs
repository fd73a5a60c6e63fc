//! What watches the server: its health, and its figures.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealift_oci::{Digest, RepositoryName, Tag};
use sealift_store::conformance::fixture;
use sealift_store::{DirectoryStore, Error, ErrorKind, MemoryStore, Operation, Result, Usage};

use super::super::{Keeper, Origin, ServerConfig};
use super::{Fixture, name};

/// A place whose disk fails.
#[derive(Debug)]
struct Failing(ErrorKind);

#[async_trait]
impl Keeper for Failing {
    async fn usage(&self) -> Result<Usage> {
        Err(Error::new(self.0, Operation::ListRepositories))
    }

    async fn check_writable(&self) -> Result<()> {
        Err(Error::new(self.0, Operation::PushBlob))
    }

    async fn origin(&self, _: &RepositoryName, _: &Digest) -> Origin {
        Origin::default()
    }

    async fn age(&self, _: &RepositoryName, tag: &Tag) -> Option<Duration> {
        (tag.as_str() == "old").then_some(Duration::from_millis(7_900))
    }
}

async fn kept_by(keeper: impl Keeper) -> Fixture {
    let config = ServerConfig { keeper: Some(Arc::new(keeper)), ..ServerConfig::default() };
    Fixture::over(Arc::new(MemoryStore::new("memory")), config).await
}

#[tokio::test]
async fn health_is_told_in_a_word() {
    let root = tempfile::tempdir().unwrap();
    let good = DirectoryStore::open(root.path()).unwrap();
    for (fixture, ready) in [
        (Fixture::new().await, 200),
        (kept_by(good).await, 200),
        (kept_by(Failing(ErrorKind::ReadOnly)).await, 200),
        (kept_by(Failing(ErrorKind::NoSpace)).await, 503),
    ] {
        let alive = fixture.get("/healthz").await;
        assert_eq!((alive.status, &alive.body[..]), (200, &b"alive\n"[..]));
        assert_eq!(fixture.get("/readyz").await.status, ready);
        assert_eq!(fixture.ask("POST", "/healthz", "", b"x").await.status, 405);
    }
}

/// What was not asked just now says so, whichever method; a digest never gets old.
#[tokio::test]
async fn tags_tell_how_old_they_are() {
    let image = fixture::image("x");
    let keeper = Arc::new(Failing(ErrorKind::Io));
    let config = ServerConfig { keeper: Some(keeper), ..ServerConfig::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new("memory")), config).await;
    for tag in ["old", "new"] {
        image.push(fixture.store.as_ref(), &name("a"), Some(tag)).await;
    }
    let digest = image.digest().to_string();
    for (reference, expected) in [("old", "7"), ("new", ""), (digest.as_str(), "")] {
        for method in ["GET", "HEAD"] {
            let reply = fixture.ask(method, &format!("/v2/a/manifests/{reference}"), "", b"").await;
            assert_eq!((reply.status, reply.header("age")), (200, expected), "{method} {reference}");
        }
    }
}

/// Pages show what they are told to show.
#[tokio::test]
async fn pages_may_show_less_than_what_can_be_pulled() {
    let (all, shown) = (Arc::new(MemoryStore::new("all")), Arc::new(MemoryStore::new("shown")));
    fixture::image("x").push(all.as_ref(), &name("a"), Some("t")).await;
    let config = ServerConfig { shown: Some(shown), ..ServerConfig::default() };
    let fixture = Fixture::over(all, config).await;
    assert_eq!(fixture.get("/v2/a/manifests/t").await.status, 200);
    assert_eq!(fixture.get("/repository/a").await.status, 404);
}

#[tokio::test]
async fn figures_tell_what_was_done() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(DirectoryStore::open(root.path()).unwrap());
    let image = fixture::image("x");
    image.push(store.as_ref(), &name("a"), Some("t")).await;
    let config = ServerConfig { keeper: Some(Arc::clone(&store) as _), ..ServerConfig::default() };
    let fixture = Fixture::over(store, config).await;
    fixture.get("/v2/a/manifests/t").await;
    fixture.get("/v2/a/manifests/none").await;
    fixture.ask("BREW", "/v2/", "", b"").await;
    fixture.ask("POST", "/v2/a/blobs/uploads/", "", b"").await;
    let reply = fixture.get("/metrics").await;
    assert_eq!(reply.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    for expected in [
        "sealift_requests_total{method=\"GET\",resource=\"manifest\",status=\"200\"} 1",
        "sealift_requests_total{method=\"GET\",resource=\"manifest\",status=\"404\"} 1",
        "sealift_requests_total{method=\"other\",resource=\"ping\",status=\"405\"} 1",
        "sealift_request_duration_seconds_count{resource=\"manifest\"} 2",
        "sealift_uploads_open 1",
        "sealift_store_repositories 1",
        "sealift_store_bytes ",
        "sealift_sent_bytes_total ",
        "sealift_connections ",
        "# EOF",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[tokio::test]
async fn figures_of_a_place_that_nobody_keeps_are_left_out() {
    let fixture = Fixture::new().await;
    fixture.get("/v2/").await;
    let text = String::from_utf8(fixture.get("/metrics").await.body.to_vec()).unwrap();
    assert!(text.contains("sealift_requests_total") && !text.contains("sealift_store"), "{text}");
}
