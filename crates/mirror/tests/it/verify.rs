//! Verifying finds what a run would not have left.

use std::sync::Arc;

use sealift_mirror::{Finding, Verdict, Verification};
use sealift_store::conformance::fixture;
use sealift_store::{Action, ErrorKind, Faults, Method};

use crate::world::{World, release, repository, sharing, tag};

async fn verify(world: &World, deep: bool) -> Verification {
    world.mirror().verify(&release(&["a", "b"]), deep).await
}

fn findings(verification: &Verification, position: usize) -> &[Finding] {
    match &verification.images[position].verdict {
        Verdict::Wrong(findings) => findings,
        _ => &[],
    }
}

#[tokio::test]
async fn what_was_mirrored_is_right() {
    let world = World::new();
    sharing(&world, &["a", "b"]).await;
    world.run(&release(&["a", "b"])).await;
    let shallow = verify(&world, false).await;
    assert!(shallow.images.iter().all(|image| matches!(image.verdict, Verdict::Right)), "{shallow:?}");
    assert_eq!((shallow.blobs, shallow.bytes_read), (6, 0), "each blob once in each repository");
    let deep = verify(&world, true).await;
    assert!(deep.images.iter().all(|image| matches!(image.verdict, Verdict::Right)), "{deep:?}");
    assert!(deep.bytes_read > 0);
}

#[tokio::test]
async fn an_empty_target_and_a_missing_source_are_told_apart() {
    let world = World::new();
    world.publish("a", &fixture::image("a")).await;
    let verification = verify(&world, false).await;
    assert!(matches!(findings(&verification, 0).first(), Some(Finding::NoManifest(_))), "{verification:?}");
    assert!(matches!(verification.images[1].verdict, Verdict::Missing));
}

#[tokio::test]
async fn a_wrong_tag_is_found() {
    let world = World::new();
    let images = sharing(&world, &["a", "b"]).await;
    world.run(&release(&["a", "b"])).await;
    let other = fixture::image("other");
    other.push(world.target.as_ref(), &repository("dst", "a"), Some(tag("v1").as_str())).await;
    let verification = verify(&world, false).await;
    let expected = images[0].manifest.digest();
    match findings(&verification, 0) {
        [Finding::WrongTag { expected: it, actual, .. }] => {
            assert_eq!((*it, *actual), (expected, other.manifest.digest()));
        }
        other => panic!("{other:?}"),
    }
    assert!(findings(&verification, 1).is_empty());
}

/// A place does not open a blob again by itself where that fails.
#[tokio::test]
async fn a_blob_that_opens_late_is_right() {
    let world = World::new();
    sharing(&world, &["a", "b"]).await;
    world.run(&release(&["a", "b"])).await;
    let flaky = Faults::new(Arc::clone(&world.target), |call| match call.method {
        Method::OpenBlob if call.count < 4 => Action::Fail(ErrorKind::Unavailable),
        _ => Action::Pass,
    });
    let world = World::with(Arc::clone(&world.source), Arc::new(flaky));
    let deep = verify(&world, true).await;
    assert!(deep.images.iter().all(|image| matches!(image.verdict, Verdict::Right)), "{deep:?}");
}
