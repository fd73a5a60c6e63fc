//! The pages for people: what they show, to whom, and that nothing in them runs.

use std::sync::Arc;

use sealift_oci::{Manifest, media_type};
use sealift_store::conformance::fixture;
use sealift_store::{BlobBody, DirectoryStore, MemoryStore, Store, put_blob};
use serde_json::json;

use super::super::ServerConfig;
use super::{Fixture, Reply, name};

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

impl Reply {
    fn html(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

/// Asserts that every element that is opened is closed, in order: who reads with a screen reader, or with
/// another browser, gets what is meant.
fn assert_well_formed(html: &str) {
    const VOID: [&str; 4] = ["meta", "link", "input", "img"];
    let mut open: Vec<String> = Vec::new();
    let body = html.strip_prefix("<!DOCTYPE html>").unwrap();
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap().to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()), "{html}");
        } else if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(html.matches("<h1").count(), 1);
    for expected in ["<html lang=\"en\">", "name=\"viewport\"", "<main id=\"content\">", "<title>"] {
        assert!(html.contains(expected), "{expected} {html}");
    }
    for forbidden in ["<script", "javascript:", " style=", " onclick", "http://", "https://"] {
        assert!(!html.contains(forbidden), "{forbidden} {html}");
    }
}

fn assert_page(reply: &Reply, status: u16) -> String {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(reply.header("content-security-policy"), POLICY);
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("cache-control"), "no-store");
    let html = reply.html();
    assert_well_formed(&html);
    html
}

/// Pushes an image whose configuration and annotations are what `config` says.
async fn push_with_config(store: &dyn Store, repository: &str, tag: &str, config: serde_json::Value) {
    let config = bytes::Bytes::from(serde_json::to_vec(&config).unwrap());
    let layer = fixture::noise("shared", 5000);
    let target = store.target(&name(repository)).unwrap();
    for content in [&config, &layer] {
        let digest = sealift_oci::Digest::sha256(content);
        put_blob(target.as_ref(), &digest, content.len() as u64, BlobBody::from(content.clone()))
            .await
            .unwrap();
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": sealift_oci::Descriptor::of(media_type::OCI_CONFIG, &config),
        "layers": [sealift_oci::Descriptor::of(media_type::OCI_LAYER_GZIP, &layer)],
    });
    let manifest = Manifest::parse(None, serde_json::to_vec(&manifest).unwrap().into()).unwrap();
    target.put_manifest(&manifest, Some(&tag.parse().unwrap())).await.unwrap();
}

