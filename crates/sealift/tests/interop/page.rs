//! The registry's page for people in a real browser: it shows what it should, and the browser finds nothing
//! that it has to refuse.

use std::sync::Arc;

use sealift_registry::server::{Server, ServerConfig};
use sealift_store::conformance::fixture;
use sealift_store::{MemoryStore, Store};
use sealift_testbed::peers;
use tokio::net::TcpListener;

/// Loads a page, and returns what the browser made of it and what it complained of.
async fn load(profile: &str, url: &str) -> (String, String) {
    // The sandbox wants more than a container allows; the page is this project's own.
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
        &format!("--user-data-dir={profile}"),
        "--dump-dom",
        url,
    ];
    let output = peers::run_well("chromium", &arguments).await.unwrap();
    let complaints = output.stderr.lines().filter(|line| line.contains("CONSOLE"));
    let complaints = complaints.map(str::to_owned).collect::<Vec<_>>().join("\n");
    (String::from_utf8(output.stdout).unwrap(), complaints)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_the_page_and_has_nothing_to_refuse() {
    if !peers::interop_wanted() {
        return;
    }
    let store = Arc::new(MemoryStore::new("memory"));
    let image = fixture::index(&[fixture::image("a"), fixture::image("b")]);
    image.push(store.as_ref(), &"team/app".parse().unwrap(), Some("v1")).await;
    let evil = "<img src=/x onerror=alert(1)><script>alert(1)</script>";
    fixture::artifact("s", &image.manifest, evil)
        .push(store.as_ref(), &"team/app".parse().unwrap(), None)
        .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store: Arc<dyn Store> = store;
    let running = Server::new(store, ServerConfig::default()).serve(listener).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let (profile, address) = (profile.path().to_str().unwrap(), running.local_addr());
    for (path, expected) in [
        ("/", "team/app"),
        ("/?q=%3Cscript%3Ealert(1)%3C/script%3E", "0 repositories with"),
        ("/repository/team/app", "linux/amd64, linux/arm64"),
        ("/repository/team/app?image=v1", "podman pull --tls-verify=false"),
    ] {
        let (page, complaints) = load(profile, &format!("http://{address}{path}")).await;
        assert!(page.contains(expected), "{path} {page}");
        assert!(!page.contains("<script") && !page.contains("<img src=\"/x\""), "{path} {page}");
        assert_eq!(complaints, "", "{path}");
    }
}
