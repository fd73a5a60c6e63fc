use std::sync::Arc;

use sealift_store::conformance::fixture;
use sealift_store::{MemoryStore, PageRequest, Store};

use crate::site::{KNOWN, Site, image};

const NAME: &str = "arc-dns";
const WANTED: [&str; 4] = ["--tag", KNOWN, "--image", NAME];

/// A source with one image: an SBOM refers to it, and a signature has the tag that cosign gives it.
async fn signed() -> Arc<dyn Store> {
    let store = MemoryStore::new("memory");
    let repository = format!("arcdata/{NAME}").parse().unwrap();
    let image = image(KNOWN, NAME);
    image.push(&store, &repository, Some(KNOWN)).await;
    let sbom = fixture::artifact("sbom", &image.manifest, "application/spdx+json");
    sbom.push(&store, &repository, None).await;
    let tag = format!("sha256-{}.sig", image.digest().hex());
    fixture::image("signature").push(&store, &repository, Some(&tag)).await;
    Arc::new(store)
}

async fn referrers(site: &Site) -> usize {
    let there = site.target.store.source(&format!("site/arcdata/{NAME}").parse().unwrap());
    let page = there.referrers(&image(KNOWN, NAME).digest(), None, &PageRequest::first()).await;
    page.unwrap().items.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_comes_along_and_is_counted() {
    let site = Site::of(signed().await).await;
    let run = site.run("mirror", &WANTED).await.expect(0);
    assert!(run.stdout.contains("\n2 attachments came with the images.\n"), "{}", run.stdout);
    assert_eq!(referrers(&site).await, 1);
    let run = site.run("mirror", &WANTED).await.expect(0);
    assert!(!run.stdout.contains("attachment"), "{}", run.stdout);
    let other = Site::of(signed().await).await;
    let run = other.run("mirror", &[&WANTED[..], &["--output", "json"]].concat()).await.expect(0);
    assert_eq!(run.json()["images"][0]["attachments"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_looks_for_what_is_attached() {
    let site = Site::of(signed().await).await;
    let without = [&WANTED[..], &["--no-attachments"]].concat();
    site.run("mirror", &without).await.expect(0);
    let run = site.run("verify", &without).await.expect(0);
    assert!(!run.stdout.contains("attachment"), "{}", run.stdout);
    let run = site.run("verify", &WANTED).await.expect(5);
    let subject = image(KNOWN, NAME).digest();
    assert!(run.stdout.contains(&format!(" is not attached to {subject} at the target\n")), "{}", run.stdout);
    let tag = format!("the target has no manifest sha256-{}.sig\n", subject.hex());
    assert!(run.stdout.contains(&tag), "{}", run.stdout);
    assert!(run.stdout.contains("\n2 attachments compared.\n"), "{}", run.stdout);
    // As the hint says: the image is there, and what is attached comes.
    site.run("mirror", &WANTED).await.expect(0);
    let run = site.run("verify", &[&WANTED[..], &["--output", "json"]].concat()).await.expect(0);
    assert_eq!(run.json()["images"][0]["attachments"], 2);
    assert_eq!(run.json()["images"][0]["findings"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_can_be_left_behind() {
    let site = Site::of(signed().await).await;
    let without = [&WANTED[..], &["--no-attachments"]].concat();
    let run = site.run("mirror", &without).await.expect(0);
    assert!(!run.stdout.contains("attachment"), "{}", run.stdout);
    assert_eq!(referrers(&site).await, 0);
    // Who wants them later gets them, although the image is there.
    let run = site.run("mirror", &[&WANTED[..], &["--output", "json"]].concat()).await.expect(0);
    assert_eq!(run.json()["images"][0]["outcome"], "already-there");
    assert_eq!(run.json()["images"][0]["attachments"], 2);
    assert_eq!(referrers(&site).await, 1);
}
