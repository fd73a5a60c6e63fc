use std::sync::Arc;

use bytes::Bytes;
use sealift_oci::{Descriptor, Manifest, media_type};
use sealift_store::conformance::fixture;
use sealift_store::{MemoryStore, Store};
use serde_json::{Value, json};

use crate::site::{KNOWN, Served, Site};

const WANTED: [&str; 6] = ["--tag", KNOWN, "--image", "arc-dns", "--output", "json"];

/// A source with an image whose second layer is only where its publisher keeps it.
async fn source(url: &str, layer: &Bytes) -> Arc<dyn Store> {
    let plain = fixture::image("windows");
    let foreign =
        Descriptor { urls: vec![url.to_owned()], ..Descriptor::of(media_type::DOCKER_FOREIGN_LAYER, layer) };
    let mut value: Value = serde_json::from_slice(&plain.manifest.bytes).unwrap();
    value["layers"].as_array_mut().unwrap().push(json!(foreign));
    let manifest = Manifest::parse(None, value.to_string().into()).unwrap();
    let store = MemoryStore::new("memory");
    let target = store.target(&"arcdata/arc-dns".parse().unwrap()).unwrap();
    plain.push_content(target.as_ref()).await;
    target.put_manifest(&manifest, Some(&KNOWN.parse().unwrap())).await.unwrap();
    Arc::new(store)
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_layers_are_left_out_and_fetched_only_on_demand() {
    // Any server of files will do as the publisher's.
    let layer = fixture::noise("foreign", 300_000);
    let kept = MemoryStore::new("publisher");
    let digest = fixture::push_blob(kept.target(&"x".parse().unwrap()).unwrap().as_ref(), &layer).await;
    let publisher = Served::new(Arc::new(kept)).await;
    let url = format!("http://{}/v2/x/blobs/{digest}", publisher.address);

    let without = Site::of(source(&url, &layer).await).await;
    let run = without.run("mirror", &WANTED).await.expect(0);
    assert_eq!(run.json()["images"][0]["skippedForeignLayers"], json!([digest.to_string()]));

    let with = Site::of(source(&url, &layer).await).await;
    let run = with.run("mirror", &[&WANTED[..], &["--foreign-urls"]].concat()).await.expect(0);
    assert_eq!(run.json()["images"][0]["skippedForeignLayers"], json!([]));
    let there = with.target.store.source(&"site/arcdata/arc-dns".parse().unwrap());
    assert_eq!(there.stat_blob(&digest).await.unwrap(), 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_has_lost_the_layer_fails_the_image() {
    let publisher = Served::new(Arc::new(MemoryStore::new("publisher"))).await;
    let layer = fixture::noise("foreign", 1_000);
    let url = format!(
        "http://{}/v2/x/blobs/{}?signature=hunter2",
        publisher.address,
        sealift_oci::Digest::sha256(&layer)
    );
    let site = Site::of(source(&url, &layer).await).await;
    let run = site.run("mirror", &[&WANTED[..], &["--foreign-urls"]].concat()).await.expect(3);
    assert!(run.stderr.contains("its publisher refuses: it answers 404"), "{}", run.stderr);
    assert!(!format!("{run:?}").contains("hunter2"), "the query may be signed");
}
