//! A plan says what it costs, and is right.

use sealift_mirror::{Plan, Weight};
use sealift_store::conformance::fixture;
use tokio::sync::watch;

use crate::world::{World, layer, release, repository, sharing};

#[tokio::test]
async fn a_plan_is_weighed_and_the_run_keeps_to_it() {
    let world = World::new();
    sharing(&world, &["a", "b", "gate"]).await;
    let base = layer("base");
    // The shared layer is in the second image's repository from earlier.
    fixture::push_blob(world.target.target(&repository("dst", "b")).unwrap().as_ref(), &base).await;
    let mirror = world.mirror();
    let mut plan = Plan::new(mirror.survey(&release(&["a", "b", "gate"])).await);
    let weights = mirror.weigh(&mut plan).await.unwrap();
    let shared = base.len() as u64;
    let total = weights.total;
    assert_eq!((total.present, total.mount), (shared, 2 * shared));
    assert_eq!(total.requests, 6 * 4 + 2 + 1 + 3, "blobs fetched, mounted, there; manifests");
    assert_eq!(weights.groups[0].iter().map(|weight| weight.fetch).sum::<u64>(), total.fetch);
    let report = mirror.run(plan, watch::channel(false).1).await;
    assert_eq!(report.totals.bytes_moved, total.fetch);
    assert_eq!(report.totals.bytes_mounted, total.mount);
}

#[tokio::test]
async fn what_is_there_weighs_nothing() {
    let world = World::new();
    sharing(&world, &["a"]).await;
    world.run(&release(&["a"])).await;
    let mirror = world.mirror();
    let mut plan = Plan::new(mirror.survey(&release(&["a"])).await);
    assert_eq!(mirror.weigh(&mut plan).await.unwrap().total, Weight::default());
}