#[tokio::test]
async fn the_first_page_lists_and_searches() {
    let store = Arc::new(MemoryStore::new("memory"));
    for (repository, tag) in [("team/app", "v1"), ("team/app", "v2"), ("team/db", "14"), ("x", "latest")] {
        fixture::image(repository).push(store.as_ref(), &name(repository), Some(tag)).await;
    }
    let fixture = Fixture::over(store, ServerConfig::default()).await;
    let all = assert_page(&fixture.get("/").await, 200);
    for expected in
        ["3 repositories", "href=\"/repository/team/app\"", "href=\"/repository/team/app?image=v2\""]
    {
        assert!(all.contains(expected), "{expected} {all}");
    }
    for (query, found, hidden) in [
        ("q=TEAM", "team/db", "repository/x"),
        ("q=app+team", "team/app", "team/db"),
        ("q=&after=team%2Fdb", "repository/x", "team/app"),
    ] {
        let page = assert_page(&fixture.get(&format!("/?{query}")).await, 200);
        assert!(page.contains(found) && !page.contains(hidden), "{query} {page}");
    }
    let digest = fixture::image("team/app").digest();
    for (query, found, hidden) in [
        ("14".to_owned(), vec!["team/db:14"], vec!["team/app", "x:latest"]),
        ("app:v".to_owned(), vec!["team/app:v1", "team/app:v2"], vec!["team/db"]),
        ("LATEST".to_owned(), vec!["x:latest"], vec!["team"]),
        ("team v2".to_owned(), vec!["team/app:v2"], vec!["team/app:v1", "team/db"]),
        (digest.to_string(), vec!["team/app@sha256:"], vec!["team/db"]),
        (digest.to_string()[..16].to_owned(), vec!["team/app:v1", "team/app:v2"], vec!["team/db"]),
        (digest.hex()[..8].to_owned(), vec!["team/app:v1", "team/app:v2"], vec!["team/db"]),
    ] {
        let query = query.replace(' ', "+").replace(':', "%3A");
        let page = assert_page(&fixture.get(&format!("/?q={query}")).await, 200);
        assert!(found.iter().all(|it| page.contains(it)), "{query} {page}");
        assert!(!hidden.iter().any(|it| page.contains(it)), "{query} {page}");
    }
    let none = assert_page(&fixture.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E%22x").await, 200);
    assert!(none.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;x"), "{none}");
    assert!(none.contains("0 repositories with"), "{none}");
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let store = Arc::new(MemoryStore::new("memory"));
    let image = fixture::image("x");
    for number in 0..60 {
        image.push(store.as_ref(), &name(&format!("r{number:02}")), Some("t")).await;
        image.push(store.as_ref(), &name("many"), Some(&format!("t{number:02}"))).await;
    }
    let fixture = Fixture::over(store, ServerConfig::default()).await;
    let first = assert_page(&fixture.get("/?q=r").await, 200);
    assert!(first.contains("50 repositories on this page") && first.contains("href=\"/?q=r&amp;after=r49\""));
    let second = assert_page(&fixture.get("/?q=r&after=r49").await, 200);
    assert!(second.contains("r59") && !second.contains("More repositories"));
    let tags = assert_page(&fixture.get("/repository/many").await, 200);
    assert!(tags.contains("t24") && !tags.contains("t25") && tags.contains("?after=t24"), "{tags}");
    let rest = assert_page(&fixture.get("/repository/many?after=t49").await, 200);
    assert!(rest.contains("t59") && !rest.contains("More tags"));
}

#[tokio::test]
async fn an_image_is_described() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(DirectoryStore::open(root.path()).unwrap());
    let config =
        json!({"os": "linux", "architecture": "arm64", "variant": "v8", "created": "2026-10-14T08:15:30Z"});
    push_with_config(store.as_ref(), "team/app", "v1", config.clone()).await;
    push_with_config(store.as_ref(), "other/base", "b", json!({"os": "linux", "architecture": "amd64"}))
        .await;
    let source = store.source(&name("team/app"));
    let image = source.manifest(&"v1".parse().unwrap()).await.unwrap();
    let signature = "application/vnd.dev.sigstore.bundle.v0.3+json";
    fixture::artifact("s", &image, signature).push(store.as_ref(), &name("team/app"), None).await;
    let config = ServerConfig { keeper: Some(Arc::clone(&store) as _), ..ServerConfig::default() };
    let fixture = Fixture::over(store, config).await;
    let headers = "Host: registry.ship.lan:5000\r\n";
    let raw = format!("GET /repository/team/app?image=v1 HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    let page = assert_page(&fixture.raw(raw.as_bytes()).await.unwrap(), 200);
    for expected in [
        "docker pull registry.ship.lan:5000/team/app:v1",
        "podman pull --tls-verify=false registry.ship.lan:5000/team/app:v1",
        "linux/arm64/v8",
        "2026-10-14 08:15",
        "Arrived here",
        "Signature (Sigstore)",
        signature,
        "also in <a href=\"/repository/other/base\">",
        &image.digest().to_string(),
        "5.00 kB",
    ] {
        assert!(page.contains(expected), "{expected} {page}");
    }
    let by_digest = format!("/repository/team/app?image={}", image.digest());
    assert_page(&fixture.get(&by_digest).await, 200);
    let tags = assert_page(&fixture.get("/repository/team/app").await, 200);
    assert!(tags.contains("linux/arm64/v8") && tags.contains("2026-10-14 08:15"), "{tags}");
}

#[tokio::test]
async fn an_index_shows_its_platforms() {
    let store = Arc::new(MemoryStore::new("memory"));
    let index = fixture::index(&[fixture::image("a"), fixture::image("b")]);
    index.push(store.as_ref(), &name("multi"), Some("t")).await;
    let fixture = Fixture::over(store, ServerConfig::default()).await;
    let page = assert_page(&fixture.get("/repository/multi?image=t").await, 200);
    for expected in ["linux/amd64", "linux/arm64", "2 layers", &index.children[1].digest().to_string()] {
        assert!(page.contains(expected), "{expected} {page}");
    }
}

#[tokio::test]
async fn what_was_pushed_cannot_run() {
    let store = Arc::new(MemoryStore::new("memory"));
    let evil = "<script>alert(1)</script>\"'";
    let config = json!({"os": evil, "architecture": evil, "created": evil});
    push_with_config(store.as_ref(), "evil", "t", config).await;
    let image = store.source(&name("evil")).manifest(&"t".parse().unwrap()).await.unwrap();
    fixture::artifact("s", &image, evil).push(store.as_ref(), &name("evil"), None).await;
    let fixture = Fixture::over(store, ServerConfig::default()).await;
    for path in ["/repository/evil?image=t", "/repository/evil"] {
        let page = assert_page(&fixture.get(path).await, 200);
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_page_too() {
    let fixture = Fixture::new().await;
    for path in ["/repository/none", "/repository/A", "/repository/none?image=t", "/repository/x?image=%00"] {
        let page = assert_page(&fixture.get(path).await, 404);
        assert!(page.contains("Not found"), "{path}");
    }
    assert!(assert_page(&fixture.get("/").await, 200).contains("Nothing has been pushed yet."));
    let posted = fixture.ask("POST", "/", "", b"").await;
    assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD"));
    for (path, kind) in [("/style.css", "text/css; charset=utf-8"), ("/icon.svg", "image/svg+xml")] {
        let file = fixture.get(path).await;
        assert_eq!((file.status, file.header("content-type")), (200, kind));
        assert_eq!(file.header("content-security-policy"), POLICY);
    }
}
