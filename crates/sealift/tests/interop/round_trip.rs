//! The whole release, from registry to registry.

use std::collections::HashMap;

use sealift_testbed::containerd::Containerd;
use sealift_testbed::docker_registry::Request;
use sealift_testbed::http_proxy::{HttpProxy, Record};
use sealift_testbed::images::{RELEASE_TAG, Size};
use sealift_testbed::peers::interop_wanted;

use crate::site::{SOURCE, Site, TARGET, blob_path, sealift};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_arrives_byte_for_byte() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new(Size::Interop).await;
    assert!(site.set.size() >= 150_000_000 && site.set.images().len() == 15);
    site.mirror(&[]).await.expect(0);
    for image in site.set.images() {
        let source = site.raw(&site.source, SOURCE, &image.name).await.unwrap();
        assert_eq!(source, site.raw(&site.target, TARGET, &image.name).await.unwrap(), "{}", image.name);
        assert_eq!(source, image.manifest.bytes);
    }
    each_blob_was_fetched_once(&site).await;
    containerd_pulls(&site).await;
    a_second_run_writes_nothing(&site).await;
    verifying_finds_every_damage(&site).await;
}

/// The source's own access log is the witness.
async fn each_blob_was_fetched_once(site: &Site) {
    let expected: HashMap<String, usize> =
        site.set.blobs().iter().map(|blob| (blob.digest.to_string(), 1)).collect();
    let count = |requests: &[Request]| {
        let mut fetched: HashMap<String, usize> = HashMap::new();
        for request in requests.iter().filter(|it| it.method == "GET" && it.path.contains("/blobs/")) {
            let digest = request.path.rsplit('/').next().unwrap().to_owned();
            *fetched.entry(digest).or_default() += 1;
        }
        fetched
    };
    let requests = site.source.wait_for_requests(|requests| count(requests).len() == expected.len()).await;
    assert_eq!(count(&requests.unwrap()), expected);
}

async fn containerd_pulls(site: &Site) {
    let containerd = Containerd::start().await.unwrap();
    // One image of each kind: Docker's, OCI's, and the index.
    let index = site.set.images().iter().find(|image| !image.children.is_empty()).unwrap();
    for name in ["arc-controller", "arc-sqlmi", &index.name] {
        let reference = format!("{}/{TARGET}/{name}:{RELEASE_TAG}", site.target.address());
        containerd.pull(&reference, &["--plain-http"]).await.unwrap();
    }
}

async fn a_second_run_writes_nothing(site: &Site) {
    let images = site.set.images().len();
    let all = |_: &Record| true;
    let bare = second_run(site, &["--no-attachments"]).await;
    assert!(bare.0.count(all) + bare.1.count(all) <= 3 * images, "{:?} {:?}", paths(&bare.0), paths(&bare.1));
    // Looking for signatures costs one list of tags in each repository. Besides, each registry is asked once
    // how it is spoken to, and the source how it keeps referrers and under which tag the first would be.
    let (source, target) = second_run(site, &[]).await;
    let requests = source.count(all) + target.count(all);
    assert!(requests <= 3 * images + 4, "{requests}: {:?} {:?}", paths(&source), paths(&target));
}

async fn second_run(site: &Site, more: &[&str]) -> (HttpProxy, HttpProxy) {
    let source = HttpProxy::start(site.source.address()).await.unwrap();
    let target = HttpProxy::start(site.target.address()).await.unwrap();
    let (from, to) = (source.address().to_string(), target.address().to_string());
    let again = sealift("mirror", &from, &to, &[&["--output", "json"], more].concat(), &[]).await.expect(0);
    assert_eq!(again.outcome("arc-sqlmi"), "already-there");
    assert_eq!(target.count(|it| it.head.method != "HEAD" && it.head.method != "GET"), 0);
    (source, target)
}

fn paths(proxy: &HttpProxy) -> Vec<String> {
    proxy.records().iter().map(|it| format!("{} {}", it.head.method, it.head.path)).collect()
}

async fn verifying_finds_every_damage(site: &Site) {
    let (from, to) = (site.source.address().to_string(), site.target.address().to_string());
    sealift("verify", &from, &to, &["--deep"], &[]).await.expect(0);
    let layer = |name: &str| {
        let blobs = site.set.image(name).unwrap().blobs();
        blob_path(site.target.storage(), &blobs.last().unwrap().digest.hex())
    };
    let mut content = std::fs::read(layer("arc-sqlmi")).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(layer("arc-sqlmi"), &content).unwrap();
    sealift("verify", &from, &to, &[], &[]).await.expect(0);
    let flipped = sealift("verify", &from, &to, &["--deep"], &[]).await.expect(5);
    assert!(flipped.stdout.contains("arc-sqlmi"), "{}", flipped.stdout);
    std::fs::write(layer("arc-controller"), b"short").unwrap();
    sealift("verify", &from, &to, &[], &[]).await.expect(5);
    std::fs::remove_file(layer("arc-service-proxy")).unwrap();
    let deleted = sealift("verify", &from, &to, &["--image", "arc-service-proxy"], &[]).await.expect(5);
    assert!(deleted.stdout.contains("arc-service-proxy"), "{}", deleted.stdout);
    wrong_tag(site, &from, &to).await;
}

/// One image's tag is pointed at what another repository's tag points at.
async fn wrong_tag(site: &Site, from: &str, to: &str) {
    let link = |name: &str| {
        let repository =
            site.target.storage().join("docker/registry/v2/repositories").join(TARGET).join(name);
        repository.join("_manifests/tags").join(RELEASE_TAG).join("current/link")
    };
    let index = site.set.images().iter().find(|image| !image.children.is_empty()).unwrap();
    std::fs::write(link(&index.name), index.children[0].digest().to_string()).unwrap();
    let wrong = sealift("verify", from, to, &["--image", &index.name], &[]).await.expect(5);
    assert!(wrong.stdout.contains(&index.children[0].digest().hex()[..12]), "{}", wrong.stdout);
}
