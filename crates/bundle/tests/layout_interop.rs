//! Plain layouts against Debian's `skopeo`: it reads what sealift wrote, and the other way round.
//!
//! No test here is skipped in silence: without its peer it fails, unless `SEALIFT_NO_INTEROP=1` is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails shall say so")]

use std::fs;
use std::path::PathBuf;

use sealift_bundle::{LayoutNames, LayoutStore, LayoutWriter};
use sealift_oci::{Digest, ManifestRef, RepositoryName};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{PageRequest, Store, verified};
use sealift_testbed::peers::{interop_wanted, skopeo};

const REFERENCE: &str = "mcr.example.com/team/app:v1";

struct Site {
    directory: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Names a place of skopeo's.
    fn place(&self, transport: &str, name: &str) -> String {
        format!("{transport}:{}", self.path(name).display())
    }

    /// Writes images of two repositories into one layout.
    async fn write(&self, name: &str, image: &Image) {
        let host = "mcr.example.com".parse().unwrap();
        let names = LayoutNames::Full([(repository("team/app"), (host, repository("team/app")))].into());
        let writer = LayoutWriter::create(self.path(name), &repository("main"), names).await.unwrap();
        image.push(&writer, &repository("team/app"), Some("v1")).await;
        fixture::image("other").push(&writer, &repository("tool"), Some("v2")).await;
    }
}

fn repository(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

/// Everything that belongs to an image is there, to the byte.
async fn assert_image(store: &dyn Store, name: &str, reference: ManifestRef, image: &Image) {
    let source = store.source(&repository(name));
    assert_eq!(source.manifest(&reference).await.unwrap(), image.manifest);
    let images = [image].into_iter().chain(&image.children);
    for blob in images.flat_map(|image| &image.blobs) {
        let digest = Digest::sha256(blob);
        let size = source.stat_blob(&digest).await.unwrap();
        let body = source.open_blob(&digest, 0).await.unwrap();
        assert_eq!(verified(body, digest, size).collect(blob.len()).await.unwrap(), blob);
    }
    for child in &image.children {
        assert_eq!(source.manifest(&child.digest().into()).await.unwrap(), child.manifest);
    }
}

#[tokio::test]
async fn skopeo_reads_what_sealift_writes() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new();
    let image = fixture::image("app");
    site.write("layout", &image).await;
    let layout = site.place("oci", "layout");
    let raw = skopeo(&["inspect", "--raw", &format!("{layout}:{REFERENCE}")]).await.unwrap();
    assert_eq!(raw.stdout, image.manifest.bytes);
    let inspected = skopeo(&["inspect", &format!("{layout}:{REFERENCE}")]).await.unwrap();
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(inspected["Digest"], image.digest().to_string());
    for (reference, image) in [(REFERENCE, &image), ("tool:v2", &fixture::image("other"))] {
        let out = format!("out-{}", image.digest().short().replace(':', "-"));
        let from = format!("{layout}:{reference}");
        skopeo(&["copy", "--preserve-digests", &from, &site.place("dir", &out)]).await.unwrap();
        let written = fs::read(site.path(&out).join("manifest.json")).unwrap();
        assert_eq!(Digest::sha256(&written), image.digest());
        for blob in &image.blobs {
            assert_eq!(fs::read(site.path(&out).join(Digest::sha256(blob).hex())).unwrap(), *blob);
        }
    }
}

#[tokio::test]
async fn skopeo_reads_all_platforms_of_an_index() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new();
    let image = fixture::index(&[fixture::image("amd"), fixture::image("arm")]);
    site.write("layout", &image).await;
    let from = format!("{}:{REFERENCE}", site.place("oci", "layout"));
    skopeo(&["copy", "--all", "--preserve-digests", &from, &site.place("dir", "out")]).await.unwrap();
    let written = fs::read(site.path("out/manifest.json")).unwrap();
    assert_eq!(Digest::sha256(&written), image.digest());
    for child in &image.children {
        let written = fs::read(site.path("out").join(format!("{}.manifest.json", child.digest().hex())));
        assert_eq!(written.unwrap(), child.manifest.bytes);
    }
}

#[tokio::test]
async fn sealift_reads_what_skopeo_writes() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new();
    for (number, image) in
        [fixture::image("app"), fixture::index(&[fixture::image("amd"), fixture::image("arm")])]
            .iter()
            .enumerate()
    {
        let ours = format!("ours-{number}");
        site.write(&ours, image).await;
        let from = format!("{}:{REFERENCE}", site.place("oci", &ours));
        let places = [
            ("oci", "latest", "main", "latest"),
            ("oci", REFERENCE, "team/app", "v1"),
            ("oci-archive", "latest", "main", "latest"),
            ("oci-archive", REFERENCE, "team/app", "v1"),
        ];
        for (transport, reference, name, tag) in places {
            let to = format!("{transport}-{tag}-{number}");
            let place = format!("{}:{reference}", site.place(transport, &to));
            skopeo(&["copy", "--all", "--preserve-digests", &from, &place]).await.unwrap();
            let store = match transport {
                "oci" => LayoutStore::open(site.path(&to), &repository("main")).await,
                _ => LayoutStore::open_archive(site.path(&to), &repository("main")).await,
            };
            let store = store.unwrap();
            assert_image(&store, name, fixture::tag(tag).into(), image).await;
            let names = store.admin().repositories(&PageRequest::first()).await.unwrap();
            assert_eq!(names.items, [repository(name)], "{to}");
        }
    }
}

/// skopeo adds an image to a layout of sealift's, and sealift one to what skopeo left.
#[tokio::test]
async fn both_write_to_one_layout() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new();
    let (image, added) = (fixture::image("app"), fixture::image("added"));
    site.write("layout", &image).await;
    site.write("source", &added).await;
    let from = format!("{}:{REFERENCE}", site.place("oci", "source"));
    let to = format!("{}:team/app:v2", site.place("oci", "layout"));
    skopeo(&["copy", "--preserve-digests", &from, &to]).await.unwrap();
    site.write("layout", &fixture::image("third")).await;
    let store = LayoutStore::open(site.path("layout"), &repository("main")).await.unwrap();
    assert_image(&store, "team/app", fixture::tag("v1").into(), &fixture::image("third")).await;
    assert_image(&store, "team/app", fixture::tag("v2").into(), &added).await;
    assert_image(&store, "team/app", image.digest().into(), &image).await;
    let images = store.images().await.unwrap();
    let names: Vec<String> = images
        .iter()
        .map(|it| format!("{}:{}", it.repository, it.tag.as_ref().map_or("", |tag| tag.as_str())))
        .collect();
    assert_eq!(names, ["team/app:v1", "team/app:v2", "team/app:", "tool:v2"]);
}
