//! Several bundles at once.

use super::scene::{Gap, NAMES, volumes};
use crate::site::KNOWN;

/// Packs one image into a bundle of its name.
pub(super) async fn pack_one(gap: &Gap, name: &str, more: &[&str]) {
    let source = gap.source.address().to_string();
    let args = ["pack", "--tag", KNOWN, "--source-registry", &source, "--to", name, "--image", name];
    gap.run(&[&args[..], more].concat()).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_bundles_count_as_one() {
    let gap = Gap::new().await;
    for name in NAMES {
        pack_one(&gap, name, &[]).await;
    }
    let run = gap.run(&gap.loading(&NAMES, &["--output", "json"])).await.expect(0);
    assert_eq!(run.outcomes().len(), 3);
    // What they share moves once.
    assert_eq!(run.json()["totals"]["blobsMoved"], 7);
    gap.assert_arrived(&NAMES).await;
}

/// One tag for two images of a repository would drop one of them.
#[tokio::test(flavor = "multi_thread")]
async fn one_tag_is_not_given_to_two_images() {
    let gap = Gap::new().await;
    let repository = "arcdata/arc-dns".parse().unwrap();
    super::scene::image("other").push(gap.site.source.store.as_ref(), &repository, Some("v2")).await;
    let source = gap.source.address().to_string();
    let (one, other) = (format!("{source}/{repository}:{KNOWN}"), format!("{source}/{repository}:v2"));
    std::fs::write(gap.path("list"), format!("{one}\n{other}\n")).unwrap();
    for place in ["both", "oci:layout"] {
        let args = ["pack", "--images-file", "list", "--source-anonymous", "--to", place];
        gap.run(&args).await.expect(0);
        let run = gap.load(place, &["--target-tag", "stable"]).await.expect(2);
        for words in [KNOWN, "/arc-dns:v2", "would both get the tag stable"] {
            assert!(run.stderr.contains(words), "{}", run.stderr);
        }
        gap.assert_untouched();
    }
    gap.load("both", &[]).await.expect(0);
    pack_one(&gap, "arc-sqlmi", &[]).await;
    gap.load("arc-sqlmi", &["--target-tag", "stable"]).await.expect(0);
}

/// What a bundle left out, since the one before has it, is found there.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_builds_on_one_that_was_delivered() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    pack_one(&gap, "arc-sqlmi", &["--since", "arc-dns", "--assume-delivered"]).await;
    let looked = gap.inspect("arc-sqlmi", &["--output", "json"]).await.expect(0).json();
    assert_eq!(looked["bytesLeftOut"], 300_000);
    assert_eq!(looked["buildsOn"].as_array().unwrap().len(), 1);
    gap.run(&gap.loading(&["arc-dns", "arc-sqlmi"], &[])).await.expect(0);
    gap.assert_arrived(&["arc-dns", "arc-sqlmi"]).await;
}

/// One that is spoilt harms no other.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_in_one_bundle_comes_from_another() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.pack("release", &[]).await.expect(0);
    let volume = volumes(&gap.path("arc-dns")).remove(0);
    std::fs::remove_file(&volume).unwrap();
    let run = gap.run(&gap.loading(&["arc-dns", "release"], &[])).await.expect(0);
    let words = format!("error: arc-dns/{}: the volume is missing", volume.file_name().unwrap().display());
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    gap.assert_arrived(&NAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_no_bundle_stops_all() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    std::fs::create_dir(gap.path("empty")).unwrap();
    let run = gap.run(&gap.loading(&["arc-dns", "empty"], &[])).await.expect(2);
    assert!(run.stderr.contains("error: empty: it has no SHA256SUMS"), "{}", run.stderr);
    gap.assert_untouched();
}
