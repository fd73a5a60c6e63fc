//! Runs: whole, at a pace, with something missing, with something broken, and stopped.

use std::sync::Arc;

use bytes::Bytes;
use sealift_mirror::{Carried, Outcome, Plan, Selection};
use sealift_oci::ManifestRef;
use sealift_store::Pace;
use sealift_store::conformance::fixture;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::world::{World, image, outcome, release, repository, sharing, wish};

#[tokio::test]
async fn everything_arrives_and_a_second_run_finds_nothing_to_do() {
    let world = World::new();
    let images = sharing(&world, &["a", "b", "gate"]).await;
    let selection = release(&["a", "b", "gate"]);
    let report = world.run(&selection).await;
    assert!(report.images.iter().all(|image| matches!(image.outcome, Outcome::Arrived)), "{report:?}");
    let distinct: u64 = 3 * (images[0].blobs[0].len() + images[0].blobs[2].len()) as u64;
    assert!(report.totals.bytes_moved < distinct + 200 && report.totals.blobs_moved == 7, "{report:?}");
    assert_eq!(report.totals.bytes_mounted, 2 * images[0].blobs[1].len() as u64);
    for (name, image) in ["a", "b", "gate"].iter().zip(&images) {
        assert_eq!(world.tagged(name).await, Some(image.manifest.digest()));
    }
    let needed: Vec<usize> = report.blobs.iter().map(|blob| blob.images.len()).collect();
    assert_eq!(needed.iter().filter(|count| **count == 3).count(), 1, "the layer that all share: {needed:?}");
    assert_eq!(needed.iter().sum::<usize>(), 9, "three images of three blobs: {needed:?}");
    let shared = report.blobs.iter().find(|blob| blob.images == [0, 1, 2]).unwrap();
    let ways: Vec<Carried> = shared.carried.values().copied().collect();
    assert_eq!(ways.iter().filter(|way| **way == Carried::Moved).count(), 1, "{ways:?}");
    assert_eq!(ways.iter().filter(|way| **way == Carried::Mounted).count(), 2, "{ways:?}");
    let again = world.run(&selection).await;
    assert!(again.blobs.is_empty(), "what is there is not read: {again:?}");
    assert!(again.images.iter().all(|image| matches!(image.outcome, Outcome::AlreadyThere)), "{again:?}");
    assert_eq!(again.totals.bytes_moved, 0);
}

/// What is allowed is neither exceeded nor left unused, however many transfers share it.
#[tokio::test(start_paused = true)]
async fn all_transfers_together_keep_the_bandwidth() {
    let layers: Vec<Bytes> = (0..200).map(|number| fixture::noise(&format!("{number}"), 5_000)).collect();
    for transfers in [1, 16] {
        let mut world = World::new();
        world.publish("a", &fixture::image_of("slow", &layers)).await;
        world.options.transfers = transfers;
        world.options.bandwidth = Some(Arc::new(Pace::new(100_000.0)));
        let began = Instant::now();
        let report = world.run(&release(&["a"])).await;
        let elapsed = began.elapsed().as_millis();
        assert!(matches!(outcome(&report, "a"), Outcome::Arrived), "{report:?}");
        // 100 bytes in a millisecond; nobody waits behind the last piece, which is a two-hundredth.
        let due = u128::from(report.totals.bytes_moved / 100);
        assert!(
            (due * 99 / 100..=due).contains(&elapsed),
            "{elapsed} ms for {due} ms, {transfers} transfers"
        );
    }
}

#[tokio::test]
async fn the_target_tag_is_honoured_and_a_moved_tag_follows() {
    let world = World::new();
    world.publish("a", &fixture::image("old")).await;
    let mut wanted = wish("a");
    wanted.tag = Some("other".parse().unwrap());
    let selection =
        Selection { groups: vec![sealift_mirror::Group { name: None, images: vec![wanted.clone()] }] };
    world.run(&selection).await;
    let new = fixture::image("new");
    world.publish("a", &new).await;
    let report = world.run(&selection).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Arrived));
    let target = world.target.source(&repository("dst", "a"));
    let reference = ManifestRef::Tag("other".parse().unwrap());
    assert_eq!(target.resolve(&reference).await.unwrap().digest, new.manifest.digest());
    assert_eq!(world.tagged("a").await, None, "the source's tag was not asked for");
}

