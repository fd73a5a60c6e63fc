//! What breaks on the way: one image fails with a clear error, no tag points at what is not whole, and the
//! other images arrive.

use sealift_testbed::docker_registry::RegistryOptions;
use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};
use sealift_testbed::images::Size;
use sealift_testbed::peers::interop_wanted;
use sealift_testbed::small_disk::SmallDisk;

use crate::site::{Run, SOURCE, Site, TARGET, sealift};

/// The image that is broken in these tests. `arc-controller` is tagged only if it is there.
const BROKEN: &str = "arc-sqlmi";

/// The largest blob that only the broken image has.
fn own_blob(site: &Site) -> sealift_oci::Descriptor {
    let others: Vec<_> = site
        .set
        .images()
        .iter()
        .filter(|image| image.name != BROKEN)
        .flat_map(|image| image.blobs())
        .collect();
    let own = site.set.image(BROKEN).unwrap().blobs().into_iter();
    let own = own.filter(|blob| others.iter().all(|other| other.digest != blob.digest));
    own.max_by_key(|blob| blob.size).unwrap()
}

/// Everything but the broken image and the one that waits for it has its tag, and is right.
async fn the_others_are_unharmed(site: &Site) {
    let expected: Vec<String> = site.set.images().iter().map(|image| image.name.clone()).collect();
    let expected: Vec<String> =
        expected.into_iter().filter(|name| name != BROKEN && name != "arc-controller").collect();
    assert_eq!(site.tagged(), expected);
    let (from, to) = (site.source.address().to_string(), site.target.address().to_string());
    let images: Vec<&str> = expected.iter().flat_map(|name| ["--image", name]).collect();
    sealift("verify", &from, &to, &[&["--deep"], images.as_slice()].concat(), &[]).await.expect(0);
}

