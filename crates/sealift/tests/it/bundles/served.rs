//! Bundles that are served straight from their volumes, and bundles that are loaded into a directory.

use sealift_store::{DirectoryStore, PageRequest, Store};

use super::scene::{Gap, NAMES, image};
use crate::serve::Registry;
use crate::site::KNOWN;

async fn assert_pulled(store: &dyn Store, repository: &str, name: &str) {
    let (image, source) = (image(name), store.source(&repository.parse().unwrap()));
    let tag: sealift_oci::Tag = KNOWN.parse().unwrap();
    assert_eq!(source.manifest(&tag.into()).await.unwrap(), image.manifest);
    for blob in &image.blobs {
        let digest = sealift_oci::Digest::sha256(blob);
        let body = source.open_blob(&digest, 0).await.unwrap();
        assert!(body.collect(blob.len()).await.unwrap() == blob);
        let rest = source.open_blob(&digest, 7).await.unwrap();
        assert!(rest.collect(blob.len()).await.unwrap() == blob[7..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_served_from_its_volumes() {
    let gap = Gap::packed(&[]).await;
    let release = gap.text("release");
    let registry = Registry::start(&["--read-only", &release]).await;
    let client = registry.client();
    let all = client.admin().repositories(&PageRequest::first()).await.unwrap().items;
    assert_eq!(all.len(), NAMES.len(), "{all:?}");
    for (name, repository) in NAMES.iter().zip(&all) {
        assert_pulled(client.as_ref(), repository.as_str(), name).await;
    }
    let looked = gap.inspect("release", &["--output", "json"]).await.expect(0).json();
    let page = registry.page(&format!("/repository/{}?image={KNOWN}", all[0])).await;
    for fact in ["the bundle release<", "Packed", looked["id"].as_str().unwrap(), "From"] {
        assert!(page.contains(fact), "{fact} {page}");
    }
    let figures = registry.page("/metrics").await;
    assert!(figures.contains(&format!("sealift_store_repositories {}\n", NAMES.len())), "{figures}");
    let target = format!("/v2/{}/blobs/uploads/", all[0]);
    assert_eq!(registry.ask("POST", &target).await, 405);
    let (code, told) = registry.stop().await;
    assert_eq!(code, Some(0));
    assert!(told.contains(&format!("/{}:{KNOWN}", all[0])), "{told}");

    // Nothing is written between volumes.
    for path in ["release", "release/catalogue.json"] {
        let run = gap.run(&["serve", path]).await.expect(2);
        assert!(run.stderr.contains("--read-only"), "{path}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_loaded_into_a_directory_and_served() {
    let gap = Gap::packed(&[]).await;
    gap.run(&["load", "release", "--into", "new/store", "--dry-run"]).await.expect(0);
    assert!(!gap.path("new").exists());
    let run = gap.run(&["load", "release", "--into", "store", "--output", "json"]).await.expect(0);
    assert_eq!(run.json()["target"]["directory"], "store");
    let again = gap.run(&["load", "release", "--into", "store"]).await.expect(0);
    assert!(again.stderr.contains("from release to the directory store"), "{}", again.stderr);
    gap.run(&["load", "release", "--into", "store", "--target-repository", "below/here"]).await.expect(0);
    gap.assert_untouched();
    let store = DirectoryStore::open(gap.path("store")).unwrap();
    let all = store.admin().repositories(&PageRequest::first()).await.unwrap().items;
    assert_eq!(all.len(), 2 * NAMES.len(), "{all:?}");
    let registry = Registry::start(&[&gap.text("store")]).await;
    for (name, repository) in NAMES.iter().chain(&NAMES).zip(&all) {
        assert_pulled(registry.client().as_ref(), repository.as_str(), name).await;
    }
    registry.kill().await;
    gap.run(&["verify", "store"]).await.expect(0);
    for flag in ["--target-registry", "--target-username"] {
        gap.run(&["load", "release", "--into", "store", flag, "x"]).await.expect(2);
    }
}