#[tokio::test]
async fn an_image_without_a_tag_is_put_by_its_digest() {
    let world = World::new();
    let published = fixture::image("a");
    world.publish("a", &published).await;
    let mut wanted = wish("a");
    wanted.reference = published.manifest.digest().into();
    wanted.tag = None;
    let selection = Selection { groups: vec![sealift_mirror::Group { name: None, images: vec![wanted] }] };
    assert!(matches!(outcome(&world.run(&selection).await, "a"), Outcome::Arrived));
    assert!(matches!(outcome(&world.run(&selection).await, "a"), Outcome::AlreadyThere));
    let target = world.target.source(&repository("dst", "a"));
    assert!(target.resolve(&published.manifest.digest().into()).await.is_ok());
}

#[tokio::test]
async fn what_is_missing_is_told_and_withholds_the_gate() {
    let world = World::new();
    sharing(&world, &["a", "gate"]).await;
    let mut selection = release(&["a", "absent", "optional", "gate"]);
    selection.groups[0].images[2].optional = true;
    let survey = world.mirror().survey(&selection).await;
    let missing: Vec<_> = survey.missing().map(|request| request.name.as_str()).collect();
    assert_eq!(missing, ["absent"]);
    let report = world.run(&selection).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Arrived));
    assert!(matches!(outcome(&report, "absent"), Outcome::Missing));
    assert!(matches!(outcome(&report, "optional"), Outcome::NotPart));
    assert!(matches!(outcome(&report, "gate"), Outcome::Withheld));
    assert_eq!(world.tagged("gate").await, None);
    let whole = world.run(&release(&["a", "gate"])).await;
    assert!(matches!(outcome(&whole, "gate"), Outcome::Arrived), "named without it, the set is complete");
}

#[tokio::test]
async fn what_is_not_part_of_a_release_withholds_nothing() {
    let world = World::new();
    sharing(&world, &["a", "gate"]).await;
    let mut selection = release(&["a", "optional", "gate"]);
    selection.groups[0].images[1].optional = true;
    assert!(matches!(outcome(&world.run(&selection).await, "gate"), Outcome::Arrived));
}

#[tokio::test]
async fn a_foreign_layer_that_nobody_has_is_left_out_and_told() {
    let world = World::new();
    let published = fixture::image_with_foreign_layer("a");
    world.publish("a", &published).await;
    let report = world.run(&release(&["a"])).await;
    let a = image(&report, "a");
    assert!(matches!(a.outcome, Outcome::Arrived), "{a:?}");
    let layer = published.manifest.links.blobs[2].digest;
    assert_eq!(a.skipped, [layer]);
    let found = world.mirror().verify(&release(&["a"]), true).await;
    assert!(matches!(found.images[0].verdict, sealift_mirror::Verdict::Right));
    assert_eq!(found.images[0].absent, [layer], "verifying tells it, too");
}

#[tokio::test]
async fn a_run_that_was_stopped_moves_no_tag() {
    let world = World::new();
    sharing(&world, &["a", "b"]).await;
    let mirror = world.mirror();
    let plan = Plan::new(mirror.survey(&release(&["a", "b"])).await);
    let (_stop, stopped) = watch::channel(true);
    let report = mirror.run(plan, stopped).await;
    assert!(report.interrupted);
    assert!(report.images.iter().all(|image| matches!(image.outcome, Outcome::Interrupted)), "{report:?}");
    assert_eq!(world.tagged("a").await, None);
}

#[tokio::test]
async fn rechecking_believes_no_tag() {
    let mut world = World::new();
    sharing(&world, &["a"]).await;
    world.run(&release(&["a"])).await;
    world.options.recheck = true;
    let report = world.run(&release(&["a"])).await;
    let a = image(&report, "a");
    assert!(matches!(a.outcome, Outcome::Arrived), "{a:?}");
    assert!(a.moved == 0 && a.present > 0, "{a:?}");
}

#[tokio::test]
async fn many_tags_of_one_image_cost_its_blobs_once() {
    let world = World::new();
    let published = fixture::image("a");
    let repository = repository("src", "a");
    let mut images = Vec::new();
    for number in 0..20 {
        let tag = format!("t{number}");
        published.push(world.source.as_ref(), &repository, Some(&tag)).await;
        let mut wanted = wish("a");
        wanted.reference = ManifestRef::Tag(tag.parse().unwrap());
        wanted.tag = Some(tag.parse().unwrap());
        images.push(wanted);
    }
    let selection = Selection { groups: vec![sealift_mirror::Group { name: None, images }] };
    let plan = Plan::new(world.mirror().survey(&selection).await);
    assert_eq!((plan.totals().images, plan.totals().blobs), (20, published.blobs.len()));
    let report = world.mirror().run(plan, watch::channel(false).1).await;
    assert!(report.images.iter().all(|image| matches!(image.outcome, Outcome::Arrived)));
    assert_eq!(report.totals.blobs_moved, published.blobs.len());
}
