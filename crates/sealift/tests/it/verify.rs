use std::fs;

use crate::site::{KNOWN, Run, Site, image, sealift};

const NAME: &str = "arc-dns";

async fn mirrored() -> Site {
    let site = Site::new().await;
    site.run("mirror", &["--tag", KNOWN]).await.expect(0);
    site
}

async fn verify(site: &Site, more: &[&str]) -> Run {
    site.run("verify", &[&["--tag", KNOWN][..], more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_is_right() {
    let site = mirrored().await;
    let run = verify(&site, &["--deep", "--image", NAME, "--image", "arc-sqlmi"]).await.expect(0);
    insta::assert_snapshot!(run.stdout, @r"
    image      verdict  findings  digest
    v1.42.0_2025-10-14:
    arc-dns    right           -  57a8c69ee0cd
    arc-sqlmi  right           -  b779197b689b

    2 images: 2 right.
    6 blobs: 102 kB read back and hashed; TIME.
    ");
    let run = verify(&site, &["--output", "json"]).await.expect(0);
    assert!(run.outcomes().iter().all(|(_, verdict)| verdict == "right"));
    assert_eq!(run.json()["schema"], "sealift.verification/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_a_flipped_and_a_truncated_blob_are_found() {
    let site = mirrored().await;
    let layer = image(KNOWN, NAME).manifest.links.blobs[2].digest;
    let path = site.blob(NAME, &layer);
    let right = fs::read(&path).unwrap();
    let mut flipped = right.clone();
    flipped[100] ^= 1;
    fs::write(&path, flipped).unwrap();
    verify(&site, &[]).await.expect(0);
    let run = verify(&site, &["--deep", "--output", "json"]).await.expect(5);
    let finding = |run: &Run| {
        assert_eq!(run.outcomes().iter().filter(|(_, verdict)| verdict == "wrong").count(), 1);
        let report = run.json();
        assert_eq!(report["damaged"], serde_json::json!([layer.to_string()]));
        let images = report["images"].as_array().unwrap();
        let image = images.iter().find(|image| image["name"] == NAME).unwrap();
        image["findings"][0]["finding"].as_str().unwrap().to_owned()
    };
    assert_eq!(finding(&run), "wrong-content");
    fs::write(&path, &right[..right.len() - 1]).unwrap();
    assert_eq!(finding(&verify(&site, &["--output", "json"]).await.expect(5)), "wrong-content");
    fs::remove_file(&path).unwrap();
    assert_eq!(finding(&verify(&site, &["--output", "json"]).await.expect(5)), "no-blob");
    let run = verify(&site, &["--image", NAME]).await.expect(5);
    insta::assert_snapshot!(run.stdout, @r"
    image    verdict  findings  digest
    v1.42.0_2025-10-14:
    arc-dns  wrong           1  57a8c69ee0cd

    site/arcdata/arc-dns:v1.42.0_2025-10-14: the target has no blob sha256:9bbd044155933531c43097067a05594033568e9ade28e286263f8b95365f114e
    1 image: 1 wrong.
    3 blobs: presence and size compared (--deep reads them back); TIME.
    ");
    insta::assert_snapshot!(run.stderr, @r"
    v1.42.0_2025-10-14 from SOURCE/arcdata to TARGET/site/arcdata
    Looking up 1 image.
    error: the target TARGET differs from the source
      Hint: a tag or an attachment that is wrong or not there comes with `sealift mirror` and the same answers, and a blob that is not there with --recheck; what has wrong content must be deleted at the target first.
    ");
}

/// As the hint says.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_comes_again_with_recheck() {
    let site = mirrored().await;
    let layer = image(KNOWN, NAME).manifest.links.blobs[2].digest;
    fs::remove_file(site.blob(NAME, &layer)).unwrap();
    site.run("mirror", &["--tag", KNOWN]).await.expect(0);
    verify(&site, &[]).await.expect(5);
    let run = site.run("mirror", &["--tag", KNOWN, "--recheck", "--output", "json"]).await.expect(0);
    assert_eq!(run.json()["totals"]["blobsMoved"], 1);
    verify(&site, &["--deep"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_tag_and_a_missing_one_are_found() {
    let site = mirrored().await;
    let other = image(KNOWN, "something else");
    let repository = "site/arcdata/arc-dns".parse().unwrap();
    other.push(site.target.store.as_ref(), &repository, Some(KNOWN)).await;
    let run = verify(&site, &[]).await.expect(5);
    assert!(run.stdout.contains(&other.digest().to_string()), "{}", run.stdout);
    let run = verify(&site, &["--target-tag", "other", "--image", NAME]).await.expect(5);
    assert!(run.stdout.contains("the target has no manifest other"), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_lacks_is_missing() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    site.run("mirror", &["--tag", KNOWN, "--image", NAME]).await.expect(0);
    verify(&site, &[]).await.expect(3);
    let run = verify(&site, &["--output", "json"]).await.expect(3);
    assert_eq!(run.json()["failures"][0]["kind"], "not-found");
    verify(&site, &["--image", NAME]).await.expect(0);
}

/// The directory of a registry, whole and then with a blob that is another.
#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_a_directory_is_kept() {
    let site = mirrored().await;
    let (directory, reports) = (site.directory.path().to_str().unwrap(), tempfile::tempdir().unwrap());
    let report = |name: &str| reports.path().join(name).display().to_string();
    let (page, document) = (report("r.html"), report("r.json"));
    let check = async || {
        let arguments =
            ["verify", directory, "--report", &page, "--report", &document, "--operator", "Grace"];
        sealift(&[&arguments[..], &["--output", "json"]].concat(), &[], None).await
    };
    let run = check().await.expect(0);
    let told = run.json();
    assert_eq!(told["schema"], "sealift.directory-verification/1");
    assert_eq!(told["checks"][0]["check"], "directory-read");
    assert_eq!((&told["exitCode"], told["findings"].as_array().map(Vec::len)), (&0.into(), Some(0)));
    assert_eq!(fs::read_to_string(&document).unwrap(), run.stdout);
    let shown = fs::read_to_string(&page).unwrap();
    assert!(shown.contains("Everything is whole.") && shown.contains("Grace"), "{shown}");
    let layer = image(KNOWN, NAME).manifest.links.blobs[2].digest;
    fs::write(site.blob(NAME, &layer), "another").unwrap();
    let run = check().await.expect(5);
    let told = run.json();
    assert_eq!(told["findings"][0]["digest"], layer.to_string());
    assert_eq!(told["findings"][0]["repository"], format!("site/arcdata/{NAME}"));
    assert!(fs::read_to_string(&page).unwrap().contains("1 fault found."));
    let run = sealift(&["verify", directory, "--trust", "x.pub"], &[], None).await.expect(2);
    assert!(run.stderr.contains("has no signature"), "{}", run.stderr);
}
