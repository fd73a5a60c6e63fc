//! Plain OCI image layouts, as other tools write them.

use std::fs;
use std::path::Path;

use sealift_oci::Digest;
use sealift_store::conformance::fixture;
use serde_json::json;

use super::scene::{Gap, image};
use crate::site::KNOWN;

/// Writes a layout as skopeo does: one image under its tag.
fn write_layout(directory: &Path, name: &str) {
    let image = image(name);
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for blob in image.blobs.iter().chain([&image.manifest.bytes]) {
        fs::write(blobs.join(Digest::sha256(blob).hex()), blob).unwrap();
    }
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let descriptor = &image.manifest.descriptor;
    let entry = json!({
        "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size,
        "annotations": {"org.opencontainers.image.ref.name": KNOWN},
    });
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    fs::write(directory.join("index.json"), index.to_string()).unwrap();
}

async fn tar(directory: &Path, file: &Path) {
    let arguments = ["-C", directory.to_str().unwrap(), "-cf", file.to_str().unwrap(), "."];
    sealift_testbed::peers::run_well("tar", &arguments).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_and_an_archive_are_loaded_under_their_own_name() {
    let gap = Gap::new().await;
    write_layout(&gap.path("arc-dns"), "arc-dns");
    write_layout(&gap.path("other"), "arc-sqlmi");
    tar(&gap.path("other"), &gap.path("arc-sqlmi.tar")).await;
    for bundle in ["arc-dns", "arc-sqlmi.tar"] {
        let run = gap.load(bundle, &["--output", "json"]).await.expect(0);
        assert_eq!(run.outcomes().len(), 1);
    }
    gap.assert_arrived(&["arc-dns", "arc-sqlmi"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_lies_is_found() {
    let gap = Gap::new().await;
    write_layout(&gap.path("arc-dns"), "arc-dns");
    let layer = gap.path("arc-dns/blobs/sha256").join(super::scene::own_layer("arc-dns").digest.hex());
    let mut content = fs::read(&layer).unwrap();
    content[100] ^= 1;
    fs::write(&layer, content).unwrap();
    let run = gap.load("arc-dns", &[]).await.expect(5);
    assert!(run.stderr.contains(&super::scene::own_layer("arc-dns").digest.to_string()), "{}", run.stderr);
    assert_eq!(gap.tagged().await, [""; 0]);
}

/// Nothing says who wrote it.
#[tokio::test(flavor = "multi_thread")]
async fn a_layout_is_never_trusted() {
    let gap = Gap::new().await;
    write_layout(&gap.path("arc-dns"), "arc-dns");
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    let run = gap.load("arc-dns", &["--trust", "sealift.pub"]).await.expect(6);
    assert!(
        run.stderr.contains("it is a plain OCI image layout, and those have no signature"),
        "{}",
        run.stderr
    );
    gap.assert_untouched();
}

/// The volumes of a bundle, one after another, are a layout of their own: the catalogue need not be there.
#[tokio::test(flavor = "multi_thread")]
async fn the_volumes_of_a_bundle_are_a_layout() {
    let gap = Gap::packed(&[]).await;
    let all: Vec<u8> =
        super::scene::volumes(&gap.path("release")).iter().flat_map(|path| fs::read(path).unwrap()).collect();
    fs::write(gap.path("all.tar"), all).unwrap();
    gap.load("all.tar", &[]).await.expect(0);
    for name in super::scene::NAMES {
        let repository = format!("site/arcdata/arcdata/{name}").parse().unwrap();
        let there = gap.site.target.store.source(&repository).resolve(&fixture::tag(KNOWN).into()).await;
        assert_eq!(there.unwrap().digest, image(name).digest(), "{name}");
    }
}
