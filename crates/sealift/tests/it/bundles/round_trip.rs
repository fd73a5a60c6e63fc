//! From registry to registry, in every form that a bundle has.

use std::fs;
use std::sync::Arc;

use sealift_store::MemoryStore;
use sealift_store::conformance::fixture;
use serde_json::json;

use super::scene::{Gap, NAMES, VOLUMES, files, volumes};
use crate::site::{KNOWN, Served};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_through_volumes() {
    let gap = Gap::new().await;
    let run = gap.pack("release", &VOLUMES).await.expect(0);
    let directory = gap.path("release");
    let names = files(&directory);
    let count = names.len() - 2;
    let volumes: Vec<String> = (1..=count).map(|number| format!("volume-{number}-of-{count}.tar")).collect();
    assert_eq!(names, [&["SHA256SUMS".to_owned(), "catalogue.json".to_owned()], &volumes[..]].concat());
    assert!(count >= 3, "{names:?}");
    for name in volumes {
        assert!(fs::metadata(directory.join(&name)).unwrap().len() <= 1 << 20, "{name}");
    }
    assert!(run.stderr.contains(&format!("release: {count} volumes, ")), "{}", run.stderr);
    assert!(run.stdout.contains("3 images: 3 arrived.\n"), "{}", run.stdout);
    let run = gap.load("release", &[]).await.expect(0);
    assert!(run.stdout.contains("3 images: 3 arrived.\n"), "{}", run.stdout);
    assert!(
        run.stderr.contains("v1.42.0_2025-10-14 from release to TARGET/site/arcdata\n"),
        "{}",
        run.stderr
    );
    gap.assert_arrived(&NAMES).await;
    assert_gate_last(&gap);
}

/// The tags came in an order in which no upgrade is offered too early.
#[track_caller]
fn assert_gate_last(gap: &Gap) {
    let records = gap.target.records();
    let end = format!("/manifests/{KNOWN}");
    let tags = records.iter().filter(|it| it.head.method == "PUT" && it.head.path.ends_with(&end));
    let tags: Vec<&str> = tags.map(|it| it.head.path.split('/').nth(4).unwrap()).collect();
    assert_eq!((tags.len(), *tags.last().unwrap()), (3, "arc-controller"));
}

/// Each distinct blob is asked for once, and lies there once.
#[tokio::test(flavor = "multi_thread")]
async fn each_blob_is_fetched_and_kept_once() {
    let gap = Gap::packed(&[]).await;
    let is_blob = |path: &str| path.contains("/blobs/");
    let records = gap.source.records();
    let mut digests: Vec<&str> =
        records.iter().map(|it| it.head.path.as_str()).filter(|it| is_blob(it)).collect();
    let all = digests.len();
    digests.sort_unstable_by_key(|path| path.rsplit('/').next().unwrap());
    digests.dedup_by_key(|path| path.rsplit('/').next().unwrap().to_owned());
    // A layer that all share; of each image its own one and its configuration.
    assert_eq!((digests.len(), all), (7, 7));
    let sizes = volumes(&gap.path("release")).iter().map(|it| fs::metadata(it).unwrap().len()).sum::<u64>();
    let content: u64 = records.iter().filter(|it| is_blob(&it.head.path)).map(|it| it.response_bytes).sum();
    assert!(sizes < content + 32 * 1024, "{sizes} for {content}");
}

