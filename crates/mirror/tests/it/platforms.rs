//! Indexes: copied whole, or one platform of them.

use sealift_mirror::Outcome;
use sealift_oci::ManifestRef;
use sealift_store::conformance::fixture;

use crate::world::{World, image, release, repository};

#[tokio::test]
async fn an_index_arrives_whole() {
    let world = World::new();
    let index = fixture::index(&[fixture::image("one"), fixture::docker_image("two")]);
    world.publish("both", &index).await;
    let report = world.run(&release(&["both"])).await;
    let both = image(&report, "both");
    assert!(matches!(both.outcome, Outcome::Arrived), "{both:?}");
    let platforms: Vec<String> = both.platforms.iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let target = world.target.source(&repository("dst", "both"));
    for child in &index.children {
        let reference = ManifestRef::Digest(child.manifest.digest());
        assert_eq!(target.manifest(&reference).await.unwrap().bytes, child.manifest.bytes);
    }
}

#[tokio::test]
async fn one_platform_keeps_its_digest() {
    let mut world = World::new();
    world.options.platform = Some("linux/arm64/v8".parse().unwrap());
    let index = fixture::index(&[fixture::image("one"), fixture::image("two")]);
    world.publish("both", &index).await;
    world.publish("plain", &fixture::image("three")).await;
    let report = world.run(&release(&["both", "plain"])).await;
    let expected = index.children[1].manifest.digest();
    assert_eq!(image(&report, "both").digest, Some(expected));
    assert_eq!(world.tagged("both").await, Some(expected));
    assert!(world.tagged("plain").await.is_some(), "what is no index is copied as it is");
    let other = ManifestRef::Digest(index.children[0].manifest.digest());
    assert!(world.target.source(&repository("dst", "both")).manifest(&other).await.is_err());
}

#[tokio::test]
async fn a_platform_that_is_not_there_is_named_with_those_that_are() {
    let mut world = World::new();
    world.options.platform = Some("windows/amd64".parse().unwrap());
    world.publish("both", &fixture::index(&[fixture::image("one"), fixture::image("two")])).await;
    let report = world.run(&release(&["both"])).await;
    let error = report.failures().next().unwrap().to_string();
    assert!(error.contains("windows/amd64") && error.contains("linux/amd64, linux/arm64"), "{error}");
    assert_eq!(world.tagged("both").await, None);
}