#[track_caller]
fn only_the_broken_one_failed(run: &Run) {
    for image in run.json()["images"].as_array().unwrap() {
        let expected = match image["name"].as_str().unwrap() {
            BROKEN => "failed",
            "arc-controller" => "withheld",
            _ => "arrived",
        };
        assert_eq!(image["outcome"], expected, "{image}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new(Size::Small).await;
    let from = site.source.address().to_string();
    let run = sealift("mirror", &from, "registry.invalid", &[], &[]).await.expect(1);
    assert!(run.stderr.contains("registry.invalid"), "{}", run.stderr);
    let run = sealift("mirror", "registry.invalid", &from, &[], &[]).await.expect(1);
    assert!(run.stderr.contains("registry.invalid"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_missing_at_the_source() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new(Size::Small).await;
    let blob = own_blob(&site);
    std::fs::remove_file(site.own_source_blob(&blob.digest.hex())).unwrap();
    let run = site.mirror(&["--output", "json"]).await.expect(3);
    only_the_broken_one_failed(&run);
    assert!(run.stderr.contains(&blob.digest.to_string()), "{}", run.stderr);
    the_others_are_unharmed(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_of_the_right_length_has_flipped_bits() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new(Size::Small).await;
    let blob = own_blob(&site);
    let path = site.own_source_blob(&blob.digest.hex());
    let mut content = std::fs::read(&path).unwrap();
    content[100] ^= 4;
    std::fs::write(&path, &content).unwrap();
    let run = site.mirror(&["--output", "json"]).await.expect(5);
    only_the_broken_one_failed(&run);
    let wrong = sealift_oci::Digest::sha256(&content).to_string();
    assert!(run.stderr.contains(&wrong) && run.stderr.contains(&blob.digest.to_string()), "{}", run.stderr);
    the_others_are_unharmed(&site).await;
}

/// Puts a proxy with a rule before the source, and mirrors through it.
async fn through_source(site: &Site, rule: impl Fn(&RequestHead) -> Action + Send + Sync + 'static) -> Run {
    let proxy = HttpProxy::start(site.source.address()).await.unwrap();
    proxy.set_rule(rule);
    let (from, to) = (proxy.address().to_string(), site.target.address().to_string());
    sealift("mirror", &from, &to, &["--output", "json"], &[]).await
}

/// Puts a proxy with a rule before the target, and mirrors through it.
async fn through_target(site: &Site, rule: impl Fn(&RequestHead) -> Action + Send + Sync + 'static) -> Run {
    let proxy = HttpProxy::start(site.target.address()).await.unwrap();
    proxy.set_rule(rule);
    let (from, to) = (site.source.address().to_string(), proxy.address().to_string());
    sealift("mirror", &from, &to, &["--output", "json"], &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_cut_in_mid_blob_and_goes_on() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new(Size::Small).await;
    let blob = own_blob(&site);
    let (path, half) = (format!("/v2/{SOURCE}/{BROKEN}/blobs/{}", blob.digest), blob.size / 2);
    let run = through_source(&site, move |head| match head.path == path && head.earlier == 0 {
        true => Action::CutBodyAfter(half),
        false => Action::Pass,
    })
    .await
    .expect(0);
    assert_eq!(run.json()["totals"]["bytesMoved"], site.set.size());
    assert_eq!(site.tagged().len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_cut_at_the_same_byte_for_ever() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new(Size::Small).await;
    let path = format!("/v2/{SOURCE}/{BROKEN}/blobs/{}", own_blob(&site).digest);
    let run = through_source(&site, move |head| match head.path == path {
        true => Action::CutBodyAfter(0),
        false => Action::Pass,
    })
    .await
    .expect(1);
    only_the_broken_one_failed(&run);
    the_others_are_unharmed(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_refuses_mounts() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new(Size::Small).await;
    through_target(&site, |head| {
        let is_mount = head.query.as_deref().is_some_and(|query| query.contains("mount="));
        if is_mount { Action::status(405) } else { Action::Pass }
    })
    .await
    .expect(0);
    assert_eq!(site.tagged().len(), 15);
    // What cannot be mounted is read back from the target, never again from the source.
    let is_fetch = |it: &&sealift_testbed::docker_registry::Request| {
        it.method == "GET" && it.path.contains("/blobs/sha256:")
    };
    let blobs = site.set.blobs().len();
    let requests = site.source.wait_for_requests(|all| all.iter().filter(is_fetch).count() >= blobs).await;
    assert_eq!(requests.unwrap().iter().filter(is_fetch).count(), blobs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_answers_500() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new(Size::Small).await;
    let uploads = format!("/v2/{TARGET}/{BROKEN}/blobs/uploads/");
    let run = through_target(&site, move |head| {
        if head.path.starts_with(&uploads) { Action::status(500) } else { Action::Pass }
    })
    .await
    .expect(1);
    only_the_broken_one_failed(&run);
    assert!(run.stderr.contains("500"), "{}", run.stderr);
    the_others_are_unharmed(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_has_a_full_disk() {
    if !interop_wanted() {
        return;
    }
    let disk = SmallDisk::new(3_500_000).await.unwrap();
    let options = RegistryOptions { storage: Some(disk.path().to_owned()), ..RegistryOptions::default() };
    let site = Site::with_target(Size::Small, &options).await;
    site.mirror(&["--image", "arc-service-proxy"]).await.expect(0);
    let run = site.mirror(&["--output", "json"]).await.expect(1);
    assert!(run.stderr.contains(&site.target.address().to_string()), "{}", run.stderr);
    assert!(run.stderr.contains("its disk is full") && run.stderr.contains("@sha256:"), "{}", run.stderr);
    // What arrived stays whole, and what the disk had no room for has no tag.
    let tagged = site.tagged();
    assert!(tagged.contains(&"arc-service-proxy".to_owned()) && tagged.len() < 15, "{tagged:?}");
    assert!(!tagged.contains(&"arc-controller".to_owned()), "{tagged:?}");
    let (from, to) = (site.source.address().to_string(), site.target.address().to_string());
    for name in tagged {
        sealift("verify", &from, &to, &["--deep", "--image", &name], &[]).await.expect(0);
    }
}