/// A second load has nothing to do, and `--recheck` finds everything there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_loaded_again() {
    let gap = Gap::packed(&[]).await;
    gap.load("release", &[]).await.expect(0);
    gap.target.clear();
    let run = gap.load("release", &[]).await.expect(0);
    assert!(run.stdout.contains("3 images: 3 there already.\nNothing moved"), "{}", run.stdout);
    assert_eq!(gap.target.count(|it| it.head.method != "HEAD" && it.head.method != "GET"), 0);
    let run = gap.load("release", &["--recheck", "--output", "json"]).await.expect(0);
    assert_eq!(
        (&run.json()["totals"]["bytesMoved"], &run.json()["totals"]["imagesThere"]),
        (&json!(0), &json!(3))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_through_one_file() {
    let gap = Gap::new().await;
    let run = gap.pack("release.tar", &[]).await.expect(0);
    let names: Vec<String> =
        files(&gap.path("")).into_iter().filter(|it| it.starts_with("release")).collect();
    assert_eq!(names, ["release.tar", "release.tar.sha256"]);
    let checksum = fs::read_to_string(gap.path("release.tar.sha256")).unwrap();
    assert!(run.stderr.contains(&format!("SHA-256: {checksum}")), "{}", run.stderr);
    gap.load("release.tar", &[]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

/// The bundle is all that goes to standard output; what is to be said goes elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_through_a_pipe() {
    let gap = Gap::new().await;
    let (run, bundle) = gap.run_raw(&gap.packing("-", &["--verbose"])).await;
    let run = run.expect(0);
    assert!(run.stderr.contains("arcdata/arc-sqlmi:v1.42.0_2025-10-14 arrived"), "{}", run.stderr);
    assert!(
        run.stderr.contains(&format!("{} -", sealift_oci::Digest::sha256(&bundle).hex())),
        "{}",
        run.stderr
    );
    fs::write(gap.path("received.tar"), &bundle).unwrap();
    gap.load("received.tar", &[]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_images_goes_through_a_bundle() {
    let gap = Gap::new().await;
    let store = MemoryStore::new("other");
    let tool = fixture::image("tool");
    tool.push(&store, &"org/tool".parse().unwrap(), Some("1.0")).await;
    let other = Served::new(Arc::new(store)).await;
    let source = gap.source.address();
    let list = format!("{source}/arcdata/arc-dns:{KNOWN}\n{}/org/tool:1.0\n", other.address);
    fs::write(gap.path("images.txt"), list).unwrap();
    gap.run(&["pack", "--images-file", "images.txt", "--to", "listed"]).await.expect(0);
    let looked = gap.inspect("listed", &["--output", "json"]).await.expect(0).json();
    let sources: Vec<&str> =
        looked["images"].as_array().unwrap().iter().map(|it| it["source"].as_str().unwrap()).collect();
    let expected = [format!("SOURCE/arcdata/arc-dns:{KNOWN}"), format!("{}/org/tool:1.0", other.address)];
    assert_eq!(sources, expected);
    let run = gap.load("listed", &[]).await.expect(0);
    assert!(run.stdout.contains("2 images: 2 arrived.\n"), "{}", run.stdout);
    for (repository, tag, digest) in [
        ("site/arcdata/arcdata/arc-dns", KNOWN, super::scene::image("arc-dns").digest()),
        ("site/arcdata/org/tool", "1.0", tool.digest()),
    ] {
        let source = gap.site.target.store.source(&repository.parse().unwrap());
        assert_eq!(source.resolve(&fixture::tag(tag).into()).await.unwrap().digest, digest, "{repository}");
    }
}

/// What the report says adds up with what was moved.
#[tokio::test(flavor = "multi_thread")]
async fn the_reports_are_those_of_a_mirror() {
    let gap = Gap::new().await;
    let packed = gap.pack("release", &["--output", "json"]).await.expect(0);
    let report = packed.json();
    assert_eq!(report["schema"], "sealift.report/1");
    assert_eq!(report["totals"]["imagesThere"], 3);
    assert_eq!(report["totals"]["blobsMoved"], 7);
    let loaded = gap.load("release", &["--output", "json", "--quiet"]).await.expect(0);
    assert_eq!(loaded.stderr, "");
    assert_eq!(loaded.json()["totals"]["bytesMoved"], report["totals"]["bytesMoved"]);
    assert_eq!(loaded.json()["schema"], "sealift.report/1");
    assert_eq!(loaded.outcome("arc-sqlmi"), "arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_can_be_looked_at() {
    let gap = Gap::packed(&[]).await;
    let run = gap.inspect("release", &[]).await.expect(0);
    let hide = |text: &str| {
        let catalogue: serde_json::Value =
            serde_json::from_slice(&fs::read(gap.path("release/catalogue.json")).unwrap()).unwrap();
        let text = text.replace(catalogue["id"].as_str().unwrap(), "ID");
        text.replace(catalogue["created"].as_str().unwrap(), "NOW")
            .replace(env!("CARGO_PKG_VERSION"), "VERSION")
    };
    insta::assert_snapshot!(hide(&run.stdout), @r"
    image           tag                  size  carried  shared  platforms    digest
    v1.42.0_2025-10-14:
    arc-controller  v1.42.0_2025-10-14   901k     901k    300k  linux/amd64  b03e821adbec
    arc-dns         v1.42.0_2025-10-14   901k     901k    300k  linux/amd64  929afea7569b
    arc-sqlmi       v1.42.0_2025-10-14  1.70M    1.70M    300k  linux/amd64  ef335bb69aab

    Bundle ID, packed NOW by sealift VERSION from SOURCE.
    3 images, 5 volumes: 2.90 MB carried, 300 kB shared among images.
    ");
    assert_eq!(run.stderr, "");
    gap.assert_untouched();
    let looked = gap.inspect("release", &["--output", "json"]).await.expect(0).json();
    assert_eq!((&looked["schema"], &looked["exitCode"]), (&json!("sealift.contents/1"), &json!(0)));
    assert_eq!((&looked["isEncrypted"], &looked["isTrusted"]), (&json!(false), &json!(false)));
    assert_eq!(looked["content"], 10);
    assert_eq!(looked["bytesShared"], 300_000);
    let image = &looked["images"][0];
    assert_eq!(image["source"], format!("SOURCE/arcdata/{}:{KNOWN}", image["name"].as_str().unwrap()));
    assert_eq!((&image["release"], &image["platforms"]), (&json!(KNOWN), &json!(["linux/amd64"])));
    let listed = looked["volumes"].as_array().unwrap();
    assert_eq!(listed.len(), volumes(&gap.path("release")).len());
    let size: u64 =
        fs::metadata(gap.path("release").join(listed[0]["name"].as_str().unwrap())).unwrap().len();
    assert_eq!(listed[0]["bytes"], size);
}

/// A source that lacks an image gives a bundle without it, where that is wished.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_at_the_source_is_told_on_both_sides() {
    let gap = Gap::new().await;
    let more = ["--image", "arc-sb-plugin"];
    let run = gap.pack("release", &more).await.expect(3);
    assert!(run.stderr.contains("arcdata/arc-sb-plugin:v1.42.0_2025-10-14"), "{}", run.stderr);
    assert!(!gap.path("release").exists(), "something was written");
    gap.pack("release", &[&more[..], &["--allow-missing"]].concat()).await.expect(3);
    let run = gap.load("release", &["--output", "json"]).await.expect(0);
    assert_eq!(run.outcomes().len(), 2, "the gate waits for what is missing: {}", run.stdout);
    gap.assert_arrived(&NAMES[1..]).await;
}
