//! `sealift load --dry-run`: what would be loaded, and what could not be.

use std::fs;

use serde_json::json;

use super::scene::{Gap, NAMES, files, own_layer, volumes};
use super::several::pack_one;

fn asked_only(gap: &Gap) {
    assert_eq!(gap.target.count(|it| it.head.method != "HEAD" && it.head.method != "GET"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_blobs_and_volumes_are_told() {
    let gap = Gap::packed(&[]).await;
    let count = volumes(&gap.path("release")).len();
    let run = gap.load("release", &["--dry-run"]).await.expect(0);
    assert!(run.stdout.contains(&format!("\n7 blobs to load, from {count} volumes.\n")), "{}", run.stdout);
    assert!(run.stdout.contains("2.90 MB to fetch"), "{}", run.stdout);
    let run = gap.load("release", &["--dry-run", "--output", "json"]).await.expect(0).json();
    assert_eq!((&run["volumes"], &run["unreadableVolumes"]), (&json!(count), &json!(0)));
    assert_eq!((&run["totals"]["blobs"], &run["totals"]["blobsToFetch"]), (&json!(7), &json!(7)));
    asked_only(&gap);
    gap.load("release", &[]).await.expect(0);
    let run = gap.load("release", &["--dry-run", "--output", "json"]).await.expect(0).json();
    assert_eq!(
        (&run["totals"]["blobsToFetch"], &run["images"][0]["step"]),
        (&json!(0), &json!("already-there"))
    );
    // What the other side has is in no volume.
    let run = gap.pack("next", &["--since", "release.receipt.json", "--dry-run"]).await.expect(0);
    assert!(run.stdout.contains("\n0 blobs, in 1 volume at least.\n"), "{}", run.stdout);
}

/// A missing volume is counted, the images that it hits fail as they would, and what the target has needs no volume.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_volume_is_counted_with_the_images_that_it_hits() {
    let gap = Gap::packed(&[]).await;
    let all = volumes(&gap.path("release"));
    // The largest layer lies in a volume of its own.
    let run = gap.load("release", &["--all-or-nothing", "--dry-run"]).await.expect(0);
    assert!(run.stdout.contains("3 images: 3 to copy."), "{}", run.stdout);
    let looked = gap.inspect("release", &["--output", "json"]).await.expect(0).json();
    assert_eq!(looked["volumes"].as_array().unwrap().len(), all.len());
    let spoilt = super::damage::volume_of(&gap, "arc-sqlmi");
    fs::rename(&spoilt, gap.path("elsewhere")).unwrap();
    let run = gap.load("release", &["--dry-run"]).await.expect(1);
    let name = spoilt.file_name().unwrap().to_str().unwrap();
    assert!(run.stderr.contains(&format!("error: release/{name}: the volume is missing")), "{}", run.stderr);
    assert!(run.stderr.contains("hits SOURCE/arcdata/arc-sqlmi:"), "{}", run.stderr);
    assert!(run.stderr.contains(&own_layer("arc-sqlmi").digest.to_string()), "{}", run.stderr);
    let words = format!("from {} volumes, of which 1 cannot be read.\n", all.len());
    assert!(
        run.stdout.contains(&words) && run.stdout.contains("3 images: 2 to copy, 1 failed."),
        "{}",
        run.stdout
    );
    let run = gap.load("release", &["--dry-run", "--output", "json"]).await.expect(1).json();
    assert_eq!((&run["unreadableVolumes"], &run["exitCode"]), (&json!(1), &json!(1)));
    let hit = run["failures"][0]["images"].as_array().unwrap();
    assert!(hit.len() == 1 && hit[0].as_str().unwrap().starts_with("arc-sqlmi@"), "{run}");
    let run = gap.load("release", &["--dry-run", "--all-or-nothing"]).await.expect(6);
    assert!(run.stderr.contains("--all-or-nothing is set"), "{}", run.stderr);
    asked_only(&gap);
    // What is told is what comes true.
    gap.load("release", &[]).await.expect(1);
    fs::rename(gap.path("elsewhere"), &spoilt).unwrap();
    gap.load("release", &[]).await.expect(0);
    fs::rename(&spoilt, gap.path("elsewhere")).unwrap();
    gap.load("release", &["--dry-run", "--recheck"]).await.expect(0);
}

/// The base is proven as `load` does it, and nothing is written about it.
#[tokio::test(flavor = "multi_thread")]
async fn the_base_is_proven() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    pack_one(&gap, "arc-sqlmi", &["--since", "arc-dns", "--assume-delivered"]).await;
    let before = files(&gap.path(""));
    let run = gap.load("arc-sqlmi", &["--dry-run"]).await.expect(3);
    assert!(
        run.stderr.contains("arc-sqlmi: the target lacks 1 blob (300 kB) that the bundle builds on"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.contains("1 image: 1 failed."), "{}", run.stdout);
    let run = gap.load("arc-sqlmi", &["--dry-run", "--all-or-nothing"]).await.expect(6);
    assert!(run.stderr.contains("the target lacks what the bundle builds on"), "{}", run.stderr);
    asked_only(&gap);
    assert_eq!(files(&gap.path("")), before, "no request is written");
    gap.load("arc-dns", &[]).await.expect(0);
    let run = gap.load("arc-sqlmi", &["--dry-run", "--output", "json"]).await.expect(0).json();
    // Of three blobs one is there.
    assert_eq!((&run["totals"]["blobsToFetch"], &run["totals"]["blobs"]), (&json!(2), &json!(3)), "{run}");
    gap.load("arc-sqlmi", &[]).await.expect(0);
    gap.assert_arrived(&NAMES[1..]).await;
}
