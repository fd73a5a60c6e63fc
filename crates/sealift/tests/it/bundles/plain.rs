//! Plain OCI image layouts, as other tools write them.

use std::fs;
use std::path::Path;

use sealift_oci::Digest;
use sealift_store::PageRequest;
use sealift_store::conformance::fixture;
use serde_json::json;

use super::scene::{Gap, image};
use crate::serve::Registry;
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

/// What the page knows of a layout is what it is called, when it came, and where its names say that it is from.
#[tokio::test(flavor = "multi_thread")]
async fn a_layout_is_served_and_says_where_it_lies() {
    let gap = Gap::new().await;
    write_layout(&gap.path("arc-dns"), "arc-dns");
    tar(&gap.path("arc-dns"), &gap.path("arc-dns.tar")).await;
    gap.pack("oci:packed", &[]).await.expect(0);
    let source = gap.source.address().to_string();
    for (place, from) in [("arc-dns", ""), ("arc-dns.tar", ""), ("packed", source.as_str())] {
        let registry = Registry::start(&["--read-only", &gap.text(place)]).await;
        let (found, client) = (image("arc-dns"), registry.client());
        let repositories = client.admin().repositories(&PageRequest::first()).await.unwrap().items;
        let repository = repositories.iter().find(|it| it.as_str().ends_with("arc-dns")).unwrap();
        let read = client.source(repository).manifest(&KNOWN.parse().unwrap()).await.unwrap();
        assert_eq!(read, found.manifest, "{place}");
        let page = registry.page(&format!("/repository/{repository}?image={KNOWN}")).await;
        for fact in [&format!("the OCI image layout {place}<"), "Arrived here", from] {
            assert!(page.contains(fact), "{fact} {page}");
        }
        assert_eq!(page.contains("<dt>From"), !from.is_empty(), "{page}");
        let root = gap.path("").display().to_string();
        assert!(!page.contains(&root), "nobody is told where it lies on this machine: {page}");
        let figures = registry.page("/metrics").await;
        let bytes: u64 = figures
            .lines()
            .find_map(|line| line.strip_prefix("sealift_store_bytes "))
            .and_then(|number| number.parse().ok())
            .expect(&figures);
        let least: usize = found.blobs.iter().map(bytes::Bytes::len).sum();
        assert!(bytes >= least as u64 && !figures.contains("sealift_store_repositories 0\n"), "{figures}");
        assert_eq!(registry.ask("GET", "/readyz").await, 200);
        assert_eq!(registry.ask("POST", &format!("/v2/{repository}/blobs/uploads/")).await, 405);
        registry.kill().await;
    }
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

/// All that reads a bundle reads layouts, whatever they are called.
#[tokio::test(flavor = "multi_thread")]
async fn layouts_are_read_by_every_command() {
    let gap = Gap::new().await;
    write_layout(&gap.path("arc-dns"), "arc-dns");
    write_layout(&gap.path("other"), "arc-sqlmi");
    tar(&gap.path("other"), &gap.path("arc-sqlmi.tar")).await;
    for (place, name) in [
        ("oci:arc-dns", "arc-dns"),
        ("arc-dns", "arc-dns"),
        ("oci-archive:arc-sqlmi.tar", "arc-sqlmi"),
        ("arc-sqlmi.tar", "arc-sqlmi"),
    ] {
        let run = gap.run(&["verify", place]).await.expect(0);
        assert!(run.stdout.starts_with(&format!("{place}: every byte has its digest (")), "{}", run.stdout);
        let run = gap.inspect(place, &[]).await.expect(0);
        assert!(run.stdout.contains(&format!("{name}  {KNOWN}")), "{}", run.stdout);
        assert!(
            run.stdout.contains("linux/amd64") && run.stdout.contains("OCI image layout "),
            "{}",
            run.stdout
        );
        let looked = gap.inspect(place, &["--output", "json"]).await.expect(0).json();
        assert_eq!((&looked["kind"], &looked["content"]), (&json!("oci-layout"), &json!(4)));
        assert_eq!(looked["images"][0]["platforms"], json!(["linux/amd64"]));
        gap.load(place, &["--dry-run"]).await.expect(0);
        gap.load(place, &["--all-or-nothing"]).await.expect(0);
    }
    gap.assert_arrived(&["arc-dns", "arc-sqlmi"]).await;
    let run = gap.run(&gap.loading(&["arc-dns", "oci:other"], &[])).await.expect(2);
    assert!(run.stderr.contains("a plain OCI image layout is taken alone"), "{}", run.stderr);
    for place in ["oci:nowhere", "oci-archive:nowhere.tar"] {
        let run = gap.run(&["verify", place]).await.expect(2);
        assert!(run.stderr.contains("error: nowhere"), "{}", run.stderr);
    }
}

/// What is packed as a layout has the full names of its images, and is loaded where a bundle would be.
#[tokio::test(flavor = "multi_thread")]
async fn a_packed_layout_has_full_names_and_loads_like_a_bundle() {
    let gap = Gap::new().await;
    gap.pack("oci:layout", &[]).await.expect(0);
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(gap.path("layout/index.json")).unwrap()).unwrap();
    let named = index["manifests"].as_array().unwrap().iter();
    let mut names: Vec<String> = named
        .map(|it| gap.redact(it["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap()))
        .map(|it| it.trim_end().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, super::scene::NAMES.map(|name| format!("SOURCE/arcdata/{name}:{KNOWN}")));
    let dry = gap.pack("oci:layout", &["--dry-run", "--output", "json"]).await.expect(0).json();
    assert_eq!((&dry["totals"]["blobsToFetch"], &dry["volumes"]), (&json!(0), &json!(null)), "{dry}");
    gap.run(&["verify", "oci:layout"]).await.expect(0);
    gap.load("oci:layout", &[]).await.expect(0);
    gap.assert_arrived(&super::scene::NAMES).await;
}

/// A layout has no receipt, and who asks for one is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_layout_has_no_receipt() {
    let gap = Gap::new().await;
    write_layout(&gap.path("arc-dns"), "arc-dns");
    for flag in ["--receipt", "--repair-request", "--sign"] {
        for more in [&[flag, "x.json"][..], &[flag, "x.json", "--dry-run"]] {
            let run = gap.load("arc-dns", more).await.expect(2);
            let words =
                format!("error: {flag}: a plain OCI image layout has no receipt and no repair request\n");
            assert!(run.stderr.contains(&words), "{}", run.stderr);
        }
    }
    gap.assert_untouched();
}

/// A blob that lies elsewhere is told as what it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_linked_blob_is_told() {
    let gap = Gap::new().await;
    write_layout(&gap.path("arc-dns"), "arc-dns");
    let layer = gap.path("arc-dns/blobs/sha256").join(super::scene::own_layer("arc-dns").digest.hex());
    fs::rename(&layer, gap.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(gap.path("elsewhere"), &layer).unwrap();
    let words = "it is no regular file but a symbolic link; put the file itself there";
    for (run, code) in [(gap.run(&["verify", "arc-dns"]).await, 5), (gap.load("arc-dns", &[]).await, 1)] {
        assert!(run.stderr.contains(words), "{}", run.stderr);
        run.expect(code);
    }
    assert_eq!(gap.tagged().await, [""; 0]);
}

/// Nothing says who wrote it.
#[tokio::test(flavor = "multi_thread")]
async fn a_layout_is_never_trusted() {
    let gap = Gap::new().await;
    write_layout(&gap.path("arc-dns"), "arc-dns");
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    let trusting = ["--trust", "sealift.pub"];
    for place in ["arc-dns", "oci:arc-dns"] {
        for run in [
            gap.load(place, &trusting).await,
            gap.inspect(place, &trusting).await,
            gap.run(&[&["verify", place], &trusting[..]].concat()).await,
        ] {
            let words = "it is a plain OCI image layout, and those have no signature";
            assert!(run.stderr.contains(words), "{}", run.stderr);
            run.expect(6);
        }
    }
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
