//! Signatures and their like come along, whichever way they are attached.

use sealift_mirror::{Finding, Outcome, Verdict};
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

/// Attaches a signature by a tag.
async fn sign(world: &World, subject: &Image) -> (Image, Tag) {
    let (signature, tag) = (fixture::image("signature"), cosign_tag(subject, "sig"));
    signature.push(world.source.as_ref(), &repository("src", "a"), Some(tag.as_str())).await;
    (signature, tag)
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
    assert_eq!(image(&report, "a").attachments.len(), 3);
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
    let (signature, tag) = sign(&world, &published).await;
    let report = world.run(&release(&["a"])).await;
    assert_eq!(tagged(&world, &tag).await, Some(signature.manifest.digest()));
    let attached = &image(&report, "a").attachments;
    assert_eq!(attached.len(), 1);
    assert_eq!((attached[0].digest, attached[0].tag.as_ref()), (signature.digest(), Some(&tag)));
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
    assert_eq!(image(&report, "a").attachments.len(), 1);
    assert_eq!(referrers(&world, published.manifest.digest()).await, [artifact.manifest.digest()]);
    assert_eq!(image(&world.run(&release(&["a"])).await, "a").attachments.len(), 0, "nothing is left to do");
}

/// What verifying finds of the image `a`, and how many attachments were looked for.
async fn verified(world: &World) -> (Vec<Finding>, usize) {
    let image = world.mirror().verify(&release(&["a"]), true).await.images.remove(0);
    match image.verdict {
        Verdict::Right => (Vec::new(), image.attachments.len()),
        Verdict::Wrong(findings) => (findings, image.attachments.len()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn verifying_looks_for_what_is_attached() {
    let mut world = World::new();
    let published = fixture::image("a");
    world.publish("a", &published).await;
    let sbom = attach(&world, "sbom", &published).await;
    let of_sbom = attach(&world, "signature of the SBOM", &sbom).await;
    let (_, tag) = sign(&world, &published).await;
    world.options.attachments = false;
    world.run(&release(&["a"])).await;
    assert!(matches!(verified(&world).await, (findings, 0) if findings.is_empty()));
    world.options.attachments = true;
    let (findings, attachments) = verified(&world).await;
    assert_eq!(attachments, 3);
    let unattached = findings.iter().filter_map(|finding| match finding {
        Finding::NotAttached { digest, subject } => Some((*digest, *subject)),
        _ => None,
    });
    let expected = [
        (sbom.manifest.digest(), published.manifest.digest()),
        (of_sbom.manifest.digest(), sbom.manifest.digest()),
    ];
    assert_eq!(unattached.collect::<Vec<_>>(), expected);
    let tag = ManifestRef::Tag(tag);
    assert!(findings.iter().any(|it| matches!(it, Finding::NoManifest(missing) if *missing == tag)));
    assert!(findings.iter().any(|it| matches!(it, Finding::NoBlob(_))), "{findings:?}");
    world.run(&release(&["a"])).await;
    assert!(matches!(verified(&world).await, (findings, 3) if findings.is_empty()));
}

#[tokio::test]
async fn verifying_finds_a_tag_that_is_attached_elsewhere_and_not_what_a_site_added() {
    let world = World::new();
    let published = fixture::image("a");
    world.publish("a", &published).await;
    let (signature, tag) = sign(&world, &published).await;
    world.run(&release(&["a"])).await;
    let own = fixture::artifact("signed by the site", &published.manifest, SIGNATURE);
    own.push(world.target.as_ref(), &repository("dst", "a"), None).await;
    assert!(matches!(verified(&world).await, (findings, 1) if findings.is_empty()));
    let other = fixture::image("another signature");
    other.push(world.target.as_ref(), &repository("dst", "a"), Some(tag.as_str())).await;
    match verified(&world).await.0.as_slice() {
        [Finding::WrongTag { tag: it, expected, actual }] => {
            let digests = (signature.manifest.digest(), other.manifest.digest());
            assert_eq!((it, (*expected, *actual)), (&tag, digests));
        }
        other => panic!("{other:?}"),
    }
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
