//! Signatures and their like come along, whichever way they are attached.

use sealift_mirror::Outcome;
use sealift_oci::{Digest, ManifestRef, Tag};
use sealift_store::PageRequest;
use sealift_store::conformance::fixture::{self, Image};

use crate::world::{World, image, outcome, release, repository};

const SIGNATURE: &str = "application/vnd.example.signature";

async fn attach(world: &World, seed: &str, subject: &Image) -> Image {
    let artifact = fixture::artifact(seed, &subject.manifest, SIGNATURE);
    artifact.push(world.source.as_ref(), &repository("src", "a"), None).await;
    artifact
}

async fn referrers(world: &World, subject: Digest) -> Vec<Digest> {
    let target = world.target.source(&repository("dst", "a"));
    let page = target.referrers(&subject, None, &PageRequest::first()).await.unwrap();
    page.items.iter().map(|referrer| referrer.digest).collect()
}

async fn tagged(world: &World, tag: &Tag) -> Option<Digest> {
    let target = world.target.source(&repository("dst", "a"));
    target.resolve(&ManifestRef::Tag(tag.clone())).await.ok().map(|found| found.digest)
}

fn cosign_tag(subject: &Image, ending: &str) -> Tag {
    format!("sha256-{}.{ending}", subject.manifest.digest().hex()).parse().unwrap()
}

#[tokio::test]
async fn referrers_come_along_and_what_refers_to_them() {
    let world = World::new();
    let index = fixture::index(&[fixture::image("one"), fixture::image("two")]);
    world.publish("a", &index).await;
    let of_root = attach(&world, "root", &index).await;
    let of_child = attach(&world, "child", &index.children[1]).await;
    let of_artifact = attach(&world, "signature of the SBOM", &of_root).await;
    let report = world.run(&release(&["a"])).await;
    assert_eq!(image(&report, "a").attachments, 3);
    for (subject, artifact) in [(&index, &of_root), (&index.children[1], &of_child), (&of_root, &of_artifact)]
    {
        assert_eq!(referrers(&world, subject.manifest.digest()).await, [artifact.manifest.digest()]);
    }
}

#[tokio::test]
async fn tags_made_of_digests_come_along() {
    let world = World::new();
    let published = fixture::image("a");
    world.publish("a", &published).await;
    let (signature, tag) = (fixture::image("signature"), cosign_tag(&published, "sig"));
    signature.push(world.source.as_ref(), &repository("src", "a"), Some(tag.as_str())).await;
    world.run(&release(&["a"])).await;
    assert_eq!(tagged(&world, &tag).await, Some(signature.manifest.digest()));
}

#[tokio::test]
async fn what_is_attached_later_comes_with_the_next_run() {
    let world = World::new();
    let published = fixture::image("a");
    world.publish("a", &published).await;
    world.run(&release(&["a"])).await;
    let artifact = attach(&world, "late", &published).await;
    let report = world.run(&release(&["a"])).await;
    assert!(matches!(outcome(&report, "a"), Outcome::AlreadyThere));
    assert_eq!(image(&report, "a").attachments, 1);
    assert_eq!(referrers(&world, published.manifest.digest()).await, [artifact.manifest.digest()]);
    assert_eq!(image(&world.run(&release(&["a"])).await, "a").attachments, 0, "nothing is left to do");
}

#[tokio::test]
async fn attachments_can_be_left_behind() {
    let mut world = World::new();
    world.options.attachments = false;
    let published = fixture::image("a");
    world.publish("a", &published).await;
    attach(&world, "left", &published).await;
    world.run(&release(&["a"])).await;
    assert_eq!(referrers(&world, published.manifest.digest()).await, []);
}
