use std::sync::Arc;

use sealift_store::{Action, ErrorKind, Faults, Method, Store};
use serde_json::json;

use crate::site::{KNOWN, Run, Site, filled, image, names, sealift};

/// Newer than sealift's table.
const NEW: &str = "v1.47.0_2026-09-08";

/// A registry with the whole known release and more; a new release; and a repository of no release.
async fn source() -> Arc<dyn Store> {
    let mut all = names();
    all.push("arc-kafka".to_owned());
    let all: Vec<&str> = all.iter().map(String::as_str).filter(|name| *name != "arc-dns").collect();
    let store = filled(&[(KNOWN, all.as_slice()), (NEW, &["arc-controller", "arc-bootstrapper"])]).await;
    image("1.0", "chart").push(store.as_ref(), &"arcdata/chart".parse().unwrap(), Some("1.0")).await;
    image("1.0", "other").push(store.as_ref(), &"elsewhere/arc-dns".parse().unwrap(), Some(KNOWN)).await;
    store
}

async fn discover(site: &Site, more: &[&str]) -> Run {
    let args = [&["releases", "--discover", "--source-registry", &site.source.address][..], more].concat();
    let run = sealift(&args, &[], None).await;
    let redact = |text: &str| text.replace(&site.source.address, "SOURCE");
    Run { stdout: redact(&run.stdout), stderr: redact(&run.stderr), ..run }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_shown() {
    let site = Site::of(source().await).await;
    let run = discover(&site, &[]).await.expect(0);
    let lines: Vec<&str> = run.stdout.lines().filter(|line| !line.contains("v1.4.")).collect();
    insta::assert_snapshot!(lines[..4].join("\n"), @r"
    release             images  differs from the table
    v1.42.0_2025-10-14      20  has also arc-kafka
                                lacks arc-dns
    v1.47.0_2026-09-08       2  not in the table
    ");
    assert!(run.stdout.contains("\nIn the table and not there: public-preview-sep-2020,"), "{}", run.stdout);
    assert!(run.stdout.contains("\nRepositories of no known image: chart\n"), "{}", run.stdout);
    let end = "SOURCE/arcdata: 21 repositories, listed by the registry; 2 releases, 1 not in the table.\n";
    assert!(run.stdout.ends_with(end), "{}", run.stdout);
    assert_eq!(run.stderr, "Looking into 21 repositories of SOURCE.\n");
    let report = discover(&site, &["--output", "json"]).await.expect(0).json();
    assert_eq!((&report["schema"], &report["hasCatalog"]), (&json!("sealift.discovery/1"), &json!(true)));
    assert_eq!(report["releases"][0]["missing"], json!(["arc-dns"]));
    assert_eq!(report["unknownReleases"], json!([{"tag": NEW, "images": 2, "note": null}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_catalog_the_names_of_the_table_are_asked_for() {
    let script = |call: &sealift_store::Call| match call.method {
        Method::Repositories => Action::Fail(ErrorKind::Denied),
        _ => Action::Pass,
    };
    let site = Site::of(Arc::new(Faults::new(source().await, script))).await;
    let report = discover(&site, &["--output", "json"]).await.expect(0).json();
    assert_eq!((&report["hasCatalog"], &report["repositories"]), (&json!(false), &json!(20)));
    assert_eq!(report["releases"][0]["extra"], json!(["arc-kafka"]));
    assert_eq!(report["unknownRepositories"], json!([]));
    let run = discover(&site, &["--source-repository", "elsewhere"]).await.expect(0);
    assert!(run.stdout.contains("asked for by the names of the table"), "{}", run.stdout);
    let run = discover(&site, &["--source-repository", "nowhere"]).await.expect(3);
    assert!(run.stderr.contains("nowhere/"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_repositories_are_findings() {
    let is_broken = |call: &sealift_store::Call| {
        call.repository.as_ref().is_some_and(|it| it.as_str() == "arcdata/arc-sqlmi")
    };
    let script = move |call: &sealift_store::Call| match call.method {
        Method::Tags if is_broken(call) => Action::Fail(ErrorKind::Denied),
        _ => Action::Pass,
    };
    let site = Site::of(Arc::new(Faults::new(source().await, script))).await;
    let run = discover(&site, &[]).await.expect(0);
    assert!(
        run.stdout.contains("\narc-sqlmi cannot be read: SOURCE: cannot list the tags"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains(" cannot be read: arc-sqlmi\n"), "{}", run.stdout);
    let report = discover(&site, &["--output", "json"]).await.expect(0).json();
    assert_eq!(report["brokenRepositories"][0]["repository"], "arc-sqlmi");
    assert_eq!(report["releases"][0]["unreadable"], json!(["arc-sqlmi"]));
    let down = sealift(&["releases", "--discover", "--source-registry", "127.0.0.1:1"], &[], None).await;
    assert!(down.expect(1).stderr.contains("Nothing listens at 127.0.0.1:1"));
}
