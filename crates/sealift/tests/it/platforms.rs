use std::sync::Arc;

use sealift_store::conformance::fixture;
use sealift_store::{MemoryStore, Store};

use crate::site::{KNOWN, Site};

#[tokio::test(flavor = "multi_thread")]
async fn one_platform_is_taken_out_of_an_index_with_its_digest() {
    let children = [fixture::image("amd64"), fixture::image("arm64")];
    let index = fixture::index(&children);
    let store = MemoryStore::new("memory");
    index.push(&store, &"arcdata/arc-dns".parse().unwrap(), Some(KNOWN)).await;
    let store: Arc<dyn Store> = Arc::new(store);
    let wanted = ["--tag", KNOWN, "--image", "arc-dns"];

    let whole = Site::of(Arc::clone(&store)).await;
    let run = whole.run("mirror", &[&wanted[..], &["--output", "json"]].concat()).await.expect(0);
    assert_eq!(run.json()["images"][0]["platforms"], serde_json::json!(["linux/amd64", "linux/arm64"]));
    assert_eq!(whole.tagged("arc-dns", KNOWN).await, Some(index.digest()));

    let one = Site::of(store).await;
    let platform = [&wanted[..], &["--platform", "linux/arm64"]].concat();
    one.run("mirror", &platform).await.expect(0);
    assert_eq!(one.tagged("arc-dns", KNOWN).await, Some(children[1].digest()));
    one.run("verify", &[&platform[..], &["--deep"]].concat()).await.expect(0);
    let run = one.run("mirror", &[&wanted[..], &["--platform", "linux/mips"]].concat()).await.expect(3);
    assert!(run.stderr.contains("it has no image for linux/mips; it has linux/amd64"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_for_another_platform_alone_is_told() {
    let store = MemoryStore::new("memory");
    fixture::image("amd64").push(&store, &"arcdata/arc-dns".parse().unwrap(), Some(KNOWN)).await;
    let site = Site::of(Arc::new(store)).await;
    let wanted = ["--tag", KNOWN, "--image", "arc-dns", "--platform", "linux/arm64"];
    let run = site.run("mirror", &wanted).await.expect(0);
    assert!(run.stderr.contains("is for linux/amd64, not for linux/arm64"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_indexes_arrives_whole() {
    let inner = fixture::index(&[fixture::image("amd64"), fixture::docker_image("v7")]);
    let outer = fixture::index(&[inner, fixture::image("arm64")]);
    let store = MemoryStore::new("memory");
    outer.push(&store, &"arcdata/arc-dns".parse().unwrap(), Some(KNOWN)).await;
    let site = Site::of(Arc::new(store)).await;
    let wanted = ["--tag", KNOWN, "--image", "arc-dns"];
    site.run("mirror", &wanted).await.expect(0);
    assert_eq!(site.tagged("arc-dns", KNOWN).await, Some(outer.digest()));
    site.run("verify", &[&wanted[..], &["--deep"]].concat()).await.expect(0);
    let innermost = outer.children[0].children[1].digest();
    let repository = site.target.store.source(&"site/arcdata/arc-dns".parse().unwrap());
    assert_eq!(repository.manifest(&innermost.into()).await.unwrap().digest(), innermost);
}
